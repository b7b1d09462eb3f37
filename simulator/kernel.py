"""The SimPy kernel: components that run as processes, and the channels between them.

Time crosses components only through channels, whose latencies are at least one cycle; the order of
events within a cycle therefore never matters. A component is written as one sequential `run`:

    class Doubler(Component):
        def run(self):
            while (item := (yield from self.source.get())) is not None:
                yield from self.wait(3)
                yield from self.sink.put(2 * item)
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Generator, Iterable
from dataclasses import dataclass
from typing import Any, TypeVar

import simpy

from ..errors import CyclescapeError

__all__ = ["Channel", "Clock", "Component", "DeadlockError", "Process", "Simulation"]

Process = Generator[simpy.Event, Any, Any]
T = TypeVar("T")


class DeadlockError(CyclescapeError):
    """Nothing can happen any more, yet components are unfinished; the message says who waits for what."""

    def __init__(self, message: str, stuck: tuple[Component, ...] = ()) -> None:
        super().__init__(message)
        self.stuck = stuck
        """The unfinished components; `waiting_on` of each says what it would need."""


@dataclass(frozen=True)
class Clock:
    """A clock domain: `period` ticks of the simulation to a cycle.

    With one domain leave the period at 1, so that a tick is a cycle. With several let a tick be a
    picosecond: `Clock.mhz(700)` has a period of 1,429 ticks.
    """

    period: int = 1

    @classmethod
    def mhz(cls, frequency_mhz: float) -> Clock:
        """A clock in picosecond ticks, its period rounded to the nearest picosecond."""
        return cls(max(1, round(1e6 / frequency_mhz)))

    def next_edge(self, now: int) -> int:
        """The first edge at or after a time."""
        return -(-now // self.period) * self.period


class Simulation:
    """One run: an environment, its components and its channels.

    `watch`, if given, is called with (time, component or channel name, event, detail) for everything
    observable; models never print.
    """

    def __init__(self, watch: Callable[[int, str, str, Any], None] | None = None) -> None:
        self.env = simpy.Environment()
        self.watch = watch
        self.components: list[Component] = []
        self.channels: list[Channel] = []

    @property
    def now(self) -> int:
        """The time in ticks."""
        return int(self.env.now)

    def channel(self, name: str, depth: int | None = 2, **latencies: Any) -> Channel:
        """Add a channel; see `Channel`."""
        self.channels.append(Channel(self, name, depth, **latencies))
        return self.channels[-1]

    def run(self, until: int | None = None) -> int:
        """Run to the end (or to a time) and return the time; raises `DeadlockError`."""
        processes = [(c, self.env.process(c.run())) for c in self.components if not c.started]
        for component, _ in processes:
            component.started = True
        self.env.run(until)
        stuck = [c for c, process in processes if process.is_alive and not c.endless]
        if until is None and stuck:
            waits = "; ".join(f"{c.name} {c.waiting_for or 'waits'}" for c in stuck)
            raise DeadlockError(f"deadlock at {self.now}: {waits}", tuple(stuck))
        return self.now

    def note(self, source: str, event: str, detail: Any = None) -> None:
        """Tell whoever watches."""
        if self.watch is not None:
            self.watch(self.now, source, event, detail)


class Component(ABC):
    """A sequential process. Its specification (frozen) and its state are the subclass's own attributes."""

    endless = False
    """Whether the component may still be waiting when the run ends (a server without a last job)."""

    def __init__(self, sim: Simulation, name: str, clock: Clock = Clock()) -> None:
        self.sim, self.name, self.clock = sim, name, clock
        self.started = False
        self.waiting_on: tuple[str, Channel] | None = None
        """What the component is blocked on: ("item" or "space", the channel)."""
        sim.components.append(self)

    @property
    def waiting_for(self) -> str:
        """What the component is blocked on, in words; empty if it is not."""
        if self.waiting_on is None:
            return ""
        need, channel = self.waiting_on
        return f"waits for {'an item of' if need == 'item' else 'space in'} {channel.name}"

    @abstractmethod
    def run(self) -> Process:
        """What the component does, from time 0 until it is done."""

    def wait(self, cycles: int) -> Process:
        """Let cycles of the component's clock pass, from the next edge on."""
        start = self.clock.next_edge(self.sim.now)
        end = start + cycles * self.clock.period
        if end > self.sim.now:
            yield self.sim.env.timeout(end - self.sim.now)


class Channel:
    """A bounded first-in first-out queue between one sender and one receiver.

    An item put at time t is visible at t + send_latency. The slot of an item taken at t is free for the
    sender at t + response_latency. A sender that finds no free slot waits (back-pressure). Latencies are
    cycles of `clock`, each at least 1; `depth=None` is unbounded.
    """

    def __init__(
        self,
        sim: Simulation,
        name: str,
        depth: int | None = 2,
        send_latency: int = 1,
        response_latency: int = 1,
        clock: Clock = Clock(),
    ) -> None:
        for field, value in (
            ("depth", depth),
            ("send_latency", send_latency),
            ("response_latency", response_latency),
        ):
            if value is not None and value < 1:
                raise ValueError(f"channel {name}: {field}={value} must be at least 1")
        self.sim, self.name, self.depth = sim, name, depth
        self._send, self._response = send_latency * clock.period, response_latency * clock.period
        self._items: deque[tuple[int, Any]] = deque()
        self._free: deque[int] = deque([0] * (depth or 0))
        self._sender: simpy.Event | None = None
        self._receiver: simpy.Event | None = None

    def __len__(self) -> int:
        return len(self._items)

    def preload(self, items: Iterable[Any]) -> None:
        """Hold items from time 0 on, visible at once; for use before the run."""
        for item in items:
            if self.depth is not None:
                self._free.popleft()
            self._items.append((0, item))

    def put(self, item: Any, latency: int | None = None, by: Component | None = None) -> Process:
        """Wait for a free slot and send; `latency` (ticks) lengthens this item's send latency."""
        yield from self.space(by)
        self.push(item, self.sim.now + (latency or 0))

    def peek(self, by: Component | None = None) -> Generator[simpy.Event, Any, Any]:
        """Wait until an item is visible and return it without taking it."""
        yield from self.item(by)
        env = self.sim.env
        visible, item = self._items[0]
        if visible > env.now:
            yield env.timeout(visible - env.now)
        return item

    def get(self, by: Component | None = None) -> Generator[simpy.Event, Any, Any]:
        """Wait until an item is visible, take it and return it."""
        yield from self.peek(by)
        return self.pop()

    def space(self, by: Component | None = None) -> Process:
        """Wait until a slot is free, without taking it (for a sender that waits for several channels)."""
        if self.depth is None:
            return
        yield from self.slot(by)
        env = self.sim.env
        if self._free[0] > env.now:
            yield env.timeout(self._free[0] - env.now)

    def item(self, by: Component | None = None) -> Process:
        """Wait until there is an item, which may become visible only later: at `visible_at()`."""
        if not self._items:
            self._receiver = self.sim.env.event()
            yield from _blocked(by, "item", self, self._receiver)

    def slot(self, by: Component | None = None) -> Process:
        """Wait until there is a slot, which may become free only later: at `free_at()`."""
        if self.depth is not None and not self._free:
            self._sender = self.sim.env.event()
            yield from _blocked(by, "space", self, self._sender)

    def visible_at(self) -> int | None:
        """The time at which the first item is or will be visible; None if there is no item."""
        return self._items[0][0] if self._items else None

    def head(self) -> Any:
        """The first item, be it visible already or not; None if there is none."""
        return self._items[0][1] if self._items else None

    def free_at(self) -> int | None:
        """The time at which the next slot is or will be free; None if there is no slot."""
        return 0 if self.depth is None else self._free[0] if self._free else None

    def push(self, item: Any, visible: int = 0) -> None:
        """Send now, into a slot that `space` has found; `visible` is the earliest time of arrival."""
        now: Any = self.sim.env.now
        if self.depth is not None:
            self._free.popleft()
        visible = max(visible, now + self._send)
        if self._items and self._items[-1][0] > visible:  # a queue keeps its order
            visible = self._items[-1][0]
        self._items.append((visible, item))
        if self.sim.watch is not None:
            self.sim.note(self.name, "put", item)
        if self._receiver is not None:
            event, self._receiver = self._receiver, None
            if not event.triggered:
                event.succeed()

    def pop(self) -> Any:
        """Take the item that `peek` has found."""
        _, item = self._items.popleft()
        if self.sim.watch is not None:
            self.sim.note(self.name, "get", item)
        if self.depth is not None:
            now: Any = self.sim.env.now
            self._free.append(now + self._response)
            if self._sender is not None:
                event, self._sender = self._sender, None
                event.succeed()
        return item

    def ring(self, event: simpy.Event) -> None:
        """Have the event succeed at the next item put, for a receiver that waits for several channels."""
        self._receiver = event


def _blocked(component: Component | None, need: str, channel: Channel, event: simpy.Event) -> Process:
    """Wait for an event, with the reason on record in case it never comes."""
    if component is not None:
        component.waiting_on = (need, channel)
    yield event
    if component is not None:
        component.waiting_on = None
