"""What a directory of results holds, put together: the question, the designs, who proposed them, how they did.

A store may hold several studies. Those that ask the same question (machine, workloads, objective, settings)
are shown together, whoever searched; the latest study decides which question. A store without studies is a
sweep: its designs are judged by an objective that the reader names.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import ValidationError

from ..agents.pareto import front_of
from ..agents.study import Asked
from ..errors import InputError, explain
from ..simulator.objective import Objective
from ..simulator.store import ResultStore
from .evaluations import Evaluations

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Collected", "Question", "Series", "collect"]

FEASIBLE, BREAKS_LIMIT, FAILED, SURROGATE = range(4)
"""How a design did."""


@dataclass(frozen=True)
class Question:
    """What was asked."""

    accelerator: str
    workloads: tuple[tuple[str, str], ...]
    """Name and digest of each."""
    objective: Objective
    settings: dict[str, Any]
    fixed: dict[str, Any] = field(default_factory=dict)
    """Parameters that were set and not explored."""
    explored: dict[str, tuple[Any, ...]] = field(default_factory=dict)
    """Explored parameters and their values; those that vary, where nothing says more."""


@dataclass
class Series:
    """One search (or the sweep): its designs in the order in which they were tried."""

    agent: str
    seed: int | None
    budget: int
    study: str
    designs: list[int] = field(default_factory=list)
    """Indices of `Collected`'s designs."""
    notes: list[str] = field(default_factory=list)
    """What went wrong with the agent."""


@dataclass
class Collected:
    """Every design once, with its numbers."""

    path: Path
    """The store's file."""
    question: Question
    series: list[Series]
    evaluations: Evaluations
    rows: list[tuple[int, ...]]
    """For each design its evaluations, one for each workload."""
    designs: list[dict[str, Any]]
    values: np.ndarray
    """float64[designs, terms]: objectives in their natural units; NaN where there are none."""
    costs: np.ndarray
    """float64[designs, terms]: log10 costs, +inf for what cannot be on a front."""
    states: np.ndarray
    """int8[designs]: FEASIBLE, BREAKS_LIMIT, FAILED or SURROGATE."""
    reasons: list[str]
    """Why a design is not feasible; empty if it is."""
    excess: np.ndarray
    """float64[designs]: decades beyond its limits, summed over them; +inf where there are no numbers."""
    other_studies: int
    """Studies in the store that ask something else."""

    @cached_property
    def front(self) -> np.ndarray:
        """Indices of the designs that no other beats, best first objective first; of equal ones the first."""
        return front_of(self.costs)[0]

    @property
    def ties(self) -> int:
        """How many designs have the very objectives of one on the front and are not listed beside it."""
        return int(front_of(self.costs)[1].sum())

    @property
    def best(self) -> int | None:
        """The best design: least mean of the log10 costs, that is the least product of the objectives."""
        mean = self.costs.mean(axis=1) if len(self.costs) else np.empty(0)
        return int(np.argmin(mean)) if np.isfinite(mean).any() else None

    @property
    def nearest(self) -> int | None:
        """Where no design keeps every limit: the one that comes nearest to it."""
        if self.best is not None or not np.isfinite(self.excess).any():
            return None
        return int(np.argmin(self.excess))


def collect(
    directory: str | Path,
    *,
    study: str | None = None,
    objective: str | Sequence[str] | Objective | None = None,
    constraints: str | Sequence[str] = (),
) -> Collected:
    """Read a directory (or a store's file); raises `InputError` if there is nothing to show.

    `study` picks one study by its id. `objective` and `constraints` judge the designs anew.
    """
    with ResultStore(directory, readonly=True) as store:
        asked = _asked(store)
        trials = store.trials()
        evaluations = Evaluations.read(store.rows())
        path = store.path
    if study is not None and study not in asked:
        raise InputError(f"{directory}: no study {study!r} (accepted: {', '.join(asked) or 'none'})")
    if not len(evaluations):
        raise InputError(f"{directory}: the store holds no results yet")
    if asked:
        chosen = study or list(asked)[-1]
        same = [name for name in asked if _same(asked[name], asked[chosen])]
        question, series, rows = _of_studies({name: asked[name] for name in same}, trials, evaluations)
    else:
        same, (question, series, rows) = [], _of_sweep(evaluations)
    if not rows:
        raise InputError(f"{directory}: no design was finished yet")
    if objective is not None or constraints:
        judged = Objective.parse(objective or question.objective, constraints)
        question = Question(**{**vars(question), "objective": judged})
    return _judged(path, question, series, evaluations, rows, len(asked) - len(same))


def _asked(store: ResultStore) -> dict[str, Asked]:
    out = {}
    for name, text in store.studies().items():
        try:
            out[name] = Asked.model_validate_json(text)
        except ValidationError as error:
            raise InputError(f"{store.path}: study {name!r} is not readable: {explain(error)}") from None
    return out


def _same(one: Asked, other: Asked) -> bool:
    """Whether two studies ask the same question, whoever searches."""
    fields = ("accelerator", "digests", "objective", "settings", "fixed")
    return all(getattr(one, name) == getattr(other, name) for name in fields)


Gathered = tuple[Question, list[Series], list[tuple[int, ...]]]


def _of_studies(asked: dict[str, Asked], trials: pd.DataFrame, evaluations: Evaluations) -> Gathered:
    last = list(asked.values())[-1]
    explored: dict[str, tuple[Any, ...]] = {}
    for one in asked.values():
        for name, values in one.values.items():
            explored[name] = _united(explored.get(name, ()), values)
    index: dict[tuple[int, ...], int] = {}
    series = []
    for name, one in asked.items():
        mine = Series(one.agent, one.seed, one.budget, name)
        notes: Counter[str] = Counter()
        for _, parts in trials[trials["study"] == name].groupby("number", sort=True):
            rows = tuple(evaluations.keys.get(key, -1) for key in parts["key"])
            if -1 in rows or len(rows) != len(one.digests):
                continue  # lost to a power cut, or in another shard
            mine.designs.append(index.setdefault(rows, len(index)))
            if isinstance(note := parts["note"].iloc[0], str):
                notes[note] += 1
        mine.notes = [f"{text} ({count} times)" if count > 1 else text for text, count in notes.most_common(5)]
        series.append(mine)
    question = Question(
        last.accelerator, tuple(zip(last.workloads, last.digests)), last.objective, last.settings, last.fixed, explored
    )
    return question, series, list(index)


def _of_sweep(evaluations: Evaluations) -> Gathered:
    """Take the machine and settings that most rows have, and the workloads that most of its designs ran."""
    kinds = [(machine, made[-1]) for machine, made in zip(evaluations.accelerators, evaluations.made)]
    (machine, settings), _ = Counter(kinds).most_common(1)[0]
    mine = [row for row, kind in enumerate(kinds) if kind == (machine, settings)]
    parts: dict[str, dict[tuple[str, str], int]] = {}
    for row in mine:  # of two runs by different versions of the model the later one counts
        parts.setdefault(evaluations.designs[row], {})[evaluations.workloads[row]] = row
    (ran, _), *_ = Counter(frozenset(found) for found in parts.values()).most_common()
    workloads = tuple(w for w in dict.fromkeys(evaluations.workloads[row] for row in mine) if w in ran)
    rows = [tuple(found[w] for w in workloads) for found in parts.values() if ran <= found.keys()]
    notes = []
    if len(rows) < len(parts):
        notes = [f"{len(parts) - len(rows)} designs are left out: they did not run {', '.join(name for name, _ in workloads)}"]
    designs = [json.loads(evaluations.designs[row[0]]) for row in rows]
    names = dict.fromkeys(name for design in designs for name in design)
    explored = {name: _united((), (design.get(name) for design in designs)) for name in names}
    varied = {name: values for name, values in explored.items() if len(values) > 1}
    fixed = {name: values[0] for name, values in explored.items() if len(values) == 1}
    metrics = evaluations.metric_names(row for parts_of in rows for row in parts_of)
    terms = ("time_s", "area_mm2") if {"time_s", "area_mm2"} <= set(metrics) else metrics[:1]
    if not terms:
        raise InputError("every evaluation of the sweep failed; there is nothing to draw")
    question = Question(machine, workloads, Objective.parse(terms), json.loads(settings), fixed, varied)
    return question, [Series("the sweep", None, len(rows), "", list(range(len(rows))), notes)], rows


def _united(known: tuple[Any, ...], new: Any) -> tuple[Any, ...]:
    """Values of both without repeats; in order where they are numbers."""
    found = {json.dumps(value): value for value in (*known, *new)}
    values = tuple(found.values())
    if all(isinstance(v, int | float) and not isinstance(v, bool) for v in values):
        return tuple(sorted(values))
    return values


def _judged(
    path: Path, question: Question, series: list[Series], evaluations: Evaluations,
    rows: list[tuple[int, ...]], other_studies: int,
) -> Collected:  # fmt: skip
    """Judge every design by the objective."""
    terms = question.objective.names
    values = np.full((len(rows), len(terms)), np.nan)
    costs = np.full((len(rows), len(terms)), np.inf)
    excess = np.full(len(rows), np.inf)
    states = np.full(len(rows), FEASIBLE, np.int8)
    reasons = []
    for i, parts in enumerate(rows):
        outcome = question.objective.outcome([evaluations.report(row) for row in parts])
        reasons.append(outcome.reason or "")
        if not outcome.ok:
            states[i] = FAILED
            continue
        values[i] = [outcome.values[name] for name in terms]
        excess[i] = float(np.maximum(outcome.violations, 0.0).sum())
        broken = [text for text, slack in outcome.slacks.items() if slack < 0]
        if broken:
            states[i], reasons[i] = BREAKS_LIMIT, "breaks " + ", ".join(broken)
        elif outcome.surrogate:
            states[i], reasons[i] = SURROGATE, "is predicted, not simulated"
        else:
            costs[i] = outcome.costs
    designs = [json.loads(evaluations.designs[parts[0]]) for parts in rows]
    return Collected(
        path, question, series, evaluations, rows, designs, values, costs, states, reasons, excess, other_studies
    )
