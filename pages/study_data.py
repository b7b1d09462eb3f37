"""The numbers behind a study's page, small enough to be carried in it."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import combinations
from typing import Any

import numpy as np

from ..agents.pareto import hypervolume, nondominated, reference_point
from ..errors import CyclescapeError
from ..simulator.accelerator import Accelerator
from ..simulator.parameters import Parameter
from ..simulator.report import Report
from ..simulator.units import quantity
from .axes import Axis, axes_of, parts_of
from .collect import BREAKS_LIMIT, FAILED, FEASIBLE, Collected, Series
from .importance import additive
from .operators import operators_of

__all__ = ["MOST_POINTS", "failures", "ranked", "study_data"]

MOST_POINTS = 3000
"""Designs drawn at most, beside those on a front."""
_MOST_NUMBERS = 120_000
"""Numbers carried for them at most: with many metrics or workloads fewer designs are drawn."""
_CHECKPOINTS = 120
_MOST_VALUES = 24
"""With more values than these a parameter is looked at in groups of neighbours,"""
_GROUPS = 12
"""of which there are so many."""
_RANKED = 20
"""Designs in the table where there is no front."""
_DETAILED = 8
_DETAIL_S = 20.0
"""CPU seconds that simulating again may take, going by what the first time took."""


def study_data(collected: Collected, machine: Accelerator | None, workloads: Sequence[Any] | None) -> dict[str, Any]:
    """Return the page's data as plain JSON values.

    `machine` and `workloads` are None where they are not at hand any more; then nothing is simulated again.
    """
    axes = axes_of(collected, machine)
    question = collected.question
    known = machine.design.parameters() if machine else {}
    explored = _explored(question.explored, known)
    drawn = _drawn(collected, axes, len(explored))
    front = collected.front
    exact = np.isin(drawn, np.union1d(front, ranked(collected)))
    place = {int(design): i for i, design in enumerate(drawn)}
    base = _baseline(collected, axes, machine, workloads)
    first_series = np.full(len(collected.rows), 0)
    for i, one in reversed(list(enumerate(collected.series))):
        first_series[one.designs] = i
    reasons = {text: i for i, text in enumerate(dict.fromkeys(collected.reasons))}
    shown = [axis for axis in axes if np.isfinite(axis.values[drawn]).any()]
    position = {axis.name: i for i, axis in enumerate(shown)}
    levels = {name: _levels(collected, name, values) for name, values in explored.items()}
    groups = {name: _groups(values, levels[name]) for name, values in explored.items()}
    return {
        "machine": question.accelerator,
        "sweep": not any(one.study for one in collected.series),
        "workloads": [name for name, _ in question.workloads],
        "terms": [position[name] for name in question.objective.names if name in position],
        "aggregate": question.objective.aggregate,
        "constraints": list(question.objective.constraints),
        "parameters": _parameters(explored, known, groups),
        "fixed": {name: _text(value) for name, value in question.fixed.items()},
        "axes": [axis.head() for axis in shown],
        "points": {
            "number": drawn.tolist(),
            "state": collected.states[drawn].tolist(),
            "reason": [reasons[collected.reasons[i]] for i in drawn],
            "series": first_series[drawn].tolist(),
            "values": [levels[name][drawn].tolist() for name in explored],
            "metrics": [_column(axis.values[drawn], exact) for axis in shown],
        },
        "reasons": list(reasons),
        "front": [place[int(i)] for i in front],
        "best": None if collected.best is None else place[collected.best],
        "series": [{"name": name} for name in _names(collected.series)],
        "cycles": _breakdowns(collected, drawn, exact),
        "parts": [
            {"title": p.title, "workload": p.workload, "total": position[p.total],
             "items": [{"label": label, "axis": position[name]} for label, name in p.items]}
            for p in parts_of(shown) if p.total in position
        ],
        "convergence": _convergence(collected, axes),
        "effects": _effects(collected, levels, groups),
        "roofline": _roofline(collected, drawn, machine, workloads, position),
        "ranked": [place[int(i)] for i in ranked(collected)],
        "baseline": base and {"metrics": [base.get(axis.name) for axis in shown]},
        "again": _again(collected, drawn, machine, workloads),
    }  # fmt: skip


def ranked(collected: Collected) -> np.ndarray:
    """Indices of the designs in the table: the front, or for a single objective the best."""
    if collected.question.objective.multi:
        return collected.front
    order = np.argsort(collected.costs[:, 0], kind="stable")[:_RANKED]
    return np.asarray(order[np.isfinite(collected.costs[order, 0])])


def failures(collected: Collected) -> list[dict[str, Any]]:
    """Why designs failed, the most frequent first: an example of each kind, and how many there are."""
    kinds: dict[str, Counter[str]] = {}
    for reason, state in zip(collected.reasons, collected.states):
        if state == FAILED:
            kind = re.sub(r"\d+(\.\d+)?", "#", reason)
            kinds.setdefault(kind, Counter())[reason] += 1
    ranked = sorted(kinds.values(), key=lambda found: -sum(found.values()))
    return [{"reason": found.most_common(1)[0][0], "designs": sum(found.values())} for found in ranked[:8]]


def _names(series: Sequence[Series]) -> list[str]:
    """Agents; with their seeds where one searched several times."""
    agents = [one.agent for one in series]
    names = [f"{one.agent}, seed {one.seed}" if agents.count(one.agent) > 1 else one.agent for one in series]
    return [name if names.count(name) == 1 else f"{name}, budget {one.budget}" for name, one in zip(names, series)]


def _explored(found: dict[str, tuple[Any, ...]], known: Mapping[str, Parameter]) -> dict[str, tuple[Any, ...]]:
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
    """What tells values apart: 1, 1.0 and true are three."""
    return (type(value).__name__, value) if isinstance(value, str | int | float | None) else json.dumps(value)


def _groups(values: Sequence[Any], levels: np.ndarray) -> np.ndarray | None:
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
    return all(isinstance(value, int | float) and not isinstance(value, bool) for value in values)


def _group_names(values: Sequence[Any], groups: np.ndarray | None) -> list[str] | None:
    if groups is None or groups.max() < 0:
        return None
    members = [np.flatnonzero(groups == group) for group in range(int(groups.max()) + 1)]
    return [f"{values[m[0]]:.4g}" if len(m) == 1 else f"{values[m[0]]:.4g} to {values[m[-1]]:.4g}" for m in members]


def _parameters(
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
            "values": list(values) if numbers else [_text(v) for v in values],
            "ordered": declared.ordered if declared else numbers, "unit": declared.unit if declared else "",
            "about": declared.description if declared else "",
            "group": None if grouped is None else grouped.tolist(), "groups": _group_names(values, grouped),
        })  # fmt: skip
    return out


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _levels(collected: Collected, name: str, values: Sequence[Any]) -> np.ndarray:
    """int[designs]: position of each design's value; -1 where it has none of them."""
    index = {_key(value): i for i, value in enumerate(values)}
    return np.array([index.get(_key(design.get(name)), -1) for design in collected.designs], int)


def _drawn(collected: Collected, axes: Sequence[Axis], parameters: int) -> np.ndarray:
    """Choose the designs to draw, in order: every front that axes can be chosen for, the best, and a sample."""
    numbers = np.flatnonzero(collected.states != FAILED)
    causes = len(collected.evaluations.cause_names(collected.rows[0]))
    width = 4 + parameters + len(axes) + causes
    most = max(200, min(MOST_POINTS, _MOST_NUMBERS // width))
    if len(numbers) <= most:
        return numbers
    kept = {*collected.front.tolist(), *ranked(collected).tolist()}
    feasible = np.flatnonzero(collected.states == FEASIBLE)
    for one, other in combinations([axis for axis in axes if axis.better and axis.varies], 2):
        kept.update(feasible[_pair_front(one, other, feasible)].tolist())
    rest = np.setdiff1d(numbers, np.fromiter(kept, int, len(kept)))
    sample = np.random.default_rng(0).permutation(rest)[: max(0, most - len(kept))]
    return np.sort(np.concatenate([np.fromiter(kept, int, len(kept)), sample]))


def _pair_front(one: Axis, other: Axis, feasible: np.ndarray) -> np.ndarray:
    """Positions in `feasible` of the designs that none beats on two axes (of equal ones the first)."""
    x, y = -one.better * one.values[feasible], -other.better * other.values[feasible]
    order = np.lexsort((y, x))
    order = order[np.isfinite(x[order]) & np.isfinite(y[order])]
    least = np.minimum.accumulate(y[order]) if len(order) else y[:0]
    ahead = np.ones(len(order), bool)
    ahead[1:] = y[order][1:] < least[:-1]
    return np.asarray(order[ahead])


def _column(values: np.ndarray, exact: np.ndarray) -> list[float | None]:
    """Numbers for JSON: as they are for designs on the front, to six digits for the others."""
    return [_number(value, digits=17 if full else 6) for value, full in zip(values.tolist(), exact)]


def _number(value: float, digits: int) -> float | None:
    if not np.isfinite(value):
        return None
    rounded = float(f"{value:.{digits}g}")
    return int(rounded) if rounded == int(rounded) and abs(rounded) < 1e15 else rounded


def _breakdowns(collected: Collected, drawn: np.ndarray, exact: np.ndarray) -> list[dict[str, Any]]:
    out = []
    for part, (workload, _) in enumerate(collected.question.workloads):
        rows = [collected.rows[i][part] for i in drawn]
        causes = collected.evaluations.cause_names(rows)
        columns = [_column(collected.evaluations.causes(rows, cause), exact) for cause in causes]
        if causes:
            out.append({"workload": workload, "causes": list(causes), "columns": columns})
    return out


def _convergence(collected: Collected, axes: Sequence[Axis]) -> dict[str, Any] | None:
    """The best value so far, or the share of the final front's volume, after so many designs of each series."""
    if collected.best is None or not any(one.study for one in collected.series):
        return None  # the order of a sweep says nothing
    costs, terms = collected.costs, collected.question.objective.parsed
    series = []
    if len(terms) == 1:
        for one, name in zip(collected.series, _names(collected.series)):
            best = np.minimum.accumulate(np.concatenate([[np.inf], costs[one.designs, 0]]))
            better = np.flatnonzero(best[1:] < best[:-1])
            values = [_number(float(collected.values[one.designs[i], 0]), 6) for i in better]
            series.append({"name": name, "x": (better + 1).tolist(), "y": values, "tried": len(one.designs)})
        return {"what": "best so far", "axis": axes[0].head(), "series": series}
    front = costs[collected.front]
    reference = reference_point(front)
    whole = hypervolume(front, reference)
    for one, name in zip(collected.series, _names(collected.series)):
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
        series.append({"name": name, "x": xs, "y": [_number(y, 6) for y in ys], "tried": len(tried)})
    head = {"name": "hypervolume", "label": "share of the front's hypervolume", "unit": "", "style": "percent",
            "better": 1, "about": "Volume in decades under all fronts together, up to a tenth beyond their worst."}  # fmt: skip
    return {"what": "hypervolume", "axis": head, "series": series}


def _effects(
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
                "designs": fit.designs, "explained": _number(fit.explained, 4),
                "importance": {name: _number(effect.importance, 4) for name, effect in fit.parameters.items()},
                "factors": {name: [_number(term.sign * e, 4) for e in effect.effects.tolist()]
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
    return [_number(float(v), 5) for v in np.quantile(values, (0.25, 0.5, 0.75))]


def _roofline(
    collected: Collected, drawn: np.ndarray, machine: Accelerator | None, workloads: Sequence[Any] | None,
    position: dict[str, int],
) -> dict[str, Any] | None:  # fmt: skip
    """Where work, bytes and time stand among the axes, and each design's ceilings where the machine has them."""
    if len(collected.question.workloads) > 1 or not {"macs", "dram_bytes", "time_s"} <= position.keys():
        return None
    peaks: list[Any] = []
    for i in drawn:
        try:
            peaks.append(machine.ceiling(machine.design.make(collected.designs[i]), workloads[0])
                         if machine and workloads else None)  # fmt: skip
        except CyclescapeError:
            peaks.append(None)
    return {
        "macs": position["macs"], "bytes": position["dram_bytes"], "time": position["time_s"],
        "peak_macs": [p and _number(p.macs_per_s, 6) for p in peaks],
        "peak_bytes": [p and p.bytes_per_s and _number(p.bytes_per_s, 6) for p in peaks],
    }  # fmt: skip


def _again(
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
        reports = simulated_again(collected, collected.designs[int(design)], machine, workloads)
        tables = [operators_of(report) for report in reports]
        if all(table is not None for table in tables) and tables:
            out.append({"point": place[int(design)], "tables": tables})
        if len(out) == count:
            break
    return out


def _baseline(
    collected: Collected, axes: Sequence[Axis], machine: Accelerator | None, workloads: Sequence[Any] | None
) -> dict[str, float | None] | None:
    """The machine's default design (with what the study fixed) by the name of each axis, for comparison."""
    if machine is None or workloads is None:
        return None
    reports = simulated_again(collected, collected.question.fixed, machine, workloads)
    outcome = collected.question.objective.outcome(reports) if reports else None
    if outcome is None or not outcome.ok:
        return None
    found = dict(outcome.values)
    for (name, _), report in zip(collected.question.workloads, reports):
        at = f"@{name}" if len(reports) > 1 else ""
        found |= {f"{metric}{at}": value for metric, value in report.metrics.items()}
    return {axis.name: _number(float(found[axis.name]), 6) for axis in axes if axis.name in found}


def simulated_again(
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
