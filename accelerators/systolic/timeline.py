"""What the array and the memory port did when: the SimPy reference's folds, waits and transfers, job after job.

With a DRAM a transfer lasts from when it may begin to its last word, and those under way together have lanes of
their own. Of a pipeline the first input is drawn in full, each stage on tracks of its own, and of the inputs that
follow only when they are in which stage.
"""

from __future__ import annotations

import heapq
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import replace
from math import prod

import numpy as np

from ...errors import InputError
from ...simulator.timeline import MOST_SPANS, Span, Timeline, in_lanes
from ...traces.workload import Workload
from . import engines, pipeline
from .components import Fold, JobRun
from .design import SystolicDesign
from .lowering import JobTable, field, lower
from .program import FUSED, ORDERS, RESULT

__all__ = ["MOST_SPANS", "systolic_timeline"]

_MOST_FOLDS = 2**20
"""With a DRAM every fold is walked, drawn or not."""
_FOLDS, _STEPS, _JOB = range(3)
"""How finely a job is drawn: every fold, all folds of a tile as one, or the whole job as one."""


def systolic_timeline(design: SystolicDesign, workload: Workload, most_spans: int = MOST_SPANS) -> Timeline:
    """Return tracks `operators`, `array` and `port`, in cycles; raises `InputError` where no tile fits."""
    jobs, part = lower(workload), design.stage
    rows = _placed(part, workload, jobs, ())
    cuts = pipeline.cut(rows, jobs.operator, design.stages) if design.stages > 1 else ()
    if cuts:
        rows = _placed(part, workload, jobs, cuts)
    runs = _on_dram(part, jobs, rows) if design.memory == "dram" else {}
    detail, costs = _detail(part, jobs, rows, most_spans)
    notes = []
    if merged := sum(level == _STEPS for level in detail):
        notes.append(f"in {merged} of {len(detail)} jobs all folds of a tile are one span")
    if whole := sum(level == _JOB for level in detail):
        notes.append(f"{whole} of {len(detail)} jobs are one span each")
    if notes:
        notes.append(f"to stay within {most_spans:,} spans (every fold would need about {sum(costs):,})")
    found = [*_operators(workload, jobs, rows), *_stages(design, rows, cuts)]
    seen = list(_spans(part, workload, jobs, rows, detail, cuts, runs))
    found += [span for span in seen if not span.track.startswith("port")]
    found += in_lanes(span for span in seen if span.track.startswith("port"))
    return Timeline(
        found,
        title=f"systolic, {design}, on {workload.name}",
        frequency_mhz=design.frequency_mhz,
        notes=tuple(notes),
    )


def _placed(design: SystolicDesign, workload: Workload, jobs: JobTable, cuts: tuple[int, ...]) -> np.ndarray:
    rows = engines.compiled([design], jobs, [cuts])[0]
    if (rows[:, 0] < 0).any():
        stuck = workload.operators[jobs.operator[int(np.argmax(rows[:, 0] < 0))]]
        raise InputError(f"operator {stuck.name!r}: no tile of it fits the scratchpads")
    return rows


def _on_dram(design: SystolicDesign, jobs: JobTable, rows: np.ndarray) -> dict[int, JobRun]:
    """What the reference saw of each job; its times are written into the rows."""
    from .dram_run import run_on_dram

    folds = int(rows[:, RESULT.index("folds")].sum())
    if folds > _MOST_FOLDS:
        raise InputError(f"timeline: {folds:,} folds with memory=dram; accepted: at most {_MOST_FOLDS:,}")
    runs: dict[int, JobRun] = {}
    run_on_dram(design, jobs, rows, "simpy", runs)
    return runs


def _stages(design: SystolicDesign, rows: np.ndarray, cuts: tuple[int, ...]) -> Iterator[Span]:
    """Yield when each of a few inputs is in which stage of a pipeline: so many that all stages are busy at once."""
    if not cuts:
        return
    stages = pipeline.stage_cycles(rows[:, 0], cuts)
    left = [0] * len(stages)  # when each stage is free again
    for number in range(2 * len(stages)):
        at = 0
        for stage, cycles in enumerate(stages):
            start = max(at, left[stage])
            at = left[stage] = start + cycles
            if cycles:
                yield Span(f"stage {stage + 1}", f"input {number}", start, cycles)


def _detail(design: SystolicDesign, jobs: JobTable, rows: np.ndarray, most: int) -> tuple[list[int], list[int]]:
    """Choose how finely each job is drawn: the one with most spans gives way until all fit."""
    sizes = [_sizes(design, jobs, j, row) for j, row in enumerate(rows)]
    costs = [int(row[RESULT.index("folds")]) + others for row, (_, others) in zip(rows, sizes)]
    detail = [_FOLDS] * len(rows)
    heap = [(-cost, j) for j, cost in enumerate(costs)]
    heapq.heapify(heap)
    total = sum(costs)
    while total > most and heap:
        cost, j = heapq.heappop(heap)
        steps, others = sizes[j]
        if detail[j] == _FOLDS and steps + others < -cost:
            detail[j], fewer = _STEPS, steps + others
            heapq.heappush(heap, (-fewer, j))
        else:
            detail[j], fewer = _JOB, 1
        total += cost + fewer
    return detail, costs


def _sizes(design: SystolicDesign, jobs: JobTable, j: int, row: np.ndarray) -> tuple[int, int]:
    """Return a job's steps, and how many transfers and (at most) waits it has, without building its plan."""
    job, chosen = jobs.row(j, design.sparse_block), dict(zip(RESULT, row.tolist()))
    if chosen["fused"] < 0:  # drawn as part of another
        return 0, 0
    stored = not chosen["ofmap_on_chip"]
    if job[field("vector")]:
        steps = -(-int(job[field("out_elements")]) // chosen["tile_m"])
        return steps, 0 if design.memory == "ideal" else (3 if stored else 2) * steps + 1
    trips = [-(-int(job[field("groups")]) // chosen["tile_groups"])]
    order = ["mnk"[dim] for dim in ORDERS[chosen["order"]]]
    trips += [-(-int(job[field(dim)]) // chosen[f"tile_{dim}"]) for dim in order]

    def changes(dims: str) -> int:
        """How often the tile of an operand changes: the trips down to the innermost loop that moves it."""
        inner = max((i for i, dim in enumerate(order, 1) if dim in dims and trips[i] > 1), default=0)
        return prod(trips[: inner + 1])

    if design.memory == "ideal":
        return prod(trips), 0
    opens, tiles = changes("mn"), trips[0] * prod(t for t, dim in zip(trips[1:], order) if dim in "mn")
    loads = changes("mk") * (not chosen["ifmap_on_chip"]) + changes("kn") * (not chosen["filter_on_chip"])
    psums = opens - tiles  # each visit to an output tile but its first reads back what the one before it stored
    return prod(trips), loads + 2 * psums + tiles * stored + min(prod(trips), loads + opens) + 1


def _operators(workload: Workload, jobs: JobTable, rows: np.ndarray) -> Iterator[Span]:
    """Yield one span for each operator that has jobs of its own."""
    now = begun = 0
    for j, row in enumerate(rows):
        now += int(row[0])
        if j + 1 == len(rows) or jobs.operator[j + 1] != jobs.operator[j]:
            operator = workload.operators[jobs.operator[j]]
            if now == begun:  # fused into another
                continue
            yield Span("operators", operator.name, begun, now - begun, {"kind": operator.kind})
            begun = now


def _spans(
    design: SystolicDesign, workload: Workload, jobs: JobTable, rows: np.ndarray, detail: list[int],
    cuts: tuple[int, ...], on_dram: dict[int, JobRun],
) -> Iterator[Span]:  # fmt: skip
    """Yield the spans of every job, each from where the one before it ended."""
    runs: dict[tuple[bytes, bytes, int], JobRun] = {}
    now = 0
    for j, row in enumerate(rows):
        stage = f" of stage {1 + sum(j >= cut for cut in cuts)}" if cuts else ""
        operator = workload.operators[jobs.operator[j]]
        vector = bool(jobs.unique[jobs.use[j], field("vector")])
        if row[FUSED] < 0:
            continue
        if detail[j] == _JOB:
            yield from _whole(operator.name, row, now, stage)
        elif j in on_dram:
            run = on_dram[j] if detail[j] == _FOLDS else replace(on_dram[j], folds=_by_step(on_dram[j].folds))
            yield from _seen(operator.name, run, now, "vector pass" if vector else "fold", detail[j], stage)
        else:
            key = (jobs.use[j : j + 1 + row[FUSED]].tobytes(), row.tobytes(), detail[j])
            if key not in runs:
                runs[key] = engines.run_job(design, jobs, j, row, every_fold=detail[j] == _FOLDS)
            yield from _seen(operator.name, runs[key], now, "vector pass" if vector else "fold", detail[j], stage)
        now += int(row[0])


def _by_step(folds: list[Fold]) -> list[Fold]:
    """The folds of each step and array as one."""
    merged: dict[tuple[int, int], Fold] = {}
    for fold in folds:
        first = merged.setdefault((fold.array, fold.step), fold)
        merged[fold.array, fold.step] = replace(first, end=max(first.end, fold.end))
    return list(merged.values())


def _seen(operator: str, run: JobRun, at: int, name: str, detail: int, stage: str) -> Iterator[Span]:
    """Yield what the reference engine saw of a job, moved to its place in time."""
    if detail == _STEPS and name == "fold":
        name = "folds of a tile"
    for array in sorted({fold.array for fold in run.folds}):
        folds = [fold for fold in run.folds if fold.array == array]
        track = f"array {array}{stage}" if array else f"array{stage}"
        following = [*(fold.start for fold in folds[1:]), run.cycles]
        if not array:  # a fold's drain may go on while the array waits for the next tiles
            begun = [start for _, start, _ in run.waits]
            later = [bisect_right(begun, fold.start) for fold in folds]
            following = [min([most, *begun[i : i + 1]]) for most, i in zip(following, later, strict=True)]
        for fold, most in zip(folds, following, strict=True):
            end = min(fold.end, most)  # one after another on a track, though the next may begin in a fold's drain
            if end > fold.start:
                yield Span(track, name, at + fold.start, end - fold.start, {"operator": operator, "step": fold.step})
    for cause, start, end in run.waits:
        yield Span(f"array{stage}", f"wait for {cause}", at + start, end - start, {"operator": operator})
    for what, start, end in run.transfers:
        yield Span(f"port{stage}", what, at + start, end - start, {"operator": operator})


def _whole(operator: str, row: np.ndarray, at: int, stage: str) -> Iterator[Span]:
    """Yield one span for a job that has too many steps to be drawn."""
    result = dict(zip(RESULT, row.tolist()))
    causes = ("compute", "fill_drain", "vector", *(f"stall_{name}" for name in ("ifmap", "filter", "psum", "ofmap")))
    args = {"operator": operator, "folds": result["folds"], **{f"{c}_cycles": result[f"{c}_cycles"] for c in causes}}
    yield Span(f"array{stage}", "whole job", at, result["cycles"], args)
