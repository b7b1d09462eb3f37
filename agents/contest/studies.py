"""The studies of a contest: which there are, how one is run, and the file that keeps each.

A study is one agent with one setting of its hyper-parameters and one seed on one problem. Its file is written
when it is finished, so that a contest that was killed repeats at most what was under way.
"""

from __future__ import annotations

import hashlib
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict, FiniteFloat, NonNegativeInt, ValidationError

from ...errors import InputError
from ...reading import parse_json, read_bytes
from ...simulator.files import replaced
from ...simulator.problem import Problem
from ...simulator.sources import model_sources
from ...simulator.store import ResultStore
from ..search import search
from ..searcher import _find
from ..study import Study, counts
from .problem import ContestProblem, Merged
from .remembered import Remembered
from .table import Table, key

__all__ = ["Arena", "Kept", "Task", "agent_digest", "checkpoints"]

COUNTS = (50, 100, 300)
"""Designs after which agents are compared, as far as the budget goes; and at its end."""
_LARGEST = 64 << 20  # bytes of a study's file


def checkpoints(budget: int) -> tuple[int, ...]:
    """The numbers of designs after which agents are compared."""
    return tuple(dict.fromkeys([*(count for count in COUNTS if count <= budget), budget]))


@dataclass(frozen=True)
class Task:
    """One study to run."""

    problem: str
    """Name, or path of a file."""
    agent: str
    """What it was called when it was entered, perhaps with options."""
    spec: str
    """The agent with the options of this draw."""
    draw: int
    seed: int
    budget: int

    def path(self, out: Path) -> Path:
        """The file that keeps the study."""
        safe = "".join(c if c.isalnum() or c in "-_." else "_" for c in self.agent)
        if safe != self.agent:
            safe += f"-{hashlib.sha256(self.agent.encode()).hexdigest()[:8]}"
        problem = Path(self.problem).stem
        return out / "studies" / problem / safe / f"{self.draw:03d}-{self.seed:03d}.json"


class Kept(BaseModel):
    """A finished study: the designs in the order in which they were paid for, and what they cost."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    key: str
    """Digest of problem and model."""
    code: str
    """Digest of the agent's sources."""
    agent: str
    spec: str
    draw: int
    seed: int
    budget: int
    places: tuple[int, ...]
    """Which distinct design each was (`Merged.ranks`)."""
    costs: tuple[tuple[FiniteFloat, ...] | None, ...]
    """log10 of the objectives; None where a design fails or breaks a limit."""
    failed: NonNegativeInt
    """Designs that do not run at all."""
    repeats: NonNegativeInt
    """Proposals that were known already, which were not charged."""
    stopped: str
    strays: NonNegativeInt
    """Designs drawn at random because the agent failed to propose."""
    note: str | None
    """What went wrong with the agent first, if anything did."""
    agent_cpu_s: dict[int, FiniteFloat]
    """CPU time of the agent (proposing and learning, all but the evaluations) up to so many designs."""
    evaluation_cpu_s: FiniteFloat

    @property
    def array(self) -> np.ndarray:
        """float64[designs, objectives]: costs, +inf where a design does not count."""
        width = next((len(cost) for cost in self.costs if cost is not None), 1)
        return np.array([(np.inf,) * width if c is None else c for c in self.costs], dtype=float).reshape(-1, width)

    def fits(self, arena: Arena) -> bool:
        """Whether there is one cost of the problem's objectives for each design, and each design is one of its own."""
        width, points = len(arena.problem.objective.terms), len(arena.merged.ranks)
        return (
            len(self.places) == len(self.costs)
            and all(cost is None or len(cost) == width for cost in self.costs)
            and all(-1 <= place < points for place in self.places)
        )

    @classmethod
    def read(cls, task: Task, out: Path, key: str, code: str) -> Kept | None:
        """The study of a task if it is there, was run on the same problem, model and agent, and is whole."""
        path = task.path(out)
        try:
            kept = cls.model_validate(parse_json(read_bytes(path, _LARGEST), str(path)))
        except (InputError, ValidationError):
            return None
        asked = (key, code, task.spec, task.seed, task.budget)
        return kept if (kept.key, kept.code, kept.spec, kept.seed, kept.budget) == asked else None

    def write(self, task: Task, out: Path) -> None:
        """Keep it, whole or not at all."""
        with replaced(task.path(out), parents=True) as partial:
            partial.write_text(self.model_dump_json() + "\n", encoding="utf-8")


class Arena:
    """A problem in this process, with what is known of it: where studies of it are run."""

    def __init__(self, asked: ContestProblem, *, out: Path | None = None, tables: str | Path | None = None) -> None:
        self.asked = asked
        self.problem: Problem = asked.open()
        self.merged = Merged(self.problem.space, asked.same)
        self.key = key(asked, self.problem)
        table = Table(asked, self.problem, self.merged, tables) if tables is not None else None
        self.table = table if table is not None and not table.missing else None
        inner = self.problem.evaluator
        if self.table is None and out is not None:
            from ...simulator.evaluator import Cached

            inner = Cached(inner, ResultStore(out / "evaluations" / asked.name))
        self.evaluator = Remembered(inner, self.merged, self.table)
        self._warm: set[str] = set()

    def run(self, task: Task, code: str) -> Kept:
        """Run a study; only a wrong problem or an unknown agent raises."""
        name = task.spec.partition(":")[0]
        if name not in self._warm:  # so that importing an agent's libraries counts for no study
            self._warm.add(name)
            self._search(task, budget=2)
        marks = [(0, 0.0)]
        before, start = self.evaluator.cpu_s, time.process_time()

        def note(study: Study) -> None:
            spent = time.process_time() - start - (self.evaluator.cpu_s - before)
            marks.append((len(study.trials), spent))

        study = self._search(task, progress=note)
        space = self.problem.space
        strays = [trial for trial in study.trials if trial.note is not None]
        designs, seconds = np.array(marks).T
        return Kept(
            key=self.key, code=code, agent=task.agent, spec=task.spec, draw=task.draw, seed=task.seed, budget=task.budget,
            places=tuple(self._place(space, trial.point) for trial in study.trials),
            costs=tuple(tuple(t.outcome.costs.tolist()) if counts(t.outcome) else None for t in study.trials),
            failed=sum(not trial.outcome.ok for trial in study.trials),
            repeats=study.repeats, stopped=study.stopped, strays=len(strays), note=strays[0].note if strays else None,
            agent_cpu_s={n: float(np.interp(n, designs, seconds)) for n in checkpoints(task.budget) if n <= designs[-1]},
            evaluation_cpu_s=self.evaluator.cpu_s - before,
        )  # fmt: skip

    def _place(self, space: Any, point: Any) -> int:
        try:
            return self.merged.place(space.index(point))
        except (ValueError, KeyError):
            return -1  # off the grid

    def _search(self, task: Task, *, budget: int | None = None, progress: Any = None) -> Study:
        asked = self.asked
        return search(
            self.problem.machine, list(self.problem.workloads), objective=self.problem.objective, agent=task.spec,
            budget=budget or task.budget, seed=task.seed, fixed=asked.fixed, values=asked.values,
            evaluator=self.evaluator, progress=progress,
        )  # fmt: skip

    def close(self) -> None:
        """Close the store behind."""
        self.evaluator.close()


def agent_digest(spec: str) -> str:
    """SHA-256 of an agent's own sources: its module and what that imports beside it, without what all agents share."""
    factory = _find(spec.partition(":")[0])
    here = __name__.rpartition(".")[0].rpartition(".")[0]
    shared = {f"{here}.{name}" for name in ("searcher", "pareto", "study", "search", "plots")} | {here}
    digest = hashlib.sha256()
    sources = model_sources(factory.__module__)
    for name, path in sorted(sources.items()):
        mine = name == factory.__module__ or name.startswith(f"{here}.") or not name.startswith(f"{here.partition('.')[0]}.")
        if mine and name not in shared and not name.startswith(f"{here}.contest"):
            digest.update(name.encode())
            digest.update(path.read_bytes())
    return digest.hexdigest()[:32]


