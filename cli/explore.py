"""`cyclescape search` and `report`."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from ..pages.progress import bar
from ..simulator.units import quantity
from .app import app, resumable
from .output import JsonOption, check_outputs, print_json
from .settings import parameter_values

if TYPE_CHECKING:
    from ..agents.study import Study

class Aggregation(StrEnum):
    """How one number is made of several workloads' numbers."""

    sum = "sum"
    geomean = "geomean"
    worst = "worst"


_FREE = {"allow_extra_args": True, "ignore_unknown_options": True}


@app.command(context_settings=_FREE)
def search(
    ctx: typer.Context,
    accelerator: str = typer.Argument(..., help="The machine; see `cyclescape list`."),
    workload: str = typer.Option(None, "--workload", "-w", help="A workload, or several joined by ';'."),
    objective: str = typer.Option("edp", help="What to make small, or several: time_s,energy_j."),
    constraint: list[str] = typer.Option([], "--constraint", "-c", help="A limit such as 'area_mm2<=20'."),
    agent: str = typer.Option("auto", help="Who proposes designs; see `cyclescape list agents`."),
    budget: int = typer.Option(100, help="Designs to simulate; repeats are not counted."),
    seed: int = typer.Option(0, help="The same seed gives the same search."),
    settings: list[str] = typer.Option([], "--set", "-s", help="Pin a parameter: name=value; --name value too."),
    aggregate: Aggregation = typer.Option(None, help="Over several workloads: sum, geomean or worst."),
    evaluator: str = typer.Option(
        "direct", help="direct, pool:N, cached:DIR, lookup:FILE, surrogate:FILE, dask:ADDRESS or slurm:FILE."
    ),
    batch: int = typer.Option(None, help="Designs to ask for at once; one for each worker if not given."),
    time_limit: float = typer.Option(None, "--time-limit", help="Seconds for one evaluation."),
    out: Path = typer.Option(None, help="Keep everything here; the same command then goes on where it stopped."),
    json: bool = JsonOption,
) -> None:
    """Search the design space of a machine for a workload, and print the Pareto front."""
    from ..agents.search import search as run_search
    from ..api import accelerator as find

    machine = find(accelerator)
    fixed = parameter_values(machine, settings, ctx.args)
    with resumable(), bar(f"{agent} on {accelerator}", "designs") as update:

        def progress(study: Study) -> None:
            update(len(study.trials), budget, _best(study))

        study = run_search(
            machine, workload, objective=objective, constraints=constraint, agent=agent, budget=budget, seed=seed,
            fixed=fixed, aggregate=aggregate.value if aggregate else None, evaluator=evaluator, time_limit_s=time_limit,
            batch=batch, out=out, progress=progress,
        )
    if out is not None:
        from ..agents.plots import save_figure

        save_figure(study.plot(), out / "plot.png", dpi=160)
        _page(out, study=study.asked.digest)
    if json:
        front = study.front()
        print_json({
            "asked": study.asked.model_dump(mode="json"), "trials": len(study.trials), "repeats": study.repeats,
            "stopped": study.stopped, "front": front.astype(object).where(front.notna(), None).to_dict("records"),
        })
    else:
        from ..pages.terminal import show_study

        show_study(study, out)


def _best(study: Study) -> str:
    best = study.best()
    if best is None:
        return "nothing feasible yet"
    known = [(quantity(name), float(best[name])) for name in study.objective.names]
    return ", ".join(f"{q.label} {q.show(value)}" for q, value in known)


@app.command()
def report(
    directory: Path = typer.Argument(..., help="The folder of a search or sweep."),
    study: str = typer.Option(None, help="The id of a study, or sweep for everything; the latest study if not given."),
    out: Path = typer.Option(None, help="Where to write; DIRECTORY/report.html if not given."),
    json: bool = JsonOption,
) -> None:
    """Write one self-contained HTML page: front, convergence, sensitivity, table."""
    check_outputs({"--out": out}, directory, parents=True)
    page = _page(directory, out, study)
    if json:
        print_json({"report": str(page)})
    else:
        print(page)


def _page(directory: Path, out: Path | None = None, study: str | None = None) -> Path:
    from ..pages.study_page import write_study_page

    return write_study_page(directory, out, study=study)
