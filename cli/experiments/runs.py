"""Searches by several agents on several problems: run, remembered in a CSV file, and gone on with."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

import numpy as np

from ...agents.search import search
from ...errors import InputError
from ...reading import read_table
from ...simulator.evaluator import Direct, Evaluator
from ...simulator.files import write_whole
from ...simulator.record import canonical
from ...simulator.registry import accelerator
from ...simulator.report import Report

__all__ = ["CHECKPOINTS", "Course", "Known", "Task", "perform"]

CHECKPOINTS = (5, 10, 20, 30, 50, 75, 100, 150, 200, 250, 300)
"""Designs after which the best so far is written down."""
_LATE = 4
"""The last so manieth part of a search shows what its agent has come to propose."""


@dataclass(frozen=True)
class Task:
    """One search: what identifies it in a file of runs."""

    workload: str
    objective: str
    agent: str
    seed: int
    budget: int
    limited: str = ""
    """Which values of the parameters may be proposed, if not all: a key of `perform`'s `limits`."""


@dataclass(frozen=True)
class Course:
    """How a search went, in log10 of the objective (less is better)."""

    task: Task
    final: float
    """The best after the whole budget."""
    area: float
    """Mean of the best so far over the designs."""
    late: float
    """Mean over the designs of the last quarter that had numbers."""
    best: Mapping[int, float] = field(default_factory=dict)
    """The best after so many designs."""


class Known(Evaluator):
    """Simulates in this process, and no design twice; keeps nothing of a report but some metrics."""

    def __init__(self, machine: str, metrics: Sequence[str]) -> None:
        super().__init__(accelerator(machine))
        self.inner, self.kept = Direct(self.machine), tuple(metrics)
        self.reports: dict[tuple[str, str], Report] = {}

    def stream(self, designs: Iterable[Any], workload: Any) -> Generator[Report]:
        """Yield reports without breakdown and table."""
        for design in designs:
            key = workload.digest, canonical(dict(design))
            if key not in self.reports:
                report = self.inner.evaluate([design], workload)[0]
                metrics = {name: report.metrics[name] for name in self.kept if name in report.metrics}
                self.reports[key] = Report(metrics, reason=report.reason)
            yield self.reports[key]


_NUMBERS = ("final", "area", "late")
_COLUMNS = (*(entry.name for entry in fields(Task)), *_NUMBERS, *(f"best_{count}" for count in CHECKPOINTS))


def perform(
    tasks: Sequence[Task], evaluator: Known, limits: Mapping[str, Mapping[str, Sequence[Any]]], file: Path | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> list[Course]:  # fmt: skip
    """Run the searches that are not in the file yet, in order, and keep each there as soon as it is done.

    Raises `InputError` for a file that holds no such runs.
    """
    known = {} if file is None or not os.path.exists(file) else {course.task: course for course in _read(file)}
    for number, task in enumerate(tasks):
        if task in known:
            continue
        known[task] = _run(task, evaluator, limits.get(task.limited))
        if file is not None:
            _write(file, known.values())
        if progress is not None:
            progress(number + 1, len(tasks))
    return [known[task] for task in tasks]


def _run(task: Task, evaluator: Known, values: Mapping[str, Sequence[Any]] | None) -> Course:
    study = search(
        evaluator.machine, task.workload, objective=task.objective, agent=task.agent, budget=task.budget, seed=task.seed,
        values=values, evaluator=evaluator,
    )  # fmt: skip
    notes = {trial.note for trial in study.trials if trial.note}
    if notes or len(study.trials) < task.budget:
        raise RuntimeError(f"{task}: {study.stopped} {notes}")  # an agent that failed would be compared as random
    costs = study.costs[:, 0]
    best = np.minimum.accumulate(costs)
    late = costs[-max(1, task.budget // _LATE) :]
    at = {count: _kept(best[count - 1]) for count in CHECKPOINTS if count <= task.budget}
    return Course(task, _kept(best[-1]), _kept(best.mean()), _kept(late[np.isfinite(late)].mean()), at)


def _kept(value: float) -> float:
    """A number as the file keeps it, so that reading gives the same."""
    return round(float(value), 6)


def _write(file: Path, courses: Iterable[Course]) -> None:
    """Replace the file by one that holds these runs; whole or not at all."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(_COLUMNS)
    for course in courses:
        numbers = [getattr(course, name) for name in _NUMBERS] + [course.best.get(count, "") for count in CHECKPOINTS]
        writer.writerow([*asdict(course.task).values(), *(x if x == "" else f"{x:.6f}" for x in numbers)])
    write_whole(file, text.getvalue())


def _read(file: Path) -> list[Course]:
    return [_course(file, number, cells) for number, cells in read_table(file, _COLUMNS)]


def _course(file: Path, number: int, given: Mapping[str, str]) -> Course:
    try:
        task = Task(
            given["workload"], given["objective"], given["agent"], int(given["seed"]), int(given["budget"]), given["limited"]
        )
        best = {count: float(given[f"best_{count}"]) for count in CHECKPOINTS if count <= task.budget}
        return Course(task, float(given["final"]), float(given["area"]), float(given["late"]), best)
    except ValueError as error:
        raise InputError(f"{file}: line {number}: {error} (accepted: numbers)") from None
