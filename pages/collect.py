"""What a directory of results holds, put together: the question, the designs, who proposed them, how they did.

A store may hold several studies. Those that ask the same question (machine, workloads, objective, settings)
are shown together, whoever searched; the latest study decides which question. A store without studies is a
sweep: its designs are judged by an objective that the reader names. Numbers of two versions of a model are never
compared, and what is not shown is counted.
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
from ..agents.study import Asked, model_of
from ..errors import InputError, explain
from ..simulator.objective import Objective
from ..simulator.record import canonical
from ..simulator.store import ResultStore
from .evaluations import Evaluations

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["SWEEP", "Collected", "Question", "Series", "collect"]

SWEEP = "sweep"
"""In place of a study's id: everything in the store, whoever asked for it."""

_MODEL = Evaluations.MADE.index("model")

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
    others: dict[str, Asked]
    """Studies in the store that are not shown as such, by their ids."""
    notes: list[str]
    """What else of the store is not shown."""

    @property
    def other_studies(self) -> int:
        """How many studies are not shown."""
        return len(self.others)

    @property
    def model(self) -> str:
        """The version of the model that gave every number."""
        return str(self.evaluations.made[self.rows[0][0]][_MODEL])

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

    `study` picks one study by its id, or "sweep" for everything, whoever asked for it. `objective` and
    `constraints` judge the designs anew.
    """
    with ResultStore(directory, readonly=True) as store:
        asked = _asked(store)
        trials = store.trials()
        evaluations = Evaluations.read(store.rows())
        path = store.path
    if study not in (None, SWEEP, *asked):
        raise InputError(f"{directory}: no study {study!r} (accepted: {', '.join([*asked, SWEEP])})")
    if not len(evaluations):
        raise InputError(f"{directory}: the store holds no results yet")
    chosen = study or [SWEEP, *asked][-1]
    same = [] if chosen == SWEEP else [name for name in asked if _same(asked[name], asked[chosen])]
    if same:
        question, series, rows = _of_studies({name: asked[name] for name in same}, chosen, trials, evaluations)
    else:
        question, series, rows = _of_sweep(evaluations)
    if not rows:
        raise InputError(f"{directory}: no design was finished yet")
    if objective is not None or constraints:
        judged = Objective.parse(objective or question.objective, constraints)
        question = Question(**{**vars(question), "objective": judged})
    others = {name: one for name, one in asked.items() if name not in same}
    notes = _notes(question, evaluations, rows, set(trials["key"]) if same else None)
    return _judged(path, question, series, evaluations, rows, others, notes)


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


def _of_studies(asked: dict[str, Asked], chosen: str, trials: pd.DataFrame, evaluations: Evaluations) -> Gathered:
    last = list(asked.values())[-1]
    models = {key: evaluations.made[row][_MODEL] for key, row in evaluations.keys.items()}
    model = next(filter(None, (model_of(trials[trials["study"] == name], models) for name in (chosen, *asked))), None)
    explored: dict[str, tuple[Any, ...]] = {}
    for one in asked.values():
        for name, values in one.values.items():
            explored[name] = _united(explored.get(name, ()), values)
    index: dict[tuple[int, ...], int] = {}
    series = []
    for name, one in asked.items():
        mine, older = Series(one.agent, one.seed, one.budget, name), 0
        notes: Counter[str] = Counter()
        for _, parts in trials[trials["study"] == name].groupby("number", sort=True):
            rows = tuple(evaluations.keys.get(key, -1) for key in parts["key"])
            if -1 in rows or len(rows) != len(one.digests):
                continue  # lost to a power cut, or in another shard
            if any(evaluations.made[row][_MODEL] != model for row in rows):
                older += 1
                continue
            mine.designs.append(index.setdefault(rows, len(index)))
            if isinstance(note := parts["note"].iloc[0], str):
                notes[note] += 1
        mine.notes = [f"{text} ({count} times)" if count > 1 else text for text, count in notes.most_common(5)]
        if mine.designs or not older:
            series.append(mine)
    question = Question(
        last.accelerator, tuple(zip(last.workloads, last.digests)), last.objective, last.settings, last.fixed, explored
    )
    return question, series, list(index)


def _of_sweep(evaluations: Evaluations) -> Gathered:
    """Take the machine and settings that most rows have, of them the latest model's, and the workloads that most of its
    designs ran.
    """
    kinds = [(machine, made[-1]) for machine, made in zip(evaluations.accelerators, evaluations.made)]
    (machine, settings), _ = Counter(kinds).most_common(1)[0]
    mine = [row for row, kind in enumerate(kinds) if kind == (machine, settings)]
    model = evaluations.made[mine[-1]][_MODEL]
    mine = [row for row in mine if evaluations.made[row][_MODEL] == model]
    parts: dict[str, dict[tuple[str, str], int]] = {}
    for row in mine:
        parts.setdefault(evaluations.designs[row], {})[evaluations.workloads[row]] = row
    (ran, _), *_ = Counter(frozenset(found) for found in parts.values()).most_common()
    workloads = tuple(w for w in dict.fromkeys(evaluations.workloads[row] for row in mine) if w in ran)
    rows = [tuple(found[w] for w in workloads) for found in parts.values() if ran <= found.keys()]
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
    return question, [Series("the sweep", None, len(rows), "", list(range(len(rows))))], rows


def _notes(
    question: Question, evaluations: Evaluations, rows: list[tuple[int, ...]], of_studies: set[str] | None
) -> list[str]:
    """Say what is not shown, apart from other studies; `of_studies` are the keys of their evaluations, None for a sweep."""
    shown = {row for parts in rows for row in parts}
    model, settings = evaluations.made[rows[0][0]][_MODEL], canonical(question.settings)
    designs = {evaluations.designs[row] for row in shown}
    older, elsewhere, alone = 0, Counter[str](), set()
    for key, row in evaluations.keys.items():
        work, made = evaluations.workloads[row], evaluations.made[row]
        asked = evaluations.accelerators[row] == question.accelerator and made[-1] == settings
        if row in shown:
            continue
        if asked and made[_MODEL] != model and work in question.workloads:
            older += 1
        elif of_studies is None or key not in of_studies:
            machine = "" if evaluations.accelerators[row] == question.accelerator else f"{evaluations.accelerators[row]} "
            other = " with other settings" if not machine and made[-1] != settings else ""
            elsewhere[f"{machine}on {work[0]}{other}"] += 1
            if asked and made[_MODEL] == model and evaluations.designs[row] not in designs:
                alone.add(evaluations.designs[row])
    notes = []
    if older:
        notes.append(f"{older:,} evaluations by another version of the model are left out: two versions are not compared")
    if of_studies is None and alone:
        notes.append(f"{len(alone):,} designs are left out: they did not run {', '.join(n for n, _ in question.workloads)}")
    if elsewhere:
        text = f"{elsewhere.total():,} evaluations are not shown: {', '.join(f'{n:,} {what}' for what, n in elsewhere.items())}"
        why = "; a sweep's page shows the workloads that most designs ran" if of_studies is None else (
            ", asked for by no search; `cyclescape report --study sweep` shows a sweep"
        )  # fmt: skip
        notes.append(text + why)
    return notes


def _united(known: tuple[Any, ...], new: Any) -> tuple[Any, ...]:
    """Values of both without repeats; in order where they are numbers."""
    found = {json.dumps(value): value for value in (*known, *new)}
    values = tuple(found.values())
    if all(isinstance(v, int | float) and not isinstance(v, bool) for v in values):
        return tuple(sorted(values))
    return values


def _judged(
    path: Path, question: Question, series: list[Series], evaluations: Evaluations,
    rows: list[tuple[int, ...]], others: dict[str, Asked], notes: list[str],
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
        path, question, series, evaluations, rows, designs, values, costs, states, reasons, excess, others, notes
    )
