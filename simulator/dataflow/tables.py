"""A network as a few integer matrices, which is what the compiled engines read.

All are int64; the constants name the columns. A node's ports stand together in the port matrix, its inputs
before its outputs. A FIFO of depth C owns C slots; a slot holds the time at which its token is visible,
or, once the token is taken, the time at which the slot is free: a sender never needs a slot before its
token is taken, so one number serves both.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from math import gcd, lcm
from typing import NamedTuple

import numpy as np

from ..network import Fifo, Network, NetworkError, Node

__all__ = ["Compiled", "State", "Tables", "compile_network", "fresh_state"]

POLICIES = {"priority": 0, "round_robin": 1, "oldest": 2}

# Tables.node. ROWS..ROWS_END are a node's rows of the schedule; equal if it has none.
FIRINGS, INTERVAL, LATENCY, POLICY, IN, OUT, OUT_END, ROWS, ROWS_END = range(9)
# Tables.port: its FIFO, and its rate as in `network.Port`.
FIFO, EVERY, AT = range(3)
# Tables.fifo. A node outside of the region is -1. SLOT is its first slot.
SOURCE, TARGET, DEPTH, SEND_LATENCY, RESPONSE_LATENCY, SLOT = range(6)
# Tables.row: what a firing of a scheduled node does; masks of ports.
ROW_INPUTS, ROW_OUTPUTS, ROW_INTERVAL, ROW_LATENCY = range(4)
# State.node: complete firings; earliest time of the next; ready time of the firing that holds its inputs
# and waits for space, or -1; the input that an arbiter took last, or -1.
FIRED, END, READY, CHOICE = range(4)
# State.fifo: tokens taken and sent so far; slots (within the FIFO) of the next to take and to send; the
# time at which the last token sent is visible, since a queue keeps its order.
TAKEN, SENT, HEAD, TAIL, LATEST = range(5)

FAR = 2**62
"""Later than any time."""


class Tables(NamedTuple):
    """What does not change in a run."""

    node: np.ndarray
    port: np.ndarray
    fifo: np.ndarray
    row: np.ndarray


class State(NamedTuple):
    """What a run changes. Kernels can stop and go on from it."""

    node: np.ndarray
    due: np.ndarray
    """For each port the next firing at which it is due (not used by scheduled nodes)."""
    fifo: np.ndarray
    slot: np.ndarray


@dataclass(frozen=True)
class Compiled:
    """A network (or a region of it) as tables, with the names that the rows stand for."""

    network: Network
    nodes: tuple[Node, ...]
    fifos: tuple[Fifo, ...]
    tables: Tables
    quota: np.ndarray
    """Firings of each node in a round; the network returns to the same fills after each. The run is one
    round where there is nothing to repeat."""
    rounds: int

    @property
    def held(self) -> np.ndarray:
        """Tokens in each FIFO at the start."""
        return np.array([len(f.initial) for f in self.fifos], np.int64)

    def state(self) -> State:
        """The state before the first cycle."""
        return fresh_state(self.tables, self.held)


def compile_network(
    network: Network, region: Iterable[str] | None = None, *, by_rounds: bool = False
) -> Compiled:
    """Turn a checked network into tables; with `region`, only these nodes and the FIFOs at them.

    An unbounded FIFO gets room for all tokens of a run, or, if the run is to go `by_rounds`, of a round.
    """
    network = network.resolved_firings()
    chosen = set(network.nodes if region is None else region)
    nodes = tuple(n for n in network.nodes.values() if n.name in chosen)
    for node in nodes:
        if node.kind in ("rule", "process") or node.firings is None:
            raise NetworkError(
                f"network {network.name!r}: {node.name} is decided by its values; it needs SimPy"
            )
    fifos = tuple(f for f in network.fifos.values() if f.source[0] in chosen or f.target[0] in chosen)
    node_number = {node.name: i for i, node in enumerate(nodes)}
    fifo_number = {fifo.name: i for i, fifo in enumerate(fifos)}

    node_rows: list[list[int]] = []
    ports: list[list[int]] = []
    schedule: list[list[int]] = []
    for node in nodes:
        first, first_row = len(ports), len(schedule)
        for side in ("inputs", "outputs"):
            joined = zip(network.fifos_of(node.name, side), getattr(node, side), strict=True)
            ports += [[fifo_number[f.name], p.every, p.at] for f, p in joined]
        if (s := node.schedule) is not None:
            schedule += np.stack([s.inputs, s.outputs, s.interval, s.latency], axis=1).tolist()
        out = first + len(node.inputs)
        policy = POLICIES.get(node.arbitration or "", -1)
        node_rows.append([
            node.firings or 0, node.interval, node.latency, policy,
            first, out, out + len(node.outputs), first_row, len(schedule),
        ])  # fmt: skip
    rounds = _rounds(network, nodes) if region is None else 1
    fifo_rows, slots = [], 0
    for fifo in fifos:
        depth = fifo.depth if fifo.depth is not None else _room(network, fifo, rounds if by_rounds else 1)
        response = fifo.response_latency if fifo.depth is not None else -FAR
        ends = [node_number.get(end, -1) for end in (fifo.source[0], fifo.target[0])]
        fifo_rows.append([*ends, depth, fifo.send_latency, response, slots])
        slots += depth
    tables = Tables(_matrix(node_rows, 9), _matrix(ports, 3), _matrix(fifo_rows, 6), _matrix(schedule, 4))
    return Compiled(network, nodes, fifos, tables, tables.node[:, FIRINGS] // rounds, rounds)


def _rounds(network: Network, nodes: Iterable[Node]) -> int:
    """How often the shortest sequence of firings repeats that returns every FIFO to its fill."""
    for fifo in network.fifos.values():
        sent = network.nodes[fifo.source[0]].tokens("outputs", fifo.source[1])
        if sent is None or sent != network.nodes[fifo.target[0]].tokens("inputs", fifo.target[1]):
            return 1
    repeats = []
    for node in nodes:
        ports = (*node.inputs, *node.outputs)
        period = lcm(*(p.every for p in ports)) if node.schedule is None else len(node.schedule)
        if not node.firings or node.firings % period:
            return 1
        repeats.append(node.firings // period)
    return gcd(*repeats)


def fresh_state(tables: Tables, held: np.ndarray) -> State:
    """The state before the first cycle, with so many initial tokens in each FIFO (shape: FIFOs)."""
    node = np.zeros((len(tables.node), 4), np.int64)
    node[:, READY] = node[:, CHOICE] = -1
    fifo = np.zeros((len(tables.fifo), 5), np.int64)
    fifo[:, SENT] = held
    fifo[:, TAIL] = held % tables.fifo[:, DEPTH]
    return State(node, tables.port[:, AT].copy(), fifo, np.zeros(int(tables.fifo[:, DEPTH].sum()), np.int64))


def _room(network: Network, fifo: Fifo, rounds: int) -> int:
    """Slots for an unbounded FIFO: one for every token that passes in a round (its slots are free always)."""
    (source, out), (target, into) = fifo.source, fifo.target
    tokens = network.nodes[source].tokens("outputs", out)
    if tokens is None:
        tokens = network.nodes[target].tokens("inputs", into)
    if tokens is None:
        raise NetworkError(
            f"network {network.name!r}: {fifo.name} is unbounded, and neither end says how many tokens pass; "
            f"give it a depth"
        )
    return max(1, tokens // rounds + len(fifo.initial))


def _matrix(rows: list[list[int]], columns: int) -> np.ndarray:
    return np.array(rows, np.int64).reshape(len(rows), columns)
