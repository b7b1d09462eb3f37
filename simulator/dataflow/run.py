"""What a run of a network says: the cycles, every firing if asked for, and who is stuck."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from ..network import Network

__all__ = ["Blocked", "Run"]


@dataclass(frozen=True)
class Blocked:
    """A node that cannot go on: it needs an item of a FIFO, or space in it."""

    node: str
    need: Literal["item", "space"]
    fifo: str

    def __str__(self) -> str:
        return f"{self.node} waits for {'an item of' if self.need == 'item' else 'space in'} {self.fifo}"


@dataclass
class Run:
    """A finished run.

    `ready` and `send` hold the cycle of every firing of every node, in order, if firings were recorded; a
    firing that is ready and never sends (a deadlock) has send -1. `choices` holds for every arbiter
    the input (position) of every firing.
    """

    network: Network
    engine: str
    cycles: int | None
    """The end of the last firing; None after a deadlock."""
    firings: Mapping[str, int]
    """Firings that became ready, by node."""
    blocked: tuple[Blocked, ...] = ()
    """Who is stuck; empty unless there is a deadlock."""
    ready: Mapping[str, np.ndarray] = field(default_factory=dict)
    send: Mapping[str, np.ndarray] = field(default_factory=dict)
    choices: Mapping[str, np.ndarray] = field(default_factory=dict)
    received: Mapping[str, list[Any]] = field(default_factory=dict)
    """For every node without outputs the values it took, in order (SimPy engine; a tuple for several inputs)."""
    note: str = ""
    """What the engine has to say of itself, such as how many periods it skipped."""

    @property
    def deadlock(self) -> bool:
        """Whether the network got stuck."""
        return self.cycles is None

    def difference(self, other: Run) -> str:
        """The first firing in which two recorded runs differ, in words; empty if there is none."""
        if self.cycles != other.cycles:
            head = f"{self.engine}: cycles {self.cycles}, {other.engine}: {other.cycles}; "
        else:
            head = ""
        for what in ("ready", "send", "choices"):
            mine, theirs = getattr(self, what), getattr(other, what)
            for node in self.network.nodes:
                a, b = mine.get(node, ()), theirs.get(node, ())
                if not np.array_equal(a, b):
                    k = next((k for k, (x, y) in enumerate(zip(a, b)) if x != y), min(len(a), len(b)))
                    return f"{head}{node} firing {k}, {what}: {_at(a, k)} against {_at(b, k)}"
        if set(self.blocked) != set(other.blocked):
            return f"{head}blocked: {list(map(str, self.blocked))} against {list(map(str, other.blocked))}"
        return head


def _at(times: np.ndarray, k: int) -> str:
    return str(times[k]) if k < len(times) else "none"
