"""Evaluation elsewhere: designs travel in chunks to workers, and what a worker takes down with it is run again.

A chunk lasts a good fraction of a second, so that its way costs little beside it. One whose worker dies or takes
too long is run again design by design, so that only the guilty one fails; a design that ends its workers alone,
more than once, becomes a row with that reason.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Generator, Iterable
from dataclasses import dataclass
from itertools import islice
from queue import Empty, SimpleQueue
from typing import Any

from .accelerator import Accelerator
from .design import Design
from .evaluator import Batch, Batching, Pace, Values, resimulated, validated
from .report import Report

__all__ = ["Chunk", "Chunked", "Dead", "Lost"]

_POLL_S = 2.0  # how often a cluster is looked at while nothing comes
_DESIGNS = 1 << 16  # that may be on their way at once, whatever the number of workers


@dataclass(eq=False)
class Chunk:
    """Designs on their way, with their positions."""

    positions: list[int]
    designs: list[Design]
    deaths: int = 0
    future: Any = None


class Lost(Exception):
    """All workers are gone at once; everything on its way must be sent again."""


@dataclass(frozen=True)
class Dead:
    """Why a chunk came back without reports."""

    report: Report
    again: bool
    """Whether the design may be innocent: its worker died, perhaps for another reason."""


class Chunked(Batching):
    """An evaluator that sends chunks of designs to workers and takes reports as they come."""

    ahead = 8
    """Chunks on their way for each worker."""
    attempts = 2
    """Workers that a design may end, alone, before it is called guilty."""
    together = 1
    """Workers that a chunk may end before its designs go one by one."""

    def __init__(self, machine: Accelerator, workers: int, pace: Pace, engine: str | None) -> None:
        super().__init__(machine, engine)
        self.width = workers
        self._pace = pace

    @abstractmethod
    def _prepare(self, workload: Any, engine: str) -> Any:
        """Return what goes with every chunk for this workload."""

    @abstractmethod
    def _send(self, designs: list[Design], task: Any) -> Any:
        """Start a chunk; return a future with `add_done_callback` and `cancel`."""

    @abstractmethod
    def _received(self, future: Any) -> list[Report] | Dead:
        """Return what has come back; raises `Lost` if every worker is gone."""

    @abstractmethod
    def _restart(self, error: Lost, fruitless: int) -> None:
        """Start again after `Lost`, the `fruitless`-th time without any result in between; raises if that is hopeless."""

    def _look(self) -> None:
        """Called now and then while nothing comes."""

    def batches(self, designs: Iterable[Values], workload: Any, *, ordered: bool = True) -> Generator[Batch]:
        """Yield reports as chunks come back; their tables of operators are simulated again when they are read."""
        return self._course(designs, workload, self.machine.check(workload, self.engine), ordered)

    def _course(self, designs: Iterable[Values], workload: Any, engine: str, ordered: bool) -> Generator[Batch]:
        task: Any = None
        source = enumerate(designs)
        answered: SimpleQueue[tuple[Chunk, Any]] = SimpleQueue()
        flying: set[Chunk] = set()
        held: dict[int, Report] = {}
        handed = read = fruitless = 0

        def launch(chunk: Chunk) -> None:
            nonlocal task
            if task is None:
                task = self._prepare(workload, engine)
            flying.add(chunk)
            future = chunk.future = self._send(chunk.designs, task)
            future.add_done_callback(lambda _: answered.put((chunk, future)))

        try:
            while True:
                window = self.ahead * self.width
                size = max(1, min(self._pace.size, _DESIGNS // window))
                broken: Batch = []
                while len(flying) < window and read - handed < window * size + size and (block := list(islice(source, size))):
                    read += len(block)
                    chunk = Chunk([], [])
                    for position, design in block:
                        valid = validated(self.machine, design)
                        if isinstance(valid, Report):
                            broken.append((position, valid))
                        else:
                            chunk.positions.append(position)
                            chunk.designs.append(valid)
                    if chunk.designs:
                        launch(chunk)
                    elif not flying:
                        break
                batch = broken
                if not batch:
                    if not flying:
                        return
                    try:
                        chunk, future = answered.get(timeout=_POLL_S)
                    except Empty:
                        self._look()
                        continue
                    if future is not chunk.future:
                        continue  # sent again since
                    try:
                        outcome = self._received(future)
                    except Lost as error:
                        fruitless += 1
                        self._restart(error, fruitless)
                        for lost in list(flying):
                            launch(lost)
                        continue
                    fruitless = 0
                    flying.discard(chunk)
                    batch = self._settled(chunk, outcome, workload, launch)
                if ordered:
                    held.update(batch)
                    batch = []
                    while handed in held:
                        batch.append((handed, held.pop(handed)))
                        handed += 1
                else:
                    handed += len(batch)
                if batch:
                    yield batch
        finally:
            for chunk in flying:
                if chunk.future is not None:  # an interrupt can come while it is being sent
                    chunk.future.cancel()

    def _settled(self, chunk: Chunk, outcome: list[Report] | Dead, workload: Any, launch: Any) -> Batch:
        """Return the reports of a chunk; of one that failed none, and send its designs again, one by one."""
        if isinstance(outcome, Dead):
            alone = len(chunk.designs) == 1
            if outcome.again and chunk.deaths + 1 < (self.attempts if alone else self.together):
                launch(Chunk(chunk.positions, chunk.designs, chunk.deaths + 1))
                return []
            if not alone:
                for position, design in zip(chunk.positions, chunk.designs, strict=True):
                    launch(Chunk([position], [design]))
                return []
            outcome = [outcome.report]
        for design, report in zip(chunk.designs, outcome, strict=True):
            if report.ok:
                report.table = resimulated(self.machine, design, workload, self.engine)
        return list(zip(chunk.positions, outcome, strict=True))
