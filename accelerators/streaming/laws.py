"""The closed forms of the attention graphs, and the least depths that a search finds, as checks.

Cycles at full rate are fitted to runs of independent engines (FIFO latencies and intervals of 1, latency l of every node);
least depths follow from the way there and back: l + 1 for a stream, N + 2l for a FIFO that has to hold a row.
"""

from __future__ import annotations

from collections.abc import Iterator

from ...simulator.dataflow import minimal_depths, simulate
from ...simulator.validation import Check
from .attention import GRAPHS, Graph, attention, edge_of

__all__ = ["closed_forms", "full_rate", "least_depths"]

_LENGTHS, _LATENCIES = (16, 64, 256), (1, 2, 4, 8)
_SEARCHED, _SEARCHED_LATENCIES = 32, (1, 3)


def full_rate(graph: Graph, n: int, latency: int) -> int | None:
    """Cycles with unbounded FIFOs; None where no closed form is known."""
    if graph in ("memory_free", "reordered"):
        return n * n + 5 * latency
    if graph == "naive":
        return n * n + n + 6 * latency - 1
    if graph == "scaled":
        return n * n + 2 * n + 7 * latency - 2
    return n * n + n + 5 if latency == 1 else None


def closed_forms() -> Iterator[Check]:
    """Cycles of every graph at full rate."""
    for graph in GRAPHS:
        for n in _LENGTHS:
            for latency in _LATENCIES:
                expected = full_rate(graph, n, latency)
                if expected is not None:
                    found = simulate(attention(graph, n, latency=latency, unbounded=True)).cycles or -1
                    yield Check.equal(f"{graph} N={n} l={latency}", "closed form cycles", expected, found)


def least_depths() -> Iterator[Check]:
    """Depth of every FIFO that the joint search for full rate ends with."""
    for graph in GRAPHS:
        for latency in _SEARCHED_LATENCIES:
            study = minimal_depths(attention(graph, _SEARCHED, latency=latency))
            at = f"{graph} N={_SEARCHED} l={latency}"
            note = "" if study.optimal else "not proven"
            yield Check.equal(at, "cycles with least depths", study.peak_cycles, study.cycles, note)
            wanted = {"row": 1, "score": latency + 1, "long": _SEARCHED + 2 * latency}
            for fifo, depth in study.depths.items():
                yield Check.equal(f"{at} {fifo}", "least depth", wanted[edge_of(graph, fifo).rate], depth)
