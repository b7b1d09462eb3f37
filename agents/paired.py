"""Paired differences with bootstrap intervals: what a contest and an experiment say of two agents."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

__all__ = ["Difference", "difference"]

RESAMPLES = 10_000


class Difference(NamedTuple):
    """A mean difference and the interval that holds 95 % of its bootstrap."""

    mean: float
    low: float
    high: float

    @property
    def sign(self) -> int:
        """1 or -1 if the whole interval is on that side of 0, else 0."""
        return int(self.low > 0) - int(self.high < 0)


def difference(values: Sequence[np.ndarray] | np.ndarray, seed: int = 0) -> Difference:
    """The mean of paired differences with its 95 % interval (percentiles of 10,000 resamples).

    `values` holds for each problem the differences of its seeds, float64[seeds]; NaN is a pair that is missing, and a
    problem without any pair counts for nothing. Seeds are drawn anew, with repeats, within each problem; problems
    weigh alike and stay, for they are no sample of anything. NaN if there is no pair at all.
    """
    rng = np.random.default_rng(seed)
    rows = [known for row in values if len(known := row[np.isfinite(row)])]
    if not rows:
        return Difference(np.nan, np.nan, np.nan)
    drawn = [row[rng.integers(0, len(row), (RESAMPLES, len(row)))].mean(axis=1) for row in rows]
    low, high = np.percentile(np.mean(drawn, axis=0), (2.5, 97.5))
    return Difference(float(np.mean([row.mean() for row in rows])), float(low), float(high))
