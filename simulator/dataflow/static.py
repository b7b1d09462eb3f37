"""The max-plus kernel for networks of static rates: every firing in an order that is known beforehand.

A step of the kernel fires each node at most once. A node of period p fires every p-th step from its *lag* on;
lags are chosen so that every token and every slot a firing needs has its time already (a system of difference
constraints, solved once for a network). There is then nothing to look for and nothing to check at run time.
While no port of a lower rate is due, a stretch of steps is one short loop over nodes, whose FIFO slots
are at affine positions of the step number.
"""

from __future__ import annotations

from typing import NamedTuple

import numba as nb
import numpy as np

from ..network import Network
from .run import Run
from .tables import (
    AT,
    DEPTH,
    EVERY,
    FIFO,
    FIRINGS,
    IN,
    INTERVAL,
    LATENCY,
    OUT,
    OUT_END,
    RESPONSE_LATENCY,
    SEND_LATENCY,
    SOURCE,
    TARGET,
    Compiled,
    Tables,
    compile_network,
)  # fmt: skip

__all__ = ["Plan", "plan", "run_plan", "run_static"]


class Plan(NamedTuple):
    """An order of all firings."""

    order: np.ndarray
    """Nodes in their order within a step."""
    period: np.ndarray
    """Steps from one firing of a node to its next."""
    lag: np.ndarray
    """Step of a node's first firing."""
    ring: np.ndarray
    """Slots of each FIFO's ring, a power of two of at least its depth."""


def plan(compiled: Compiled) -> Plan | None:
    """Find an order of all firings; None if the network is not static, or gets stuck."""
    tables, quota = compiled.tables, compiled.quota
    if any(node.kind != "static" for node in compiled.nodes) or (tables.fifo[:, :2] < 0).any():
        return None
    if any(f.depth is None for f in compiled.fifos) or not _balanced(compiled):
        return None
    steps = int(np.lcm.reduce(quota))
    if steps > 2**40:
        return None
    order = _order(compiled)
    if order is None:
        return None
    period, rank = steps // quota, np.argsort(order)
    edges = []
    for f, row in enumerate(tables.fifo):
        source, target, depth = int(row[SOURCE]), int(row[TARGET]), int(row[DEPTH])
        sends, takes = _firings(tables, quota, f, source, True), _firings(tables, quota, f, target, False)
        number = np.arange(len(sends)) + int(compiled.held[f])
        after = int(rank[target] <= rank[source])
        edges.append(
            (
                source,
                target,
                _gap(sends, period[source], takes, period[target], number, quota[target]) + after,
            )
        )
        after = int(rank[source] < rank[target])
        # The sender's firing must not come before the one that takes the token `depth` places earlier.
        rounds, place = np.divmod(number - depth, len(takes))
        needed = (takes[place] + rounds * quota[target]) * period[target]
        edges.append((target, source, int((needed - sends * period[source]).max()) + after))
    lag = np.zeros(len(quota), np.int64)
    for _ in range(len(quota) + 1):
        before = lag.copy()
        for a, b, gap in edges:
            lag[b] = max(lag[b], lag[a] + gap)
        if np.array_equal(before, lag):
            ring = np.array([1 << int(d - 1).bit_length() for d in tables.fifo[:, DEPTH]], np.int64)
            return Plan(order, period.astype(np.int64), lag, ring)
    return None


def run_static(network: Network) -> Run | None:
    """Run a checked network on the max-plus kernel; None if there is no plan for it."""
    compiled = compile_network(network)
    found = plan(compiled)
    if found is None:
        return None
    end = run_plan(compiled.tables, found, compiled.held)
    firings = {node.name: int(count) for node, count in zip(compiled.nodes, compiled.tables.node[:, FIRINGS])}
    return Run(compiled.network, "static", int(end.max()), firings)


def _balanced(compiled: Compiled) -> bool:
    """Whether rounds bring every FIFO back to its fill, so that counts of one round tell all."""
    node, port = compiled.tables.node, compiled.tables.port
    for n in range(len(node)):
        for p in range(node[n, IN], node[n, OUT_END]):
            if compiled.quota[n] % port[p, EVERY]:
                return False
    for f, (source, target) in enumerate(compiled.tables.fifo[:, :2]):
        ends = [
            _firings(compiled.tables, compiled.quota, f, int(n), out)
            for n, out in ((source, True), (target, False))
        ]
        if len(ends[0]) != len(ends[1]) or len(ends[0]) == 0:
            return False
    return True


def _firings(tables: Tables, quota: np.ndarray, f: int, n: int, output: bool) -> np.ndarray:
    """The firings of a round at which a FIFO's end is due."""
    a, b = (
        (tables.node[n, OUT], tables.node[n, OUT_END])
        if output
        else (tables.node[n, IN], tables.node[n, OUT])
    )
    p = next(p for p in range(int(a), int(b)) if tables.port[p, FIFO] == f)
    return np.arange(tables.port[p, AT], quota[n], tables.port[p, EVERY])


def _gap(
    sends: np.ndarray, send_period: int, takes: np.ndarray, take_period: int, number: np.ndarray, quota: int
) -> int:
    """How many steps a taker must lag behind its sender, so that each token is sent before it is taken."""
    rounds, place = np.divmod(number, len(takes))
    return int((sends * send_period - (takes[place] + rounds * quota) * take_period).max())


def _order(compiled: Compiled) -> np.ndarray | None:
    """Nodes such that senders come before takers, but for FIFOs with initial tokens; None in a cycle."""
    count = len(compiled.nodes)
    before = [set[int]() for _ in range(count)]
    for fifo, row in zip(compiled.fifos, compiled.tables.fifo):
        if not fifo.initial:
            before[int(row[TARGET])].add(int(row[SOURCE]))
    order: list[int] = []
    while len(order) < count:
        ready = [n for n in range(count) if n not in order and before[n] <= set(order)]
        if not ready:
            return None
        order += ready
    return np.array(order, np.int64)


@nb.njit(cache=True, nogil=True)
def run_plan(tables: Tables, plan: Plan, held: np.ndarray) -> np.ndarray:
    """Run to the end; returns the end time of every node."""
    node, port, fifo, _ = tables
    order, period, lag, ring = plan
    nodes, ports = len(node), len(port)
    base, total = np.empty(len(fifo), np.int64), 0
    for f in range(len(fifo)):
        base[f] = total
        total += ring[f]
    slot = np.zeros(total, np.int64)
    fired, end, due = np.zeros(nodes, np.int64), np.zeros(nodes, np.int64), port[:, AT].copy()
    passed = np.zeros(ports, np.int64)  # tokens that passed a port
    last = 0
    for n in range(nodes):
        last = max(last, lag[n] + node[n, FIRINGS] * period[n])
        for p in range(node[n, OUT], node[n, OUT_END]):
            passed[p] = held[port[p, FIFO]]
    # The stretch: one entry per node (node, interval, latency, first port, first output, end), and for each
    # port where its slots begin, the mask of its ring, its offset from the step, and its latency.
    entry, lane = np.empty((nodes, 6), np.int64), np.empty((ports, 5), np.int64)
    step = 0
    while step < last:
        # How many steps there are before the next one in which a slow port or a slow node is due.
        stretch, entries, lanes = last - step, 0, 0
        for i in range(nodes):
            n = order[i]
            k = fired[n]
            if k == node[n, FIRINGS]:
                continue
            start = lag[n] + k * period[n]
            if start > step or period[n] > 1:
                stretch = min(stretch, start - step)
                continue
            stretch = min(stretch, node[n, FIRINGS] - k)
            entry[entries, 0], entry[entries, 1], entry[entries, 2] = n, node[n, INTERVAL], node[n, LATENCY]
            entry[entries, 3] = lanes
            for p in range(node[n, IN], node[n, OUT_END]):
                if p == node[n, OUT]:
                    entry[entries, 4] = lanes
                if port[p, EVERY] > 1:
                    stretch = min(stretch, due[p] - k)
                    continue
                f = port[p, FIFO]
                lane[lanes, 0], lane[lanes, 1], lane[lanes, 2] = base[f], ring[f] - 1, passed[p] - step
                lane[lanes, 3] = fifo[f, RESPONSE_LATENCY] if p < node[n, OUT] else fifo[f, SEND_LATENCY]
                lane[lanes, 4] = fifo[f, DEPTH]
                lanes += 1
            if node[n, OUT] == node[n, OUT_END]:
                entry[entries, 4] = lanes
            entry[entries, 5] = lanes
            entries += 1
        if stretch > 1:
            for s in range(step, step + stretch):
                for e in range(entries):
                    n, a, b, c = entry[e, 0], entry[e, 3], entry[e, 4], entry[e, 5]
                    ready = end[n]
                    for q in range(a, b):
                        ready = max(ready, slot[np.uint64(lane[q, 0] + ((s + lane[q, 2]) & lane[q, 1]))])
                    for q in range(a, b):
                        slot[np.uint64(lane[q, 0] + ((s + lane[q, 2]) & lane[q, 1]))] = ready + lane[q, 3]
                    sent = ready
                    for q in range(b, c):
                        sent = max(
                            sent, slot[np.uint64(lane[q, 0] + ((s + lane[q, 2] - lane[q, 4]) & lane[q, 1]))]
                        )
                    visible = ready + entry[e, 2]
                    for q in range(b, c):
                        slot[np.uint64(lane[q, 0] + ((s + lane[q, 2]) & lane[q, 1]))] = max(
                            visible, sent + lane[q, 3]
                        )
                    end[n] = sent + entry[e, 1]
            for e in range(entries):
                n = entry[e, 0]
                fired[n] += stretch
                for p in range(node[n, IN], node[n, OUT_END]):
                    if port[p, EVERY] == 1:
                        passed[p] += stretch
                        due[p] += stretch
            step += stretch
            continue
        for i in range(nodes):
            n = order[i]
            k = fired[n]
            if k == node[n, FIRINGS] or lag[n] + k * period[n] != step:
                continue
            ready = end[n]
            for p in range(node[n, IN], node[n, OUT]):
                if due[p] == k:
                    f = port[p, FIFO]
                    ready = max(ready, slot[base[f] + (passed[p] & (ring[f] - 1))])
            for p in range(node[n, IN], node[n, OUT]):
                if due[p] == k:
                    f = port[p, FIFO]
                    slot[base[f] + (passed[p] & (ring[f] - 1))] = ready + fifo[f, RESPONSE_LATENCY]
                    passed[p] += 1
                    due[p] += port[p, EVERY]
            sent = ready
            for p in range(node[n, OUT], node[n, OUT_END]):
                if due[p] == k:
                    f = port[p, FIFO]
                    sent = max(sent, slot[base[f] + ((passed[p] - fifo[f, DEPTH]) & (ring[f] - 1))])
            for p in range(node[n, OUT], node[n, OUT_END]):
                if due[p] == k:
                    f = port[p, FIFO]
                    visible = max(ready + node[n, LATENCY], sent + fifo[f, SEND_LATENCY])
                    slot[base[f] + (passed[p] & (ring[f] - 1))] = visible
                    passed[p] += 1
                    due[p] += port[p, EVERY]
            end[n] = sent + node[n, INTERVAL]
            fired[n] = k + 1
        step += 1
    return end
