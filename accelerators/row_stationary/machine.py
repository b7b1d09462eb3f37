"""The row-stationary array as a machine: workload in, reports out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from ...simulator.accelerator import Accelerator, Ceiling
from ...simulator.report import Report, Table
from ...traces.workload import Workload
from . import costs, engines
from .design import WORD_BITS, RowStationaryDesign
from .lowering import JobTable, field, lower
from .mapping import RESULT

if TYPE_CHECKING:
    from ...simulator.benchmark import Measurement
    from ...simulator.timeline import Timeline
    from ...simulator.validation import Validation

__all__ = ["RowStationary"]


class RowStationary(Accelerator):
    """A row-stationary array: Eyeriss's mapping with nn_dataflow's rules of folding and replication."""

    name: ClassVar[str] = "row-stationary"
    design: ClassVar[type[RowStationaryDesign]] = RowStationaryDesign
    default_workload: ClassVar[str] = "alexnet"
    engines: ClassVar[tuple[str, ...]] = ("compiled", "reference")
    metrics: ClassVar[Mapping[str, str]] = {
        "cycles": "Clock cycles of all operators, one after another.",
        "time_s": "The same in seconds.",
        "energy_j": "Energy of the run: the sum of the energy_*_j.",
        "area_mm2": "Area of PEs, register files, vector unit and buffer.",
        "power_w": "Mean power.",
        "edp_js": "Energy times time.",
        "dram_bytes": "Bytes between memory and buffer, both ways.",
        "macs": "Multiply-accumulates of the workload.",
        "pe_utilization": "Multiply-accumulates by cycles x PEs; at most 1.",
        "mean_operator_utilization": "Mean over operators with products of multiply-accumulates by pass cycles x PEs.",
        **{f"energy_{part}_j": f"Energy of {part}." for part in costs.ENERGIES},
    }

    def simulate_many(self, designs: Sequence[Any], workload: Workload, *, engine: str = "compiled") -> list[Report]:
        """Map every operator of the network on every design; see `Accelerator.simulate_many`."""
        jobs = lower(workload)
        results = (engines.compiled if engine == "compiled" else engines.reference)(designs, jobs)
        counts = costs.accesses(jobs, results)
        areas = costs.area_mm2(designs)
        return [
            _report(design, workload, jobs, results[d], counts[d], float(areas[d])) for d, design in enumerate(designs)
        ]

    def timeline(self, design: Any, workload: Workload) -> Timeline:
        """Return when array, vector unit and port are busy; see `timeline.row_stationary_timeline`."""
        from .timeline import row_stationary_timeline

        return row_stationary_timeline(design, workload)

    def ceiling(self, design: Any, workload: Workload) -> Ceiling:
        """Return one multiply-accumulate for each PE and cycle, and the port's bandwidth."""
        hertz = design.frequency_mhz * 1e6
        port = None if design.memory == "ideal" else design.bandwidth_bytes_per_cycle * hertz
        return Ceiling(design.rows * design.cols * hertz, port)

    @classmethod
    def validate(cls, table: Path | None = None) -> Validation:
        """Rerun Eyeriss's active PEs and DRACO's table; see `validation.validate`."""
        from .validation import validate

        return validate(table)

    @classmethod
    def bench(cls) -> Iterator[Measurement]:
        """Measure the speed of the compiled engine; see `bench.py`."""
        from .bench import bench

        return bench(cls())


def _report(
    design: RowStationaryDesign, workload: Workload, jobs: JobTable, rows: np.ndarray, counts: np.ndarray, area: float
) -> Report:
    """Turn one design's results (jobs, len(RESULT)) and accesses (jobs, levels) into a report."""
    if (rows[:, 0] < 0).any():
        name = workload.operators[jobs.operator[int(np.argmax(rows[:, 0] < 0))]].name
        return Report.failed(f"operator {name!r}: no tile of it fits the buffer (buffer_kib={design.buffer_kib})")
    busy = rows[:, RESULT.index("cycles")]
    moved = counts[:, costs.ENERGIES.index("dram")] * WORD_BITS // 8
    cycles = busy if design.memory == "ideal" else np.maximum(busy, -(-moved // design.bandwidth_bytes_per_cycle))
    vector = jobs.unique[jobs.use, field("vector")] == 1
    table = _Operators(design, workload, jobs, rows, counts, cycles)
    pes, macs, total = design.rows * design.cols, int(jobs.macs.sum()), int(cycles.sum())
    time_s = total / (design.frequency_mhz * 1e6)
    parts = costs.energies(counts).sum(axis=0) * costs.mac_j()
    energy = float(parts.sum())
    products = table.of_operator(np.where(vector, 0, busy))
    mapped = table.of_operator(jobs.macs)[products > 0] / (products[products > 0] * pes)
    metrics = {
        "cycles": total, "time_s": time_s, "energy_j": energy, "area_mm2": area, "power_w": energy / time_s,
        "edp_js": energy * time_s, "dram_bytes": int(moved.sum()),
        "macs": macs, "pe_utilization": macs / (total * pes),
        "mean_operator_utilization": float(mapped.mean()) if len(mapped) else 0.0,
        **{f"energy_{part}_j": float(value) for part, value in zip(costs.ENERGIES, parts, strict=True)},
    }
    breakdown = {
        "compute": int(busy[~vector].sum()), "vector": int(busy[vector].sum()), "stall_dram": int((cycles - busy).sum()),
    }
    return Report(metrics, breakdown, Table(table))


class _Operators:
    """Builds the table of operators of one design when it is asked for."""

    def __init__(
        self, design: RowStationaryDesign, workload: Workload, jobs: JobTable, rows: np.ndarray, counts: np.ndarray,
        cycles: np.ndarray,
    ) -> None:
        self.design, self.workload, self.jobs = design, workload, jobs
        self.rows, self.counts, self.cycles = rows, counts, cycles

    def of_operator(self, values: np.ndarray) -> np.ndarray:
        """Sum a column of jobs by operator."""
        out = np.zeros(len(self.workload.operators), values.dtype)
        np.add.at(out, self.jobs.operator, values)
        return out

    def __call__(self) -> dict[str, Any]:
        jobs, operators = self.jobs, self.workload.operators
        vector = jobs.unique[jobs.use, field("vector")] == 1
        busy = self.rows[:, RESULT.index("cycles")]
        peak = np.zeros(len(operators), np.int64)
        np.maximum.at(peak, jobs.operator, self.rows[:, RESULT.index("peak_pes")])
        macs, compute = self.of_operator(jobs.macs), self.of_operator(np.where(vector, 0, busy))
        by_level = {level: self.of_operator(self.counts[:, i]) for i, level in enumerate(costs.ENERGIES)}
        energy = costs.energies(self.counts).sum(axis=1) * costs.mac_j()
        return {
            "name": [op.name for op in operators],
            "kind": [op.kind for op in operators],
            "macs": macs,
            "cycles": self.of_operator(self.cycles),
            "compute_cycles": compute,
            "vector_cycles": self.of_operator(np.where(vector, busy, 0)),
            "stall_dram_cycles": self.of_operator(self.cycles - busy),
            "passes": self.of_operator(self.rows[:, RESULT.index("passes")]),
            "active_pes": peak,
            "mean_active_pes": macs / np.maximum(compute, 1),
            "pe_utilization": macs / np.maximum(compute * self.design.rows * self.design.cols, 1),
            **{f"{level}_accesses": by_level[level] for level in costs.ENERGIES[1:]},
            **{name + "_words": self.of_operator(self.rows[:, i])
               for i, name in enumerate(RESULT) if name.startswith(("array_", "buffer_", "dram_"))},
            "energy_j": self.of_operator(energy),
            "note": self._notes(),
        }

    def _notes(self) -> list[str]:
        """Say for each operator how a pass is made up, or into what it was fused."""
        operators = self.workload.operators
        notes = [""] * len(operators)
        for i, into in self.jobs.fused_into.items():
            notes[i] = f"applied to the outputs of {operators[into].name}"
        for j, row in enumerate(self.rows.tolist()):
            r = dict(zip(RESULT, row, strict=True))
            if self.jobs.unique[self.jobs.use[j], field("vector")]:
                text = "vector unit"
            else:
                folds = [f"{side} folded {r[f'{side}_folds']}x" for side in ("height", "width") if r[f"{side}_folds"] > 1]
                held = [name for name in ("ifmap", "filter") if r[f"{name}_held"]]
                spilled = ["partial sums through memory"] if r["dram_psum"] else []
                text = "; ".join([
                    f"a pass is {r['pass_channels']} channels x {r['pass_filters']} filters"
                    f"{' of several groups' * r['mixed']}", *folds,
                    f"tiles of {r['tile_filters']} filters x {r['tile_rows']} rows",
                    *([f"{' and '.join(held)} held"] if held else []), *spilled,
                ])
            i = int(self.jobs.operator[j])
            notes[i] = f"{notes[i]} | {text}" if notes[i] else text
        return notes
