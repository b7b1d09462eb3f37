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
from .folds import DONE, LEAD, N_TIMES, SPAN, array_time, most_packed
from .program import (
    ACT_HALF,
    ALONE,
    ALONG_GROUPS,
    ALONG_M,
    ALONG_N,
    ARRAYS,
    AXIS,
    BANDWIDTH,
    COLS,
    COMPUTE,
    CYCLES,
    F_DENSE_K,
    F_FILTER_NEAR,
    F_GROUPS,
    F_IFMAP_NEAR,
    F_IN,
    F_K,
    F_M,
    F_N,
    F_NEAR,
    F_NEXT_ONLY,
    F_OUT,
    F_OUT_BITS,
    F_VECTOR,
    FILL,
    FILTER_HALF,
    FLOW,
    FOLDS,
    IDEAL,
    IFMAP,
    IFMAP_HALF,
    KEPT,
    LATENCY,
    OFMAP_HALF,
    OPTIONS,
    ORDER,
    ORDERS,
    OUT_BITS,
    PACK,
    PACKED,
    ROWS,
    SHARE_GROUPS,
    SHARE_M,
    SHARE_N,
    SRAM,
    STALLS,
    TILE,
    USED,
    USED_ARRAYS,
    VECTOR,
    fold_shape,
    ifmap_elements,
    patch_elements,
    plan_product,
    plan_vector,
    share,
    skips_zeros,
    together,
    widths,
)
from .timing import LEVELS, N_ACC, N_STATE, K, M, N, run

__all__ = ["solve"]


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
def _bound(compute, lead, a_stays, bits, a_first, b_first, o_last, bandwidth, latency):
    """Return a time that no schedule of the tiling can beat.

    The first compute waits for the first tiles, of which the one that stays must be loaded (`lead`), and the last
    output is stored after the last compute; and the port must carry every bit.
    """
    begin = lead
    if a_first > 0:
        begin = max(begin, -(-a_first // bandwidth) + latency + (lead if a_stays else 0))
    if b_first > 0:
        begin = max(begin, -(-a_first // bandwidth) + -(-b_first // bandwidth) + latency + (0 if a_stays else lead))
    total = begin + compute
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
N_CANDIDATE = 9  # bound, bits, groups, m, n, k, order, packed, arrays


@njit(cache=True, nogil=True)
def _next_packed(packed, most, limit):
    """Return the next larger number of groups to a fold that is tried, or 0: doublings, and the most that fits.

    A higher `limit`, a power of two, only adds to them.
    """
    if 2 * packed <= min(most, limit):
        return 2 * packed
    return most if packed < most <= limit else 0


@njit(cache=True, nogil=True)
def _candidates(job, par, ifmap_near, filter_near, kept, candidates, sizes, bits, times):
    """Write every tiling that fits, with its bound, and return how many there are."""
    split = np.empty(5, np.int64)
    found, used = 0, 1
    while used <= par[ARRAYS]:  # a power of two: more arrays only add to what is tried
        share(job, par, used, split)
        found = _shared_candidates(job, par, split, ifmap_near, filter_near, kept, candidates, sizes, bits, times, found)
        used *= 2
    return found


@njit(cache=True, nogil=True)
def _shared_candidates(job, par, split, ifmap_near, filter_near, kept, candidates, sizes, bits, times, found):
    """Add the tilings that fit if arrays share the product as `split` says (see `program.share`)."""
    in_bits, w_bits, out_bits = widths(job, par)
    flow, ideal, groups = par[FLOW], par[IDEAL] > 0, split[SHARE_GROUPS]
    m, n, k = split[SHARE_M], split[SHARE_N], job[F_K]
    options = par[OPTIONS:]
    sr, sc, t = fold_shape(flow, m, n, k)
    most = most_packed(sr, sc, par[ROWS], par[COLS]) if groups > 1 and par[PACK] > 1 else 1
    m_count = _sizes(m, par[ROWS] if flow == 0 else (MIN_PASS if flow == 1 else par[COLS]), sizes[0])
    n_count = _sizes(n, par[COLS] if flow != 2 else MIN_PASS, sizes[1])
    k_count = _sizes(k, MIN_PASS if flow == 0 else par[ROWS], sizes[2])
    b_sum = 0 if filter_near else k * job[F_N] * w_bits
    o_sum = 0 if kept else job[F_M] * job[F_N] * out_bits
    p_sum = job[F_M] * job[F_N] * ACCUMULATOR_BITS
    for im in range(m_count - 1 if ideal else 0, m_count):
        tm = sizes[0, im]
        nm = -(-m // tm)
        last_m = together(split, ALONG_M, job[F_M], tm, True)
        for in_ in range(n_count - 1 if ideal else 0, n_count):
            tn = sizes[1, in_]
            if not ideal and tm * tn * ACCUMULATOR_BITS > par[OFMAP_HALF]:
                break
            nn = -(-n // tn)
            o_last = 0 if kept else last_m * together(split, ALONG_N, job[F_N], tn, True) * out_bits
            first_n = together(split, ALONG_N, job[F_N], tn, nn == 1)
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
                a_sum, a_first, b_first = 0, 0, 0 if filter_near else tk * first_n * w_bits
                if not ifmap_near:
                    a_first = ifmap_elements(job, split, tm, nm == 1, tk) * in_bits
                    a_sum = ifmap_elements(job, split, tm, True, last_k)
                    if nm > 1:
                        a_sum += (nm - 1) * ifmap_elements(job, split, tm, False, last_k)
                    if nk > 1:
                        a_sum += (nk - 1) * ifmap_elements(job, split, tm, True, tk)
                    if nm > 1 and nk > 1:
                        a_sum += (nm - 1) * (nk - 1) * ifmap_elements(job, split, tm, False, tk)
                    a_sum *= in_bits
                several = (1 if nm > 1 else 0) + (2 if nn > 1 else 0) + (4 if nk > 1 else 0)
                tile_t = fold_shape(flow, tm, tn, tk)[2]
                for start in range(2):
                    # Small groups travel together, doublings of one or of the most that share a fold, if all of each fits.
                    if start == 1 and (several > 0 or ideal or most > par[PACK] or most & (most - 1) == 0):
                        break
                    tg = groups if ideal else (1 if start == 0 else min(most, groups))
                    while ideal or (tg * tm * tn * ACCUMULATOR_BITS <= par[OFMAP_HALF]
                                    and tg * b_tile <= par[FILTER_HALF] and tg * a_tile <= par[IFMAP_HALF]):
                        first_groups = together(split, ALONG_GROUPS, job[F_GROUPS], tg, tg == groups)
                        last_groups = together(split, ALONG_GROUPS, job[F_GROUPS], tg, True)
                        packed = 1
                        while packed > 0:
                            array_time(options, par[ROWS], par[COLS], sr, sc, t, tile_t, groups, tg, packed, times)
                            for order in range(6):
                                if _ORDER_TABLE[several, order, 0] == 0 or found == MAX_CANDIDATES:
                                    continue
                                _traffic(job[F_GROUPS], nm, nn, nk, order, a_sum, b_sum, o_sum, p_sum, bits)
                                row = candidates[found]
                                row[0] = times[2] + times[3] if ideal else _bound(
                                    times[2], times[3], flow == 2, bits, first_groups * a_first,
                                    first_groups * b_first, last_groups * o_last, par[BANDWIDTH], par[LATENCY])
                                row[1] = bits[0] + bits[1] + bits[2] + bits[3] + bits[4]
                                row[2], row[3], row[4], row[5], row[6], row[7] = tg, tm, tn, tk, order, packed
                                row[8] = split[USED]
                                found += 1
                            packed = _next_packed(packed, min(most, tg), par[PACK])
                        if several > 0 or tg == groups:
                            break
                        tg = min(2 * tg, groups)
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
def _solve_product(job, par, ifmap_near, filter_near, kept, scratch, out):
    """Choose a tiling of a matrix product and write its result row; cycles stay -1 if nothing fits."""
    candidates, sizes, work, trips, dims, a_bits, b_bits, o_bits, p_bits, times, bits, folds, acc, none = scratch
    ideal = par[IDEAL] > 0
    found = _candidates(job, par, ifmap_near, filter_near, kept, candidates, sizes, bits, folds)
    best, best_bits = np.int64(-1), np.int64(0)
    never = np.int64(2**62)
    while found > 0:
        row = candidates[_most_promising(candidates, found)]
        if row[0] == never or (best >= 0 and (row[0] > best or (row[0] == best and row[1] >= best_bits))):
            break
        full_groups, last_groups = plan_product(
            job, par, ifmap_near, filter_near, kept, row[2], row[3], row[4], row[5], row[6], row[7], row[8],
            trips, dims, a_bits, b_bits, o_bits, p_bits, times)
        acc[:] = 0
        if ideal:
            total = times[1, 1, 1, 1, LEAD] + times[1, 1, 1, 1, DONE]
        else:
            total = run(trips, dims, full_groups, last_groups, a_bits, b_bits, o_bits, p_bits, times,
                        par[FLOW] == 2, par[BANDWIDTH], par[LATENCY], acc, none, work)
        if best < 0 or total < best or (total == best and row[1] < best_bits):
            best, best_bits = total, row[1]
            for i in range(N_ACC):
                out[STALLS + i] = acc[i]
            for i in range(7):
                out[TILE + i] = row[2 + i]
        row[0] = never
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
    _traffic(job[F_GROUPS], nm, nn, nk, order, _sum2(a_bits, nm, nk), _sum2(b_bits, nk, nn), _sum2(o_bits, nm, nn),
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
def _solve_vector(job, par, near_elements, kept, scratch, out):
    """Choose the chunk of a vector pass and write its result row; cycles stay -1 if nothing fits."""
    _, sizes, work, trips, dims, a_bits, b_bits, o_bits, p_bits, times, bits, _, acc, none = scratch
    ideal = par[IDEAL] > 0
    count = _sizes(job[F_OUT], 1, sizes[0])
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
        _traffic(1, chunks, 1, 1, 0, _sum2(a_bits, chunks, 1), 0, _sum2(o_bits, chunks, 1), 0, bits)
        if ideal:
            total = compute
        else:
            first = a_bits[0, 0] if chunks > 1 else a_bits[1, 0]
            limit = _bound(compute, 0, False, bits, first, 0, o_bits[1, 1], par[BANDWIDTH], par[LATENCY])
            if best >= 0 and limit >= best:
                continue
            acc[:] = 0
            total = run(trips, dims, 1, 1, a_bits, b_bits, o_bits, p_bits, times, False, par[BANDWIDTH], par[LATENCY],
                        acc, none, work)
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
def solve(designs, jobs, sparse, use, results):
    """Simulate every design on every job.

    designs (n_designs, len(PARAMETERS)), jobs and sparse (n_unique, len(FIELDS)) and use (n_jobs,) as in
    `JobTable`; results (n_designs, n_jobs, len(RESULT)) is filled in. All int64.
    """
    memo = np.empty(8 * jobs.shape[0], np.int64)
    scratch = (
        np.empty((MAX_CANDIDATES, N_CANDIDATE), np.int64), np.empty((3, 64), np.int64),
        np.empty((2 * LEVELS, N_STATE + N_ACC), np.int64), np.empty(LEVELS, np.int64), np.empty(3, np.int64),
        np.empty((2, 2), np.int64), np.empty((2, 2), np.int64), np.empty((2, 2), np.int64),
        np.empty((2, 2), np.int64), np.empty((2, 2, 2, 2, N_TIMES), np.int64), np.empty(5, np.int64),
        np.empty(4, np.int64), np.empty(N_ACC, np.int64), np.empty(0, np.int64),
    )
    for d in range(designs.shape[0]):
        par = designs[d]
        memo[:] = -1
        kept_before = False
        for j in range(use.shape[0]):
            job = sparse[use[j]] if skips_zeros(sparse[use[j]], par) else jobs[use[j]]
            ifmap_near = kept_before and job[F_IFMAP_NEAR] > 0
            filter_near = kept_before and job[F_FILTER_NEAR] > 0
            near_elements = job[F_NEAR] if kept_before else 0
            out_bits = job[F_OUT_BITS] if job[F_OUT_BITS] > 0 else par[OUT_BITS]
            # An output that fits stays for the next job; it is stored as well if others read it later.
            fits = job[F_OUT] * out_bits <= par[ACT_HALF]
            kept = fits and job[F_NEXT_ONLY] > 0
            flags = (1 if ifmap_near else 0) + (2 if filter_near else 0) + (4 if kept else 0)
            if job[F_VECTOR]:
                flags = (1 if near_elements > 0 else 0) + (4 if kept else 0)
            key = 8 * use[j] + flags
            out = results[d, j]
            if memo[key] >= 0:
                out[:] = results[d, memo[key]]
            else:
                out[:] = 0
                if job[F_VECTOR]:
                    _solve_vector(job, par, near_elements, kept, scratch, out)
                else:
                    _solve_product(job, par, ifmap_near, filter_near, kept, scratch, out)
                memo[key] = j
                out[KEPT] = 1 if ifmap_near or near_elements > 0 else 0
                out[KEPT + 1] = 1 if filter_near else 0
                out[KEPT + 2] = 1 if kept else 0
            kept_before = fits
