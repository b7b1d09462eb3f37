"""The two executions of a design's jobs, with the same results column by column."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from . import chains, mapping, program
from .components import STALLS, Fold, JobRun, Plan, Share, Step, Tiling, Work, ideal_job, simulate_job
from .design import ACCUMULATOR_BITS, FUSIONS, SystolicDesign
from .fold_list import fold_list, shadow_operand
from .lowering import ELEMENTWISE, JobTable, field
from .program import FUSED, RESULT
from .schedule import place
from .timing import LEVELS, N_ACC, N_STATE, N_TIMES, run

__all__ = ["compiled", "compiled_folds", "design_row", "expand", "job_plan", "reference", "run_job", "shares",
           "step_tables", "vector_cycles"]

KIB_HALF_BITS = 1024 * 8 // 2


def design_row(design: SystolicDesign, *, timed: bool = True) -> list[int]:
    """Return a design as a row of `program.PARAMETERS`.

    For a DRAM the tiler plans with a port of its peak bandwidth and unloaded latency.
    """
    bandwidth_bits, latency = 8 * design.bandwidth_bytes_per_cycle, design.memory_latency_cycles
    if memory := design.offchip:
        bandwidth_bits, latency = memory.peak_bits_per_cycle, memory.unloaded_cycles
    return [
        design.rows, design.cols, mapping.dataflow_code(design.dataflow),
        design.ifmap_sram_kib * KIB_HALF_BITS, design.filter_sram_kib * KIB_HALF_BITS,
        design.ofmap_sram_kib * KIB_HALF_BITS, 2 * design.activation_sram_kib * KIB_HALF_BITS,
        bandwidth_bits, latency, *design.widths,
        design.vector_lanes, int(design.memory == "ideal"), FUSIONS.index(design.fusion),
        design.groups_per_fold, design.sparse_block, design.arrays, int(design.partition == "row"), int(timed),
        int(design.dataflow == "os"), int(design.skip_idle), int(design.overlap_drain), int(design.overlap_preload),
        design.mac_stages,
    ]


def compiled(
    designs: Sequence[SystolicDesign], jobs: JobTable, cuts: Sequence[tuple[int, ...]] | None = None, *, timed: bool = True
) -> np.ndarray:
    """Return results of shape (designs, jobs, len(RESULT)), int64; `cuts` are those of each design's pipeline.

    Unless `timed` no step is: a closed form chooses a job's tiling and stands for its cycles; see `estimate.py`.
    """
    table = np.array([design_row(design, timed=timed) for design in designs], np.int64).reshape(len(designs), -1)
    results = np.zeros((len(designs), len(jobs.use), len(RESULT)), np.int64)
    wanted = [(design.widths[2], own) for design, own in zip(designs, cuts or [()] * len(designs), strict=True)]
    kinds = sorted(set(wanted))
    places = [place(jobs, *kind) for kind in kinds]
    rooms = np.array([found.rooms for found in places]).reshape(len(kinds), len(jobs.use), -1)
    near = np.array([found.near for found in places]).reshape(len(kinds), -1, 2)
    kind = np.array([kinds.index(one) for one in wanted], np.int64)
    chains.solve(table, jobs.unique, jobs.sparse, jobs.use, rooms, near, kind, results)
    return results


def reference(
    designs: Sequence[SystolicDesign], jobs: JobTable, cuts: Sequence[tuple[int, ...]] | None = None
) -> np.ndarray:
    """Likewise, with times, stalls, folds and traffic of every job as the SimPy components have them.

    The tilings, and what stays on chip, are those that the compiled search chose: they are decisions made
    before the machine runs, and not part of the machine.
    """
    results = compiled(designs, jobs, cuts)
    first_stall, port = RESULT.index("stall_ifmap_cycles"), RESULT.index("port_busy_cycles")
    first_bits, folds = RESULT.index("ifmap_read_bits"), RESULT.index("folds")
    compute, fill, vector = (RESULT.index(f"{name}_cycles") for name in ("compute", "fill_drain", "vector"))
    for design, rows in zip(designs, results, strict=True):
        for j, row in enumerate(rows):
            if row[0] < 0 or row[FUSED] < 0 or design.memory == "dram":  # the last are timed by `dram_run.py`
                continue
            plan = job_plan(design, jobs, j, row)
            seen = run_job(design, jobs, j, row)
            is_vector = bool(jobs.unique[jobs.use[j], field("vector")])
            beside = vector_cycles(design, jobs, j, row)
            row[0] = max(seen.cycles, beside)
            row[first_stall:port] = [seen.stalls[name] for name in STALLS]
            row[port] = sum(end - start for _, start, end in seen.transfers)
            row[first_bits : first_bits + 5] = _traffic(design, _as_run(design, jobs, j, row), row, plan)
            busy = seen.cycles - sum(seen.stalls.values())
            if is_vector:
                row[vector] = busy
            else:
                row[vector] = row[0] - seen.cycles
                busiest = [step.folds[0] for step in plan.steps]
                streams = sum(work.streams for folds_ in busiest for work in folds_)
                row[folds], row[compute], row[fill] = sum(map(len, busiest)), streams, busy - streams
    return results


def _traffic(design: SystolicDesign, job: np.ndarray, row: np.ndarray, plan: Plan) -> list[int]:
    """Bits moved, transfer by transfer: ifmap, filter, partial sums read, partial sums written, outputs."""
    stored = sum(step.closed_bits for step in plan.steps) + plan.last_bits
    kept = row[RESULT.index("ofmap_on_chip")]
    outputs = 0 if kept else int(job[field("out_elements")] * (job[field("out_bits")] or design.widths[2]))
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
        own = dict(zip(("in_bits", "weight_bits", "out_bits"), self.design.widths, strict=True))
        return self.of(name) or own[name]


def _as_run(design: SystolicDesign, jobs: JobTable, j: int, result: np.ndarray) -> np.ndarray:
    """Return job j with what is fused into it: its outputs are the last one's, a vector pass does all operations."""
    job = jobs.row(j, design.sparse_block).copy()
    last = j + max(0, int(result[FUSED]))
    if job[field("vector")]:
        job[field("vector_ops")] = jobs.unique[jobs.use[j : last + 1], field("vector_ops")].sum()
    job[field("out_bits")] = jobs.unique[jobs.use[last], field("out_bits")]
    return job


def vector_cycles(design: SystolicDesign, jobs: JobTable, j: int, result: np.ndarray) -> int:
    """Return for how long the vector unit is busy beside job j, with what is fused into it (into a vector pass: nothing)."""
    fused = range(j + 1, j + 1 + max(0, int(result[FUSED])))
    beside = [i for i in fused if jobs.follows[i] != ELEMENTWISE]
    ops = sum(int(jobs.unique[jobs.use[i], field("vector_ops")]) for i in beside)
    return -(-ops // design.vector_lanes)


def job_plan(design: SystolicDesign, jobs: JobTable, j: int, result: np.ndarray) -> Plan:
    """Return job j's program, for the tiling written in its result row; of a job that is fused there is none."""
    if result[FUSED] < 0:
        return Plan((), 0)
    shape = _Shape(_as_run(design, jobs, j, result), design, result)
    return _vector_plan(shape) if shape.of("vector") else _product_plan(shape)


def run_job(
    design: SystolicDesign, jobs: JobTable, j: int, result: np.ndarray, *, every_fold: bool = True
) -> JobRun:
    """Run job j on the SimPy components; one that is fused into another takes no time of its own.

    The folds of a step are logged as one unless `every_fold`.
    """
    if result[FUSED] < 0:
        return JobRun(0)
    plan = job_plan(design, jobs, j, result)
    if design.memory == "ideal":
        return ideal_job(plan, every_fold=every_fold)
    bits_per_cycle, latency = design.bandwidth_bytes_per_cycle * 8, design.memory_latency_cycles
    return simulate_job(plan, bits_per_cycle, latency, every_fold=every_fold)


def _product_plan(shape: _Shape) -> Plan:
    design, packed = shape.design, shape.chosen("packed")
    on_chip = {kind: bool(shape.chosen(f"{kind}_on_chip")) for kind in ("ifmap", "filter", "ofmap")}
    filter_bits = shape.bits("in_bits" if shape.of("filter_activation") else "weight_bits") + shape.of("index_bits")

    def tile_bits(kind: str, x: int, y: int) -> int:
        if kind == "ifmap":
            return 0 if on_chip["ifmap"] else int(program.patch_elements(shape.job, x, y)) * shape.bits("in_bits")
        if kind == "filter":
            return 0 if on_chip["filter"] else x * y * filter_bits
        if kind == "psum":
            return x * y * ACCUMULATOR_BITS
        return 0 if on_chip["ofmap"] else x * y * shape.bits("out_bits")

    @cache
    def tile_folds(groups: int, m: int, n: int, k: int) -> tuple[Work, ...]:
        return fold_list(design, groups, m, n, k, packed)

    order = "".join("mnk"[dim] for dim in program.ORDERS[shape.chosen("order")])
    tile = Tiling(
        shape.chosen("tile_groups"), shape.chosen("tile_m"), shape.chosen("tile_n"), shape.chosen("tile_k"), order
    )
    parts, common = shares(design, Share(*(shape.of(d) for d in Share._fields)), shape.chosen("arrays"))
    return Plan.of(parts, tile, tile_bits, tile_folds, common, shadow_operand(design))


def shares(design: SystolicDesign, whole: Share, arrays: int) -> tuple[list[Share], str]:
    """Return what each array has to do, the largest shares first, and the operand that they have in common."""
    if arrays == 1:
        return [whole], ""
    divided, common = ("m", "filter") if design.partition == "row" else ("n", "ifmap")
    if design.partition == "channel" and whole.groups >= arrays:
        divided, common = "groups", ""
    size, larger = divmod(getattr(whole, divided), arrays)
    sizes = [size + (i < larger) for i in range(arrays)]
    return [whole._replace(**{divided: part}) for part in sizes if part > 0], common


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
        busy = -(-share(shape.of("vector_ops"), position) // shape.design.vector_lanes)
        steps.append(Step(
            ifmap_bits=share(shape.of("in_elements") - near, position) * shape.bits("in_bits"),
            filter_bits=0,
            opens_output=True,
            psum_bits=0,
            closed_bits=chunk * out_bits if position else 0,
            tile=(0, position, 0, 0),
            folds=((Work(load=0, free=busy, done=busy, streams=0),),),
        ))
    return Plan(tuple(steps), (elements - before_last * chunk) * out_bits)


def step_tables(design: SystolicDesign, jobs: JobTable, j: int, result: np.ndarray) -> tuple[Any, ...]:
    """Return the first arguments of `timing.run` for job j: trips, dims, groups, tables of bits and of times."""
    shape = _Shape(_as_run(design, jobs, j, result), design, result)
    row = np.array(design_row(design), np.int64)
    trips, dims = np.zeros(LEVELS, np.int64), np.zeros(3, np.int64)
    bits = [np.zeros((2, 2), np.int64) for _ in range(4)]
    times = np.zeros((2, 2, 2, 2, N_TIMES), np.int64)
    kept = shape.chosen("ofmap_on_chip")
    groups = last_groups = 1
    if shape.of("vector"):
        near = shape.chosen("near_elements")
        program.plan_vector(shape.job, row, near, kept, shape.chosen("tile_m"), trips, dims, *bits, times)
    else:
        tile = [shape.chosen(name) for name in program.PLAN]
        near_flags = (shape.chosen("ifmap_on_chip"), shape.chosen("filter_on_chip"), kept)
        groups, last_groups = program.plan_product(shape.job, row, *near_flags, *tile, trips, dims, *bits, times)
    return trips, dims, groups, last_groups, *bits, times


def compiled_folds(design: SystolicDesign, jobs: JobTable, j: int, result: np.ndarray) -> list[Fold]:
    """Return every fold of job j as the compiled recurrence times it, none jumped over."""
    if result[FUSED] < 0:
        return []
    plan = job_plan(design, jobs, j, result)
    if design.memory == "ideal":
        return ideal_job(plan).folds
    tables = step_tables(design, jobs, j, result)
    row = np.array(design_row(design), np.int64)
    starts = np.zeros(len(plan.steps), np.int64)
    run(*tables, design.dataflow == "is", row[program.BANDWIDTH], row[program.LATENCY], np.zeros(N_ACC, np.int64), starts,
        np.zeros((2 * LEVELS, N_STATE + N_ACC), np.int64))
    return expand(plan, starts)


def expand(plan: Plan, starts: np.ndarray) -> list[Fold]:
    """Return every fold, given when its step began."""
    found = []
    for i, (begin, step) in enumerate(zip(starts.tolist(), plan.steps, strict=True)):
        for array, folds in enumerate(step.folds):
            at, free, streamed = begin, 0, 0
            for number, work in enumerate(folds):
                if number > 0:
                    at = max(free, streamed + work.load) if plan.shadow else free
                streamed = at if plan.shadow else at + work.load
                free = streamed + work.free
                found.append(Fold(i, at, streamed + work.done, array))
    return found
