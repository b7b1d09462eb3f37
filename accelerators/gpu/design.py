"""The parameters of the GPU."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from pydantic import model_validator

from ...simulator.gpu.config import CoreConfig
from ...simulator.gpu.execute import Machine
from ...simulator.gpu.memory_system import MemoryConfig
from .latencies import LatencyDesign

__all__ = ["GpuCoreDesign"]

REGISTERS = 65536


class GpuCoreDesign(LatencyDesign):
    """Streaming multiprocessors (SMs) of four sub-cores, each with its caches, over a shared L2 and DRAM."""

    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        # MICRO 2025, section 6, and its configuration files; bandwidth: 768 GB/s (data sheet) at 1,800 MHz.
        "rtx-a6000": {"sms": 84, "launch_cycles": 1500},
        # Turing: 32 warps, one FP32 pipe, 16 KiB L0, memory queue of 3; L2 and DRAM 182 and 175 cycles; 616 GB/s.
        "rtx-2080ti": {
            "sms": 68, "warps": 32, "fp32_pipes": 1, "l0_kib": 16, "memory_queue": 3, "l2_extra_cycles": 182,
            "dram_extra_cycles": 175, "frequency_mhz": 1545, "dram_channels": 22, "dram_bytes_per_cycle": 398.7,
            "shared_kib": 64, "l1_kib": 64, "launch_cycles": 1500, "guard_cycles": 12, "l2_kib": 5632, "l2_slices": 44,
        },
        # MICRO 2025's configuration: 201 and 255 cycles. Data sheet: 68 SMs, 5 MiB, 320 bit, 760 GB/s at 1,710 MHz.
        "rtx-3080": {
            "sms": 68, "launch_cycles": 1500, "l2_extra_cycles": 201, "dram_extra_cycles": 255, "frequency_mhz": 1710,
            "l2_kib": 5120, "l2_slices": 40, "dram_channels": 20, "dram_bytes_per_cycle": 444.4,
        },
        # The chip of the A6000, whose latencies it is given; data sheet: 82 SMs, 936 GB/s at 1,695 MHz.
        "rtx-3090": {"sms": 82, "launch_cycles": 1500, "frequency_mhz": 1695, "dram_bytes_per_cycle": 552.2},
        # MICRO 2025's configuration: 301 and 255 cycles, launch 1,800, 48 MiB. Data sheet: 70 SMs, 256 bit, 896 GB/s at
        # 2,452 MHz. The number of slices is our choice.
        "rtx-5070ti": {
            "sms": 70, "launch_cycles": 1800, "l2_extra_cycles": 301, "dram_extra_cycles": 255, "frequency_mhz": 2452,
            "l2_kib": 49152, "dram_channels": 16, "dram_bytes_per_cycle": 365.4,
        },
        # Pointer chases of Abdelkhalik et al. (arXiv 2208.11174, table IV): L1 33, L2 200, DRAM 290 cycles. Data sheet (40
        # GB): 108 SMs of 64 FP32 lanes and 64 warps, 164 KiB shared memory, 40 MiB, 1,555 GB/s at 1,410 MHz. Launch: the
        # A6000's. The number of slices is our choice.
        "a100": {
            "sms": 108, "warps": 64, "fp32_pipes": 1, "shared_kib": 164, "l2_kib": 40960, "l2_slices": 80,
            "l2_extra_cycles": 167, "dram_extra_cycles": 90, "dram_channels": 40, "dram_bytes_per_cycle": 1102.8,
            "frequency_mhz": 1410, "launch_cycles": 1500,
        },
        # 114 SMs; L2 and DRAM from pointer chases (263.0 - 40.7, 478.8 - 263.0, arXiv 2402.13499); 2,039 GB/s (data
        # sheet). From sarchlab/mgpusim, nsys: an empty kernel takes 2,359 cycles, 282 of which the model needs to
        # fetch its first line; CTAs start 1.145 cycles apart, and where 4, 3, 2 and 2 of them fit an SM (512, 544,
        # 704 and 1,024 threads) 1.226, 1.568, 2.639 and 2.866 apart: in 114 SMs a place is taken for 559, 536, 602
        # and 653 cycles, 588 in the mean.
        "h100-pcie": {
            "sms": 114, "warps": 64, "shared_kib": 228, "l2_kib": 51200, "l2_slices": 80, "l2_extra_cycles": 222,
            "dram_extra_cycles": 216, "dram_channels": 80, "dram_bytes_per_cycle": 1162.0, "frequency_mhz": 1755,
            "launch_cycles": 2077, "dispatch_milli_cycles": 1145, "turnaround_cycles": 588,
        },
    }

    @model_validator(mode="after")
    def _l2_holds_its_slices(self) -> GpuCoreDesign:
        if self.l2_kib * 1024 < self.l2_slices * 16 * 128:
            raise ValueError(f"l2_kib={self.l2_kib} is too small: {self.l2_slices} slices of 16 ways of 128 B need "
                             f"{self.l2_slices * 2} KiB")
        return self

    def machine(self) -> Machine:
        """The design as the core model sees it."""
        core = CoreConfig(
            warps=self.warps, policy=self.policy, dependence=self.dependence, scoreboard_consumers=self.scoreboard_consumers,
            scoreboard_release=self.scoreboard_release_cycles,
            read_ports=self.read_ports, register_cache=int(self.register_cache), instruction_buffer=self.instruction_buffer,
            fp32_pipes=self.fp32_pipes, memory_queue=self.memory_queue, port_interval=self.port_interval, l0_kib=self.l0_kib,
            prefetch_depth=self.prefetch_depth, guard_cycles=self.guard_cycles, constant_miss=self.constant_miss_cycles,
            address_interval=self.address_interval_cycles, port_distance=self.address_interval_cycles + 1,
            memory=self.memory_latency(),
        )
        memory = MemoryConfig(
            l1_kib=self.l1_kib, l2_kib=self.l2_kib, l2_slices=self.l2_slices, l2_extra=self.l2_extra_cycles,
            dram_extra=self.dram_extra_cycles, channels=self.dram_channels, bytes_per_cycle=self.dram_bytes_per_cycle,
        )
        return Machine(core, self.sms, memory, self.dispatch_milli_cycles, self.shared_kib, REGISTERS, 32,
                       self.turnaround_cycles)
