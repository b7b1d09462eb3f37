"""What is true of a problem, from the table of all its points: the optimum, the front, how much it covers.

A truth is a JSON file, `NAME.truth.json` beside the problem. It names a digest of the model's sources: when
those have changed since, it may be stale, and everything that uses it says so.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ...arguments import seed_of, whole_number
from ...errors import InputError, explain
from ...reading import parse_json, read_text
from ...simulator.files import replaced
from ...simulator.objective import Outcome
from ...simulator.problem import Problem
from ...simulator.record import canonical
from ...simulator.sources import model_digest
from ...simulator.space import Space
from ..pareto import hypervolume, nondominated, reference_point
from .problem import ContestProblem, Merged, explored
from .studies import Kept
from .table import Table

__all__ = ["CHANGED", "Truth", "Vertex", "best_known", "sampled", "space_digest", "truth_of", "truth_path"]

CHANGED = "the model's sources changed since"
"""The one reason for which a truth may be stale, but need not be."""
_LARGEST = 16 * 2**20


class Vertex(BaseModel):
    """A point of the true front: designs that cannot be told apart by their costs."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    values: tuple[float, ...]
    """Objectives in their natural units."""
    costs: tuple[float, ...]
    """log10 of them, turned so that less is better."""
    design: dict[str, Any]
    """The first of the designs: values of the explored parameters."""
    designs: Annotated[int, Field(ge=1)]
    """How many points of the space have these costs."""


class Truth(BaseModel):
    """The truth of one problem, with what it was found from."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    problem: str
    model: str
    """Digest of the model's sources."""
    workloads: tuple[str, ...]
    """Digests of the workloads."""
    objective: tuple[str, ...]
    constraints: tuple[str, ...] = ()
    space: str
    """Digest of what is fixed and of the values that are explored."""
    points: Annotated[int, Field(ge=1)]
    distinct: Annotated[int, Field(ge=1)]
    """Points that differ in what the model does."""
    feasible_share: Annotated[float, Field(gt=0, le=1)]
    """Share of all points that run and keep every constraint."""
    failing_share: Annotated[float, Field(ge=0, lt=1)]
    """Share of all points that do not run."""
    front: Annotated[tuple[Vertex, ...], Field(min_length=1)]
    """By the first objective; of a single objective the optimum."""
    reference: tuple[float, ...]
    """log10 costs: the worst on the front plus a tenth of its extent."""
    hypervolume: Annotated[float, Field(gt=0)]
    """Decades (to the power of the number of objectives) that the front covers up to the reference."""
    enumerated: bool = True
    """Whether every point was simulated; else this is the best of what a contest tried, and no truth."""

    @property
    def costs(self) -> np.ndarray:
        """float64[vertices, objectives]: the true front."""
        return np.array([vertex.costs for vertex in self.front])

    @property
    def best(self) -> float:
        """The least mean of the log10 costs: of a single objective its optimum."""
        return float(self.costs.mean(axis=1).min())

    def shares(self, costs: np.ndarray, counts: Sequence[int]) -> np.ndarray:
        """float64[counts]: share of the true hypervolume of the first so many of some costs (+inf: not feasible)."""
        reference = np.array(self.reference)
        return np.array([hypervolume(costs[:count], reference) for count in counts]) / self.hypervolume

    def distances(self, costs: np.ndarray) -> np.ndarray:
        """float64[n]: ADRS of the first 1, 2, ... n costs (+inf: not feasible), relative; inf before the first feasible."""
        if not len(costs):
            return np.empty(0)
        with np.errstate(over="ignore", invalid="ignore"):
            excess = (10.0 ** (costs[:, None, :] - self.costs[None, :, :]) - 1.0).max(axis=2)
        excess[~np.isfinite(costs).all(axis=1)] = np.inf
        return np.asarray(np.minimum.accumulate(np.maximum(excess, 0.0), axis=0).mean(axis=1))

    def stale(self, problem: Problem) -> str:
        """Why the truth may no longer hold for this problem; empty if it does."""
        if self.workloads != tuple(workload.digest for workload in problem.workloads):
            return "the workload is another one"
        if (self.objective, self.constraints) != (problem.objective.terms, problem.objective.constraints):
            return "objective or constraints are other ones"
        if self.points != len(problem.space):
            return f"the space has {len(problem.space)} points, not {self.points}"
        if self.space != space_digest(problem.space):
            return "other values are fixed or explored"
        if self.model != model_digest(type(problem.machine)):
            return CHANGED
        return ""

    @classmethod
    def read(cls, path: str | Path) -> Truth:
        """Read a truth; raises `InputError` with file and field."""
        text = read_text(path, _LARGEST, "the truth that `compare enumerate` writes")
        try:
            truth = cls.model_validate(parse_json(text, str(path)))
        except ValidationError as error:
            raise InputError(f"{path}: {explain(error)}") from None
        if any(len(v.costs) != len(truth.reference) for v in truth.front):
            raise InputError(f"{path}: front: not as many costs as the reference has")
        return truth

    def write(self, path: str | Path) -> None:
        """Write it, whole or not at all."""
        with replaced(Path(path), parents=True) as partial:
            partial.write_text(json.dumps(self.model_dump(mode="json"), indent=1) + "\n", encoding="utf-8")


def space_digest(space: Space) -> str:
    """SHA-256 of fixed and explored values."""
    return hashlib.sha256(canonical(explored(space)).encode()).hexdigest()


def truth_path(asked: ContestProblem, folder: str | Path | None = None) -> Path | None:
    """Where the truth of a problem is: in a folder of one's own, else beside the problem; None if nowhere.

    Raises `InputError` for a folder that is not there: who names one wants what it holds, not a simulation of everything.
    """
    if folder is not None and not Path(folder).is_dir():
        raise InputError(f"tables {folder}: no such folder (accepted: one that `compare enumerate` wrote)")
    for place in ([Path(folder)] if folder is not None else []) + [asked.path.parent]:
        path = place / f"{asked.name}.truth.json"
        if os.path.exists(path):
            return path
    return None


def truth_of(asked: ContestProblem, table: Table) -> Truth:
    """Read the truth from a full table; raises `InputError` if no design is feasible."""
    problem, weights = table.problem, table.merged.weights
    costs = np.empty((0, len(problem.objective.terms)))
    places = np.empty(0, dtype=np.int64)
    feasible = failing = 0
    for block, rows in table.blocks():
        outcomes = [problem.objective.outcome([table.decode(row) for row in each]) for each in rows]
        here = np.array([o.costs if o.feasible else np.full_like(o.costs, np.inf) for o in outcomes])
        weight = weights[block.start : block.stop]
        feasible += int(weight[np.isfinite(here).all(axis=1)].sum())
        failing += int(weight[[not o.ok for o in outcomes]].sum())
        costs, places = np.vstack((costs, here)), np.concatenate((places, np.arange(block.start, block.stop)))
        kept = nondominated(costs)
        costs, places = costs[kept], places[kept]
    if not len(costs):
        raise InputError(f"problem {asked.name!r}: no design is feasible")
    front = []
    for cost in np.unique(costs, axis=0):
        twins = places[(costs == cost).all(axis=1)]
        first = int(twins.min())
        outcome = problem.objective.outcome([table.report(first, w) for w in range(len(problem.workloads))])  # type: ignore[misc]
        front.append(Vertex(
            values=tuple(outcome.values.values()), costs=tuple(cost.tolist()), design=table.point(first),
            designs=int(weights[twins].sum()),
        ))  # fmt: skip
    corner = reference_point(costs)
    return Truth(
        problem=asked.name, model=model_digest(type(problem.machine)),
        workloads=tuple(workload.digest for workload in problem.workloads),
        objective=problem.objective.terms, constraints=problem.objective.constraints,
        space=space_digest(problem.space), points=len(problem.space), distinct=len(weights),
        feasible_share=feasible / len(problem.space), failing_share=failing / len(problem.space),
        front=tuple(front), reference=tuple(corner.tolist()), hypervolume=hypervolume(costs, corner),
    )  # fmt: skip


def best_known(asked: ContestProblem, problem: Problem, merged: Merged, studies: Sequence[Kept]) -> Truth | None:
    """What stands in for a truth that nobody enumerated: the front of all designs that these studies tried; None of none."""
    tried: dict[int, tuple[float, ...] | None] = {}
    for kept in studies:
        tried |= dict(zip(kept.places, kept.costs, strict=True))
    tried.pop(-1, None)
    places = np.array(sorted(place for place, cost in tried.items() if cost is not None), dtype=np.int64)
    if not len(places):
        return None
    costs = np.array([tried[place] for place in places.tolist()])
    kept_rows = nondominated(costs)
    costs, places = costs[kept_rows], places[kept_rows]
    front = []
    for cost in np.unique(costs, axis=0):
        twins = places[(costs == cost).all(axis=1)]
        point = problem.space.point(problem.space.unrank(int(merged.ranks[twins.min()])))
        values = tuple(problem.evaluate([point])[0].values.values())
        front.append(Vertex(values=values, costs=tuple(cost.tolist()), design=point, designs=len(twins)))
    corner = reference_point(costs)
    volume = hypervolume(costs, corner)
    if not volume > 0:  # costs so large or so alike that a float cannot tell, as in a study that was altered
        return None
    return Truth(
        problem=asked.name, model=model_digest(type(problem.machine)),
        workloads=tuple(workload.digest for workload in problem.workloads),
        objective=problem.objective.terms, constraints=problem.objective.constraints,
        space=space_digest(problem.space), points=len(problem.space), distinct=len(merged.ranks), failing_share=0.0,
        feasible_share=sum(cost is not None for cost in tried.values()) / len(tried),
        front=tuple(front), reference=tuple(corner.tolist()), hypervolume=volume, enumerated=False,
    )  # fmt: skip


def sampled(asked: ContestProblem, truth: Truth, n: int, seed: int = 0) -> list[str]:
    """What is wrong with a truth, found by simulating its front again and n random points; empty if nothing."""
    wrong: list[str] = []
    n, seed = whole_number("n", n, 0), seed_of(seed)
    with asked.open() as problem:
        again = problem.evaluate([vertex.design for vertex in truth.front])
        for vertex, outcome in zip(truth.front, again, strict=True):
            if not outcome.feasible or tuple(outcome.costs.tolist()) != vertex.costs:
                wrong.append(f"{vertex.design}: {_told(outcome)}, where the truth has {vertex.values}")
        points = problem.space.sample(np.random.default_rng(seed), n)
        outcomes = problem.evaluate(points)
        for point, outcome in zip(points, outcomes, strict=True):
            if outcome.feasible and not (truth.costs <= outcome.costs).all(axis=1).any():
                wrong.append(f"{point}: {_told(outcome)} is beaten by no design of the true front")
        share = float(np.mean([outcome.feasible for outcome in outcomes])) if outcomes else truth.feasible_share
        spread = 5.0 * np.sqrt(max(truth.feasible_share * (1 - truth.feasible_share), 1e-12) / max(n, 1))
        if abs(share - truth.feasible_share) > spread + 1.0 / max(n, 1):
            wrong.append(f"{share:.1%} of {n} random points are feasible, where the truth has {truth.feasible_share:.1%}")
    return wrong


def _told(outcome: Outcome) -> str:
    return ", ".join(f"{name}={value:.6g}" for name, value in outcome.values.items()) or str(outcome.reason)
