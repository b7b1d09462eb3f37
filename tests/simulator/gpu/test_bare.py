"""Bare arrays are the arrays that they were made from."""

from __future__ import annotations

import numba as nb
import numpy as np
import pytest

from cyclescape.simulator.gpu.kernel.bare import bare


@nb.njit
def _mix(flat, table, cube):
    """Read and write all of three arrays through their bare forms."""
    a, b, c = bare(flat), bare(table), bare(cube)
    total = 0
    for i in range(c.shape[0]):
        for j in range(c.shape[1]):
            for k in range(c.shape[2]):
                c[i, j, k] += a[k] * b[i, j]
                total += c[i, j, k]
    b[0, 1], a[c.shape[2] - 1] = total, 7
    return total, a.shape[0], b.shape[1]


@pytest.mark.parametrize("shape", [(1, 2, 3), (4, 3, 5), (2, 7, 1)])
def test_same_elements(shape):
    random = np.random.default_rng(1)
    flat, table, cube = (random.integers(-9, 9, n) for n in (shape[2], shape[:2], shape))
    expected = cube + flat[None, None, :] * table[:, :, None]
    whole = expected.sum()
    assert _mix(flat, table, cube) == (whole, shape[2], shape[1])
    assert (cube == expected).all()
    assert table[0, 1] == whole
    assert flat[-1] == 7


@pytest.mark.skipif(nb.config.DISABLE_JIT, reason="then they are arrays")
def test_no_other_index_and_no_gaps():
    @nb.njit
    def row(table):
        return bare(table)[0]

    @nb.njit
    def first(table):
        return bare(table)[0, 0]

    with pytest.raises(nb.TypingError):
        row(np.zeros((2, 2), np.int64))
    with pytest.raises(nb.TypingError):
        first(np.zeros((4, 4), np.int64)[:, ::2])
