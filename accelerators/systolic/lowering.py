"""From a workload to what the array is asked to do: jobs, each a matrix product or a vector pass.

Element-wise operators of one operand that follow their producer alone are fused into it: the drain path
(or the vector unit) applies them to what passes anyway. A job may find its input on chip only if the job
right before it made that input; whether it is there depends on the design (`tiling.py`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from math import prod

import numpy as np

from ...errors import InputError
from ...traces.operators import Attention, Conv, Elementwise, Gemm, GemmShape
from ...traces.workload import Workload

__all__ = ["FIELDS", "JobTable", "field", "lower"]

FIELDS = (
    "vector",         # 1: a pass of the vector unit; 0: a matrix product
    "groups", "m", "n", "k",
    "conv",           # 1: ifmap tiles are patches of an image; 0: they are matrix tiles
    "batch", "out_h", "out_w", "in_h", "in_w", "in_channels", "kernel_h", "window", "stride_h",
    "filter_activation",  # 1: the second operand is an activation, not a constant
    "ifmap_near",     # 1: the ifmap is the whole output of the job before
    "filter_near",    # 1: likewise the second operand
    "near_elements",  # vector pass: input elements that the job before made
    "in_elements", "out_elements",
    "vector_ops",     # element operations of a vector pass, or fused into a product
    "next_only",      # 1: only the next job reads the output
    "in_bits", "weight_bits", "out_bits",  # 0: the machine's own
    "dense_k",        # elements of k with those that sparse weights leave out
    "kept", "block",  # sparse weights: at most `kept` of any `block` along k are there; 0, 0: all are
    "index_bits",     # for each weight, which of its block it is
)
"""Columns of a job table, all int64."""


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
    fused_into: dict[int, int]
    """Operators without a job, and the operator that they were fused into."""
    names: tuple[str, ...]
    """Of the workload's operators."""

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
    """Return the jobs of a workload in order."""
    position = {op.name: i for i, op in enumerate(workload.operators)}
    jobs: list[dict[str, int]] = []
    owner: list[int] = []
    reads: list[list[int]] = []  # for each job the jobs that made its inputs (-1: an input of the network)
    made_by: dict[str, int] = {"": -1}
    fused: dict[int, int] = {}
    for i, op in enumerate(workload.operators):
        sources = [made_by[name] for name in op.inputs]
        if _fusible(workload, op):
            producer = sources[0]
            jobs[producer]["vector_ops"] += op.vector_ops
            made_by[op.name] = producer
            fused[i] = fused.get(position[op.inputs[0]], position[op.inputs[0]])
            continue
        for job, inputs in _jobs_of(op, sources, len(jobs)):
            jobs.append(job)
            reads.append(inputs)
            owner.append(i)
        made_by[op.name] = len(jobs) - 1
    _place_on_chip(jobs, reads)
    for job, i in zip(jobs, owner, strict=True):
        _refuse_too_large(workload, workload.operators[i].name, job)
    rows = np.array([[job.get(name, 0) for name in FIELDS] for job in jobs], np.int64)
    unique, use = np.unique(rows, axis=0, return_inverse=True)
    unique, sparse = compact(unique)
    products = rows[:, field("groups")] * rows[:, field("m")] * rows[:, field("n")] * rows[:, field("k")]
    return JobTable(unique, sparse, use.reshape(-1), np.array(owner), np.where(rows[:, 0] == 1, 0, products), fused,
                    tuple(op.name for op in workload.operators))


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


def _fusible(workload: Workload, op: object) -> bool:
    """Whether the operator is applied to what its only producer drains anyway."""
    return (
        isinstance(op, Elementwise)
        and op.operands == 1
        and len(op.inputs) == 1
        and op.inputs[0] != ""
        and workload.consumers[op.inputs[0]] == (op.name,)
    )


def _jobs_of(op: object, sources: list[int], at: int) -> Iterator[tuple[dict[str, int], list[int]]]:
    """Yield the jobs of one operator and, for each, the jobs that made its inputs. `at` is the first's index."""
    bits = {
        "in_bits": op.bits.input or 0,  # type: ignore[attr-defined]
        "weight_bits": op.bits.weight or 0,  # type: ignore[attr-defined]
        "out_bits": op.bits.output or 0,  # type: ignore[attr-defined]
    }
    if isinstance(op, Conv):
        job = _product(op.gemms[0], bits) | _sparsity(op) | {
            "conv": 1, "batch": op.batch, "out_h": op.out_h, "out_w": op.out_w, "in_h": op.in_h, "in_w": op.in_w,
            "in_channels": op.in_channels // op.groups, "kernel_h": op.dilation * (op.kernel_h - 1) + 1,
            "window": op.kernel_h * op.kernel_w, "stride_h": op.stride_h,
        }
        yield job, sources
    elif isinstance(op, Gemm):
        yield _product(op.gemms[0], bits) | _sparsity(op) | {"filter_activation": int(not op.weights)}, sources
    elif isinstance(op, Attention):
        # One source stands for queries, keys and values together; three are named one by one.
        query, key, value = sources if len(sources) == 3 else [sources[0] if sources else -1] * 3
        if op.cached:  # keys and values of earlier tokens come from memory, whoever made those of this one
            key = value = -1
        scores, values = op.gemms
        yield _product(scores, bits) | {"filter_activation": 1}, [query, key]
        scored = _pass(op.score_elements, op.score_elements, op.vector_ops, bits)
        yield scored | {"activations": op.score_elements}, [at]
        yield _product(values, bits) | {"filter_activation": 1}, [at + 1, value]
    else:
        activations, constants = op.input_elements, op.weight_elements  # type: ignore[attr-defined]
        job = _pass(activations + constants, op.output_elements, op.vector_ops, bits)  # type: ignore[attr-defined]
        yield job | {"activations": activations}, sources


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


def _place_on_chip(jobs: list[dict[str, int]], reads: list[list[int]]) -> None:
    """Note which inputs the job before made, and whose outputs nobody reads later."""
    readers: list[set[int]] = [set() for _ in jobs]
    for j, inputs in enumerate(reads):
        for source in inputs:
            if source >= 0:
                readers[source].add(j)
    for j, (job, inputs) in enumerate(zip(jobs, reads, strict=True)):
        near = [source == j - 1 and j > 0 for source in inputs]
        if job.get("vector"):
            job["near_elements"] = min(job["activations"], sum(near) * jobs[j - 1]["out_elements"])
        elif job.get("filter_activation"):
            job["ifmap_near"] = int(bool(near) and near[0])
            job["filter_near"] = int(bool(near) and near[-1])
        else:
            job["ifmap_near"] = int(bool(near) and all(near))
        # What the next job does not take from the chip must go to memory, though nobody else reads it.
        if j > 0:
            taken = any(job.get(name, 0) for name in ("near_elements", "ifmap_near", "filter_near"))
            jobs[j - 1]["next_only"] = int(readers[j - 1] == {j} and taken)
