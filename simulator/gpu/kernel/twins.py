"""Warps that do not run, but for which one runs that does the same: see `part`."""

from __future__ import annotations

from ..tables import S_START, Work
from .jit import jit

__all__ = ["beside", "same_at"]


@jit
def same_at(work: Work, number: int, twin: int, index: int) -> int:
    """Where a twin of a warp has what the warp issues at `index`; -1 if it has ended by then, or gone another way."""
    at = work.twins[number, twin, 0] + index - work.warps[number, S_START]
    return at if at < work.twins[number, twin, 1] and work.stream[at] == work.stream[index] else -1


@jit
def beside(work: Work, number: int, index: int) -> int:
    """How many twins of a warp issue this instruction in the same SM, in the cycle in which the warp does."""
    found = 0
    for twin in range(work.twins.shape[1]):
        if work.twins[number, twin, 2] == 0 and same_at(work, number, twin, index) >= 0:
            found += 1
    return found
