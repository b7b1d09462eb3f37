"""What SCALE-Sim 3.0.0 reports of one run, computed from the rules in docs/models/scalesim.md.

This is the tool's own convention, faults included, for comparison only; the systolic model shares with it
the fold counts and fold periods of `mapping` and nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit

from .. import mapping
from ..mapping import OS, dataflow_code
from .demand import Operand, filters, fold_counts, fold_period, fold_shape, ifmap, read_line, written_words
from .reads import FETCHED, LATE, NO_BUFFER, ReadBuffer, calc_reads, read_buffer, read_stall
from .table import Row
from .writes import START, WRITTEN, WriteBuffer, flush, write_buffer, write_stall

__all__ = ["Answer", "report"]


@dataclass(frozen=True)
class Answer:
    """The tool's report of one run, and what lies behind it."""

    values: dict[str, int | float]
    """By the names of the checked columns."""
    flushes: int
    """CALC mode: how often a set of fetched words was emptied because it was full."""
    late_cycles: int
    """USER mode: cycles by which fetches were late, summed over operands; the tool charges each twice."""


def report(row: Row) -> Answer:
    """Return what SCALE-Sim 3.0.0 reports for a row of the table."""
    layer, dataflow = row.layer, dataflow_code(row.dataflow)
    size = (dataflow, layer.m, layer.n, layer.k, row.rows, row.cols)
    pixels = ifmap(layer.ifmap_h, layer.ifmap_w, layer.channels, layer.filt_h, layer.filt_w, layer.stride)
    weights = filters(layer.n, layer.k)
    pixel_sram, weight_sram, output_sram = row.sram
    user = row.bandwidth is not None
    pixel_buffer, weight_buffer, write_width = NO_BUFFER, NO_BUFFER, row.cols
    if row.bandwidth is not None:
        pixel_bandwidth, weight_bandwidth, write_width = row.bandwidth
        array = (dataflow, row.rows, row.cols)
        pixel_buffer = read_buffer(pixels, True, *array, pixel_sram, pixel_bandwidth)
        weight_buffer = read_buffer(weights, False, *array, weight_sram, weight_bandwidth)
    accesses = mapping.scalesim_sram_accesses(*size)
    outputs = accesses.ofmap_writes  # under OS a few more than leave the array
    written = write_buffer(output_sram, write_width, outputs)
    total, stalls, stop = _walk(user, pixels, pixel_buffer, weights, weight_buffer, written, *size)
    if user:
        fetched = [int(buffer.state[FETCHED]) for buffer in (pixel_buffer, weight_buffer)]
        starts = [-buffer.first_lines for buffer in (pixel_buffer, weight_buffer)]
        flushes, late = 0, sum(int(buffer.state[LATE]) for buffer in (pixel_buffer, weight_buffer))
    else:
        calc = (calc_reads(pixels, True, *size, pixel_sram), calc_reads(weights, False, *size, weight_sram))
        fetched, starts = [reads.words for reads in calc], [reads.start for reads in calc]
        flushes, late = sum(reads.flushes for reads in calc), 0
    values: dict[str, int | float] = {
        "total_cycles": total, "stall_cycles": stalls, "total_cycles_incl_prefetch": stop - min(starts),
        **_percentages(row, total),
        "sram_ifmap_reads": accesses.ifmap_reads, "sram_filter_reads": accesses.filter_reads,
        "sram_ofmap_writes": accesses.ofmap_writes,
        "dram_ifmap_reads": fetched[0], "dram_filter_reads": fetched[1],
        "dram_ofmap_writes": int(written.state[WRITTEN]),
        "dram_ifmap_start": starts[0], "dram_filter_start": starts[1],
        "dram_ofmap_start": int(written.state[START]), "dram_ofmap_stop": stop,
    }
    return Answer(values, flushes, late)


def _percentages(row: Row, total_cycles: int) -> dict[str, float]:
    """Return the three percentages.

    Compute utilisation divides by a fold time that is longer by cols - 1 than the real one under WS and
    IS; overall utilisation divides by the index of the last cycle, so that it may exceed 100.
    """
    layer, dataflow = row.layer, dataflow_code(row.dataflow)
    sr, sc, t = mapping.fold_shape(dataflow, layer.m, layer.n, layer.k)
    down, across = mapping.fold_counts(sr, sc, row.rows, row.cols)
    period = mapping.fold_period(dataflow, row.rows, row.cols, t)
    offered = down * across * row.rows * row.cols
    denominator = period if dataflow == OS else period + row.cols - 1
    macs, pe_cycles = sr * sc * t, total_cycles * row.rows * row.cols
    return {
        "overall_util_pct": 100 * macs / pe_cycles if pe_cycles else float("inf"),
        "mapping_eff_pct": 100 * sr * sc / offered,
        "compute_util_pct": 100 * macs / (offered * denominator),
    }


@njit(cache=True, nogil=True)
def _walk(
    user: bool, pixels: Operand, pixel_buffer: ReadBuffer, weights: Operand, weight_buffer: ReadBuffer,
    written: WriteBuffer, dataflow: int, m: int, n: int, k: int, rows: int, cols: int,
) -> tuple[int, int, int]:
    """Walk all lines of demand; return the last cycle, the stalls and the cycle of the last DRAM write.

    A line starts when the one before it has ended with all its stalls: nothing overlaps them.
    """
    sr, sc, t = fold_shape(dataflow, m, n, k)
    fold_rows, fold_cols = fold_counts(sr, sc, rows, cols)
    period = fold_period(dataflow, rows, cols, t)
    words = np.empty(max(rows, cols), np.int64)
    cycle, last, stalls, write = -1, 0, 0, 0
    for across in range(fold_cols):
        for down in range(fold_rows):
            for line in range(period):
                cycle = (across * fold_rows + down) * period + line + stalls
                stall = 0
                if user:
                    count = read_line(pixels, True, dataflow, rows, cols, down, across, line, words)
                    stall = max(stall, read_stall(pixel_buffer, words[:count], cycle))
                    count = read_line(weights, False, dataflow, rows, cols, down, across, line, words)
                    stall = max(stall, read_stall(weight_buffer, words[:count], cycle))
                outputs = written_words(dataflow, sr, sc, t, rows, cols, down, across, line)
                write = write_stall(written, outputs, cycle)
                last = max(last, cycle + write)
                stalls += max(stall, write)
    return last, stalls, flush(written, cycle + write)
