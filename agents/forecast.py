"""What the designs that are known say about those that are not: costs, constraints, and whether they fail."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from ..simulator.objective import Outcome
from ..simulator.space import Index, Space
from .gaussian import Gaussian

__all__ = ["Forecast", "log_normal_cdf"]

_FITTED = 200
"""Length scales are fitted on so many designs at most."""
_GROWTH = 1.15
"""They are fitted again when there are so many times as many designs."""
_FAILURES = 100
"""So many failures, the latest, and as many successes teach where designs fail."""
_SUREST = 0.1
"""Least standard deviation of a forecast of failure."""


class Forecast:
    """A Gaussian process for each cost and each violation, all in decades, and one for failing (-1) or not (1)."""

    def __init__(self, space: Space, rng: np.random.Generator) -> None:
        self._rng = rng
        self._columns = [_columns(space, axis) for axis in range(len(space.sizes))]
        self._width = sum(column.shape[1] for column in self._columns)
        self._models: list[Gaussian] = []
        self._valid = Gaussian(self._width)
        self._failing = False
        self._known = 0
        self._fitted = 0

    def learn(self, known: Mapping[Index, Outcome], failed: Iterable[Index], pending: Iterable[Index], size: int) -> None:
        """Take outcomes that are ok, points that fail, and points that are being evaluated; `size` counts what is known."""
        indices, outcomes = list(known), list(known.values())
        features = self._features(indices)
        targets = np.array([np.concatenate((outcome.costs, outcome.violations)) for outcome in outcomes])
        self._costs = len(outcomes[0].costs)
        self._models = self._models or [Gaussian(self._width) for _ in range(targets.shape[1])]
        bad = list(failed)[-_FAILURES:]
        self._failing = bool(bad)
        places = np.vstack((features[-_FAILURES:], self._features(bad))) if bad else features
        labels = np.where(np.arange(len(places)) < len(places) - len(bad), 1.0, -1.0)
        if size >= self._fitted * _GROWTH + 1:
            self._fitted = size
            some = np.sort(self._rng.permutation(len(indices))[:_FITTED])
            for model, target in zip(self._models, targets.T, strict=True):
                model.fit(features[some], target[some])
            if bad:
                self._valid.fit(places, labels)
        for model, target in zip(self._models, targets.T, strict=True):
            model.condition(features, target)
        if bad:
            self._valid.condition(places, labels)
        if expected := list(pending):  # as if they had come out as forecast, so that others are proposed beside them
            there = self._features(expected)
            for model, target in zip(self._models, targets.T, strict=True):
                model.condition(np.vstack((features, there)), np.concatenate((target, model.predict(there)[0])))

    def costs(self, places: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Mean and standard deviation, float64[n, costs] each, of points int[n, axes]."""
        features = self._features(places)
        told = [model.predict(features) for model in self._models[: self._costs]]
        return np.stack([mean for mean, _ in told], axis=1), np.stack([deviation for _, deviation in told], axis=1)

    def feasible(self, places: np.ndarray) -> np.ndarray:
        """float64[n]: logarithm of the probability that a point works and keeps every constraint."""
        features = self._features(places)
        sure = np.zeros(len(features))
        for model in self._models[self._costs :]:
            mean, deviation = model.predict(features)
            sure += log_normal_cdf(-mean / deviation)
        if self._failing:
            mean, deviation = self._valid.predict(features)
            sure += log_normal_cdf(mean / np.maximum(deviation, _SUREST))
        return sure

    def _features(self, places: Sequence[Index] | np.ndarray) -> np.ndarray:
        rows = np.asarray(places, dtype=int).reshape(-1, len(self._columns))
        return np.hstack([column[rows[:, axis]] for axis, column in enumerate(self._columns)])


def log_normal_cdf(values: np.ndarray) -> np.ndarray:
    """Logarithm of the normal distribution function, to 6 % of it; values below -30 count as -30."""
    values = np.maximum(values, -30.0)
    tail = np.minimum(values, -4.0)
    far = -0.5 * tail**2 - np.log(-tail) - 0.5 * np.log(2 * np.pi) - 1 / tail**2
    near = 0.5 * (1.0 + np.tanh(np.sqrt(2 / np.pi) * (values + 0.044715 * values**3)))
    return np.where(values < -4.0, far, np.log(np.maximum(near, 1e-12)))


def _columns(space: Space, axis: int) -> np.ndarray:
    """float64[values, columns]: the place of an ordered parameter's value in 0..1; of a choice a column for each."""
    size = space.sizes[axis]
    if space.parameters[space.names[axis]].ordered:
        return np.linspace(0.0, 1.0, size)[:, None]
    return np.eye(size) / np.sqrt(2)
