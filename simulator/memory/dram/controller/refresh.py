"""Refresh: when it is due, how long it may be put off, and what it does to the banks."""

from __future__ import annotations

from typing import Any

from numba import njit

from ..commands import PRE, PREA, REFAB, REFPB, REFSB
from ..core.issue import earliest
from ..core.state import (
    B_INDEX,
    B_QUEUE,
    B_ROW,
    B_SIZE,
    C_FIRST_BANK,
    C_FIRST_RANK,
    C_INDEX,
    C_RANK_STEP,
    CLOSED,
    FAR,
    HBM3,
    K_FAMILY,
    Q_N,
    R_FIRST_BANK,
    R_OPEN,
    R_READY,
)
from .same_bank import best_same_bank, refreshed_set, wanted
from .serve import bus_of
from .state import (
    ALL_BANK,
    AWAKE,
    PER_BANK,
    SAME_BANK,
    SELF_REFRESH,
    X_BANKS,
    X_FIRST_XBANK,
    X_FIRST_XRANK,
    X_INTERVAL,
    X_POSTPONE,
    X_PULL,
    X_RANKS,
    X_REFRESH,
    X_REFRESH_TICKS,
    XB_DEBT,
    XB_DUE,
    XB_KEPT,
    XB_RESTED,
    XB_SIZE,
    XR_BLOCKED,
    XR_BUFFERED,
    XR_DEBT,
    XR_DUE,
    XR_KEPT,
    XR_POWER,
    XR_QUIET,
    XR_RESTED,
    XR_SIZE,
    XR_SKIPPED,
    Y_REFRESH,
)

__all__ = ["bank_blocked", "best_refresh", "count_due", "refreshed"]

_GATE_PREAB, _GATE_REFAB, _GATE_REFPB = 2, 5, 6


@njit(cache=True, nogil=True)
def count_due(x: Any, m: Any, s: int, t: int) -> int:
    """Add what has come due by clock t to the debts; returns the next due clock."""
    wake = FAR
    if x[X_REFRESH] == ALL_BANK:
        first = x[X_FIRST_XRANK] + m[s + C_INDEX] * x[X_RANKS] * XR_SIZE
        for i in range(x[X_RANKS]):
            r = first + i * XR_SIZE
            while x[r + XR_DUE] <= t:
                x[r + XR_DUE] += x[X_INTERVAL]
                x[r + (XR_SKIPPED if x[r + XR_POWER] == SELF_REFRESH else XR_DEBT)] += 1
            if x[r + XR_DEBT] > x[X_POSTPONE] and x[r + XR_BLOCKED] < 0:
                x[r + XR_BLOCKED] = t
            wake = min(wake, x[r + XR_DUE])
    elif x[X_REFRESH] >= PER_BANK:
        first = x[X_FIRST_XBANK] + m[s + C_INDEX] * x[X_BANKS] * XB_SIZE
        for i in range(x[X_BANKS]):
            b = first + i * XB_SIZE
            while x[b + XB_DUE] <= t:
                x[b + XB_DUE] += x[X_INTERVAL]
                r = x[X_FIRST_XRANK] + (m[s + C_INDEX] * x[X_RANKS] + i // (x[X_BANKS] // x[X_RANKS])) * XR_SIZE
                if x[r + XR_POWER] == SELF_REFRESH:
                    x[r + XR_SKIPPED] += 1
                else:
                    x[b + XB_DEBT] += 1
            wake = min(wake, x[b + XB_DUE])
    return wake


@njit(cache=True, nogil=True)
def bank_blocked(m: Any, x: Any, b: int, r: int) -> bool:
    """Whether a bank may not begin anything new: its rank sleeps, or its refresh cannot be put off further."""
    bank = x[X_FIRST_XBANK] + m[b + B_INDEX] * XB_SIZE
    late = x[r + XR_BLOCKED] >= 0
    if x[X_REFRESH] >= PER_BANK:
        late = late or x[bank + XB_DEBT] > x[X_POSTPONE]
    return late and x[bank + XB_KEPT] < 0


@njit(cache=True, nogil=True)
def best_refresh(m: Any, x: Any, s: int, t: int) -> tuple[int, int, int]:
    """(clock, bank, command): the refresh, or the precharge before it, that can go first, not before t."""
    best, best_b, best_cmd = FAR, -1, -1
    odd = 1 if m[K_FAMILY] == HBM3 else 0
    if x[X_REFRESH] == ALL_BANK:
        first = x[X_FIRST_XRANK] + m[s + C_INDEX] * x[X_RANKS] * XR_SIZE
        for i in range(x[X_RANKS]):
            r = first + i * XR_SIZE
            node = m[s + C_FIRST_RANK] + i * m[s + C_RANK_STEP]
            idle = x[r + XR_BUFFERED] == 0
            if x[r + XR_POWER] != AWAKE or x[r + XR_KEPT] > 0:
                continue
            if not wanted(x[r + XR_DEBT], idle, x[r + XR_RESTED], x[X_POSTPONE], x[X_PULL]):
                continue
            closed = m[node + R_OPEN] == 0
            when = max(t, m[node + R_READY + (_GATE_REFAB if closed else _GATE_PREAB)]) | odd
            if when < best:
                best, best_b, best_cmd = when, m[node + R_FIRST_BANK], REFAB if closed else PREA
    elif x[X_REFRESH] == PER_BANK:
        for i in range(x[X_BANKS]):
            b = m[s + C_FIRST_BANK] + i * B_SIZE
            bank = x[X_FIRST_XBANK] + m[b + B_INDEX] * XB_SIZE
            idle = m[b + B_QUEUE + Q_N] == 0
            if x[bank + XB_KEPT] >= 0 or not wanted(x[bank + XB_DEBT], idle, x[bank + XB_RESTED], x[X_POSTPONE], x[X_PULL]):
                continue
            closed = m[b + B_ROW] == CLOSED
            when = max(t, earliest(m, b, _GATE_REFPB if closed else PRE)) | odd
            if when < best:
                best, best_b, best_cmd = when, b, REFPB if closed else PRE
    elif x[X_REFRESH] == SAME_BANK:
        return best_same_bank(m, x, s, t)
    return best, best_b, best_cmd


@njit(cache=True, nogil=True)
def refreshed(m: Any, x: Any, s: int, b: int, r: int, cmd: int, t: int) -> None:
    """Write down that a refresh went out: less debt, and time that the data bus lost."""
    if cmd == REFAB:
        x[r + XR_DEBT] -= 1
        x[r + XR_QUIET] = x[r + XR_QUIET] + 1 if x[r + XR_RESTED] else 1
        x[r + XR_RESTED] = 1
        since = x[r + XR_BLOCKED]
        x[bus_of(m, x, s, b) + Y_REFRESH] += x[X_REFRESH_TICKS] + (t - since if since >= 0 else 0)
        x[r + XR_BLOCKED] = t if x[r + XR_DEBT] > x[X_POSTPONE] else -1
    elif cmd == REFSB:
        refreshed_set(m, x, b, t)
        x[r + XR_QUIET] = x[r + XR_QUIET] + 1 if x[r + XR_RESTED] else 1
        x[r + XR_RESTED] = 1
    else:
        bank = x[X_FIRST_XBANK] + m[b + B_INDEX] * XB_SIZE
        x[bank + XB_DEBT] -= 1
        x[bank + XB_RESTED] = 1
