"""Everything in a store, in columns: a hundred thousand evaluations take tens of megabytes."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..simulator.report import Report

__all__ = ["Evaluations"]

Numbers = tuple[tuple[str, ...], np.ndarray]
"""Names, and as many numbers; the names are shared by all rows that have the same."""


@dataclass
class Evaluations:
    """The rows of a store, in the order in which they came."""

    keys: dict[str, int] = field(default_factory=dict)
    """Key to row."""
    accelerators: list[str] = field(default_factory=list)
    designs: list[str] = field(default_factory=list)
    """Each design as JSON."""
    workloads: list[tuple[str, str]] = field(default_factory=list)
    """Name and digest."""
    reasons: list[str | None] = field(default_factory=list)
    surrogate: list[bool] = field(default_factory=list)
    made: list[tuple[Any, ...]] = field(default_factory=list)
    """`MADE` of each row."""
    _metrics: list[Numbers] = field(default_factory=list)
    _breakdowns: list[Numbers] = field(default_factory=list)

    MADE = ("version", "model", "engine", "host", "wall_s", "created_unix_s", "settings")

    @classmethod
    def read(cls, rows: Iterable[Mapping[str, Any]]) -> Evaluations:
        """Take in the rows of a store (`ResultStore.rows`)."""
        out = cls()
        shared: dict[Any, Any] = {}

        def once(value: Any) -> Any:
            return shared.setdefault(value, value)

        for row in rows:
            out.keys[row["key"]] = len(out.designs)
            out.accelerators.append(once(row["accelerator"]))
            out.designs.append(once(row["design"]))
            out.workloads.append(once((row["workload"], row["workload_digest"])))
            out.reasons.append(once(row["reason"]))
            out.surrogate.append(bool(row["surrogate"]))
            out.made.append(tuple(once(row[name]) if isinstance(row[name], str) else row[name] for name in cls.MADE))
            for column, name, kind in ((out._metrics, "metrics", float), (out._breakdowns, "breakdown", np.int64)):
                found = json.loads(row[name])
                column.append((once(tuple(found)), np.array(list(found.values()), kind)))
        return out

    def __len__(self) -> int:
        return len(self.designs)

    def report(self, row: int) -> Report:
        """The numbers of a row, as an objective reads them."""
        names, numbers = self._metrics[row]
        metrics = dict(zip(names, numbers.tolist()))
        return Report(metrics, self.breakdown(row), reason=self.reasons[row], surrogate=self.surrogate[row])

    def breakdown(self, row: int) -> dict[str, int]:
        """Cause to cycles."""
        names, cycles = self._breakdowns[row]
        return dict(zip(names, cycles.tolist()))

    def column(self, rows: Iterable[int], name: str) -> np.ndarray:
        """float64 values of a metric, NaN where a row has none."""
        return _column(self._metrics, rows, name)

    def causes(self, rows: Iterable[int], name: str) -> np.ndarray:
        """float64 cycles of a cause, NaN where a row has none."""
        return _column(self._breakdowns, rows, name)

    def metric_names(self, rows: Iterable[int]) -> tuple[str, ...]:
        """Metrics that occur, in the order in which their machine declares them."""
        return tuple(dict.fromkeys(name for row in rows for name in self._metrics[row][0]))

    def cause_names(self, rows: Iterable[int]) -> tuple[str, ...]:
        """Causes of cycles that occur, in order."""
        return tuple(dict.fromkeys(name for row in rows for name in self._breakdowns[row][0]))


def _column(source: list[Numbers], rows: Iterable[int], name: str) -> np.ndarray:
    positions: dict[tuple[str, ...], int] = {}
    out = []
    for row in rows:
        names, numbers = source[row]
        if names not in positions:
            positions[names] = names.index(name) if name in names else -1
        at = positions[names]
        out.append(numbers[at] if at >= 0 else np.nan)
    return np.array(out, float)
