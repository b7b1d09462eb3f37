"""The memory queue of a sub-core, address generation, and the stage that the SM's sub-cores share."""

from __future__ import annotations

import numpy as np

from ..hierarchy import Memory, access
from ..tables import (
    ARRIVED,
    ASYNC,
    ASYNC_BARRIER,
    ASYNC_DONE,
    BLOCK,
    DST,
    EFFECT,
    EVENTS,
    IN_QUEUE,
    LAST_ENTER,
    LAST_GRANT,
    MEM_COUNT,
    MEM_HEAD,
    MEM_RAW,
    MEM_WAR,
    NEVER,
    NUMBER,
    O_DRAINED,
    P_ADDRESS,
    P_MEMORY_READ,
    P_PORT_DISTANCE,
    P_PORT_INTERVAL,
    P_SUB_CORES,
    PORT_FREE,
    Q_COLUMNS,
    Q_ENTER,
    Q_INDEX,
    Q_ISSUED,
    Q_NUMBER,
    Q_READ,
    Q_WARP,
    QUEUE,
    QUEUES,
    READ_DONE,
    SPACE,
    STORE,
    U_WRITTEN,
    WAITING,
    WAKE,
    WR,
    WRITE_DONE,
    State,
    Work,
)  # fmt: skip
from .barrier import reach_barrier
from .events import push
from .jit import jit
from .twins import same_at

__all__ = ["enqueue", "grant", "next_grant", "schedule"]


@jit
def schedule(
    sm: np.ndarray, heap: np.ndarray, m: int, w: int, number: int, index: int, kind: int, when: int
) -> bool:
    """Plan an event of an instruction of warp `number`, which is in place w; False if there are too many."""
    size = push(heap, m, sm[m, EVENTS], when, kind << 60 | w << 40 | index, number)
    sm[m, EVENTS] = max(size, 0)
    return size >= 0


@jit
def start_read(
    table: np.ndarray, stream: np.ndarray, sub: np.ndarray, sm: np.ndarray, heap: np.ndarray,
    p: np.ndarray, m: int, q: int, place: int, ready: int,
) -> bool:
    """Let a queued memory instruction read its registers at max(issue + 6, ready); False if there are too many events."""
    sub[q, QUEUES + Q_COLUMNS * place + Q_READ] = max(sub[q, QUEUES + Q_COLUMNS * place + Q_ISSUED] + p[P_MEMORY_READ], ready)
    index = sub[q, QUEUES + Q_COLUMNS * place + Q_INDEX]
    k = stream[index]
    when = sub[q, QUEUES + Q_COLUMNS * place + Q_READ] + table[k, MEM_WAR] - p[P_MEMORY_READ]
    w = sub[q, QUEUES + Q_COLUMNS * place + Q_WARP]
    return schedule(sm, heap, m, w, sub[q, QUEUES + Q_COLUMNS * place + Q_NUMBER], index, READ_DONE, when)


@jit
def enqueue(
    table: np.ndarray, stream: np.ndarray, warp: np.ndarray, sub: np.ndarray, sm: np.ndarray, heap: np.ndarray,
    p: np.ndarray, m: int, q: int, w: int, index: int, t: int,
) -> bool:
    """Put a memory instruction into its sub-core's queue."""
    head, held = sub[q, MEM_HEAD], sub[q, MEM_COUNT]
    place = (head + held) % QUEUE
    entry = QUEUES + Q_COLUMNS * place
    sub[q, entry + Q_ISSUED], sub[q, entry + Q_WARP], sub[q, entry + Q_INDEX] = t, w, index
    sub[q, entry + Q_NUMBER] = warp[w, NUMBER]
    sub[q, entry + Q_READ], sub[q, entry + Q_ENTER] = NEVER, NEVER
    sub[q, MEM_COUNT] = held + 1
    warp[w, IN_QUEUE] += 1
    if held == 0:
        fine = start_read(table, stream, sub, sm, heap, p, m, q, place, sub[q, LAST_ENTER])
        sub[q, entry + Q_ENTER] = max(sub[q, entry + Q_READ] + p[P_ADDRESS], sub[q, LAST_GRANT])
        return fine
    if held == 1:
        return start_read(table, stream, sub, sm, heap, p, m, q, place, sub[q, QUEUES + Q_COLUMNS * head + Q_ENTER])
    return True


@jit
def grant(work: Work, state: State, memory: Memory, p: np.ndarray, m: int, t: int) -> bool:
    """Let the shared stage take the request that has waited longest in its latch."""
    sub, sm, heap, table, stream = state.sub, state.sm, state.heap, work.table, work.stream
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
    late = p[P_PORT_INTERVAL] * (passes - 1)
    if work.access.shape[0] > 0:
        late += access(
            memory, m, memory.clock[0] + t, work.lines, work.access[index], work.access[index + 1], table[k, SPACE],
            table[k, STORE],
        )
    number = sub[q, QUEUES + Q_COLUMNS * head + Q_NUMBER]
    for twin in range(work.twins.shape[1]):
        at = same_at(work, number, twin, index)
        if at < 0:
            continue
        if work.twins[number, twin, 2] == 0:
            passes += 1 if work.conflicts.shape[0] == 0 else max(1, work.conflicts[at])
        if work.access.shape[0] > 0:
            access(
                memory, m + work.twins[number, twin, 2], memory.clock[0] + t, work.lines, work.access[at], work.access[at + 1],
                table[k, SPACE], table[k, STORE],
            )
    sm[m, PORT_FREE] = t + p[P_PORT_INTERVAL] * passes
    done = max(t + 1, t + table[k, MEM_RAW] - p[P_MEMORY_READ] - p[P_PORT_DISTANCE] + late)
    order[O_DRAINED] = max(order[O_DRAINED], done)
    warp = state.warp
    if warp[w, NUMBER] == sub[q, QUEUES + Q_COLUMNS * head + Q_NUMBER]:
        warp[w, IN_QUEUE] -= 1
        if warp[w, IN_QUEUE] == 0 and warp[w, WAITING]:
            sm[m, ARRIVED + warp[w, BLOCK]] += 1
            reach_barrier(warp, sub, sm, p, m, warp[w, BLOCK], t)
        if table[k, EFFECT] == ASYNC_BARRIER:
            done = max(t + 1, warp[w, ASYNC_DONE])
        elif table[k, SPACE] == ASYNC:
            warp[w, ASYNC_DONE] = max(warp[w, ASYNC_DONE], done)
    fine = True
    if table[k, DST] >= 0 or table[k, WR] >= 0 or table[k, U_WRITTEN]:
        fine = schedule(sm, heap, m, w, sub[q, QUEUES + Q_COLUMNS * head + Q_NUMBER], index, WRITE_DONE, done)
    sub[q, LAST_GRANT], sub[q, LAST_ENTER] = t, oldest
    sub[q, MEM_HEAD] = (head + 1) % QUEUE
    sub[q, MEM_COUNT] -= 1
    sub[q, WAKE] = min(sub[q, WAKE], t)
    if sub[q, MEM_COUNT] > 0:
        head = sub[q, MEM_HEAD]
        sub[q, QUEUES + Q_COLUMNS * head + Q_ENTER] = max(sub[q, QUEUES + Q_COLUMNS * head + Q_READ] + p[P_ADDRESS], t)
        if sub[q, MEM_COUNT] > 1:
            ready = sub[q, QUEUES + Q_COLUMNS * head + Q_ENTER]
            fine = fine and start_read(table, stream, sub, sm, heap, p, m, q, (head + 1) % QUEUE, ready)
    return fine


@jit
def next_grant(sub: np.ndarray, sm: np.ndarray, p: np.ndarray, m: int) -> int:
    """The next cycle in which the shared stage could take a request."""
    soon = NEVER
    for q in range(m * p[P_SUB_CORES], (m + 1) * p[P_SUB_CORES]):
        if sub[q, MEM_COUNT] > 0:
            soon = min(soon, sub[q, QUEUES + Q_COLUMNS * sub[q, MEM_HEAD] + Q_ENTER] + 1)
    return soon if soon == NEVER else max(soon, sm[m, PORT_FREE])
