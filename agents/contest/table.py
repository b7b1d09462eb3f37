"""Every point of a problem, simulated once and kept: what a truth is read from and a contest answers from.

A table is a folder of arrays, one for each run of points, written whole or not at all; an enumeration that was
killed goes on with the next. A row holds the metrics that the problem's objective and constraints need and
the breakdown, for each workload; it is not a number where the design fails. Points that the problem declares
to be the same have one row.
"""

from __future__ import annotations

import hashlib
import math
import os
import warnings
from collections.abc import Callable, Iterator
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import InputError, Interrupted, said
from ...reading import read_text
from ...simulator.files import replaced
from ...simulator.problem import Problem
from ...simulator.record import canonical
from ...simulator.report import Report
from ...simulator.sources import model_digest
from .problem import ContestProblem, Merged, explored

__all__ = ["Table", "enumerate_problem"]

ROWS = 2048
"""Points in one file."""


class Table:
    """The rows of a problem in a folder; those that are not there yet are None."""

    def __init__(self, asked: ContestProblem, problem: Problem, merged: Merged, folder: str | Path) -> None:
        self.problem, self.merged = problem, merged
        self.metrics = needed(problem)
        self.folder = Path(folder) / f"{problem.machine.name}-{key(asked, problem)[:16]}"
        self._chunks: dict[int, np.ndarray | None] = {}

    @cached_property
    def files(self) -> int:
        """How many files a full table has."""
        return math.ceil(len(self.merged.ranks) / ROWS)

    @property
    def missing(self) -> list[int]:
        """Numbers of the files that are not there."""
        return [number for number in range(self.files) if not os.path.exists(self.path(number))]

    def path(self, number: int) -> Path:
        """Where a file is."""
        return self.folder / f"{number:06d}.npy"

    def chunk(self, number: int) -> np.ndarray | None:
        """float64[points, workloads, columns] of one file, mapped into memory; None if it is not there."""
        if self._chunks.get(number) is None:
            path = self.path(number)
            self._chunks[number] = self._mapped(path, number) if os.path.exists(path) else None
        return self._chunks[number]

    def _mapped(self, path: Path, number: int) -> np.ndarray:
        wanted = (self._places(number), len(self.problem.workloads), len(self.metrics) + len(self.causes))
        try:
            if not os.path.isfile(path):
                raise ValueError("not a file")
            # A damaged header may ask for any number of rows, and is read as Python, which warns of escapes.
            with np.errstate(over="ignore"), warnings.catch_warnings(action="ignore"):
                rows = np.load(path, mmap_mode="r", allow_pickle=False)
            if not isinstance(rows, np.ndarray) or (rows.dtype, rows.shape) != (np.float64, wanted):
                raise ValueError(f"not float64{list(wanted)}")
            if np.isinf(rows).any():
                raise ValueError("an infinite number")
        except Exception as error:  # a damaged header makes of numpy what it likes
            raise InputError(f"{path}: not readable: {said(error)} (accepted: delete it, and enumerate again)") from None
        return rows

    def _places(self, number: int) -> int:
        """How many points a file has."""
        return min(ROWS, len(self.merged.ranks) - number * ROWS)

    def report(self, place: int, workload: int) -> Report | None:
        """The report of a point (its place in `Merged.ranks`) with the metrics of this problem; None if it is not there."""
        rows = self.chunk(place // ROWS)
        return None if rows is None else self.decode(rows[place % ROWS, workload])

    def decode(self, row: np.ndarray) -> Report:
        """Turn a row back into a report."""
        values = row.tolist()
        if math.isnan(values[0]):
            return Report.failed("fails, by the table of all designs (simulate it to read why)")
        cut = len(self.metrics)
        spent = values[cut:]
        return Report(
            dict(zip(self.metrics, values)),
            {cause: int(cycles) for cause, cycles in zip(self.causes, spent) if not math.isnan(cycles)},
        )

    @cached_property
    def causes(self) -> tuple[str, ...]:
        """Causes of the breakdown, as the first design that runs has them; kept beside the files."""
        path = self.folder / "causes.txt"
        if os.path.exists(path):
            return tuple(read_text(path, 1 << 20).split("\n")[:-1])
        found: dict[str, None] = {}
        tried = 0
        for place in np.random.default_rng(0).permutation(len(self.merged.ranks))[:256].tolist():
            for outcome in self.problem.evaluate([self.point(place)]):
                tried += outcome.ok
                found |= dict.fromkeys(cause for report in outcome.reports for cause in report.breakdown)
            if tried >= 8:
                break
        with replaced(path, parents=True) as partial:
            partial.write_text("".join(f"{cause}\n" for cause in found), encoding="utf-8")
        return tuple(found)

    def point(self, place: int) -> dict[str, Any]:
        """The point of a row."""
        space = self.problem.space
        return space.point(space.unrank(int(self.merged.ranks[place])))

    def fill(self, number: int) -> None:
        """Simulate the points of one file and write it."""
        start = number * ROWS
        places = range(start, start + self._places(number))
        space = self.problem.space
        out = np.full((len(places), len(self.problem.workloads), len(self.metrics) + len(self.causes)), np.nan)
        for w, workload in enumerate(self.problem.workloads):
            designs = ({**space.fixed, **self.point(place)} for place in places)
            for i, report in enumerate(self.problem.evaluator.stream(designs, workload)):
                if report.ok:
                    unknown = set(report.breakdown) - set(self.causes)
                    if unknown:
                        raise InputError(f"{self.folder}: a design loses cycles to {sorted(unknown)[0]!r}, others never do")
                    out[i, w] = [
                        *(report.metrics[name] for name in self.metrics),
                        *(report.breakdown.get(cause, math.nan) for cause in self.causes),
                    ]
        with replaced(self.path(number), parents=True) as partial, partial.open("wb") as file:
            np.save(file, out)

    def blocks(self) -> Iterator[tuple[range, np.ndarray]]:
        """Places and rows, file by file; the table must be full."""
        for number in range(self.files):
            rows = self.chunk(number)
            if rows is None:
                raise InputError(f"{self.path(number)}: not there (accepted: a table whose enumeration is finished)")
            yield range(number * ROWS, number * ROWS + len(rows)), np.array(rows)
            self._chunks.pop(number, None)  # so that memory stays bounded


def needed(problem: Problem) -> tuple[str, ...]:
    """Metrics that the objective and the constraints read."""
    formulas = [*(term.formula for term in problem.objective.parsed), *(limit[1] for limit in problem.objective.limits)]
    named = [formula.text for formula in formulas if formula.text in problem.machine.metrics]
    return tuple(sorted({*named, *(metric for formula in formulas for metric in formula.powers)}))


def key(asked: ContestProblem, problem: Problem) -> str:
    """SHA-256 of what decides a table: machine and its sources, workloads, space, sameness, columns."""
    parts = {
        "accelerator": problem.machine.name,
        "model": model_digest(type(problem.machine)),
        "workloads": [workload.digest for workload in problem.workloads],
        **explored(problem.space),
        "same": [rule.model_dump(mode="json") for rule in asked.same],
        "metrics": needed(problem),
        "settings": problem.evaluator.settings,
    }
    return hashlib.sha256(canonical(parts).encode()).hexdigest()


def enumerate_problem(
    asked: ContestProblem, out: str | Path, *, files: int | None = None, progress: Callable[[int, int], None] | None = None
) -> Table:
    """Simulate every distinct point into a table in `out`, in this process; goes on where it was stopped.

    At most `files` further files are written if that is given. `progress` is called with points done and points in all.
    """
    with asked.open() as problem:
        table = Table(asked, problem, Merged(problem.space, asked.same), out)
        total = len(table.merged.ranks)
        missing = table.missing
        done = total - sum(min(ROWS, total - number * ROWS) for number in missing)
        try:
            for number in islice(missing, files):
                table.fill(number)
                done += min(ROWS, total - number * ROWS)
                if progress is not None:
                    progress(done, total)
        except KeyboardInterrupt:
            raise Interrupted(
                f"interrupted after {done} of {total} points; they are kept in {table.folder}: run the same again to go on"
            ) from None
    return table
