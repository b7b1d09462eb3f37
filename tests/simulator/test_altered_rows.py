"""Stores and tables that somebody altered: the row is named, and nothing of it is believed."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import pytest
from refusals import refusal

from cyclescape.agents.search import search
from cyclescape.pages.study_page import write_study_page
from cyclescape.simulator.accelerator import Accelerator
from cyclescape.simulator.evaluator import Cached, Direct
from cyclescape.simulator.record import TrialRecord, flaw, trial_flaw
from cyclescape.simulator.store import ResultStore, StoreError, load
from cyclescape.simulator.verify import verify
from cyclescape.traces.workload import Workload

CELLS = [
    ("metrics", "{", "metrics cannot be read"),
    ("metrics", "[]", "metrics is no table"),
    ("metrics", '{"cycles": "x"}', "no finite"),
    ("metrics", '{"cycles": NaN}', "no finite number"),
    ("metrics", '{"cycles": 1e999}', "no finite number"),
    ("metrics", '{"cycles": true}', "no finite number"),
    ("metrics", "9" * 5000, "metrics cannot be read"),
    ("metrics", '{"cycles": ' + "9" * 400 + "}", "metrics cannot be read"),
    ("breakdown", '{"a": {}}', "no finite number"), ("breakdown", '{"a": 9223372036854775808}', "beyond 64 bits"),
    ("design", "[" * 100_000, "design cannot be read"),
    ("design", '{"lanes": ' + "9" * 40 + "}", "a number of"),
    ("design", '{"lanes": "\\ud800"}', "is not text"),
    ("settings", "null", "settings is no table"),
    ("design", b"{}", "design"),
    ("reason", b"\xff", "not text"),
    ("wall_s", "soon", "wall_s is 'soon', not a number"),
    ("process", 1.5, "process is 1.5"),
    ("created_unix_s", float("inf"), "not a number"),
    ("created_unix_s", 1e300, "no date"),
    ("created_unix_s", -1, "no date"),
    ("host", b"x", "host is b'x', not text"),
    ("retry_above_s", "x", "not a number"),
]


@pytest.fixture
def folder(roofline: Accelerator, mlp: Workload, tmp_path: Path) -> Path:
    with Cached(Direct(roofline), ResultStore(tmp_path)) as evaluator:
        evaluator.evaluate([{"lanes": 8}, {"lanes": 16}], mlp)
    return tmp_path


def altered(folder: Path, table: str, column: str, value: Any) -> Path:
    with sqlite3.connect(folder / "store.sqlite") as db:
        assert db.execute(f"UPDATE {table} SET {column} = ?", (value,)).rowcount
    db.close()
    return folder


@pytest.mark.parametrize(("column", "value", "words"), CELLS)
def test_a_row_that_cannot_be_read_is_named(column: str, value: Any, words: str, folder: Path) -> None:
    altered(folder, "evaluations", column, value)
    message = refusal(load, folder)
    assert message.startswith(f"{folder / 'store.sqlite'}: row ")
    assert words in message
    assert words in refusal(write_study_page, folder)
    found = verify(folder)
    assert len(found.damages) == found.rows == 2
    assert words in found.damages[0]


def test_a_key_may_be_altered_too(folder: Path) -> None:
    with ResultStore(folder, readonly=True) as store:
        keys = [row["key"] for row in store.rows()]
    altered(folder, "evaluations", "metrics", "{")
    with ResultStore(folder) as store:
        assert "metrics cannot be read" in refusal(store.reports, keys)
        with pytest.raises(StoreError, match="metrics cannot be read"):
            list(store.rows())
        assert len(list(store.rows(damaged=True))) == 2


@pytest.mark.parametrize(
    ("table", "column", "value"),
    [
        ("trials", "number", "x"),
        ("trials", "agent", b"\xff"),
        ("trials", "note", b"x"),
        ("trials", "created_unix_s", "x"),
        ("trials", "created_unix_s", 1e300),
        ("studies", "asked", b"{}"),
        ("studies", "created_unix_s", "x"),
    ],
)
def test_trials_and_studies(table: str, column: str, value: Any, roofline: Accelerator, tmp_path: Path) -> None:
    search(roofline, "attention:seq_len=8,heads=1", objective="time_s", agent="random", budget=1, out=tmp_path)
    assert "it was altered" in refusal(load, altered(tmp_path, table, column, value))


def test_a_table_whose_record_was_altered(folder: Path, tmp_path: Path) -> None:
    with ResultStore(folder, readonly=True) as store:
        store.export(tmp_path / "a.csv")
    text = (tmp_path / "a.csv").read_text()
    for old, new, words in (
        ('"metrics"":""{', '"metrics"":""', "cannot be read"),
        ('"proposals"":[]', '"proposals"":[7]', "record"),
        ('"studies"":{}', '"studies"":{""a"":[1,2]}', "no time"),
    ):
        assert old in text
        (tmp_path / "b.csv").write_text(text.replace(old, new))
        assert words in refusal(load, tmp_path / "b.csv")


def test_a_page_shows_values_that_are_no_finite_numbers_as_text(folder: Path) -> None:
    with sqlite3.connect(folder / "store.sqlite") as db:
        db.execute("""UPDATE evaluations SET design = '{"lanes": -Infinity}' WHERE design LIKE '%"lanes":16%'""")
        assert db.total_changes == 1
    db.close()
    text = write_study_page(folder).read_text(encoding="utf-8")
    assert '"-Infinity"' in text


@pytest.mark.parametrize("column", ["process", "created_unix_s", "wall_s"])
def test_a_number_that_no_store_can_keep(column: str, folder: Path) -> None:
    """A file of records may hold any integer; a store cannot."""
    with ResultStore(folder, readonly=True) as store:
        row = next(iter(store.rows()))
    assert flaw(row) == ""
    assert flaw(row | {column: 2**63}) == f"{column} is a number of more than 64 bits"
    trial = TrialRecord("s", 2**63, 0, row["key"], "random", 0, None, 0.0)
    assert trial_flaw(trial) == "number is a number of more than 64 bits"
    assert trial_flaw(trial._replace(number=0)) == ""
