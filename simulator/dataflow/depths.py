"""The least FIFO depths with which a network still runs at full rate: jointly, not one by one."""

from __future__ import annotations

import heapq
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ...errors import InputError
from ..network import Network
from .compiled import batch, room_of
from .tables import compile_network
from .values import with_schedules

__all__ = ["DepthStudy", "minimal_depths"]


@dataclass(frozen=True)
class DepthStudy:
    """The outcome of a search for least depths."""

    depths: Mapping[str, int]
    cycles: int
    """With these depths."""
    peak_cycles: int
    """With unbounded FIFOs."""
    cost: float
    """Depths weighted by cost a slot."""
    alone: Mapping[str, int]
    """The least depth of each FIFO while all others are unbounded: a bound from below."""
    optimal: bool
    """Whether it is proven that no cheaper depths reach the target; else no single FIFO can be less deep."""
    evaluations: int


def minimal_depths(
    network: Network,
    *,
    slack_cycles: int = 0,
    slot_cost: Mapping[str, float] | None = None,
    budget: int = 20_000,
) -> DepthStudy:
    """Find the cheapest depths with which a network needs at most `slack_cycles` more than with unbounded FIFOs.

    `slot_cost` weighs the slots of FIFOs (bytes of a token, say; default 1 each). A deeper FIFO never
    delays anything in a network without arbiters, so the depths that reach the target are closed upwards:
    bisection gives each FIFO's least depth alone, and where those do not suffice together, the
    cheapest vectors above them are tried in order of cost, within a budget of evaluations.
    """
    if slack_cycles < 0:
        raise InputError(f"slack_cycles={slack_cycles}: must not be negative")
    network = with_schedules(network.check())
    if any(node.kind in ("arbiter", "process") for node in network.nodes.values()):
        raise InputError(
            f"network {network.name!r}: depths are searched in networks without arbiters and processes"
        )
    search = _Search(network, slack_cycles, slot_cost or {})
    alone = search.each_alone()
    depths, optimal = search.together(alone, budget)
    cycles = int(search.cycles(np.array([depths]))[0])
    names = search.names
    return DepthStudy(
        dict(zip(names, map(int, depths))),
        cycles,
        search.peak,
        float(search.cost @ depths),
        dict(zip(names, map(int, alone))),
        optimal,
        search.evaluations,
    )


class _Search:
    def __init__(self, network: Network, slack: int, slot_cost: Mapping[str, float]) -> None:
        self.compiled = compile_network(network, by_rounds=True)
        self.names = [fifo.name for fifo in self.compiled.fifos]
        if unknown := slot_cost.keys() - set(self.names):
            raise InputError(f"slot_cost: no FIFO {sorted(unknown)[0]!r}; there are {', '.join(self.names)}")
        self.cost = np.array([slot_cost.get(name, 1.0) for name in self.names])
        self.floor = np.maximum(1, self.compiled.held)
        self.evaluations = 0
        self.peak = int(self.cycles(np.zeros((1, len(self.names)), np.int64))[0])
        if self.peak < 0:
            raise InputError(
                f"network {network.name!r}: a deadlock even with unbounded FIFOs; give initial tokens"
            )
        self.target = self.peak + slack

    def cycles(self, depths: np.ndarray) -> np.ndarray:
        self.evaluations += len(depths)
        return batch(self.compiled, np.ascontiguousarray(depths, np.int64))

    def good(self, depths: np.ndarray) -> np.ndarray:
        """Which rows of depths reach the target."""
        cycles = self.cycles(depths)
        return (cycles >= 0) & (cycles <= self.target)

    def least(self, fixed: np.ndarray, which: Sequence[int]) -> np.ndarray:
        """For each of some FIFOs the least depth that reaches the target, the others being as fixed."""

        def tried(values: np.ndarray) -> np.ndarray:
            rows = np.repeat(fixed[None], len(which), axis=0)
            rows[np.arange(len(which)), list(which)] = values
            return self.good(rows)

        low = self.floor[list(which)] - 1
        high = self.floor[list(which)].copy()
        while not (fine := tried(high)).all():
            low = np.where(fine, low, high)
            high = np.where(fine, high, 2 * high)
        while (high - low > 1).any():
            middle = (low + high) // 2
            fine = tried(np.maximum(middle, self.floor[list(which)]))
            high, low = np.where(fine, np.maximum(middle, low + 1), high), np.where(fine, low, middle)
        return high

    def each_alone(self) -> np.ndarray:
        """The least depth of each FIFO while all others are unbounded.

        Unbounded FIFOs let a fast part run away from a slow one, so that no state ever repeats. Ample depths
        that reach the peak give the same answer sooner; that it is the same is then checked.
        """
        everyone, count = range(len(self.names)), len(self.names)
        unbounded = np.zeros(count, np.int64)
        ample = self._ample()
        if ample is None:
            return self.least(unbounded, everyone)
        found = self.least(ample, everyone)
        less = np.repeat(unbounded[None], count, axis=0)
        less[everyone, everyone] = found - 1
        asked = np.flatnonzero(found > self.floor)
        if len(asked) and self.good(less[asked]).any():
            return self.least(unbounded, everyone)
        return found

    def _ample(self) -> np.ndarray | None:
        """Depths of a few rounds' tokens that reach the peak, if there are."""
        room = room_of(self.compiled)
        for times in (2, 8, 32):
            ample = times * room + 2
            if self.cycles(ample[None])[0] == self.peak:
                return ample
        return None

    def together(self, alone: np.ndarray, budget: int) -> tuple[np.ndarray, bool]:
        """The cheapest good depths from `alone` on, and whether they are proven to be the cheapest."""
        if self.good(alone[None])[0]:
            return alone, True
        greedy = self._greedy(alone)
        return self._cheapest(alone, greedy, budget)

    def _greedy(self, alone: np.ndarray) -> np.ndarray:
        """Good depths of which none can be less: deepen all together, then lower one after the other."""
        depths = alone.copy()
        while not self.good(depths[None])[0]:
            depths *= 2
        for i in np.argsort(-self.cost * (depths - alone), kind="stable"):
            depths[i] = self.least(depths, [int(i)])[0]
        return depths

    def _cheapest(self, alone: np.ndarray, greedy: np.ndarray, budget: int) -> tuple[np.ndarray, bool]:
        """Try vectors above `alone` in order of cost until one is good, or none is cheaper than `greedy`."""
        limit = float(self.cost @ greedy)
        heap: list[tuple[float, tuple[int, ...]]] = [(float(self.cost @ alone), tuple(map(int, alone)))]
        seen = {heap[0][1]}
        start = self.evaluations
        while heap and self.evaluations - start < budget:
            batch_size = min(64, len(heap))
            tried = [heapq.heappop(heap) for _ in range(batch_size)]
            if tried[0][0] >= limit:
                return greedy, True
            fine = self.good(np.array([depths for _, depths in tried]))
            for (cost, depths), good in zip(tried, fine):
                if good and cost < limit:
                    greedy, limit = np.array(depths), cost
                elif not good:
                    for i in range(len(depths)):
                        more = (*depths[:i], depths[i] + 1, *depths[i + 1 :])
                        if more not in seen and cost + self.cost[i] < limit:
                            seen.add(more)
                            heapq.heappush(heap, (cost + float(self.cost[i]), more))
        return greedy, not heap
