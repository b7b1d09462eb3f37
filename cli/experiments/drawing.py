"""What the figures of experiments share: size, colours, axes, and labels at the ends of lines."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ...agents.plots import COLORS, save_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from matplotlib.figure import Figure

__all__ = ["COLORS", "finish", "label_ends", "log_axis", "new_figure", "save", "spread"]


def save(figure: Figure, path: Path) -> None:
    """Write a figure, whole or not at all; the same numbers give the same file."""
    import matplotlib

    with matplotlib.rc_context({"svg.hashsalt": "cyclescape", "svg.fonttype": "none"}):
        save_figure(figure, path, dpi=160, metadata={"Date": None} if path.suffix.lower() == ".svg" else None)


def new_figure(title: str, panels: tuple[int, int], size: tuple[float, float]) -> tuple[Figure, list[Axes]]:
    """Return a figure with rows x columns of panels, listed row by row."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=size, layout="constrained", dpi=150)
    axes = figure.subplots(*panels, squeeze=False)
    figure.suptitle(title, fontsize=11, x=0.01, ha="left", fontweight="bold")
    return figure, list(axes.flat)


def finish(axes: Axes, title: str, x: str, y: str) -> None:
    """Name the axes and take away what carries nothing."""
    axes.set_title(title, fontsize=9.5, loc="left")
    axes.set_xlabel(x, fontsize=9)
    axes.set_ylabel(y, fontsize=9)
    axes.tick_params(labelsize=8)
    axes.grid(which="major", color="#e6e6e6", linewidth=0.7)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)


def log_axis(axis: Axis, prefixes: bool = True) -> None:
    """Make an axis logarithmic with labels at 1, 2 and 5 of every decade."""
    from matplotlib.ticker import EngFormatter, LogLocator, NullLocator

    axes = axis.axes
    (axes.set_xscale if axis is axes.xaxis else axes.set_yscale)("log")
    axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axis.set_minor_locator(NullLocator())
    if prefixes:
        axis.set_major_formatter(EngFormatter(sep=" "))


def label_ends(axes: Axes, ends: Sequence[tuple[float, str, str]], gap: float = 0.06) -> None:
    """Write (y, text, colour) right of the axes at the height of y, moved apart by at least `gap` of the axis."""
    to_axes = axes.transScale + axes.transLimits
    low = axes.get_xlim()[0]
    wanted = sorted((float(to_axes.transform((low, y))[1]), text, color) for y, text, color in ends)
    for height, (_, text, color) in zip(spread([height for height, _, _ in wanted], gap), wanted):
        axes.annotate(
            text, (1.0, height), xycoords="axes fraction", xytext=(4, 0), textcoords="offset points", fontsize=8,
            color=color, va="center", annotation_clip=False,
        )


def spread(heights: Sequence[float], gap: float) -> list[float]:
    """Move rising heights as little as possible (least squares) so that neighbours are at least `gap` apart."""
    runs: list[tuple[float, int]] = []  # mean of what is left when the gaps are taken out, and how many
    for i, height in enumerate(heights):
        mean, count = height - i * gap, 1
        while runs and runs[-1][0] > mean:
            other, more = runs.pop()
            mean, count = (mean * count + other * more) / (count + more), count + more
        runs.append((mean, count))
    flat = [mean for mean, count in runs for _ in range(count)]
    return [mean + i * gap for i, mean in enumerate(flat)]
