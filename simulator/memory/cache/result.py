"""What a run through a hierarchy says: times and outcomes of every access, counts of every cache."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from . import columns as k
from .hierarchy import Hierarchy, Level
from .kinds import Rows, Vector
from .tables import nodes_of

if TYPE_CHECKING:
    from .hosted import Port

__all__ = ["CacheCounts", "Result"]


@dataclass(frozen=True)
class CacheCounts:
    """Counts of one cache, or summed over the copies of a level."""

    name: str
    level: Level
    lookups: NDArray[np.int64]
    """Requests by (kind, outcome): read, write, prefetch, writeback, victim; hit, merge, miss.

    A merge found its line on its way and waited for it. Reads and writes are demand accesses: from the
    master, or misses of the level above. A prefetch comes from a prefetcher above, a writeback is a dirty
    line from above, a victim a clean one.
    """
    events: dict[str, int]
    """See docs/models/cache.md; `dirtied` counts lines that became dirty here."""
    stalls: dict[str, int]
    """Cycles in which no request was taken, by cause."""
    dirty_lines: int
    """Dirty lines left at the end."""
    unused_prefetches: int
    """Prefetched lines left at the end that nobody used."""

    @property
    def demand(self) -> NDArray[np.int64]:
        """Demand accesses by outcome: hits, merges, misses."""
        return self.lookups[[k.READ, k.WRITE]].sum(axis=0)

    @property
    def accesses(self) -> int:
        """Demand accesses."""
        return int(self.demand.sum())

    @property
    def hits(self) -> int:
        """Demand accesses whose line was there."""
        return int(self.demand[k.HIT])

    @property
    def merges(self) -> int:
        """Demand accesses whose line was on its way."""
        return int(self.demand[k.MERGE])

    @property
    def misses(self) -> int:
        """Demand accesses that found nothing."""
        return int(self.demand[k.MISS])

    @property
    def miss_rate(self) -> float:
        """Misses by demand accesses; 0 if there were none."""
        return self.misses / self.accesses if self.accesses else 0.0

    def row(self) -> dict[str, Any]:
        """One row of a table of levels."""
        return {
            "name": self.name, "accesses": self.accesses, "hits": self.hits, "merges": self.merges,
            "misses": self.misses, "miss_rate": self.miss_rate, **self.events,
            "dirty_lines": self.dirty_lines, "unused_prefetches": self.unused_prefetches,
            **{f"{cause}_cycles": cycles for cause, cycles in self.stalls.items()},
        }


@dataclass(frozen=True)
class Result:
    """One run. Accesses of several masters stand one master after the other."""

    hierarchy: Hierarchy
    lengths: tuple[int, ...]
    """Accesses of each master."""
    state: Vector = field(repr=False)
    rows: Rows = field(repr=False)
    port: Port | None = field(default=None, repr=False)
    """The DRAM controller and what it was sent, if the memory is one."""

    @cached_property
    def issued(self) -> NDArray[np.int64]:
        """Cycle in which each access was taken by the first level or a scratchpad."""
        return self.rows[:, k.A_ISSUED]

    @cached_property
    def done(self) -> NDArray[np.int64]:
        """Cycle in which the master had each answer."""
        return self.rows[:, k.A_DONE]

    @cached_property
    def served(self) -> NDArray[Any]:
        """Who had the data of each access: a level's name, memory or scratchpad."""
        names = [*(level.name for level in self.hierarchy.levels), "memory", "scratchpad"]
        return np.array(names)[self.rows[:, k.A_SERVED]]

    def outcome(self, level: int) -> NDArray[Any]:
        """What each access found at a level (0 is the first): hit, merge, miss, or "" if it did not get there."""
        return np.array(["", *k.OUTCOMES])[self.rows[:, k.A_FOUND] >> 2 * level & 3]

    def of(self, master: int) -> slice:
        """The accesses of one master."""
        start = sum(self.lengths[:master])
        return slice(start, start + self.lengths[master])

    @cached_property
    def cycles(self) -> int:
        """Cycles until the last answer."""
        return int(self.done.max())

    @cached_property
    def drained_cycles(self) -> int:
        """Cycles until the last transfer of the memory is over as well."""
        return max(self.cycles, int(self.state[self.state[k.MEMORY] + k.BUSY]))

    @cached_property
    def amat_cycles(self) -> float:
        """Average memory access time: from taking an access to its answer."""
        return float((self.done - self.issued).mean())

    @cached_property
    def caches(self) -> tuple[tuple[CacheCounts, ...], ...]:
        """Counts of every cache: levels from the top, and of each its copies."""
        nodes = nodes_of(self.hierarchy)
        return tuple(
            tuple(self._counts(level, n, f"{level.name}.{i}" if len(own) > 1 else level.name) for i, n in enumerate(own))
            for level, own in zip(self.hierarchy.levels, nodes, strict=False)
        )

    @cached_property
    def levels(self) -> tuple[CacheCounts, ...]:
        """Counts of every level, summed over its copies."""
        return tuple(
            CacheCounts(
                level.name, level, sum((c.lookups for c in copies), np.zeros_like(copies[0].lookups)),
                {name: sum(c.events[name] for c in copies) for name in copies[0].events},
                {name: sum(c.stalls[name] for c in copies) for name in copies[0].stalls},
                sum(c.dirty_lines for c in copies), sum(c.unused_prefetches for c in copies),
            )
            for level, copies in zip(self.hierarchy.levels, self.caches, strict=True)
        )

    @cached_property
    def memory_requests(self) -> dict[str, int]:
        """Requests that the memory took, by kind; a `write` is a word, everything else a line."""
        n = int(self.state[k.MEMORY])
        counts = self.state[self.state[n + k.COUNTS] :][: len(k.KINDS)]
        return dict(zip(k.KINDS, counts.tolist(), strict=True))

    @property
    def memory_read_bytes(self) -> int:
        """Bytes read from the memory."""
        return (self.memory_requests["read"] + self.memory_requests["prefetch"]) * self.hierarchy.line_bytes

    @property
    def memory_write_bytes(self) -> int:
        """Bytes written to the memory."""
        requests, h = self.memory_requests, self.hierarchy
        return requests["write"] * h.word_bytes + (requests["writeback"] + requests["victim"]) * h.line_bytes

    @property
    def memory_bytes(self) -> int:
        """Bytes over the memory's port, both ways."""
        return self.memory_read_bytes + self.memory_write_bytes

    @cached_property
    def dirty_bytes(self) -> int:
        """Bytes of the lines that are dirty in some cache at the end, each counted once."""
        lines: set[int] = set()
        for n in (n for nodes in nodes_of(self.hierarchy)[:-1] for n in nodes):
            tags, flags = self._slots(n)
            lines.update(tags[(tags >= 0) & (flags & k.DIRTY != 0)].tolist())
        return len(lines) * self.hierarchy.line_bytes

    def breakdown(self, master: int = 0) -> dict[str, int]:
        """Where every cycle of a master went, up to its last answer.

        `issue`: an access was taken. `idle`: none had arrived. `wait_X`: the window was full, and the oldest
        access in it was being served by X. `port`, `mshr`, `target`, `victim`, `queue`, `recall`: the first level
        could not take the access for want of that. `drain`: everything was issued.
        """
        n = nodes_of(self.hierarchy)[0][master]
        parts = {"issue": self.lengths[master], **self._stalls(n)}
        parts["drain"] = int(self.done[self.of(master)].max()) - sum(parts.values())
        return parts

    def _stalls(self, n: int) -> dict[str, int]:
        places = [*(level.name for level in self.hierarchy.levels), "memory", "scratchpad"]
        names = [*k.CAUSE_NAMES, *(f"wait_{place}" for place in places)]
        stalls = self.state[self.state[n + k.STALLS] :][: self.state[n + k.CAUSES_N]]
        return dict(zip(names, stalls.tolist(), strict=True))

    def _counts(self, level: Level, n: int, name: str) -> CacheCounts:
        m = self.state
        tags, flags = self._slots(n)
        lookups = m[m[n + k.COUNTS] :][: len(k.KINDS) * len(k.OUTCOMES)].reshape(len(k.KINDS), len(k.OUTCOMES))
        events = m[m[n + k.EVENTS] :][: len(k.EVENT_NAMES)]
        stalls = self._stalls(n)
        return CacheCounts(
            name, level, lookups, dict(zip(k.EVENT_NAMES, events.tolist(), strict=True)),
            {cause: stalls[cause] for cause in k.CAUSE_NAMES},
            int(np.count_nonzero(flags[tags >= 0] & k.DIRTY)), int(np.count_nonzero(flags[tags >= 0] & k.PREFETCHED)),
        )

    def _slots(self, n: int) -> tuple[Vector, Vector]:
        """Lines (-1: none) and flags of every slot of a cache."""
        m = self.state
        slots = m[n + k.SETS] * m[n + k.WAYS]
        return m[m[n + k.TAGS] :][:slots], m[m[n + k.FLAGS] :][:slots]
