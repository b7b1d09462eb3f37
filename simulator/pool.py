"""Evaluation in worker processes, with a time limit, where one bad design harms no other."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import signal
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import CancelledError
from concurrent.futures import TimeoutError as TaskTimeout
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass, replace
from multiprocessing.connection import wait
from pathlib import Path
from typing import Any

from pebble import ProcessExpired, ProcessPool

from ..errors import CyclescapeError, InputError, said
from ..reading import natural
from .accelerator import Accelerator
from .chunks import Chunked, Dead, Lost
from .design import Design
from .evaluator import Pace, run_batch
from .report import Report, Table

__all__ = ["Pool", "end_with_parent", "start_methods", "workers_of"]

_CHUNK_S = 0.25  # how long a chunk lasts; its way costs about 3 ms
_START_S = 60.0
_RESTARTS = 3


def workers_of(text: str, kind: str = "pool") -> int:
    """Read the N of `pool:N`, or of a `kind` beside it; empty means one worker for each core that this process may use."""
    if not text:
        return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    workers = natural(text, 1, 4096)
    if workers is None:
        raise InputError(f"evaluator '{kind}:{text:.40}': how many workers? (accepted: {kind}:N with N from 1 to 4096)")
    return workers


class Pool(Chunked):
    """Simulates in `workers` processes. With `time_limit_s` (wall clock) a design that takes longer fails."""

    def __init__(
        self,
        machine: Accelerator,
        workers: int,
        *,
        time_limit_s: float | None = None,
        engine: str | None = None,
    ) -> None:
        # A chunk may last a quarter of the limit, so that one which exceeds it is a rare event.
        pace = Pace(_CHUNK_S if time_limit_s is None else min(_CHUNK_S, time_limit_s / 4))
        super().__init__(machine, workers, pace, engine)
        self.time_limit_s = time_limit_s
        self._pool: ProcessPool | None = None
        self._grace_s = 1.0
        self._warm: dict[str, bool] = {}

    def _prepare(self, workload: Any, engine: str) -> _Task:
        return self._warmed(_Task(workload.digest, pickle.dumps(workload), engine, warm=False))

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

    def _send(self, designs: list[Design], task: _Task) -> Any:
        timeout = None if self.time_limit_s is None else self.time_limit_s + self._grace_s
        values = [design.model_dump() for design in designs]
        with _uninterrupted():
            try:
                return self._started().schedule(_simulate, (values, task), timeout=timeout)
            except RuntimeError:  # the pool broke since; the next one takes it
                self.close()
                return self._started().schedule(_simulate, (values, task), timeout=timeout)

    def _received(self, future: Any) -> list[Report] | Dead:
        limit = self.time_limit_s
        try:
            reports, seconds = future.result()
        except TaskTimeout:
            return Dead(Report.failed(f"time limit of {limit:g} s exceeded", retry_above_s=limit), again=False)
        except ProcessExpired as error:
            report = Report.failed(f"the worker process died ({_cause(error.exitcode)})", retry_above_s=0.0)
            return Dead(report, again=True)
        except (BrokenProcessPool, CancelledError) as error:
            raise Lost(said(error)) from None
        except Exception as error:  # designs or reports that do not survive the way between processes
            return Dead(Report.failed(f"the worker process could not answer: {said(error)}"), again=False)
        if limit is not None and seconds > limit:
            return Dead(Report.failed(f"time limit of {limit:g} s exceeded", retry_above_s=limit), again=False)
        self._pace.note(len(reports), seconds)
        return list(reports)

    def _restart(self, error: Lost, fruitless: int) -> None:
        if fruitless > _RESTARTS:
            raise CyclescapeError(f"the worker processes keep ending: {error}")
        self.close()

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
