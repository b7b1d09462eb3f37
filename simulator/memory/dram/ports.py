"""How SimPy components share one memory: bursts go in through ports, answers come back.

    memory = HostedMemory(sim, DramSystem(device("DDR4_2400R")))
    port = memory.port("dma")
    ...
    yield from port.requests.put(Burst((0, 64, 128)), by=self)
    answer = yield from port.answers.get(by=self)

A port is a pair of channels. The arbiter takes the requests of a burst one by one, at most one a clock over
all ports; the burst's place in the channel is free when the last of them went in, and one answer comes when
the last of them is done. Answers of a port come as its bursts are done, which need not be the order in which
they were sent; a master that needs to know which is which gives them a tag. A port takes every answer at
once, so a master must send no more than it has room for.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol, get_args

import numpy as np
from numpy.typing import NDArray

from ....errors import InputError
from ...kernel import Channel, Clock

__all__ = ["Answer", "Arbitration", "Burst", "Port", "SharedMemory", "arbitration_code", "places_of"]

Arbitration = Literal["round_robin", "fixed_priority", "oldest_first"]
"""Whose request is next among ports that have one: in turns after the last, the first of the ports, the one
whose burst came first (the first of the ports among equals)."""


@dataclass(frozen=True)
class Burst:
    """Requests of one transaction each, in order."""

    addresses: Sequence[int] | NDArray[np.int64]
    is_write: bool | Sequence[bool] | NDArray[np.bool_] = False
    tag: Any = None
    """Comes back with the answer."""


@dataclass(frozen=True)
class Answer:
    """A burst is done."""

    tag: Any
    taken: int
    """Clock of the memory at which its last request passed the arbiter."""
    answered: int
    """Clock of the memory at which its last request was answered."""


@dataclass
class Port:
    """What one master sees of the memory."""

    name: str
    index: int
    requests: Channel
    answers: Channel
    send_latency: int
    response_latency: int
    answer_latency: int


class SharedMemory(Protocol):
    """A memory with ports: the compiled one or its clock-by-clock reference."""

    ports: list[Port]
    clock: Clock

    def port(
        self, name: str, depth: int | None = 2, *, send_latency: int = 1, response_latency: int = 1, answer_latency: int = 1
    ) -> Port:
        """Add a port; latencies are ticks of the simulation, each at least 1. Ports must be added before the run."""
        ...

    def completions(self, port: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Clocks at which each request of a port was accepted and answered, in the order in which they were sent."""
        ...


def arbitration_code(arbitration: str) -> int:
    """The number of a kind of arbitration; raises `InputError`."""
    names = get_args(Arbitration)
    if arbitration not in names:
        raise InputError(f"arbitration={arbitration!r}; accepted: {', '.join(names)}")
    return names.index(arbitration)


def places_of(burst: Burst, end: int, port: str) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Addresses and directions of a burst's requests; raises `InputError` for one beyond the memory's `end`."""
    address = np.asarray(burst.addresses, dtype=np.int64).reshape(-1)
    if not len(address):
        raise InputError(f"port {port}: a burst without requests")
    if (wrong := np.flatnonzero((address < 0) | (address >= end))).size:
        raise InputError(f"port {port}: address {int(address[wrong[0]]):#x}; accepted: 0 to {end - 1:#x}")
    return address, np.broadcast_to(np.asarray(burst.is_write, dtype=np.bool_), address.shape)
