"""A workload as a few numbers: how much work, in which shapes, and how often each element is used again.

Pure functions of the workload that know nothing of hardware; for models that are to carry over from one
network to another.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np

__all__ = ["FEATURES", "features"]

_SHAPES = ("rows", "columns", "reduction", "groups")
_SHARES = (0.25, 0.75)

FEATURES = (
    "macs", "weights", "inputs", "outputs", "vector_ops", "operators", "intensity", "weight_share", "output_share",
    "vector_share", "grouped_share", "attention_share", "gemv_share", "largest_output", "largest_weights",
    *(f"{shape}_{part}" for shape in _SHAPES for part in ("mean", "spread", "low", "high")),
    "requests", "writes", "lines", "warp_instructions",
)  # fmt: skip
"""Names, in the order of `features`. Counts are log10(1 + count), sizes log2, shares of 1.

- `intensity`: multiply-accumulates per element that is moved once; `weight_share`, `output_share`: of those elements
- `vector_share`: element-wise operations, of all operations
- `grouped_share`, `attention_share`, `gemv_share`: of the multiply-accumulates, those in products of several groups with
  at most 8 columns each (depthwise), of activations by activations, and of at most 8 rows
- `rows`, `columns`, `reduction` and `groups` (m, n, k and how many) of the matrix products, weighted by their
  multiply-accumulates: mean, standard deviation, and the sizes below which a quarter and three quarters of them lie
- `requests`, `writes`, `lines` (of 64 bytes) of an address trace, `warp_instructions` of a kernel trace; 0 for networks
"""

_LINE_BITS = 6
_FEW = 8


def features(workload: Any) -> np.ndarray:
    """float64[len(FEATURES)]; zero where a kind of workload does not have what is counted."""
    operators = getattr(workload, "operators", ())
    weights = sum(op.weight_elements for op in operators)
    inputs = sum(op.input_elements for op in operators)
    outputs = sum(op.output_elements for op in operators)
    moved = weights + inputs + outputs
    vector_ops = getattr(workload, "vector_ops", 0)
    products = [(gemm, math.prod(gemm), op.weight_elements == 0) for op in operators for gemm in op.gemms]
    macs = sum(done for _, done, _ in products)
    address = getattr(workload, "address", np.empty(0, dtype=np.int64))

    def share(of: Iterable[int]) -> float:
        return sum(of) / macs if macs else 0.0

    found = [
        _log(macs), _log(weights), _log(inputs), _log(outputs), _log(vector_ops), _log(len(operators)),
        _log(macs / moved if moved else 0), weights / moved if moved else 0.0, outputs / moved if moved else 0.0,
        vector_ops / (vector_ops + macs) if macs else 0.0,
        share(done for gemm, done, _ in products if gemm.groups > 1 and gemm.n <= _FEW),
        share(done for _, done, between in products if between),
        share(done for gemm, done, _ in products if gemm.m <= _FEW),
        _log(max((op.output_elements for op in operators), default=0)),
        _log(max((op.weight_elements for op in operators), default=0)),
    ]  # fmt: skip
    sizes = np.log2(np.array([(g.m, g.n, g.k, g.groups) for g, _, _ in products], dtype=float).reshape(-1, 4))
    parts = np.array([done for _, done, _ in products], dtype=float)
    for column in sizes.T:
        found += _weighted(column, parts)
    found += [
        _log(len(address)), _log(getattr(workload, "writes", 0)), _log(len(np.unique(address >> _LINE_BITS))),
        _log(getattr(workload, "warp_instructions", 0)),
    ]  # fmt: skip
    return np.array(found, dtype=float)


def _log(count: float) -> float:
    return math.log10(1.0 + count)


def _weighted(values: np.ndarray, weights: np.ndarray) -> list[float]:
    """Mean, standard deviation, lower and upper quartile of values by weight; zeros if there are none."""
    if not len(values) or not weights.sum():
        return [0.0] * 4
    weights = weights / weights.sum()
    mean = float(values @ weights)
    order = np.argsort(values, kind="stable")
    reached = np.cumsum(weights[order])
    quarters = [float(values[order[min(int(np.searchsorted(reached, part)), len(order) - 1)]]) for part in _SHARES]
    return [mean, math.sqrt(max(0.0, float((values - mean) ** 2 @ weights))), *quarters]
