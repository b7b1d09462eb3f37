"""Multiply-accumulates of kernels, and what a design can do at best."""

from __future__ import annotations

import numpy as np

from ...simulator.accelerator import Ceiling
from ...traces.kernels.instruction import Instruction
from ...traces.kernels.trace import Kernel, KernelTrace
from .design import GpuCoreDesign

__all__ = ["ceiling", "macs_of"]

LANES, SUB_CORES, PIPE_LANES = 32, 4, 16
_LANE = {"FFMA": 1, "DFMA": 1, "HFMA2": 2, "FFMA2": 2}
_MATRIX = {"1688": 16 * 8 * 8, "16816": 16 * 8 * 16}
_HMMA_INTERVAL = 8
"""Cycles between two HMMA of a sub-core [A100, Abdelkhalik 2022]; the core's table has the same."""


def _macs(item: Instruction) -> int:
    if item.base == "HMMA":
        return _MATRIX.get((*item.modifiers, "")[0], 0)
    return LANES * _LANE.get(item.base, 0)


def macs_of(kernel: Kernel) -> np.ndarray:
    """Multiply-accumulates of each instruction of a kernel for one warp, int64; lanes that are switched off count too."""
    return np.array([_macs(item) for item in kernel.instructions], np.int64)


def ceiling(design: GpuCoreDesign, workload: KernelTrace) -> Ceiling:
    """FP32 lanes, or tensor units where the kernels use them; and the DRAM."""
    hertz = design.frequency_mhz * 1e6
    matrices = [_macs(item) for kernel in workload.kernels for item in kernel.instructions if item.base == "HMMA"]
    deepest = max(matrices, default=0)
    per_cycle = deepest / _HMMA_INTERVAL if deepest else PIPE_LANES * design.fp32_pipes
    return Ceiling(design.sms * SUB_CORES * per_cycle * hertz, design.dram_bytes_per_cycle * hertz)
