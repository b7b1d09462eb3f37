"""Random masters for a shared memory."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

import numpy as np

from cyclescape.simulator.kernel import Clock, Component, Simulation
from cyclescape.simulator.memory.dram.ports import Burst, Port


@dataclass(frozen=True)
class Script:
    """What a master does: (idle cycles, addresses, directions) of each burst, and at most `window` without an answer."""

    bursts: tuple[tuple[int, tuple[int, ...], tuple[bool, ...]], ...]
    window: int
    depth: int | None
    latencies: tuple[int, int, int]
    period: int


@dataclass
class Log:
    """(tag, time) of every burst sent and every answer."""

    sent: list[tuple[int, int]] = field(default_factory=list)
    answered: list[tuple[int, int]] = field(default_factory=list)


class Master(Component):
    """Sends the bursts of a script."""

    def __init__(self, sim: Simulation, name: str, script: Script, port: Port) -> None:
        super().__init__(sim, name, Clock(script.period))
        self.script, self.port, self.log = script, port, Log()

    def run(self):
        out = 0
        for tag, (idle, addresses, writes) in enumerate(self.script.bursts):
            while out >= self.script.window:
                out -= 1
                yield from self.take()
            yield from self.wait(idle)
            yield from self.port.requests.put(Burst(addresses, writes, tag), by=self)
            self.log.sent.append((tag, self.sim.now))
            out += 1
        for _ in range(out):
            yield from self.take()

    def take(self):
        answer = yield from self.port.answers.get(by=self)
        self.log.answered.append((answer.tag, self.sim.now))


def play(make_memory, scripts):
    """Run masters on a memory; returns it and their logs."""
    sim = Simulation()
    memory = make_memory(sim)
    masters = []
    for i, script in enumerate(scripts):
        send, response, answer = script.latencies
        port = memory.port(f"m{i}", script.depth, send_latency=send, response_latency=response, answer_latency=answer)
        masters.append(Master(sim, f"m{i}", script, port))
    sim.run()
    return memory, [m.log for m in masters]


def draw_script(draw: random.Random, system, requests: int, *, banks=None, open_loop=False, period=1) -> Script:
    """A random script of so many requests; `banks` limits them to some banks (over all channels)."""
    line = system.device.transaction_bytes
    span = draw.choice([1 << 13, 1 << 16, 1 << 24, system.device.channel_bytes])
    base = draw.randrange(system.device.channel_bytes * system.channels // span) * span
    addresses = []
    while len(addresses) < requests:
        address = base + draw.randrange(span // line) * line
        if banks is not None:
            address = draw.randrange(system.device.channel_bytes * system.channels // line) * line
            if int(system.place(np.array([address]))[1][0]) not in banks:
                continue
        run = draw.choice([1, 1, 2, 5]) if banks is None else 1
        end = system.device.channel_bytes * system.channels
        addresses += [(address + i * line) % end for i in range(run)]
    writes = draw.choice([0, 0, 0.3, 1])
    bursts, at = [], 0
    longest = draw.choice([1, 1, 4, 16])
    pause = draw.choice([0, 0, 3, 40, 400])
    while at < requests:
        n = min(draw.randint(1, longest), requests - at)
        ways = tuple(draw.random() < writes for _ in range(n))
        bursts.append((draw.randint(0, pause), tuple(addresses[at : at + n]), ways))
        at += n
    window = 10**9 if open_loop else draw.choice([1, 2, 4, 10**9])
    depth = None if open_loop else draw.choice([1, 2, 2, 4, None])
    return Script(tuple(bursts), window, depth, tuple(draw.choice([1, 1, 2, 7, 30]) for _ in range(3)), period)
