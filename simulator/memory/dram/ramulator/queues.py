"""Requests by bank: a list per bank and direction, with the two that can be next kept at hand.

All requests of a bank that hit its open row wait for the same clock, and so do all others. Of each kind
only the oldest can be chosen, so a scheduler looks at banks, not at requests.
"""

from __future__ import annotations

from typing import Any

from numba import njit

__all__ = ["enqueue", "find_key", "set_row", "unlink"]


@njit(cache=True, nogil=True)
def enqueue(queue: Any, bank: Any, entry: Any, occupied: Any, slot: int, write: int) -> None:
    """Append a request to the list of its bank."""
    e = entry[slot]
    b = e.bank
    q = queue[b, write]
    e.next = -1
    e.prev = q.tail
    e.queued = 1
    if q.tail >= 0:
        entry[q.tail].next = slot
    else:
        q.head = slot
    q.tail = slot
    if q.n == 0:
        last = occupied.shape[1] - 1
        n = occupied[write, last]
        occupied[write, n] = b
        occupied[write, last] = n + 1
        q.position = n
    q.n += 1
    if e.row == bank[b].open_row:
        if q.hit < 0:
            q.hit = slot
    elif q.miss < 0:
        q.miss = slot


@njit(cache=True, nogil=True)
def unlink(queue: Any, bank: Any, entry: Any, occupied: Any, slot: int, write: int) -> None:
    """Take a request out of the list of its bank."""
    e = entry[slot]
    b = e.bank
    q = queue[b, write]
    if e.prev >= 0:
        entry[e.prev].next = e.next
    else:
        q.head = e.next
    if e.next >= 0:
        entry[e.next].prev = e.prev
    else:
        q.tail = e.prev
    e.queued = 0
    q.n -= 1
    if q.n == 0:
        last = occupied.shape[1] - 1
        n = occupied[write, last] - 1
        moved = occupied[write, n]
        occupied[write, q.position] = moved
        queue[moved, write].position = q.position
        occupied[write, last] = n
        q.hit = -1
        q.miss = -1
        return
    row = bank[b].open_row
    if q.hit == slot:
        at = e.next
        while at >= 0 and entry[at].row != row:
            at = entry[at].next
        q.hit = at
    if q.miss == slot:
        at = e.next
        while at >= 0 and entry[at].row == row:
            at = entry[at].next
        q.miss = at


@njit(cache=True, nogil=True)
def set_row(queue: Any, bank: Any, entry: Any, b: int, row: int) -> None:
    """Open or close a row, and find anew which requests hit it."""
    bank[b].open_row = row
    for write in range(2):
        q = queue[b, write]
        at = q.head
        if at < 0:
            continue
        if row < 0:
            q.hit = -1
            q.miss = at
            continue
        hit = -1
        miss = -1
        while at >= 0 and (hit < 0 or miss < 0):
            if entry[at].row == row:
                if hit < 0:
                    hit = at
            elif miss < 0:
                miss = at
            at = entry[at].next
        q.hit = hit
        q.miss = miss


@njit(cache=True, nogil=True)
def find_key(queue: Any, entry: Any, b: int, key: int) -> int:
    """The queued write to this address, or -1."""
    at = queue[b, 1].head
    while at >= 0 and entry[at].key != key:
        at = entry[at].next
    return at
