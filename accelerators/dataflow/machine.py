"""The dataflow machine: operator graphs in; regions through one memory system; cycles, energy and area out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from ...simulator.accelerator import Accelerator, Ceiling
from ...simulator.report import Report, Table
from ...traces.workload import Workload
from . import costs
from .design import DataflowDesign
from .pipeline import busy, cycles_of, machine_of
from .regions import Region, cut
from .work import Stage, stages_of

if TYPE_CHECKING:
    from ...simulator.benchmark import Measurement
    from ...simulator.timeline import Timeline
    from ...simulator.validation import Validation

__all__ = ["CAUSES", "Dataflow", "mapped"]

CAUSES = ("compute", "sram", "hbm", "ddr", "link", "fill", "launch")
"""Where a cycle can go: the busiest resource of each region, what a region takes beyond that, and launches."""


class Dataflow(Accelerator):
    """Operators as stages of fused pipelines on a grid of units, with SRAM, HBM and DDR behind it (SN40L-like)."""

    name: ClassVar[str] = "dataflow"
    design: ClassVar[type[DataflowDesign]] = DataflowDesign
    default_workload: ClassVar[str] = "bert-base"
    engines: ClassVar[tuple[str, ...]] = ("compiled", "simpy")
    metrics: ClassVar[Mapping[str, str]] = {
        "cycles": "Clock cycles of all regions and launches, one after another.",
        "time_s": "The same in seconds.",
        "runs_per_s": "Runs of the workload in a second.",
        "regions": "Pipelines into which the graph was cut; each is launched once.",
        "utilization": "Multiply-accumulates by cycles x those that all units could do.",
        "hbm_utilization": "Share of cycles in which the HBM transfers.",
        "hbm_bytes": "Bytes from and to the HBM of all chips.",
        "ddr_bytes": "Bytes from and to the DDR of all chips.",
        "link_bytes": "Bytes over the links of all chips.",
        "sram_bytes": "Scratchpad that the largest region needs, of one chip.",
        "weight_bytes": "Weights of all chips, as they lie in memory.",
        "macs": "Multiply-accumulates of the workload.",
        "area_mm2": "Area of compute and memory units of all chips, in the technology of the table.",
        "energy_j": "Energy of the run: the sum of the energy_*_j.",
        "edp_js": "Energy times time.",
        "power_w": "Mean power.",
        **{f"energy_{part}_j": f"Energy of {part}." for part in costs.ENERGIES},
    }

    def simulate_many(self, designs: Sequence[Any], workload: Workload, *, engine: str = "compiled") -> list[Report]:
        """Simulate every design on the network; see `Accelerator.simulate_many`."""
        return [_report(design, workload, engine) for design in designs]

    def timeline(self, design: Any, workload: Workload) -> Timeline:
        """Return what stages, memories and links did when, by the SimPy reference; see `timeline.dataflow_timeline`."""
        from .timeline import dataflow_timeline

        return dataflow_timeline(design, workload)

    def ceiling(self, design: Any, workload: Workload) -> Ceiling:
        """Return what all units can multiply, and the bandwidth of all HBM."""
        return Ceiling(_peak(design) * design.frequency_mhz * 1e6, design.sockets * design.hbm_gbytes_per_s * 1e9)

    @classmethod
    def validate(cls, table: Path | None = None) -> Validation:
        """Rerun the table of attention runs, and the published figures of the SN40L; see `validation.validate`."""
        from .validation import validate

        return validate(table)

    @classmethod
    def bench(cls) -> Iterator[Measurement]:
        """Measure the machine; see `bench.py`."""
        from .bench import bench

        return bench()


def _peak(design: DataflowDesign) -> int:
    """Multiply-accumulates a cycle of all chips."""
    return design.sockets * design.compute_units * design.lanes * design.unit_depth


@lru_cache(maxsize=32)
def mapped(design: DataflowDesign, workload: Workload) -> tuple[tuple[Stage, ...], tuple[Region, ...]] | str:
    """Stages and regions of a workload, or why it cannot be mapped."""
    stages = stages_of(design, workload)
    room = {"hbm": design.hbm_gib * 2**30, "ddr": design.ddr_gib * 2**30}
    room["hbm" if design.hbm_gib else "ddr"] -= sum(stage.cached_bytes for stage in stages)
    tiers = []
    for op, stage in zip(workload.operators, stages):
        size = max(stage.weight_bytes, -(-op.params * (op.bits.weight or design.element_bits) // 8 // design.sockets))
        tier = next((name for name, left in room.items() if size <= left), None)
        if tier is None or min(room.values()) < 0:
            left = {name: round(value / 2**30, 3) for name, value in room.items()}
            return (
                f"operator {op.name!r}: {size:,} bytes of weights fit neither HBM nor DDR of a chip, which have "
                f"{left['hbm']} and {left['ddr']} GiB left; more sockets, hbm_gib or ddr_gib"
            )
        room[tier] -= size
        tiers.append(tier)
    regions = cut(design, stages, tiers)
    if isinstance(regions, tuple):
        name, size = workload.operators[regions[0]].name, regions[1]
        return (
            f"operator {name!r}: the smallest share of it needs {size:,} bytes of scratchpad and there are "
            f"{design.sram_bytes:,}; more memory_units or memory_unit_kib, or fewer tiles"
        )
    return tuple(stages), tuple(regions)


def _report(design: DataflowDesign, workload: Workload, engine: str) -> Report:
    found = mapped(design, workload)
    if isinstance(found, str):
        return Report.failed(found)
    stages, regions = found
    machine, launch = machine_of(design), design.cycles(design.launch_ns)
    lost = dict.fromkeys(CAUSES, 0)
    rows = []
    for number, region in enumerate(regions):
        one, stuck = cycles_of(region.plan, machine, engine)
        if one < 0:
            names = ", ".join(workload.operators[i].name for i in region.operators)
            return Report.failed(f"region {number} ({names}): deadlock: {stuck}")
        use = busy(region.plan, machine)
        spent = {"compute": use.compute, "hbm": use.hbm, "ddr": use.ddr, "link": use.link}
        bound = max(spent, key=lambda cause: spent[cause])
        most = min(one, spent[bound])
        if bound == "compute" and region.sram_bound[use.stage]:
            bound = "sram"
        spent = {bound: most * region.passes, "fill": (one - most) * region.passes, "launch": launch}
        for cause, cycles in spent.items():
            lost[cause] += cycles
        rows.append((spent, bound, use, region))
    cycles = sum(lost.values())
    seconds = cycles / (design.frequency_mhz * 1e6)
    moved = {
        name: sum(getattr(use, name) * region.passes for _, _, use, region in rows)
        for name in ("hbm_bytes", "ddr_bytes", "link_bytes")
    }
    counts = {
        "macs": sum(s.macs for s in stages), "vector_ops": sum(s.vector_ops for s in stages),
        "sram_bytes": sum(_scratch_bytes(stages, region) for region in regions), **moved,
    }  # fmt: skip
    energy = costs.energies_j(design, counts, seconds)
    energy_j = sum(energy.values())
    metrics = {
        "cycles": cycles, "time_s": seconds, "runs_per_s": 1 / seconds, "regions": len(regions),
        "utilization": workload.macs / (cycles * _peak(design)),
        "hbm_utilization": sum(use.hbm * region.passes for _, _, use, region in rows) / cycles,
        **{name: value * design.sockets for name, value in moved.items()},
        "sram_bytes": max(region.plan.sram_bytes for region in regions),
        "weight_bytes": sum(s.weight_bytes for s in stages) * design.sockets,
        "macs": workload.macs, "area_mm2": costs.area_mm2(design), "energy_j": energy_j, "edp_js": energy_j * seconds,
        "power_w": energy_j / seconds, **{f"energy_{part}_j": value for part, value in energy.items()},
    }  # fmt: skip
    return Report(metrics, lost, Table(lambda: _table(design, workload, stages, rows)))


def _scratch_bytes(stages: Sequence[Stage], region: Region) -> int:
    """Bytes read from and written to scratchpads: operands for every tile, results once written and once read."""
    total = 0
    for i, job in zip(region.operators, region.plan.jobs):
        again = 1 if job.weight_bytes_tile else job.firings
        stage = stages[i]
        total += region.passes * stage.weight_bytes * again
        total += sum(e.bytes for e in stage.edges) + 2 * stage.out_bytes
    return total


def _table(
    design: DataflowDesign, workload: Workload, stages: Sequence[Stage], rows: Sequence[tuple[dict[str, int], str, Any, Region]]
) -> dict[str, Any]:
    """A row for each operator. Those of a region work at the same time; its cycles are shared out by their unit-cycles."""
    data = machine_of(design).data
    out: list[dict[str, Any]] = []
    for number, (spent, bound, _, region) in enumerate(rows):
        jobs = region.plan.jobs
        work = [units * job.firings * job.cycles for units, job in zip(region.units, jobs)]
        before = 0
        for i, job, units, own in zip(region.operators, jobs, region.units, work):
            after = before + own
            causes = {c: after * n // sum(work) - before * n // sum(work) for c, n in spent.items()}
            before = after
            moved = sum(times * each for _, _, times, each in job.loads(data)) + job.firings * job.store_bytes
            out.append({
                "name": workload.operators[i].name, "kind": stages[i].kind, "macs": workload.operators[i].macs,
                "cycles": sum(causes.values()), **{f"{cause}_cycles": causes.get(cause, 0) for cause in CAUSES},
                "region": number, "bound_by": bound, "units": units, "tiles": job.firings,
                "busy_cycles": job.firings * job.cycles * region.passes,
                "weights_in": job.weights if stages[i].weight_bytes else "",
                "dram_bytes": moved * region.passes * design.sockets,
                "link_bytes": job.collective_bytes * job.firings * region.passes * design.sockets,
                "note": f"region {number}, {units} units, {job.firings} tiles",
            })  # fmt: skip
    return {name: [row[name] for row in out] for name in out[0]}
