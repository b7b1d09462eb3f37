"""One clock of a controller: refresh, row policy, choice. Every function returns when to look again."""

from __future__ import annotations

from typing import Any

from numba import njit

from ..commands import ACT, ACT2, CAS, PRE, RD, RDA, REFAB, REFPB, WR, WRA
from .choose import best_active, best_queued, head_of_maintenance, set_mode
from .issue import earliest, issue
from .queues import unlink
from .state import FAR, MAINTENANCE_DEPTH

__all__ = ["tick"]


@njit(cache=True, nogil=True)
def _push(st: Any, ch: int, kind: int, bank: int) -> None:
    s = st.chan[ch]
    if s.maint_count >= MAINTENANCE_DEPTH:
        s.error = 1
        return
    at = (s.maint_head + s.maint_count) % st.maint.shape[1]
    st.maint[ch, at, 0] = kind
    st.maint[ch, at, 1] = bank
    s.maint_count += 1


@njit(cache=True, nogil=True)
def _refresh(st: Any, ch: int, t: int) -> None:
    """Queue the refreshes that are due."""
    s = st.chan[ch]
    c = st.config[0]
    first = ch * c.banks
    if c.refresh == 1:
        for r in range(c.ranks):
            _push(st, ch, REFAB, first + r * (c.banks // c.ranks))
        s.next_refresh += c.interval
    elif c.refresh == 2:
        _push(st, ch, REFPB, first + s.refresh_bank)
        s.refresh_bank = (s.refresh_bank + 1) % c.banks
        s.next_refresh += c.interval
    else:
        _refresh_hbm3(st, ch, t)


@njit(cache=True, nogil=True)
def _refresh_hbm3(st: Any, ch: int, t: int) -> None:
    """One bank of one SID in each pseudo-channel, a tick apart; a set rests after its last bank."""
    s = st.chan[ch]
    c = st.config[0]
    per_rank = c.banks // c.ranks
    sid = s.refresh_bank // c.banks_per_sid
    group = (ch * c.ranks + s.refresh_rank) * c.sids + sid
    in_set = s.refresh_bank % c.banks_per_sid
    if in_set == 0 and t < st.set_free[group]:
        s.next_refresh = t + 1
        return
    _push(st, ch, REFPB, ch * c.banks + s.refresh_rank * per_rank + s.refresh_bank)
    if in_set == c.banks_per_sid - 1:
        st.set_free[group] = t + c.set_rest
    s.refresh_rank += 1
    s.next_refresh = t + 1
    if s.refresh_rank == c.ranks:
        s.refresh_rank = 0
        s.refresh_bank = (s.refresh_bank + 1) % per_rank
        s.next_refresh = t + 1 - c.ranks + c.interval


@njit(cache=True, nogil=True)
def _close_used_rows(st: Any, ch: int, t: int) -> int:
    """ClosedCAP: queue a precharge for every bank that had its accesses, once it is legal."""
    c = st.config[0]
    wake = FAR
    for b in range(ch * c.banks, (ch + 1) * c.banks):
        k = st.bank[b]
        if k.accesses >= c.cap and not k.marked:
            when = earliest(st.ready, k, PRE)
            if when <= t:
                _push(st, ch, PRE, b)
                k.marked = 1
            else:
                wake = min(wake, when)
    return wake


@njit(cache=True, nogil=True)
def _leave_queue(st: Any, ch: int, slot: int, t: int) -> None:
    s = st.chan[ch]
    e = st.entry[slot]
    unlink(st.queue, st.bank, st.entry, st.occupied[ch], slot, e.write)
    if e.write:
        s.write_area += s.n_write * (t - s.write_since)
        s.write_since = t
        s.n_write -= 1
        s.left |= 2
    else:
        s.read_area += s.n_read * (t - s.read_since)
        s.read_since = t
        s.n_read -= 1
        s.left |= 1


@njit(cache=True, nogil=True)
def _join_active(st: Any, ch: int, slot: int) -> None:
    s = st.chan[ch]
    e = st.entry[slot]
    st.active[ch, s.n_active] = slot
    s.n_active += 1
    k = st.bank[e.bank]
    k.active += 1
    st.rank[k.rank_index].active += 1


@njit(cache=True, nogil=True)
def _drop_active(st: Any, ch: int, slot: int) -> None:
    s = st.chan[ch]
    i = 0
    while st.active[ch, i] != slot:
        i += 1
    s.n_active -= 1
    st.active[ch, i] = st.active[ch, s.n_active]


@njit(cache=True, nogil=True)
def answer(st: Any, ch: int, depart: int, latency: int, t: int) -> None:
    """Queue a read's answer, and hand out those that are done by clock t, strictly in order."""
    s = st.chan[ch]
    size = st.pending.shape[1]
    hand_out(st, ch, t)
    if s.pend_count == size:
        s.error = 2
        return
    at = (s.pend_head + s.pend_count) % size
    st.pending[ch, at, 0] = depart
    st.pending[ch, at, 1] = latency
    s.pend_count += 1


@njit(cache=True, nogil=True)
def hand_out(st: Any, ch: int, t: int) -> None:
    """Hand out answers that are done by clock t."""
    s = st.chan[ch]
    size = st.pending.shape[1]
    while s.pend_count > 0 and st.pending[ch, s.pend_head, 0] <= t:
        s.latency_sum += st.pending[ch, s.pend_head, 1]
        s.pend_head = (s.pend_head + 1) % size
        s.pend_count -= 1


@njit(cache=True, nogil=True)
def _count(st: Any, ch: int, slot: int) -> None:
    """Hit, miss or conflict, as the bank stands when the first command for the request issues."""
    s = st.chan[ch]
    e = st.entry[slot]
    if e.counted:
        return
    e.counted = 1
    row = st.bank[e.bank].open_row
    read = 1 - e.write
    if row == e.row:
        s.hits += 1
        s.read_hits += read
    elif row < 0:
        s.misses += 1
        s.read_misses += read
    else:
        s.conflicts += 1
        s.read_conflicts += read


@njit(cache=True, nogil=True)
def _access(st: Any, ch: int, slot: int, cmd: int, t: int) -> None:
    """Serve a request: its data goes over the bus, and it is gone."""
    s = st.chan[ch]
    c = st.config[0]
    e = st.entry[slot]
    if e.queued:
        _leave_queue(st, ch, slot, t)
    else:
        _drop_active(st, ch, slot)
        st.bank[e.bank].active -= 1
        st.rank[st.bank[e.bank].rank_index].active -= 1
    issue(st, ch, cmd, e.bank, e.row, t)
    s.left |= 4
    if e.write:
        s.served_writes += 1
        st.done[e.id] = t
    else:
        s.served_reads += 1
        depart = t + c.read_latency
        st.done[e.id] = depart
        answer(st, ch, depart, depart - e.arrival, t)
    e.next = s.free
    s.free = slot


@njit(cache=True, nogil=True)
def _send(st: Any, ch: int, slot: int, cmd: int, t: int) -> None:
    """Issue the next command of a request."""
    s = st.chan[ch]
    c = st.config[0]
    e = st.entry[slot]
    if cmd == RD or cmd == WR:
        if c.family == 1:
            if t >= s.clock_synced:
                if s.owed >= 0 and s.deadline <= t + 1:
                    _second_activate(st, ch, t)
                    return
                issue(st, ch, CAS, e.bank, e.row, t)
                s.cas_slot = slot
                s.cas_clock = t
                return
        _count(st, ch, slot)
        if c.cap > 0 and st.bank[e.bank].accesses >= c.cap:
            cmd = WRA if cmd == WR else RDA
        _access(st, ch, slot, cmd, t)
        return
    _count(st, ch, slot)
    issue(st, ch, cmd, e.bank, e.row, t)
    if cmd == ACT:
        if e.queued:
            if s.n_active >= c.active_depth:
                return
            _leave_queue(st, ch, slot, t)
        else:
            _drop_active(st, ch, slot)
        if c.family == 1:
            s.owed = slot
            s.deadline = t + c.activate_deadline
        else:
            _join_active(st, ch, slot)


@njit(cache=True, nogil=True)
def _second_activate(st: Any, ch: int, t: int) -> None:
    s = st.chan[ch]
    e = st.entry[s.owed]
    issue(st, ch, ACT2, e.bank, e.row, t)
    _join_active(st, ch, s.owed)
    s.owed = -1


@njit(cache=True, nogil=True)
def _send_maintenance(st: Any, ch: int, bank: int, cmd: int, t: int) -> None:
    """Issue for the head of the maintenance queue; it is done when its own command went out."""
    s = st.chan[ch]
    done = cmd == st.maint[ch, s.maint_head, 0]
    issue(st, ch, cmd, bank, -1, t)
    if done:
        s.maint_head = (s.maint_head + 1) % st.maint.shape[1]
        s.maint_count -= 1


@njit(cache=True, nogil=True)
def _one_bus(st: Any, ch: int, t: int, wake: int) -> int:
    """DDR, GDDR, LPDDR5: at most one command."""
    s = st.chan[ch]
    when, slot, cmd = best_active(st, ch, t, 0)
    if when <= t:
        _send(st, ch, slot, cmd, t)
        return t + 1
    wake = min(wake, when)
    if s.maint_count > 0:
        when, bank, cmd = head_of_maintenance(st, ch, t)
        if when <= t:
            _send_maintenance(st, ch, bank, cmd, t)
            return t + 1
        wake = min(wake, when)
    else:
        set_mode(s, st.config[0])
        when, slot, cmd = best_queued(st, ch, s.writing, t, 0)
        if when <= t:
            _send(st, ch, slot, cmd, t)
            return t + 1
        wake = min(wake, when)
    if s.owed >= 0:
        _second_activate(st, ch, t)
        return t + 1
    return wake


@njit(cache=True, nogil=True)
def _lpddr5(st: Any, ch: int, t: int, wake: int) -> int:
    """A pending access behind its CAS command, or an ACT2 at its deadline, go before any choice."""
    s = st.chan[ch]
    if s.cas_slot >= 0:
        e = st.entry[s.cas_slot]
        cmd = WR if e.write else RD
        when = max(max(t, s.cas_clock + st.config[0].cas), earliest(st.ready, st.bank[e.bank], cmd))
        if when <= t:
            _count(st, ch, s.cas_slot)
            _access(st, ch, s.cas_slot, cmd, t)
            s.cas_slot = -1
            return t + 1
        return min(wake, when)
    if s.owed >= 0 and s.deadline <= t:
        _second_activate(st, ch, t)
        return t + 1
    return _one_bus(st, ch, t, wake)


@njit(cache=True, nogil=True)
def _two_buses(st: Any, ch: int, t: int, wake: int) -> int:
    """HBM: a column command, then a row command."""
    s = st.chan[ch]
    c = st.config[0]
    sent = False
    if c.family == 2 or t & 1:
        when, slot, cmd = best_active(st, ch, t, 1)
        if when > t and s.maint_count == 0:
            wake = min(wake, when)
            set_mode(s, c)
            when, slot, cmd = best_queued(st, ch, s.writing, t, 1)
        if when <= t:
            _send(st, ch, slot, cmd, t)
            sent = True
        wake = min(wake, when)
    else:
        wake = t + 1
    if s.maint_count > 0:
        when, bank, cmd = head_of_maintenance(st, ch, t)
        if when <= t:
            _send_maintenance(st, ch, bank, cmd, t)
            sent = True
        wake = min(wake, when)
    else:
        set_mode(s, c)
        when, slot, cmd = best_queued(st, ch, s.writing, t, 2)
        if when <= t:
            _send(st, ch, slot, cmd, t)
            sent = True
        wake = min(wake, when)
    return t + 1 if sent else wake


@njit(cache=True, nogil=True)
def tick(st: Any, ch: int, t: int) -> None:
    """Run clock t of a channel, and note the next clock at which anything could happen."""
    s = st.chan[ch]
    c = st.config[0]
    if s.next_refresh <= t:
        _refresh(st, ch, t)
    wake = s.next_refresh
    if c.cap > 0:
        wake = min(wake, _close_used_rows(st, ch, t))
    if c.family >= 2:
        wake = _two_buses(st, ch, t, wake)
    elif c.family == 1:
        wake = _lpddr5(st, ch, t, wake)
    else:
        wake = _one_bus(st, ch, t, wake)
    s.clock = t
    s.wake = max(wake, t + 1)
