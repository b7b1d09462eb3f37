"""The reference DRAM controller behind the reference hierarchy, tick by tick and cycle by cycle."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from ...dram.checker import Place
from ...dram.reference import ReferenceController, ReferenceRequest
from ..dram_memory import DramMemory
from .cache import Message, Queue

if TYPE_CHECKING:
    from .system import System

__all__ = ["DramBehind"]


class DramBehind:
    """Offers the last level's messages to a controller's arbiter, one at a time, in pieces of a transaction."""

    def __init__(self, system: System, inputs: list[Queue], memory: DramMemory) -> None:
        self.system, self.inputs, self.memory = system, inputs, memory
        dram = memory.system
        self.controller = ReferenceController(dram.device, dram.channels, dram.map, dram.knobs)
        self.turn = -1
        self.picked: Queue | None = None
        self.free_at: int | None = 0
        """Cycle from which the next message may be offered; None while one waits for the arbiter."""
        self.offered: list[tuple[int, ReferenceRequest, int]] = []
        self.tick = 0
        self.order: list[int] = []
        self.channel_of: list[int] = []
        self.answered: list[int] = []
        self.line_of: list[int] = []
        self.lines: list[tuple[Message, set[int]]] = []
        self.requests: list[tuple[int, int, bool]] = []

    def act(self) -> None:
        """Offer a message if the last one was taken, and let the ticks pass that begin within this cycle."""
        for step in range(1, len(self.inputs) + 1):
            number = (self.turn + step) % len(self.inputs)
            if self.picked is None and self.inputs[number].arrived:
                self.picked, self.turn = self.inputs[number], number
        if self.picked is not None and self.free_at is not None and self.free_at <= self.system.now:
            self._offer(self.picked.take())
            self.picked, self.free_at = None, None
        cycle_fs, tick_fs = self.memory.periods_fs
        while self.tick * tick_fs < (self.system.now + 1) * cycle_fs:
            self._tick()

    def _offer(self, message: Message) -> None:
        """Cut a message into requests that are due at the next tick."""
        cycle_fs, tick_fs = self.memory.periods_fs
        device, line_bytes = self.memory.system.device, self.system.hierarchy.line_bytes
        due = -(-self.system.now * cycle_fs // tick_fs)
        count = 1 if message.kind == "write" else self.memory.pieces(line_bytes)
        pieces: set[int] = set()
        for piece in range(count):
            address = message.line * line_bytes + piece * device.transaction_bytes
            at = {name: int(v[0]) for name, v in self.controller.map.decode(np.array([address])).items()}
            number = len(self.channel_of)
            place = Place(at["rank"], at["sid"], at["group"], at["bank"])
            request = ReferenceRequest(number, place, at["row"], not message.reads, address // device.transaction_bytes)
            self.offered.append((due, request, at["channel"]))
            self.channel_of.append(at["channel"])
            self.answered.append(-1)
            self.line_of.append(len(self.lines))
            self.requests.append((due, address, not message.reads))
            pieces.add(number)
        self.lines.append((message, pieces))

    def _tick(self) -> None:
        """The arbiter at a tick, then the channels in the tick after it."""
        controller, knobs, t = self.controller, self.controller.knobs, self.tick
        controller.answer(t, self.order, self.channel_of, self.answered)
        for number in [n for n in self.order if self.answered[n] == t]:
            self._finish(number, t)
        capped = knobs.arbiter != "Simple"
        active = sum(self.answered[n] < 0 for n in self.order)
        if self.offered and self.offered[0][0] <= t and not (capped and active >= knobs.max_active_transactions):
            _, request, number = self.offered[0]
            channel = controller.channels[number]
            if capped or not channel.waiting:
                channel.waiting.append(request)
                self.order.append(request.id)
                self.offered.pop(0)
                if not self.offered:
                    self.free_at = self._cycle(t) + 1
        for channel in controller.channels:
            if channel.waiting and channel.has_room(channel.waiting[0]):
                channel.store(channel.waiting.pop(0))
        self.tick += 1
        for channel in controller.channels:
            channel.tick(self.tick)

    def _cycle(self, tick: int) -> int:
        """The first cycle that does not begin before a tick."""
        cycle_fs, tick_fs = self.memory.periods_fs
        return -(-tick * tick_fs // cycle_fs)

    def _finish(self, number: int, tick: int) -> None:
        message, pieces = self.lines[self.line_of[number]]
        pieces.remove(number)
        self.order.remove(number)
        if not pieces and message.answer is not None:
            wait = self._cycle(tick) + self.memory.latency_cycles - self.system.now
            self.system.after(wait, partial(message.answer, False, "memory"))
