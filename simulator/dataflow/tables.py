"""A network as flat integer arrays, which is what the compiled engines read.

Every array is int64. Ports of all nodes stand in one list, each node's inputs in `in_*[in_start[n] :
in_start[n+1]]` and its outputs likewise. A FIFO of depth C owns C slots of one array; a slot holds the
time at which its token is visible, or, once the token is taken, the time at which the slot is free:
a sender never needs a slot before its token is taken, so one number serves both.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ..network import Network, NetworkError

__all__ = ["State", "Tables", "initial_state", "tabulate"]

POLICIES = {"priority": 0, "round_robin": 1, "oldest": 2}


class Tables(NamedTuple):
    """What does not change in a run."""

    firings: np.ndarray
    interval: np.ndarray
    latency: np.ndarray
    in_start: np.ndarray
    in_fifo: np.ndarray
    in_every: np.ndarray
    in_at: np.ndarray
    out_start: np.ndarray
    out_fifo: np.ndarray
    out_every: np.ndarray
    out_at: np.ndarray
    policy: np.ndarray
    """-1 for a node without arbitration, else an index of `POLICIES`."""
    rows_start: np.ndarray
    """First row of a node's schedule, and in the next entry one past the last; equal if it has none."""
    row_inputs: np.ndarray
    row_outputs: np.ndarray
    row_interval: np.ndarray
    row_latency: np.ndarray
    source: np.ndarray
    """The node that sends to a FIFO; -1 if it is outside of the region."""
    target: np.ndarray
    depth: np.ndarray
    send_latency: np.ndarray
    response_latency: np.ndarray


class State(NamedTuple):
    """What a run changes. Kernels can stop and go on from it."""

    fired: np.ndarray
    """Firings that are complete, by node."""
    end: np.ndarray
    """Earliest time of the next firing, by node."""
    ready: np.ndarray
    """Ready time of a firing that holds its inputs and waits for output space; -1 if there is none."""
    in_due: np.ndarray
    """The next firing at which an input port is due."""
    out_due: np.ndarray
    taken: np.ndarray
    """Tokens taken from a FIFO so far."""
    sent: np.ndarray
    """Tokens sent so far, the initial ones among them."""
    head: np.ndarray
    """Slot of the next token to take, within the FIFO."""
    tail: np.ndarray
    """Slot of the next token to send."""
    latest: np.ndarray
    """Time at which the last token sent is visible: a queue keeps its order."""
    slots: np.ndarray
    slot_start: np.ndarray
    last_choice: np.ndarray
    """Input that an arbiter took last, by node; -1 before the first."""


def tabulate(network: Network, region: set[str] | None = None) -> Tables:
    """Turn a checked network into tables; with `region`, only these nodes (in order) and their FIFOs."""
    network = network.resolved_firings()
    nodes = [n for n in network.nodes.values() if region is None or n.name in region]
    for node in nodes:
        if node.kind in ("rule", "process") or node.firings is None:
            raise NetworkError(f"network {network.name!r}: {node.name} is decided by its values; it needs SimPy")
    number = {node.name: i for i, node in enumerate(nodes)}
    fifos = [f for f in network.fifos.values() if f.source[0] in number or f.target[0] in number]
    fifo_number = {fifo.name: i for i, fifo in enumerate(fifos)}
    ins = [[fifo_number[f.name] for f in network.fifos_of(n.name, "inputs")] for n in nodes]
    outs = [[fifo_number[f.name] for f in network.fifos_of(n.name, "outputs")] for n in nodes]
    schedules = [n.schedule for n in nodes if n.schedule is not None]

    def column(values: object) -> np.ndarray:
        return np.array(list(values), np.int64)  # type: ignore[call-overload]

    def rows(name: str) -> np.ndarray:
        return np.concatenate([getattr(s, name) for s in schedules]) if schedules else np.zeros(0, np.int64)

    return Tables(
        firings=column(n.firings for n in nodes),
        interval=column(n.interval for n in nodes),
        latency=column(n.latency for n in nodes),
        in_start=_starts(map(len, ins)),
        in_fifo=column(f for row in ins for f in row),
        in_every=column(p.every for n in nodes for p in n.inputs),
        in_at=column(p.at for n in nodes for p in n.inputs),
        out_start=_starts(map(len, outs)),
        out_fifo=column(f for row in outs for f in row),
        out_every=column(p.every for n in nodes for p in n.outputs),
        out_at=column(p.at for n in nodes for p in n.outputs),
        policy=column(POLICIES.get(n.arbitration or "", -1) for n in nodes),
        rows_start=_starts(0 if n.schedule is None else len(n.schedule) for n in nodes),
        row_inputs=rows("inputs"),
        row_outputs=rows("outputs"),
        row_interval=rows("interval"),
        row_latency=rows("latency"),
        source=column(number.get(f.source[0], -1) for f in fifos),
        target=column(number.get(f.target[0], -1) for f in fifos),
        depth=column(_depth(network, f.name) for f in fifos),
        send_latency=column(f.send_latency for f in fifos),
        response_latency=column(f.response_latency for f in fifos),
    )


def initial_state(network: Network, tables: Tables, region: set[str] | None = None) -> State:
    """The state before the first cycle."""
    fifos = [
        f for f in network.fifos.values()
        if region is None or f.source[0] in region or f.target[0] in region
    ]
    held = np.array([len(f.initial) for f in fifos], np.int64)
    return fresh_state(tables, held)


def fresh_state(tables: Tables, held: np.ndarray) -> State:
    """The state before the first cycle, with so many initial tokens in each FIFO (shape: FIFOs)."""
    nodes, fifos = len(tables.firings), len(tables.depth)
    starts = _starts(tables.depth)
    return State(
        fired=np.zeros(nodes, np.int64),
        end=np.zeros(nodes, np.int64),
        ready=np.full(nodes, -1, np.int64),
        in_due=tables.in_at.copy(),
        out_due=tables.out_at.copy(),
        taken=np.zeros(fifos, np.int64),
        sent=held.copy(),
        head=np.zeros(fifos, np.int64),
        tail=held % np.maximum(tables.depth, 1),
        latest=np.zeros(fifos, np.int64),
        slots=np.zeros(int(starts[-1]), np.int64),
        slot_start=starts,
        last_choice=np.full(nodes, -1, np.int64),
    )


def _depth(network: Network, name: str) -> int:
    """The depth, or for an unbounded FIFO room for every token that it will ever hold."""
    fifo = network.fifos[name]
    if fifo.depth is not None:
        return fifo.depth
    (source, out), (target, into) = fifo.source, fifo.target
    tokens = network.nodes[source].tokens("outputs", out)
    if tokens is None:
        tokens = network.nodes[target].tokens("inputs", into)
    if tokens is None:
        raise NetworkError(f"network {network.name!r}: {name} is unbounded between nodes without a count; give a depth")
    return max(1, tokens + len(fifo.initial))


def _starts(counts: object) -> np.ndarray:
    """Offsets of consecutive groups: 0, then the running sum."""
    return np.concatenate([[0], np.cumsum(np.array(list(counts), np.int64))]).astype(np.int64)  # type: ignore[call-overload]
