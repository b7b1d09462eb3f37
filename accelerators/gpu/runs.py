"""The kernels of a workload, one after another on one GPU, whose caches keep what they hold."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from ...traces.kernels.trace import Kernel, KernelTrace
from .design import GpuCoreDesign

if TYPE_CHECKING:
    from ...simulator.gpu.execute import Outcome

__all__ = ["outcomes"]


def outcomes(design: GpuCoreDesign, workload: KernelTrace, *, record: bool = False) -> Iterator[tuple[Kernel, Outcome]]:
    """Run every kernel; `record` keeps the cycle of every issue."""
    from ...simulator.gpu.execute import execute

    machine = design.machine()
    assert machine.memory is not None
    memory = machine.memory.state(machine.sms)
    for number, kernel in enumerate(workload.kernels):
        if number:
            _forget_times(memory)
        yield kernel, execute(kernel, machine, memory=memory, record=record)


def _forget_times(memory: Any) -> None:
    """Keep what caches hold from one kernel to the next, which starts at cycle 0 when all of it is there and all is idle."""
    from ...simulator.gpu.hierarchy import LAST_USE

    memory.busy[:] = 0
    for cache, sectors in ((memory.l1, memory.l1_sectors), (memory.l2, memory.l2_sectors)):
        np.minimum(sectors, 0, out=sectors)
        cache[..., LAST_USE] -= cache[..., LAST_USE].max(initial=-1) + 1  # only the order of uses matters
