"""What was there when a study began, and under which version of a model: by no clock, and for good."""

import json
import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest

from cyclescape.simulator.accelerator import Accelerator
from cyclescape.simulator.record import Record, TrialRecord, key_of
from cyclescape.simulator.store import FILE_NAME, ResultStore, StoreError
from cyclescape.traces.workload import Workload


def record(machine: Accelerator, workload: Workload, lanes: int, **report: object) -> Record:
    design = machine.design.make({"lanes": lanes})
    made = replace(machine.run([design], workload)[0], **report)  # type: ignore[arg-type]
    return Record(machine, design, workload, {}, made, key_of(machine, design, workload, {}))


def lanes_before(store: ResultStore, study: str) -> list[int]:
    return [json.loads(row["design"])["lanes"] for row in store.rows(before=study)]


def test_what_was_there_before_a_study_is_told_by_no_clock(roofline: Accelerator, mlp: Workload, tmp_path: Path) -> None:
    late = record(roofline, mlp, 16, metrics={}, breakdown={}, reason="time limit", retry_above_s=1.0)
    with ResultStore(tmp_path / "other") as other:
        other.put([record(roofline, mlp, 64)])
    with ResultStore(tmp_path) as store:
        store.put([record(roofline, mlp, 8), late])
        store.put_study("a", "{}")
        assert lanes_before(store, "a") == [8, 16]
        store.put([record(roofline, mlp, 32)])
        store.merge(tmp_path / "other")
        store._db.execute("UPDATE evaluations SET created_unix_s = 1.0")  # as after a clock that was set back
        assert lanes_before(store, "a") == [8, 16]
        store.put([record(roofline, mlp, 16)])  # the failure gives way: what it was then is gone, and this came later
        assert lanes_before(store, "a") == [8]
        store._db.execute("VACUUM")
        assert lanes_before(store, "a") == [8]
        store.put([record(roofline, mlp, 128)])
        assert [json.loads(row["design"])["lanes"] for row in store.rows()] == [8, 32, 64, 16, 128]


def test_what_was_there_before_a_study_of_another_store_is_not_known(
    roofline: Accelerator, mlp: Workload, tmp_path: Path
) -> None:
    with ResultStore(tmp_path / "other") as other:
        other.put([record(roofline, mlp, 64)])
        other.put_study("a", "{}")
    with ResultStore(tmp_path) as store:
        store.put([record(roofline, mlp, 8)])
        store.merge(tmp_path / "other")
        store.put_study("a", "{}")
        assert lanes_before(store, "a") == []


def test_a_study_of_another_version_of_the_model_begins_anew(roofline: Accelerator, mlp: Workload, tmp_path: Path) -> None:
    rows = [record(roofline, mlp, lanes) for lanes in (8, 16)]
    with ResultStore(tmp_path) as store:
        store.put(rows)
        (model,) = {row["model"] for row in store.rows()}
        for study in ("a", "b"):
            store.put_study(study, "{}", model)
            store.put_trials([TrialRecord(study, i, 0, row.key, "random", 1, None, 0.0) for i, row in enumerate(rows)])
        store.put_study("a", "{}", model)
        assert len(store.trials("a")) == 2
        store.put([record(roofline, mlp, 32)])
        store.put_study("a", "{}", "another")
        assert len(store.trials("a")) == 0
        assert len(store.trials("b")) == 2
        assert list(store.studies()) == ["b", "a"]
        assert lanes_before(store, "a") == [8, 16, 32]
        assert len(store) == 3


def test_an_upgrade_goes_by_the_times_of_older_studies_once(roofline: Accelerator, mlp: Workload, tmp_path: Path) -> None:
    with ResultStore(tmp_path) as store:
        store.put_study("first", "{}")
        store.put([record(roofline, mlp, 8)])
        store.put_study("second", "{}")
        store.put([record(roofline, mlp, 16)])
        store.put_study("third", "{}")
    with sqlite3.connect(tmp_path / FILE_NAME) as db:
        db.execute("ALTER TABLE studies DROP COLUMN known")
        db.execute("PRAGMA user_version=2")
    db.close()
    with ResultStore(tmp_path, readonly=True) as store, pytest.raises(StoreError, match="open it once for writing"):
        list(store.rows(before="first"))
    with ResultStore(tmp_path) as store:
        assert [lanes_before(store, name) for name in store.studies()] == [[], [8], [8, 16]]
        store._db.execute("UPDATE evaluations SET created_unix_s = 1.0")
    with ResultStore(tmp_path) as store:
        assert [lanes_before(store, name) for name in store.studies()] == [[], [8], [8, 16]]
