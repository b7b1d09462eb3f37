"""What the dataflow machine is held to: the table of attention runs and the published figures of the SN40L."""

from __future__ import annotations

from pathlib import Path

from ...simulator.validation import Validation
from ..streaming.validation import validate as validate_attention

__all__ = ["validate"]


def validate(table: Path | None = None) -> Validation:
    """Rerun the shipped table of attention runs, or another of its form, on both engines."""
    return validate_attention(table)
