"""How a study came to its result: the best so far of every search."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..agents.pareto import hypervolume, nondominated, reference_point
from .axes import Axis
from .collect import Collected, Series
from .numbers import number

__all__ = ["convergence", "names_of"]

_CHECKPOINTS = 120


def names_of(series: Sequence[Series]) -> list[str]:
    """Agents; with their seeds where one searched several times."""
    agents = [one.agent for one in series]
    names = [f"{one.agent}, seed {one.seed}" if agents.count(one.agent) > 1 else one.agent for one in series]
    return [name if names.count(name) == 1 else f"{name}, budget {one.budget}" for name, one in zip(names, series)]


def convergence(collected: Collected, axes: Sequence[Axis]) -> dict[str, Any] | None:
    """The best value so far, or the share of the final front's volume, after so many designs of each series."""
    longest = max(len(one.designs) for one in collected.series)
    if collected.best is None or longest < 2 or not any(one.study for one in collected.series):
        return None  # the order of a sweep says nothing, and one design has none
    costs, terms = collected.costs, collected.question.objective.parsed
    series = []
    if len(terms) == 1:
        for one, name in zip(collected.series, names_of(collected.series)):
            best = np.minimum.accumulate(np.concatenate([[np.inf], costs[one.designs, 0]]))
            better = np.flatnonzero(best[1:] < best[:-1])
            values = [number(float(collected.values[one.designs[i], 0]), 6) for i in better]
            series.append({"name": name, "x": (better + 1).tolist(), "y": values, "tried": len(one.designs)})
        return {"what": "best so far", "axis": axes[0].head(), "series": series}
    front = costs[collected.front]
    reference = reference_point(front)
    whole = hypervolume(front, reference)
    for one, name in zip(collected.series, names_of(collected.series)):
        xs: list[int] = []
        ys: list[float] = []
        kept = np.empty((0, len(terms)))
        tried = np.asarray(one.designs, int)
        marks = np.unique(np.geomspace(1, max(1, len(tried)), _CHECKPOINTS if len(terms) < 4 else 24).astype(int))
        done = 0
        for mark in marks.tolist():
            new = costs[tried[done:mark]]
            kept = np.vstack([kept, new[np.isfinite(new).all(axis=1)]])
            kept = kept[nondominated(kept)] if len(kept) else kept
            done = mark
            share = float(hypervolume(kept, reference) / whole) if len(kept) and whole > 0 else 0.0
            if not ys or share > ys[-1]:
                xs.append(mark)
                ys.append(share)
        series.append({"name": name, "x": xs, "y": [number(y, 6) for y in ys], "tried": len(tried)})
    head = {"name": "hypervolume", "label": "share of the front's hypervolume", "unit": "", "style": "percent",
            "better": 1, "about": "Volume in decades under all fronts together, up to a tenth beyond their worst."}  # fmt: skip
    return {"what": "hypervolume", "axis": head, "series": series}
