"""The rate that no schedule can beat: the maximum cycle ratio of a network's event graph.

In the steady state of a network of known rates every firing of a round recurs after the same time. That
time is the largest ratio, over all circles of dependences, of their latencies to the number of rounds
they span: a node's own intervals are one circle, a FIFO's tokens and slots another, a loop a third.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numba as nb
import numpy as np

from ..network import Network, NetworkError
from .tables import Compiled, compile_network
from .values import with_schedules

__all__ = ["Bound", "throughput_bound"]


@dataclass(frozen=True)
class Bound:
    """The time of a round in the steady state, and what sets it."""

    cycles_per_round: Fraction
    firings_per_round: dict[str, int]
    circle: tuple[str, ...]
    """Nodes and FIFOs that the slowest circle runs through, each once, in order."""


def throughput_bound(network: Network) -> Bound:
    """The exact time of a round of a checked network without arbiters that is connected and bounded.

    Unbounded FIFOs put no bound; parts that only they connect then run at rates of their own, and the
    slowest part's is returned. Raises `NetworkError` where no firing depends on an earlier round, or
    where it depends on itself (a deadlock).
    """
    compiled = compile_network(with_schedules(network.check()), by_rounds=True)
    if any(node.kind == "arbiter" for node in compiled.nodes):
        raise NetworkError(f"network {network.name!r}: an arbiter has no fixed rate; simulate it instead")
    edges, label = _event_graph(compiled)
    first = np.concatenate([[0], np.cumsum(2 * compiled.quota)])
    numerator, denominator = 0, 1
    circle = np.zeros(0, np.int64)
    while True:
        found = _positive_circle(edges, int(first[-1]), numerator, denominator)
        if not len(found):
            break
        weight, distance = int(edges[found, 2].sum()), int(edges[found, 3].sum())
        if distance <= 0:
            raise NetworkError(
                f"network {network.name!r}: a deadlock: {_names(compiled, label, found)} wait in a circle"
            )
        ratio = Fraction(weight, distance)
        numerator, denominator, circle = ratio.numerator, ratio.denominator, found
    firings = {node.name: int(q) for node, q in zip(compiled.nodes, compiled.quota)}
    return Bound(Fraction(numerator, denominator), firings, _names(compiled, label, circle))


def _event_graph(compiled: Compiled) -> tuple[np.ndarray, np.ndarray]:
    """Dependences as rows (from, to, cycles, rounds), and for each its node, or -1 - its FIFO.

    Event 2k (from a node's first) is the ready time of firing k of a round, 2k + 1 its send time.
    """
    first = np.concatenate([[0], np.cumsum(2 * compiled.quota)])
    rows: list[np.ndarray] = []
    labels: list[np.ndarray] = []

    def add(
        a: np.ndarray, b: np.ndarray, cycles: np.ndarray | int, rounds: np.ndarray | int, label: int
    ) -> None:
        rows.append(np.stack(np.broadcast_arrays(a, b, cycles, rounds), axis=1).astype(np.int64))
        labels.append(np.full(len(rows[-1]), label, np.int64))

    due: dict[tuple[str, str, int], np.ndarray] = {}
    pace: dict[str, tuple[np.ndarray, np.ndarray]] = {}
    for n, node in enumerate(compiled.nodes):
        k = np.arange(int(compiled.quota[n]))
        schedule = node.schedule
        for side in ("inputs", "outputs"):
            for p, port in enumerate(getattr(node, side)):
                if schedule is None:
                    due[node.name, side, p] = k[k % port.every == port.at]
                else:
                    due[node.name, side, p] = k[(getattr(schedule, side)[k % len(schedule)] >> p & 1) == 1]
        interval = (
            np.full(len(k), node.interval) if schedule is None else schedule.interval[k % len(schedule)]
        )
        latency = np.full(len(k), node.latency) if schedule is None else schedule.latency[k % len(schedule)]
        pace[node.name] = interval, latency
        ready = first[n] + 2 * k
        add(ready, ready + 1, 0, 0, n)
        add(ready + 1, first[n] + 2 * ((k + 1) % len(k)), interval, (k + 1) // len(k), n)
    index = {node.name: n for n, node in enumerate(compiled.nodes)}
    for f, fifo in enumerate(compiled.fifos):
        (source, out), (target, into) = fifo.source, fifo.target
        sends, takes = due[source, "outputs", out], due[target, "inputs", into]
        if len(sends) != len(takes):
            raise NetworkError(
                f"network {compiled.network.name!r}: {fifo.name} does not return to its fill; no rate is fixed"
            )
        if not len(sends):
            continue
        s0, t0 = first[index[source]], first[index[target]]
        number = np.arange(len(sends)) + len(fifo.initial)
        rounds, place = np.divmod(number, len(takes))
        add(s0 + 2 * sends, t0 + 2 * takes[place], pace[source][1][sends], rounds, -1 - f)
        add(s0 + 2 * sends + 1, t0 + 2 * takes[place], fifo.send_latency, rounds, -1 - f)
        if fifo.depth is not None:
            rounds, place = np.divmod(number - fifo.depth, len(takes))
            add(t0 + 2 * takes[place], s0 + 2 * sends + 1, fifo.response_latency, -rounds, -1 - f)
    return np.ascontiguousarray(np.concatenate(rows)), np.concatenate(labels)


@nb.njit(cache=True, nogil=True)
def _positive_circle(edges: np.ndarray, events: int, numerator: int, denominator: int) -> np.ndarray:
    """Edges of a circle whose cycles exceed rounds x ratio, by Bellman and Ford; empty if there is none."""
    distance, came = np.zeros(events, np.int64), np.full(events, -1, np.int64)
    changed = -1
    for _ in range(events + 1):
        changed = -1
        for e in range(len(edges)):
            reach = distance[edges[e, 0]] + edges[e, 2] * denominator - edges[e, 3] * numerator
            if reach > distance[edges[e, 1]]:
                distance[edges[e, 1]] = reach
                came[edges[e, 1]] = e
                changed = edges[e, 1]
        if changed < 0:
            return np.zeros(0, np.int64)
        # A circle of the edges by which events were reached is a positive one: look for it early.
        mark = np.zeros(events, np.int64)
        for start in range(events):
            at = start
            while mark[at] == 0:
                mark[at] = start + 1
                if came[at] < 0:
                    break
                at = edges[came[at], 0]
            if mark[at] == start + 1 and came[at] >= 0:
                count, stop = 0, at
                circle = np.empty(events, np.int64)
                while True:
                    circle[count] = came[at]
                    count += 1
                    at = edges[came[at], 0]
                    if at == stop:
                        break
                return circle[:count][::-1].copy()
    return np.zeros(0, np.int64)


def _names(compiled: Compiled, label: np.ndarray, circle: np.ndarray) -> tuple[str, ...]:
    names = []
    for which in label[circle]:
        names.append(compiled.nodes[which].name if which >= 0 else compiled.fifos[-1 - which].name)
    return tuple(dict.fromkeys(names))
