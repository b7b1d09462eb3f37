"""Prefetchers: from the demand accesses that a level serves to the lines that it should fetch."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

from ..hierarchy import Prefetcher

__all__ = ["Fetcher", "fetcher"]


class Fetcher(ABC):
    """Learns from every demand access."""

    def __init__(self, spec: Prefetcher, line_bytes: int) -> None:
        self.spec, self.line_bytes = spec, line_bytes

    @abstractmethod
    def learn(self, line: int, trigger: bool) -> list[int]:
        """Return what to fetch; `trigger`: a miss that brings its line in, or a first use of a prefetched line."""


class NextLines(Fetcher):
    """Tagged prefetching."""

    def learn(self, line: int, trigger: bool) -> list[int]:
        return [line + k for k in range(1, self.spec.degree + 1)] if trigger else []


@dataclass
class Run:
    """A run of neighbouring lines."""

    latest: int
    ahead: int
    direction: int = 0


class Runs(Fetcher):
    """Several runs at a time. `places` keeps where a run stands, `by_use` which one was used last."""

    def __init__(self, spec: Prefetcher, line_bytes: int) -> None:
        super().__init__(spec, line_bytes)
        self.places: list[Run | None] = [None] * spec.entries
        self.by_use = list(range(spec.entries))

    def learn(self, line: int, trigger: bool) -> list[int]:
        for place, run in enumerate(self.places):
            if run is None:
                continue
            if run.latest == line:
                self._use(place)
                return []
            if line - run.latest in ((run.direction,) if run.direction else (-1, 1)):
                self._use(place)
                return self._go_on(run, line)
        if trigger:
            self.places[self.by_use[0]] = Run(latest=line, ahead=line)
            self._use(self.by_use[0])
        return []

    def _go_on(self, run: Run, line: int) -> list[int]:
        if not run.direction:
            run.direction, run.ahead = line - run.latest, line
        run.latest = line
        lines = []
        while run.ahead != line + run.direction * self.spec.degree:
            run.ahead += run.direction
            lines.append(run.ahead)
        return lines

    def _use(self, place: int) -> None:
        self.by_use.remove(place)
        self.by_use.append(place)


class Strides(Fetcher):
    """A table of zones, found by the zone's number modulo the table's size."""

    def __init__(self, spec: Prefetcher, line_bytes: int) -> None:
        super().__init__(spec, line_bytes)
        self.table: dict[int, tuple[int, int, int]] = {}

    def learn(self, line: int, trigger: bool) -> list[int]:
        zone = line // max(1, self.spec.zone_bytes // self.line_bytes)
        index = zone % self.spec.entries
        known, latest, step = self.table.get(index, (None, 0, 0))
        if known != zone:
            self.table[index] = (zone, line, 0)
            return []
        if line == latest:
            return []
        self.table[index] = (zone, line, line - latest)
        if line - latest != step:
            return []
        return [line + k * step for k in range(1, self.spec.degree + 1)]


def fetcher(spec: Prefetcher, line_bytes: int) -> Fetcher:
    """The prefetcher of one cache."""
    if spec.kind == "next-line":
        return NextLines(spec, line_bytes)
    return Runs(spec, line_bytes) if spec.kind == "stream" else Strides(spec, line_bytes)
