"""Requests by bank: a list per bank and direction, with the two that can be next kept at hand.

All requests of a bank that hit its open row wait for the same clock, and so do all others. Of each kind
only the oldest can be chosen, so a scheduler looks at banks, not at requests.
"""

from __future__ import annotations

from typing import Any

from numba import njit

from .state import (
    B_CHANNEL,
    B_QUEUE,
    B_ROW,
    C_N_HITS,
    C_N_OCCUPIED,
    C_OCCUPIED,
    E_BANK,
    E_KEY,
    E_NEXT,
    E_PREV,
    E_QUEUED,
    E_ROW,
    K_BANKS,
    Q_HEAD,
    Q_HIT,
    Q_MISS,
    Q_N,
    Q_POSITION,
    Q_SIZE,
    Q_TAIL,
)

__all__ = ["enqueue", "find_key", "set_row", "unlink"]


@njit(cache=True, nogil=True)
def enqueue(m: Any, e: int, write: int) -> None:
    """Append a request to the list of its bank."""
    b = m[e + E_BANK]
    s = m[b + B_CHANNEL]
    q = b + B_QUEUE + write * Q_SIZE
    tail = m[q + Q_TAIL]
    m[e + E_NEXT] = -1
    m[e + E_PREV] = tail
    m[e + E_QUEUED] = 1
    if tail >= 0:
        m[tail + E_NEXT] = e
    else:
        m[q + Q_HEAD] = e
        n = m[s + C_N_OCCUPIED + write]
        m[m[s + C_OCCUPIED] + write * m[K_BANKS] + n] = b
        m[s + C_N_OCCUPIED + write] = n + 1
        m[q + Q_POSITION] = n
    m[q + Q_TAIL] = e
    m[q + Q_N] += 1
    if m[e + E_ROW] == m[b + B_ROW]:
        if m[q + Q_HIT] < 0:
            m[q + Q_HIT] = e
            m[s + C_N_HITS + write] += 1
    elif m[q + Q_MISS] < 0:
        m[q + Q_MISS] = e


@njit(cache=True, nogil=True)
def unlink(m: Any, e: int, write: int) -> None:
    """Take a request out of the list of its bank."""
    b = m[e + E_BANK]
    s = m[b + B_CHANNEL]
    q = b + B_QUEUE + write * Q_SIZE
    after, before = m[e + E_NEXT], m[e + E_PREV]
    if before >= 0:
        m[before + E_NEXT] = after
    else:
        m[q + Q_HEAD] = after
    if after >= 0:
        m[after + E_PREV] = before
    else:
        m[q + Q_TAIL] = before
    m[e + E_QUEUED] = 0
    m[q + Q_N] -= 1
    if m[q + Q_N] == 0:
        occupied = m[s + C_OCCUPIED] + write * m[K_BANKS]
        n = m[s + C_N_OCCUPIED + write] - 1
        moved = m[occupied + n]
        m[occupied + m[q + Q_POSITION]] = moved
        m[moved + B_QUEUE + write * Q_SIZE + Q_POSITION] = m[q + Q_POSITION]
        m[s + C_N_OCCUPIED + write] = n
    row = m[b + B_ROW]
    if m[q + Q_HIT] == e:
        at = after
        while at >= 0 and m[at + E_ROW] != row:
            at = m[at + E_NEXT]
        m[q + Q_HIT] = at
        if at < 0:
            m[s + C_N_HITS + write] -= 1
    if m[q + Q_MISS] == e:
        at = after
        while at >= 0 and m[at + E_ROW] == row:
            at = m[at + E_NEXT]
        m[q + Q_MISS] = at


@njit(cache=True, nogil=True)
def set_row(m: Any, b: int, row: int) -> None:
    """Open or close a row, and find anew which requests hit it."""
    m[b + B_ROW] = row
    s = m[b + B_CHANNEL]
    for write in range(2):
        q = b + B_QUEUE + write * Q_SIZE
        at = m[q + Q_HEAD]
        if at < 0:
            continue
        if m[q + Q_HIT] >= 0:
            m[s + C_N_HITS + write] -= 1
        hit = -1
        miss = -1
        if row < 0:
            miss = at
        else:
            while at >= 0 and (hit < 0 or miss < 0):
                if m[at + E_ROW] == row:
                    if hit < 0:
                        hit = at
                elif miss < 0:
                    miss = at
                at = m[at + E_NEXT]
            if hit >= 0:
                m[s + C_N_HITS + write] += 1
        m[q + Q_HIT] = hit
        m[q + Q_MISS] = miss


@njit(cache=True, nogil=True)
def find_key(m: Any, b: int, key: int) -> int:
    """The queued write to this address, or -1."""
    at = m[b + B_QUEUE + Q_SIZE + Q_HEAD]
    while at >= 0 and m[at + E_KEY] != key:
        at = m[at + E_NEXT]
    return at
