"""Barriers of thread blocks."""

from __future__ import annotations

import numpy as np

from ..tables import (
    ARRIVED,
    BARRIER_UNTIL,
    BLOCK,
    BLOCKS,
    NEXT_ISSUE,
    P_BARRIER,
    P_SUB_CORES,
    P_WARPS,
    UNTIL,
    WAITING,
    WAKE,
)  # fmt: skip
from .jit import jit

__all__ = ["reach_barrier"]


@jit
def reach_barrier(warp: np.ndarray, sub: np.ndarray, sm: np.ndarray, p: np.ndarray, m: int, block: int, t: int) -> None:
    """If every warp of the block that is not finished has arrived, let them go."""
    if sm[m, BLOCKS + block] == 0 or sm[m, ARRIVED + block] < sm[m, BLOCKS + block]:
        return
    sm[m, ARRIVED + block] = 0
    first = m * p[P_WARPS]
    for w in range(first, first + p[P_WARPS]):
        if warp[w, BLOCK] == block and warp[w, WAITING]:
            warp[w, WAITING] = warp[w, UNTIL] = 0
            warp[w, NEXT_ISSUE] = max(warp[w, NEXT_ISSUE], t + p[P_BARRIER])
            warp[w, BARRIER_UNTIL] = t + p[P_BARRIER]
            q = m * p[P_SUB_CORES] + (w - first) % p[P_SUB_CORES]
            sub[q, WAKE] = min(sub[q, WAKE], t + 1)
