"""Which parameters matter, by a method that says how far it can be trusted.

The logarithm of an objective is fitted by a sum of one effect for each value of each parameter (an additive
model, by ridge least squares, the penalty chosen by leave-one-out error). A parameter's importance is the
spread of its effects over the designs tried, in decades. What the sum cannot say (interactions) is stated as
the share of variance that it explains on designs left out of the fit. Unlike averages over one parameter at a
time, the fit does not credit a parameter for what always came with it, as in the designs of an optimiser.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

__all__ = ["LEAST_DESIGNS", "Effect", "Importance", "additive"]

LEAST_DESIGNS = 30
"""With fewer designs nothing is said."""
_FOLDS = 5
_MOST = 5_000
"""Designs beyond this many are thinned; the fit gains nothing from them."""


@dataclass(frozen=True)
class Effect:
    """What the values of one parameter do."""

    importance: float
    """Standard deviation of the effects over the designs, in decades."""
    effects: np.ndarray
    """float64[values]: decades above (worse) or below the average design; NaN for values never tried."""


@dataclass(frozen=True)
class Importance:
    """The fit of one objective."""

    designs: int
    explained: float
    """Share of the variance explained on designs left out (R², five folds); at most 1, may be negative."""
    parameters: dict[str, Effect]


def additive(levels: dict[str, np.ndarray], sizes: dict[str, int], costs: np.ndarray) -> Importance | None:
    """Fit costs (log10, float64[n], finite) by effects of levels (int[n] each, below `sizes`).

    Returns None where there are too few designs, or nothing varies.
    """
    costs = np.asarray(costs, float)
    if len(costs) > _MOST:
        kept = np.linspace(0, len(costs) - 1, _MOST).astype(int)
        levels, costs = {name: column[kept] for name, column in levels.items()}, costs[kept]
    if not levels or len(costs) < LEAST_DESIGNS or not np.ptp(costs) > 1e-12:
        return None
    blocks, slices, start = [], {}, 0
    for name, column in levels.items():
        block = np.zeros((len(costs), sizes[name]))
        block[np.arange(len(costs)), column] = 1.0
        blocks.append(block)
        slices[name] = slice(start, start + sizes[name])
        start += sizes[name]
    matrix = np.hstack(blocks)
    fold = np.random.default_rng(0).permutation(len(costs)) % _FOLDS
    parts = [_Moments.of(matrix[fold == part], costs[fold == part]) for part in range(_FOLDS)]
    whole = _Moments(*map(sum, zip(*parts)))
    penalty = _penalty(matrix, costs)
    weights = whole.fit(penalty)[0]
    parameters = {}
    for name, where in slices.items():
        own, column = weights[where], levels[name]
        tried = np.bincount(column, minlength=sizes[name]) > 0
        centred = own - own[column].mean()
        parameters[name] = Effect(float(own[column].std()), np.where(tried, centred, np.nan))
    missed = 0.0
    for part in range(_FOLDS):
        rest = _Moments(*(all_of - own for all_of, own in zip(whole, parts[part])))
        own, intercept = rest.fit(penalty)
        out = fold == part
        missed += float(np.sum((costs[out] - matrix[out] @ own - intercept) ** 2))
    explained = 1.0 - missed / float(np.sum((costs - costs.mean()) ** 2))
    return Importance(len(costs), explained, parameters)


class _Moments(NamedTuple):
    """What a least-squares fit needs of some designs; those of two sets of designs add up."""

    count: Any
    x: Any
    y: Any
    xx: Any
    xy: Any

    @classmethod
    def of(cls, matrix: np.ndarray, costs: np.ndarray) -> _Moments:
        return cls(len(costs), matrix.sum(axis=0), costs.sum(), matrix.T @ matrix, matrix.T @ costs)

    def fit(self, penalty: float) -> tuple[np.ndarray, float]:
        """Return weights and intercept; the intercept is not shrunk."""
        x, y = self.x / self.count, self.y / self.count
        gram = self.xx - self.count * np.outer(x, x) + penalty * np.eye(len(x))
        weights = np.linalg.solve(gram, self.xy - self.count * y * x)
        return weights, float(y - x @ weights)


def _penalty(matrix: np.ndarray, costs: np.ndarray) -> float:
    """Return the ridge penalty with the least leave-one-out error, from the eigenvalues of one decomposition."""
    centred, rest = matrix - matrix.mean(axis=0), costs - costs.mean()
    values, vectors = np.linalg.eigh(centred.T @ centred)
    values = np.maximum(values, 0.0)
    turned = centred @ vectors
    best, least = 1.0, np.inf
    for penalty in 10.0 ** np.arange(-2, 4):
        inverse = 1.0 / (values + penalty)
        fitted = turned @ (inverse * (turned.T @ rest))
        leverage = (turned**2) @ inverse + 1.0 / len(costs)
        error = float(np.mean(((rest - fitted) / np.maximum(1.0 - leverage, 1e-6)) ** 2))
        if error < least:
            best, least = float(penalty), error
    return best
