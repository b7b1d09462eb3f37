"""The two executions of a design's jobs, with the same results column by column."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from . import chains, mapping, program
from .components import STALLS, Fold, JobRun, Plan, Step, Tiling, ideal_job, simulate_job
from .design import ACCUMULATOR_BITS, FUSIONS, SystolicDesign
from .lowering import JobTable, field
from .program import FUSED, RESULT
from .schedule import place
from .timing import LEVELS, N_ACC, N_STATE, run

__all__ = ["compiled", "compiled_folds", "design_row", "job_plan", "reference", "run_job"]

KIB_HALF_BITS = 1024 * 8 // 2


def design_row(design: SystolicDesign) -> list[int]:
    """Return a design as a row of `program.PARAMETERS`."""
    return [
        design.rows, design.cols, mapping.dataflow_code(design.dataflow),
        design.ifmap_sram_kib * KIB_HALF_BITS, design.filter_sram_kib * KIB_HALF_BITS,
        design.ofmap_sram_kib * KIB_HALF_BITS, 2 * design.activation_sram_kib * KIB_HALF_BITS,
        design.bandwidth_bytes_per_cycle * 8, design.memory_latency_cycles, design.element_bits,
        design.vector_lanes, int(design.memory == "ideal"), FUSIONS.index(design.fusion),
    ]


def compiled(designs: Sequence[SystolicDesign], jobs: JobTable) -> np.ndarray:
    """Return results of shape (designs, jobs, len(RESULT)), int64."""
    table = np.array([design_row(design) for design in designs], np.int64).reshape(len(designs), -1)
    results = np.zeros((len(designs), len(jobs.use), len(RESULT)), np.int64)
    widths = sorted({design.element_bits for design in designs})
    places = [place(jobs, width) for width in widths]
    rooms = np.array([found.rooms for found in places]).reshape(len(widths), len(jobs.use), -1)
    near = np.array([found.near for found in places]).reshape(len(widths), -1, 2)
    width = np.array([widths.index(design.element_bits) for design in designs], np.int64)
    chains.solve(table, jobs.unique, jobs.use, rooms, near, width, results)
    return results


def reference(designs: Sequence[SystolicDesign], jobs: JobTable) -> np.ndarray:
    """Likewise, with times, stalls, folds and traffic of every job as the SimPy components have them.

    The tilings, and what stays on chip, are those that the compiled search chose: they are decisions made
    before the machine runs, and not part of the machine.
    """
    results = compiled(designs, jobs)
    first_stall, port = RESULT.index("stall_ifmap_cycles"), RESULT.index("port_busy_cycles")
    first_bits, folds = RESULT.index("ifmap_read_bits"), RESULT.index("folds")
    compute, fill, vector = (RESULT.index(f"{name}_cycles") for name in ("compute", "fill_drain", "vector"))
    for design, rows in zip(designs, results, strict=True):
        for j, row in enumerate(rows):
            if row[0] < 0 or row[FUSED] < 0:
                continue
            seen = run_job(design, jobs, j, row)
            row[0] = seen.cycles
            row[first_stall:port] = [seen.stalls[name] for name in STALLS]
            row[port] = sum(end - start for _, start, end in seen.transfers)
            row[first_bits : first_bits + 5] = _traffic(design, _as_run(jobs, j, row), row, job_plan(design, jobs, j, row))
            computed = sum(fold.end - fold.start for fold in seen.folds)
            if row[vector]:
                row[vector] = computed
            else:
                row[folds], row[fill] = len(seen.folds), computed - row[compute]
    return results


def _traffic(design: SystolicDesign, job: np.ndarray, row: np.ndarray, plan: Plan) -> list[int]:
    """Bits moved, transfer by transfer: ifmap, filter, partial sums read, partial sums written, outputs."""
    stored = sum(step.closed_bits for step in plan.steps) + plan.last_bits
    kept = row[RESULT.index("ofmap_on_chip")]
    outputs = 0 if kept else int(job[field("out_elements")] * (job[field("out_bits")] or design.element_bits))
    return [
        sum(step.ifmap_bits for step in plan.steps), sum(step.filter_bits for step in plan.steps),
        sum(step.psum_bits for step in plan.steps), stored - outputs, outputs,
    ]


@dataclass(frozen=True)
class _Shape:
    """The numbers of one job that a plan is made of."""

    job: np.ndarray
    design: SystolicDesign
    result: np.ndarray

    def of(self, name: str) -> int:
        return int(self.job[field(name)])

    def chosen(self, name: str) -> int:
        return int(self.result[RESULT.index(name)])

    def bits(self, name: str) -> int:
        return self.of(name) or self.design.element_bits


def _as_run(jobs: JobTable, j: int, result: np.ndarray) -> np.ndarray:
    """Return job j with what is fused into it: its outputs are the last one's, a vector pass does all operations."""
    job = jobs.unique[jobs.use[j]].copy()
    last = j + max(0, int(result[FUSED]))
    if job[field("vector")]:
        job[field("vector_ops")] = jobs.unique[jobs.use[j : last + 1], field("vector_ops")].sum()
    job[field("out_bits")] = jobs.unique[jobs.use[last], field("out_bits")]
    return job


def job_plan(design: SystolicDesign, jobs: JobTable, j: int, result: np.ndarray) -> Plan:
    """Return job j's program, for the tiling written in its result row; of a job that is fused there is none."""
    shape = _Shape(_as_run(jobs, j, result), design, result)
    if result[FUSED] < 0:
        return Plan((), 0)
    return _vector_plan(shape) if shape.of("vector") else _product_plan(shape)


def run_job(design: SystolicDesign, jobs: JobTable, j: int, result: np.ndarray) -> JobRun:
    """Run job j on the SimPy components; one that is fused into another takes no time of its own."""
    if result[FUSED] < 0:
        return JobRun(0)
    plan = job_plan(design, jobs, j, result)
    if design.memory == "ideal":
        return ideal_job(plan)
    return simulate_job(plan, design.bandwidth_bytes_per_cycle * 8, design.memory_latency_cycles)


def _product_plan(shape: _Shape) -> Plan:
    design, flow = shape.design, mapping.dataflow_code(shape.design.dataflow)
    on_chip = {kind: bool(shape.chosen(f"{kind}_on_chip")) for kind in ("ifmap", "filter", "ofmap")}
    filter_bits = shape.bits("in_bits" if shape.of("filter_activation") else "weight_bits")

    def tile_bits(kind: str, x: int, y: int) -> int:
        if kind == "ifmap":
            return 0 if on_chip["ifmap"] else int(program.patch_elements(shape.job, x, y)) * shape.bits("in_bits")
        if kind == "filter":
            return 0 if on_chip["filter"] else x * y * filter_bits
        if kind == "psum":
            return x * y * ACCUMULATOR_BITS
        return 0 if on_chip["ofmap"] else x * y * shape.bits("out_bits")

    def tile_folds(m: int, n: int, k: int) -> tuple[int, int]:
        sr, sc, t = mapping.fold_shape(flow, m, n, k)
        down, across = mapping.fold_counts(sr, sc, design.rows, design.cols)
        return down * across, mapping.fold_period(flow, design.rows, design.cols, t)

    order = "".join("mnk"[dim] for dim in program.ORDERS[shape.chosen("order")])
    tile = Tiling(
        shape.chosen("tile_groups"), shape.chosen("tile_m"), shape.chosen("tile_n"), shape.chosen("tile_k"), order
    )
    sizes = [shape.of(name) for name in ("m", "n", "k")]
    return Plan.of(shape.of("groups"), sizes, tile, tile_bits, tile_folds)


def _vector_plan(shape: _Shape) -> Plan:
    elements, chunk = shape.of("out_elements"), shape.chosen("tile_m")
    near = shape.chosen("near_elements")
    before_last = (elements - 1) // chunk

    out_bits = 0 if shape.chosen("ofmap_on_chip") else shape.bits("out_bits")

    def share(total: int, position: int) -> int:
        """Chunks take equal shares, rounded down; the last takes the rest."""
        each = total // (before_last + 1)
        return each if position < before_last else total - before_last * each

    steps = []
    for position in range(before_last + 1):
        steps.append(Step(
            ifmap_bits=share(shape.of("in_elements") - near, position) * shape.bits("in_bits"),
            filter_bits=0,
            opens_output=True,
            psum_bits=0,
            closed_bits=chunk * out_bits if position else 0,
            folds=1,
            fold_cycles=-(-share(shape.of("vector_ops"), position) // shape.design.vector_lanes),
        ))
    return Plan(tuple(steps), (elements - before_last * chunk) * out_bits)


def compiled_folds(design: SystolicDesign, jobs: JobTable, j: int, result: np.ndarray) -> list[Fold]:
    """Return every fold of job j as the compiled recurrence times it, none jumped over."""
    if result[FUSED] < 0:
        return []
    plan = job_plan(design, jobs, j, result)
    if design.memory == "ideal":
        return ideal_job(plan).folds
    shape = _Shape(_as_run(jobs, j, result), design, result)
    row = np.array(design_row(design), np.int64)
    trips, dims = np.zeros(LEVELS, np.int64), np.zeros(3, np.int64)
    ifmap, filters, outputs, psums = (np.zeros((2, 2), np.int64) for _ in range(4))
    cycles = np.zeros((2, 2, 2), np.int64)
    tables = (trips, dims, ifmap, filters, outputs, psums, cycles)
    kept = shape.chosen("ofmap_on_chip")
    groups, last_groups = shape.chosen("tile_groups"), 1
    if shape.of("vector"):
        near = shape.chosen("near_elements")
        program.plan_vector(shape.job, row, near, kept, shape.chosen("tile_m"), *tables)
    else:
        tile = [shape.chosen(name) for name in program.PLAN]
        near_flags = (shape.chosen("ifmap_on_chip"), shape.chosen("filter_on_chip"), kept)
        program.plan_product(shape.job, row, *near_flags, *tile, *tables)
        last_groups = shape.of("groups") - (int(trips[0]) - 1) * groups
    starts = np.zeros(len(plan.steps), np.int64)
    run(trips, dims, groups, last_groups, ifmap, filters, outputs, psums, cycles, row[program.BANDWIDTH],
        row[program.LATENCY], np.zeros(N_ACC, np.int64), starts, np.zeros((2 * LEVELS, N_STATE + N_ACC), np.int64))
    return [
        Fold(i, int(begin) + f * step.fold_cycles, int(begin) + (f + 1) * step.fold_cycles)
        for i, (begin, step) in enumerate(zip(starts, plan.steps, strict=True))
        for f in range(step.folds)
    ]
