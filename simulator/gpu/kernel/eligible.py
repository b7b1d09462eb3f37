"""Which warp may issue, and which one does."""

from __future__ import annotations

import numpy as np

from ..tables import (
    AGE,
    ARRIVAL,
    AT,
    BANK_COLUMNS,
    BARRIER_UNTIL,
    BUFFER,
    C_BARRIER,
    C_CONSTANT,
    C_DEPENDENCE,
    C_FETCH,
    C_IDLE,
    C_ISSUED,
    C_LATENCY,
    C_MEMORY,
    C_STALL,
    C_UNIT,
    CAUSE,
    CONST_LINE,
    COUNT,
    DST,
    DST_N,
    END,
    FETCH,
    FP64_FREE,
    HOLD_FROM,
    HOLD_LEVEL,
    HOLD_SB,
    HOLD_SET,
    LAST_ISSUE,
    LAST_RD,
    LAST_WARP,
    LAST_WR,
    LATENCY,
    MEM_COUNT,
    NEVER,
    NEXT_ISSUE,
    P_BANKS,
    P_CONST_SETS,
    P_FP32_PIPES,
    P_MEMORY_QUEUE,
    P_POLICY,
    P_RESULT_QUEUE,
    P_SCOREBOARD,
    P_SUB_CORES,
    P_WARPS,
    RING,
    U_FP32,
    U_FP32_OWN,
    U_FP64,
    U_INT,
    U_MEMORY,
    U_NONE,
    UNIT,
    UNITS,
    UNTIL,
    VARIABLE,
    WAIT,
    WAITING,
    WHY,
    WRITES,
)  # fmt: skip
from .jit import jit
from .ready import values_ready

__all__ = ["MISS", "pipe", "select"]

MISS = -1
"""The warp would be chosen, and then miss the constant cache."""


@jit
def seen(warp: np.ndarray, w: int, counter: int, t: int) -> int:
    """A dependence counter as the issue check of cycle t sees it: without what was issued in t - 1."""
    value = warp[w, COUNT + counter]
    if warp[w, LAST_ISSUE] == t - 1:
        if warp[w, LAST_WR] == counter:
            value -= 1
        if warp[w, LAST_RD] == counter:
            value -= 1
    return value


@jit
def waits_for_counters(table: np.ndarray, warp: np.ndarray, w: int, k: int, t: int) -> bool:
    """Whether DEPBAR or the wait mask holds the warp."""
    if held_by_depbar(warp, w, t):
        return True
    mask = table[k, WAIT]
    counter = 0
    while mask:
        if mask & 1 and seen(warp, w, counter, t) > 0:
            return True
        mask >>= 1
        counter += 1
    return False


@jit
def held_by_depbar(warp: np.ndarray, w: int, t: int) -> bool:
    """Whether a DEPBAR that the warp has issued holds it."""
    if 0 <= warp[w, HOLD_FROM] <= t:
        if seen(warp, w, warp[w, HOLD_SB], t) > warp[w, HOLD_LEVEL]:
            return True
        for counter in range(6):
            if warp[w, HOLD_SET] >> counter & 1 and seen(warp, w, counter, t) > 0:
                return True
    return False


@jit
def pipe(sub: np.ndarray, p: np.ndarray, q: int, unit: int, t: int) -> int:
    """The pipe that an instruction of a unit would enter: the first that is free first."""
    if unit == U_FP32:
        own = sub[q, UNITS + U_FP32_OWN]
        return U_FP32_OWN if p[P_FP32_PIPES] == 1 or own <= t or own <= sub[q, UNITS + U_INT] else U_INT
    return unit


@jit
def check(
    table: np.ndarray, stream: np.ndarray, warp: np.ndarray, values: np.ndarray, sub: np.ndarray, sm: np.ndarray,
    constants: np.ndarray, p: np.ndarray, m: int, q: int, w: int, t: int,
) -> tuple[int, int]:
    """Return (cause, cycle): C_ISSUED or MISS if the warp can issue now, else why not and until when."""
    at = warp[w, AT]
    if at >= warp[w, END]:
        return C_IDLE, NEVER
    if warp[w, NEXT_ISSUE] > t:
        return (C_BARRIER if warp[w, BARRIER_UNTIL] > t else C_STALL), warp[w, NEXT_ISSUE]
    if warp[w, WAITING]:
        return C_BARRIER, NEVER
    if warp[w, FETCH] == at:
        return C_FETCH, NEVER
    if warp[w, BUFFER + (at & 7)] > t:
        return C_FETCH, warp[w, BUFFER + (at & 7)]
    k = stream[at]
    if p[P_SCOREBOARD]:
        if held_by_depbar(warp, w, t):
            return C_DEPENDENCE, NEVER
        when = values_ready(table, warp, values, p, w, k)
        if when > t:
            return (C_DEPENDENCE if when == NEVER else C_LATENCY), when
    elif waits_for_counters(table, warp, w, k, t):
        return C_DEPENDENCE, NEVER
    unit = table[k, UNIT]
    if unit == U_MEMORY:
        if sub[q, MEM_COUNT] > p[P_MEMORY_QUEUE]:
            return C_MEMORY, NEVER
    elif unit != U_NONE:
        shared = unit == U_FP64 and table[k, VARIABLE]  # one unit for the SM, where doubles are rare
        free = sm[m, FP64_FREE] if shared else sub[q, UNITS + pipe(sub, p, q, unit, t)]
        if free > t:
            return C_UNIT, free
    if p[P_RESULT_QUEUE] == 0 and table[k, DST] >= 0 and not table[k, VARIABLE]:
        done = t + table[k, LATENCY]
        for r in range(table[k, DST], table[k, DST] + min(2, table[k, DST_N])):
            if sub[q, WRITES + r % p[P_BANKS] * BANK_COLUMNS + done % RING] == done:
                return C_UNIT, t + 1
    line = table[k, CONST_LINE]
    if line >= 0 and p[P_CONST_SETS] > 0:
        arrival = constants[q, ARRIVAL, line]
        if arrival == NEVER:
            return MISS, t
        if arrival > t:
            return C_CONSTANT, arrival
    return C_ISSUED, t


@jit
def consider(
    table: np.ndarray, stream: np.ndarray, warp: np.ndarray, values: np.ndarray, sub: np.ndarray, sm: np.ndarray,
    constants: np.ndarray, p: np.ndarray, m: int, q: int, w: int, t: int,
) -> tuple[int, int]:
    """Return what `check` does, without looking again at a warp that is known to wait.

    From C_FETCH to C_BARRIER causes are of the warp alone: they last until their cycle, or until an event, a fetch or a
    barrier changes the warp, which then sets UNTIL to 0. What other warps take or free is looked at in every cycle.
    """
    if warp[w, UNTIL] > t:
        return warp[w, CAUSE], warp[w, UNTIL]
    cause, until = check(table, stream, warp, values, sub, sm, constants, p, m, q, w, t)
    if C_FETCH <= cause <= C_BARRIER:
        warp[w, CAUSE], warp[w, UNTIL] = cause, until
    return cause, until


@jit
def select(
    table: np.ndarray, stream: np.ndarray, warp: np.ndarray, values: np.ndarray, sub: np.ndarray, sm: np.ndarray,
    constants: np.ndarray, p: np.ndarray, m: int, q: int, t: int,
) -> tuple[int, int, int, int]:
    """Return (warp or -1, C_ISSUED or MISS, cause, cycle of the next chance)."""
    policy, last = p[P_POLICY], sub[q, LAST_WARP]
    if last >= 0 and policy != 2:
        cause, until = consider(table, stream, warp, values, sub, sm, constants, p, m, q, last, t)
        if cause <= C_ISSUED:
            return last, cause, C_ISSUED, t
    chosen, kind, worst, soon = -1, 0, C_IDLE, NEVER
    first, count = m * p[P_WARPS], p[P_WARPS]
    w = first + q - m * p[P_SUB_CORES]
    if policy == 2 and last >= 0:
        w = last + p[P_SUB_CORES]
    stop = first + count
    for _ in range((count + p[P_SUB_CORES] - 1) // p[P_SUB_CORES]):
        if w >= stop:
            w = first + q - m * p[P_SUB_CORES]
            if w >= stop:
                break
        if warp[w, AT] < warp[w, END] and not (
            chosen >= 0 and (policy == 2 or (warp[w, AGE] < warp[chosen, AGE]) == (policy == 0))
        ):
            cause, until = consider(table, stream, warp, values, sub, sm, constants, p, m, q, w, t)
            if cause <= C_ISSUED:
                chosen, kind = w, cause
            else:
                worst, soon = max(worst, cause), min(soon, until)
                warp[w, WHY] = cause
        w += p[P_SUB_CORES]
    return chosen, kind, worst, soon
