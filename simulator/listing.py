"""A program with what every line of it cost, as a profiler shows it."""

from __future__ import annotations

from dataclasses import dataclass

from .report import Table

__all__ = ["Listing"]


@dataclass(frozen=True)
class Listing:
    """One program; the rows of its table are its instructions in order."""

    name: str
    table: Table
    notes: tuple[str, ...] = ()
    """What the columns mean, and totals, in words."""
