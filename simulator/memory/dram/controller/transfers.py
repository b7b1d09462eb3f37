"""Transfers of whole tiles on the default controller: one port, program order, run as far as an answer needs.

A transfer is a stretch of addresses. Its requests, one for each line of the memory that it touches, go to the door of
the controller in the order of the program, at most one a clock, and from there the way of every request
(`run.front`). Requests are made when the door asks for them and forgotten when they are answered, so that the memory
of a run is set by what can be under way and not by what is moved.

The state is a tuple of arrays; a caller's own compiled loop may hand it to `send` and `wait`.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from ...pointer import pointer
from ..core.state import B_QUEUE, B_SIZE, C_SIZE, E_ID, E_NEXT, FAR, K_BANKS, K_DONE, K_FIRST_BANK, K_FIRST_CHANNEL, Q_HEAD
from .run import front, settle, tick
from .state import (
    BUSY,
    CAUSES,
    EMPTY,
    GAP_BUS,
    GAP_CAUSE,
    GAP_EMPTY,
    GAP_REFRESH,
    GAP_REST,
    GAP_SIZE,
    REFRESH,
    X_BURST,
    X_CHANNELS,
    X_FINISHED,
    X_FIRST_XCHANNEL,
    X_FRONT_CLOCK,
    X_FRONT_WAKE,
    X_GAPS,
    X_IN_FLIGHT,
    X_N_IN_FLIGHT,
    X_NEXT,
    XC_HEAD,
    XC_SIZE,
    XC_TAIL,
    XC_WAKE,
)

__all__ = ["FULL", "OUTSIDE", "TOO_LATE", "Transfers", "earliest_possible", "send", "wait"]

TOO_LATE, FULL, OUTSIDE = -1, -2, -3
"""Answers of `send` when it sent nothing: the port has already gone past that clock without work, there is no room for
another transfer, the addresses are not the memory's."""
H_NOW, H_SENT, H_MADE, H_EXPANDED, H_LINE, H_MARK, H_DOOR, H_LINES, H_LINE_BYTES, H_SIZE = range(10)
"""The head: clock reached, transfers sent, requests in the window, the transfer whose requests are being made, its next line,
from when on ticks are explained, the last clock at which a request went through the door, and the memory's lines."""
T_FIRST, T_LINES, T_OPEN, T_WRITE, T_EARLIEST, T_LAST, T_BUS, T_BOOKED = range(8)
T_SIZE = T_BOOKED + len(CAUSES)
"""A transfer: its first line and their number, requests without an answer, direction, earliest clock, clock of the last
answer so far (-1: none), the data bus of that word (the first among equals), and the ticks of data buses that its requests
were booked for."""
O_CHANNEL, O_BANK, O_ROW, O_KEY, O_OWNER, O_SIZE = range(6)
"""Rows of the window: where a request goes, its line, and its transfer."""
_CHUNK = 64


class Transfers(NamedTuple):
    """The port and the memory behind it. W is the length of the window of requests that are made and not forgotten."""

    m: NDArray[np.int64]
    x: NDArray[np.int64]
    out: NDArray[np.int64]
    """For each request of the window the end of its burst, then the accounts of the gaps: W (1 + GAP_SIZE)."""
    window: NDArray[np.int64]
    """(O_SIZE, W)"""
    due: NDArray[np.int64]
    is_write: NDArray[np.bool_]
    nxt: NDArray[np.int64]
    waiting: NDArray[np.int64]
    given: NDArray[np.int64]
    accepted: NDArray[np.int64]
    answered: NDArray[np.int64]
    places: NDArray[np.int64]
    """(63, 3): channel, bank and row of the line 2^k; that of any line is the XOR over its bits."""
    head: NDArray[np.int64]
    transfers: NDArray[np.int64]
    """(room, T_SIZE)"""
    since: NDArray[np.int64]
    """(buses, kinds): ticks of each data bus since H_MARK, as far as its bursts are answered."""


@njit(cache=True, nogil=True)
def _make(p: Any, t: int) -> None:
    """Make requests for the door, if it has none left."""
    head = p.head
    if p.x[X_NEXT] < head[H_MADE]:
        return
    while head[H_EXPANDED] < head[H_SENT]:
        transfer = p.transfers[head[H_EXPANDED]]
        left = transfer[T_LINES] - head[H_LINE]
        if left == 0:
            head[H_EXPANDED] += 1
            head[H_LINE] = 0
            continue
        if head[H_MADE] + _CHUNK > len(p.due):
            _forget(p)
        first = transfer[T_FIRST] + head[H_LINE]
        channel = bank = row = 0
        for bit in range(63):
            if first >> bit & 1:
                channel ^= p.places[bit, 0]
                bank ^= p.places[bit, 1]
                row ^= p.places[bit, 2]
        count = min(left, _CHUNK)
        for k in range(count):
            i = head[H_MADE] + k
            p.window[O_CHANNEL, i], p.window[O_BANK, i], p.window[O_ROW, i] = channel, bank, row
            p.window[O_KEY, i], p.window[O_OWNER, i] = first + k, head[H_EXPANDED]
            p.is_write[i] = transfer[T_WRITE] != 0
            p.due[i] = transfer[T_EARLIEST]
            bit = 0  # the next line differs in the lowest bits, up to the first that is 0
            while True:
                channel ^= p.places[bit, 0]
                bank ^= p.places[bit, 1]
                row ^= p.places[bit, 2]
                if not (first + k) >> bit & 1:
                    break
                bit += 1
        head[H_MADE] += count
        head[H_LINE] += count
        return


@njit(cache=True, nogil=True)
def _forget(p: Any) -> None:
    """Drop the answered requests from the window, whose requests are all through the door, and number the others anew.

    Their order stays, and with it every choice of the controller.
    """
    m, x, out, made = p.m, p.x, p.out, p.head[H_MADE]
    new = np.full(made, -1, np.int64)
    done, gaps = m[K_DONE], x[X_GAPS]
    kept = 0
    for i in range(made):
        if p.answered[i] >= 0:
            continue
        new[i] = kept
        for field in range(O_SIZE):
            p.window[field, kept] = p.window[field, i]
        p.due[kept], p.is_write[kept] = p.due[i], p.is_write[i]
        p.waiting[kept], p.accepted[kept] = p.waiting[i], p.accepted[i]
        p.answered[kept] = -1
        out[done + kept] = out[done + i]
        for field in range(GAP_SIZE):
            out[gaps + kept * GAP_SIZE + field] = out[gaps + i * GAP_SIZE + field]
        kept += 1
    for i in range(kept):
        if p.waiting[i] >= 0:
            p.waiting[i] = new[p.waiting[i]]
    for i in range(kept, made):
        p.due[i] = FAR
        p.waiting[i] = p.answered[i] = out[done + i] = -1
    for ch in range(x[X_CHANNELS]):
        c = x[X_FIRST_XCHANNEL] + ch * XC_SIZE
        if x[c + XC_HEAD] >= 0:
            x[c + XC_HEAD], x[c + XC_TAIL] = new[x[c + XC_HEAD]], new[x[c + XC_TAIL]]
    for k in range(x[X_N_IN_FLIGHT]):
        at = x[X_IN_FLIGHT] + 2 * k + 1
        x[at] = new[x[at]]
    for bank in range(x[X_CHANNELS] * m[K_BANKS]):
        e = m[m[K_FIRST_BANK] + bank * B_SIZE + B_QUEUE + Q_HEAD]
        while e >= 0:
            m[e + E_ID] = new[m[e + E_ID]]
            e = m[e + E_NEXT]
    x[X_NEXT] = p.head[H_MADE] = kept  # the door had taken all of them


@njit(cache=True, nogil=True)
def _explain(p: Any, i: int) -> int:
    """Book the burst of request i and the gap before it; returns its bus.

    The gap is told in the order without requests, under refresh, the rest. What lies before H_MARK is left out of
    `since`, and never of the transfer's own account.
    """
    x, out = p.x, p.out
    at = x[X_GAPS] + GAP_SIZE * i
    bus = out[at + GAP_BUS]
    booked = p.transfers[p.window[O_OWNER, i]]
    left = max(0, out[p.m[K_DONE] + i] - p.head[H_MARK])
    for part in range(4):  # from the end of the burst back
        if part == 0:
            kind, ticks = BUSY, x[X_BURST]
        elif part == 1:
            kind, ticks = out[at + GAP_CAUSE], out[at + GAP_REST]
        elif part == 2:
            kind, ticks = REFRESH, out[at + GAP_REFRESH]
        else:
            kind, ticks = EMPTY, out[at + GAP_EMPTY]
        booked[T_BOOKED + kind] += ticks
        p.since[bus, kind] += min(left, ticks)
        left -= min(left, ticks)
    return bus


@njit(cache=True, nogil=True)
def _settle(p: Any, t: int) -> int:
    """Give the answers that are ready by clock t; returns when the next one will be."""
    x = p.x
    wake = settle(p.m, x, p.out, p.nxt, p.answered, p.given, t)
    for k in range(x[X_FINISHED]):
        i = p.given[k]
        bus = _explain(p, i)
        transfer = p.transfers[p.window[O_OWNER, i]]
        transfer[T_OPEN] -= 1
        if transfer[T_LAST] < t or bus < transfer[T_BUS]:
            transfer[T_LAST], transfer[T_BUS] = t, bus
    x[X_FINISHED] = 0
    return wake


@njit(cache=True, nogil=True)
def earliest_possible(p: Any) -> int:
    """The first clock at which the next transfer could still reach the door, as far as the port has run.

    Until the door has seen every request sent so far, that is clock 0: the order of the program holds the next one back.
    """
    head = p.head
    if p.x[X_NEXT] < head[H_MADE]:
        return 0
    for k in range(head[H_EXPANDED], head[H_SENT]):
        if k > head[H_EXPANDED] or head[H_LINE] < p.transfers[k, T_LINES]:
            return 0
    return 0 if head[H_DOOR] + 1 >= head[H_NOW] else head[H_NOW]


@njit(cache=True, nogil=True)
def send(p: Any, address: int, size: int, is_write: bool, earliest: int) -> int:
    """Put a transfer behind those sent before; returns its number, or `TOO_LATE`, `FULL` or `OUTSIDE` and sends nothing.

    Args:
        address, size: the bytes to move; whole lines (`Device.transaction_bytes`) go over the bus.
        is_write: its direction.
        earliest: the first clock at which its requests may be at the door.
    """
    head = p.head
    k = head[H_SENT]
    line = head[H_LINE_BYTES]
    last = (address + size - 1) // line
    if address < 0 or size < 1 or last >= head[H_LINES]:
        return OUTSIDE
    if k == len(p.transfers):
        return FULL
    if earliest < earliest_possible(p):
        return TOO_LATE
    transfer = p.transfers[k]
    transfer[T_FIRST] = address // line
    transfer[T_LINES] = transfer[T_OPEN] = last - address // line + 1
    transfer[T_WRITE], transfer[T_EARLIEST] = 1 if is_write else 0, earliest
    transfer[T_LAST] = transfer[T_BUS] = -1
    transfer[T_BOOKED:] = 0
    head[H_SENT] = k + 1
    return k


@njit(cache=True, nogil=True)
def wait(p: Any, transfer: int, since: int, account: Any) -> int:
    """Run until a transfer is answered; returns the clock at which its last word has gone over the bus, -1 if none was sent.

    `account` (one number for each of `CAUSES`) is set to the ticks from `since` to the answer by what the data bus of the
    last word did in them: nothing if the answer came by then. A stretch that the port had run past before this call was
    explained by an earlier one and is left out, so that the ticks of successive waits may be added.
    """
    account[:] = 0
    if transfer < 0 or transfer >= p.head[H_SENT]:
        return -1
    record = p.transfers[transfer]
    if record[T_OPEN] == 0:
        return record[T_LAST]
    p.since[:] = 0
    p.head[H_MARK] = max(since, p.head[H_NOW])
    x, head = p.x, p.head
    m, xs, out = pointer(p.m), pointer(p.x), pointer(p.out)
    channel, bank, row, key = p.window[O_CHANNEL], p.window[O_BANK], p.window[O_ROW], p.window[O_KEY]
    t = head[H_NOW]
    while True:
        wake = _settle(p, t)
        if record[T_OPEN] == 0:
            break  # before the door opens at t: the caller may have something for it
        if x[X_FRONT_CLOCK] != t:
            _make(p, t)
            before = x[X_NEXT]
            x[X_FRONT_WAKE] = front(m, xs, p.nxt, p.waiting, p.due, p.is_write, channel, bank, row, key, p.accepted, t)
            x[X_FRONT_CLOCK] = t
            if x[X_NEXT] > before:
                head[H_DOOR] = t
        following = min(wake, x[X_FRONT_WAKE])
        for ch in range(x[X_CHANNELS]):
            following = min(following, x[x[X_FIRST_XCHANNEL] + ch * XC_SIZE + XC_WAKE])
        t = following
        for ch in range(x[X_CHANNELS]):
            c = x[X_FIRST_XCHANNEL] + ch * XC_SIZE
            if x[c + XC_WAKE] <= t:
                x[c + XC_WAKE] = max(t + 1, tick(m, xs, out, m[K_FIRST_CHANNEL] + ch * C_SIZE, c, t))
    head[H_NOW] = t
    account[:] = p.since[record[T_BUS]]
    return t
