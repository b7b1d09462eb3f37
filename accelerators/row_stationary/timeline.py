"""When the array, the vector unit and the memory port are busy, job after job.

The model knows how long each of them is busy for a job and that the longer one decides; it has no order of passes and
transfers within a job. So both are drawn from the job's start, and where memory takes longer the array waits at the end.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ...errors import InputError
from ...simulator.timeline import MOST_SPANS, Span, Timeline
from ...traces.workload import Workload
from . import costs, engines
from .design import WORD_BITS, RowStationaryDesign
from .lowering import JobTable, field, lower
from .mapping import RESULT

__all__ = ["row_stationary_timeline"]


def row_stationary_timeline(design: RowStationaryDesign, workload: Workload, most_spans: int = MOST_SPANS) -> Timeline:
    """Return tracks `operators`, `array`, `vector unit` and `port`, in cycles; raises `InputError` where no tile fits.

    A span of the array is one set of the logical array, `kernel_w` times `out_w` cycles; of a job with too many of
    them, or of more than `most_spans` in all, it is the whole job.
    """
    jobs = lower(workload)
    rows = engines.compiled([design], jobs)
    if (rows[0, :, 0] < 0).any():
        stuck = workload.operators[jobs.operator[int(np.argmax(rows[0, :, 0] < 0))]]
        raise InputError(f"operator {stuck.name!r}: no tile of it fits the buffer (buffer_kib={design.buffer_kib})")
    moved = costs.accesses(jobs, rows)[0][:, costs.ENERGIES.index("dram")] * WORD_BITS // 8
    spans, merged = _drawn(design, workload, jobs, rows[0], moved, most_spans)
    notes: tuple[str, ...] = ("passes and transfers of a job have no order in this model: both are drawn from its start",)
    if merged:
        notes += (f"{merged} of {len(rows[0])} jobs are one span each, to stay within {most_spans:,} spans",)
    return Timeline(
        spans, f"row-stationary, {design}, on {workload.name}", frequency_mhz=design.frequency_mhz, notes=notes
    )


def _drawn(
    design: RowStationaryDesign, workload: Workload, jobs: JobTable, rows: np.ndarray, moved: np.ndarray, most: int
) -> tuple[list[Span], int]:
    spans: list[Span] = []
    now = begun = merged = 0
    for j, row in enumerate(rows):
        job, operator = jobs.unique[jobs.use[j]], workload.operators[jobs.operator[j]]
        busy = int(row[RESULT.index("cycles")])
        port = 0 if design.memory == "ideal" else -(-int(moved[j]) // design.bandwidth_bytes_per_cycle)
        about = {"operator": operator.name, "passes": int(row[RESULT.index("passes")]),
                 "active PEs": int(row[RESULT.index("peak_pes")])}  # fmt: skip
        if job[field("vector")]:
            spans += [Span("vector unit", "vector pass", now, busy, {"operator": operator.name})] if busy else []
        else:
            each = int(job[field("kernel_w")] * job[field("out_w")])
            sets = busy // each if each and busy % each == 0 else 0
            if not 0 < sets <= most - len(spans) - 4 * (len(rows) - j):
                merged, each, sets = merged + 1, busy, 1
            spans += _sets(now, each, sets, about) if busy else []
        if port > busy:
            spans.append(Span("array", "wait for memory", now + busy, port - busy, {"operator": operator.name}))
        if port:
            spans.append(Span("port", "transfers", now, port, {"operator": operator.name, "bytes": int(moved[j])}))
        now += max(busy, port)
        if (j + 1 == len(rows) or jobs.operator[j + 1] != jobs.operator[j]) and now > begun:
            spans.append(Span("operators", operator.name, begun, now - begun, {"kind": operator.kind}))
            begun = now
    return sorted(spans, key=lambda span: _TRACKS.index(span.track)), merged


_TRACKS = ("operators", "array", "vector unit", "port")


def _sets(start: int, each: int, count: int, about: dict[str, object]) -> Iterator[Span]:
    name = "set" if count > 1 else "whole job"
    for k in range(count):
        yield Span("array", name, start + k * each, each, {**about, "set": k})
