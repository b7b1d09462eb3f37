"""Training a policy: search each training workload, see how the best designs of each do on all, and learn from that."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Literal

import numpy as np

from ...arguments import MOST_SEED, whole_number
from ...errors import InputError
from ...simulator.accelerator import Accelerator
from ...simulator.evaluator import Cached, Evaluator, make_evaluator
from ...simulator.objective import Objective
from ...simulator.problem import Problem, workloads_of
from ...simulator.registry import accelerator as find
from ...simulator.report import version
from ...simulator.sources import model_digest
from ...simulator.space import Index
from ...simulator.store import ResultStore
from ...traces.features import FEATURES, features
from ..search import search
from .file import Header, Policy
from .network import reinforce
from .ranking import Standard

__all__ = ["Kind", "train"]

Kind = Literal["ranking", "network"]
Progress = Callable[[str, int, int], None]
_WORSE = 1.0
"""Decades that a design without numbers is worse than the worst that has some."""


def train(
    accelerator: str | Accelerator,
    workloads: Any,
    *,
    objective: str | Sequence[str] | Objective = "edp",
    constraints: str | Sequence[str] = (),
    kind: Kind = "ranking",
    agent: str = "bottleneck",
    budget: int = 250,
    seeds: int = 3,
    keep: int = 15,
    updates: int = 500,
    seed: int = 0,
    fixed: Mapping[str, Any] | None = None,
    values: Mapping[str, Sequence[Any]] | None = None,
    jobs: int = 1,
    data: str | Path | None = None,
    progress: Progress | None = None,
) -> Policy:
    """Train a policy for one objective on several workloads; raises `InputError`.

    A ranking: `agent` searches every workload with `budget` designs for each of `seeds` seeds; the `keep` best of each
    are simulated on all. A network is trained by REINFORCE with `updates` updates of 256 designs. With `data`
    every evaluation is kept in the store there, and training again evaluates only what is new. Equal arguments
    give equal policies; with more `jobs` a ranking's searches ask for as many designs at once.
    """
    budget, seeds, keep = whole_number("budget", budget), whole_number("seeds", seeds), whole_number("keep", keep)
    updates, jobs = whole_number("updates", updates), whole_number("jobs", jobs)
    seed = whole_number("seed", seed, 0, MOST_SEED + 1 - seeds)  # its searches count on from there
    machine = accelerator if isinstance(accelerator, Accelerator) else find(accelerator)
    every = workloads_of(workloads)
    if len({workload.digest for workload in every}) < max(2, len(every)):
        raise InputError("train: at least two workloads are wanted, and all different")
    wanted = Objective.parse(objective, constraints)
    if wanted.multi:
        raise InputError(f"train: one objective is wanted, not {len(wanted.terms)} (accepted: a product, such as edp)")
    with ExitStack() as stack:
        evaluator: Evaluator = stack.enter_context(make_evaluator("direct" if jobs == 1 else f"pool:{jobs}", machine))
        asked = Problem(machine, [every[0]], wanted, fixed=fixed, values=values, evaluator=evaluator)
        judge = _Judge(asked, every, evaluator if data is None else Cached(evaluator, stack.enter_context(ResultStore(data))))
        known = np.array([features(workload) for workload in every])
        searched = 0
        if kind == "ranking":
            given: dict[str, Any] = {"objective": wanted, "agent": agent, "budget": budget, "fixed": fixed, "values": values}
            given |= {"evaluator": evaluator, "out": data}
            best: dict[Index, None] = {}
            for number, workload in enumerate(every):
                found: dict[Index, float] = {}
                for s in range(seeds):
                    study = search(machine, workload, seed=seed + s, **given)
                    searched += len(study.trials)
                    found |= {asked.space.index(trial.point): -wanted.reward(trial.outcome) for trial in study.trials}
                best |= dict.fromkeys(sorted(found, key=lambda index: (found[index], index))[:keep])
                if progress is not None:
                    progress("workloads searched", number + 1, len(every))
            arrays = _ranking(judge, list(best), progress)
        else:
            def told(update: int, _: float) -> None:
                if progress is not None:
                    progress("updates", update + 1, updates)

            here = Standard.of(known)(known)
            arrays = reinforce(asked.space.sizes, here, judge.bounded, seed=seed, updates=updates, progress=told).weights
    how: dict[str, Any] = {"evaluations": searched + judge.evaluations, "seed": seed}
    how |= {"agent": agent, "budget": budget, "seeds": seeds, "keep": keep} if kind == "ranking" else {"updates": updates}
    header = Header(
        kind=kind, accelerator=machine.name, values=asked.space.values, fixed=asked.space.fixed, objective=wanted,
        features=FEATURES, workloads=tuple(workload.name for workload in every),
        digests=tuple(workload.digest for workload in every), model=model_digest(type(machine)), made_by=version(), trained=how,
    )  # fmt: skip
    return Policy(header, known, arrays)


class _Judge:
    """Rewards of designs on a training workload, each evaluated once."""

    def __init__(self, problem: Problem, workloads: Sequence[Any], evaluator: Evaluator) -> None:
        self._space, self._objective = problem.space, problem.objective
        self._workloads, self._evaluator = workloads, evaluator
        self._known: list[dict[Index, float]] = [{} for _ in workloads]

    def __call__(self, number: int, designs: Sequence[Index]) -> np.ndarray:
        """float64[designs]: always to be maximised; -inf for those without numbers."""
        known = self._known[number]
        new = [index for index in dict.fromkeys(designs) if index not in known]
        values = [{**self._space.fixed, **self._space.point(index)} for index in new]
        reports = self._evaluator.evaluate(values, self._workloads[number])
        for index, report in zip(new, reports, strict=True):
            outcome = self._objective.outcome(report)
            known[index] = self._objective.reward(outcome) if outcome.ok else -np.inf
        return np.array([known[index] for index in designs])

    def bounded(self, number: int, designs: Sequence[Index]) -> np.ndarray:
        """The same, with a number for every design: those that have none are worse than any known on the workload."""
        found = self(number, designs)
        least = min((value for value in self._known[number].values() if np.isfinite(value)), default=0.0)
        return np.where(np.isfinite(found), found, least - _WORSE)

    @property
    def count(self) -> int:
        """Training workloads."""
        return len(self._workloads)

    @property
    def evaluations(self) -> int:
        """Designs that were judged, each on one workload."""
        return sum(map(len, self._known))


def _ranking(judge: _Judge, designs: list[Index], progress: Progress | None) -> dict[str, np.ndarray]:
    """Every design on every workload, in decades beyond the best on it."""
    columns = []
    for number in range(judge.count):
        cost = -judge(number, designs)
        if not np.isfinite(cost).any():
            raise InputError(f"train: no design has numbers on workload {number + 1}")
        cost = np.where(np.isfinite(cost), cost, cost[np.isfinite(cost)].max() + _WORSE)
        columns.append(cost - cost.min())
        if progress is not None:
            progress("workloads ranked", number + 1, judge.count)
    return {"designs": np.array(designs, dtype=np.int16), "excess": np.array(columns, dtype=np.float32).T}
