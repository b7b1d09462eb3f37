"""What happened to each operator, in words: its tiles or what it was fused into, what stayed on chip, and why not."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence

import numpy as np

from ...traces.workload import Workload
from .design import SystolicDesign
from .lowering import JobTable, field
from .program import ORDERS, RESULT
from .schedule import NEVER, Place, place

__all__ = ["notes"]

_MOST_NAMES = 4


def notes(
    design: SystolicDesign, workload: Workload, jobs: JobTable, rows: np.ndarray, cuts: tuple[int, ...] = ()
) -> list[str]:
    """Return one note for each operator, of the result rows of one design (of a pipeline: of its stages)."""
    names = [workload.operators[i].name for i in jobs.operator]
    found = place(jobs, design.widths[2], cuts)
    readers: list[list[int]] = [[] for _ in names]
    for j, operands in enumerate(jobs.reads):
        for tensor in dict.fromkeys(t for operand in operands for t in operand if t >= 0):
            readers[tensor].append(j)
    out: list[list[str]] = [[] for _ in workload.operators]
    head = 0
    for j, row in enumerate(rows):
        result = dict(zip(RESULT, row.tolist(), strict=True))
        if result["fused"] < 0:
            parts = [f"fused into {names[head]}"]
        else:
            head = j
            parts = [_tiles(jobs.unique[jobs.use[j]], result, design.arrays)]
        near = [t for t in _near(design, jobs, found, j) if result["fused"] >= 0 or t != j - 1]
        parts += [f"{_listed(names[t] for t in near)} on chip"] if near else []
        if j == len(rows) - 1 or rows[j + 1, RESULT.index("fused")] >= 0:
            parts += _output(design, jobs, found, j, readers[j], names, cuts)
        out[jobs.operator[j]].append("; ".join(parts))
    return [" | ".join(parts) for parts in out]


def _tiles(job: np.ndarray, result: dict[str, int], arrays: int) -> str:
    if job[field("vector")]:
        return f"{result['tile_m']} elements at a time"
    order = "".join("mnk"[dim] for dim in ORDERS[result["order"]])
    groups = f"{result['tile_groups']} groups of " if result["tile_groups"] > 1 else ""
    groups += f"{result['packed']} to a fold, " if result["packed"] > 1 else ""
    text = f"{groups}{result['tile_m']}x{result['tile_n']}x{result['tile_k']} tiles, {order}"
    return f"{text} on {result['arrays']} of {arrays} arrays" if arrays > 1 else text


def _whole(found: Place, operand: Sequence[int], reader: int) -> int:
    """Return the room from which on all of an operand is on chip."""
    return max(found.room_at.get((tensor, reader), NEVER) for tensor in operand)


def _near(design: SystolicDesign, jobs: JobTable, found: Place, j: int) -> list[int]:
    """Return the tensors that job j takes from the chip."""
    buffer = design.activation_sram_kib * 8192
    near = [operand for operand in jobs.reads[j] if _whole(found, operand, j) <= buffer]
    return list(dict.fromkeys(tensor for operand in near for tensor in operand))


def _output(
    design: SystolicDesign, jobs: JobTable, found: Place, tensor: int, readers: Sequence[int], names: Sequence[str],
    cuts: Sequence[int],
) -> Iterable[str]:
    """Yield who finds an output on chip, and who does not, and why."""
    if not readers:
        yield "output to memory, as a result"
        return
    buffer = design.activation_sram_kib * 8192
    stays: list[str] = []
    missed: dict[str, list[str]] = {}
    for j in readers:
        reader = names[j] if names[j] != names[tensor] else "its next step"
        room = max(_whole(found, operand, j) for operand in jobs.reads[j] if tensor in operand)
        if room <= buffer:
            stays.append(reader)
            continue
        if bisect_right(cuts, j) != bisect_right(cuts, tensor):
            why = "in a later stage"
        elif found.bits[tensor] > buffer:
            why = f"its {_kib(found.bits[tensor])} exceed the buffer"
        elif room == NEVER:
            why = "read together with what is in memory"
        else:
            why = f"with what is kept beside it a buffer of {_kib(room)} would do"
        missed.setdefault(why, []).append(reader)
    if stays:
        yield f"output stays for {_listed(stays)}"
    for why, whom in missed.items():
        yield f"output to memory for {_listed(whom)}: {why}"


def _kib(bits: int) -> str:
    return f"{bits / 8192:,.5g} KiB"


def _listed(names: Iterable[str]) -> str:
    """Return the names, each once; of many, how many more there are."""
    once = list(dict.fromkeys(names))
    more = len(once) - _MOST_NAMES
    return ", ".join(once[:_MOST_NAMES]) + (f" and {more} more" if more > 0 else "")
