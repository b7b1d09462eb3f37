"""How SCALE-Sim 3.0.0 writes outputs to DRAM: one buffer of two halves, drained line by line.

Outputs fill an open line; a full line is closed. When less than half of the buffer is free and nothing
drains, the open line is closed as it is and half a buffer of the oldest lines starts to drain, one line a
cycle. The gaps of a line closed early are counted as written words, except in the last line of a drain.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

__all__ = ["WriteBuffer", "flush", "write_buffer", "write_stall"]

NEVER = -(2**62)
OPEN, OLDEST, NEXT, FREE, DRAIN_END, WRITTEN, START = range(7)


class WriteBuffer(NamedTuple):
    """The buffer of `half` words twice, with DRAM lines of `width` words."""

    half: int
    width: int
    fills: np.ndarray
    """Words of each line closed so far."""
    state: np.ndarray
    """By OPEN: words in the open line; OLDEST and NEXT: the closed lines not yet drained; FREE: words;
    DRAIN_END: cycle at which the running drain ends; WRITTEN: words to DRAM; START: its first cycle."""


@njit(cache=True, nogil=True)
def write_buffer(sram: int, width: int, outputs: int) -> WriteBuffer:
    """Return an empty buffer of `sram` words for a layer that writes `outputs` words."""
    state = np.zeros(7, np.int64)
    state[FREE], state[DRAIN_END], state[START] = sram, -1, NEVER
    return WriteBuffer(sram // 2, width, np.empty(outputs, np.int32), state)


@njit(cache=True, nogil=True)
def _close(buffer: WriteBuffer) -> None:
    state = buffer.state
    if state[OPEN]:
        buffer.fills[state[NEXT]] = state[OPEN]
        state[NEXT] += 1
        state[OPEN] = 0


@njit(cache=True, nogil=True)
def _drain(buffer: WriteBuffer, now: int) -> None:
    """Start to drain half a buffer of lines at cycle `now`, or as many as there are."""
    state = buffer.state
    lines = min(-(-buffer.half // buffer.width), state[NEXT] - state[OLDEST])
    if lines == 0:
        return
    state[OLDEST] += lines
    words = (lines - 1) * buffer.width + buffer.fills[state[OLDEST] - 1]
    state[FREE] += words
    state[WRITTEN] += words
    state[DRAIN_END] = now + lines - 1
    if state[START] == NEVER:
        state[START] = now


@njit(cache=True, nogil=True)
def write_stall(buffer: WriteBuffer, words: int, cycle: int) -> int:
    """Take the outputs of one line of demand at `cycle`; return the cycles it stalls."""
    state, now = buffer.state, cycle
    for _ in range(words):
        state[OPEN] += 1
        if state[OPEN] == buffer.width:
            _close(buffer)
        state[FREE] -= 1
        if now < state[DRAIN_END]:
            if state[FREE] <= 0:
                now = state[DRAIN_END]
        elif state[FREE] < buffer.half:
            _close(buffer)
            _drain(buffer, now)
    return now - cycle


@njit(cache=True, nogil=True)
def flush(buffer: WriteBuffer, now: int) -> int:
    """Drain what is left from cycle `now` on, even beside a running drain; return the last cycle."""
    state = buffer.state
    running = state[DRAIN_END]
    _close(buffer)
    state[DRAIN_END] = now - 1
    while state[OLDEST] < state[NEXT]:
        _drain(buffer, state[DRAIN_END] + 1)
    return max(running, state[DRAIN_END])
