"""The state of a Ramulator 2.1 controller as arrays of records.

Everything a kernel mutates lives here, so that a run can stop at any clock and go on later. Records
keep the names readable; every number is an int64. `-1` stands for "none" in every index.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..commands import COMMANDS, GATES, NONE
from ..timing import Timing, Tree

__all__ = ["ACTIVATING", "CLOSED", "FAR", "MAINTENANCE_DEPTH", "Settings", "State", "make_state"]

FAR = 1 << 60
"""A clock that never comes."""
CLOSED, ACTIVATING = -1, -2
"""Values of `open_row` besides a row; ACTIVATING is LPDDR5 between ACT1 and ACT2."""
MAINTENANCE_DEPTH = 1568
"""Entries of the maintenance queue (Ramulator 2.1)."""
_RING = 2048
_ANSWERS = 8192


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


def _record(*names: str) -> np.dtype[Any]:
    return np.dtype([(name, np.int64) for name in names])


CONFIG = _record(
    "family",            # 0 one command bus (DDR, GDDR), 1 LPDDR5, 2 HBM2, 3 HBM3
    "banks", "ranks", "sids", "banks_per_sid", "active_depth", "read_queue", "write_queue", "low", "high",
    "row_hit_first", "cap", "refresh", "interval", "read_latency", "write_latency", "burst", "clock_trail",
    "activate_deadline", "cas", "set_rest", "act_length", "logging",
)
CHANNEL = _record(
    "clock", "wake", "writing", "n_read", "n_write", "n_active", "left",
    "maint_head", "maint_count", "next_refresh", "refresh_bank", "refresh_rank",
    "owed", "deadline", "cas_slot", "cas_clock", "clock_synced",
    "pair_tick", "pair_rank", "pair_bank",
    "pend_head", "pend_count", "latency_sum", "served_reads", "served_writes", "forwarded", "coalesced",
    "hits", "misses", "conflicts", "read_hits", "read_misses", "read_conflicts",
    "read_area", "write_area", "read_since", "write_since", "n_log", "error", "free",
)
BANK = _record("channel", "rank", "sid", "group", "node", "rank_index", "open_row", "active", "accesses", "marked")
"""channel..node are rows of the ready table."""
QUEUE = _record("head", "tail", "hit", "miss", "n", "position")
"""Per bank and direction: its requests in order, the oldest to the open row and the oldest to another."""
ENTRY = _record("id", "bank", "row", "write", "key", "arrival", "next", "prev", "counted", "queued")
RANK = _record("open", "active", "node", "first_bank")


class State(NamedTuple):
    """All channels of one memory system."""

    config: Any
    chan: Any
    bank: Any
    queue: Any
    entry: Any
    rank: Any
    ready: NDArray[np.int64]
    occupied: NDArray[np.int64]
    active: NDArray[np.int64]
    maint: NDArray[np.int64]
    same: NDArray[np.int64]
    sibling: NDArray[np.int64]
    has_sibling: NDArray[np.int64]
    windows: NDArray[np.int64]
    history: NDArray[np.int64]
    counts: NDArray[np.int64]
    pending: NDArray[np.int64]
    set_free: NDArray[np.int64]
    done: NDArray[np.int64]
    log: NDArray[np.int64]


def make_state(timing: Timing, channels: int, settings: Settings, requests: int, log: int = 0) -> State:
    """A memory system at clock 0: all banks closed, all queues empty."""
    device = timing.device
    tree = Tree(device, channels)
    o = device.organisation
    family = {"LPDDR5": 1, "HBM2": 2, "HBM3": 3}.get(device.standard, 0)
    config = np.zeros(1, CONFIG).view(np.recarray)
    c = config[0]
    c.family, c.banks, c.ranks, c.sids = family, tree.banks, o.ranks, o.sids
    c.banks_per_sid = o.bankgroups * o.banks
    c.active_depth = tree.banks
    c.read_queue, c.write_queue = settings.read_queue, settings.write_queue
    low, high = (np.float32(w) * np.float32(settings.write_queue) for w in (settings.low_watermark, settings.high_watermark))
    c.low, c.high = int(np.ceil(low)), int(np.floor(high))  # n < low and n > high, for whole n
    c.row_hit_first, c.cap = int(settings.row_hit_first), settings.cap
    c.refresh = {"NoRefresh": 0, "AllBank": 1, "PerBank": 3 if family == 3 else 2}[settings.refresh]
    c.interval = timing.ticks("nREFIpb" if c.refresh >= 2 else "nREFI")
    c.read_latency, c.write_latency, c.burst = timing.ticks("nCL") + timing.ticks("BL"), timing.ticks("nCWL"), timing.ticks("BL")
    c.clock_trail, c.activate_deadline, c.cas = (timing.ticks(n) for n in ("nWCKPST", "nAAD", "nCAS"))
    c.set_rest, c.act_length, c.logging = timing.ticks("nRFCpb"), timing.length("ACT"), int(log > 0)

    chan = np.zeros(channels, CHANNEL).view(np.recarray)
    chan.owed = chan.cas_slot = chan.pair_tick = chan.pair_rank = chan.pair_bank = -1
    chan.wake, chan.next_refresh = 1, c.interval if c.refresh else FAR
    bank = np.zeros(channels * tree.banks, BANK).view(np.recarray)
    for i, name in enumerate(("channel", "rank", "sid", "group", "node")):
        bank[name] = tree.paths[:, i]
    bank.rank_index = np.arange(len(bank)) // o.banks_per_rank
    bank.open_row = CLOSED
    queue = np.full((len(bank), 2), -1, np.int64).astype(QUEUE).view(np.recarray)
    queue.n = 0
    slots = settings.read_queue + settings.write_queue + tree.banks + 8
    entry = np.zeros(channels * slots, ENTRY).view(np.recarray)
    entry.next = np.arange(1, channels * slots + 1)
    entry.next[slots - 1 :: slots] = -1
    chan.free = np.arange(channels) * slots
    rank = np.zeros(channels * o.ranks, RANK).view(np.recarray)
    rank.node = tree.paths[:: o.banks_per_rank, 1]
    rank.first_bank = np.arange(len(rank)) * o.banks_per_rank
    windows = timing.windows
    return State(
        config, chan, bank, queue, entry, rank,
        ready=np.zeros((tree.nodes, GATES), np.int64),
        occupied=np.zeros((channels, 2, tree.banks + 1), np.int64),  # the last column is the count
        active=np.full((channels, 2 * tree.banks + 8), -1, np.int64),
        maint=np.zeros((channels, _RING, 2), np.int64),
        same=timing.same, sibling=timing.sibling,
        has_sibling=(timing.sibling > NONE).any(axis=2).astype(np.int64),
        windows=windows, history=np.full((len(windows), tree.nodes, 4), NONE, np.int64),
        counts=np.zeros((channels, len(COMMANDS)), np.int64),
        pending=np.zeros((channels, _ANSWERS, 2), np.int64),
        set_free=np.zeros(channels * o.ranks * o.sids, np.int64),
        done=np.full(requests, -1, np.int64),
        log=np.zeros((log, 5), np.int64),
    )
