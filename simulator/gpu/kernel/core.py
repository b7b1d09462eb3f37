"""The loop over cycles: events, the SM's shared stage, then fetch and issue of every sub-core that is awake."""

from __future__ import annotations

import numpy as np

from ..tables import (
    AGE, AT, BLOCK, BLOCKS, BUFFER, Q_COLUMNS, QUEUES, READERS, READY, REGISTERS, S_LENGTH, S_START, WRITES, CLEARED, COUNT, DST, DST_N, END, EVENTS, FETCH, FETCH_FROM, FIRST, HOLD_FROM, LAST_ENTER,
    LAST_GRANT, LAST_ISSUE, LAST_RD, LAST_WR, MEM_COUNT, MEM_HEAD, MEM_RAW, NEVER, NEXT, NEXT_ISSUE, NUMBER, O_AGE, O_BLOCKS,
    O_CTA, O_CTAS, O_DISPATCH_AT, O_DISPATCH_MILLI, O_DRAINED, O_LAST, O_LIMIT, O_LIVE, O_SM, O_WARM, O_WARPS_PER_CTA, P_ADDRESS,
    P_BANKS, P_BUFFER, P_COLLISION, P_MEMORY_READ, P_PORT_DISTANCE, P_PORT_INTERVAL, P_SCOREBOARD, P_SUB_CORES, P_WARPS, Q_ENTER,
    Q_INDEX, Q_READ, Q_WARP, QUEUE, RD, READ_DONE, RING, SPACE, SRC, SRC_N, STORE, VARIABLE, WAITING, WAKE, WHY, WR,
    WRITE_DONE, C_OTHER, PORT_FREE, Result, State, Work,
)  # fmt: skip
from ..hierarchy import Memory, access
from .events import pop
from .fetch import fetch
from .issue import issue, schedule, start_read
from .jit import jit

__all__ = ["FINISHED", "STUCK", "TOO_LONG", "TOO_MANY", "run"]

FINISHED, TOO_LONG, STUCK, TOO_MANY = range(4)
"""How a run ends: all done; the cycle limit is reached; nothing can happen; more events in flight than there is room for."""


@jit
def happen(work: Work, state: State, p: np.ndarray, m: int, t: int) -> bool:
    """Let everything happen that is due in an SM; False if there are too many events."""
    heap, warp, sub, sm, table, stream = state.heap, state.warp, state.sub, state.sm, work.table, work.stream
    while sm[m, EVENTS] > 0 and heap[m, 0, 0] <= t:
        data, number = heap[m, 0, 1], heap[m, 0, 2]
        sm[m, EVENTS] = pop(heap, m, sm[m, EVENTS])
        kind, w, index = data >> 60, data >> 40 & 0xFFFFF, data & 0xFFFFFFFFFF
        if warp[w, NUMBER] != number:
            continue  # the warp has left, and another one is in its place
        k = stream[index]
        q = m * p[P_SUB_CORES] + (w - m * p[P_WARPS]) % p[P_SUB_CORES]
        if kind == READ_DONE:
            counter = table[k, RD]
            if table[k, VARIABLE]:
                for source in range(4):
                    for r in range(table[k, SRC + source], table[k, SRC + source] + table[k, SRC_N + source]):
                        warp[w, READERS + r] -= 1
        else:
            counter = table[k, WR]
            if table[k, VARIABLE] and table[k, DST] >= 0:
                r = table[k, DST] + table[k, DST_N] - 1
                if p[P_COLLISION] and sub[q, WRITES + r % p[P_BANKS] * RING + (t - 1) % RING] == t - 1:
                    if not schedule(warp, sm, heap, m, w, index, WRITE_DONE, t + p[P_COLLISION]):
                        return False
                    continue
                for r in range(table[k, DST], table[k, DST] + table[k, DST_N]):
                    warp[w, READY + r] = 2 * t
        if not p[P_SCOREBOARD] and counter >= 0:
            warp[w, COUNT + counter] -= 1
        warp[w, CLEARED] = t
        sub[q, WAKE] = min(sub[q, WAKE], t)
    return True


@jit
def grant(work: Work, state: State, memory: Memory, p: np.ndarray, m: int, t: int) -> bool:
    """Let the shared stage take the request that has waited longest in its latch."""
    warp, sub, sm, heap, table, stream = state.warp, state.sub, state.sm, state.heap, work.table, work.stream
    order = state.order
    chosen, oldest = -1, NEVER
    for q in range(m * p[P_SUB_CORES], (m + 1) * p[P_SUB_CORES]):
        if sub[q, MEM_COUNT] > 0:
            enter = sub[q, QUEUES + Q_COLUMNS * sub[q, MEM_HEAD] + Q_ENTER]
            if enter < t and enter < oldest:
                chosen, oldest = q, enter
    if chosen < 0:
        return True
    q = chosen
    head = sub[q, MEM_HEAD]
    w, index = sub[q, QUEUES + Q_COLUMNS * head + Q_WARP], sub[q, QUEUES + Q_COLUMNS * head + Q_INDEX]
    k = stream[index]
    passes = 1 if work.conflicts.shape[0] == 0 else max(1, work.conflicts[index])
    sm[m, PORT_FREE] = t + p[P_PORT_INTERVAL] * passes
    late = p[P_PORT_INTERVAL] * (passes - 1)
    if work.access.shape[0] > 0:
        late += access(
            memory, m, t, work.lines, work.access[index], work.access[index + 1], table[k, SPACE], table[k, STORE]
        )
    done = max(t + 1, t + table[k, MEM_RAW] - p[P_MEMORY_READ] - p[P_PORT_DISTANCE] + late)
    order[O_DRAINED] = max(order[O_DRAINED], done)
    fine = True
    if table[k, DST] >= 0 or table[k, WR] >= 0:
        fine = schedule(warp, sm, heap, m, w, index, WRITE_DONE, done)
    sub[q, LAST_GRANT], sub[q, LAST_ENTER] = t, oldest
    sub[q, MEM_HEAD] = (head + 1) % QUEUE
    sub[q, MEM_COUNT] -= 1
    sub[q, WAKE] = min(sub[q, WAKE], t)
    if sub[q, MEM_COUNT] > 0:
        head = sub[q, MEM_HEAD]
        sub[q, QUEUES + Q_COLUMNS * head + Q_ENTER] = max(sub[q, QUEUES + Q_COLUMNS * head + Q_READ] + p[P_ADDRESS], t)
        if sub[q, MEM_COUNT] > 1:
            fine = fine and start_read(table, stream, warp, sub, sm, heap, p, m, q, (head + 1) % QUEUE, sub[q, QUEUES + Q_COLUMNS * head + Q_ENTER])
    return fine


@jit
def next_grant(sub: np.ndarray, sm: np.ndarray, p: np.ndarray, m: int) -> int:
    """The next cycle in which the shared stage could take a request."""
    soon = NEVER
    for q in range(m * p[P_SUB_CORES], (m + 1) * p[P_SUB_CORES]):
        if sub[q, MEM_COUNT] > 0:
            soon = min(soon, sub[q, QUEUES + Q_COLUMNS * sub[q, MEM_HEAD] + Q_ENTER] + 1)
    return soon if soon == NEVER else max(soon, sm[m, PORT_FREE])


@jit
def launch(work: Work, state: State, p: np.ndarray, m: int, block: int, cta: int, t: int) -> None:
    """Place the warps of a CTA on an SM; they can be fetched for from this cycle on."""
    warp, sub, sm, order = state.warp, state.sub, state.sm, state.order
    size = order[O_WARPS_PER_CTA]
    first, last = cta * size, min((cta + 1) * size, work.warps.shape[0])
    alive = 0
    for number in range(first, last):
        place = block * size + number - first
        w = m * p[P_WARPS] + place
        start = work.warps[number, S_START]
        warp[w, AT], warp[w, END], warp[w, FETCH], warp[w, FIRST] = start, start + work.warps[number, S_LENGTH], start, start
        warp[w, NEXT_ISSUE], warp[w, FETCH_FROM], warp[w, CLEARED], warp[w, LAST_ISSUE] = t, t, t, t - 1
        warp[w, LAST_WR], warp[w, LAST_RD], warp[w, HOLD_FROM], warp[w, WAITING] = -1, -1, -1, 0
        warp[w, AGE], warp[w, BLOCK], warp[w, NUMBER], warp[w, WHY] = order[O_AGE], block, number, C_OTHER
        order[O_AGE] += 1
        for counter in range(6):
            warp[w, COUNT + counter] = 0
        for r in range(REGISTERS):
            warp[w, READY + r] = 0
            warp[w, READERS + r] = 0
        if work.warps[number, S_LENGTH] == 0:
            continue
        alive += 1
        if order[O_WARM]:
            warp[w, FETCH] = min(start + p[P_BUFFER], start + work.warps[number, S_LENGTH])
            for index in range(start, warp[w, FETCH]):
                warp[w, BUFFER + (index & 7)] = t
        q = m * p[P_SUB_CORES] + place % p[P_SUB_CORES]
        sub[q, WAKE] = min(sub[q, WAKE], t)
    sm[m, BLOCKS + block] = alive
    order[O_LIVE] += alive
    sm[m, NEXT] = min(sm[m, NEXT], t)


@jit
def dispatch(work: Work, state: State, p: np.ndarray, t: int) -> None:
    """Give CTAs to SMs that have room, one an interval, to one SM after the other."""
    order, sm = state.order, state.sm
    sms = sm.shape[0]
    while order[O_CTA] < order[O_CTAS] and order[O_DISPATCH_AT] <= 1000 * t:
        found = -1
        for i in range(sms):
            m = (order[O_SM] + i) % sms
            for block in range(order[O_BLOCKS]):
                if sm[m, BLOCKS + block] == 0:
                    found = m
                    launch(work, state, p, m, block, order[O_CTA], t)
                    break
            if found >= 0:
                break
        if found < 0:
            return
        order[O_SM] = (found + 1) % sms
        order[O_CTA] += 1
        order[O_DISPATCH_AT] = max(order[O_DISPATCH_AT] + order[O_DISPATCH_MILLI], 1000 * t)


@jit
def run(work: Work, state: State, memory: Memory, result: Result, p: np.ndarray) -> int:
    """Run a kernel to its end; returns how it ended (FINISHED, ...)."""
    sub, sm, order = state.sub, state.sm, state.order
    sms = sm.shape[0]
    t = order[O_LAST]  # 0, and not a literal, for which everything would be compiled once more
    while True:
        if order[O_CTA] < order[O_CTAS]:
            dispatch(work, state, p, t)
        soon = NEVER
        for m in range(sms):
            if sm[m, NEXT] <= t:
                if not happen(work, state, p, m, t):
                    return TOO_MANY
                if sm[m, PORT_FREE] <= t and not grant(work, state, memory, p, m, t):
                    return TOO_MANY
                upcoming = NEVER
                for q in range(m * p[P_SUB_CORES], (m + 1) * p[P_SUB_CORES]):
                    if sub[q, WAKE] <= t:
                        again = fetch(work.table, work.stream, state.warp, sub, sm, state.code, p, m, q, t)
                        chance, fine = issue(work, state, result, p, m, q, t)
                        if not fine:
                            return TOO_MANY
                        sub[q, WAKE] = min(again, chance)
                for q in range(m * p[P_SUB_CORES], (m + 1) * p[P_SUB_CORES]):
                    upcoming = min(upcoming, sub[q, WAKE])
                if sm[m, EVENTS] > 0:
                    upcoming = min(upcoming, state.heap[m, 0, 0])
                sm[m, NEXT] = max(t + 1, min(upcoming, next_grant(sub, sm, p, m)))
            soon = min(soon, sm[m, NEXT])
        if order[O_LIVE] == 0 and order[O_CTA] >= order[O_CTAS]:
            return FINISHED
        if order[O_CTA] < order[O_CTAS] and order[O_LIVE] < order[O_CTAS] * order[O_WARPS_PER_CTA]:
            for m in range(sms):
                for block in range(order[O_BLOCKS]):
                    if sm[m, BLOCKS + block] == 0:
                        soon = min(soon, max(t + 1, -(-order[O_DISPATCH_AT] // 1000)))
        if soon >= NEVER:
            return STUCK
        if soon > order[O_LIMIT]:
            return TOO_LONG
        t = soon
