"""What an experiment gives back."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["Finding", "Outcome", "Part"]


@dataclass(frozen=True)
class Finding:
    """A claim held against the numbers."""

    claim: str
    agrees: bool
    """Whether the simulated machines bear it out."""
    evidence: str
    """The numbers that decide."""


@dataclass(frozen=True)
class Part:
    """A table, and what follows from it."""

    title: str
    rows: Sequence[Mapping[str, Any]]
    findings: tuple[Finding, ...] = ()

    @property
    def columns(self) -> list[str]:
        """The columns, in order."""
        return list(self.rows[0])


@dataclass(frozen=True)
class Outcome:
    """Everything that an experiment found."""

    name: str
    setup: str
    """What was simulated: designs, networks, what was counted."""
    parts: tuple[Part, ...]
    draw: Callable[[], Figure]

    @property
    def findings(self) -> tuple[Finding, ...]:
        """The findings of all parts."""
        return tuple(finding for part in self.parts for finding in part.findings)

    def to_dict(self) -> dict[str, Any]:
        """The outcome as plain values."""
        return {
            "experiment": self.name, "setup": self.setup,
            "parts": [
                {"title": part.title, "rows": [dict(row) for row in part.rows],
                 "findings": [asdict(finding) for finding in part.findings]}
                for part in self.parts
            ],
        }
