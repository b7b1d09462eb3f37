"""How an operator is cut into tiles: every candidate that fits is bounded, the promising ones are timed.

Candidate tile sizes depend on the operator and the array alone: doublings of the array's rows or columns
for the two dimensions laid over it, doublings of `MIN_PASS` for the one that streams through. A larger
scratchpad therefore offers every tiling of a smaller one and, since the fastest is kept (fewest cycles,
then fewest bytes, then first in order), is never slower.
"""

# mypy: allow-untyped-defs
# Kernels take int64 scalars and arrays; their docstrings give the shapes.
from __future__ import annotations

import numpy as np
from numba import njit

from .design import ACCUMULATOR_BITS, MIN_PASS
from .program import (
    BANDWIDTH,
    COLS,
    COMPUTE,
    CYCLES,
    F_GROUPS,
    F_IN,
    F_K,
    F_M,
    F_N,
    F_OUT,
    FILL,
    FILTER_HALF,
    FLOW,
    FOLDS,
    IDEAL,
    IFMAP,
    IFMAP_HALF,
    LATENCY,
    OFMAP_HALF,
    ORDER,
    ORDERS,
    ROWS,
    SRAM,
    STALLS,
    TILE,
    VECTOR,
    fold_period,
    fold_shape,
    patch_elements,
    plan_product,
    plan_vector,
    widths,
)
from .timing import LEVELS, N_ACC, N_STATE, K, M, N, run

__all__ = ["least_cycles", "new_scratch", "solve_product", "solve_vector"]


@njit(cache=True, nogil=True)
def _sum2(table, n0, n1):
    """Sum of a table by (last in 0, last in 1) over all tiles."""
    return ((n0 - 1) * (n1 - 1) * table[0, 0] + (n0 - 1) * table[0, 1] + (n1 - 1) * table[1, 0] + table[1, 1])


@njit(cache=True, nogil=True)
def _traffic(groups, nm, nn, nk, order, a_sum, b_sum, o_sum, p_sum, out):
    """Write the bits that cross the port: ifmap, filter, partial sums read and written, outputs.

    The sums are the bits of all tiles of one group, each once; o_sum is 0 where finished outputs stay on chip.
    """
    several = (1 if nm > 1 else 0) + (2 if nn > 1 else 0) + (4 if nk > 1 else 0)
    again = _ORDER_TABLE[several, order]
    spills = nk - 1 if again[3] else 0
    out[0] = groups * a_sum * (nn if again[1] else 1)
    out[1] = groups * b_sum * (nm if again[2] else 1)
    out[2] = groups * spills * p_sum
    out[3] = out[2]
    out[4] = groups * o_sum


@njit(cache=True, nogil=True)
def _bound(compute, bits, a_first, b_first, o_last, bandwidth, latency):
    """Return a time that no schedule of the tiling can beat.

    The first compute waits for the first tiles and the last output is stored after the last compute; and
    the port must carry every bit.
    """
    total = compute
    if a_first + b_first > 0:
        total += -(-a_first // bandwidth) + -(-b_first // bandwidth) + latency
    if o_last > 0:
        total += 1 + -(-o_last // bandwidth)
    return max(total, -(-(bits[0] + bits[1] + bits[2] + bits[3] + bits[4]) // bandwidth))


@njit(cache=True, nogil=True)
def _sizes(size, unit, out):
    """Write the candidate tile sizes of a dimension in rising order and return how many."""
    count = 0
    tile = unit
    while tile < size:
        out[count] = tile
        count += 1
        tile *= 2
    out[count] = size
    return count + 1


def _order_table() -> np.ndarray:
    """Return for each set of dimensions with several tiles the loop orders that differ, and what each re-reads.

    Shape (8, 6, 4); the set is 1 for m + 2 for n + 4 for k. Columns: whether the order is to be tried (no
    earlier one walks the same dimensions in the same sequence); whether the ifmap is read again for every
    tile along n, the filter for every tile along m, and partial sums spilled for every tile along k.
    """
    table = np.zeros((8, 6, 4), np.int64)
    for several in range(8):
        seen = set()
        for o, order in enumerate(ORDERS.tolist()):
            walked = [dim for dim in order if several >> dim & 1]
            level = {dim: walked.index(dim) if dim in walked else -1 for dim in (M, N, K)}
            table[several, o] = (
                tuple(walked) not in seen,
                level[N] < max(level[M], level[K]),
                level[M] < max(level[K], level[N]),
                level[K] < max(level[M], level[N]),
            )
            seen.add(tuple(walked))
    return table


_ORDER_TABLE = _order_table()

MAX_CANDIDATES = 1 << 16
"""Enough: `lower` refuses products of more than 2^54 MACs, so the doublings along m, n and k sum to at most 60."""
N_CANDIDATE = 7  # bound, bits, groups, m, n, k, order


@njit(cache=True, nogil=True)
def _fold_totals(job, par, tm, tn, tk, out):
    """Write folds, cycles in which they stream and cycles in which they fill and drain, of all groups.

    Tiles of the two dimensions over the array are whole numbers of folds, so only cutting the dimension
    that streams through makes more of them.
    """
    sr, sc, t = fold_shape(par[FLOW], job[F_M], job[F_N], job[F_K])
    folds = job[F_GROUPS] * -(-sr // par[ROWS]) * -(-sc // par[COLS])
    passes = -(-t // fold_shape(par[FLOW], tm, tn, tk)[2])
    out[0], out[1] = folds * passes, folds * t
    out[2] = folds * passes * fold_period(par[FLOW], par[ROWS], par[COLS], 0)


@njit(cache=True, nogil=True)
def _candidates(job, par, ifmap_near, filter_near, kept, candidates, sizes, bits, folds):
    """Write every tiling that fits, with its bound, and return how many there are."""
    in_bits, w_bits, out_bits = widths(job, par)
    flow, ideal, groups = par[FLOW], par[IDEAL] > 0, job[F_GROUPS]
    m, n, k = job[F_M], job[F_N], job[F_K]
    m_count = _sizes(m, par[ROWS] if flow == 0 else (MIN_PASS if flow == 1 else par[COLS]), sizes[0])
    n_count = _sizes(n, par[COLS] if flow != 2 else MIN_PASS, sizes[1])
    k_count = _sizes(k, MIN_PASS if flow == 0 else par[ROWS], sizes[2])
    b_sum = 0 if filter_near else k * n * w_bits
    o_sum = 0 if kept else m * n * out_bits
    found = 0
    for im in range(m_count - 1 if ideal else 0, m_count):
        tm = sizes[0, im]
        nm = -(-m // tm)
        last_m = m - (nm - 1) * tm
        for in_ in range(n_count - 1 if ideal else 0, n_count):
            tn = sizes[1, in_]
            if not ideal and tm * tn * ACCUMULATOR_BITS > par[OFMAP_HALF]:
                break
            nn = -(-n // tn)
            o_last = 0 if kept else last_m * (n - (nn - 1) * tn) * out_bits
            for ik in range(k_count - 1 if ideal else 0, k_count):
                tk = sizes[2, ik]
                b_tile = 0 if filter_near else tk * tn * w_bits
                if not ideal and b_tile > par[FILTER_HALF]:
                    break
                a_tile = 0 if ifmap_near else patch_elements(job, tm, tk) * in_bits
                if not ideal and a_tile > par[IFMAP_HALF]:
                    continue
                nk = -(-k // tk)
                last_k = k - (nk - 1) * tk
                a_sum = 0
                if not ifmap_near:
                    a_sum = patch_elements(job, last_m, last_k)
                    if nm > 1:
                        a_sum += (nm - 1) * patch_elements(job, tm, last_k)
                    if nk > 1:
                        a_sum += (nk - 1) * patch_elements(job, last_m, tk)
                    if nm > 1 and nk > 1:
                        a_sum += (nm - 1) * (nk - 1) * patch_elements(job, tm, tk)
                    a_sum *= in_bits
                _fold_totals(job, par, tm, tn, tk, folds)
                compute = folds[1] + folds[2]
                several = (1 if nm > 1 else 0) + (2 if nn > 1 else 0) + (4 if nk > 1 else 0)
                tg = 1
                while True:
                    last_groups = groups - (-(-groups // tg) - 1) * tg
                    for order in range(6):
                        if _ORDER_TABLE[several, order, 0] == 0 or found == MAX_CANDIDATES:
                            continue
                        _traffic(groups, nm, nn, nk, order, a_sum, b_sum, o_sum, m * n * ACCUMULATOR_BITS, bits)
                        row = candidates[found]
                        row[0] = compute if ideal else _bound(
                            compute, bits, tg * a_tile, tg * b_tile, last_groups * o_last,
                            par[BANDWIDTH], par[LATENCY])
                        row[1] = bits[0] + bits[1] + bits[2] + bits[3] + bits[4]
                        row[2], row[3], row[4], row[5], row[6] = tg, tm, tn, tk, order
                        found += 1
                    # Small groups travel together: only if all of each fits.
                    if several > 0 or tg == groups or ideal:
                        break
                    tg = min(2 * tg, groups)
                    if (tg * tm * tn * ACCUMULATOR_BITS > par[OFMAP_HALF] or tg * b_tile > par[FILTER_HALF]
                            or tg * a_tile > par[IFMAP_HALF]):
                        break
    return found


@njit(cache=True, nogil=True)
def _most_promising(candidates, found):
    """Return the row with the smallest bound, then the fewest bits, then the first."""
    chosen = 0
    for i in range(1, found):
        if candidates[i, 0] < candidates[chosen, 0] or (
                candidates[i, 0] == candidates[chosen, 0] and candidates[i, 1] < candidates[chosen, 1]):
            chosen = i
    return chosen


@njit(cache=True, nogil=True)
def solve_product(job, par, ifmap_near, filter_near, kept, scratch, out):
    """Choose a tiling of a matrix product and write its result row; cycles stay -1 if nothing fits."""
    candidates, sizes, work, trips, dims, a_bits, b_bits, o_bits, p_bits, cycles, bits, folds, acc, none = scratch
    ideal = par[IDEAL] > 0
    found = _candidates(job, par, ifmap_near, filter_near, kept, candidates, sizes, bits, folds)
    best, best_bits = np.int64(-1), np.int64(0)
    never = np.int64(2**62)
    while found > 0:
        row = candidates[_most_promising(candidates, found)]
        if row[0] == never or (best >= 0 and (row[0] > best or (row[0] == best and row[1] >= best_bits))):
            break
        plan_product(job, par, ifmap_near, filter_near, kept, row[2], row[3], row[4], row[5], row[6],
                     trips, dims, a_bits, b_bits, o_bits, p_bits, cycles)
        total = row[0]
        acc[:] = 0
        if not ideal:
            last_groups = job[F_GROUPS] - (trips[0] - 1) * row[2]
            total = run(trips, dims, row[2], last_groups, a_bits, b_bits, o_bits, p_bits, cycles,
                        par[BANDWIDTH], par[LATENCY], acc, none, work)
        if best < 0 or total < best or (total == best and row[1] < best_bits):
            best, best_bits = total, row[1]
            for i in range(N_ACC):
                out[STALLS + i] = acc[i]
            for i in range(5):
                out[TILE + i] = row[2 + i]
        row[0] = never
    out[CYCLES] = best
    if best < 0:
        return
    tm, tn, tk, order = out[TILE + 1], out[TILE + 2], out[TILE + 3], out[ORDER]
    groups, m, n, k = job[F_GROUPS], job[F_M], job[F_N], job[F_K]
    nm, nn, nk = -(-m // tm), -(-n // tn), -(-k // tk)
    plan_product(job, par, ifmap_near, filter_near, kept, out[TILE], tm, tn, tk, order,
                 trips, dims, a_bits, b_bits, o_bits, p_bits, cycles)
    _traffic(groups, nm, nn, nk, order, _sum2(a_bits, nm, nk), _sum2(b_bits, nk, nn), _sum2(o_bits, nm, nn),
             _sum2(p_bits, nm, nn), bits)
    for i in range(5):
        out[IFMAP + i] = bits[i]
    _fold_totals(job, par, tm, tn, tk, folds)
    out[FOLDS], out[COMPUTE], out[FILL] = folds[0], folds[1], folds[2]
    flow = par[FLOW]
    sr, sc, t = fold_shape(flow, m, n, k)
    passes = -(-t // fold_shape(flow, tm, tn, tk)[2])
    down, across = -(-sr // par[ROWS]), -(-sc // par[COLS])
    if flow == 0:
        out[SRAM], out[SRAM + 1] = groups * across * m * k, groups * down * n * k
        out[SRAM + 2], out[SRAM + 3] = groups * (nk - 1) * m * n, groups * nk * m * n
    else:
        stays, streams = (n * k, m * k) if flow == 1 else (m * k, n * k)
        out[SRAM + (1 if flow == 1 else 0)] = groups * passes * stays
        out[SRAM + (0 if flow == 1 else 1)] = groups * across * streams
        out[SRAM + 2], out[SRAM + 3] = groups * (down - 1) * m * n, groups * down * m * n


@njit(cache=True, nogil=True)
def solve_vector(job, par, near_elements, kept, scratch, out):
    """Choose the chunk of a vector pass and write its result row; cycles stay -1 if nothing fits."""
    _, sizes, work, trips, dims, a_bits, b_bits, o_bits, p_bits, cycles, bits, _, acc, none = scratch
    ideal = par[IDEAL] > 0
    count = _sizes(job[F_OUT], 1, sizes[0])
    best, chunk = np.int64(-1), np.int64(0)
    for i in range(count - 1, -1, -1):  # the largest first: the others must beat it
        if ideal and i < count - 1:
            break
        plan_vector(job, par, near_elements, kept, sizes[0, i], trips, dims, a_bits, b_bits, o_bits, p_bits, cycles)
        out_bits = widths(job, par)[2]
        if not ideal:
            if max(a_bits[0, 0] if trips[1] > 1 else 0, a_bits[1, 0]) > par[IFMAP_HALF]:
                continue
            if sizes[0, i] * out_bits > par[OFMAP_HALF]:
                continue
        chunks = trips[1]
        compute = (chunks - 1) * cycles[0, 0, 0] + cycles[1, 0, 0]
        _traffic(1, chunks, 1, 1, 0, _sum2(a_bits, chunks, 1), 0, _sum2(o_bits, chunks, 1), 0, bits)
        if ideal:
            total = compute
        else:
            first = a_bits[0, 0] if chunks > 1 else a_bits[1, 0]
            limit = _bound(compute, bits, first, 0, o_bits[1, 1], par[BANDWIDTH], par[LATENCY])
            if best >= 0 and limit >= best:
                continue
            acc[:] = 0
            total = run(trips, dims, 1, 1, a_bits, b_bits, o_bits, p_bits, cycles, par[BANDWIDTH], par[LATENCY],
                        acc, none, work)
        if best < 0 or total < best:
            best, chunk = total, sizes[0, i]
            out[VECTOR] = compute
            for a in range(5):
                out[IFMAP + a] = bits[a]
            for a in range(N_ACC):
                out[STALLS + a] = 0 if ideal else acc[a]
    out[CYCLES] = best
    out[TILE], out[TILE + 1], out[TILE + 2], out[TILE + 3] = 1, chunk, 1, 1
    out[SRAM], out[SRAM + 3] = job[F_IN], job[F_OUT]


@njit(cache=True, nogil=True)
def least_cycles(job, par, scratch):
    """Return the array's own time for a matrix product that is not cut into tiles."""
    _, _, _, _, _, _, _, _, _, _, _, folds, _, _ = scratch
    _fold_totals(job, par, job[F_M], job[F_N], job[F_K], folds)
    return folds[1] + folds[2]


@njit(cache=True, nogil=True)
def new_scratch():
    """Return the arrays in which `solve_product` and `solve_vector` work; they can be used again and again."""
    return (
        np.empty((MAX_CANDIDATES, N_CANDIDATE), np.int64), np.empty((3, 64), np.int64),
        np.empty((2 * LEVELS, N_STATE + N_ACC), np.int64), np.empty(LEVELS, np.int64), np.empty(3, np.int64),
        np.empty((2, 2), np.int64), np.empty((2, 2), np.int64), np.empty((2, 2), np.int64),
        np.empty((2, 2), np.int64), np.empty((2, 2, 2), np.int64), np.empty(5, np.int64),
        np.empty(3, np.int64), np.empty(N_ACC, np.int64), np.empty(0, np.int64),
    )
