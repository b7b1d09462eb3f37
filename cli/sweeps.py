"""`cyclescape sweep` and `verify`."""

from __future__ import annotations

from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from ..errors import InputError
from ..pages.progress import bar
from .app import app, resumable
from .output import JsonOption, print_json, print_table

if TYPE_CHECKING:
    from ..agents.sweep import Progress


class Scheduler(StrEnum):
    """Batch systems whose job arrays are known."""

    slurm = "slurm"
    lsf = "lsf"
    pbs = "pbs"
    sge = "sge"


_SHOWN = 20


@app.command()
def sweep(
    spec: Path = typer.Argument(..., help="A YAML file: accelerator, workloads, set, grid or sample."),
    out: Path = typer.Option(..., help="Folder for the store; a sweep that was stopped goes on there."),
    jobs: int = typer.Option(1, "--jobs", "-j", min=1, help="Processes (with --shards: of each shard)."),
    cluster: str = typer.Option(
        None, help="Workers elsewhere: dask:tcp://HOST:PORT, dask (this machine), slurm:FILE, lsf:FILE, pbs:FILE."
    ),
    shard: str = typer.Option(None, help="Run shard I/N only, into a file of its own."),
    merge: bool = typer.Option(False, "--merge", help="Bring the rows of all shards into the store."),
    shards: int = typer.Option(None, help="Write the script of a job array of so many shards; needs --scheduler."),
    scheduler: Scheduler = typer.Option(None, help="The batch system that the script is for."),
    directive: list[str] = typer.Option([], help="For the batch system, such as '--time=2:00:00'; may be repeated."),
    json: bool = JsonOption,
) -> None:
    """Simulate every point of a grid or sample; resumes by itself and is safe to kill."""
    ways = {"--cluster": cluster, "--shard": shard, "--merge": merge or None, "--shards": shards}
    given = [name for name, value in ways.items() if value is not None]
    if len(given) > 1 and given != ["--cluster", "--shard"]:
        raise InputError(f"{' and '.join(given)}: one of them")
    if (scheduler is not None or directive) and shards is None:
        raise InputError("--scheduler and --directive belong to --shards N")
    if merge and jobs != 1:
        raise InputError(f"--jobs {jobs}: --merge simulates nothing (accepted: one of them)")
    if shards is not None:
        _write_array(spec, out, shards, scheduler, jobs, directive, json)
    elif merge:
        _merge(spec, out, json)
    else:
        _run(spec, out, jobs, cluster, shard, json)


def _run(spec: Path, out: Path, jobs: int, cluster: str | None, shard: str | None, json: bool) -> None:
    from ..agents.sweep import SweepSpec
    from ..agents.sweep import sweep as run_sweep

    with resumable(), bar(f"sweep of {SweepSpec.read(spec).accelerator}", "rows") as update:

        def progress(state: Progress) -> None:
            update(state.done, state.total, f"{state.failed} failed" if state.failed else "")

        done = run_sweep(spec, out, jobs=jobs, cluster=cluster, shard=shard, progress=progress)
    state = done.progress
    place = done.path if shard else out
    if json:
        print_json({
            "out": str(place), "rows": state.done, "reused": state.reused, "failed": state.failed,
            "seconds": state.seconds,
        })  # fmt: skip
    else:
        print(
            f"{state.done} rows in {place} ({state.reused} were there already, {state.failed} have a reason instead of "
            f"numbers); {state.seconds:.1f} s"
        )


def _write_array(
    spec: Path, out: Path, shards: int, scheduler: Scheduler | None, jobs: int, directives: list[str], json: bool
) -> None:
    from ..agents.shards import write_array
    from ..agents.sweep import checked
    from ..simulator.evaluator import make_evaluator

    if scheduler is None:
        raise InputError(f"--shards {shards}: which batch system? (accepted: --scheduler {', '.join(Scheduler)})")
    asked, executor, machine, *_ = checked(spec, jobs)
    if asked.evaluator:
        make_evaluator(executor, machine, time_limit_s=asked.time_limit_s, engine=asked.engine).close()
    array = write_array(spec, out, shards=shards, scheduler=scheduler.value, jobs=jobs, directives=directives)
    if json:
        print_json({"script": str(array.script), "submit": array.submit, "shards": array.shards})
    else:
        print(f"{array.submit}\n# then: cyclescape sweep {array.script.with_name('spec.yaml')} --out {out} --merge")


def _merge(spec: Path, out: Path, json: bool) -> None:
    from ..agents.shards import merge_shards

    merged = merge_shards(spec, out)
    if json:
        print_json(asdict(merged))
    else:
        print(f"{merged.new} new rows from {merged.shards} shards; {merged.rows} rows in {out}")
        if merged.unfinished:
            listed = ", ".join(map(str, merged.unfinished[:_SHOWN]))
            more = f" and {len(merged.unfinished) - _SHOWN} more" if len(merged.unfinished) > _SHOWN else ""
            print(
                f"not finished: shard {listed}{more}; submit the array again, or run the sweep without --shard to do "
                "the rest here"
            )
    if merged.damaged:
        raise InputError("; ".join(merged.damaged[:3]) + "; the other shards are merged")


@app.command()
def verify(
    directory: Path = typer.Argument(..., help="The folder of a search or sweep, or its store."),
    sample: int = typer.Option(100, min=0, help="Rows to simulate again; 0: all."),
    seed: int = typer.Option(0, min=0, help="The same seed draws the same rows."),
    jobs: int = typer.Option(1, "--jobs", "-j", min=1, help="Processes."),
    json: bool = JsonOption,
) -> None:
    """Check a store: its file, every key, and a sample of rows simulated again, bit for bit; exit 0 only if all hold."""
    from ..simulator.verify import verify as run_verify

    with bar(f"verify {directory}", "rows") as update:

        def progress(done: int, total: int) -> None:
            update(done, total, "")

        evaluator = "direct" if jobs == 1 else f"pool:{jobs}"
        found = run_verify(directory, sample=sample, seed=seed, evaluator=evaluator, progress=progress)
    counts = {outcome: len(found.of(outcome)) for outcome in ("same", "differs", "changed", "not run")}
    if json:
        listed = [asdict(row) for row in found.sample if row.outcome != "same"]
        print_json({
            "store": str(found.path), "ok": found.ok, "rows": found.rows, "damages": found.damages,
            "orphans": found.orphans, "sampled": len(found.sample), **counts, "listed": listed,
        })  # fmt: skip
    else:
        whole = "whole" if not found.damages else "DAMAGED"
        print(f"{found.path}: {found.rows} rows, file and keys {whole}; {len(found.sample)} simulated again: "
              f"{counts['same']} the same, {counts['differs']} differ, {counts['changed']} by other sources of the model, "
              f"{counts['not run']} not run")  # fmt: skip
        for damage in found.damages:
            print(f"  - {damage}")
        if found.orphans:
            print(f"  - {found.orphans} trials whose evaluation is not here")
        for outcome in ("differs", "changed", "not run"):
            rows = [asdict(row) | {"key": row.key[:12]} for row in found.of(outcome)]
            if rows:
                more = "" if len(rows) <= _SHOWN else f", the first {_SHOWN}"
                print_table(f"{outcome}: {len(rows)}{more}", rows[:_SHOWN], ["key", "accelerator", "workload", "note"])
    if not found.ok:
        raise typer.Exit(1)
