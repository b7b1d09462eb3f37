"""The compiled kernel: always the node whose next action is the earliest acts next.

Whatever one node does to another takes at least one cycle, so that the order within a cycle never matters,
and a node that plans ahead is right until something reaches it.
"""

from __future__ import annotations

from numba import njit

from . import columns as k
from .act import act_on_recall, act_on_request, choose_queue, serve_memory
from .hits import take_hits
from .kinds import Rows, Vector
from .plan import plan_cache, plan_memory
from .pointer import pointer

__all__ = ["run"]


@njit(cache=True, nogil=True)
def _advance(m: Vector, a: Rows, n: int, limit: int) -> bool:
    """Take a run of hits, or at least the planned request."""
    now, access = m[n + k.WHEN], m[n + k.NEXT]
    take_hits(m, a, n, limit)
    return m[n + k.NEXT] > access or act_on_request(m, a, n, now)


@njit(cache=True, nogil=True)
def _run(m: Vector, a: Rows) -> bool:
    memory = m[k.MEMORY]
    while True:
        first, now = memory, k.FAR
        for n in range(m[k.FIRST_NODE], memory + 1, k.NODE_SIZE):
            when = m[n + k.WHEN]
            if when < 0:
                when = plan_memory(m) if n == memory else plan_cache(m, a, n)
                m[n + k.WHEN] = when
            if when < now:
                first, now = n, when
        if now == k.FAR:
            return True
        does = m[first + k.DOES]
        if does == k.CHOOSE:
            choose_queue(m, first, now)
        elif first == memory:
            serve_memory(m, a, now)
        elif does == k.RECALL:
            if not act_on_recall(m, first, now):
                return False
        elif m[first + k.TOP] and m[first + k.FOUND] == k.HIT and m[first + k.PREFETCH_KIND] == k.NO_PREFETCH:
            limit = k.FAR
            for n in range(m[k.FIRST_NODE], memory + 1, k.NODE_SIZE):
                if n != first:
                    limit = min(limit, m[n + k.WHEN])
            if not _advance(m, a, first, limit):
                return False
        elif not act_on_request(m, a, first, now):
            return False


@njit(cache=True, nogil=True)
def run(vector: Vector, rows: Rows) -> bool:
    """Run to the end; False if more recalls were on their way to a cache than there is room for."""
    return _run(pointer(vector), pointer(rows))
