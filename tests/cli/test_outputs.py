"""What a command writes replaces neither a store nor what the command reads nor its other outputs, and is there whole."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from commands import cyclescape

import cyclescape as cs
from cyclescape.cli.output import check_outputs
from cyclescape.errors import InputError
from cyclescape.simulator.accelerator import Accelerator
from cyclescape.simulator.files import write_whole

LAYERS = "Layer name, IFMAP Height, IFMAP Width, Filter Height, Filter Width, Channels, Num Filter, Strides,\n"


@pytest.fixture
def work(roofline: Accelerator, tmp_path: Path) -> Path:
    """A store, an exported table, two workloads, a design, measurements and a policy."""
    cs.search("roofline", "alexnet", agent="random", budget=3, out=tmp_path / "sa")
    (tmp_path / "layers.csv").write_text(LAYERS + "a, 30, 30, 3, 3, 8, 16, 1,\n")
    (tmp_path / "lay2.csv").write_text(LAYERS + "a, 20, 20, 3, 3, 8, 16, 1,\n")
    (tmp_path / "d.yaml").write_text("accelerator: roofline\nparameters: {lanes: 8}\n")
    (tmp_path / "old.policy").write_bytes(b"a policy")
    assert cyclescape("dataset", "export", "sa", "-o", "made/here/a.csv", cwd=tmp_path).returncode == 0
    return tmp_path


def _files(folder: Path) -> dict[Path, bytes]:
    """All files but the index of a log, which a reader may leave."""
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file() and path.suffix != ".sqlite-shm"}


TRAIN = ("policy", "train", "systolic", "--workloads", "layers.csv;lay2.csv:sparsity=2:4", "--budget", "5")
STORE, OWN, BOTH = "is a store and would be lost", "is read by this very command", "both would write"


@pytest.mark.parametrize(("line", "says"), [
    (("report", "sa", "--out", "sa/store.sqlite"), STORE),
    (("report", "sa", "--out", "sa/store.sqlite-wal"), "is of the store store.sqlite and would be lost"),
    (("surrogate", "fit", "--sample", "20", "-a", "systolic", "-w", "layers.csv", "-o", "sa/store.sqlite"), STORE),
    (("surrogate", "fit", "made/here/a.csv", "-o", "sa/../made/here/a.csv"), OWN),
    (("surrogate", "score", "d.png", "--sample", "20", "--plots", "d.png"), OWN),
    (("run", "roofline", "-w", "layers.csv", "--timeline", "layers.csv"), OWN),
    (("run", "roofline", "-w", "./layers.csv:batch=2", "--html", "layers.csv"), OWN),
    (("run", "roofline", "-w", "layers.csv", "--listing", "sa/store.sqlite"), STORE),
    (("run", "roofline", "-w", "layers.csv", "--design", "d.yaml", "--html", "d.yaml"), OWN),
    (("run", "roofline", "--timeline", "x.json", "--html", "sa/../x.json"), f"--timeline and --html: {BOTH}"),
    (("run", "roofline", "--listing", "x.json", "--timeline", "x.json"), f"--timeline and --listing: {BOTH}"),
    (("run", "roofline", "--html", "d.yaml/x.html"), "--html d.yaml/x.html: no such folder"),
    ((*TRAIN, "--out", "lay2.csv"), OWN),
    ((*TRAIN, "--agent", "transfer:file=old.policy", "--out", "old.policy"), OWN),
    ((*TRAIN, "--data", "new", "--out", "new/store.sqlite"), "no such folder"),
    ((*TRAIN, "--data", "made/x.sqlite", "--out", "made/x.sqlite"), OWN),
    (("dataset", "export", "made/here/a.csv", "-o", "made/here/a.csv"), OWN),
    (("dataset", "merge", "sa", "made/here/a.csv", "-o", "made/here/a.csv"), OWN),
    (("fit", "gpu-core", "d.yaml", "--out", "d.yaml"), OWN),
    (("experiment", "multi-agent", "--out", "x.svg", "--runs", "x.svg"), OWN),
    (("experiment", "multi-agent", "--runs", "sa/store.sqlite"), STORE),
])  # fmt: skip
def test_an_output_that_would_replace_something_is_refused_before_anything_runs(work: Path, line: tuple, says: str) -> None:
    before = _files(work)
    done = cyclescape(*line, cwd=work)
    assert (done.returncode, done.stdout) == (2, "")
    assert says in done.stderr
    assert done.stderr.count("\n") == 1
    assert _files(work) == before


def test_other_files_may_be_written_anew(work: Path) -> None:
    (work / "run.html").write_text("old")
    done = cyclescape("run", "roofline", "-w", "alexnet", "--html", "run.html", "--design", "d.yaml", cwd=work)
    assert done.returncode == 0, done.stderr
    assert "<html" in (work / "run.html").read_text()
    for _ in range(2):
        assert cyclescape("report", "sa", "--out", "sa/report.html", cwd=work).returncode == 0


def test_links_lead_to_what_they_stand_for(work: Path) -> None:
    (work / "link").symlink_to(work / "layers.csv")
    (work / "door.html").symlink_to(work / "sa" / "store.sqlite")
    for out in ("link", "door.html"):
        with pytest.raises(InputError, match=f"{STORE}|{OWN}"):
            check_outputs({"--out": work / out}, work / "layers.csv")


def test_no_writer_replaces_a_store(tmp_path: Path) -> None:
    store = tmp_path / "a.html"
    with sqlite3.connect(store) as db:
        db.execute("CREATE TABLE a (b)")
    before = store.read_bytes()
    with pytest.raises(InputError, match=STORE):
        write_whole(store, "<html>")
    assert store.read_bytes() == before
    assert list(tmp_path.iterdir()) == [store]


@pytest.mark.parametrize(("plots", "says"), [
    ("plot.xyz", "--plots plot.xyz: accepted: a file that ends in .png or .svg"),
    ("no/plot.png", "no/plot.png: no such folder"),
])  # fmt: skip
def test_where_plots_go_is_checked_before_the_surrogate_is_read(tmp_path: Path, plots: str, says: str) -> None:
    done = cyclescape("surrogate", "score", "nowhere", "--sample", "20", "--plots", plots, cwd=tmp_path)
    assert done.returncode == 2
    assert says in done.stderr
    assert not list(tmp_path.iterdir())
