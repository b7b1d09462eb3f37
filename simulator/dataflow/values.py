"""What a deterministic network computes, without time, and the schedules that its data-dependent nodes follow.

A network without arbitration is a Kahn network: what flows through its FIFOs depends neither on time nor on
depths. So the values can come first. A data-dependent node then becomes a node with a schedule, and the
network one that every engine can time.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from ..network import Network, NetworkError, Node, Rule, Schedule

__all__ = ["Values", "compute", "with_schedules"]


@dataclass
class Values:
    """What a network computes."""

    received: dict[str, list[Any]]
    """For every node without outputs the tokens it took, in order (a tuple for several inputs)."""
    schedules: dict[str, Schedule]
    """For every data-dependent node what each of its firings took and sent."""


@dataclass
class _Work:
    node: Node
    inputs: list[deque[Any]]
    outputs: list[deque[Any]]
    function: Callable[..., Any] | None
    rule: Rule | None
    fired: int = 0
    held: list[Any] = field(default_factory=list)
    received: list[Any] = field(default_factory=list)
    masks: tuple[list[int], list[int]] = field(default_factory=lambda: ([], []))

    def fire(self) -> bool:
        """Fire once if all tokens are there."""
        node, k = self.node, self.fired
        if node.firings is not None and k >= node.firings:
            return False
        due = self._due_inputs(k)
        if due is None or not all(self.inputs[i] for i in due):
            return False
        taken = {i: self.inputs[i].popleft() for i in due}
        for i, token in taken.items():
            self.held[i] = token
        if not self.outputs:
            self.received.append(next(iter(taken.values())) if len(taken) == 1 else tuple(taken.values()))
        sent = self._results(k, taken)
        for i, token in sent.items():
            self.outputs[i].append(token)
        if self.rule is not None:
            self.masks[0].append(sum(1 << i for i in taken))
            self.masks[1].append(sum(1 << i for i in sent))
        self.fired += 1
        return True

    def _due_inputs(self, k: int) -> list[int] | None:
        if self.rule is not None:
            first = list(self.rule.first(k))
            if not all(self.inputs[i] for i in first):
                return None
            return [*first, *self.rule.then(k, {i: self.inputs[i][0] for i in first})]
        if (schedule := self.node.schedule) is not None:
            mask = int(schedule.inputs[k % len(schedule)])
            return [i for i in range(len(self.inputs)) if mask >> i & 1]
        return [i for i, port in enumerate(self.node.inputs) if k % port.every == port.at]

    def _results(self, k: int, taken: dict[int, Any]) -> dict[int, Any]:
        if self.rule is not None:
            return dict(self.rule.fire(k, taken))
        if self.function is None:
            values: Any = [self.held[0] if self.held else None] * len(self.outputs)
        else:
            values = self.function(k, *self.held)
            values = values if len(self.outputs) > 1 else (values,)
        if (schedule := self.node.schedule) is not None:
            mask = int(schedule.outputs[k % len(schedule)])
            return {i: values[i] for i in range(len(self.outputs)) if mask >> i & 1}
        return {i: values[i] for i, port in enumerate(self.node.outputs) if k % port.every == port.at}


def compute(network: Network) -> Values:
    """Run a network without arbiters and free processes for its values alone, FIFOs being unbounded."""
    for node in network.nodes.values():
        if node.kind in ("arbiter", "process"):
            raise NetworkError(
                f"network {network.name!r}: what {node.name} does depends on time; it needs SimPy"
            )
    queues: dict[str, deque[Any]] = {name: deque(f.initial) for name, f in network.fifos.items()}
    work = []
    for node in network.nodes.values():
        ends = [[queues[f.name] for f in network.fifos_of(node.name, side)] for side in ("inputs", "outputs")]
        function = node.function() if node.function is not None else None
        rule = node.rule() if node.rule is not None else None
        work.append(_Work(node, ends[0], ends[1], function, rule, held=[None] * len(ends[0])))
    moved = True
    while moved:
        moved = False
        for item in work:
            while item.fire():
                moved = True
    return Values(
        {w.node.name: w.received for w in work if not w.outputs},
        {
            w.node.name: Schedule.of(*w.masks, w.node.interval, w.node.latency)
            for w in work
            if w.rule is not None
        },
    )


def with_schedules(network: Network) -> Network:
    """The network with every data-dependent node replaced by the schedule that its values give it."""
    if all(node.kind != "rule" for node in network.nodes.values()):
        return network
    schedules = compute(network).schedules
    return network.with_nodes(
        {
            name: replace(network.nodes[name], rule=None, schedule=schedule, firings=len(schedule))
            for name, schedule in schedules.items()
        }
    )
