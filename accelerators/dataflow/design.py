"""The parameters of the dataflow machine. Published figures are in the presets; docs/models/dataflow.md has each source."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, model_validator

from ...simulator.design import Design
from ...simulator.parameters import Choices, Range, Unit, Values

__all__ = ["DataflowDesign"]


class DataflowDesign(Design):
    """Chips of compute and memory units in a grid, with on-chip SRAM, HBM and DDR, working as one by tensor parallelism."""

    sockets: Annotated[int, Range(1, 16, scale="log2"), Unit("chips")] = Field(
        1, ge=1, le=256, description="Chips that share the work of every product.")
    compute_units: Annotated[int, Values(64, 128, 256, 512, 1040), Unit("units")] = Field(
        256, ge=1, le=2**16, description="Compute units of a chip.")
    lanes: Annotated[int, Values(16, 32, 64), Unit("lanes")] = Field(
        32, ge=1, le=1024, description="Columns of a product, or elements, that a unit works on at once.")
    unit_depth: Annotated[int, Unit("stages")] = Field(
        6, ge=1, le=1024, description="Steps of a reduction, or operations on an element, that a unit does in one pass.")
    memory_units: Annotated[int, Values(64, 128, 256, 512, 1040), Unit("units")] = Field(
        256, ge=1, le=2**16, description="Scratchpads of a chip.")
    memory_unit_kib: Annotated[int, Values(128, 256, 512, 1024), Unit("KiB")] = Field(
        512, ge=1, le=2**20, description="Capacity of a scratchpad.")
    memory_unit_bytes_per_cycle: Annotated[int, Unit("B/cycle")] = Field(
        128, ge=1, le=2**20, description="Bandwidth of a scratchpad.")
    hbm_gib: Annotated[float, Unit("GiB")] = Field(16, ge=0, le=2**20, description="Capacity of the HBM of a chip.")
    hbm_gbytes_per_s: Annotated[float, Values(200, 400, 800, 1600, 3200), Unit("GB/s")] = Field(
        400, ge=0.001, le=10**6, description="Bandwidth of the HBM of a chip.")
    hbm_latency_ns: Annotated[int, Unit("ns")] = Field(
        200, ge=0, le=10**6, description="From the end of a transfer until the data can be used, or its request and the data.")
    ddr_gib: Annotated[float, Unit("GiB")] = Field(384, ge=0, le=2**24, description="Capacity of the DDR of a chip.")
    ddr_gbytes_per_s: Annotated[float, Values(25, 50, 100, 200), Unit("GB/s")] = Field(
        50, ge=0.001, le=10**6, description="Bandwidth of the DDR of a chip.")
    ddr_latency_ns: Annotated[int, Unit("ns")] = Field(500, ge=0, le=10**6, description="As for HBM.")
    link_gbytes_per_s: Annotated[float, Values(25, 50, 100, 200, 400), Unit("GB/s")] = Field(
        100, ge=0.001, le=10**6, description="Bandwidth from a chip to all others together, each way.")
    link_latency_ns: Annotated[int, Unit("ns")] = Field(
        500, ge=0, le=10**6, description="One step of a collective: from the end of a transfer to its use at the other chip.")
    launch_ns: Annotated[int, Unit("ns")] = Field(
        5000, ge=0, le=10**9, description="Cost of starting a region: the host's call and the loading of its configuration.")
    region_operators: Annotated[int, Values(1, 2, 4, 8, 16, 32, 64), Unit("operators")] = Field(
        64, ge=1, le=256, description="Operators that may be fused into one region; 1 runs kernel by kernel.")
    tiles: Annotated[int, Values(1, 2, 4, 8, 16, 32, 64, 128), Unit("tiles")] = Field(
        32, ge=1, le=1024, description="Tiles into which the rows of a region are cut; a stage works on one at a time.")
    buffer_tiles: Annotated[int, Values(1, 2, 3, 4), Unit("tiles")] = Field(
        2, ge=1, le=64, description="Depth of the FIFO between two stages, and of a stream from memory.")
    factors: Annotated[Literal["balanced", "equal"], Choices()] = Field(
        "balanced", description="Units of each stage: by its work, or the same for all.")
    hop_cycles: Annotated[int, Unit("cycles")] = Field(
        20, ge=1, le=10**6, description="From a stage to the next over the on-chip network, and through a unit.")
    element_bits: Annotated[Literal[8, 16, 32], Unit("bits")] = Field(
        16, description="Width of elements where the workload does not fix it.")
    frequency_mhz: Annotated[int, Unit("MHz")] = Field(1600, ge=1, le=10**5, description="Clock of units and network.")
    technology: Literal["horowitz-45nm", "eyeriss-65nm"] = Field(
        "horowitz-45nm", description="Table of on-chip energies and areas.")
    hbm_pj_per_bit: Annotated[float, Unit("pJ/bit")] = Field(3.9, gt=0, le=1000, description="Energy of HBM.")
    link_pj_per_bit: Annotated[float, Unit("pJ/bit")] = Field(1.17, gt=0, le=1000, description="Energy of a link.")

    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {}

    @model_validator(mode="after")
    def _has_memory(self) -> DataflowDesign:
        if self.hbm_gib == 0 and self.ddr_gib == 0:
            raise ValueError("hbm_gib=0 and ddr_gib=0 leave no place for weights; accepted: more than 0 of one of them")
        return self

    def cycles(self, nanoseconds: float) -> int:
        """Whole clock cycles that cover a time."""
        return -(-round(nanoseconds * self.frequency_mhz) // 1000)

    @property
    def sram_bytes(self) -> int:
        """Scratchpad capacity of a chip."""
        return self.memory_units * self.memory_unit_kib * 1024


_SN40L: Mapping[str, Any] = {
    "compute_units": 1040, "memory_units": 1040, "memory_unit_kib": 512, "lanes": 32, "unit_depth": 6, "frequency_mhz": 1600,
    "hbm_gib": 64e9 / 2**30, "hbm_gbytes_per_s": 1600.0, "ddr_gib": 1.5e12 / 2**30, "ddr_gbytes_per_s": 100.0,
}
DataflowDesign.presets = {
    "sn40l": _SN40L,
    "sn40l-node": {**_SN40L, "sockets": 8, "ddr_gbytes_per_s": 125.0},
    "sn40l-rack": {**_SN40L, "sockets": 16},
}
