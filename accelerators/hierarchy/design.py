"""The parameters of a memory hierarchy."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, model_validator

from ...errors import InputError
from ...simulator.design import Design
from ...simulator.memory.cache.dram_memory import DramMemory
from ...simulator.memory.cache.hierarchy import FixedMemory, Hierarchy, Inclusion, Level, Policy, Prefetcher, Scratchpad
from ...simulator.parameters import Choices, Range, Unit, Values
from .costs import access_ns

__all__ = ["HierarchyDesign"]

KIB = 1024
PrefetchKind = Literal["none", "next-line", "stream", "stride"]


class HierarchyDesign(Design):
    """One to three levels of cache, a scratchpad beside them, and a memory behind them; one master."""

    line_bytes: Annotated[Literal[16, 32, 64, 128, 256], Values(32, 64, 128), Unit("B")] = Field(
        64, description="Line, the same in every level.")
    l1_kib: Annotated[int, Range(4, 128, scale="log2"), Unit("KiB")] = Field(
        32, ge=1, le=2**20, description="Capacity of the first level.")
    l1_ways: Annotated[int, Range(1, 16, scale="log2"), Unit("ways")] = Field(
        4, ge=1, le=1024, description="Associativity of the first level.")
    l1_policy: Annotated[Policy, Choices()] = Field("lru", description="Which line of a set leaves.")
    l1_write: Annotated[Literal["back", "through"], Choices()] = Field(
        "back", description="Keep written lines dirty, or pass every write on at once.")
    l1_allocate: Annotated[bool, Choices()] = Field(True, description="Whether a write that misses brings the line in.")
    l1_mshrs: Annotated[int, Range(1, 32, scale="log2"), Unit("misses")] = Field(
        8, ge=1, le=4096, description="Misses of the first level under way at once.")
    l1_prefetch: Annotated[PrefetchKind, Choices()] = Field("none", description="Prefetcher of the first level.")
    l1_prefetch_degree: Annotated[int, Range(1, 8, scale="log2"), Unit("lines")] = Field(
        2, ge=1, le=32, description="Lines that it fetches at a time.")
    l2_kib: Annotated[int, Values(0, 64, 128, 256, 512, 1024, 2048, 4096), Unit("KiB")] = Field(
        256, ge=0, le=2**20, description="Capacity of the second level; 0: there is none.")
    l2_ways: Annotated[int, Range(2, 32, scale="log2"), Unit("ways")] = Field(
        8, ge=1, le=1024, description="Associativity of the second level.")
    l2_policy: Annotated[Policy, Choices()] = Field("lru", description="Which line of a set leaves.")
    l2_inclusion: Annotated[Inclusion, Choices()] = Field(
        "none", description="inclusive: recalls from above what it evicts; exclusive: holds only what was evicted above.")
    l2_mshrs: Annotated[int, Range(4, 64, scale="log2"), Unit("misses")] = Field(
        16, ge=1, le=4096, description="Misses of the second level under way at once.")
    l2_prefetch: Annotated[PrefetchKind, Choices()] = Field("none", description="Prefetcher of the second level.")
    l2_prefetch_degree: Annotated[int, Range(1, 8, scale="log2"), Unit("lines")] = Field(
        4, ge=1, le=32, description="Lines that it fetches at a time.")
    l2_banks: Annotated[int, Unit("banks")] = Field(
        1, ge=1, le=64, description="Banks of the second level, interleaved by line.")
    l3_kib: Annotated[int, Values(0, 1024, 2048, 4096, 8192, 16384), Unit("KiB")] = Field(
        0, ge=0, le=2**20, description="Capacity of the third level; 0: there is none.")
    l3_ways: Annotated[int, Unit("ways")] = Field(16, ge=1, le=1024, description="Associativity of the third level.")
    l3_policy: Policy = Field("srrip", description="Which line of a set leaves.")
    l3_inclusion: Inclusion = Field("none", description="As for the second level.")
    l3_mshrs: Annotated[int, Unit("misses")] = Field(
        32, ge=1, le=4096, description="Misses of the third level under way at once.")
    targets: Annotated[int, Unit("requests")] = Field(
        8, ge=1, le=4096, description="Requests that can wait for one line, the first included; every level.")
    queue: Annotated[int, Unit("requests")] = Field(
        8, ge=3, le=4096, description="Requests that can wait in front of the second and third level and of the memory.")
    window: Annotated[int, Unit("accesses")] = Field(
        16, ge=1, le=2**20, description="Accesses under way at once; 1 for a trace whose accesses depend on each other.")
    word_bytes: Annotated[int, Unit("B")] = Field(8, ge=1, le=256, description="Bytes of one access.")
    hit_cycles: Annotated[int, Unit("cycles")] = Field(
        0, ge=0, le=10**6, description="Latency of every level; 0: the access time of its capacity, in whole cycles.")
    scratchpad_kib: Annotated[int, Unit("KiB")] = Field(
        0, ge=0, le=2**20, description="Scratchpad whose addresses never touch the caches; 0: there is none.")
    scratchpad_base: int = Field(0, ge=0, le=2**60, description="First address of the scratchpad.")
    memory: Literal["fixed", "dram"] = Field(
        "fixed", description="fixed: latency and bandwidth; dram: channels behind a controller, clock by clock.")
    memory_latency_cycles: Annotated[int, Unit("cycles")] = Field(
        80, ge=1, le=10**6, description="fixed: from the end of a transfer to the last level.")
    memory_bytes_per_cycle: Annotated[int, Unit("B/cycle")] = Field(16, ge=1, le=2**20, description="fixed: bandwidth.")
    dram_device: str = Field("DDR4_2400R", description="dram: a shipped device, or the path of a YAML file.")
    dram_channels: int = Field(1, ge=1, le=64, description="dram: channels; a power of two.")
    dram_mapping: Literal["RoBaRaCoCh", "ChRaBaRoCo", "MOP4CLXOR"] = Field("MOP4CLXOR", description="dram: address mapping.")
    dram_path_cycles: Annotated[int, Unit("cycles")] = Field(
        10, ge=1, le=10**6, description="dram: from the controller back to the last level.")
    frequency_mhz: Annotated[int, Unit("MHz")] = Field(1000, ge=1, le=10**5, description="Clock of caches and scratchpad.")
    technology: Literal["horowitz-45nm", "eyeriss-65nm"] = Field(
        "horowitz-45nm", description="Table of energies, areas and access times.")

    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "one-level": {"l2_kib": 0},
        "two-level": {},
        "three-level": {
            "l2_kib": 512, "l3_kib": 8192, "l3_inclusion": "inclusive", "l1_prefetch": "stride", "l2_prefetch": "stream",
        },
        "victim-cache": {"l1_ways": 1, "l2_kib": 64, "l2_ways": 16, "l2_inclusion": "exclusive"},
        "write-through": {"l1_write": "through", "l1_allocate": False},
    }

    @model_validator(mode="after")
    def _is_possible(self) -> HierarchyDesign:
        if self.l3_kib and not self.l2_kib:
            raise ValueError(f"l3_kib={self.l3_kib} without a second level; accepted: 0, or l2_kib > 0")
        below = [("l2", self.l2_kib, self.l1_kib, self.l2_inclusion), ("l3", self.l3_kib, self.l2_kib, self.l3_inclusion)]
        for name, size, above, inclusion in below:
            if size and size <= above and inclusion != "exclusive":
                raise ValueError(f"{name}_kib={size}; accepted: more than {above} above it, or {name}_inclusion=exclusive")
        if self.l2_kib and self.l2_inclusion == "exclusive" and self.l2_prefetch != "none":
            raise ValueError(f"l2_prefetch={self.l2_prefetch!r}: an exclusive level holds only evicted lines; accepted: none")
        try:
            self.hierarchy()
        except InputError as error:
            raise ValueError(str(error)) from None
        return self

    def hierarchy(self) -> Hierarchy:
        """The description that is simulated."""
        pads: tuple[Scratchpad, ...] = ()
        if self.scratchpad_kib:
            size = self.scratchpad_kib * KIB
            pads = (Scratchpad(self.scratchpad_base, size, self._latency(size)),)
        return Hierarchy(
            self._levels(), self._memory(), line_bytes=self.line_bytes, word_bytes=self.word_bytes, window=self.window,
            scratchpads=pads,
        )

    def _levels(self) -> tuple[Level, ...]:
        common: dict[str, Any] = {"targets": self.targets, "queue": self.queue}
        levels = [
            Level(
                self.l1_kib * KIB, self.l1_ways, self.l1_policy, self.l1_write, self.l1_allocate,
                hit_cycles=self._latency(self.l1_kib * KIB), mshrs=self.l1_mshrs, name="l1",
                prefetcher=_prefetcher(self.l1_prefetch, self.l1_prefetch_degree), **common,
            )
        ]
        if self.l2_kib:
            levels.append(Level(
                self.l2_kib * KIB, self.l2_ways, self.l2_policy, inclusion=self.l2_inclusion, banks=self.l2_banks,
                hit_cycles=self._latency(self.l2_kib * KIB), mshrs=self.l2_mshrs, name="l2",
                prefetcher=_prefetcher(self.l2_prefetch, self.l2_prefetch_degree), **common,
            ))
        if self.l3_kib:
            levels.append(Level(
                self.l3_kib * KIB, self.l3_ways, self.l3_policy, inclusion=self.l3_inclusion,
                hit_cycles=self._latency(self.l3_kib * KIB), mshrs=self.l3_mshrs, name="l3", **common,
            ))
        return tuple(levels)

    def _memory(self) -> FixedMemory | DramMemory:
        if self.memory == "fixed":
            return FixedMemory(self.memory_latency_cycles, self.memory_bytes_per_cycle, self.queue)
        from ...simulator.memory.dram.devices import device
        from ...simulator.memory.dram.system import DramSystem

        system = DramSystem(device(self.dram_device), self.dram_channels, self.dram_mapping)
        return DramMemory(system, 1e6 / self.frequency_mhz, self.dram_path_cycles, self.queue)

    def _latency(self, size_bytes: int) -> int:
        """Cycles to read an SRAM of this capacity."""
        return self.hit_cycles or max(1, math.ceil(access_ns(self.technology, size_bytes) * self.frequency_mhz / 1000))


def _prefetcher(kind: PrefetchKind, degree: int) -> Prefetcher | None:
    return None if kind == "none" else Prefetcher(kind, degree)
