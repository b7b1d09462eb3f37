"""Stack distances (Mattson et al., IBM Systems Journal 9(2), 1970): every LRU cache size from one pass.

The stack distance of an access is the number of different lines used since the last use of its own line. An
LRU cache of W ways hits exactly the accesses whose distance, counted within their set, is less than W.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from ....traces.addresses import AddressTrace

__all__ = ["ReuseProfile", "reuse_profile"]


@dataclass(frozen=True)
class ReuseProfile:
    """How often each distance occurs in a trace, for one line size and number of sets."""

    line_bytes: int
    sets: int
    histogram: NDArray[np.int64]
    """Accesses by distance, from 0."""
    cold: int
    """First uses, which miss whatever the size."""

    @property
    def accesses(self) -> int:
        """Accesses of the trace."""
        return int(self.histogram.sum()) + self.cold

    def misses(self, ways: int) -> int:
        """Misses of an LRU cache of that many ways (and this number of sets)."""
        return self.cold + int(self.histogram[ways:].sum())

    def miss_rate(self, ways: int) -> float:
        """Misses by accesses."""
        return self.misses(ways) / self.accesses


def reuse_profile(trace: AddressTrace, line_bytes: int = 64, sets: int = 1) -> ReuseProfile:
    """Return the distances of a trace; with one set, those of a fully associative cache."""
    line = trace.address // line_bytes
    order = np.argsort(line % sets, kind="stable")
    _, names = np.unique(line[order], return_inverse=True)
    starts = np.flatnonzero(np.diff(line[order] % sets, prepend=-1))
    distance = _distances(names, np.append(starts, len(line)))
    reused = distance[distance >= 0]
    return ReuseProfile(line_bytes, sets, np.bincount(reused), int(np.count_nonzero(distance < 0)))


@njit(cache=True, nogil=True)
def _distances(names: NDArray[np.int64], bounds: NDArray[np.int64]) -> NDArray[np.int64]:
    """Distances within each stretch of names, -1 for a first use.

    A binary indexed tree over positions has a 1 where a line was used last; the distance is the number of
    ones since then.
    """
    n = len(names)
    last = np.full(n, -1, np.int64)
    tree = np.zeros(n + 1, np.int64)
    out = np.empty(n, np.int64)
    for part in range(len(bounds) - 1):
        low, size = bounds[part], bounds[part + 1] - bounds[part]
        tree[: size + 1] = 0
        live = 0
        for i in range(size):
            name = names[low + i]
            before = last[name]
            if before < 0:
                out[low + i] = -1
            else:
                ones, at = 0, before + 1
                while at > 0:
                    ones += tree[at]
                    at -= at & -at
                out[low + i] = live - ones
                at = before + 1
                while at <= size:
                    tree[at] -= 1
                    at += at & -at
                live -= 1
            at = i + 1
            while at <= size:
                tree[at] += 1
                at += at & -at
            live += 1
            last[name] = i
    return out
