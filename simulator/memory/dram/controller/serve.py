"""Sending a request's next command, and the accounts of the data bus."""

from __future__ import annotations

from typing import Any

from numba import njit

from ..commands import ACT, ACT2, CAS, RD, RDA, WR, WRA
from ..core.issue import classify, issue
from ..core.queues import unlink
from ..core.state import (
    B_GROUP,
    B_INDEX,
    B_RANK,
    B_READY,
    C_CAS_SLOT,
    C_CLOCK_SYNCED,
    C_FREE,
    C_INDEX,
    C_OWED,
    C_READS,
    C_WRITES,
    E_ARRIVAL,
    E_BANK,
    E_ID,
    E_NEXT,
    E_ROW,
    E_WRITE,
    K_DONE,
    K_FAMILY,
    LPDDR5,
    R_INDEX,
    R_READY,
)
from .select import closes_row
from .state import (
    ACTIVATION,
    BANK_GROUP,
    BUSY,
    EMPTY,
    GAP_BUS,
    GAP_CAUSE,
    GAP_EMPTY,
    GAP_REFRESH,
    GAP_REST,
    GAP_SIZE,
    OTHER,
    REFRESH,
    ROW_CYCLE,
    TURNAROUND,
    X_BURST,
    X_BUS_PER_RANK,
    X_FIRST_BUS,
    X_FIRST_XBANK,
    X_FIRST_XRANK,
    X_GAPS,
    X_GROUP_GAP,
    X_IN_FLIGHT,
    X_IN_ORDER,
    X_N_IN_FLIGHT,
    X_RANKS,
    X_RCD_READ,
    X_RCD_WRITE,
    X_READ_DATA,
    X_WRITE_DATA,
    XB_ACTIVATED,
    XB_KEPT,
    XB_LIMITED,
    XB_SIZE,
    XC_LAST,
    XC_READS,
    XC_WRITES,
    XR_ACCESS,
    XR_BUFFERED,
    XR_KEPT,
    XR_RESTED,
    XR_SIZE,
    Y_BUFFERED,
    Y_COUNTS,
    Y_EMPTY,
    Y_EMPTY_SINCE,
    Y_END,
    Y_LAST_CLOCK,
    Y_LAST_GROUP,
    Y_LAST_RANK,
    Y_LAST_WRITE,
    Y_REFRESH,
    Y_SIZE,
)

__all__ = ["access", "bus_of", "rank_of", "second_activate", "send"]


@njit(cache=True, nogil=True)
def rank_of(m: Any, x: Any, s: int, b: int) -> int:
    """The extension record of a bank's rank."""
    return x[X_FIRST_XRANK] + (m[s + C_INDEX] * x[X_RANKS] + m[m[b + B_RANK] + R_INDEX]) * XR_SIZE


@njit(cache=True, nogil=True)
def bus_of(m: Any, x: Any, s: int, b: int) -> int:
    """The data bus of a bank."""
    bus = m[s + C_INDEX]
    if x[X_BUS_PER_RANK]:
        bus = bus * x[X_RANKS] + m[m[b + B_RANK] + R_INDEX]
    return x[X_FIRST_BUS] + bus * Y_SIZE


@njit(cache=True, nogil=True)
def _account(m: Any, x: Any, out: Any, y: int, b: int, write: int, request: int, t: int) -> None:
    """Book the ticks between the last burst and this one: first those without requests, then those under
    refresh; the rest goes to the rule that this access waited for longest."""
    start = t + (x[X_WRITE_DATA] if write else x[X_READ_DATA])
    gap = start - x[y + Y_END]
    empty = min(gap, x[y + Y_EMPTY])
    refresh = min(gap - empty, x[y + Y_REFRESH])
    x[y + Y_COUNTS + BUSY] += x[X_BURST]
    x[y + Y_COUNTS + EMPTY] += empty
    x[y + Y_COUNTS + REFRESH] += refresh
    bank = x[X_FIRST_XBANK] + m[b + B_INDEX] * XB_SIZE
    opened = x[bank + XB_ACTIVATED] + (x[X_RCD_WRITE] if write else x[X_RCD_READ])
    last = x[y + Y_LAST_CLOCK]
    cause = OTHER
    if opened + 1 >= t and x[bank + XB_ACTIVATED] >= 0 and opened > last:
        cause = ACTIVATION if x[bank + XB_LIMITED] else ROW_CYCLE
    elif last >= 0:
        if write != x[y + Y_LAST_WRITE] or m[b + B_RANK] != x[y + Y_LAST_RANK]:
            cause = TURNAROUND
        elif m[b + B_GROUP] == x[y + Y_LAST_GROUP] and x[X_GROUP_GAP] > x[X_BURST]:
            cause = BANK_GROUP
    x[y + Y_COUNTS + cause] += gap - empty - refresh
    if x[X_GAPS] >= 0:
        at = x[X_GAPS] + GAP_SIZE * request
        out[at + GAP_EMPTY], out[at + GAP_REFRESH], out[at + GAP_REST] = empty, refresh, gap - empty - refresh
        out[at + GAP_CAUSE], out[at + GAP_BUS] = cause, (y - x[X_FIRST_BUS]) // Y_SIZE
    x[y + Y_END] = start + x[X_BURST]
    x[y + Y_EMPTY] = 0
    x[y + Y_REFRESH] = 0
    x[y + Y_LAST_CLOCK], x[y + Y_LAST_WRITE] = t, write
    x[y + Y_LAST_GROUP], x[y + Y_LAST_RANK] = m[b + B_GROUP], m[b + B_RANK]


@njit(cache=True, nogil=True)
def access(m: Any, x: Any, out: Any, s: int, c: int, e: int, t: int) -> None:
    """Move the data of a request; its place in the buffer is free from now on."""
    b = m[e + E_BANK]
    write = m[e + E_WRITE]
    classify(m, s, e)
    cmd = WR if write else RD
    if closes_row(m, x, b, e):
        cmd = WRA if write else RDA
    y = bus_of(m, x, s, b)
    _account(m, x, out, y, b, write, m[e + E_ID], t)
    row = m[e + E_ROW]
    unlink(m, e, 0)
    issue(m, out, s, cmd, b, row, t)
    m[s + (C_WRITES if write else C_READS)] += 1
    done = x[y + Y_END]
    request = m[e + E_ID]
    out[m[K_DONE] + request] = done
    if x[X_IN_ORDER] == 0:
        at = x[X_IN_FLIGHT] + 2 * x[X_N_IN_FLIGHT]
        x[at], x[at + 1] = done, request
        x[X_N_IN_FLIGHT] += 1
    x[c + (XC_WRITES if write else XC_READS)] -= 1
    x[c + XC_LAST] = write
    r = rank_of(m, x, s, b)
    x[r + XR_BUFFERED] -= 1
    x[r + XR_ACCESS] = t
    x[y + Y_BUFFERED] -= 1
    if x[y + Y_BUFFERED] == 0:
        x[y + Y_EMPTY_SINCE] = t
    bank = x[X_FIRST_XBANK] + m[b + B_INDEX] * XB_SIZE
    if x[bank + XB_KEPT] >= 0:
        x[bank + XB_KEPT] = -1
        x[r + XR_KEPT] -= 1
    m[e + E_NEXT] = m[s + C_FREE]
    m[s + C_FREE] = e


@njit(cache=True, nogil=True)
def second_activate(m: Any, out: Any, s: int, t: int) -> None:
    """LPDDR5: the second half of an activation."""
    e = m[s + C_OWED]
    issue(m, out, s, ACT2, m[e + E_BANK], m[e + E_ROW], t)
    m[s + C_OWED] = -1


@njit(cache=True, nogil=True)
def send(m: Any, x: Any, out: Any, s: int, c: int, e: int, cmd: int, t: int) -> None:
    """Issue the next command of a request."""
    b = m[e + E_BANK]
    if cmd in (RD, WR):
        if m[K_FAMILY] == LPDDR5 and t >= m[s + C_CLOCK_SYNCED]:
            issue(m, out, s, CAS, b, m[e + E_ROW], t)
            m[s + C_CAS_SLOT] = e
        else:
            access(m, x, out, s, c, e, t)
        return
    classify(m, s, e)
    if cmd == ACT:
        r = rank_of(m, x, s, b)
        bank = x[X_FIRST_XBANK] + m[b + B_INDEX] * XB_SIZE
        own = m[b + B_READY + ACT]
        limits = max(m[m[b + B_GROUP] + ACT], m[m[b + B_RANK] + R_READY + ACT])
        x[bank + XB_LIMITED] = limits > max(own, m[e + E_ARRIVAL] + 1)
        x[bank + XB_ACTIVATED] = t
        x[bank + XB_KEPT] = e
        x[r + XR_KEPT] += 1
        x[r + XR_RESTED] = 0
        if m[K_FAMILY] == LPDDR5:
            m[s + C_OWED] = e
    issue(m, out, s, cmd, b, m[e + E_ROW], t)
