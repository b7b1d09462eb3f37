"""Latencies of the memory unit as parameters; see `simulator/gpu/latency.py`."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from ...simulator.gpu.latency import MemoryLatency
from ...simulator.parameters import Unit
from .core_design import CoreDesign

__all__ = ["LATENCIES", "LatencyDesign"]

LATENCIES = (
    "load_war", "store_war", "global_address", "further_group", "per_register", "global_return", "shared_return",
    "shared_per_register", "shared_minimum", "regular_return", "constant_war_immediate", "constant_war_regular",
    "constant_return", "async_copy",
)


class LatencyDesign(CoreDesign):
    """The fourteen additive numbers that give a memory instruction's times when everything hits. Defaults: Ampere."""

    load_war_cycles: Annotated[int, Unit("cycles")] = Field(
        9, ge=7, le=1000, description="From the issue of a load until its sources are read.")
    store_war_cycles: Annotated[int, Unit("cycles")] = Field(
        10, ge=7, le=1000, description="The same for a store of one register.")
    global_address_cycles: Annotated[int, Unit("cycles")] = Field(
        2, ge=0, le=1000, description="More if the address in global memory is in general registers.")
    further_group_cycles: Annotated[int, Unit("cycles")] = Field(
        2, ge=0, le=1000, description="More for reading an address beside the data of a store, or a second address.")
    per_register_cycles: Annotated[int, Unit("cycles")] = Field(
        2, ge=0, le=1000, description="For each register of a thread that is stored, or loaded from global memory.")
    global_return_cycles: Annotated[int, Unit("cycles")] = Field(
        27, ge=12, le=1000, description="From the issue of a global load that hits to its result, registers not counted.")
    shared_return_cycles: Annotated[int, Unit("cycles")] = Field(
        21, ge=12, le=1000, description="The same for a load from shared memory.")
    shared_per_register_cycles: Annotated[int, Unit("cycles")] = Field(
        1, ge=0, le=1000, description="For each register of a thread that is loaded from shared memory.")
    shared_minimum_cycles: Annotated[int, Unit("cycles")] = Field(
        23, ge=12, le=1000, description="The least that a load from shared memory takes.")
    regular_return_cycles: Annotated[int, Unit("cycles")] = Field(
        1, ge=0, le=1000, description="More for a result whose address is in general registers.")
    constant_war_immediate_cycles: Annotated[int, Unit("cycles")] = Field(
        10, ge=7, le=1000, description="LDC with an immediate address: until its sources are read.")
    constant_war_regular_cycles: Annotated[int, Unit("cycles")] = Field(
        29, ge=7, le=1000, description="LDC with an address in a register: until its sources are read.")
    constant_return_cycles: Annotated[int, Unit("cycles")] = Field(
        26, ge=12, le=1000, description="LDC: until its result.")
    async_copy_cycles: Annotated[int, Unit("cycles")] = Field(
        37, ge=12, le=1000, description="LDGSTS, which copies to shared memory, until it is done.")

    def memory_latency(self) -> MemoryLatency:
        """The numbers as the core model has them."""
        return MemoryLatency(**{name: getattr(self, f"{name}_cycles") for name in LATENCIES})
