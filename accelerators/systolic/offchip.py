"""The DRAM that `memory="dram"` puts behind the array's port, and where in it tiles lie.

A tensor lies in memory tile by tile: each tile is contiguous, and begins on a line of the memory. Every operator
has its regions from address 0 on: inputs, weights, outputs, partial sums.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from math import ceil

import numpy as np

from ...errors import InputError
from ...simulator.memory.dram.devices import device
from ...simulator.memory.dram.system import DramSystem

__all__ = ["LINK_CYCLES", "Memory", "memory_of", "regions"]

LINK_CYCLES = 1
"""From a word's arrival on the data bus until the array can use it, and until the controller knows of a free half."""


@dataclass(frozen=True)
class Memory:
    """The DRAM behind the array's port, and how its clock goes with the array's."""

    system: DramSystem
    ticks: Fraction
    """Controller ticks in a cycle of the array."""

    @property
    def bytes(self) -> int:
        """What it holds."""
        return self.system.channels * self.system.device.channel_bytes

    @property
    def peak_bits_per_cycle(self) -> int:
        """What all channels can move in a cycle of the array, at least a byte."""
        peak = self.system.channels * Fraction(self.system.device.peak_bytes_per_tick) * self.ticks
        return max(8, int(8 * peak))

    @property
    def unloaded_cycles(self) -> int:
        """Cycles from a command for a closed row until the first word has come."""
        device = self.system.device
        ticks = (device.clocks("nRCDRD") + device.clocks("nCL") + device.clocks("BL")) * device.ticks_per_clock
        return ceil(ticks / self.ticks) + LINK_CYCLES


def memory_of(name: str, channels: int, frequency_mhz: int) -> Memory:
    """Return so many channels of a device; raises `InputError`."""
    system = DramSystem(device(name), channels)
    tick_fs = round(1000 * system.device.tick_ps)
    return Memory(system, Fraction(10**9, frequency_mhz * tick_fs))


def regions(
    job: str, tiles: tuple[int, ...], largest_bits: tuple[int, ...], memory: Memory
) -> tuple[np.ndarray, np.ndarray]:
    """Return where each region of an operator begins, and how far apart its tiles are: ifmap, filter, outputs, sums.

    `tiles` counts the tiles of each and `largest_bits` is their largest size. Raises `InputError` if it is too much.
    """
    line = memory.system.device.transaction_bytes
    apart = np.array([-(-bits // (8 * line)) * line for bits in largest_bits], np.int64)
    sizes = apart * np.array(tiles, np.int64)
    if sizes.sum() > memory.bytes:
        raise InputError(
            f"operator {job!r}: its tensors take {int(sizes.sum())} bytes; {memory.system.channels} x "
            f"{memory.system.device.name} hold {memory.bytes} (more dram_channels, or another dram_device)"
        )
    return np.concatenate([[0], np.cumsum(sizes)[:3]]), apart
