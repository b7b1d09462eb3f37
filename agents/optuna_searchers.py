"""Optuna's samplers behind `ask` and `tell`: tree-structured Parzen estimators and Gaussian processes.

Ordered parameters are integers (their place among the explored values), choices are categories.
Objectives are log10 costs, all minimised; constraints are told natively, in decades beyond the limit.
"""

from __future__ import annotations

import importlib.util
import warnings
from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, ClassVar

import numpy as np
import optuna

from ..errors import InputError, MissingExtraError
from ..simulator.objective import Objective, Outcome
from ..simulator.space import Index, Space
from .searcher import Point, Searcher

__all__ = ["Gp", "Tpe", "gp_is_there"]


def gp_is_there() -> bool:
    """Whether the libraries that the Gaussian-process sampler needs are installed."""
    return all(importlib.util.find_spec(name) is not None for name in ("torch", "scipy"))


class _OptunaSearcher(Searcher):
    """What both samplers share.

    Repeats are answered from memory. A design that failed has no objective: its trial is told with the
    mean of the others, so that it pulls the model nowhere, and with a violated constraint of its own,
    `valid`, from which the model learns where designs fail. That constraint exists from the first
    failure on, so that a space without failures pays nothing for it.
    """

    tries: ClassVar[int]
    """Proposals in a row that may be repeats before the nearest point that was not seen is taken."""

    def __init__(self, space: Space, objective: Objective, *, budget: int, seed: int) -> None:
        super().__init__(space, objective, budget=budget, seed=seed)
        self._distributions: dict[str, optuna.distributions.BaseDistribution] = {
            name: optuna.distributions.IntDistribution(0, size - 1)
            if space.parameters[name].ordered
            else optuna.distributions.CategoricalDistribution(tuple(range(size)))
            for name, size in zip(space.names, space.sizes, strict=True)
        }
        self._known: dict[Index, Outcome] = {}
        self._running: dict[Index, optuna.Trial] = {}
        self._failed = self._good = False
        self._study = self._new_study()

    @abstractmethod
    def _make_sampler(self, seed: int) -> optuna.samplers.BaseSampler:
        """The library's sampler."""

    def _new_study(self) -> optuna.Study:
        with _quietly():
            sampler = self._make_sampler(int(self.rng.integers(2**31)))
            return optuna.create_study(directions=["minimize"] * len(self.objective.terms), sampler=sampler)

    def ask(self, n: int) -> list[Point]:
        """Propose n points that were not proposed before, fewer if the space holds no more."""
        points = []
        with _quietly():
            for _ in range(n):
                index = self._propose()
                if index is None:
                    break
                points.append(self.space.point(index))
        return points

    def _propose(self) -> Index | None:
        for _ in range(self.tries):
            trial = self._study.ask(self._distributions)
            index = tuple(int(trial.params[name]) for name in self.space.names)
            if index not in self.seen:
                self.seen.add(index)
                self._running[index] = trial
                return index
            if self.tries > 1 and index in self._known:
                self._finish(trial, self._known[index])  # which moves the sampler on
            else:
                self._study.tell(trial, state=optuna.trial.TrialState.FAIL)
        near = self.nearest_unseen(index)
        if near is not None:
            self._study.enqueue_trial(dict(zip(self.space.names, near, strict=True)))
            self._running[near] = self._study.ask(self._distributions)
        return near

    def tell(self, points: Sequence[Mapping[str, Any]], outcomes: Sequence[Outcome]) -> None:
        """Hand on outcomes, also of points that others proposed; those off the grid are passed over."""
        with _quietly():
            for point, outcome in zip(points, outcomes, strict=True):
                index = self.index(point)
                if index is None or index in self._known:
                    continue
                self.seen.add(index)
                self._known[index] = outcome
                first_failure, first_success = (
                    not outcome.ok and not self._failed,
                    outcome.ok and not self._good,
                )
                self._failed |= not outcome.ok
                self._good |= outcome.ok
                if first_failure or (first_success and self._failed):
                    self._start_over()
                elif index in self._running:
                    self._finish(self._running.pop(index), outcome)
                else:
                    self._add(index, outcome)

    def _start_over(self) -> None:
        """Tell everything again: there is a new constraint, or at last a mean for those that failed."""
        self._running.clear()
        self._study = self._new_study()
        for index, outcome in self._known.items():
            self._add(index, outcome)

    def _add(self, index: Index, outcome: Outcome) -> None:
        values, constraints = self._told(outcome)
        trial = optuna.trial.create_trial(
            params=dict(zip(self.space.names, index, strict=True)),
            distributions=self._distributions,
            values=values,
        )
        for name, violation in constraints.items():
            trial.set_constraint(name, violation)
        self._study.add_trial(trial)

    def _finish(self, trial: optuna.Trial, outcome: Outcome) -> None:
        values, constraints = self._told(outcome)
        for name, violation in constraints.items():
            trial.set_constraint(name, violation)
        self._study.tell(trial, values)

    def _told(self, outcome: Outcome) -> tuple[list[float], dict[str, float]]:
        costs, violations = outcome.costs, outcome.violations
        if not outcome.ok:
            good = [known for known in self._known.values() if known.ok]
            costs = np.mean([known.costs for known in good], axis=0) if good else np.zeros(len(costs))
            violations = np.mean([known.violations for known in good], axis=0) if good else np.zeros(len(violations))
        constraints = dict(zip(self.objective.constraints, map(float, violations), strict=True))
        if self._failed:
            constraints["valid"] = -1.0 if outcome.ok else 1.0
        return [float(cost) for cost in costs], constraints


class Tpe(_OptunaSearcher):
    """Tree-structured Parzen estimators, each parameter on its own.

    Optuna's default joins all parameters in one kernel, which ties categories to sizes early: it was seen
    to stay with a wrong category for hundreds of trials.
    """

    name: ClassVar[str] = "tpe"
    tries: ClassVar[int] = 4

    def __init__(
        self,
        space: Space,
        objective: Objective,
        *,
        budget: int,
        seed: int,
        startup: int = 10,
        candidates: int = 24,
    ) -> None:
        if startup < 1 or candidates < 1:
            raise InputError(f"agent 'tpe': startup={startup}, candidates={candidates}: accepted: at least 1 each")
        self._startup, self._candidates = startup, candidates
        super().__init__(space, objective, budget=budget, seed=seed)

    def _make_sampler(self, seed: int) -> optuna.samplers.BaseSampler:
        return optuna.samplers.TPESampler(
            seed=seed, multivariate=False, n_startup_trials=self._startup, n_ei_candidates=self._candidates
        )


class Gp(_OptunaSearcher):
    """Bayesian optimisation with Gaussian processes: expected (hypervolume) improvement, constrained.

    Needs torch (the extra `gp`). The best choice where designs are few or dear.
    """

    name: ClassVar[str] = "gp"
    tries: ClassVar[int] = 1  # the same point twice tells a deterministic model nothing

    def __init__(self, space: Space, objective: Objective, *, budget: int, seed: int, startup: int = 10) -> None:
        if not gp_is_there():
            raise MissingExtraError("the agent 'gp'", "gp")
        if startup < 1:
            raise InputError(f"agent 'gp': startup={startup}: accepted: at least 1")
        self._startup = startup
        super().__init__(space, objective, budget=budget, seed=seed)

    def _make_sampler(self, seed: int) -> optuna.samplers.BaseSampler:
        return optuna.samplers.GPSampler(
            seed=seed,
            deterministic_objective=True,
            n_startup_trials=self._startup,
            warn_independent_sampling=False,
        )

    def ask(self, n: int) -> list[Point]:
        """Propose n points; on one thread, since the matrices are too small to share."""
        import torch

        threads = torch.get_num_threads()
        torch.set_num_threads(1)
        try:
            return super().ask(n)
        finally:
            torch.set_num_threads(threads)


@contextmanager
def _quietly() -> Iterator[None]:
    """Without the library's progress messages and its notes on experimental arguments."""
    level = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            yield
    finally:
        optuna.logging.set_verbosity(level)
