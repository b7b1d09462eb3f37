"""Where output goes: tables for people, or one JSON document for programs."""

from __future__ import annotations

import json
import math
import os
import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import typer

from ..errors import InputError

__all__ = ["FIGURES", "JsonOption", "cell", "check_figure", "check_outputs", "print_json", "print_table"]

FIGURES = (".png", ".svg")
JsonOption = typer.Option(False, "--json", help="Print one JSON document instead of tables.")


def check_outputs(outputs: Mapping[str, Path | None], *inputs: str | Path | None, parents: bool = False) -> None:
    """Raise `InputError` where an output cannot be written or would replace what must stay, before anything is computed.

    `outputs` are files by their options. What must stay: a store, the command's own `inputs` (files, or texts that name
    some, such as workloads), and its other outputs. With `parents` missing folders are made later.
    """
    from ..simulator.files import spare_stores

    written: dict[str, Path] = {}
    for option, out in outputs.items():
        if out is None:
            continue
        folder = out.parent
        while parents and not os.path.lexists(folder) and folder != folder.parent:
            folder = folder.parent
        if not os.path.isdir(folder):
            raise InputError(f"{option} {out}: no such folder")
        if not os.access(folder, os.W_OK):
            raise InputError(f"{option} {out}: {folder} may not be written")
        if os.path.isdir(out):
            raise InputError(f"{option} {out}: is a folder (accepted: a file)")
        spare_stores(out)
        for given in inputs:
            if given is not None and any(_same(out, file) for file in _named(given)):
                raise InputError(f"{option} {out}: is read by this very command (accepted: another file)")
        for other, place in written.items():
            if _same(out, place):
                raise InputError(f"{other} and {option}: both would write {out} (accepted: a file for each)")
        written[option] = out


def check_figure(option: str, out: Path, *inputs: str | Path | None) -> None:
    """The same for a figure, whose format is what its name ends in."""
    if out.suffix.lower() not in FIGURES:
        raise InputError(f"{option} {out}: accepted: a file that ends in {' or '.join(FIGURES)}")
    check_outputs({option: out}, *inputs)


def _same(one: Path, other: Path) -> bool:
    if os.path.exists(one) and os.path.exists(other):
        return os.path.samefile(one, other)
    return os.path.realpath(one) == os.path.realpath(other)


def _named(given: str | Path) -> Iterator[Path]:
    """A path, or the files that a text names, such as `a.csv;b.csv:batch=2` or `transfer:file=a.policy`."""
    if not isinstance(given, str):
        yield given
        return
    for part in map(str.strip, (given, *given.split(";"))):
        heads = (part[: colon.start()] for colon in re.finditer(":", part))
        yield from (Path(text) for text in (part, *heads, *re.split("[:=,|]", part)) if os.path.isfile(text))


def print_json(document: Any) -> None:
    """Print a document; numbers that JSON has no word for become null."""
    json.dump(_plain(document), sys.stdout, indent=2, default=str, allow_nan=False)
    sys.stdout.write("\n")


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if hasattr(value, "item"):
        value = value.item()
    return None if isinstance(value, float) and not math.isfinite(value) else value


def print_table(title: str, rows: Iterable[Mapping[str, Any]], columns: Sequence[str]) -> None:
    """Print rows as a table; cells that do not fit are wrapped, never cut."""
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    table = Table(title=title, title_justify="left", box=None, header_style="bold", pad_edge=False)
    for i, column in enumerate(columns):
        table.add_column(column.replace("_", " "), overflow="fold", style="cyan" if i == 0 else "", no_wrap=i == 0)
    for row in rows:
        table.add_row(*(escape(cell(row.get(column))) for column in columns))
    Console().print(table)


def cell(value: Any) -> str:
    """Write a value as tables show it."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:,.4g}"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, list | tuple):
        return _span(list(value))
    return str(value)


def _span(values: list[Any]) -> str:
    """Say a list of explored values briefly."""
    if len(values) > 6:
        return f"{values[0]}, {values[1]}, {values[2]} ... {values[-1]}"
    return ", ".join(str(value) for value in values)
