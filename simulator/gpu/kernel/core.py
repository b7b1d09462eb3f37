"""The loop over cycles: events, the SM's shared stage, then fetch and issue of every sub-core that is awake."""

from __future__ import annotations

import numpy as np

from ..hierarchy import Memory
from ..tables import (
    ASYNC_BARRIER,
    BANK_COLUMNS,
    C_ISSUED,
    CLEARED,
    CONTROL_BITS,
    COUNT,
    DST,
    DST_N,
    EFFECT,
    EVENTS,
    FP64_TURN,
    NEVER,
    NEXT,
    NUMBER,
    O_CTA,
    O_CTAS,
    O_LAST,
    O_LIMIT,
    O_LIVE,
    O_STOP,
    P_BANKS,
    P_COLLISION,
    P_SCOREBOARD,
    P_SUB_CORES,
    P_WARPS,
    PORT_FREE,
    PRED_WRITTEN,
    RD,
    READ_DONE,
    READY,
    RING,
    SCOREBOARD,
    U_WRITTEN,
    UNTIL,
    VARIABLE,
    WAKE,
    WR,
    WRITE_DONE,
    WRITES,
    Result,
    State,
    Work,
)  # fmt: skip
from .bare import bare
from .dispatch import dispatch, next_dispatch
from .events import pop
from .fetch import fetch
from .issue import issue
from .jit import jit
from .memory_unit import grant, next_grant, schedule
from .pending import change_readers, write_predicates, write_uniforms

__all__ = ["FINISHED", "PAUSED", "STUCK", "TOO_LONG", "TOO_MANY", "run"]

FINISHED, TOO_LONG, STUCK, TOO_MANY, PAUSED = range(5)
"""How a run ends: all done; the cycle limit is reached; nothing can happen; more events in flight than there is room for;
as many instructions as were asked for, after which it may go on."""


@jit
def happen(work: Work, state: State, p: np.ndarray, m: int, t: int) -> bool:
    """Let everything happen that is due in an SM; False if there are too many events."""
    heap, warp, values, sub, sm, table, stream = (
        state.heap, state.warp, state.values, state.sub, state.sm, work.table, work.stream)
    while sm[m, EVENTS] > 0 and heap[0, m, 0] <= t:
        data, number = heap[0, m, 1], heap[0, m, 2]
        sm[m, EVENTS] = pop(heap, m, sm[m, EVENTS])
        kind, w, index = data >> 60, data >> 40 & 0xFFFFF, data & 0xFFFFFFFFFF
        if warp[w, NUMBER] != number:
            continue  # the warp has left, and another one is in its place
        k = stream[index]
        q = m * p[P_SUB_CORES] + (w - m * p[P_WARPS]) % p[P_SUB_CORES]
        if kind == READ_DONE:
            counter = table[k, RD]
            if table[k, VARIABLE] or p[P_SCOREBOARD] == SCOREBOARD:
                change_readers(table, warp, values, p, w, k, -1)
        else:
            counter = table[k, WR]
            if table[k, VARIABLE] and table[k, U_WRITTEN]:
                write_uniforms(table, values, p, w, k, 2 * t)
            if table[k, VARIABLE] and table[k, DST] >= 0:
                r = table[k, DST] + table[k, DST_N] - 1
                if p[P_COLLISION] and sub[q, WRITES + r % p[P_BANKS] * BANK_COLUMNS + (t - 1) % RING] == t - 1:
                    if not schedule(sm, heap, m, w, number, index, WRITE_DONE, t + p[P_COLLISION]):
                        return False
                    continue
                for r in range(table[k, DST], table[k, DST] + table[k, DST_N]):
                    values[w, r, READY] = 2 * t
            if table[k, VARIABLE] and table[k, PRED_WRITTEN]:
                write_predicates(table, warp, w, k, 2 * t)
        bits = p[P_SCOREBOARD] == CONTROL_BITS or (table[k, EFFECT] == ASYNC_BARRIER and kind == WRITE_DONE)
        if bits and counter >= 0:
            warp[w, COUNT + counter] -= 1
        warp[w, CLEARED] = t
        warp[w, UNTIL] = 0
        sub[q, WAKE] = min(sub[q, WAKE], t)
    return True


@jit
def cycles(work: Work, state: State, memory: Memory, result: Result, p: np.ndarray) -> int:
    """Run all cycles in which something happens; arrays are bare."""
    sub, sm, order = state.sub, state.sm, state.order
    sms, slots = sm.shape[0], work.table.shape[0]
    # 0, and not a literal, for which everything would be compiled once more; or where the run was paused: in a cycle in which
    # something was issued, after which every SM has its next cycle before it.
    t = order[O_LAST]
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
                first, turn = m * p[P_SUB_CORES], sm[m, FP64_TURN]
                for number in range(turn, turn + p[P_SUB_CORES]):
                    q = first + (number if number < p[P_SUB_CORES] else number - p[P_SUB_CORES])
                    if sub[q, WAKE] <= t:
                        again = fetch(work.table, work.stream, state.warp, sub, sm, state.code, p, m, q, t)
                        chance, fine = issue(work, state, result, p, m, q, t)
                        if not fine:
                            return TOO_MANY
                        sub[q, WAKE] = min(again, chance)
                for q in range(m * p[P_SUB_CORES], (m + 1) * p[P_SUB_CORES]):
                    upcoming = min(upcoming, sub[q, WAKE])
                if sm[m, EVENTS] > 0:
                    upcoming = min(upcoming, state.heap[0, m, 0])
                sm[m, NEXT] = max(t + 1, min(upcoming, next_grant(sub, sm, p, m)))
            soon = min(soon, sm[m, NEXT])
        if order[O_LIVE] == 0 and order[O_CTA] >= order[O_CTAS]:
            return FINISHED
        if order[O_CTA] < order[O_CTAS]:
            soon = min(soon, max(t + 1, next_dispatch(order, state.places)))
        if soon >= NEVER:
            return STUCK
        if soon > order[O_LIMIT]:
            return TOO_LONG
        if result.waits[slots, C_ISSUED] >= order[O_STOP]:
            return PAUSED
        t = soon


@jit
def run(work: Work, state: State, memory: Memory, result: Result, p: np.ndarray) -> int:
    """Run a kernel to its end or to a pause, from the start or the last pause; returns how it ended (FINISHED, ...)."""
    return cycles(
        Work(bare(work.table), bare(work.stream), bare(work.warps), bare(work.access), bare(work.lines), bare(work.conflicts),
             bare(work.twins)),
        State(bare(state.warp), bare(state.values), bare(state.sub), bare(state.sm), bare(state.code), bare(state.constants),
              bare(state.heap), bare(state.places), bare(state.order)),
        Memory(bare(memory.p), bare(memory.l1), bare(memory.l1_sectors), bare(memory.l2), bare(memory.l2_sectors),
               bare(memory.busy), bare(memory.clock), bare(memory.counts)),
        Result(bare(result.record), bare(result.waits)), bare(p),
    )
