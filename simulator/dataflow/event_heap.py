"""The event heap: networks with arbitration, where what happens depends on the order in time.

Nodes wake in order of time. All latencies are at least one cycle, so that what a node sees was decided in
earlier cycles, and the order of nodes within a cycle does not matter.
"""

from __future__ import annotations

import heapq

import numba as nb
import numpy as np

from .tables import (
    CHOICE,
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
from .worklist import Log

__all__ = ["run_by_events"]


@nb.njit(cache=True, nogil=True)
def run_by_events(tables: Tables, state: State, log: Log, choices: np.ndarray) -> None:
    """Run to the end or to a deadlock; with a log, `choices` gets every arbiter's choices.

    It is one long function because a call that passes this many arrays costs more than a firing does.
    """
    node, port, fifo, row = tables
    node_state, due, fifo_state, slot = state
    log_start, log_ready, log_send = log
    wake = np.zeros(len(node), np.int64)
    heap = [(0, n) for n in range(len(node))]
    while heap:
        now, n = heapq.heappop(heap)
        if wake[n] != now:
            continue  # it was woken earlier than this, and has moved on
        wake[n] = FAR
        in_a, out_a, out_b, policy = node[n, IN], node[n, OUT], node[n, OUT_END], node[n, POLICY]
        row_a = node[n, ROWS]
        rows = node[n, ROWS_END] - row_a
        interval, latency = node[n, INTERVAL], node[n, LATENCY]
        when = FAR  # until the node has to wait for a time that is known, or for its neighbours
        while node_state[n, FIRED] < node[n, FIRINGS]:
            k = node_state[n, FIRED]
            taking = sending = np.int64(0)
            if rows:
                r = row_a + k % rows
                taking, sending = row[r, ROW_INPUTS], row[r, ROW_OUTPUTS]
                interval, latency = row[r, ROW_INTERVAL], row[r, ROW_LATENCY]
            else:  # at most 62 ports, so that masks fit
                for p in range(in_a, out_b):
                    if due[p] == k and p < out_a:
                        taking |= np.int64(1) << (p - in_a)
                    elif due[p] == k:
                        sending |= np.int64(1) << (p - out_a)
            if node_state[n, READY] < 0:
                chosen, best = -1, FAR
                when, first = node_state[n, END], FAR
                for i in range(out_a - in_a):
                    if policy < 0 and not (taking >> i) & 1:
                        continue
                    f = port[in_a + i, FIFO]
                    visible = FAR
                    if fifo_state[f, SENT] > fifo_state[f, TAKEN]:
                        visible = slot[fifo[f, SLOT] + fifo_state[f, HEAD]]
                    if policy < 0:
                        when = max(when, visible)
                        continue
                    first = min(first, visible)
                    key = i
                    if policy == 1 and i <= node_state[n, CHOICE]:
                        key = i + out_a - in_a
                    elif policy == 2:
                        key = visible
                    if visible <= now and key < best:
                        chosen, best = i, key
                if policy >= 0:
                    when = max(when, first)
                    taking = np.int64(1) << max(chosen, 0)
                if when > now:
                    break
                for i in range(out_a - in_a):
                    if not (taking >> i) & 1:
                        continue
                    p = in_a + i
                    f = port[p, FIFO]
                    head = fifo_state[f, HEAD]
                    free = now + fifo[f, RESPONSE_LATENCY]
                    slot[fifo[f, SLOT] + head] = free
                    fifo_state[f, TAKEN] += 1
                    fifo_state[f, HEAD] = head + 1 if head + 1 < fifo[f, DEPTH] else 0
                    due[p] += port[p, EVERY]
                    other = fifo[f, SOURCE]
                    if node_state[other, READY] >= 0 and free < wake[other]:
                        wake[other] = free
                        heapq.heappush(heap, (free, other))
                node_state[n, READY] = now
                if policy >= 0:
                    node_state[n, CHOICE] = chosen
                if log_start.size:
                    log_ready[log_start[n] + k] = now
                    choices[log_start[n] + k] = chosen
            when = now
            for i in range(out_b - out_a):
                if (sending >> i) & 1:
                    f = port[out_a + i, FIFO]
                    if fifo_state[f, SENT] - fifo_state[f, TAKEN] == fifo[f, DEPTH]:
                        when = FAR
                        break
                    when = max(when, slot[fifo[f, SLOT] + fifo_state[f, TAIL]])
            if when > now:
                break
            for i in range(out_b - out_a):
                if not (sending >> i) & 1:
                    continue
                p = out_a + i
                f = port[p, FIFO]
                visible = max(
                    node_state[n, READY] + latency, now + fifo[f, SEND_LATENCY], fifo_state[f, LATEST]
                )
                tail = fifo_state[f, TAIL]
                fifo_state[f, LATEST] = visible
                slot[fifo[f, SLOT] + tail] = visible
                fifo_state[f, SENT] += 1
                fifo_state[f, TAIL] = tail + 1 if tail + 1 < fifo[f, DEPTH] else 0
                due[p] += port[p, EVERY]
                other = fifo[f, TARGET]
                if node_state[other, READY] < 0 and visible < wake[other]:
                    begin = max(visible, node_state[other, END])
                    if begin < wake[other]:
                        wake[other] = begin
                        heapq.heappush(heap, (begin, other))
            node_state[n, READY] = -1
            node_state[n, FIRED] = k + 1
            node_state[n, END] = now + interval
            when = FAR
            if log_start.size:
                log_send[log_start[n] + k] = now
        if when < FAR and when < wake[n]:
            wake[n] = when
            heapq.heappush(heap, (when, n))
