"""The event heap: networks with arbitration, where what happens depends on the order in time.

Nodes wake in order of time. All latencies are at least one cycle, so that what a node sees was decided in
earlier cycles, and the order of nodes within a cycle does not matter.
"""

from __future__ import annotations

import heapq

import numba as nb
import numpy as np

from .tables import (
    AT, CHOICE, DEPTH, END, EVERY, FAR, FIFO, FIRED, FIRINGS, HEAD, IN, INTERVAL, LATENCY, LATEST, OUT, OUT_END,
    POLICY, READY, RESPONSE_LATENCY, ROW_INPUTS, ROW_INTERVAL, ROW_LATENCY, ROW_OUTPUTS, ROWS, ROWS_END,
    SEND_LATENCY, SENT, SLOT, SOURCE, TAIL, TAKEN, TARGET, State, Tables,
)  # fmt: skip
from .worklist import Log

__all__ = ["run_by_events"]


@nb.njit(cache=True, nogil=True)
def is_due(tables: Tables, n: int, p: int, k: int, output: bool) -> bool:
    """Whether port p of node n is due at firing k."""
    node, port, _, row = tables
    rows = node[n, ROWS_END] - node[n, ROWS]
    if rows == 0:
        return k % port[p, EVERY] == port[p, AT]
    mask = row[node[n, ROWS] + k % rows, ROW_OUTPUTS if output else ROW_INPUTS]
    return (mask >> (p - node[n, OUT if output else IN])) & 1 == 1


@nb.njit(cache=True, nogil=True)
def can_take(tables: Tables, state: State, n: int) -> int:
    """The earliest time at which node n finds all it needs to fire; FAR if a token is not sent yet."""
    node, port, fifo, _ = tables
    k, earliest, when = state.node[n, FIRED], FAR, state.node[n, END]
    for p in range(node[n, IN], node[n, OUT]):
        arbiter = node[n, POLICY] >= 0
        if arbiter or is_due(tables, n, p, k, False):
            f = port[p, FIFO]
            visible = FAR
            if state.fifo[f, SENT] > state.fifo[f, TAKEN]:
                visible = state.slot[fifo[f, SLOT] + state.fifo[f, HEAD]]
            earliest = min(earliest, visible)
            if not arbiter:
                when = max(when, visible)
    return max(when, earliest) if node[n, POLICY] >= 0 else when


@nb.njit(cache=True, nogil=True)
def can_send(tables: Tables, state: State, n: int) -> int:
    """The earliest time at which every output that is due has a slot; FAR if one is not taken yet."""
    node, port, fifo, _ = tables
    when = state.node[n, READY]
    for p in range(node[n, OUT], node[n, OUT_END]):
        if is_due(tables, n, p, state.node[n, FIRED], True):
            f = port[p, FIFO]
            if state.fifo[f, SENT] - state.fifo[f, TAKEN] == fifo[f, DEPTH]:
                return FAR
            when = max(when, state.slot[fifo[f, SLOT] + state.fifo[f, TAIL]])
    return when


@nb.njit(cache=True, nogil=True)
def pick(tables: Tables, state: State, n: int, now: int) -> int:
    """The input (position) that an arbiter takes: of those with a visible token the first by its policy."""
    node, port, fifo, _ = tables
    inputs = node[n, OUT] - node[n, IN]
    best, best_key = -1, FAR
    for i in range(inputs):
        f = port[node[n, IN] + i, FIFO]
        if state.fifo[f, SENT] > state.fifo[f, TAKEN]:
            visible = state.slot[fifo[f, SLOT] + state.fifo[f, HEAD]]
            key = i
            if node[n, POLICY] == 1 and i <= state.node[n, CHOICE]:
                key = i + inputs
            elif node[n, POLICY] == 2:
                key = visible
            if visible <= now and key < best_key:
                best, best_key = i, key
    return best


@nb.njit(cache=True, nogil=True)
def take(tables: Tables, state: State, n: int, now: int) -> int:
    """Take the tokens of node n's next firing; returns an arbiter's choice, or -1."""
    node, port, fifo, _ = tables
    chosen = pick(tables, state, n, now) if node[n, POLICY] >= 0 else -1
    for p in range(node[n, IN], node[n, OUT]):
        if p - node[n, IN] == chosen or (chosen < 0 and is_due(tables, n, p, state.node[n, FIRED], False)):
            f = port[p, FIFO]
            state.slot[fifo[f, SLOT] + state.fifo[f, HEAD]] = now + fifo[f, RESPONSE_LATENCY]
            state.fifo[f, TAKEN] += 1
            state.fifo[f, HEAD] = (state.fifo[f, HEAD] + 1) % fifo[f, DEPTH]
    state.node[n, READY] = now
    if chosen >= 0:
        state.node[n, CHOICE] = chosen
    return chosen


@nb.njit(cache=True, nogil=True)
def send(tables: Tables, state: State, n: int, now: int) -> None:
    """Send the tokens of the firing that node n holds."""
    node, port, fifo, row = tables
    k = state.node[n, FIRED]
    interval, latency, rows = node[n, INTERVAL], node[n, LATENCY], node[n, ROWS_END] - node[n, ROWS]
    if rows:
        interval, latency = row[node[n, ROWS] + k % rows, ROW_INTERVAL], row[node[n, ROWS] + k % rows, ROW_LATENCY]
    for p in range(node[n, OUT], node[n, OUT_END]):
        if is_due(tables, n, p, k, True):
            f = port[p, FIFO]
            visible = max(state.node[n, READY] + latency, now + fifo[f, SEND_LATENCY], state.fifo[f, LATEST])
            state.fifo[f, LATEST] = visible
            state.slot[fifo[f, SLOT] + state.fifo[f, TAIL]] = visible
            state.fifo[f, SENT] += 1
            state.fifo[f, TAIL] = (state.fifo[f, TAIL] + 1) % fifo[f, DEPTH]
    state.node[n, READY] = -1
    state.node[n, FIRED] = k + 1
    state.node[n, END] = now + interval


@nb.njit(cache=True, nogil=True)
def wake_up(tables: Tables, state: State, n: int, now: int, wake: np.ndarray) -> int:
    """Note when node n can next do something, if that is earlier than known; returns the time or FAR."""
    if n < 0 or state.node[n, FIRED] >= tables.node[n, FIRINGS]:
        return FAR
    when = can_send(tables, state, n) if state.node[n, READY] >= 0 else can_take(tables, state, n)
    when = max(when, now)
    if when >= wake[n]:
        return FAR
    wake[n] = when
    return when


@nb.njit(cache=True, nogil=True)
def run_by_events(tables: Tables, state: State, log: Log, choices: np.ndarray) -> None:
    """Run to the end or to a deadlock; with a log, `choices` gets every arbiter's choices."""
    node, port, fifo, _ = tables
    log_start, log_ready, log_send = log
    wake = np.full(len(node), FAR, np.int64)
    heap = [(0, 0)]
    heap.pop()
    for n in range(len(node)):
        when = wake_up(tables, state, n, 0, wake)
        if when < FAR:
            heapq.heappush(heap, (when, n))
    while heap:
        now, n = heapq.heappop(heap)
        if wake[n] != now:
            continue  # it was woken earlier than this, and has moved on
        wake[n] = FAR
        a, b, k = node[n, IN], node[n, OUT_END], state.node[n, FIRED]
        if state.node[n, READY] < 0 and can_take(tables, state, n) <= now:
            chosen = take(tables, state, n, now)
            if log_start.size:
                log_ready[log_start[n] + k] = now
                choices[log_start[n] + k] = chosen
            b = node[n, OUT]
        elif state.node[n, READY] >= 0 and can_send(tables, state, n) <= now:
            send(tables, state, n, now)
            if log_start.size:
                log_send[log_start[n] + k] = now
            a = node[n, OUT]
        else:
            a = b  # only the time was wrong
        for p in range(a, b):
            other = fifo[port[p, FIFO], TARGET if p >= node[n, OUT] else SOURCE]
            when = wake_up(tables, state, other, now, wake)
            if when < FAR:
                heapq.heappush(heap, (when, other))
        when = wake_up(tables, state, n, now, wake)
        if when < FAR:
            heapq.heappush(heap, (when, n))
