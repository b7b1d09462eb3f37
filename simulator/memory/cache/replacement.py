"""Which line leaves a set: LRU, tree-PLRU, SRRIP and random, compiled.

A policy never chooses while a way is empty: the empty way of the lowest number is taken. Choosing changes
nothing; `replaced` is called once the choice is carried out. Slots count from the cache's first.
"""

from __future__ import annotations

from numba import njit

from . import columns as k
from .kinds import Vector

__all__ = ["choose", "placed", "replaced", "touch"]

RRPV_MAX = 3
"""2-bit re-reference prediction values (Jaleel et al., ISCA 2010); 0 is near, 3 is distant."""
RRPV_LONG = 2
"""What a new line gets."""


@njit(cache=True, nogil=True)
def xorshift32(x: int) -> int:
    """The next state of Marsaglia's 32-bit xorshift (13, 17, 5)."""
    x ^= (x << 13) & 0xFFFFFFFF
    x ^= x >> 17
    x ^= (x << 5) & 0xFFFFFFFF
    return x


@njit(cache=True, nogil=True)
def touch(m: Vector, n: int, slot: int) -> None:
    """Note that the line of a slot was used."""
    policy = m[n + k.POLICY]
    if policy == k.LRU:
        m[n + k.CLOCK] += 1
        m[m[n + k.AGES] + slot] = m[n + k.CLOCK]
    elif policy == k.SRRIP:
        m[m[n + k.AGES] + slot] = 0
    elif policy == k.PLRU:
        _point_away(m, n, slot)


@njit(cache=True, nogil=True)
def placed(m: Vector, n: int, slot: int) -> None:
    """Note that a slot has a new line."""
    if m[n + k.POLICY] == k.SRRIP:
        m[m[n + k.AGES] + slot] = RRPV_LONG
    else:
        touch(m, n, slot)


@njit(cache=True, nogil=True)
def _point_away(m: Vector, n: int, slot: int) -> None:
    """Make every bit of the tree on the way to a slot point to the other half."""
    ways = m[n + k.WAYS]
    tree, way = m[n + k.TREES] + slot // ways, slot % ways
    bits, node, half = m[tree], 1, ways // 2
    while half > 0:
        right = way // half % 2
        if right:
            bits &= ~(1 << node)
        else:
            bits |= 1 << node
        node = 2 * node + right
        half //= 2
    m[tree] = bits


@njit(cache=True, nogil=True)
def choose(m: Vector, n: int, base: int) -> int:
    """Return the slot of a set (whose first slot is `base`) that the next line takes."""
    ways, policy = m[n + k.WAYS], m[n + k.POLICY]
    tags, ages = m[n + k.TAGS], m[n + k.AGES]
    for slot in range(base, base + ways):
        if m[tags + slot] < 0:
            return slot
    best = base
    if policy == k.LRU:
        for slot in range(base + 1, base + ways):
            if m[ages + slot] < m[ages + best]:
                best = slot
    elif policy == k.SRRIP:
        for slot in range(base + 1, base + ways):
            if m[ages + slot] > m[ages + best]:
                best = slot
    elif policy == k.RANDOM:
        best = base + xorshift32(m[n + k.DRAW]) % ways
    else:
        bits = m[m[n + k.TREES] + base // ways]
        node, half = 1, ways // 2
        while half > 0:
            right = (bits >> node) & 1
            best += right * half
            node = 2 * node + right
            half //= 2
    return best


@njit(cache=True, nogil=True)
def replaced(m: Vector, n: int, slot: int) -> None:
    """Note that the line of a slot was thrown out to make room."""
    policy = m[n + k.POLICY]
    if policy == k.RANDOM:
        m[n + k.DRAW] = xorshift32(m[n + k.DRAW])
    elif policy == k.SRRIP:
        ages = m[n + k.AGES]
        older = RRPV_MAX - m[ages + slot]
        if older > 0:
            ways = m[n + k.WAYS]
            base = slot // ways * ways
            for other in range(base, base + ways):
                m[ages + other] += older
