"""Deadlocks: found before a run where they are certain; explained by who waits for whom and what frees them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ..network import Network, NetworkError
from .compiled import evaluate_rounds, run_events, run_worklist
from .run import Blocked, Run
from .tables import compile_network
from .values import with_schedules

__all__ = ["Deadlock", "certain_deadlock", "explain", "refuse_deadlock"]

CHECKED_FIRINGS = 5_000_000
"""A round of more firings than this is not tried before the run; the run itself then tells."""


@dataclass(frozen=True)
class Deadlock:
    """Why a network is stuck."""

    waits: tuple[Blocked, ...]
    """The nodes that wait for each other in a circle (or in a chain that ends at a finished node)."""
    remedy: Mapping[str, int]
    """Depths, least ones, that free it; empty if no depth does."""
    advice: str

    def __str__(self) -> str:
        return f"deadlock: {', '.join(map(str, self.waits))}; {self.advice}"


def certain_deadlock(network: Network) -> Deadlock | None:
    """The deadlock that a checked network is certain to run into, if there is one.

    Exact for networks without arbiters and free processes, where it does not depend on time: one round
    is tried, and a round that can be completed can be completed again. For others, and for rounds
    of more than `CHECKED_FIRINGS` firings, None: only the run can tell.
    """
    if any(n.kind in ("arbiter", "process", "rule") for n in network.nodes.values()):
        return None
    compiled = compile_network(network, by_rounds=True)
    if compiled.quota.sum() > CHECKED_FIRINGS or _completes(network, [{}])[0]:
        return None
    return explain(run_worklist(network))


def refuse_deadlock(network: Network) -> None:
    """Raise `NetworkError` for a deadlock that is certain."""
    if (found := certain_deadlock(network)) is not None:
        raise NetworkError(f"network {network.name!r}: {found}")


def explain(run: Run) -> Deadlock | None:
    """Explain a run's deadlock; None if there is none."""
    if not run.deadlock:
        return None
    network = run.network
    if any(n.kind == "process" for n in network.nodes.values()):
        return Deadlock(_circle(run), {}, "no remedy is known for free processes")
    if any(n.kind == "rule" for n in network.nodes.values()):
        if any(n.kind == "arbiter" for n in network.nodes.values()):
            return Deadlock(_circle(run), {}, "no remedy is known for arbiters with data-dependent nodes")
        network = with_schedules(network)
    waits = _circle(run)
    full = [w.fifo for w in waits if w.need == "space"]
    for name in sorted(full, key=lambda name: network.fifos[name].depth or 0):
        if _completes(network, [{name: None}])[0]:
            depth = _least(network, name, {})
            return Deadlock(
                waits, {name: depth}, f"depth={depth} of {name} (now {network.fifos[name].depth}) frees it"
            )
    every = [b.fifo for b in run.blocked if b.need == "space"]
    bounded = [name for name, fifo in network.fifos.items() if fifo.depth is not None]
    for several in (every, bounded):
        if several and _completes(network, [dict.fromkeys(several)])[0]:
            remedy: dict[str, int | None] = dict.fromkeys(several)
            for name in several:
                remedy[name] = _least(network, name, remedy)
            changed = {n: d for n, d in remedy.items() if d is not None and d > (network.fifos[n].depth or 0)}
            return Deadlock(
                waits, changed, ", ".join(f"depth={d} of {n}" for n, d in changed.items()) + " frees it"
            )
    empty = [w.fifo for w in waits if w.need == "item"]
    if len(empty) == len(waits) > 0 and network.fifos[waits[-1].fifo].source[0] == waits[0].node:
        return Deadlock(
            waits, {}, f"no depth frees it: the loop is empty, give an initial token to {empty[-1]}"
        )
    return Deadlock(waits, {}, "no depth frees it: there are not enough tokens, check the firings and rates")


def _circle(run: Run) -> tuple[Blocked, ...]:
    """Follow who waits for whom until somebody comes up again."""
    waits = {b.node: b for b in run.blocked}
    path: list[str] = []
    node = run.blocked[0].node
    while node in waits and node not in path:
        path.append(node)
        fifo = run.network.fifos.get(waits[node].fifo)
        if fifo is None:
            break
        node = fifo.source[0] if waits[node].need == "item" else fifo.target[0]
    begin = path.index(node) if node in path else 0
    return tuple(waits[name] for name in path[begin:])


def _completes(network: Network, depths: Sequence[Mapping[str, int | None]]) -> list[bool]:
    """Whether the network gets through with each of several sets of depths."""
    if any(n.kind == "arbiter" for n in network.nodes.values()):
        return [not run_events(network.with_depths(d)).deadlock for d in depths]
    compiled = compile_network(network, by_rounds=True)
    base = {f.name: f.depth for f in compiled.fifos}
    matrix = np.array([[({**base, **d})[f.name] or 0 for f in compiled.fifos] for d in depths], np.int64)
    return [bool(cycles >= 0) for cycles in evaluate_rounds(compiled, matrix, 1)]


def _least(network: Network, name: str, others: Mapping[str, int | None]) -> int:
    """The least depth of one FIFO that frees the network, found by halving; unbounded must free it."""
    fifo = network.fifos[name]
    low = max(1, len(fifo.initial))
    if _completes(network, [{**others, name: low}])[0]:
        return low
    high = 2 * low
    while not _completes(network, [{**others, name: high}])[0]:
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        if _completes(network, [{**others, name: middle}])[0]:
            high = middle
        else:
            low = middle
    return high
