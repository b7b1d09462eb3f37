"""Measurements of speed, for `cyclescape bench`: CPU time, medians, and a stated bar where there is one."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

__all__ = ["Measurement", "cpu_once", "cpu_ratio", "cpu_seconds"]


@dataclass(frozen=True)
class Measurement:
    """One row of the table: what was measured, the figure, and what was aimed at."""

    name: str
    value: float
    unit: str
    at_most: float | None = None
    at_least: float | None = None
    note: str = ""

    @property
    def ok(self) -> bool | None:
        """Whether the bar is met; None where there is none."""
        if self.at_most is None and self.at_least is None:
            return None
        return (self.at_most is None or self.value <= self.at_most) and (
            self.at_least is None or self.value >= self.at_least
        )


def cpu_seconds(work: Callable[[], object], repeats: int = 5) -> float:
    """Return the median CPU time of `work`, after one uncounted run that compiles and fills caches."""
    work()
    return statistics.median(cpu_once(work) for _ in range(repeats))


def cpu_ratio(work: Callable[[], object], other: Callable[[], object], repeats: int = 5) -> float:
    """Return how many times the CPU time of `work` the `other` takes: medians of runs in turn, in one process."""
    work()
    other()
    pairs = [(cpu_once(work), cpu_once(other)) for _ in range(repeats)]
    return statistics.median(b for _, b in pairs) / max(statistics.median(a for a, _ in pairs), 1e-9)


def cpu_once(work: Callable[[], object]) -> float:
    """Return the CPU time of `work`, which nothing warmed."""
    start = time.process_time()
    work()
    return time.process_time() - start
