"""Same-bank refresh (DDR5): one command refreshes the bank of one number in every bank group of a rank.

Such a set of banks has one debt, which each of its banks repeats. It is idle when nothing waits for any of its
banks, and each of them must be closed before the refresh.
"""

from __future__ import annotations

from typing import Any

from numba import njit

from ..commands import PRE, REFSB
from ..core.issue import earliest, raise_bank
from ..core.state import B_INDEX, B_QUEUE, B_ROW, B_SIZE, C_FIRST_BANK, C_INDEX, CLOSED, FAR, Q_N
from .state import (
    AWAKE,
    X_BANKS,
    X_FIRST_XBANK,
    X_FIRST_XRANK,
    X_GROUP_BANKS,
    X_GROUPS,
    X_POSTPONE,
    X_PULL,
    X_RANKS,
    XB_DEBT,
    XB_KEPT,
    XB_RESTED,
    XB_SIZE,
    XR_POWER,
    XR_SIZE,
)

__all__ = ["best_same_bank", "refreshed_set", "wanted"]

_GATE_REFSB = 10


@njit(cache=True, nogil=True)
def wanted(debt: int, idle: bool, rested: int, postpone: int, pull: int) -> bool:
    """Whether a refresh should go out: it cannot wait, or nothing is in its way and it is due or worth doing early."""
    return debt > postpone or (idle and (debt > 0 or (rested != 0 and debt > -pull)))


@njit(cache=True, nogil=True)
def best_same_bank(m: Any, x: Any, s: int, t: int) -> tuple[int, int, int]:
    """(clock, bank, command): the same-bank refresh, or a precharge before it, that can go first, not before t."""
    best, best_b, best_cmd = FAR, -1, -1
    step = x[X_GROUP_BANKS]
    for i in range(x[X_BANKS]):
        if i % (x[X_GROUPS] * step) >= step:
            continue
        rank = i // (x[X_GROUPS] * step)
        if x[x[X_FIRST_XRANK] + (m[s + C_INDEX] * x[X_RANKS] + rank) * XR_SIZE + XR_POWER] != AWAKE:
            continue
        first = m[s + C_FIRST_BANK] + i * B_SIZE
        record = x[X_FIRST_XBANK] + (m[s + C_INDEX] * x[X_BANKS] + i) * XB_SIZE
        idle, kept, rested = True, False, 1
        refresh, close, close_b = t, FAR, -1
        for g in range(x[X_GROUPS]):
            b, bank = first + g * step * B_SIZE, record + g * step * XB_SIZE
            idle = idle and m[b + B_QUEUE + Q_N] == 0
            kept = kept or x[bank + XB_KEPT] >= 0
            rested = rested & x[bank + XB_RESTED]
            refresh = max(refresh, earliest(m, b, _GATE_REFSB))
            if m[b + B_ROW] != CLOSED:
                when = max(t, earliest(m, b, PRE))
                if when < close:
                    close, close_b = when, b
        if kept or not wanted(x[record + XB_DEBT], idle, rested, x[X_POSTPONE], x[X_PULL]):
            continue
        if close_b >= 0:
            if close < best:
                best, best_b, best_cmd = close, close_b, PRE
        elif refresh < best:
            best, best_b, best_cmd = refresh, first, REFSB
    return best, best_b, best_cmd


@njit(cache=True, nogil=True)
def refreshed_set(m: Any, x: Any, b: int, t: int) -> None:
    """Write down that the set of bank `b` (in the first group) was refreshed at t, and bind its other banks, too."""
    record = x[X_FIRST_XBANK] + m[b + B_INDEX] * XB_SIZE
    for g in range(x[X_GROUPS]):
        x[record + g * x[X_GROUP_BANKS] * XB_SIZE + XB_DEBT] -= 1
        x[record + g * x[X_GROUP_BANKS] * XB_SIZE + XB_RESTED] = 1
        if g > 0:
            raise_bank(m, b + g * x[X_GROUP_BANKS] * B_SIZE, REFSB, t)
