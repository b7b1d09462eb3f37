"""What the dataflow machine is held to: the table of attention runs and the published figures of the SN40L."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from ...simulator.validation import Validation
from ..streaming.validation import validate as validate_attention
from .published import checks, differences

__all__ = ["validate"]


def validate(table: Path | None = None) -> Validation:
    """Rerun the shipped table of attention runs, or another of its form, on both engines.

    With the shipped table also the closed forms and least depths, and the published figures of the SN40L.
    """
    attention = validate_attention(table)
    if table is not None:
        return attention
    return replace(
        attention, name="streaming attention and SN40L", checks=(*attention.checks, *checks()),
        differences=tuple(differences()),
        notes=(*attention.notes, "SN40L: published figures, see docs/models/dataflow.md for sources and what is assumed"),
    )  # fmt: skip
