"""What models of columns share: blocks of rows, and scales."""

from __future__ import annotations

import numpy as np

__all__ = ["in_blocks", "scale_of"]


def in_blocks(x: np.ndarray, block: int) -> np.ndarray:
    """Rows of zeros behind x (n, d), so that it is whole blocks.

    Products of matrices of one shape add in one order: what is said of a row must not depend on how many are asked for.
    """
    rows = -(-max(len(x), 1) // block) * block
    padded = np.zeros((rows, x.shape[1]), x.dtype)
    padded[: len(x)] = x
    return padded


def scale_of(x: np.ndarray) -> np.ndarray:
    """Standard deviations of columns, whatever their unit; 1 for one that is constant."""
    deviation = x.std(axis=0)
    return np.where(deviation > 0, deviation, np.ones_like(deviation))
