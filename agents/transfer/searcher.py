"""A searcher that begins with what a trained policy proposes for this workload, and goes on with another."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from ...errors import InputError
from ...simulator.objective import Objective, Outcome
from ...simulator.problem import Problem
from ...simulator.sources import model_digest
from ...simulator.space import Index, Space
from ...traces.features import FEATURES, features
from ..remembering import Remembering
from ..searcher import Point, Searcher, make_searcher
from .file import Policy
from .ranking import Ranking

__all__ = ["Transfer"]

_TRIES = 64


class Transfer(Remembering):
    """A policy trained on other workloads (`cyclescape policy train`) proposes the first designs, by the features of this one.

    `file` is the policy. The first `first` designs are its own: a ranking corrects itself by every outcome, a
    network takes its likeliest design and then draws. From there on `then` searches, knowing all that was seen.
    A policy for another machine, objective or constraint is refused; `strict=false` uses it nevertheless.
    """

    name: ClassVar[str] = "transfer"

    def __init__(
        self, space: Space, objective: Objective, *, budget: int, seed: int,
        file: str = "", first: int = 10, then: str = "bottleneck", strict: bool = True,
    ) -> None:  # fmt: skip
        if not file:
            raise InputError("agent 'transfer': which policy? (accepted: transfer:file=FILE, of `cyclescape policy train`)")
        if not isinstance(first, int) or first < 1:
            raise InputError(f"agent 'transfer': first={first}: accepted: at least 1")
        super().__init__(space, objective, budget=budget, seed=seed)
        self.file, self.first, self.strict = str(file), first, strict
        self.policy = Policy.read(self.file)
        self._then: Searcher = make_searcher(then, space, objective, budget=budget, seed=seed)
        self._asked = 0
        self._proposer: _Ranked | _Drawn | None = None

    def meet(self, problem: Problem) -> None:
        """Take the workloads' features; raises `InputError` where the policy is for another problem."""
        self._check(problem)
        here = np.mean([features(workload) for workload in problem.workloads], axis=0)
        kind = _Ranked if self.policy.header.kind == "ranking" else _Drawn
        self._proposer = kind(self.policy, self.policy.standard(here), self)

    def _check(self, problem: Problem) -> None:
        header = self.policy.header
        wrong = []
        if header.features != FEATURES:
            raise InputError(f"{self.file}: trained on other features of workloads than this cyclescape counts; train it again")
        if header.accelerator != problem.machine.name:
            raise InputError(f"{self.file}: a policy for {header.accelerator!r}, not for {problem.machine.name!r}")
        for what, trained, asked in (
            ("objective", header.objective.terms, self.objective.terms),
            ("constraints", header.objective.constraints, self.objective.constraints),
        ):
            if trained != asked:
                wrong.append(f"trained for {what} {_told(trained)}, asked for {_told(asked)}")
        known = problem.machine.design.parameters()
        for name, value in header.fixed.items():
            here = self.space.fixed.get(name, known[name].default) if name in known and name not in self.space.values else None
            if here != value:
                wrong.append(f"trained with {name}={value}, here {'explored' if name in self.space.values else here}")
        if wrong and self.strict:
            raise InputError(f"{self.file}: {'; '.join(wrong)} (accepted: the same, or transfer:...,strict=false)")
        if header.model != model_digest(type(problem.machine)):
            wrong.append("the simulator has changed since it was trained")
        if wrong:
            warnings.warn(f"{self.file}: {'; '.join(wrong)}", stacklevel=3)

    def ask(self, n: int) -> list[Point]:
        """The policy's next designs; after the first ones, those of the agent that goes on."""
        if self._proposer is None:
            raise InputError("agent 'transfer': has not met its problem (`Searcher.meet`)")
        points: list[Point] = []
        while len(points) < n and self._asked < self.first and (index := self._proposer.next()) is not None:
            self.seen.add(index)
            self._asked += 1
            points.append(self.space.point(index))
        if not points:
            self._asked = self.first
            points = self._then.ask(n)
        return points

    def tell(self, points: Sequence[Mapping[str, Any]], outcomes: Sequence[Outcome]) -> None:
        """Let the policy and the agent that goes on know."""
        super().tell(points, outcomes)
        self._then.tell(points, outcomes)


def _told(texts: Sequence[str]) -> str:
    return ", ".join(texts) or "(none)"


class _Ranked:
    """Proposals of a ranking; those asked for before outcomes are back count as they are believed."""

    def __init__(self, policy: Policy, here: np.ndarray, searcher: Transfer) -> None:
        listed = list(policy.header.values)
        places, rows = [], []
        for row, design in enumerate(policy.arrays["designs"]):
            point = {name: policy.header.values[name][place] for name, place in zip(listed, design, strict=True)}
            fixed = searcher.space.fixed
            fits = all(name in searcher.space.values or fixed.get(name, point[name]) == point[name] for name in listed)
            index = searcher.index(point) if fits else None
            if index is not None:
                places.append(index)
                rows.append(row)
        if not places:
            raise InputError(f"{searcher.file}: none of its designs is in the space that is explored")
        self._indices, self._searcher = places, searcher
        self._row = {index: i for i, index in enumerate(places)}
        excess = policy.arrays["excess"][rows].astype(float)
        self._ranking = Ranking(np.array(places), excess, policy.standard(policy.features), here)

    def next(self) -> Index | None:
        """The design to try next; None if all were."""
        known, seen = self._searcher.known, self._searcher.seen
        taken = np.array([index in seen for index in self._indices])
        if taken.all():
            return None
        told = {row: self._searcher.energy(known[i]) for i, row in self._row.items() if i in known and known[i].ok}
        rows, costs = np.array([*told], dtype=int), np.array([*told.values()])
        if waiting := [self._row[i] for i in self._indices if i in seen and i not in known]:
            believed, _ = self._ranking.believed(rows, costs)
            rows, costs = np.concatenate((rows, waiting)), np.concatenate((costs, believed[waiting]))
        return self._indices[self._ranking.best(rows, costs, taken)]


class _Drawn:
    """Proposals of a policy network: the likeliest design, then draws."""

    def __init__(self, policy: Policy, here: np.ndarray, searcher: Transfer) -> None:
        if tuple(policy.header.values) != searcher.space.names:
            raise InputError(f"{searcher.file}: a network proposes {', '.join(policy.header.values)}; explored are others")
        self._network, self._values, self._here, self._searcher = policy.network, policy.header.values, here, searcher
        self._greedy = True

    def next(self) -> Index | None:
        """A design that was not seen; None if many draws in a row bring none."""
        for _ in range(_TRIES):
            places = self._network.propose(self._here, self._searcher.rng, greedy=self._greedy)
            self._greedy = False
            values = zip(self._values.items(), places, strict=True)
            index = self._searcher.index({name: listed[place] for (name, listed), place in values})
            if index is not None and index not in self._searcher.seen:
                return index
        return None
