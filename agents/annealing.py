"""Simulated annealing on the grid."""

from __future__ import annotations

import math
from typing import ClassVar

from ..errors import InputError
from ..simulator.objective import Objective, Outcome
from ..simulator.space import Index, Space
from .remembering import Remembering
from .searcher import Point

__all__ = ["Annealing"]

_STAGES = 8
"""With several objectives, so many chains one after the other, each with weights of its own."""
_TRIES = 64


class Annealing(Remembering):
    """Simulated annealing: a walk from the default design that takes ever fewer and shorter steps for the worse.

    Temperatures are in decades of cost (Kirkpatrick et al., Science 1983, with a geometric schedule):
    `hot` at the first design, `cold` at the last of the budget. Designs that are known are walked over at
    no charge.
    """

    name: ClassVar[str] = "annealing"

    def __init__(
        self, space: Space, objective: Objective, *, budget: int, seed: int, hot: float = 0.3, cold: float = 0.01
    ) -> None:
        if not 0 < cold <= hot:
            raise InputError(f"agent 'annealing': hot={hot}, cold={cold}: accepted: 0 < cold <= hot")
        super().__init__(space, objective, budget=budget, seed=seed)
        self.hot, self.cold = hot, cold
        self._here = space.default()
        self._stage = -1
        self._stages = _STAGES if objective.multi else 1
        self._length = math.ceil(budget / self._stages)

    @property
    def progress(self) -> float:
        """How far the chain is, from 0 to 1."""
        return min(1.0, len(self.known) / self._length - max(0, self._stage))

    @property
    def temperature(self) -> float:
        """Decades for the worse that are taken with probability 1/e."""
        return self.hot * math.pow(self.cold / self.hot, self.progress)

    def ask(self, n: int) -> list[Point]:
        """Steps from where the walk is; from one place if n is more than one."""
        return self.points(n, self._next)

    def learn(self, index: Index, outcome: Outcome) -> None:
        """Go there, perhaps; begin another chain if this one is over."""
        if (stage := min(len(self.known) // self._length, self._stages - 1)) != self._stage:
            self._stage = stage
            self.reweigh()
            self._here = self.best() or index
        self._consider(index)

    def _next(self) -> Index | None:
        if self._here not in self.seen:
            self.seen.add(self._here)
            return self._here
        for _ in range(_TRIES if self.axes else 0):
            there = self._step()
            if there not in self.seen:
                self.seen.add(there)
                return there
            if there in self.known:
                self._consider(there)
        return self.nearest_unseen(self._here)

    def _step(self) -> Index:
        """Another value of one parameter; of an ordered one a near value, the nearer the colder it is."""
        axis = self.axes[int(self.rng.integers(len(self.axes)))]
        size, here = self.space.sizes[axis], self._here[axis]
        if self.space.parameters[self.space.names[axis]].ordered:
            reach = 1 + int(self.rng.exponential((size - 1) / 4 * (1.0 - self.progress)))
            up = here == 0 or (here < size - 1 and self.rng.random() < 0.5)
            there = min(here + reach, size - 1) if up else max(here - reach, 0)
        else:
            there = (here + int(self.rng.integers(1, size))) % size
        return (*self._here[:axis], there, *self._here[axis + 1 :])

    def _consider(self, index: Index) -> None:
        """Metropolis's rule; a place without numbers is left at the first chance and never taken."""
        there = self.energy(self.known[index])
        here = self.energy(self.known[self._here]) if self._here in self.known else math.inf
        worse = there - here if math.isfinite(there) else math.inf
        if not math.isfinite(here) or worse <= 0 or self.rng.random() < math.exp(-worse / self.temperature):
            self._here = index
