"""The tilings of a product that fit, and for each a time that it cannot beat.

Candidate tile sizes depend on the operator and the array alone: doublings of the array's rows or columns
for the two dimensions laid over it, doublings of `MIN_PASS` for the one that streams through. A larger
scratchpad therefore offers every tiling of a smaller one; so do more arrays, and more groups to a fold, each of
which is tried in every power of two.
"""

# mypy: allow-untyped-defs
# Kernels take int64 scalars and arrays; their docstrings give the shapes.
from __future__ import annotations

import numpy as np
from numba import njit

from .design import ACCUMULATOR_BITS, MIN_PASS
from .folds import array_time, most_packed
from .program import (
    ALONG_GROUPS,
    ALONG_M,
    ALONG_N,
    ARRAYS,
    BANDWIDTH,
    COLS,
    F_GROUPS,
    F_K,
    F_M,
    F_N,
    FILTER_HALF,
    FLOW,
    IDEAL,
    IFMAP_HALF,
    LATENCY,
    OFMAP_HALF,
    OPTIONS,
    ORDERS,
    PACK,
    ROWS,
    SHARE_GROUPS,
    SHARE_M,
    SHARE_N,
    USED,
    fold_shape,
    ifmap_elements,
    patch_elements,
    share,
    together,
    widths,
)
from .timing import K, M, N

__all__ = ["MAX_CANDIDATES", "N_CANDIDATE", "bound", "list_candidates", "most_promising", "sizes_of", "traffic"]


@njit(cache=True, nogil=True)
def traffic(groups, nm, nn, nk, order, a_sum, b_sum, o_sum, p_sum, out):
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
def bound(compute, lead, a_stays, bits, a_first, b_first, o_last, bandwidth, latency):
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
def sizes_of(size, unit, out):
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
def list_candidates(job, par, ifmap_near, filter_near, kept, candidates, sizes, bits, times):
    """Write every tiling that fits, with its bound, and return how many there are."""
    split = np.empty(5, np.int64)
    found, used = np.int64(0), np.int64(1)
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
    m_count = sizes_of(m, par[ROWS] if flow == 0 else (MIN_PASS if flow == 1 else par[COLS]), sizes[0])
    n_count = sizes_of(n, par[COLS] if flow != 2 else MIN_PASS, sizes[1])
    k_count = sizes_of(k, MIN_PASS if flow == 0 else par[ROWS], sizes[2])
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
                        packed = np.int64(1)
                        while packed > 0:
                            array_time(options, par[ROWS], par[COLS], sr, sc, t, tile_t, groups, tg, packed, times)
                            for order in range(6):
                                if _ORDER_TABLE[several, order, 0] == 0 or found == MAX_CANDIDATES:
                                    continue
                                traffic(job[F_GROUPS], nm, nn, nk, order, a_sum, b_sum, o_sum, p_sum, bits)
                                row = candidates[found]
                                row[0] = times[2] + times[3] if ideal else bound(
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
def most_promising(candidates, found):
    """Return the row with the smallest bound, then the fewest bits, then the first."""
    chosen = 0
    for i in range(1, found):
        if candidates[i, 0] < candidates[chosen, 0] or (
                candidates[i, 0] == candidates[chosen, 0] and candidates[i, 1] < candidates[chosen, 1]):
            chosen = i
    return chosen
