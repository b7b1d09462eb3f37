"""The words that SCALE-Sim 3.0.0 asks of its scratchpads, cycle by cycle.

The demand of a layer is a list of lines, one a cycle: fold after fold (column folds outer, row folds
inner), `fold_period` lines each. A line holds for each operand the words wanted in that cycle, ports left
to right. Words are addresses in a tensor, channel-last; a window that hangs over the edge of the ifmap
asks for nothing there.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from .. import mapping
from ..mapping import IS, OS

__all__ = [
    "Operand", "filters", "fold_counts", "fold_period", "fold_shape", "ifmap", "read_line", "written_words",
]

fold_shape = njit(cache=True, nogil=True)(mapping.fold_shape)
fold_counts = njit(cache=True, nogil=True)(mapping.fold_counts)
fold_period = njit(cache=True, nogil=True)(mapping.fold_period)


class Operand(NamedTuple):
    """A matrix of addresses: element (x, k) is `base[x] + offset[k]`, x a pixel or filter, k the reduction.

    It is there only if `row[x] + down[k] < height` and `col[x] + right[k] < width`.
    """

    base: np.ndarray
    row: np.ndarray
    col: np.ndarray
    offset: np.ndarray
    down: np.ndarray
    right: np.ndarray
    height: int
    width: int
    words: int
    """Addresses run from 0 to words - 1."""


def ifmap(height: int, width: int, channels: int, filt_h: int, filt_w: int, stride: int) -> Operand:
    """Return the im2col view of an ifmap; a last partial window counts as a window."""
    out_h, out_w = -(-(height - filt_h + stride) // stride), -(-(width - filt_w + stride) // stride)
    row, col = (axis * stride for axis in np.divmod(np.arange(out_h * out_w), out_w))
    window = np.arange(filt_h * filt_w * channels)
    down, right, channel = window // (filt_w * channels), window // channels % filt_w, window % channels
    base, offset = (row * width + col) * channels, (down * width + right) * channels + channel
    return Operand(base, row, col, offset, down, right, height, width, height * width * channels)


def filters(count: int, window: int) -> Operand:
    """Return `count` filters of `window` words each, one after the other."""
    first, inside = np.zeros(count, np.int64), np.zeros(window, np.int64)
    base, offset = np.arange(count) * window, np.arange(window)
    return Operand(base, first, first, offset, inside, inside, 1, 1, count * window)


@njit(cache=True, nogil=True)
def _ask(operand: Operand, x: int, k: int, out: np.ndarray, count: int) -> int:
    """Put word (x, k) after the first `count` of `out`, if there is such a word."""
    row, col = operand.row[x] + operand.down[k], operand.col[x] + operand.right[k]
    if row < operand.height and col < operand.width:
        out[count] = operand.base[x] + operand.offset[k]
        return count + 1
    return count


@njit(cache=True, nogil=True)
def read_line(
    operand: Operand, of_ifmap: bool, dataflow: int, rows: int, cols: int, down: int, across: int, line: int,
    out: np.ndarray,
) -> int:
    """Write the words wanted in one line of fold (down, across) to `out`; return how many there are."""
    indices, steps = len(operand.base), len(operand.offset)
    count = 0
    if dataflow == OS:  # port p holds index origin + p and asks for step t at line t + p
        ports, origin = (rows, down * rows) if of_ifmap else (cols, across * cols)
        for p in range(max(0, line - steps + 1), min(line + 1, ports, indices - origin)):
            count = _ask(operand, origin + p, line - p, out, count)
    elif of_ifmap == (dataflow == IS):  # loaded in the first lines, the bottom row first, and stays
        k = down * rows + rows - 1 - line
        if line < rows and k < steps:
            for x in range(across * cols, min(across * cols + cols, indices)):
                count = _ask(operand, x, k, out, count)
    else:  # port p holds step origin + p and asks for index t at line rows + t + p
        origin, line = down * rows, line - rows
        for p in range(max(0, line - indices + 1), min(line + 1, rows, steps - origin)):
            count = _ask(operand, line - p, origin + p, out, count)
    return count


@njit(cache=True, nogil=True)
def written_words(
    dataflow: int, sr: int, sc: int, t: int, rows: int, cols: int, down: int, across: int, line: int
) -> int:
    """Return how many output words leave the array in one line of fold (down, across)."""
    used_cols = min(cols, sc - across * cols)
    if dataflow == OS:  # row i from the bottom leaves column k at line t - 1 + k + i; idle rows leave gaps
        last = line - (t - 1) - max(0, rows - (sr - down * rows))
        first = line - (t - 1) - (rows - 1)
    else:  # output i leaves column k at line 2 rows - 1 + i + k
        last = line - (2 * rows - 1)
        first = last - (t - 1)
    return max(0, min(used_cols - 1, last) - max(0, first) + 1)
