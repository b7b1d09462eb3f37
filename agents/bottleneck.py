"""A searcher that reads where the cycles went, and moves what has been seen to relieve that cause."""

from __future__ import annotations

import math
from typing import ClassVar

import numpy as np

from ..errors import InputError
from ..simulator.objective import Objective, Outcome
from ..simulator.space import Index, Space
from .remembering import Remembering
from .searcher import Point

__all__ = ["Bottleneck"]

Cause = tuple[int, str]
"""Workload and cause of its breakdown."""
Move = tuple[int, int, int]
"""Axis, and -1 or +1 and 0 if it is ordered, else from where to where."""

_TRACE = 0.01
"""Share of the cycles that is added to every cause, so that one may appear and vanish."""
_RECENT = 0.5
"""Weight of the latest observation in an effect; those before fade."""


class Bottleneck(Remembering):
    """Bottleneck-guided search: change the one parameter that most relieves where the cycles go now.

    From the default design it steps to neighbours. Of each kind of step (a parameter up, down, or from one
    choice to another) it remembers by which factor every cause of the breakdown grew, what each objective did
    beyond the cycles, and how each constraint moved; with those it predicts what a step would do to the
    breakdown here, and takes the best. A kind not tried yet is expected to halve the largest cause. Where
    `patience` steps in a row bring nothing, it goes on from the best design with `kick` parameters changed at
    random. The idea of moving by bottleneck is that of AutoDSE (Sohrabizadeh et al., TODAES 2022) and
    Explainable-DSE (Dave et al., ASPLOS 2023); theirs is told what relieves what, this one finds out.
    """

    name: ClassVar[str] = "bottleneck"

    def __init__(
        self, space: Space, objective: Objective, *, budget: int, seed: int, patience: int = 6, kick: int = 2
    ) -> None:
        if patience < 1 or kick < 1:
            raise InputError(f"agent 'bottleneck': patience={patience}, kick={kick}: accepted: at least 1 each")
        super().__init__(space, objective, budget=budget, seed=seed)
        self.patience, self.kick = patience, kick
        self._here = space.default()
        self._idle = 0
        self._causes: dict[Move, dict[Cause, float]] = {}
        self._others: dict[Move, np.ndarray] = {}
        self._asked_from: dict[Index, Index] = {}

    def ask(self, n: int) -> list[Point]:
        """The n most promising steps from here."""
        return self.points(n, self._next)

    def learn(self, index: Index, outcome: Outcome) -> None:
        """Learn what the step did, and stay where it is better."""
        start = self._asked_from.pop(index, None)
        if start is not None and start in self.known:
            self._compare(move_between(self.space, start, index), self.known[start], outcome)
        here = self.known.get(self._here)
        if here is None or self.key(outcome) < self.key(here):
            self._here, self._idle = index, 0
        else:
            self._idle += 1

    def _next(self) -> Index | None:
        if self._here not in self.seen:
            self.seen.add(self._here)
            return self._here
        if self._idle >= self.patience:
            return self._kicked()
        free = [there for there in self.space.neighbours(self._here) if there not in self.seen]
        if not free or self._here not in self.known:
            return self._kicked()
        here = self.known[self._here]
        order = self.rng.permutation(len(free))  # equals are taken in random order
        costs = [self._predict(move_between(self.space, self._here, free[i]), here) for i in order]
        index = free[order[int(np.argmin(costs))]]
        self.seen.add(index)
        self._asked_from[index] = self._here
        return index

    def _kicked(self) -> Index | None:
        """A point not seen near the best one, from where to go on; other weights if there are several objectives."""
        self.reweigh()
        self._idle = 0
        base = self.best() or self._here
        changed = list(base)
        for axis in self.rng.permutation(self.axes)[: self.kick]:
            changed[axis] = int(self.rng.integers(self.space.sizes[axis]))
        index = self.nearest_unseen(tuple(changed))
        if index is not None:
            self._here = index
        return index

    def _compare(self, move: Move, before: Outcome, after: Outcome) -> None:
        if not (before.ok and after.ok):
            return
        old, new = logs(before), logs(after)
        grown = {cause: new.get(cause, old_log) - old_log for cause, old_log in old.items()}
        rest = after.costs - before.costs - (total(new) - total(old))
        other = np.concatenate((rest, after.violations - before.violations))
        known = self._causes.get(move, grown)
        self._causes[move] = {
            cause: (1 - _RECENT) * known.get(cause, growth) + _RECENT * growth for cause, growth in grown.items()
        }
        self._others[move] = (1 - _RECENT) * self._others.get(move, other) + _RECENT * other

    def _predict(self, move: Move, here: Outcome) -> float:
        """The cost after a move from here, with the penalty for constraints; as far as is known."""
        if not here.ok:
            return 0.0
        now, count = logs(here), len(here.costs)
        others = self._others.get(move)
        if others is None:
            largest = max(now, key=lambda cause: now[cause], default=None)
            grown = {} if largest is None else {largest: -math.log10(2)}
            others = np.zeros(count + len(here.violations))
        else:
            grown = self._causes[move]
        cycles = total({cause: value + grown.get(cause, 0.0) for cause, value in now.items()}) - total(now)
        violation = np.maximum(here.violations + others[count:], 0.0).sum()
        return self.scalar(here.costs + cycles + others[:count]) + self.objective.steepness * float(violation)


def move_between(space: Space, start: Index, end: Index) -> Move:
    """The kind of step between neighbours."""
    axis = next(i for i, (a, b) in enumerate(zip(start, end, strict=True)) if a != b)
    if space.parameters[space.names[axis]].ordered:
        return axis, 1 if end[axis] > start[axis] else -1, 0
    return axis, start[axis], end[axis]


def logs(outcome: Outcome) -> dict[Cause, float]:
    """log10 of the cycles of each cause on each workload, a trace of all cycles added."""
    found = {}
    for workload, report in enumerate(outcome.reports):
        cycles = sum(report.breakdown.values())
        for cause, spent in report.breakdown.items():
            found[workload, cause] = math.log10(max(spent + _TRACE * cycles, 1e-3))
    return found


def total(causes: dict[Cause, float]) -> float:
    """log10 of the cycles of all causes, averaged over workloads; 0 if nothing is known."""
    sums: dict[int, float] = {}
    for (workload, _), value in causes.items():
        sums[workload] = sums.get(workload, 0.0) + 10.0**value
    return float(np.mean([math.log10(value) for value in sums.values()])) if sums else 0.0
