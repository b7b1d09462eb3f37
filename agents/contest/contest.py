"""The contest: agents x draws of their hyper-parameters x seeds x problems, all at one budget."""

from __future__ import annotations

import os
import shlex
import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING

from ...arguments import whole_number
from ...errors import CyclescapeError, InputError, Interrupted, MissingExtraError
from ...simulator.pool import end_with_parent, start_methods
from ..searcher import make_searcher, searcher_names, searcher_summary
from .draws import draws_of
from .problem import ContestProblem, problem_names
from .scores import differences, scores, summary
from .studies import Arena, Kept, Task, agent_digest, checkpoints
from .truth import CHANGED, Truth, best_known, truth_path

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Contest", "compare"]

ALLOWANCE_S = 3600.0
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


@dataclass
class Contest:
    """A finished contest: every study, the truths it is held against, and what there is to be said."""

    out: Path
    budget: int
    problems: dict[str, ContestProblem]
    truths: dict[str, Truth]
    agents: list[str]
    draws: dict[str, int]
    """Settings that each agent was run with."""
    seeds: int
    kept: dict[Task, Kept]
    remarks: list[str] = field(default_factory=list)
    """What a reader must know: agents left out, draws cut, truths that may be stale."""

    @property
    def counts(self) -> tuple[int, ...]:
        """Numbers of designs at which agents are compared."""
        return checkpoints(self.budget)

    @property
    def labels(self) -> dict[str, str]:
        """What figures call each agent: its name alone, if no other has it."""
        names = [agent.partition(":")[0] for agent in self.agents]
        return {agent: name if names.count(name) == 1 else agent for agent, name in zip(self.agents, names, strict=True)}

    @cached_property
    def frame(self) -> pd.DataFrame:
        """One row for each study and number of designs; see `scores`."""
        import pandas as pd

        order = sorted(self.kept, key=lambda task: (task.problem, task.agent, task.draw, task.seed))
        return pd.DataFrame([row for t in order for row in scores(Path(t.problem).stem, self.truths[t.problem], self.kept[t])])

    def table(self) -> pd.DataFrame:
        """One row for each problem, agent and number of designs; see `summary`."""
        return summary(self.frame)

    def differences(self, designs: int, *, metric: str = "hv_share", defaults: bool = False) -> pd.DataFrame:
        """Every pair of agents with the paired bootstrap interval of its difference; see `scores.differences`."""
        return differences(self.frame, designs, metric=metric, defaults=defaults)

    def cost(self) -> pd.DataFrame:
        """CPU seconds of each agent over all its studies: its own, and the evaluations'."""
        import pandas as pd

        rows = []
        for agent in self.agents:
            mine = [kept for task, kept in self.kept.items() if task.agent == agent]
            own = sum(max(kept.agent_cpu_s.values(), default=0.0) for kept in mine)
            rows.append({"agent": agent, "studies": len(mine), "agent_cpu_s": own,
                         "evaluation_cpu_s": sum(kept.evaluation_cpu_s for kept in mine)})  # fmt: skip
        return pd.DataFrame(rows)


def compare(
    agents: Sequence[str] | None = None,
    problems: Sequence[str | Path] | None = None,
    *,
    out: str | Path,
    budget: int = 300,
    draws: int = 10,
    seeds: int = 5,
    jobs: int = 1,
    allowance_s: float = ALLOWANCE_S,
    without: Sequence[str] = (),
    tables: str | Path | None = None,
    progress: Callable[[int, int, str], None] | None = None,
) -> Contest:
    """Run a contest into the folder `out` and return it; the same call goes on where it was stopped.

    `agents` are names, perhaps with options (all that are installed if not given, less those in `without`),
    `problems` names or files (all that ship). Each agent runs with its defaults and `draws - 1` other settings,
    with `seeds` seeds, for `budget` designs. An agent whose draws would cost more than `allowance_s` CPU seconds
    beyond its defaults gets fewer, and the contest says so. `tables` is where enumerations were kept: what they
    hold is not simulated again. Equal arguments give equal studies in any number of processes; only how many
    settings an allowance cuts off depends on measured time. Agents that a notebook registers need `jobs=1`.
    Raises `InputError` for a wrong argument and `Interrupted` on Ctrl-C; what is finished is kept.
    """
    budget, draws = whole_number("budget", budget), whole_number("draws", draws)
    seeds, jobs = whole_number("seeds", seeds), whole_number("jobs", jobs)
    if not allowance_s >= 0:
        raise InputError(f"allowance {allowance_s} s: must be at least 0")
    asked = {str(given): ContestProblem.read(given) for given in (problems if problems is not None else problem_names())}
    if not asked:
        raise InputError(f"no problem is given (accepted: {', '.join(problem_names())}, or files)")
    names = [problem.name for problem in asked.values()]
    if twice := [name for name in names if names.count(name) > 1]:
        raise InputError(f"problem {twice[0]!r}: given twice")
    entered = list(dict.fromkeys(agents if agents is not None else searcher_names()))
    for name in without:
        if name not in searcher_names():
            raise InputError(f"without {name!r}: no such agent (accepted: {', '.join(searcher_names())})")
    entered = [spec for spec in entered if spec.partition(":")[0] not in without]
    for name in sorted({spec.partition(":")[0] for spec in entered} - set(searcher_names())):
        searcher_summary(name)  # raises, and says what is known, before anything is written
    truths: dict[str, Truth] = {}
    remarks = []
    for name, problem in asked.items():
        truth, remark = _truth(problem, tables)
        truths |= {name: truth} if truth is not None else {}
        remarks += [remark] if remark else []
    with _Runs(Path(out), asked, tables, jobs) as runs:
        fits = {}
        for spec in entered:
            fits[spec], left_out = _fits(spec, runs.arenas, budget)
            remarks += left_out
        entered = [spec for spec in entered if fits[spec]]
        if not entered:
            raise InputError(f"no agent is left to compare ({'; '.join(remarks) or 'none is given'})")
        codes = {spec: agent_digest(spec) for spec in entered}
        settings = {spec: draws_of(spec, draws) for spec in entered}

        def tasks(draw: int, specs: Sequence[str]) -> list[Task]:
            return [
                Task(name, spec, settings[spec][draw], draw, seed, budget)
                for name in asked for seed in range(seeds) for spec in specs
                if draw < len(settings[spec]) and name in fits[spec]
            ]  # fmt: skip

        runs.begin(codes, sum(len(tasks(draw, entered)) for draw in range(draws)), progress)
        runs.run(tasks(0, entered))
        for spec in entered:
            spent = sum(max(k.agent_cpu_s.values(), default=0.0) for t, k in runs.kept.items() if t.agent == spec)
            most = 1 + int(min(allowance_s / max(spent, 1e-9), len(settings[spec])))  # an allowance may be infinite
            if most < len(settings[spec]):
                remarks.append(
                    f"{spec}: {most} of {len(settings[spec])} settings, for one costs {spent:.0f} s of its own CPU time "
                    f"over all problems and seeds, and {allowance_s:.0f} s are allowed beyond the defaults"
                )
                settings[spec] = settings[spec][:most]
        runs.total = sum(len(tasks(draw, entered)) for draw in range(draws))
        runs.run([task for draw in range(1, draws) for task in tasks(draw, entered)])
        for name, arena in runs.arenas.items():
            if name not in truths:
                mine = [kept for task, kept in runs.kept.items() if task.problem == name]
                if known := best_known(arena.asked, arena.problem, arena.merged, mine):
                    truths[name] = known
                else:
                    remarks.append(f"{name}: left out, for no agent found a feasible design (accepted: looser constraints)")
        if not truths:
            raise InputError("; ".join(remarks))
        asked = {name: problem for name, problem in asked.items() if name in truths}
        kept = {task: study for task, study in runs.kept.items() if task.problem in truths}
        entered = [spec for spec in entered if any(task.agent == spec for task in kept)]
        drawn = {spec: len(settings[spec]) for spec in entered}
        return Contest(Path(out), budget, asked, truths, entered, drawn, seeds, kept, remarks)


def _truth(problem: ContestProblem, tables: str | Path | None) -> tuple[Truth | None, str]:
    """The truth of a problem, if there is one, and what is to be said of it."""
    path = truth_path(problem, tables)
    if path is None:
        return None, (
            f"{problem.name}: nobody enumerated it, so that it is held against the best of all designs of this contest "
            f"(`cyclescape compare enumerate {problem.typed} --out DIR`, then --tables DIR)"
        )
    truth = Truth.read(path)
    command = f"{problem.typed} --tables {shlex.quote(str(tables))}" if tables is not None else problem.typed
    with problem.open() as opened:
        reason = truth.stale(opened)
        if reason and reason != CHANGED:
            raise InputError(f"{path}: not the truth of this problem: {reason} (accepted: enumerate it again)")
    return truth, f"{path.name} may be stale: {reason}; `cyclescape compare check {command}` tells" if reason else ""


def _fits(spec: str, arenas: dict[str, Arena], budget: int) -> tuple[set[str], list[str]]:
    """The problems that an agent can be run on, and why not on others."""
    found, remarks = set(), []
    for name, arena in arenas.items():
        try:
            make_searcher(spec, arena.problem.space, arena.problem.objective, budget=budget, seed=0)
            found.add(name)
        except MissingExtraError as error:
            return set(), [f"{spec} is left out: {error}"]
        except InputError as error:
            remarks.append(f"{spec} is left out on {arena.asked.name}: {error}")
    if not found:
        raise InputError(remarks[0].partition(": ")[2])
    return found, remarks


class _Runs:
    """Runs studies, in this process or in others, and keeps each."""

    def __init__(self, out: Path, asked: dict[str, ContestProblem], tables: str | Path | None, jobs: int) -> None:
        self.out, self.tables, self.jobs = out, tables, jobs
        self.arenas = {name: Arena(problem, out=out, tables=tables) for name, problem in asked.items()}
        self.kept: dict[Task, Kept] = {}
        self.total = self.fresh = 0
        self.codes: dict[str, str] = {}
        self.progress: Callable[[int, int, str], None] | None = None

    def begin(self, codes: dict[str, str], total: int, progress: Callable[[int, int, str], None] | None) -> None:
        """Take what a study is checked by when it is read back, and how many there will be."""
        self.codes, self.total, self.progress = codes, total, progress

    def run(self, tasks: list[Task]) -> None:
        """Run those that are not kept yet; raises `Interrupted` on Ctrl-C."""
        left = []
        for task in tasks:
            arena = self.arenas[task.problem]
            known = Kept.read(task, self.out, arena.key, self.codes[task.agent])
            if known is not None and not known.fits(arena):
                known = None
            if known is None:
                left.append(task)
            else:
                self.kept[task] = known
        try:
            for task, kept in self._alone(left) if self.jobs == 1 else self._together(left):
                self.kept[task] = kept
                self.fresh += 1
                if self.progress is not None:
                    self.progress(len(self.kept), self.total, f"{task.spec} on {self.arenas[task.problem].asked.name}")
        except KeyboardInterrupt:
            raise Interrupted(
                f"interrupted after {len(self.kept)} of {self.total} studies; they are kept in {self.out}: "
                "run the same contest again to go on"
            ) from None

    def _alone(self, tasks: list[Task]) -> Iterator[tuple[Task, Kept]]:
        for task in tasks:
            kept = self.arenas[task.problem].run(task, self.codes[task.agent])
            kept.write(task, self.out)
            yield task, kept

    def _together(self, tasks: list[Task]) -> Iterator[tuple[Task, Kept]]:
        if not tasks:
            return
        with _one_thread_each():
            pool = ProcessPoolExecutor(self.jobs, get_context(start_methods()[0]), initializer=_enter)
        try:
            queue = iter(tasks)
            running: dict[Future[Kept], Task] = {}
            while True:
                # No more than are needed to keep every process busy: Ctrl-C then waits for none.
                while len(running) < 2 * self.jobs and (task := next(queue, None)) is not None:
                    running[pool.submit(_study, task, str(self.out), str(self.tables or ""), self.codes[task.agent])] = task
                if not running:
                    return
                for future in wait(running, return_when=FIRST_COMPLETED).done:
                    yield running.pop(future), future.result()
        except BrokenProcessPool:
            raise CyclescapeError(
                f"a worker process ended (out of memory?); finished studies are kept in {self.out}: run the same again to go on"
            ) from None
        finally:
            for process in list((pool._processes or {}).values()):
                if process.is_alive():
                    process.terminate()
            pool.shutdown(wait=True, cancel_futures=True)

    def __enter__(self) -> _Runs:
        return self

    def __exit__(self, *_: object) -> None:
        for arena in self.arenas.values():
            arena.close()


@contextmanager
def _one_thread_each() -> Iterator[None]:
    """Worker processes that start inside do not share cores by threads, so that CPU times mean something."""
    before = {name: os.environ.get(name) for name in _THREADS}
    os.environ.update(dict.fromkeys(_THREADS, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _enter() -> None:
    """Leave Ctrl-C to the process that started this one, and end with it, however it ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    end_with_parent()


_arenas: dict[tuple[str, str, str], Arena] = {}
"""Problems that this worker process has open."""


def _study(task: Task, out: str, tables: str, code: str) -> Kept:
    """Run one study in a worker process, and keep it there."""
    at = (task.problem, out, tables)
    if at not in _arenas:
        _arenas[at] = Arena(ContestProblem.read(task.problem), out=Path(out), tables=tables or None)
    kept = _arenas[at].run(task, code)
    kept.write(task, Path(out))
    return kept
