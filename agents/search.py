"""The loop of every search: ask, evaluate what is new, tell. Nothing that fails in it ends it."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from ..arguments import path_of, seed_of, whole_number
from ..errors import InputError, Interrupted, said
from ..simulator.accelerator import Accelerator
from ..simulator.evaluator import Cached, Evaluator, Pace
from ..simulator.files import only_one, write_whole
from ..simulator.objective import Aggregate, Objective, Outcome
from ..simulator.problem import Problem
from ..simulator.record import TrialRecord, canonical
from ..simulator.sources import model_digest
from ..simulator.store import ResultStore
from .model_free import Random
from .pareto import nondominated
from .searcher import Point, Searcher, make_searcher, proposed
from .study import Asked, Study, Trial

__all__ = ["search"]

_IDLE = 50
"""Proposals in a row that bring nothing new before an agent is taken to be stuck."""
_PATIENCE = 10
"""Failures in a row before an agent is no longer asked."""
_CONFIRMED = "simulated: a surrogate put it on the front"
_ROUNDS, _SIMULATED = 20, 512
"""Of a front that a surrogate only predicts, members are simulated in so many rounds, and so many in all, at most."""


def search(
    accelerator: str | Accelerator,
    workload: Any = None,
    *,
    objective: str | Sequence[str] | Objective = "edp",
    constraints: str | Sequence[str] = (),
    aggregate: Aggregate | None = None,
    weights: Sequence[float] | None = None,
    agent: str = "auto",
    budget: int = 100,
    seed: int = 0,
    fixed: Mapping[str, Any] | None = None,
    values: Mapping[str, Sequence[Any]] | None = None,
    evaluator: str | Evaluator = "direct",
    time_limit_s: float | None = None,
    engine: str | None = None,
    batch: int | None = None,
    out: str | Path | None = None,
    progress: Callable[[Study], None] | None = None,
) -> Study:
    """Search a machine's design space and return the study; raises `InputError` for a wrong argument.

    `workload` is a name, a `Workload`, or several (a list, or names joined by ";"); `budget` counts
    distinct designs, each of which runs on every workload. `batch` designs are asked for at once: one,
    or one for each worker. Where a surrogate answers (`evaluator="surrogate:FILE"`) the predicted front is simulated at
    the end, until no member of it is only predicted; those designs come on top of the budget. With `out` everything is
    kept there, and the same call goes on where an interrupted one stopped: known designs are answered from the store.
    Searches that differ in agent, seed or budget may run at once on one `out`, and what one has simulated the others
    need not; the same one is refused while it runs.
    `progress` is called with the study after each batch.
    """
    budget, seed = whole_number("budget", budget), seed_of(seed)
    batch = None if batch is None else whole_number("batch", batch)
    if out is not None and (place := path_of("out", out, "a folder for the store")).exists() and not place.is_dir():
        raise InputError(f"{out}: is no folder (accepted: a folder for the store, made if it is not there)")
    problem = Problem(
        accelerator, workload, objective, constraints, aggregate=aggregate, weights=weights, fixed=fixed,
        values=values, evaluator=evaluator, time_limit_s=time_limit_s, engine=engine,
    )  # fmt: skip
    with contextlib.ExitStack() as stack:
        # With more threads, or fewer, sums of matrices come in another order: the same seed would not give the same bits.
        stack.enter_context(threadpool_limits(1, user_api="blas"))
        if not isinstance(evaluator, Evaluator):
            stack.callback(problem.close)
        searcher = make_searcher(agent, problem.space, problem.objective, budget=budget, seed=seed)
        searcher.meet(problem)
        asked = Asked(
            accelerator=problem.machine.name,
            workloads=tuple(workload.name for workload in problem.workloads),
            digests=tuple(workload.digest for workload in problem.workloads),
            objective=problem.objective, agent=agent, budget=budget, seed=seed,
            batch=0 if searcher.oblivious else batch or problem.evaluator.width,
            fixed=problem.space.fixed, values=problem.space.values, settings=problem.evaluator.settings,
        )  # fmt: skip
        store = None
        if out is not None:
            store = stack.enter_context(ResultStore(out))
            # Two courses of one study would write each other's trials; other seeds and agents may share the store.
            lock = Path(out) / f".study-{asked.digest}.lock"
            stack.enter_context(only_one(lock, f"{out}: this very search (wait for it, or give another seed)"))
            problem.evaluator = Cached(problem.evaluator, store, time_limit_s=time_limit_s)
            store.put_study(asked.digest, asked.model_dump_json(), model_digest(type(problem.machine)))
            write_whole(Path(out) / "study.json", json.dumps(asked.model_dump(mode="json"), indent=2) + "\n")
        return _Run(problem, searcher, Study(asked), store, progress).run()


class _Run:
    """One search on its way."""

    def __init__(
        self,
        problem: Problem,
        searcher: Searcher,
        study: Study,
        store: ResultStore | None,
        progress: Callable[[Study], None] | None,
    ) -> None:
        self.problem, self.searcher, self.study, self.store = problem, searcher, study, store
        self.progress = progress
        asked = study.asked
        self.fallback = Random(problem.space, problem.objective, budget=asked.budget, seed=asked.seed)
        self.known: dict[str, Outcome] = {}
        self.failures = 0
        self.begun = False
        self.pace = Pace(target_s=0.5, most=256)

    def run(self) -> Study:
        asked, study = self.study.asked, self.study
        idle = 0
        try:
            while len(study.trials) < asked.budget:
                start = time.perf_counter()
                points, agent, note = self.proposals(asked.budget - len(study.trials))
                if not points:
                    study.stopped = f"{agent} has nothing left to propose"
                    break
                fresh = self.fresh(points)
                study.repeats += len(points) - len(fresh)
                self.evaluate(fresh, agent, note)
                self.tell(points)
                self.pace.note(len(points), time.perf_counter() - start)
                idle = 0 if fresh else idle + 1
                if idle >= _IDLE:
                    study.stopped = f"{agent} repeats itself: nothing new in its last {_IDLE} proposals"
                    break
                if self.progress is not None:
                    self.progress(study)
            self.confirm()
        except KeyboardInterrupt:
            done = f"interrupted after {len(study.trials)} of {asked.budget} designs"
            if self.store is None:
                raise Interrupted(f"{done}; with out=DIR they would be kept and the study could go on") from None
            raise Interrupted(
                f"{done}; they are kept in {self.store.path.parent}: run the same search again to go on"
            ) from None
        return study

    def proposals(self, left: int) -> tuple[list[Point], str, str | None]:
        """Ask the agent, or draw at random if it fails; with who proposed, and what went wrong."""
        size = self.pace.size if self.searcher.oblivious else self.study.asked.batch
        note = f"{self.searcher.name} failed {_PATIENCE} times in a row and is no longer asked"
        if self.failures < _PATIENCE:
            try:
                if not self.begun:
                    self.begun = True
                    self.searcher.begin(self.problem, self.store, self.study.asked.digest)
                points = [proposed(self.problem.space, point) for point in self.searcher.ask(min(size, left))[:left]]
                self.failures = 0
                return points, self.searcher.name, None
            except (Exception, SystemExit) as error:
                self.failures += 1
                note = f"{self.searcher.name} could not propose: {said(error)}"
        return self.fallback.ask(min(size, left)), self.fallback.name, note

    def fresh(self, points: Sequence[Point]) -> list[Point]:
        """Those points that were not evaluated before, each once."""
        return list({key: p for p in points if (key := canonical(p)) not in self.known}.values())

    def evaluate(self, points: Sequence[Point], agent: str, note: str | None) -> None:
        """Evaluate, write down, remember."""
        outcomes = self.problem.evaluate(points)
        for point, outcome in zip(points, outcomes, strict=True):
            self.known[canonical(point)] = outcome
            said = None if note == _CONFIRMED and outcome.surrogate else note
            number = len(self.study.trials)
            self.study.trials.append(Trial(number, point, outcome, agent, said, self.keys(point)))
        if self.store is not None and points:
            new = self.study.trials[-len(points) :]
            self.store.put_trials(record for trial in new for record in self.records(trial))
        self.fallback.tell(points, outcomes)

    def confirm(self) -> None:
        """Simulate the members of the front that are only predicted, until none is left on it, if anybody can."""
        study = self.study
        predicted = {canonical(t.point): t for t in study.trials if t.outcome.surrogate and t.outcome.feasible}
        if not predicted:
            return
        inner = self.problem.evaluator
        simulator = inner.simulating
        if simulator is inner:  # what was logged of a neighbour: the simulator need not even be installed
            return
        self.problem.evaluator = simulator
        try:
            left = _SIMULATED
            for _ in range(_ROUNDS):
                waiting = list(predicted)
                costs = np.concatenate([np.array([predicted[key].outcome.costs for key in waiting]), study.costs])
                front = [waiting[i] for i in np.flatnonzero(nondominated(costs)) if i < len(waiting)][:left]
                if not front:
                    break
                trials = [predicted.pop(key) for key in front]
                self.evaluate([dict(trial.point) for trial in trials], "surrogate", _CONFIRMED)
                left -= len(front)
                if self.progress is not None:
                    self.progress(study)
                if not predicted:
                    break
        finally:
            self.problem.evaluator = inner
            behind = simulator.inner if isinstance(simulator, Cached) else simulator  # the store is still needed
            behind.close()

    def keys(self, point: Point) -> tuple[str, ...]:
        evaluator = self.problem.evaluator
        if not isinstance(evaluator, Cached):
            return ()
        design = {**self.problem.space.fixed, **point}
        return tuple(evaluator.key(design, workload) for workload in self.problem.workloads)

    def records(self, trial: Trial) -> list[TrialRecord]:
        asked = self.study.asked
        return [
            TrialRecord(asked.digest, trial.number, part, key, trial.agent, asked.seed, trial.note, time.time())
            for part, key in enumerate(trial.keys)
        ]

    def tell(self, points: Sequence[Point]) -> None:
        """Tell the agent how its points did, repeats included."""
        if self.failures >= _PATIENCE:
            return
        try:
            self.searcher.tell(points, [self.known[canonical(point)] for point in points])
        except (Exception, SystemExit) as error:
            self.failures += 1
            note = f"{self.searcher.name} could not learn from this: {said(error)}"
            last = self.study.trials[-1] if self.study.trials else None
            if last is not None and last.note is None:
                self.study.trials[-1] = Trial(last.number, last.point, last.outcome, last.agent, note, last.keys)
                if self.store is not None:
                    self.store.put_trials(self.records(self.study.trials[-1]))
