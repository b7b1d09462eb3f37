"""The default controller: one bank machine per bank, one choice per command bus and clock."""

from __future__ import annotations

from typing import Any

from numba import njit

from ...pointer import pointer
from ..commands import ACT, PRE, RD, REFAB, REFPB, REFSB
from ..core.issue import earliest, issue
from ..core.queues import enqueue
from ..core.state import (
    B_INDEX,
    B_QUEUE,
    B_ROW,
    B_SIZE,
    C_CAS_SLOT,
    C_FREE,
    C_N_OCCUPIED,
    C_OCCUPIED,
    C_OWED,
    C_SIZE,
    CLOSED,
    E_ARRIVAL,
    E_BANK,
    E_COUNTED,
    E_ID,
    E_KEY,
    E_NEXT,
    E_ROW,
    E_WRITE,
    FAR,
    HBM2,
    HBM3,
    K_DONE,
    K_FAMILY,
    K_FIRST_BANK,
    K_FIRST_CHANNEL,
    Q_N,
)
from .power import fall_asleep, wake_up
from .refresh import bank_blocked, best_refresh, count_due, refreshed
from .select import set_direction, work_of
from .serve import access, bus_of, rank_of, second_activate, send
from .state import (
    BANKWISE,
    GRP_FR_FCFS_WM,
    L_HEAD,
    L_LAST,
    L_SIZE,
    L_TAIL,
    READ_WRITE,
    SIMPLE,
    X_ACTIVE,
    X_ARBITER,
    X_BUFFER,
    X_BUFFER_SIZE,
    X_CHANNELS,
    X_FINISHED,
    X_FIRST_LANE,
    X_FIRST_XBANK,
    X_FIRST_XCHANNEL,
    X_FRONT_CLOCK,
    X_FRONT_WAKE,
    X_IN_FLIGHT,
    X_IN_ORDER,
    X_LANES,
    X_MAX_ACTIVE,
    X_N_IN_FLIGHT,
    X_NEXT,
    X_POWER,
    X_SCHEDULER,
    XB_RESTED,
    XB_SIZE,
    XC_HEAD,
    XC_READS,
    XC_SIZE,
    XC_TAIL,
    XC_WAKE,
    XC_WRITES,
    XR_BUFFERED,
    XR_RESTED,
    Y_BUFFERED,
    Y_EMPTY,
    Y_EMPTY_SINCE,
)

__all__ = ["front", "run_until", "settle", "tick"]


@njit(cache=True, nogil=True)
def _best_work(m: Any, x: Any, s: int, c: int, t: int, row_slot: bool, column_slot: bool) -> tuple[int, int, int]:
    """(clock, request, command): the bank machine that can go first, the oldest request among equals."""
    odd = 1 if m[K_FAMILY] == HBM3 else 0
    best, best_id, best_e, best_cmd = FAR, FAR, -1, -1
    occupied = m[s + C_OCCUPIED]
    for i in range(occupied, occupied + m[s + C_N_OCCUPIED]):
        b = m[i]
        e = work_of(m, x, c, b)
        if e < 0 or bank_blocked(m, x, b, rank_of(m, x, s, b)):
            continue
        row = m[b + B_ROW]
        if row == CLOSED:
            cmd = ACT
        elif row == m[e + E_ROW]:
            cmd = RD + m[e + E_WRITE]
        else:
            cmd = PRE
        if not (row_slot if cmd <= PRE else column_slot):
            continue
        when = max(t, earliest(m, b, cmd)) | odd
        if when < best or (when == best and m[e + E_ID] < best_id):
            best, best_id, best_e, best_cmd = when, m[e + E_ID], e, cmd
    return best, best_e, best_cmd


@njit(cache=True, nogil=True)
def _send_refresh(m: Any, x: Any, out: Any, s: int, b: int, cmd: int, t: int) -> None:
    issue(m, out, s, cmd, b, -1, t)
    if cmd in (REFAB, REFPB, REFSB):
        refreshed(m, x, s, b, rank_of(m, x, s, b), cmd, t)


@njit(cache=True, nogil=True)
def tick(m: Any, x: Any, out: Any, s: int, c: int, t: int) -> int:
    """Run clock t of a channel; returns the next clock at which anything could happen."""
    wake = count_due(x, m, s, t)
    e = m[s + C_CAS_SLOT]
    if e >= 0:  # LPDDR5: the access right behind its CAS, nothing came between
        m[s + C_CAS_SLOT] = -1
        access(m, x, out, s, c, e, t)
        return t + 1
    if m[s + C_OWED] >= 0:
        second_activate(m, out, s, t)
        return t + 1
    if x[X_POWER]:
        when = wake_up(m, x, out, s, t)
        if when <= t:
            return t + 1
        wake = min(wake, when)
    if x[X_SCHEDULER] == GRP_FR_FCFS_WM:
        set_direction(x, c)
    two = m[K_FAMILY] >= HBM2
    sent = False
    if two:
        when, e, cmd = _best_work(m, x, s, c, t, False, True)
        if when <= t:
            send(m, x, out, s, c, e, cmd, t)
            sent = True
        wake = min(wake, when)
    when, b, cmd = best_refresh(m, x, s, t)
    wake = min(wake, when)
    if when <= t:
        _send_refresh(m, x, out, s, b, cmd, t)
        return t + 1
    when, e, cmd = _best_work(m, x, s, c, t, True, not two)
    if when <= t:
        send(m, x, out, s, c, e, cmd, t)
        sent = True
    if sent:
        return t + 1
    if x[X_POWER]:
        wake = min(wake, fall_asleep(m, x, out, s, t))
    return min(wake, when)


@njit(cache=True, nogil=True)
def _has_room(m: Any, x: Any, c: int, b: int, write: int) -> bool:
    size = x[X_BUFFER_SIZE]
    if x[X_BUFFER] == BANKWISE:
        return m[b + B_QUEUE + Q_N] < size
    if x[X_BUFFER] == READ_WRITE:
        return x[c + (XC_WRITES if write else XC_READS)] < size
    return x[c + XC_READS] + x[c + XC_WRITES] < size


@njit(cache=True, nogil=True)
def _store(m: Any, x: Any, s: int, c: int, i: int, write: int, b: int, row: int, key: int, t: int) -> None:
    """Put request i into the scheduler's buffer between clocks t and t + 1."""
    e = m[s + C_FREE]
    m[s + C_FREE] = m[e + E_NEXT]
    m[e + E_ID], m[e + E_BANK], m[e + E_ROW], m[e + E_WRITE] = i, b, row, write
    m[e + E_KEY], m[e + E_ARRIVAL], m[e + E_COUNTED] = key, t, 0
    enqueue(m, e, 0)
    x[c + (XC_WRITES if write else XC_READS)] += 1
    r = rank_of(m, x, s, b)
    x[r + XR_BUFFERED] += 1
    x[r + XR_RESTED] = 0
    x[x[X_FIRST_XBANK] + m[b + B_INDEX] * XB_SIZE + XB_RESTED] = 0
    y = bus_of(m, x, s, b)
    if x[y + Y_BUFFERED] == 0:
        x[y + Y_EMPTY] += t - x[y + Y_EMPTY_SINCE]
    x[y + Y_BUFFERED] += 1
    x[c + XC_WAKE] = min(x[c + XC_WAKE], t + 1)


@njit(cache=True, nogil=True)
def settle(m: Any, x: Any, out: Any, nxt: Any, answered: Any, given: Any, t: int) -> int:
    """Give the answers that are ready by clock t; returns when the next one will be.

    The requests are appended to `given`, at whose end `X_FINISHED` points.
    """
    wake = FAR
    if x[X_IN_ORDER] == 0:
        i = x[X_IN_FLIGHT]
        while i < x[X_IN_FLIGHT] + 2 * x[X_N_IN_FLIGHT]:
            if x[i] <= t:
                x[X_N_IN_FLIGHT] -= 1
                last = x[X_IN_FLIGHT] + 2 * x[X_N_IN_FLIGHT]
                answered[x[i + 1]] = x[i]
                given[x[X_FINISHED]] = x[i + 1]
                x[i], x[i + 1] = x[last], x[last + 1]
                x[X_ACTIVE] -= 1
                x[X_FINISHED] += 1
            else:
                wake = min(wake, x[i])
                i += 2
        return wake
    for lane in range(x[X_LANES]):
        at = x[X_FIRST_LANE] + lane * L_SIZE
        head = x[at + L_HEAD]
        while head >= 0 and out[m[K_DONE] + head] >= 0:
            ready = max(out[m[K_DONE] + head], x[at + L_LAST])
            if ready > t:
                wake = min(wake, ready)
                break
            answered[head] = ready
            x[at + L_LAST] = ready
            given[x[X_FINISHED]] = head
            x[X_ACTIVE] -= 1
            x[X_FINISHED] += 1
            head = nxt[head]
        x[at + L_HEAD] = head
    return wake


@njit(cache=True, nogil=True)
def _line_up(x: Any, nxt: Any, channel: int, i: int) -> None:
    """Give request i its place in the order of answers."""
    if x[X_IN_ORDER] == 0:
        return
    at = x[X_FIRST_LANE] + (channel * L_SIZE if x[X_IN_ORDER] == 1 else 0)
    if x[at + L_HEAD] < 0:
        x[at + L_HEAD] = i
    else:
        nxt[x[at + L_TAIL]] = i
    x[at + L_TAIL] = i


@njit(cache=True, nogil=True)
def front(
    m: Any, x: Any, nxt: Any, waiting: Any, due: Any, is_write: Any, channel: Any, bank: Any, row: Any, key: Any,
    accepted: Any, t: int,
) -> int:
    """The arbiter between clocks t and t + 1; returns when it can do more by itself."""
    wake = FAR
    i = x[X_NEXT]
    simple = x[X_ARBITER] == SIMPLE
    if i < len(due):
        if due[i] > t:
            wake = due[i]
        elif simple or x[X_ACTIVE] < x[X_MAX_ACTIVE]:
            c = x[X_FIRST_XCHANNEL] + channel[i] * XC_SIZE
            if not simple or x[c + XC_HEAD] < 0:
                if x[c + XC_HEAD] < 0:
                    x[c + XC_HEAD] = i
                else:
                    waiting[x[c + XC_TAIL]] = i
                x[c + XC_TAIL] = i
                x[X_NEXT] += 1
                x[X_ACTIVE] += 1
                _line_up(x, nxt, channel[i], i)
                wake = t + 1
    for ch in range(x[X_CHANNELS]):
        c = x[X_FIRST_XCHANNEL] + ch * XC_SIZE
        i = x[c + XC_HEAD]
        if i < 0:
            continue
        b = m[K_FIRST_BANK] + bank[i] * B_SIZE
        write = 1 if is_write[i] else 0
        if _has_room(m, x, c, b, write):
            _store(m, x, m[K_FIRST_CHANNEL] + ch * C_SIZE, c, i, write, b, row[i], key[i], t)
            accepted[i] = t
            x[c + XC_HEAD] = waiting[i]
            wake = t + 1
    return wake


@njit(cache=True, nogil=True)
def run_until(
    m: Any, x: Any, out: Any, nxt: Any, waiting: Any, due: Any, is_write: Any, channel: Any, bank: Any, row: Any, key: Any,
    accepted: Any, answered: Any, given: Any, start: int, until: int,
) -> int:
    """Go on from clock `start` until every request is answered or clock `until` is over; returns the clock reached.

    All state is in the vectors: going on from the returned clock gives the run that was never interrupted, so a
    host may stop it at any bound on what else could happen.
    """
    m, x, out = pointer(m), pointer(x), pointer(out)
    n = len(due)
    t = start
    while x[X_FINISHED] < n:
        wake = settle(m, x, out, nxt, answered, given, t)
        if x[X_FRONT_CLOCK] != t:  # else it had its turn before the run was interrupted here
            x[X_FRONT_WAKE] = front(m, x, nxt, waiting, due, is_write, channel, bank, row, key, accepted, t)
            x[X_FRONT_CLOCK] = t
        following = min(wake, x[X_FRONT_WAKE])
        for ch in range(x[X_CHANNELS]):
            following = min(following, x[x[X_FIRST_XCHANNEL] + ch * XC_SIZE + XC_WAKE])
        if x[X_FINISHED] == n or following > until:
            return t
        t = following
        for ch in range(x[X_CHANNELS]):
            c = x[X_FIRST_XCHANNEL] + ch * XC_SIZE
            if x[c + XC_WAKE] <= t:
                x[c + XC_WAKE] = max(t + 1, tick(m, x, out, m[K_FIRST_CHANNEL] + ch * C_SIZE, c, t))
    return t
