"""What a fit of a design to measurements gives back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

__all__ = ["Fit"]


@dataclass(frozen=True)
class Fit:
    """A design that explains measurements, and how far it does."""

    accelerator: str
    preset: str | None
    """What it started from."""
    parameters: Mapping[str, Any]
    """Values for `Design.make`: what was given, and what the measurements say."""
    rows: Sequence[Mapping[str, Any]]
    """One for each parameter that can be fitted: parameter, value, before, status, others, measurements, error."""
    unexplained: Sequence[Mapping[str, Any]]
    """Measurements that the design does not give: case, what, measured, simulated."""
    measurements: int

    def document(self) -> dict[str, Any]:
        """The design file that this is."""
        document: dict[str, Any] = {"accelerator": self.accelerator}
        if self.preset:
            document["preset"] = self.preset
        return document | {"parameters": dict(self.parameters)}

    def to_dict(self) -> dict[str, Any]:
        """Everything as plain values."""
        return {"design": self.document(), "measurements": self.measurements, "parameters": [dict(row) for row in self.rows],
                "unexplained": [dict(row) for row in self.unexplained]}
