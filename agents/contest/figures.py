"""Figures of a contest: the lottery of hyper-parameters, and how agents come up over the designs tried."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure

from ..plots import COLORS
from .contest import Contest
from .scores import lottery

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["curves", "curves_figure", "lottery_figure"]

_STYLES = ("-", "--", ":")
_POINTS = 24


def lottery_figure(contest: Contest) -> Figure:
    """For each number of designs a panel: a dot for each setting of each agent, a diamond for its defaults."""
    counts = contest.counts
    tickets = {count: lottery(contest.frame, count) for count in counts}
    order = sorted(contest.agents, key=lambda agent: float(np.median(tickets[counts[-1]][agent])))
    figure = Figure(figsize=(3.0 * len(counts) + 1.6, 0.42 * len(order) + 1.3), layout="constrained", dpi=150)
    panels = figure.subplots(1, len(counts), sharey=True, squeeze=False)[0]
    rng = np.random.default_rng(0)
    for axes, count in zip(panels, counts):
        for row, agent in enumerate(order):
            values, color = tickets[count][agent], COLORS[contest.agents.index(agent) % len(COLORS)]
            if len(values) > 2 and np.ptp(values) > 1e-9:
                body = axes.violinplot([values], positions=[row], orientation="horizontal", widths=0.8, showextrema=False)
                for part in body["bodies"]:
                    part.set(facecolor=color, alpha=0.18, linewidth=0)
            beside = row + rng.uniform(-0.13, 0.13, len(values) - 1)
            axes.scatter(values[1:], beside, s=15, color=color, alpha=0.7, linewidths=0)
            axes.scatter(values[:1], [row], s=34, color=color, marker="D", edgecolors="white", linewidths=0.8, zorder=4)
        axes.set_title(f"{count} designs", fontsize=10, loc="left")
        axes.set_xlabel("share of the true hypervolume", fontsize=9)
        _plain(axes)
    panels[0].set_yticks(range(len(order)), [contest.labels[agent] for agent in order])
    return figure


def curves(contest: Contest) -> dict[str, dict[str, tuple[np.ndarray, np.ndarray]]]:
    """For each problem and agent: numbers of designs, and float64[studies, numbers] of the hypervolume share."""
    spaced = np.unique(np.concatenate((np.geomspace(min(5, contest.budget), contest.budget, _POINTS).round(), contest.counts)))
    numbers = spaced.astype(int)
    found: dict[str, dict[str, list[np.ndarray]]] = {}
    for task in sorted(contest.kept, key=lambda t: (t.problem, t.agent, t.draw, t.seed)):
        shares = contest.truths[task.problem].shares(contest.kept[task].array, numbers.tolist())
        found.setdefault(Path(task.problem).stem, {}).setdefault(task.agent, []).append(shares)
    return {p: {agent: (numbers, np.array(rows)) for agent, rows in agents.items()} for p, agents in found.items()}


def curves_figure(contest: Contest) -> Figure:
    """For each problem a panel: the median share of the true hypervolume over designs, half of the studies as a band."""
    lines = curves(contest)
    wide = min(2, len(lines))
    figure = Figure(figsize=(5.2 * wide + 0.4, 3.7 * -(-len(lines) // wide) + 0.5), layout="constrained", dpi=150)
    panels = figure.subplots(-(-len(lines) // wide), wide, squeeze=False).ravel()
    for axes, (problem, agents) in zip(panels, lines.items()):
        for agent, (numbers, rows) in agents.items():
            place = contest.agents.index(agent)
            color, style = COLORS[place % len(COLORS)], _STYLES[place // len(COLORS) % len(_STYLES)]
            low, middle, high = np.percentile(rows, [25, 50, 75], axis=0)
            axes.fill_between(numbers, low, high, color=color, alpha=0.10, linewidth=0)
            axes.plot(numbers, middle, color=color, linestyle=style, linewidth=1.6, label=contest.labels[agent])
        axes.set_xscale("log")
        marks = [n for n in (5, 10, 20, 50, 100, 300, 1000) if numbers[0] <= n <= contest.budget]
        axes.set_xticks(marks, [str(n) for n in marks])
        axes.set_xticks([], minor=True)
        axes.set_ylim(-0.02, 1.02)
        axes.set_title(problem, fontsize=10, loc="left")
        axes.set_xlabel("designs simulated", fontsize=9)
        axes.set_ylabel("share of the true hypervolume", fontsize=9)
        _plain(axes)
    for axes in panels[len(lines):]:
        axes.set_visible(False)
    handles = {h.get_label(): h for axes in panels[: len(lines)] for h in axes.get_lines()}
    figure.legend(handles.values(), list(handles), loc="outside lower center", ncols=6, frameon=False, fontsize=8)
    return figure


def _plain(axes: Axes) -> None:
    axes.tick_params(labelsize=8)
    axes.grid(which="major", color="#e6e6e6", linewidth=0.7)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
