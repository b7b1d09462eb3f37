"""What the terminal shows: a run, its operators, a front, lists, and how far a search is.

Tables go to stdout, progress to stderr. Everything from outside is shown as text, never as markup, and
control characters are replaced, so that no name can move the cursor or set colours.
"""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from ..simulator.accelerator import Accelerator
from ..simulator.design import Design
from ..simulator.objective import Objective
from ..simulator.report import Report
from ..simulator.units import quantity
from .operators import operators_of
from .run_page import part_sums

if TYPE_CHECKING:
    import pandas as pd
    from rich.console import Console, RenderableType
    from rich.table import Table

__all__ = ["Progress", "front_table", "list_table", "operator_table", "run_tables", "show_front", "show_run"]

_SLOWEST = 10
_BAR = 28
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")
_PLAIN_S = 10.0
"""Seconds between lines of progress where stderr is no terminal."""


def show_run(
    machine: Accelerator, design: Design, workload: Any, report: Report, *, layers: bool = False, console: Console | None = None
) -> None:
    """Print a run: metrics, where cycles and energy went, and the slowest operators (or with `layers` all)."""
    console = console or _console()
    console.print(_text(f"[b]{{}}[/b] on [b]{{}}[/b]  [dim]{{}}[/dim]", machine.name, workload.name, str(design)))
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
    """The slowest operators, with their share and what bounds them; None where the report has none."""
    found = operators_of(report)
    if found is None:
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


def show_front(frame: pd.DataFrame, objective: Objective, parameters: Sequence[str], *, console: Console | None = None) -> None:
    """Print a front (`Study.front()`): objectives with units, then the parameters."""
    (console or _console()).print(front_table(frame, objective, parameters))


def front_table(frame: pd.DataFrame, objective: Objective, parameters: Sequence[str], most: int = 40) -> Table:
    """The designs of a front as a table; the first `most`."""
    more = f", the first {most}" if len(frame) > most else ""
    table = _table(f"front: {len(frame)} design{'s' if len(frame) != 1 else ''}{more}")
    table.add_column("design", justify="right")
    for name in objective.names:
        q = quantity(name)
        table.add_column(clean(q.label), justify="right", style="bold")
    shown = [name for name in parameters if name in frame.columns]
    for name in shown:
        table.add_column(clean(name.replace("_", " ")), justify="right", overflow="fold")
    for _, row in frame.head(most).iterrows():
        values = [quantity(name).show(float(row[name])) for name in objective.names]
        table.add_row(str(row["number"]), *values, *(clean(str(row[name])) for name in shown))
    return table


def list_table(title: str, rows: Iterable[Mapping[str, Any]], columns: Sequence[str]) -> Table:
    """Any rows as a table; cells that do not fit are wrapped, never cut."""
    table = _table(title)
    for i, column in enumerate(columns):
        table.add_column(clean(column.replace("_", " ")), overflow="fold", style="cyan" if i == 0 else "")
    for row in rows:
        table.add_row(*(clean(_cell(row.get(column))) for column in columns))
    return table


class Progress:
    """A bar with rate and remaining time on stderr, for a search or a sweep; a line now and then if that is no terminal.

    Used as a context manager; calling it takes a `Study` or a sweep's progress, as their `progress` argument does.
    """

    def __init__(self, total: int, what: str = "designs", *, console: Console | None = None) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
        from rich.progress import Progress as Bar

        self.console = console or Console(stderr=True)
        self.total, self.what, self.done = total, what, 0
        self._start = self._last = time.monotonic()
        self._bar = Bar(
            BarColumn(bar_width=_BAR), MofNCompleteColumn(), TextColumn(f"{what}  {{task.fields[rate]}}", markup=False),
            TimeRemainingColumn(compact=True), TextColumn("{task.fields[note]}", markup=False),
            console=self.console, transient=True, disable=not self.console.is_terminal,
        )  # fmt: skip
        self._task = self._bar.add_task("", total=total, rate="", note="")

    def __call__(self, state: Any) -> None:
        """Take a study (its designs so far and its best) or anything with `done` and `total`."""
        if hasattr(state, "trials"):
            self.update(len(state.trials), note=best_so_far(state))
        else:
            failed = f"{state.failed} failed" if getattr(state, "failed", 0) else ""
            self.update(state.done, reused=getattr(state, "reused", 0), total=state.total, note=failed)

    def update(self, done: int, *, total: int | None = None, reused: int = 0, note: str = "") -> None:
        """Show how far it is; `reused` of `done` came from the store and do not count in the rate."""
        now = time.monotonic()
        self.done, self.total = done, total or self.total
        rate = (done - reused) / max(now - self._start, 1e-9)
        shown = f"{rate:,.0f}/s" if rate >= 10 else f"{rate:.2g}/s"
        note = clean(note)
        self._bar.update(self._task, completed=done, total=self.total, rate=shown, note=note)
        if not self.console.is_terminal and (now - self._last >= _PLAIN_S or done >= self.total):
            self._last = now
            left = f", {duration((self.total - done) / rate)} left" if rate > 0 and done < self.total else ""
            text = f"{done}/{self.total} {self.what}, {shown}{left}{', ' + note if note else ''}"
            print(text, file=self.console.file, flush=True)

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._bar.stop()


def best_so_far(study: Any) -> str:
    """The best feasible value of a study in words, or how many feasible designs several objectives have."""
    costs = study.costs
    feasible = np.isfinite(costs).all(axis=1) if len(costs) else np.zeros(0, bool)
    if not feasible.any():
        return "none feasible yet"
    if study.objective.multi:
        return f"{int(feasible.sum())} feasible"
    term = study.objective.parsed[0]
    value = study.trials[int(np.argmin(costs[:, 0]))].outcome.values[term.name]
    q = quantity(term.name)
    return f"best {q.label} {q.show(value)}"


def duration(seconds: float) -> str:
    """Seconds for people: 42 s, 3 min 10 s, 2 h 5 min."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


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
        table.add_column(justify=justify)  # type: ignore[arg-type]
    for label, value in items:
        share = value / whole if whole else 0.0
        table.add_row(clean(label), q.show(value), f"{100 * share:.1f} %", _bar(share, _BAR))
    return table


def _bar(share: float, width: int) -> str:
    """A bar in eighths of a character."""
    eighths = round(min(max(share, 0.0), 1.0) * width * 8)
    full, rest = divmod(eighths, 8)
    return f"[cyan]{'█' * full}{' ▏▎▍▌▋▊▉'[rest].strip()}[/cyan]" if eighths else ""


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:,.4g}"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, list | tuple):
        shown = [_cell(item) for item in value]
        return f"{', '.join(shown[:3])} ... {shown[-1]}" if len(shown) > 6 else ", ".join(shown)
    return str(value)
