"""The systolic array as a machine: workload in, reports out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from ...simulator.accelerator import Accelerator, Ceiling
from ...simulator.report import Report, Table
from ...traces.workload import Workload
from . import costs, engines
from .design import SystolicDesign
from .lowering import JobTable, lower
from .notes import notes
from .program import RESULT

if TYPE_CHECKING:
    from ...simulator.benchmark import Measurement
    from ...simulator.timeline import Timeline
    from ...simulator.validation import Validation

__all__ = ["CAUSES", "Systolic"]

CAUSES = {
    "compute": "compute_cycles",
    "fill_drain": "fill_drain_cycles",
    "vector": "vector_cycles",
    "stall_ifmap": "stall_ifmap_cycles",
    "stall_filter": "stall_filter_cycles",
    "stall_psum": "stall_psum_cycles",
    "stall_ofmap": "stall_ofmap_cycles",
}
"""Where a cycle can go, and the engines' column that counts it."""

_PORT_BITS = ("ifmap_read_bits", "filter_read_bits", "psum_read_bits", "psum_write_bits", "ofmap_write_bits")
_BATCH = 256


class Systolic(Accelerator):
    """A two-dimensional systolic array: output, weight or input stationary, exact by SCALE-Sim's fold rules."""

    name: ClassVar[str] = "systolic"
    design: ClassVar[type[SystolicDesign]] = SystolicDesign
    engines: ClassVar[tuple[str, ...]] = ("compiled", "simpy")
    metrics: ClassVar[Mapping[str, str]] = {
        "cycles": "Clock cycles from the first transfer to the last.",
        "time_s": "The same in seconds.",
        "energy_j": "Energy of the run: the sum of the energy_*_j.",
        "area_mm2": "Area of array, vector unit and scratchpads.",
        "power_w": "Mean power.",
        "edp_js": "Energy times time.",
        "dram_bytes": "Bytes over the memory port, both ways.",
        "macs": "Multiply-accumulates of the workload.",
        "pe_utilization": "Multiply-accumulates by cycles x PEs; at most 1.",
        "mapping_efficiency": "Share of PEs that hold work while the array streams.",
        "port_utilization": "Share of cycles in which the memory port transfers.",
        **{f"energy_{part}_j": f"Energy of {part}." for part in costs.ENERGIES},
    }

    def simulate_many(
        self, designs: Sequence[Any], workload: Workload, *, engine: str = "compiled"
    ) -> list[Report]:
        """Simulate every design on the network; see `Accelerator.simulate_many`."""
        jobs = lower(workload)
        execute = engines.compiled if engine == "compiled" else engines.reference
        reports: list[Report] = []
        for start in range(0, len(designs), _BATCH):
            batch = designs[start : start + _BATCH]
            reports += _reports(batch, workload, jobs, execute(batch, jobs))
        return reports

    def timeline(self, design: Any, workload: Workload) -> Timeline:
        """Return what array and port did when, by the SimPy reference; see `timeline.systolic_timeline`."""
        from .timeline import systolic_timeline

        return systolic_timeline(design, workload)

    def ceiling(self, design: Any, workload: Workload) -> Ceiling:
        """Return one multiply-accumulate for each PE and cycle, and the port's bandwidth."""
        hertz = design.frequency_mhz * 1e6
        port = None if design.memory == "ideal" else design.bandwidth_bytes_per_cycle * hertz
        return Ceiling(design.rows * design.cols * hertz, port)

    @classmethod
    def validate(cls, table: Path | None = None) -> Validation:
        """Rerun the comparison with SCALE-Sim's table; see `scalesim.validate`."""
        from .scalesim import validate

        return validate(table)

    @classmethod
    def bench(cls) -> Iterator[Measurement]:
        """Measure the speed of both engines; see `bench.py`."""
        from .bench import bench

        return bench(cls())


def _reports(
    designs: Sequence[SystolicDesign], workload: Workload, jobs: JobTable, results: np.ndarray
) -> list[Report]:
    """Turn a batch of engine results into reports."""
    total = results.sum(axis=1)
    areas = costs.areas_mm2(designs)
    energy = costs.energies_j(designs, jobs, results, areas).sum(axis=1)

    def summed(name: str) -> np.ndarray:
        return total[:, RESULT.index(name)]

    pes = np.array([d.rows * d.cols for d in designs])
    cycles, macs = summed("cycles"), int(jobs.macs.sum())
    seconds = cycles / np.array([d.frequency_mhz * 1e6 for d in designs])
    joules = energy.sum(axis=1)
    streaming = np.maximum(summed("compute_cycles") * pes, 1)
    bits = sum(summed(name) for name in _PORT_BITS)
    whole = np.stack([cycles, -(-bits // 8)], axis=1).tolist()
    with np.errstate(divide="ignore", invalid="ignore"):
        real = np.column_stack([
            seconds, joules, areas.sum(axis=1), joules / seconds, joules * seconds,
            macs / (cycles * pes), macs / streaming, summed("port_busy_cycles") / cycles, energy,
        ]).tolist()
    causes = total[:, [RESULT.index(column) for column in CAUSES.values()]].tolist()
    failed = np.any(results[:, :, 0] < 0, axis=1).tolist()

    reports = []
    for d, design in enumerate(designs):
        if failed[d]:
            stuck = int(np.argmax(results[d, :, 0] < 0))
            name = workload.operators[jobs.operator[stuck]].name
            reports.append(Report.failed(f"operator {name!r}: no tile of it fits the scratchpads"))
            continue
        time_s, energy_j, area, power, edp, utilization, mapping, port, *parts = real[d]
        metrics = {
            "cycles": whole[d][0], "time_s": time_s, "energy_j": energy_j, "area_mm2": area, "power_w": power,
            "edp_js": edp, "dram_bytes": whole[d][1], "macs": macs, "pe_utilization": utilization,
            "mapping_efficiency": mapping, "port_utilization": port,
            **{f"energy_{part}_j": value for part, value in zip(costs.ENERGIES, parts, strict=True)},
        }
        breakdown = dict(zip(CAUSES, causes[d], strict=True))
        reports.append(Report(metrics, breakdown, Table(_Layers(design, workload, jobs, results[d]))))
    return reports


class _Layers:
    """Builds the table of operators of one design when it is asked for."""

    def __init__(self, design: SystolicDesign, workload: Workload, jobs: JobTable, rows: np.ndarray) -> None:
        self.design, self.workload, self.jobs, self.rows = design, workload, jobs, rows

    def __call__(self) -> dict[str, Any]:
        design, jobs, rows = self.design, self.jobs, self.rows
        operators = self.workload.operators
        owner = jobs.operator

        def per_operator(values: np.ndarray) -> np.ndarray:
            out = np.zeros(len(operators), values.dtype)
            np.add.at(out, owner, values)
            return out

        def column(name: str) -> np.ndarray:
            return per_operator(rows[:, RESULT.index(name)])

        area = costs.areas_mm2([design])
        energy = costs.energies_j([design], jobs, rows[None], area)[0].sum(axis=1)
        macs, cycles = per_operator(jobs.macs), column("cycles")
        streaming = column("compute_cycles") * design.rows * design.cols
        columns: dict[str, Any] = {
            "name": [op.name for op in operators],
            "kind": [op.kind for op in operators],
            "macs": macs,
            "cycles": cycles,
            **{f"{cause}_cycles": column(name) for cause, name in CAUSES.items()},
            "pe_utilization": macs / np.maximum(cycles * design.rows * design.cols, 1),
            "idle_pe_cycles": np.maximum(streaming - macs, 0),
            "folds": column("folds"),
            "port_busy_cycles": column("port_busy_cycles"),
            **{f"{name.removesuffix('_bits')}_bytes": -(-column(name) // 8) for name in _PORT_BITS},
            **{name: column(name) for name in RESULT if name.startswith("sram_")},
            "energy_j": per_operator(energy),
            "note": notes(design, self.workload, jobs, rows),
        }
        return columns
