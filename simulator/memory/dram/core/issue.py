"""What issuing a command does: earliest clocks, bank state, counters."""

from __future__ import annotations

from typing import Any

from numba import njit

from ..commands import ACT, ACT2, CAS, GATES, PRE, PREA, RD, RDA, REFAB, REFPB, WR, WRA
from .lanes import raise_clocks
from .queues import set_row
from .state import (
    ACTIVATING,
    B_ACCESSES,
    B_GROUP,
    B_INDEX,
    B_MARKED,
    B_RANK,
    B_READY,
    B_ROW,
    B_SID,
    B_SINCE,
    B_SIZE,
    C_CLOCK_SYNCED,
    C_CONFLICTS,
    C_COUNTS,
    C_FIRST_RANK,
    C_HITS,
    C_INDEX,
    C_MISSES,
    C_PAIR_BANK,
    C_PAIR_RANK,
    C_PAIR_TICK,
    C_RANK_STEP,
    C_READ_CONFLICTS,
    C_READ_HITS,
    C_READ_MISSES,
    CLOSED,
    E_BANK,
    E_COUNTED,
    E_ROW,
    E_WRITE,
    HBM3,
    K_ACT_LENGTH,
    K_BANK_TABLE,
    K_BANKS_PER_RANK,
    K_CLOCK_TRAIL,
    K_FAMILY,
    K_GROUP_TABLE,
    K_GROUPS_PER_SID,
    K_LOG,
    K_LOG_LINES,
    K_N_LOG,
    K_N_WINDOWS,
    K_OTHER_RANK,
    K_OTHER_SID,
    K_RANK_TABLE,
    K_RANKS,
    K_READ_CLOSE,
    K_READ_LATENCY,
    K_SID_TABLE,
    K_SIDS,
    K_WINDOWS,
    K_WRITE_BUSY,
    K_WRITE_CLOSE,
    LPDDR5,
    R_ACTIVE_TICKS,
    R_BANK_TICKS,
    R_COUNTS,
    R_FIRST_BANK,
    R_FIRST_GROUP,
    R_OPEN,
    R_READY,
    R_SINCE,
    R_UNTIL,
    WINDOW,
)

__all__ = ["classify", "earliest", "issue", "raise_bank"]


@njit(cache=True, nogil=True)
def earliest(m: Any, b: int, gate: int) -> int:
    """The first clock at which bank `b`, its group and its rank let a command pass."""
    own = max(m[b + B_READY + gate], m[m[b + B_GROUP] + gate])
    return max(own, m[m[b + B_RANK] + R_READY + gate])


@njit(cache=True, nogil=True)
def raise_bank(m: Any, b: int, cmd: int, t: int) -> None:
    """Apply the rules of a command within bank `b` alone."""
    raise_clocks(m, b + B_READY, m[K_BANK_TABLE] + cmd * GATES, t)


@njit(cache=True, nogil=True)
def _raise_stack(m: Any, b: int, cmd: int, t: int) -> None:
    """HBM3: rules within a SID bind its other groups, rules between SIDs those of the others."""
    first = m[m[b + B_RANK] + R_FIRST_GROUP]
    per_sid = m[K_GROUPS_PER_SID]
    for sid in range(m[K_SIDS]):
        table = m[K_SID_TABLE] if sid == m[b + B_SID] else m[K_OTHER_SID]
        for g in range(sid * per_sid, (sid + 1) * per_sid):
            raise_clocks(m, first + g * GATES, table + cmd * GATES, t)


@njit(cache=True, nogil=True)
def _raise_windows(m: Any, r: int, cmd: int, t: int) -> None:
    """Rules counted from the fourth-last command: four activations (nFAW)."""
    for w in range(m[K_N_WINDOWS]):
        rule = m[K_WINDOWS] + 3 * w
        if m[rule] == cmd:
            h = r + R_READY + GATES + w * WINDOW
            for i in range(WINDOW - 1):
                m[h + i] = m[h + i + 1]
            m[h + WINDOW - 1] = t
            at = r + R_READY + m[rule + 1]
            m[at] = max(m[at], m[h] + m[rule + 2])


@njit(cache=True, nogil=True)
def _raise_all(m: Any, s: int, b: int, cmd: int, t: int) -> None:
    """Raise the earliest clocks of every node that the command binds."""
    r = m[b + B_RANK]
    offset = cmd * GATES
    raise_clocks(m, r + R_READY, m[K_RANK_TABLE] + offset, t)
    if cmd != PREA and cmd != REFAB:
        raise_clocks(m, m[b + B_GROUP], m[K_GROUP_TABLE] + offset, t)
        raise_clocks(m, b + B_READY, m[K_BANK_TABLE] + offset, t)
        if m[K_SIDS] > 1:
            _raise_stack(m, b, cmd, t)
    if cmd in (ACT, REFPB):
        _raise_windows(m, r, cmd, t)
    if m[K_RANKS] > 1:
        other = m[s + C_FIRST_RANK]
        for _ in range(m[K_RANKS]):
            if other != r:
                raise_clocks(m, other + R_READY, m[K_OTHER_RANK] + offset, t)
            other += m[s + C_RANK_STEP]


@njit(cache=True, nogil=True)
def _close(m: Any, b: int, t: int) -> None:
    """Close the row of a bank, its precharge beginning at clock t."""
    if m[b + B_ROW] != CLOSED:
        r = m[b + B_RANK]
        m[r + R_BANK_TICKS] += t - m[b + B_SINCE]
        m[r + R_UNTIL] = max(m[r + R_UNTIL], t)
        m[r + R_OPEN] -= 1
        if m[r + R_OPEN] == 0:
            m[r + R_ACTIVE_TICKS] += m[r + R_UNTIL] - m[r + R_SINCE]
        set_row(m, b, CLOSED)
    m[b + B_ACCESSES] = 0
    m[b + B_MARKED] = 0


@njit(cache=True, nogil=True)
def _open(m: Any, b: int, row: int, t: int) -> None:
    r = m[b + B_RANK]
    if m[r + R_OPEN] == 0:
        m[r + R_SINCE] = max(t, m[r + R_UNTIL])  # an auto-precharge may have begun later than its access
    m[r + R_OPEN] += 1
    m[b + B_SINCE] = t
    set_row(m, b, row)


@njit(cache=True, nogil=True)
def _log(m: Any, out: Any, s: int, cmd: int, b: int, row: int, t: int) -> None:
    if m[K_N_LOG] < m[K_LOG_LINES]:
        at = m[K_LOG] + 5 * m[K_N_LOG]
        out[at], out[at + 1], out[at + 2], out[at + 3], out[at + 4] = t, cmd, m[b + B_INDEX], row, m[s + C_INDEX]
    m[K_N_LOG] += 1


@njit(cache=True, nogil=True)
def issue(m: Any, out: Any, s: int, cmd: int, b: int, row: int, t: int) -> None:
    """Put a command on the bus of channel `s` at clock t: to bank `b`, or (PREab, REFab) to its rank."""
    m[s + C_COUNTS + cmd] += 1
    m[m[m[b + B_RANK] + R_COUNTS] + cmd] += 1
    if m[K_LOG_LINES] > 0:
        _log(m, out, s, cmd, b, row, t)
    family = m[K_FAMILY]
    if cmd != ACT2 and cmd != CAS:
        _raise_all(m, s, b, cmd, t)
    if cmd == ACT:
        _open(m, b, ACTIVATING if family == LPDDR5 else row, t)
    elif cmd == ACT2:
        set_row(m, b, row)
    elif cmd in (RD, WR):
        m[b + B_ACCESSES] += 1
    elif cmd == PRE:
        _close(m, b, t)
    elif cmd == RDA:
        _close(m, b, t + m[K_READ_CLOSE])
    elif cmd == WRA:
        _close(m, b, t + m[K_WRITE_CLOSE])
    elif cmd == PREA:
        first = m[m[b + B_RANK] + R_FIRST_BANK]
        for i in range(m[K_BANKS_PER_RANK]):
            _close(m, first + i * B_SIZE, t)
    if family == HBM3 and t & 1 and (cmd <= PREA or cmd in (REFAB, REFPB)):
        m[s + C_PAIR_TICK] = t + m[K_ACT_LENGTH] if cmd == ACT else t + 1
        m[s + C_PAIR_RANK] = m[b + B_RANK]
        m[s + C_PAIR_BANK] = -1 if cmd in (PREA, REFAB) else b
    if family == LPDDR5 and RD <= cmd <= WRA:
        busy = m[K_READ_LATENCY] if cmd in (RD, RDA) else m[K_WRITE_BUSY]
        m[s + C_CLOCK_SYNCED] = max(m[s + C_CLOCK_SYNCED], t + busy + m[K_CLOCK_TRAIL])


@njit(cache=True, nogil=True)
def classify(m: Any, s: int, e: int) -> None:
    """Hit, miss or conflict, as the bank stands when the first command for the request issues."""
    if m[e + E_COUNTED]:
        return
    m[e + E_COUNTED] = 1
    row = m[m[e + E_BANK] + B_ROW]
    read = 1 - m[e + E_WRITE]
    if row == m[e + E_ROW]:
        m[s + C_HITS] += 1
        m[s + C_READ_HITS] += read
    elif row < 0:
        m[s + C_MISSES] += 1
        m[s + C_READ_MISSES] += read
    else:
        m[s + C_CONFLICTS] += 1
        m[s + C_READ_CONFLICTS] += read
