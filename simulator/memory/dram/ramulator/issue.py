"""What issuing a command does: clocks, bank state, counters."""

from __future__ import annotations

from typing import Any

from numba import njit

from ..commands import ACT, ACT2, CAS, GATES, PRE, PREA, RD, RDA, REFAB, REFPB, WR, WRA
from .queues import set_row
from .state import ACTIVATING, CLOSED

__all__ = ["earliest", "earliest_rank", "issue"]


@njit(cache=True, nogil=True)
def earliest(ready: Any, b: Any, gate: int) -> int:
    """The first clock at which every node on the path of bank record `b` lets the command pass."""
    when = max(ready[b.node, gate], ready[b.group, gate])
    when = max(when, max(ready[b.rank, gate], ready[b.channel, gate]))
    return max(when, ready[b.sid, gate])


@njit(cache=True, nogil=True)
def earliest_rank(ready: Any, b: Any, gate: int) -> int:
    """The same for a command to a whole rank: the path ends there."""
    return max(ready[b.rank, gate], ready[b.channel, gate])


@njit(cache=True, nogil=True)
def _raise(ready: Any, node: int, latency: Any, t: int) -> None:
    for gate in range(GATES):
        ready[node, gate] = max(ready[node, gate], t + latency[gate])


@njit(cache=True, nogil=True)
def raise_ready(st: Any, b: Any, cmd: int, t: int) -> None:
    """Raise the earliest clocks of the nodes on the path of a command to bank record `b`."""
    ready = st.ready
    same = st.same
    whole_rank = cmd in (PREA, REFAB)
    _raise(ready, b.channel, same[0, cmd], t)
    _raise(ready, b.rank, same[1, cmd], t)
    if not whole_rank:
        if b.sid > 0:
            _raise(ready, b.sid, same[2, cmd], t)
        _raise(ready, b.group, same[3, cmd], t)
        _raise(ready, b.node, same[4, cmd], t)
    if cmd == ACT or cmd == REFPB:
        for w in range(st.windows.shape[0]):
            if st.windows[w, 1] == cmd:
                level = st.windows[w, 0]
                node = b.channel if level == 0 else b.rank  # windows are kept per channel or rank
                h = st.history[w, node]
                h[0], h[1], h[2], h[3] = h[1], h[2], h[3], t
                gate = st.windows[w, 2]
                ready[node, gate] = max(ready[node, gate], h[0] + st.windows[w, 3])
    c = st.config[0]
    if st.has_sibling[1, cmd]:
        first = b.rank - b.rank_index % c.ranks
        for node in range(first, first + c.ranks):
            if node != b.rank:
                _raise(ready, node, st.sibling[1, cmd], t)
    if st.has_sibling[2, cmd] and c.sids > 1:
        first = b.sid - (b.sid - st.bank[0].sid) % c.sids
        for node in range(first, first + c.sids):
            if node != b.sid:
                _raise(ready, node, st.sibling[2, cmd], t)


@njit(cache=True, nogil=True)
def _close(st: Any, b: int) -> None:
    k = st.bank[b]
    if k.open_row != CLOSED:
        st.rank[k.rank_index].open -= 1
        set_row(st.queue, st.bank, st.entry, b, CLOSED)
    k.accesses = 0
    k.marked = 0


@njit(cache=True, nogil=True)
def issue(st: Any, ch: int, cmd: int, bank: int, row: int, t: int) -> None:
    """Put a command on the bus at clock t: to a bank, or (PREab, REFab) to the rank of that bank."""
    k = st.bank[bank]
    c = st.config[0]
    s = st.chan[ch]
    st.counts[ch, cmd] += 1
    if c.logging:
        if s.n_log < st.log.shape[0]:
            line = st.log[s.n_log]
            line[0], line[1], line[2], line[3], line[4] = t, cmd, bank, row, ch
        s.n_log += 1
    if cmd != ACT2 and cmd != CAS:
        raise_ready(st, k, cmd, t)
    if cmd == ACT:
        st.rank[k.rank_index].open += 1
        set_row(st.queue, st.bank, st.entry, bank, ACTIVATING if c.family == 1 else row)
    elif cmd == ACT2:
        set_row(st.queue, st.bank, st.entry, bank, row)
    elif cmd == RD or cmd == WR:
        k.accesses += 1
    elif cmd == PRE or cmd == RDA or cmd == WRA:
        _close(st, bank)
    elif cmd == PREA:
        first = st.rank[k.rank_index].first_bank
        for b in range(first, first + c.banks // c.ranks):
            _close(st, b)
    if c.family == 3 and t & 1 and cmd in (ACT, PRE, PREA, REFAB, REFPB):
        s.pair_tick = t + c.act_length if cmd == ACT else t + 1
        s.pair_rank = k.rank_index
        s.pair_bank = -1 if cmd in (PREA, REFAB) else bank
    if c.family == 1 and (cmd == RD or cmd == WR or cmd == RDA or cmd == WRA):
        data = c.read_latency if cmd == RD or cmd == RDA else c.write_latency + c.burst
        s.clock_synced = max(s.clock_synced, t + data + c.clock_trail)
