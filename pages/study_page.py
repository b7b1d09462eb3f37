"""The page of a search or sweep: one HTML file that works anywhere, made from the store alone.

The same store gives the same bytes. What is simulated again (the default design, the operators of the best)
is left out where machine or workload are not at hand any more, and the page says so.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from ..agents.study import Asked
from ..errors import CyclescapeError
from ..simulator.accelerator import Accelerator
from ..simulator.files import write_whole
from ..simulator.formula import constraint_of
from ..simulator.lookup import ENGINE
from ..simulator.objective import Objective
from ..simulator.registry import accelerator
from ..simulator.sources import model_digest
from ..simulator.units import quantity
from ..traces.catalog import load
from .collect import BREAKS_LIMIT, FAILED, FEASIBLE, SURROGATE, Collected, collect
from .html import page
from .study_data import failures, ranked, study_data
from .study_parameters import written

__all__ = ["FILE_NAME", "write_study_page"]

FILE_NAME = "report.html"
_CHANGED = (
    "The model has changed since the study ran: these are the numbers of its earlier version, and the default design is not "
    "compared. Run the search or sweep once more for the present one's."
)
_LISTED = 12
"""Studies that are named, of those that are not shown."""
_LEAST_MATTERS = 5
"""With fewer simulated designs no parameter is drawn against the objective."""


def write_study_page(
    directory: str | Path,
    out: str | Path | None = None,
    *,
    study: str | None = None,
    objective: str | Sequence[str] | Objective | None = None,
    constraints: str | Sequence[str] = (),
) -> Path:
    """Write the page of the results in a directory to `out` (by default `report.html` beside the store).

    A store with several studies shows those that ask the same question as the latest (or as `study`, an id; "sweep"
    shows everything that was evaluated, whoever asked for it).
    `objective` and `constraints` judge the designs anew; a sweep, which has none, is judged by time and area
    if nothing is given. Raises `InputError` if there is nothing to show or nowhere to write.
    """
    collected = collect(directory, study=study, objective=objective, constraints=constraints)
    machine, workloads, missing = _at_hand(collected)
    data = study_data(collected, machine, workloads)
    words = _words(collected, data, machine, missing)
    scripts = ["charts.js", "tables.js", "operators.js", "roofline.js", "study.js"]
    title = f"{data['machine']} on {', '.join(data['workloads'])}"
    text = page("study.html", title=title, data=data, scripts=scripts, **words)
    return write_whole(Path(out) if out is not None else collected.path.parent / FILE_NAME, text, parents=True)


def _at_hand(collected: Collected) -> tuple[Accelerator | None, list[Any] | None, str]:
    """Return machine and workloads where they can still be had, and otherwise why not."""
    try:
        machine = accelerator(collected.question.accelerator)
    except CyclescapeError as error:
        return None, None, str(error)
    workloads = []
    for name, digest in collected.question.workloads:
        try:
            workload = load(name)
        except (CyclescapeError, OSError):
            return machine, None, f"the workload {name!r} cannot be loaded by its name"
        if workload.digest != digest:
            return machine, None, f"the workload {name!r} is not what it was when the study ran"
        workloads.append(workload)
    return machine, workloads, ""


def _words(
    collected: Collected, data: dict[str, Any], machine: Accelerator | None, missing: str
) -> dict[str, Any]:
    """Everything that the page says in words."""
    objective, best = collected.question.objective, collected.best
    drawn, simulated = len(data["points"]["number"]), int(np.sum(collected.states != FAILED))
    thinned = (
        f" {drawn:,} of {simulated:,} designs are drawn: every front and a sample of the rest." if drawn < simulated else ""
    )
    front = len(data["front"])
    many = objective.multi
    known = machine.design.parameters() if machine else {}
    return {
        "machine": data["machine"], "workloads": data["workloads"], "lede": _lede(collected), "terms": len(data["terms"]),
        "figures": _figures(collected, data), "drawn": drawn, "parameters": data["parameters"],
        "best": best is not None and [
            (p["label"], f"{written(collected.designs[best].get(p['name']))} {p['unit']}".strip())
            for p in data["parameters"]
        ],
        "best_title": "Best on balance" if many else "Best design",
        "nearest": _nearest(collected),
        "notes": [*([_CHANGED] if _changed(collected, machine) else []), *(f"{note}." for note in collected.notes)],
        "matters": bool(data["parameters"]) and simulated >= _LEAST_MATTERS,
        "designs_note": "Point at a design to see it; click (or press Enter) to pin it." + thinned,
        "convergence": data["convergence"] and (
            "Volume under the front so far, in decades, as a share of that under all fronts together." if many
            else "The best feasible value after so many designs."
        ),
        "roofline": data["rooflines"] and (
            "The pinned design under its peak and the bandwidth of its memory."
            if any(any(one["peak_macs"]) for one in data["rooflines"])
            else "The pinned design's rate against its memory traffic; the machine names no peak."
        ),
        "roofline_choices": [data["workloads"][one["workload"]] for one in data["rooflines"]],
        "again": _several_operators(data) and _again_note(collected, machine),
        "table_title": f"The front ({front} designs)" if many and front != 1 else
                       "The front (1 design)" if many else f"The best {len(ranked(collected))} designs",
        "table": bool(data["ranked"]),
        "table_note": ("No other feasible design is better in one objective without being worse in another. "
                       + _ties(collected) if many else "") + "Click a heading to sort.",
        "failures": failures(collected),
        "provenance": _provenance(collected, missing, known),
    }  # fmt: skip


def _nearest(collected: Collected) -> str:
    if collected.best is not None:
        return ""
    if collected.nearest is None:
        return "No design has numbers that count."
    reason = collected.reasons[collected.nearest]
    if np.any(collected.states == SURROGATE):
        return f"No design that was simulated keeps every limit. Design #{collected.nearest} comes nearest, and {reason}."
    return f"No design keeps every limit. Nearest comes design #{collected.nearest}, which {reason}."


def _ties(collected: Collected) -> str:
    ties = collected.ties
    return f"{ties:,} more have the objectives of one of these. " if ties else ""


def _several_operators(data: dict[str, Any]) -> bool:
    """Whether any design has more than one bar to draw."""
    return any(len(table["names"]) > 1 for entry in data["again"] for table in entry["tables"])


def _lede(collected: Collected) -> str:
    objective = collected.question.objective
    verbs = {1: "Minimise", -1: "Maximise"}
    terms = [(verbs[term.sign], quantity(term.name).label) for term in objective.parsed]
    if len({verb for verb, _ in terms}) == 1:
        text = f"{terms[0][0]} {_listed([label for _, label in terms])}"
    else:
        text = _listed([f"{verb.lower()} {label}" for verb, label in terms]).capitalize()
    if len(collected.question.workloads) > 1:
        text += {"geomean": " (geometric mean", "sum": " (sum", "worst": " (the worst"}[objective.aggregate]
        text += f" over {len(collected.question.workloads)} workloads)"
    limits = []
    for constraint in objective.constraints:
        formula, upper, limit = constraint_of(constraint)
        q = quantity(formula.text)
        limits.append(f"{q.label} {'at most' if upper else 'at least'} {q.show(limit)}")
    return f"{text}{', with ' if limits else ''}{_listed(limits)}."


def _listed(words: Sequence[str]) -> str:
    return ", ".join(words) if len(words) < 2 else f"{', '.join(words[:-1])} and {words[-1]}"


def _figures(collected: Collected, data: dict[str, Any]) -> list[tuple[str, str, str]]:
    """The numbers under the title: label, value, a few words."""
    states, terms = collected.states, collected.question.objective.parsed
    out = []
    base = dict(zip((axis["name"] for axis in data["axes"]), (data["baseline"] or {}).get("metrics", [])))
    for i, term in enumerate(terms[:3]):
        q = quantity(term.name)
        kept = collected.values[states == FEASIBLE, i]
        if not len(kept):
            out.append((q.label.capitalize() if q.label.islower() else q.label, "–", _none(states)))
            continue
        value = float(kept.min() if term.sign > 0 else kept.max())
        word = "Best" if len(terms) == 1 else "Least" if term.sign > 0 else "Most"
        out.append((f"{word} {q.label}", q.show(value), _against(base.get(term.name), value, term.sign)))
    simulated = int(np.sum(states != FAILED))
    broken = "breaks a limit" if np.sum(states == BREAKS_LIMIT) == 1 else "break a limit"
    counts = [(BREAKS_LIMIT, broken), (SURROGATE, "not simulated"), (FAILED, "without numbers")]
    rest = [f"{int(np.sum(states == state)):,} {text}" for state, text in counts if np.any(states == state)]
    note = f"{int(np.sum(states == FEASIBLE)):,} feasible" + "".join(f", {text}" for text in rest)
    out.append(("Designs", f"{len(states):,}", note))
    if len(terms) > 1:
        out.append(("On the front", f"{len(data['front']):,}", f"of {simulated:,} with numbers"))
    elif collected.best is not None:
        finder = next(s for s in collected.series if collected.best in s.designs)
        tried = finder.designs.index(collected.best) + 1
        out.append(("Found after", f"{tried:,}", f"designs of {finder.agent}'s {len(finder.designs):,}"))
    return out


def _none(states: np.ndarray) -> str:
    return "no feasible design was simulated" if np.any(states == SURROGATE) else "no feasible design"


def _against(base: float | None, value: float, sign: int) -> str:
    """Compare with the default design."""
    if not base or not value or base * value < 0:
        return ""
    ratio = base / value if sign > 0 else value / base
    if ratio >= 1.005:
        return f"{ratio:.3g} times better than the default design"
    return "as the default design" if ratio > 0.995 else f"the default design is {1 / ratio:.3g} times better"


def _again_note(collected: Collected, machine: Accelerator | None) -> str:
    text = "Cycles of each operator by where they went, from simulating the design again."
    if _changed(collected, machine):
        text += " The model has changed since the study ran: these are the present model's cycles."
    return text


def _changed(collected: Collected, machine: Accelerator | None) -> bool:
    """Whether the machine at hand is another version of the one that gave the numbers."""
    logged = str(collected.question.settings.get("engine")).startswith(ENGINE)
    return machine is not None and not logged and collected.model != model_digest(type(machine))


def _provenance(collected: Collected, missing: str, known: Any) -> list[tuple[str, str]]:
    used = [collected.evaluations.made[row] for rows in collected.rows for row in rows]
    versions, models, engines, hosts, walls, dates, _ = zip(*used)
    shown = [
        ("store", f"{collected.path.parent.resolve().name}/{collected.path.name}, {len(collected.evaluations):,} evaluations"),
        *((_kind(s) if len(collected.series) == 1 else f"search {i + 1}", _series(s)) for i, s in enumerate(collected.series)),
        ("workload" if len(collected.question.workloads) == 1 else "workloads",
         ", ".join(f"{name} (digest {digest[:12]})" for name, digest in collected.question.workloads)),
        ("not explored", ", ".join(
            f"{name} = {value}" for name, value in
            {**{n: p.default for n, p in known.items() if n not in collected.question.explored},
             **collected.question.fixed}.items()) or "nothing"),
        ("model", ", ".join(f"digest {m[:12]}" for m in dict.fromkeys(models) if m)),
        ("engine", ", ".join(e for e in dict.fromkeys(engines) if e)),
        ("version", ", ".join(f"cyclescape {v}" for v in dict.fromkeys(versions) if v)),
        ("simulated", f"{_date(min(d for d in dates if d))} to {_date(max(d for d in dates if d))}, "
                      f"on {_hosts(hosts)}, "
                      f"{sum(w or 0 for w in walls):,.3g} s of simulation" if any(dates) else "unknown"),
    ]  # fmt: skip
    if collected.others:
        one = collected.other_studies == 1
        what = f"{collected.other_studies} {'study' if one else 'studies'}"
        if collected.series[0].study:
            what += f" of {'another question' if one else 'other questions'}, not shown here"
        text = f"{what}; `cyclescape report --study ID` shows one: "
        shown.append(("also in the store", text + _some(collected.others)))
    if missing:
        shown.append(("left out", f"the default design and the operators of the best: {missing}"))
    return shown


def _some(studies: dict[str, Asked]) -> str:
    """The latest studies by id, with what they asked."""
    listed = [f"{name} ({one.agent}, seed {one.seed}: {', '.join(one.objective.terms)} of {one.accelerator} on "
              f"{', '.join(one.workloads)})" for name, one in list(studies.items())[::-1]]  # fmt: skip
    return "; ".join(listed[:_LISTED]) + (f"; and {len(listed) - _LISTED} older ones" if len(listed) > _LISTED else "")


def _kind(series: Any) -> str:
    return "search" if series.study else "sweep"


def _series(series: Any) -> str:
    text = f"{len(series.designs):,} designs"
    if series.study:
        text = f"{series.agent}, seed {series.seed}, {len(series.designs):,} of {series.budget:,} designs, study {series.study}"
    return text + (f"; {'; '.join(series.notes)}" if series.notes else "")


def _hosts(hosts: Sequence[str | None]) -> str:
    count = len({host for host in hosts if host})
    return "1 host" if count == 1 else f"{count} hosts"


def _date(unix_s: float) -> str:
    return datetime.fromtimestamp(unix_s, UTC).strftime("%Y-%m-%d %H:%M UTC")
