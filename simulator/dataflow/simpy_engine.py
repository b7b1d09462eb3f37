"""The reference: every node a SimPy process, every FIFO a channel, every token a value one can watch."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Generator, Mapping, Sequence
from typing import Any

import numpy as np
import simpy

from ..kernel import Channel, Component, DeadlockError, Simulation
from ..network import Network, Node
from .run import Blocked, Run

__all__ = ["Firing", "Ports", "collect", "make_component", "run_simpy"]

Process = Generator[simpy.Event, Any, Any]


class Firing(Component):
    """A node as a process. Its firings are recorded in `ready` and `send`."""

    def __init__(self, sim: Simulation, node: Node, inputs: list[Channel], outputs: list[Channel]) -> None:
        super().__init__(sim, node.name)
        self.node, self.inputs, self.outputs = node, inputs, outputs
        self.endless = node.firings is None
        self.ready, self.send, self.choices = array("q"), array("q"), array("q")
        self.received: list[Any] = []
        self.end = 0
        self.function = node.function() if node.function is not None else None

    def run(self) -> Process:
        """Fire until all firings are done."""
        fire = {"rule": self._by_rule, "arbiter": self._by_arrival}.get(self.node.kind, self._by_rate)
        yield from fire()

    def _indices(self) -> Generator[int]:
        k = 0
        while self.node.firings is None or k < self.node.firings:
            yield k
            k += 1

    def _by_rate(self) -> Process:
        held: list[Any] = [None] * len(self.inputs)
        for k in self._indices():
            due_in, due_out, interval, latency = self._due(k)
            yield from self._take(due_in, held)
            values = self._compute(k, held)
            yield from self._give(due_out, values, latency, interval)

    def _due(self, k: int) -> tuple[list[int], list[int], int, int]:
        """The inputs and outputs that are due at firing k, its interval and its latency."""
        node = self.node
        if node.schedule is None:
            due_in = [i for i, port in enumerate(node.inputs) if k % port.every == port.at]
            due_out = [i for i, port in enumerate(node.outputs) if k % port.every == port.at]
            return due_in, due_out, node.interval, node.latency
        row = k % len(node.schedule)
        into, out, interval, latency = (int(column[row]) for column in vars(node.schedule).values())
        due_in = [i for i in range(len(self.inputs)) if into >> i & 1]
        return due_in, [i for i in range(len(self.outputs)) if out >> i & 1], interval, latency

    def _by_rule(self) -> Process:
        assert self.node.rule is not None
        rule, width = self.node.rule(), len(self.inputs)
        for k in self._indices():
            first, values = list(rule.first(k)), {}
            for i in first:
                values[i] = yield from self.inputs[i].peek(self)
            due: list[int] = [*first, *rule.then(k, values)]
            held = [None] * width
            yield from self._take(due, held)
            results = rule.fire(k, {i: held[i] for i in due})
            tokens = [results.get(i) for i in range(len(self.outputs))]
            yield from self._give(sorted(results), tokens, self.node.latency, self.node.interval)

    def _by_arrival(self) -> Process:
        env, sim, node, last = self.sim.env, self.sim, self.node, -1
        for k in self._indices():
            if self.end > sim.now:
                yield env.timeout(self.end - sim.now)
            while (chosen := choose(self.inputs, sim.now, node.arbitration or "", last)) is None:
                bell = env.event()
                for channel in self.inputs:
                    channel.ring(bell)
                heads = [t for channel in self.inputs if (t := channel.visible_at()) is not None]
                self.waiting_on = None if heads else ("item", self.inputs[0])
                yield env.any_of([bell, env.timeout(min(heads) - sim.now)]) if heads else bell
            self.waiting_on, last = None, chosen
            token = self.inputs[chosen].pop()
            self.ready.append(sim.now)
            self.choices.append(chosen)
            due = [i for i, port in enumerate(node.outputs) if k % port.every == port.at]
            yield from self._give(due, [token, *[chosen] * len(self.outputs)], node.latency, node.interval)

    def _take(self, due: Sequence[int], held: list[Any]) -> Process:
        """Wait until every input that is due has a visible token, and take them together into `held`."""
        now: Any
        start = self.end
        for i in due:
            channel = self.inputs[i]
            if (visible := channel.visible_at()) is None:
                yield from channel.item(self)
                visible = channel.visible_at()
            start = max(start, visible or 0)
        now = self.sim.env.now
        if start > now:
            yield self.sim.env.timeout(start - now)
        self.ready.append(max(start, now))
        for i in due:
            held[i] = self.inputs[i].pop()
        if not self.outputs:
            self.received.append(held[due[0]] if len(due) == 1 else tuple(held[i] for i in due))

    def _give(self, due: Sequence[int], tokens: Sequence[Any], latency: int, interval: int) -> Process:
        """Wait until every output that is due has a free slot, and send to all of them together."""
        now: Any = self.sim.env.now
        ready = start = now
        endless = self.endless
        self.endless = False  # a node that holds a result is stuck if it cannot send it
        for i in due:
            channel = self.outputs[i]
            if (free := channel.free_at()) is None:
                yield from channel.slot(self)
                free = channel.free_at()
            start = max(start, free or 0)
        now = self.sim.env.now
        if start > now:
            yield self.sim.env.timeout(start - now)
        start, self.endless = max(start, now), endless
        self.send.append(start)
        for i in due:
            self.outputs[i].push(tokens[i], ready + latency)
        self.end = start + interval

    def _compute(self, k: int, held: list[Any]) -> Sequence[Any]:
        if self.function is None:
            return [held[0] if held else None] * len(self.outputs)
        result = self.function(k, *held)
        return result if len(self.outputs) > 1 else (result,)


class Ports:
    """What a free process sees of its node: its ports by name, and time.

    def doubler(ports):
        while True:
            x = yield from ports.get("in")
            yield from ports.wait(3)
            yield from ports.put("out", 2 * x)
    """

    def __init__(self, component: _Free, inputs: dict[str, Channel], outputs: dict[str, Channel]) -> None:
        self._component, self._inputs, self._outputs = component, inputs, outputs

    @property
    def now(self) -> int:
        """The cycle."""
        return self._component.sim.now

    def get(self, port: str) -> Process:
        """Wait for a token and take it."""
        return self._inputs[port].get(self._component)

    def put(self, port: str, token: Any = None) -> Process:
        """Wait for a free slot and send."""
        return self._outputs[port].put(token, by=self._component)

    def wait(self, cycles: int) -> Process:
        """Let cycles pass."""
        return self._component.wait(cycles)


class _Free(Component):
    """A node that is a generator function of the user's."""

    def __init__(self, sim: Simulation, node: Node, inputs: list[Channel], outputs: list[Channel]) -> None:
        super().__init__(sim, node.name)
        self.node, self.endless, self.end = node, node.firings is None, 0
        named_in = {port.name: channel for port, channel in zip(node.inputs, inputs, strict=True)}
        named_out = {port.name: channel for port, channel in zip(node.outputs, outputs, strict=True)}
        self.ports = Ports(self, named_in, named_out)

    def run(self) -> Process:
        """Run the user's function."""
        assert self.node.process is not None
        yield from self.node.process(self.ports)
        self.end = self.sim.now


def choose(inputs: Sequence[Channel], now: int, policy: str, last: int) -> int | None:
    """The input an arbiter takes at a time: among those with a visible item, by policy; None if none has."""
    seen = [
        (t, i) for i, channel in enumerate(inputs) if (t := channel.visible_at()) is not None and t <= now
    ]
    if not seen:
        return None
    if policy == "oldest":
        return min(seen)[1]
    if policy == "round_robin":
        return min(i if i > last else i + len(inputs) for _, i in seen) % len(inputs)
    return min(i for _, i in seen)


def make_component(
    sim: Simulation, network: Network, node: Node, channels: Mapping[str, Channel]
) -> Component:
    """A node as a process of a simulation, at the channels of its FIFOs (by name)."""
    inputs = [channels[f.name] for f in network.fifos_of(node.name, "inputs")]
    outputs = [channels[f.name] for f in network.fifos_of(node.name, "outputs")]
    return (_Free if node.kind == "process" else Firing)(sim, node, inputs, outputs)


def run_simpy(network: Network, watch: Callable[[int, str, str, Any], None] | None = None) -> Run:
    """Run a checked network to its end or to a deadlock; `watch` sees every put and get."""
    network = network.resolved_firings()
    sim = Simulation(watch)
    channels = {}
    for name, f in network.fifos.items():
        latencies = {"send_latency": f.send_latency, "response_latency": f.response_latency}
        channels[name] = sim.channel(name, f.depth, **latencies)
        channels[name].preload(f.initial)
    made = [make_component(sim, network, node, channels) for node in network.nodes.values()]
    try:
        sim.run()
    except DeadlockError as error:
        return collect(network, made, error.stuck)
    return collect(network, made, ())


def collect(network: Network, made: Sequence[Component], stuck: Sequence[Component]) -> Run:
    """The run that components went through."""
    nodes = [c for c in made if isinstance(c, Firing)]
    ends = [c.end for c in made if isinstance(c, Firing | _Free)]
    return Run(
        network,
        "simpy",
        None if stuck else max(ends, default=0),
        {c.name: len(c.ready) for c in nodes},
        tuple(Blocked(c.name, *_need(c)) for c in stuck),
        {c.name: np.array(c.ready, np.int64) for c in nodes},
        {c.name: np.array(c.send + array("q", [-1] * (len(c.ready) - len(c.send))), np.int64) for c in nodes},
        {c.name: np.array(c.choices, np.int64) for c in nodes if c.node.kind == "arbiter"},
        {c.name: c.received for c in nodes if not c.outputs},
    )


def _need(component: Component) -> tuple[Any, str]:
    need, channel = component.waiting_on or ("item", None)
    return need, channel.name if channel is not None else ""
