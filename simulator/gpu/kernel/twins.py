"""Warps that do not run, but for which one runs that does the same: see `part`."""

from __future__ import annotations

from ..tables import S_START, Work
from .jit import jit

__all__ = ["beside"]


@jit
def beside(work: Work, number: int, index: int) -> int:
    """How many twins of a warp issue this instruction in the same SM, in the cycle in which the warp does."""
    found = 0
    for twin in range(work.twins.shape[1]):
        at = work.twins[number, twin, 0] + index - work.warps[number, S_START]
        if work.twins[number, twin, 2] == 0 and at < work.twins[number, twin, 1] and work.stream[at] == work.stream[index]:
            found += 1
    return found
