"""Running a request stream through Ramulator 2.1 controllers, in one go or bit by bit."""

from __future__ import annotations

from typing import Any

from numba import njit

from ...pointer import pointer
from ..core.queues import enqueue, find_key
from ..core.state import (
    B_SIZE,
    C_CLOCK,
    C_COALESCED,
    C_ERROR,
    C_FORWARDED,
    C_FREE,
    C_LEFT,
    C_N_ACTIVE,
    C_N_READ,
    C_N_WRITE,
    C_OWED,
    C_PEND_COUNT,
    C_PEND_HEAD,
    C_PENDING,
    C_PLAN,
    C_PLAN_CLOCK,
    C_PLAN_COMMAND,
    C_READ_AREA,
    C_READ_SINCE,
    C_SIZE,
    C_WAKE,
    C_WRITE_AREA,
    C_WRITE_SINCE,
    C_WRITING,
    E_ARRIVAL,
    E_BANK,
    E_COUNTED,
    E_ID,
    E_KEY,
    E_NEXT,
    E_ROW,
    E_WRITE,
    FAR,
    HBM2,
    K_CAP,
    K_CHANNELS,
    K_DONE,
    K_FAMILY,
    K_FIRST_BANK,
    K_FIRST_CHANNEL,
    K_READ_QUEUE,
    K_WRITE_QUEUE,
)
from .choose import ANY, candidate, mode_turns
from .rows import note
from .tick import answer, hand_out, tick

__all__ = ["accept", "advance", "drain", "play"]


@njit(cache=True, nogil=True)
def advance(m: Any, out: Any, s: int, until: int, stop: int) -> None:
    """Run a channel up to clock `until`, or stop after a clock in which a request left a queue or was served.

    `stop` is 1 for the read queue, 2 for the write queue, 4 for "served", 0 for none. Clocks in which
    nothing can happen are skipped.
    """
    m[s + C_LEFT] = 0
    while m[s + C_CLOCK] < until:
        wake = m[s + C_WAKE]
        if wake > until:
            m[s + C_CLOCK] = until
            return
        tick(m, out, s, wake)
        if m[s + C_LEFT] & stop or m[s + C_ERROR]:
            return


@njit(cache=True, nogil=True)
def _amend_plan(m: Any, s: int, b: int, write: int, clock: int) -> None:
    """A new request may be next instead of the planned one; all else stays as it was."""
    if m[K_FAMILY] == HBM2:
        m[s + C_WAKE] = min(m[s + C_WAKE], clock + 1)
        return
    if m[s + C_PLAN] >= 0 and m[K_CAP] == 0 and m[K_FAMILY] < HBM2 and not mode_turns(m, s):
        if write == m[s + C_WRITING]:
            when, e, cmd = candidate(m, s, b, write, clock + 1, ANY)
            if when < m[s + C_PLAN_CLOCK]:
                m[s + C_PLAN], m[s + C_PLAN_COMMAND], m[s + C_PLAN_CLOCK] = e, cmd, when
                m[s + C_WAKE] = min(m[s + C_WAKE], when)
    else:
        m[s + C_PLAN] = -1
        m[s + C_WAKE] = min(m[s + C_WAKE], clock + 1)


@njit(cache=True, nogil=True)
def accept(m: Any, out: Any, s: int, request: int, clock: int, write: int, b: int, row: int, key: int) -> bool:
    """Offer a request between two clocks; False if its queue is full.

    A read of a queued write's address is answered from the queue, a write to it is merged, even if the
    queue is full.
    """
    if m[s + C_N_WRITE] > 0 and find_key(m, b, key) >= 0:
        if write:
            m[s + C_COALESCED] += 1
            out[m[K_DONE] + request] = clock
        else:
            m[s + C_FORWARDED] += 1
            out[m[K_DONE] + request] = clock + 1
            answer(m, s, clock + 1, 1, clock)
        return True
    if write:
        if m[s + C_N_WRITE] >= m[K_WRITE_QUEUE]:
            return False
        m[s + C_WRITE_AREA] += m[s + C_N_WRITE] * (clock - m[s + C_WRITE_SINCE])
        m[s + C_WRITE_SINCE] = clock
        m[s + C_N_WRITE] += 1
    else:
        if m[s + C_N_READ] >= m[K_READ_QUEUE]:
            return False
        m[s + C_READ_AREA] += m[s + C_N_READ] * (clock - m[s + C_READ_SINCE])
        m[s + C_READ_SINCE] = clock
        m[s + C_N_READ] += 1
    e = m[s + C_FREE]
    m[s + C_FREE] = m[e + E_NEXT]
    m[e + E_ID], m[e + E_BANK], m[e + E_ROW], m[e + E_WRITE] = request, b, row, write
    m[e + E_KEY], m[e + E_ARRIVAL], m[e + E_COUNTED] = key, clock, 0
    enqueue(m, e, write)
    if write == m[s + C_WRITING]:
        note(m, s, b)
    _amend_plan(m, s, b, write, clock)
    return True


@njit(cache=True, nogil=True)
def _up(n: int, by: int) -> int:
    """Divide and round up; the usual ratio of clocks takes no division."""
    return n if by == 1 else -(-n // by)


@njit(cache=True, nogil=True)
def play(
    m: Any, out: Any, earliest_arrival: Any, is_write: Any, channel: Any, bank: Any, row: Any, key: Any, arrival: Any,
    every: int, slow: int,
) -> int:
    """Offer every request in order; returns the clock of the last acceptance.

    Time goes in steps. The front end offers a request in steps that are multiples of `every`, the memory
    has a clock in those that are multiples of `slow`, after the front end. A refused request blocks those
    behind it. Fills `arrival` with the clock at which each was accepted. `bank` counts over all channels.
    """
    m, out = pointer(m), pointer(out)
    step = 0
    clock = 0
    for i in range(len(bank)):
        if _up(step, slow) < earliest_arrival[i]:
            step = _up((earliest_arrival[i] - 1) * slow + 1, every) * every
        clock = _up(step, slow)
        s = m[K_FIRST_CHANNEL] + channel[i] * C_SIZE
        b = m[K_FIRST_BANK] + bank[i] * B_SIZE
        write = 1 if is_write[i] else 0
        advance(m, out, s, clock, 0)
        while not accept(m, out, s, i, clock, write, b, row[i], key[i]):
            advance(m, out, s, FAR, 1 + write)
            if m[s + C_ERROR]:
                return clock
            step = _up((m[s + C_CLOCK] - 1) * slow + 1, every) * every
            clock = _up(step, slow)
            advance(m, out, s, clock, 0)
        arrival[i] = clock
        step += every
    for ch in range(m[K_CHANNELS]):
        s = m[K_FIRST_CHANNEL] + ch * C_SIZE
        advance(m, out, s, clock, 0)
        hand_out(m, s, clock)
    return clock


@njit(cache=True, nogil=True)
def drain(m: Any, out: Any) -> int:
    """Run on until no request is left; returns the clock of the last completion."""
    m, out = pointer(m), pointer(out)
    last = 0
    for ch in range(m[K_CHANNELS]):
        s = m[K_FIRST_CHANNEL] + ch * C_SIZE
        while m[s + C_N_READ] + m[s + C_N_WRITE] + m[s + C_N_ACTIVE] > 0 or m[s + C_OWED] >= 0:
            advance(m, out, s, FAR, 4)
            if m[s + C_ERROR]:
                return m[s + C_CLOCK]
        while m[s + C_PEND_COUNT] > 0:
            clock = m[m[s + C_PENDING] + 2 * m[s + C_PEND_HEAD]]
            hand_out(m, s, clock)
            last = max(last, clock)
        last = max(last, m[s + C_CLOCK])
    return last
