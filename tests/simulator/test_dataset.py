"""Logged evaluations as files: nothing is lost on the way, and nothing that disagrees is let in."""

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from cyclescape.agents.search import search
from cyclescape.agents.study import Study
from cyclescape.agents.sweep import sweep
from cyclescape.errors import InputError
from cyclescape.simulator.accelerator import Accelerator
from cyclescape.simulator.dataset import Dataset
from cyclescape.simulator.record import COLUMNS
from cyclescape.simulator.store import FILE_NAME, ResultStore, StoreError, load
from cyclescape.traces.workload import Workload


@pytest.fixture
def logged(roofline: Accelerator, mlp: Workload, gemv: Workload, tmp_path: Path) -> Path:
    """Two searches, with broken rules and broken constraints, and a sweep that shares some designs."""
    folder = tmp_path / "runs"
    for agent in ("random", "genetic"):
        search("roofline", [mlp, gemv], constraints=["area_mm2<=3"], agent=agent, budget=12, seed=3, out=folder)
    grid = {"accelerator": "roofline", "workloads": [mlp], "grid": {"lanes": [8, 256], "frequency_mhz": [500, 1000]}}
    sweep(grid, folder)
    return folder


@pytest.mark.parametrize("ending", ["parquet", "csv"])
def test_a_file_loads_as_the_very_table_of_its_store(logged: Path, tmp_path: Path, ending: str) -> None:
    table = load(logged)
    with ResultStore(logged) as store:
        path = store.export(tmp_path / f"out.{ending}")
    pd.testing.assert_frame_equal(load(path), table)
    again = Dataset.read(path)
    assert again == Dataset.read(logged)
    assert again.write(tmp_path / f"twice.{ending}").read_bytes() == path.read_bytes()


def test_a_row_says_everything(logged: Path) -> None:
    table = load(logged)
    assert {*COLUMNS} - {"design", "metrics", "breakdown", "retry_above_s"} <= {*table}
    named = {"lanes", "bandwidth", "frequency_mhz", "fused", "cycles", "energy_j", "breakdown.compute", "breakdown.memory"}
    assert named <= {*table}
    failed = table[table["reason"].notna()]
    assert len(failed)
    assert failed["cycles"].isna().all()
    assert not failed["feasible"].any()
    asked = table[table["agent"].notna() & table["reason"].isna()]
    small = asked["area_mm2"] <= 3
    assert small.any()
    assert not small.all()
    assert (asked["feasible"] == small).all()
    assert (asked["kept"].notna() == small).all()
    assert set(asked["broken"].dropna()) == {"area_mm2<=3"}
    assert set(asked["agent"]) <= {"random", "genetic", "random;genetic"}
    assert set(asked["seed"]) == {"3"}
    swept = table[table["agent"].isna()]
    assert len(swept)
    assert (swept["feasible"] == swept["reason"].isna()).all()
    good = table[table["reason"].isna()]
    assert (good["breakdown.compute"] + good["breakdown.memory"] == good["cycles"]).all()


def test_studies_survive_a_file(logged: Path, tmp_path: Path) -> None:
    Dataset.read(logged).write(tmp_path / "a.csv")
    Dataset.read(tmp_path / "a.csv").store(tmp_path / "back")
    assert Dataset.read(tmp_path / "back") == Dataset.read(logged)
    before, after = Study.load(logged), Study.load(tmp_path / "back")
    assert before.asked == after.asked
    pd.testing.assert_frame_equal(before.history, after.history)


@pytest.mark.parametrize("ending", ["parquet", "csv"])
def test_networks_survive_a_file_and_a_merge(logged: Path, tmp_path: Path, ending: str, mlp: Workload, gemv: Workload) -> None:
    file = Dataset.read(logged).write(tmp_path / f"a.{ending}")
    for sources in ([file], [logged, file]):
        merged = Dataset.merged(sources).store(tmp_path / f"merged{len(sources)}")
        assert Dataset.read(merged).workloads.keys() == {mlp.digest, gemv.digest}
        with ResultStore(merged, readonly=True) as store:
            assert Workload.model_validate_json(str(store.workload(gemv.digest))) == gemv


def test_shards_of_any_kind_are_their_whole(logged: Path, tmp_path: Path) -> None:
    whole = Dataset.read(logged)
    parts = []
    for rows in (whole.rows[i::3] for i in range(3)):
        proposals = {row["key"]: whole.proposals[row["key"]] for row in rows if row["key"] in whole.proposals}
        parts.append(Dataset(rows, proposals, whole.studies))
    parts[0].write(tmp_path / "a.parquet")
    parts[1].write(tmp_path / "b.csv")
    parts[2].store(tmp_path / "c")
    merged = Dataset.merged([tmp_path / "a.parquet", tmp_path / "b.csv", tmp_path / "c", tmp_path / "b.csv", logged])
    assert sorted(row["key"] for row in merged.rows) == sorted(row["key"] for row in whole.rows)
    one, other = (frame.sort_values("key").set_index("key") for frame in (merged.frame(), whole.frame()))
    pd.testing.assert_frame_equal(one[sorted(one)], other[sorted(other)])


def _changed(data: Dataset, **metrics: Any) -> Dataset:
    rows = [dict(row) for row in data.rows]
    good = next(row for row in rows if row["reason"] is None)
    good["metrics"] = json.dumps(json.loads(good["metrics"]) | metrics)
    return Dataset(rows, data.proposals, data.studies)


def test_two_numbers_for_one_key_are_refused(logged: Path, tmp_path: Path) -> None:
    data = Dataset.read(logged)
    _changed(data, cycles=5).write(tmp_path / "other.csv")
    with pytest.raises(StoreError, match=r"other.csv: cycles of key \w{16} \(roofline on .*\) is 5 and elsewhere \d+; no"):
        Dataset.merged([logged, tmp_path / "other.csv"])
    size = (logged / FILE_NAME).stat().st_size
    with ResultStore(logged) as store, pytest.raises(StoreError, match="is 5 and elsewhere"):
        store.merge(tmp_path / "other.csv")
    assert Dataset.read(logged) == data
    assert (logged / FILE_NAME).stat().st_size == size


def test_a_failure_that_may_not_last_gives_way_in_any_order(logged: Path, tmp_path: Path) -> None:
    data = Dataset.read(logged)
    rows = [dict(row) for row in data.rows]
    late = next(row for row in rows if row["reason"] is None)
    late |= {"reason": "time limit", "retry_above_s": 1.0, "metrics": "{}", "breakdown": "{}"}
    Dataset(rows, data.proposals, data.studies).write(tmp_path / "late.parquet")
    for order in ([logged, tmp_path / "late.parquet"], [tmp_path / "late.parquet", logged]):
        assert Dataset.merged(order).rows == data.rows


@pytest.mark.parametrize("ending", ["parquet", "csv"])
def test_what_is_no_data_set_is_one_line(logged: Path, tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"x.{ending}"
    good = Dataset.read(logged).write(path).read_bytes()
    broken = {
        "gone": None, "empty": b"", "noise": bytes(range(256)) * 9, "cut": good[: len(good) // 2], "text": b"a,b\n1,2\n",
        "head": good[:300],
    }  # fmt: skip
    if ending == "csv":
        broken["renamed"] = good.replace(b"breakdown.compute", b"breakdown.comqute", 1)
        broken["twice"] = good + good.splitlines(keepends=True)[-1]
    for name, content in broken.items():
        if content is None:
            path.unlink()
        else:
            path.write_bytes(content)
        with pytest.raises(StoreError) as error:
            load(path)
        assert str(path) in str(error.value), name
        assert "\n" not in str(error.value)


def test_a_column_that_was_edited_is_noticed(logged: Path, tmp_path: Path) -> None:
    path = Dataset.read(logged).write(tmp_path / "x.csv")
    frame = pd.read_csv(path)
    at = frame.index[frame["reason"].isna()][0]
    frame.loc[at, "cycles"] += 1
    frame.to_csv(path, index=False)
    with pytest.raises(StoreError, match=rf"row {at + 1}: cycles is \S+, but its record says"):
        load(path)


def test_an_endless_count_is_one_line(logged: Path, tmp_path: Path) -> None:
    file = Dataset.read(logged).write(tmp_path / "a.parquet")
    frame = pd.read_parquet(file)
    frame["process"] = float("inf")
    frame.to_parquet(file)
    with pytest.raises(StoreError, match="row 1: record: not readable: OverflowError"):
        Dataset.read(file)


def test_an_unknown_ending_is_refused(logged: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"accepted: \.parquet, \.csv"):
        Dataset.read(logged).write(tmp_path / "x.xlsx")
    assert not list(tmp_path.glob("*x.xlsx*"))
