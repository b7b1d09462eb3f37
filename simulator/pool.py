"""Evaluation in worker processes, with a time limit, where one bad design harms no other.

Designs travel in chunks of about a quarter of a second. A chunk whose worker dies or takes too long is
run again design by design, so that only the guilty one fails.
"""

from __future__ import annotations

import multiprocessing
import os
import pickle
import signal
import sys
import threading
import time
from collections import deque
from collections.abc import Generator, Iterable, Iterator, Sequence
from concurrent.futures import CancelledError
from concurrent.futures import TimeoutError as TaskTimeout
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import islice
from multiprocessing.connection import wait
from pathlib import Path
from typing import Any

from pebble import ProcessExpired, ProcessPool

from ..errors import CyclescapeError, InputError, said
from .accelerator import Accelerator
from .design import Design
from .evaluator import Evaluator, Pace, Values, resimulated, run_batch, validated
from .report import Report, Table

__all__ = ["Pool", "end_with_parent", "start_methods", "workers_of"]

_CHUNK_S = 0.25
_AHEAD = 8  # chunks in flight for each worker: a slow one at the head does not starve the others
_START_S = 60.0
_RESTARTS = 3


def workers_of(text: str) -> int:
    """Read the N of `pool:N`; empty means one worker for each core that this process may use."""
    if not text:
        return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if not text.isdecimal() or not 1 <= int(text) <= 4096:
        raise InputError(f"evaluator 'pool:{text}': how many workers? (accepted: pool:N with N from 1 to 4096)")
    return int(text)


@dataclass
class _Chunk:
    """Designs on their way: those that broke a rule are already reports."""

    designs: list[Design | Report]
    future: Any = None

    @property
    def ready(self) -> list[Design]:
        return [design for design in self.designs if isinstance(design, Design)]


class Pool(Evaluator):
    """Simulates in `workers` processes. With `time_limit_s` (wall clock) a design that takes longer fails."""

    def __init__(
        self,
        machine: Accelerator,
        workers: int,
        *,
        time_limit_s: float | None = None,
        engine: str | None = None,
    ) -> None:
        super().__init__(machine, engine)
        self.width, self.time_limit_s = workers, time_limit_s
        self._pool: ProcessPool | None = None
        # A chunk may last a quarter of the limit, so that one which exceeds it is a rare event.
        self._pace = Pace(_CHUNK_S if time_limit_s is None else min(_CHUNK_S, time_limit_s / 4))
        self._grace_s = 1.0
        self._warm: dict[str, bool] = {}

    def stream(self, designs: Iterable[Values], workload: Any) -> Generator[Report]:
        """Yield reports in order; their tables of operators are simulated again when they are read."""
        engine = self.machine.check(workload, self.engine)
        task = self._warmed(_Task(workload.digest, pickle.dumps(workload), engine, warm=False))
        source = iter(designs)
        pending: deque[_Chunk] = deque()
        restarts = 0
        try:
            while True:
                while len(pending) < _AHEAD * self.width and (batch := list(islice(source, self._pace.size))):
                    pending.append(_Chunk([validated(self.machine, design) for design in batch]))
                    self._submit(pending[-1], task)
                if not pending:
                    return
                try:
                    reports = self._collect(pending[0], task)
                except BrokenProcessPool as error:
                    restarts += 1
                    if restarts > _RESTARTS:
                        raise CyclescapeError(f"the worker processes keep ending: {error}") from None
                    self.close()
                    for chunk in pending:
                        self._submit(chunk, task)
                    continue
                restarts = 0
                chunk = pending.popleft()
                simulated = iter(reports)
                for design in chunk.designs:
                    report = design if isinstance(design, Report) else next(simulated)
                    if report.ok and isinstance(design, Design):
                        report.table = resimulated(self.machine, design, workload, self.engine)
                    yield report
        finally:
            for chunk in pending:
                if chunk.future is not None:
                    chunk.future.cancel()

    def _warmed(self, task: _Task) -> _Task:
        """Under a time limit let workers run the default design first, if that does not hang or crash.

        How long it takes here says by how much a worker may overrun the limit before it is ended.
        """
        if self.time_limit_s is None:
            return task
        warm = replace(task, warm=True)
        if task.digest not in self._warm:
            with _uninterrupted():
                pool, start = self._started(), time.perf_counter()
                first = pool.schedule(_simulate, ([], warm), timeout=self.time_limit_s + _START_S)
            try:
                first.result()
                self._grace_s = max(self._grace_s, 3 * (time.perf_counter() - start))
                self._warm[task.digest] = True
            except (TaskTimeout, ProcessExpired, BrokenProcessPool):
                self._warm[task.digest] = False
        return warm if self._warm[task.digest] else task

    def _submit(self, chunk: _Chunk, task: _Task) -> None:
        if chunk.ready:
            chunk.future = self._schedule(chunk.ready, task)

    def _schedule(self, designs: Sequence[Design], task: _Task) -> Any:
        timeout = None if self.time_limit_s is None else self.time_limit_s + self._grace_s
        values = [design.model_dump() for design in designs]
        with _uninterrupted():
            try:
                return self._started().schedule(_simulate, (values, task), timeout=timeout)
            except RuntimeError:  # the pool broke since; the next one takes it
                self.close()
                return self._started().schedule(_simulate, (values, task), timeout=timeout)

    def _collect(self, chunk: _Chunk, task: _Task) -> list[Report]:
        """Wait for a chunk; if it failed as a whole, run its designs one by one."""
        designs = chunk.ready
        if not designs:
            return []
        outcome = self._result(chunk.future)
        if not isinstance(outcome, Report):
            return outcome
        if len(designs) == 1:
            return [outcome]
        singles = [self._schedule([design], task) for design in designs]
        reports: list[Report] = []
        for single in singles:
            alone = self._result(single)
            reports += [alone] if isinstance(alone, Report) else alone
        return reports

    def _result(self, future: Any) -> list[Report] | Report:
        """The reports of one task, or why there are none."""
        limit = self.time_limit_s
        try:
            reports, seconds = future.result()
        except TaskTimeout:
            return Report.failed(f"time limit of {limit:g} s exceeded", retry_above_s=limit)
        except ProcessExpired as error:
            return Report.failed(f"the worker process died ({_cause(error.exitcode)})", retry_above_s=0.0)
        except (BrokenProcessPool, CancelledError):
            raise
        except Exception as error:  # designs or reports that do not survive the way between processes
            return Report.failed(f"the worker process could not answer: {said(error)}")
        if limit is not None and seconds > limit:
            return Report.failed(f"time limit of {limit:g} s exceeded", retry_above_s=limit)
        self._pace.note(len(reports), seconds)
        return list(reports)

    def _started(self) -> ProcessPool:
        """The pool, started if need be: by a clean server process, else by forking this one."""
        if self._pool is not None:
            return self._pool
        for method in start_methods():
            context = multiprocessing.get_context(method)
            pool = ProcessPool(self.width, initializer=_enter, initargs=(type(self.machine),), context=context)
            try:
                pool.schedule(_ready, timeout=_START_S).result()
            except Exception as error:
                failure = error
                _end(pool)
            else:
                self._pool = pool
                return pool
        raise CyclescapeError(f"the worker processes cannot start: {failure}")

    def close(self) -> None:
        """End the workers, whatever they do."""
        if self._pool is not None:
            _end(self._pool)
            self._pool = None


def _end(pool: ProcessPool) -> None:
    with _uninterrupted():
        pool.stop()
        pool.join()


@contextmanager
def _uninterrupted() -> Iterator[None]:
    """Hold back Ctrl-C until the block is done.

    An interrupt inside a queue's lock can lose the wake-up of the thread that reads it, and whoever then
    waits for that thread waits for ever.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    held: list[tuple[int, Any]] = []
    before = signal.signal(signal.SIGINT, lambda number, frame: held.append((number, frame)))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.SIG_DFL if before is None else before)
        if held and callable(before):
            before(*held[-1])


def start_methods() -> list[str]:
    """Ways to start a process, the preferred one first.

    A worker from a server (or spawned) imports the main script, which therefore must be guarded; forking
    needs no guard and knows machines declared in a notebook, but copies a process that may hold locks.
    """
    there: list[str] = [*multiprocessing.get_all_start_methods()]
    clean = [method for method in there if method == "forkserver"] or ["spawn"]
    forked = ["fork"] if "fork" in there else []
    main = getattr(sys.modules.get("__main__"), "__file__", None)
    try:
        guarded = main is None or "__name__" in Path(main).read_text(errors="replace")
    except OSError:
        guarded = True
    return clean + forked if guarded else forked + clean


def _cause(exitcode: int | None) -> str:
    if exitcode is not None and exitcode < 0:
        return signal.Signals(-exitcode).name
    return f"exit code {exitcode}"


# What follows runs in the workers.


@dataclass(frozen=True)
class _Task:
    """What the designs of a chunk are simulated on."""

    digest: str
    workload: bytes
    """Pickled by the parent process of this very pool."""
    engine: str
    warm: bool
    """Whether a worker runs the default design first, unclocked, so that compiling counts for nobody."""


_machine: Accelerator
_workloads: dict[str, Any] = {}


def _enter(machine: type[Accelerator]) -> None:
    """Take the machine, and end when the parent has ended, however it ended."""
    global _machine
    _machine = machine()
    end_with_parent()


def end_with_parent() -> None:
    """Let this worker process end when its parent has ended, even by SIGKILL."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=lambda: (wait([parent.sentinel]), os._exit(1)), daemon=True).start()


def _ready() -> bool:
    return True


def _simulate(designs: list[dict[str, Any]], task: _Task) -> tuple[list[Report], float]:
    """Return the reports without their tables, and the seconds that simulating took."""
    workload = _workloads.get(task.digest)
    if workload is None:
        if len(_workloads) >= 32:
            _workloads.clear()
        workload = _workloads[task.digest] = pickle.loads(task.workload)
        if task.warm:
            run_batch(_machine, [{}], workload, task.engine)
    start = time.perf_counter()
    reports = run_batch(_machine, designs, workload, task.engine)
    seconds = time.perf_counter() - start
    for report in reports:
        report.table = Table({})
    return reports, seconds
