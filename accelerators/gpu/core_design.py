"""Sizes of the GPU and switches of its core as parameters."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from ...simulator.design import Design
from ...simulator.parameters import Choices, Range, Unit, Values

__all__ = ["CoreDesign"]


class CoreDesign(Design):
    """What is explored, and what a chip is told apart by."""

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
    address_interval_cycles: Annotated[int, Unit("cycles")] = Field(
        4, ge=1, le=64, description="Cycles of address generation for one memory instruction of a sub-core.")
    constant_miss_cycles: Annotated[int, Unit("cycles")] = Field(
        79, ge=5, le=1000, description="From a miss of the L0 for constants until the line is there.")
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
