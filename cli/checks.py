"""`cyclescape validate` and `cyclescape bench`: what is claimed, shown to hold."""

from __future__ import annotations

import inspect
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from ..errors import InputError, did_you_mean
from .app import app
from .output import JsonOption, print_json, print_table

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ..simulator.accelerator import Accelerator
    from ..simulator.benchmark import Measurement
    from ..simulator.validation import Validation

_SHOWN = 20


@app.command()
def validate(
    kind: str = typer.Argument(..., help="The machine (see `cyclescape list`), or `networks`: published MACs and parameters."),
    table: Path = typer.Argument(None, help="A table of the shipped one's form; the shipped one if not given."),
    timings: Path = typer.Option(None, help="Devices of one's own for the table (YAML); machine dram-controller only."),
    differences: bool = typer.Option(False, help="Print every deliberate difference, not only how many."),
    json: bool = JsonOption,
) -> None:
    """Rerun the checks against reference numbers; exit 0 only if every row holds."""
    outcome = _outcome(kind, table, timings)
    if json:
        print_json(outcome.to_dict())
    else:
        print(outcome)
        print_table("", outcome.summary(), ["field", "checks", "held", "largest_error"])
        for note in outcome.notes:
            print(f"  - {note}")
        failures = [asdict(check) for check in outcome.failures]
        if failures:
            print_table(f"{len(failures)} do not hold", failures[:_SHOWN], ["row", "field", "expected", "got", "note"])
        if outcome.differences:
            listed = [asdict(difference) for difference in outcome.differences]
            more = "" if differences else f" (the first {min(_SHOWN, len(listed))}; --differences shows all)"
            shown = listed if differences else listed[:_SHOWN]
            columns = ["row", "field", "theirs", "ours", "reason"]
            print_table(f"{len(listed)} deliberate differences{more}", shown, columns)
    if not outcome.ok:
        raise typer.Exit(1)


def _outcome(kind: str, table: Path | None, timings: Path | None) -> Validation:
    if kind == "networks":
        if timings is not None:
            raise InputError("--timings: networks take none")
        from ..simulator.networks import validate_networks

        return validate_networks(table)
    from ..simulator.registry import accelerator, accelerator_names

    known = accelerator_names()
    if kind not in known and not any(name.startswith(f"{kind}-") for name in known):
        names = sorted({*known, "networks"})
        hint = did_you_mean(kind, names)
        raise InputError(f"validate {kind!r}: there is no such check{hint} (accepted: {', '.join(names)})")
    machine = accelerator(kind)
    if timings is None:
        return machine.validate(table)
    if "timings" in inspect.signature(machine.validate).parameters:
        return machine.validate(table, timings=timings)  # type: ignore[call-arg]
    raise InputError(f"--timings: {kind} takes none")


@app.command()
def bench(
    kind: str = typer.Argument(None, help="The machine, or `surrogate`; every machine that has a benchmark if not given."),
    traces: Path = typer.Option(None, help="A directory of Accel-Sim traces to measure instead; machine gpu-core only."),
    json: bool = JsonOption,
) -> None:
    """Measure speed here and now, side by side: CPU time, medians."""
    from ..simulator.registry import accelerator, accelerators

    if traces is not None and kind is None:
        raise InputError("--traces: which machine? accepted: bench gpu-core --traces DIR")
    rows: list[dict[str, Any]] = []
    if kind == "surrogate" and traces is None:
        from ..agents.surrogate.bench import bench as of_surrogates

        rows = [{"machine": kind, **asdict(m), "ok": m.ok} for m in of_surrogates()]
        _show(rows, json)
        return
    for machine in [accelerator(kind)] if kind else accelerators():
        try:
            measured = list(machine.bench() if traces is None else _with_traces(machine, traces))
        except InputError:
            if kind:
                raise
            continue
        rows += [{"machine": machine.name, **asdict(m), "ok": m.ok} for m in measured]
    _show(rows, json)


def _show(rows: list[dict[str, Any]], json: bool) -> None:
    if json:
        print_json(rows)
        return
    for row in rows:
        limit = {"at_most": "<=", "at_least": ">="}
        row["bar"] = ", ".join(f"{sign} {row[key]:g}" for key, sign in limit.items() if row[key] is not None)
    print_table("speed", rows, ["machine", "name", "value", "unit", "bar", "ok", "note"])


def _with_traces(machine: Accelerator, traces: Path) -> Iterable[Measurement]:
    if "traces" in inspect.signature(machine.bench).parameters:
        return machine.bench(traces=traces)  # type: ignore[call-arg]
    raise InputError(f"--traces: {machine.name} takes none")
