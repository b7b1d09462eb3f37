"""A compiled region as one SimPy process: part of a network runs in the worklist, the rest in SimPy.

The region has no choice in it, so what it does is a function of what comes in and of the slots it is given;
it may run ahead, or lag behind until somebody looks, and nothing changes. Whoever looks at a channel of its
border brings it up to date first. Its border tokens carry their true times, which lie in the future:
every latency is at least a cycle. The quantum says how far it runs ahead at a time; it sets the pace and
the memory, never the result. Tokens of a region carry no values.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from typing import Any

import numba as nb
import numpy as np
import simpy

from ..kernel import Channel, Component, DeadlockError, Process, Simulation
from ..network import Fifo, Network, NetworkError
from .compiled import make_log, summary
from .run import Blocked, Run
from .simpy_engine import collect, make_component
from .tables import (
    DEPTH,
    END,
    FAR,
    FIFO,
    FIRED,
    FIRINGS,
    HEAD,
    IN,
    LATEST,
    OUT,
    OUT_END,
    READY,
    ROW_INPUTS,
    ROW_OUTPUTS,
    ROWS,
    ROWS_END,
    SENT,
    SLOT,
    TAIL,
    TAKEN,
    State,
    Tables,
    compile_network,
)  # fmt: skip
from .worklist import NO_LOG, Log, advance

__all__ = ["Region", "run_hosted"]

DONE = -1


class Region(Component):
    """Some nodes of a network, compiled. Its border channels are made by it, and stand in `border`."""

    def __init__(
        self,
        sim: Simulation,
        network: Network,
        nodes: Iterable[str],
        quantum: int = 256,
        record: bool = False,
    ) -> None:
        if quantum < 1:
            raise NetworkError(f"network {network.name!r}: quantum={quantum} must be at least 1")
        super().__init__(sim, f"region of {network.name}")
        self.compiled = compile_network(network, nodes)
        if arbiters := [n.name for n in self.compiled.nodes if n.kind == "arbiter"]:
            raise NetworkError(
                f"network {network.name!r}: the arbiter {arbiters[0]} cannot be in a compiled region"
            )
        self.state, self.quantum = self.compiled.state(), quantum
        self.log = make_log(self.compiled) if record else NO_LOG
        self.limits = self.compiled.tables.node[:, FIRINGS].copy()
        self.border: dict[str, _Border] = {}
        inside = {node.name for node in self.compiled.nodes}
        for f, fifo in enumerate(self.compiled.fifos):
            kind = _Exit if fifo.source[0] in inside else _Entry
            if fifo.source[0] not in inside or fifo.target[0] not in inside:
                self.border[fifo.name] = kind(self, f, fifo)
        self.start = 0
        self.asleep_until: int | None = None
        self.process: simpy.Process | None = None

    def run(self) -> Process:
        """Advance by a quantum at a time, for as long as there is something to do."""
        env = self.sim.env
        self.process = env.active_process
        while True:
            self.catch_up()
            if self.start == DONE:
                return
            self.asleep_until = FAR if self.start == FAR else max(self.start, int(env.now) + self.quantum)
            with suppress(simpy.Interrupt):
                yield env.event() if self.start == FAR else env.timeout(self.asleep_until - env.now)
            self.asleep_until = None

    def catch_up(self) -> None:
        """Run on all that is known, up to a quantum ahead, and tell the border."""
        horizon = int(self.sim.env.now) + self.quantum
        self.start = advance_region(self.compiled.tables, self.state, self.limits, horizon, self.log)
        for channel in self.border.values():
            channel.sync()

    def changed(self) -> None:
        """The outside sent a token or freed a slot: go on at once if somebody waits, later if not."""
        if any(channel.awaited for channel in self.border.values()):
            self.catch_up()
            if self.asleep_until is not None and self.start < self.asleep_until:
                self.wake()
        elif self.asleep_until == FAR:
            self.wake()

    def wake(self) -> None:
        """Have the process look again at what to do."""
        self.asleep_until = None
        assert self.process is not None
        self.process.interrupt()


class _Border(Channel):
    """A channel between the region and the outside. Its slots are those of the region's tables."""

    def __init__(self, region: Region, f: int, fifo: Fifo) -> None:
        super().__init__(region.sim, fifo.name, fifo.depth, fifo.send_latency, fifo.response_latency)
        region.sim.channels.append(self)
        self.region, self.f = region, f
        self.row, self.mine = region.compiled.tables.fifo[f], region.state.fifo[f]
        self.seen = 0
        self.preload(fifo.initial)

    @property
    def awaited(self) -> bool:
        """Whether an outside process waits at this channel."""
        return self._sender is not None or self._receiver is not None

    def sync(self) -> None:
        """Show the outside what the region has done since."""
        raise NotImplementedError

    def visible_at(self) -> int | None:
        """As `Channel.visible_at`, with the region brought up to date."""
        self.region.catch_up()
        return super().visible_at()

    def free_at(self) -> int | None:
        """As `Channel.free_at`, with the region brought up to date."""
        self.region.catch_up()
        return super().free_at()

    def item(self, by: Component | None = None) -> Process:
        """As `Channel.item`, with the region brought up to date."""
        self.region.catch_up()
        yield from super().item(by)

    def slot(self, by: Component | None = None) -> Process:
        """As `Channel.slot`, with the region brought up to date."""
        self.region.catch_up()
        yield from super().slot(by)


class _Entry(_Border):
    """From the outside into the region."""

    def preload(self, items: Iterable[Any]) -> None:
        """The region's tables hold the items; only their slots are not free."""
        for _ in items:
            if self.depth is not None:
                self._free.popleft()

    def push(self, item: Any, visible: int = 0) -> None:
        """Send into the region."""
        if self.depth is not None:
            self._free.popleft()
        visible = max(visible, self.sim.now + self._send, int(self.mine[LATEST]))
        self.mine[LATEST] = visible
        self.region.state.slot[self.row[SLOT] + self.mine[TAIL]] = visible
        self.mine[SENT] += 1
        self.mine[TAIL] = (self.mine[TAIL] + 1) % self.row[DEPTH]
        self.sim.note(self.name, "put", item)
        self.region.changed()

    def sync(self) -> None:
        """Return the slots of the tokens that the region has taken."""
        taken = int(self.mine[TAKEN])
        if self.depth is None or self.seen == taken:
            return
        begin, depth, head = self.row[SLOT], int(self.row[DEPTH]), int(self.mine[HEAD])
        for i in range(self.seen - taken, 0):
            self._free.append(int(self.region.state.slot[begin + (head + i) % depth]))
        self.seen = taken
        if self._sender is not None:
            event, self._sender = self._sender, None
            event.succeed()


class _Exit(_Border):
    """From the region to the outside."""

    def preload(self, items: Iterable[Any]) -> None:
        """Hold the items; the region's tables know of them."""
        self._items.extend((0, item) for item in items)
        self.seen = len(self._items)

    def sync(self) -> None:
        """Show the tokens that the region has sent."""
        sent = int(self.mine[SENT])
        if self.seen == sent:
            return
        begin, depth, tail = self.row[SLOT], int(self.row[DEPTH]), int(self.mine[TAIL])
        for i in range(self.seen - sent, 0):
            self._items.append((int(self.region.state.slot[begin + (tail + i) % depth]), None))
        self.seen = sent
        if self._receiver is not None:
            event, self._receiver = self._receiver, None
            if not event.triggered:
                event.succeed()

    def pop(self) -> Any:
        """Take a token out of the region."""
        _, item = self._items.popleft()
        free = self.sim.now + self._response if self.depth is not None else -FAR
        self.region.state.slot[self.row[SLOT] + self.mine[HEAD]] = free
        self.mine[TAKEN] += 1
        self.mine[HEAD] = (self.mine[HEAD] + 1) % self.row[DEPTH]
        self.sim.note(self.name, "get", item)
        self.region.changed()
        return item


@nb.njit(cache=True, nogil=True)
def advance_region(tables: Tables, state: State, limits: np.ndarray, horizon: int, log: Log) -> int:
    """Advance to a horizon; returns the earliest time from then on at which a node can go on as things are.

    FAR stands for nodes that all wait for tokens or slots, DONE for nodes that all have fired all they should.
    """
    advance(tables, state, limits, horizon, log)
    node, port, fifo, row = tables
    node_state, due, fifo_state, slot = state
    earliest = DONE
    for n in range(len(node)):
        k, rows = node_state[n, FIRED], node[n, ROWS_END] - node[n, ROWS]
        if k == node[n, FIRINGS]:
            continue
        if earliest == DONE:
            earliest = FAR
        holding = node_state[n, READY] >= 0
        a, b = (node[n, OUT], node[n, OUT_END]) if holding else (node[n, IN], node[n, OUT])
        when = node_state[n, READY] if holding else node_state[n, END]
        for p in range(a, b):
            if rows:
                mask = row[node[n, ROWS] + k % rows, ROW_OUTPUTS if holding else ROW_INPUTS]
                if (mask >> (p - a)) & 1 == 0:
                    continue
            elif due[p] != k:
                continue
            f = port[p, FIFO]
            held = fifo_state[f, SENT] - fifo_state[f, TAKEN]
            if held == (fifo[f, DEPTH] if holding else 0):
                when = FAR
                break
            when = max(when, slot[fifo[f, SLOT] + fifo_state[f, TAIL if holding else HEAD]])
        earliest = min(earliest, when)
    return earliest


def run_hosted(network: Network, nodes: Iterable[str], quantum: int = 256, record: bool = False) -> Run:
    """Run a checked network with some nodes in a compiled region and the others in SimPy."""
    network = network.resolved_firings()
    sim, inside = Simulation(), set(nodes)
    region = Region(sim, network, inside, quantum, record)
    channels: dict[str, Channel] = dict(region.border)
    for name, fifo in network.fifos.items():
        if fifo.source[0] not in inside and fifo.target[0] not in inside:
            channels[name] = sim.channel(
                name, fifo.depth, send_latency=fifo.send_latency, response_latency=fifo.response_latency
            )
            channels[name].preload(fifo.initial)
    outside = [
        make_component(sim, network, node, channels)
        for node in network.nodes.values()
        if node.name not in inside
    ]
    blocked: tuple[Blocked, ...] = ()
    try:
        sim.run()
    except DeadlockError as error:
        stuck = tuple(c for c in error.stuck if c is not region)
        blocked = collect(network, outside, stuck).blocked
    mine = summary(region.compiled, "hosted", region.state, region.log)
    run = collect(network, outside, ())
    if blocked or mine.blocked:
        run.blocked, run.cycles = (*blocked, *mine.blocked), None
    else:
        run.cycles = max(int(region.state.node[:, END].max()), run.cycles or 0)
    run.engine, run.note = (
        "hosted",
        f"{len(inside)} of {len(network.nodes)} nodes compiled, quantum {quantum}",
    )
    run.firings, run.ready, run.send = (
        {**getattr(run, w), **getattr(mine, w)} for w in ("firings", "ready", "send")
    )
    return run
