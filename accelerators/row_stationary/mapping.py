"""How a convolution is laid on a row-stationary array, and what that costs: the compiled, closed-form engine.

A *logical set* convolves one channel with one filter: kernel_h x out_h PEs, each with a row of the filter, which it
slides along a row of the input for kernel_w x out_w steps. What does not fit the array is folded, what leaves
room is replicated (rules: nn_dataflow's Eyeriss mapping, github.com/stanford-mast/nn_dataflow, 16ef330; for
separated segments Chen et al., JSSC 52(1) 2017, IV.A):

    height   fold_h = ceil(kernel_h / rows), or repl_h = rows // kernel_h sets above each other
    width    fold_w = ceil(out_h / cols),    or repl_w = cols // out_h sets beside each other
    spare height takes folds of the width: f = min(repl_h, fold_w), fold_w = ceil(fold_w / f), repl_h = repl_h // f

The repl_h x repl_w sets of a pass are a channels (above each other, so that their sums meet) by b filters. Then

    passes = ceil(channels / a) x ceil(filters / b) x fold_w x batch, each fold_h x kernel_w x out_w cycles.

`reference.py` counts the same by placing every set.
"""

# mypy: allow-untyped-defs
# Kernels take int64 scalars and arrays; their docstrings give the shapes.
from __future__ import annotations

import numpy as np
from numba import njit

from .lines import common_divisor, touched, touched_by_all
from .lowering import FIELDS, field
from .traffic import choose_plan

__all__ = ["PARAMETERS", "RESULT", "solve"]

PARAMETERS = (
    "rows", "cols", "group_mapping", "split", "buffer_words", "filter_rf_words", "ifmap_rf_words", "psum_rf_words",
    "vector_lanes",
)
"""Columns of a table of designs, all int64."""

RESULT = (
    "cycles", "passes", "peak_pes",
    "pass_channels", "pass_filters",  # a and b
    "rf_channels", "rf_filters",      # of each PE in turn: q and p
    "mixed",  # 1: a pass works on filters of several groups
    "height_folds", "width_folds",
    "array_ifmap", "array_filter", "array_psum",     # words that a PE receives
    "buffer_ifmap", "buffer_filter", "buffer_psum",  # words between buffer and array
    "dram_ifmap", "dram_filter", "dram_psum", "dram_ofmap",  # words between memory and buffer
    "tile_filters", "tile_rows", "filters_outer", "ifmap_held", "filter_held", "psum_held",  # how memory is visited
)
"""Columns of a result, all int64; `cycles` is -1 where no tile fits the buffer."""

ONE, STRADDLING, MANY = range(3)

_GROUPS, _BATCH, _CI, _N = (field(name) for name in ("groups", "batch", "channels", "filters"))
_FH, _FW, _OH, _OW = (field(name) for name in ("kernel_h", "kernel_w", "out_h", "out_w"))
_IH, _IW, _SH, _SW = (field(name) for name in ("in_h", "in_w", "stride_h", "stride_w"))
_DIL, _PH, _PW = (field(name) for name in ("dilation", "pad_h", "pad_w"))
_OPS, _IN, _OUT = (field(name) for name in ("vector_ops", "in_elements", "out_elements"))
assert FIELDS[0] == "vector"


@njit(cache=True, nogil=True)
def _ceil(a, b):
    return -(-a // b)


@njit(cache=True, nogil=True)
def _split(repl_h, repl_w, groups, channels, filters, mapping, exact):
    """Return (a, b, rounds): the split with the fewest rounds of filters and channels; ties to more channels."""
    best_a, best_b, fewest = 1, 1, np.int64(2**62)
    for height in range(repl_h, 0, -1):
        if exact and repl_h % height:
            continue
        a, b = min(height, channels), (repl_h // height) * repl_w
        if groups == 1 or mapping == ONE:
            b = min(b, filters)
            rounds = groups * _ceil(filters, b)
        else:
            b = min(b, filters if mapping == STRADDLING else groups * filters)
            rounds = _ceil(groups * filters, b)
        rounds *= _ceil(channels, a)
        if rounds < fewest:
            best_a, best_b, fewest = a, b, rounds
    return best_a, best_b, fewest


@njit(cache=True, nogil=True)
def _groups_met(groups, filters, b):
    """Count the groups of every pass of b filters in a row, summed over passes, and the most in one pass."""
    every, divisor = groups * filters, common_divisor(filters, b)
    passes = _ceil(every, b)
    borders = groups - 1 - (every - 1) // (filters // divisor * b)  # that lie within a pass
    most = 0
    for at in range(min(passes, filters // divisor)):  # after so many passes they begin at the same place of a group
        first = at * b
        most = max(most, (min(first + b, every) - 1) // filters - first // filters + 1)
    return passes + borders, most


@njit(cache=True, nogil=True)
def _product(d, job, out):
    """Fill one row of results for a convolution."""
    rows, cols, mapping, exact, buffer_words, filter_rf, ifmap_rf, psum_rf = d[0], d[1], d[2], d[3] == 0, d[4], d[5], d[6], d[7]
    groups, batch, ci, n = job[_GROUPS], job[_BATCH], job[_CI], job[_N]
    fh, fw, oh, ow = job[_FH], job[_FW], job[_OH], job[_OW]
    fold_h, fold_w = _ceil(fh, rows), _ceil(oh, cols)
    repl_h, repl_w = max(1, rows // fh), max(1, cols // oh)
    f = min(repl_h, fold_w)
    fold_w, repl_h = _ceil(fold_w, f), repl_h // f
    chunk, tall = min(oh, f * cols), min(fh, rows)
    a, b, rounds = _split(repl_h, repl_w, groups, ci, n, ONE, exact)
    mixed = False
    if groups > 1 and mapping != ONE:  # passes mix groups where that saves some
        more_a, more_b, fewer = _split(repl_h, repl_w, groups, ci, n, mapping, exact)
        if fewer < rounds:
            a, b, rounds, mixed = more_a, more_b, fewer, True

    # What a PE takes in turn before its input row and its sums move on: q channels, then up to p filters.
    channel_rounds = _ceil(ci, a)
    q = max(1, min(ifmap_rf // fw, filter_rf // fw, channel_rounds))
    p = 1 if mixed else max(1, min(psum_rf, filter_rf // (q * fw), _ceil(n, b)))
    pieces = _ceil(fw, min(ifmap_rf, filter_rf))
    blocks = _ceil(channel_rounds, q)
    sums = blocks * fold_h * pieces

    row_words, _ = touched(ow, fw, job[_SW], job[_DIL], job[_PW], job[_PW] + job[_IW])
    lines, pairs, _ = touched_by_all(oh, fh, job[_SH], job[_DIL], job[_PH], job[_IH], chunk, rows)
    met, most_met = _groups_met(groups, n, b) if mixed else (0, 0)
    out[0] = rounds * fold_w * batch * fold_h * fw * ow
    choose_plan(job, chunk, a, b, q, p, sums, fold_h * pieces, met, most_met, row_words, buffer_words, out)
    if out[0] < 0:
        return
    if mixed:
        shown, placed = met, groups * n
    else:
        p = min(p, _ceil(out[20], b))
        filter_blocks = _ceil(n, b * p)
        shown = groups * filter_blocks
        placed = groups * ((filter_blocks - 1) * b + min(b, n - (filter_blocks - 1) * b * p))
    images = batch * ci * row_words * pieces
    outputs = batch * groups * n * oh * ow
    weights = groups * n * ci * fh * fw
    stacked = (blocks - 1) * a + min(a, ci - (blocks - 1) * q * a)  # channels above each other, summed over blocks

    out[1] = rounds * fold_w * batch
    out[2] = chunk * tall * a * b
    out[3], out[4], out[5], out[6], out[7], out[8], out[9] = a, b, q, p, mixed, fold_h, fold_w
    out[10] = images * pairs * placed
    out[11] = batch * oh * weights
    out[12] = outputs * pieces * (stacked * fh - blocks * fold_h)
    out[13] = images * lines * shown
    out[14] = batch * fold_w * weights
    out[15] = outputs * (2 * sums - 1)


@njit(cache=True, nogil=True)
def solve(designs, jobs, out):
    """Map every job (jobs, len(FIELDS)) on every design (designs, len(PARAMETERS)) into out (designs, jobs, len(RESULT))."""
    for i in range(len(designs)):
        for j in range(len(jobs)):
            if jobs[j, 0]:
                out[i, j, 0] = _ceil(jobs[j, _OPS], designs[i, 8])
                out[i, j, 13] = jobs[j, _IN]
                out[i, j, 15] = jobs[j, _OUT]
                out[i, j, 16] = jobs[j, _IN]
                out[i, j, 19] = jobs[j, _OUT]
            else:
                _product(designs[i], jobs[j], out[i, j])
