"""The event heap: networks with arbitration, where what happens depends on the order in time.

Nodes wake in order of time. All latencies are at least one cycle, so what a node sees at a time was decided
at earlier times only, and the order of nodes within a cycle does not matter.
"""

from __future__ import annotations

import heapq

import numba as nb
import numpy as np

from .tables import State, Tables
from .worklist import FAR, Log

__all__ = ["run_by_events"]


@nb.njit(cache=True, nogil=True)
def pick(t: Tables, s: State, n: int, now: int) -> int:
    """The input (position) that an arbiter takes at a time; -1 if none has a visible token."""
    first, count = t.in_start[n], t.in_start[n + 1] - t.in_start[n]
    best, best_key = -1, FAR
    for i in range(count):
        f = t.in_fifo[first + i]
        if s.sent[f] > s.taken[f]:
            visible = s.slots[s.slot_start[f] + s.head[f]]
            if visible <= now:
                key = np.int64(i)
                if t.policy[n] == 1 and i <= s.last_choice[n]:
                    key = np.int64(i + count)
                elif t.policy[n] == 2:
                    key = visible
                if key < best_key:
                    best, best_key = i, key
    return best


@nb.njit(cache=True, nogil=True)
def is_due(t: Tables, n: int, port: int, k: int, first: int, due: int, rows: np.ndarray) -> bool:
    """Whether a port (its number, and the number of the node's first) is due at firing k."""
    row_count = t.rows_start[n + 1] - t.rows_start[n]
    if row_count:
        return bool((rows[t.rows_start[n] + k % row_count] >> (port - first)) & 1)
    return due == k


@nb.njit(cache=True, nogil=True)
def take(t: Tables, s: State, f: int, now: int) -> None:
    """Take the first token of a FIFO."""
    s.slots[s.slot_start[f] + s.head[f]] = now + t.response_latency[f]
    s.taken[f] += 1
    s.head[f] = (s.head[f] + 1) % t.depth[f]


@nb.njit(cache=True, nogil=True)
def inputs_at(t: Tables, s: State, n: int) -> int:
    """The earliest time at which node n finds all it needs to fire; FAR if a token is not there yet."""
    when, k, a, b = s.end[n], s.fired[n], t.in_start[n], t.in_start[n + 1]
    if t.policy[n] >= 0:
        first = FAR
        for p in range(a, b):
            f = t.in_fifo[p]
            if s.sent[f] > s.taken[f]:
                first = min(first, s.slots[s.slot_start[f] + s.head[f]])
        return max(when, first)
    for p in range(a, b):
        if is_due(t, n, p, k, a, s.in_due[p], t.row_inputs):
            f = t.in_fifo[p]
            if s.sent[f] == s.taken[f]:
                return FAR
            when = max(when, s.slots[s.slot_start[f] + s.head[f]])
    return when


@nb.njit(cache=True, nogil=True)
def outputs_at(t: Tables, s: State, n: int) -> int:
    """The earliest time at which all outputs that are due have a slot; FAR if one is not taken yet."""
    when, k, a, b = s.ready[n], s.fired[n], t.out_start[n], t.out_start[n + 1]
    for p in range(a, b):
        if is_due(t, n, p, k, a, s.out_due[p], t.row_outputs):
            f = t.out_fifo[p]
            if s.sent[f] - s.taken[f] == t.depth[f]:
                return FAR
            when = max(when, s.slots[s.slot_start[f] + s.tail[f]])
    return when


@nb.njit(cache=True, nogil=True)
def run_by_events(t: Tables, s: State, log: Log, choices: np.ndarray) -> None:
    """Run to the end or to a deadlock."""
    log_start, log_ready, log_send = log
    wake = np.full(len(t.firings), FAR, np.int64)
    heap = [(np.int64(0), np.int64(0))]
    heap.pop()
    for n in range(len(t.firings)):
        if t.firings[n]:
            when = inputs_at(t, s, n)
            if when < FAR:
                wake[n] = when
                heapq.heappush(heap, (when, np.int64(n)))
    while heap:
        now, n = heapq.heappop(heap)
        if wake[n] != now:
            continue  # it has been woken earlier, and has decided since
        wake[n] = FAR
        k = s.fired[n]
        a, b, c, d = t.in_start[n], t.in_start[n + 1], t.out_start[n], t.out_start[n + 1]
        if s.ready[n] < 0:
            if inputs_at(t, s, n) > now:
                when = inputs_at(t, s, n)
                if when < FAR:
                    wake[n] = when
                    heapq.heappush(heap, (when, n))
                continue
            s.ready[n] = now
            if log_start.size:
                log_ready[log_start[n] + k] = now
            chosen = pick(t, s, n, now) if t.policy[n] >= 0 else -1
            if chosen >= 0:
                s.last_choice[n] = chosen
                if choices.size:
                    choices[log_start[n] + k] = chosen
            for p in range(a, b):
                if p - a == chosen or (chosen < 0 and is_due(t, n, p, k, a, s.in_due[p], t.row_inputs)):
                    f = t.in_fifo[p]
                    take(t, s, f, now)
                    s.in_due[p] += t.in_every[p]
                    other = t.source[f]
                    if s.ready[other] >= 0:
                        when = max(now + 1, outputs_at(t, s, other))
                        if when < wake[other]:
                            wake[other] = when
                            heapq.heappush(heap, (when, other))
        when = outputs_at(t, s, n)
        if when > now:
            if when < FAR:
                wake[n] = when
                heapq.heappush(heap, (when, n))
            continue
        row_count = t.rows_start[n + 1] - t.rows_start[n]
        interval, latency = t.interval[n], t.latency[n]
        if row_count:
            interval, latency = t.row_interval[t.rows_start[n] + k % row_count], t.row_latency[t.rows_start[n] + k % row_count]
        ready = s.ready[n]
        s.ready[n] = -1
        s.fired[n] = k + 1
        s.end[n] = now + interval
        if log_start.size:
            log_send[log_start[n] + k] = now
        for p in range(c, d):
            if is_due(t, n, p, k, c, s.out_due[p], t.row_outputs):
                f = t.out_fifo[p]
                visible = max(ready + latency, now + t.send_latency[f], s.latest[f])
                s.latest[f] = visible
                s.slots[s.slot_start[f] + s.tail[f]] = visible
                s.sent[f] += 1
                s.tail[f] = (s.tail[f] + 1) % t.depth[f]
                s.out_due[p] += t.out_every[p]
                other = t.target[f]
                if s.ready[other] < 0 and s.fired[other] < t.firings[other]:
                    when = inputs_at(t, s, other)
                    if when < wake[other]:
                        wake[other] = when
                        heapq.heappush(heap, (when, other))
        if s.fired[n] < t.firings[n]:
            when = inputs_at(t, s, n)
            if when < FAR:
                wake[n] = when
                heapq.heappush(heap, (when, n))
