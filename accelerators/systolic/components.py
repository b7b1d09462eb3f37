"""The systolic array as SimPy components: the reference that the compiled engine must equal.

A DMA engine owns the memory port and walks the plan in program order; the array (or several, in step) computes fold
by fold, and its drain says when outputs have left and halves are free:

    Dma --ifmap tiles, filter tiles, partial sums--> Array
    Array --free ifmap halves, free filter halves, closed output tiles--> Dma
    Dma --free output halves--> Array

Pass `watch` to `simulate_job` to see every transfer and every fold.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from itertools import product
from typing import Any, NamedTuple

from ...simulator.kernel import Channel, Component, Process, Simulation

__all__ = ["STALLS", "Array", "Dma", "Fold", "JobRun", "Plan", "Share", "Step", "Tiling", "Work", "ideal_job",
           "simulate_job"]

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


class Share(NamedTuple):
    """One array's part of a product, or of a tile of it."""

    groups: int
    m: int
    n: int
    k: int

    def tile(self, at: dict[str, int], tiling: Tiling) -> Share | None:
        """Return what of the tile that begins `at` is in this share; None if nothing is."""
        sizes = [min(getattr(tiling, d), getattr(self, d) - at[d]) for d in self._fields]
        return Share(*sizes) if min(sizes) > 0 else None


class Work(NamedTuple):
    """What a fold (or a vector pass) does to the array, in cycles."""

    load: int
    """To load what stays in the PEs, before the fold streams."""
    free: int
    """From its streaming until the next fold may use the array."""
    done: int
    """From its streaming until its last output has left."""
    streams: int
    """In which the first PE is fed."""


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
    folds: tuple[Sequence[Work], ...]
    """Every fold in order (a vector pass is one), of each array that has any."""
    tile: tuple[int, int, int, int] = (0, 0, 0, 0)
    """Which tile it is along groups, m, n and k."""


@dataclass(frozen=True)
class Plan:
    """Everything that happens to one job, in program order."""

    steps: tuple[Step, ...]
    last_bits: int
    """What is stored of the last output tile: 0 if finished outputs stay on chip."""
    shadow: str = ""
    """The operand ("ifmap" or "filter") that is loaded into a PE's second register while a fold streams;
    "" if there is none, and a fold loads only once the array is free."""
    double_buffers: int = 2

    @classmethod
    def of(
        cls,
        shares: Sequence[Share],
        tiling: Tiling,
        tile_bits: Callable[[str, int, int], int],
        tile_folds: Callable[[int, int, int, int], Sequence[Work]],
        common: str = "",
        shadow: str = "",
    ) -> Plan:
        """Walk the loops over groups and over m, n, k as `tiling` says, all arrays in step.

        `tile_bits(kind, x, y)` gives the bits of one group's tile: ("ifmap", m, k), ("filter", k, n),
        ("output" or "psum", m, n); 0 for what is not moved. `tile_folds(groups, m, n, k)` gives the folds. All arrays
        have the operand `common` ("ifmap", "filter", "") in common; a transfer brings it to each.
        """
        extent = {d: max(getattr(s, d) for s in shares) for d in ("groups", "m", "n", "k")}
        tile = {"m": tiling.m, "n": tiling.n, "k": tiling.k}
        starts = {d: range(0, extent[d], tile[d]) for d in "mnk"}
        steps: list[Step] = []
        before: dict[str, int] | None = None
        closing = 0
        for first in range(0, extent["groups"], tiling.groups):
            for corner in product(*(starts[d] for d in tiling.order)):
                at = {"groups": first, **dict(zip(tiling.order, corner, strict=True))}
                tiles = [t for s in shares if (t := s.tile(at, tiling)) is not None]

                def moved(*dims: str, at: dict[str, int] = at, before: dict[str, int] | None = before) -> bool:
                    return before is None or any(at[d] != before[d] for d in ("groups", *dims))

                def bits(kind: str, x: str, y: str, tiles: list[Share] = tiles) -> int:
                    owners = tiles[:1] if kind == common else tiles
                    return sum(t.groups * tile_bits(kind, getattr(t, x), getattr(t, y)) for t in owners)

                opens = moved("m", "n")
                steps.append(Step(
                    ifmap_bits=bits("ifmap", "m", "k") if moved("m", "k") else 0,
                    filter_bits=bits("filter", "k", "n") if moved("k", "n") else 0,
                    opens_output=opens,
                    psum_bits=bits("psum", "m", "n") if opens and at["k"] > 0 else 0,
                    closed_bits=closing if opens and before is not None else 0,
                    folds=tuple(tile_folds(*t) for t in tiles),
                    tile=tuple(at[d] // getattr(tiling, d) for d in Share._fields),
                ))
                finished = at["k"] + tiles[0].k == extent["k"]
                closing = bits("output" if finished else "psum", "m", "n")
                before = at
        return cls(tuple(steps), closing, shadow)


@dataclass(frozen=True)
class Fold:
    """When one fold ran: from its load (its streaming, if the load was hidden) until its last output had left."""

    step: int
    start: int
    end: int
    array: int = 0


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
        self.ifmap, self.filter = sim.channel("ifmap tiles", None), sim.channel("filter tiles", None)
        self.psum = sim.channel("partial sums", None)
        self.free_outputs = sim.channel("free output halves", None)
        # From the array:
        self.closed = sim.channel("closed output tiles", None)
        self.free = {tiles: sim.channel(f"free halves for {tiles.name}", None) for tiles in (self.ifmap, self.filter)}
        for halves in self.free.values():
            halves.preload([None] * plan.double_buffers)
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
        if tiles in self.free:
            yield from self.free[tiles].get(by=self)
        tiles.push(bits, self.sim.now + hold + self.latency)
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


@dataclass
class Grid:
    """One array's processing elements."""

    streamed_at: int = 0
    """When the latest fold began to stream: its load has left the second registers."""
    free_at: int = 0
    """When the latest fold lets another into the array (or its stationary operand, if the load is not hidden)."""
    done_at: int = 0

    def earliest(self, work: Work, shadow: str) -> int:
        """When a fold may begin (its load, or its streaming if the load is hidden) if it waits for nothing else."""
        return max(self.free_at, self.streamed_at + work.load) if shadow else self.free_at

    def take(self, work: Work, begin: int, shadow: str) -> None:
        """Begin a fold."""
        self.streamed_at = begin if shadow else begin + work.load
        self.free_at = self.streamed_at + work.free
        self.done_at = max(self.done_at, self.streamed_at + work.done)


class Array(Component):
    """The processing elements: take the step's tiles, run its folds one after another; several arrays in step.

    The process lives at the streaming of the latest fold: its outputs are still on their way.
    """

    def __init__(self, sim: Simulation, plan: Plan, dma: Dma, log: JobRun, every_fold: bool) -> None:
        super().__init__(sim, "array")
        self.plan, self.dma, self.log, self.every_fold = plan, dma, log, every_fold
        self.grids = [Grid() for _ in range(max(len(step.folds) for step in plan.steps))]

    @property
    def done_at(self) -> int:
        """When the outputs of all folds so far have left."""
        return max(grid.done_at for grid in self.grids)

    def run(self) -> Process:
        """Compute every step as soon as its tiles, and a free output half, are there."""
        closings: list[int] = []  # bits stored of every output tile so far
        for index, step in enumerate(self.plan.steps):
            first = [(grid, folds[0]) for grid, folds in zip(self.grids, step.folds, strict=False)]
            ready = max(grid.earliest(work, self.plan.shadow) for grid, work in first)
            load = max(work.load for _, work in first)
            arrivals: list[tuple[str, int]] = []
            for name, tiles, bits in (("ifmap", self.dma.ifmap, step.ifmap_bits),
                                      ("filter", self.dma.filter, step.filter_bits)):
                if bits:
                    yield from self._arrival(tiles, tiles.name, arrivals, load if name == self.plan.shadow else 0)
            if step.opens_output:
                if index > 0:
                    closings.append(step.closed_bits)
                # The half was used two tiles ago. It is free once that tile is stored, or at once if it was kept.
                if step.psum_bits:
                    yield from self._arrival(self.dma.psum, "partial sums", arrivals)
                if len(closings) >= self.plan.double_buffers and closings[-self.plan.double_buffers]:
                    yield from self._arrival(self.dma.free_outputs, "outputs", arrivals)
            begin = max([ready, *(time for _, time in arrivals)])
            if begin > ready:
                self.log.blame(next(cause for cause, time in arrivals if time == begin), ready, begin)
            computing = [self.sim.env.process(self._compute(index, i, begin)) for i in range(len(step.folds))]
            yield self.sim.env.all_of(computing)
            self.sim.env.process(self._finish(index, self.done_at))

    def _arrival(self, tiles: Channel, cause: str, arrivals: list[tuple[str, int]], load: int = 0) -> Process:
        """Wait for the next item of a channel and note when a step that needs it (loaded) may begin."""
        yield from tiles.item(self)
        visible = tiles.visible_at()
        assert visible is not None
        yield from tiles.get(by=self)
        arrivals.append((cause, visible + load))

    def _compute(self, index: int, array: int, begin: int) -> Process:
        """Run an array's folds of a step, the first from `begin` on, up to the streaming of the last."""
        whole, grid, shadow = begin, self.grids[array], self.plan.shadow
        for work in self.plan.steps[index].folds[array]:
            begin = max(begin, grid.earliest(work, shadow))
            grid.take(work, begin, shadow)
            if self.every_fold:
                yield from self.dma.until(grid.streamed_at)
                self.log.folds.append(Fold(index, begin, grid.streamed_at + work.done, array))
        yield from self.dma.until(grid.streamed_at)
        if not self.every_fold:
            self.log.folds.append(Fold(index, whole, grid.done_at, array))

    def _finish(self, index: int, done: int) -> Process:
        """When all outputs of a step have left: hand over the tile it closed, free what the next one replaces."""
        yield from self.dma.until(done)
        if index + 1 == len(self.plan.steps):
            if self.plan.last_bits:
                self.dma.closed.push(self.plan.last_bits)
            return
        following = self.plan.steps[index + 1]
        if following.closed_bits:
            self.dma.closed.push(following.closed_bits)
        for tiles, bits in ((self.dma.ifmap, following.ifmap_bits), (self.dma.filter, following.filter_bits)):
            if bits:
                self.dma.free[tiles].push(None)


def simulate_job(
    plan: Plan, bits_per_cycle: int, latency: int, watch: Callable[[int, str, str, Any], None] | None = None,
    *, every_fold: bool = True,
) -> JobRun:
    """Run one job from its first transfer to its last; the folds of a step are logged as one unless `every_fold`."""
    sim = Simulation(watch)
    run = JobRun(0)
    dma = Dma(sim, plan, bits_per_cycle, latency, run)
    array = Array(sim, plan, dma, run, every_fold)
    sim.run()
    run.folds.sort(key=lambda fold: (fold.step, fold.array))  # arrays ran at the same time
    run.cycles = max([array.done_at, *(end for _, _, end in run.transfers[-1:])])
    run.blame("outputs", array.done_at, run.cycles)
    return run


def ideal_job(plan: Plan, *, every_fold: bool = True) -> JobRun:
    """Run one job with all data in place: the folds, one after another."""
    here = replace(plan, last_bits=0, steps=tuple(
        replace(step, ifmap_bits=0, filter_bits=0, psum_bits=0, closed_bits=0) for step in plan.steps
    ))
    return simulate_job(here, 1, 1, every_fold=every_fold)
