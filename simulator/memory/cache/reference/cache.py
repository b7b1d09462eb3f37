"""One cache, one cycle at a time."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from ..hierarchy import Level
from .prefetch import fetcher
from .replacement import Dice, replacement

if TYPE_CHECKING:
    from .system import System

__all__ = ["Answer", "Cache", "Message", "Queue"]

Answer = Callable[[bool, str], None]
"""Called in the cycle in which a line arrives, with whether it is dirty and the name of who had it."""


@dataclass
class Message:
    """A request to a level: read, write, prefetch, writeback (a dirty line) or victim (a clean one)."""

    kind: str
    line: int
    answer: Answer | None = None
    access: int | None = None
    """The master's access that a read is for."""

    @property
    def reads(self) -> bool:
        """Whether it asks for a line."""
        return self.kind in ("read", "prefetch")


class Queue:
    """A bounded queue between two levels: a message takes `latency` cycles, a place is free one cycle after."""

    def __init__(self, system: System, depth: int, latency: int) -> None:
        self.system, self.free, self.latency = system, depth, latency
        self.arrived: deque[Message] = deque()
        self.under_way = 0

    def put(self, message: Message) -> None:
        """Send a message; there must be a free place."""
        assert self.free > 0
        self.free -= 1
        self.under_way += 1
        self.system.after(self.latency, partial(self._arrive, message))

    def _arrive(self, message: Message) -> None:
        self.under_way -= 1
        self.arrived.append(message)

    def take(self) -> Message:
        """Take the first message that has arrived."""
        self.system.after(1, self._make_room)
        return self.arrived.popleft()

    def _make_room(self) -> None:
        self.free += 1


@dataclass(eq=False)
class Miss:
    """What an MSHR holds."""

    targets: list[tuple[int, Answer]] = field(default_factory=list)
    requests: int = 0


@dataclass(eq=False)
class Slot:
    """A line in a cache; `miss` is there until the line is."""

    line: int
    miss: Miss | None
    dirty: bool = False
    prefetched: bool = False


class Cache:
    """A level's behaviour. Every cycle: hear recalls, then take at most one request."""

    def __init__(self, system: System, level: Level, name: str, below: Level | None, below_queue: int) -> None:
        self.system, self.level, self.name = system, level, name
        self.feeds_exclusive = below is not None and below.inclusion == "exclusive"
        count = level.sets(system.hierarchy.line_bytes)
        dice = Dice(level.seed)
        self.sets: list[list[Slot | None]] = [[None] * level.ways for _ in range(count)]
        self.order = [replacement(level.policy, level.ways, dice) for _ in range(count)]
        self.fetcher = fetcher(level.prefetcher, system.hierarchy.line_bytes) if level.prefetcher else None
        self.down = Queue(system, below_queue, level.hit_cycles)
        self.inputs: list[Queue] = []
        self.above: list[Cache] = []
        self.recalls: deque[int] = deque()
        self.picked: Queue | None = None
        self.turn = -1
        self.bank_free = [0] * level.banks
        self.open: list[Miss] = []
        self.counts: Counter[tuple[str, str]] = Counter()
        self.events: Counter[str] = Counter()

    # One cycle.

    def act(self) -> None:
        """Do what this cycle allows."""
        self._pick()
        while self.recalls:
            if not self._give_up(self.recalls[0]):
                return
            self.recalls.popleft()
        if self.picked is not None and self.serve(self.picked.arrived[0]):
            self.picked.take()
            self.picked = None

    def _pick(self) -> None:
        """Choose the next queue in turn that has something, and stay with it until that is served."""
        for step in range(1, len(self.inputs) + 1):
            number = (self.turn + step) % len(self.inputs)
            if self.picked is None and self.inputs[number].arrived:
                self.picked, self.turn = self.inputs[number], number

    def _give_up(self, line: int) -> bool:
        """Answer a recall; False if that needs room below that is not there."""
        number, way, slot = self._find(line)
        if slot is not None and slot.miss is None:
            if slot.dirty and not self.down.free:
                return False
            self._drop(number, way, slot, "invalidated")
            if slot.dirty:
                self.events["writebacks"] += 1
                self.down.put(Message("writeback", line))
        self._recall_above(line)
        return True

    # A request.

    def serve(self, message: Message) -> bool:
        """Carry a request out if everything that it needs is there; False if it must wait."""
        bank = message.line % self.level.banks
        if self.bank_free[bank] > self.system.now:
            return False
        number, way, slot = self._find(message.line)
        if slot is not None:
            outcome = "hit" if slot.miss is None else "merge"
            done, trigger = self._use(message, number, way, slot)
        else:
            outcome = "miss"
            done, trigger = self._miss(message, number)
        if not done:
            return False
        self.bank_free[bank] = self.system.now + self.level.interval_cycles
        self.counts[message.kind, outcome] += 1
        if message.access is not None:
            self.system.found[message.access].append((self.level.name, outcome))
        if self.fetcher and message.kind in ("read", "write"):
            for line in self.fetcher.learn(message.line, trigger):
                self._prefetch(line)
        return True

    def _use(self, message: Message, number: int, way: int, slot: Slot) -> tuple[bool, bool]:
        """The line is there, or under way."""
        if slot.miss is not None and slot.miss.requests == self.level.targets:
            return False, False
        writes = message.kind in ("write", "writeback")
        if writes and self.level.write == "through":
            if not self.down.free:
                return False, False
            self.down.put(Message(message.kind, message.line))
        elif writes:
            self._dirty(slot)
        first = slot.prefetched and message.kind in ("read", "write")
        if first:
            slot.prefetched = False
            self.events["prefetches_useful" if slot.miss is None else "prefetches_late"] += 1
        self.order[number].used(way)
        if slot.miss is not None:
            slot.miss.requests += 1
            if message.answer:
                slot.miss.targets.append((self.system.now, message.answer))
        elif message.reads and self.level.inclusion == "exclusive":
            self.sets[number][way] = None
            self.events["moved_up"] += 1
            self.events["moved_up_dirty"] += slot.dirty
            self._answer(message, slot.dirty)
        else:
            self._answer(message, False)
        return True, first

    def _miss(self, message: Message, number: int) -> tuple[bool, bool]:
        """Nothing of the line is here. Return whether the request was carried out and whether it brings the line in."""
        level, kind = self.level, message.kind
        exclusive = level.inclusion == "exclusive"
        through = level.write == "through"
        if message.reads and exclusive:
            if len(self.open) == level.mshrs or not self.down.free:
                return False, False
            self._ask(Message(kind, message.line, access=message.access), None, message)
            return True, False
        if message.reads or (kind == "write" and level.allocate and not exclusive):
            extra = [Message("write", message.line)] if kind == "write" and through else []
            return self._bring(message, number, extra), True
        keeps = kind == "victim" or exclusive or (kind == "writeback" and level.allocate and level.inclusion != "inclusive")
        if keeps and kind != "write":
            extra = [Message("writeback", message.line)] if kind == "writeback" and through else []
            slot = Slot(message.line, None)
            if not self._make_place(number, slot, extra, fetch=None):
                return False, False
            if kind == "writeback" and not through:
                self._dirty(slot)
            return True, False
        if not self.down.free:
            return False, False
        self.events["passed_on"] += 1
        self.down.put(Message(kind, message.line))
        self._answer(message, False)
        return True, False

    def _bring(self, message: Message, number: int, extra: list[Message]) -> bool:
        """Fetch a line into its set."""
        if len(self.open) == self.level.mshrs:
            return False
        slot = Slot(message.line, Miss(requests=1), prefetched=False)
        read = Message("prefetch" if message.kind == "prefetch" else "read", message.line, access=message.access)
        if not self._make_place(number, slot, extra, fetch=(read, message)):
            return False
        if message.kind == "write" and self.level.write == "back":
            self._dirty(slot)
        return True

    def _make_place(
        self, number: int, slot: Slot, extra: list[Message], fetch: tuple[Message, Message | None] | None
    ) -> bool:
        """Put a slot into its set in place of an empty one or of the victim, and send what goes with that."""
        ways, order = self.sets[number], self.order[number]
        way = ways.index(None) if None in ways else order.victim()
        old = ways[way]
        if old is not None and old.miss is not None:
            return False
        leaving = []
        if old is not None and old.dirty:
            leaving = [Message("writeback", old.line)]
        elif old is not None and self.feeds_exclusive:
            leaving = [Message("victim", old.line)]
        if self.down.free < (fetch is not None) + len(extra) + len(leaving):
            return False
        if old is not None:
            order.left(way)
            self._drop(number, way, old, "evictions")
            if leaving:
                self.events["writebacks" if old.dirty else "clean_victims"] += 1
        ways[way] = slot
        order.came(way)
        if fetch is not None:
            self._ask(fetch[0], slot, fetch[1])
        for message in extra + leaving:
            self.down.put(message)
        if old is not None and self.level.inclusion == "inclusive":
            self._recall_above(old.line)
        return True

    def _ask(self, read: Message, slot: Slot | None, waiting: Message | None) -> None:
        """Send a read down and keep who waits for it."""
        miss = slot.miss if slot is not None and slot.miss is not None else Miss()
        self.open.append(miss)
        if waiting is not None and waiting.answer is not None:
            miss.targets.append((self.system.now, waiting.answer))
        read.answer = lambda dirty, server: self._filled(miss, slot, dirty, server)
        self.down.put(read)

    def _filled(self, miss: Miss, slot: Slot | None, dirty: bool, server: str) -> None:
        """The line is here: everyone who waits gets it, none before his lookup is over."""
        self.open.remove(miss)
        if slot is not None:
            slot.miss = None
            if dirty:
                self._dirty(slot)
                dirty = False
        for since, answer in miss.targets:
            wait = max(0, since + self.level.hit_cycles - self.system.now)
            self.system.after(wait, partial(answer, dirty, server))

    def _prefetch(self, line: int) -> None:
        """Fetch a line ahead of time, if that can begin now."""
        number, _, slot = self._find(line)
        if line < 0 or slot is not None:
            return
        slot = Slot(line, Miss(), prefetched=True)
        ready = len(self.open) < self.level.mshrs
        if ready and self._make_place(number, slot, [], fetch=(Message("prefetch", line), None)):
            self.events["prefetches_issued"] += 1
        else:
            self.events["prefetches_dropped"] += 1

    # Small things.

    def _find(self, line: int) -> tuple[int, int, Slot | None]:
        """A line's set, and its way and slot there if it has one."""
        number = line % len(self.sets)
        for way, slot in enumerate(self.sets[number]):
            if slot is not None and slot.line == line:
                return number, way, slot
        return number, -1, None

    def _dirty(self, slot: Slot) -> None:
        self.events["dirtied"] += not slot.dirty
        slot.dirty = True

    def _drop(self, number: int, way: int, slot: Slot, why: str) -> None:
        self.events[why] += 1
        self.events["prefetches_useless"] += slot.prefetched
        self.sets[number][way] = None

    def _recall_above(self, line: int) -> None:
        for upper in self.above:
            self.system.after(self.level.hit_cycles, partial(upper.recalls.append, line))

    def _answer(self, message: Message, dirty: bool) -> None:
        if message.answer is not None:
            self.system.after(self.level.hit_cycles, partial(message.answer, dirty, self.level.name))

    @property
    def quiet(self) -> bool:
        """Whether nothing is under way into or out of the cache."""
        return not (self.open or self.recalls or self.down.arrived or self.down.under_way)
