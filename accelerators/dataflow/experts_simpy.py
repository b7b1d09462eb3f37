"""The same composition of experts as processes in SimPy: the reference, which shares no code with the recurrence."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Generator
from typing import Any

import simpy

from .experts import Group, Node, Policy, Stream

__all__ = ["serve_simpy"]

Process = Generator[simpy.Event, Any, None]


class _Composition:
    """Router, loader and executor, joined by queues. An expert is pinned from its load until its group has run."""

    def __init__(self, node: Node, stream: Stream, policy: Policy, slots: int, swap: int) -> None:
        self.env = simpy.Environment()
        self.node, self.stream, self.policy, self.slots, self.swap = node, stream, policy, slots, swap
        self.routed: simpy.Store = simpy.Store(self.env)
        self.loaded: simpy.Store = simpy.Store(self.env)
        self.near: OrderedDict[int, Group] = OrderedDict()
        """Resident experts, least recently used first, and the last group of each."""
        self.finished = self.env.event()
        self.done: list[Group] = []
        self.env.process(self.router())
        self.env.process(self.loader())
        self.env.process(self.executor())

    def router(self) -> Process:
        waiting = list(enumerate(zip(self.stream.arrivals_ns, self.stream.experts)))
        while waiting:
            if waiting[0][1][0] > self.env.now:
                yield self.env.timeout(waiting[0][1][0] - self.env.now)
            taken = [item for item in waiting[: self.policy.batch] if item[1][0] <= self.env.now]
            waiting = waiting[len(taken) :]
            yield self.env.timeout(self.policy.router_ns)
            batch: list[Group] = []
            for request, (_, expert) in taken:
                group = next((g for g in batch if g.expert == expert), None)
                if group is None:
                    batch.append(group := Group(expert, [], int(self.env.now)))
                group.requests.append(request)
            for group in batch:
                yield self.routed.put(group)

    def loader(self) -> Process:
        before: Group | None = None
        while True:
            group = yield self.routed.get()
            while not self.policy.overlap and before is not None and not self.has_run(before):
                yield self.finished
            if group.expert not in self.near and len(self.near) == self.slots:
                while (victim := self.unpinned()) is None:
                    yield self.finished
                group.evicted = victim
                del self.near[victim]
            missing = group.expert not in self.near
            self.near[group.expert] = before = group
            self.near.move_to_end(group.expert)
            group.load_start = int(self.env.now)
            if missing:
                yield self.env.timeout(self.swap)
            group.load_end = int(self.env.now)
            yield self.loaded.put(group)

    def has_run(self, group: Group) -> bool:
        return 0 <= group.run_end <= self.env.now

    def unpinned(self) -> int | None:
        return next((expert for expert, group in self.near.items() if self.has_run(group)), None)

    def executor(self) -> Process:
        while True:
            group = yield self.loaded.get()
            group.run_start = int(self.env.now)
            group.run_end = group.run_start + self.node.run_ns[len(group.requests) - 1]
            yield self.env.timeout(group.run_end - group.run_start)
            self.done.append(group)
            event, self.finished = self.finished, self.env.event()
            event.succeed()


def serve_simpy(node: Node, stream: Stream, policy: Policy, slots: int, swap: int) -> list[Group]:
    """Run until every request is answered."""
    composition = _Composition(node, stream, policy, slots, swap)
    composition.env.run()
    return composition.done
