"""Figures of studies: the Pareto front, and how the best value came down. Made without a window."""

from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter, Formatter, FuncFormatter, LogLocator, NullFormatter

from ..simulator.files import replaced
from ..simulator.formula import FORMULAS
from .pareto import front_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from .study import Study

__all__ = ["convergence_figure", "label", "pareto_figure", "save_figure"]

COLORS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
"""Okabe and Ito's palette, which the colour-blind can tell apart."""

_UNITS = {
    "s": "s", "j": "J", "w": "W", "mm2": "mm²", "bytes": "B", "hz": "Hz", "ops": "op", "mhz": "MHz",
    "ns": "ns",
}  # fmt: skip
_FORMULA_UNITS = {
    "latency": "s", "energy": "J", "area": "mm²", "power": "W", "edp": "J·s", "ed2p": "J·s²",
    "edap": "J·s·mm²", "adp": "mm²·s",
}  # fmt: skip
_SCALED = {"s", "J", "W", "B", "J·s", "Hz"}
"""Units that take prefixes (ms, µJ); the others are printed as numbers."""
_WIDE = 8.0
"""Ratio of largest to smallest value from which an axis is logarithmic."""


class _Figure(Figure):
    """A figure that shows in a notebook as it is; plain ones show only once pyplot has drawn there."""

    def _repr_png_(self) -> bytes:
        out = BytesIO()
        self.savefig(out, format="png", dpi=100)
        return out.getvalue()


def save_figure(figure: Figure, path: Path, **how: Any) -> None:
    """Write a figure, whole or not at all, in the format that the file's name ends in; `how` goes to matplotlib."""
    with replaced(path) as partial:
        figure.savefig(partial, format=path.suffix[1:].lower(), **how)


def label(name: str) -> tuple[str, str]:
    """Return the words and the unit of an objective or metric: ("time", "s") for `time_s`."""
    if name in FORMULAS:
        words = name.upper() if name.startswith(("ed", "adp")) else name
        return words, _FORMULA_UNITS[name]
    stem, _, last = name.rpartition("_")
    if stem.endswith("_per"):
        above = stem.removesuffix("_per").rpartition("_")
        return above[0].replace("_", " "), f"{_UNITS.get(above[2], above[2])}/{_UNITS.get(last, last)}"
    if stem and last in _UNITS and not any(sign in name for sign in "*/"):
        return stem.replace("_", " "), _UNITS[last]
    return name.replace("_", " ") if name.isidentifier() else name, ""


def pareto_figure(studies: Sequence[Study], *, size: tuple[float, float] = (7.0, 4.6)) -> Figure:
    """The first two objectives of every design, the front as a line, infeasible designs in grey."""
    figure = _Figure(figsize=size, layout="constrained", dpi=150)
    axes = figure.add_subplot()
    x, y = studies[0].objective.names[:2]
    spread: list[tuple[float, float]] = []
    infeasible = 0
    for study, color in zip(studies, COLORS * len(studies)):
        points = np.array([[t.outcome.values.get(x, np.nan), t.outcome.values.get(y, np.nan)] for t in study.trials])
        points = points.reshape(-1, 2)
        kept = np.isfinite(study.costs).all(axis=1)
        out = ~kept & np.isfinite(points).all(axis=1)
        spread += [tuple(row) for row in points[kept | out]]
        infeasible += int(out.sum())
        axes.scatter(
            points[out, 0], points[out, 1], s=12, color="#b8b8b8", linewidths=0, zorder=1,
            label="breaks a limit" if infeasible == out.sum() and out.any() else None,
        )  # fmt: skip
        front = np.zeros(len(kept), bool)
        front[front_of(study.costs)[0]] = True
        agent = study.asked.agent
        if kept.any():
            rest = kept & ~front
            axes.scatter(points[rest, 0], points[rest, 1], s=16, color=color, alpha=0.35, linewidths=0, zorder=2)
            best = points[front][np.argsort(study.costs[front][:, 0], kind="stable")]
            if len(study.objective.terms) == 2:
                # From the best in the first objective on, each member holds until the next, whichever way is better.
                axes.step(best[:, 0], best[:, 1], where="post", color=color, linewidth=1.4, zorder=3)
            axes.scatter(
                best[:, 0], best[:, 1], s=34, color=color, edgecolors="white", linewidths=0.7, zorder=4,
                label=f"front of {agent} ({front.sum()} of {len(study.trials)} designs)",
            )  # fmt: skip
    _scales(axes, spread)
    _name(axes.xaxis, x)
    _name(axes.yaxis, y)
    first = studies[0].asked
    title = f"{first.accelerator} on {', '.join(first.workloads)}"
    if first.objective.constraints:
        title += f"  ·  {', '.join(first.objective.constraints)}"
    _finish(axes, title, bool(spread), "no design has numbers yet")
    return figure


def convergence_figure(studies: Sequence[Study], *, size: tuple[float, float] = (7.0, 4.2)) -> Figure:
    """The best feasible value over the designs tried; each a dot, those that failed along the foot."""
    figure = _Figure(figsize=size, layout="constrained", dpi=150)
    axes = figure.add_subplot()
    objective = studies[0].objective
    term = objective.parsed[0]
    shown: list[tuple[float, float]] = []
    failed: list[int] = []
    for study, color in zip(studies, COLORS * len(studies)):
        values = np.array([t.outcome.values.get(term.name, np.nan) for t in study.trials], dtype=float)
        kept = np.isfinite(study.costs[:, 0]) if len(study.trials) else np.zeros(0, dtype=bool)
        numbers = np.arange(1, len(values) + 1)
        failed += [int(number) for number in numbers[~kept]]
        if not kept.any():
            continue
        axes.scatter(numbers[kept], values[kept], s=12, color=color, alpha=0.35, linewidths=0, zorder=2)
        ordered = np.where(kept, values * term.sign, np.inf)
        best = np.minimum.accumulate(ordered) * term.sign
        begun = np.isfinite(best)
        axes.step(
            numbers[begun], best[begun], where="post", color=color, linewidth=1.8, zorder=3,
            label=f"best of {study.asked.agent}",
        )  # fmt: skip
        shown += [(1.0, float(value)) for value in values[kept]]
    if failed:
        axes.plot(
            failed, np.zeros(len(failed)), "|", color="#9a9a9a", markersize=5, zorder=1, clip_on=False,
            transform=axes.get_xaxis_transform(), label="fails or breaks a limit",
        )  # fmt: skip
    _scales(axes, shown, only_y=True)
    axes.set_xlabel("designs simulated")
    _name(axes.yaxis, term.name)
    first = studies[0].asked
    _finish(axes, f"{first.accelerator} on {', '.join(first.workloads)}", bool(shown), "no feasible design yet")
    return figure


def _scales(axes: Axes, points: Sequence[tuple[float, float]], *, only_y: bool = False) -> None:
    if not points:
        return
    columns = np.array(points, dtype=float).T
    for values, scale in zip(columns, (axes.set_xscale, axes.set_yscale)):
        if only_y and scale == axes.set_xscale:
            continue
        if values.min() > 0 and values.max() / values.min() >= _WIDE:
            scale("log")


def _name(axis: Any, name: str) -> None:
    words, unit = label(name)
    axis.set_label_text(words if not unit or unit in _SCALED else f"{words} ({unit})")
    log = axis.get_scale() == "log"
    if unit in _SCALED or not unit:
        written: Formatter = EngFormatter(unit=unit)
    elif log:
        written = FuncFormatter(lambda value, _: f"{value:g}")  # 0.1, 1, 10: mm² take no prefix
    else:
        return
    axis.set_major_formatter(written)
    if log:
        low, high = axis.get_view_interval()
        few = high / low < 200  # under some two decades a reader also wants the 2 and the 5
        axis.set_minor_locator(LogLocator(subs=(2, 5) if few else "all"))
        axis.set_minor_formatter(written if few else NullFormatter())
        axis.set_tick_params(which="minor", labelsize=8)


def _finish(axes: Axes, title: str, anything: bool, nothing: str) -> None:
    axes.set_title(title, fontsize=10, loc="left")
    axes.grid(which="major", color="#e6e6e6", linewidth=0.7)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    if anything:
        axes.legend(frameon=False, fontsize=8)
    else:
        axes.text(0.5, 0.5, nothing, ha="center", va="center", transform=axes.transAxes, color="#777777")
