"""The built-in networks held to published counts of their work and parameters."""

from __future__ import annotations

from pathlib import Path

from ..traces.published import figures
from .validation import Check, Difference, Validation

__all__ = ["validate_networks"]


def validate_networks(table: Path | None = None) -> Validation:
    """Count every network of the shipped table, or of one of its form, and hold it to the published figures."""
    rows = figures(table)
    checks = tuple(
        Check(row.workload, row.quantity, row.expected, row.ours, row.met, f"{row.published} in {row.source}") for row in rows
    )
    differences = tuple(
        Difference(row.workload, row.quantity, row.value, row.ours, f"{row.why} ({row.source})") for row in rows if row.why
    )
    notes = (
        "A value without a unit is met exactly, one with a unit to its last digit.",
        "A deliberate difference is added to the published value before the two are compared.",
    )
    return Validation("published counts of networks", str(table or "traces/published.csv"), checks, differences, notes)
