"""The numbers behind a study's page, small enough to be carried in it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from itertools import combinations
from typing import Any

import numpy as np

from ..errors import CyclescapeError
from ..simulator.accelerator import Accelerator
from .axes import Axis, axes_of, parts_of
from .collect import FAILED, FEASIBLE, Collected
from .numbers import column, number
from .study_again import baseline, operators_again
from .study_parameters import effects, explored_of, groups_of, levels_of, parameters_of
from .study_progress import convergence, names_of

__all__ = ["MOST_POINTS", "failures", "ranked", "study_data"]

MOST_POINTS = 3000
"""Designs drawn at most, beside those on a front."""
_MOST_NUMBERS = 120_000
"""Numbers carried for them at most: with many metrics or workloads fewer designs are drawn."""
_RANKED = 20
"""Designs in the table where there is no front."""


def study_data(collected: Collected, machine: Accelerator | None, workloads: Sequence[Any] | None) -> dict[str, Any]:
    """Return the page's data as plain JSON values.

    `machine` and `workloads` are None where they are not at hand any more; then nothing is simulated again.
    """
    axes = axes_of(collected, machine)
    question = collected.question
    known = machine.design.parameters() if machine else {}
    explored = explored_of(question.explored, known)
    drawn = _drawn(collected, axes, len(explored))
    front = collected.front
    exact = np.isin(drawn, np.union1d(front, ranked(collected)))
    place = {int(design): i for i, design in enumerate(drawn)}
    base = baseline(collected, axes, machine, workloads)
    first_series = np.full(len(collected.rows), 0)
    for i, one in reversed(list(enumerate(collected.series))):
        first_series[one.designs] = i
    reasons = {text: i for i, text in enumerate(dict.fromkeys(collected.reasons[i] for i in drawn))}
    shown = [axis for axis in axes if np.isfinite(axis.values[drawn]).any()]
    position = {axis.name: i for i, axis in enumerate(shown)}
    levels = {name: levels_of(collected, name, values) for name, values in explored.items()}
    groups = {name: groups_of(values, levels[name]) for name, values in explored.items()}
    return {
        "machine": question.accelerator,
        "sweep": not any(one.study for one in collected.series),
        "workloads": [name for name, _ in question.workloads],
        "terms": [position[name] for name in question.objective.names if name in position],
        "parameters": parameters_of(explored, known, groups),
        "axes": [axis.head() for axis in shown],
        "points": {
            "number": drawn.tolist(),
            "state": collected.states[drawn].tolist(),
            "reason": [reasons[collected.reasons[i]] for i in drawn],
            "series": first_series[drawn].tolist(),
            "values": [levels[name][drawn].tolist() for name in explored],
            "metrics": [column(axis.values[drawn], exact) for axis in shown],
        },
        "reasons": list(reasons),
        "front": [place[int(i)] for i in front],
        "best": None if collected.best is None else place[collected.best],
        "nearest": None if collected.nearest is None else place[collected.nearest],
        "series": [{"name": name} for name in names_of(collected.series)],
        "cycles": _breakdowns(collected, drawn, exact),
        "parts": [
            {"title": p.title, "workload": p.workload, "total": position[p.total],
             "items": [{"label": label, "axis": position[name]} for label, name in p.items]}
            for p in parts_of(shown) if p.total in position
        ],
        "convergence": convergence(collected, axes),
        "effects": effects(collected, levels, groups),
        "rooflines": _rooflines(collected, drawn, machine, workloads, position),
        "ranked": [place[int(i)] for i in ranked(collected)],
        "baseline": base and {"metrics": [base.get(axis.name) for axis in shown]},
        "again": operators_again(collected, drawn, machine, workloads),
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


def _drawn(collected: Collected, axes: Sequence[Axis], parameters: int) -> np.ndarray:
    """Choose the designs to draw, in order: every front that axes can be chosen for, the best, and a sample."""
    numbers = np.flatnonzero(collected.states != FAILED)
    causes = len(collected.evaluations.cause_names(collected.rows[0]))
    width = 4 + parameters + len(axes) + causes
    most = max(200, min(MOST_POINTS, _MOST_NUMBERS // width))
    if len(numbers) <= most:
        return numbers
    kept = {*collected.front.tolist(), *ranked(collected).tolist()}
    kept |= {collected.nearest} if collected.nearest is not None else set()
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


def _breakdowns(collected: Collected, drawn: np.ndarray, exact: np.ndarray) -> list[dict[str, Any]]:
    out = []
    for part, (workload, _) in enumerate(collected.question.workloads):
        rows = [collected.rows[i][part] for i in drawn]
        causes = collected.evaluations.cause_names(rows)
        columns = [column(collected.evaluations.causes(rows, cause), exact) for cause in causes]
        if causes:
            out.append({"workload": workload, "causes": list(causes), "columns": columns})
    return out


def _rooflines(
    collected: Collected, drawn: np.ndarray, machine: Accelerator | None, workloads: Sequence[Any] | None,
    position: dict[str, int],
) -> list[dict[str, Any]]:  # fmt: skip
    """For each workload where work, bytes and time stand among the axes, and each design's ceilings if it has them."""
    names = [name for name, _ in collected.question.workloads]
    made: list[Any] = []
    for i in drawn:
        try:
            made.append(machine.design.make(collected.designs[i]) if machine else None)
        except CyclescapeError:
            made.append(None)
    out = []
    for part, name in enumerate(names):
        axes = [f"{metric}@{name}" if len(names) > 1 else metric for metric in ("macs", "dram_bytes", "time_s")]
        if not set(axes) <= position.keys():
            continue
        peaks = [_ceiling(machine, design, workloads[part] if workloads else None) for design in made]
        out.append({
            "workload": part, **dict(zip(("macs", "bytes", "time"), (position[axis] for axis in axes))),
            "peak_macs": [p and number(p.macs_per_s, 6) for p in peaks],
            "peak_bytes": [p and p.bytes_per_s and number(p.bytes_per_s, 6) for p in peaks],
        })  # fmt: skip
    return out


def _ceiling(machine: Accelerator | None, design: Any, workload: Any) -> Any:
    if machine is None or design is None or workload is None:
        return None
    try:
        return machine.ceiling(design, workload)
    except CyclescapeError:
        return None
