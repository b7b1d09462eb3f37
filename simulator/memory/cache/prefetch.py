"""What a prefetcher asks for, from the demand reads and writes that its level serves; compiled.

The lines to fetch are first, first + step ... up to a count; so an answer is these three numbers.
"""

from __future__ import annotations

from numba import njit

from . import columns as k
from .kinds import Vector

__all__ = ["wanted"]


@njit(cache=True, nogil=True)
def wanted(m: Vector, n: int, line: int, trigger: bool) -> tuple[int, int, int]:
    """Learn from a demand access and return (first line, step, count).

    `trigger` says that the access missed and brings its line in, or is the first to use a prefetched line.
    """
    kind = m[n + k.PREFETCH_KIND]
    if kind == k.NEXT_LINE:
        return line + 1, 1, m[n + k.DEGREE] if trigger else 0
    if kind == k.STREAM:
        return _stream(m, n, line, trigger)
    return _stride(m, n, line)


@njit(cache=True, nogil=True)
def _stream(m: Vector, n: int, line: int, trigger: bool) -> tuple[int, int, int]:
    """Runs of neighbours: an entry has its latest line, its direction (0: unknown) and the furthest line fetched.

    The entry of the lowest number that the access fits goes on. A trigger that fits none starts a run in the
    entry that was unused for the longest time.
    """
    m[n + k.CLOCK] += 1
    now = m[n + k.CLOCK]
    low = m[n + k.ENTRY]
    oldest = low
    for e in range(low, low + m[n + k.ENTRIES] * k.ENTRY_SIZE, k.ENTRY_SIZE):
        if m[e + k.E_LINE] >= 0:
            step, way = line - m[e + k.E_LINE], m[e + k.E_STEP]
            if step == 0:
                m[e + k.E_USED] = now
                return 0, 0, 0
            if step in (-1, 1) and way in (0, step):
                if way == 0:
                    m[e + k.E_STEP], m[e + k.E_AHEAD] = step, line
                first = m[e + k.E_AHEAD] + step
                count = m[n + k.DEGREE] - (m[e + k.E_AHEAD] - line) * step
                m[e + k.E_LINE], m[e + k.E_USED] = line, now
                m[e + k.E_AHEAD] += count * step
                return first, step, count
        if m[e + k.E_USED] < m[oldest + k.E_USED]:
            oldest = e
    if trigger:
        m[oldest + k.E_LINE], m[oldest + k.E_STEP], m[oldest + k.E_AHEAD], m[oldest + k.E_USED] = line, 0, line, now
    return 0, 0, 0


@njit(cache=True, nogil=True)
def _stride(m: Vector, n: int, line: int) -> tuple[int, int, int]:
    """An entry has its zone (E_AHEAD), the latest line there, and the distance between the latest two."""
    zone = line // m[n + k.ZONE_LINES]
    e = m[n + k.ENTRY] + zone % m[n + k.ENTRIES] * k.ENTRY_SIZE
    if m[e + k.E_LINE] < 0 or m[e + k.E_AHEAD] != zone:
        m[e + k.E_LINE], m[e + k.E_STEP], m[e + k.E_AHEAD] = line, 0, zone
        return 0, 0, 0
    step = line - m[e + k.E_LINE]
    if step == 0:
        return 0, 0, 0
    repeated = step == m[e + k.E_STEP]
    m[e + k.E_LINE], m[e + k.E_STEP] = line, step
    return line + step, step, m[n + k.DEGREE] if repeated else 0
