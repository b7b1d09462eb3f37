"""`cyclescape fit`: a design from what was measured."""

from __future__ import annotations

import csv
import sys
from pathlib import Path
from typing import Any

import typer
import yaml

from ..errors import InputError
from .app import app
from .output import JsonOption, check_outputs, print_json, print_table
from .settings import parameter_values

_SHOWN = 40
_COLUMNS = ["parameter", "value", "before", "status", "others", "measured", "mean_error_cycles"]
_MEANINGS = (
    "determined: no other value explains the measurements as well; several: the others do, too; together: it can move if the "
    "others do; mean error: of the measurements that it matters to"
)


@app.command()
def fit(
    kind: str = typer.Argument(..., help="The machine; see `cyclescape list`."),
    measurements: Path = typer.Argument(None, help="A file of measurements, or a directory of them."),
    out: Path = typer.Option(None, "--out", "-o", help="Write the design: a file that ends in .yaml or .yml."),
    preset: str = typer.Option(None, help="A named design that what is not measured is taken from."),
    settings: list[str] = typer.Option([], "--set", "-s", help="name=value: known, and not fitted."),
    template: bool = typer.Option(False, help="Print, as CSV, everything that can be measured."),
    json: bool = JsonOption,
) -> None:
    """Fit a design to microbenchmarks that were measured on hardware, and say what they leave open."""
    from ..simulator.files import write_whole
    from ..simulator.registry import accelerator

    machine = accelerator(kind)
    if template:
        writer = csv.writer(sys.stdout, lineterminator="\n")
        writer.writerows([("case", "what", "cycles"), *((*row, "") for row in machine.measurable())])
        return
    if measurements is None:
        raise InputError("fit: which measurements? accepted: a file or a directory, or --template")
    if out is not None:
        if out.suffix not in (".yaml", ".yml"):
            raise InputError(f"--out {out}: accepted: a file that ends in .yaml or .yml")
        check_outputs({"--out": out}, measurements)
    found = machine.fit(measurements, preset=preset, **parameter_values(machine, settings))
    if out is not None:
        head = f"# Fitted to {found.measurements} measurements, {len(found.unexplained)} of which it does not give.\n"
        write_whole(out, head + yaml.safe_dump(found.document(), sort_keys=False))
    if json:
        print_json(found.to_dict())
        return
    rows = [{**row, "others": _short(row["others"]), "measured": row["measurements"]} for row in found.rows]
    print_table(f"fitted to {found.measurements} measurements", rows, _COLUMNS)
    print(_MEANINGS)
    if found.unexplained:
        shown = found.unexplained[:_SHOWN]
        print_table(f"{len(found.unexplained)} measurements that no such design gives", shown, list(shown[0]))


def _short(others: list[Any]) -> Any:
    """Names without what they all end in; numbers as they are."""
    return [str(other).removesuffix("_cycles") if isinstance(other, str) else other for other in others] or None
