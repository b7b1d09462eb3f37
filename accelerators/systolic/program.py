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
from .lowering import field
from .timing import K, M, N

__all__ = ["ORDERS", "PARAMETERS", "PLAN", "RESULT", "patch_elements", "plan_product", "plan_vector", "widths"]

PARAMETERS = (
    "rows", "cols", "flow", "ifmap_half_bits", "filter_half_bits", "ofmap_half_bits", "activation_bits",
    "bandwidth_bits", "latency", "element_bits", "lanes", "ideal", "fusion",
)
"""Columns of the kernel's design table."""
ROWS, COLS, FLOW, IFMAP_HALF, FILTER_HALF, OFMAP_HALF, ACTIVATION, BANDWIDTH, LATENCY, BITS, LANES, IDEAL, FUSION = range(13)

RESULT = (
    "cycles", "compute_cycles", "fill_drain_cycles", "vector_cycles",
    "stall_ifmap_cycles", "stall_filter_cycles", "stall_psum_cycles", "stall_ofmap_cycles", "port_busy_cycles",
    "ifmap_read_bits", "filter_read_bits", "psum_read_bits", "psum_write_bits", "ofmap_write_bits",
    "sram_ifmap_reads", "sram_filter_reads", "sram_ofmap_reads", "sram_ofmap_writes",
    "folds", "tile_groups", "tile_m", "tile_n", "tile_k", "order",
    "ifmap_on_chip", "filter_on_chip", "ofmap_on_chip", "ofmap_waits", "near_elements", "fused",
)
"""Columns of the kernel's result for one job; `cycles` is -1 where no tile fits.

`ifmap_on_chip` and `filter_on_chip`: an operand, or (vector pass) some of its elements, `near_elements`, need not be
loaded. `ofmap_on_chip`: the output is not stored; `ofmap_waits`: some reader finds it on chip. `fused`: how many
jobs after this one are done as it drains; -1 for such a job, which has but the last four columns.
"""
(CYCLES, COMPUTE, FILL, VECTOR, STALLS, PORT, IFMAP, FILTER, PSUM_READ, PSUM_WRITE, OFMAP, SRAM, FOLDS, TILE, ORDER,
 KEPT, WAITS, NEAR, FUSED) = (0, 1, 2, 3, 4, 8, 9, 10, 11, 12, 13, 14, 18, 19, 23, 24, 27, 28, 29)
N_RESULT = len(RESULT)

ORDERS = np.array([[M, N, K], [M, K, N], [N, M, K], [N, K, M], [K, M, N], [K, N, M]], np.int64)
"""Loop orders over tiles, outermost first."""

F_VECTOR, F_GROUPS, F_M, F_N, F_K, F_CONV, F_BATCH, F_OUT_H, F_OUT_W, F_IN_H, F_IN_W, F_CHANNELS, F_KERNEL_H, \
    F_WINDOW, F_STRIDE_H, F_FILTER_ACT, F_IN, F_OUT, F_OPS, F_IN_BITS, F_W_BITS, F_OUT_BITS = range(22)
assert field("out_bits") == F_OUT_BITS

PLAN = ("tile_groups", "tile_m", "tile_n", "tile_k", "order")

fold_period = njit(cache=True, nogil=True)(mapping.fold_period)
fold_shape = njit(cache=True, nogil=True)(mapping.fold_shape)


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
def widths(job, par):
    """Return the bits of an input, a weight (or second operand) and an output element."""
    in_bits = job[F_IN_BITS] if job[F_IN_BITS] > 0 else par[BITS]
    w_bits = job[F_W_BITS] if job[F_W_BITS] > 0 else par[BITS]
    out_bits = job[F_OUT_BITS] if job[F_OUT_BITS] > 0 else par[BITS]
    return in_bits, (in_bits if job[F_FILTER_ACT] else w_bits), out_bits


@njit(cache=True, nogil=True)
def set_order(order, nm, nn, nk, trips, dims):
    for level in range(3):
        dim = ORDERS[order, level]
        dims[level] = dim
        trips[level + 1] = nm if dim == M else (nn if dim == N else nk)


@njit(cache=True, nogil=True)
def plan_product(job, par, ifmap_near, filter_near, kept, tg, tm, tn, tk, order,
                 trips, dims, a_bits, b_bits, o_bits, p_bits, cycles):
    """Fill in what `timing.run` needs for one tiling of a matrix product (see there for the arrays)."""
    in_bits, w_bits, out_bits = widths(job, par)
    nm, nn, nk = -(-job[F_M] // tm), -(-job[F_N] // tn), -(-job[F_K] // tk)
    trips[0] = -(-job[F_GROUPS] // tg)
    set_order(order, nm, nn, nk, trips, dims)
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
                sr, sc, t = fold_shape(par[FLOW], m, n, k)
                folds = -(-sr // par[ROWS]) * -(-sc // par[COLS])
                cycles[em, en, ek] = folds * fold_period(par[FLOW], par[ROWS], par[COLS], t)


@njit(cache=True, nogil=True)
def plan_vector(job, par, near_elements, kept, chunk, trips, dims, a_bits, b_bits, o_bits, p_bits, cycles):
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
            for third in range(2):
                cycles[last, other, third] = -(-ops // par[LANES])
