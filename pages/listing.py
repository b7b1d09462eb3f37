"""Annotated listings as a file: JSON for programs, else aligned text for people."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from ..simulator.files import write_whole
from ..simulator.listing import Listing

__all__ = ["write_listings"]


def write_listings(out: str | Path, listings: Iterable[Listing]) -> Path:
    """Write listings to `out`, as JSON if it ends in .json; raises `InputError` for a place that cannot be written."""
    target = Path(out)
    if target.suffix == ".json":
        documents = [{"name": one.name, "notes": list(one.notes),
                      "instructions": {key: np.asarray(column).tolist() for key, column in one.table.columns.items()}}
                     for one in listings]
        return write_whole(target, json.dumps(documents) + "\n", parents=True)
    return write_whole(target, "\n".join("\n".join(_text(one)) for one in listings) + "\n", parents=True)


def _text(listing: Listing) -> Iterator[str]:
    yield f"# {listing.name}"
    yield from (f"# {note}" for note in listing.notes)
    columns = {key: np.asarray(column).tolist() for key, column in listing.table.columns.items()}
    # A column of nothing but zeros says nothing to a person.
    shown = [key for key, column in columns.items() if any(column)]
    cells = [[key, *(_cell(key, value) for value in columns[key])] for key in shown]
    widths = [max(map(len, column)) for column in cells]
    for row in zip(*cells, strict=True):
        yield "  ".join(cell.ljust(width) if isinstance(columns[key][0], str) else cell.rjust(width)
                        for key, cell, width in zip(shown, row, widths, strict=True)).rstrip()


def _cell(key: str, value: object) -> str:
    if key == "pc":
        return f"{value:#x}"
    return "" if value == 0 else str(value)
