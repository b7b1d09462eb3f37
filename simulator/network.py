"""A network of nodes and FIFOs as data: declared, checked, and executed by any engine.

A node fires `firings` times, at least `interval` cycles apart. A firing waits until a token is visible at
every input that is due, takes them together (that is its *ready* time), computes for `latency` cycles,
waits until every output that is due has a free slot, and sends to all of them together (its *send* time).
With `end(-1) = 0`, all times in cycles:

    ready(k)   = max(end(k-1), visible of every input taken)
    send(k)    = max(ready(k), free slot of every output sent to)
    visible(j) = max(ready + latency, send + send_latency, visible(j-1))     token j of a FIFO
    free       = ready of the taker + response_latency                       slot of a taken token
    end(k)     = send(k) + interval

Inputs are released before the wait for output space, so a node holds one firing (DAM's rule,
arXiv 2404.16629 and its published sources). A port that is due every r-th firing makes a reduction
(an output), or a repetition (an input, whose token is held in between).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np

from ..errors import InputError

__all__ = ["Fifo", "Network", "NetworkError", "Node", "Port", "Rule", "Schedule"]

Arbitration = Literal["priority", "round_robin", "oldest"]
MAX_PORTS = 62
"""Ports of one kind at a node; a schedule keeps them as bits of one 64-bit integer."""


class NetworkError(InputError):
    """A network that cannot work: one line with the reason and the remedy."""


@dataclass(frozen=True)
class Port:
    """A port that is due at every firing k with k mod `every` = `at`."""

    name: str
    every: int = 1
    at: int = 0

    def tokens(self, firings: int) -> int:
        """Tokens that pass in so many firings."""
        return max(0, -(-(firings - self.at) // self.every))


@dataclass(frozen=True, eq=False)
class Schedule:
    """What each firing does, where it is not the same rate throughout; firing k reads row k mod length.

    `inputs` and `outputs` are bit masks of the ports that are due; `interval` and `latency` are cycles.
    """

    inputs: np.ndarray
    outputs: np.ndarray
    interval: np.ndarray
    latency: np.ndarray

    @classmethod
    def of(
        cls,
        inputs: Sequence[int],
        outputs: Sequence[int],
        interval: int | Sequence[int] = 1,
        latency: int | Sequence[int] = 1,
    ) -> Schedule:
        """Build a schedule; a single interval or latency holds for every row."""
        rows = len(inputs)
        columns = [
            np.broadcast_to(np.asarray(c, np.int64), rows) for c in (inputs, outputs, interval, latency)
        ]
        return cls(*(np.ascontiguousarray(column) for column in columns))

    def __len__(self) -> int:
        return len(self.inputs)

    def tokens(self, side: Literal["inputs", "outputs"], port: int, firings: int) -> int:
        """Tokens that pass a port in so many firings."""
        due = (getattr(self, side) >> port) & 1
        rounds, rest = divmod(firings, len(self))
        return int(rounds * due.sum() + due[:rest].sum())


class Rule:
    """A data-dependent node: which ports are due follows from the values. One instance serves one run.

    What a rule decides must depend on the values alone; then timing never changes what happens, and the
    network stays deterministic.
    """

    def first(self, k: int) -> Sequence[int]:
        """Inputs (positions) that firing k reads in any case."""
        return (0,)

    def then(self, k: int, values: Mapping[int, Any]) -> Sequence[int]:
        """Further inputs, chosen by the values of the first; they are taken together with the first."""
        return ()

    def fire(self, k: int, values: Mapping[int, Any]) -> Mapping[int, Any]:
        """Return the token of every output (position) that firing k sends to."""
        raise NotImplementedError


@dataclass(frozen=True, eq=False)
class Node:
    """A node; see the module for its timing. Functions are factories: called once for each run.

    Of the last four fields at most one is set. `function()` returns what is called at each firing as
    `f(k, *tokens)`, with the token held at every input, and returns the token for the outputs (a tuple
    for several; what is not due is dropped).
    """

    name: str
    firings: int | None
    """Firings of a run; None: as many as there are tokens for."""
    inputs: tuple[Port, ...] = ()
    outputs: tuple[Port, ...] = ()
    interval: int = 1
    latency: int = 1
    function: Callable[[], Callable[..., Any]] | None = None
    schedule: Schedule | None = None
    arbitration: Arbitration | None = None
    """A merge in order of arrival: each firing takes one token from one of the inputs that has one, by
    fixed priority, in turns, or the one visible longest (ties: the lower input)."""
    rule: Callable[[], Rule] | None = None
    process: Callable[..., Any] | None = None
    """A free generator function `f(ports)`, for the SimPy engine; see `dataflow.simpy_engine.Ports`."""

    @property
    def kind(self) -> Literal["static", "schedule", "arbiter", "rule", "process"]:
        """How the node decides which ports are due."""
        if self.process is not None:
            return "process"
        if self.rule is not None:
            return "rule"
        if self.arbitration is not None:
            return "arbiter"
        return "static" if self.schedule is None else "schedule"

    def tokens(self, side: Literal["inputs", "outputs"], port: int) -> int | None:
        """Tokens that pass a port in a run; None if only a run can tell."""
        if self.firings is None or self.kind in ("rule", "process"):
            return None
        if self.kind == "arbiter" and side == "inputs":
            return None
        if self.schedule is not None:
            return self.schedule.tokens(side, port, self.firings)
        ports: tuple[Port, ...] = getattr(self, side)
        return ports[port].tokens(self.firings)


@dataclass(frozen=True)
class Fifo:
    """A single-sender single-receiver queue: (node, port position) to (node, port position)."""

    name: str
    source: tuple[str, int]
    target: tuple[str, int]
    depth: int | None = 2
    """Tokens it holds; None is unbounded."""
    send_latency: int = 1
    response_latency: int = 1
    initial: tuple[Any, ...] = ()
    """Tokens that are there, and visible, at time 0: what a loop needs to start."""


@dataclass
class Network:
    """Nodes by name and FIFOs by name, in the order in which they were added."""

    name: str
    nodes: dict[str, Node] = field(default_factory=dict)
    fifos: dict[str, Fifo] = field(default_factory=dict)
    _used: dict[tuple[str, str, int], str] = field(default_factory=dict, repr=False)

    def node(
        self,
        name: str,
        firings: int | None,
        inputs: Mapping[str, int] | Iterable[str | Port] = (),
        outputs: Mapping[str, int] | Iterable[str | Port] = (),
        **fields: Any,
    ) -> Node:
        """Add a node. Ports are names, names with their rate (`{"q": 64}`), or `Port`s.

        An input with rate r is due at firings 0, r, 2r...; an output at r-1, 2r-1...
        """
        if name in self.nodes or not name or "." in name:
            why = "is used twice" if name in self.nodes else "must not be empty or hold a dot"
            raise self._error(f"node name {name!r} {why}; choose another")
        node = Node(name, firings, tuple(_ports(inputs, False)), tuple(_ports(outputs, True)), **fields)
        self._check_node(node)
        self.nodes[name] = node
        return node

    def connect(
        self,
        source: str,
        target: str,
        depth: int | None = 2,
        *,
        name: str | None = None,
        send_latency: int = 1,
        response_latency: int = 1,
        initial: Sequence[Any] | int = (),
    ) -> Fifo:
        """Connect an output to an input by a FIFO; "node" alone means its only port of that kind.

        `initial` gives the tokens held at time 0 (or how many, where values do not matter).
        """
        ends = self._end(source, "outputs"), self._end(target, "inputs")
        name = name or f"{source}->{target}"
        if name in self.fifos:
            raise self._error(f"FIFO name {name!r} is used twice; pass another as name=")
        for side, (node, port) in zip(("outputs", "inputs"), ends, strict=True):
            other = self._used.get((side, node, port))
            if other is not None:
                remedy = (
                    "give the node one output for each reader" if side == "outputs" else "merge before it"
                )
                raise self._error(
                    f"{source if side == 'outputs' else target} is already connected by {other}; {remedy}"
                )
        held = (None,) * initial if isinstance(initial, int) else tuple(initial)
        fifo = Fifo(name, *ends, depth, send_latency, response_latency, held)
        self._check_fifo(fifo)
        for side, (node, port) in zip(("outputs", "inputs"), ends, strict=True):
            self._used[side, node, port] = name
        self.fifos[name] = fifo
        return fifo

    def with_depths(self, depths: Mapping[str, int | None] | int | None) -> Network:
        """A copy with other depths: of the FIFOs named, or one depth for all."""
        new = dict(depths) if isinstance(depths, Mapping) else dict.fromkeys(self.fifos, depths)
        if unknown := new.keys() - self.fifos.keys():
            raise self._error(f"no FIFO {sorted(unknown)[0]!r}; there are {', '.join(self.fifos)}")
        fifos = {name: replace(f, depth=new.get(name, f.depth)) for name, f in self.fifos.items()}
        for fifo in fifos.values():
            self._check_fifo(fifo)
        return Network(self.name, dict(self.nodes), fifos, dict(self._used))

    def with_nodes(self, nodes: Mapping[str, Node]) -> Network:
        """A copy in which some nodes are replaced by others with as many ports."""
        return Network(self.name, {**self.nodes, **nodes}, dict(self.fifos), dict(self._used))

    def fifos_of(self, node: str, side: Literal["inputs", "outputs"]) -> list[Fifo]:
        """The FIFOs at a node's ports, in order of the ports; raises if one is not connected."""
        ports: tuple[Port, ...] = getattr(self.nodes[node], side)
        found = []
        for position, port in enumerate(ports):
            name = self._used.get((side, node, position))
            if name is None:
                other = "a reader" if side == "outputs" else "a writer"
                raise self._error(
                    f"{side[:-1]} {node}.{port.name} is not connected; connect {other} to it or remove the port"
                )
            found.append(self.fifos[name])
        return found

    def check(self) -> Network:
        """Raise `NetworkError` for an unconnected port or rates that do not match; return the network."""
        if not self.nodes:
            raise self._error("there are no nodes; add one")
        for name in self.nodes:
            self.fifos_of(name, "inputs")
            self.fifos_of(name, "outputs")
        for fifo in self.fifos.values():
            self._check_rates(fifo)
        return self

    def resolved_firings(self) -> Network:
        """A copy in which arbiters know their firings: one for each token their inputs bring."""
        network = self
        pending = [n for n in self.nodes.values() if n.kind == "arbiter" and n.firings is None]
        while pending:
            waiting = []
            for node in pending:
                brought = [
                    None
                    if (sent := network.nodes[f.source[0]].tokens("outputs", f.source[1])) is None
                    else sent + len(f.initial)
                    for f in network.fifos_of(node.name, "inputs")
                ]
                if any(b is None for b in brought):
                    waiting.append(node)
                else:
                    total = sum(b for b in brought if b is not None)
                    network = network.with_nodes({node.name: replace(node, firings=total)})
            if len(waiting) == len(pending):
                break
            pending = waiting
        return network

    def __str__(self) -> str:
        lines = [f"network {self.name!r}"]
        for node in self.nodes.values():
            sides = (node.inputs, node.outputs)
            into, out = (", ".join(f"{p.name} {p.at} mod {p.every}" for p in side) for side in sides)
            pace = f"interval {node.interval}, latency {node.latency}"
            extra = f", {node.arbitration}" if node.arbitration else f", {node.schedule}" if node.schedule else ""
            lines.append(f"  node {node.name}: {node.firings} firings, {pace}, ({into}) -> ({out}){extra}")
        for fifo in self.fifos.values():
            latencies = f"latencies {fifo.send_latency}, {fifo.response_latency}"
            initial = f", {len(fifo.initial)} initial" if fifo.initial else ""
            lines.append(f"  fifo {fifo.name}: depth {fifo.depth}, {latencies}{initial}")
        return "\n".join(lines)

    def _check_rates(self, fifo: Fifo) -> None:
        (source, out), (target, into) = fifo.source, fifo.target
        sent, taken = self.nodes[source].tokens("outputs", out), self.nodes[target].tokens("inputs", into)
        if sent is None or taken is None or 0 <= sent + len(fifo.initial) - taken <= len(fifo.initial):
            return
        plus = f" and {len(fifo.initial)} are there at the start" if fifo.initial else ""
        raise self._error(
            f"rate mismatch on {fifo.name}: {source} sends {sent} tokens in {self.nodes[source].firings} firings"
            f"{plus}, {target} takes {taken} in {self.nodes[target].firings}; change the firings or the rate "
            f"of one of them so that both counts are equal"
        )

    def _check_node(self, node: Node) -> None:
        for what in ("interval", "latency"):
            if (value := getattr(node, what)) < 1:
                raise self._error(f"node {node.name}: {what}={value} must be at least 1")
        if node.firings is not None and node.firings < 1:
            raise self._error(f"node {node.name}: firings={node.firings} must be at least 1")
        if node.firings is None and node.kind in ("static", "schedule"):
            raise self._error(
                f"node {node.name}: firings=None is for arbiters, rules and processes; give a number"
            )
        if sum(x is not None for x in (node.schedule, node.arbitration, node.rule, node.process)) > 1:
            raise self._error(f"node {node.name}: give only one of schedule, arbitration, rule and process")
        for side in (node.inputs, node.outputs):
            if len(side) > MAX_PORTS:
                raise self._error(
                    f"node {node.name}: {len(side)} ports; at most {MAX_PORTS}, add a tree of nodes"
                )
            if len({port.name for port in side}) < len(side):
                raise self._error(f"node {node.name}: two ports have one name; rename one")
            for port in side:
                if not 0 <= port.at < port.every:
                    raise self._error(
                        f"port {node.name}.{port.name}: needs 0 <= at={port.at} < every={port.every}"
                    )
        if node.schedule is not None and (
            len(node.schedule) == 0 or min(node.schedule.interval) < 1 or min(node.schedule.latency) < 1
        ):
            raise self._error(
                f"node {node.name}: a schedule needs a row, and intervals and latencies of at least 1"
            )
        if node.arbitration is not None and not node.inputs:
            raise self._error(f"node {node.name}: an arbiter needs an input")

    def _check_fifo(self, fifo: Fifo) -> None:
        for what in ("depth", "send_latency", "response_latency"):
            if (value := getattr(fifo, what)) is not None and value < 1:
                raise self._error(f"FIFO {fifo.name}: {what}={value} must be at least 1")
        if fifo.depth is not None and len(fifo.initial) > fifo.depth:
            raise self._error(
                f"FIFO {fifo.name}: {len(fifo.initial)} initial tokens do not fit in depth={fifo.depth}; deepen it"
            )

    def _end(self, text: str, side: Literal["inputs", "outputs"]) -> tuple[str, int]:
        name, _, port = text.partition(".")
        if name not in self.nodes:
            raise self._error(f"no node {name!r}; there are {', '.join(self.nodes) or 'none'}")
        names = [p.name for p in getattr(self.nodes[name], side)]
        if not port and len(names) == 1:
            return name, 0
        if port not in names:
            raise self._error(
                f"{text}: {name} has {side} {', '.join(names) or 'none'}; name one, as in {name}.port"
            )
        return name, names.index(port)

    def _error(self, text: str) -> NetworkError:
        return NetworkError(f"network {self.name!r}: {text}")


def _ports(ports: Mapping[str, int] | Iterable[str | Port], output: bool) -> Iterator[Port]:
    pairs = ports.items() if isinstance(ports, Mapping) else ((p, 1) for p in ports)
    for port, every in pairs:
        if isinstance(port, Port):
            yield port
        else:
            yield Port(port, every, every - 1 if output else 0)
