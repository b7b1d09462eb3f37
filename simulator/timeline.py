"""What happened when: spans on tracks, as a machine's reference engine saw them."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

__all__ = ["MOST_SPANS", "Span", "Timeline", "bursts", "in_lanes"]

MOST_SPANS = 200_000
"""With more spans than these a machine draws less finely and says so; a viewer stays usable."""


@dataclass(frozen=True, slots=True)
class Span:
    """Something that took time on one track. Spans of a track do not overlap."""

    track: str
    name: str
    start: int
    """In ticks of the timeline: cycles or picoseconds."""
    duration: int
    """At least 1."""
    args: Mapping[str, Any] = field(default_factory=dict)
    """What a person sees who clicks it: plain JSON values."""

    @property
    def end(self) -> int:
        """The first tick after it."""
        return self.start + self.duration


@dataclass(frozen=True)
class Timeline:
    """Spans in any order, and what one tick is. Iterating twice needs `spans` to be a list or the like."""

    spans: Iterable[Span]
    title: str = ""
    """What ran: machine, workload, design."""
    tick: Literal["cycle", "ps"] = "cycle"
    frequency_mhz: float | None = None
    """The clock, where a tick is a cycle."""
    notes: tuple[str, ...] = ()
    """What was left out or merged, in words."""

    def __iter__(self) -> Iterator[Span]:
        return iter(self.spans)


def in_lanes(spans: Iterable[Span]) -> Iterator[Span]:
    """Spread spans that overlap over lanes of their track, the first that is free: `port`, `port (2)`, ...

    They come in the order of their starts.
    """
    free: dict[str, list[int]] = {}
    busy: dict[str, list[tuple[int, int]]] = {}
    for span in sorted(spans, key=lambda s: (s.start, s.end)):
        idle, taken = free.setdefault(span.track, []), busy.setdefault(span.track, [])
        while taken and taken[0][0] <= span.start:
            heapq.heappush(idle, heapq.heappop(taken)[1])
        lane = heapq.heappop(idle) if idle else len(taken)
        heapq.heappush(taken, (span.end, lane))
        yield replace(span, track=f"{span.track} ({lane + 1})") if lane else span


def bursts(track: str, name: str, starts: Iterable[int], duration: int, args: Mapping[str, Any] = {}) -> Iterator[Span]:
    """One span for each run of events that follow each other without a gap, each `duration` ticks; `events` counts them."""
    begin = end = count = 0
    for start in starts:
        if count and start == end:
            end, count = end + duration, count + 1
            continue
        if count:
            yield Span(track, name, begin, end - begin, {**args, "events": count})
        begin, end, count = start, start + duration, 1
    if count:
        yield Span(track, name, begin, end - begin, {**args, "events": count})
