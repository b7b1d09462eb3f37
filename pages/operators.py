"""The cycles of every operator, by cause, from a report's table; and what a roofline needs of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ..simulator.report import Report

__all__ = ["MOST_OPERATORS", "bytes_of", "operators_of"]

MOST_OPERATORS = 160
"""With more operators than these the fastest are shown together."""


def operators_of(report: Report, most: int | None = MOST_OPERATORS) -> dict[str, Any] | None:
    """Return names, kinds, cycles by cause (`CAUSE_cycles` columns), MACs and bytes; None without such a table.

    Operators without cycles of their own are left out; of more than `most` the fastest become one.

    Cycles that no cause column accounts for appear as "other".
    """
    columns = report.table.columns
    if "name" not in columns or "cycles" not in columns or not len(columns["cycles"]):
        return None
    cycles = np.asarray(columns["cycles"], float)
    causes = [cause for cause in report.breakdown if f"{cause}_cycles" in columns]
    by_cause = np.zeros((len(causes), len(cycles)))
    for row, cause in enumerate(causes):
        by_cause[row] = np.asarray(columns[f"{cause}_cycles"], float)
    rest = cycles - by_cause.sum(axis=0)
    if not causes or np.any(rest > 0.001 * cycles + 0.5):
        causes, by_cause = [*causes, "other" if causes else "cycles"], np.vstack([by_cause, np.maximum(rest, 0)])
    names = [str(name) for name in columns["name"]]
    kinds = [str(kind) for kind in columns.get("kind", [""] * len(names))]
    notes = [str(note) for note in columns.get("note", [""] * len(names))]
    macs = np.asarray(columns.get("macs", np.zeros(len(names))), float)
    moved = bytes_of(columns, report.metrics)
    moved = np.zeros(len(names)) if moved is None else moved
    ran = np.flatnonzero(cycles > 0)
    order = ran[np.argsort(-cycles[ran], kind="stable")]
    kept = np.sort(order[: most - 1]) if most is not None and len(order) > most else ran
    merged = np.setdiff1d(ran, kept)

    def column(values: np.ndarray) -> list[float]:
        out = [*values[kept].tolist(), *([float(values[merged].sum())] if len(merged) else [])]
        return [int(v) if v == int(v) else v for v in out]

    extra = [f"{len(merged)} other operators"] if len(merged) else []
    return {
        "names": [*(names[i] for i in kept), *extra],
        "kinds": [*(kinds[i] for i in kept), *("" for _ in extra)],
        "notes": [*(notes[i] for i in kept), *("" for _ in extra)],
        "causes": causes,
        "cycles": [column(row) for row in by_cause],
        "macs": column(macs),
        "bytes": column(moved),
        "fused": len(names) - len(ran),
    }


def bytes_of(columns: Mapping[str, Any], metrics: Mapping[str, float]) -> np.ndarray | None:
    """Return each operator's bytes to and from memory, if the table says so and they add up to `dram_bytes`."""
    if "dram_bytes" in columns:
        return np.asarray(columns["dram_bytes"], float)
    moved = [
        np.asarray(values, float) for name, values in columns.items() if name.endswith(("_read_bytes", "_write_bytes"))
    ]
    if not moved or "dram_bytes" not in metrics:
        return None
    total = np.sum(moved, axis=0)
    return total if abs(total.sum() - metrics["dram_bytes"]) <= 0.01 * max(metrics["dram_bytes"], 1) else None
