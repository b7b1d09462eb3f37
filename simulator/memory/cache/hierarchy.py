"""A memory hierarchy as data: levels of cache, scratchpads beside them, a memory behind.

    Hierarchy(
        levels=(Level(32 * 1024, ways=8), Level(256 * 1024, ways=8, hit_cycles=8, inclusion="inclusive")),
        memory=FixedMemory(latency_cycles=80, bytes_per_cycle=16),
        scratchpads=(Scratchpad(base=0x1000_0000, size_bytes=64 * 1024),),
    )

What each field does in time is written down in docs/models/cache.md; both engines execute this
description and nothing else. All times are cycles of one clock.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, fields
from functools import cache
from typing import TYPE_CHECKING, Any, Literal, get_args, get_origin, get_type_hints

from ....errors import DesignError

if TYPE_CHECKING:
    from .dram_memory import DramMemory

__all__ = ["FixedMemory", "Hierarchy", "Inclusion", "Level", "Policy", "Prefetcher", "Scratchpad"]

Policy = Literal["lru", "plru", "srrip", "random"]
Inclusion = Literal["none", "inclusive", "exclusive"]
PrefetchKind = Literal["next-line", "stream", "stride"]

MOST = 2**40
"""Upper bound of every size and time, so that sums of them stay far from 2**63."""
MESSAGES = 3
"""Most messages that one access sends down: a fetch, a word written through, and a victim."""


@cache
def _literals(kind: Any) -> tuple[tuple[str, tuple[Any, ...]], ...]:
    """Fields whose annotation lists what is accepted."""
    hints = get_type_hints(kind)
    listed = [(name, get_args(hint)) for name, hint in hints.items() if get_origin(hint) is Literal]
    return (*listed, *((name, (True, False)) for name, hint in hints.items() if hint is bool))


def _check(thing: Any, what: str, **bounds: tuple[int, int]) -> None:
    """Check integers against their bounds."""
    for name, (low, high) in bounds.items():
        value = getattr(thing, name)
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            raise DesignError(f"{what}: {name}={value!r}; accepted: integer >= {low}, <= {high}")


def _check_choices(thing: Any, what: str) -> None:
    """Check text and switches against what their annotations list."""
    for name, accepted in _literals(type(thing)):  # type: ignore[arg-type]
        if getattr(thing, name) not in accepted:
            raise DesignError(f"{what}: {name}={getattr(thing, name)!r}; accepted: {', '.join(map(str, accepted))}")


@dataclass(frozen=True)
class Prefetcher:
    """Fetches lines before they are asked for, into the level that it belongs to.

    `next-line`: the `degree` lines after a miss or after the first use of a prefetched line.
    `stream`: follows runs of neighbouring lines, up or down, and stays `degree` lines ahead.
    `stride`: per zone of memory, repeats a distance that was seen twice in a row, `degree` times.
    """

    kind: PrefetchKind = "next-line"
    degree: int = 1
    """Lines per trigger, 1 to 32."""
    entries: int = 16
    """Streams, or zones, that are followed at once."""
    zone_bytes: int = 65536
    """Size of a zone of the stride prefetcher."""

    def __post_init__(self) -> None:
        _check(self, "prefetcher", degree=(1, 32), entries=(1, 4096), zone_bytes=(1, MOST))
        _check_choices(self, "prefetcher")


@dataclass(frozen=True)
class Level:
    """One level of cache, set-associative, with as many sets as the size gives."""

    size_bytes: int
    ways: int = 8
    policy: Policy = "lru"
    write: Literal["back", "through"] = "back"
    allocate: bool = True
    """Whether a write that misses brings the line in; if not, it passes on to the level below."""
    inclusion: Inclusion = "none"
    """How the level relates to the levels above it: inclusive ones recall what they evict from above,
    exclusive ones hold only what the level above has evicted."""
    hit_cycles: int = 2
    """From taking a request to its answer, and to whatever it sends down or up."""
    interval_cycles: int = 1
    """Cycles for which a request occupies its bank."""
    banks: int = 1
    """Interleaved by line."""
    mshrs: int = 8
    """Misses under way at once."""
    targets: int = 8
    """Requests that can wait for one line, the first included."""
    queue: int = 8
    """Requests that can wait in front of the level; of the first level the trace is the queue."""
    prefetcher: Prefetcher | None = None
    seed: int = 1
    """Of random replacement."""
    name: str = ""
    """By default l1, l2 ... from the top."""

    def __post_init__(self) -> None:
        what = f"level {self.name}".rstrip()
        _check(
            self, what, size_bytes=(1, MOST), ways=(1, 2**20), hit_cycles=(1, MOST), interval_cycles=(1, MOST),
            banks=(1, 4096), mshrs=(1, 4096), targets=(1, 4096), queue=(MESSAGES, 4096), seed=(1, 2**32 - 1),
        )
        _check_choices(self, what)
        if self.policy == "plru" and (self.ways & (self.ways - 1) or self.ways > 32):
            raise DesignError(f"{what}: ways={self.ways}: plru is a binary tree; accepted: 1, 2, 4, 8, 16, 32")
        if self.inclusion == "exclusive" and self.prefetcher is not None:
            raise DesignError(f"{what}: prefetcher: an exclusive level holds only what was evicted; accepted: None")

    def sets(self, line_bytes: int) -> int:
        """Number of sets for a line size."""
        return self.size_bytes // (self.ways * line_bytes)


@dataclass(frozen=True)
class Scratchpad:
    """An address range that never touches the caches: each master has this memory for itself."""

    base: int
    size_bytes: int
    hit_cycles: int = 1
    interval_cycles: int = 1
    """Cycles for which an access occupies its bank."""
    banks: int = 1
    """Interleaved by word."""

    def __post_init__(self) -> None:
        _check(
            self, "scratchpad", base=(0, 2**62), size_bytes=(1, MOST), hit_cycles=(1, MOST),
            interval_cycles=(1, MOST), banks=(1, 4096),
        )


@dataclass(frozen=True)
class FixedMemory:
    """A memory that takes requests in order, one transfer after the other, each with the same latency."""

    latency_cycles: int = 100
    """From the end of a transfer until the level that asked has the line."""
    bytes_per_cycle: int = 16
    queue: int = 8

    def __post_init__(self) -> None:
        _check(self, "memory", latency_cycles=(1, MOST), bytes_per_cycle=(1, MOST), queue=(MESSAGES, 4096))

    def transfer_cycles(self, size_bytes: int) -> int:
        """Cycles for which that many bytes occupy the memory."""
        return -(-size_bytes // self.bytes_per_cycle)


@dataclass(frozen=True)
class Hierarchy:
    """Levels from the top (nearest to the masters) to the bottom, and what is beside and behind them."""

    levels: tuple[Level, ...]
    memory: FixedMemory | DramMemory = FixedMemory()
    line_bytes: int = 64
    """The same in every level."""
    word_bytes: int = 8
    """Bytes of one access, which lies within one line."""
    window: int = 16
    """Accesses of a master under way at once; they retire in order."""
    scratchpads: tuple[Scratchpad, ...] = ()
    masters: int = 1
    private_levels: int = 1
    """Levels from the top of which each master has its own; the rest is shared. No coherence is kept:
    masters that write shared data are software's concern."""

    def __post_init__(self) -> None:
        levels = tuple(
            level if level.name else _named(level, f"l{i}") for i, level in enumerate(self.levels, start=1)
        )
        object.__setattr__(self, "levels", levels)
        _check(self, "hierarchy", line_bytes=(1, 2**20), word_bytes=(1, 2**20), window=(1, 2**20), masters=(1, 256))
        if not 1 <= len(levels) <= 8:
            raise DesignError(f"hierarchy: {len(levels)} levels; accepted: 1 to 8")
        if len({level.name for level in levels}) < len(levels):
            raise DesignError(f"hierarchy: levels {', '.join(v.name for v in levels)}; accepted: a name for each")
        if not 1 <= self.private_levels <= len(levels):
            raise DesignError(f"hierarchy: private_levels={self.private_levels}; accepted: 1 to {len(levels)}")
        if self.word_bytes > self.line_bytes:
            raise DesignError(f"hierarchy: word_bytes={self.word_bytes}; accepted: <= line_bytes={self.line_bytes}")
        if levels[0].inclusion != "none":
            raise DesignError(f"level {levels[0].name}: inclusion={levels[0].inclusion!r}: nothing is above; accepted: 'none'")
        for level in levels:
            unit = level.ways * self.line_bytes
            if level.size_bytes % unit:
                raise DesignError(
                    f"level {level.name}: size_bytes={level.size_bytes}; accepted: a multiple of {unit} "
                    f"({level.ways} ways of {self.line_bytes} bytes)"
                )
        spans = sorted((pad.base, pad.base + pad.size_bytes) for pad in self.scratchpads)
        for (_, end), (base, _) in itertools.pairwise(spans):
            if base < end:
                raise DesignError(f"scratchpad: base={base:#x} lies in another scratchpad; accepted: ranges apart")


def _named(level: Level, name: str) -> Level:
    values = {f.name: getattr(level, f.name) for f in fields(level)}
    return Level(**{**values, "name": name})
