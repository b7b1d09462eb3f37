"""What runs in the workers of a Dask cluster; imported there and by `cluster` only."""

from __future__ import annotations

import multiprocessing
import pickle
import platform
import threading
import time
from dataclasses import dataclass
from typing import Any

from distributed import WorkerPlugin

from ..errors import CyclescapeError
from .accelerator import Accelerator
from .evaluator import run_batch
from .report import Report, Table, version
from .sources import model_digest

__all__ = ["Answer", "Carrier", "Task", "simulate"]

_packed: dict[str, bytes] = {}
_workloads: dict[str, Any] = {}
_limited: dict[Any, Any] = {}
_one_at_a_time = threading.Lock()


class Carrier(WorkerPlugin):
    """Brings a workload to every worker, those that come later included."""

    def __init__(self, digest: str, workload: bytes) -> None:
        self.digest, self.workload = digest, workload

    def setup(self, worker: Any) -> None:
        """Keep it for the chunks that name it."""
        _packed[self.digest] = self.workload

    def teardown(self, worker: Any) -> None:
        """End the processes that a time limit needed, before their worker ends."""
        while _limited:
            _limited.popitem()[1].close()


@dataclass(frozen=True)
class Task:
    """What the designs of a chunk are simulated on."""

    machine: type[Accelerator]
    digest: str
    engine: str
    time_limit_s: float | None


@dataclass
class Answer:
    """Reports without their tables, and who made them."""

    reports: list[Report]
    seconds: float
    model: str
    version: str
    host: str


def simulate(designs: list[dict[str, Any]], task: Task) -> Answer:
    """Simulate a chunk; the seconds are those of simulating alone."""
    with _one_at_a_time:
        workload = _workloads.get(task.digest)
        if workload is None:
            # Packed by the client of this very scheduler, who may run any code here anyway.
            workload = _workloads[task.digest] = pickle.loads(_packed[task.digest])
        start = time.perf_counter()
        machine = task.machine()
        if task.time_limit_s is None:
            reports = run_batch(machine, designs, workload, task.engine)
        else:
            reports = _within(task, machine).evaluate(designs, workload)
        seconds = time.perf_counter() - start
    for report in reports:
        report.table = Table({})
    return Answer(reports, seconds, model_digest(task.machine), version(), platform.node())


def _within(task: Task, machine: Accelerator) -> Any:
    """A process of this worker that can be ended when a design takes too long."""
    from .pool import Pool

    if multiprocessing.current_process().daemon:
        raise CyclescapeError(
            "a time limit needs workers that may start processes: run them with DASK_DISTRIBUTED__WORKER__DAEMON=False"
        )
    key = (task.machine, task.engine, task.time_limit_s)
    if key not in _limited:
        _limited[key] = Pool(machine, 1, time_limit_s=task.time_limit_s, engine=task.engine)
    return _limited[key]
