"""The kernels of a workload, one after another on one GPU, whose caches keep what they hold."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from ...traces.kernels.trace import Kernel, KernelTrace
from .design import GpuCoreDesign

if TYPE_CHECKING:
    from ...simulator.gpu.execute import Machine, Outcome
    from ...simulator.gpu.hierarchy import Memory

__all__ = ["outcomes", "settle"]

PIPELINE = 64
"""Cycles, or more, from the issue of a memory instruction to its grant and from its data to its result."""


def outcomes(design: GpuCoreDesign, workload: KernelTrace, *, record: bool = False) -> Iterator[tuple[Kernel, Outcome]]:
    """Run every kernel; `record` keeps the cycle of every issue."""
    from ...simulator.gpu.execute import execute

    machine = design.machine()
    assert machine.memory is not None
    memory = machine.memory.state(machine.sms)
    for kernel in workload.kernels:
        outcome = execute(kernel, machine, memory=memory, record=record)
        yield kernel, outcome
        settle(memory, machine, outcome.cycles)


def settle(memory: Memory, machine: Machine, cycles: int) -> None:
    """Let the next kernel start when everything is there, and no slice or channel is busy."""
    assert machine.memory is not None
    # What the core waits for is at most as much earlier than its arrival as its own pipeline is long, a few cycles.
    slices, channels = np.split(memory.busy, [machine.memory.l2_slices])
    memory.clock[0] = PIPELINE + max(memory.clock[0] + cycles, slices.max(), channels.max() // 1000 + 1)
