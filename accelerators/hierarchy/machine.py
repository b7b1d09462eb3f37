"""The memory hierarchy as a machine: designs and an address trace in, reports out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from ...simulator.accelerator import Accelerator
from ...simulator.memory.cache.result import Result
from ...simulator.memory.cache.run import simulate
from ...simulator.report import Report, Table
from ...traces.addresses import AddressTrace
from . import costs
from .design import HierarchyDesign

if TYPE_CHECKING:
    from ...simulator.benchmark import Measurement
    from ...simulator.timeline import Timeline

__all__ = ["MemoryHierarchy"]

_LEVELS = ("l1", "l2", "l3")


class MemoryHierarchy(Accelerator):
    """Caches, a scratchpad and a memory, cycle by cycle: sizes, policies, MSHRs, prefetchers, inclusion."""

    name: ClassVar[str] = "memory-hierarchy"
    design: ClassVar[type[HierarchyDesign]] = HierarchyDesign
    accepts: ClassVar[tuple[type, ...]] = (AddressTrace,)
    default_workload: ClassVar[str] = "matmul"
    engines: ClassVar[tuple[str, ...]] = ("compiled", "reference")
    metrics: ClassVar[Mapping[str, str]] = {
        "cycles": "Clock cycles until the last answer.",
        "time_s": "The same in seconds.",
        "amat_cycles": "Average memory access time: from taking an access to its answer.",
        "accesses_per_cycle": "Accesses by cycles; at most 1.",
        **{f"{level}_miss_rate": f"Misses by demand accesses of {level}, if there is one." for level in _LEVELS},
        "memory_bytes": "Bytes over the memory's port, both ways, the lines that are dirty at the end included.",
        "memory_bandwidth_bytes_per_s": "Bytes that went over the port by the time of the run.",
        "energy_j": "Energy of the run: the sum of the energy_*_j.",
        "area_mm2": "Area of caches with tags, MSHRs and prefetchers, and of the scratchpad.",
        "power_w": "Mean power.",
        "edp_js": "Energy times time.",
        **{f"energy_{part}_j": f"Energy of {part}." for part in (*_LEVELS, "scratchpad", "memory", "leakage")},
    }

    def simulate_many(self, designs: Sequence[Any], workload: AddressTrace, *, engine: str = "compiled") -> list[Report]:
        """Simulate every design on the trace; see `Accelerator.simulate_many`.

        The engine `reference` runs the cycle-by-cycle execution as well and insists on the same times.
        """
        return [_simulate(design, workload, engine) for design in designs]

    def timeline(self, design: Any, workload: AddressTrace) -> Timeline:
        """Return every access with who had its data; see `timeline.hierarchy_timeline`."""
        from .timeline import hierarchy_timeline

        return hierarchy_timeline(design, workload)

    @classmethod
    def bench(cls) -> Iterator[Measurement]:
        """Measure accesses per CPU second; see `bench.py`."""
        from .bench import bench

        return bench()


def _simulate(design: HierarchyDesign, trace: AddressTrace, engine: str) -> Report:
    hierarchy = design.hierarchy()
    result = simulate(hierarchy, trace)
    if engine == "reference":
        _confirm(result, trace)
    time_s = result.cycles / (design.frequency_mhz * 1e6)
    energy = costs.energies_j(result, design.technology, time_s)
    if result.port is not None:
        energy["memory"] = _dram_energy_j(result, time_s) or energy["memory"]
    total = sum(energy.values())
    metrics: dict[str, float] = {
        "cycles": result.cycles,
        "time_s": time_s,
        "amat_cycles": result.amat_cycles,
        "accesses_per_cycle": len(trace) / result.cycles,
        **{f"{level.name}_miss_rate": level.miss_rate for level in result.levels},
        "memory_bytes": result.memory_bytes + result.dirty_bytes,
        "memory_bandwidth_bytes_per_s": result.memory_bytes / time_s,
        "energy_j": total,
        "area_mm2": costs.area_mm2(hierarchy, design.technology),
        "power_w": total / time_s,
        "edp_js": total * time_s,
        **{f"energy_{part}_j": value for part, value in energy.items()},
    }
    return Report(metrics, result.breakdown(), Table(_Levels(result)))


def _dram_energy_j(result: Result, time_s: float) -> float | None:
    """Energy of the DRAM by its currents, standing by up to the end of the run; None if they are not known."""
    from ...simulator.memory.cache.dram_memory import DramMemory
    from ...simulator.memory.dram.energy import currents_of, energy_j

    memory, port = result.hierarchy.memory, result.port
    assert isinstance(memory, DramMemory)
    assert port is not None
    currents = currents_of(memory.system.device)
    if currents is None or not port.sent:
        return None
    run = memory.system.run(port.trace())
    chips = run.device.organisation.channel_width / currents.dq
    idle_w = sum(rail.voltage * rail.idd2n * 1e-3 for rail in currents.rails.values()) * chips * len(run.ranks)
    return sum(sum(rank.values()) for rank in energy_j(run, currents)) + max(0.0, time_s - run.seconds) * idle_w


def _confirm(result: Result, trace: AddressTrace) -> None:
    """Run the reference, too, and insist on the same cycles for every access."""
    from ...simulator.memory.cache.reference.system import System

    for i, access in enumerate(System(result.hierarchy, trace).run()):
        if (access.issued, access.done) != (result.issued[i], result.done[i]):
            raise AssertionError(
                f"access {i} of {trace.name!r}: taken in {result.issued[i]}, answered in {result.done[i]}; the reference says "
                f"{access.issued} and {access.done}, for {result.hierarchy}"
            )


class _Levels:
    """Builds the table of levels when it is asked for."""

    def __init__(self, result: Result) -> None:
        self.result = result

    def __call__(self) -> dict[str, Any]:
        rows = [level.row() for level in self.result.levels]
        return {name: [row[name] for row in rows] for name in rows[0]}
