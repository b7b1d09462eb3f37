"""What moves between memory and the global buffer: the loops over tiles with the least traffic that fit.

A tile is some filters by some rows of outputs, with all channels in turn. Memory is visited tile by tile, filters
outermost or rows (and images) outermost. The buffer may hold the tile's inputs of all channels, its weights of all
channels, and its partial sums. What it does not hold passes through, block of channels by block of channels: whole
where several passes of the tile use it; otherwise of inputs only a window of kernel_w columns, and weights go straight
to the PEs. Partial sums that are not held go to memory and back. Groups are done one after another, or, where a pass
works on several, so many at a time; inputs that are not held then come anew for every pass.

Of equals the last candidate is taken, which has the larger tile. A larger buffer only adds candidates, hence never
more traffic.
"""

# mypy: allow-untyped-defs
# Kernels take int64 scalars and arrays; their docstrings give the shapes.
from __future__ import annotations

import numpy as np
from numba import njit

from .lines import touched_by_all
from .lowering import field

__all__ = ["choose_plan"]

_GROUPS, _BATCH, _CI, _N = (field(name) for name in ("groups", "batch", "channels", "filters"))
_FH, _FW, _OH, _OW = (field(name) for name in ("kernel_h", "kernel_w", "out_h", "out_w"))
_IH, _SH, _DIL, _PH = (field(name) for name in ("in_h", "stride_h", "dilation", "pad_h"))


@njit(cache=True, nogil=True)
def choose_plan(job, chunk, a, b, q, p, sums, turns, met, most_met, row_words, buffer_words, out):
    """Fill the columns of `RESULT` from `dram_ifmap` on; set `cycles` to -1 if nothing fits.

    `p` is the most filters that a PE can take in turn; a tile may have fewer. `sums` is how often a partial sum leaves
    the array; `turns` how often a pass goes through its input rows (folds of the height and of the filter row). Where
    passes mix groups, `met` are the groups of each pass summed over passes and `most_met` the most in one; else both are 0.
    """
    groups, batch, ci, n, oh, ow = job[_GROUPS], job[_BATCH], job[_CI], job[_N], job[_OH], job[_OW]
    taps = job[_FH] * job[_FW]
    outputs, weights = batch * groups * n * oh * ow, groups * n * ci * taps
    block, at_once = min(ci, a * q), max(1, most_met)
    best = np.int64(2**62)
    height = chunk
    while True:
        lines, _, most_lines = touched_by_all(oh, job[_FH], job[_SH], job[_DIL], job[_PH], job[_IH], height, job[_FH])
        strips = -(-oh // height) * batch
        filters = n if met else b
        while True:
            tiles = -(-n // filters)
            used_once = turns == 1 and (met > 0 or filters <= b * p)
            passing = block * (min(job[_FW], row_words) if used_once else row_words)
            for order in range(2):  # 1: filters outermost
                for held in range(8):
                    hold_ifmap, hold_filter, hold_psum = held & 1, held >> 1 & 1, held >> 2
                    need = most_lines * (ci * row_words if hold_ifmap else passing)
                    if hold_filter or height > chunk:
                        need += filters * taps * (ci if hold_filter else block)
                    if hold_psum and sums > 1:
                        need += filters * height * ow
                    if need * at_once > buffer_words:
                        continue
                    once_ifmap = (hold_ifmap or block == ci) and (order == 0 or strips == 1)
                    once_filter = (hold_filter or block == ci) and (order == 1 or tiles == 1)
                    visits = met if met and not hold_ifmap else groups * (1 if once_ifmap else tiles)
                    ifmap = lines * row_words * ci * batch * visits
                    filt = weights * (1 if once_filter else strips)
                    psum = 0 if hold_psum else 2 * outputs * (sums - 1)
                    if ifmap + filt + psum <= best:
                        best = ifmap + filt + psum
                        out[16], out[17], out[18], out[19] = ifmap, filt, psum, outputs
                        out[20], out[21], out[22] = filters, height, order
                        out[23], out[24], out[25] = hold_ifmap, hold_filter, hold_psum
            if filters >= n:
                break
            filters = min(2 * filters, n, b * p if filters < b * p else n)
        if height >= oh:
            break
        height = min(2 * height, oh)
    if best == 2**62:
        out[0] = -1
