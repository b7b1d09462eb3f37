"""From a workload to what the array is asked to do: jobs, each a matrix product or a vector pass.

Each job says which jobs made its inputs, and whether the one right before it could do its work as it drains.
What stays on chip depends on the design: `schedule.py` says from which size of buffer on. What is fused does,
too: `chains.py`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from dataclasses import field as attribute
from functools import lru_cache
from math import prod
from typing import Any

import numpy as np

from ...errors import InputError
from ...traces.operators import Attention, Conv, Elementwise, Gemm, GemmShape, Operator, Pool
from ...traces.workload import Workload

__all__ = ["ELEMENTWISE", "FIELDS", "POOLING", "RESIDUAL", "JobTable", "field", "lower"]

FIELDS = (
    "vector",         # 1: a pass of the vector unit; 0: a matrix product
    "groups", "m", "n", "k",
    "conv",           # 1: ifmap tiles are patches of an image; 0: they are matrix tiles
    "batch", "out_h", "out_w", "in_h", "in_w", "in_channels", "kernel_h", "window", "stride_h",
    "filter_activation",  # 1: the second operand is an activation, not a constant
    "in_elements", "out_elements",
    "vector_ops",     # element operations of a vector pass
    "in_bits", "weight_bits", "out_bits",  # 0: the machine's own
    "dense_k",        # elements of k with those that sparse weights leave out
    "kept", "block",  # sparse weights: at most `kept` of any `block` along k are there; 0, 0: all are
    "index_bits",     # for each weight, which of its block it is
)
"""Columns of a job table, all int64."""


ELEMENTWISE, RESIDUAL, POOLING = 1, 2, 3
"""What a job is to the one right before it, whose output it alone reads: a function of that output alone; one of
that output and others; a pooling of it. 0: nothing that could be done as that job drains."""

_MOST_MACS, _MOST_ELEMENTS = 2**54, 2**50


def field(name: str) -> int:
    """Return the column of a field."""
    return FIELDS.index(name)


@dataclass(frozen=True)
class JobTable:
    """A lowered workload.

    `unique` holds each different job once, shape (n_unique, len(FIELDS)); `use[j]` says which of them
    job j is; `operator[j]` which operator of the workload it belongs to.
    """

    unique: np.ndarray
    sparse: np.ndarray
    """The same with a `k` that counts only the weights that N:M sparsity keeps: see `compact`."""
    use: np.ndarray
    operator: np.ndarray
    macs: np.ndarray
    """Multiply-accumulates of each job, zeros included."""
    names: tuple[str, ...]
    """Of the workload's operators."""
    reads: tuple[tuple[tuple[int, ...], ...], ...]
    """For each job its operands, each the jobs that made it (-1: part of it is in memory in any case). A product has
    one or two, which are near only as a whole; a vector pass has one for each tensor it reads."""
    activations: np.ndarray
    """Elements that each vector pass reads of its operands (constants come on top)."""
    follows: np.ndarray
    """For each job ELEMENTWISE, RESIDUAL, POOLING or 0: what it is to the job right before it."""
    places: dict[tuple[int, tuple[int, ...]], Any] = attribute(default_factory=dict)
    """What `schedule.place` found, by element width and cuts."""

    def row(self, j: int, sparse_block: int = 1) -> np.ndarray:
        """Return job j as an array that selects among up to `sparse_block` inputs sees it."""
        sparse = self.sparse[self.use[j]]
        return sparse if 0 < sparse[field("block")] <= sparse_block else self.unique[self.use[j]]

    def skipping(self, sparse_blocks: np.ndarray) -> np.ndarray:
        """Return whether arrays that select among so many inputs skip zeros of each job: (designs, jobs)."""
        block = self.sparse[self.use, field("block")]
        return (block > 0) & (block <= sparse_blocks[:, None])

    def multiplied(self, skipping: np.ndarray) -> np.ndarray:
        """Return the multiply-accumulates done for each job, fewer than `macs` where zeros are skipped."""
        rows = self.sparse[self.use]
        fewer = self.macs * rows[:, field("k")] // np.maximum(rows[:, field("dense_k")], 1)
        return np.where(skipping, fewer, self.macs)


@lru_cache(maxsize=64)
def lower(workload: Workload) -> JobTable:
    """Return the jobs of a workload in the order in which they run."""
    jobs: list[dict[str, int]] = []
    owner: list[int] = []
    reads: list[tuple[tuple[int, ...], ...]] = []
    follows: list[int] = []
    made_by: dict[str, int] = {"": -1}
    made = {op.name: op.output_elements for op in workload.operators}
    before = ""
    for i in _order(workload):
        op = workload.operators[i]
        kind = _follows(op, before, made) if workload.consumers.get(before) == (op.name,) else 0
        for job, operands in _jobs_of(op, [made_by[name] for name in op.inputs], len(jobs)):
            jobs.append(job)
            reads.append(operands)
            owner.append(i)
            follows.append(kind)
        made_by[op.name] = len(jobs) - 1
        before = op.name
    for job, i in zip(jobs, owner, strict=True):
        _refuse_too_large(workload, workload.operators[i].name, job)
    rows = np.array([[job.get(name, 0) for name in FIELDS] for job in jobs], np.int64)
    unique, use = np.unique(rows, axis=0, return_inverse=True)
    unique, sparse = compact(unique)
    products = rows[:, field("groups")] * rows[:, field("m")] * rows[:, field("n")] * rows[:, field("k")]
    return JobTable(
        unique, sparse, use.reshape(-1), np.array(owner), np.where(rows[:, 0] == 1, 0, products),
        tuple(op.name for op in workload.operators), tuple(reads),
        np.array([job.get("activations", 0) for job in jobs]), np.array(follows),
    )


def compact(unique: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the jobs as a dense machine sees them and as one sees them that skips what N:M sparsity leaves out.

    Of K elements the latter multiplies K' = floor(K / M) N + min(N, K mod M), each with an index of ceil(log2 M) bits.
    """
    kept, block = unique[:, field("kept")], unique[:, field("block")]
    dense, sparse = unique.copy(), unique.copy()
    k = unique[:, field("k")]
    dense[:, field("dense_k")] = sparse[:, field("dense_k")] = k
    dense[:, [field("kept"), field("block")]] = 0
    pruned = kept < block
    whole, rest = np.divmod(k, np.maximum(block, 1))
    sparse[:, field("k")] = np.where(pruned, whole * kept + np.minimum(kept, rest), k)
    sparse[:, field("index_bits")] = np.where(pruned, np.ceil(np.log2(np.maximum(block, 1))), 0)
    sparse[~pruned, field("kept")] = sparse[~pruned, field("block")] = 0
    return dense, sparse


def _order(workload: Workload) -> Iterator[int]:
    """Yield the operators as given, but element-wise ones and poolings as soon as what they read is made.

    That frees their operand at once, and puts them where they can be fused.
    """
    position = {op.name: i for i, op in enumerate(workload.operators)}
    made = {""}
    for first in workload.operators:
        name = "" if first.name in made else first.name
        while name:
            yield position[name]
            made.add(name)
            readers = workload.consumers[name]
            reader = workload.operators[position[readers[0]]] if len(readers) == 1 else None
            ready = isinstance(reader, (Elementwise, Pool)) and made.issuperset(reader.inputs)
            name = reader.name if reader is not None and ready else ""


def _follows(op: Operator, before: str, made: dict[str, int]) -> int:
    """Return what an operator is to the one that ran right before it, whose output it alone reads.

    `made` has the size of every operator's output.
    """
    if isinstance(op, Pool):
        return POOLING if op.inputs == (before,) and made[before] == op.input_elements else 0
    if not isinstance(op, Elementwise) or op.parameters or op.elements != made[before]:
        return 0
    if op.operands == 1:
        return ELEMENTWISE if op.inputs == (before,) else 0
    # All that it reads must be known to be other operators' outputs.
    return RESIDUAL if "" not in op.inputs and sum(made[name] for name in op.inputs) >= op.input_elements else 0


def _jobs_of(
    op: Operator, sources: list[int], at: int
) -> Iterator[tuple[dict[str, int], tuple[tuple[int, ...], ...]]]:
    """Yield the jobs of one operator and, for each, its operands as in `JobTable.reads`. `at` is the first's index."""
    bits = {
        "in_bits": op.bits.input or 0,
        "weight_bits": op.bits.weight or 0,
        "out_bits": op.bits.output or 0,
    }
    whole = tuple(sources) or (-1,)
    if isinstance(op, Conv):
        job = _product(op.gemms[0], bits) | _sparsity(op) | {
            "conv": 1, "batch": op.batch, "out_h": op.out_h, "out_w": op.out_w, "in_h": op.in_h, "in_w": op.in_w,
            "in_channels": op.in_channels // op.groups, "kernel_h": op.dilation * (op.kernel_h - 1) + 1,
            "window": op.kernel_h * op.kernel_w, "stride_h": op.stride_h,
        }
        yield job, (whole,)
    elif isinstance(op, Gemm):
        # The first input is the ifmap and the second the filter; of others it is not known to which they belong.
        operands = (whole,) if op.weights else ((whole[0],), (whole[-1],)) if len(whole) == 2 else (whole, whole)
        yield _product(op.gemms[0], bits) | _sparsity(op) | {"filter_activation": int(not op.weights)}, operands
    elif isinstance(op, Attention):
        # Queries, keys and values are named one by one, or share tensors.
        named = tuple(source for source in whole if source >= 0) if op.cached else whole
        query, key, value = ((source,) for source in named) if len(named) == 3 else (named or (-1,),) * 3
        if op.cached:  # keys and values of earlier tokens come from memory, whoever made those of this one
            key, value = (*key, -1), (*value, -1)
        scores, values = op.gemms
        yield _product(scores, bits) | {"filter_activation": 1}, (query, key)
        scored = _pass(op.score_elements, op.score_elements, op.vector_ops, bits)
        yield scored | {"activations": op.score_elements}, ((at,),)
        yield _product(values, bits) | {"filter_activation": 1}, ((at + 1,), value)
    else:
        activations, constants = op.input_elements, op.weight_elements
        job = _pass(activations + constants, op.output_elements, op.vector_ops, bits)
        yield job | {"activations": activations}, tuple((source,) for source in whole)


def _product(gemm: GemmShape, bits: dict[str, int]) -> dict[str, int]:
    groups, m, n, k = gemm
    return {"groups": groups, "m": m, "n": n, "k": k, "in_elements": groups * m * k,
            "out_elements": groups * m * n, "vector_ops": 0, **bits}


def _sparsity(op: Conv | Gemm) -> dict[str, int]:
    kept, block = op.weight_sparsity or (0, 0)
    return {"kept": kept, "block": block}


def _pass(in_elements: int, out_elements: int, ops: int, bits: dict[str, int]) -> dict[str, int]:
    return {"vector": 1, "groups": 1, "m": 1, "n": 1, "k": 1, "in_elements": in_elements,
            "out_elements": out_elements, "vector_ops": ops, **bits}


def _refuse_too_large(workload: Workload, name: str, job: dict[str, int]) -> None:
    """Raise `InputError` for work whose counts would leave the kernels' 64-bit integers."""
    macs = 0 if job.get("vector") else prod(job[dim] for dim in ("groups", "m", "n", "k"))
    if macs > _MOST_MACS:
        raise InputError(f"{workload.name}: operator {name!r}: {macs} multiply-accumulates; accepted: at most 2^54")
    for count in ("in_elements", "out_elements", "vector_ops"):
        if job[count] > _MOST_ELEMENTS:
            raise InputError(f"{workload.name}: operator {name!r}: {count}={job[count]}; accepted: at most 2^50")

