"""The runs of a SCALE-Sim table on the systolic machine itself."""

from __future__ import annotations

from typing import Any

import numpy as np

from ....errors import DesignError
from ....simulator.validation import Check
from ....traces.operators import Conv
from ....traces.workload import Workload
from .. import engines
from ..design import SystolicDesign
from ..lowering import lower
from ..program import RESULT
from .table import Layer, Row

__all__ = ["ideal_checks", "stalled_cycles"]


def stalled_cycles(row: Row) -> int | None:
    """Return the machine's cycles for a run with limited bandwidth.

    The three private channels become one port as wide as all of them, one word a byte, with a latency of one
    cycle. None where a scratchpad's half is too small for a single pass.
    """
    result = _run(row, memory="port", bandwidth_bytes_per_cycle=max(1, sum(row.bandwidth or (0,))))
    return None if result is None or result[0] < 0 else int(result[0])


def ideal_checks(row: Row) -> list[Check]:
    """Hold the machine with ideal memory to a stall-free run, the named conventions undone.

    Cycles are one more than the index of the last. Reads are the same. Output writes lack the surplus of
    rows + cols a fold that OS rows have.
    """
    result = _run(row, memory="ideal")
    if result is None:
        return []
    column = dict(zip(RESULT, result.tolist(), strict=True))
    reported = {name: int(row.reported[name]) for name in ("total_cycles", *_SRAM)}
    surplus = column["folds"] * (row.rows + row.cols) if row.dataflow == "os" else 0
    return [
        Check.equal(row.name, "machine: cycles - 1", reported["total_cycles"], column["cycles"] - 1),
        Check.equal(row.name, "machine: ifmap reads", reported[_SRAM[0]], column["sram_ifmap_reads"]),
        Check.equal(row.name, "machine: filter reads", reported[_SRAM[1]], column["sram_filter_reads"]),
        Check.equal(row.name, "machine: ofmap writes", reported[_SRAM[2]], column["sram_ofmap_writes"] + surplus),
    ]


_SRAM = ("sram_ifmap_reads", "sram_filter_reads", "sram_ofmap_writes")


def _run(row: Row, **memory: Any) -> np.ndarray | None:
    """Return the machine's result row for the layer of a run."""
    ifmap, filters, ofmap = (-(-words // 1024) for words in row.sram)
    try:
        design = SystolicDesign.make({
            "rows": row.rows, "cols": row.cols, "dataflow": row.dataflow, "ifmap_sram_kib": ifmap,
            "filter_sram_kib": filters, "ofmap_sram_kib": ofmap, "activation_sram_kib": 0,
            "memory_latency_cycles": 1, "element_bits": 8, **memory,
        })
    except DesignError:
        return None
    return engines.compiled([design], lower(_workload(row.layer)))[0, 0]


def _workload(layer: Layer) -> Workload:
    conv = Conv(
        name="layer", in_h=layer.ifmap_h, in_w=layer.ifmap_w, in_channels=layer.channels,
        out_channels=layer.filters, kernel_h=layer.filt_h, kernel_w=layer.filt_w, stride_h=layer.stride,
        stride_w=layer.stride, window="ceil",
    )
    return Workload(name="layer", operators=(conv,))
