"""Intervals that hold what they promise: conformal prediction with normalised residuals.

A score is |error| over the standard deviation that the model named, on rows that it did not learn from. The 0.9 quantile of
the scores is the number of standard deviations within which 90 % of new rows lie, if those are drawn as the calibration rows
were. A workload that was in training and one that was not are different draws, hence two sets of scores: rows left
out at random, and rows whose workloads were left out whole, each workload with the same weight (Vovk, Annals of
Mathematics and AI 74, 2015, for folds; Dunn et al., JASA 118, 2023, for groups).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

__all__ = ["NORMAL_90", "Scores", "scores_of"]

NORMAL_90 = 1.6448536269514722
"""Standard deviations within which 90 % of a normal distribution lie."""
_KEPT = 400
"""Quantiles that are kept of a set of scores."""
_LEVEL = 0.9
"""Of the intervals that are asked for."""


@dataclass(frozen=True)
class Scores:
    """Quantiles of the scores of each target, (targets, quantiles), at equal steps of probability."""

    table: np.ndarray
    rows: int
    """Scores that they were computed from."""
    alone: tuple[float, ...] = ()
    """Where groups count: for each target as how many scores, drawn alone, they are worth."""

    def quantile(self, level: float) -> np.ndarray:
        """Return for each target how many standard deviations make an interval of that level."""
        at = np.linspace(0.0, 1.0, self.table.shape[1])
        of_rows = np.ceil((self.rows + 1) * level) / self.rows
        reach = [level * (1.0 + 1.0 / n) for n in self.alone] or [of_rows] * len(self.table)
        return np.array([np.interp(min(1.0, place), at, row) for place, row in zip(reach, self.table, strict=True)])

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {"rows": self.rows, "table": self.table.tolist(), **({"alone": self.alone} if self.alone else {})}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Scores:
        """The inverse; raises `KeyError`, `TypeError` or `ValueError` for anything else."""
        table = np.array(data["table"], float)
        rows = int(data["rows"])
        if table.ndim != 2 or not table.size or not np.isfinite(table).all() or (np.diff(table, axis=1) < 0).any():
            raise ValueError("scores are no rising quantiles")
        if rows < 1 or (table < 0).any():
            raise ValueError("scores below 0, or of no rows")
        alone = tuple(float(n) for n in data.get("alone", ()))
        if alone and (len(alone) != len(table) or not all(1 <= n <= rows for n in alone)):
            raise ValueError("scores worth more than there are, or less than one")
        return cls(table, rows, alone)


def scores_of(error: np.ndarray, deviation: np.ndarray, group: np.ndarray | None = None) -> Scores:
    """Return the scores of errors and deviations (n, targets); with groups (n,), each counts the same."""
    ratio = np.abs(error) / np.maximum(deviation, 1e-12)
    weight = np.ones(len(ratio))
    alone: tuple[float, ...] = ()
    if group is not None:
        _, place, count = np.unique(group, return_inverse=True, return_counts=True)
        weight = 1.0 / count[place]
        alone = tuple(_alone(column, place, count) for column in ratio.T)
    at = np.linspace(0.0, 1.0, min(_KEPT, len(ratio)))
    table = []
    for column in ratio.T:
        order = np.argsort(column, kind="stable")
        reached = np.cumsum(weight[order])
        reached = (reached - 0.5 * weight[order]) / reached[-1]
        table.append(np.interp(at, reached, column[order]))
    return Scores(np.array(table), len(ratio), alone)


def _alone(ratio: np.ndarray, place: np.ndarray, count: np.ndarray) -> float:
    """As many scores drawn alone would say as surely which share lies beyond the 0.9 quantile: from groups to rows."""
    groups = len(count)
    order = np.argsort(ratio, kind="stable")
    reached = np.cumsum(1.0 / count[place[order]]) / groups
    limit = ratio[order][min(int(np.searchsorted(reached, _LEVEL)), len(ratio) - 1)]
    share = np.bincount(place, ratio > limit) / count
    mean = share.mean()
    spread = max(share.var() / max(groups - 1, 1), 1e-300)
    return float(np.clip(mean * (1.0 - mean) / spread, groups, len(ratio)))
