"""Sizes and latencies of what is behind the core."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .hierarchy import NOWHERE, Memory

__all__ = ["COUNTS", "MemoryConfig"]

COUNTS = ("l2_sectors", "dram_read_sectors", "dram_write_sectors", "l1_hit_sectors", "l1_miss_sectors")
LINE, SECTOR = 128, 32


@dataclass(frozen=True)
class MemoryConfig:
    """L1, L2 and DRAM. Defaults: H100 PCIe, where a source is given."""

    l1_kib: int = 128
    """What shared memory leaves of the 256 KiB of an SM."""
    l1_ways: int = 4
    """Of 64 sets or more: the authors' configuration of an A6000 has 4 sets of 256 ways; fewer ways are
    searched faster and hold as much."""
    l2_kib: int = 51200
    l2_slices: int = 80
    l2_ways: int = 16
    l2_extra: int = 222
    """Cycles of an L2 hit beyond those of an L1 hit: 263.0 - 40.7 on an H100 PCIe (arXiv 2402.13499)."""
    dram_extra: int = 216
    """Cycles of a DRAM access beyond those of an L2 hit: 478.8 - 263.0 (the same)."""
    channels: int = 80
    """HBM pseudo-channels."""
    bytes_per_cycle: float = 1162.0
    """Of all channels: 2,039 GB/s at 1,755 MHz (data sheet of the H100 PCIe)."""
    slice_interval: int = 1
    l1_line_interval: int = 2

    def state(self, sms: int) -> Memory:
        """Empty caches and idle channels for a number of SMs."""
        sets = max(1, self.l1_kib * 1024 // LINE // self.l1_ways)
        l2_sets = max(1, self.l2_kib * 1024 // LINE // self.l2_ways // self.l2_slices)
        milli = max(1, round(1000 * SECTOR * self.channels / self.bytes_per_cycle))
        parameters = (
            sets, self.l1_ways, self.l2_slices, l2_sets, self.l2_ways, self.l2_extra, self.dram_extra, self.channels,
            self.slice_interval, milli, self.l1_line_interval,
        )
        rows = self.l2_slices * l2_sets

        def cache(rows: int, ways: int) -> tuple[np.ndarray, np.ndarray]:
            return np.full((rows, ways, 2), NOWHERE, np.int64), np.zeros((ways, rows, 4), np.int64)

        return Memory(
            np.array(parameters, np.int64), *cache(sms * sets, self.l1_ways), *cache(rows, self.l2_ways),
            np.zeros(self.l2_slices + self.channels, np.int64), np.zeros(1, np.int64), np.zeros(len(COUNTS), np.int64),
        )
