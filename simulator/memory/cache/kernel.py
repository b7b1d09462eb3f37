"""The compiled kernel: always the node whose next action is the earliest acts next.

Whatever one node does to another takes at least one cycle, so that the order within a cycle never matters,
and a node that plans ahead is right until something reaches it.
"""

from __future__ import annotations

from numba import njit

from ..pointer import pointer
from . import columns as k
from .act import act_on_recall, act_on_request, choose_queue, serve_memory
from .hits import take_hits
from .kinds import Rows, Vector
from .plan import plan_cache, plan_memory

__all__ = ["act", "first_node", "run"]


@njit(cache=True, nogil=True)
def first_node(m: Vector, a: Rows) -> int:
    """Bring every plan up to date and return the node that acts first."""
    memory = m[k.MEMORY]
    first, now = memory, k.FAR
    for n in range(m[k.FIRST_NODE], memory + 1, k.NODE_SIZE):
        when = m[n + k.WHEN]
        if when < 0:
            when = plan_memory(m) if n == memory else plan_cache(m, a, n)
            m[n + k.WHEN] = when
        if when < now:
            first, now = n, when
    return first


@njit(cache=True, nogil=True)
def act(m: Vector, a: Rows, n: int, horizon: int) -> bool:
    """Let a cache act, or the memory choose a queue; False if a recall found no place.

    Runs of hits are taken up to the cycle `horizon` or the first action of another node.
    """
    now = m[n + k.WHEN]
    if m[n + k.DOES] == k.CHOOSE:
        choose_queue(m, n, now)
        return True
    if m[n + k.DOES] == k.RECALL:
        return act_on_recall(m, n, now)
    if m[n + k.TOP] and m[n + k.FOUND] == k.HIT and m[n + k.PREFETCH_KIND] == k.NO_PREFETCH:
        access = m[n + k.NEXT]
        for other in range(m[k.FIRST_NODE], m[k.MEMORY] + 1, k.NODE_SIZE):
            if other != n:
                horizon = min(horizon, m[other + k.WHEN])
        take_hits(m, a, n, horizon)
        if m[n + k.NEXT] > access:
            return True
    return act_on_request(m, a, n, now)


@njit(cache=True, nogil=True)
def _run(m: Vector, a: Rows) -> bool:
    memory = m[k.MEMORY]
    while True:
        n = first_node(m, a)
        if m[n + k.WHEN] == k.FAR:
            return True
        if n == memory and m[n + k.DOES] == k.REQUEST:
            serve_memory(m, a, m[n + k.WHEN])
        elif not act(m, a, n, k.FAR):
            return False


@njit(cache=True, nogil=True)
def run(vector: Vector, rows: Rows) -> bool:
    """Run to the end; False if more recalls were on their way to a cache than there is room for."""
    return _run(pointer(vector), pointer(rows))
