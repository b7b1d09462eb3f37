"""Which parameters matter, by a method that says how far it can be trusted.

The logarithm of an objective is fitted by a sum of one effect for each value of each parameter (an additive
model, by ridge least squares, the penalty chosen by leave-one-out error). A parameter's importance is the
spread of its effects over the designs tried, in decades. What the sum cannot say (interactions) is stated as
the share of variance that it explains on designs left out of the fit. Unlike averages over one parameter at a
time, the fit does not credit a parameter for what always came with it, as in the designs of an optimiser.
"""

from __future__ import annotations

from dataclasses import dataclass

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
    if len(costs) < LEAST_DESIGNS or not np.ptp(costs) > 1e-12:
        return None
    blocks, slices, start = [], {}, 0
    for name, column in levels.items():
        block = np.zeros((len(costs), sizes[name]))
        block[np.arange(len(costs)), column] = 1.0
        blocks.append(block)
        slices[name] = slice(start, start + sizes[name])
        start += sizes[name]
    matrix = np.hstack(blocks)
    penalty = _penalty(matrix, costs)
    weights = _fit(matrix, costs, penalty)[0]
    parameters = {}
    for name, where in slices.items():
        own, column = weights[where], levels[name]
        tried = np.bincount(column, minlength=sizes[name]) > 0
        centred = own - own[column].mean()
        parameters[name] = Effect(float(own[column].std()), np.where(tried, centred, np.nan))
    return Importance(len(costs), _explained(matrix, costs, penalty), parameters)


def _fit(matrix: np.ndarray, costs: np.ndarray, penalty: float) -> tuple[np.ndarray, float]:
    """Return weights and intercept; the intercept is not shrunk."""
    middle, mean = matrix.mean(axis=0), costs.mean()
    centred = matrix - middle
    gram = centred.T @ centred + penalty * np.eye(matrix.shape[1])
    weights = np.linalg.solve(gram, centred.T @ (costs - mean))
    return weights, float(mean - middle @ weights)


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


def _explained(matrix: np.ndarray, costs: np.ndarray, penalty: float) -> float:
    """Return R² on designs left out, each once."""
    fold = np.random.default_rng(0).permutation(len(costs)) % _FOLDS
    missed = np.empty(len(costs))
    for part in range(_FOLDS):
        out = fold == part
        weights, intercept = _fit(matrix[~out], costs[~out], penalty)
        missed[out] = costs[out] - matrix[out] @ weights - intercept
    return float(1.0 - np.sum(missed**2) / np.sum((costs - costs.mean()) ** 2))
