"""What is known of designs before any is simulated: a machine's closed forms, and what its other workloads told.

A level is a cheap model of every cost and constraint, in decades. The first is what the machine's closed forms
(`Accelerator.bounds`) say; the second adds what simulations of other workloads showed beyond their closed forms.
A model of the present workload then learns what a level leaves (Kennedy & O'Hagan, Predicting the output from a complex
computer code when fast approximations are available, Biometrika 87, 2000; the factor between levels is 1, in decades).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import DesignError, InputError
from ..simulator.formula import Formula
from ..simulator.objective import FLOOR, Objective, Outcome
from ..simulator.problem import Problem
from ..simulator.record import canonical, report_of
from ..simulator.sources import model_digest
from ..simulator.space import Index, Space
from ..simulator.store import ResultStore
from ..traces.catalog import load
from .forecast import Features
from .gaussian import Gaussian

__all__ = ["Experience", "Levels", "experience"]

_OTHERS = 4
"""Other workloads that are learnt from, those with the most designs."""
_LEARNT = 200
"""Designs of each."""
_FEWEST = 5
"""A workload of which fewer are known teaches nothing."""
_TRIED = 64
"""Random designs by which it is seen whether closed forms say anything of the objective."""


@dataclass(frozen=True)
class Experience:
    """What a store knew of a machine on this space when a study began."""

    same: Mapping[Index, Outcome]
    """Designs that ran every workload of the problem."""
    others: Sequence[tuple[Any, Mapping[Index, Outcome]]]
    """Other workloads (None where its name does not lead to it), each with designs that worked, judged on it alone."""


def experience(problem: Problem, store: ResultStore, study: str) -> Experience:
    """Read what was simulated before the study was first asked for, with the sources and settings of today."""
    model, settings = model_digest(type(problem.machine)), canonical(problem.evaluator.settings)
    own = [workload.digest for workload in problem.workloads]
    index_of = _Places(problem.space)
    found: dict[str, dict[Index, Any]] = {}
    names: dict[str, str] = {}
    for row in store.rows(before=study):
        if (row["accelerator"], row["model"], row["settings"]) != (problem.machine.name, model, settings):
            continue
        index = None if row["surrogate"] or row["retry_above_s"] is not None else index_of(row["design"])
        if index is not None:
            found.setdefault(row["workload_digest"], {})[index] = report_of(row)
            names[row["workload_digest"]] = row["workload"]
    every = [found.get(digest, {}) for digest in own]
    same = {index: problem.objective.outcome([part[index] for part in every]) for index in every[0]
            if all(index in part for part in every)}
    alone = problem.objective.model_copy(update={"weights": None})
    others = []
    # Of workloads with equally many designs the digest decides: a set has another order in every process.
    for digest in sorted(found.keys() - set(own), key=lambda digest: (-len(found[digest]), digest))[:_OTHERS]:
        outcomes = {index: alone.outcome(report) for index, report in found[digest].items()}
        outcomes = {index: outcome for index, outcome in outcomes.items() if outcome.ok}
        if len(outcomes) >= _FEWEST:
            others.append((_found(names[digest], digest), outcomes))
    return Experience(same, others)


class _Places:
    """Where designs that a store holds lie in a space."""

    def __init__(self, space: Space) -> None:
        self.space = space
        self.defaults = {name: parameter.default for name, parameter in space.design_class.parameters().items()}

    def __call__(self, text: str) -> Index | None:
        """The index of a design in JSON; None if it differs in a parameter that is not explored, or is off the grid."""
        design = json.loads(text)
        rest = {**self.defaults, **self.space.fixed, **design}
        try:
            index = self.space.index(rest)
            return index if self.space.design(self.space.point(index)).canonical == text else None
        except (InputError, DesignError):
            return None


def _found(name: str, digest: str) -> Any:
    """A workload by the name that a store has; None if that is other work today, or nothing."""
    try:
        workload = load(name)
    except InputError:
        return None
    return workload if workload.digest == digest else None


class Levels:
    """Calling it with int[n, axes] gives float64[levels, n, targets] in decades: costs, then violations.

    A target of which closed forms say nothing is 0. Where they say that a design cannot work, it is nan. Numbers are
    remembered.
    """

    def __init__(self, problem: Problem, others: Sequence[tuple[Any, Mapping[Index, Outcome]]] = ()) -> None:
        self.problem = problem
        self.targets = len(problem.objective.terms) + len(problem.objective.constraints)
        self._known: dict[Index, np.ndarray] = {}
        self._features = Features(problem.space)
        self._taught: list[list[Gaussian]] = []
        some = np.random.default_rng(0).integers(0, np.array(problem.space.sizes), size=(_TRIED, len(problem.space.sizes)))
        self.closed = bool((np.nan_to_num(self._closed(some, problem.workloads)) != 0).any())
        self._taught = [self._learnt(workload, outcomes) for workload, outcomes in others if workload or not self.closed]
        self.count = int(self.closed) + bool(self._taught)

    def __call__(self, places: np.ndarray) -> np.ndarray:
        """Say what the levels say, each once."""
        rows = [tuple(row) for row in places.tolist()]
        if fresh := [row for row in dict.fromkeys(rows) if row not in self._known]:
            there = np.array(fresh)
            closed = self._closed(there, self.problem.workloads)
            said = [closed] if self.closed else []
            if self._taught:
                features = self._features(there)
                told = [[model.predict(features)[0] for model in models] for models in self._taught]
                said.append(closed + np.mean(told, axis=0).T)
            self._known |= zip(fresh, np.stack(said, axis=1), strict=True)
        return np.stack([self._known[row] for row in rows], axis=1)

    def _learnt(self, workload: Any, outcomes: Mapping[Index, Outcome]) -> list[Gaussian]:
        """A regression for each target of what simulations of a workload showed beyond its closed form."""
        some = np.random.default_rng(0).permutation(len(outcomes))[:_LEARNT]
        listed = list(outcomes.items())
        there = np.array([listed[i][0] for i in some])
        targets = np.array([np.concatenate((listed[i][1].costs, listed[i][1].violations)) for i in some])
        left = targets - self._closed(there, (workload,)) if self.closed else targets
        good = np.isfinite(left).all(axis=1)
        features = self._features(there[good])
        models = []
        for target in left[good].T:
            model = Gaussian(features.shape[1])
            model.fit(features, target)
            model.condition(features, target)
            models.append(model)
        return models

    def _closed(self, places: np.ndarray, workloads: Sequence[Any]) -> np.ndarray:
        """float64[n, targets]: what closed forms say; nan where they say that nothing works, or a rule is broken."""
        out = np.full((len(places), self.targets), np.nan)
        valid, designs = [], []
        for number, row in enumerate(places):
            try:
                designs.append(self.problem.space.design(self.problem.space.point(row)))
                valid.append(number)
            except DesignError:
                continue
        if designs:
            bounds = [self.problem.machine.bounds(designs, workload) for workload in workloads]
            out[valid] = judged(self.problem.objective, bounds, len(designs))
        return np.where(np.isfinite(out), out, np.nan)


def judged(objective: Objective, bounds: Sequence[Mapping[str, np.ndarray]], count: int) -> np.ndarray:
    """float64[count, targets]: costs and violations by metrics of each workload, as `Objective.outcome` has them.

    A target with a metric that is not there, or that has no decades, is 0.
    """
    weights = np.array(objective.weights or [1.0] * len(bounds))[:, None]
    out = np.zeros((count, len(objective.terms) + len(objective.constraints)))
    for number, term in enumerate(objective.parsed):
        each = _decades(term.formula, bounds)
        if each is not None:
            out[:, number] = term.sign * _aggregated(objective.aggregate, each, weights, term.sign)
    for number, (_, formula, upper, limit) in enumerate(objective.limits, len(objective.terms)):
        each = _decades(formula, bounds)
        if each is not None and limit > 0:
            beyond = each - np.log10(limit)
            out[:, number] = beyond.max(axis=0) if upper else -beyond.min(axis=0)
    return out


def _decades(formula: Formula, bounds: Sequence[Mapping[str, np.ndarray]]) -> np.ndarray | None:
    """float64[workloads, n]: logarithms of a formula; None if a metric is missing."""
    rows = []
    for metrics in bounds:
        powers = {formula.text: 1} if formula.text in metrics else formula.powers
        if not powers.keys() <= metrics.keys():
            return None
        rows.append(sum(power * np.log10(np.maximum(metrics[name], FLOOR)) for name, power in powers.items()))
    return np.array(rows)


def _aggregated(how: str, each: np.ndarray, weights: np.ndarray, sign: int) -> np.ndarray:
    if how == "geomean":
        return np.asarray((weights * each).sum(axis=0) / weights.sum())
    if how == "sum":
        return np.asarray(np.log10((weights * 10.0**each).sum(axis=0)))
    weighted = each + np.log10(weights)
    return np.asarray(weighted.max(axis=0) if sign > 0 else weighted.min(axis=0))
