"""The page of a contest: words first, then the figures, the tables, and what it was made from. One file."""

from __future__ import annotations

import base64
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from ..agents.contest.contest import Contest
from ..agents.contest.figures import curves_figure, lottery_figure
from ..agents.contest.words import method, standings, verdict
from ..simulator.files import replaced, write_whole
from .html import page

__all__ = ["COLUMNS", "FILE_NAME", "write_contest"]

FILE_NAME = "report.html"

COLUMNS = {
    "agent": "agent", "designs": "designs", "best_ratio": "best by true", "hv_share": "hypervolume",
    "adrs": "ADRS", "to_10pct": "to 10 %", "to_1pct": "to 1 %", "feasible_share": "feasible",
    "unique_share": "unique", "cpu_ms": "CPU ms", "luck_settings": "sd settings", "luck_seeds": "sd seeds",
    "studies": "studies",
}  # fmt: skip
"""Columns of the table, and what people read above them."""


def write_contest(contest: Contest) -> Path:
    """Write tables (CSV, Parquet), figures (PNG) and the page into the contest's folder; returns the page."""
    out = contest.out
    for name, frame in (("studies", contest.frame), ("summary", contest.table())):
        with replaced(out / f"{name}.csv", parents=True) as partial:
            frame.to_csv(partial, index=False)
        with replaced(out / f"{name}.parquet", parents=True) as partial:
            frame.to_parquet(partial, index=False)
    pictures = {"lottery": _png(lottery_figure(contest)), "curves": _png(curves_figure(contest))}
    for name, picture in pictures.items():
        with replaced(out / f"{name}.png", parents=True) as partial:
            partial.write_bytes(picture)
    encoded = {name: base64.b64encode(picture).decode() for name, picture in pictures.items()}
    text = page(
        "contest.html", title="A contest of agents", data={}, scripts=["charts.js"], images=True,
        method=method(contest), verdict=verdict(contest), remarks=contest.remarks, pictures=encoded,
        columns=list(COLUMNS.values()), tables=_tables(contest), matrices=_matrices(contest),
        problems=_problems(contest), costs=_costs(contest),
    )  # fmt: skip
    return write_whole(out / FILE_NAME, text, parents=True)


def shown(row: Any, name: str) -> str:
    """A cell of the table as people read it."""
    if name == "cpu_ms":
        return f"{1e3 * row['cpu_s_per_suggestion']:.3g}"
    value = row[name]
    if name in ("agent", "designs", "studies"):
        return str(value)
    if isinstance(value, float) and not np.isfinite(value):
        return "–"
    if name in ("adrs", "feasible_share", "unique_share"):
        return f"{100 * value:.3g} %"
    return f"{value:.0f}" if name.startswith("to_") else f"{value:.3f}"


def _png(figure: Figure) -> bytes:
    out = BytesIO()
    figure.savefig(out, format="png", dpi=150, metadata={"Software": None})
    return out.getvalue()


def _tables(contest: Contest) -> list[dict[str, Any]]:
    table = contest.table()
    found = []
    for problem in table["problem"].unique():
        part = table[table["problem"] == problem].sort_values(
            ["designs", "hv_share", "agent"], ascending=[True, False, True], kind="stable"
        )
        found.append({"problem": problem, "rows": [[shown(row, name) for name in COLUMNS] for _, row in part.iterrows()]})
    return found


def _matrices(contest: Contest) -> list[dict[str, Any]]:
    """For each number of designs: by how much the agent of the row is ahead of that of the column."""
    found = []
    for designs in contest.counts:
        order = [str(agent) for agent in standings(contest, designs).index]
        pairs = {(r["agent"], r["than"]): r for r in contest.differences(designs).to_dict("records")}
        rows = []
        for one in order:
            cells = []
            for other in order:
                row = pairs.get((one, other))
                text = f"{row['difference']:+.3f} [{row['low']:+.3f}, {row['high']:+.3f}]" if row else ""
                cells.append((text, row is not None and row["low"] > 0))
            rows.append((one, cells))
        found.append({"designs": designs, "agents": order, "rows": rows})
    return found


def _problems(contest: Contest) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = []
    for name, problem in contest.problems.items():
        truth = contest.truths[name]
        rows.append((
            problem.name, problem.summary, f"{truth.points:,}", f"{truth.distinct:,}", f"{100 * truth.feasible_share:.1f} %",
            str(len(truth.front)), f"{truth.hypervolume:.4g}",
        ))  # fmt: skip
    return rows


def _costs(contest: Contest) -> list[tuple[str, ...]]:
    return [
        (str(row["agent"]), str(contest.draws[row["agent"]]), str(row["studies"]), f"{row['agent_cpu_s'] / 3600:.3f}",
         f"{row['evaluation_cpu_s'] / 3600:.3f}")
        for _, row in contest.cost().iterrows()
    ]  # fmt: skip
