"""The shared memory once more, clock by clock in plain Python: the witness of the hosted one.

A component that wakes at every clock of the memory, looks at its channels, and moves objects between
lists. Channels of the reference controller do the rest. It shares no code with `hosted` and the kernel.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import get_args

import numpy as np
import simpy
from numpy.typing import NDArray

from ...kernel import Clock, Component, Process, Simulation
from .checker import Place
from .ports import Answer, Arbitration, Burst, Port, arbitration_code, places_of
from .reference import ReferenceChannel, ReferenceRequest
from .system import DramSystem

__all__ = ["ReferenceMemory"]


@dataclass(eq=False)
class _Transfer:
    """A burst at the head of its port, or under way."""

    burst: Burst
    port: int
    since: int
    waiting: list[ReferenceRequest] = field(default_factory=list)
    open: int = 0
    taken: int = -1


@dataclass(eq=False)
class _UnderWay:
    request: ReferenceRequest
    channel: int
    transfer: _Transfer


class ReferenceMemory(Component):
    """See `SharedMemory`. For small cases: every clock is visited."""

    endless = True

    def __init__(
        self, sim: Simulation, system: DramSystem, arbitration: Arbitration = "round_robin", clock: Clock = Clock(),  # noqa: B008
        name: str = "memory",
    ) -> None:
        super().__init__(sim, name, clock)
        self.system, self.arbitration = system, get_args(Arbitration)[arbitration_code(arbitration)]
        self.ports: list[Port] = []
        self.channels = [ReferenceChannel(system.device, system.knobs) for _ in range(system.channels)]
        self.heads: list[_Transfer | None] = []
        self.times: list[list[list[int]]] = []
        """For each port and each of its requests: the clocks of acceptance and answer."""
        self.door: _UnderWay | None = None
        self.under_way: list[_UnderWay] = []
        self.granted = 0
        self.last_port = -1

    def port(
        self, name: str, depth: int | None = 2, *, send_latency: int = 1, response_latency: int = 1, answer_latency: int = 1
    ) -> Port:
        """Add a port for one master; see `SharedMemory.port`."""
        requests = self.sim.channel(f"{name} requests", depth, send_latency=send_latency, response_latency=response_latency)
        answers = self.sim.channel(f"{name} answers", None, send_latency=answer_latency)
        self.ports.append(Port(name, len(self.ports), requests, answers, send_latency, response_latency, answer_latency))
        self.heads.append(None)
        self.times.append([])
        return self.ports[-1]

    def completions(self, port: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Clocks of acceptance and answer of a port's requests; see `SharedMemory.completions`."""
        table = np.array(self.times[port], dtype=np.int64).reshape(-1, 2)
        return table[:, 0], table[:, 1]

    def run(self) -> Process:
        """Tick while there is work; sleep without, and make up for the clocks slept through, in which refresh went on."""
        t, period = 0, self.clock.period
        while True:
            self.answer(t)
            self.grant(t)
            self.accept(t)
            if not self.door and not self.under_way and not any(len(p.requests) for p in self.ports):
                bell: simpy.Event = self.sim.env.event()
                for p in self.ports:
                    p.requests.ring(bell)
                yield bell
                while (t + 1) * period < self.sim.now:
                    t += 1
                    self.tick(t)
            t += 1
            yield self.sim.env.timeout(t * period - self.sim.now)
            self.tick(t)

    def tick(self, t: int) -> None:
        """One clock of every channel."""
        for channel in self.channels:
            channel.tick(t)

    def answer(self, t: int) -> None:
        """Give the answers that may leave by clock t."""
        knobs = self.system.knobs
        held: set[int] = set()  # lanes in which an earlier request is not done
        for u in list(self.under_way):
            lane = 0 if knobs.arbiter == "Reorder" else u.channel
            in_order = knobs.arbiter == "Reorder" or knobs.resp_queue == "Reorder"
            done = self.channels[u.channel].done.get(u.request.id)
            if done is None or done > t or (in_order and lane in held):
                held.add(lane)
                continue
            self.under_way.remove(u)
            transfer = u.transfer
            self.times[transfer.port][u.request.tag][1] = t
            transfer.open -= 1
            if transfer.open == 0:
                answers = self.ports[transfer.port].answers
                answers.push(Answer(transfer.burst.tag, transfer.taken, t))

    def visible(self, port: int, t: int) -> _Transfer | None:
        """The burst that a port offers at clock t."""
        requests = self.ports[port].requests
        since = requests.visible_at()
        if since is None or since > t * self.clock.period:
            return None
        if self.heads[port] is None:
            burst = requests.head()
            transfer = _Transfer(burst, port, self.clock.next_edge(since))
            end = self.system.device.channel_bytes * self.system.channels
            address, is_write = places_of(burst, end, self.ports[port].name)
            at = {name: values.tolist() for name, values in self.system.map.decode(address).items()}
            for k, write in enumerate(is_write.tolist()):
                place = Place(at["rank"][k], at["sid"][k], at["group"][k], at["bank"][k])
                line = int(address[k]) // self.system.device.transaction_bytes
                transfer.waiting.append(
                    ReferenceRequest(-1, place, at["row"][k], write, line, channel=at["channel"][k], tag=len(self.times[port]))
                )
                self.times[port].append([-1, -1])
            transfer.open = len(transfer.waiting)
            self.heads[port] = transfer
        return self.heads[port]

    def grant(self, t: int) -> None:
        """Let one request to the door."""
        if self.door is not None:
            return
        offers = [transfer for i in range(len(self.ports)) if (transfer := self.visible(i, t))]
        if not offers:
            return
        if self.arbitration == "round_robin":
            later = [o for o in offers if o.port > self.last_port]
            chosen = (later or offers)[0]
        elif self.arbitration == "fixed_priority":
            chosen = offers[0]
        else:
            chosen = min(offers, key=lambda o: o.since)
        request = chosen.waiting.pop(0)
        request.id, self.granted, self.last_port = self.granted, self.granted + 1, chosen.port
        self.door = _UnderWay(request, request.channel, chosen)
        if not chosen.waiting:
            chosen.taken = t
            self.heads[chosen.port] = None
            self.ports[chosen.port].requests.pop()

    def accept(self, t: int) -> None:
        """Take the request at the door into its channel's queue, and from the queues into the buffers."""
        knobs = self.system.knobs
        if self.door is not None:
            channel = self.channels[self.door.channel]
            room = not channel.waiting if knobs.arbiter == "Simple" else len(self.under_way) < knobs.max_active_transactions
            if room:
                channel.waiting.append(self.door.request)
                self.under_way.append(self.door)
                self.door = None
        for channel in self.channels:
            if channel.waiting and channel.has_room(channel.waiting[0]):
                request = channel.waiting.pop(0)
                channel.store(request)
                owner = next(u for u in self.under_way if u.request is request)
                self.times[owner.transfer.port][request.tag][0] = t
