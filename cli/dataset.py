"""`cyclescape dataset`: what was evaluated, as one file to hand on."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from .app import app
from .output import JsonOption, check_outputs, print_json, print_table

if TYPE_CHECKING:
    import pandas as pd

commands = typer.Typer(help="Export, merge and look at logged evaluations.", no_args_is_help=True)
app.add_typer(commands, name="dataset")

_OUT = typer.Option(..., "--out", "-o", help="A .parquet or .csv file.")


@commands.command()
def export(
    source: Path = typer.Argument(..., help="The folder of a search or sweep, or an exported file."),
    out: Path = _OUT,
    json: bool = JsonOption,
) -> None:
    """Write every evaluation as one row: design, metrics, breakdown, constraints, who proposed it, what simulated it."""
    from ..simulator.dataset import Dataset

    check_outputs({"--out": out}, source, parents=True)
    data = Dataset.read(source)
    _told(str(data.write(out)), len(data.rows), json)


@commands.command()
def merge(
    sources: list[Path] = typer.Argument(..., help="Folders or exported files."),
    out: Path = typer.Option(..., "--out", "-o", help="A .parquet or .csv file, or a folder for a store."),
    json: bool = JsonOption,
) -> None:
    """Put data sets together, each evaluation once; refused if two have other numbers for the same one."""
    from ..simulator.dataset import SUFFIXES, Dataset

    table = out.suffix in SUFFIXES
    if table:
        check_outputs({"--out": out}, *sources, parents=True)
    data = Dataset.merged(sources)
    if table:
        data.write(out)
    else:
        data.store(out)
    _told(str(out), len(data.rows), json)


def _told(out: str, rows: int, json: bool) -> None:
    if json:
        print_json({"out": out, "rows": rows})
    else:
        print(f"{rows} evaluations in {out}")


@commands.command()
def show(
    source: Path = typer.Argument(..., help="The folder of a search or sweep, or an exported file."),
    json: bool = JsonOption,
) -> None:
    """Say what a data set holds: machines and workloads, who proposed, what failed, spans of every column."""
    from ..simulator.dataset import Dataset

    data = Dataset.read(source)
    frame = data.frame()
    told = {
        "rows": len(frame), "studies": len(data.studies),
        "evaluations": _groups(frame), "agents": _counts(frame["agent"].fillna("(a sweep)"), "agent"),
        "reasons": _counts(frame["reason"].dropna(), "reason"), "broken": _counts(frame["broken"].dropna(), "constraint"),
        "parameters": [_span(frame, name) for name in data.names("design")],
        "metrics": [_span(frame, name) for name in data.names("metrics")],
    }  # fmt: skip
    if json:
        print_json(told)
        return
    print(f"{told['rows']} evaluations, {told['studies']} studies in {source}")
    for title, columns in _TABLES.items():
        if told[title]:
            print()
            print_table(title, told[title], columns)  # type: ignore[arg-type]


_TABLES = {
    "evaluations": ["accelerator", "workload", "rows", "feasible", "failed", "models"],
    "agents": ["agent", "rows"], "reasons": ["reason", "rows"], "broken": ["constraint", "rows"],
    "parameters": ["name", "values", "least", "most"], "metrics": ["name", "values", "least", "most"],
}  # fmt: skip
_MOST = 10


def _groups(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Of each machine and workload: rows, feasible and failed ones, and how many versions of the model made them."""
    return [
        {
            "accelerator": machine, "workload": workload, "rows": len(part), "feasible": int(part["feasible"].sum()),
            "failed": int(part["reason"].notna().sum()), "models": int(part["model"].nunique()),
        }
        for (machine, workload), part in frame.groupby(["accelerator", "workload"], sort=True)
    ]  # fmt: skip


def _counts(column: pd.Series, name: str) -> list[dict[str, Any]]:
    return [{name: str(value), "rows": int(count)} for value, count in column.value_counts().head(_MOST).items()]


def _span(frame: pd.DataFrame, name: str) -> dict[str, Any]:
    column = frame[name].dropna()
    number = column.dtype.kind in "if"
    listed = sorted(column.unique(), key=str) if not number else []
    least, most = (column.min(), column.max()) if number and len(column) else (listed[:1], listed[-1:])
    return {"name": name, "values": int(column.nunique()), "least": least, "most": most}
