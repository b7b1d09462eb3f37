"""One level without time: what hits and what misses, as fast as it can be counted.

In a hierarchy without prefetching and recalls the order of accesses alone decides what every level holds, so
that these counts are those of the timed kernel's first level, whatever the latencies are.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numba import njit
from numpy.typing import NDArray

from ....traces.addresses import AddressTrace
from ..pointer import pointer
from . import columns as k
from .hierarchy import Hierarchy, Level
from .kinds import Vector
from .plan import find, set_base
from .replacement import choose, placed, replaced, touch
from .tables import fresh_state

__all__ = ["Counts", "count"]


@dataclass(frozen=True)
class Counts:
    """What a trace does to one level."""

    hits: int
    misses: int
    evictions: int
    writebacks: int
    """Dirty lines evicted."""
    words_written: int
    """Writes passed on: all of them if the level writes through, else those that miss and do not allocate."""
    dirty_lines: int
    """Dirty lines left at the end."""

    @property
    def miss_rate(self) -> float:
        """Misses by accesses."""
        return self.misses / (self.hits + self.misses)


def count(level: Level, trace: AddressTrace, line_bytes: int = 64) -> Counts:
    """Count hits and misses of a trace in one level; its prefetcher, timing and limits play no part."""
    alone = replace(level, prefetcher=None, inclusion="none")
    hierarchy = Hierarchy((alone,), line_bytes=line_bytes, word_bytes=1)
    state = fresh_state(hierarchy, 0)
    totals = np.zeros(5, np.int64)
    _count(state, trace.address, trace.is_write, line_bytes, totals)
    hits, misses, evictions, writebacks, words = totals.tolist()
    n = k.HEAD_SIZE
    flags = state[state[n + k.FLAGS] :][: state[n + k.SETS] * state[n + k.WAYS]]
    return Counts(hits, misses, evictions, writebacks, words, int(np.count_nonzero(flags & k.DIRTY)))


@njit(cache=True, nogil=True)
def _count(
    vector: Vector, address: NDArray[np.int64], is_write: NDArray[np.bool_], line_bytes: int, totals: NDArray[np.int64]
) -> None:
    m, n = pointer(vector), k.HEAD_SIZE
    tags, flags = m[n + k.TAGS], m[n + k.FLAGS]
    write_back, allocate = m[n + k.WRITE_BACK], m[n + k.ALLOCATE]
    hits = misses = evictions = writebacks = words = 0
    shift = 0
    while 1 << shift < line_bytes:
        shift += 1
    even = 1 << shift == line_bytes
    for i in range(len(address)):
        line = address[i] >> shift if even else address[i] // line_bytes
        slot = find(m, n, line)
        if slot >= 0:
            hits += 1
            touch(m, n, slot)
        else:
            misses += 1
            if is_write[i] and not allocate:
                words += 1
                continue
            slot = choose(m, n, set_base(m, n, line))
            if m[tags + slot] >= 0:
                evictions += 1
                writebacks += m[flags + slot] & k.DIRTY
                replaced(m, n, slot)
            m[tags + slot], m[flags + slot] = line, 0
            placed(m, n, slot)
        if is_write[i]:
            if write_back:
                m[flags + slot] = k.DIRTY
            else:
                words += 1
    totals[:] = np.array([hits, misses, evictions, writebacks, words])
