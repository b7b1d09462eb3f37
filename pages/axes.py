"""What designs can be compared by: objectives and metrics as named columns of numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..errors import InputError
from ..simulator.accelerator import Accelerator
from ..simulator.formula import Term
from ..simulator.units import Quantity, quantity
from .collect import Collected

__all__ = ["Axis", "Parts", "axes_of", "parts_of"]


@dataclass(frozen=True)
class Axis:
    """One column."""

    name: str
    """The metric or objective; `metric@workload` where there are several workloads."""
    quantity: Quantity
    better: int
    """-1: less is better; 1: more is; 0: unknown."""
    about: str
    values: np.ndarray
    """float64[designs]; NaN where a design has none."""
    workload: str = ""
    """The workload that it was measured on, where there are several."""

    @property
    def varies(self) -> bool:
        """Whether it can tell designs apart."""
        known = self.values[np.isfinite(self.values)]
        return len(known) > 0 and float(np.ptp(known)) > 0

    def head(self) -> dict[str, Any]:
        """The column's name and unit, as the page reads them."""
        q = self.quantity
        head = {"name": self.name, "label": q.label, "unit": q.unit, "style": q.style, "better": self.better,
                "about": self.about}  # fmt: skip
        if self.workload:
            metric = self.name.removesuffix(f"@{self.workload}")
            head |= {"workload": self.workload, "metric": metric, "short": quantity(metric).label}
        return head


@dataclass(frozen=True)
class Parts:
    """A metric that is the sum of others: `energy_j` of `energy_mac_j`, `energy_dram_j`, ..."""

    title: str
    workload: str
    total: str
    """Name of an axis."""
    items: tuple[tuple[str, str], ...]
    """Label and name of an axis, for each part."""


def axes_of(collected: Collected, machine: Accelerator | None) -> list[Axis]:
    """Objectives first, then every metric; names that people would confuse are told apart."""
    question, evaluations = collected.question, collected.evaluations
    about = dict(machine.metrics) if machine else {}
    several = len(question.workloads) > 1
    metrics: list[Axis] = []
    for part, (workload, _) in enumerate(question.workloads):
        rows = [rows[part] for rows in collected.rows]
        for name in evaluations.metric_names(rows):
            q = quantity(name)
            column = evaluations.column(rows, name)
            if several:
                q = Quantity(f"{q.label} on {workload}", q.unit, q.style)
            full, at = (f"{name}@{workload}", workload) if several else (name, "")
            metrics.append(Axis(full, q, _better(name), about.get(name, ""), column, at))
    terms = []
    for i, term in enumerate(question.objective.parsed):
        column = collected.values[:, i]
        metrics = [metric for metric in metrics if metric.name != term.name]
        text = f"{term.formula.text} over all workloads ({question.objective.aggregate})" if several else ""
        described = about.get(term.name, "") or text
        terms.append(Axis(term.name, quantity(term.name), -term.sign, described, column))
    return _distinct([*terms, *metrics])


def parts_of(axes: Sequence[Axis]) -> list[Parts]:
    """Find the metrics that are sums of others, by their names, and check that they are."""
    found = []
    by_name = {axis.name: axis for axis in axes}
    for axis in axes:
        at, workload = ("@", axis.workload) if axis.workload else ("", "")
        metric = axis.name.removesuffix(at + workload)
        stem, _, unit = metric.rpartition("_")
        if stem not in ("energy", "area", "power", "time"):
            continue
        items = [
            (other, by_name[other]) for other in by_name
            if other.startswith(f"{stem}_") and other.endswith(f"_{unit}{at}{workload}") and other != axis.name
        ]  # fmt: skip
        if len(items) < 2:
            continue
        total = np.sum([item.values for _, item in items], axis=0)
        known = np.isfinite(total) & np.isfinite(axis.values)
        if known.any() and np.allclose(total[known], axis.values[known], rtol=0.01):
            labels = [(quantity(name.removesuffix(at + workload)).label.removeprefix(f"{stem} "), name) for name, _ in items]
            found.append(Parts(stem.capitalize(), workload, axis.name, tuple(labels)))
    return found


def _better(name: str) -> int:
    try:
        return -Term.parse(name).sign
    except InputError:
        return 0


def _distinct(axes: list[Axis]) -> list[Axis]:
    """Where a label was there before, as an objective's may be, let the name speak."""
    labels: set[str] = set()
    out = []
    for axis in axes:
        q = axis.quantity
        if q.label in labels:
            q = Quantity(axis.name, q.unit, q.style)
        labels.add(q.label)
        out.append(replace(axis, quantity=q))
    return out
