"""What is written down of an evaluation, and the key under which: a digest of everything that decides it."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from operator import itemgetter
from typing import Any, NamedTuple

from ..errors import said
from ..reading import parse_json
from .accelerator import Accelerator
from .design import Design
from .report import Provenance, Report
from .sources import model_digest

__all__ = ["COLUMNS", "Record", "Row", "TrialRecord", "canonical", "flaw", "key_of", "report_of", "table_of", "trial_flaw"]

COLUMNS = (
    "key",
    "accelerator",
    "design",
    "workload",
    "workload_digest",
    "settings",
    "model",
    "metrics",
    "breakdown",
    "reason",
    "retry_above_s",
    "surrogate",
    "version",
    "engine",
    "host",
    "python",
    "process",
    "wall_s",
    "created_unix_s",
)
"""Columns of an evaluation, in the store's order; design, settings, metrics and breakdown are JSON."""


class TrialRecord(NamedTuple):
    """One line of the `trials` table: who proposed the design that an evaluation simulated."""

    study: str
    number: int
    part: int
    key: str
    agent: str
    seed: int | None
    note: str | None
    created_unix_s: float


def canonical(value: Any) -> str:
    """JSON with sorted keys and no spaces; numpy scalars become numbers, anything else its text."""
    return _CANONICAL(value)


def _ordered(value: Mapping[str, Any]) -> str:
    """JSON in the order given: metrics keep the order in which their machine declares them."""
    return _ORDERED(value)


def _plain(value: Any) -> Any:
    return value.item() if hasattr(value, "item") else str(value)


# `json.dumps` would build an encoder for every row.
_CANONICAL = json.JSONEncoder(sort_keys=True, separators=(",", ":"), default=_plain).encode
_ORDERED = json.JSONEncoder(separators=(",", ":"), default=_plain).encode


def design_text(design: Design | Mapping[str, Any]) -> str:
    """The design as canonical JSON; one that breaks a rule is kept as it was asked for."""
    return design.canonical if isinstance(design, Design) else canonical(dict(design))


def key_of(machine: Accelerator, design: Design | Mapping[str, Any], workload: Any, settings: Mapping[str, Any]) -> str:
    """SHA-256 over machine, design, workload, settings that change numbers, and the model's sources."""
    parts = (
        machine.name,
        design_text(design),
        workload.digest,
        canonical(settings),
        model_digest(type(machine)),
    )
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


@dataclass(frozen=True)
class Record:
    """One evaluation: what was asked, and the report."""

    machine: Accelerator
    design: Design | Mapping[str, Any]
    workload: Any
    settings: Mapping[str, Any]
    report: Report
    key: str

    def row(self) -> tuple[Any, ...]:
        """The values of `COLUMNS`."""
        report = self.report
        made = report.provenance or Provenance("")
        return (
            self.key,
            self.machine.name,
            design_text(self.design),
            self.workload.name,
            self.workload.digest,
            canonical(self.settings),
            model_digest(type(self.machine)),
            _ordered(report.metrics),
            _ordered(report.breakdown),
            report.reason,
            report.retry_above_s,
            int(report.surrogate),
            made.version,
            made.engine,
            made.host,
            made.python,
            made.process,
            made.wall_s,
            made.created_unix_s,
        )


_TEXTS = ("key", "accelerator", "workload", "workload_digest", "model", "version", "engine", "host", "python")
_texts = itemgetter(*_TEXTS)
_COUNTS = ("surrogate", "process")
_REALS = ("retry_above_s", "wall_s", "created_unix_s")
_JSON = {"design": False, "settings": False, "metrics": True, "breakdown": True}
"""Columns that are JSON tables, and whether all values must be numbers."""
_YEAR_10000_S = 253402300800
"""Of the years to come `datetime` knows those before."""
_FAR = 2.0**62
_NUMBERS = {int, float}
_PLAIN = {str, int, float, bool, type(None)}


class Row(dict[str, Any]):
    """A stored row, which keeps what the text of its JSON columns stands for once that was read."""

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self.tables: dict[str, Any] = {}


def table_of(row: Mapping[str, Any], name: str) -> Any:
    """What a JSON column stands for; raises what `json.loads` does."""
    tables = row.tables if isinstance(row, Row) else {}
    if name not in tables:
        tables[name] = json.loads(row[name])
    return tables[name]


def flaw(row: Mapping[str, Any]) -> str:
    """What is wrong with a row that somebody else wrote or damaged; "" if it can be read like one of `Record.row`.

    Every row of every store goes through it, so that what is sound is seen without loops of Python.
    """
    if set(map(type, _texts(row))) != {str}:
        name = next(name for name in _TEXTS if type(row[name]) is not str)
        return f"{name} is {row[name]!r}, not text"
    for name in (*_COUNTS, *_REALS):
        value = row[name]
        if value is not None and (type(value) is not int if name in _COUNTS else not _finite(value)):
            return f"{name} is {value!r}, not a number"
        if type(value) is int and not _fits(value):
            return f"{name} is a number of more than 64 bits"
    if not _dated(row["created_unix_s"]):
        return f"created_unix_s is {row['created_unix_s']!r}, no date"
    if row["reason"] is not None and type(row["reason"]) is not str:
        return f"reason is {row['reason']!r}, not text"
    for name, numbers in _JSON.items():
        try:
            if type(row[name]) is not str:
                return f"{name} is {row[name]!r}, not text"
            if name == "settings":  # the same in all rows of a study
                what = _settings_flaw(row[name])
            else:
                what = _table_flaw(name, row[name], table_of(row, name), numbers)
        except (ValueError, TypeError, OverflowError, RecursionError) as error:
            what = f"{name} cannot be read: {said(error)}"
        if what:
            return what
    return ""


@lru_cache(maxsize=256)
def _settings_flaw(text: str) -> str:
    return _table_flaw("settings", text, json.loads(text), numbers=False)


def _table_flaw(name: str, text: str, table: Any, numbers: bool) -> str:
    if type(table) is not dict:
        return f"{name} is no table"
    values, near = table.values(), "\\u" not in text
    kinds = set(map(type, values))
    if numbers:
        if not kinds <= _NUMBERS:
            return f"{name} holds what is no finite number"
        if near and (not table or (-_FAR < min(values) <= max(values) < _FAR and math.isfinite(sum(values)))):
            return ""
        if not all(map(math.isfinite, values)):
            return f"{name} holds what is no finite number"
        if name == "breakdown" and not all(-(2**63) <= value < 2**63 for value in values):
            return "breakdown holds cycles beyond 64 bits"
    whole = [value for value in values if type(value) is int] if int in kinds else ()
    if not near or not kinds <= _PLAIN or (whole and not -_FAR < min(whole) <= max(whole) < _FAR):
        parse_json(text, name)  # what is nested, what no text may hold, and numbers without end: looked at closely
    return ""


def trial_flaw(trial: TrialRecord) -> str:
    """The same of a line of the `trials` table."""
    for name, value in trial._asdict().items():
        kinds = _TRIAL[name]
        if type(value) not in kinds or (type(value) is float and not math.isfinite(value)):
            return f"{name} is {value!r}"
        if type(value) is int and not _fits(value):
            return f"{name} is a number of more than 64 bits"
    return "" if _dated(trial.created_unix_s) else f"created_unix_s is {trial.created_unix_s!r}, no date"


_TRIAL: Mapping[str, tuple[type, ...]] = {
    "study": (str,), "number": (int,), "part": (int,), "key": (str,), "agent": (str,), "seed": (int, type(None)),
    "note": (str, type(None)), "created_unix_s": (float, int, type(None)),
}  # fmt: skip


def _fits(number: int) -> bool:
    """Whether SQLite can keep it."""
    return -(2**63) <= number < 2**63


def _dated(unix_s: float | None) -> bool:
    return unix_s is None or 0 <= unix_s < _YEAR_10000_S


def _finite(value: Any) -> bool:
    return type(value) in (int, float) and math.isfinite(value)


def report_of(row: Mapping[str, Any]) -> Report:
    """The report of a stored row; equal to the one that was written, without its table."""
    made = Provenance(
        row["version"],
        row["model"],
        row["engine"],
        row["host"],
        row["python"],
        row["created_unix_s"],
        row["wall_s"],
        row["process"],
    )
    return Report(
        json.loads(row["metrics"]),
        json.loads(row["breakdown"]),
        reason=row["reason"],
        provenance=made,
        surrogate=bool(row["surrogate"]),
        retry_above_s=row["retry_above_s"],
    )
