"""`cyclescape list`: what there is."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from typing import Any

import typer

from .app import app
from .output import JsonOption, print_json, print_table


class Kind(StrEnum):
    """What can be listed."""

    accelerators = "accelerators"
    parameters = "parameters"
    presets = "presets"
    workloads = "workloads"
    envs = "envs"
    agents = "agents"
    objectives = "objectives"
    metrics = "metrics"


Rows = tuple[list[dict[str, Any]], list[str]]


@app.command("list")
def list_(
    kind: Kind = typer.Argument(Kind.accelerators, help="What to list."),
    accelerator: str = typer.Argument(None, help="For parameters, presets and metrics: of which machine."),
    json: bool = JsonOption,
) -> None:
    """List machines and their parameters, workloads, environments, agents, objectives or metrics."""
    rows, columns = _LISTS[kind](accelerator)
    if json:
        print_json(rows)
    else:
        print_table(f"{kind.value}{f' of {accelerator}' if accelerator else ''}", rows, columns)


def _machines(name: str | None) -> list[Any]:
    from ..simulator.registry import accelerator, accelerators

    return [accelerator(name)] if name else list(accelerators())


def _accelerators(name: str | None) -> Rows:
    from ..simulator.space import Space

    rows = []
    for machine in _machines(name):
        summary = (machine.design.__doc__ or "").strip().partition("\n")[0]
        rows.append({
            "name": machine.name, "parameters": len(machine.design.parameters()),
            "designs_to_explore": len(Space(machine.design)), "engines": list(machine.engines),
            "default_workload": machine.default_workload, "summary": summary,
        })
    return rows, ["name", "designs_to_explore", "engines", "default_workload", "summary"]


def _parameters(name: str | None) -> Rows:
    rows = [
        {"accelerator": machine.name, **parameter.row()}
        for machine in _machines(name) for parameter in machine.design.parameters().values()
    ]
    columns = ["name", "default", "unit", "explored", "accepted", "description"]
    return rows, columns if name else ["accelerator", *columns]


def _presets(name: str | None) -> Rows:
    rows = [
        {"name": preset, "accelerator": machine.name, "parameters": dict(values)}
        for machine in _machines(name) for preset, values in machine.design.presets.items()
    ]
    return rows, ["name", "accelerator", "parameters"]


def _workloads(_: str | None) -> Rows:
    from ..traces.catalog import entries

    rows = [entry.row() for entry in entries()]
    for row in rows:
        row["arguments"] = [argument["name"] for argument in row["arguments"]]
    return rows, ["name", "description", "arguments", "source"]


def _envs(_: str | None) -> Rows:
    from ..simulator.accelerator import env_id
    from ..simulator.registry import accelerator_names

    return [{"id": env_id(name), "accelerator": name} for name in accelerator_names()], ["id", "accelerator"]


def _agents(_: str | None) -> Rows:
    from ..agents.searcher import searcher_names, searcher_summary

    return [{"name": name, "description": searcher_summary(name)} for name in searcher_names()], ["name", "description"]


def _objectives(_: str | None) -> Rows:
    from ..simulator.formula import FORMULAS

    rows = [{"name": name, "formula": formula} for name, formula in FORMULAS.items()]
    rows.append({"name": "any metric, or a product", "formula": "for example energy_j*time_s**2"})
    return rows, ["name", "formula"]


def _metrics(name: str | None) -> Rows:
    rows = [
        {"accelerator": machine.name, "name": metric, "description": text}
        for machine in _machines(name) for metric, text in machine.metrics.items()
    ]
    return rows, ["name", "description"] if name else ["accelerator", "name", "description"]


_LISTS: dict[Kind, Callable[[str | None], Rows]] = {
    Kind.accelerators: _accelerators, Kind.parameters: _parameters, Kind.presets: _presets,
    Kind.workloads: _workloads, Kind.envs: _envs, Kind.agents: _agents, Kind.objectives: _objectives,
    Kind.metrics: _metrics,
}
