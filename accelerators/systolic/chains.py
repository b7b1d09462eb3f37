"""How a design runs a network: which operands it finds on chip, and which jobs it does as another one drains.

A chain is a run of jobs each of which alone reads the one before it and could be done as that drains. The chain is
cut into groups, a head and what is fused into it, so that it takes the fewest cycles in all. Every cut that a
design without fusion could make is among those it could make with it, so fusing is never slower.
"""

# mypy: allow-untyped-defs
# Kernels take int64 scalars and arrays; their docstrings give the shapes.
from __future__ import annotations

import numpy as np
from numba import njit

from .lowering import ELEMENTWISE, POOLING
from .program import (
    ACTIVATION,
    CYCLES,
    F_OPS,
    F_OUT_BITS,
    F_VECTOR,
    FUSED,
    FUSION,
    KEPT,
    LANES,
    N_RESULT,
    NEAR,
    VECTOR,
    WAITS,
    skips_zeros,
)
from .schedule import ROOMS
from .tiling import new_scratch, solve_product, solve_vector

__all__ = ["solve"]

(R_IFMAP, R_FILTER, R_STORE, R_WAIT, R_FOLLOWS, R_OTHERS, R_OTHER_ELEMENTS, R_FIRST, R_END,
 R_ACTIVATIONS) = range(len(ROOMS))
_NO_TIME = 2**62
"""What a job costs of which no tile fits."""


@njit(cache=True, nogil=True)
def solve(designs, unique, sparse, use, rooms, near, width, results):
    """Simulate every design on every job.

    designs (n_designs, len(PARAMETERS)), unique and sparse (n_unique, len(FIELDS)) and use (n_jobs,) as in `JobTable`; rooms
    (n_widths, n_jobs, len(ROOMS)) and near (n_widths, n, 2) as in `schedule.Place`, and width (n_designs,) which of
    them is a design's; results (n_designs, n_jobs, len(RESULT)) is filled in. All int64.
    """
    n_jobs = use.shape[0]
    scratch = new_scratch()
    jobs = np.empty_like(unique)
    memo, known = np.empty((8 * jobs.shape[0], N_RESULT), np.int64), np.empty((8 * jobs.shape[0], 3), np.int64)
    best, head, work = np.empty(n_jobs, np.int64), np.empty(n_jobs, np.int64), np.empty(jobs.shape[1], np.int64)
    for d in range(designs.shape[0]):
        known[:] = -1
        for u in range(len(jobs)):
            jobs[u] = sparse[u] if skips_zeros(sparse[u], designs[d]) else unique[u]
        begin = np.int64(0)  # a literal would have what is called compiled once more
        while begin < n_jobs:
            end = begin + 1
            while end < n_jobs and rooms[width[d], end, R_FOLLOWS] > 0:
                end += 1
            _cut(begin, end, designs[d], jobs, use, rooms[width[d]], near[width[d]], memo, known, scratch, work,
                 best, head)
            _write(begin, end, designs[d], jobs, use, rooms[width[d]], near[width[d]], memo, known, scratch, work,
                   best, head, results[d])
            begin = end


@njit(cache=True, nogil=True)
def _cut(begin, end, par, jobs, use, rooms, near, memo, known, scratch, work, best, head):
    """Find the fastest cut of the chain of jobs begin to end - 1.

    best[i] becomes the cycles of the jobs up to i, head[i] the first job of the group that i is the last of.
    """
    for i in range(begin, end):
        best[i] = _NO_TIME
        if i > begin and best[i - 1] < _NO_TIME and _costs_nothing(head[i - 1], i, par, jobs, use, rooms):
            h = head[i - 1]
            drained = memo[_time(h, i - 1, par, jobs, use, rooms, near, memo, known, scratch, work), CYCLES]
            if _vector_cycles(h, i, par, jobs, use, rooms) <= drained:
                best[i], head[i] = best[i - 1], h
                continue
        for h in range(i, begin - 1, -1):
            if h < i and not _fusible(h, h + 1, i, par, rooms):
                break
            beside = _vector_cycles(h, i, par, jobs, use, rooms)
            # A vector pass has the unit to itself: only functions of one operand can be fused into it.
            if (h > begin and best[h - 1] == _NO_TIME) or (beside > 0 and jobs[use[h], F_VECTOR]):
                continue
            cycles = memo[_time(h, i, par, jobs, use, rooms, near, memo, known, scratch, work), CYCLES]
            if cycles >= 0:
                cycles = max(cycles, beside)
                cycles += best[h - 1] if h > begin else 0
                if cycles <= best[i]:
                    best[i], head[i] = cycles, h


@njit(cache=True, nogil=True)
def _costs_nothing(h, i, par, jobs, use, rooms):
    """Whether job i can be done as product h drains without a change to what it stores.

    If the vector unit keeps pace, too, nothing can be faster.
    """
    return (
        jobs[use[h], F_VECTOR] == 0
        and (rooms[h, R_STORE] <= par[ACTIVATION]) == (rooms[i, R_STORE] <= par[ACTIVATION])
        and jobs[use[h], F_OUT_BITS] == jobs[use[i], F_OUT_BITS]
        and rooms[i, R_FOLLOWS] != POOLING
        and _fusible(h, i, i, par, rooms)
    )


@njit(cache=True, nogil=True)
def _fusible(h, j, last, par, rooms):
    """Whether job j can be done as the one before it drains, in a group with head h that ends with job `last`.

    Other operands must be on chip by then. A pooling adds up in the activation buffer, so its output must stay there
    and be the last of the group.
    """
    kind, buffer = rooms[j, R_FOLLOWS], par[ACTIVATION]
    if kind > par[FUSION] or rooms[j, R_OTHERS] > buffer:
        return False
    return kind != POOLING or (j == last and rooms[j, R_STORE] <= buffer)


@njit(cache=True, nogil=True)
def _vector_cycles(h, i, par, jobs, use, rooms):
    """Return for how long the vector unit is busy with what is fused into head h, up to job i.

    Functions of one operand sit at the foot of the columns and keep pace in any case. For the others a group takes as
    long as the unit needs, if that is longer than the head.
    """
    ops = 0
    for j in range(h + 1, i + 1):
        if rooms[j, R_FOLLOWS] != ELEMENTWISE:
            ops += jobs[use[j], F_OPS]
    return -(-ops // par[LANES])


@njit(cache=True, nogil=True)
def _time(h, i, par, jobs, use, rooms, near, memo, known, scratch, work):
    """Solve the group h to i, or remember it; return the row of `memo` that has its result."""
    job, buffer = jobs[use[h]], par[ACTIVATION]
    kept = rooms[i, R_STORE] <= buffer
    ifmap_near = rooms[h, R_IFMAP] <= buffer
    filter_near = rooms[h, R_FILTER] <= buffer
    near_elements, ops = np.int64(0), np.int64(0)
    if job[F_VECTOR]:
        near_elements = _near_elements(h, buffer, rooms, near)
        ifmap_near, filter_near = near_elements > 0, near_elements == rooms[h, R_ACTIVATIONS]
        for j in range(h + 1, i + 1):
            ops += jobs[use[j], F_OPS]
    key = 8 * use[h] + (1 if ifmap_near else 0) + (2 if filter_near else 0) + (4 if kept else 0)
    out_bits = jobs[use[i], F_OUT_BITS]
    if known[key, 0] == near_elements and known[key, 1] == ops and known[key, 2] == out_bits:
        return key
    known[key, 0], known[key, 1], known[key, 2] = near_elements, ops, out_bits
    work[:] = job
    work[F_OPS] += ops
    work[F_OUT_BITS] = out_bits
    out = memo[key]
    out[:] = 0
    if job[F_VECTOR]:
        solve_vector(work, par, near_elements, kept, scratch, out)
        filter_near = False
    else:
        solve_product(work, par, ifmap_near, filter_near, kept, scratch, out)
    out[KEPT] = 1 if ifmap_near else 0
    out[KEPT + 1] = 1 if filter_near else 0
    out[KEPT + 2] = 1 if kept else 0
    out[NEAR] = near_elements
    return key


@njit(cache=True, nogil=True)
def _near_elements(j, buffer, rooms, near):
    """Return how many of the elements that vector pass j reads are surely on chip.

    Where it reads but parts of its operands, it may be the others that it reads.
    """
    here, elsewhere = np.int64(0), np.int64(0)
    for row in range(rooms[j, R_FIRST], rooms[j, R_END]):
        if near[row, 0] <= buffer:
            here += near[row, 1]
        else:
            elsewhere += near[row, 1]
    return min(here, rooms[j, R_ACTIVATIONS] - min(elsewhere, rooms[j, R_ACTIVATIONS]))


@njit(cache=True, nogil=True)
def _write(begin, end, par, jobs, use, rooms, near, memo, known, scratch, work, best, head, results):
    """Write the result rows of a chain that was cut."""
    results[begin:end] = 0
    i = end - 1
    if best[i] == _NO_TIME:
        for j in range(end - 1, begin - 1, -1):
            if best[j] == _NO_TIME:
                i = j
        results[i, CYCLES] = -1
        return
    while i >= begin:
        h = head[i]
        results[h] = memo[_time(h, i, par, jobs, use, rooms, near, memo, known, scratch, work)]
        results[h, FUSED] = i - h
        longer = _vector_cycles(h, i, par, jobs, use, rooms) - results[h, CYCLES]
        if longer > 0:
            results[h, CYCLES] += longer
            results[h, VECTOR] += longer
        for j in range(h + 1, i + 1):
            results[j, FUSED] = -1
            results[j, NEAR] = rooms[j, R_OTHER_ELEMENTS]
        results[i, KEPT + 2] = results[h, KEPT + 2]
        results[i, WAITS] = 1 if rooms[i, R_WAIT] <= par[ACTIVATION] else 0
        i = h - 1
