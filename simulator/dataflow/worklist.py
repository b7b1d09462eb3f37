"""The local-clock worklist: any network without arbitration, compiled.

Without arbitration the times are a max-plus recurrence, so that the order of evaluation is free. A node
runs for as long as its inputs hold tokens and its outputs have slots, on a clock of its own, and then
hands over to a neighbour that it has given something to do.
"""

from __future__ import annotations

import numba as nb
import numpy as np

from .tables import State, Tables

__all__ = ["NO_LOG", "Log", "advance", "blocked_on"]

Log = tuple[np.ndarray, np.ndarray, np.ndarray]
"""(start of each node's firings, ready times, send times); empty arrays record nothing."""
NO_LOG: Log = (np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0, np.int64))
FAR = np.int64(2**62)


@nb.njit(cache=True, nogil=True)
def run_node(t: Tables, s: State, n: int, limit: int, horizon: int, log: Log) -> bool:
    """Fire node n until it lacks a token or a slot, has fired `limit` times, or would fire at `horizon`.

    Returns whether it took or sent anything.
    """
    log_start, log_ready, log_send = log
    in_a, in_b, out_a, out_b = t.in_start[n], t.in_start[n + 1], t.out_start[n], t.out_start[n + 1]
    interval, latency = t.interval[n], t.latency[n]
    rows, row_count = t.rows_start[n], t.rows_start[n + 1] - t.rows_start[n]
    k, end, ready = s.fired[n], s.end[n], s.ready[n]
    moved = False
    inputs, outputs = np.int64(0), np.int64(0)
    while k < limit:
        if row_count:
            row = rows + k % row_count
            inputs, outputs = t.row_inputs[row], t.row_outputs[row]
            interval, latency = t.row_interval[row], t.row_latency[row]
        if ready < 0:
            start = end
            missing = False
            for p in range(in_a, in_b):
                if (inputs >> (p - in_a)) & 1 if row_count else s.in_due[p] == k:
                    f = t.in_fifo[p]
                    if s.sent[f] == s.taken[f]:
                        missing = True
                        break
                    start = max(start, s.slots[s.slot_start[f] + s.head[f]])
            if missing or start >= horizon:
                break
            for p in range(in_a, in_b):
                if (inputs >> (p - in_a)) & 1 if row_count else s.in_due[p] == k:
                    f = t.in_fifo[p]
                    head = s.head[f]
                    s.slots[s.slot_start[f] + head] = start + t.response_latency[f]
                    s.taken[f] += 1
                    s.head[f] = head + 1 if head + 1 < t.depth[f] else 0
                    s.in_due[p] += t.in_every[p]
            ready = start
            moved = True
            if log_start.size:
                log_ready[log_start[n] + k] = ready
        start = ready
        full = False
        for p in range(out_a, out_b):
            if (outputs >> (p - out_a)) & 1 if row_count else s.out_due[p] == k:
                f = t.out_fifo[p]
                if s.sent[f] - s.taken[f] == t.depth[f]:
                    full = True
                    break
                start = max(start, s.slots[s.slot_start[f] + s.tail[f]])
        if full or start >= horizon:
            break
        for p in range(out_a, out_b):
            if (outputs >> (p - out_a)) & 1 if row_count else s.out_due[p] == k:
                f = t.out_fifo[p]
                tail = s.tail[f]
                visible = max(ready + latency, start + t.send_latency[f], s.latest[f])
                s.latest[f] = visible
                s.slots[s.slot_start[f] + tail] = visible
                s.sent[f] += 1
                s.tail[f] = tail + 1 if tail + 1 < t.depth[f] else 0
                s.out_due[p] += t.out_every[p]
        if log_start.size:
            log_send[log_start[n] + k] = start
        end = start + interval
        ready = -1
        k += 1
        moved = True
    s.fired[n], s.end[n], s.ready[n] = k, end, ready
    return moved


@nb.njit(cache=True, nogil=True)
def advance(t: Tables, s: State, limits: np.ndarray, horizon: int, log: Log) -> None:
    """Run every node (to its limit of firings and to the horizon, a time) as far as it gets.

    No choice is made before a time that is known, so a run may be stopped and resumed at will.
    """
    nodes = len(t.firings)
    queue = np.empty(nodes, np.int64)
    queued = np.ones(nodes, np.bool_)
    for n in range(nodes):
        queue[n] = n
    first, count = 0, nodes
    while count:
        n = queue[first]
        first = first + 1 if first + 1 < nodes else 0
        count -= 1
        queued[n] = False
        if not run_node(t, s, n, limits[n], horizon, log):
            continue
        for p in range(t.out_start[n], t.out_start[n + 1]):
            other = t.target[t.out_fifo[p]]
            if other >= 0 and not queued[other] and s.fired[other] < limits[other]:
                queued[other] = True
                queue[(first + count) % nodes] = other
                count += 1
        for p in range(t.in_start[n], t.in_start[n + 1]):
            other = t.source[t.in_fifo[p]]
            if other >= 0 and not queued[other] and s.fired[other] < limits[other]:
                queued[other] = True
                queue[(first + count) % nodes] = other
                count += 1


def blocked_on(t: Tables, s: State, n: int) -> tuple[str, int] | None:
    """What a node waits for: ("item" or "space", FIFO); None if it is done or free to go on."""
    k = int(s.fired[n])
    if k >= t.firings[n]:
        return None
    row_count = int(t.rows_start[n + 1] - t.rows_start[n])
    row = int(t.rows_start[n]) + k % row_count if row_count else -1
    holding = s.ready[n] >= 0
    start, stop = (t.out_start, t.out_start) if holding else (t.in_start, t.in_start)
    fifo, due = (t.out_fifo, s.out_due) if holding else (t.in_fifo, s.in_due)
    masks = t.row_outputs if holding else t.row_inputs
    if t.policy[n] >= 0 and not holding:
        empty = all(s.sent[f] == s.taken[f] for f in fifo[start[n] : stop[n + 1]])
        return ("item", int(fifo[start[n]])) if empty else None
    for p in range(int(start[n]), int(stop[n + 1])):
        f = int(fifo[p])
        if (masks[row] >> (p - int(start[n])) & 1) if row_count else due[p] == k:
            if holding and s.sent[f] - s.taken[f] == t.depth[f]:
                return "space", f
            if not holding and s.sent[f] == s.taken[f]:
                return "item", f
    return None
