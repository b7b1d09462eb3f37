"""The systolic array as SimPy components: the reference that the compiled engine must equal.

A DMA engine owns the memory port and walks the plan in program order; the array computes fold by fold;
tiles travel through channels two deep, one slot for each half of a scratchpad:

    Dma --ifmap tiles, filter tiles, partial sums--> Array --closed output tiles--> Dma
    Dma --free output halves--> Array

Pass `watch` to `simulate_job` to see every transfer and every fold.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import product
from typing import Any

from ...simulator.kernel import Channel, Component, Process, Simulation

__all__ = ["STALLS", "Array", "Dma", "Fold", "JobRun", "Plan", "Step", "Tiling", "ideal_job", "simulate_job"]

STALLS = ("ifmap tiles", "filter tiles", "partial sums", "outputs")
"""What the array may wait for."""


@dataclass(frozen=True)
class Tiling:
    """Sizes of a tile and the order of the loops over tiles, outermost first, as letters of "mnk"."""

    groups: int
    m: int
    n: int
    k: int
    order: str


@dataclass(frozen=True)
class Step:
    """One iteration of the innermost loop. Bits are 0 where nothing is moved."""

    ifmap_bits: int
    filter_bits: int
    opens_output: bool
    psum_bits: int
    """Partial sums to read back before computing."""
    closed_bits: int
    """What is stored of the output tile that ends with the step before; only if `opens_output`."""
    folds: int
    fold_cycles: int
    """Cycles of each fold (of a vector pass: of the whole chunk, as one fold)."""


@dataclass(frozen=True)
class Plan:
    """Everything that happens to one job, in program order."""

    steps: tuple[Step, ...]
    last_bits: int
    """What is stored of the last output tile: 0 if finished outputs stay on chip."""
    double_buffers: int = 2

    @classmethod
    def of(
        cls,
        groups: int,
        sizes: Sequence[int],
        tiling: Tiling,
        tile_bits: Callable[[str, int, int], int],
        tile_folds: Callable[[int, int, int], tuple[int, int]],
    ) -> Plan:
        """Walk the loops over groups and over m, n, k (`sizes`) as `tiling` says.

        `tile_bits(kind, x, y)` gives the bits of one group's tile: ("ifmap", m, k), ("filter", k, n),
        ("output" or "psum", m, n); 0 for what is not moved. `tile_folds(m, n, k)` gives folds and cycles of each.
        """
        extent = dict(zip("mnk", sizes, strict=True))
        tile = {"m": tiling.m, "n": tiling.n, "k": tiling.k}
        starts = {d: range(0, extent[d], tile[d]) for d in "mnk"}
        steps: list[Step] = []
        before: dict[str, int] | None = None
        closing = 0
        for first in range(0, groups, tiling.groups):
            together = min(tiling.groups, groups - first)
            for corner in product(*(starts[d] for d in tiling.order)):
                at = {"g": first, **dict(zip(tiling.order, corner, strict=True))}
                m, n, k = (min(tile[d], extent[d] - at[d]) for d in "mnk")

                def moved(*dims: str, at: dict[str, int] = at, before: dict[str, int] | None = before) -> bool:
                    return before is None or any(at[d] != before[d] for d in ("g", *dims))

                opens = moved("m", "n")
                folds, cycles = tile_folds(m, n, k)
                steps.append(Step(
                    ifmap_bits=together * tile_bits("ifmap", m, k) if moved("m", "k") else 0,
                    filter_bits=together * tile_bits("filter", k, n) if moved("k", "n") else 0,
                    opens_output=opens,
                    psum_bits=together * tile_bits("psum", m, n) if opens and at["k"] > 0 else 0,
                    closed_bits=closing if opens and before is not None else 0,
                    folds=together * folds,
                    fold_cycles=cycles,
                ))
                finished = at["k"] + k == extent["k"]
                closing = together * tile_bits("output" if finished else "psum", m, n)
                before = at
        return cls(tuple(steps), closing)


@dataclass(frozen=True)
class Fold:
    """When one fold ran."""

    step: int
    start: int
    end: int


@dataclass
class JobRun:
    """What the reference engine saw of one job."""

    cycles: int
    folds: list[Fold] = field(default_factory=list)
    transfers: list[tuple[str, int, int]] = field(default_factory=list)
    """(what, start, end) of every transfer over the port."""
    stalls: dict[str, int] = field(default_factory=lambda: dict.fromkeys(STALLS, 0))
    """Cycles for which the array waited, by what came last."""
    waits: list[tuple[str, int, int]] = field(default_factory=list)
    """(what came last, start, end) of every wait of the array."""

    def blame(self, cause: str, start: int, end: int) -> None:
        """Charge a wait of the array to a cause."""
        if end > start:
            self.stalls[cause] += end - start
            self.waits.append((cause, start, end))


class Dma(Component):
    """The memory port: one transfer at a time, in program order."""

    def __init__(self, sim: Simulation, plan: Plan, bits_per_cycle: int, latency: int, log: JobRun) -> None:
        super().__init__(sim, "dma")
        self.plan, self.bits_per_cycle, self.latency, self.log = plan, bits_per_cycle, latency, log
        self.ifmap = sim.channel("ifmap tiles", plan.double_buffers)
        self.filter = sim.channel("filter tiles", plan.double_buffers)
        self.psum = sim.channel("partial sums", None)
        self.free_outputs = sim.channel("free output halves", None)
        self.closed: Channel  # from the array
        self.output_free_at = 0

    def run(self) -> Process:
        """Serve each step's loads, and the store of what the step before last closed."""
        store_due = False
        for step in self.plan.steps:
            yield from self._load(self.ifmap, step.ifmap_bits)
            yield from self._load(self.filter, step.filter_bits)
            if store_due:
                yield from self._store()
            store_due = step.closed_bits > 0
            if step.psum_bits:
                yield from self.until(self.output_free_at)
                yield from self._load(self.psum, step.psum_bits)
        for due in (store_due, self.plan.last_bits > 0):
            if due:
                yield from self._store()

    def until(self, time: int) -> Process:
        """Wait for a time that may have passed already."""
        if time > self.sim.now:
            yield self.sim.env.timeout(time - self.sim.now)

    def _load(self, tiles: Channel, bits: int) -> Process:
        """Claim a free half, hold the port for the transfer; the tile arrives a latency later."""
        if not bits:
            return
        hold = -(-bits // self.bits_per_cycle)
        yield from tiles.put(bits, latency=hold + self.latency, by=self)
        self.log.transfers.append((tiles.name, self.sim.now, self.sim.now + hold))
        yield from self.wait(hold)

    def _store(self) -> Process:
        """Store the next closed output tile and give its half back."""
        bits = yield from self.closed.get(by=self)
        hold = -(-bits // self.bits_per_cycle)
        self.log.transfers.append(("outputs", self.sim.now, self.sim.now + hold))
        yield from self.wait(hold)
        self.output_free_at = self.sim.now + 1
        yield from self.free_outputs.put(None, by=self)


class Array(Component):
    """The processing elements: take the step's tiles, run its folds one after another."""

    def __init__(self, sim: Simulation, plan: Plan, dma: Dma, log: JobRun) -> None:
        super().__init__(sim, "array")
        self.plan, self.dma, self.log = plan, dma, log
        dma.closed = sim.channel("closed output tiles", None)
        self.late = ""

    def run(self) -> Process:
        """Compute every step as soon as its tiles, and a free output half, are there."""
        holds = {self.dma.ifmap: False, self.dma.filter: False}
        closings: list[int] = []  # bits stored of every output tile so far
        for index, step in enumerate(self.plan.steps):
            computed = self.sim.now
            # Retire the tiles that are no longer used, so that their halves can be filled again.
            for tiles, bits in ((self.dma.ifmap, step.ifmap_bits), (self.dma.filter, step.filter_bits)):
                if bits and holds[tiles]:
                    yield from tiles.get(by=self)
            if step.closed_bits:
                yield from self.dma.closed.put(step.closed_bits, by=self)
            for tiles, bits in ((self.dma.ifmap, step.ifmap_bits), (self.dma.filter, step.filter_bits)):
                if bits:
                    yield from self._await(tiles, tiles.peek(by=self))
                    holds[tiles] = True
            if step.opens_output:
                if index > 0:
                    closings.append(step.closed_bits)
                # The half was used two tiles ago. It is free once that tile is stored, or at once if it was kept.
                if len(closings) >= self.plan.double_buffers and closings[-self.plan.double_buffers]:
                    yield from self._await(self.dma.free_outputs, self.dma.free_outputs.get(by=self), "outputs")
                if step.psum_bits:
                    yield from self._await(self.dma.psum, self.dma.psum.get(by=self))
            self.log.blame(self.late, computed, self.sim.now)
            for _ in range(step.folds):
                start = self.sim.now
                yield from self.wait(step.fold_cycles)
                self.log.folds.append(Fold(index, start, self.sim.now))
        if self.plan.last_bits:
            yield from self.dma.closed.put(self.plan.last_bits, by=self)

    def _await(self, tiles: Channel, process: Process, cause: str = "") -> Process:
        """Wait for a channel and remember it as the cause if time passed."""
        before = self.sim.now
        yield from process
        if self.sim.now > before:
            self.late = cause or tiles.name


def simulate_job(
    plan: Plan, bits_per_cycle: int, latency: int, watch: Callable[[int, str, str, Any], None] | None = None
) -> JobRun:
    """Run one job from its first transfer to its last."""
    sim = Simulation(watch)
    run = JobRun(0)
    dma = Dma(sim, plan, bits_per_cycle, latency, run)
    Array(sim, plan, dma, run)
    sim.run()
    computed = run.folds[-1].end
    run.cycles = max([computed, *(end for _, _, end in run.transfers[-1:])])
    run.blame("outputs", computed, run.cycles)
    return run


def ideal_job(plan: Plan) -> JobRun:
    """Run one job with all data in place: the folds, one after another."""
    run, now = JobRun(0), 0
    for index, step in enumerate(plan.steps):
        for _ in range(step.folds):
            run.folds.append(Fold(index, now, now + step.fold_cycles))
            now += step.fold_cycles
    run.cycles = now
    return run
