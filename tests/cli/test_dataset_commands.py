"""`cyclescape dataset`, as a person would run it."""

import json
from pathlib import Path

import pandas as pd
import pytest
from commands import cyclescape

import cyclescape as cs
from cyclescape.simulator.accelerator import Accelerator


@pytest.fixture
def runs(roofline: Accelerator, tmp_path: Path) -> Path:
    for seed in (0, 1):
        cs.search(
            "roofline", "alexnet", constraints="area_mm2<=3", agent="random", budget=15, seed=seed, out=tmp_path / f"r{seed}"
        )
    return tmp_path


def test_export_merge_and_show(runs: Path) -> None:
    done = cyclescape("dataset", "export", "r0", "-o", "a.csv", cwd=runs)
    assert (done.returncode, done.stdout) == (0, "15 evaluations in a.csv\n")
    done = cyclescape("dataset", "merge", "a.csv", "r1", "r0", "-o", "b.parquet", "--json", cwd=runs)
    both = json.loads(done.stdout)
    assert both["rows"] == len({*cs.load(runs / "r0")["key"], *cs.load(runs / "r1")["key"]}) == len(cs.load(runs / "b.parquet"))
    assert cyclescape("dataset", "merge", "b.parquet", "-o", "c", cwd=runs).returncode == 0
    pd.testing.assert_frame_equal(cs.load(runs / "c"), cs.load(runs / "b.parquet"))
    table = cs.load(runs / "c")
    shown = json.loads(cyclescape("dataset", "show", "c", "--json", cwd=runs).stdout)
    assert shown["rows"] == len(table)
    assert shown["studies"] == 2
    assert shown["evaluations"][0]["failed"] == table["reason"].notna().sum()
    assert shown["evaluations"][0]["feasible"] == table["feasible"].sum()
    assert {row["name"]: row["most"] for row in shown["metrics"]}["cycles"] == table["cycles"].max()
    text = cyclescape("dataset", "show", "b.parquet", cwd=runs)
    assert text.returncode == 0
    assert "random" in text.stdout


def test_what_cannot_be_used_is_one_line_and_writes_nothing(runs: Path) -> None:
    (runs / "bad.csv").write_text("a,b\n1,2\n")
    before = sorted(runs.iterdir())
    for arguments, says in (
        (("export", "nowhere", "-o", "x.csv"), "no results here"),
        (("export", "r0", "-o", "x.txt"), "accepted: .parquet, .csv"),
        (("merge", "r0", "bad.csv", "-o", "x"), "no data set of evaluations"),
        (("show", "bad.csv"), "bad.csv: no data set"),
    ):  # fmt: skip
        done = cyclescape("dataset", *arguments, cwd=runs)
        assert done.returncode == 2
        assert says in done.stderr
        assert done.stderr.count("\n") == 1
    assert sorted(runs.iterdir()) == before


def test_a_search_of_logged_evaluations_makes_its_report(runs: Path) -> None:
    done = cyclescape(
        "search", "roofline", "-w", "alexnet", "--evaluator", "lookup:r0", "--agent", "genetic", "--budget", "20",
        "--out", "found", cwd=runs,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert (runs / "found" / "report.html").stat().st_size > 10_000
    assert "not in the data" in "".join(cs.load(runs / "found")["reason"].dropna())
