"""What a design gives for each measurement, and which parameters can matter to it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ....errors import InputError
from ....simulator.gpu.execute import execute
from ....simulator.gpu.isa import op_class
from ....simulator.gpu.lower import lower
from ....simulator.gpu.microbenchmark import kernel_of, run_case
from ....traces.kernels.assembly import Case, parse_instruction
from ....traces.kernels.trace import Kernel
from ..design import GpuCoreDesign
from ..latencies import LATENCIES
from .measurements import CHASE, EMPTY, Measurement

__all__ = ["FITTED", "NUMERIC", "STEP", "STRUCTURE", "Simulated"]

LINE = 128
STRUCTURE: dict[str, tuple[Any, ...]] = {
    "read_ports": (1, 2, 3, 4), "register_cache": (True, False), "instruction_buffer": tuple(range(1, 9)), "fp32_pipes": (1, 2),
    "memory_queue": tuple(range(1, 13)), "port_interval": tuple(range(1, 9)), "address_interval_cycles": tuple(range(1, 13)),
}
NUMERIC: dict[str, tuple[int, int]] = {
    **{f"{name}_cycles": (0, 400) for name in LATENCIES},
    **{f"{name}_cycles": (7, 400) for name in ("load_war", "store_war", "constant_war_immediate", "constant_war_regular")},
    **{f"{name}_cycles": (12, 400) for name in (
        "global_return", "shared_return", "shared_minimum", "constant_return", "async_copy")},
    "constant_miss_cycles": (5, 1000), "l2_extra_cycles": (0, 5000), "dram_extra_cycles": (0, 5000),
    "launch_cycles": (0, 100_000), "dispatch_milli_cycles": (0, 100_000),
}
"""Parameter to the least and the greatest value that is tried."""
STEP = {"dispatch_milli_cycles": 50}
"""By how much a parameter is moved to see what it does; by 1 if not here."""
FITTED = (*STRUCTURE, *NUMERIC)
Point = Mapping[str, Any]


class Simulated:
    """The measurements as functions of a point: values of the fitted parameters, over a base of others."""

    def __init__(self, base: Mapping[str, Any], preset: str | None, measurements: Sequence[Measurement]) -> None:
        self.base, self.preset, self.measurements = dict(base), preset, list(measurements)
        groups: dict[str, list[int]] = {}
        for i, item in enumerate(self.measurements):
            groups.setdefault(item.name if item.case is not None else f"{item.name} {item.what}", []).append(i)
        self.groups = list(groups.values())
        start = self.design({})
        self.start = {name: getattr(start, name) for name in FITTED}
        self.relevant = [self._relevant(self.measurements[group[0]]) for group in self.groups]
        self._known: dict[tuple[Any, ...], np.ndarray] = {}
        self._kernels = {item.name: kernel_of(item.case) for item in self.measurements if item.case is not None}

    def design(self, point: Point) -> GpuCoreDesign:
        """The design at a point; raises `InputError` for a base that is none."""
        return GpuCoreDesign.make({**self.base, **point}, preset=self.preset)

    def values(self, point: Point) -> np.ndarray:
        """What every measurement would be, float64."""
        found = np.zeros(len(self.measurements))
        for number, group in enumerate(self.groups):
            found[group] = self.group(number, point)
        return found

    def group(self, number: int, point: Point) -> np.ndarray:
        """What the measurements of one microbenchmark would be."""
        key = (number, *(point[name] for name in self.relevant[number]))
        if key not in self._known:
            self._known[key] = self._simulate(self.groups[number], point)
        return self._known[key]

    def of(self, parameter: str) -> list[int]:
        """The groups to which a parameter can matter."""
        return [number for number, names in enumerate(self.relevant) if parameter in names]

    # -- one microbenchmark --------------------------------------------------------------------------------------

    def _simulate(self, group: Sequence[int], point: Point) -> np.ndarray:
        first = self.measurements[group[0]]
        design = self.design(point)
        if first.name == CHASE and first.case is None:
            return np.array([_chase(design, first.what)])
        if first.name == EMPTY and first.case is None:
            return np.array([_empty(design, int(first.what.partition("=")[2]))], float)
        assert first.case is not None
        outcome = run_case(first.case, design.machine().core, self._kernels[first.name])
        issue = outcome.issue + first.case.origin
        return np.array([_measured(first.case, issue, self.measurements[i].what) for i in group], float)

    def _relevant(self, item: Measurement) -> tuple[str, ...]:
        """The parameters that can matter to a microbenchmark, a few more at worst."""
        if item.case is None:
            chased = ("l2_extra_cycles",) * (item.what != "l1") + ("dram_extra_cycles",) * (item.what == "dram")
            latency = ("load_war_cycles", "global_address_cycles", "per_register_cycles", "global_return_cycles",
                       "regular_return_cycles")
            return (*latency, *chased) if item.name == CHASE else ("launch_cycles", "dispatch_milli_cycles")
        instructions = kernel_of(item.case).instructions
        classes = [op_class(i.opcode) for i in instructions]
        memory, constants = any(c.unit == "memory" for c in classes), any(
            op.kind == "c" for i, c in zip(instructions, classes) if not c.variable for op in i.operands)
        names = ["read_ports", "register_cache", "instruction_buffer"]
        names += ["fp32_pipes"] * any(c.unit == "fp32" for c in classes) + ["constant_miss_cycles"] * constants
        names += ["memory_queue", "port_interval", "address_interval_cycles"] * memory
        names += [f"{name}_cycles" for name in LATENCIES if memory and self._changes_times(instructions, name)]
        return tuple(name for name in names if name not in item.case.settings)

    def _changes_times(self, instructions: Sequence[Any], latency: str) -> bool:
        name = f"{latency}_cycles"
        tables = [lower(instructions, self.design({name: value}).machine().core, control_bits=True)
                  for value in (12, self.start[name], 400)]
        return any((table != tables[1]).any() for table in tables)


def _measured(case: Case, issue: np.ndarray, what: str) -> float:
    if what == "elapsed":
        clocks = [int(issue[0, i]) for i, item in enumerate(case.program(0)) if item.base == "CS2R"]
        return clocks[1] - clocks[0]
    if what == "end":
        return int(issue.max()) + 1 - case.origin
    warp, _, index = what[1:].partition(".")
    return int(issue[int(warp), int(index)])


# -- the chip ------------------------------------------------------------------------------------------------------


def _chase(design: GpuCoreDesign, level: str) -> float:
    """Cycles of a load that needs the one before and hits one level, without what stands before and behind them."""
    if level == "l1":
        return (_loads(design, [0] * 129) - _loads(design, [0] * 65)) / 64
    if level == "dram":
        return (_loads(design, range(129)) - _loads(design, range(65))) / 64
    lines = range(2 * design.l1_kib * 1024 // LINE)  # twice what the L1 holds, read twice
    if 2 * design.l1_kib > design.l2_kib:
        raise InputError(f"{CHASE} l2: an L1 of {design.l1_kib} KiB and an L2 of {design.l2_kib} KiB cannot be told apart")
    return (_loads(design, [*lines, *lines]) - _loads(design, lines)) / len(lines)


def _loads(design: GpuCoreDesign, lines: Sequence[int]) -> int:
    """Cycles until the last of loads of one lane, each of which has its address from the one before, has issued."""
    program = (parse_instruction("LDG.E.64 R2, [R2.64] {S2 W0 M0}", 0), parse_instruction("EXIT {S5}", 16))
    count = len(lines)
    stream = np.array([0] * count + [1], np.int32)
    starts = np.array([*range(count + 1), count], np.int64)
    kernel = Kernel(CHASE, program, stream, np.zeros(1, np.int64), np.array([count + 1]), 1, True, starts,
                    LINE * np.array(lines, np.int64))
    outcome = execute(kernel, replace(design.machine(), sms=1), record=True)
    return int(outcome.issue[0, count - 1])


def _empty(design: GpuCoreDesign, blocks: int) -> int:
    program = (parse_instruction("EXIT {S5}"),)
    zeros, ones = np.zeros(blocks, np.int64), np.ones(blocks, np.int64)
    kernel = Kernel(EMPTY, program, np.zeros(1, np.int32), zeros, ones, 1, True)
    return execute(kernel, design.machine()).cycles + design.launch_cycles
