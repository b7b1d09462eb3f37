"""What happened when: spans on tracks, as a machine's reference engine saw them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

__all__ = ["Span", "Timeline"]


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
