"""How an operator is cut into tiles: every candidate that fits is bounded, the promising ones are timed.

The fastest is kept (fewest cycles, then fewest bytes, then first in order): what only adds candidates, as a larger
scratchpad does (`candidates.py`), is never slower.
"""

# mypy: allow-untyped-defs
# Kernels take int64 scalars and arrays; their docstrings give the shapes.
from __future__ import annotations

import numpy as np
from numba import njit

from .balance import balanced
from .candidates import MAX_CANDIDATES, N_CANDIDATE, bound, list_candidates, most_promising, sizes_of, traffic
from .folds import DONE, LEAD, N_TIMES, SPAN, array_time
from .program import (
    ALONE,
    ALONG_GROUPS,
    ALONG_M,
    AXIS,
    BANDWIDTH,
    COLS,
    COMPUTE,
    CYCLES,
    F_DENSE_K,
    F_GROUPS,
    F_IN,
    F_K,
    F_M,
    F_N,
    F_OUT,
    FILL,
    FLOW,
    FOLDS,
    IDEAL,
    IFMAP,
    IFMAP_HALF,
    LATENCY,
    OFMAP_HALF,
    OPTIONS,
    ORDER,
    PACKED,
    ROWS,
    SHARE_GROUPS,
    SHARE_M,
    SHARE_N,
    SRAM,
    STALLS,
    TILE,
    TIMED,
    USED_ARRAYS,
    VECTOR,
    fold_shape,
    plan_product,
    plan_vector,
    share,
    widths,
)
from .timing import LEVELS, N_ACC, N_STATE, run

__all__ = ["new_scratch", "solve_product", "solve_vector"]

CLOSE = 1000
"""Of balances within one part in so many of the best one the tilings are timed: the bytes they move may differ severalfold."""


@njit(cache=True, nogil=True)
def _sum2(table, n0, n1):
    """Sum of a table by (last in 0, last in 1) over all tiles."""
    return ((n0 - 1) * (n1 - 1) * table[0, 0] + (n0 - 1) * table[0, 1] + (n1 - 1) * table[1, 0] + table[1, 1])


@njit(cache=True, nogil=True)
def solve_product(job, par, ifmap_near, filter_near, kept, scratch, out):
    """Choose a tiling of a matrix product and write its result row; cycles stay -1 if nothing fits."""
    candidates, sizes, work, trips, dims, a_bits, b_bits, o_bits, p_bits, times, bits, folds, acc, none = scratch
    ideal = par[IDEAL] > 0
    found = list_candidates(job, par, ifmap_near, filter_near, kept, candidates, sizes, bits, folds)
    best, best_bits = np.int64(-1), np.int64(0)
    never = np.int64(2**62)
    while found > 0:
        row = candidates[most_promising(candidates, found)]
        if row[0] >= never:
            break
        if best >= 0:
            if par[TIMED] or ideal:
                if row[0] > best or (row[0] == best and row[1] >= best_bits):
                    break
            elif row[0] > best + best // CLOSE:
                break
        full_groups, last_groups = plan_product(
            job, par, ifmap_near, filter_near, kept, row[2], row[3], row[4], row[5], row[6], row[7], row[8],
            trips, dims, a_bits, b_bits, o_bits, p_bits, times)
        acc[:] = 0
        if ideal:
            total = times[1, 1, 1, 1, LEAD] + times[1, 1, 1, 1, DONE]
        elif not par[TIMED]:
            total = max(row[0], balanced(trips, dims, full_groups, last_groups, a_bits, b_bits, o_bits, p_bits, times,
                                         par[FLOW] == 2, par[BANDWIDTH], par[LATENCY]))
        else:
            total = run(trips, dims, full_groups, last_groups, a_bits, b_bits, o_bits, p_bits, times,
                        par[FLOW] == 2, par[BANDWIDTH], par[LATENCY], acc, none, work)
        if best < 0 or total < best or (total == best and row[1] < best_bits):
            best, best_bits = total, row[1]
            for i in range(N_ACC):
                out[STALLS + i] = acc[i]
            for i in range(7):
                out[TILE + i] = row[2 + i]
        row[0] = never + total
    if not par[TIMED] and not ideal:
        best = _time_closest(job, par, ifmap_near, filter_near, kept, scratch, found, best, never, out)
    out[CYCLES] = best
    if best < 0:
        return
    tm, tn, tk, order, packed, used = out[TILE + 1], out[TILE + 2], out[TILE + 3], out[ORDER], out[PACKED], out[USED_ARRAYS]
    plan_product(job, par, ifmap_near, filter_near, kept, out[TILE], tm, tn, tk, order, packed, used,
                 trips, dims, a_bits, b_bits, o_bits, p_bits, times)
    split = np.empty(5, np.int64)
    share(job, par, used, split)
    groups, m, n, k = split[SHARE_GROUPS], split[SHARE_M], split[SHARE_N], job[F_K]
    nm, nn, nk = -(-m // tm), -(-n // tn), -(-k // tk)
    traffic(job[F_GROUPS], nm, nn, nk, order, _sum2(a_bits, nm, nk), _sum2(b_bits, nk, nn), _sum2(o_bits, nm, nn),
             _sum2(p_bits, nm, nn), bits)
    for i in range(5):
        out[IFMAP + i] = bits[i]
    flow = par[FLOW]
    sr, sc, t = fold_shape(flow, m, n, k)
    array_time(par[OPTIONS:], par[ROWS], par[COLS], sr, sc, t, fold_shape(flow, tm, tn, tk)[2], groups, out[TILE],
               packed, folds)
    out[FOLDS], out[COMPUTE] = folds[0], folds[1]
    stalls = out[STALLS] + out[STALLS + 1] + out[STALLS + 2] + out[STALLS + 3]
    out[FILL] = best - out[COMPUTE] - stalls
    if split[AXIS] == ALONE:
        _sram_accesses(job, par, groups, m, n, tm, tn, tk, 1, out)
        return
    # So many arrays have the largest share, the others one less.
    size, total = split[SHARE_GROUPS + split[AXIS] - ALONG_GROUPS], job[F_GROUPS]
    if split[AXIS] != ALONG_GROUPS:
        total = job[F_M] if split[AXIS] == ALONG_M else job[F_N]
    shorter = used * size - total
    _sram_accesses(job, par, groups, m, n, tm, tn, tk, used - shorter, out)
    if split[AXIS] == ALONG_GROUPS:
        groups -= 1
    elif split[AXIS] == ALONG_M:
        m -= 1
    else:
        n -= 1
    _sram_accesses(job, par, groups, m, n, tm, tn, tk, shorter, out)


@njit(cache=True, nogil=True)
def _time_closest(job, par, ifmap_near, filter_near, kept, scratch, found, best, never, out):
    """Time the tilings whose balance, `never` less than in their rows, is about the best; of the fastest give cycles and tile.

    A best one without a rival is not timed.
    """
    candidates, _, work, trips, dims, a_bits, b_bits, o_bits, p_bits, times, _, _, acc, none = scratch
    near = 0
    for i in range(found):
        if never <= candidates[i, 0] <= never + best + best // CLOSE:
            near += 1
    if near < 2:
        return best
    fastest, fewest = np.int64(-1), np.int64(0)
    for i in range(found):
        row = candidates[i]
        if not never <= row[0] <= never + best + best // CLOSE:
            continue
        full_groups, last_groups = plan_product(
            job, par, ifmap_near, filter_near, kept, row[2], row[3], row[4], row[5], row[6], row[7], row[8],
            trips, dims, a_bits, b_bits, o_bits, p_bits, times)
        acc[:] = 0
        total = run(trips, dims, full_groups, last_groups, a_bits, b_bits, o_bits, p_bits, times,
                    par[FLOW] == 2, par[BANDWIDTH], par[LATENCY], acc, none, work)
        if fastest < 0 or total < fastest or (total == fastest and row[1] < fewest):
            fastest, fewest = total, row[1]
            for k in range(7):
                out[TILE + k] = row[2 + k]
    return fastest


@njit(cache=True, nogil=True)
def _sram_accesses(job, par, groups, m, n, tm, tn, tk, arrays, out):
    """Add what `arrays` arrays read and write in their scratchpads, each for so many groups, m and n."""
    flow, k, dense_k = par[FLOW], job[F_K], job[F_DENSE_K]  # a port delivers the whole block that a weight selects from
    if arrays == 0 or groups == 0 or m == 0 or n == 0:
        return
    sr, sc, t = fold_shape(flow, m, n, k)
    passes = -(-t // fold_shape(flow, tm, tn, tk)[2])
    down, across = -(-sr // par[ROWS]), -(-sc // par[COLS])
    each = arrays * groups
    if flow == 0:
        nk = -(-k // tk)
        out[SRAM] += each * across * m * dense_k
        out[SRAM + 1] += each * down * n * k
        out[SRAM + 2] += each * (nk - 1) * m * n
        out[SRAM + 3] += each * nk * m * n
    else:
        stays, streams = (n * k, m * dense_k) if flow == 1 else (m * dense_k, n * k)
        out[SRAM + (1 if flow == 1 else 0)] += each * passes * stays
        out[SRAM + (0 if flow == 1 else 1)] += each * across * streams
        out[SRAM + 2] += each * (down - 1) * m * n
        out[SRAM + 3] += each * down * m * n


@njit(cache=True, nogil=True)
def solve_vector(job, par, near_elements, kept, scratch, out):
    """Choose the chunk of a vector pass and write its result row; cycles stay -1 if nothing fits."""
    _, sizes, work, trips, dims, a_bits, b_bits, o_bits, p_bits, times, bits, _, acc, none = scratch
    ideal = par[IDEAL] > 0
    count, one, moves = sizes_of(job[F_OUT], 1, sizes[0]), np.int64(1), np.bool_(False)
    best, chunk = np.int64(-1), np.int64(0)
    for i in range(count - 1, -1, -1):  # the largest first: the others must beat it
        if ideal and i < count - 1:
            break
        plan_vector(job, par, near_elements, kept, sizes[0, i], trips, dims, a_bits, b_bits, o_bits, p_bits, times)
        out_bits = widths(job, par)[2]
        if not ideal:
            if max(a_bits[0, 0] if trips[1] > 1 else 0, a_bits[1, 0]) > par[IFMAP_HALF]:
                continue
            if sizes[0, i] * out_bits > par[OFMAP_HALF]:
                continue
        chunks = trips[1]
        compute = (chunks - 1) * times[1, 0, 0, 0, SPAN] + times[1, 1, 0, 0, SPAN]
        traffic(1, chunks, 1, 1, 0, _sum2(a_bits, chunks, 1), 0, _sum2(o_bits, chunks, 1), 0, bits)
        if ideal:
            total = compute
        else:
            first = a_bits[0, 0] if chunks > 1 else a_bits[1, 0]
            limit = bound(compute, 0, False, bits, first, 0, o_bits[1, 1], par[BANDWIDTH], par[LATENCY])
            if best >= 0 and limit >= best:
                continue
            acc[:] = 0
            if par[TIMED]:
                total = run(trips, dims, one, one, a_bits, b_bits, o_bits, p_bits, times, moves, par[BANDWIDTH], par[LATENCY],
                            acc, none, work)
            else:
                total = max(limit, balanced(trips, dims, one, one, a_bits, b_bits, o_bits, p_bits, times, moves, par[BANDWIDTH],
                                            par[LATENCY]))
        if best < 0 or total < best:
            best, chunk = total, sizes[0, i]
            out[VECTOR] = compute
            for a in range(5):
                out[IFMAP + a] = bits[a]
            for a in range(N_ACC):
                out[STALLS + a] = 0 if ideal else acc[a]
    out[CYCLES] = best
    out[TILE], out[TILE + 1], out[TILE + 2], out[TILE + 3], out[PACKED], out[USED_ARRAYS] = 1, chunk, 1, 1, 1, 1
    out[SRAM], out[SRAM + 3] = job[F_IN], job[F_OUT]


@njit(cache=True, nogil=True)
def new_scratch():
    """Return the arrays in which `solve_product` and `solve_vector` work; they can be used again and again."""
    return (
        np.empty((MAX_CANDIDATES, N_CANDIDATE), np.int64), np.empty((3, 64), np.int64),
        np.empty((2 * LEVELS, N_STATE + N_ACC), np.int64), np.empty(LEVELS, np.int64), np.empty(3, np.int64),
        np.empty((2, 2), np.int64), np.empty((2, 2), np.int64), np.empty((2, 2), np.int64),
        np.empty((2, 2), np.int64), np.empty((2, 2, 2, 2, N_TIMES), np.int64), np.empty(5, np.int64),
        np.empty(4, np.int64), np.empty(N_ACC, np.int64), np.empty(0, np.int64),
    )
