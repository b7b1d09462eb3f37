"""From a workload to the convolutions that a row-stationary array is asked to do.

Every product is a convolution here: of an (m x k) by a (k x n) matrix it is a 1x1 convolution of m rows of one
pixel, k channels and n filters, so that rows of the output are laid over the columns of PEs. Independent products
are groups. Everything else is a pass of the vector unit.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from math import prod

import numpy as np

from ...errors import InputError
from ...traces.operators import Attention, Conv, Elementwise, GemmShape
from ...traces.workload import Workload

__all__ = ["FIELDS", "JobTable", "field", "lower"]

FIELDS = (
    "vector",           # 1: a pass of the vector unit; all but the last three fields are then 1 or 0
    "groups", "batch",
    "channels", "filters",  # of each group
    "kernel_h", "kernel_w", "out_h", "out_w", "in_h", "in_w", "stride_h", "stride_w", "dilation", "pad_h", "pad_w",
    "vector_ops",       # element operations of a vector pass
    "in_elements", "out_elements",
)
"""Columns of a job table, all int64."""

_MOST_MACS = 2**54


def field(name: str) -> int:
    """Return the column of a field."""
    return FIELDS.index(name)


@dataclass(frozen=True)
class JobTable:
    """A lowered workload: `unique` (n, len(FIELDS)) holds each different job once; job j is `unique[use[j]]`."""

    unique: np.ndarray
    use: np.ndarray
    operator: np.ndarray
    """Which operator of the workload each job belongs to."""
    macs: np.ndarray
    fused_into: dict[int, int]
    """Operators without a job, and the operator whose outputs they are applied to."""


@lru_cache(maxsize=64)
def lower(workload: Workload) -> JobTable:
    """Return the jobs of a workload in order; raises `InputError` for work beyond 64-bit counts."""
    position = {op.name: i for i, op in enumerate(workload.operators)}
    rows: list[list[int]] = []
    owner: list[int] = []
    fused: dict[int, int] = {}
    for i, op in enumerate(workload.operators):
        if _fusible(workload, op):
            producer = position[op.inputs[0]]
            fused[i] = fused.get(producer, producer)
            continue
        if op.macs > _MOST_MACS:
            raise InputError(f"{workload.name}: operator {op.name!r}: {op.macs} multiply-accumulates; accepted: at most 2^54")
        for job in _jobs_of(op):
            rows.append([job.get(name, 0) for name in FIELDS])
            owner.append(i)
    table = np.array(rows, np.int64)
    unique, use = np.unique(table, axis=0, return_inverse=True)
    sizes = ("groups", "batch", "channels", "filters", "kernel_h", "kernel_w", "out_h", "out_w")
    macs = prod(table[:, field(name)] for name in sizes) * (1 - table[:, 0])
    return JobTable(unique, use.reshape(-1), np.array(owner), np.asarray(macs), fused)


def _fusible(workload: Workload, op: object) -> bool:
    """Whether the operator is applied to what its only producer writes anyway."""
    return (
        isinstance(op, Elementwise) and op.operands == 1 and len(op.inputs) == 1 and op.inputs[0] != ""
        and workload.consumers[op.inputs[0]] == (op.name,)
    )


def _jobs_of(op: object) -> Iterator[dict[str, int]]:
    if isinstance(op, Conv):
        yield {
            "groups": op.groups, "batch": op.batch, "channels": op.in_channels // op.groups,
            "filters": op.out_channels // op.groups, "kernel_h": op.kernel_h, "kernel_w": op.kernel_w, "out_h": op.out_h,
            "out_w": op.out_w, "in_h": op.in_h, "in_w": op.in_w, "stride_h": op.stride_h, "stride_w": op.stride_w,
            "dilation": op.dilation, "pad_h": op.padding[0], "pad_w": op.padding[2],
        }
    elif isinstance(op, Attention):
        scores, values = op.gemms
        yield _product(scores)
        yield {"vector": 1, "vector_ops": op.vector_ops, "in_elements": op.score_elements, "out_elements": op.score_elements}
        yield _product(values)
    elif op.gemms:  # type: ignore[attr-defined]
        yield _product(op.gemms[0])  # type: ignore[attr-defined]
    else:
        read = op.input_elements + op.weight_elements  # type: ignore[attr-defined]
        yield {"vector": 1, "vector_ops": op.vector_ops, "in_elements": read,  # type: ignore[attr-defined]
               "out_elements": op.output_elements}  # type: ignore[attr-defined]


def _product(gemm: GemmShape) -> dict[str, int]:
    ones = dict.fromkeys(("batch", "kernel_h", "kernel_w", "out_w", "in_w", "stride_h", "stride_w", "dilation"), 1)
    return {**ones, "groups": gemm.groups, "channels": gemm.k, "filters": gemm.n, "out_h": gemm.m, "in_h": gemm.m}
