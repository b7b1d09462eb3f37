"""What the nodes of the attention graphs compute, token by token, and dense attention to hold it to."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

__all__ = ["Factory", "Tensors", "node_functions", "softmax_attention"]

Factory = Callable[[], Callable[..., Any]]


@dataclass(frozen=True, eq=False)
class Tensors:
    """Queries (batch, rows, head_dim), keys and values (batch, N, head_dim), float64."""

    q: np.ndarray
    k: np.ndarray
    v: np.ndarray

    @classmethod
    def random(cls, n: int, head_dim: int, batch: int = 1, rows: int | None = None, seed: int = 0) -> Tensors:
        """Draw all three from a standard normal distribution."""
        rng = np.random.default_rng(seed)
        q = rng.standard_normal((batch, n if rows is None else rows, head_dim))
        return cls(q, *rng.standard_normal((2, batch, n, head_dim)))


def softmax_attention(tensors: Tensors) -> np.ndarray:
    """Dense attention in float64 with the row maximum subtracted; shape (batch, rows, head_dim)."""
    scores = np.einsum("bqd,bkd->bqk", tensors.q, tensors.k)
    weights = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return np.einsum("bqk,bkd->bqd", weights / weights.sum(axis=-1, keepdims=True), tensors.v)


def node_functions(lanes: int, score_outputs: int, tensors: Tensors) -> Mapping[str, Factory]:
    """What each node computes, by its name; keys and values stream once for each `lanes` rows."""
    n, rows = tensors.k.shape[1], tensors.q.shape[1]
    queries = tensors.q.reshape(-1, tensors.q.shape[-1])

    def each(count: int, value: Any) -> Any:
        return value if count == 1 else (value,) * count

    def stream(data: np.ndarray) -> Factory:
        """The keys or values of a sequence, once for each group of `lanes` rows."""
        return lambda: lambda k: each(lanes, data[k // (n * rows // lanes), k % n])

    def fold(step: Callable[..., Any]) -> Factory:
        """A function `step(carried, *tokens)` over a row; `carried` is None at the row's first element."""
        return lambda: _Fold(n, step)

    return {
        "Q": lambda: lambda k: each(lanes, queries[k]),
        "K": stream(tensors.k),
        "V": stream(tensors.v),
        "QK": lambda: lambda k, q, key: each(score_outputs, float(q @ key)),
        "Exp": lambda: lambda k, s: (np.exp(s),) * 2,
        "SubExp": lambda: lambda k, s, top: (np.exp(s - top),) * 2,
        "Div": lambda: lambda k, x, total: x / total,
        "RowSum": fold(lambda total, e: e if total is None else total + e),
        "RowMax": fold(lambda top, s: s if top is None else max(top, s)),
        "PV": fold(lambda o, p, v: p * v if o is None else o + p * v),
        "RunSum": fold(lambda r, de: de[1] if r is None else r * de[0] + de[1]),
        "RunOut": fold(lambda o, de, v: de[1] * v if o is None else o * de[0] + de[1] * v),
        "ScanMax": lambda: _ScanMax(n),
    }


class _Fold:
    """Carries its last result to the next firing, within a row of n."""

    def __init__(self, n: int, step: Callable[..., Any]) -> None:
        self.n, self.step, self.carried = n, step, None

    def __call__(self, k: int, *tokens: Any) -> Any:
        self.carried = self.step(self.carried if k % self.n else None, *tokens)
        return self.carried


class _ScanMax:
    """The running maximum of a row: emits (rescaling of what was summed, weight of the new score)."""

    def __init__(self, n: int) -> None:
        self.n, self.top = n, 0.0

    def __call__(self, k: int, s: float) -> tuple[tuple[float, float], tuple[float, float]]:
        before = self.top if k % self.n else s
        self.top = max(before, s)
        token = (float(np.exp(before - self.top)), float(np.exp(s - self.top)))
        return token, token
