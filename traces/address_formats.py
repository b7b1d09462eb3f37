"""Request streams from files: LD/ST text, timestamps, DRAMSys `.stl`, CSV, numpy.

Every error is one line that names file, line, value and what is accepted.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import InputError
from ..reading import arrays_in, lines_in, read_bytes
from .addresses import AddressTrace

__all__ = ["read_csv", "read_npz", "read_stl", "read_text", "write_npz", "write_text"]

_STL = re.compile(r"(\d+)\s*:\s*(?:\(\s*\d+\s*\)\s*)?(read|write)\s+(0x[0-9a-f]+)(?:\s+0x[0-9a-f]+)?")
_LARGEST = 256 << 20
"""Bytes of arrays: some 15 million requests."""
_LARGEST_TEXT = 2 << 30
_OPERATIONS = {"LD": False, "R": False, "READ": False, "ST": True, "W": True, "WRITE": True}
_TEXT = "`LD|ST address`, `R|W address`, `address READ|WRITE cycle` or `cycle R|W address`"


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    """Numbered lines without comments and blanks."""
    for number, line in lines_in(path, _LARGEST_TEXT):
        if text := line.partition("#")[0].strip():
            yield number, text


def _cells(path: Path, number: int, line: str) -> list[str]:
    try:
        return [cell.strip() for cell in next(csv.reader([line]), [])]
    except csv.Error as error:
        raise InputError(f"{path}, line {number}: not a line of a CSV file: {error}") from None


def _number(text: str) -> int | None:
    """A whole number, decimal or with 0x, below 2^63."""
    try:
        value = int(text, 0)
    except ValueError:
        return None
    return value if 0 <= value < 1 << 63 else None


def _trace(name: str, path: Path, rows: list[tuple[int, int, bool]]) -> AddressTrace:
    if not rows:
        raise InputError(f"{path}: no requests in it")
    arrival, address, is_write = (np.array(column) for column in zip(*rows))
    falls = np.flatnonzero(np.diff(arrival) < 0)
    if falls.size:
        at = int(falls[0]) + 1
        was = arrival[at - 1]
        raise InputError(f"{path}, request {at + 1}: cycle {arrival[at]} after {was}; accepted: cycles that never fall")
    return AddressTrace(name, arrival, address, is_write, str(path))


def read_text(name: str, path: Path) -> AddressTrace:
    """Read one request a line: LD/ST or R/W with an address, with or without a cycle."""
    rows = []
    for number, line in _lines(path):
        words = line.replace(",", " ").split()
        upper = [word.upper() for word in words]
        at = next((i for i, word in enumerate(upper) if word in _OPERATIONS), -1)
        if len(words) == 2 and at == 0:
            cycle, address = 0, _number(words[1])
        elif len(words) == 3 and at == 1:
            first, last = _number(words[0]), _number(words[2])
            cycle, address = (last, first) if len(upper[1]) > 2 else (first, last)  # type: ignore[assignment]
        else:
            raise InputError(f"{path}, line {number}: {line!r}; accepted: {_TEXT}")
        if address is None or cycle is None:
            raise InputError(f"{path}, line {number}: {line!r} has a number that is none, or not below 2^63; accepted: {_TEXT}")
        rows.append((cycle, address, _OPERATIONS[upper[at]]))
    return _trace(name, path, rows)


def read_stl(name: str, path: Path) -> AddressTrace:
    """Read a DRAMSys trace player file: `cycle: [(length)] read|write 0xaddress [0xdata]`, cycles absolute."""
    rows = []
    for number, line in _lines(path):
        match = _STL.fullmatch(line)
        if match is None or _number(match[3]) is None or _number(match[1].lstrip("0") or "0") is None:
            raise InputError(f"{path}, line {number}: {line!r}; accepted: `cycle: [(length)] read|write 0xaddress [0xdata]`")
        rows.append((int(match[1]), int(match[3], 16), match[2] == "write"))
    return _trace(name, path, rows)


def read_csv(name: str, path: Path) -> AddressTrace:
    """Read a table with the columns `address`, `operation` (LD, ST, R, W, read, write) and, if wanted, `cycle`."""
    lines = _lines(path)
    header = [word.lower() for word in _cells(path, *next(lines, (0, "")))]
    wanted = {"address", "operation"}
    if not wanted <= set(header) <= wanted | {"cycle"}:
        raise InputError(f"{path}: columns {', '.join(header) or 'none'}; accepted: address, operation and, if wanted, cycle")
    rows = []
    for number, line in lines:
        cells = dict(zip(header, _cells(path, number, line)))
        address, cycle = _number(cells.get("address", "")), _number(cells.get("cycle", "0"))
        operation = _OPERATIONS.get(cells.get("operation", "").upper())
        for field, value in (("address", address), ("cycle", cycle), ("operation", operation)):
            if value is None:
                what = "LD, ST, R, W, read, write" if field == "operation" else "a whole number below 2^63"
                raise InputError(f"{path}, line {number}: {field}={cells.get(field, '')!r}; accepted: {what}")
        rows.append((cycle, address, operation))
    return _trace(name, path, rows)  # type: ignore[arg-type]


def read_npz(name: str, path: Path) -> AddressTrace:
    """Read numpy arrays `address`, `is_write` and `arrival` (optional) from an `.npz`; never unpickles."""
    arrays = arrays_in(read_bytes(path, _LARGEST), str(path), _LARGEST)
    if not {"address", "is_write"} <= arrays.keys() <= {"address", "is_write", "arrival"}:
        raise InputError(f"{path}: arrays {', '.join(arrays) or 'none'}; accepted: address, is_write and, if wanted, arrival")
    for key, array in arrays.items():
        if array.ndim != 1 or array.dtype.kind not in "iub":
            raise InputError(f"{path}: {key} is {array.dtype} with {array.ndim} dimensions; accepted: one of whole numbers")
    arrival = arrays.get("arrival", np.zeros(len(arrays["address"])))
    return AddressTrace(name, arrival, arrays["address"], arrays["is_write"], str(path))


def write_npz(trace: AddressTrace, path: Path) -> None:
    """Write what `read_npz` reads."""
    arrays: dict[str, Any] = {"address": trace.address, "is_write": trace.is_write, "arrival": trace.arrival}
    np.savez_compressed(path, **arrays)


def write_text(trace: AddressTrace, path: Path) -> None:
    """Write `cycle R|W address` lines, which `read_text` reads."""
    rows = zip(trace.arrival.tolist(), trace.is_write.tolist(), trace.address.tolist())
    lines = (f"{cycle} {'W' if write else 'R'} {address:#x}\n" for cycle, write, address in rows)
    path.write_text("".join(lines), encoding="utf-8")
