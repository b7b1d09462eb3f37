"""Fetch: one instruction a cycle for each sub-core, through the L0, its stream buffer and the SM's L1."""

from __future__ import annotations

import numpy as np

from ..tables import (
    AGE,
    ARRIVAL,
    AT,
    BUFFER,
    CODE_LINE,
    END,
    FETCH,
    FETCH_FROM,
    FETCH_WAKE,
    LAST_WARP,
    LINE_BYTES,
    NEVER,
    P_BUFFER,
    P_FETCH,
    P_L0_KIB,
    P_L0_MISS,
    P_L0_WAYS,
    P_L1I_KIB,
    P_L1I_MISS,
    P_L1I_WAYS,
    P_PERFECT,
    P_PREFETCH,
    P_SUB_CORES,
    P_WARPS,
    PC,
    PREFETCHED,
    REQUEST_FREE,
    SB_HEAD,
    SB_NEXT,
    UNTIL,
    USED,
)  # fmt: skip
from .jit import jit

__all__ = ["fetch"]


@jit
def insert(
    lines: np.ndarray, cache: int, line: int, when: int, now: int, sets: int, ways: int
) -> None:
    """Put a line that arrives at `when` into a cache, one of several; the least recently used line of a full set goes."""
    held, victim = 0, -1
    for other in range(line % sets, lines.shape[2], sets):
        if lines[cache, ARRIVAL, other] != NEVER and other != line:
            held += 1
            if lines[cache, ARRIVAL, other] <= now and (victim < 0 or lines[cache, USED, other] < lines[cache, USED, victim]):
                victim = other
    if held >= ways and victim >= 0:
        lines[cache, ARRIVAL, victim] = NEVER
    lines[cache, ARRIVAL, line] = when
    lines[cache, USED, line] = now


@jit
def request(code: np.ndarray, sm: np.ndarray, p: np.ndarray, m: int, line: int, now: int) -> int:
    """Ask the L1 for a line: one request a cycle for the SM; returns when the L0 has it."""
    start = max(now, sm[m, REQUEST_FREE])
    sm[m, REQUEST_FREE] = start + 1
    done = start + p[P_L0_MISS]
    l1 = code.shape[0] - sm.shape[0] + m
    there = code[l1, ARRIVAL, line]
    if there == NEVER:
        sets = max(1, p[P_L1I_KIB] * 1024 // LINE_BYTES // p[P_L1I_WAYS])
        there = start + p[P_L1I_MISS]
        insert(code, l1, line, there, start, sets, p[P_L1I_WAYS])
    else:
        code[l1, USED, line] = start
    if there > start:
        done += there - start
    return done


@jit
def look_up(code: np.ndarray, sub: np.ndarray, sm: np.ndarray, p: np.ndarray, m: int, q: int, line: int, now: int) -> int:
    """Return the cycle from which the line can be fetched, and ask for it if nobody has."""
    arrival = code[q, ARRIVAL, line]
    if arrival != NEVER:
        code[q, USED, line] = now
        return arrival
    sets = max(1, p[P_L0_KIB] * 1024 // LINE_BYTES // p[P_L0_WAYS])
    if sub[q, SB_HEAD] <= line < sub[q, SB_NEXT]:
        arrival = code[q, PREFETCHED, line]
    else:
        arrival = request(code, sm, p, m, line, now)
        sub[q, SB_NEXT] = line + 1
    sub[q, SB_HEAD] = line + 1
    insert(code, q, line, arrival, now, sets, p[P_L0_WAYS])
    while sub[q, SB_NEXT] <= line + p[P_PREFETCH] and sub[q, SB_NEXT] < code.shape[2]:
        code[q, PREFETCHED, sub[q, SB_NEXT]] = request(code, sm, p, m, sub[q, SB_NEXT], now + 1)
        sub[q, SB_NEXT] += 1
    return arrival


@jit
def fetch(
    table: np.ndarray, stream: np.ndarray, warp: np.ndarray, sub: np.ndarray, sm: np.ndarray, code: np.ndarray,
    p: np.ndarray, m: int, q: int, t: int,
) -> int:
    """Fetch for one warp; returns t + 1 if the cycle was used, else the next cycle in which it could be."""
    if sub[q, FETCH_WAKE] > t:
        return sub[q, FETCH_WAKE]
    last = sub[q, LAST_WARP]
    chosen, soon = -1, NEVER
    if (last >= 0 and warp[last, FETCH] < warp[last, END] and warp[last, FETCH] - warp[last, AT] < p[P_BUFFER]
            and warp[last, FETCH_FROM] <= t):
        chosen = last
    else:
        first = m * p[P_WARPS]
        for w in range(first + q - m * p[P_SUB_CORES], first + p[P_WARPS], p[P_SUB_CORES]):
            ahead = warp[w, FETCH]
            if ahead < warp[w, END] and ahead - warp[w, AT] < p[P_BUFFER]:
                if warp[w, FETCH_FROM] > t:
                    soon = min(soon, warp[w, FETCH_FROM])
                elif chosen < 0 or warp[w, AGE] > warp[chosen, AGE]:
                    chosen = w
    if chosen < 0:
        sub[q, FETCH_WAKE] = soon
        return soon
    index = warp[chosen, FETCH]
    row = stream[index]
    arrival = t
    if p[P_PERFECT] == 0:
        arrival = look_up(code, sub, sm, p, m, q, table[row, CODE_LINE], t)
    if arrival > t:
        warp[chosen, FETCH_FROM] = arrival
        return t + 1
    warp[chosen, BUFFER + (index & 7)] = t + p[P_FETCH]
    warp[chosen, FETCH] = index + 1
    if index == warp[chosen, AT]:
        warp[chosen, UNTIL] = 0
    if index + 1 < warp[chosen, END] and table[stream[index + 1], PC] != table[row, PC] + 16:
        warp[chosen, FETCH_FROM] = NEVER  # until the branch has issued
    return t + 1
