"""A burst port once more, clock by clock in plain Python: the witness of the compiled one.

Reference channels and lists of requests; it shares no code with `bursts` and the kernel.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import numpy as np

from .checker import Place
from .reference import ReferenceChannel, ReferenceRequest
from .system import DramSystem

__all__ = ["ReferenceBurstPort"]


@dataclass
class _Transfer:
    earliest: int
    waiting: deque[ReferenceRequest]
    left: int
    answered: int | None = None


class ReferenceBurstPort:
    """`send` and `wait` of `BurstPort`, for answers as data comes. For small cases: every clock is visited."""

    def __init__(self, system: DramSystem) -> None:
        self.system, self.knobs = system, system.knobs
        self.channels = [ReferenceChannel(system.device, system.knobs) for _ in range(system.channels)]
        self.sent: list[_Transfer] = []
        self.owner: list[_Transfer] = []
        """The transfer of each request that went through the door."""
        self.under_way: set[tuple[int, int]] = set()
        """(channel, request) of requests without an answer."""
        self.clock = 0

    def send(self, address: int, size: int, is_write: bool = False, earliest: int = 0) -> int:
        """Put a transfer behind the others."""
        line = self.system.device.transaction_bytes
        waiting: deque[ReferenceRequest] = deque()
        for number in range(address // line, (address + size - 1) // line + 1):
            at = {name: int(v[0]) for name, v in self.system.map.decode(np.array([number * line], np.int64)).items()}
            place = Place(at["rank"], at["sid"], at["group"], at["bank"])
            waiting.append(ReferenceRequest(-1, place, at["row"], is_write, number, channel=at["channel"]))
        self.sent.append(_Transfer(earliest, waiting, len(waiting)))
        return len(self.sent) - 1

    def wait(self, transfer: int) -> int:
        """Visit clocks until a transfer is answered; its door at that clock has not opened yet."""
        while True:
            self.answer()
            if (answered := self.sent[transfer].answered) is not None:
                return answered
            self.door()
            self.clock += 1
            for channel in self.channels:
                channel.tick(self.clock)

    def answer(self) -> None:
        """Take the answers of this clock."""
        for at, number in sorted(self.under_way):
            if self.channels[at].done.get(number, self.clock + 1) <= self.clock:
                self.under_way.remove((at, number))
                owner = self.owner[number]
                owner.left -= 1
                if owner.left == 0:
                    owner.answered = self.clock

    def door(self) -> None:
        """Let one request in, if the program, the clock and the arbiter let it; then move requests into the buffers."""
        head = next((transfer for transfer in self.sent if transfer.waiting), None)
        if head is not None and head.earliest <= self.clock:
            channel = self.channels[head.waiting[0].channel]
            simple = self.knobs.arbiter == "Simple"
            if not channel.waiting if simple else len(self.under_way) < self.knobs.max_active_transactions:
                request = head.waiting.popleft()
                request.id = len(self.owner)
                self.owner.append(head)
                self.under_way.add((request.channel, request.id))
                channel.waiting.append(request)
        for channel in self.channels:
            if channel.waiting and channel.has_room(channel.waiting[0]):
                channel.store(channel.waiting.pop(0))
