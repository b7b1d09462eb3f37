"""Attention as a streaming network: the five graphs of arXiv 2404.16629, by the rules of `simulator.network`.

Each query row meets every key in turn, one score a cycle. What differs is where a row has to wait for its
own maximum or sum, and hence where N scores have to be stored:

    naive             QK -> Exp -> Div -> PV             Div waits for the row's sum
    scaled            QK -> SubExp -> Div -> PV          SubExp waits for the maximum, Div for the sum
    reordered         QK -> Exp -> PV -> Div             the division comes after the product with V
    reordered_scaled  QK -> SubExp -> PV -> Div          SubExp still waits for the maximum
    memory_free       QK -> ScanMax -> RunOut -> Div     running maximum and sums, rescaled as they go
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np

from ...errors import InputError
from ...simulator.network import Network, Port

__all__ = ["GRAPHS", "Graph", "Tensors", "attention", "long_fifos", "softmax_attention"]

Graph = Literal["naive", "scaled", "reordered", "reordered_scaled", "memory_free"]
GRAPHS: tuple[Graph, ...] = get_args(Graph)
Factory = Callable[[], Callable[..., Any]]


@dataclass(frozen=True, eq=False)
class Tensors:
    """Queries, keys and values, each (batch, N, head_dim), float64."""

    q: np.ndarray
    k: np.ndarray
    v: np.ndarray

    @classmethod
    def random(cls, n: int, head_dim: int, batch: int = 1, seed: int = 0) -> Tensors:
        """Draw all three from a standard normal distribution."""
        rng = np.random.default_rng(seed)
        return cls(*rng.standard_normal((3, batch, n, head_dim)))


def softmax_attention(tensors: Tensors, scaled_by: float = 1.0) -> np.ndarray:
    """Dense attention in float64 with the row maximum subtracted; shape (batch, N, head_dim)."""
    scores = np.einsum("bqd,bkd->bqk", tensors.q, tensors.k) * scaled_by
    weights = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return np.einsum("bqk,bkd->bqd", weights / weights.sum(axis=-1, keepdims=True), tensors.v)


def attention(
    graph: Graph,
    n: int,
    *,
    head_dim: int = 1,
    batch: int = 1,
    lanes: int = 1,
    width: int | None = None,
    latency: int = 1,
    interval: int = 1,
    send_latency: int = 1,
    response_latency: int = 1,
    depth: int | None = 2,
    row_depth: int | None = None,
    long_depth: int | None = None,
    unbounded: bool = False,
    tensors: Tensors | None = None,
) -> Network:
    """Build a graph for sequences of `n` tokens.

    `lanes` rows are worked on at once, by as many copies of the pipeline that share the stream of keys and
    values; `width` elements of a head vector (all, if None) pass in a cycle, so that products and vector
    streams have an interval of ceil(head_dim / width). `depth` is that of the FIFOs, `row_depth` (default:
    the same) of those with one token a row, `long_depth` (default N+2) of the ones named by `long_fifos`;
    `unbounded` makes all infinite. With `tensors` the nodes compute; without, they carry time alone.
    """
    if graph not in GRAPHS:
        raise InputError(f"graph {graph!r}: accepted: {', '.join(GRAPHS)}")
    if n < 2 or min(head_dim, batch, lanes, width or 1) < 1 or n % lanes:
        raise InputError(f"attention: needs n={n} of at least 2, and lanes={lanes} that divide it")
    if tensors is not None and tensors.q.shape != (batch, n, head_dim):
        raise InputError(f"attention: tensors have shape {tensors.q.shape}, not {(batch, n, head_dim)}")
    fifo: dict[str, Any] = {"send_latency": send_latency, "response_latency": response_latency}
    short, row, long = depth, row_depth if row_depth is not None else depth, long_depth or n + 2
    if unbounded:
        short = row = long = None  # type: ignore[assignment]
    net = Network(f"{graph} attention, N={n}")
    rows, scores = batch * n // lanes, batch * n * n // lanes
    pace: dict[str, Any] = {"interval": interval, "latency": latency}
    vector = {**pace, "interval": interval * -(-head_dim // (width or head_dim))}
    f = _functions(n, lanes, _score_outputs(graph), tensors)

    net.node(
        "Q",
        batch * n,
        outputs=[Port(f"q{i}", lanes, i) for i in range(lanes)],
        function=f.get("queries"),
        **vector,
    )
    net.node("K", scores, outputs=[f"k{i}" for i in range(lanes)], function=f.get("keys"), **vector)
    net.node("V", scores, outputs=[f"v{i}" for i in range(lanes)], function=f.get("values"), **vector)
    net.node("Sink", batch * n, [Port(f"o{i}", lanes, i) for i in range(lanes)], **vector)

    for lane in range(lanes):
        tag = f"_{lane}" if lanes > 1 else ""

        def node(name: str, firings: int, *args: Any, tag: str = tag, **fields: Any) -> None:
            net.node(name + tag, firings, *args, **{**pace, **fields})

        def connect(a: str, b: str, depth: int | None, tag: str = tag) -> None:
            (x, _, p), (y, _, q) = a.partition("."), b.partition(".")
            shared = {"Q", "K", "V", "Sink"}
            ends = [name if name in shared else name + tag for name in (x, y)]
            parts = [f"{end}.{port}" if port else end for end, port in zip(ends, (p, q))]
            net.connect(parts[0], parts[1], depth, name="->".join(ends), **fifo)

        node(
            "QK",
            scores,
            {"q": n, "k": 1},
            ["s", "max"][: _score_outputs(graph)],
            function=f.get("dot"),
            **vector,
        )
        connect(f"Q.q{lane}", "QK.q", row)
        connect(f"K.k{lane}", "QK.k", short)
        weights = "QK.s"
        if graph == "memory_free":
            node("ScanMax", scores, ["s"], ["sum", "out"], function=f.get("scan_max"))
            connect("QK", "ScanMax", short)
            node("RunSum", scores, ["in"], {"sum": n}, function=f.get("running_sum"))
            node("RunOut", scores, ["in", "v"], {"o": n}, function=f.get("running_out"), **vector)
            connect("ScanMax.sum", "RunSum", short)
            connect("ScanMax.out", "RunOut.in", short)
        else:
            exp = "Exp"
            if graph in ("scaled", "reordered_scaled"):
                exp = "SubExp"
                node("RowMax", scores, ["s"], {"max": n}, function=f.get("row_max"))
                node(exp, scores, {"s": 1, "max": n}, ["out", "sum"], function=f.get("sub_exp"))
                connect("QK.s", f"{exp}.s", long)
                connect("QK.max", "RowMax", short)
                connect("RowMax", f"{exp}.max", row)
            else:
                node(exp, scores, ["s"], ["out", "sum"], function=f.get("exp"))
                connect("QK", exp, short)
            node("RowSum", scores, ["e"], {"sum": n}, function=f.get("row_sum"))
            connect(f"{exp}.sum", "RowSum", short)
            weights = f"{exp}.out"
        if graph in ("naive", "scaled"):
            node("Div", scores, {"e": 1, "sum": n}, ["p"], function=f.get("divide"))
            connect(weights, "Div.e", long)
            connect("RowSum", "Div.sum", row)
            node("PV", scores, ["p", "v"], {"o": n}, function=f.get("weighted_sum"), **vector)
            connect("Div", "PV.p", short)
            connect(f"V.v{lane}", "PV.v", short)
            connect("PV", f"Sink.o{lane}", row)
            continue
        total, out = ("RunSum", "RunOut") if graph == "memory_free" else ("RowSum", "PV")
        if graph != "memory_free":
            node("PV", scores, ["p", "v"], {"o": n}, function=f.get("weighted_sum"), **vector)
            connect(weights, "PV.p", short)
        connect(f"V.v{lane}", f"{out}.v", short)
        node("Div", rows, ["o", "sum"], ["out"], function=f.get("divide"), **vector)
        connect(out, "Div.o", row)
        connect(total, "Div.sum", row)
        connect("Div", f"Sink.o{lane}", row)
    return net


def long_fifos(graph: Graph, lanes: int = 1) -> tuple[str, ...]:
    """Names of the FIFOs that must hold a row of scores."""
    pairs = {
        "naive": [("Exp", "Div")],
        "scaled": [("QK", "SubExp"), ("SubExp", "Div")],
        "reordered_scaled": [("QK", "SubExp")],
    }.get(graph, [])
    tags = [f"_{lane}" for lane in range(lanes)] if lanes > 1 else [""]
    return tuple(f"{a}{tag}->{b}{tag}" for tag in tags for a, b in pairs)


def _score_outputs(graph: Graph) -> int:
    """Whether scores go to a row maximum too."""
    return 2 if graph in ("scaled", "reordered_scaled") else 1


def _functions(n: int, lanes: int, score_outputs: int, tensors: Tensors | None) -> Mapping[str, Factory]:
    """What the nodes compute, by role; nothing without tensors."""
    if tensors is None:
        return {}
    queries = tensors.q.reshape(-1, tensors.q.shape[-1])

    def each(count: int, value: Any) -> Any:
        return value if count == 1 else (value,) * count

    def stream(data: np.ndarray) -> Factory:
        """The keys or values of a sequence, once for each group of `lanes` rows."""
        return lambda: lambda k: each(lanes, data[k // (n * n // lanes), k % n])

    def fold(step: Callable[..., Any]) -> Factory:
        """A function `step(carried, *tokens)` over a row; `carried` is None at the row's first element."""
        return lambda: _Fold(n, step)

    return {
        "queries": lambda: lambda k: each(lanes, queries[k]),
        "keys": stream(tensors.k),
        "values": stream(tensors.v),
        "dot": lambda: lambda k, q, key: each(score_outputs, float(q @ key)),
        "exp": lambda: lambda k, s: (np.exp(s),) * 2,
        "sub_exp": lambda: lambda k, s, top: (np.exp(s - top),) * 2,
        "divide": lambda: lambda k, x, total: x / total,
        "row_sum": fold(lambda total, e: e if total is None else total + e),
        "row_max": fold(lambda top, s: s if top is None else max(top, s)),
        "weighted_sum": fold(lambda o, p, v: p * v if o is None else o + p * v),
        "running_sum": fold(lambda r, de: de[1] if r is None else r * de[0] + de[1]),
        "running_out": fold(lambda o, de, v: de[1] * v if o is None else o * de[0] + de[1] * v),
        "scan_max": lambda: _ScanMax(n),
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
