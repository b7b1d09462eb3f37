"""Which command is next: the earliest that becomes legal, the oldest request among equals.

Every function returns (clock, request or bank, command), the clock `FAR` if nothing can be sent as
things stand.
"""

from __future__ import annotations

from typing import Any

from numba import njit

from ..commands import ACT, PRE, PREA, RD, REFAB, REFPB
from ..core.issue import earliest
from ..core.state import (
    ACTIVATING,
    B_ACTIVE,
    B_CELL,
    B_QUEUE,
    B_RANK,
    B_ROW,
    B_SIZE,
    C_ACCESS,
    C_ACCESS_CLOCK,
    C_ACTIVE,
    C_FIRST_BANK,
    C_MAINT,
    C_MAINT_HEAD,
    C_N_ACTIVE,
    C_N_HITS,
    C_N_OCCUPIED,
    C_N_READ,
    C_N_WRITE,
    C_OCCUPIED,
    C_OWED,
    C_PAIR_BANK,
    C_PAIR_RANK,
    C_PAIR_TICK,
    C_WRITING,
    CLOSED,
    E_BANK,
    E_ID,
    E_ROW,
    E_WRITE,
    FAR,
    HBM3,
    K_BANKS,
    K_CAP,
    K_FAMILY,
    K_HIGH,
    K_LOW,
    K_ROW_HIT_FIRST,
    NOBODY,
    PLACE_BITS,
    Q_HIT,
    Q_MISS,
    Q_SIZE,
    R_ACTIVE,
    R_OPEN,
    R_READY,
)
from .rows import KEY_SHIFT, LATER, NOTHING, best_row

__all__ = [
    "ANY", "COLUMN", "ROW", "amend_access", "best_active", "best_queued", "candidate", "head_of_maintenance", "mode_turns",
]

ANY, COLUMN, ROW = 0, 1, 2
"""What a slot may send: any command, only accesses, only ACT and PRE."""
_GATE_PREAB, _GATE_REFAB, _GATE_REFPB = 2, 5, 6


@njit(cache=True, nogil=True)
def _odd(m: Any, when: int) -> int:
    """HBM3 sends accesses, ACT and REF only at odd ticks."""
    return when | 1 if m[K_FAMILY] == HBM3 else when


@njit(cache=True, nogil=True)
def _unpaired(m: Any, s: int, when: int, b: int, whole: bool) -> int:
    """HBM3: the even tick that is paired with a row command takes no PRE to its bank, nor one to or after all."""
    if m[K_FAMILY] == HBM3 and when == m[s + C_PAIR_TICK] and m[b + B_RANK] == m[s + C_PAIR_RANK]:
        paired = m[s + C_PAIR_BANK]
        if whole or paired < 0 or paired == b:
            return when + 1
    return when


@njit(cache=True, nogil=True)
def mode_turns(m: Any, s: int) -> bool:
    """Whether a test would turn the controller from reading to writing or back."""
    if m[s + C_WRITING]:
        return m[s + C_N_WRITE] < m[K_LOW] and m[s + C_N_READ] > 0
    return m[s + C_N_WRITE] > m[K_HIGH] or m[s + C_N_READ] == 0


@njit(cache=True, nogil=True)
def best_active(m: Any, s: int, t: int, kind: int) -> tuple[int, int, int]:
    """Among requests with an opened row: the next command of one that can go on first, not before t.

    Clocks only rise, and a request that joins is compared at once (`amend_access`): what was found stays the answer up
    to its clock unless its own clock rose. With ClosedCAP rows are closed under requests, and nothing is kept.
    """
    e = m[s + C_ACCESS]
    if e >= 0 and t <= m[s + C_ACCESS_CLOCK]:
        when = _access_clock(m, e)
        if when == m[s + C_ACCESS_CLOCK]:
            return when, e, RD + m[e + E_WRITE]
    when, e, cmd = _scan_active(m, s, t, kind)
    if m[K_CAP] == 0:
        m[s + C_ACCESS], m[s + C_ACCESS_CLOCK] = e, when
    return when, e, cmd


@njit(cache=True, nogil=True)
def amend_access(m: Any, s: int, e: int) -> None:
    """A request that opened its row may go before the one that was to go next."""
    planned = m[s + C_ACCESS]
    if planned >= 0:
        when, clock = _access_clock(m, e), m[s + C_ACCESS_CLOCK]
        if when < clock or (when == clock and m[e + E_ID] < m[planned + E_ID]):
            m[s + C_ACCESS], m[s + C_ACCESS_CLOCK] = e, when


@njit(cache=True, nogil=True)
def _access_clock(m: Any, e: int) -> int:
    return _odd(m, earliest(m, m[e + E_BANK], RD + m[e + E_WRITE]))


@njit(cache=True, nogil=True)
def _scan_active(m: Any, s: int, t: int, kind: int) -> tuple[int, int, int]:
    best, best_id, best_e, best_cmd = FAR, FAR, -1, -1
    active = m[s + C_ACTIVE]
    for i in range(active, active + m[s + C_N_ACTIVE]):
        e = m[i]
        b = m[e + E_BANK]
        row = m[b + B_ROW]
        if row == m[e + E_ROW]:
            cmd = RD + m[e + E_WRITE]
        elif kind == COLUMN or row == ACTIVATING:
            continue
        elif row == CLOSED:
            if m[s + C_OWED] >= 0:
                continue
            cmd = ACT
        else:
            cmd = PRE
        when = _odd(m, max(t, earliest(m, b, cmd)))  # for these commands the gate has the same number
        if when < best or (when == best and m[e + E_ID] < best_id):
            best, best_id, best_e, best_cmd = when, m[e + E_ID], e, cmd
    return best, best_e, best_cmd


@njit(cache=True, nogil=True)
def candidate(m: Any, s: int, b: int, write: int, t: int, kind: int) -> tuple[int, int, int]:
    """The next command of the queued requests of one bank."""
    q = b + B_QUEUE + write * Q_SIZE
    row = m[b + B_ROW]
    miss = m[q + Q_MISS]
    if row == CLOSED:
        if kind == COLUMN or m[s + C_OWED] >= 0:
            return FAR, -1, -1
        return _odd(m, max(t, earliest(m, b, ACT))), miss, ACT
    hit = m[q + Q_HIT]
    best, best_e, best_cmd = FAR, -1, -1
    if hit >= 0 and kind != ROW:
        best_e, best_cmd = hit, RD + write
        best = _odd(m, max(t, earliest(m, b, best_cmd)))
    if miss >= 0 and kind != COLUMN and row != ACTIVATING and not (m[b + B_ACTIVE] > 0 and m[s + C_N_ACTIVE] > 0):
        older_hit = hit >= 0 and m[hit + E_ID] < m[miss + E_ID]
        if not (older_hit and m[K_ROW_HIT_FIRST]):
            when = _unpaired(m, s, max(t, earliest(m, b, PRE)), b, False)
            if when < best or (when == best and not older_hit):
                best, best_e, best_cmd = when, miss, PRE
    return best, best_e, best_cmd


@njit(cache=True, nogil=True)
def _best_hit(m: Any, s: int, write: int, t: int) -> tuple[int, int]:
    """(clock, request): among queued accesses to open rows the one that can go first."""
    best, best_id, best_e = FAR, FAR, -1
    occupied = m[s + C_OCCUPIED] + write * m[K_BANKS]
    cmd = RD + write
    for i in range(occupied, occupied + m[s + C_N_OCCUPIED + write]):
        b = m[i]
        e = m[b + B_QUEUE + write * Q_SIZE + Q_HIT]
        if e >= 0:
            when = _odd(m, max(t, earliest(m, b, cmd)))
            if when < best or (when == best and m[e + E_ID] < best_id):
                best, best_id, best_e = when, m[e + E_ID], e
    return best, best_e


@njit(cache=True, nogil=True)
def best_queued(m: Any, s: int, write: int, t: int, kind: int) -> tuple[int, int, int]:
    """Among queued reads (or writes): the next command of one that can go first, not before t."""
    best, best_id, best_e, best_cmd = FAR, FAR, -1, RD + write
    if kind != ROW and m[s + C_N_HITS + write] > 0:
        best, best_e = _best_hit(m, s, write, t)
        best_id = m[best_e + E_ID]
    if kind == COLUMN:
        return best, best_e, best_cmd
    key = best_row(m, s, t)
    if key == NOTHING:
        return best, best_e, best_cmd
    when, number = t + (key >> KEY_SHIFT), (key & NOBODY) >> PLACE_BITS
    if when < best or (when == best and number < best_id):
        if when == t + LATER:  # or even later: look again then
            return when, -1, -1
        place = key & ((1 << PLACE_BITS) - 1)
        b = m[s + C_FIRST_BANK] + place * B_SIZE
        best, best_e = when, m[b + B_QUEUE + write * Q_SIZE + Q_MISS]
        best_cmd = PRE if m[m[b + B_CELL] + 2 * m[K_BANKS]] else ACT
    return best, best_e, best_cmd


@njit(cache=True, nogil=True)
def head_of_maintenance(m: Any, s: int, t: int) -> tuple[int, int, int]:
    """The bank and command of the first waiting refresh or precharge; `FAR` while a bar holds."""
    at = m[s + C_MAINT] + 2 * m[s + C_MAINT_HEAD]
    kind, b = m[at], m[at + 1]
    r = m[b + B_RANK]
    owed = m[m[s + C_OWED] + E_BANK] if m[s + C_OWED] >= 0 else -1
    if kind == REFAB:
        if owed >= 0 and m[owed + B_RANK] == r:
            return FAR, b, PREA
        if m[r + R_OPEN] == 0:
            return _odd(m, max(t, m[r + R_READY + _GATE_REFAB])), b, REFAB
        if m[r + R_ACTIVE] > 0 and m[s + C_N_ACTIVE] > 0:
            return FAR, b, PREA
        return _unpaired(m, s, max(t, m[r + R_READY + _GATE_PREAB]), b, True), b, PREA
    if owed == b:
        return FAR, b, PRE
    if kind == REFPB and m[b + B_ROW] == CLOSED:
        return _odd(m, max(t, earliest(m, b, _GATE_REFPB))), b, REFPB
    if m[b + B_ACTIVE] > 0 and m[s + C_N_ACTIVE] > 0:
        return FAR, b, PRE
    return _unpaired(m, s, max(t, earliest(m, b, PRE)), b, False), b, PRE
