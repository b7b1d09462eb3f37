"""A hierarchy executed cycle by cycle: slow, plain, and written without a look at the compiled kernel.

Nothing is known before its time: what one part does to another is put into a calendar and happens when its
cycle comes, before anyone acts in that cycle. Then every part acts once.
"""

from __future__ import annotations

from collections import Counter, defaultdict, deque
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from .....traces.addresses import AddressTrace
from ..hierarchy import FixedMemory, Hierarchy
from .cache import Cache, Message, Queue

if TYPE_CHECKING:
    from .dram import DramBehind

__all__ = ["Access", "System"]


@dataclass
class Access:
    """What happened to one access of a master."""

    address: int
    write: bool
    arrival: int
    issued: int | None = None
    done: int | None = None
    served: str = ""


class Master:
    """Issues a trace in order, one access a cycle, into a scratchpad or the first level."""

    def __init__(self, system: System, trace: AddressTrace, first: Cache, number: int) -> None:
        self.system, self.cache, self.number = system, first, number
        self.accesses = [
            Access(int(address), bool(write), int(arrival))
            for address, write, arrival in zip(trace.address, trace.is_write, trace.arrival, strict=True)
        ]
        self.next = self.retired = 0
        self.pad_free: dict[tuple[int, int], int] = defaultdict(int)

    def act(self) -> None:
        """Issue the next access if it has arrived, the window is open and its memory takes it."""
        now = self.system.now
        while self.retired < self.next and self.accesses[self.retired].done is not None:
            self.retired += 1
        if self.next == len(self.accesses) or self.cache.recalls:
            return
        access = self.accesses[self.next]
        if access.arrival > now or self.next - self.retired >= self.system.hierarchy.window:
            return
        if self._scratchpad(access) or self._cached(access):
            access.issued = now
            self.next += 1

    def _scratchpad(self, access: Access) -> bool:
        for number, pad in enumerate(self.system.hierarchy.scratchpads):
            if pad.base <= access.address < pad.base + pad.size_bytes:
                bank = (access.address - pad.base) // self.system.hierarchy.word_bytes % pad.banks
                if self.pad_free[number, bank] > self.system.now:
                    return False
                self.pad_free[number, bank] = self.system.now + pad.interval_cycles
                self.system.after(pad.hit_cycles, partial(self._finish, access, "scratchpad"))
                return True
        return False

    def _cached(self, access: Access) -> bool:
        h = self.system.hierarchy
        if any(pad.base <= access.address < pad.base + pad.size_bytes for pad in h.scratchpads):
            return False
        return self.cache.serve(
            Message(
                "write" if access.write else "read", access.address // h.line_bytes,
                lambda dirty, server: self._finish(access, server), self.system.number(self.number, self.next),
            )
        )

    def _finish(self, access: Access, server: str) -> None:
        access.done, access.served = self.system.now, server


class Memory:
    """Transfers one request after the other; a read's line arrives `latency_cycles` after its transfer."""

    def __init__(self, system: System, memory: FixedMemory, inputs: list[Queue]) -> None:
        self.system, self.spec, self.inputs = system, memory, inputs
        self.free_at, self.turn = 0, -1
        self.picked: Queue | None = None
        self.traffic: Counter[str] = Counter()

    def act(self) -> None:
        """Take a request if the last transfer is over."""
        memory, now = self.spec, self.system.now
        for step in range(1, len(self.inputs) + 1):
            number = (self.turn + step) % len(self.inputs)
            if self.picked is None and self.inputs[number].arrived:
                self.picked, self.turn = self.inputs[number], number
        if self.picked is None or self.free_at > now:
            return
        message, self.picked = self.picked.take(), None
        h = self.system.hierarchy
        size = h.word_bytes if message.kind == "write" else h.line_bytes
        self.free_at = now + -(-size // memory.bytes_per_cycle)
        self.traffic[message.kind] += 1
        if message.answer is not None:
            self.system.after(self.free_at - now + memory.latency_cycles, partial(message.answer, False, "memory"))


class System:
    """Masters, caches and memory of one hierarchy, and their calendar."""

    def __init__(self, hierarchy: Hierarchy, *traces: AddressTrace) -> None:
        self.hierarchy, self.now = hierarchy, 0
        self.calendar: dict[int, deque[Callable[[], None]]] = defaultdict(deque)
        self.found: dict[int, list[tuple[str, str]]] = defaultdict(list)
        self.starts = [sum(len(t) for t in traces[:m]) for m in range(len(traces))]
        self.caches: list[list[Cache]] = []
        levels = hierarchy.levels
        for i, level in enumerate(levels):
            below = levels[i + 1] if i + 1 < len(levels) else None
            copies = hierarchy.masters if i < hierarchy.private_levels else 1
            depth = below.queue if below is not None else hierarchy.memory.queue
            row = [Cache(self, level, f"{level.name}.{copy}", below, depth) for copy in range(copies)]
            if self.caches:
                for number, upper in enumerate(self.caches[-1]):
                    lower = row[number if len(row) == len(self.caches[-1]) else 0]
                    lower.inputs.append(upper.down)
                    lower.above.append(upper)
            self.caches.append(row)
        inputs = [cache.down for cache in self.caches[-1]]
        self.memory: Memory | DramBehind
        if isinstance(hierarchy.memory, FixedMemory):
            self.memory = Memory(self, hierarchy.memory, inputs)
        else:
            from .dram import DramBehind

            self.memory = DramBehind(self, inputs, hierarchy.memory)
        first = enumerate(zip(traces, self.caches[0], strict=True))
        self.masters = [Master(self, trace, cache, number) for number, (trace, cache) in first]

    def number(self, master: int, access: int) -> int:
        """The number of a master's access among all."""
        return self.starts[master] + access

    def after(self, cycles: int, call: Callable[[], None]) -> None:
        """Let something happen in a later cycle, or still in this one's beginning."""
        self.calendar[self.now + cycles].append(call)

    def step(self) -> None:
        """One cycle."""
        due = self.calendar[self.now]
        while due:
            due.popleft()()
        del self.calendar[self.now]
        for row in self.caches:
            for cache in row:
                cache.act()
        for master in self.masters:
            master.act()
        self.memory.act()
        self.now += 1

    def run(self) -> list[Access]:
        """Run until every access has its answer and nothing is under way; return the accesses of all masters."""
        while True:
            self.step()
            finished = all(m.next == len(m.accesses) and m.accesses[-1].done is not None for m in self.masters)
            if finished and not self.calendar and all(cache.quiet for row in self.caches for cache in row):
                return [access for master in self.masters for access in master.accesses]
