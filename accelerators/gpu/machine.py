"""The GPU as a machine: kernels in, reports out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from ...errors import InputError
from ...simulator.accelerator import Accelerator, Ceiling
from ...simulator.report import Report, Table
from ...traces.kernels.trace import KernelTrace
from . import costs
from .design import GpuCoreDesign
from .roofline import ceiling, macs_of
from .runs import outcomes

if TYPE_CHECKING:
    from ...simulator.benchmark import Measurement
    from ...simulator.fitting import Fit
    from ...simulator.listing import Listing
    from ...simulator.timeline import Timeline
    from ...simulator.validation import Validation

__all__ = ["GpuCore"]


class GpuCore(Accelerator):
    """A GPU core as reverse engineered from NVIDIA's Ampere, cycle by cycle, with memory behind it approximated."""

    name: ClassVar[str] = "gpu-core"
    design: ClassVar[type[GpuCoreDesign]] = GpuCoreDesign
    accepts: ClassVar[tuple[type, ...]] = (KernelTrace,)
    default_workload: ClassVar[str] = "register-blocked-sgemm"
    metrics: ClassVar[Mapping[str, str]] = {
        "cycles": "Clock cycles of all kernels, launches included.",
        "time_s": "The same in seconds.",
        "energy_j": "Energy of the run: the sum of the energy_*_j.",
        "area_mm2": "Area of what the parameters size: lanes, registers, caches.",
        "power_w": "Mean power.",
        "edp_js": "Energy times time.",
        "ipc": "Warp instructions by cycle and SM, launches not counted; at most 4.",
        "macs": "Multiply-accumulates of FFMA, HFMA2, DFMA and HMMA; lanes that are switched off count too.",
        "warp_instructions": "Instructions executed, counted once for each warp.",
        "hazards": "Values read before they were written, or overwritten before they were read: wrong stall counts.",
        "dram_bytes": "Bytes read from and written to DRAM.",
        "l1_hit_rate": "Share of 32 B sectors that loads found in the L1 or on their way to it.",
        **{f"energy_{part}_j": f"Energy of {part}." for part in costs.ENERGIES},
    }

    def simulate_many(self, designs: Sequence[Any], workload: KernelTrace, *, engine: str = "compiled") -> list[Report]:
        """Simulate every design on the kernels, one after another; see `Accelerator.simulate_many`."""
        reports = []
        for design in designs:
            try:
                reports.append(_simulate(design, workload))
            except InputError as error:
                reports.append(Report.failed(str(error)))
        return reports

    def listings(self, design: Any, workload: KernelTrace) -> list[Listing]:
        """Return every kernel with what each instruction waited for."""
        from .views import listings

        return list(listings(design, workload))

    def timeline(self, design: Any, workload: KernelTrace) -> Timeline:
        """Return a track for each warp."""
        from .views import timeline

        return timeline(design, workload)

    def ceiling(self, design: Any, workload: KernelTrace) -> Ceiling:
        """Return the peaks of the lanes (or tensor units) and of the DRAM."""
        return ceiling(design, workload)

    def prefix(self, designs: Sequence[Any], workload: KernelTrace, share: float) -> Mapping[str, np.ndarray]:
        """Run the first instructions of every launch; see `prefix.py`."""
        from .prefix import prefix

        return prefix(designs, workload, share)

    @classmethod
    def validate(cls, table: Path | None = None) -> Validation:
        """Rerun the published microbenchmarks, another file of them, or a directory of measured kernels."""
        from .validation import validate

        return validate(table)

    @classmethod
    def fit(cls, measurements: Path, *, preset: str | None = None, **parameters: Any) -> Fit:
        """Fit latencies, queues and ports to microbenchmarks that were measured; see `fit/measurements.py`."""
        from .fit.search import fit

        return fit(measurements, parameters, preset)

    @classmethod
    def measurable(cls) -> Sequence[tuple[str, str]]:
        """Return every measurement that the shipped microbenchmarks make, and those of the whole chip."""
        from .fit.measurements import template

        return template()

    @classmethod
    def bench(cls, traces: Path | None = None) -> Iterator[Measurement]:
        """Measure the speed of the compiled core, on Accel-Sim traces if a directory is given; see `bench.py`."""
        from .bench import bench

        return bench(cls(), traces)


def _simulate(design: GpuCoreDesign, workload: KernelTrace) -> Report:
    from ...simulator.gpu.memory_system import COUNTS
    from ...simulator.gpu.tables import C_ISSUED, CAUSES

    slots = np.zeros(len(CAUSES), np.int64)
    sectors = np.zeros(len(COUNTS), np.int64)
    parts = dict.fromkeys(costs.ENERGIES, 0.0)
    areas = costs.areas_mm2(design)
    area = sum(areas.values())
    cycles = hazards = macs = 0
    rows: list[dict[str, Any]] = []
    for kernel, outcome in outcomes(design, workload):
        total = outcome.cycles + design.launch_cycles
        seconds = total / (design.frequency_mhz * 1e6)
        for part, joules in costs.energies_j(
            design, outcome.table, outcome.waits[:, C_ISSUED], outcome.memory, seconds, area
        ).items():
            parts[part] += joules
        cycles += total
        hazards += int(outcome.hazards.sum())
        macs += int(outcome.waits[:, C_ISSUED] @ macs_of(kernel))
        slots += outcome.slots
        sectors += outcome.memory
        rows.append({"name": kernel.name, "cycles": total, "warp_instructions": kernel.warp_instructions,
                     "ipc": kernel.warp_instructions / outcome.cycles / design.sms, "hazards": int(outcome.hazards.sum()),
                     **{f"{cause}_slots": int(n) for cause, n in zip(CAUSES, outcome.slots, strict=True)}})
    launches = design.launch_cycles * len(workload.kernels)
    time_s, energy = cycles / (design.frequency_mhz * 1e6), sum(parts.values())
    counts = dict(zip(COUNTS, sectors.tolist(), strict=True))
    looked_up = counts["l1_hit_sectors"] + counts["l1_miss_sectors"]
    metrics = {
        "cycles": cycles, "time_s": time_s, "energy_j": energy, "area_mm2": area, "power_w": energy / time_s,
        "edp_js": energy * time_s, "ipc": workload.warp_instructions / (cycles - launches) / design.sms,
        "macs": macs, "warp_instructions": workload.warp_instructions, "hazards": hazards,
        "dram_bytes": 32 * (counts["dram_read_sectors"] + counts["dram_write_sectors"]),
        "l1_hit_rate": counts["l1_hit_sectors"] / looked_up if looked_up else 0.0,
        **{f"energy_{part}_j": joules for part, joules in parts.items()},
    }
    breakdown = {"launch": launches, **_share(dict(zip(CAUSES, slots.tolist(), strict=True)), cycles - launches)}
    columns = {key: [row[key] for row in rows] for key in rows[0]}
    return Report(metrics, breakdown, Table(columns))


def _share(slots: dict[str, int], cycles: int) -> dict[str, int]:
    """Scale slot counts to integers that sum to `cycles`, by largest remainders."""
    total = sum(slots.values())
    exact = {cause: cycles * n / total if total else 0.0 for cause, n in slots.items() if cause != "not_selected"}
    share = {cause: int(value) for cause, value in exact.items()}
    left = cycles - sum(share.values())
    for cause in sorted(exact, key=lambda c: share[c] - exact[c])[:left]:
        share[cause] += 1
    return share
