"""The parameters of the GPU."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, model_validator

from ...simulator.design import Design
from ...simulator.gpu.config import CoreConfig
from ...simulator.gpu.execute import Machine
from ...simulator.gpu.memory_system import MemoryConfig
from ...simulator.parameters import Choices, Range, Unit, Values

__all__ = ["GpuCoreDesign"]

REGISTERS = 65536


class GpuCoreDesign(Design):
    """Streaming multiprocessors (SMs) of four sub-cores, each with its caches, over a shared L2 and DRAM."""

    sms: Annotated[int, Unit("SMs")] = Field(
        1, ge=1, le=256, description="Streaming multiprocessors.")
    warps: Annotated[int, Values(8, 16, 24, 32, 48, 64), Unit("warps")] = Field(
        48, ge=1, le=64, description="Resident warps of an SM.")
    policy: Annotated[Literal["cggty", "gto", "lrr"], Choices()] = Field(
        "cggty", description="Who issues: the same warp, else the youngest (cggty) or the oldest (gto); or in turn (lrr).")
    dependence: Annotated[Literal["control_bits", "scoreboard"], Choices()] = Field(
        "control_bits", description="Who keeps dependent instructions apart. Traces without control bits have a stand-in.")
    scoreboard_consumers: Annotated[int, Unit("readers")] = Field(
        63, ge=1, le=255, description="With a scoreboard: instructions in flight that may have yet to read one register.")
    scoreboard_release_cycles: Annotated[int, Unit("cycles")] = Field(
        6, ge=0, le=32, description="With a scoreboard: from the bypass of a result until its write-back clears it.")
    read_ports: Annotated[int, Values(1, 2), Unit("ports")] = Field(
        1, ge=1, le=4, description="Read ports of each register-file bank, one warp operand wide.")
    register_cache: Annotated[bool, Choices()] = Field(
        True, description="Whether there is a register-file cache, which the reuse bits fill.")
    instruction_buffer: Annotated[int, Range(2, 4), Unit("instructions")] = Field(
        3, ge=1, le=8, description="Instruction buffer of each warp.")
    fp32_pipes: Annotated[int, Values(1, 2), Unit("pipes")] = Field(
        2, ge=1, le=2, description="FP32 units of 16 lanes in a sub-core; the second is shared with integers.")
    memory_queue: Annotated[int, Range(1, 8), Unit("instructions")] = Field(
        4, ge=1, le=15, description="Memory queue of a sub-core.")
    port_interval: Annotated[int, Values(1, 2, 4), Unit("cycles")] = Field(
        2, ge=1, le=64, description="Cycles between two requests that the shared memory stage of an SM accepts.")
    guard_cycles: Annotated[int, Unit("cycles")] = Field(
        13, ge=1, le=15, description="From what writes a predicate to what it guards, which compiled code keeps apart.")
    l0_kib: Annotated[int, Range(4, 64, scale="log2"), Unit("KiB")] = Field(
        32, ge=4, le=1024, description="L0 instruction cache of a sub-core.")
    prefetch_depth: Annotated[int, Values(0, 1, 2, 4, 8, 16), Unit("lines")] = Field(
        8, ge=0, le=64, description="Stream buffer that prefetches instruction lines; 0: no prefetch.")
    l1_kib: Annotated[int, Range(16, 256, scale="log2"), Unit("KiB")] = Field(
        128, ge=4, le=4096, description="L1 data cache of an SM.")
    shared_kib: Annotated[int, Unit("KiB")] = Field(
        100, ge=1, le=1024, description="Shared memory of an SM.")
    l2_kib: Annotated[int, Unit("KiB")] = Field(
        6144, ge=64, le=2**20, description="L2 of the GPU.")
    l2_slices: Annotated[int, Unit("slices")] = Field(
        48, ge=1, le=256, description="Slices of the L2, one request of each a cycle.")
    l2_extra_cycles: Annotated[int, Unit("cycles")] = Field(
        211, ge=0, le=10**4, description="Latency of an L2 hit beyond that of an L1 hit.")
    dram_extra_cycles: Annotated[int, Unit("cycles")] = Field(
        243, ge=0, le=10**4, description="Latency of a DRAM access beyond that of an L2 hit.")
    dram_channels: Annotated[int, Unit("channels")] = Field(
        24, ge=1, le=1024, description="DRAM channels.")
    dram_bytes_per_cycle: Annotated[float, Unit("B/cycle")] = Field(
        427.0, gt=0, le=10**6, description="Bandwidth of all DRAM channels.")
    launch_cycles: Annotated[int, Unit("cycles")] = Field(
        0, ge=0, le=10**6, description="From launch to the first fetch, and from the last store to the end.")
    dispatch_milli_cycles: Annotated[int, Unit("cycles/1000")] = Field(
        1000, ge=0, le=10**6, description="Thousandths of a cycle between two thread blocks.")
    turnaround_cycles: Annotated[int, Unit("cycles")] = Field(
        0, ge=0, le=10**6, description="From the end of a thread block until another one starts in its place.")
    frequency_mhz: Annotated[int, Unit("MHz")] = Field(
        1800, ge=1, le=10**5, description="Clock of everything on chip.")
    technology: Literal["horowitz-45nm", "eyeriss-65nm"] = Field(
        "horowitz-45nm", description="Table of energies and areas.")

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
            prefetch_depth=self.prefetch_depth, guard_cycles=self.guard_cycles,
        )
        memory = MemoryConfig(
            l1_kib=self.l1_kib, l2_kib=self.l2_kib, l2_slices=self.l2_slices, l2_extra=self.l2_extra_cycles,
            dram_extra=self.dram_extra_cycles, channels=self.dram_channels, bytes_per_cycle=self.dram_bytes_per_cycle,
        )
        return Machine(core, self.sms, memory, self.dispatch_milli_cycles, self.shared_kib, REGISTERS, 32,
                       self.turnaround_cycles)
