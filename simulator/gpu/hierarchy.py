"""Behind the core: L1 data cache of each SM, a shared L2 in slices, DRAM channels. An approximation.

A request's time is worked out when the shared stage takes it: tags and the arrival of each 32 B sector are
kept, slices and channels are busy until a known time, and no request is ever moved. Misses to a sector that
is on its way wait for it. Stores go through to the L2 and leave the L1 as it is. Latencies are those that
pointer chases see; the L1's own is part of the core's table.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from .kernel.jit import jit
from .tables import ASYNC, ATOMIC, GENERIC, GLOBAL, LOCAL

__all__ = ["MEMORY_PARAMETERS", "Memory", "access"]

MEMORY_PARAMETERS = (
    "l1_sets", "l1_ways", "l2_slices", "l2_sets", "l2_ways", "l2_extra", "dram_extra", "channels", "slice_interval",
    "sector_milli", "l1_line_interval",
)
(M_L1_SETS, M_L1_WAYS, M_L2_SLICES, M_L2_SETS, M_L2_WAYS, M_L2, M_DRAM, M_CHANNELS, M_SLICE, M_SECTOR_MILLI, M_LINE) = range(11)
"""l2_extra and dram_extra: cycles more than a hit in the L1, and than a hit in the L2; slice_interval: cycles
for a request in a slice; sector_milli: thousandths of a cycle for 32 B in a DRAM channel; l1_line_interval:
cycles between two lines of one instruction."""

NOWHERE = -1
TAG, LAST_USE = range(2)
L2_READS, DRAM_READS, DRAM_WRITES, L1_HITS, L1_MISSES, SHARED_PASSES = range(6)


class Memory(NamedTuple):
    """State of everything behind the shared stage."""

    p: np.ndarray
    l1: np.ndarray
    """(SMs x sets, ways, 2): the line, or -1; its last use."""
    l1_sectors: np.ndarray
    """(ways, SMs x sets, 4): arrival of each sector of a line that is there, -1 if it is not on its way. Ways fill one after
    the other, so that what a small kernel touches lies together."""
    l2: np.ndarray
    """(slices x sets, ways, 2), as the L1."""
    l2_sectors: np.ndarray
    """(ways, slices x sets, 4)."""
    busy: np.ndarray
    """Cycle from which each slice is free, then, in thousandths of a cycle, from which each channel is."""
    clock: np.ndarray
    """One number: the cycle of this state in which the kernel started. All times here are counted from the first kernel."""
    counts: np.ndarray
    """Sectors: read from L2, read from DRAM, written to DRAM, L1 hits, L1 misses."""


@jit
def find(cache: np.ndarray, sectors: np.ndarray, place: int, line: int, t: int) -> int:
    """The way of a line in its set, row `place`; the least recently used one is emptied for it if there is none."""
    victim = 0
    for way in range(cache.shape[1]):
        if cache[place, way, TAG] == line:
            cache[place, way, LAST_USE] = t
            return way
        if cache[place, way, TAG] == NOWHERE:
            victim = way  # ways fill in order, so that the rest is empty too
            break
        if cache[place, way, LAST_USE] < cache[place, victim, LAST_USE]:
            victim = way
    cache[place, victim, TAG] = line
    cache[place, victim, LAST_USE] = t
    for sector in range(4):
        sectors[victim, place, sector] = NOWHERE
    return victim


@jit
def second_level(memory: Memory, line: int, sectors: int, store: bool, t: int) -> int:
    """Cycle in which the sectors have left the L2, asked for at t."""
    p = memory.p
    # Consecutive lines lie in different slices; folding in higher bits spreads power-of-two strides.
    mixed = line ^ (line >> 7) ^ (line >> 13)
    place = mixed % p[M_L2_SLICES]
    start = max(t, memory.busy[place])
    memory.busy[place] = start + p[M_SLICE]
    row = place * p[M_L2_SETS] + (line // p[M_L2_SLICES]) % p[M_L2_SETS]
    there = memory.l2_sectors
    way = find(memory.l2, there, row, line, t)
    done = start
    for sector in range(4):
        if sectors >> sector & 1:
            memory.counts[L2_READS] += 1
            if store:
                there[way, row, sector] = max(there[way, row, sector], start)
                memory.counts[DRAM_WRITES] += 1
                continue
            if there[way, row, sector] == NOWHERE:
                channel = mixed % p[M_CHANNELS]
                begin = max(1000 * start, memory.busy[p[M_L2_SLICES] + channel])
                memory.busy[p[M_L2_SLICES] + channel] = begin + p[M_SECTOR_MILLI]
                memory.counts[DRAM_READS] += 1
                there[way, row, sector] = (begin + p[M_SECTOR_MILLI]) // 1000 + p[M_DRAM]
            done = max(done, there[way, row, sector])
    return done


@jit
def access(
    memory: Memory, m: int, t: int, lines: np.ndarray, first: int, last: int, space: int, store: int
) -> int:
    """Cycles by which the result of an instruction is later than that of a hit.

    Its requests are lines[first:last], as in `Work.lines`.
    """
    if space not in (GLOBAL, LOCAL, GENERIC, ASYNC, ATOMIC):
        return 0
    p = memory.p
    late = 0
    for i in range(first, last):
        line, sectors = lines[i] >> 4, lines[i] & 15
        begin = t + (i - first) * p[M_LINE]
        if store or space == ATOMIC:
            done = second_level(memory, line, sectors, store == 1, begin) + p[M_L2]
            late = max(late, done - t)
            continue
        place = m * p[M_L1_SETS] + line % p[M_L1_SETS]
        there = memory.l1_sectors
        way = find(memory.l1, there, place, line, begin)
        missing = 0
        done = begin
        for sector in range(4):
            if sectors >> sector & 1:
                if there[way, place, sector] == NOWHERE:
                    missing |= 1 << sector
                    memory.counts[L1_MISSES] += 1
                else:
                    done = max(done, there[way, place, sector])
                    memory.counts[L1_HITS] += 1
        if missing:
            arrival = second_level(memory, line, missing, False, begin) + p[M_L2]
            for sector in range(4):
                if missing >> sector & 1:
                    there[way, place, sector] = arrival
            done = max(done, arrival)
        late = max(late, done - t)
    return late
