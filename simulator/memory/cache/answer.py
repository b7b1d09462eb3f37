"""Answers on their way up: who waits for a line, and what they learn once its time is known; compiled."""

from __future__ import annotations

from numba import njit

from . import columns as k
from .kinds import Rows, Vector

__all__ = ["answer", "make_dirty", "open_mshr", "reply", "wait_for"]


@njit(cache=True, nogil=True)
def make_dirty(m: Vector, n: int, slot: int) -> None:
    """Note that a slot's line differs from what is below."""
    flag = m[n + k.FLAGS] + slot
    if not m[flag] & k.DIRTY:
        m[flag] |= k.DIRTY
        m[m[n + k.EVENTS] + k.DIRTIED] += 1


@njit(cache=True, nogil=True)
def open_mshr(m: Vector, n: int, h: int, slot: int) -> int:
    """Use a free MSHR for a line; the slot, if there is one, waits for its fill."""
    m[h + k.UNTIL], m[h + k.FILLS_SLOT], m[h + k.COUNT], m[h + k.FIRST] = k.FAR, slot, 1, -1
    if slot >= 0:
        m[m[n + k.FILLS] + slot], m[m[n + k.OWNERS] + slot] = k.FAR, h
    return h


@njit(cache=True, nogil=True)
def wait_for(m: Vector, n: int, h: int, now: int) -> None:
    """Let the planned request wait for an MSHR whose time is not known, if it wants an answer."""
    if m[n + k.WHO] >= 0:
        waiting = m[n + k.FREE_TARGET]
        m[n + k.FREE_TARGET] = m[waiting + k.T_NEXT]
        m[waiting + k.T_WHO], m[waiting + k.T_SINCE], m[waiting + k.T_NEXT] = m[n + k.WHO], now, m[h + k.FIRST]
        m[h + k.FIRST] = waiting


@njit(cache=True, nogil=True)
def reply(m: Vector, a: Rows, n: int, time: int, dirty: int, server: int) -> None:
    """Answer the planned request at a known time, if anyone waits for an answer."""
    who = m[n + k.WHO]
    if m[n + k.TOP]:
        a[who + k.A_DONE], a[who + k.A_SERVED] = time, server
    elif who >= 0:
        answer(m, a, who, time, dirty, server)


@njit(cache=True, nogil=True)
def answer(m: Vector, a: Rows, h: int, time: int, dirty: int, server: int) -> None:
    """An MSHR learns when its line comes; so does everything that waits for it, level by level."""
    low = m[k.ANSWERS]
    m[low], m[low + 1], m[low + 2] = h, time, dirty
    top = low + 3
    while top > low:
        top -= 3
        h, time, dirty = m[top], m[top + 1], m[top + 2]
        n = m[h + k.OWNER]
        m[h + k.UNTIL], m[h + k.SERVER] = time, server
        if time <= m[n + k.WHEN]:
            m[n + k.WHEN] = -1
        if m[h + k.FILLS_SLOT] >= 0:
            m[m[n + k.FILLS] + m[h + k.FILLS_SLOT]] = time
            if dirty:
                make_dirty(m, n, m[h + k.FILLS_SLOT])
                dirty = 0
        waiting, m[h + k.FIRST] = m[h + k.FIRST], -1
        while waiting >= 0:
            who, ready = m[waiting + k.T_WHO], max(time, m[waiting + k.T_SINCE] + m[n + k.HIT_CYCLES])
            if m[n + k.TOP]:
                a[who + k.A_DONE], a[who + k.A_SERVED] = ready, server
            else:
                m[top], m[top + 1], m[top + 2] = who, ready, dirty
                top += 3
            follows = m[waiting + k.T_NEXT]
            m[waiting + k.T_NEXT] = m[n + k.FREE_TARGET]
            m[n + k.FREE_TARGET] = waiting
            waiting = follows
