"""The compiled controller as one SimPy process, shared by any number of masters.

The process runs the controller ahead to the last clock that nothing outside could reach: the time of
SimPy's next event plus the latency of a port, or that of the earliest answer or freed place plus the
latencies of the way back and forth. What comes out carries its true time, which may lie in the future. So
the bound sets how far the compiled code goes at a time, and never the result.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np
import simpy
from numpy.typing import NDArray

from ...kernel import Channel, Clock, Component, Process, Simulation
from .controller.masters import (
    O_BANK,
    O_BURST,
    O_CHANNEL,
    O_KEY,
    O_ROW,
    O_SIZE,
    P_HEAD,
    P_POSITION,
    P_SIZE,
    U_ANSWERED,
    U_COUNT,
    U_FIRST,
    U_LEFT,
    U_NEXT,
    U_PORT,
    U_SIZE,
    U_TAKEN,
    U_VISIBLE,
    serve,
)
from .controller.state import GAP_SIZE, X_FINISHED, X_GAPS
from .core.state import FAR, K_DONE
from .counters import collect, lost_ticks
from .ports import Answer, Arbitration, Burst, Port, arbitration_code, places_of
from .results import DramRun
from .system import DramSystem

__all__ = ["HostedMemory"]


class _Lists(NamedTuple):
    """Arrays with an entry for every request, in the order in which the kernel takes them."""

    nxt: NDArray[np.int64]
    waiting: NDArray[np.int64]
    given: NDArray[np.int64]
    due: NDArray[np.int64]
    is_write: NDArray[np.bool_]
    order: NDArray[np.int64]
    accepted: NDArray[np.int64]
    answered: NDArray[np.int64]
    pool: NDArray[np.int64]
    """As the masters sent them; all others are in the order of grants."""
    pool_writes: NDArray[np.bool_]

    @classmethod
    def empty(cls) -> _Lists:
        rows = {"order": O_SIZE, "pool": O_BURST}
        return cls(*(
            np.zeros((rows[f], 0) if f in rows else 0, np.bool_ if f in ("is_write", "pool_writes") else np.int64)
            for f in cls._fields
        ))

    def longer(self, room: int) -> _Lists:
        """The same, with room for that many requests."""
        lists = []
        for name, old in zip(self._fields, self, strict=True):
            new = np.full((*old.shape[:-1], room), FAR if name == "due" else -1, old.dtype)
            new[..., : old.shape[-1]] = old
            lists.append(new)
        return _Lists(*lists)


class HostedMemory(Component):
    """A memory system in the default convention, with ports for masters.

    `clock` says how many ticks of the simulation a controller tick lasts. `commands` keeps a command trace of up to
    that many lines.
    """

    endless = True

    def __init__(
        self, sim: Simulation, system: DramSystem, arbitration: Arbitration = "round_robin", clock: Clock = Clock(),  # noqa: B008
        commands: int = 0, name: str = "memory",
    ) -> None:
        super().__init__(sim, name, clock)
        self.system, self.policy = system, arbitration_code(arbitration)
        self.end = system.device.channel_bytes * system.channels
        self.log = 5 * commands
        self.m, self.x = system.default_state(0, commands)
        self.ports: list[Port] = []
        self.bursts: list[Any] = []
        self.sent = self.at = self.over = 0
        self.tails: list[int] = []
        self.bell: simpy.Event | None = None
        self._ports = np.zeros((0, P_SIZE), np.int64)
        self._burst = np.full((64, U_SIZE), -1, np.int64)
        self.lists, self.out = _Lists.empty(), np.full(self.log, -1, np.int64)
        self._reserve(1024)

    def _reserve(self, room: int) -> None:
        """Make room for that many requests, and keep what there is."""
        # The output vector: the command trace, a completion and the account of a gap for every request.
        out = np.full(self.log + room * (1 + GAP_SIZE), -1, np.int64)
        before = len(self.lists.due)
        gaps = self.log + before
        out[:gaps] = self.out[:gaps]
        out[self.log + room :][: before * GAP_SIZE] = self.out[gaps:]
        self.out, self.lists = out, self.lists.longer(room)
        self.m[K_DONE], self.x[X_GAPS] = self.log, self.log + room

    def port(
        self, name: str, depth: int | None = 2, *, send_latency: int = 1, response_latency: int = 1, answer_latency: int = 1
    ) -> Port:
        """Add a port for one master; see `SharedMemory.port`."""
        requests = _Requests(self, len(self.ports), f"{name} requests", depth, send_latency, response_latency)
        answers = self.sim.channel(f"{name} answers", None, send_latency=answer_latency)
        self.ports.append(Port(name, len(self.ports), requests, answers, send_latency, response_latency, answer_latency))
        self.tails.append(-1)
        self._ports = np.vstack([self._ports, [[-1, 0, send_latency, response_latency, answer_latency]]]).astype(np.int64)
        return self.ports[-1]

    def run(self) -> Process:
        """Run ahead as far as is safe, sleep until that is over; without requests sleep until one comes."""
        env, period = self.sim.env, self.clock.period
        while True:
            if self.x[X_FINISHED] == self.sent:
                self.bell = env.event()
                yield self.bell
                self.bell = None
            self._advance()
            if self.x[X_FINISHED] < self.sent:
                yield env.timeout((self.over + 1) * period - self.sim.now)

    def _advance(self) -> None:
        period = self.clock.period
        following = self.sim.env.peek()
        until = FAR - 1
        if following < FAR:
            until = (int(following) + min(port.send_latency for port in self.ports) - 1) // period
        events = np.empty(2 * len(self.bursts), np.int64)
        self.at, self.over, count = serve(
            self.m, self.x, self.out, *self.lists, self._ports, self._burst, events, self.policy, period, self.sent, self.at,
            until,
        )
        for event in events[:count].tolist():
            record, (item, _) = self._burst[event // 2], self.bursts[event // 2]
            port = self.ports[record[U_PORT]]
            if event % 2:
                answered = int(record[U_ANSWERED])
                answer = Answer(item.tag, int(record[U_TAKEN]), answered)
                port.answers.push(answer, answered * period + port.answer_latency)
            else:
                assert isinstance(port.requests, _Requests)
                port.requests.taken(int(record[U_TAKEN]) * period)

    def arrive(self, port: int, burst: Burst, visible: int) -> None:
        """Note a burst that the arbiter sees from `visible` on (ticks of the simulation)."""
        address, is_write = places_of(burst, self.end, self.ports[port].name)
        n, clock = len(address), -(-visible // self.clock.period)
        assert clock > self.over or self.at == 0, "a master acted before it could have been reached"
        first, u = self.sent, len(self.bursts)
        if first + n > len(self.lists.due):
            self._reserve(2 * (first + n))
        if u == len(self._burst):
            self._burst = np.vstack([self._burst, np.full_like(self._burst, -1)])
        pool = self.lists.pool[:, first : first + n]
        pool[O_CHANNEL], pool[O_BANK], pool[O_ROW] = self.system.place(address)
        pool[O_KEY] = address // self.system.device.transaction_bytes
        self.lists.pool_writes[first : first + n] = is_write
        record = self._burst[u]
        record[U_VISIBLE], record[U_FIRST], record[U_COUNT], record[U_LEFT], record[U_PORT] = clock, first, n, n, port
        mine = self._ports[port]
        if mine[P_HEAD] < 0:
            mine[P_HEAD], mine[P_POSITION] = u, 0
        else:
            self._burst[self.tails[port], U_NEXT] = u
        self.tails[port] = u
        self.bursts.append((burst, port))
        self.sent += n
        if self.bell is not None and not self.bell.triggered:
            self.bell.succeed()

    def completions(self, port: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Clocks of acceptance and answer of a port's requests; see `SharedMemory.completions`."""
        mine = self._burst[self.burst_of(), U_PORT] == port  # grants keep the order within a port
        return self.lists.accepted[: self.sent][mine], self.lists.answered[: self.sent][mine]

    def result(self, cycles: int | None = None) -> DramRun:
        """What the memory did, requests in the order of their grants, up to the last answer or a later clock."""
        n = self.sent
        accepted, answered = self.lists.accepted[:n].copy(), self.lists.answered[:n].copy()
        last = int(answered.max()) if n else 0
        cycles = last if cycles is None else max(cycles, last)
        lost = lost_ticks(self.system, self.x, cycles)
        log = self.out[: self.log]
        return collect(
            self.system, self.m, self.lists.is_write[:n].copy(), accepted, answered, cycles,
            int(accepted.max()) if n else 0, lost, log, self.log // 5, self.x,
        )

    def gaps(self) -> NDArray[np.int64]:
        """For each request in the order of grants: the account of the gap before its burst, and the end of the burst.

        Columns are those of `GAP_EMPTY` and so on, then the clock at which the data has gone over the bus.
        """
        n = self.sent
        account = self.out[int(self.x[X_GAPS]) :][: n * GAP_SIZE].reshape(n, GAP_SIZE)
        return np.column_stack([account, self.out[self.log : self.log + n]])

    def burst_of(self) -> NDArray[np.int64]:
        """For each request in the order of grants: the number of its burst, in the order in which bursts were sent."""
        return self.lists.order[O_BURST, : self.sent].copy()


class _Requests(Channel):
    """The way in: its places are those of the memory's own lists."""

    def __init__(self, memory: HostedMemory, port: int, name: str, depth: int | None, send: int, response: int) -> None:
        super().__init__(memory.sim, name, depth, send, response)
        memory.sim.channels.append(self)
        self.memory, self.port = memory, port

    def preload(self, items: Iterable[Any]) -> None:
        """Hold bursts from time 0 on."""
        items = list(items)
        super().preload(items)
        for item in items:
            self.memory.arrive(self.port, item, 0)

    def push(self, item: Any, visible: int = 0) -> None:
        """Send a burst."""
        super().push(item, visible)
        self.memory.arrive(self.port, item, self._items[-1][0])

    def taken(self, time: int) -> None:
        """The oldest burst went in; its place is free a response latency later."""
        self._items.popleft()
        if self.depth is not None:
            self._free.append(time + self._response)
            if self._sender is not None:
                event, self._sender = self._sender, None
                event.succeed()
