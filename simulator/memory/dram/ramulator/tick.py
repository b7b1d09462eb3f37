"""One clock of a controller: refresh, row policy, choice.

A clock in which nothing goes out leaves a plan: the command that will be next, and when. Until something
else happens the clocks before it are skipped, and at its clock no choice is made again.
"""

from __future__ import annotations

from typing import Any

from numba import njit

from ..commands import ACT, ACT2, CAS, PRE, PREA, RD, RDA, REFAB, REFPB, WR, WRA
from ..core.issue import classify, earliest, issue
from ..core.queues import unlink
from ..core.state import (
    ANSWERS,
    B_ACCESSES,
    B_ACTIVE,
    B_MARKED,
    B_RANK,
    B_SIZE,
    C_ACCESS,
    C_ACTIVE,
    C_CAS_CLOCK,
    C_CAS_SLOT,
    C_CLOCK,
    C_CLOCK_SYNCED,
    C_DEADLINE,
    C_ERROR,
    C_FIRST_BANK,
    C_FIRST_RANK,
    C_FREE,
    C_LATENCY_SUM,
    C_LEFT,
    C_MAINT,
    C_MAINT_COUNT,
    C_MAINT_HEAD,
    C_N_ACTIVE,
    C_N_READ,
    C_N_WRITE,
    C_NEXT_REFRESH,
    C_OWED,
    C_PEND_COUNT,
    C_PEND_HEAD,
    C_PENDING,
    C_PLAN,
    C_PLAN_CLOCK,
    C_PLAN_COMMAND,
    C_RANK_STEP,
    C_READ_AREA,
    C_READ_SINCE,
    C_READS,
    C_REFRESH_BANK,
    C_REFRESH_RANK,
    C_WAKE,
    C_WRITE_AREA,
    C_WRITE_SINCE,
    C_WRITES,
    C_WRITING,
    E_ARRIVAL,
    E_BANK,
    E_COUNTED,
    E_ID,
    E_NEXT,
    E_QUEUED,
    E_ROW,
    E_WRITE,
    FAR,
    HBM2,
    K_ACTIVATE_DEADLINE,
    K_ACTIVE_DEPTH,
    K_BANKS,
    K_BANKS_PER_RANK,
    K_BANKS_PER_SID,
    K_CAP,
    K_CAS,
    K_DONE,
    K_FAMILY,
    K_INTERVAL,
    K_RANKS,
    K_READ_LATENCY,
    K_REFRESH,
    K_SET_REST,
    LPDDR5,
    MAINTENANCE_DEPTH,
    R_ACTIVE,
    R_FIRST_BANK,
    R_SET_FREE,
    RING,
)
from .choose import ANY, COLUMN, ROW, amend_access, best_active, best_queued, head_of_maintenance, mode_turns
from .rows import note, note_banks, note_group

__all__ = ["answer", "hand_out", "tick"]

ERROR_MAINTENANCE, ERROR_ANSWERS = 1, 2


@njit(cache=True, nogil=True)
def _push(m: Any, s: int, kind: int, b: int) -> None:
    if m[s + C_MAINT_COUNT] >= MAINTENANCE_DEPTH:
        m[s + C_ERROR] = ERROR_MAINTENANCE
        return
    at = m[s + C_MAINT] + 2 * ((m[s + C_MAINT_HEAD] + m[s + C_MAINT_COUNT]) % RING)
    m[at] = kind
    m[at + 1] = b
    m[s + C_MAINT_COUNT] += 1


@njit(cache=True, nogil=True)
def _refresh(m: Any, s: int, t: int) -> None:
    """Queue the refreshes that are due."""
    first = m[s + C_FIRST_BANK]
    if m[K_REFRESH] == 1:
        for r in range(m[K_RANKS]):
            _push(m, s, REFAB, m[m[s + C_FIRST_RANK] + r * m[s + C_RANK_STEP] + R_FIRST_BANK])
        m[s + C_NEXT_REFRESH] += m[K_INTERVAL]
    elif m[K_REFRESH] == 2:
        _push(m, s, REFPB, first + m[s + C_REFRESH_BANK] * B_SIZE)
        m[s + C_REFRESH_BANK] = (m[s + C_REFRESH_BANK] + 1) % m[K_BANKS]
        m[s + C_NEXT_REFRESH] += m[K_INTERVAL]
    else:
        _refresh_hbm3(m, s, t)


@njit(cache=True, nogil=True)
def _refresh_hbm3(m: Any, s: int, t: int) -> None:
    """One bank of one SID in each pseudo-channel, a tick apart; a set rests after its last bank."""
    bank = m[s + C_REFRESH_BANK]
    r = m[s + C_FIRST_RANK] + m[s + C_REFRESH_RANK] * m[s + C_RANK_STEP]
    in_set = bank % m[K_BANKS_PER_SID]
    if in_set == 0 and t < m[r + R_SET_FREE] and m[K_BANKS_PER_RANK] == m[K_BANKS_PER_SID]:
        m[s + C_NEXT_REFRESH] = t + 1
        return
    _push(m, s, REFPB, m[r + R_FIRST_BANK] + bank * B_SIZE)
    if in_set == m[K_BANKS_PER_SID] - 1:
        m[r + R_SET_FREE] = t + m[K_SET_REST]
    m[s + C_REFRESH_RANK] += 1
    m[s + C_NEXT_REFRESH] = t + 1
    if m[s + C_REFRESH_RANK] == m[K_RANKS]:
        m[s + C_REFRESH_RANK] = 0
        m[s + C_REFRESH_BANK] = (bank + 1) % m[K_BANKS_PER_RANK]
        m[s + C_NEXT_REFRESH] = t + 1 - m[K_RANKS] + m[K_INTERVAL]


@njit(cache=True, nogil=True)
def _close_used_rows(m: Any, s: int, t: int) -> int:
    """ClosedCAP: queue a precharge for every bank that had its accesses, once it is legal."""
    wake = FAR
    b = m[s + C_FIRST_BANK]
    for _ in range(m[K_BANKS]):
        if m[b + B_ACCESSES] >= m[K_CAP] and not m[b + B_MARKED]:
            when = earliest(m, b, PRE)
            if when <= t:
                _push(m, s, PRE, b)
                m[b + B_MARKED] = 1
            else:
                wake = min(wake, when)
        b += B_SIZE
    return wake


@njit(cache=True, nogil=True)
def _leave_queue(m: Any, s: int, e: int, t: int) -> None:
    write = m[e + E_WRITE]
    unlink(m, e, write)
    if write:
        m[s + C_WRITE_AREA] += m[s + C_N_WRITE] * (t - m[s + C_WRITE_SINCE])
        m[s + C_WRITE_SINCE] = t
        m[s + C_N_WRITE] -= 1
        m[s + C_LEFT] |= 2
    else:
        m[s + C_READ_AREA] += m[s + C_N_READ] * (t - m[s + C_READ_SINCE])
        m[s + C_READ_SINCE] = t
        m[s + C_N_READ] -= 1
        m[s + C_LEFT] |= 1


@njit(cache=True, nogil=True)
def _note_stuck(m: Any, s: int, count: int) -> None:
    """Counts of active requests that stay above 0 (a row was auto-precharged under one) bar while any request is active."""
    if m[K_CAP] > 0 and m[s + C_N_ACTIVE] == count:
        note_banks(m, s, m[s + C_FIRST_BANK], m[K_BANKS])


@njit(cache=True, nogil=True)
def _join_active(m: Any, s: int, e: int) -> None:
    m[m[s + C_ACTIVE] + m[s + C_N_ACTIVE]] = e
    m[s + C_N_ACTIVE] += 1
    b = m[e + E_BANK]
    m[b + B_ACTIVE] += 1
    m[m[b + B_RANK] + R_ACTIVE] += 1
    amend_access(m, s, e)
    _note_stuck(m, s, 1)


@njit(cache=True, nogil=True)
def _drop_active(m: Any, s: int, e: int) -> None:
    if m[s + C_ACCESS] == e:
        m[s + C_ACCESS] = -1
    i = m[s + C_ACTIVE]
    while m[i] != e:
        i += 1
    m[s + C_N_ACTIVE] -= 1
    m[i] = m[m[s + C_ACTIVE] + m[s + C_N_ACTIVE]]
    _note_stuck(m, s, 0)


@njit(cache=True, nogil=True)
def hand_out(m: Any, s: int, t: int) -> None:
    """Hand out answers that are done by clock t, strictly in order."""
    while m[s + C_PEND_COUNT] > 0:
        at = m[s + C_PENDING] + 2 * m[s + C_PEND_HEAD]
        if m[at] > t:
            return
        m[s + C_LATENCY_SUM] += m[at + 1]
        m[s + C_PEND_HEAD] = (m[s + C_PEND_HEAD] + 1) % ANSWERS
        m[s + C_PEND_COUNT] -= 1


@njit(cache=True, nogil=True)
def answer(m: Any, s: int, depart: int, latency: int, t: int) -> None:
    """Queue a read's answer."""
    hand_out(m, s, t)
    if m[s + C_PEND_COUNT] == ANSWERS:
        m[s + C_ERROR] = ERROR_ANSWERS
        return
    at = m[s + C_PENDING] + 2 * ((m[s + C_PEND_HEAD] + m[s + C_PEND_COUNT]) % ANSWERS)
    m[at] = depart
    m[at + 1] = latency
    m[s + C_PEND_COUNT] += 1


@njit(cache=True, nogil=True)
def _access(m: Any, out: Any, s: int, e: int, cmd: int, t: int) -> None:
    """Serve a request: its data goes over the bus, and it is gone."""
    b = m[e + E_BANK]
    if m[e + E_QUEUED]:
        _leave_queue(m, s, e, t)
    else:
        _drop_active(m, s, e)
        m[b + B_ACTIVE] -= 1
        m[m[b + B_RANK] + R_ACTIVE] -= 1
    issue(m, out, s, cmd, b, m[e + E_ROW], t)
    m[s + C_LEFT] |= 4
    if m[e + E_WRITE]:
        m[s + C_WRITES] += 1
        out[m[K_DONE] + m[e + E_ID]] = t
    else:
        m[s + C_READS] += 1
        depart = t + m[K_READ_LATENCY]
        out[m[K_DONE] + m[e + E_ID]] = depart
        answer(m, s, depart, depart - m[e + E_ARRIVAL], t)
    m[e + E_NEXT] = m[s + C_FREE]
    m[s + C_FREE] = e
    note(m, s, b)


@njit(cache=True, nogil=True)
def _second_activate(m: Any, out: Any, s: int, t: int) -> None:
    e = m[s + C_OWED]
    issue(m, out, s, ACT2, m[e + E_BANK], m[e + E_ROW], t)
    _join_active(m, s, e)
    m[s + C_OWED] = -1
    note(m, s, m[e + E_BANK])


@njit(cache=True, nogil=True)
def _activated(m: Any, s: int, e: int, t: int) -> None:
    """A request that had left its queue opened its row."""
    if m[e + E_COUNTED] == 2:  # its row was closed under it: it was in the active buffer already
        _drop_active(m, s, e)
    m[e + E_COUNTED] = 2
    if m[K_FAMILY] == LPDDR5:
        m[s + C_OWED] = e
        m[s + C_DEADLINE] = t + m[K_ACTIVATE_DEADLINE]
    else:
        _join_active(m, s, e)


@njit(cache=True, nogil=True)
def _send(m: Any, out: Any, s: int, e: int, cmd: int, t: int) -> None:
    """Issue the next command of a request."""
    b = m[e + E_BANK]
    if cmd in (RD, WR):
        if m[K_FAMILY] == LPDDR5 and t >= m[s + C_CLOCK_SYNCED]:
            if m[s + C_OWED] >= 0 and m[s + C_DEADLINE] <= t + 1:
                _second_activate(m, out, s, t)
                return
            issue(m, out, s, CAS, b, m[e + E_ROW], t)
            m[s + C_CAS_SLOT] = e
            m[s + C_CAS_CLOCK] = t
            return
        classify(m, s, e)
        if m[K_CAP] > 0 and m[b + B_ACCESSES] >= m[K_CAP]:
            cmd = WRA if cmd == WR else RDA
        _access(m, out, s, e, cmd, t)
        return
    classify(m, s, e)
    if cmd == ACT and m[e + E_QUEUED] and m[s + C_N_ACTIVE] < m[K_ACTIVE_DEPTH]:
        _leave_queue(m, s, e, t)
    issue(m, out, s, cmd, b, m[e + E_ROW], t)
    if cmd == ACT:
        if not m[e + E_QUEUED]:
            _activated(m, s, e, t)
        note_group(m, s, b)
    note(m, s, b)


@njit(cache=True, nogil=True)
def _send_maintenance(m: Any, out: Any, s: int, b: int, cmd: int, t: int) -> None:
    """Issue for the head of the maintenance queue; it is done when its own command went out."""
    done = cmd == m[m[s + C_MAINT] + 2 * m[s + C_MAINT_HEAD]]
    issue(m, out, s, cmd, b, -1, t)
    if done:
        m[s + C_MAINT_HEAD] = (m[s + C_MAINT_HEAD] + 1) % RING
        m[s + C_MAINT_COUNT] -= 1
    if cmd in (PREA, REFAB):
        note_banks(m, s, m[m[b + B_RANK] + R_FIRST_BANK], m[K_BANKS_PER_RANK])
    else:
        note(m, s, b)


@njit(cache=True, nogil=True)
def _turn(m: Any, s: int) -> None:
    if mode_turns(m, s):
        m[s + C_WRITING] = 1 - m[s + C_WRITING]
        note_banks(m, s, m[s + C_FIRST_BANK], m[K_BANKS])


@njit(cache=True, nogil=True)
def _one_bus(m: Any, out: Any, s: int, t: int, wake: int) -> int:
    """DDR, GDDR, LPDDR5: at most one command. Returns when to look again."""
    when, e, cmd = best_active(m, s, t, ANY)
    if when <= t:
        _send(m, out, s, e, cmd, t)
        return t + 1
    if m[s + C_MAINT_COUNT] > 0:
        wake = min(wake, when)
        when, b, cmd = head_of_maintenance(m, s, t)
        if when <= t:
            _send_maintenance(m, out, s, b, cmd, t)
            return t + 1
    else:
        _turn(m, s)
        queued, queued_e, queued_cmd = best_queued(m, s, m[s + C_WRITING], t, ANY)
        if queued < when:
            when, e, cmd = queued, queued_e, queued_cmd
        if when <= t:
            _send(m, out, s, e, cmd, t)
            return t + 1
        if m[s + C_OWED] < 0:
            m[s + C_PLAN], m[s + C_PLAN_COMMAND], m[s + C_PLAN_CLOCK] = e, cmd, when
    if m[s + C_OWED] >= 0:
        _second_activate(m, out, s, t)
        return t + 1
    return min(wake, when)


@njit(cache=True, nogil=True)
def _lpddr5(m: Any, out: Any, s: int, t: int, wake: int) -> int:
    """A pending access behind its CAS command, or an ACT2 at its deadline, go before any choice."""
    e = m[s + C_CAS_SLOT]
    if e >= 0:
        cmd = RD + m[e + E_WRITE]
        when = max(max(t, m[s + C_CAS_CLOCK] + m[K_CAS]), earliest(m, m[e + E_BANK], cmd))
        if when <= t:
            classify(m, s, e)
            _access(m, out, s, e, cmd, t)
            m[s + C_CAS_SLOT] = -1
            return t + 1
        return min(wake, when)
    if m[s + C_OWED] >= 0 and m[s + C_DEADLINE] <= t:
        _second_activate(m, out, s, t)
        return t + 1
    return _one_bus(m, out, s, t, wake)


@njit(cache=True, nogil=True)
def _column_slot(m: Any, out: Any, s: int, t: int) -> int:
    """HBM: send an access if one is ready; returns its clock, t if one went out."""
    when, e, cmd = best_active(m, s, t, COLUMN)
    if when > t and m[s + C_MAINT_COUNT] == 0:
        _turn(m, s)
        queued, queued_e, queued_cmd = best_queued(m, s, m[s + C_WRITING], t, COLUMN)
        if queued < when:
            when, e, cmd = queued, queued_e, queued_cmd
    if when <= t:
        _send(m, out, s, e, cmd, t)
    return when


@njit(cache=True, nogil=True)
def _row_slot(m: Any, out: Any, s: int, t: int) -> int:
    """HBM: send a row command if one is ready; returns its clock, t if one went out."""
    if m[s + C_MAINT_COUNT] > 0:
        when, b, cmd = head_of_maintenance(m, s, t)
        if when <= t:
            _send_maintenance(m, out, s, b, cmd, t)
        return when
    _turn(m, s)
    when, e, cmd = best_queued(m, s, m[s + C_WRITING], t, ROW)
    if when <= t:
        _send(m, out, s, e, cmd, t)
    return when


@njit(cache=True, nogil=True)
def _two_buses(m: Any, out: Any, s: int, t: int, wake: int) -> int:
    """HBM: a column command, then a row command. Returns when to look again."""
    column = t + 1
    if m[K_FAMILY] == HBM2 or t & 1:
        column = _column_slot(m, out, s, t)
    row = _row_slot(m, out, s, t)
    if column <= t or row <= t:
        return t + 1
    return min(wake, min(column, row))


@njit(cache=True, nogil=True)
def tick(m: Any, out: Any, s: int, t: int) -> None:
    """Run clock t of channel `s`, and note the next clock at which anything could happen."""
    plan = m[s + C_PLAN]
    m[s + C_PLAN] = -1
    wake = m[s + C_NEXT_REFRESH]
    family = m[K_FAMILY]
    if t < wake and plan >= 0 and t == m[s + C_PLAN_CLOCK] and m[K_CAP] == 0 and family < HBM2:
        _send(m, out, s, plan, m[s + C_PLAN_COMMAND], t)
        m[s + C_CLOCK] = t
        m[s + C_WAKE] = t + 1
        return
    if wake <= t:
        _refresh(m, s, t)
        wake = m[s + C_NEXT_REFRESH]
    if m[K_CAP] > 0:
        wake = min(wake, _close_used_rows(m, s, t))
    if family >= HBM2:
        wake = _two_buses(m, out, s, t, wake)
    elif family == LPDDR5:
        wake = _lpddr5(m, out, s, t, wake)
    else:
        wake = _one_bus(m, out, s, t, wake)
    m[s + C_CLOCK] = t
    m[s + C_WAKE] = max(wake, t + 1)
