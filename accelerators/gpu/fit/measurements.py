"""Measurements of microbenchmarks: what can be measured, and files of it.

    case,what,cycles
    listing-1-even-even,elapsed,7
    table-2-ldg-regular-32-raw,W0.1,32
    pointer-chase,l2,200
    empty-kernel,blocks=1,2359

`case` is a microbenchmark of this package (`microbenchmarks/micro2025.gasm`) or of a file of one's own, whose numbers then are
the measurements. `what` is `elapsed` (second CLOCK minus first), `end` (one more than the last issue), or `W0.1`: when warp 0
issues its instruction 1, counted from `.origin`. A row without cycles is not measured. Of the whole chip: `pointer-chase` with
`l1`, `l2` or `dram`, cycles of a load that needs the one before; `empty-kernel` with `blocks=N`, cycles of a launch.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from ....errors import InputError
from ....reading import natural, read_table
from ....traces.kernels.assembly import Case, read_assembly
from ..validation import SHIPPED

__all__ = ["CHASE", "EMPTY", "Measurement", "read", "template"]

CHASE, EMPTY = "pointer-chase", "empty-kernel"
_COLUMNS = ("case", "what", "cycles")
_ISSUE = re.compile(r"W(\d{1,6})\.(\d{1,6})")
_BLOCKS = re.compile(r"blocks=([1-9]\d{0,5})")


@dataclass(frozen=True)
class Measurement:
    """One number that was measured."""

    case: Case | None
    """None for what the whole chip does."""
    name: str
    what: str
    cycles: float


def read(path: Path) -> list[Measurement]:
    """Read a CSV of measurements, a file of microbenchmarks with the numbers beside them, or a directory of such files.

    Raises `InputError` with file, line, value and what is accepted.
    """
    if not os.path.exists(path):
        raise InputError(f"{path}: no such file; accepted: a .csv or .gasm file of measurements, or a directory of them")
    files = sorted(file for file in path.iterdir() if file.suffix in (".csv", ".gasm")) if os.path.isdir(path) else [path]
    own = {case.name: case for file in files if file.suffix == ".gasm" for case in read_assembly(file)}
    known = {case.name: case for case in read_assembly(SHIPPED)} | own
    found = [measurement for case in own.values() for measurement in _beside(case)]
    for file in files:
        if file.suffix != ".gasm":
            found += _rows(file, known)
    if not found:
        raise InputError(f"{path}: no measurement; accepted: rows of {', '.join(_COLUMNS)}, or a .gasm file with numbers")
    return found


def template() -> list[tuple[str, str]]:
    """Return (case, what) of everything that can be measured with the shipped microbenchmarks, and of the chip."""
    rows = [(item.name, item.what) for case in read_assembly(SHIPPED) for item in _beside(case)]
    return [*rows, *((CHASE, level) for level in ("l1", "l2", "dram")), (EMPTY, "blocks=1"), (EMPTY, "blocks=4096")]


def _beside(case: Case) -> Iterable[Measurement]:
    """The numbers that stand in a file of microbenchmarks. First issues are no measurement: cycles are counted from them."""
    for warp in range(case.warps):
        for i, expected in enumerate(case.expects(warp)):
            cycle = expected.cycle(warp)
            if cycle is not None and cycle > case.origin:
                yield Measurement(case, case.name, f"W{warp}.{i}", cycle)
    for what, words, where in case.expectations:
        if what in ("elapsed", "end"):
            cycles = natural(words[0]) if len(words) == 1 else None
            if cycles is None:
                raise InputError(f"{where}: .expect {what} {' '.join(words)}; accepted: .expect {what} CYCLES")
            yield Measurement(case, case.name, what, cycles)


def _rows(path: Path, known: dict[str, Case]) -> Iterable[Measurement]:
    seen: dict[tuple[str, str], int] = {}
    for line, cells in read_table(path, _COLUMNS):
        where = f"{path}:{line}"
        name, what, text = (cells[column] for column in _COLUMNS)
        case = _case(where, name, what, known)
        if (name, what) in seen:
            raise InputError(f"{where}: {name} {what} was measured in line {seen[name, what]} already")
        seen[name, what] = line
        if text:
            yield Measurement(case, name, what, _cycles(where, text))


def _cycles(where: str, text: str) -> float:
    try:
        cycles = float(text)
    except ValueError:
        cycles = math.nan
    if not 0 <= cycles <= 1e9:
        raise InputError(f"{where}: cycles: {text!r}; accepted: a number from 0 to 1e9, or nothing")
    return cycles


def _case(where: str, name: str, what: str, known: dict[str, Case]) -> Case | None:
    """Check what a row names."""
    if name == CHASE:
        _accept(where, what, what in ("l1", "l2", "dram"), "l1, l2, dram")
        return None
    if name == EMPTY:
        _accept(where, what, bool(_BLOCKS.fullmatch(what)), "blocks=N")
        return None
    case = known.get(name)
    if case is None:
        raise InputError(f"{where}: case: {name!r} is not known; accepted: a case of {SHIPPED.name} or of a .gasm file beside "
                         f"it, {CHASE}, {EMPTY}")
    issue = _ISSUE.fullmatch(what)
    programs = [case.program(warp) for warp in range(case.warps)]
    if what == "elapsed":
        _accept(where, what, _clocks(programs[0]) == 2, "elapsed for a case with two CLOCKs")
    elif issue:
        warp, index = int(issue[1]), int(issue[2])
        _accept(where, what, warp < len(programs) and index < len(programs[warp]), "a warp and an instruction of the case")
    else:
        _accept(where, what, what == "end", "elapsed, end, or W0.1 for the issue of instruction 1 of warp 0")
    return case


def _clocks(program: Sequence[object]) -> int:
    return sum(getattr(item, "base", "") == "CS2R" for item in program)


def _accept(where: str, what: str, fine: bool, accepted: str) -> None:
    if not fine:
        raise InputError(f"{where}: what: {what!r}; accepted: {accepted}")
