"""The default agent: local search on Gaussian processes of costs, constraints and failures, which trees doubt. No extra."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

import numpy as np

from ..errors import DesignError, InputError
from ..simulator.objective import Objective, Outcome
from ..simulator.space import Index, Space
from .forecast import Forecast
from .gain import Gain
from .remembering import Remembering
from .searcher import Point

__all__ = ["Auto"]

_WHOLE = 1024
"""Spaces of so many points are looked at as a whole."""
_DRAWN, _BRED = 200, 100
"""Candidates drawn at random, and children of the best designs, that a look at the forecast begins with."""
_ELITES = 6
"""Best designs (twice as many of a front) whose surroundings are looked at."""
_CLIMBS, _STEPS = 5, 4
"""Candidates from which it goes on to their surroundings, and how often."""
_MOVES = 64
"""If all changes of a single parameter are no more than this, the surroundings are all of them, else near ones."""
_QUEUE = 8
"""Proposals that one look gives when more designs are known than are remembered."""
_ALONE = 5
"""One look in so many is after a single objective, each in turn: the ends of a front are found no other way."""
_REFUSED = 1000
"""Draws in a row that break the machine's rules before one of them is proposed all the same."""


class Auto(Remembering):
    """Bayesian optimisation on the grid: proposes what is expected to gain most, by a local search on forecasts.

    After `startup` designs (the default and a random Latin hypercube) each cost, each constraint and failing is
    forecast by a Gaussian process. Candidates are random designs, the surroundings and children of the best
    ones, and what a climb from the most promising of those comes by. Every second proposal is a careful one, which
    keeps a search from settling where a wrong forecast sees no better: in turn, it takes forecasts to be
    `caution` times less certain than they say, or no more certain than randomised trees are. Designs that break a
    machine's declared rules are recognised, and proposed when nothing else is left. Of more than `memory` designs
    the best ones and some others are learnt from, and one look at the forecast gives several proposals, so that a
    suggestion costs no more after thousands.
    """

    name: ClassVar[str] = "auto"

    def __init__(
        self, space: Space, objective: Objective, *, budget: int, seed: int,
        startup: int = 10, caution: float = 3.0, memory: int = 300,
    ) -> None:  # fmt: skip
        if startup < 2 or caution < 1 or memory < 10:
            raise InputError(
                f"agent 'auto': startup={startup}, caution={caution}, memory={memory}: "
                "accepted: startup >= 2, caution >= 1, memory >= 10"
            )
        super().__init__(space, objective, budget=budget, seed=seed)
        self.startup, self.caution, self.memory = min(startup, max(3, budget // 3)), caution, memory
        self._sizes = np.array(space.sizes)
        self._moves = _moves(space)
        self._forecast = Forecast(space, self.rng)
        self._pending: dict[Index, None] = {}
        self._refused: dict[Index, None] = {}
        self._queue: list[Index] = []
        self._looks = 0
        self._beginning = self._spread()

    def ask(self, n: int) -> list[Point]:
        """The n most promising designs, each in the light of those before it."""
        return self.points(n, self._next)

    def learn(self, index: Index, outcome: Outcome) -> None:
        """An outcome that was waited for is there."""
        self._pending.pop(index, None)

    def _next(self) -> Index | None:
        index = self._chosen()
        if index is not None:
            self.seen.add(index)
            self._pending[index] = None
        return index

    def _chosen(self) -> Index | None:
        default = self.space.default()
        if default not in self.seen and self._allowed(default):
            return default
        if len(self.seen) - len(self._refused) >= self.startup and sum(o.ok for o in self.known.values()) >= 2:
            if not any(index not in self.seen for index in self._queue):
                self._queue = list(self._look())
            for index in self._queue:
                if index not in self.seen:
                    return index
        while self._beginning:
            index = self._beginning.pop()
            if index not in self.seen and self._allowed(index):
                return index
        return self._drawn()

    def _spread(self) -> list[Index]:
        """Random points that together have all values of every parameter about equally often (a Latin hypercube)."""
        count = self.startup
        order = np.argsort(self.rng.random((count, len(self._sizes))), axis=0)
        places = ((order + self.rng.random(order.shape)) / count * self._sizes).astype(int)
        return [tuple(row) for row in places.tolist()]

    def _drawn(self) -> Index | None:
        for _ in range(_REFUSED):
            index = self.unseen()
            if index is None:
                break
            if self._allowed(index):
                return index
        return self._refused.popitem()[0] if self._refused else None  # whose report says which rule it breaks

    def _allowed(self, index: Index) -> bool:
        """Whether a point breaks no rule that its machine declares; that takes no simulation to see."""
        try:
            self.space.design(self.space.point(index))
        except DesignError:
            self.seen.add(index)
            self._refused[index] = None
            return False
        return True

    def _look(self) -> Iterator[Index]:
        """The most promising points that were not seen, best first: one, or a few if much is known."""
        good = [index for index, outcome in self.known.items() if outcome.ok]
        outcomes = [self.known[index] for index in good]
        self._looks += 1
        self._trust = self.caution if self._looks % 4 == 0 else 1.0
        self._doubt = self._looks % 4 == 2
        self._aim = slice(None)
        if self._looks % _ALONE == 0:
            alone = self._looks // (2 * _ALONE) % len(self.objective.terms)
            self._aim = slice(alone, alone + 1)
        costs = np.array([outcome.costs[self._aim] for outcome in outcomes])
        self._gain = Gain(costs, np.array([outcome.feasible for outcome in outcomes]), self.rng)
        broken = np.array([np.maximum(outcome.violations, 0.0).sum() for outcome in outcomes])
        order = [good[i] for i in np.lexsort((self._gain.shortfall(costs), broken))]
        # Rules are known exactly, so that points that break one come before, and give way to, those that failed.
        failed = [*self._refused, *(index for index, outcome in self.known.items() if not outcome.ok)]
        learnt = {index: self.known[index] for index in self._remembered(order)}
        self._forecast.learn(learnt, failed, self._pending, len(self.known))
        count = 1 if len(self.known) <= self.memory else _QUEUE
        promises = self._promises(order)
        for index in sorted((index for index in promises if index not in self.seen), key=promises.__getitem__, reverse=True):
            if count and self._allowed(index):
                count -= 1
                yield index
            elif not count:
                return

    def _remembered(self, order: list[Index]) -> list[Index]:
        """All known points if they are not too many, else two thirds of the best and some others."""
        if len(order) <= self.memory:
            return order
        best = 2 * self.memory // 3
        others = self.rng.permutation(len(order) - best)[: self.memory - best]
        return [*order[:best], *(order[best + int(i)] for i in others)]

    def _promises(self, order: list[Index]) -> dict[Index, float]:
        """Candidates, and what is to be maximised."""
        if self.space.size <= _WHOLE:
            every = np.array([self.space.unrank(rank) for rank in range(len(self.space))])
            return self._scored(every, {})
        promises = self._scored(self._beginnings(order), {})
        for _ in range(_STEPS):
            tops = sorted(promises, key=promises.__getitem__, reverse=True)[:_CLIMBS]
            around = np.vstack([self._around(top) for top in tops])
            if not (fresh := self._scored(around, promises)):
                break
            promises |= fresh
        return promises

    def _scored(self, places: np.ndarray, known: dict[Index, float]) -> dict[Index, float]:
        """Scores of those points that are not known yet."""
        rows = [row for row in dict.fromkeys(map(tuple, places.tolist())) if row not in known and row not in self._refused]
        if not rows:
            return {}
        fresh = np.array(rows)
        means, deviations = self._forecast.costs(fresh)
        deviations *= self._trust
        if self._doubt:
            deviations = np.maximum(deviations, self._forecast.disagreement(fresh))
        scores = self._gain.of(means[:, self._aim], deviations[:, self._aim]) + self._forecast.feasible(fresh)
        scores += self._forecast.novelty(fresh)
        return dict(zip(rows, scores.tolist(), strict=True))

    def _beginnings(self, order: list[Index]) -> np.ndarray:
        """int[n, axes]: random points, the best ones with their surroundings, and their children."""
        best = self._elites(order)
        parents = np.array(best)
        one, two = parents[self.rng.integers(len(best), size=(2, _BRED))]
        drawn = self.rng.integers(0, self._sizes, size=(_DRAWN + _BRED, len(self._sizes)))
        children = np.where(self.rng.random(one.shape) < 0.5, one, two)
        children = np.where(self.rng.random(one.shape) < 1.5 / max(1, len(self.axes)), drawn[_DRAWN:], children)
        return np.vstack([drawn[:_DRAWN], parents, children, *(self._around(index) for index in best)])

    def _elites(self, order: list[Index]) -> list[Index]:
        """The best points; with several objectives some of the front."""
        if self._aim != slice(None) or not self.objective.multi:
            return order[:_ELITES]
        front = [order[i] for i in range(len(order)) if self.known[order[i]].feasible][: 4 * _ELITES] or order[:_ELITES]
        return [front[int(i)] for i in self.rng.permutation(len(front))[: 2 * _ELITES]]

    def _around(self, index: Index) -> np.ndarray:
        """int[n, axes]: points that differ in one parameter."""
        axes, steps = self._moves.T
        rows = np.arange(len(axes))
        there = np.repeat(np.array([index]), len(rows), axis=0)
        there[rows, axes] += steps
        return there[(there[rows, axes] >= 0) & (there[rows, axes] < self._sizes[axes])]


def _moves(space: Space) -> np.ndarray:
    """int[n, 2]: axis and step of every change to one parameter; of long ordered ones short steps, if that is too many."""
    every = sum(space.sizes) - len(space.sizes)
    moves = []
    for axis, (name, size) in enumerate(zip(space.names, space.sizes, strict=True)):
        reach = size - 1 if every <= _MOVES or not space.parameters[name].ordered else min(2, size - 1)
        moves += [(axis, step) for step in range(-reach, reach + 1) if step]
    return np.array(moves, dtype=int).reshape(-1, 2)
