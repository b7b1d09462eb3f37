"""What a store survives: files cut short, limits on files and disks, a clock that goes back."""

import os
import random
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from cyclescape.agents.sweep import sweep
from cyclescape.simulator.accelerator import Accelerator
from cyclescape.simulator.evaluator import make_evaluator
from cyclescape.simulator.record import Record, key_of
from cyclescape.simulator.store import FILE_NAME, ResultStore, StoreError, load
from cyclescape.traces.workload import Workload

BATCH, BATCHES = 5, 40
STABLE = ["key", "lanes", "cycles", "energy_j", "reason"]


def records(machine: Accelerator, workload: Workload, start: int) -> list[Record]:
    designs = [machine.design.make({"lanes": n}) for n in range(start, start + BATCH)]
    reports = machine.run(designs, workload)
    return [
        Record(machine, d, workload, {"engine": "compiled"}, r, key_of(machine, d, workload, {"engine": "compiled"}))
        for d, r in zip(designs, reports, strict=True)
    ]


def completed(folder: Path, machine: Accelerator, workload: Workload) -> Any:
    """Ask for every design again, so that what is missing is simulated; return the rows that must not depend on it."""
    with make_evaluator(f"cached:{folder}", machine) as evaluator:
        reports = evaluator.evaluate([{"lanes": n} for n in range(1, 1 + BATCH * BATCHES)], workload)
    assert all(report.ok for report in reports)
    with ResultStore(folder) as store:
        assert store.integrity() == []
    return load(folder).sort_values("lanes")[STABLE].reset_index(drop=True)


def test_a_log_cut_anywhere_keeps_the_batches_before(roofline: Accelerator, mlp: Workload, tmp_path: Path) -> None:
    with ResultStore(tmp_path / "whole") as store:
        for start in range(1, 1 + BATCH * BATCHES, BATCH):
            store.put(records(roofline, mlp, start))
        shutil.copytree(tmp_path / "whole", tmp_path / "open")  # as a power cut leaves it: the log not folded in
    expected = completed(tmp_path / "whole", roofline, mlp)
    log = (tmp_path / "open" / f"{FILE_NAME}-wal").read_bytes()
    rng, counts = random.Random(1), set()
    for number in range(20):
        cut = tmp_path / str(number)
        shutil.copytree(tmp_path / "open", cut)
        (cut / f"{FILE_NAME}-shm").unlink()
        (cut / f"{FILE_NAME}-wal").write_bytes(log[: rng.randrange(len(log) // 4, len(log))])
        with ResultStore(cut, readonly=bool(number % 2)) as store:
            rows = store.frame()
        counts.add(len(rows))
        assert len(rows) % BATCH == 0
        assert sorted(rows["lanes"]) == list(range(1, 1 + len(rows)))
        assert completed(cut, roofline, mlp).equals(expected)
    assert len(counts) > 5


def test_a_store_cut_anywhere_is_whole_or_refused(roofline: Accelerator, mlp: Workload, tmp_path: Path) -> None:
    with ResultStore(tmp_path / "whole") as store:
        for start in range(1, 1 + BATCH * BATCHES, BATCH):
            store.put(records(roofline, mlp, start))
    data = (tmp_path / "whole" / FILE_NAME).read_bytes()
    rng = random.Random(2)
    for number in range(30):
        cut = tmp_path / f"{number}.sqlite"
        left = data[: rng.randrange(1, len(data))]
        cut.write_bytes(left)
        for readonly in (True, False):
            with pytest.raises(StoreError) as error, ResultStore(cut, readonly=readonly) as store:
                store.frame()
            assert str(cut) in str(error.value)
            assert "\n" not in str(error.value)
        assert cut.read_bytes() == left  # for whoever wants to recover it


def test_a_shard_killed_in_the_middle_of_a_batch_takes_it_back(roofline: Accelerator, mlp: Workload, tmp_path: Path) -> None:
    shard = tmp_path / "shard.sqlite"
    with ResultStore(shard, log=False) as store:
        store.put(records(roofline, mlp, 1))
        store._db.execute("PRAGMA cache_size=1")
        store._db.execute("PRAGMA cache_spill=1")
        store._db.execute("BEGIN IMMEDIATE")
        for start in range(6, 251, BATCH):
            rows = [record.row() for record in records(roofline, mlp, start)]
            store._db.executemany(f"INSERT INTO evaluations VALUES ({', '.join('?' * 19)})", rows)
        # The half batch is in the file already, and how to take it back in the journal.
        for path in (shard, shard.with_name("shard.sqlite-journal")):
            shutil.copy(path, tmp_path / path.name.replace("shard", "killed"))
        store._db.execute("ROLLBACK")
    killed = tmp_path / "killed.sqlite"
    assert killed.stat().st_size > shard.stat().st_size or (tmp_path / "killed.sqlite-journal").stat().st_size > 0
    assert sorted(load(killed)["lanes"]) == [1, 2, 3, 4, 5]
    with ResultStore(tmp_path / "main") as main:
        assert main.merge(killed) == BATCH
        assert main.integrity() == []


FAULTY = """
import resource, sys, time
if sys.argv[1] == "small":
    resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))
else:
    begin = time.monotonic()
    time.time = lambda: 1.7e9 - 1000 * (time.monotonic() - begin)
from cyclescape.cli import main
sys.argv = ["cyclescape", *sys.argv[2:]]
main()
"""


def test_files_that_may_not_grow_and_a_clock_that_goes_back(roofline: Accelerator, plugin: Path, tmp_path: Path) -> None:
    spec = tmp_path / "spec.yaml"
    grid = "{lanes: all, bandwidth: [1, 2, 3, 4, 5, 6, 7, 8, 9], fused: all}"
    spec.write_text(f"accelerator: roofline\nworkload: alexnet\ngrid: {grid}\n")
    command = [sys.executable, "-c", FAULTY]
    arguments = ["sweep", str(spec), "--out", str(tmp_path / "out")]
    there = {"env": {**os.environ, "PYTHONPATH": str(plugin)}, "capture_output": True, "text": True}
    small = subprocess.run([*command, "small", *arguments], check=False, **there)  # type: ignore[call-overload]
    assert small.returncode == 2
    assert small.stderr.strip().count("\n") == 0
    assert "what was written before is safe" in small.stderr
    before = len(load(tmp_path / "out"))
    back = subprocess.run([*command, "back", *arguments, "--json"], check=False, **there)  # type: ignore[call-overload]
    assert back.returncode == 0, back.stderr
    sweep(spec, tmp_path / "undisturbed")
    frames = [load(tmp_path / name).sort_values("key") for name in ("out", "undisturbed")]
    assert len(frames[1]) == 126 > before
    columns = [name for name in frames[0] if name not in ("process", "wall_s", "created_unix_s")]
    assert frames[0][columns].reset_index(drop=True).equals(frames[1][columns].reset_index(drop=True))
    assert frames[0]["created_unix_s"].min() < 1.7e9 < frames[0]["created_unix_s"].max()


def test_the_latest_study_is_the_last_whatever_the_clock_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with ResultStore(tmp_path) as store:
        for number, name in enumerate("abc"):
            monkeypatch.setattr("time.time", lambda number=number: 1e9 - number)
            store.put_study(name, "{}")
        assert list(store.studies()) == ["a", "b", "c"]


def test_two_processes_that_upgrade_at_once(roofline: Accelerator, mlp: Workload, tmp_path: Path) -> None:
    with ResultStore(tmp_path) as store:
        store.put(records(roofline, mlp, 1))
    with sqlite3.connect(tmp_path / FILE_NAME) as db:
        db.execute("DROP TABLE workloads")
        db.execute("ALTER TABLE studies DROP COLUMN known")
        db.execute("PRAGMA user_version=1")
    db.close()
    script = "import sys; from cyclescape.simulator.store import ResultStore; print(len(ResultStore(sys.argv[1])))"
    both = [
        subprocess.Popen([sys.executable, "-c", script, str(tmp_path)], stdout=subprocess.PIPE, text=True) for _ in range(2)
    ]
    assert [process.communicate(timeout=60)[0].strip() for process in both] == ["5", "5"]
