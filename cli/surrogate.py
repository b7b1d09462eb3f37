"""`cyclescape surrogate fit`, `score` and `predict`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from ..errors import InputError
from .app import app
from .output import JsonOption, check_figure, check_outputs, print_json, print_table
from .settings import parameter_values

if TYPE_CHECKING:
    from ..agents.surrogate import Samples, Surrogate

_FREE = {"allow_extra_args": True, "ignore_unknown_options": True}
commands = typer.Typer(help="Learn what the simulator says: fit, score, predict.", no_args_is_help=True)
app.add_typer(commands, name="surrogate")

DataArgument = typer.Argument(None, help="A store (a folder of runs) or a table exported from one (.parquet, .csv).")
MachineOption = typer.Option(None, "--accelerator", "-a", help="The machine of --sample, or of a store with several.")
WorkloadOption = typer.Option([], "--workload", "-w", help="What --sample runs; else workloads that have no name here.")
StaleOption = typer.Option(False, "--stale", help="Accept what was made by other sources than those installed.")


@commands.command()
def fit(
    data: Path = DataArgument,
    out: Path = typer.Option(..., "--out", "-o", help="The file to write."),
    sample: int = typer.Option(None, min=1, help="Instead of DATA: simulate so many designs, drawn at random."),
    accelerator: str = MachineOption,
    workload: list[str] = WorkloadOption,
    metric: list[str] = typer.Option([], "--metric", "-m", help="What to learn; time, energy, area, latency if not given."),
    model: str = typer.Option("auto", help="gp, trees, forest, ensemble, or auto for the best on what it did not learn from."),
    prefix: float = typer.Option(None, help="Simulate this share of each run (0.1: a tenth) instead of asking closed forms."),
    seed: int = typer.Option(0, min=0, help="The same seed gives the same surrogate."),
    stale: bool = StaleOption,
    json: bool = JsonOption,
) -> None:
    """Learn a surrogate of a machine from what was simulated."""
    from ..agents.surrogate import Surrogate
    from ..agents.surrogate.partial import prefix_of

    check_outputs({"--out": out}, data, *workload)
    prefix_of(prefix)
    samples = _samples(data, sample, accelerator, workload, seed, stale)
    surrogate = Surrogate.fit(samples, metric or None, model=model, seed=seed, prefix=prefix, say=_say)
    surrogate.save(out)
    found = _about(surrogate) | {"file": str(out)}
    if json:
        print_json(found)
        return
    tried = "".join(f"; {name} {error:.3f}" for name, error in surrogate.origin.tried.items())
    learned = f"{found['samples']} samples of {found['accelerator']}, {found['workloads']} workloads"
    print(f"{out}: {found['model']} on {learned}{tried}")
    print(f"answers {', '.join(surrogate.answers)}")
    if failing := surrogate.failing:
        known = "what is like them is flagged" if failing.model else "too little is known of them to flag what is like them"
        print(f"  - {failing.failed} more designs failed ({failing.reason}): {known}")


@commands.command()
def score(
    model: Path = typer.Argument(..., help="A surrogate's file."),
    data: Path = DataArgument,
    sample: int = typer.Option(None, min=1, help="Instead of DATA: simulate so many designs."),
    workload: list[str] = WorkloadOption,
    seed: int = typer.Option(1, min=0, help="Of --sample, and of the splits."),
    splits: bool = typer.Option(True, help="Also learn anew on splits of DATA: rows at random, and whole workloads."),
    plots: Path = typer.Option(None, help="A .png or .svg: parity, errors by workload, calibration, learning curve."),
    stale: bool = StaleOption,
    json: bool = JsonOption,
) -> None:
    """Compare a surrogate with the simulator: NRMSE, percentage errors, rank correlation, coverage of 90 % intervals."""
    from ..agents.surrogate import Surrogate
    from ..agents.surrogate.accuracy import FIGURES, cross_validate
    from ..agents.surrogate.partial import owners

    if plots is not None:
        check_figure("--plots", plots, model, data, *workload)
        if not splits:
            raise InputError("--plots: needs the splits (without --no-splits)")
    surrogate = Surrogate.load(model, stale=stale)
    known = list(surrogate.encoder.workloads.values())
    samples = _samples(data, sample, surrogate.machine.name, workload or (known if data is None else []), seed, stale)
    rows: list[dict[str, Any]] = []
    notes: list[str] = []
    new = len(surrogate.unseen(samples))
    if not new:
        notes.append("these are samples that it learned from: only the splits say how right it is")
    elif new < len(samples):
        notes.append(f"{len(samples) - new} samples that it learned from are left out of its score")
    if new:
        rows += surrogate.score(samples)
        if not rows:
            notes.append("every design was refused, or there are fewer than two")
        elif refused := rows[0]["refused"]:
            notes.append(f"{refused} of {new} samples were refused: they lie beyond what it saw")
    found = []
    if splits:
        found.append(cross_validate(surrogate, samples, grouped=False, seed=seed))
        kind, owner = owners(samples, surrogate.prefix)
        if len({*owner.tolist()}) > 1:
            found.append(cross_validate(surrogate, samples, grouped=True, seed=seed))
        else:
            notes.append(f"one {kind}: nothing can be said about others")
        rows += [row for part in found for row in part.table()]
    by_workload = found[-1].by_workload() if len(found) > 1 else []
    if plots is not None:
        from ..agents.plots import save_figure
        from ..agents.surrogate.plots import figure, learning_curve

        save_figure(figure(found, learning_curve(surrogate, samples, seed=seed)), plots, dpi=130)
    if json:
        print_json({"surrogate": _about(surrogate), "scores": rows, "workloads": by_workload, "notes": notes})
        return
    title = f"{model}: {surrogate.model.name}, {surrogate.origin.samples} samples"
    print_table(title, rows, ["split", "metric", "rows", *FIGURES])
    if by_workload:
        print_table("whole workloads left out", by_workload, ["workload", "metric", "rows", *FIGURES])
    for note in notes:
        print(f"  - {note}")


@commands.command(context_settings=_FREE)
def predict(
    ctx: typer.Context,
    model: Path = typer.Argument(..., help="A surrogate's file."),
    settings: list[str] = typer.Option([], "--set", "-s", help="A parameter: name=value; --name value too."),
    workload: str = typer.Option(None, "--workload", "-w", help="What to run; the only one it learned from if not given."),
    stale: bool = StaleOption,
    json: bool = JsonOption,
) -> None:
    """Say what the simulator would say of one design, with a 90 % interval."""
    from ..agents.surrogate import Surrogate
    from ..traces.catalog import load

    surrogate = Surrogate.load(model, stale=stale)
    known = list(surrogate.encoder.workloads.values())
    if workload is None and len(known) > 1:
        raise InputError("--workload: the surrogate learned from several; which one?")
    given = {**surrogate.encoder.fixed, **parameter_values(surrogate.machine, settings, ctx.args)}
    said = surrogate.predict([surrogate.machine.design.make(given)], load(workload or known[0]))
    if said.refused[0] is not None:
        raise InputError(f"{model}: {said.refused[0]}")
    rows = []
    for name in surrogate.answers:
        low, high = said.interval(name)
        rows.append({"metric": name, "mean": float(said.mean[name][0]), "std": float(said.std[name][0]),
                     "low_90": float(low[0]), "high_90": float(high[0])})
    if json:
        print_json({"surrogate": _about(surrogate), "metrics": rows, "beyond_training": said.notes[0]})
        return
    how = "predicted, not simulated" if surrogate.prefix is None else f"predicted from {surrogate.prefix:g} of the run"
    print_table(how, rows, ["metric", "mean", "std", "low_90", "high_90"])
    if said.notes[0]:
        print(f"  - a guess: {said.notes[0]}")


def _samples(
    data: Path | None, sample: int | None, machine: str | None, workloads: list[str], seed: int, stale: bool
) -> Samples:
    from ..agents.surrogate import draw, read_samples
    from ..simulator.registry import accelerator as find

    if (data is None) == (sample is None):
        raise InputError("DATA or --sample N: one of them says what was simulated")
    if data is not None:
        return read_samples(data, machine=machine, workloads=workloads, stale=stale)
    if machine is None:
        raise InputError("--sample: of which machine? (accepted: --accelerator NAME)")
    assert sample is not None
    return draw(find(machine), workloads or [find(machine).default_workload], sample, seed=seed)


def _about(surrogate: Surrogate) -> dict[str, Any]:
    origin = surrogate.origin
    return {
        "accelerator": surrogate.machine.name, "model": surrogate.model.name, "metrics": list(surrogate.answers),
        "samples": origin.samples, "workloads": len(surrogate.encoder.workloads), "training": origin.training,
        "version": origin.version, "sources": origin.model, "tried": dict(origin.tried),
        "prefix": surrogate.prefix, "failed": surrogate.failing.failed if surrogate.failing else 0,
    }


def _say(what: str) -> None:
    typer.echo(f"{what} ...", err=True)
