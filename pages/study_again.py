"""What a store does not keep, simulated again: operators along the front, and the default design."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from ..simulator.accelerator import Accelerator
from ..simulator.report import Report
from ..simulator.sources import model_digest
from .axes import Axis
from .collect import Collected
from .numbers import number
from .operators import operators_of

__all__ = ["baseline", "operators_again"]

_DETAILED = 8
"""Designs whose operators are shown."""
_DETAIL_S = 20.0
"""CPU seconds that simulating them may take, going by what the first time took; else only the best's are."""


def operators_again(
    collected: Collected, drawn: np.ndarray, machine: Accelerator | None, workloads: Sequence[Any] | None
) -> list[dict[str, Any]]:
    """Operators of the best design and of others along the front, simulated again."""
    if machine is None or workloads is None or collected.best is None:
        return []
    place = {int(design): i for i, design in enumerate(drawn)}
    taken = [sum(collected.evaluations.made[row][4] or 0.0 for row in rows) for rows in collected.rows]
    seconds = float(np.median(taken))  # the first one of a process also compiles
    count = _DETAILED if seconds * _DETAILED <= _DETAIL_S else 1
    spread = collected.front[np.linspace(0, len(collected.front) - 1, count).round().astype(int)]
    out = []
    for design in dict.fromkeys([collected.best, *spread.tolist()][: count + 1]):
        reports = _simulated(collected, collected.designs[int(design)], machine, workloads)
        tables = [operators_of(report) for report in reports]
        if all(table is not None for table in tables) and tables:
            out.append({"point": place[int(design)], "tables": tables})
        if len(out) == count:
            break
    return out


def baseline(
    collected: Collected, axes: Sequence[Axis], machine: Accelerator | None, workloads: Sequence[Any] | None
) -> dict[str, float | None] | None:
    """The machine's default design (with what the study fixed) by the name of each axis, for comparison."""
    if machine is None or workloads is None or collected.model != model_digest(type(machine)):
        return None
    reports = _simulated(collected, collected.question.fixed, machine, workloads)
    outcome = collected.question.objective.outcome(reports) if reports else None
    if outcome is None or not outcome.ok:
        return None
    found = dict(outcome.values)
    for (name, _), report in zip(collected.question.workloads, reports):
        at = f"@{name}" if len(reports) > 1 else ""
        found |= {f"{metric}{at}": value for metric, value in report.metrics.items()}
    return {axis.name: number(float(found[axis.name]), 6) for axis in axes if axis.name in found}


def _simulated(
    collected: Collected, design: Mapping[str, Any], machine: Accelerator, workloads: Iterable[Any]
) -> list[Report]:
    """Run a design once more on every workload; empty if it cannot be run any more."""
    try:
        made = machine.design.make(design)
        engine = collected.question.settings.get("engine")
        reports = [machine.run([made], workload, engine=engine)[0] for workload in workloads]
    except Exception:  # a plugin may do anything; the page is worth having without this part
        return []
    return reports if all(report.ok for report in reports) else []
