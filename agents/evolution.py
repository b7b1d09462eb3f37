"""Evolution on the grid: a genetic algorithm, and NSGA-II for fronts."""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar

import numpy as np

from ..errors import InputError
from ..simulator.objective import Objective, Outcome
from ..simulator.space import Index, Space
from .pareto import nondominated
from .remembering import Remembering
from .searcher import Point

__all__ = ["Genetic", "Nsga2"]

_TRIES = 16


class _Evolution(Remembering):
    """What both share: tournaments of two, uniform crossover, mutation to a near value, generations.

    Parents are selected from all designs so far, so that none that is good is lost. Children that are known
    already are bred again.
    """

    def __init__(
        self, space: Space, objective: Objective, *, budget: int, seed: int,
        population: int = 20, crossover: float = 0.9, mutation: float = 1.0,
    ) -> None:  # fmt: skip
        if population < 2 or not 0 <= crossover <= 1 or mutation < 0:
            raise InputError(
                f"agent {self.name!r}: population={population}, crossover={crossover}, mutation={mutation}: "
                "accepted: population >= 2, crossover in 0..1, mutation >= 0 (parameters changed per child, on average)"
            )
        super().__init__(space, objective, budget=budget, seed=seed)
        self.population, self.crossover = population, crossover
        self.rate = min(1.0, mutation / max(1, len(self.axes)))
        self.parents: list[Index] = []
        """Best first."""

    @abstractmethod
    def select(self) -> list[Index]:
        """The next parents, best first, of all that is known."""

    def ask(self, n: int) -> list[Point]:
        """The default design and random ones at first, then n children."""
        return self.points(n, self._next)

    def learn(self, index: Index, outcome: Outcome) -> None:
        """Select parents when a generation is complete."""
        if len(self.known) % self.population == 0:
            self.parents = self.select()

    def _next(self) -> Index | None:
        if (default := self.space.default()) not in self.seen:
            self.seen.add(default)
            return default
        if not self.parents:
            return self.unseen()
        child = self.parents[0]
        for _ in range(_TRIES):
            child = self._bred()
            if child not in self.seen:
                self.seen.add(child)
                return child
        return self.nearest_unseen(child)

    def _bred(self) -> Index:
        one, two = self._winner(), self._winner()
        mixed = self.rng.random() < self.crossover
        child = [b if mixed and self.rng.random() < 0.5 else a for a, b in zip(one, two, strict=True)]
        for axis in self.axes:
            if self.rng.random() < self.rate:
                child[axis] = self._mutated(axis, child[axis])
        return tuple(child)

    def _winner(self) -> Index:
        return self.parents[int(self.rng.integers(len(self.parents), size=2).min())]

    def _mutated(self, axis: int, here: int) -> int:
        size = self.space.sizes[axis]
        if not self.space.parameters[self.space.names[axis]].ordered:
            return (here + int(self.rng.integers(1, size))) % size
        reach = int(self.rng.geometric(0.5))
        up = here == 0 or (here < size - 1 and self.rng.random() < 0.5)
        return min(here + reach, size - 1) if up else max(here - reach, 0)


class Genetic(_Evolution):
    """A genetic algorithm: children of the best designs so far; several objectives are weighed anew each time."""

    name: ClassVar[str] = "genetic"

    def select(self) -> list[Index]:
        """The best by constraints, then cost; with several objectives the best under as many weighings."""
        return self.elites(self.population)


class Nsga2(_Evolution):
    """NSGA-II (Deb et al., IEEE Trans. Evolutionary Computation 6, 2002): fronts behind fronts, the lonely first.

    Designs that keep the constraints come before those that break them, which go by how much they do.
    """

    name: ClassVar[str] = "nsga2"

    def select(self) -> list[Index]:
        """Whole fronts of feasible designs while they fit, the least crowded of the next, then the least infeasible."""
        indices = list(self.known)
        keys = [self.key(self.known[index]) for index in indices]
        left = [i for i, key in enumerate(keys) if key[0] == 0.0]
        chosen: list[int] = []
        while left and len(chosen) < self.population:
            costs = np.array([self.known[indices[i]].costs for i in left])
            front = nondominated(costs)
            lonely = np.argsort(-crowding(costs[front]), kind="stable")
            members = np.array(left)[front][lonely]
            chosen += [int(i) for i in members]
            left = [i for i, first in zip(left, front, strict=True) if not first]
        broken = sorted((i for i, key in enumerate(keys) if key[0] > 0.0), key=lambda i: keys[i][0])
        return [indices[i] for i in [*chosen, *broken][: self.population]]


def crowding(costs: np.ndarray) -> np.ndarray:
    """float64[n]: for each row of a front the extent of the box between its neighbours; inf at the ends."""
    count, objectives = costs.shape
    distance = np.zeros(count)
    for k in range(objectives):
        order = np.argsort(costs[:, k], kind="stable")
        values = costs[order, k]
        distance[order[[0, -1]]] = np.inf
        if values[-1] > values[0]:
            distance[order[1:-1]] += (values[2:] - values[:-2]) / (values[-1] - values[0])
    return distance
