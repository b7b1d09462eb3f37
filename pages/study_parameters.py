"""The explored parameters of a study, and what their values do to the objectives."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from math import isfinite
from typing import Any

import numpy as np

from ..simulator.parameters import Parameter
from ..simulator.units import quantity
from .collect import BREAKS_LIMIT, FEASIBLE, Collected
from .importance import additive
from .numbers import number

__all__ = ["effects", "explored_of", "groups_of", "levels_of", "parameters_of", "written"]

_MOST_VALUES = 24
"""With more values than these a parameter is looked at in groups of neighbours,"""
_GROUPS = 12
"""of which there are so many."""


def explored_of(found: dict[str, tuple[Any, ...]], known: Mapping[str, Parameter]) -> dict[str, tuple[Any, ...]]:
    """Parameters that vary, and their values, in the order in which the machine declares both."""
    names = [*(name for name in known if name in found), *(name for name in found if name not in known)]
    out = {}
    for name in names:
        values = found[name]
        declared = known[name].explored if name in known else ()
        if not set(map(_key, values)) - set(map(_key, declared)):
            values = tuple(value for value in declared if _key(value) in set(map(_key, values)))
        if len(values) > 1:
            out[name] = values
    return out


def _key(value: Any) -> Any:
    """What tells values apart: 1 and 1.0 are one, true is another."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return ("number", float(value))
    return (type(value).__name__, value) if isinstance(value, str | bool | None) else json.dumps(value)


def groups_of(values: Sequence[Any], levels: np.ndarray) -> np.ndarray | None:
    """int[values]: the group of each value of which there are too many to look at one by one.

    Neighbours go together, about as many designs to each group. None where every value stands for itself;
    all -1 where values have no order, so that nothing can be said of them.
    """
    if len(values) <= _MOST_VALUES:
        return None
    if not _numbers(values):
        return np.full(len(values), -1)
    before = np.concatenate([[0], np.cumsum(np.bincount(levels[levels >= 0], minlength=len(values)))[:-1]])
    cut = (before * _GROUPS) // max(1, int(np.sum(levels >= 0)))
    return np.unique(np.minimum(cut, _GROUPS - 1), return_inverse=True)[1]


def _numbers(values: Sequence[Any]) -> bool:
    """Whether all are finite numbers: a design that breaks a rule may hold any, and a page cannot."""
    return all(isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value) for value in values)


def _group_names(values: Sequence[Any], groups: np.ndarray | None) -> list[str] | None:
    if groups is None or groups.max() < 0:
        return None
    members = [np.flatnonzero(groups == group) for group in range(int(groups.max()) + 1)]
    return [f"{values[m[0]]:.4g}" if len(m) == 1 else f"{values[m[0]]:.4g} to {values[m[-1]]:.4g}" for m in members]


def parameters_of(
    explored: dict[str, tuple[Any, ...]], known: Mapping[str, Parameter], groups: Mapping[str, np.ndarray | None]
) -> list[dict[str, Any]]:
    """What the page says of each explored parameter."""
    labels = [quantity(name).label for name in explored]
    out = []
    for (name, values), label in zip(explored.items(), labels):
        declared = known.get(name)
        numbers, grouped = _numbers(values), groups[name]
        out.append({
            "name": name, "label": label if labels.count(label) == 1 else name,
            "values": list(values) if numbers else [written(v) for v in values],
            "ordered": declared.ordered if declared else numbers, "unit": declared.unit if declared else "",
            "about": declared.description if declared else "",
            "group": None if grouped is None else grouped.tolist(), "groups": _group_names(values, grouped),
        })  # fmt: skip
    return out


def written(value: Any) -> str:
    """A value as the page writes it: 1600 and not 1600.0, false and not False."""
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    return value if isinstance(value, str) else json.dumps(value)


def levels_of(collected: Collected, name: str, values: Sequence[Any]) -> np.ndarray:
    """int[designs]: position of each design's value; -1 where it has none of them."""
    index = {_key(value): i for i, value in enumerate(values)}
    return np.array([index.get(_key(design.get(name)), -1) for design in collected.designs], int)


def effects(
    collected: Collected, levels: dict[str, np.ndarray], groups: Mapping[str, np.ndarray | None]
) -> list[dict[str, Any]]:
    """For each objective the additive fit, and for each parameter's values (or groups of them) the quartiles."""
    simulated = np.isin(collected.states, (FEASIBLE, BREAKS_LIMIT))
    columns: dict[str, np.ndarray] = {}
    for name, column in levels.items():
        simulated &= column >= 0
        group = groups[name]
        if group is None or group.max() >= 0:
            columns[name] = column if group is None else group[column]
    sizes = {name: 1 + int(column.max(initial=0)) for name, column in columns.items()}
    out = []
    for i, term in enumerate(collected.question.objective.parsed):
        usable = np.flatnonzero(simulated & (collected.values[:, i] > 0))
        costs = term.sign * np.log10(collected.values[usable, i])
        fit = additive({name: column[usable] for name, column in columns.items()}, sizes, costs)
        entry: dict[str, Any] = {"fit": None, "strips": {}}
        if fit is not None:
            entry["fit"] = {
                "designs": fit.designs, "explained": number(fit.explained, 4),
                "importance": {name: number(effect.importance, 4) for name, effect in fit.parameters.items()},
                "factors": {name: [number(term.sign * e, 4) for e in effect.effects.tolist()]
                            for name, effect in fit.parameters.items()},
            }  # fmt: skip
        for name, column in columns.items():
            entry["strips"][name] = [
                _quartiles(collected.values[usable[column[usable] == level], i]) for level in range(sizes[name])
            ]
        out.append(entry)
    return out


def _quartiles(values: np.ndarray) -> list[float | None] | None:
    if not len(values):
        return None
    return [number(float(v), 5) for v in np.quantile(values, (0.25, 0.5, 0.75))]
