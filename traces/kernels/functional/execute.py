"""Execute a kernel: results in memory, and what every warp did, in order, with its addresses.

All warps that stand at the same instruction execute it together, those at the lowest address first. A thread block only
waits for others where it meets them in memory, and kernels that do so by spinning are not executed to an end.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ....errors import InputError
from ..sass.listing import Program
from ..trace import Kernel
from .accesses import ACCESSES
from .arithmetic import ARITHMETIC, Operation
from .constants import constant_bank
from .conversions import CONVERSIONS
from .grid import Grid, Launch, Step
from .lanes import LANE_OPERATIONS
from .memory import GlobalMemory
from .paths import PATHS

__all__ = ["MAX_STEPS", "execute", "executed_opcodes"]

MAX_STEPS = 1_000_000
"""Instructions, each for any number of warps together: about half a minute."""
_LOOK_FROM, _LOOK_EVERY = 10_000, 1000
"""From which step on, and how often, is looked whether the warps stand where they stood before, with nothing changed."""
MAX_INSTRUCTIONS = 50_000_000
"""Of all warps."""
_WARPS_AT_ONCE = 512
_ALL: dict[str, Operation] = {**ARITHMETIC, **CONVERSIONS, **ACCESSES, **LANE_OPERATIONS, **PATHS}


def executed_opcodes() -> tuple[str, ...]:
    """Every opcode that can be executed."""
    return tuple(sorted(_ALL))


def execute(
    program: Program, grid: tuple[int, int, int], block: tuple[int, int, int], arguments: Sequence[np.generic | int],
    memory: GlobalMemory, *, name: str = "", max_steps: int = MAX_STEPS,
) -> Kernel:
    """Run a kernel to its end; changes `memory`.

    `grid` and `block` are (x, y, z). Arguments are addresses from `memory.put` (ints) and numpy scalars. Raises
    `InputError` with file, line and address of an instruction that cannot be executed, of an access outside of
    what it may touch, and for a kernel that does not end.
    """
    if min(*grid, *block) < 1 or np.prod(block) > 1024:
        raise InputError(f"kernel {program.name!r}: grid {grid}, block {block}; accepted: 1 or more, of threads at most 1024")
    launch = Launch(grid, block, constant_bank(program.arch, grid, block, arguments), program.shared_bytes)
    operations = [_operation(program, i) for i in range(len(program.instructions))]
    record = _Record()
    at_once = max(1, _WARPS_AT_ONCE // launch.warps)
    with np.errstate(all="ignore"):
        for first in range(0, launch.blocks, at_once):
            state = Grid(launch, memory, first, min(at_once, launch.blocks - first), program.registers + 4)
            _run(program, operations, state, record, first * launch.warps, max_steps)
    return record.kernel(program, launch, name or program.name)


def _operation(program: Program, index: int) -> Operation:
    item = program.instructions[index]
    operation = _ALL.get(item.base)
    if operation is None:
        raise InputError(f"{program.where(index)}: opcode {item.base} ({item.opcode}) is not executed")
    return operation


def _run(
    program: Program, operations: list[Operation], grid: Grid, record: _Record, offset: int, max_steps: int
) -> None:
    every = np.arange(grid.warps)
    met: set[bytes] = set()
    look = record.steps + _LOOK_FROM
    while True:
        if record.steps >= look:
            look = record.steps + _LOOK_EVERY
            digest = grid.digest()
            if digest in met:
                at = int(grid.at[grid.runnable].min(initial=len(operations) - 1))
                raise InputError(f"{program.where(at)}: the kernel never ends: it comes back to where it was")
            met.add(digest)
        if not grid.runnable.any():
            if not grid.at_barrier.any():
                return
            _release(grid)
            continue
        first = int(grid.at[grid.runnable].min())
        here = grid.runnable & (grid.at == first)
        warps = np.flatnonzero(here)
        later = grid.runnable & ~here
        until = int(grid.at[later].min()) if later.any() else len(operations)
        w: np.ndarray | slice = slice(None) if len(warps) == grid.warps else warps
        numbers = every + offset if isinstance(w, slice) else warps + offset
        group = grid.lanes[w].copy()
        full = bool(group.all())
        for index in range(first, until):
            if record.steps >= max_steps or record.count > MAX_INSTRUCTIONS:
                raise InputError(f"{program.where(index)}: the kernel has not ended after {record.count} warp instructions")
            moved = _step(program, operations[index], grid, index, w, group, full, record, numbers)
            if moved:
                break
        else:
            if until == len(operations):
                raise InputError(f"kernel {program.name!r} runs past its last instruction")
            grid.at[w] = until


def _step(
    program: Program, operation: Operation, grid: Grid, index: int, w: np.ndarray | slice, group: np.ndarray, full: bool,
    record: _Record, numbers: np.ndarray,
) -> bool:
    """Execute one instruction; true if it has set where its warps go on."""
    item = program.instructions[index]
    step = Step(grid, item, w, group, group, full)
    if item.predicate:
        text = item.predicate.lstrip("!")
        holds = step.predicate(text[:-1], 7 if text[-1] == "T" else int(text[-1]), item.predicate[0] == "!")
        step.active = group & holds
        step.full = full and bool(step.active.all())
    moves = item.base in PATHS
    if moves:
        grid.at[w] = index
    try:
        operation(step, item.operands)
    except InputError as error:
        raise InputError(f"{program.where(index)}: {error}") from None
    except (IndexError, ValueError, KeyError, StopIteration, TypeError):
        shown = ", ".join(op.text for op in item.operands)
        raise InputError(f"{program.where(index)}: {item.opcode} {shown}: this form is not executed") from None
    record.add(index, numbers, step.accessed)
    return moves


def _release(grid: Grid) -> None:
    """Let the warps of every block go on that all wait; nobody else runs."""
    grid.runnable |= grid.at_barrier
    grid.at_barrier[:] = False


class _Record:
    """What was executed, in order of execution."""

    def __init__(self) -> None:
        self.steps = self.count = 0
        self.indexes: list[int] = []
        self.warps: list[np.ndarray] = []
        self.accesses: list[tuple[int, np.ndarray, np.ndarray]] = []
        """Number of the first dynamic instruction, lanes of each, addresses."""

    def add(self, index: int, warps: np.ndarray, accessed: tuple[np.ndarray, np.ndarray] | None) -> None:
        self.indexes.append(index)
        self.warps.append(warps)
        if accessed is not None:
            self.accesses.append((self.count, *accessed))
        self.steps += 1
        self.count += len(warps)

    def kernel(self, program: Program, launch: Launch, name: str) -> Kernel:
        """Sort by warp, keeping each warp's order."""
        sizes = [len(warps) for warps in self.warps]
        owner = np.concatenate(self.warps)
        executed = np.repeat(np.array(self.indexes, np.int32), sizes)
        order = np.argsort(owner, kind="stable")
        lengths = np.bincount(owner, minlength=launch.blocks * launch.warps)
        lanes = np.zeros(self.count, np.int64)
        for first, counts, _ in self.accesses:
            lanes[first : first + len(counts)] = counts
        flat = np.concatenate([addresses for _, _, addresses in self.accesses]) if self.accesses else np.zeros(0, np.int64)
        starts = np.cumsum(lanes) - lanes
        sorted_lanes = lanes[order]
        access = np.concatenate([[0], np.cumsum(sorted_lanes)])
        places = np.repeat(starts[order] - access[:-1], sorted_lanes) + np.arange(access[-1])
        return Kernel(
            name, program.instructions, executed[order], np.cumsum(lengths) - lengths, lengths, launch.warps, True, access,
            flat[places], launch.shared_bytes, program.registers,
        )
