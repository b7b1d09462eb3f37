"""Search on what is known already: the default agent, over a machine's closed forms and what a store holds of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import numpy as np

from ..simulator.objective import Objective, Outcome
from ..simulator.problem import Problem
from ..simulator.space import Index, Space
from ..simulator.store import ResultStore
from .auto import Auto
from .forecast import Forecast
from .levels import Levels, experience
from .pareto import nondominated

__all__ = ["Assisted"]

_SCREENED, _ROUNDS, _PARENTS = 1024, 4, 12
"""Designs of which the level is asked before the first simulation, rounds of climbing from the best, and of how many."""
_WIDE, _KEPT = 150, 100
"""Random designs and as many children that each look asks the level of, and how many of both it goes on with."""


class Assisted(Auto):
    """`auto` on cheaper models of the machine: it learns only what closed forms and other workloads leave unsaid.

    `Accelerator.bounds` says of thousands of designs about what they cost; where a machine has it, half of `startup` designs
    are simulated at first, half of them its best ones.
    Gaussian processes forecast the rest, each on the level, or none, that says known designs best. A design that the closed
    form cannot tell from a known one counts as often as such designs came out different. What a store held of
    this machine when the study began is learnt from: of other workloads by one level more, of the same workloads as
    designs that are known, the best of which come first.
    """

    name: ClassVar[str] = "assisted"

    def __init__(
        self, space: Space, objective: Objective, *, budget: int, seed: int,
        startup: int = 10, caution: float = 3.0, memory: int = 300,
    ) -> None:  # fmt: skip
        super().__init__(space, objective, budget=budget, seed=seed, startup=startup, caution=caution, memory=memory)
        self._levels: Levels | None = None
        self._first: list[Index] = []

    def begin(self, problem: Problem, store: ResultStore | None, study: str) -> None:
        """Take the machine's closed forms, and what the store holds of it."""
        known = experience(problem, store, study) if store is not None else None
        levels = Levels(problem, known.others if known else ())
        if levels.count:
            self._levels = levels
            self._forecast = Forecast(self.space, self.rng, levels)
            self.startup = max(3, self.startup // 2)
            self._beginning = [*self._beginning[: self.startup // 2], *self._promising(levels)]  # taken from the end
        if known and known.same:
            self._remember(known.same)

    def _remember(self, same: Mapping[Index, Outcome]) -> None:
        """Learn from designs that others simulated; the front of them is proposed first, and costs no simulation."""
        self.tell([self.space.point(index) for index in same], list(same.values()))
        good = [index for index, outcome in same.items() if outcome.feasible]
        front = []
        if good:
            costs = np.array([same[index].costs for index in good])
            front = [good[i] for i in _evenly(costs, np.flatnonzero(nondominated(costs)), max(1, self.budget // 2))]
        self.seen.difference_update(front)
        self._first = front[::-1]

    def _chosen(self) -> Index | None:
        while self._first:
            if (index := self._first.pop()) not in self.seen:
                return index
        return super()._chosen()

    def _next(self) -> Index | None:
        index = super()._next()
        if index in self.known:  # by the store; nothing new will be told of it
            self._pending.pop(index, None)
        return index

    def _promising(self, levels: Levels) -> list[Index]:
        """Half of the designs that a search begins with, along the front that the last level sees."""
        places = self.rng.integers(0, self._sizes, size=(_SCREENED, len(self._sizes)))
        count = len(self.objective.terms)
        for _ in range(_ROUNDS + 1):
            places = np.unique(places, axis=0)
            said = levels(places)[-1]
            there = np.isfinite(said).all(axis=1)
            places, said = places[there], said[there]
            if not len(places):
                return []
            broken = np.maximum(said[:, count:], 0.0).sum(axis=1)
            kept = broken <= broken.min()
            places, costs = places[kept], said[kept, :count]
            best = _evenly(costs, np.argsort(costs[:, 0]) if count == 1 else np.flatnonzero(nondominated(costs)), _PARENTS)
            top, costs = places[best], costs[best]
            places = np.vstack([top, *(self._around(tuple(row)) for row in top.tolist())])
        chosen = _evenly(costs, np.arange(len(top)), max(1, self.startup // 2))
        return [tuple(row) for row in top[chosen].tolist()][::-1]

    def _beginnings(self, order: list[Index]) -> np.ndarray:
        """Those of `auto`, and the best by the level of many more random ones and children."""
        narrow = super()._beginnings(order)
        if self._levels is None:
            return narrow
        best = np.array(self._elites(order))
        one, two = best[self.rng.integers(len(best), size=(2, _WIDE))]
        drawn = self.rng.integers(0, self._sizes, size=(2 * _WIDE, len(self._sizes)))
        children = np.where(self.rng.random(one.shape) < 0.5, one, two)
        children = np.where(self.rng.random(one.shape) < 3.0 / max(1, len(self.axes)), drawn[_WIDE:], children)
        wide = np.unique(np.vstack([drawn[:_WIDE], children]), axis=0)
        means, deviations = self._forecast.glance(wide)
        scores = self._gain.of(means[:, self._aim], self._trust * deviations[:, self._aim])
        return np.vstack([narrow, wide[np.argsort(-scores, kind="stable")[:_KEPT]]])


def _evenly(costs: np.ndarray, members: np.ndarray, count: int) -> list[int]:
    """At most so many of members, evenly along the first cost; of a single cost the best ones."""
    if costs.shape[1] == 1:
        return [int(i) for i in members[:count]]
    order = members[np.argsort(costs[members, 0], kind="stable")]
    if len(order) <= count:
        return [int(i) for i in order]
    return [int(order[round(i)]) for i in np.linspace(0, len(order) - 1, count)]
