"""Which request each bank works on, and whether it closes the row behind it."""

from __future__ import annotations

from typing import Any

from numba import njit

from ..core.state import B_ACCESSES, B_INDEX, B_QUEUE, B_ROW, E_KEY, E_NEXT, E_ROW, E_WRITE, Q_HEAD, Q_HIT, Q_N
from .state import (
    CLOSED_ADAPTIVE,
    CLOSED_PAGE,
    FIFO,
    FR_FCFS,
    FR_FCFS_GRP,
    GRP_FR_FCFS_WM,
    OPEN_ADAPTIVE,
    X_FIRST_XBANK,
    X_HIGH,
    X_LOW,
    X_PAGE,
    X_ROW_CAP,
    X_SCHEDULER,
    XB_KEPT,
    XB_SIZE,
    XC_LAST,
    XC_READS,
    XC_WRITES,
    XC_WRITING,
)

__all__ = ["closes_row", "set_direction", "work_of"]


@njit(cache=True, nogil=True)
def set_direction(x: Any, c: int) -> None:
    """GrpFrFcfsWm: turn to writes above the high mark or without reads, back at the low mark if reads wait."""
    reads, writes = x[c + XC_READS], x[c + XC_WRITES]
    if x[c + XC_WRITING]:
        if writes <= x[X_LOW] and reads > 0:
            x[c + XC_WRITING] = 0
    elif writes > x[X_HIGH] or (reads == 0 and writes > 0):
        x[c + XC_WRITING] = 1


@njit(cache=True, nogil=True)
def work_of(m: Any, x: Any, c: int, b: int) -> int:
    """The request that bank `b` works on, or -1. A row that was opened serves the request it was opened for."""
    q = b + B_QUEUE
    head = m[q + Q_HEAD]
    kept = x[x[X_FIRST_XBANK] + m[b + B_INDEX] * XB_SIZE + XB_KEPT]
    scheduler = x[X_SCHEDULER]
    if head < 0 or scheduler == FIFO:
        return head
    if kept >= 0 and scheduler > FR_FCFS_GRP:
        return kept
    hit = m[q + Q_HIT]
    if scheduler == FR_FCFS:
        return hit if hit >= 0 else head
    if scheduler == FR_FCFS_GRP:
        return _same_direction_hit(m, b, hit, x[c + XC_LAST]) if hit >= 0 else head
    if scheduler == GRP_FR_FCFS_WM:
        return _oldest(m, b, head, x[c + XC_WRITING])
    e = _oldest(m, b, head, x[c + XC_LAST])
    return e if e >= 0 else _oldest(m, b, head, 1 - x[c + XC_LAST])


@njit(cache=True, nogil=True)
def _same_direction_hit(m: Any, b: int, first: int, direction: int) -> int:
    """The oldest hit in a direction that no older hit to the same address precedes; else the oldest hit."""
    row = m[b + B_ROW]
    e = first
    while e >= 0:
        if m[e + E_ROW] == row and m[e + E_WRITE] == direction:
            older = first
            while older != e and (m[older + E_ROW] != row or m[older + E_KEY] != m[e + E_KEY]):
                older = m[older + E_NEXT]
            return e if older == e else first
        e = m[e + E_NEXT]
    return first


@njit(cache=True, nogil=True)
def _oldest(m: Any, b: int, head: int, direction: int) -> int:
    """The oldest hit in a direction, else the oldest request in it, else -1."""
    row = m[b + B_ROW]
    oldest = -1
    e = head
    while e >= 0:
        if m[e + E_WRITE] == direction:
            if m[e + E_ROW] == row:
                return e
            if oldest < 0:
                oldest = e
        e = m[e + E_NEXT]
    return oldest


@njit(cache=True, nogil=True)
def closes_row(m: Any, x: Any, b: int, served: int) -> bool:
    """Whether the access for request `served` carries auto-precharge."""
    policy = x[X_PAGE]
    if policy == CLOSED_PAGE:
        return True
    if x[X_ROW_CAP] > 0 and m[b + B_ACCESSES] + 1 >= x[X_ROW_CAP]:
        return True
    if policy != OPEN_ADAPTIVE and policy != CLOSED_ADAPTIVE:
        return False
    e = m[b + B_QUEUE + Q_HEAD]
    while e >= 0:
        if e != served and m[e + E_ROW] == m[b + B_ROW]:
            return False
        e = m[e + E_NEXT]
    return policy == CLOSED_ADAPTIVE or m[b + B_QUEUE + Q_N] > 1
