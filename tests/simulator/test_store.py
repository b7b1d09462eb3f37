import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from cyclescape.errors import InputError
from cyclescape.simulator.accelerator import Accelerator
from cyclescape.simulator.evaluator import make_evaluator
from cyclescape.simulator.record import Record, TrialRecord, key_of
from cyclescape.simulator.report import Report
from cyclescape.simulator.store import FILE_NAME, ResultStore, StoreError, load
from cyclescape.traces.workload import Workload


def record(machine: Accelerator, workload: Workload, lanes: int, **report: object) -> Record:
    design = machine.design.make({"lanes": lanes})
    made = machine.run([design], workload)[0]
    made = replace(made, **report) if report else made  # type: ignore[arg-type]
    return Record(machine, design, workload, {}, made, key_of(machine, design, workload, {}))


def test_a_report_comes_back_equal(roofline: Accelerator, mlp: Workload, tmp_path: Path) -> None:
    good = record(roofline, mlp, 8)
    bad = record(roofline, mlp, 16, metrics={}, breakdown={}, reason="does not\nfit")
    with ResultStore(tmp_path) as store:
        store.put([good, bad])
    with ResultStore(tmp_path, readonly=True) as store:
        found = store.reports([bad.key, good.key, "0" * 64])
    assert set(found) == {good.key, bad.key}
    assert found[good.key] == good.report
    assert found[good.key].provenance == good.report.provenance
    assert isinstance(found[good.key].metrics["cycles"], int)
    assert found[bad.key] == bad.report


def test_writing_again_changes_nothing(roofline: Accelerator, mlp: Workload, tmp_path: Path) -> None:
    first = record(roofline, mlp, 8)
    other = Record(roofline, first.design, mlp, {}, Report({"cycles": 1.0}), first.key)
    with ResultStore(tmp_path) as store:
        store.put([first, first])
        store.put([other])
        assert len(store) == 1
        assert store.reports([first.key])[first.key] == first.report


def test_rows_before_a_study_stay_the_same(roofline: Accelerator, mlp: Workload, tmp_path: Path) -> None:
    with ResultStore(tmp_path) as store:
        store.put([record(roofline, mlp, 8), record(roofline, mlp, 16)])
        store.put_study("a", "{}")
        store.put([record(roofline, mlp, 32)])
        store.put_study("a", "{}")  # asked for again
        store.put_study("b", "{}")
        assert [len(list(store.rows(before=study))) for study in (None, "a", "b", "unknown")] == [3, 2, 3, 0]


def test_a_failure_that_may_not_last_gives_way(roofline: Accelerator, mlp: Workload, tmp_path: Path) -> None:
    late = record(roofline, mlp, 8, metrics={}, breakdown={}, reason="time limit", retry_above_s=1.0)
    good = record(roofline, mlp, 8)
    with ResultStore(tmp_path) as store:
        for row in (late, good, late):
            store.put([row])
        assert store.reports([good.key])[good.key] == good.report


def test_keys_tell_everything_apart_that_matters(
    roofline: Accelerator, faulty: Accelerator, mlp: Workload, gemv: Workload
) -> None:
    design = roofline.design.make({"lanes": 8})
    key = key_of(roofline, design, mlp, {})
    assert key == key_of(roofline, roofline.design.make({"bandwidth": 8, "lanes": 8}), mlp, {})
    assert key == key_of(roofline, design, mlp.model_copy(update={"name": "renamed"}), {})
    others = {
        key_of(roofline, roofline.design.make({"lanes": 4}), mlp, {}),
        key_of(roofline, design, gemv, {}),
        key_of(roofline, design, mlp, {"engine": "simpy"}),
        key_of(faulty, design, mlp, {}),
    }
    assert len(others | {key}) == 5


def test_the_frame_has_a_column_for_each_parameter_and_metric(
    roofline: Accelerator, mlp: Workload, gemv: Workload, tmp_path: Path
) -> None:
    points = [{"lanes": 8}, {"lanes": 256, "frequency_mhz": 1000}, {"lanes": 64, "fused": False}]
    with make_evaluator(f"cached:{tmp_path}", roofline) as evaluator:
        for workload in (mlp, gemv):
            evaluator.evaluate(points, workload)
    frame = load(tmp_path)
    assert list(frame.columns[:6]) == [
        "accelerator",
        "workload",
        "bandwidth",
        "frequency_mhz",
        "fused",
        "lanes",
    ]
    assert list(frame.columns[6:11]) == list(roofline.metrics)
    assert list(frame["lanes"]) == [8, 256, 64] * 2
    assert frame["lanes"].dtype.kind == "i"
    assert frame["fused"].dtype == bool
    assert list(frame["workload"]) == ["mlp"] * 3 + ["gemv"] * 3
    assert list(frame["reason"].isna()) == [True, False, True] * 2
    assert frame["cycles"].isna().sum() == 2


def test_machines_that_disagree_on_a_type_still_export(
    roofline: Accelerator, faulty: Accelerator, mlp: Workload, tmp_path: Path
) -> None:
    good = record(roofline, mlp, 8)
    odd = Record(roofline, {"lanes": "many", "cycles": 3}, mlp, {}, Report.failed("no"), "k")
    with ResultStore(tmp_path) as store:
        store.put([good, odd])
        frame = store.frame()
        assert list(frame["lanes"]) == ["8", "many"]
        assert "design.cycles" in frame
        path = store.export(tmp_path / "out.parquet")
        pd.testing.assert_frame_equal(pd.read_parquet(path).drop(columns="record"), frame, check_dtype=False)
        assert len(pd.read_csv(store.export(tmp_path / "out.csv"))) == 2
        with pytest.raises(InputError, match=r"accepted: \.parquet, \.csv"):
            store.export(tmp_path / "out.xlsx")
        with pytest.raises(StoreError):
            store.export(tmp_path / "out.csv" / "out.csv")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["out.csv", "out.parquet", FILE_NAME]


def test_shards_merge(roofline: Accelerator, mlp: Workload, tmp_path: Path) -> None:
    late = record(roofline, mlp, 8, metrics={}, breakdown={}, reason="time limit", retry_above_s=1.0)
    with ResultStore(tmp_path / "a") as one, ResultStore(tmp_path / "b.sqlite") as two:
        one.put([late, record(roofline, mlp, 16)])
        two.put([record(roofline, mlp, lanes) for lanes in (8, 16, 32)])
        two.put_trials([TrialRecord("s", 0, 0, late.key, "random", 1, None, 0.0)])
        assert one.merge(tmp_path / "b.sqlite") == 1
        assert one.merge(tmp_path / "b.sqlite") == 0
        assert len(one) == 3
        assert one.reports([late.key])[late.key].ok
        assert list(one.trials("s")["agent"]) == ["random"]
        assert one.trials("other").empty
        with pytest.raises(StoreError, match="with itself"):
            one.merge(tmp_path / "a")
        with pytest.raises(StoreError, match="no results here"):
            one.merge(tmp_path / "c")


def test_no_store_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="no results here"):
        load(tmp_path)
    assert not list(tmp_path.iterdir())


def test_made_by_another_process_in_the_moment_of_opening_it_is_a_store(tmp_path: Path) -> None:
    class Late(ResultStore):
        """Reads that the file is empty, whereupon somebody else makes it a store."""

        def _pragma(self, name: str) -> int:
            said = super()._pragma(name)
            if name == "application_id" and said == 0:
                ResultStore(tmp_path).close()
            return said

    with Late(tmp_path) as store:
        assert store._pragma("application_id") != 0
        assert len(list(load(tmp_path).index)) == 0


def test_what_is_no_store_is_refused_and_left_alone(tmp_path: Path) -> None:
    text = tmp_path / "text" / FILE_NAME
    text.parent.mkdir()
    text.write_text("a,b\n1,2\n" * 200)
    foreign = tmp_path / "foreign.sqlite"
    with sqlite3.connect(foreign) as db:
        db.execute("CREATE TABLE evaluations (x)")
    db.close()
    for path, says in ((text.parent, "not a database"), (foreign, "not a cyclescape store")):
        for readonly in (True, False):
            with pytest.raises(StoreError) as error:
                ResultStore(path, readonly=readonly)
            assert says in str(error.value)
            assert "\n" not in str(error.value)
    assert text.read_text().startswith("a,b")


def made_by_version_1(folder: Path) -> None:
    """Turn a store into what the first schema was: no table of workloads, and studies knew not what was there."""
    with sqlite3.connect(folder / FILE_NAME) as db:
        db.execute("DROP TABLE workloads")
        db.execute("ALTER TABLE studies DROP COLUMN known")
        db.execute("PRAGMA user_version=1")
    db.close()


def test_an_older_store_is_read_as_it_is_and_upgraded_when_it_is_written(
    roofline: Accelerator, mlp: Workload, tmp_path: Path
) -> None:
    with ResultStore(tmp_path / "old") as store:
        store.put([record(roofline, mlp, 8)])
        expected = store.frame()
    made_by_version_1(tmp_path / "old")
    before = (tmp_path / "old" / FILE_NAME).read_bytes()
    pd.testing.assert_frame_equal(load(tmp_path / "old"), expected)
    with ResultStore(tmp_path / "old", readonly=True) as store:
        assert store.workload(mlp.digest) is None
    with ResultStore(tmp_path / "new") as new:
        assert new.merge(tmp_path / "old") == 1
    assert (tmp_path / "old" / FILE_NAME).read_bytes() == before
    with ResultStore(tmp_path / "old") as store:
        store.put([record(roofline, mlp, 16)])
        assert Workload.model_validate_json(str(store.workload(mlp.digest))) == mlp
        assert len(store) == 2


def test_an_upgrade_is_whole_or_not_at_all(
    roofline: Accelerator, mlp: Workload, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from cyclescape.simulator import store as module

    with ResultStore(tmp_path) as store:
        store.put([record(roofline, mlp, 8)])
    made_by_version_1(tmp_path)
    with monkeypatch.context() as patch:
        broken = ("CREATE TABLE half (x)", "CREATE TABLE trials (x)")
        patch.setattr(module, "MIGRATIONS", (module.MIGRATIONS[0], broken))
        with pytest.raises(StoreError, match="trials already exists"):
            ResultStore(tmp_path)
    assert len(load(tmp_path)) == 1
    with ResultStore(tmp_path) as store:
        tables = {row[0] for row in store._db.execute("SELECT name FROM sqlite_master WHERE type='table'")}
    assert tables == {"evaluations", "trials", "studies", "workloads"}


def test_a_newer_store_and_one_too_old_are_refused(
    roofline: Accelerator, mlp: Workload, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from cyclescape.simulator import store as module

    with ResultStore(tmp_path) as store:
        store.put([record(roofline, mlp, 8)])
    monkeypatch.setattr(module, "READABLE", 4)
    with pytest.raises(StoreError, match="must be upgraded"):
        ResultStore(tmp_path, readonly=True)
    monkeypatch.setattr(module, "MIGRATIONS", module.MIGRATIONS[:1])
    for readonly in (True, False):
        with pytest.raises(StoreError, match=r"made by a newer cyclescape \(store version 3; this one reads up to 1\)"):
            ResultStore(tmp_path, readonly=readonly)


def test_an_unwritable_place_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError) as error:
        ResultStore(tmp_path / "file" / "runs")
    assert "accepted: a directory that can be written" in str(error.value)
    if os.geteuid():
        (tmp_path / "locked").mkdir(mode=0o500)
        with pytest.raises(StoreError):
            ResultStore(tmp_path / "locked" / "runs")


@pytest.mark.parametrize("where", [100, 5000])
def test_a_corrupted_file_is_one_line(roofline: Accelerator, mlp: Workload, tmp_path: Path, where: int) -> None:
    with ResultStore(tmp_path) as store:
        store.put([record(roofline, mlp, lanes) for lanes in range(1, 200)])
    path = tmp_path / FILE_NAME
    damaged = bytearray(path.read_bytes())
    damaged[where:] = os.urandom(len(damaged) - where)
    path.write_bytes(damaged)
    with (
        pytest.raises(StoreError, match=r"malformed|not a database") as error,
        ResultStore(tmp_path) as store,
    ):
        store.frame()
    assert "recover" in str(error.value)


@pytest.mark.parametrize("name", ["a.parquet", "a.csv", "notes.txt"])
def test_what_is_no_store_is_told_what_is_accepted(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(b"PAR1 is how a table begins")
    with pytest.raises(StoreError, match=r"is no store \(accepted: a directory with a store.sqlite") as error:
        ResultStore(tmp_path / name, readonly=True)
    assert "recover" not in str(error.value)


def test_a_full_disk_loses_nothing(roofline: Accelerator, mlp: Workload, tmp_path: Path) -> None:
    with ResultStore(tmp_path) as store:
        store.put([record(roofline, mlp, lanes) for lanes in range(1, 20)])
        pages = store._db.execute("PRAGMA page_count").fetchone()[0]
        store._db.execute(f"PRAGMA max_page_count={pages + 2}")
        with pytest.raises(StoreError, match="full; what was written before is safe"):
            store.put([record(roofline, mlp, lanes) for lanes in range(20, 200)])
        assert len(store) == 19
        store._db.execute(f"PRAGMA max_page_count={pages + 1000}")
        store.put([record(roofline, mlp, lanes) for lanes in range(20, 200)])
    assert len(load(tmp_path)) == 199


WRITER = """
import sys
sys.path.insert(0, sys.argv[1])
from roofline import Roofline
from cyclescape.simulator.record import Record, key_of
from cyclescape.simulator.store import ResultStore
from cyclescape.traces.workload import Workload
machine, workload = Roofline(), Workload.model_validate_json(sys.argv[3])
start, stop = int(sys.argv[4]), int(sys.argv[5])
with ResultStore(sys.argv[2]) as store:
    print("open", flush=True)
    for first in range(start, stop, 5):
        designs = [machine.design.make({"bandwidth": n}) for n in range(first, first + 5)]
        reports = machine.run(designs, workload)
        pairs = zip(designs, reports)
        store.put([Record(machine, d, workload, {}, r, key_of(machine, d, workload, {})) for d, r in pairs])
        print(first + 4, flush=True)
"""


def writer(folder: Path, workload: Workload, start: int, stop: int) -> subprocess.Popen[str]:
    plugins = Path(__file__).parent.parent / "plugins"
    arguments = [str(plugins), str(folder), workload.model_dump_json(), str(start), str(stop)]
    return subprocess.Popen([sys.executable, "-c", WRITER, *arguments], stdout=subprocess.PIPE, text=True, cwd=folder)


def test_a_kill_loses_no_finished_batch_and_leaves_no_half_one(mlp: Workload, tmp_path: Path) -> None:
    rng = random.Random(7)
    for start in range(1, 6 * 20000, 20000):
        process = writer(tmp_path, mlp, start, start + 20000)
        assert process.stdout is not None
        assert process.stdout.readline() == "open\n"
        time.sleep(rng.uniform(0.0, 0.3))
        process.send_signal(signal.SIGKILL)
        printed = process.stdout.read().split()
        process.wait()
        frame = load(tmp_path)
        mine = frame[frame["bandwidth"].between(start, start + 19999)] if len(frame) else frame  # killed at once
        last = int(printed[-1]) if printed else start - 1
        assert len(mine) % 5 == 0
        assert len(mine) >= last - start + 1
    with ResultStore(tmp_path) as store:
        assert store._db.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_two_writers_at_once(mlp: Workload, tmp_path: Path) -> None:
    writers = [writer(tmp_path, mlp, start, start + 300) for start in (1, 151)]
    for process in writers:
        process.communicate(timeout=60)
        assert process.returncode == 0
    frame = load(tmp_path)
    assert sorted(frame["bandwidth"]) == list(range(1, 451))
