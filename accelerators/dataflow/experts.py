"""Composition of experts: many models in slow memory, a few in fast memory, and a router that says who answers.

Requests come in a stream. The router takes those that wait, up to a batch, and groups them by expert. A loader brings each
group's expert into the near tier (HBM) unless it is there, over the least recently used one that nobody needs; weights
are read-only, so that nothing is written back. The node then runs the group. With `overlap` the loader works ahead while the
node runs; otherwise they take turns. All times are whole nanoseconds.

`serve` has two executions, which share the description and nothing else: a recurrence over the groups, and processes in SimPy.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from ...errors import InputError
from ...simulator.network import Network

__all__ = ["Group", "Node", "Policy", "Served", "Stream", "nodes_for", "serve", "swap_ns"]


@dataclass(frozen=True)
class Node:
    """A machine that hosts experts of one size."""

    name: str
    near_bytes: int
    """Fast memory that experts may take."""
    far_bytes: int
    path: tuple[tuple[str, float, int], ...]
    """From far to near: the name, bytes a second and latency (ns) of each memory and link that a swap passes."""
    run_ns: tuple[int, ...]
    """Time to answer 1, 2, ... requests of one expert together."""


@dataclass(frozen=True)
class Stream:
    """Requests in order of arrival: when (ns), and for which expert."""

    arrivals_ns: tuple[int, ...]
    experts: tuple[int, ...]

    @classmethod
    def random(
        cls, requests: int, experts: int, *, rate_per_s: float | None = None, skew: float = 0.0, seed: int = 0
    ) -> Stream:
        """Draw experts uniformly or by Zipf's law (exponent `skew`); Poisson arrivals, or all at once without a rate."""
        if min(requests, experts) < 1 or skew < 0 or (rate_per_s is not None and rate_per_s <= 0):
            raise InputError(
                f"stream: requests={requests}, experts={experts}, skew={skew}, rate_per_s={rate_per_s}; "
                "accepted: at least 1, at least 1, at least 0, more than 0"
            )
        rng = np.random.default_rng(seed)
        weight = np.arange(1, experts + 1, dtype=float) ** -skew
        chosen = rng.choice(experts, requests, p=weight / weight.sum())
        gaps = np.zeros(requests) if rate_per_s is None else rng.exponential(1e9 / rate_per_s, requests)
        return cls(tuple(np.cumsum(gaps).astype(np.int64).tolist()), tuple(chosen.tolist()))


@dataclass(frozen=True)
class Policy:
    """How requests are served."""

    batch: int = 1
    """Most requests that the router takes at a time."""
    router_ns: int = 0
    """Time of the router for a batch; it runs beside the experts."""
    overlap: bool = True
    """Whether the next expert is loaded while one runs."""


@dataclass
class Group:
    """Requests of one batch for one expert, and what became of them."""

    expert: int
    requests: list[int]
    routed: int
    load_start: int = -1
    load_end: int = -1
    run_start: int = -1
    run_end: int = -1
    evicted: int = -1
    """The expert that made room; -1 if none had to."""

    @property
    def swapped(self) -> bool:
        """Whether the expert had to be brought in."""
        return self.load_end > self.load_start


@dataclass
class Served:
    """Groups in the order in which they ran."""

    groups: list[Group]
    arrivals_ns: tuple[int, ...] = field(repr=False)

    @property
    def end_ns(self) -> int:
        """When the last answer is there."""
        return self.groups[-1].run_end

    @property
    def latencies_ns(self) -> list[int]:
        """From arrival to answer, in order of the groups."""
        return [group.run_end - self.arrivals_ns[r] for group in self.groups for r in group.requests]

    @property
    def swaps(self) -> int:
        """Experts brought in."""
        return sum(group.swapped for group in self.groups)

    @property
    def swap_ns(self) -> float:
        """Mean time of a swap; 0 if there was none."""
        return sum(g.load_end - g.load_start for g in self.groups) / max(1, self.swaps)

    @property
    def stalled_ns(self) -> int:
        """Time in which the node had a group to run and waited for its expert."""
        free, lost = 0, 0
        for group in self.groups:
            lost += max(0, group.run_start - max(free, group.routed))
            free = group.run_end
        return lost


def nodes_for(node: Node, experts: int, expert_bytes: int, *, near: bool) -> int:
    """Nodes that hold so many experts, each whole on one node: in near memory alone, or in far memory."""
    room = (node.near_bytes if near else node.far_bytes) // expert_bytes
    if room < 1:
        raise InputError(f"node {node.name!r}: no expert of {expert_bytes:,} bytes fits it; accepted: smaller experts")
    nodes, held = 0, room
    for _ in range(experts):
        if held == room:
            nodes, held = nodes + 1, 0
        held += 1
    return nodes


def swap_ns(node: Node, expert_bytes: int, *, chunk_bytes: int = 2**24, engine: str = "compiled") -> int:
    """Time of a swap: chunks through every memory and link of the path, one behind the other, two waiting at each."""
    net, chunks = Network("swap"), max(1, -(-expert_bytes // chunk_bytes))
    each = -(-expert_bytes // chunks)
    for i, (name, rate, latency) in enumerate(node.path):
        interval = max(1, -int(-each * 1e9 // rate))
        ports = (["in"] if i else [], ["out"] if i < len(node.path) - 1 else [])
        net.node(name, chunks, *ports, interval=interval, latency=interval + latency)
        if i:
            net.connect(f"{node.path[i - 1][0]}.out", f"{name}.in", 2)
    net.check()
    if engine == "simpy":
        from ...simulator.dataflow.simpy_engine import run_simpy

        return run_simpy(net).cycles or 0
    from ...simulator.dataflow.compiled import run_worklist

    return run_worklist(net, skip=True).cycles or 0


def serve(node: Node, stream: Stream, policy: Policy, expert_bytes: int, *, engine: str = "recurrence") -> Served:
    """Serve a stream of requests; engine "recurrence" or "simpy"."""
    slots = node.near_bytes // expert_bytes
    if slots < 1 or policy.batch < 1 or len(node.run_ns) < min(policy.batch, len(stream.experts)):
        raise InputError(
            f"node {node.name!r}: {node.near_bytes:,} bytes of near memory and run times for 1 to {len(node.run_ns)} requests; "
            f"needed: room for an expert of {expert_bytes:,} bytes, and times for a batch of {policy.batch}"
        )
    if engine == "simpy":
        from .experts_simpy import serve_simpy

        groups = serve_simpy(node, stream, policy, slots, swap_ns(node, expert_bytes, engine="simpy"))
    elif engine == "recurrence":
        groups = _recurrence(node, stream, policy, slots, swap_ns(node, expert_bytes))
    else:
        raise InputError(f"engine {engine!r}; accepted: recurrence, simpy")
    return Served(groups, stream.arrivals_ns)


def _route(stream: Stream, policy: Policy) -> list[Group]:
    groups: list[Group] = []
    first, free = 0, 0
    while first < len(stream.experts):
        start = max(free, stream.arrivals_ns[first])
        last = first
        while last < len(stream.experts) and last - first < policy.batch and stream.arrivals_ns[last] <= start:
            last += 1
        free = start + policy.router_ns
        members: dict[int, list[int]] = {}
        for request in range(first, last):
            members.setdefault(stream.experts[request], []).append(request)
        groups += [Group(expert, requests, free) for expert, requests in members.items()]
        first = last
    return groups


def _recurrence(node: Node, stream: Stream, policy: Policy, slots: int, swap: int) -> list[Group]:
    groups = _route(stream, policy)
    used: dict[int, int] = {}  # resident experts, least recently used first: until when a group needs each
    loaded = ran = 0
    for group in groups:
        time = max(group.routed, loaded, 0 if policy.overlap else ran)
        group.load_start = time
        if group.expert in used:
            group.load_end = time
        else:
            if len(used) == slots:
                group.load_start = time = max(time, min(used.values()))
                group.evicted = next(expert for expert, until in used.items() if until <= time)
                del used[group.evicted]
            group.load_end = time + swap
        loaded = group.load_end
        group.run_start = max(loaded, ran)
        group.run_end = ran = group.run_start + node.run_ns[len(group.requests) - 1]
        used.pop(group.expert, None)
        used[group.expert] = ran
    return groups


