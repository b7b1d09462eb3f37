"""Round by round: exact fast-forward of a periodic steady state, and whole batches of depth vectors.

A round is the shortest sequence of firings after which every FIFO holds as many tokens as before. The times
are a max-plus recurrence, which commutes with a shift of time. So once the state after one round equals
the state after an earlier one but for a shift, every later round repeats it: what follows is known without
running it. Times that can no longer matter (a slot free before its sender's next firing, say) are left
out of the comparison, which is what makes states recur.
"""

from __future__ import annotations

import numba as nb
import numpy as np

from .tables import (
    DEPTH,
    END,
    FAR,
    FIRED,
    FIRINGS,
    HEAD,
    IN,
    LATEST,
    OUT_END,
    RESPONSE_LATENCY,
    SENT,
    SLOT,
    SOURCE,
    TAIL,
    TAKEN,
    TARGET,
    State,
    Tables,
)  # fmt: skip
from .worklist import Log, advance

__all__ = ["advance_rounds", "evaluate_depths", "snapshot"]


@nb.njit(cache=True, nogil=True)
def snapshot(tables: Tables, state: State, out: np.ndarray) -> int:
    """Write all times that can still matter into `out`, relative to node 0; returns how many they are."""
    _, _, fifo, _ = tables
    node_state, _, fifo_state, slot = state
    base, used = node_state[0, END], 0
    for n in range(len(node_state)):
        out[used] = node_state[n, END] - base
        used += 1
    for f in range(len(fifo)):
        begin, depth = fifo[f, SLOT], fifo[f, DEPTH]
        taker, sender = node_state[fifo[f, TARGET], END], node_state[fifo[f, SOURCE], END]
        held = fifo_state[f, SENT] - fifo_state[f, TAKEN]
        for i in range(held):
            out[used] = max(slot[begin + (fifo_state[f, HEAD] + i) % depth], taker) - base
            used += 1
        out[used] = max(fifo_state[f, LATEST], sender) - base
        mark, used = used + 1, used + 2
        for i in range(depth - held):  # from the slot freed last: the others are free earlier
            free = slot[begin + (fifo_state[f, HEAD] - 1 - i) % depth]
            if free <= sender:
                break
            out[used] = free - base
            used += 1
        out[mark] = used - mark
    return used


@nb.njit(cache=True, nogil=True)
def advance_rounds(
    tables: Tables, state: State, quota: np.ndarray, rounds: int, skip: bool, log: Log
) -> tuple[int, int]:
    """Run from the start to the end or to a deadlock; returns (rounds run, period in rounds, or 0).

    With `skip`, rounds whose outcome is proven by a repeated state are not run.
    """
    node, _, fifo, _ = tables
    node_state, due, fifo_state, slot = state
    size = 0
    if skip:
        size = 3 * len(fifo) + len(node) + len(slot)
    seen, now = np.empty(size, np.int64), np.empty(size, np.int64)
    seen_size, seen_round, seen_end, look_again = 0, 0, 0, 1
    done, ran, period = 0, 0, 0
    while done < rounds:
        advance(tables, state, quota * (done + 1), FAR, log)
        done += 1
        ran += 1
        for n in range(len(node)):
            if node_state[n, FIRED] < quota[n] * done:
                return ran, 0
        if not skip or period or len(node) == 0:
            continue
        now_size = snapshot(tables, state, now)
        if now_size == seen_size and np.array_equal(now[:now_size], seen[:seen_size]):
            period = done - seen_round
            shift = node_state[0, END] - seen_end
            jumps = (rounds - done) // period
            done += jumps * period
            for n in range(len(node)):
                node_state[n, END] += jumps * shift
                node_state[n, FIRED] += jumps * period * quota[n]
                for p in range(node[n, IN], node[n, OUT_END]):
                    due[p] += jumps * period * quota[n]
            slot += jumps * shift
            fifo_state[:, LATEST] += jumps * shift
        elif done == look_again:  # Brent: compare with a state that is renewed at powers of two
            seen[:now_size] = now[:now_size]
            seen_size, seen_round, seen_end = now_size, done, node_state[0, END]
            look_again = 2 * done
    return ran, period


@nb.njit(cache=True, nogil=True)
def evaluate_depths(
    tables: Tables,
    depths: np.ndarray,
    held: np.ndarray,
    room: np.ndarray,
    quota: np.ndarray,
    rounds: int,
    log: Log,
) -> np.ndarray:
    """Cycles of each depth vector (shape: designs x FIFOs; 0 is unbounded), or -1 for a deadlock.

    `room` gives the slots that stand for an unbounded FIFO, `held` the initial tokens.
    """
    node, port, fifo, row = tables
    cycles = np.empty(len(depths), np.int64)
    for d in range(len(depths)):
        mine = fifo.copy()
        slots = 0
        fifo_state = np.zeros((len(fifo), 5), np.int64)
        for f in range(len(fifo)):
            depth = depths[d, f]
            if depth == 0:
                depth = room[f]
                mine[f, RESPONSE_LATENCY] = -FAR
            mine[f, DEPTH], mine[f, SLOT] = depth, slots
            slots += depth
            fifo_state[f, SENT], fifo_state[f, TAIL] = held[f], held[f] % depth
        node_state = np.zeros((len(node), 4), np.int64)
        node_state[:, 2:] = -1
        state = State(node_state, port[:, 2].copy(), fifo_state, np.zeros(slots, np.int64))
        advance_rounds(Tables(node, port, mine, row), state, quota, rounds, True, log)
        cycles[d] = node_state[:, END].max()
        for n in range(len(node)):
            if node_state[n, FIRED] < node[n, FIRINGS]:
                cycles[d] = -1
    return cycles
