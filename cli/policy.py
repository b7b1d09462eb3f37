"""`cyclescape policy`: what was learned on some networks, for those not seen yet."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path

import typer

from ..errors import InputError
from ..pages.progress import bar
from .app import app, resumable
from .output import JsonOption, check_outputs, print_json
from .settings import parameter_values

commands = typer.Typer(help="Train policies that carry over from one workload to another.", no_args_is_help=True)
app.add_typer(commands, name="policy")


class Model(StrEnum):
    """What is learned."""

    ranking = "ranking"
    network = "network"


_OF = {**dict.fromkeys(("agent", "budget", "seeds", "keep"), Model.ranking), "updates": Model.network}
"""Options that only one of them has."""


@commands.command()
def train(
    ctx: typer.Context,
    accelerator: str = typer.Argument(..., help="The machine; see `cyclescape list`."),
    workloads: str = typer.Option(..., "--workloads", "-w", help="Training workloads, joined by ';'."),
    out: Path = typer.Option(..., "--out", "-o", help="Where to write the policy."),
    objective: str = typer.Option("edp", help="What to make small."),
    constraint: list[str] = typer.Option([], "--constraint", "-c", help="A limit such as 'area_mm2<=20'."),
    model: Model = typer.Option(Model.ranking, help="A ranking that corrects itself, or a policy network (needs torch)."),
    agent: str = typer.Option("bottleneck", help="A ranking: who searches each training workload."),
    budget: int = typer.Option(250, help="A ranking: designs for each search."),
    seeds: int = typer.Option(3, help="A ranking: searches for each workload."),
    keep: int = typer.Option(15, help="A ranking: best designs of each workload that are tried on all."),
    updates: int = typer.Option(500, help="A network: updates of 256 designs."),
    seed: int = typer.Option(0, help="The same seed gives the same policy."),
    settings: list[str] = typer.Option([], "--set", "-s", help="Pin a parameter: name=value."),
    jobs: int = typer.Option(1, "--jobs", "-j", min=1, help="Processes; another number gives another ranking."),
    data: Path = typer.Option(None, help="Keep every evaluation here; what is there is not evaluated again."),
    json: bool = JsonOption,
) -> None:
    """Train on several workloads; use the file with `search --agent transfer:file=FILE`."""
    from ..agents.transfer.train import train as run_training
    from ..api import accelerator as find
    from ..simulator.store import store_path

    for name, kind in _OF.items():
        source = ctx.get_parameter_source(name)
        if kind is not model and source is not None and source.name != "DEFAULT":
            raise InputError(f"--{name}: is for --model {kind.value}, not for --model {model.value}")
    check_outputs({"--out": out}, workloads, agent, None if data is None else store_path(data))
    machine = find(accelerator)
    with resumable(), bar(f"{model.value} on {accelerator}", "steps") as update:
        policy = run_training(
            machine, workloads, objective=objective, constraints=constraint, kind=model.value, agent=agent,
            budget=budget, seeds=seeds, keep=keep, updates=updates, seed=seed, fixed=parameter_values(machine, settings),
            jobs=jobs, data=data, progress=lambda what, done, total: update(done, total, what),
        )
    policy.write(out)
    _told(policy, out, json)


@commands.command()
def show(file: Path = typer.Argument(..., help="A trained policy."), json: bool = JsonOption) -> None:
    """Say what a policy was trained on and for."""
    from ..agents.transfer.file import Policy

    _told(Policy.read(file), file, json)


def _told(policy, file: Path, json: bool) -> None:  # type: ignore[no-untyped-def]
    header = policy.header
    if json:
        print_json({"file": str(file), **header.model_dump(mode="json", exclude={"values", "features", "digests"})})
        return
    limits = f" with {', '.join(header.objective.constraints)}" if header.objective.constraints else ""
    print(f"{header.kind} in {file}: {header.accelerator}, {', '.join(header.objective.terms)}{limits}")
    print(f"trained on {len(header.workloads)} workloads, {header.trained['evaluations']:,} evaluations")
    print("  " + ", ".join(header.workloads))
