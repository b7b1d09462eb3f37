"""Where the time of kernels went: by instruction, as a profiler lists it, and by warp, as a timeline."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ...errors import InputError
from ...simulator.gpu.execute import Outcome
from ...simulator.gpu.tables import CAUSES
from ...simulator.listing import Listing
from ...simulator.report import Table
from ...simulator.timeline import Span, Timeline
from ...traces.kernels.trace import Kernel, KernelTrace
from .design import GpuCoreDesign
from .runs import outcomes

__all__ = ["listings", "timeline"]

MOST_SPANS = 200_000
MOST_CELLS = 2**24
"""Warps times their longest stream, for which issue cycles are kept."""


def listings(design: GpuCoreDesign, workload: KernelTrace) -> Iterator[Listing]:
    """A listing of each kernel: of every instruction how often warps issued it, and what they waited for before it."""
    for kernel, outcome in outcomes(design, workload):
        yield Listing(kernel.name, Table(_columns(kernel, outcome)), (
            f"{outcome.cycles} cycles, {kernel.warp_instructions} warp instructions, {int(outcome.hazards.sum())} hazards",
            "issued, hazards: times; other columns: cycles of all warps between the instruction before and this one; "
            "cycles at a barrier stand at the barrier",
        ))


def _columns(kernel: Kernel, outcome: Outcome) -> dict[str, object]:
    waits = outcome.waits
    worst = np.where(waits[:, 1:].any(axis=1), 1 + waits[:, 1:].argmax(axis=1), 0)
    return {
        "pc": [item.pc for item in kernel.instructions], "line": [item.line for item in kernel.instructions],
        "instruction": [str(item) for item in kernel.instructions],
        "control": [str(item.control) if kernel.control_bits else "" for item in kernel.instructions],
        "issued": waits[:, 0], "waited": waits[:, 1:].sum(axis=1), "most": [CAUSES[i] if i else "" for i in worst],
        "hazards": outcome.hazards, **{cause: waits[:, i] for i, cause in enumerate(CAUSES) if i},
    }


def timeline(design: GpuCoreDesign, workload: KernelTrace) -> Timeline:
    """A track for each warp, a span from the issue of an instruction to that of the next.

    Raises `InputError` for kernels that are too long to keep every issue of.
    """
    for kernel in workload.kernels:
        if kernel.warps * int(kernel.warp_length.max(initial=0)) > MOST_CELLS:
            raise InputError(f"kernel {kernel.name!r} is too long for a timeline: {kernel.warp_instructions} warp instructions "
                             f"(accepted: {MOST_CELLS})")
    spans: list[Span] = []
    left_out = start = 0
    for kernel, outcome in outcomes(design, workload, record=True):
        for warp in range(kernel.warps):
            length, first = int(kernel.warp_length[warp]), int(kernel.warp_start[warp])
            if len(spans) + length > MOST_SPANS:
                left_out += 1
                continue
            issue = outcome.issue[warp, :length].tolist()
            for i, cycle in enumerate(issue):
                item = kernel.instructions[kernel.stream[first + i]]
                until = issue[i + 1] if i + 1 < length else cycle + 1
                spans.append(Span(f"{kernel.name} warp {warp}", item.opcode, start + cycle, until - cycle,
                                  {"pc": hex(item.pc), "instruction": str(item), "control": str(item.control)}))
        start += outcome.cycles + design.launch_cycles
    notes = (f"{left_out} warps are left out: more than {MOST_SPANS} instructions",) if left_out else ()
    return Timeline(spans, f"gpu-core, {workload.name}", frequency_mhz=design.frequency_mhz, notes=notes)
