"""What the terminal shows of a run, its operators, and a study.

Everything from outside is shown as text, never as markup, and
control characters are replaced, so that no name can move the cursor or set colours.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..simulator.accelerator import Accelerator
from ..simulator.design import Design
from ..simulator.objective import Objective
from ..simulator.report import Report
from ..simulator.units import quantity
from .operators import MOST_OPERATORS, operators_of
from .run_page import part_sums

if TYPE_CHECKING:
    import pandas as pd
    from rich.console import Console, RenderableType
    from rich.table import Table

    from ..agents.study import Study

__all__ = ["clean", "front_table", "operator_table", "run_tables", "show_run", "show_study"]

_SLOWEST = 10
_BAR = 28
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")


def show_run(
    machine: Accelerator, design: Design, workload: Any, report: Report, *, layers: bool = False, console: Console | None = None
) -> None:
    """Print a run: metrics, where cycles and energy went, and the slowest operators (or with `layers` all)."""
    console = console or _console()
    console.print(_text("[b]{}[/b] on [b]{}[/b]  [dim]{}[/dim]", machine.name, workload.name, str(design)))
    dense, effective = getattr(workload, "macs", 0), getattr(workload, "effective_macs", 0)
    if effective != dense:
        console.print(clean(f"{dense:,} MACs, {effective:,} of them effective: with weights that are kept"))
    for part in run_tables(report):
        console.print()
        console.print(part)
    table = operator_table(report, None if layers else _SLOWEST)
    if table is not None:
        console.print()
        console.print(table)


def run_tables(report: Report) -> list[RenderableType]:
    """Metrics in two columns, and bars of what cycles and energy are made of."""
    from rich.table import Table

    sums = part_sums(report.metrics)
    inside = {name for _, _, items in sums for _, name in items}
    shown = [(quantity(name), value) for name, value in report.metrics.items() if name not in inside]
    half = -(-len(shown) // 2)
    metrics = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    for side in range(2):
        metrics.add_column(style="dim")
        metrics.add_column(justify="right", min_width=12)
        if side == 0:
            metrics.add_column(width=2)
    for i in range(half):
        cells: list[str] = []
        for k, at in enumerate((i, i + half)):
            q, value = shown[at] if at < len(shown) else (None, 0.0)
            cells += ([""] if k else []) + ([clean(q.label), q.show(value)] if q else ["", ""])
        metrics.add_row(*cells)
    out: list[RenderableType] = [metrics]
    if report.breakdown:
        cycles = [(cause.replace("_", " "), float(n)) for cause, n in report.breakdown.items()]
        out.append(_bars("cycles", "cycles", cycles))
    for title, total, items in sums:
        out.append(_bars(title.lower(), total, [(label, report.metrics[name]) for label, name in items]))
    return out


def operator_table(report: Report, top: int | None = _SLOWEST) -> Table | None:
    """The slowest operators, with their share and what bounds them; None where there are not several."""
    found = operators_of(report, MOST_OPERATORS if top is not None else None)
    if found is None or len(found["names"]) < 2:
        return None
    by_cause = np.array(found["cycles"], float)
    totals = by_cause.sum(axis=0)
    order = np.argsort(-totals, kind="stable")[:top] if top is not None else np.arange(len(totals))
    shown, count = len(order), len(totals)
    table = _table(f"the {shown} slowest of {count} operators" if shown < count else "operators")
    for name, right in (("operator", 0), ("kind", 0), ("MACs", 1), ("cycles", 1), ("share", 1), ("", 0), ("most of it", 0)):
        table.add_column(name, justify="right" if right else "left", overflow="fold")
    counted, whole = quantity("cycles"), max(float(totals.sum()), 1.0)
    for i in order.tolist():
        most = int(np.argmax(by_cause[:, i]))
        cause = f"{found['causes'][most]} {100 * by_cause[most, i] / max(totals[i], 1):.0f} %".replace("_", " ")
        table.add_row(
            clean(found["names"][i]), clean(found["kinds"][i]),
            counted.show(found["macs"][i]) if found["macs"][i] else "", counted.show(totals[i]),
            f"{100 * totals[i] / whole:.1f} %", _bar(totals[i] / max(float(totals.max()), 1.0), 12), clean(cause),
        )  # fmt: skip
    return table


def show_study(study: Study, out: Path | None = None, *, console: Console | None = None) -> None:
    """Print a study's front (for a single objective its best designs), what was tried, and where it is kept."""
    console = console or _console()
    trials = study.trials
    feasible = sum(trial.outcome.feasible for trial in trials)
    failed = sum(not trial.outcome.ok for trial in trials)
    predicted = sum(trial.outcome.surrogate and trial.outcome.ok for trial in trials)
    asked = f"{study.asked.accelerator} on {', '.join(study.asked.workloads)}"
    console.print(_text("[b]{}[/b]  [dim]{}[/dim]", asked, ", ".join([*study.objective.terms, *study.objective.constraints])))
    remarks = [f"{len(trials):,} designs", f"{feasible:,} feasible"]
    remarks += [f"{failed:,} without numbers"] if failed else []
    remarks += [f"{predicted:,} predicted, not simulated"] if predicted else []
    remarks += [f"{study.repeats:,} proposals repeated, not charged"] if study.repeats else []
    remarks += [study.stopped] if study.stopped else []
    console.print(clean(", ".join(remarks)))
    frame = study.front() if study.objective.multi else _best_first(study)
    if len(frame):
        console.print()
        title = "front" if study.objective.multi else "best"
        console.print(front_table(frame, study.objective, list(study.asked.values), title, width=console.width))
    else:
        console.print(clean(_nothing(study)))
    if out is not None:
        console.print(_text("\nkept in {}", str(out)))


def _nothing(study: Study) -> str:
    """Why a study has no front."""
    outcomes = [trial.outcome for trial in study.trials]
    if any(outcome.feasible for outcome in outcomes):
        return "no feasible design was simulated: those that are feasible are only predicted, and count for no front"
    reasons = [outcome.reason for outcome in outcomes if outcome.reason]
    why = f": {reasons[0]}" if reasons else f": every design breaks {' or '.join(study.objective.constraints)}"
    return f"no feasible design{why if outcomes else ''}"


def _best_first(study: Study, most: int = 5) -> pd.DataFrame:
    """The best few designs of a study with a single objective."""
    costs = study.costs[:, 0]
    order = np.argsort(costs, kind="stable")[:most]
    history = study.history
    return history.iloc[order[np.isfinite(costs[order])]]


def front_table(
    frame: pd.DataFrame, objective: Objective, parameters: Sequence[str], title: str = "front", *,
    most: int = 40, width: int = 80,
) -> Table:  # fmt: skip
    """Designs (`Study.front()`) with their objectives in units, then the parameters; the first `most`."""
    more = f", the first {most}" if len(frame) > most else ""
    if (ties := int(frame["ties"].sum()) if "ties" in frame else 0):
        more += f"; {ties:,} more equal one of them"
    table = _table(f"{title}: {len(frame)} design{'s' if len(frame) != 1 else ''}{more}")
    shown = [name for name in parameters if name in frame.columns]
    rows = [
        [str(row["number"]),
         *(quantity(name).show(float(row[name])).replace(" ", "\u00a0") for name in objective.names),
         *(clean(str(row[name])) for name in shown)]
        for _, row in frame.head(most).iterrows()
    ]  # fmt: skip
    labels = ["design", *(clean(quantity(name).label) for name in (*objective.names, *shown))]
    cells = [max(len(row[i]) for row in rows) if rows else 0 for i in range(len(labels))]
    first = 1 + len(objective.names)
    broken = [label.replace(" ", "\n") for label in labels]
    for heads in (labels, broken):  # on one line each if they fit, else word by word
        needed = [max(cell, *map(len, head.split("\n"))) for cell, head in zip(cells, heads)]
        if sum(needed) + 2 * len(needed) <= width:
            break
    else:  # too narrow for columns: the parameters of a design as text
        heads = [*labels[:first], "parameters"]
        text = [", ".join(f"{label} {cell}" for label, cell in zip(labels[first:], row[first:])) for row in rows]
        rows = [[*row[:first], words] for row, words in zip(rows, text)]
    for i, head in enumerate(heads):
        table.add_column(
            head, justify="left" if head == "parameters" else "right", overflow="fold",
            style="bold" if 0 < i < first else "", no_wrap=i < first,
        )  # fmt: skip
    for row in rows:
        table.add_row(*row)
    return table


def clean(text: str) -> str:
    """Return text in which nothing is markup and no control character is left."""
    from rich.markup import escape

    return escape(_CONTROL.sub("\ufffd", text))


def _text(template: str, *values: str) -> str:
    return template.format(*(clean(value) for value in values))


def _console() -> Console:
    from rich.console import Console

    return Console(file=sys.stdout, highlight=False)


def _table(title: str) -> Table:
    from rich.table import Table

    return Table(title=clean(title), title_justify="left", title_style="bold", box=None, header_style="dim", pad_edge=False)


def _bars(title: str, total: str, items: Sequence[tuple[str, float]]) -> Table:
    """Parts of a whole, each with a bar and its share."""
    from rich.table import Table

    q, whole = quantity(total), sum(value for _, value in items)
    table = Table(title=f"{clean(title)}  {q.show(whole)}", title_justify="left", title_style="bold", box=None,
                  show_header=False, pad_edge=False)  # fmt: skip
    for justify in ("left", "right", "right", "left"):
        table.add_column(justify=justify)
    for label, value in items:
        share = value / whole if whole else 0.0
        table.add_row(clean(label), q.show(value), f"{100 * share:.1f} %", _bar(share, _BAR))
    return table


def _bar(share: float, width: int) -> str:
    """A bar in eighths of a character."""
    eighths = round(min(max(share, 0.0), 1.0) * width * 8)
    full, rest = divmod(eighths, 8)
    return f"[cyan]{'█' * full}{' ▏▎▍▌▋▊▉'[rest].strip()}[/cyan]" if eighths else ""
