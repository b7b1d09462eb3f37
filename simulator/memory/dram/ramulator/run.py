"""Running a request stream through Ramulator 2.1 controllers, in one go or bit by bit."""

from __future__ import annotations

from typing import Any

from numba import njit

from .queues import enqueue, find_key
from .state import FAR
from .tick import answer, hand_out, tick

__all__ = ["accept", "advance", "drain", "play"]


@njit(cache=True, nogil=True)
def advance(st: Any, ch: int, until: int, stop: int) -> None:
    """Run a channel up to clock `until`, or stop after a clock in which a request left a queue or was served.

    `stop` is 1 for the read queue, 2 for the write queue, 4 for "served", 0 for none. Clocks in which nothing can
    happen are skipped.
    """
    s = st.chan[ch]
    s.left = 0
    while s.clock < until:
        if s.wake > until:
            s.clock = until
            return
        tick(st, ch, s.wake)
        if s.left & stop or s.error:
            return


@njit(cache=True, nogil=True)
def accept(st: Any, ch: int, request: int, clock: int, write: int, bank: int, row: int, key: int) -> bool:
    """Offer a request between two clocks; False if its queue is full.

    A read of a queued write's address is answered from the queue, a write to it is merged, even if the
    queue is full.
    """
    s = st.chan[ch]
    c = st.config[0]
    if s.n_write > 0 and find_key(st.queue, st.entry, bank, key) >= 0:
        if write:
            s.coalesced += 1
            st.done[request] = clock
        else:
            s.forwarded += 1
            st.done[request] = clock + 1
            answer(st, ch, clock + 1, 1, clock)
        return True
    if write:
        if s.n_write >= c.write_queue:
            return False
        s.write_area += s.n_write * (clock - s.write_since)
        s.write_since = clock
        s.n_write += 1
    else:
        if s.n_read >= c.read_queue:
            return False
        s.read_area += s.n_read * (clock - s.read_since)
        s.read_since = clock
        s.n_read += 1
    slot = s.free
    e = st.entry[slot]
    s.free = e.next
    e.id, e.bank, e.row, e.write, e.key, e.arrival, e.counted = request, bank, row, write, key, clock, 0
    enqueue(st.queue, st.bank, st.entry, st.occupied[ch], slot, write)
    s.wake = min(s.wake, clock + 1)
    return True


@njit(cache=True, nogil=True)
def play(
    st: Any, earliest_arrival: Any, is_write: Any, channel: Any, bank: Any, row: Any, key: Any, arrival: Any, every: int
) -> int:
    """Offer every request in order, each at a multiple of `every`; returns the clock of the last acceptance.

    A refused request blocks those behind it. Fills `arrival` with the clock at which each was accepted.
    """
    clock = 0
    for i in range(len(bank)):
        if clock < earliest_arrival[i]:
            clock = -(-earliest_arrival[i] // every) * every
        ch = channel[i]
        write = 1 if is_write[i] else 0
        advance(st, ch, clock, 0)
        while not accept(st, ch, i, clock, write, bank[i], row[i], key[i]):
            advance(st, ch, FAR, 1 + write)
            if st.chan[ch].error:
                return clock
            clock = -(-st.chan[ch].clock // every) * every
            advance(st, ch, clock, 0)
        arrival[i] = clock
        clock += every
    clock -= every
    for ch in range(len(st.chan)):
        advance(st, ch, clock, 0)
        hand_out(st, ch, clock)
    return clock


@njit(cache=True, nogil=True)
def drain(st: Any) -> int:
    """Run on until no request is left; returns the clock of the last completion."""
    last = 0
    for ch in range(len(st.chan)):
        s = st.chan[ch]
        while s.n_read + s.n_write + s.n_active > 0 or s.owed >= 0:
            advance(st, ch, FAR, 4)
            if s.error:
                return s.clock
        while s.pend_count > 0:
            clock = st.pending[ch, s.pend_head, 0]
            hand_out(st, ch, clock)
            last = max(last, clock)
        last = max(last, s.clock)
    return last
