"""Many masters on the default controller: ports, an arbiter between them, and how far the run may go.

A master sends bursts, each one or more requests, through a port. Each clock the arbiter lets the next
request of one port to the door of the controller, if the door is free; from there it goes the way of every
request (`run.front`). Whatever the outside learns of (a burst taken, a burst answered) bounds how far the
run may go on, since it may answer with a new burst.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from ...pointer import pointer
from ..core.state import C_SIZE, FAR, K_FIRST_CHANNEL
from .run import front, settle, tick
from .state import (
    X_CHANNELS,
    X_FINISHED,
    X_FIRST_XCHANNEL,
    X_FRONT_CLOCK,
    X_FRONT_WAKE,
    X_GRANTED,
    X_LAST_PORT,
    X_NEXT,
    XC_SIZE,
    XC_WAKE,
)

__all__ = ["FIXED_PRIORITY", "OLDEST_FIRST", "ROUND_ROBIN", "serve"]

ROUND_ROBIN, FIXED_PRIORITY, OLDEST_FIRST = range(3)
P_HEAD, P_POSITION, P_SEND, P_RESPONSE, P_ANSWER, P_SIZE = range(6)
"""A port: its oldest burst not yet taken (-1: none), how many requests of that went in, and its latencies in ticks of the
host."""
U_VISIBLE, U_FIRST, U_COUNT, U_NEXT, U_LEFT, U_PORT, U_TAKEN, U_ANSWERED, U_SIZE = range(9)
"""A burst: the clock from which the arbiter sees it, its requests in the pool, the next burst of the port, requests without an
answer, its port, and the clocks at which its last request went in and its last answer came."""
O_CHANNEL, O_BANK, O_ROW, O_KEY, O_BURST, O_SIZE = range(6)
"""Rows of the pool and of the requests in the order of their grants."""


@njit(cache=True, nogil=True)
def _choose(x: Any, ports: Any, bursts: Any, policy: int, t: int) -> int:
    """The port whose turn it is among those with a visible burst, or -1."""
    n = len(ports)
    best, best_key = -1, FAR
    for k in range(n):
        p = (x[X_LAST_PORT] + 1 + k) % n if policy == ROUND_ROBIN else k
        u = ports[p, P_HEAD]
        if u >= 0 and bursts[u, U_VISIBLE] <= t:
            if policy != OLDEST_FIRST:
                return p
            if bursts[u, U_VISIBLE] < best_key:
                best, best_key = p, bursts[u, U_VISIBLE]
    return best


@njit(cache=True, nogil=True)
def _grant(
    x: Any, ports: Any, bursts: Any, pool: Any, pool_writes: Any, order: Any, due: Any, is_write: Any, policy: int, t: int
) -> int:
    """Let the next request of a port to the door; returns the burst that went in whole, or -1."""
    p = _choose(x, ports, bursts, policy, t)
    if p < 0:
        return -1
    x[X_LAST_PORT] = p
    u = ports[p, P_HEAD]
    source = bursts[u, U_FIRST] + ports[p, P_POSITION]
    i = x[X_GRANTED]
    for field in range(O_BURST):
        order[field, i] = pool[field, source]
    order[O_BURST, i] = u
    is_write[i] = pool_writes[source]
    due[i] = t
    x[X_GRANTED] = i + 1
    ports[p, P_POSITION] += 1
    if ports[p, P_POSITION] < bursts[u, U_COUNT]:
        return -1
    ports[p, P_POSITION] = 0
    ports[p, P_HEAD] = bursts[u, U_NEXT]
    bursts[u, U_TAKEN] = t
    return u


@njit(cache=True, nogil=True)
def _arrival(ports: Any, bursts: Any, t: int) -> int:
    """The next clock after t at which a port has something to grant."""
    wake = FAR
    for p in range(len(ports)):
        u = ports[p, P_HEAD]
        if u >= 0:
            wake = min(wake, max(t + 1, bursts[u, U_VISIBLE]))
    return wake


@njit(cache=True, nogil=True)
def serve(
    m: Any, x: Any, out: Any, nxt: Any, waiting: Any, given: Any, due: Any, is_write: Any, order: Any, accepted: Any,
    answered: Any, pool: Any, pool_writes: Any, ports: Any, bursts: Any, events: Any, policy: int, period: int,
    sent: int, start: int, until: int,
) -> tuple[int, int, int]:
    """Go on from clock `start`; returns the clock reached, the last clock that is over, and the number of events.

    `until` is the last clock that nothing outside can reach as things stand; it comes nearer with each event.
    `sent` is the number of requests that the masters have sent; the run pauses when all are answered. Events are
    2 u for a burst u that went in, 2 u + 1 for one that is answered, in the order of their clocks. `period` is the
    number of ticks of the host in a clock.
    """
    m, x, out = pointer(m), pointer(x), pointer(out)
    t = start
    n_events = 0
    channel, bank, row, key = order[O_CHANNEL], order[O_BANK], order[O_ROW], order[O_KEY]
    while True:
        before = x[X_FINISHED]
        wake = settle(m, x, out, nxt, answered, given, t)
        if x[X_FINISHED] > before + 1:  # answers of one clock go out in the order of grants
            given[before : x[X_FINISHED]] = np.sort(given[before : x[X_FINISHED]])
        for k in range(before, x[X_FINISHED]):
            u = order[O_BURST, given[k]]
            bursts[u, U_LEFT] -= 1
            if bursts[u, U_LEFT] == 0:
                bursts[u, U_ANSWERED] = t
                events[n_events] = 2 * u + 1
                n_events += 1
                p = bursts[u, U_PORT]
                until = min(until, (t * period + ports[p, P_ANSWER] + ports[p, P_SEND] - 1) // period)
        if x[X_FRONT_CLOCK] != t:
            if x[X_NEXT] == x[X_GRANTED]:
                u = _grant(x, ports, bursts, pool, pool_writes, order, due, is_write, policy, t)
                if u >= 0:
                    events[n_events] = 2 * u
                    n_events += 1
                    p = bursts[u, U_PORT]
                    until = min(until, (t * period + ports[p, P_RESPONSE] + ports[p, P_SEND] - 1) // period)
            x[X_FRONT_WAKE] = front(m, x, nxt, waiting, due, is_write, channel, bank, row, key, accepted, t)
            x[X_FRONT_CLOCK] = t
        if x[X_FINISHED] == sent:
            return t, t, n_events
        following = min(wake, x[X_FRONT_WAKE])
        if x[X_NEXT] == x[X_GRANTED]:
            following = min(following, _arrival(ports, bursts, t))
        for ch in range(x[X_CHANNELS]):
            following = min(following, x[x[X_FIRST_XCHANNEL] + ch * XC_SIZE + XC_WAKE])
        if following > until:
            return t, until, n_events
        t = following
        for ch in range(x[X_CHANNELS]):
            c = x[X_FIRST_XCHANNEL] + ch * XC_SIZE
            if x[c + XC_WAKE] <= t:
                x[c + XC_WAKE] = max(t + 1, tick(m, x, out, m[K_FIRST_CHANNEL] + ch * C_SIZE, c, t))
