"""Power-down and self-refresh: a rank with nothing to do goes to sleep, and wakes for a request or a refresh.

A rank sleeps with its rows as they are (active power-down) or with all of them closed (precharge power-down). After
`self_refresh_after` refreshes without a request it refreshes itself: no refresh falls due then, and a request alone
wakes it. Exits go first on the command bus, entries last.
"""

from __future__ import annotations

from typing import Any

from numba import njit

from ..commands import PDE, PDX, SRE, SRX
from ..core.issue import issue
from ..core.state import C_FIRST_RANK, C_INDEX, C_RANK_STEP, FAR, R_FIRST_BANK, R_OPEN, R_READY
from .same_bank import wanted
from .state import (
    ALL_BANK,
    AWAKE,
    NO_REFRESH,
    POWER_DOWN,
    SAME_BANK,
    SELF_REFRESH,
    X_BANKS,
    X_FIRST_XBANK,
    X_FIRST_XRANK,
    X_GROUP_BANKS,
    X_GROUPS,
    X_POSTPONE,
    X_POWER_AFTER,
    X_PULL,
    X_RANKS,
    X_REFRESH,
    X_SELF_AFTER,
    XB_DEBT,
    XB_RESTED,
    XB_SIZE,
    XR_ACCESS,
    XR_ACTIVE_DOWN,
    XR_ACTIVE_DOWN_BANKS,
    XR_ASLEEP,
    XR_BLOCKED,
    XR_BUFFERED,
    XR_DEBT,
    XR_DOWN,
    XR_POWER,
    XR_QUIET,
    XR_RESTED,
    XR_SELF,
    XR_SIZE,
)

__all__ = ["fall_asleep", "wake_up"]

_GATE_PDE, _GATE_EXIT, _GATE_SRE = 7, 8, 9


@njit(cache=True, nogil=True)
def _refresh_wanted(x: Any, s_index: int, rank: int, r: int) -> bool:
    """Whether an idle rank should be refreshed now."""
    if x[X_REFRESH] == ALL_BANK:
        return wanted(x[r + XR_DEBT], True, x[r + XR_RESTED], x[X_POSTPONE], x[X_PULL])
    if x[X_REFRESH] == SAME_BANK:
        first = x[X_FIRST_XBANK] + (s_index * x[X_BANKS] + rank * (x[X_BANKS] // x[X_RANKS])) * XB_SIZE
        for number in range(x[X_GROUP_BANKS]):
            rested = 1
            for g in range(x[X_GROUPS]):
                rested &= x[first + (g * x[X_GROUP_BANKS] + number) * XB_SIZE + XB_RESTED]
            if wanted(x[first + number * XB_SIZE + XB_DEBT], True, rested, x[X_POSTPONE], x[X_PULL]):
                return True
    return False


@njit(cache=True, nogil=True)
def wake_up(m: Any, x: Any, out: Any, s: int, t: int) -> int:
    """Wake the first sleeping rank with work, if it may; returns the clock of the first exit, t if one went out."""
    best = FAR
    for i in range(x[X_RANKS]):
        r = x[X_FIRST_XRANK] + (m[s + C_INDEX] * x[X_RANKS] + i) * XR_SIZE
        power = x[r + XR_POWER]
        if power == AWAKE:
            continue
        if x[r + XR_BUFFERED] == 0 and (power == SELF_REFRESH or not _refresh_wanted(x, m[s + C_INDEX], i, r)):
            continue
        node = m[s + C_FIRST_RANK] + i * m[s + C_RANK_STEP]
        when = max(t, m[node + R_READY + _GATE_EXIT])
        best = min(best, when)
        if when > t:
            continue
        ticks = t - x[r + XR_ASLEEP]
        if power == SELF_REFRESH:
            x[r + XR_SELF] += ticks
        elif m[node + R_OPEN] > 0:
            x[r + XR_ACTIVE_DOWN] += ticks
            x[r + XR_ACTIVE_DOWN_BANKS] += ticks * m[node + R_OPEN]
        else:
            x[r + XR_DOWN] += ticks
        x[r + XR_POWER] = AWAKE
        late = x[X_REFRESH] == ALL_BANK and x[r + XR_DEBT] > x[X_POSTPONE]
        x[r + XR_BLOCKED] = t if late else -1
        issue(m, out, s, SRX if power == SELF_REFRESH else PDX, m[node + R_FIRST_BANK], -1, t)
        return t
    return best


@njit(cache=True, nogil=True)
def fall_asleep(m: Any, x: Any, out: Any, s: int, t: int) -> int:
    """Send the first idle rank to sleep, if it may; returns the next clock at which there is something to do."""
    best = FAR
    for i in range(x[X_RANKS]):
        r = x[X_FIRST_XRANK] + (m[s + C_INDEX] * x[X_RANKS] + i) * XR_SIZE
        if x[r + XR_POWER] != AWAKE or x[r + XR_BUFFERED] > 0 or _refresh_wanted(x, m[s + C_INDEX], i, r):
            continue
        node = m[s + C_FIRST_RANK] + i * m[s + C_RANK_STEP]
        quiet = x[r + XR_QUIET] if x[r + XR_RESTED] else 0
        deep = x[X_REFRESH] != NO_REFRESH and 0 < x[X_SELF_AFTER] <= quiet and m[node + R_OPEN] == 0
        gate = m[node + R_READY + (_GATE_SRE if deep else _GATE_PDE)]
        when = max(t, gate, x[r + XR_ACCESS] + x[X_POWER_AFTER])
        if when <= t:
            x[r + XR_POWER] = SELF_REFRESH if deep else POWER_DOWN
            x[r + XR_ASLEEP] = x[r + XR_BLOCKED] = t  # no bank begins anything; none owes an access
            issue(m, out, s, SRE if deep else PDE, m[node + R_FIRST_BANK], -1, t)
            return t + 1
        best = min(best, when)
    return best
