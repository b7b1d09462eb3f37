"""How an operator is cut into tiles: every candidate that fits is bounded, the promising ones are timed.

Candidate tile sizes depend on the operator and the array alone: doublings of the array's rows or columns
for the two dimensions laid over it, doublings of `MIN_PASS` for the one that streams through. A larger
scratchpad therefore offers every tiling of a smaller one and, since the fastest is kept (fewest cycles,
then fewest bytes, then first in order), is never slower.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from . import mapping
from .design import ACCUMULATOR_BITS, MIN_PASS
from .lowering import field
from .timing import LEVELS, N_ACC, N_STATE, K, M, N, run

__all__ = ["ORDERS", "PARAMETERS", "PLAN", "RESULT", "plan_product", "plan_vector", "solve"]

PARAMETERS = (
    "rows", "cols", "flow", "ifmap_half_bits", "filter_half_bits", "ofmap_half_bits", "activation_half_bits",
    "bandwidth_bits", "latency", "element_bits", "lanes", "ideal",
)
"""Columns of the kernel's design table."""
ROWS, COLS, FLOW, IFMAP_HALF, FILTER_HALF, OFMAP_HALF, ACT_HALF, BANDWIDTH, LATENCY, BITS, LANES, IDEAL = range(12)

RESULT = (
    "cycles", "compute_cycles", "fill_drain_cycles", "vector_cycles",
    "stall_ifmap_cycles", "stall_filter_cycles", "stall_psum_cycles", "stall_ofmap_cycles", "port_busy_cycles",
    "ifmap_read_bits", "filter_read_bits", "psum_read_bits", "psum_write_bits", "ofmap_write_bits",
    "sram_ifmap_reads", "sram_filter_reads", "sram_ofmap_reads", "sram_ofmap_writes",
    "folds", "tile_groups", "tile_m", "tile_n", "tile_k", "order",
    "ifmap_on_chip", "filter_on_chip", "ofmap_on_chip",
)
"""Columns of the kernel's result for one job; `cycles` is -1 where no tile fits."""
(CYCLES, COMPUTE, FILL, VECTOR, STALLS, PORT, IFMAP, FILTER, PSUM_READ, PSUM_WRITE, OFMAP, SRAM, FOLDS, TILE, ORDER,
 KEPT) = (0, 1, 2, 3, 4, 8, 9, 10, 11, 12, 13, 14, 18, 19, 23, 24)
N_RESULT = len(RESULT)

ORDERS = np.array([[M, N, K], [M, K, N], [N, M, K], [N, K, M], [K, M, N], [K, N, M]], np.int64)
"""Loop orders over tiles, outermost first."""

F_VECTOR, F_GROUPS, F_M, F_N, F_K, F_CONV, F_BATCH, F_OUT_H, F_OUT_W, F_IN_H, F_IN_W, F_CHANNELS, F_KERNEL_H, \
    F_WINDOW, F_STRIDE_H, F_FILTER_ACT, F_IFMAP_NEAR, F_FILTER_NEAR, F_NEAR, F_IN, F_OUT, F_OPS, F_NEXT_ONLY, \
    F_IN_BITS, F_W_BITS, F_OUT_BITS = range(26)
assert field("out_bits") == F_OUT_BITS

PLAN = ("tile_groups", "tile_m", "tile_n", "tile_k", "order")

fold_period = njit(cache=True, nogil=True)(mapping.fold_period)


@njit(cache=True, nogil=True)
def patch_elements(job, tm, tk):
    """Return the input elements that a tile of tm output pixels and tk window elements is made from.

    A matrix tile is itself. A convolution's patch is fetched as whole input rows of the channels concerned,
    or gathered pixel by pixel where that is less; padding is not fetched.
    """
    gathered = tm * tk
    if job[F_CONV] == 0:
        return gathered
    out_w, images = job[F_OUT_W], job[F_BATCH]
    rows = images * job[F_OUT_H]
    if tm < job[F_M]:  # a tile may begin within a row
        rows = min(rows, -(-tm // out_w) + (1 if tm % out_w else 0))
        images = min(images, -(-(rows - 1) // job[F_OUT_H]) + 1)
    spanned = (rows - images) * job[F_STRIDE_H] + images * job[F_KERNEL_H]
    in_rows = min(spanned, rows * job[F_KERNEL_H], job[F_BATCH] * job[F_IN_H])
    channels = job[F_CHANNELS]
    if tk < job[F_K]:
        channels = min(channels, -(-tk // job[F_WINDOW]) + (1 if tk % job[F_WINDOW] else 0))
    return min(gathered, in_rows * job[F_IN_W] * channels)


@njit(cache=True, nogil=True)
def plan_product(job, par, ifmap_near, filter_near, kept, tg, tm, tn, tk, order,
                 trips, dims, a_bits, b_bits, o_bits, p_bits, cycles):
    """Fill in what `timing.run` needs for one tiling of a matrix product (see there for the arrays)."""
    in_bits = job[F_IN_BITS] if job[F_IN_BITS] > 0 else par[BITS]
    w_bits = job[F_W_BITS] if job[F_W_BITS] > 0 else par[BITS]
    if job[F_FILTER_ACT]:
        w_bits = in_bits
    out_bits = job[F_OUT_BITS] if job[F_OUT_BITS] > 0 else par[BITS]
    nm, nn, nk = -(-job[F_M] // tm), -(-job[F_N] // tn), -(-job[F_K] // tk)
    trips[0] = -(-job[F_GROUPS] // tg)
    for level in range(3):
        dim = ORDERS[order, level]
        dims[level] = dim
        trips[level + 1] = nm if dim == M else (nn if dim == N else nk)
    for em in range(2):
        m = tm if em == 0 else job[F_M] - (nm - 1) * tm
        for ek in range(2):
            k = tk if ek == 0 else job[F_K] - (nk - 1) * tk
            a_bits[em, ek] = 0 if ifmap_near else patch_elements(job, m, k) * in_bits
        for en in range(2):
            n = tn if en == 0 else job[F_N] - (nn - 1) * tn
            p_bits[em, en] = m * n * ACCUMULATOR_BITS
            o_bits[em, en] = 0 if kept else m * n * out_bits
            for ek in range(2):
                k = tk if ek == 0 else job[F_K] - (nk - 1) * tk
                if em == 0:
                    b_bits[ek, en] = 0 if filter_near else k * n * w_bits
                sr, sc, t = _fold_shape(par[FLOW], m, n, k)
                folds = -(-sr // par[ROWS]) * -(-sc // par[COLS])
                cycles[em, en, ek] = folds * fold_period(par[FLOW], par[ROWS], par[COLS], t)


_fold_shape = njit(cache=True, nogil=True)(mapping.fold_shape)


@njit(cache=True, nogil=True)
def plan_vector(job, par, near_elements, kept, chunk, trips, dims, a_bits, b_bits, o_bits, p_bits, cycles):
    """Fill in what `timing.run` needs for a vector pass of `chunk` output elements at a time."""
    in_bits = job[F_IN_BITS] if job[F_IN_BITS] > 0 else par[BITS]
    out_bits = job[F_OUT_BITS] if job[F_OUT_BITS] > 0 else par[BITS]
    count = -(-job[F_OUT] // chunk)
    trips[:] = 1
    trips[1] = count
    for level in range(3):
        dims[level] = level
    load = job[F_IN] - near_elements
    for last in range(2):
        if last == 0:
            share, ops, out = load * chunk // job[F_OUT], job[F_OPS] * chunk // job[F_OUT], chunk
        else:
            share = load - (count - 1) * (load * chunk // job[F_OUT])
            ops = job[F_OPS] - (count - 1) * (job[F_OPS] * chunk // job[F_OUT])
            out = job[F_OUT] - (count - 1) * chunk
        for other in range(2):
            a_bits[last, other] = share * in_bits
            b_bits[last, other] = 0
            b_bits[other, last] = 0
            o_bits[last, other] = 0 if kept else out * out_bits
            p_bits[last, other] = 0
            for third in range(2):
                cycles[last, other, third] = -(-ops // par[LANES])


@njit(cache=True, nogil=True)
def _sum2(table, n0, n1):
    """Sum of a table by (last in 0, last in 1) over all tiles."""
    return ((n0 - 1) * (n1 - 1) * table[0, 0] + (n0 - 1) * table[0, 1] + (n1 - 1) * table[1, 0] + table[1, 1])


@njit(cache=True, nogil=True)
def _traffic(trips, dims, groups, a_bits, b_bits, o_bits, p_bits, out):
    """Write the bits that cross the port: ifmap, filter, partial sums read and written, outputs."""
    count = np.empty(3, np.int64)
    deepest = np.empty(3, np.int64)  # level of a dimension, -1 if it has one tile only
    for level in range(3):
        count[dims[level]] = trips[level + 1]
        deepest[dims[level]] = level if trips[level + 1] > 1 else -1
    nm, nn, nk = count[M], count[N], count[K]
    a_again = nn if deepest[N] < max(deepest[M], deepest[K]) else 1
    b_again = nm if deepest[M] < max(deepest[K], deepest[N]) else 1
    spills = nk - 1 if deepest[K] < max(deepest[M], deepest[N]) else 0
    psum = groups * spills * _sum2(p_bits, nm, nn)
    out[0] = groups * a_again * _sum2(a_bits, nm, nk)
    out[1] = groups * b_again * _sum2(b_bits, nk, nn)
    out[2] = psum
    out[3] = psum if o_bits[0, 0] > 0 else 0
    out[4] = groups * _sum2(o_bits, nm, nn)


@njit(cache=True, nogil=True)
def _compute(trips, dims, groups, cycles):
    count = np.empty(3, np.int64)
    for level in range(3):
        count[dims[level]] = trips[level + 1]
    nm, nn, nk = count[M], count[N], count[K]
    total = 0
    for em in range(2):
        for en in range(2):
            for ek in range(2):
                times = (1 if em else nm - 1) * (1 if en else nn - 1) * (1 if ek else nk - 1)
                total += times * cycles[em, en, ek]
    return groups * total


@njit(cache=True, nogil=True)
def _bound(compute, bits, full_groups, last_groups, a_bits, b_bits, o_bits, bandwidth, latency):
    """Return a time that no schedule of the tiling can beat.

    The first compute waits for the first tiles and the last output is stored after the last compute; and
    the port must carry every bit.
    """
    total = compute
    first = -(-full_groups * a_bits[0, 0] // bandwidth) + -(-full_groups * b_bits[0, 0] // bandwidth)
    if first > 0:
        total += first + latency
    if o_bits[1, 1] > 0:
        total += 1 + -(-last_groups * o_bits[1, 1] // bandwidth)
    moved = 0
    for i in range(5):
        moved += bits[i]
    return max(total, -(-moved // bandwidth))


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


@njit(cache=True, nogil=True)
def _first_of_kind(order, nm, nn, nk):
    """Whether no earlier order walks the dimensions that have several tiles in the same sequence."""
    count = (nm, nn, nk)
    for earlier in range(order):
        same = True
        j = 0
        for i in range(3):
            dim = ORDERS[order, i]
            if count[dim] == 1:
                continue
            while count[ORDERS[earlier, j]] == 1:
                j += 1
            if ORDERS[earlier, j] != dim:
                same = False
                break
            j += 1
        if same:
            return False
    return True


MAX_CANDIDATES = 1 << 15
N_CANDIDATE = 7  # bound, bits, groups, m, n, k, order


@njit(cache=True, nogil=True)
def _solve_product(job, par, ifmap_near, filter_near, kept, scratch, out):
    """Choose a tiling of a matrix product and write its result row; cycles stay -1 if nothing fits."""
    candidates, sizes, work, trips, dims, a_bits, b_bits, o_bits, p_bits, cycles, bits, acc, none = scratch
    in_bits = job[F_IN_BITS] if job[F_IN_BITS] > 0 else par[BITS]
    w_bits = job[F_W_BITS] if job[F_W_BITS] > 0 else par[BITS]
    if job[F_FILTER_ACT]:
        w_bits = in_bits
    flow, ideal = par[FLOW], par[IDEAL] > 0
    unit_m = par[ROWS] if flow == 0 else (MIN_PASS if flow == 1 else par[COLS])
    unit_n = par[COLS] if flow != 2 else MIN_PASS
    unit_k = MIN_PASS if flow == 0 else par[ROWS]
    m_count = _sizes(job[F_M], unit_m, sizes[0])
    n_count = _sizes(job[F_N], unit_n, sizes[1])
    k_count = _sizes(job[F_K], unit_k, sizes[2])
    found = 0
    for im in range(m_count - 1 if ideal else 0, m_count):
        tm = sizes[0, im]
        for in_ in range(n_count - 1 if ideal else 0, n_count):
            tn = sizes[1, in_]
            if not ideal and tm * tn * ACCUMULATOR_BITS > par[OFMAP_HALF]:
                break
            for ik in range(k_count - 1 if ideal else 0, k_count):
                tk = sizes[2, ik]
                if not ideal:
                    if not filter_near and tk * tn * w_bits > par[FILTER_HALF]:
                        break
                    if not ifmap_near and patch_elements(job, tm, tk) * in_bits > par[IFMAP_HALF]:
                        continue
                nm, nn, nk = -(-job[F_M] // tm), -(-job[F_N] // tn), -(-job[F_K] // tk)
                tg = 1
                whole = nm == 1 and nn == 1 and nk == 1
                while True:
                    for order in range(6):
                        if not _first_of_kind(order, nm, nn, nk) or found == MAX_CANDIDATES:
                            continue
                        plan_product(job, par, ifmap_near, filter_near, kept, tg, tm, tn, tk, order,
                                     trips, dims, a_bits, b_bits, o_bits, p_bits, cycles)
                        compute = _compute(trips, dims, job[F_GROUPS], cycles)
                        _traffic(trips, dims, job[F_GROUPS], a_bits, b_bits, o_bits, p_bits, bits)
                        last_groups = job[F_GROUPS] - (trips[0] - 1) * tg
                        row = candidates[found]
                        row[0] = compute if ideal else _bound(
                            compute, bits, tg, last_groups, a_bits, b_bits, o_bits, par[BANDWIDTH], par[LATENCY])
                        row[1] = bits.sum()
                        row[2], row[3], row[4], row[5], row[6] = tg, tm, tn, tk, order
                        found += 1
                    if not whole or tg == job[F_GROUPS] or ideal:
                        break
                    tg = min(2 * tg, job[F_GROUPS])
                    if tg * tm * tn * ACCUMULATOR_BITS > par[OFMAP_HALF]:
                        break
                    if not filter_near and tg * tk * tn * w_bits > par[FILTER_HALF]:
                        break
                    if not ifmap_near and tg * patch_elements(job, tm, tk) * in_bits > par[IFMAP_HALF]:
                        break
    best, best_bits, chosen = np.int64(-1), np.int64(0), -1
    by_bound = np.argsort(candidates[:found, 0], kind="mergesort")
    for i in range(found):
        row = candidates[by_bound[i]]
        if best >= 0 and row[0] > best:
            break
        if best >= 0 and row[0] == best and row[1] >= best_bits:
            continue
        plan_product(job, par, ifmap_near, filter_near, kept, row[2], row[3], row[4], row[5], row[6],
                     trips, dims, a_bits, b_bits, o_bits, p_bits, cycles)
        if ideal:
            total = row[0]
        else:
            last_groups = job[F_GROUPS] - (trips[0] - 1) * row[2]
            acc[:] = 0
            total = run(trips, dims, row[2], last_groups, a_bits, b_bits, o_bits, p_bits, cycles,
                        par[BANDWIDTH], par[LATENCY], acc, none, work)
        if best < 0 or total < best or (total == best and row[1] < best_bits):
            best, best_bits, chosen = total, row[1], by_bound[i]
            for a in range(N_ACC):
                out[STALLS + a] = 0 if ideal else acc[a]
    out[CYCLES] = best
    if chosen < 0:
        return
    row = candidates[chosen]
    tg, tm, tn, tk = row[2], row[3], row[4], row[5]
    plan_product(job, par, ifmap_near, filter_near, kept, tg, tm, tn, tk, row[6],
                 trips, dims, a_bits, b_bits, o_bits, p_bits, cycles)
    _traffic(trips, dims, job[F_GROUPS], a_bits, b_bits, o_bits, p_bits, bits)
    groups, m, n, k = job[F_GROUPS], job[F_M], job[F_N], job[F_K]
    nk = -(-k // tk)
    sr, sc, t = _fold_shape(flow, m, n, k)
    t_tile = _fold_shape(flow, tm, tn, tk)[2]
    passes = -(-t // t_tile)
    folds = groups * -(-sr // par[ROWS]) * -(-sc // par[COLS])
    out[COMPUTE] = folds * t
    out[FILL] = folds * passes * (fold_period(flow, par[ROWS], par[COLS], 0))
    out[FOLDS] = folds * passes
    for i in range(5):
        out[IFMAP + i] = bits[i]
    reads_down, reads_across = -(-sr // par[ROWS]), -(-sc // par[COLS])
    if flow == 0:
        out[SRAM] = groups * reads_across * m * k
        out[SRAM + 1] = groups * reads_down * n * k
        out[SRAM + 2] = groups * (nk - 1) * m * n
        out[SRAM + 3] = groups * nk * m * n
    else:
        held, moved = (1, 0) if flow == 1 else (0, 1)
        out[SRAM + held] = groups * passes * (n * k if flow == 1 else m * k)
        out[SRAM + moved] = groups * reads_across * (m * k if flow == 1 else n * k)
        out[SRAM + 2] = groups * (reads_down - 1) * m * n
        out[SRAM + 3] = groups * reads_down * m * n
    for i in range(5):
        out[TILE + i] = row[2 + i]


@njit(cache=True, nogil=True)
def _solve_vector(job, par, near_elements, kept, scratch, out):
    """Choose the chunk of a vector pass and write its result row; cycles stay -1 if nothing fits."""
    candidates, sizes, work, trips, dims, a_bits, b_bits, o_bits, p_bits, cycles, bits, acc, none = scratch
    ideal = par[IDEAL] > 0
    count = _sizes(job[F_OUT], 1, sizes[0])
    best, best_bits, chunk = np.int64(-1), np.int64(0), np.int64(0)
    for i in range(count - 1, -1, -1):  # the largest first: the others must beat it
        if ideal and i < count - 1:
            break
        plan_vector(job, par, near_elements, kept, sizes[0, i], trips, dims, a_bits, b_bits, o_bits, p_bits, cycles)
        out_bits = job[F_OUT_BITS] if job[F_OUT_BITS] > 0 else par[BITS]
        if not ideal:
            if max(a_bits[0, 0] if trips[1] > 1 else 0, a_bits[1, 0]) > par[IFMAP_HALF]:
                continue
            if sizes[0, i] * out_bits > par[OFMAP_HALF]:
                continue
        compute = _compute(trips, dims, 1, cycles)
        _traffic(trips, dims, 1, a_bits, b_bits, o_bits, p_bits, bits)
        if ideal:
            total = compute
        else:
            limit = _bound(compute, bits, 1, 1, a_bits, b_bits, o_bits, par[BANDWIDTH], par[LATENCY])
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
def solve(designs, jobs, use, results):
    """Simulate every design on every job.

    designs (n_designs, len(PARAMETERS)), jobs (n_unique, len(FIELDS)) and use (n_jobs,) as in `JobTable`;
    results (n_designs, n_jobs, len(RESULT)) is filled in. All int64.
    """
    memo = np.empty(8 * jobs.shape[0], np.int64)
    scratch = (
        np.empty((MAX_CANDIDATES, N_CANDIDATE), np.int64), np.empty((3, 64), np.int64),
        np.empty((2 * LEVELS, N_STATE + N_ACC), np.int64), np.empty(LEVELS, np.int64), np.empty(3, np.int64),
        np.empty((2, 2), np.int64), np.empty((2, 2), np.int64), np.empty((2, 2), np.int64),
        np.empty((2, 2), np.int64), np.empty((2, 2, 2), np.int64), np.empty(5, np.int64),
        np.empty(N_ACC, np.int64), np.empty(0, np.int64),
    )
    for d in range(designs.shape[0]):
        par = designs[d]
        memo[:] = -1
        kept_before = False
        for j in range(use.shape[0]):
            job = jobs[use[j]]
            ifmap_near = kept_before and job[F_IFMAP_NEAR] > 0
            filter_near = kept_before and job[F_FILTER_NEAR] > 0
            near_elements = job[F_NEAR] if kept_before else 0
            out_bits = job[F_OUT_BITS] if job[F_OUT_BITS] > 0 else par[BITS]
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
