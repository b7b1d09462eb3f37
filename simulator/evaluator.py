"""Whoever turns designs into reports: in this process, from a store, or in worker processes.

An evaluator never raises for a design. One that breaks a machine's rules, crashes the model, gives no
number or takes too long gets `Report.failed(reason)`, here and nowhere else. Named by a string, so that
an environment's specification stays JSON:

    direct                       in this process
    cached:DIR                   from the store in DIR, which keeps what is new
    pool:4                       in four worker processes (`pool` alone: one for each core)
    cached:DIR|pool:4            the store in front of the workers
    lookup:FILE                  from logged evaluations, and nothing else (`lookup`)
    dask:tcp://host:8786         on a Dask cluster; also dask:4, and slurm:FILE (see `cluster`)
    surrogate:FILE               a learned model answers (an entry point of agents/surrogate)
"""

from __future__ import annotations

import math
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from importlib.metadata import entry_points
from itertools import count, islice
from typing import Any, Self

from ..errors import DesignError, InputError, said
from .accelerator import Accelerator
from .design import Design
from .lookup import PREFIX, Logged, logged
from .record import Record, key_of
from .report import Report, Table
from .store import ResultStore

__all__ = [
    "Batch", "Batching", "Cached", "Direct", "Evaluator", "Pace", "Values", "answering", "in_order", "make_evaluator",
    "run_batch",
]  # fmt: skip

Values = Design | Mapping[str, Any]
"""A design, or the values of one that is yet to be validated."""

GROUP = "cyclescape.evaluators"
"""Entry points of further evaluators: callables (machine, argument, *, time_limit_s, engine) -> Evaluator."""

Batch = list[tuple[int, Report]]
"""Reports that came together, each with the position of its design."""

_BLOCK = 2048  # designs that are looked up in a store at once
_HELD = 8192  # stored reports that may wait for something that is simulated


class Evaluator(ABC):
    """Base of all evaluators of one machine."""

    width: int = 1
    """How many designs it works on at once; an agent that asks for fewer leaves workers idle."""

    def __init__(self, machine: Accelerator, engine: str | None = None) -> None:
        self.machine, self.engine = machine, engine

    @property
    def settings(self) -> dict[str, Any]:
        """What else decides the numbers, and so is part of the key of a stored result."""
        return {"engine": self.engine or self.machine.engines[0]}

    @property
    def simulating(self) -> Evaluator:
        """Who simulates what this one answers: itself, unless it only predicts."""
        return self

    @abstractmethod
    def stream(self, designs: Iterable[Values], workload: Any) -> Generator[Report]:
        """Yield one report for each design, in order, reading the designs only as far ahead as useful.

        Raises `InputError` if the machine cannot run such a workload or engine at all.
        """

    def batches(self, designs: Iterable[Values], workload: Any, *, ordered: bool = True) -> Generator[Batch]:
        """Yield the same reports as they come, several at once, each with its design's position.

        If they need not be `ordered`, a slow design holds up no other.
        """
        for answered in enumerate(self.stream(designs, workload)):
            yield [answered]

    def evaluate(self, designs: Sequence[Values], workload: Any) -> list[Report]:
        """Return one report for each design."""
        return list(self.stream(designs, workload))

    def close(self) -> None:  # noqa: B027  (most have nothing to close)
        """End worker processes and close files."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Batching(Evaluator):
    """An evaluator that says in `batches` what it does."""

    @abstractmethod
    def batches(self, designs: Iterable[Values], workload: Any, *, ordered: bool = True) -> Generator[Batch]:
        """Yield reports as they come, several at once, each with its design's position."""

    def stream(self, designs: Iterable[Values], workload: Any) -> Generator[Report]:
        """Yield one report for each design, in order."""
        with closing(self.batches(designs, workload)) as batches:
            for batch in batches:
                for _, report in batch:
                    yield report


class Pace:
    """How many designs to take at once, so that a batch lasts about `target_s`."""

    def __init__(self, target_s: float, most: int = 4096) -> None:
        self.target_s, self.most, self.size = target_s, most, 1

    def note(self, designs: int, seconds: float) -> None:
        """Learn from a batch; the size at most doubles, since the first batches also compile."""
        if designs:
            fitting = int(designs * self.target_s / max(seconds, 1e-9))
            self.size = max(1, min(fitting, 2 * self.size, self.most))


class Direct(Batching):
    """Simulates in this process. Tables of operators are there as the machine made them."""

    def __init__(self, machine: Accelerator, engine: str | None = None) -> None:
        super().__init__(machine, engine)
        self._pace = Pace(target_s=0.25)

    def batches(self, designs: Iterable[Values], workload: Any, *, ordered: bool = True) -> Generator[Batch]:
        """Yield reports, always in order."""
        engine = self.machine.check(workload, self.engine)
        source = enumerate(designs)
        while batch := list(islice(source, self._pace.size)):
            start = time.perf_counter()
            reports = run_batch(self.machine, [design for _, design in batch], workload, engine)
            self._pace.note(len(batch), time.perf_counter() - start)
            yield [(position, report) for (position, _), report in zip(batch, reports, strict=True)]


class Cached(Batching):
    """A store in front of another evaluator. What comes back from that is in the store before anybody sees it."""

    def __init__(self, inner: Evaluator, store: ResultStore, *, time_limit_s: float | None = None) -> None:
        super().__init__(inner.machine, inner.engine)
        self.inner, self.store, self.width = inner, store, inner.width
        self.time_limit_s = time_limit_s
        self.hits = 0
        """Reports that the store answered so far."""

    @property
    def settings(self) -> dict[str, Any]:
        """Those of the evaluator behind the store."""
        return self.inner.settings

    @property
    def simulating(self) -> Evaluator:
        """The same store in front of whoever simulates."""
        behind = self.inner.simulating
        return self if behind is self.inner else Cached(behind, self.store, time_limit_s=self.time_limit_s)

    def key(self, design: Values, workload: Any) -> str:
        """The key under which the store keeps a design's result."""
        valid = validated(self.machine, design)
        return key_of(self.machine, _identity(self.machine, design, valid), workload, self.settings)

    def batches(self, designs: Iterable[Values], workload: Any, *, ordered: bool = True) -> Generator[Batch]:
        """Yield stored reports where there are, and simulate the rest; a design that comes twice runs once."""
        self.machine.check(workload, self.engine)
        answers = self._answers(enumerate(designs), workload, ordered)
        return in_order(answers) if ordered else answers

    def _answers(self, source: Iterator[tuple[int, Values]], workload: Any, ordered: bool) -> Generator[Batch]:
        """Answer as results come. Rows that are known are held until something new has been simulated, but not for ever."""
        known: Batch = []
        waiting: dict[str, list[int]] = {}
        sent: dict[int, tuple[Values, str]] = {}
        ended = False

        def unknown() -> Iterator[Values]:
            nonlocal ended
            while len(known) < _HELD:
                block = list(islice(source, _BLOCK))
                if not block:
                    ended = True
                    return
                for design, key in self._sorted_out(block, workload, known, waiting):
                    sent[next(numbers)] = (design, key)
                    yield design

        while not ended:
            numbers = count()
            with closing(self.inner.batches(unknown(), workload, ordered=ordered)) as batches:
                for batch in batches:
                    answered, records = known[:], []
                    known.clear()
                    for number, report in batch:
                        design, key = sent.pop(number)
                        records.append(Record(self.machine, design, workload, self.settings, report, key))
                        answered += [(position, report) for position in waiting.pop(key)]
                    self.store.put(records)
                    yield answered
            if known:
                yield known[:]
                known.clear()

    def _sorted_out(
        self, block: list[tuple[int, Values]], workload: Any, known: Batch, waiting: dict[str, list[int]]
    ) -> list[tuple[Values, str]]:
        """Put what the store answers into `known`, whoever else waits into `waiting`; return what nobody simulates yet."""
        asked = [_identity(self.machine, design, validated(self.machine, design)) for _, design in block]
        keys = [key_of(self.machine, design, workload, self.settings) for design in asked]
        stored = {key: r for key, r in self.store.reports(list(dict.fromkeys(keys))).items() if self._lasting(r)}
        missing = []
        for (position, _), design, key in zip(block, asked, keys, strict=True):
            if key in stored:
                report = stored[key]
                if report.ok and isinstance(design, Design):
                    report.table = resimulated(self.machine, design, workload, self.engine)
                known.append((position, report))
            elif key in waiting:
                waiting[key].append(position)
            else:
                waiting[key] = [position]
                missing.append((design, key))
        self.hits += len(block) - len(missing)
        return missing

    def _lasting(self, report: Report) -> bool:
        limit = report.retry_above_s
        return limit is None or (self.time_limit_s is not None and 0 < self.time_limit_s <= limit)

    def close(self) -> None:
        """Close the store and what is behind it."""
        self.inner.close()
        self.store.close()


def in_order(batches: Generator[Batch]) -> Generator[Batch]:
    """Hold back what comes before its turn."""
    held: dict[int, Report] = {}
    following = 0
    with closing(batches):
        for batch in batches:
            held.update(batch)
            ready = []
            while following in held:
                ready.append((following, held.pop(following)))
                following += 1
            if ready:
                yield ready


def validated(machine: Accelerator, design: Values) -> Design | Report:
    """Return the design, or the report that says which rule it breaks."""
    if isinstance(design, Design):
        return design
    try:
        return machine.design.make(design)
    except DesignError as error:
        return Report.failed(str(error))


def _identity(machine: Accelerator, design: Values, valid: Design | Report) -> Values:
    """What a result is kept under: the design, or all the values that together break a rule."""
    if isinstance(valid, Design):
        return valid
    return {name: p.default for name, p in machine.design.parameters().items()} | dict(design)


def run_batch(machine: Accelerator, designs: Sequence[Values], workload: Any, engine: str) -> list[Report]:
    """Simulate designs in one call; where that fails, one by one, so that only the guilty ones fail."""
    valid = [validated(machine, design) for design in designs]
    ready = [design for design in valid if isinstance(design, Design)]
    reports = iter(_run(machine, ready, workload, engine))
    return [design if isinstance(design, Report) else next(reports) for design in valid]


def _run(machine: Accelerator, designs: Sequence[Design], workload: Any, engine: str) -> list[Report]:
    if not designs:
        return []
    try:
        reports = machine.run(designs, workload, engine=engine)
        if len(reports) != len(designs):
            raise RuntimeError(f"{machine.name} gave {len(reports)} reports for {len(designs)} designs")
        return [checked(report) for report in reports]
    except (Exception, SystemExit) as error:
        if len(designs) > 1:
            return [report for design in designs for report in _run(machine, [design], workload, engine)]
        if isinstance(error, DesignError):
            return [Report.failed(str(error))]
        return [Report.failed(f"the model raised {said(error)}")]


def checked(report: Report) -> Report:
    """Return the report with plain numbers, or a failed one if a metric is no finite number."""
    if not report.ok:
        return report
    metrics: dict[str, float] = {}
    for name, value in report.metrics.items():
        plain = value if type(value) in (int, float) else value.item() if hasattr(value, "item") else value
        if isinstance(plain, bool) or not isinstance(plain, int | float) or not math.isfinite(plain):
            return Report.failed(f"metric {name} is {plain}, not a finite number")
        metrics[name] = plain
    if not metrics:
        return Report.failed("the model gave no metrics")
    report.metrics = metrics
    report.breakdown = {cause: int(cycles) for cause, cycles in report.breakdown.items()}
    return report


def resimulated(machine: Accelerator, design: Design, workload: Any, engine: str | None) -> Table:
    """A table that simulates again when it is first read: stores and workers hand on the numbers only."""
    return Table(lambda: machine.run([design], workload, engine=engine)[0].table.columns)


def answering(spec: str | Evaluator, machine: Accelerator) -> Accelerator:
    """The machine that an evaluator asks: the one given, or what was logged of it. Raises `InputError`."""
    if isinstance(spec, Evaluator):
        return spec.machine
    if not isinstance(spec, str):
        raise InputError(f"evaluator {spec!r}: accepted: a name such as direct or pool:4, or an Evaluator")
    behind = spec.rpartition("|")[2].strip()
    if behind.startswith(PREFIX) and not isinstance(machine, Logged):
        return logged(behind.removeprefix(PREFIX), machine.name)
    return machine


def make_evaluator(
    spec: str | Evaluator,
    machine: Accelerator,
    *,
    time_limit_s: float | None = None,
    engine: str | None = None,
) -> Evaluator:
    """Build an evaluator from its name; raises `InputError`.

    A time limit needs a process that can be ended, so that `direct` with one is a pool of one.
    """
    if isinstance(spec, Evaluator):
        return spec
    given = time_limit_s
    if given is not None and (isinstance(given, bool) or not (isinstance(given, int | float) and given > 0)):
        raise InputError(f"time limit {time_limit_s} s: must be above 0")
    head, bar, behind = spec.partition("|")
    kind, _, argument = head.strip().partition(":")
    if kind == "cached":
        if not argument:
            raise InputError("evaluator 'cached': which directory? (accepted: cached:DIR)")
        inner = make_evaluator(behind.strip() or "direct", machine, time_limit_s=time_limit_s, engine=engine)
        return Cached(inner, ResultStore(argument), time_limit_s=time_limit_s)
    if bar:
        raise InputError(f"evaluator {spec!r}: only cached:DIR can stand in front of another")
    if kind == "lookup" or isinstance(machine, Logged):
        if kind not in ("lookup", "direct"):
            raise InputError(f"evaluator {spec!r}: what was logged is not simulated (accepted: direct, cached:DIR)")
        return Direct(answering(spec, machine), engine)
    if kind == "direct" and not argument and time_limit_s is None:
        return Direct(machine, engine)
    if kind == "pool" or (kind == "direct" and not argument):
        from .pool import Pool, workers_of

        workers = 1 if kind == "direct" else workers_of(argument)
        return Pool(machine, workers, time_limit_s=time_limit_s, engine=engine)
    if kind in ("dask", "slurm", "lsf", "pbs", "sge"):
        from .cluster import Cluster

        queue = "" if kind == "dask" else kind
        return Cluster(machine, argument, queue=queue, time_limit_s=time_limit_s, engine=engine)
    plugins: dict[str, Any] = {point.name: point for point in entry_points(group=GROUP)}
    if kind not in plugins:
        built_in = ["direct", "cached:DIR", "pool:N", "lookup:FILE", "dask:ADDRESS", "slurm:FILE"]
        accepted = ", ".join([*built_in, *(f"{name}:..." for name in sorted(plugins))])
        raise InputError(f"evaluator {spec!r} is not known (accepted: {accepted})")
    factory: Callable[..., Evaluator] = plugins[kind].load()
    return factory(machine, argument, time_limit_s=time_limit_s, engine=engine)
