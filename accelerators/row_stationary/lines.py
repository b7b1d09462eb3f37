"""Which input rows output rows need: counts in closed form, shared by the mapping and the traffic of one axis.

Tap r of output y meets input y * stride + r * dilation - pad. Pairs (y, r) and (y + d, r - s), with d and s the
dilation and the stride by their common divisor, meet the same input; so of e outputs and t taps
e t - max(0, e - d) max(0, t - s) inputs are different, and only the few pairs in the padding must be looked at.
"""

# mypy: allow-untyped-defs
# Kernels take int64 scalars and arrays; their docstrings give the shapes.
from __future__ import annotations

from numba import njit

__all__ = ["common_divisor", "touched", "touched_by_all"]


@njit(cache=True, nogil=True)
def common_divisor(a, b):
    """Return the greatest common divisor."""
    while b:
        a, b = b, a % b
    return a


@njit(cache=True, nogil=True)
def touched(outputs, taps, stride, dilation, low, high):
    """Return (different inputs, pairs of output and tap that meet one).

    Output y and tap r meet position y * stride + r * dilation, and an input only from `low` to `high` - 1.
    """
    divisor = common_divisor(stride, dilation)
    next_y, next_r = dilation // divisor, stride // divisor
    distinct = outputs * taps - max(0, outputs - next_y) * max(0, taps - next_r)
    pairs = outputs * taps
    reach = (taps - 1) * dilation
    below = min(outputs, max(0, -(-low // stride)))  # outputs with a tap before the first input
    beyond = max(below, min(outputs, max(0, -(-(high - reach) // stride))))  # first with a tap after the last
    for part in range(2):
        first, last = (0, below) if part == 0 else (beyond, outputs)
        for y in range(first, last):
            for r in range(taps):
                at = y * stride + r * dilation
                if at < low or at >= high:
                    pairs -= 1
                    if r < next_r or y + next_y >= outputs:  # the first pair that meets this position
                        distinct -= 1
    return distinct, pairs


@njit(cache=True, nogil=True)
def touched_by_all(out, taps, stride, dilation, pad, size, chunk, tall):
    """Cut outputs into chunks and taps into folds; return (inputs, pairs) summed over all, and the most inputs of one.

    Chunks far from the padding are alike and counted once.
    """
    inputs = pairs = most = 0
    for first_tap in range(0, taps, tall):
        here = min(tall, taps - first_tap)
        top = pad - first_tap * dilation  # position of the first input, seen from output 0
        bottom = size + top
        inner = max(0, -(-top // (chunk * stride)))
        full = min(out, max(0, (bottom - 1 - (here - 1) * dilation) // stride + 1)) // chunk  # chunks before the padding
        chunks = -(-out // chunk)
        k = 0
        while k < chunks:
            alike = full - k if inner <= k < full else 1
            start = k * chunk * stride
            found, met = touched(min(chunk, out - k * chunk), here, stride, dilation, top - start, bottom - start)
            inputs += alike * found
            pairs += alike * met
            most = max(most, found)
            k += alike
    return inputs, pairs, most
