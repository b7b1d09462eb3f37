"""What one tiling means: the sizes of all tiles, as tables for the timing recurrence.

A tile is either the last along a dimension or not; that is all that its size depends on, so a table by
(last or not) for two dimensions holds every size of an operand's tiles.
"""

# mypy: allow-untyped-defs
# Kernels take int64 scalars and arrays; their docstrings give the shapes.
from __future__ import annotations

import numpy as np
from numba import njit

from . import mapping
from .design import ACCUMULATOR_BITS
from .folds import DONE, LAST, LEAD, SPAN, step_times
from .lowering import field
from .timing import K, M, N

__all__ = ["ORDERS", "PARAMETERS", "PLAN", "RESULT", "ifmap_elements", "patch_elements", "plan_product", "plan_vector",
           "share", "skips_zeros", "together", "widths"]

PARAMETERS = (
    "rows", "cols", "flow", "ifmap_half_bits", "filter_half_bits", "ofmap_half_bits", "activation_bits",
    "bandwidth_bits", "latency", "in_bits", "weight_bits", "out_bits", "lanes", "ideal", "fusion",
    "groups_per_fold", "sparse_block", "arrays", "by_row", "timed",
    "stays_output", "skip_idle", "overlap_drain", "overlap_preload", "mac_stages",
)
"""Columns of the kernel's design table; from OPTIONS on they are those of `folds`. Where `timed` is 0, no tiling is timed:
a closed form stands for a job's cycles."""
(ROWS, COLS, FLOW, IFMAP_HALF, FILTER_HALF, OFMAP_HALF, ACTIVATION, BANDWIDTH, LATENCY, IN_BITS, WEIGHT_BITS, OUT_BITS, LANES,
 IDEAL, FUSION, PACK, SPARSE_BLOCK, ARRAYS, BY_ROW, TIMED, OPTIONS) = range(21)

RESULT = (
    "cycles", "compute_cycles", "fill_drain_cycles", "vector_cycles",
    "stall_ifmap_cycles", "stall_filter_cycles", "stall_psum_cycles", "stall_ofmap_cycles", "port_busy_cycles",
    "ifmap_read_bits", "filter_read_bits", "psum_read_bits", "psum_write_bits", "ofmap_write_bits",
    "sram_ifmap_reads", "sram_filter_reads", "sram_ofmap_reads", "sram_ofmap_writes",
    "folds", "tile_groups", "tile_m", "tile_n", "tile_k", "order", "packed", "arrays",
    "ifmap_on_chip", "filter_on_chip", "ofmap_on_chip", "ofmap_waits", "near_elements", "fused",
)
"""Columns of the kernel's result for one job; `cycles` is -1 where no tile fits.

`ifmap_on_chip` and `filter_on_chip`: an operand, or (vector pass) some of its elements, `near_elements`, need not be
loaded. `ofmap_on_chip`: the output is not stored; `ofmap_waits`: some reader finds it on chip. `fused`: how many
jobs after this one are done as it drains; -1 for such a job, which has but the last four columns.
"""
(CYCLES, COMPUTE, FILL, VECTOR, STALLS, PORT, IFMAP, FILTER, PSUM_READ, PSUM_WRITE, OFMAP, SRAM, FOLDS, TILE, ORDER,
 PACKED, USED_ARRAYS, KEPT, WAITS, NEAR, FUSED) = (
    0, 1, 2, 3, 4, 8, 9, 10, 11, 12, 13, 14, 18, 19, 23, 24, 25, 26, 29, 30, 31)
N_RESULT = len(RESULT)

ORDERS = np.array([[M, N, K], [M, K, N], [N, M, K], [N, K, M], [K, M, N], [K, N, M]], np.int64)
"""Loop orders over tiles, outermost first."""

F_VECTOR, F_GROUPS, F_M, F_N, F_K, F_CONV, F_BATCH, F_OUT_H, F_OUT_W, F_IN_H, F_IN_W, F_CHANNELS, F_KERNEL_H, \
    F_WINDOW, F_STRIDE_H, F_FILTER_ACT, F_IN, F_OUT, F_OPS, F_IN_BITS, F_W_BITS, F_OUT_BITS, F_DENSE_K, F_KEPT, \
    F_BLOCK, F_INDEX_BITS = range(26)
assert field("index_bits") == F_INDEX_BITS

PLAN = ("tile_groups", "tile_m", "tile_n", "tile_k", "order", "packed", "arrays")
"""What the tiler decides: the groups, m, n and k of a tile of one array, the loop order, how many groups share a
fold, and how many arrays share the product."""

# How a product is shared: what `share` writes.
AXIS, USED, SHARE_GROUPS, SHARE_M, SHARE_N = range(5)
ALONE, ALONG_GROUPS, ALONG_M, ALONG_N = range(4)

fold_shape = njit(cache=True, nogil=True)(mapping.fold_shape)


@njit(cache=True, nogil=True)
def patch_elements(job, tm, tk):
    """Return the input elements that a tile of tm output pixels and tk window elements is made from.

    A matrix tile is itself. A convolution's patch is fetched as whole input rows of the channels concerned,
    or gathered pixel by pixel where that is less; padding is not fetched. Inputs that meet a weight left out
    by sparsity are fetched, as other filters need them.
    """
    if job[F_KEPT] > 0:  # the blocks of which tk weights are kept; a tile may begin within one
        blocks = -(-tk // job[F_KEPT]) + (1 if tk % job[F_KEPT] else 0)
        tk = job[F_DENSE_K] if tk >= job[F_K] else min(job[F_DENSE_K], blocks * job[F_BLOCK])
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
    if tk < job[F_DENSE_K]:
        channels = min(channels, -(-tk // job[F_WINDOW]) + (1 if tk % job[F_WINDOW] else 0))
    return min(gathered, in_rows * job[F_IN_W] * channels)


@njit(cache=True, nogil=True)
def skips_zeros(sparse, par):
    """Whether the array leaves out a job's zeros: `sparse` is its row of `JobTable.sparse`."""
    return 0 < sparse[F_BLOCK] <= par[SPARSE_BLOCK]


@njit(cache=True, nogil=True)
def widths(job, par):
    """Return the bits of an input, a weight (or second operand) with its index, and an output element."""
    in_bits = job[F_IN_BITS] if job[F_IN_BITS] > 0 else par[IN_BITS]
    w_bits = job[F_W_BITS] if job[F_W_BITS] > 0 else par[WEIGHT_BITS]
    out_bits = job[F_OUT_BITS] if job[F_OUT_BITS] > 0 else par[OUT_BITS]
    return in_bits, (in_bits if job[F_FILTER_ACT] else w_bits) + job[F_INDEX_BITS], out_bits


@njit(cache=True, nogil=True)
def set_order(order, nm, nn, nk, trips, dims):
    for level in range(3):
        dim = ORDERS[order, level]
        dims[level] = dim
        trips[level + 1] = nm if dim == M else (nn if dim == N else nk)


@njit(cache=True, nogil=True)
def share(job, par, used, out):
    """Write which dimension `used` arrays divide and what the largest share of each dimension is (out[5]).

    By row they divide m; by channel the groups or, if there are fewer of those, n. Shares differ by one at most, and
    arrays work in step: each on the same tile of its own share. What they have in common crosses the port once.
    """
    out[USED], out[SHARE_GROUPS], out[SHARE_M], out[SHARE_N] = used, job[F_GROUPS], job[F_M], job[F_N]
    if used == 1:
        out[AXIS] = ALONE
    elif par[BY_ROW]:
        out[AXIS] = ALONG_M
        out[SHARE_M] = -(-job[F_M] // used)
    elif job[F_GROUPS] >= used:
        out[AXIS] = ALONG_GROUPS
        out[SHARE_GROUPS] = -(-job[F_GROUPS] // used)
    else:
        out[AXIS] = ALONG_N
        out[SHARE_N] = -(-job[F_N] // used)


@njit(cache=True, nogil=True)
def together(split, axis, total, tile, last):
    """Return the size of all arrays' tiles along a dimension: `total` is all of it, `tile` one array's."""
    size = split[SHARE_GROUPS + axis - ALONG_GROUPS]
    before = (-(-size // tile) - 1) * tile
    many = split[USED] if split[AXIS] == axis else 1
    return total - many * before if last else many * tile


@njit(cache=True, nogil=True)
def ifmap_elements(job, split, tm, last, tk):
    """Return the input elements of all arrays' tiles, of which `last` are what the whole tiles leave of m."""
    by_row = split[AXIS] == ALONG_M
    if not last:
        return (split[USED] if by_row else 1) * patch_elements(job, tm, tk)
    size = split[SHARE_M] - (-(-split[SHARE_M] // tm) - 1) * tm
    if not by_row:
        return patch_elements(job, size, tk)
    shorter = split[USED] * split[SHARE_M] - job[F_M]  # arrays whose share is smaller by one
    total = (split[USED] - shorter) * patch_elements(job, size, tk)
    return total + shorter * patch_elements(job, size - 1, tk) if size > 1 else total


@njit(cache=True, nogil=True)
def plan_product(job, par, ifmap_near, filter_near, kept, tg, tm, tn, tk, order,
                 packed, used, trips, dims, a_bits, b_bits, o_bits, p_bits, times):
    """Fill in what `timing.run` needs for one tiling of a matrix product (see there for the arrays).

    Returns the groups that a step of all arrays takes: a full one, and the last.
    """
    in_bits, w_bits, out_bits = widths(job, par)
    split = np.empty(5, np.int64)
    share(job, par, used, split)
    groups, m_share, n_share = split[SHARE_GROUPS], split[SHARE_M], split[SHARE_N]
    nm, nn, nk = -(-m_share // tm), -(-n_share // tn), -(-job[F_K] // tk)
    trips[0] = -(-groups // tg)
    set_order(order, nm, nn, nk, trips, dims)
    for em in range(2):
        m = tm if em == 0 else m_share - (nm - 1) * tm
        all_m = together(split, ALONG_M, job[F_M], tm, em)
        for ek in range(2):
            k = tk if ek == 0 else job[F_K] - (nk - 1) * tk
            a_bits[em, ek] = 0 if ifmap_near else ifmap_elements(job, split, tm, em, k) * in_bits
        for en in range(2):
            n = tn if en == 0 else n_share - (nn - 1) * tn
            all_n = together(split, ALONG_N, job[F_N], tn, en)
            p_bits[em, en] = all_m * all_n * ACCUMULATOR_BITS
            o_bits[em, en] = 0 if kept else all_m * all_n * out_bits
            for ek in range(2):
                k = tk if ek == 0 else job[F_K] - (nk - 1) * tk
                if em == 0:
                    b_bits[ek, en] = 0 if filter_near else k * all_n * w_bits
                sr, sc, t = fold_shape(par[FLOW], m, n, k)
                for eg in range(2):
                    count = tg if eg == 0 else groups - (trips[0] - 1) * tg
                    step_times(par[OPTIONS:], par[ROWS], par[COLS], sr, sc, t, count, packed, times[eg, em, en, ek])
    return together(split, ALONG_GROUPS, job[F_GROUPS], tg, False), together(
        split, ALONG_GROUPS, job[F_GROUPS], tg, True)


@njit(cache=True, nogil=True)
def plan_vector(job, par, near_elements, kept, chunk, trips, dims, a_bits, b_bits, o_bits, p_bits, times):
    """Fill in what `timing.run` needs for a vector pass of `chunk` output elements at a time."""
    in_bits, _, out_bits = widths(job, par)
    count = -(-job[F_OUT] // chunk)
    trips[:] = 1
    trips[1] = count
    for level in range(3):
        dims[level] = level
    load = job[F_IN] - near_elements
    each_load, each_ops = load // count, job[F_OPS] // count
    for last in range(2):
        if last == 0:
            share, ops, out = each_load, each_ops, chunk
        else:
            share, ops = load - (count - 1) * each_load, job[F_OPS] - (count - 1) * each_ops
            out = job[F_OUT] - (count - 1) * chunk
        for other in range(2):
            a_bits[last, other] = share * in_bits
            b_bits[last, other] = 0
            b_bits[other, last] = 0
            o_bits[last, other] = 0 if kept else out * out_bits
            p_bits[last, other] = 0
        times[:, last, :, :, LEAD] = 0
        times[:, last, :, :, LAST] = 0
        times[:, last, :, :, SPAN] = -(-ops // par[LANES])
        times[:, last, :, :, DONE] = -(-ops // par[LANES])
