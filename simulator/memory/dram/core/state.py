"""The state of a memory system: one vector of int64.

A record is an offset into the vector `m`, and a field is a constant added to it: `m[b + B_ROW]` is the
open row of the bank at offset `b`. Links between records are offsets, too. So a kernel takes one array,
a snapshot is a copy, and a run can stop at any clock and go on later. `-1` stands for "none".
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..commands import ACT, COMMANDS, GATES, NONE, PRE
from ..timing import Timing

__all__ = ["MAINTENANCE_DEPTH", "Settings", "make_state"]

FAR = 1 << 60
"""A clock that never comes."""
PLACE_BITS = 12
"""Low bits of an age: the place of the bank in its channel. The rest is the number of the request."""
NOBODY = (1 << 48) - 1
"""An age above all others."""
CLOSED, ACTIVATING = -1, -2
"""Values of `B_ROW` besides a row; ACTIVATING is LPDDR5 between ACT1 and ACT2."""
MAINTENANCE_DEPTH = 1568
"""Entries of the maintenance queue (Ramulator 2.1)."""
RING = 2048
ANSWERS = 8192
WINDOW = 4

ONE_BUS, LPDDR5, HBM2, HBM3 = range(4)
"""Families of controllers (`K_FAMILY`)."""
(
    K_FAMILY, K_CHANNELS, K_BANKS, K_RANKS, K_SIDS, K_GROUPS_PER_SID, K_BANKS_PER_SID, K_ACTIVE_DEPTH, K_READ_QUEUE,
    K_WRITE_QUEUE, K_LOW, K_HIGH, K_ROW_HIT_FIRST, K_CAP, K_REFRESH, K_INTERVAL, K_READ_LATENCY, K_WRITE_BUSY,
    K_CLOCK_TRAIL, K_ACTIVATE_DEADLINE, K_CAS, K_SET_REST, K_ACT_LENGTH, K_FIRST_CHANNEL, K_FIRST_BANK, K_RANK_TABLE,
    K_OTHER_RANK, K_GROUP_TABLE, K_SID_TABLE, K_OTHER_SID, K_BANK_TABLE, K_WINDOWS, K_N_WINDOWS, K_DONE, K_LOG,
    K_LOG_LINES, K_READ_CLOSE, K_WRITE_CLOSE, K_N_LOG, K_BANKS_PER_GROUP, K_BANKS_PER_RANK, K_SIZE,
) = range(42)
"""The head of the vector: settings, and offsets of the tables. A table holds a latency per command and gate."""

(
    C_CLOCK, C_WAKE, C_WRITING, C_N_READ, C_N_WRITE, C_N_ACTIVE, C_LEFT, C_MAINT_HEAD, C_MAINT_COUNT, C_NEXT_REFRESH,
    C_REFRESH_BANK, C_REFRESH_RANK, C_OWED, C_DEADLINE, C_CAS_SLOT, C_CAS_CLOCK, C_CLOCK_SYNCED, C_PAIR_TICK,
    C_PAIR_RANK, C_PAIR_BANK, C_PEND_HEAD, C_PEND_COUNT, C_LATENCY_SUM, C_READS, C_WRITES, C_FORWARDED, C_COALESCED,
    C_HITS, C_MISSES, C_CONFLICTS, C_READ_HITS, C_READ_MISSES, C_READ_CONFLICTS, C_READ_AREA, C_WRITE_AREA,
    C_READ_SINCE, C_WRITE_SINCE, C_ERROR, C_FREE, C_INDEX, C_FIRST_BANK, C_FIRST_RANK, C_RANK_STEP,
    C_PLAN, C_PLAN_COMMAND, C_PLAN_CLOCK, C_ACCESS, C_ACCESS_CLOCK,
    C_ACTIVE, C_MAINT, C_PENDING, C_OCCUPIED, C_ROWS, C_N_OCCUPIED, C_N_OCCUPIED_WRITE, C_N_HITS, C_N_HITS_WRITE, C_COUNTS,
) = range(58)
"""A channel. C_ACTIVE .. C_ROWS are offsets of its lists; C_COUNTS starts one counter per command."""
C_SIZE = C_COUNTS + len(COMMANDS)

(
    R_OPEN, R_ACTIVE, R_FIRST_BANK, R_FIRST_GROUP, R_INDEX, R_SET_FREE, R_SINCE, R_UNTIL, R_ACTIVE_TICKS, R_BANK_TICKS,
    R_COUNTS, R_READY,
) = range(12)
"""A rank (HBM: pseudo-channel): banks not closed, active requests, ticks with any bank open and summed over banks,
and its earliest clock for every gate. R_COUNTS is the offset of its command counters."""

(
    B_CHANNEL, B_RANK, B_GROUP, B_INDEX, B_SID, B_ROW, B_ACTIVE, B_ACCESSES, B_MARKED, B_SINCE, B_CELL, B_READY,
) = range(12)
"""A bank. B_GROUP is the offset of its group's earliest clocks, B_CELL that of its cell in the list `C_ROWS`; two Q records
follow B_READY."""
B_QUEUE = B_READY + GATES
Q_HEAD, Q_TAIL, Q_HIT, Q_MISS, Q_N, Q_POSITION, Q_SIZE = range(7)
"""Requests of a bank in one direction, in order: the oldest that hits the open row, the oldest that does not."""
B_SIZE = B_QUEUE + 2 * Q_SIZE
E_ID, E_BANK, E_ROW, E_WRITE, E_KEY, E_ARRIVAL, E_NEXT, E_PREV, E_COUNTED, E_QUEUED, E_SIZE = range(11)
"""A request that waits."""


class Settings(NamedTuple):
    """What a Ramulator 2.1 controller can be told."""

    read_queue: int = 32
    write_queue: int = 32
    low_watermark: float = 0.2
    high_watermark: float = 0.8
    row_hit_first: bool = False
    """FRFCFS-RowHit instead of FRFCFS."""
    cap: int = 0
    """Accesses after which a row is closed (ClosedCAP); 0 is the open-row policy."""
    refresh: str = "AllBank"
    """AllBank, PerBank or NoRefresh."""


class _Arena:
    """Hands out stretches of the vector while it is laid out."""

    def __init__(self) -> None:
        self.size = K_SIZE
        self.filled: list[tuple[int, NDArray[np.int64]]] = []

    def take(self, count: int) -> int:
        start = self.size
        self.size += count
        return start

    def put(self, values: NDArray[np.int64]) -> int:
        start = self.take(values.size)
        self.filled.append((start, values.ravel()))
        return start

    def build(self) -> NDArray[np.int64]:
        m = np.zeros(self.size, np.int64)
        for start, values in self.filled:
            m[start : start + values.size] = values
        return m


def make_state(timing: Timing, channels: int, settings: Settings, requests: int, log: int = 0) -> NDArray[np.int64]:
    """A memory system at clock 0: all banks closed, all queues empty.

    `requests` and `log` say where the kernel writes in its output vector: first a completion clock for
    every request, then `log` lines of (clock, command, bank, row, channel).
    """
    o = timing.device.organisation
    family = {"LPDDR5": LPDDR5, "HBM2": HBM2, "HBM3": HBM3}.get(timing.device.standard, ONE_BUS)
    banks = o.ranks * o.banks_per_rank
    slots = settings.read_queue + settings.write_queue + banks + 8
    arena = _Arena()
    tables = _tables(arena, timing)
    rank_step = R_READY + GATES + len(timing.windows) * WINDOW
    first_channel = arena.take(channels * C_SIZE)
    first_rank = arena.take(channels * o.ranks * rank_step)
    first_count = arena.take(channels * o.ranks * len(COMMANDS))
    groups = o.ranks * o.sids * o.bankgroups
    first_group = arena.take(channels * groups * GATES)
    first_bank = arena.take(channels * banks * B_SIZE)
    first_entry = arena.take(channels * slots * E_SIZE)
    lists = [
        [arena.take(n) for n in (2 * banks + 8, 2 * RING, 2 * ANSWERS, 2 * banks, 3 * banks)] for _ in range(channels)
    ]
    m = arena.build()
    for at, value in tables.items():
        m[at] = value
    _configure(m, timing, settings, family)
    m[K_CHANNELS], m[K_BANKS], m[K_RANKS], m[K_SIDS] = channels, banks, o.ranks, o.sids
    m[K_GROUPS_PER_SID], m[K_BANKS_PER_SID], m[K_ACTIVE_DEPTH] = o.bankgroups, o.bankgroups * o.banks, banks
    m[K_BANKS_PER_GROUP], m[K_BANKS_PER_RANK] = o.banks, o.banks_per_rank
    m[K_FIRST_CHANNEL], m[K_FIRST_BANK] = first_channel, first_bank
    m[K_DONE], m[K_LOG], m[K_LOG_LINES] = 0, requests, log
    for ch in range(channels):
        s = first_channel + ch * C_SIZE
        m[s + C_OWED] = m[s + C_CAS_SLOT] = m[s + C_PAIR_TICK] = m[s + C_PAIR_RANK] = m[s + C_PAIR_BANK] = -1
        m[s + C_PLAN] = m[s + C_ACCESS] = -1
        m[s + C_WAKE], m[s + C_NEXT_REFRESH] = 1, m[K_INTERVAL] if m[K_REFRESH] else FAR
        m[s + C_INDEX], m[s + C_FIRST_BANK] = ch, first_bank + ch * banks * B_SIZE
        m[s + C_FIRST_RANK], m[s + C_RANK_STEP] = first_rank + ch * o.ranks * rank_step, rank_step
        m[s + C_ACTIVE], m[s + C_MAINT], m[s + C_PENDING], m[s + C_OCCUPIED], m[s + C_ROWS] = lists[ch]
        m[m[s + C_ROWS] :][:banks] = FAR
        m[m[s + C_ROWS] + banks :][:banks] = NOBODY
        m[s + C_FREE] = first_entry + ch * slots * E_SIZE
        for slot in range(slots):
            e = m[s + C_FREE] + slot * E_SIZE
            m[e + E_NEXT] = e + E_SIZE if slot + 1 < slots else -1
        for rank in range(o.ranks):
            r = m[s + C_FIRST_RANK] + rank * rank_step
            m[r + R_INDEX], m[r + R_FIRST_BANK] = rank, m[s + C_FIRST_BANK] + rank * o.banks_per_rank * B_SIZE
            m[r + R_FIRST_GROUP] = first_group + (ch * groups + rank * o.sids * o.bankgroups) * GATES
            m[r + R_COUNTS] = first_count + (ch * o.ranks + rank) * len(COMMANDS)
            m[r + R_READY + GATES : r + rank_step] = NONE
        for bank in range(banks):
            b = m[s + C_FIRST_BANK] + bank * B_SIZE
            m[b + B_CHANNEL], m[b + B_INDEX], m[b + B_ROW] = s, ch * banks + bank, CLOSED
            m[b + B_RANK] = m[s + C_FIRST_RANK] + bank // o.banks_per_rank * rank_step
            m[b + B_GROUP] = first_group + (ch * groups + bank // o.banks) * GATES
            m[b + B_CELL] = m[s + C_ROWS] + bank
            m[b + B_SID] = bank // (o.bankgroups * o.banks) % o.sids
            for write in range(2):
                q = b + B_QUEUE + write * Q_SIZE
                m[q + Q_HEAD] = m[q + Q_TAIL] = m[q + Q_HIT] = m[q + Q_MISS] = m[q + Q_POSITION] = -1
    return m


def _tables(arena: _Arena, timing: Timing) -> dict[int, int]:
    """Lay out the latency tables.

    Channel rules are folded into those of ranks, and SID rules into those of groups, so that a command
    waits for three nodes only: bank, group, rank. That changes no result, since each rule is kept for
    every node it binds.
    """
    same, sibling = timing.same, timing.sibling
    windows = timing.windows
    assert all(level == 1 and window == WINDOW for level, *_, window in windows.tolist())
    if timing.rule_set == "ramulator-2.1":  # its choice of row commands (`rows.py`) builds on this
        beyond = np.maximum(np.maximum(same[2], sibling[2]), np.delete(same[3], ACT, axis=0).max(axis=0))
        assert (beyond[:, [ACT, PRE]] == NONE).all(), "ACT alone, and within its group, may bind row commands of other banks"
    return {
        K_RANK_TABLE: arena.put(np.maximum(same[0], same[1])),
        K_OTHER_RANK: arena.put(np.maximum(same[0], sibling[1])),
        K_GROUP_TABLE: arena.put(np.maximum(same[2], same[3])),
        K_SID_TABLE: arena.put(same[2]),
        K_OTHER_SID: arena.put(sibling[2]),
        K_BANK_TABLE: arena.put(same[4]),
        K_WINDOWS: arena.put(windows[:, 1:4]),  # rows of (command, gate, latency)
        K_N_WINDOWS: len(windows),
    }


def _configure(m: NDArray[np.int64], timing: Timing, settings: Settings, family: int) -> None:
    low, high = (
        np.float32(mark) * np.float32(settings.write_queue) for mark in (settings.low_watermark, settings.high_watermark)
    )
    m[K_LOW], m[K_HIGH] = int(np.ceil(low)), int(np.floor(high))  # for whole n: n < low, n > high
    m[K_FAMILY], m[K_ROW_HIT_FIRST], m[K_CAP] = family, settings.row_hit_first, settings.cap
    m[K_READ_QUEUE], m[K_WRITE_QUEUE] = settings.read_queue, settings.write_queue
    m[K_REFRESH] = {"NoRefresh": 0, "AllBank": 1, "PerBank": 3 if family == HBM3 else 2}[settings.refresh]
    m[K_INTERVAL] = timing.ticks("nREFIpb" if m[K_REFRESH] >= 2 else "nREFI")
    m[K_READ_LATENCY] = timing.ticks("nCL") + timing.ticks("BL")
    m[K_WRITE_BUSY] = timing.ticks("nCWL") + timing.ticks("BL")
    m[K_CLOCK_TRAIL], m[K_ACTIVATE_DEADLINE], m[K_CAS] = (timing.ticks(n) for n in ("nWCKPST", "nAAD", "nCAS"))
    m[K_READ_CLOSE] = timing.ticks("RTP")
    m[K_WRITE_CLOSE] = m[K_WRITE_BUSY] + timing.ticks("nWR")
    m[K_SET_REST], m[K_ACT_LENGTH] = timing.ticks("nRFCpb"), timing.length("ACT")
