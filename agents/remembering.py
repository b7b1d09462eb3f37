"""What searchers share that compare designs: every outcome told, and an order on outcomes."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..simulator.objective import Objective, Outcome
from ..simulator.space import Index, Space
from .searcher import Searcher

__all__ = ["Remembering"]


class Remembering(Searcher):
    """A searcher that keeps what it was told. With several objectives it weighs them anew from time to time.

    The weighing is Chebyshev's, which reaches every part of a front: the largest weighted distance from the
    best value of each objective so far, in decades, plus a twentieth of their sum.
    """

    def __init__(self, space: Space, objective: Objective, *, budget: int, seed: int) -> None:
        super().__init__(space, objective, budget=budget, seed=seed)
        self.known: dict[Index, Outcome] = {}
        self.weights: np.ndarray = np.ones(len(objective.terms))
        self.axes = [axis for axis, size in enumerate(space.sizes) if size > 1]
        self._ideal = np.full(len(objective.terms), np.inf)

    def tell(self, points: Sequence[Mapping[str, Any]], outcomes: Sequence[Outcome]) -> None:
        """Remember how points did, whoever proposed them; those off the grid are passed over."""
        for point, outcome in zip(points, outcomes, strict=True):
            index = self.index(point)
            if index is None or index in self.known:
                continue
            self.seen.add(index)
            self.known[index] = outcome
            if outcome.ok:
                self._ideal = np.minimum(self._ideal, outcome.costs)
            self.learn(index, outcome)

    def learn(self, index: Index, outcome: Outcome) -> None:
        """Called for each point that is told for the first time."""

    def reweigh(self) -> None:
        """Draw other weights of the objectives, uniformly; a single objective keeps its own."""
        if self.objective.multi:
            self.weights = self.rng.dirichlet(np.ones(len(self.weights)))

    def scalars(self, costs: np.ndarray) -> np.ndarray:
        """One number of several costs (the last axis), in decades; of a single one that cost. Less is better."""
        if not self.objective.multi:
            return np.asarray(costs[..., 0])
        away = self.weights * (costs - self._ideal)
        return np.asarray(away.max(axis=-1) + 0.05 * away.sum(axis=-1))

    def scalar(self, costs: np.ndarray) -> float:
        """The same for the costs of one design."""
        return float(self.scalars(costs))

    def key(self, outcome: Outcome) -> tuple[float, float]:
        """What to sort by: kept constraints before broken ones, less broken before more, then less cost."""
        if not outcome.ok:
            return math.inf, math.inf
        return float(np.maximum(outcome.violations, 0.0).sum()), self.scalar(outcome.costs)

    def energy(self, outcome: Outcome) -> float:
        """One number to be minimised, with the objective's penalty for broken constraints; inf if it failed."""
        violation, cost = self.key(outcome)
        return cost + self.objective.steepness * violation

    def best(self) -> Index | None:
        """The best point so far, by `key`; the earliest of equals."""
        return min(self.known, key=lambda index: self.key(self.known[index]), default=None)

    def elites(self, count: int) -> list[Index]:
        """The best points so far, best first; with several objectives the best under so many weighings."""
        if not self.objective.multi:
            return sorted(self.known, key=lambda index: self.key(self.known[index]))[:count]
        found: list[Index] = []
        for _ in range(count):
            self.reweigh()
            best = self.best()
            found += [] if best is None else [best]
        return found
