"""How SCALE-Sim 3.0.0 fetches a read operand from DRAM, faults included.

CALC mode walks the demand through a set that is emptied whenever it is full. USER mode serves demand from
a window of chunks and moves the window on a miss. Either way every operand has a channel of its own.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from ..mapping import IS, OS
from .demand import Operand, fold_counts, fold_period, fold_shape, read_line

__all__ = [
    "FETCHED", "LATE", "NO_BUFFER", "CalcReads", "ReadBuffer", "calc_reads", "read_buffer", "read_stall",
]


FIRST, READY, FETCHED, LATE = range(4)


class CalcReads(NamedTuple):
    """DRAM reads of one operand in CALC mode."""

    words: int
    start: int
    """Cycle of the first fetch, negative where it is before the first demand."""
    flushes: int
    """How often the set was emptied; 0 where the operand fits."""


@njit(cache=True, nogil=True)
def calc_reads(
    operand: Operand, of_ifmap: bool, dataflow: int, m: int, n: int, k: int, rows: int, cols: int, sram: int
) -> CalcReads:
    """Walk the demand of one operand through a set of half its scratchpad of `sram` words (at least 100)."""
    sr, sc, t = fold_shape(dataflow, m, n, k)
    fold_rows, fold_cols = fold_counts(sr, sc, rows, cols)
    period = fold_period(dataflow, rows, cols, t)
    items = sram // 100
    capacity = 50 * items
    flushes, held, fetched, first_line = 0, 0, 0, -1
    seen = np.full(operand.words, -1, np.int32)  # the number of flushes at which a word was last fetched
    words = np.empty(max(rows, cols), np.int64)
    for across in range(fold_cols):
        for down in range(fold_rows):
            for line in range(period):
                count = read_line(operand, of_ifmap, dataflow, rows, cols, down, across, line, words)
                if count and first_line < 0:
                    first_line = (across * fold_rows + down) * period + line
                for word in words[:count]:
                    if seen[word] != flushes:
                        seen[word] = flushes
                        fetched += 1
                        held += 1
                        if held == capacity:
                            flushes += 1
                            held = 0
    if flushes:
        return CalcReads(fetched, first_line - -(-capacity // 10), flushes)
    return CalcReads(fetched, -fetched // items * items // 10, 0)


class ReadBuffer(NamedTuple):
    """The prefetcher of one operand in USER mode."""

    stream: np.ndarray
    """Addresses in the order of fetching."""
    chunk: int
    """Words of a chunk; the stream is a ring of chunks."""
    chunks: int
    active: int
    """Chunks of the window from which demand is served."""
    step: int
    """Chunks by which a miss moves the window."""
    first_lines: int
    """DRAM lines fetched before the first cycle."""
    lines: int
    """DRAM lines of each later fetch."""
    bandwidth: int
    """Words of a DRAM line."""
    resident: np.ndarray
    """How many times the window holds each address."""
    state: np.ndarray
    """By FIRST: first chunk of the window; READY: cycle at which the latest fetch ends; FETCHED: words, empty
    slots of a DRAM line included; LATE: cycles by which fetches came late."""


NO_BUFFER = ReadBuffer(
    np.zeros(0, np.int32), 1, 1, 1, 0, 0, 0, 1, np.zeros(0, np.int64), np.zeros(4, np.int64)
)
"""Stands for the prefetcher where there is none (CALC mode)."""


def read_buffer(
    operand: Operand, of_ifmap: bool, dataflow: int, rows: int, cols: int, sram: int, bandwidth: int
) -> ReadBuffer:
    """Lay out the fetch order of an operand and fill its first window.

    The operand's matrix is cut into blocks as wide as its ports; the blocks are stacked and read along
    anti-diagonals if the operand moves, row by row if it stays.
    """
    there = (operand.row[:, None] + operand.down < operand.height) & (
        operand.col[:, None] + operand.right < operand.width
    )
    matrix = np.where(there, operand.base[:, None] + operand.offset, -1).astype(np.int32)
    stays = dataflow != OS and of_ifmap == (dataflow == IS)
    ports = cols if stays or (dataflow == OS and not of_ifmap) else rows
    if stays or dataflow == OS:
        matrix = matrix.T
    height, blocks = len(matrix), -(-matrix.shape[1] // ports)
    padded = np.full((height, blocks * ports), -1, np.int32)
    padded[:, : matrix.shape[1]] = matrix
    stacked = padded.reshape(height, blocks, ports).transpose(1, 0, 2).reshape(-1, ports)
    ordered = stacked
    if not stays:
        ordered = np.full((len(stacked) + ports - 1, ports), -1, np.int32)
        for port in range(ports):
            ordered[port : port + len(stacked), port] = stacked[:, port]
    stream = ordered[ordered >= 0]
    half_up, half_down, chunk = -(-sram // 2), sram // 2, -(-sram // 100)
    chunks = len(stream) // chunk + 1
    active = min(chunks, -(-half_up // chunk))
    first_lines = min(-(-half_up // bandwidth), -(-stacked.size // bandwidth))
    return ReadBuffer(
        stream, chunk, chunks, active, min(chunks - active, -(-half_down // chunk)), first_lines,
        -(-half_down // bandwidth), bandwidth, np.bincount(stream[: active * chunk], minlength=operand.words),
        np.array([0, -1, first_lines * bandwidth, 0]),
    )


@njit(cache=True, nogil=True)
def _recount(buffer: ReadBuffer, first: int, change: int) -> None:
    """Add `change` to the residency of the words in one step of chunks from chunk `first` on."""
    for i in range(first, first + buffer.step):
        start = i % buffer.chunks * buffer.chunk
        for word in buffer.stream[start : start + buffer.chunk]:
            buffer.resident[word] += change


@njit(cache=True, nogil=True)
def read_stall(buffer: ReadBuffer, words: np.ndarray, cycle: int) -> int:
    """Serve one line of demand at `cycle`; return the cycles it stalls, negative after an early fetch."""
    state, off = buffer.state, 1
    for word in words:
        while buffer.resident[word] == 0:
            _recount(buffer, state[FIRST], -1)
            _recount(buffer, state[FIRST] + buffer.active, 1)
            state[FIRST] = (state[FIRST] + buffer.step) % buffer.chunks
            state[READY] += buffer.lines + 1
            state[FETCHED] += buffer.lines * buffer.bandwidth
            late = state[READY] - (cycle + off)
            off += late
            if late > 0:  # the tool charges a late fetch twice
                off += late
                state[LATE] += late
    return off - 1
