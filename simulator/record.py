"""What is written down of an evaluation, and the key under which: a digest of everything that decides it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from .accelerator import Accelerator
from .design import Design
from .report import Provenance, Report
from .sources import model_digest

__all__ = ["COLUMNS", "Record", "TrialRecord", "canonical", "key_of", "report_of"]

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
