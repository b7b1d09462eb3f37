"""`cyclescape run`: one design on one workload."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import typer

from ..errors import InputError
from .app import app
from .output import JsonOption, check_outputs, print_json
from .settings import parameter_values

_FREE = {"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []}


@app.command(context_settings=_FREE)
def run(
    ctx: typer.Context,
    accelerator: str = typer.Argument(None, help="The machine; see `cyclescape list`."),
    workload: str = typer.Option(None, "--workload", "-w", help="A name, name:key=value, or a file."),
    preset: str = typer.Option(None, help="A named design to start from; see `cyclescape list presets`."),
    design: Path = typer.Option(None, help="A design file, YAML or TOML."),
    settings: list[str] = typer.Option([], "--set", "-s", help="name=value; --name value does the same."),
    engine: str = typer.Option(None, help="compiled (fast) or simpy (the reference)."),
    timeline: Path = typer.Option(None, help="Write a timeline for Perfetto or chrome://tracing."),
    listing: Path = typer.Option(None, help="Write the program and what each instruction waited for; .json for JSON."),
    html: Path = typer.Option(None, help="Write a page with the result."),
    layers: bool = typer.Option(False, "--layers", "-l", help="Print every operator."),
    json: bool = JsonOption,
    help: bool = typer.Option(False, "--help", "-h", is_eager=True, help="Show this, and a machine's parameters."),
) -> None:
    """Simulate one design on one workload: cycles, energy, area, and where every cycle went."""
    if help or accelerator is None:
        _help(ctx, accelerator)
        if accelerator is None and not help:
            raise InputError("run: which accelerator? (see above, and `cyclescape list`)")
        return
    from ..api import accelerator as find
    from ..api import design as make_design
    from ..api import workload as load

    outputs = {"--timeline": timeline, "--listing": listing, "--html": html}
    check_outputs(outputs, workload, design, parents=True)
    machine = find(accelerator)
    values = parameter_values(machine, settings, ctx.args)
    made = make_design(accelerator, preset=preset, file=design, **values)
    given = load(workload or machine.default_workload)
    report = machine.run([made], given, engine=engine)[0]
    if not report.ok:
        raise InputError(f"{accelerator} cannot run {given.name}: {report.reason}")
    if timeline is not None:
        from ..pages.timeline import write_timeline

        write_timeline(timeline, machine.timeline(made, given))
    if listing is not None:
        from ..pages.listing import write_listings

        write_listings(listing, machine.listings(made, given))
    if html is not None:
        from ..pages.run_page import write_run_page

        write_run_page(report, made, given, html)
    if json:
        asked = {"accelerator": accelerator, "workload": given.name, "design": made.model_dump()}
        print_json({**asked, **report.to_dict()})
    else:
        from ..pages.terminal import show_run

        show_run(machine, made, given, report, layers=layers)


def _help(ctx: typer.Context, accelerator: str | None) -> Any:
    print(ctx.get_help())
    if accelerator is not None:
        from .listing import _parameters
        from .output import print_table

        rows, columns = _parameters(accelerator)
        print_table(f"parameters of {accelerator} (--name value)", rows, columns)
