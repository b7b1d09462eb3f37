"""Regions: consecutive operators that run as one pipeline, what they need on chip, and how units are shared out.

A region's tensors stay on the chip, in FIFOs of tiles; only what crosses its border goes through HBM or DDR. Operators
are added to a region for as long as it fits: units, scratchpads, ports. One that does not fit even alone is cut: by
columns of its weights, which then stream, and by rows, for each share of which all its weights are read again.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from math import ceil

from .design import DataflowDesign
from .work import Edge, Stage

__all__ = ["Job", "Link", "Plan", "Region", "cut"]

MOST_PORTS = 60
"""Streams of a region from and to one tier (a node's ports are bits of one 64-bit word)."""


@dataclass(frozen=True)
class Link:
    """A tensor inside a region: FIFO of `depth` tokens of `token_bytes` between two of its stages."""

    source: int
    target: int
    gathered: bool
    """The reader starts when all of it is there: one token."""
    ahead: int
    """Tiles that the reader's windows reach ahead; they wait in line buffers."""
    depth: int
    token_bytes: int


@dataclass(frozen=True)
class Job:
    """A stage as it is run: `firings` tiles of `cycles` each; what it takes from memory, and gives to it."""

    firings: int
    start: int
    """Step of the schedule, in tiles, at which its first tile can begin."""
    cycles: int
    held_bytes: int
    """Loaded once, before the first tile."""
    tile_bytes: int
    """Loaded for each tile."""
    weights: str
    """The tier that its weights come from; other data is in HBM, or in DDR where there is no HBM."""
    weight_bytes_held: int
    weight_bytes_tile: int
    store_bytes: int
    """Written for each tile."""
    collective_bytes: int
    """Sent over the links for each tile."""
    collective_steps: int

    def loads(self, data: str) -> Iterator[tuple[str, str, int, int]]:
        """Name, tier, bytes held and bytes a tile of each stream from memory; activations are in the tier `data`."""
        for name, tier, held, tiled in (
            ("data", data, self.held_bytes, self.tile_bytes),
            ("weights", self.weights, self.weight_bytes_held, self.weight_bytes_tile),
        ):
            if held or tiled:
                yield name, tier, held, tiled


@dataclass(frozen=True)
class Plan:
    """A region, without names: equal plans take equal time."""

    jobs: tuple[Job, ...]
    links: tuple[Link, ...]
    sram_bytes: int


@dataclass(frozen=True)
class Region:
    """A plan and the operators that it runs, `passes` times over."""

    plan: Plan
    operators: tuple[int, ...]
    units: tuple[int, ...]
    sram_bound: tuple[bool, ...]
    """Of each stage: whether scratchpad bandwidth, not arithmetic, sets its pace."""
    passes: int = 1


def cut(design: DataflowDesign, stages: Sequence[Stage], tiers: Sequence[str]) -> list[Region] | tuple[int, int]:
    """Cut the graph into regions; (operator, bytes) if one needs more scratchpad than there is."""
    regions: list[Region] = []
    first = 0
    readers: list[list[int]] = [[] for _ in stages]
    for i, stage in enumerate(stages):
        for edge in stage.edges:
            if edge.source >= 0:
                readers[edge.source].append(i)
    while first < len(stages):
        fits, misses = 1, min(len(stages) - first, design.region_operators, design.compute_units) + 1
        region = _region(design, stages, tiers, readers, range(first, first + 1))
        if region is None:
            alone = _alone(design, stages, tiers, readers, first)
            if isinstance(alone, int):
                return first, alone
            region, misses = alone, 2
        count = misses - 1  # most often all that may be fused fits; otherwise bisect
        while misses - fits > 1:
            found = _region(design, stages, tiers, readers, range(first, first + count))
            if found is not None:
                fits, region = count, found
            else:
                misses = count
            count = (fits + misses) // 2
        regions.append(region)
        first += fits
    return regions


def _alone(
    design: DataflowDesign, stages: Sequence[Stage], tiers: Sequence[str], readers: Sequence[list[int]], i: int
) -> Region | int:
    """One operator in shares of its rows and columns; the bytes of the smallest share if that does not fit either."""
    stage, passes, least = stages[i], 1, 0
    while passes <= min(stage.rows, 2**20):
        share = _shares(stage, passes)
        for columns in (0, *(design.tiles * 2**j for j in range(11) if design.tiles * 2**j <= stage.columns)):
            region = _region(design, [*stages[:i], share], tiers, readers, range(i, i + 1), columns, force=True)
            assert region is not None
            least = min(least or region.plan.sram_bytes, region.plan.sram_bytes)
            if region.plan.sram_bytes <= design.sram_bytes:
                return replace(region, passes=passes)
        passes *= 2
    return least


def _shares(stage: Stage, passes: int) -> Stage:
    """One of equal shares of the rows; what must be whole for every row stays whole."""
    def part(count: int) -> int:
        return -(-count // passes)

    edges = tuple(e if e.dependence == "whole" else replace(e, bytes=part(e.bytes)) for e in stage.edges)
    return replace(
        stage, rows=part(stage.rows), product_passes=part(stage.product_passes), vector_passes=part(stage.vector_passes),
        edges=edges, out_bytes=part(stage.out_bytes), collective_bytes=part(stage.collective_bytes),
    )  # fmt: skip


def _region(
    design: DataflowDesign, stages: Sequence[Stage], tiers: Sequence[str], readers: Sequence[list[int]], span: range,
    columns: int = 0, force: bool = False,
) -> Region | None:
    """The region of a span of stages; None if it does not fit. `columns` cuts a single stage's weights instead of its rows."""
    members = [stages[i] for i in span]
    products = [s.rows for s in members if s.product_passes] or [s.rows for s in members]
    tiles = min(design.tiles, max(products))
    firings = [columns or (tiles if s.rows >= tiles else 1) for s in members]
    units = _units(design, members)
    held, tiled, weights_held, weights_tile = [], [], [], []
    for s, count in zip(members, firings):
        outside = [e for e in s.edges if e.source not in span]
        whole = s.cached_bytes + sum(e.bytes for e in outside if columns or e.dependence == "whole")
        streamed = 0 if columns else sum(e.bytes for e in outside if e.dependence != "whole")
        held.append(whole)
        tiled.append(-(-streamed // count))
        weights_held.append(0 if columns else s.weight_bytes)
        weights_tile.append(-(-s.weight_bytes // count) if columns else 0)
    start = [0] * len(members)
    raw: list[tuple[int, int, Edge, bool, int]] = []
    for at, (s, count) in enumerate(zip(members, firings)):
        for edge in s.edges:
            if edge.source not in span:
                continue
            p = edge.source - span.start
            ahead = ceil(edge.ahead * count)
            gathered = edge.dependence == "whole" or firings[p] != count or ahead >= count
            ahead = 0 if gathered else ahead
            later = (firings[p] if gathered else 1 + ahead) + (members[p].collective_steps > 0)
            start[at] = max(start[at], start[p] + later)
            raw.append((p, at, edge, gathered, ahead))
    links = []
    for p, at, edge, gathered, ahead in raw:
        spread = start[at] - start[p] - 1 - ahead
        depth = 1 if gathered else min(firings[p], design.buffer_tiles + spread)
        links.append(Link(p, at, gathered, ahead, depth, edge.bytes if gathered else -(-edge.bytes // firings[p])))
    jobs, bound = [], []
    for at, s in enumerate(members):
        i, count = span.start + at, firings[at]
        stored = not s.is_read or any(r not in span for r in readers[i])
        out = -(-s.out_bytes // count)
        arithmetic = -(-s.passes // (count * units[at]))
        pads = max(1, units[at] * design.memory_units // design.compute_units)
        moved = s.weight_bytes + s.cached_bytes + (s.weight_bytes * (count - 1) if not columns else 0)
        moved += sum(e.bytes for e in s.edges) + s.out_bytes
        scratch = -(-moved // (count * pads * design.memory_unit_bytes_per_cycle))
        bound.append(scratch > arithmetic)
        jobs.append(Job(
            count, start[at], max(1, arithmetic, scratch), held[at], tiled[at], tiers[i], weights_held[at], weights_tile[at],
            out if stored else 0, -(-s.collective_bytes // count), s.collective_steps,
        ))  # fmt: skip
    sram = sum(_job_bytes(design, job) for job in jobs)
    sram += sum((k.depth + k.ahead + (not k.gathered)) * k.token_bytes for k in links)
    sram += sum(-(-s.out_bytes // job.firings) for job, s in zip(jobs, members))
    plan = Plan(tuple(jobs), tuple(links), sram)
    if not force and not _fits(design, plan):
        return None
    return Region(plan, tuple(span), tuple(units), tuple(bound))


def _job_bytes(design: DataflowDesign, job: Job) -> int:
    """Scratchpad for what a stage exchanges with memory."""
    tiles = job.tile_bytes + job.weight_bytes_tile
    stores = (design.buffer_tiles + 2) * job.store_bytes
    return job.held_bytes + job.weight_bytes_held + (design.buffer_tiles + 1) * tiles + stores


def _fits(design: DataflowDesign, plan: Plan) -> bool:
    streams = sum((j.held_bytes > 0) + (j.tile_bytes > 0) + (j.weight_bytes_held > 0) for j in plan.jobs)
    stores = sum(j.store_bytes > 0 for j in plan.jobs)
    fan: dict[int, int] = {}
    for link in plan.links:
        fan[link.source] = fan.get(link.source, 0) + 1
    shared = sum(fan.get(i, 0) + (j.store_bytes > 0) for i, j in enumerate(plan.jobs) if j.collective_steps)
    most = max(streams, stores, shared, *fan.values(), 0)
    return most <= MOST_PORTS and plan.sram_bytes <= design.sram_bytes


def _units(design: DataflowDesign, stages: Sequence[Stage]) -> list[int]:
    """Units of each stage: as many as let all finish together at the earliest, or equally many."""
    if design.factors == "equal" or len(stages) == 1:
        return [design.compute_units // len(stages)] * len(stages)
    work = [max(1, s.passes) for s in stages]
    low, high = 1, max(work)
    while low < high:
        time = (low + high) // 2
        if sum(-(-w // time) for w in work) <= design.compute_units:
            high = time
        else:
            low = time + 1
    units = [-(-w // low) for w in work]
    spare = design.compute_units - sum(units)
    return [u + spare * u // max(1, sum(units)) for u in units]


