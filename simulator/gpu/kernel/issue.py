"""Issue: which warp may, which one does, and what follows from it."""

from __future__ import annotations

import numpy as np

from ..tables import (
    AGE, ALLOCATED, ARRIVAL, ARRIVED, AT, BARRIER, BLOCK, BLOCKS, BUFFER, CACHED, HAZARDS, PORTS, Q_COLUMNS, QUEUES, READERS, READY, S_RECORD, UNITS, USED, WRITES, C_BARRIER, C_CONSTANT, C_DEPENDENCE, C_FETCH, C_IDLE, C_ISSUED,
    C_LATENCY, C_MEMORY, C_OTHER, C_PORTS, C_STALL, C_UNIT, CLEARED, CONST_LINE, COUNT, DB_LEVEL, DB_SB, DB_SET, DEPBAR, DST,
    DST_N, EFFECT, END, EVENTS, FETCH, FETCH_FROM, FIRST, FP64_FREE, HOLD_FROM, HOLD_LEVEL, HOLD_SB, HOLD_SET, IDLE_CAUSE,
    IDLE_FROM, INTERVAL, ISSUE_FREE, ISSUED, LAST_ENTER, LAST_GRANT, LAST_ISSUE, LAST_RD, LAST_WARP, LAST_WR, LATENCY,
    MEM_COUNT, MEM_HEAD, MEM_WAR, MEMBAR, NEVER, NEXT_ISSUE, NUMBER, O_LAST, O_LIVE, P_ADDRESS, P_BANKS, P_BARRIER,
    P_CONST_MISS, P_CONST_SETS, P_CONST_WAIT, P_CONST_WAYS, P_CONSUMERS, P_FP32_PIPES, P_MEMBAR, P_MEMORY_QUEUE,
    P_MEMORY_READ, P_POLICY, P_PORTS, P_REDIRECT, P_RESULT_QUEUE, P_RFC, P_SCOREBOARD, P_SUB_CORES, P_WARPS, P_WINDOW,
    P_YIELD0, Q_ENTER, Q_INDEX, Q_ISSUED, Q_READ, Q_WARP, QUEUE, QUIET_UNTIL, RD, READ_DONE, REUSE, RING, SRC, SRC_N, STALL,
    U_FP32, U_FP32_OWN, U_FP64, U_INT, U_MEMORY, U_NONE, UNIT, VARIABLE, WAIT, WAITING, WAKE, WHY, WR, WRITE_DONE,
    YIELD, Result, State, Work,
)  # fmt: skip
from .events import push
from .jit import jit
from .fetch import insert

__all__ = ["issue", "start_read"]

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
    if 0 <= warp[w, HOLD_FROM] <= t:
        if seen(warp, w, warp[w, HOLD_SB], t) > warp[w, HOLD_LEVEL]:
            return True
        for counter in range(6):
            if warp[w, HOLD_SET] >> counter & 1 and seen(warp, w, counter, t) > 0:
                return True
        warp[w, HOLD_FROM] = -1
    mask = table[k, WAIT]
    counter = 0
    while mask:
        if mask & 1 and seen(warp, w, counter, t) > 0:
            return True
        mask >>= 1
        counter += 1
    return False


@jit
def values_ready(table: np.ndarray, warp: np.ndarray, p: np.ndarray, w: int, k: int) -> int:
    """With a scoreboard: the cycle from which no register stands in the way, NEVER if it is not known."""
    when = 0
    for source in range(4):
        for r in range(table[k, SRC + source], table[k, SRC + source] + table[k, SRC_N + source]):
            value = warp[w, READY + r]
            when = max(when, NEVER if value == NEVER else (value >> 1) + (value & table[k, VARIABLE]))
            if table[k, VARIABLE] and warp[w, READERS + r] >= p[P_CONSUMERS]:
                return NEVER
    for r in range(table[k, DST], table[k, DST] + table[k, DST_N]):
        value = warp[w, READY + r]
        if value == NEVER or warp[w, READERS + r] > 0:
            return NEVER
        when = max(when, (value >> 1) - table[k, LATENCY])
    return when


@jit
def hazards(table: np.ndarray, warp: np.ndarray, w: int, k: int, t: int) -> int:
    """Registers that the instruction reads before they are written, or overwrites before they are read."""
    found = 0
    for source in range(4):
        for r in range(table[k, SRC + source], table[k, SRC + source] + table[k, SRC_N + source]):
            value = warp[w, READY + r]
            if value == NEVER or t < (value >> 1) + (value & table[k, VARIABLE]):
                found += 1
    for r in range(table[k, DST], table[k, DST] + table[k, DST_N]):
        if warp[w, READY + r] == NEVER or warp[w, READERS + r] > 0:
            found += 1
    return found


@jit
def pipe(sub: np.ndarray, p: np.ndarray, q: int, unit: int, t: int) -> int:
    """The pipe that an instruction of a unit would enter: the first that is free first."""
    if unit == U_FP32:
        own = sub[q, UNITS + U_FP32_OWN]
        return U_FP32_OWN if p[P_FP32_PIPES] == 1 or own <= t or own <= sub[q, UNITS + U_INT] else U_INT
    return unit


@jit
def check(
    table: np.ndarray, stream: np.ndarray, warp: np.ndarray, sub: np.ndarray, sm: np.ndarray, constants: np.ndarray,
    p: np.ndarray, m: int, q: int, w: int, t: int,
) -> tuple[int, int]:
    """Return (cause, cycle): C_ISSUED or MISS if the warp can issue now, else why not and until when."""
    at = warp[w, AT]
    if at >= warp[w, END]:
        return C_IDLE, NEVER
    if warp[w, NEXT_ISSUE] > t:
        return C_STALL, warp[w, NEXT_ISSUE]
    if warp[w, WAITING]:
        return C_BARRIER, NEVER
    if warp[w, FETCH] == at:
        return C_FETCH, NEVER
    if warp[w, BUFFER + (at & 7)] > t:
        return C_FETCH, warp[w, BUFFER + (at & 7)]
    k = stream[at]
    if p[P_SCOREBOARD]:
        when = values_ready(table, warp, p, w, k)
        if when > t:
            return (C_DEPENDENCE if when == NEVER else C_LATENCY), when
    elif waits_for_counters(table, warp, w, k, t):
        return C_DEPENDENCE, NEVER
    unit = table[k, UNIT]
    if unit == U_MEMORY:
        if sub[q, MEM_COUNT] > p[P_MEMORY_QUEUE]:
            return C_MEMORY, NEVER
    elif unit != U_NONE:
        free = sm[m, FP64_FREE] if unit == U_FP64 else sub[q, UNITS + pipe(sub, p, q, unit, t)]
        if free > t:
            return C_UNIT, free
    if p[P_RESULT_QUEUE] == 0 and table[k, DST] >= 0 and not table[k, VARIABLE]:
        done = t + table[k, LATENCY]
        for r in range(table[k, DST], table[k, DST] + min(2, table[k, DST_N])):
            if sub[q, WRITES + r % p[P_BANKS] * RING + done % RING] == done:
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
def select(
    table: np.ndarray, stream: np.ndarray, warp: np.ndarray, sub: np.ndarray, sm: np.ndarray, constants: np.ndarray,
    p: np.ndarray, m: int, q: int, t: int,
) -> tuple[int, int, int, int]:
    """Return (warp or -1, C_ISSUED or MISS, cause, cycle of the next chance)."""
    policy, last = p[P_POLICY], sub[q, LAST_WARP]
    if last >= 0 and policy != 2:
        cause, until = check(table, stream, warp, sub, sm, constants, p, m, q, last, t)
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
            cause, until = check(table, stream, warp, sub, sm, constants, p, m, q, w, t)
            if cause <= C_ISSUED:
                chosen, kind = w, cause
            else:
                worst, soon = max(worst, cause), min(soon, until)
                warp[w, WHY] = cause
        w += p[P_SUB_CORES]
    return chosen, kind, worst, soon


@jit
def start_read(
    table: np.ndarray, stream: np.ndarray, warp: np.ndarray, sub: np.ndarray, sm: np.ndarray, heap: np.ndarray,
    p: np.ndarray, m: int, q: int, place: int, ready: int,
) -> bool:
    """Let a queued memory instruction read its registers at max(issue + 6, ready); False if there are too many events."""
    sub[q, QUEUES + Q_COLUMNS * place + Q_READ] = max(sub[q, QUEUES + Q_COLUMNS * place + Q_ISSUED] + p[P_MEMORY_READ], ready)
    index = sub[q, QUEUES + Q_COLUMNS * place + Q_INDEX]
    k = stream[index]
    when = sub[q, QUEUES + Q_COLUMNS * place + Q_READ] + table[k, MEM_WAR] - p[P_MEMORY_READ]
    w = sub[q, QUEUES + Q_COLUMNS * place + Q_WARP]
    size = push(heap, m, sm[m, EVENTS], when, READ_DONE << 60 | w << 40 | index, warp[w, NUMBER])
    sm[m, EVENTS] = max(size, 0)
    return size >= 0


@jit
def enqueue(
    table: np.ndarray, stream: np.ndarray, warp: np.ndarray, sub: np.ndarray, sm: np.ndarray, heap: np.ndarray,
    p: np.ndarray, m: int, q: int, w: int, index: int, t: int,
) -> bool:
    """Put a memory instruction into its sub-core's queue."""
    head, held = sub[q, MEM_HEAD], sub[q, MEM_COUNT]
    place = (head + held) % QUEUE
    sub[q, QUEUES + Q_COLUMNS * place + Q_ISSUED], sub[q, QUEUES + Q_COLUMNS * place + Q_WARP], sub[q, QUEUES + Q_COLUMNS * place + Q_INDEX] = t, w, index
    sub[q, QUEUES + Q_COLUMNS * place + Q_READ], sub[q, QUEUES + Q_COLUMNS * place + Q_ENTER] = NEVER, NEVER
    sub[q, MEM_COUNT] = held + 1
    if held == 0:
        fine = start_read(table, stream, warp, sub, sm, heap, p, m, q, place, sub[q, LAST_ENTER])
        sub[q, QUEUES + Q_COLUMNS * place + Q_ENTER] = max(sub[q, QUEUES + Q_COLUMNS * place + Q_READ] + p[P_ADDRESS], sub[q, LAST_GRANT])
        return fine
    if held == 1:
        return start_read(table, stream, warp, sub, sm, heap, p, m, q, place, sub[q, QUEUES + Q_COLUMNS * head + Q_ENTER])
    return True


@jit
def read_registers(
    table: np.ndarray, sub: np.ndarray, p: np.ndarray, q: int, w: int, k: int, t: int
) -> tuple[int, int]:
    """Pass Control and Allocate; returns (cycle in which the ports were booked, positions that hit the cache).

    A fixed-latency instruction enters Allocate two cycles after its issue, or when the one before it has
    left; it leaves when, in the next three cycles, each bank has as many free reads as it needs.
    """
    entered = max(t + 2, sub[q, ALLOCATED] + 1)
    banks, ports = p[P_BANKS], p[P_PORTS]
    hit = 0
    booked = entered
    if p[P_RFC]:
        for source in range(3):
            r = table[k, SRC + source]
            if table[k, SRC_N + source] > 0 and sub[q, CACHED + 3 * (r % banks) + source] == (w << 16 | r):
                hit |= 1 << source
    if ports > 0:
        while True:
            fits = True
            for bank in range(banks):
                need = 0
                for source in range(3):
                    if not hit >> source & 1:
                        for r in range(table[k, SRC + source], table[k, SRC + source] + table[k, SRC_N + source]):
                            need += r % banks == bank
                free = 0
                for cycle in range(booked + 1, booked + 1 + p[P_WINDOW]):
                    cell = sub[q, PORTS + bank * RING + cycle % RING]
                    free += ports - (cell & 255) if cell >> 8 == cycle else ports
                # A window's worth is the most that a bank can be asked for.
                fits = fits and min(need, ports * p[P_WINDOW]) <= free
            if fits:
                break
            booked += 1
        for bank in range(banks):
            need = 0
            for source in range(3):
                if not hit >> source & 1:
                    for r in range(table[k, SRC + source], table[k, SRC + source] + table[k, SRC_N + source]):
                        need += r % banks == bank
            for cycle in range(booked + 1, booked + 1 + p[P_WINDOW]):
                cell = sub[q, PORTS + bank * RING + cycle % RING]
                used = cell & 255 if cell >> 8 == cycle else 0
                take = min(need, ports - used)
                if take > 0:
                    sub[q, PORTS + bank * RING + cycle % RING] = cycle << 8 | (used + take)
                    need -= take
    if p[P_RFC]:
        for source in range(3):
            r = table[k, SRC + source]
            for offset in range(min(2, table[k, SRC_N + source])):
                kept = table[k, REUSE] >> source & 1
                sub[q, CACHED + 3 * ((r + offset) % banks) + source] = (w << 16 | (r + offset)) if kept else -1
    sub[q, ALLOCATED] = booked
    sub[q, ISSUE_FREE] = entered - 1
    return booked, hit


@jit
def attribute(waits: np.ndarray, warp: np.ndarray, w: int, k: int, t: int) -> None:
    """Charge the warp's cycles since its last issue to what it waited for."""
    x = warp[w, LAST_ISSUE] + 1
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
        waits[k, why if why in (C_UNIT, C_MEMORY, C_CONSTANT, C_BARRIER, C_LATENCY) else C_OTHER] += t - x
    waits[k, C_ISSUED] += 1
    warp[w, WHY] = C_OTHER


@jit
def schedule(
    warp: np.ndarray, sm: np.ndarray, heap: np.ndarray, m: int, w: int, index: int, kind: int, when: int
) -> bool:
    """Plan an event of the warp's instruction; False if there are too many."""
    size = push(heap, m, sm[m, EVENTS], when, kind << 60 | w << 40 | index, warp[w, NUMBER])
    sm[m, EVENTS] = max(size, 0)
    return size >= 0


@jit
def reach_barrier(warp: np.ndarray, sub: np.ndarray, sm: np.ndarray, p: np.ndarray, m: int, block: int, t: int) -> None:
    """If every warp of the block that is not finished has arrived, let them go."""
    if sm[m, BLOCKS + block] == 0 or sm[m, ARRIVED + block] < sm[m, BLOCKS + block]:
        return
    sm[m, ARRIVED + block] = 0
    first = m * p[P_WARPS]
    for w in range(first, first + p[P_WARPS]):
        if warp[w, BLOCK] == block and warp[w, WAITING]:
            warp[w, WAITING] = 0
            warp[w, NEXT_ISSUE] = max(warp[w, NEXT_ISSUE], t + p[P_BARRIER])
            q = m * p[P_SUB_CORES] + (w - first) % p[P_SUB_CORES]
            sub[q, WAKE] = min(sub[q, WAKE], t + 1)


@jit
def issue(work: Work, state: State, result: Result, p: np.ndarray, m: int, q: int, t: int) -> tuple[int, bool]:
    """Issue at most one instruction; returns (next chance, False if there are too many events)."""
    warp, sub, sm, order = state.warp, state.sub, state.sm, state.order
    table, stream, waits = work.table, work.stream, result.waits
    slots = waits.shape[0] - 1
    chosen, kind, cause, soon = -1, 0, C_IDLE, NEVER
    if sub[q, ISSUE_FREE] > t:
        cause, soon = C_PORTS, sub[q, ISSUE_FREE]
    elif sub[q, QUIET_UNTIL] > t:
        cause, soon = C_CONSTANT, sub[q, QUIET_UNTIL]
    else:
        chosen, kind, cause, soon = select(table, stream, warp, sub, sm, state.constants, p, m, q, t)
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
    attribute(waits, warp, w, k, t)
    sub[q, ISSUED] += 1
    sub[q, IDLE_CAUSE] = C_OTHER
    sub[q, LAST_WARP] = w
    warp[w, AT] = index + 1
    if warp[w, FETCH_FROM] == NEVER and index + 1 == warp[w, FETCH]:
        warp[w, FETCH_FROM] = t + p[P_REDIRECT]
    order[O_LAST] = max(order[O_LAST], t)
    if table[k, CONST_LINE] >= 0:
        state.constants[q, USED, table[k, CONST_LINE]] = t
    fine = True

    variable, unit = table[k, VARIABLE], table[k, UNIT]
    stall = max(1, table[k, STALL])
    if not p[P_SCOREBOARD]:
        waits[k, HAZARDS] += hazards(table, warp, w, k, t)
        if table[k, YIELD] and table[k, STALL] <= 1:
            stall = p[P_YIELD0] if table[k, STALL] == 0 else 2
    else:
        stall = 1
    warp[w, NEXT_ISSUE] = t + stall
    warp[w, LAST_ISSUE], warp[w, LAST_WR], warp[w, LAST_RD] = t, -1, -1
    if not p[P_SCOREBOARD]:
        warp[w, LAST_WR], warp[w, LAST_RD] = table[k, WR], table[k, RD]
        if table[k, WR] >= 0:
            warp[w, COUNT + table[k, WR]] += 1
        if table[k, RD] >= 0:
            warp[w, COUNT + table[k, RD]] += 1

    hit = 0
    if unit == U_MEMORY:
        sub[q, ISSUE_FREE] = t + 1
        fine = enqueue(table, stream, warp, sub, sm, state.heap, p, m, q, w, index, t)
    elif variable:
        sub[q, ISSUE_FREE] = t + 1
        if unit == U_FP64:
            sm[m, FP64_FREE] = t + table[k, INTERVAL]
        else:
            sub[q, UNITS + unit] = t + table[k, INTERVAL]
        fine = schedule(warp, sm, state.heap, m, w, index, READ_DONE, t + 6)
        fine = fine and schedule(warp, sm, state.heap, m, w, index, WRITE_DONE, t + 5 + table[k, LATENCY])
    else:
        booked, hit = read_registers(table, sub, p, q, w, k, t)
        if unit != U_NONE:
            sub[q, UNITS + pipe(sub, p, q, unit, t)] = t + table[k, INTERVAL]
        if not p[P_SCOREBOARD]:
            if table[k, RD] >= 0:
                fine = schedule(warp, sm, state.heap, m, w, index, READ_DONE, booked + p[P_WINDOW] + 1)
            if table[k, WR] >= 0:
                fine = fine and schedule(warp, sm, state.heap, m, w, index, WRITE_DONE, t + table[k, LATENCY] + 1)
        for r in range(table[k, DST], table[k, DST] + table[k, DST_N]):
            warp[w, READY + r] = 2 * (t + table[k, LATENCY]) + 1
            sub[q, WRITES + r % p[P_BANKS] * RING + (t + table[k, LATENCY]) % RING] = t + table[k, LATENCY]
    if variable:
        for source in range(4):
            for r in range(table[k, SRC + source], table[k, SRC + source] + table[k, SRC_N + source]):
                warp[w, READERS + r] += 1
        for r in range(table[k, DST], table[k, DST] + table[k, DST_N]):
            warp[w, READY + r] = NEVER
    recorded = work.warps[warp[w, NUMBER], S_RECORD]
    if recorded >= 0:
        result.record[recorded, index - warp[w, FIRST], 0] = t
        result.record[recorded, index - warp[w, FIRST], 1] = hit

    effect = table[k, EFFECT]
    if effect == DEPBAR and not p[P_SCOREBOARD]:
        warp[w, HOLD_FROM], warp[w, HOLD_SB] = t + 4, max(0, table[k, DB_SB])
        warp[w, HOLD_LEVEL], warp[w, HOLD_SET] = table[k, DB_LEVEL] if table[k, DB_SB] >= 0 else 63, table[k, DB_SET]
    elif effect == BARRIER:
        warp[w, WAITING] = 1
        sm[m, ARRIVED + warp[w, BLOCK]] += 1
        reach_barrier(warp, sub, sm, p, m, warp[w, BLOCK], t)
    elif effect == MEMBAR:
        warp[w, NEXT_ISSUE] = max(warp[w, NEXT_ISSUE], t + p[P_MEMBAR])
    if warp[w, AT] >= warp[w, END]:
        order[O_LIVE] -= 1
        if effect == BARRIER:
            sm[m, ARRIVED + warp[w, BLOCK]] -= 1
            warp[w, WAITING] = 0
        sm[m, BLOCKS + warp[w, BLOCK]] -= 1
        reach_barrier(warp, sub, sm, p, m, warp[w, BLOCK], t)
    return t + 1, fine
