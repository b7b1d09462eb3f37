"""What the designs that are known say about those that are not: costs, constraints, and whether they fail."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np

from ..simulator.objective import Outcome
from ..simulator.space import Index, Space
from .forest import ExtraTrees
from .gaussian import Gaussian

__all__ = ["Features", "Forecast", "Levels", "log_normal_cdf"]

_FITTED = 200
"""Length scales are fitted on so many designs at most."""
_GROWTH = 1.15
"""They are fitted again when there are so many times as many designs."""
_FAILURES, _SUCCESSES = 100, 100
"""So many failures, the latest, and so many successes, from the best to the worst, teach where designs fail."""
_SUREST = 0.1
"""Least standard deviation of a forecast of failure."""
_TREES = 30
"""Trees of the second opinion."""
_HOPELESS = -60.0
"""In place of the logarithm of a probability, where a closed form says that a design cannot work."""


Levels = Callable[[np.ndarray], np.ndarray]
"""From points int[n, axes] to float64[levels, n, targets]: what cheaper models say of costs and violations, in decades."""


class Forecast:
    """A Gaussian process for each cost and each violation, all in decades, and one for failing (-1) or not (1).

    Randomised trees give a second opinion on how sure it is of costs: a process takes a function to be as smooth
    everywhere as it is in the mean, trees do not.
    With `levels` a process may learn what is left of its target beyond one of them. It takes the one, or none, that says
    best of each known design what the others tell of it. Points of which a level is nan are taken to fail.
    """

    def __init__(self, space: Space, rng: np.random.Generator, levels: Levels | None = None) -> None:
        self._rng = rng
        self._levels = levels
        self.choices: list[int] = []
        """For each target: 0 for no level, else which, from 1."""
        self._features = Features(space)
        self._width = self._features.width
        self._models: list[Gaussian] = []
        self._valid = Gaussian(self._width)
        self._failing = False
        self._trees: ExtraTrees | None = None
        self._rows: tuple[np.ndarray, np.ndarray] = (np.empty((0, self._width)), np.empty((0, 0)))
        self._costs = 0
        self._fitted = 0
        self._alike: set[bytes] = set()
        """What the first level says of points that are known or under evaluation."""
        self._differs = 0.0
        """Logarithm of how often points of which it says the same differ."""

    def learn(self, known: Mapping[Index, Outcome], failed: Iterable[Index], pending: Iterable[Index], size: int) -> None:
        """Take outcomes that are ok, the best first, points that fail, the most telling last, and points under evaluation.

        `size` counts what is known.
        """
        indices, outcomes = list(known), list(known.values())
        features = self._features(indices)
        targets = np.array([np.concatenate((outcome.costs, outcome.violations)) for outcome in outcomes])
        self._costs = len(outcomes[0].costs)
        bases = self._bases(indices)
        bases = np.broadcast_to(bases, (len(bases), *targets.shape))
        if not self._models:
            self._variants = [[Gaussian(self._width) for _ in bases] for _ in range(targets.shape[1])]
            self.choices = [len(bases) - 1] * targets.shape[1]
            self._models = [variants[-1] for variants in self._variants]
        expected = list(pending)
        self._compare(indices, targets, expected)
        bad = list(failed)[-_FAILURES:]
        self._failing = bool(bad)
        some = np.unique(np.linspace(0, len(features) - 1, _SUCCESSES).astype(int))
        places = np.vstack((features[some], self._features(bad))) if bad else features
        labels = np.where(np.arange(len(places)) < len(places) - len(bad), 1.0, -1.0)
        if size >= self._fitted * _GROWTH + 1:
            self._fitted = size
            some = np.sort(self._rng.permutation(len(indices))[:_FITTED])
            for number, target in enumerate(targets.T):
                self._fit(number, features[some], target[some] - bases[:, some, number])
            if bad:
                self._valid.fit(places, labels)
        targets = self._beyond(targets, bases)
        self._rows, self._trees = (features, targets[:, : self._costs]), None
        for model, target in zip(self._models, targets.T, strict=True):
            model.condition(features, target)
        if bad:
            self._valid.condition(places, labels)
        if expected:  # as if they had come out as forecast, so that others are proposed beside them
            there = self._features(expected)
            for model, target in zip(self._models, targets.T, strict=True):
                model.condition(np.vstack((features, there)), np.concatenate((target, model.predict(there)[0])))

    def _fit(self, number: int, features: np.ndarray, left: np.ndarray) -> None:
        """Fit a target beyond each level, float64[levels, n], and take the level that leaves the least doubt."""
        doubts = []
        for model, target in zip(self._variants[number], left, strict=True):
            model.fit(features, target)
            if len(left) > 1:
                model.condition(features, target)
                doubts.append(model.doubt())
        if doubts:
            self.choices[number] = int(np.argmin(doubts))
            self._models[number] = self._variants[number][self.choices[number]]

    def costs(self, places: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Mean and standard deviation, float64[n, costs] each, of points int[n, axes]."""
        features, known = self._features(places), self._known_of(places)
        told = [model.predict(features) for model in self._models[: self._costs]]
        means = np.stack([mean for mean, _ in told], axis=1)
        return means + known[:, : self._costs], np.stack([deviation for _, deviation in told], axis=1)

    def disagreement(self, places: np.ndarray) -> np.ndarray:
        """float64[n, costs]: standard deviation over the trees, which is 0 where all designs around are alike."""
        if self._trees is None:
            self._trees = ExtraTrees(*self._rows, trees=_TREES, seed=int(self._rng.integers(2**62)))
        return np.asarray(self._trees.predict(self._features(places)).std(axis=0))

    def feasible(self, places: np.ndarray) -> np.ndarray:
        """float64[n]: logarithm of the probability that a point works and keeps every constraint."""
        features, known = self._features(places), self._known_of(places)
        sure = np.zeros(len(features))
        for model, base in zip(self._models[self._costs :], known.T[self._costs :], strict=True):
            mean, deviation = model.predict(features)
            sure += log_normal_cdf(-(mean + base) / deviation)
        if self._failing:
            mean, deviation = self._valid.predict(features)
            sure += log_normal_cdf(mean / np.maximum(deviation, _SUREST))
        if self._levels is not None:
            sure = np.where(np.isnan(self._levels(places)).any(axis=(0, 2)), _HOPELESS, sure)
        return sure

    def novelty(self, places: np.ndarray) -> np.ndarray:
        """float64[n]: logarithm of the probability that a point does not come out as one that is known.

        A parameter that does nothing, in some designs or in all, leaves what the first level says the same to the bit. How
        often such designs came out different nevertheless is counted.
        """
        alike = [row in self._alike for row in self._first_of(places)]
        return np.where(alike, self._differs, 0.0) if alike else np.zeros(len(places))

    def _compare(self, known: list[Index], targets: np.ndarray, expected: list[Index]) -> None:
        """Count how often points differ of which the first level says the same."""
        outcomes: dict[bytes, list[bytes]] = {}
        for row, target in zip(self._first_of(known), targets):
            outcomes.setdefault(row, []).append(target.tobytes())
        repeats = sum(len(found) - 1 for found in outcomes.values())
        different = sum(len(set(found)) - 1 for found in outcomes.values())
        self._differs = float(np.log((different + 1) / (repeats + 1)))
        self._alike = {*outcomes, *self._first_of(expected)}

    def _first_of(self, places: Sequence[Index] | np.ndarray) -> list[bytes]:
        """What the first level says of each point; nothing without a level."""
        if self._levels is None or not len(places):
            return []
        return [row.tobytes() for row in self._levels(np.asarray(places, dtype=int))[0]]

    def glance(self, places: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Mean and deviation as `costs`, by the levels alone; without one all points of a cost are alike."""
        known = self._known_of(places)[:, : self._costs]
        told = [model.overall() for model in self._models[: self._costs]]
        means, deviations = np.array(told).T
        return known + means, np.broadcast_to(deviations, known.shape)

    def _bases(self, places: Sequence[Index] | np.ndarray) -> np.ndarray:
        """float64[1 + levels, n, targets]: nothing, and what each level says; where that is nan, what it says of the others."""
        if self._levels is None:
            return np.zeros((1, len(places), 1))
        said = self._levels(np.asarray(places, dtype=int))
        there = np.isfinite(said)
        usual = np.where(there, said, 0.0).sum(axis=1, keepdims=True) / np.maximum(there.sum(axis=1, keepdims=True), 1)
        return np.concatenate([np.zeros_like(said[:1]), np.where(there, said, usual)])

    def _beyond(self, targets: np.ndarray, bases: np.ndarray) -> np.ndarray:
        """What is left of float64[n, targets] beyond the levels chosen."""
        if self._levels is None:
            return targets
        return targets - bases[self.choices, :, range(len(self.choices))].T

    def _known_of(self, places: np.ndarray) -> np.ndarray:
        """float64[n, targets]: what the levels chosen say."""
        if self._levels is None:
            return np.zeros((len(places), len(self._models)))
        return np.asarray(self._bases(places)[self.choices, :, range(len(self.choices))].T)


class Features:
    """From points int[n, axes] to columns float64[n, width] that range over about 0..1."""

    def __init__(self, space: Space) -> None:
        self._columns = [_columns(space, axis) for axis in range(len(space.sizes))]
        self.width = sum(column.shape[1] for column in self._columns)

    def __call__(self, places: Sequence[Index] | np.ndarray) -> np.ndarray:
        """Ordered parameters have a column each, choices one a value."""
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
