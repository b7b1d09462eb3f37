"""Paired differences with bootstrap intervals, for experiments that compare agents over problems and seeds."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

__all__ = ["Difference", "difference"]

RESAMPLES = 10_000


@dataclass(frozen=True)
class Difference:
    """A mean difference and the interval that holds 95 % of its bootstrap."""

    mean: float
    low: float
    high: float

    @property
    def sign(self) -> int:
        """1 or -1 if the whole interval is on that side of 0, else 0."""
        return int(self.low > 0) - int(self.high < 0)


def difference(values: np.ndarray, seed: int = 0) -> Difference:
    """The mean of paired differences, float64[problems, seeds], with its 95 % interval (percentiles of 10,000 resamples).

    Problems are given, so seeds alone are drawn again, for each problem by itself. NaN is a pair that is missing.
    """
    rng = np.random.default_rng(seed)
    means = []
    for row in np.atleast_2d(values):
        known = row[np.isfinite(row)]
        means.append(known[rng.integers(0, len(known), (RESAMPLES, len(known)))].mean(axis=1))
    low, high = np.percentile(np.mean(means, axis=0), (2.5, 97.5))
    return Difference(float(np.mean([np.nanmean(row) for row in np.atleast_2d(values)])), float(low), float(high))
