"""DRAM channels behind a hierarchy: the description, and the bridge between two clocks."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from ....errors import DesignError
from .hierarchy import MESSAGES, MOST

if TYPE_CHECKING:
    from ..dram.system import DramSystem

__all__ = ["DramMemory"]


@dataclass(frozen=True)
class DramMemory:
    """A `DramSystem` of the default convention behind the last level.

    The last level's messages go, one at a time and in order, to the controller's arbiter, which sees a message
    at the first of its clocks that does not lie before the message's arrival. A line larger than the
    device's transaction is sent in pieces; a word is one transaction.
    """

    system: DramSystem
    clock_ps: float = 1000.0
    """Period of the hierarchy's clock."""
    latency_cycles: int = 10
    """From the answer of the controller until the level that asked has the line."""
    queue: int = 8

    def __post_init__(self) -> None:
        for name, low, high in (("latency_cycles", 1, MOST), ("queue", MESSAGES, 4096)):
            value = getattr(self, name)
            if not isinstance(value, int) or not low <= value <= high:
                raise DesignError(f"memory: {name}={value!r}; accepted: integer >= {low}, <= {high}")
        if not 1 <= self.clock_ps <= 1e6:
            raise DesignError(f"memory: clock_ps={self.clock_ps!r}; accepted: 1 to 1000000")
        if self.system.convention != "default":
            raise DesignError(f"memory: convention={self.system.convention!r}; accepted: default")

    @cached_property
    def periods_fs(self) -> tuple[int, int]:
        """Femtoseconds of a cycle of the hierarchy and of a tick of the controller."""
        return round(self.clock_ps * 1000), round(self.system.device.tick_ps * 1000)

    def pieces(self, line_bytes: int) -> int:
        """Transactions of a line."""
        return -(-line_bytes // self.system.device.transaction_bytes)
