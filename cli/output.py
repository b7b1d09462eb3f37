"""Where output goes: tables for people, or one JSON document for programs."""

from __future__ import annotations

import json
import math
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import typer

from ..errors import InputError

__all__ = ["JsonOption", "cell", "check_place", "print_json", "print_table"]

JsonOption = typer.Option(False, "--json", help="Print one JSON document instead of tables.")


def check_place(out: Path) -> None:
    """Raise `InputError` where no file can be written, before anything is computed for it."""
    if not os.path.isdir(out.parent):
        raise InputError(f"{out}: no such folder")
    if os.path.isdir(out):
        raise InputError(f"{out}: is a folder (accepted: a file)")


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
