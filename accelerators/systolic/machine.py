"""The systolic array as a machine: workload in, reports out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from ...errors import InputError
from ...simulator.accelerator import Accelerator, Ceiling
from ...simulator.report import Report, Table
from ...traces.workload import Workload
from . import costs, engines, pipeline
from .design import SystolicDesign
from .lowering import JobTable, lower
from .notes import notes
from .program import RESULT

if TYPE_CHECKING:
    from ...simulator.benchmark import Measurement
    from ...simulator.timeline import Timeline
    from ...simulator.validation import Validation
    from .dram_run import DramOutcome

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

_DRAM_STALLS = {
    "stall_dram_busy_s": "memory=dram: time in which the array waited while the data bus moved words.",
    "stall_dram_queue_empty_s": "The same, while no request was there (latency of the first ones, halves not free).",
    "stall_dram_refresh_s": "The same, under refresh.",
    "stall_dram_bank_group_s": "The same, for the longer spacing within a bank group.",
    "stall_dram_turnaround_s": "The same, while the bus changed direction or rank.",
    "stall_dram_activation_limit_s": "The same, for limits on activations (tRRD, tFAW).",
    "stall_dram_row_cycle_s": "The same, while rows were closed and opened.",
    "stall_dram_other_s": "The same, for other timing rules.",
}
"""By the causes of `simulator.memory.dram`, in their order."""

_PORT_BITS = ("ifmap_read_bits", "filter_read_bits", "psum_read_bits", "psum_write_bits", "ofmap_write_bits")
_BATCH = 256


class Systolic(Accelerator):
    """A two-dimensional systolic array: output, weight or input stationary, exact by SCALE-Sim's fold rules."""

    name: ClassVar[str] = "systolic"
    design: ClassVar[type[SystolicDesign]] = SystolicDesign
    engines: ClassVar[tuple[str, ...]] = ("compiled", "simpy")
    metrics: ClassVar[Mapping[str, str]] = {
        "cycles": "Clock cycles from the first transfer to the last.",
        "interval_cycles": "Cycles from one result to the next where inputs follow each other: a pipeline's longest stage.",
        "runs_per_s": "Results a second, then.",
        "time_s": "The same in seconds.",
        "energy_j": "Energy of the run: the sum of the energy_*_j.",
        "area_mm2": "Area of array, vector unit and scratchpads.",
        "power_w": "Mean power, where inputs follow each other.",
        "edp_js": "Energy times time.",
        "dram_bytes": "Bytes over the memory port, both ways.",
        "macs": "Multiply-accumulates of the workload.",
        "effective_macs": "Those that the array does: without the zeros of sparse weights that it skips.",
        "pe_utilization": "effective_macs by cycles x PEs; at most 1.",
        "mapping_efficiency": "Share of PEs that hold work while the array streams.",
        "port_utilization": "Share of cycles in which the memory port transfers.",
        **{f"energy_{part}_j": f"Energy of {part}." for part in costs.ENERGIES},
        **_DRAM_STALLS,
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
            parts = [design.stage for design in batch]
            results = execute(parts, jobs)
            cuts: list[tuple[int, ...]] = [()] * len(batch)
            for d, design in enumerate(batch):
                if design.stages > 1 and not (results[d, :, 0] < 0).any():
                    cuts[d] = pipeline.cut(results[d], jobs.operator, design.stages)
                    results[d] = execute([parts[d]], jobs, [cuts[d]])[0]
            reports += _reports(batch, workload, jobs, results, cuts, _on_dram(batch, jobs, results, engine))
        return reports

    def timeline(self, design: Any, workload: Workload) -> Timeline:
        """Return what array and port did when, by the SimPy reference; see `timeline.systolic_timeline`."""
        from .timeline import systolic_timeline

        return systolic_timeline(design, workload)

    def ceiling(self, design: Any, workload: Workload) -> Ceiling:
        """Return one multiply-accumulate for each PE of all arrays and cycle, and the port's bandwidth."""
        hertz = design.frequency_mhz * 1e6
        port = None if design.memory == "ideal" else design.bandwidth_bytes_per_cycle * hertz
        if design.offchip is not None:
            port = design.offchip.peak_bits_per_cycle / 8 * hertz
        return Ceiling(design.pes * hertz, port)

    def bounds(self, designs: Sequence[Any], workload: Workload) -> Mapping[str, np.ndarray]:
        """Return cycles by the balance of every job's tiling, and energy for its counts; see `estimate.py`."""
        from .estimate import bounds

        return bounds(designs, workload)

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


def _on_dram(
    designs: Sequence[SystolicDesign], jobs: JobTable, results: np.ndarray, engine: str
) -> dict[int, DramOutcome | str | None]:
    """Time the designs with a DRAM and write that into the results; returns what it did, or why it cannot be."""
    outcomes: dict[int, DramOutcome | str | None] = {}
    for d, design in enumerate(designs):
        if design.memory == "dram" and not (results[d, :, 0] < 0).any():
            from .dram_run import run_on_dram

            try:
                outcomes[d] = run_on_dram(design, jobs, results[d], engine)
            except InputError as error:
                outcomes[d] = str(error)
    return outcomes


def _reports(
    designs: Sequence[SystolicDesign], workload: Workload, jobs: JobTable, results: np.ndarray,
    cuts: Sequence[tuple[int, ...]], outcomes: Mapping[int, DramOutcome | str | None],
) -> list[Report]:
    """Turn a batch of engine results into reports."""
    total = results.sum(axis=1)
    areas = costs.areas_mm2(designs)
    cycles, interval = total[:, 0], _intervals(results, cuts)
    energy = _energies_j(designs, jobs, results, areas, interval, outcomes).sum(axis=1)

    def summed(name: str) -> np.ndarray:
        return total[:, RESULT.index(name)]

    pes, stages = np.array([d.pes for d in designs]), np.array([d.stages for d in designs])
    macs = int(jobs.macs.sum())
    done = jobs.multiplied(jobs.skipping(np.array([d.sparse_block for d in designs]))).sum(axis=1)
    hertz = np.array([d.frequency_mhz * 1e6 for d in designs])
    seconds = cycles / hertz
    joules = energy.sum(axis=1)
    streaming = np.maximum(summed("compute_cycles") * pes // stages, 1)
    bits = sum(summed(name) for name in _PORT_BITS)
    whole = np.stack([cycles, -(-bits // 8), done, interval], axis=1).tolist()
    with np.errstate(divide="ignore", invalid="ignore"):
        real = np.column_stack([
            seconds, joules, areas.sum(axis=1), joules / interval * hertz, joules * seconds,
            done / (interval * pes), done / streaming, summed("port_busy_cycles") / (interval * stages),
            hertz / interval, energy,
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
        outcome = outcomes.get(d)
        if isinstance(outcome, str):
            reports.append(Report.failed(outcome))
            continue
        time_s, energy_j, area, power, edp, utilization, mapping, port, rate, *parts = real[d]
        metrics = {
            "cycles": whole[d][0], "interval_cycles": whole[d][3], "runs_per_s": rate,
            "time_s": time_s, "energy_j": energy_j, "area_mm2": area, "power_w": power,
            "edp_js": edp, "dram_bytes": whole[d][1], "macs": macs, "effective_macs": whole[d][2],
            "pe_utilization": utilization, "mapping_efficiency": mapping, "port_utilization": port,
            **{f"energy_{part}_j": value for part, value in zip(costs.ENERGIES, parts, strict=True)},
        }
        if outcome is not None:
            metrics |= dict(zip(_DRAM_STALLS, outcome.stalls_s.sum(axis=0).tolist(), strict=True))
        breakdown = dict(zip(CAUSES, causes[d], strict=True))
        reports.append(Report(metrics, breakdown, Table(_Layers(design, workload, jobs, results[d], cuts[d], outcome))))
    return reports


def _intervals(results: np.ndarray, cuts: Sequence[tuple[int, ...]]) -> np.ndarray:
    """Return for each design the cycles from one result to the next."""
    return np.array([max(pipeline.stage_cycles(rows[:, 0], own)) for rows, own in zip(results, cuts, strict=True)])


def _energies_j(
    designs: Sequence[SystolicDesign], jobs: JobTable, results: np.ndarray, areas: np.ndarray, interval: np.ndarray,
    outcomes: Mapping[int, DramOutcome | str | None],
) -> np.ndarray:
    """Return energies as `costs.energies_j` does, with what leaks between two results and what a DRAM itself counted."""
    energy = costs.energies_j(designs, jobs, results, areas)
    energy[..., -1] *= (interval / np.maximum(results[:, :, 0].sum(axis=1), 1))[:, None]
    for d, outcome in outcomes.items():
        if outcome is not None and not isinstance(outcome, str) and outcome.energy_j is not None:
            costs.share_dram_energy(energy[d], outcome.energy_j)
    return energy


class _Layers:
    """Builds the table of operators of one design when it is asked for."""

    def __init__(
        self, design: SystolicDesign, workload: Workload, jobs: JobTable, rows: np.ndarray, cuts: tuple[int, ...],
        dram: DramOutcome | None,
    ) -> None:
        self.design, self.workload, self.jobs, self.rows = design, workload, jobs, rows
        self.cuts, self.dram = cuts, dram

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
        interval = _intervals(rows[None], [self.cuts])
        energy = _energies_j([design], jobs, rows[None], area, interval, {0: self.dram})[0]
        done = per_operator(jobs.multiplied(jobs.skipping(np.array([design.sparse_block])))[0])
        cycles = column("cycles")
        pes = design.pes // design.stages
        streaming = column("compute_cycles") * pes
        columns: dict[str, Any] = {
            "name": [op.name for op in operators],
            "kind": [op.kind for op in operators],
            "macs": per_operator(jobs.macs),
            "cycles": cycles,
            **{f"{cause}_cycles": column(name) for cause, name in CAUSES.items()},
            "pe_utilization": done / np.maximum(cycles * pes, 1),
            "idle_pe_cycles": np.maximum(streaming - done, 0),
            "folds": column("folds"),
            "port_busy_cycles": column("port_busy_cycles"),
            **{f"{name.removesuffix('_bits')}_bytes": -(-column(name) // 8) for name in _PORT_BITS},
            **{name: column(name) for name in RESULT if name.startswith("sram_")},
            "energy_j": per_operator(energy.sum(axis=1)),
            "note": notes(design.stage, self.workload, jobs, rows, self.cuts),
        }
        if self.cuts:
            begins = [int(np.searchsorted(self.cuts, j, "right")) for j in range(len(rows))]
            columns["stage"] = [begins[int(np.argmax(owner == i))] for i in range(len(operators))]
        if self.dram is not None:
            columns |= {name: per_operator(self.dram.stalls_s[:, i]) for i, name in enumerate(_DRAM_STALLS)}
        return columns
