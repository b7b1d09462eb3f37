"""Kernels measured on an H100 PCIe, and the same kernels simulated.

The directory has a table `*kernel_cycles.csv` (benchmark, profiler, clock_mhz, params, cycles, time_us) and a
folder `traces` of Accel-Sim traces. A row is simulated if its kernel is empty or its trace is there:

    simtune/emptykernel         an EXIT for every warp
    simtune/ffmakernel*         with iters=N: the warp of traces/ffma-1x32-N; without: that of traces/ffma-4096-16
    rodinia/b+tree              block=128 size=1000: traces/btree-128-1000, both kernels
    polybench/2dconv            our own kernel of the same algorithm, compiled for sm_90 (cuda-convolution), blocks of 8 rows
    cuda-sdk/vectoradd          the same (cuda-vector-add)

All warps of a kernel of the first two kinds do the same, so that one warp's trace serves every grid.
"""

from __future__ import annotations

import math
import re
import statistics
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ...errors import InputError
from ...reading import read_table
from ...simulator.gpu.execute import execute
from ...simulator.validation import Check, Validation
from ...traces.kernels.accelsim import read_kernels_list
from ...traces.kernels.assembly import parse_instruction
from ...traces.kernels.compiled import KERNELS
from ...traces.kernels.trace import Kernel
from .design import GpuCoreDesign

__all__ = ["compare"]

GOAL = 0.14
"""Mean absolute error aimed at."""
PUBLISHED = "MICRO 2025 reports 13.45 % for its model of an A6000 and 34.03 % for Accel-Sim, over 128 benchmarks"
MOST_INSTRUCTIONS = 500_000
MOST_ELEMENTS = 2**18
"""Of the kernels that are compiled by us, so that a comparison takes a minute."""
_COLUMNS = ("benchmark", "profiler", "clock_mhz", "params", "cycles", "time_us")


@dataclass(frozen=True)
class Row:
    """One measurement."""

    benchmark: str
    profiler: str
    clock_mhz: float
    params: dict[str, int]
    cycles: float
    time_us: float

    @property
    def name(self) -> str:
        """The row in words."""
        return f"{self.benchmark} {self.profiler} " + " ".join(f"{k}={v}" for k, v in self.params.items())


def compare(directory: Path) -> Validation:
    """Simulate every row that can be, and compare cycles; the one check is the mean absolute error over all.

    The cost of a launch is taken for each profiler from its empty kernels of at most four thread blocks, which
    are left out of the mean. Raises `InputError` for a directory without a table or with one that cannot be read.
    """
    tables = sorted(directory.glob("*kernel_cycles.csv"))
    if not tables:
        raise InputError(f"{directory}: no table *kernel_cycles.csv; accepted: a directory with one, and a folder traces")
    rows = _read(tables[0])
    design = GpuCoreDesign.make({"launch_cycles": 0}, preset="h100-pcie")
    kernels = _Kernels(directory / "traces")
    alone = execute(kernels.empty, design.machine()).cycles
    launches = {profiler: cycles - alone for profiler, cycles in _launches(rows).items()}
    left_out: Counter[str] = Counter()
    checks: list[Check] = []
    simulated: dict[tuple[object, ...], int] = {}
    for row in rows:
        work, reason = kernels.of(row)
        if reason or row.profiler not in launches:
            left_out[reason or f"{row.profiler}: no empty kernel to take the launch from"] += 1
            continue
        key = tuple((id(k.instructions), k.warps, k.warps_per_cta, k.warp_instructions) for k in work)
        if key not in simulated:
            simulated[key] = sum(execute(kernel, design.machine()).cycles for kernel in work)
        got = simulated[key] + launches[row.profiler] * len(work)
        expected = row.cycles if row.clock_mhz != 345 else row.time_us * design.frequency_mhz
        checks.append(Check(row.name, _field(row), round(expected), round(got), True))
    if not checks:
        raise InputError(f"{directory}: no row can be simulated: {dict(left_out)}")
    error = statistics.fmean(check.error for check in checks)
    whole = Check(f"all {len(checks)} rows", "mean_absolute_error", GOAL, error, error <= GOAL, "at most the goal")
    notes = [
        f"mean absolute error {100 * error:.2f} % over {len(checks)} rows, goal {100 * GOAL:g} %; {PUBLISHED}",
        *(f"launch with {name}: {value:.0f} cycles, fitted to its empty kernels of at most four thread blocks"
          for name, value in launches.items()),
        *(f"{name}: mean absolute error {100 * value:.2f} % over {count} rows" for name, value, count in _by_field(checks)),
        *_not_fitted(checks),
        *(f"left out: {count} rows, {reason}" for reason, count in left_out.most_common()),
    ]
    return Validation("kernel cycles measured on an H100 PCIe", str(directory), (*checks, whole), notes=tuple(notes))


def _field(row: Row) -> str:
    return row.benchmark.replace("/", "_").replace("+", "").replace("-", "_") + "_cycles"


def _by_field(checks: list[Check]) -> list[tuple[str, float, int]]:
    fields = dict.fromkeys(check.field for check in checks)
    found = [(name, [check.error for check in checks if check.field == name]) for name in fields]
    return [(name, statistics.fmean(errors), len(errors)) for name, errors in found]


def _not_fitted(checks: list[Check]) -> list[str]:
    """Launch, dispatch, turn-around and branch were fitted to the sweeps of simtune; to the other rows nothing was."""
    errors = [check.error for check in checks if not check.field.startswith("simtune")]
    return [f"rows that nothing was fitted to: mean absolute error {100 * statistics.fmean(errors):.2f} % over {len(errors)} "
            f"rows, {100 * max(errors):.1f} % at most"] if errors else []


def _read(path: Path) -> list[Row]:
    return [_row(path, number, cells) for number, cells in read_table(path, _COLUMNS)]


def _row(path: Path, number: int, cells: dict[str, str]) -> Row:
    params = {key: int(value) for key, value in re.findall(r"(\w+)=(\d{1,9})(?:\s|$)", cells["params"] or "")}
    try:
        clock, cycles, time = (float(cells[name]) for name in ("clock_mhz", "cycles", "time_us"))
    except ValueError:
        clock = math.nan
    if not (0 < clock < 1e6 and 0 < cycles < 1e15 and 0 < time < 1e12):
        raise InputError(f"{path}:{number}: clock_mhz, cycles and time_us; accepted: numbers above 0")
    return Row(cells["benchmark"], cells["profiler"], clock, params, cycles, time)


def _is_empty(row: Row) -> bool:
    return row.benchmark == "simtune/emptykernel" and {"block", "thread"} <= row.params.keys()


def _small(row: Row) -> bool:
    return _is_empty(row) and row.params["block"] <= 4


def _launches(rows: list[Row]) -> dict[str, float]:
    by_profiler: dict[str, list[float]] = {}
    for row in rows:
        if _small(row):
            by_profiler.setdefault(row.profiler, []).append(row.cycles)
    return {profiler: statistics.median(cycles) for profiler, cycles in by_profiler.items()}


class _Kernels:
    """Finds, and keeps, the kernels of rows."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.read: dict[str, tuple[Kernel, ...]] = {}
        exit_ = parse_instruction("EXIT")
        self.empty = Kernel("empty", (exit_,), np.zeros(1, np.int32), np.zeros(1, np.int64), np.ones(1, np.int64), 1, False)

    def of(self, row: Row) -> tuple[tuple[Kernel, ...], str]:
        """The kernels of a row, or none and why."""
        if _small(row):
            return (), "empty kernels that the launch is fitted to"
        if row.benchmark == "rodinia/b+tree" and row.params == {"block": 128, "size": 1000}:
            found = self.trace("btree-128-1000")
            return found, "" if found else "no trace"
        if row.benchmark in ("polybench/2dconv", "cuda-sdk/vectoradd"):
            return _own(row)
        if row.clock_mhz == 345:
            return (), "cycles by the idle clock, and no trace of the run"
        if not {"block", "thread"} <= row.params.keys() or not row.benchmark.startswith("simtune/"):
            return (), "no trace of the run"
        if _is_empty(row):
            one: Kernel = self.empty
        else:
            iters = row.params.get("iters")
            found = self.trace("ffma-4096-16" if iters is None else f"ffma-1x32-{iters}")
            if not found:
                return (), "no trace of that number of iterations"
            one = found[0]
        blocks, warps = row.params["block"], -(-row.params["thread"] // 32)
        if not 0 < blocks * warps * int(one.warp_length[0]) <= MOST_INSTRUCTIONS:
            return (), f"no, or more than {MOST_INSTRUCTIONS} warp instructions"
        return (_grid(one, blocks, warps),), ""

    def trace(self, name: str) -> tuple[Kernel, ...]:
        if name not in self.read:
            path = self.folder / name / "kernelslist.g"
            self.read[name] = read_kernels_list(name, path).kernels if path.is_file() else ()
        return self.read[name]


def _own(row: Row) -> tuple[tuple[Kernel, ...], str]:
    """The kernel of this package that does the same work."""
    size = row.params["size"]
    convolution = row.benchmark == "polybench/2dconv"
    if (size * size if convolution else size) > MOST_ELEMENTS:
        return (), f"more than {MOST_ELEMENTS} elements"
    sizes = (size, size, row.params["blockDimX"]) if convolution else (size,)
    host = KERNELS["convolution" if convolution else "vector_add"].run("sm_90", *sizes)
    return tuple(host.kernels), ""


def _grid(kernel: Kernel, ctas: int, warps: int) -> Kernel:
    """The kernel with every warp doing what its first one does."""
    count = ctas * warps
    length = int(kernel.warp_length[0])
    start = int(kernel.warp_start[0])
    return Kernel(
        kernel.name, kernel.instructions, kernel.stream[start : start + length], np.zeros(count, np.int64),
        np.full(count, length), warps, False, registers=kernel.registers,
    )
