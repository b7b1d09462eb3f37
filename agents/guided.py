"""Local search on a model of what was seen: an ensemble of trees proposes, the simulator disposes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import numpy as np

from ..errors import InputError
from ..simulator.objective import Objective, Outcome
from ..simulator.space import Index, Space
from .forest import ExtraTrees
from .remembering import Remembering
from .searcher import Point

__all__ = ["Guided"]

_ELITES, _OTHERS, _STEPS = 4, 2, 10
"""Climbs begin at so many of the best designs and at so many drawn at random, and take so many steps at most."""
_FAILING = 2.0
"""Decades that a design is charged which certainly fails."""


class Guided(Remembering):
    """Local search guided by extremely randomised trees (Geurts et al., Machine Learning 63, 2006).

    After `startup` designs (the default and random ones) it climbs, on the model, from the best designs and
    from random ones to neighbours, and proposes the most promising design on the way that was not seen. What
    is promising is the mean over trees minus `optimism` times their spread, of the cost with its penalties.
    """

    name: ClassVar[str] = "guided"

    def __init__(
        self, space: Space, objective: Objective, *, budget: int, seed: int,
        startup: int = 20, trees: int = 30, optimism: float = 1.0,
    ) -> None:  # fmt: skip
        if startup < 2 or trees < 2 or optimism < 0:
            raise InputError(
                f"agent 'guided': startup={startup}, trees={trees}, optimism={optimism}: "
                "accepted: startup >= 2, trees >= 2, optimism >= 0"
            )
        super().__init__(space, objective, budget=budget, seed=seed)
        self.startup, self.trees, self.optimism = startup, trees, optimism
        self._columns = [_columns(space, axis) for axis in range(len(space.sizes))]
        self._fitted = 0

    def ask(self, n: int) -> list[Point]:
        """The n most promising designs, each by a climb of its own."""
        return self.points(n, self._next)

    def _next(self) -> Index | None:
        if (default := self.space.default()) not in self.seen:
            self.seen.add(default)
            return default
        good = sum(outcome.ok for outcome in self.known.values())
        if len(self.seen) < self.startup or good < 2:
            return self.unseen()
        if self._fitted != len(self.known):
            self._fit()
        self.reweigh()
        index = self._climb()
        if index is None:
            return self.unseen()
        self.seen.add(index)
        return index

    def _fit(self) -> None:
        """Costs, violations and failure of every known design; those that failed take the mean of the others."""
        rows = list(self.known.values())
        good = [row for row in rows if row.ok]
        mean = np.mean([self._targets(row) for row in good], axis=0)
        targets = [[*(self._targets(row) if row.ok else mean), not row.ok] for row in rows]
        features, seed = self._features(list(self.known)), int(self.rng.integers(2**62))
        self._forest = ExtraTrees(features, np.array(targets, dtype=float), trees=self.trees, seed=seed)
        self._fitted = len(self.known)

    @staticmethod
    def _targets(outcome: Outcome) -> np.ndarray:
        return np.concatenate((outcome.costs, outcome.violations))

    def _features(self, indices: Sequence[Index]) -> np.ndarray:
        places = np.array(indices)
        return np.hstack([column[places[:, axis]] for axis, column in enumerate(self._columns)])

    def _promise(self, indices: Sequence[Index]) -> np.ndarray:
        """float64[n]: what to minimise."""
        told = self._forest.predict(self._features(indices))
        count = len(self.objective.terms)
        penalty = np.maximum(told[..., count:-1], 0.0).sum(axis=-1)
        cost = self.scalars(told[..., :count]) + self.objective.steepness * penalty + _FAILING * told[..., -1]
        return np.asarray(cost.mean(axis=0) - self.optimism * cost.std(axis=0))

    def _climb(self) -> Index | None:
        """The most promising unseen design among all neighbours on the way up; None if all were seen."""
        order = sorted(self.known, key=lambda index: self.key(self.known[index]))
        drawn = [tuple(int(i) for i in self.rng.integers(0, np.array(self.space.sizes))) for _ in range(_OTHERS)]
        here = [*order[:_ELITES], *drawn]
        level = self._promise(here)
        promises = dict(zip(here, level, strict=True))
        for _ in range(_STEPS):
            around = [list(self.space.neighbours(index)) for index in here]
            fresh = list(dict.fromkeys(there for ring in around for there in ring if there not in promises))
            if fresh:
                promises.update(zip(fresh, self._promise(fresh), strict=True))
            best = [min(ring, key=promises.__getitem__, default=index) for index, ring in zip(here, around, strict=True)]
            up = [there for there, index in zip(best, here, strict=True) if promises[there] < promises[index]]
            here = list(dict.fromkeys(up))
            if not here:
                break
        unseen = [index for index in promises if index not in self.seen]
        return min(unseen, key=promises.__getitem__, default=None)


def _columns(space: Space, axis: int) -> np.ndarray:
    """float64[values, columns]: a parameter's values on their natural scale; of a choice a column for each."""
    name = space.names[axis]
    parameter, listed = space.parameters[name], space.values[name]
    if parameter.ordered:
        return np.array([[parameter.feature(value)] for value in listed])
    return np.eye(len(listed))
