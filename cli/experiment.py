"""`cyclescape experiment`: studies that ship, run here and now."""

from __future__ import annotations

from pathlib import Path

import typer

from .app import app
from .output import JsonOption, check_figure, check_outputs, print_json, print_table


@app.command()
def experiment(
    name: str = typer.Argument("list", help="Which experiment; `list` shows them."),
    out: Path = typer.Option(None, help="Write the figure: a file that ends in .png or .svg."),
    size: str = typer.Option(None, help="Of `multi-agent`: quick (seconds, the default) or full (CPU minutes)."),
    runs: Path = typer.Option(None, help="Of `multi-agent`: a CSV file that keeps every search; those are not run again."),
    json: bool = JsonOption,
) -> None:
    """Run a study that ships: tables, what the numbers say, and a figure."""
    from .experiments import EXPERIMENTS, run

    if name == "list":
        rows = [{"name": key, "question": question} for key, question in EXPERIMENTS.items()]
        if json:
            print_json(rows)
        else:
            print_table("experiments", rows, ["name", "question"])
        return
    if out is not None:
        check_figure("--out", out, runs)
    check_outputs({"--runs": runs})
    outcome = run(name, size, runs)
    if out is not None:
        from .experiments.drawing import save

        save(outcome.draw(), out)
    if json:
        print_json(outcome.to_dict())
        return
    print(EXPERIMENTS.get(name, name))
    print(outcome.setup)
    for part in outcome.parts:
        print()
        print_table(part.title, part.rows, part.columns)
        for finding in part.findings:
            print(f"  {'yes' if finding.agrees else 'no '}  {finding.claim}: {finding.evidence}")
