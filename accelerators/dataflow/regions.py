"""Regions: consecutive operators that run as one pipeline, what they need on chip, and how units are shared out.

A region's tensors stay on the chip, in FIFOs of tiles; only what crosses its border goes through HBM or DDR. Operators
are added to a region for as long as it fits: units, scratchpads, ports. One that does not fit even alone is cut: by
columns of its weights, which then stream, and by rows, for each share of which all its weights are read again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from math import ceil, gcd

from .design import DataflowDesign
from .work import Stage

__all__ = ["Job", "Link", "Plan", "Region", "cut"]

MOST_PORTS = 60
"""Streams of a region from or to memory, and tensors from or to a stage (a node's ports are bits of one 64-bit word)."""


@dataclass(frozen=True)
class Link:
    """A tensor inside a region: FIFO of `depth` tokens of `token_bytes` between two of its stages."""

    source: int
    target: int
    tokens: int
    """Tokens that pass: one a tile, or fewer where the reader needs a share of the tensor at once."""
    ahead: int
    """Tiles that the reader's windows reach ahead; they wait in line buffers."""
    depth: int
    token_bytes: int

    @property
    def sram_bytes(self) -> int:
        """Scratchpad for it, with the token that the reader works on."""
        return (min(self.tokens, self.depth + 1) + self.ahead) * self.token_bytes


@dataclass(frozen=True)
class Job:
    """A stage as it is run: `firings` tiles of `cycles` each; what it takes from memory, and gives to it."""

    firings: int
    start: int
    """Step of the schedule, in tiles, at which its first tile can begin."""
    cycles: int
    held_bytes: int
    """Loaded before the first tile, in `held_groups` parts before the first tile of each part (sequences of a batch)."""
    held_groups: int
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
        """Name, tier, times and bytes each time of each stream from memory; activations are in the tier `data`."""
        for name, tier, times, each in (
            ("data held", data, self.held_groups, -(-self.held_bytes // self.held_groups)),
            ("data", data, self.firings, self.tile_bytes),
            ("weights held", self.weights, 1, self.weight_bytes_held),
            ("weights", self.weights, self.firings, self.weight_bytes_tile),
        ):
            if each:
                yield name, tier, times, each


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

    edges = tuple(e if e.groups else replace(e, bytes=part(e.bytes)) for e in stage.edges)
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
    scratch = [_scratch_cycles(design, s, 1 if columns else count) for s, count in zip(members, firings)]
    units = _units(design, [max(1, s.passes, pads) for s, pads in zip(members, scratch)])
    links, start = _links(design, members, firings, span)
    jobs = []
    for at, (s, count) in enumerate(zip(members, firings)):
        outside = [e for e in s.edges if e.source not in span]
        whole = [e for e in outside if columns or e.groups]
        streamed = sum(e.bytes for e in outside if e not in whole)
        stored = not s.is_read or any(r not in span for r in readers[span.start + at])
        jobs.append(Job(
            count, start[at], -(-max(1, s.passes, scratch[at]) // (count * units[at])), sum(e.bytes for e in whole),
            1 if columns else gcd(count, *(e.groups for e in whole)), -(-streamed // count), tiers[span.start + at],
            0 if columns else s.weight_bytes, -(-s.weight_bytes // count) if columns else 0,
            -(-s.out_bytes // count) if stored else 0, -(-s.collective_bytes // count), s.collective_steps,
        ))  # fmt: skip
    sram = sum(_job_bytes(design, job) for job in jobs) + sum(link.sram_bytes for link in links)
    sram += sum(-(-s.out_bytes // job.firings) for job, s in zip(jobs, members))
    plan = Plan(tuple(jobs), tuple(links), sram)
    if not force and not _fits(design, plan):
        return None
    bound = tuple(pads > s.passes for s, pads in zip(members, scratch))
    return Region(plan, tuple(span), tuple(units), bound)


def _links(
    design: DataflowDesign, members: Sequence[Stage], firings: Sequence[int], span: range
) -> tuple[list[Link], list[int]]:
    """The tensors inside a region, and the step at which the first tile of each stage can begin."""
    start = [0] * len(members)
    found = []
    for at, (stage, count) in enumerate(zip(members, firings)):
        for edge in stage.edges:
            if edge.source not in span:
                continue
            p = edge.source - span.start
            ahead = ceil(edge.ahead * count)
            streams = not edge.groups and firings[p] == count and ahead < count
            tokens = count if streams else gcd(firings[p], count, edge.groups or 1)
            ahead = ahead if streams else 0
            first = firings[p] // tokens + ahead + (members[p].collective_steps > 0)
            start[at] = max(start[at], start[p] + first)
            found.append((p, at, edge, tokens, ahead, first))
    links = []
    for p, at, edge, tokens, ahead, first in found:
        waits = -(-(start[at] - start[p] - first) // (firings[p] // tokens))
        depth = min(tokens, waits + (design.buffer_tiles if tokens == firings[p] else 1))
        links.append(Link(p, at, tokens, ahead, depth, -(-edge.bytes // tokens)))
    return links, start


def _scratch_cycles(design: DataflowDesign, stage: Stage, times: int) -> int:
    """Cycles that the scratchpads beside one unit need for a stage: operands and result once, weights `times`."""
    moved = stage.weight_bytes * times + sum(e.bytes for e in stage.edges) + stage.out_bytes
    return -(-moved * design.compute_units // (design.memory_units * design.memory_unit_bytes_per_cycle))


def _job_bytes(design: DataflowDesign, job: Job) -> int:
    """Scratchpad for what a stage exchanges with memory."""
    tiles = job.tile_bytes + job.weight_bytes_tile
    stores = (design.buffer_tiles + 2) * job.store_bytes
    held = -(-job.held_bytes // job.held_groups) * min(2, job.held_groups)
    return held + job.weight_bytes_held + (design.buffer_tiles + 1) * tiles + stores


def _fits(design: DataflowDesign, plan: Plan) -> bool:
    streams = sum((j.held_bytes > 0) + (j.tile_bytes > 0) + (j.weight_bytes_held > 0) for j in plan.jobs)
    stores = sum(j.store_bytes > 0 for j in plan.jobs)
    out, into = (Counter(getattr(link, end) for link in plan.links) for end in ("source", "target"))
    shared = sum(out[i] + (j.store_bytes > 0) for i, j in enumerate(plan.jobs) if j.collective_steps)
    most = max(streams, stores, shared, *(n + 2 for n in out.values()), *(n + 4 for n in into.values()))
    return most <= MOST_PORTS and plan.sram_bytes <= design.sram_bytes


def _units(design: DataflowDesign, work: Sequence[int]) -> list[int]:
    """Units of each stage: as many as let all finish together at the earliest, or equally many."""
    if design.factors == "equal" or len(work) == 1:
        return [design.compute_units // len(work)] * len(work)
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


