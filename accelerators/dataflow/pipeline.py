"""A region as a network of nodes and FIFOs, which any engine runs: stages, ports of memory tiers, and the links.

A stage fires once a tile. A tier, and the links, serve one transfer at a time in an order fixed beforehand: that of
the steps at which the tiles can be there if nothing waits. Stores come `buffer_tiles` steps after they could, so that
loads for what follows are not held up by a tile that is still being made.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from ...simulator.network import Network, Port, Schedule
from .design import DataflowDesign
from .regions import Plan

__all__ = ["Busy", "Machine", "busy", "cycles_of", "machine_of", "network_of"]


@dataclass(frozen=True)
class Machine:
    """What of a design the time of a region depends on; bandwidths in bytes a cycle, latencies in cycles."""

    bandwidth: tuple[float, float, float]
    """HBM, DDR, links."""
    latency: tuple[int, int, int]
    buffer_tiles: int
    hop: int
    data: str
    """The tier that holds activations."""


SERVERS = ("hbm", "ddr", "link")


def machine_of(design: DataflowDesign) -> Machine:
    """The rates and latencies of a design in cycles."""
    per_cycle = 1000 / design.frequency_mhz
    rates = (design.hbm_gbytes_per_s, design.ddr_gbytes_per_s, design.link_gbytes_per_s)
    latencies = (design.hbm_latency_ns, design.ddr_latency_ns, design.link_latency_ns)
    return Machine(
        (rates[0] * per_cycle, rates[1] * per_cycle, rates[2] * per_cycle),
        (design.cycles(latencies[0]), design.cycles(latencies[1]), design.cycles(latencies[2])),
        design.buffer_tiles, design.hop_cycles, "hbm" if design.hbm_gib else "ddr",
    )  # fmt: skip


@dataclass(order=True)
class _Transfer:
    """One turn of a server: takes `bytes` over its port, from `into` or to `out` (ports of the server)."""

    step: int
    store: bool
    stage: int
    order: int
    bytes: int = field(compare=False)
    into: str = field(compare=False, default="")
    out: tuple[str, ...] = field(compare=False, default=())
    steps: int = field(compare=False, default=1)


def transfers_of(plan: Plan, machine: Machine) -> dict[str, list[_Transfer]]:
    """The turns of each server, in order."""
    turns: dict[str, list[_Transfer]] = {server: [] for server in SERVERS}
    for i, job in enumerate(plan.jobs):
        for name, tier, times, each in job.loads(machine.data):
            pace = job.firings // times
            turns[tier] += [
                _Transfer(job.start + k * pace, False, i, times, each, out=(f"{name} {i}",)) for k in range(times)
            ]
        late = 1 + (job.collective_steps > 0)
        if job.collective_steps:
            readers = [(f"{i} store", 1)] * (job.store_bytes > 0) + [
                (f"{i} to {n}", job.firings // link.tokens) for n, link in enumerate(plan.links) if link.source == i
            ]
            for k in range(job.firings):
                out = tuple(port for port, every in readers if (k + 1) % every == 0)
                step, size = job.start + k + 1, job.collective_bytes
                turns["link"].append(_Transfer(step, False, i, 0, size, f"{i} in", out, job.collective_steps))
        if job.store_bytes:
            turns[machine.data] += [
                _Transfer(job.start + k + late + machine.buffer_tiles, True, i, 2, job.store_bytes, f"store {i}")
                for k in range(job.firings)
            ]
    return {server: sorted(turn) for server, turn in turns.items() if turn}


def network_of(plan: Plan, machine: Machine) -> Network:
    """The network of a region; stages are called by their position, servers by their names."""
    net = Network("region")
    label = [f"stage{i}" for i in range(len(plan.jobs))]
    turns = transfers_of(plan, machine)
    ends: list[tuple[str, str, int]] = []
    inputs: list[list[Port]] = [[] for _ in plan.jobs]
    outputs: list[list[Port]] = [[] for _ in plan.jobs]
    windows = []
    for i, job in enumerate(plan.jobs):
        for name, tier, times, _ in job.loads(machine.data):
            inputs[i].append(Port(name, job.firings // times))
            ends.append((f"{tier}.{name} {i}", f"{label[i]}.{name}", machine.buffer_tiles if times == job.firings else 1))
        if job.collective_steps:
            outputs[i].append(Port("link"))
            ends.append((f"{label[i]}.link", f"link.{i} in", machine.buffer_tiles))
        if job.store_bytes:
            source = f"link.{i} store" if job.collective_steps else f"{label[i]}.store"
            if not job.collective_steps:
                outputs[i].append(Port("store"))
            ends.append((source, f"{machine.data}.store {i}", machine.buffer_tiles + 2))
        for n, link in enumerate(plan.links):
            if link.source != i:
                continue
            if job.collective_steps:
                source = f"link.{i} to {n}"
            else:
                source, every = f"{label[i]}.to {n}", job.firings // link.tokens
                outputs[i].append(Port(f"to {n}", every, every - 1))
            inputs[link.target].append(Port(f"from {n}", plan.jobs[link.target].firings // link.tokens))
            target = f"{label[link.target]}.from {n}"
            if link.ahead:
                windows.append((n, job.firings, link.ahead))
                ends += [(source, f"lines {n}.in", machine.buffer_tiles), (f"lines {n}.out", target, link.depth)]
            else:
                ends.append((source, target, link.depth))
    for i, job in enumerate(plan.jobs):
        net.node(label[i], job.firings, inputs[i], outputs[i], interval=job.cycles, latency=job.cycles + machine.hop)
    for n, firings, ahead in windows:  # line buffers: a tile goes on when those with the rows below it have come
        schedule = Schedule.of([1] * firings + [0] * ahead, [0] * ahead + [1] * firings)
        net.node(f"lines {n}", firings + ahead, ["in"], ["out"], schedule=schedule)
    for server, order in turns.items():
        _add_server(net, server, order, machine)
    for source, target, depth in ends:
        net.connect(source, target, depth)
    return net.check()


def _add_server(net: Network, server: str, order: Sequence[_Transfer], machine: Machine) -> None:
    at = SERVERS.index(server)
    into = list(dict.fromkeys(t.into for t in order if t.into))
    out = list(dict.fromkeys(port for t in order for port in t.out))
    intervals = [_cycles(t.bytes, machine.bandwidth[at]) for t in order]
    schedule = Schedule.of(
        [1 << into.index(t.into) if t.into else 0 for t in order],
        [sum(1 << out.index(port) for port in t.out) for t in order],
        intervals,
        [c + max(1, machine.latency[at] * t.steps) for c, t in zip(intervals, order)],
    )
    net.node(server, len(order), into, out, schedule=schedule)


def _cycles(count: int, bandwidth: float) -> int:
    return max(1, -int(-count // bandwidth))


@dataclass(frozen=True)
class Busy:
    """Cycles that each resource of a region works; bytes that cross each server."""

    compute: int
    """Of the busiest stage."""
    stage: int
    """Which stage that is."""
    hbm: int
    ddr: int
    link: int
    hbm_bytes: int
    ddr_bytes: int
    link_bytes: int


@lru_cache(maxsize=8192)
def busy(plan: Plan, machine: Machine) -> Busy:
    """What a region asks of each resource, whatever waits for what."""
    turns = transfers_of(plan, machine)
    work = [job.firings * job.cycles for job in plan.jobs]
    cycles = [sum(_cycles(t.bytes, machine.bandwidth[at]) for t in turns.get(s, ())) for at, s in enumerate(SERVERS)]
    moved = [sum(t.bytes for t in turns.get(s, ())) for s in SERVERS]
    return Busy(max(work), work.index(max(work)), *cycles, *moved)


@lru_cache(maxsize=8192)
def cycles_of(plan: Plan, machine: Machine, engine: str) -> tuple[int, str]:
    """Cycles of a region on an engine; -1 and who is stuck for a deadlock."""
    net = network_of(plan, machine)
    if engine == "simpy":
        from ...simulator.dataflow.simpy_engine import run_simpy

        found = run_simpy(net)
    else:
        from ...simulator.dataflow.compiled import run_worklist

        found = run_worklist(net)
    return (-1, "; ".join(map(str, found.blocked))) if found.cycles is None else (found.cycles, "")
