"""The local-clock worklist: any network without arbitration, compiled.

Without arbitration the times are a max-plus recurrence, so that the order of evaluation is free. A node
runs for as long as its inputs hold tokens and its outputs have slots, on a clock of its own, and then
hands over to its neighbours.
"""

from __future__ import annotations

import numba as nb
import numpy as np

from .tables import (
    DEPTH,
    END,
    EVERY,
    FAR,
    FIFO,
    FIRED,
    FIRINGS,
    HEAD,
    IN,
    INTERVAL,
    LATENCY,
    LATEST,
    OUT,
    OUT_END,
    POLICY,
    READY,
    RESPONSE_LATENCY,
    ROW_INPUTS,
    ROW_INTERVAL,
    ROW_LATENCY,
    ROW_OUTPUTS,
    ROWS,
    ROWS_END,
    SEND_LATENCY,
    SENT,
    SLOT,
    SOURCE,
    TAIL,
    TAKEN,
    TARGET,
    State,
    Tables,
)  # fmt: skip

__all__ = ["FAR", "NO_LOG", "Log", "advance", "blocked_on"]

Log = tuple[np.ndarray, np.ndarray, np.ndarray]
"""(start of each node's firings, ready times, send times); empty arrays record nothing."""
NO_LOG: Log = (np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0, np.int64))


@nb.njit(cache=True, nogil=True)
def advance(tables: Tables, state: State, limits: np.ndarray, horizon: int, log: Log) -> None:
    """Run every node to its limit of firings, to the horizon (a time), or as far as it gets.

    No choice depends on the time, so a run may be stopped and resumed at will.
    """
    node, port, fifo, row = tables
    node_state, due, fifo_state, slot = state
    log_start, log_ready, log_send = log
    recording = log_start.size > 0
    nodes = len(node)
    queue, queued = np.arange(nodes), np.ones(nodes, np.bool_)
    first, count = 0, nodes
    while count:
        n = queue[first]
        first = first + 1 if first + 1 < nodes else 0
        count -= 1
        queued[n] = False

        in_a, out_a, out_b = node[n, IN], node[n, OUT], node[n, OUT_END]
        interval, latency = node[n, INTERVAL], node[n, LATENCY]
        row_a = node[n, ROWS]
        rows = node[n, ROWS_END] - row_a
        k, end, ready = node_state[n, FIRED], node_state[n, END], node_state[n, READY]
        limit = limits[n]
        taking, sending = np.int64(0), np.int64(0)
        moved = False
        while k < limit:
            if rows:
                r = row_a + k % rows
                taking, sending = row[r, ROW_INPUTS], row[r, ROW_OUTPUTS]
                interval, latency = row[r, ROW_INTERVAL], row[r, ROW_LATENCY]
            if ready < 0:
                start = end
                for p in range(in_a, out_a):
                    if (rows == 0 and due[p] == k) or (rows != 0 and (taking >> (p - in_a)) & 1 == 1):
                        f = port[p, FIFO]
                        if fifo_state[f, SENT] == fifo_state[f, TAKEN]:
                            start = FAR
                            break
                        visible = slot[fifo[f, SLOT] + fifo_state[f, HEAD]]
                        if visible > start:
                            start = visible
                if start >= horizon:
                    break
                for p in range(in_a, out_a):
                    if (rows == 0 and due[p] == k) or (rows != 0 and (taking >> (p - in_a)) & 1 == 1):
                        f = port[p, FIFO]
                        head = fifo_state[f, HEAD]
                        slot[fifo[f, SLOT] + head] = start + fifo[f, RESPONSE_LATENCY]
                        fifo_state[f, TAKEN] += 1
                        fifo_state[f, HEAD] = head + 1 if head + 1 < fifo[f, DEPTH] else 0
                        due[p] += port[p, EVERY]
                ready = start
                moved = True
                if recording:
                    log_ready[log_start[n] + k] = ready
            start = ready
            for p in range(out_a, out_b):
                if (rows == 0 and due[p] == k) or (rows != 0 and (sending >> (p - out_a)) & 1 == 1):
                    f = port[p, FIFO]
                    if fifo_state[f, SENT] - fifo_state[f, TAKEN] == fifo[f, DEPTH]:
                        start = FAR
                        break
                    free = slot[fifo[f, SLOT] + fifo_state[f, TAIL]]
                    if free > start:
                        start = free
            if start >= horizon:
                break
            for p in range(out_a, out_b):
                if (rows == 0 and due[p] == k) or (rows != 0 and (sending >> (p - out_a)) & 1 == 1):
                    f = port[p, FIFO]
                    tail = fifo_state[f, TAIL]
                    visible = max(ready + latency, start + fifo[f, SEND_LATENCY], fifo_state[f, LATEST])
                    fifo_state[f, LATEST] = visible
                    slot[fifo[f, SLOT] + tail] = visible
                    fifo_state[f, SENT] += 1
                    fifo_state[f, TAIL] = tail + 1 if tail + 1 < fifo[f, DEPTH] else 0
                    due[p] += port[p, EVERY]
            if recording:
                log_send[log_start[n] + k] = start
            end = start + interval
            ready = np.int64(-1)
            k += 1
            moved = True
        node_state[n, FIRED], node_state[n, END], node_state[n, READY] = k, end, ready
        if not moved:
            continue
        for p in range(in_a, out_b):
            other = fifo[port[p, FIFO], SOURCE if p < out_a else TARGET]
            if other >= 0 and not queued[other] and node_state[other, FIRED] < limits[other]:
                queued[other] = True
                place = first + count
                queue[place if place < nodes else place - nodes] = other
                count += 1


def blocked_on(tables: Tables, state: State, n: int) -> tuple[str, int] | None:
    """What a node waits for: ("item" or "space", FIFO); None if it is done or free to go on."""
    node, fired = tables.node[n], int(state.node[n, FIRED])
    if fired >= node[FIRINGS]:
        return None
    holding = state.node[n, READY] >= 0
    first, last = (node[OUT], node[OUT_END]) if holding else (node[IN], node[OUT])
    rows = int(node[ROWS_END] - node[ROWS])
    for i, p in enumerate(range(int(first), int(last))):
        if rows:
            mask = tables.row[node[ROWS] + fired % rows, ROW_OUTPUTS if holding else ROW_INPUTS]
            due = bool(int(mask) >> i & 1)
        else:
            due = state.due[p] == fired or (node[POLICY] >= 0 and not holding)
        f = int(tables.port[p, FIFO])
        held = state.fifo[f, SENT] - state.fifo[f, TAKEN]
        if due and holding and held == tables.fifo[f, DEPTH]:
            return "space", f
        if due and not holding and held == 0:
            return "item", f
        if node[POLICY] >= 0 and not holding:
            return None  # an arbiter is content with any token
    return None
