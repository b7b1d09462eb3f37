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

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple, get_args

from ...errors import InputError
from ...simulator.network import Network, Port
from .values import Tensors, node_functions

__all__ = ["EDGES", "GRAPHS", "Edge", "Graph", "attention", "edge_of", "long_fifos"]

Graph = Literal["naive", "scaled", "reordered", "reordered_scaled", "memory_free"]
GRAPHS: tuple[Graph, ...] = get_args(Graph)


class Edge(NamedTuple):
    """A FIFO of a graph: how often a token passes, and what it is.

    `row`: once a row; `score`: once a score; `long`: once a score, and it may have to hold a row of them.
    """

    source: str
    target: str
    rate: Literal["row", "score", "long"] = "score"
    content: Literal["vector", "scalar", "pair"] = "scalar"


def _edges(front: tuple[Edge, ...], weights: str, total: str, out: str, *, divide_first: bool) -> tuple[Edge, ...]:
    """A graph from what makes its weights on: the product with V, and the division by the total."""
    if divide_first:
        return (
            *front, Edge(weights, "Div", "long"), Edge(total, "Div", "row"), Edge("Div", out),
            Edge("V", out, content="vector"), Edge(out, "Sink", "row", "vector"),
        )  # fmt: skip
    return (
        *front, Edge("V", out, content="vector"), Edge(out, "Div", "row", "vector"), Edge(total, "Div", "row"),
        Edge("Div", "Sink", "row", "vector"),
    )  # fmt: skip


_SCORES = (Edge("Q", "QK", "row", "vector"), Edge("K", "QK", content="vector"))
_EXP = (*_SCORES, Edge("QK", "Exp"))
_SUB_EXP = (*_SCORES, Edge("QK", "SubExp", "long"), Edge("QK", "RowMax"), Edge("RowMax", "SubExp", "row"))
_SCAN = (*_SCORES, Edge("QK", "ScanMax"), Edge("ScanMax", "RunSum", content="pair"))

EDGES: Mapping[Graph, tuple[Edge, ...]] = {
    "naive": _edges((*_EXP, Edge("Exp", "RowSum")), "Exp", "RowSum", "PV", divide_first=True),
    "scaled": _edges((*_SUB_EXP, Edge("SubExp", "RowSum")), "SubExp", "RowSum", "PV", divide_first=True),
    "reordered": _edges((*_EXP, Edge("Exp", "RowSum"), Edge("Exp", "PV")), "Exp", "RowSum", "PV", divide_first=False),
    "reordered_scaled": _edges(
        (*_SUB_EXP, Edge("SubExp", "RowSum"), Edge("SubExp", "PV")), "SubExp", "RowSum", "PV", divide_first=False
    ),
    "memory_free": _edges(
        (*_SCAN, Edge("ScanMax", "RunOut", content="pair")), "ScanMax", "RunSum", "RunOut", divide_first=False
    ),
}
"""The FIFOs of each graph. A node's ports stand in the order of its edges."""

_SHARED = ("Q", "K", "V", "Sink")
_VECTOR = ("Q", "K", "V", "Sink", "QK", "PV", "RunOut")
"""Nodes that handle a head vector at each firing."""


def attention(
    graph: Graph,
    n: int,
    *,
    rows: int | None = None,
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
    """Build a graph for `batch` sequences of `n` keys and as many queries (or `rows` of them).

    `lanes` rows are worked on at once, by as many copies of the pipeline that share the stream of keys and
    values; `width` elements of a head vector (all, if None) pass in a cycle, so that products and vector
    streams have an interval of ceil(head_dim / width). `depth` is that of the FIFOs, `row_depth` (default:
    the same) of those with one token a row, `long_depth` (default N+2) of the ones named by `long_fifos`;
    `unbounded` makes all infinite. With `tensors` the nodes compute; without, they carry time alone.
    """
    rows = n if rows is None else rows
    if graph not in GRAPHS:
        raise InputError(f"graph {graph!r}: accepted: {', '.join(GRAPHS)}")
    if min(n, rows, head_dim, batch, lanes, 1 if width is None else width) < 1 or rows % lanes:
        raise InputError(f"attention: n={n} must be at least 1, and lanes={lanes} must divide rows={rows}")
    if tensors is not None and (tensors.q.shape, tensors.k.shape) != ((batch, rows, head_dim), (batch, n, head_dim)):
        raise InputError(
            f"attention: tensors have shapes {tensors.q.shape} and {tensors.k.shape}, "
            f"not {(batch, rows, head_dim)} and {(batch, n, head_dim)}"
        )
    once_a_row_depth = depth if row_depth is None else row_depth
    depths: dict[str, int | None] = {"score": depth, "row": once_a_row_depth, "long": long_depth or n + 2}
    if unbounded:
        depths = dict.fromkeys(depths)
    functions = node_functions(lanes, len(_out(graph, "QK")), tensors) if tensors is not None else {}
    per_lane = batch * rows // lanes
    net = Network(f"{graph} attention, N={n}")
    for name in dict.fromkeys(end for edge in EDGES[graph] for end in edge[:2]):
        into, out = [edge for edge in EDGES[graph] if edge.target == name], _out(graph, name)
        once_a_row = all(edge.rate == "row" for edge in (*into, *out))
        vector = name in _VECTOR or (name == "Div" and once_a_row)
        fields: dict[str, Any] = {
            "latency": latency, "interval": interval * (-(-head_dim // (width or head_dim)) if vector else 1),
            "function": functions.get(name),
        }  # fmt: skip
        if name in ("Q", "Sink"):  # rows go round the lanes
            turns = [Port(f"p{lane}", lanes, lane) for lane in range(lanes)]
            net.node(name, batch * rows, [] if out else turns, turns if out else [], **fields)
        elif name in ("K", "V"):  # every lane gets every key
            net.node(name, per_lane * n, [], [f"p{lane}" for lane in range(lanes)], **fields)
        else:
            rates = [{f"{e.source}{e.target}": n if e.rate == "row" and not once_a_row else 1 for e in side}
                     for side in (into, out)]  # fmt: skip
            for lane in range(lanes):
                net.node(name + _tag(lane, lanes), per_lane * (1 if once_a_row else n), rates[0], rates[1], **fields)
    for lane in range(lanes):
        for edge in EDGES[graph]:
            source, target = (end if end in _SHARED else end + _tag(lane, lanes) for end in edge[:2])
            out_port, in_port = (f"p{lane}" if end in _SHARED else f"{edge.source}{edge.target}" for end in edge[:2])
            net.connect(
                f"{source}.{out_port}", f"{target}.{in_port}", depths[edge.rate], name=f"{source}->{target}",
                send_latency=send_latency, response_latency=response_latency,
            )  # fmt: skip
    return net


def edge_of(graph: Graph, fifo: str) -> Edge:
    """The edge that a FIFO of the built network stands for, whatever its lane."""
    source, target = (end.partition("_")[0] for end in fifo.split("->"))
    return next(edge for edge in EDGES[graph] if edge[:2] == (source, target))


def long_fifos(graph: Graph, lanes: int = 1) -> tuple[str, ...]:
    """Names of the FIFOs that have to hold a row of scores."""
    tags = [_tag(lane, lanes) for lane in range(lanes)]
    return tuple(f"{e.source}{t}->{e.target}{t}" for t in tags for e in EDGES[graph] if e.rate == "long")


def _tag(lane: int, lanes: int) -> str:
    return f"_{lane}" if lanes > 1 else ""


def _out(graph: Graph, name: str) -> list[Edge]:
    return [edge for edge in EDGES[graph] if edge.source == name]
