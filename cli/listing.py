"""`cyclescape list`: what there is."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from typing import Any

import typer

from ..errors import InputError
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
    name: str = typer.Argument(
        None, help="For parameters, presets and metrics: of which machine; for workloads: the operators of this one."
    ),
    json: bool = JsonOption,
) -> None:
    """List machines and their parameters, workloads and their operators, environments, agents, objectives or metrics."""
    rows, columns = _LISTS[kind](name)
    if json:
        print_json(rows)
    else:
        print_table(f"{kind.value}{f' of {name}' if name else ''}", rows, columns)


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
            "designs_to_explore": Space(machine.design).size, "engines": list(machine.engines),
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


def _workloads(name: str | None) -> Rows:
    if name:
        return _operators(name)
    from ..traces.catalog import entries

    rows = [entry.row() for entry in entries()]
    for row in rows:
        row["arguments"] = [argument["name"] for argument in row["arguments"]]
    return rows, ["name", "description", "arguments", "source"]


def _operators(name: str) -> Rows:
    """The operators of a network and their sums."""
    from ..traces.catalog import load
    from ..traces.workload import Workload

    workload = load(name)
    if not isinstance(workload, Workload):
        raise InputError(f"workload {workload.name!r}: it has no operators to list (accepted: a network)")
    columns = ["operator", "kind", "macs", "effective_macs", "params", "kept_weights", "sparsity"]
    rows: list[dict[str, Any]] = [
        {
            "operator": op.name, "kind": op.kind, "macs": op.macs, "effective_macs": op.effective_macs, "params": op.params,
            "kept_weights": op.kept_weight_elements, "sparsity": _ratio(getattr(op, "weight_sparsity", None)),
        }
        for op in workload.operators
    ]
    rows.append({
        "operator": "in all", "kind": "", "macs": workload.macs, "effective_macs": workload.effective_macs,
        "params": workload.params, "kept_weights": sum(row["kept_weights"] for row in rows), "sparsity": None,
    })
    return rows, columns


def _ratio(pattern: tuple[int, int] | None) -> str | None:
    return f"{pattern[0]}:{pattern[1]}" if pattern else None


def _envs(_: str | None) -> Rows:
    from ..envs.registration import FORMS
    from ..simulator.accelerator import env_id
    from ..simulator.registry import accelerator_names

    rows = [
        {"id": env_id(name, form), "accelerator": name, "form": form.lower() or "one-shot"}
        for name in (*accelerator_names(), "lookup")
        for form in FORMS
    ]
    return rows, ["id", "accelerator", "form"]


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
