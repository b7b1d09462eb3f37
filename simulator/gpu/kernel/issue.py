"""Issue: at most one instruction of a sub-core in a cycle, and what follows from it."""

from __future__ import annotations

import numpy as np

from ..tables import (
    ARRIVED,
    ASYNC_BARRIER,
    AT,
    BANK_COLUMNS,
    BARRIER,
    BARRIER_UNTIL,
    BLOCK,
    BLOCKS,
    BUFFER,
    C_BARRIER,
    C_CONSTANT,
    C_DEPENDENCE,
    C_FETCH,
    C_IDLE,
    C_ISSUED,
    C_LATENCY,
    C_MEMORY,
    C_OTHER,
    C_PORTS,
    C_STALL,
    C_UNIT,
    CLEARED,
    CONDITION,
    CONST_LINE,
    CONTROL_BITS,
    COUNT,
    DB_LEVEL,
    DB_SB,
    DB_SET,
    DEPBAR,
    DST,
    DST_N,
    EFFECT,
    END,
    FETCH,
    FETCH_FROM,
    FETCH_WAKE,
    FIRST,
    FP64_FREE,
    FP64_TURN,
    HAZARDS,
    HOLD_FROM,
    HOLD_LEVEL,
    HOLD_SB,
    HOLD_SET,
    IDLE_CAUSE,
    IDLE_FROM,
    IN_QUEUE,
    INTERVAL,
    ISSUE_FREE,
    ISSUED,
    LAST_ISSUE,
    LAST_RD,
    LAST_WARP,
    LAST_WR,
    LATENCY,
    LOW_EARLY,
    MEMBAR,
    NEVER,
    NEXT_ISSUE,
    NUMBER,
    O_FREED,
    O_LAST,
    O_LIVE,
    O_TURNAROUND,
    P_BANKS,
    P_CONST_MISS,
    P_CONST_SETS,
    P_CONST_WAIT,
    P_CONST_WAYS,
    P_GUARD,
    P_MEMBAR,
    P_REDIRECT,
    P_RELEASE,
    P_SCOREBOARD,
    P_SUB_CORES,
    P_WINDOW,
    P_YIELD0,
    PRED_WRITTEN,
    QUIET_UNTIL,
    RD,
    READ_DONE,
    READY,
    RING,
    S_RECORD,
    SCOREBOARD,
    STALL,
    U_FP64,
    U_LATE,
    U_MEMORY,
    U_NONE,
    UNIT,
    UNITS,
    UNTIL,
    USED,
    VARIABLE,
    WAITING,
    WHY,
    WR,
    WRITE_DONE,
    WRITER,
    WRITES,
    YIELD,
    Result,
    State,
    Work,
)  # fmt: skip
from .barrier import reach_barrier
from .eligible import MISS, pipe, select
from .fetch import insert
from .jit import jit
from .memory_unit import enqueue, schedule
from .pending import change_readers, write_predicates, write_uniforms
from .ready import OPERAND_CYCLES, hazards
from .registers import read_registers
from .twins import beside

__all__ = ["issue"]


@jit
def attribute(waits: np.ndarray, stream: np.ndarray, warp: np.ndarray, w: int, k: int, t: int) -> None:
    """Charge the warp's cycles since its last issue to what it waited for: cycles at a barrier to the
    barrier, others to this instruction."""
    x = warp[w, LAST_ISSUE] + 1
    until = min(warp[w, BARRIER_UNTIL], t)
    if until > x:
        waits[stream[warp[w, AT] - 1], C_BARRIER] += until - x
        x = until
    warp[w, BARRIER_UNTIL] = 0
    for cause in (C_STALL, C_FETCH, C_DEPENDENCE):
        until = warp[w, NEXT_ISSUE]
        if cause == C_FETCH:
            until = warp[w, BUFFER + (warp[w, AT] & 7)]
        elif cause == C_DEPENDENCE:
            until = warp[w, CLEARED]
        until = min(until, t)
        if until > x:
            waits[k, cause] += until - x
            x = until
    if t > x:
        why = warp[w, WHY]
        waits[k, why if why in (C_UNIT, C_MEMORY, C_CONSTANT, C_LATENCY) else C_OTHER] += t - x
    waits[k, C_ISSUED] += 1
    warp[w, WHY] = C_OTHER


@jit
def issue(work: Work, state: State, result: Result, p: np.ndarray, m: int, q: int, t: int) -> tuple[int, bool]:
    """Issue at most one instruction; returns (next chance, False if there are too many events)."""
    warp, values, sub, sm, order = state.warp, state.values, state.sub, state.sm, state.order
    table, stream, waits = work.table, work.stream, result.waits
    slots = waits.shape[0] - 1
    chosen, kind, cause, soon = -1, 0, C_IDLE, NEVER
    if sub[q, ISSUE_FREE] > t:
        cause, soon = C_PORTS, sub[q, ISSUE_FREE]
    elif sub[q, QUIET_UNTIL] > t:
        cause, soon = C_CONSTANT, sub[q, QUIET_UNTIL]
    else:
        chosen, kind, cause, soon = select(table, stream, warp, values, sub, sm, state.constants, p, m, q, t)
    if sub[q, IDLE_FROM] < t:
        waits[slots, sub[q, IDLE_CAUSE]] += t - sub[q, IDLE_FROM]
    sub[q, IDLE_FROM] = t + 1
    if chosen < 0 or kind == MISS:
        if chosen >= 0:
            line = table[stream[warp[chosen, AT]], CONST_LINE]
            insert(state.constants, q, line, t + p[P_CONST_MISS], t, p[P_CONST_SETS],
                   p[P_CONST_WAYS])
            sub[q, QUIET_UNTIL] = t + p[P_CONST_WAIT]
            cause, soon = C_CONSTANT, t + p[P_CONST_WAIT]
            warp[chosen, WHY] = C_CONSTANT
        waits[slots, cause] += 1
        sub[q, IDLE_CAUSE] = cause
        return soon, True

    w = chosen
    index = warp[w, AT]
    k = stream[index]
    waits[slots, C_ISSUED] += 1
    attribute(waits, stream, warp, w, k, t)
    sub[q, ISSUED] += 1
    sub[q, IDLE_CAUSE] = C_OTHER
    sub[q, LAST_WARP] = w
    sub[q, FETCH_WAKE] = 0
    warp[w, AT] = index + 1
    warp[w, UNTIL] = 0
    if warp[w, FETCH_FROM] == NEVER and index + 1 == warp[w, FETCH]:
        warp[w, FETCH_FROM] = t + p[P_REDIRECT]
    order[O_LAST] = max(order[O_LAST], t)
    if table[k, CONST_LINE] >= 0:
        state.constants[q, USED, table[k, CONST_LINE]] = t
    fine = True

    variable, unit = table[k, VARIABLE], table[k, UNIT]
    stall = max(1, table[k, STALL])
    bits = p[P_SCOREBOARD] == CONTROL_BITS
    if bits:
        waits[k, HAZARDS] += hazards(table, warp, values, p, w, k, t)
        if table[k, YIELD] and table[k, STALL] <= 1:
            stall = p[P_YIELD0] if table[k, STALL] == 0 else 2
    else:
        stall = 1
    warp[w, NEXT_ISSUE] = t + stall
    effect = table[k, EFFECT]
    warp[w, LAST_ISSUE], warp[w, LAST_WR], warp[w, LAST_RD] = t, -1, -1
    if bits or effect == ASYNC_BARRIER:
        warp[w, LAST_WR] = table[k, WR]
        if table[k, WR] >= 0:
            warp[w, COUNT + table[k, WR]] += 1
    if bits:
        warp[w, LAST_RD] = table[k, RD]
        if table[k, RD] >= 0:
            warp[w, COUNT + table[k, RD]] += 1

    hit = 0
    if unit == U_MEMORY:
        sub[q, ISSUE_FREE] = t + 1
        fine = enqueue(table, stream, warp, sub, sm, state.heap, p, m, q, w, index, t)
    elif variable:
        sub[q, ISSUE_FREE] = t + 1
        late = t
        if unit == U_FP64:
            taken = table[k, INTERVAL] * beside(work, warp[w, NUMBER], index)
            sm[m, FP64_FREE] = t + table[k, INTERVAL] + taken
            sm[m, FP64_TURN] = (q + 1) % p[P_SUB_CORES]
            late += taken // 2
        else:
            sub[q, UNITS + unit] = t + table[k, INTERVAL]
        fine = schedule(sm, state.heap, m, w, warp[w, NUMBER], index, READ_DONE, late + 6)
        fine = fine and schedule(sm, state.heap, m, w, warp[w, NUMBER], index, WRITE_DONE, late + 5 + table[k, LATENCY])
    else:
        booked, hit = read_registers(table, sub, p, q, w, k, t)
        if unit != U_NONE:
            sub[q, UNITS + pipe(sub, p, q, unit, t)] = t + table[k, INTERVAL]
        written = t + table[k, LATENCY]
        if bits:
            if table[k, RD] >= 0:
                fine = schedule(sm, state.heap, m, w, warp[w, NUMBER], index, READ_DONE, booked + p[P_WINDOW] + 1)
            if table[k, WR] >= 0:
                fine = fine and schedule(sm, state.heap, m, w, warp[w, NUMBER], index, WRITE_DONE, t + table[k, LATENCY] + 1)
        elif p[P_SCOREBOARD] == SCOREBOARD:
            # Registers are reserved until their last read, and until the write-back.
            fine = schedule(sm, state.heap, m, w, warp[w, NUMBER], index, READ_DONE, booked + p[P_WINDOW])
            written = booked - 2 + table[k, LATENCY] + p[P_RELEASE]
        by_bypass = 0 if p[P_SCOREBOARD] == SCOREBOARD else 1
        for r in range(table[k, DST], table[k, DST] + table[k, DST_N]):
            values[w, r, READY] = 2 * written + by_bypass
            sub[q, WRITES + r % p[P_BANKS] * BANK_COLUMNS + (t + table[k, LATENCY]) % RING] = t + table[k, LATENCY]
        write_uniforms(table, values, p, w, k, 2 * written + table[k, U_LATE] * by_bypass)
    if variable or p[P_SCOREBOARD] == SCOREBOARD:
        change_readers(table, warp, values, p, w, k, 1)
    if variable:
        for r in range(table[k, DST], table[k, DST] + table[k, DST_N]):
            values[w, r, READY] = NEVER
        write_uniforms(table, values, p, w, k, NEVER)
    for r in range(table[k, DST], table[k, DST] + table[k, DST_N]):
        values[w, r, WRITER] = (table[k, CONDITION] & 63) | (64 if table[k, LOW_EARLY] and r == table[k, DST] else 0)
    if table[k, PRED_WRITTEN]:
        if variable:
            there = NEVER
        elif p[P_SCOREBOARD] == SCOREBOARD:
            there = 2 * (booked - 2 + p[P_GUARD] + p[P_RELEASE])
        else:
            there = 2 * (t + (table[k, LATENCY] if unit == U_FP64 else OPERAND_CYCLES)) + 1
        write_predicates(table, warp, w, k, there)
    recorded = work.warps[warp[w, NUMBER], S_RECORD]
    if recorded >= 0:
        result.record[recorded, index - warp[w, FIRST], 0] = t
        result.record[recorded, index - warp[w, FIRST], 1] = hit

    if 0 <= warp[w, HOLD_FROM] <= t:
        warp[w, HOLD_FROM] = -1
    if effect == DEPBAR:
        warp[w, HOLD_FROM], warp[w, HOLD_SB] = t + 4, max(0, table[k, DB_SB])
        warp[w, HOLD_LEVEL], warp[w, HOLD_SET] = table[k, DB_LEVEL] if table[k, DB_SB] >= 0 else 63, table[k, DB_SET]
    elif effect == BARRIER:
        warp[w, WAITING] = 1
        if warp[w, IN_QUEUE] == 0:
            sm[m, ARRIVED + warp[w, BLOCK]] += 1
            reach_barrier(warp, sub, sm, p, m, warp[w, BLOCK], t)
    elif effect == MEMBAR:
        warp[w, NEXT_ISSUE] = max(warp[w, NEXT_ISSUE], t + p[P_MEMBAR])
    if warp[w, AT] >= warp[w, END]:
        order[O_LIVE] -= 1
        if effect == BARRIER and warp[w, WAITING]:
            sm[m, ARRIVED + warp[w, BLOCK]] -= 1 if warp[w, IN_QUEUE] == 0 else 0
            warp[w, WAITING] = 0
        sm[m, BLOCKS + warp[w, BLOCK]] -= 1
        if sm[m, BLOCKS + warp[w, BLOCK]] == 0:
            places = state.places
            free = order[O_FREED] % places.shape[0]
            places[free, 0], places[free, 1], places[free, 2] = m, warp[w, BLOCK], t + 1 + order[O_TURNAROUND]
            order[O_FREED] += 1
        reach_barrier(warp, sub, sm, p, m, warp[w, BLOCK], t)
    return t + 1, fine
