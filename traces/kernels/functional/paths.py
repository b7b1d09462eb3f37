"""Where warps go next: branches, reconvergence, barriers, exits.

A warp follows one group of its lanes. Where a branch splits it, those that do not take the branch go on and the others
are set aside; a group that ends, or that waits at a convergence barrier for lanes that have not come yet, makes room for the
one set aside last. BSSY names the lanes that a barrier waits for, BSYNC waits and goes on with all of them together.
"""

from __future__ import annotations

import numpy as np

from ....errors import InputError
from ..instruction import RZ, Operand
from ..sass.listing import INSTRUCTION_BYTES
from .arithmetic import Operation
from .grid import CONVERGENCE, Grid, Step
from .lanes import ballot

__all__ = ["PATHS"]

_WARPSYNC = CONVERGENCE - 1


def _each(s: Step) -> np.ndarray:
    """Numbers of the warps."""
    return np.arange(s.grid.warps)[s.w]


def _index(op: Operand) -> int:
    return int(op.value) // INSTRUCTION_BYTES


def _next_group(grid: Grid, warp: int) -> None:
    """Go on with a barrier that is complete, else with the group set aside last, else the warp ends."""
    for barrier in range(CONVERGENCE):
        waits = grid.waiting[barrier, warp]
        if waits.any() and not (grid.members[barrier, warp] & ~grid.exited[warp] & ~waits).any():
            grid.lanes[warp], grid.at[warp] = waits, grid.resume[barrier, warp]
            waits[:] = False
            return
    if grid.aside[warp]:
        grid.at[warp], grid.lanes[warp] = grid.aside[warp].pop()
        return
    grid.lanes[warp] = False
    if not grid.exited[warp].all():
        raise InputError(f"warp {warp % grid.launch.warps} waits at a convergence barrier for lanes that never come")
    grid.runnable[warp] = False


def _branch(s: Step, ops: tuple[Operand, ...]) -> None:
    taken, grid = s.active, s.grid
    for op in ops[:-1]:
        if op.kind in ("P", "UP"):
            taken = taken & s.p(op)
    if "DIV" in s.mods():
        taken = taken & (ballot(s.group) != s.u(ops[0]))
    target, warps = _index(ops[-1]), _each(s)
    some, others = taken.any(axis=1), (s.group & ~taken).any(axis=1)
    grid.at[warps[some & ~others]] = target
    grid.at[warps[others]] += 1
    for i in np.flatnonzero(some & others):
        warp = int(warps[i])
        grid.aside[warp].append((target, taken[i].copy()))
        grid.lanes[warp] = s.group[i] & ~taken[i]



def _return(s: Step, ops: tuple[Operand, ...]) -> None:
    addresses = np.broadcast_to(s.raw(ops[0]), s.active.shape)
    for i, warp in enumerate(_each(s)):
        targets = np.unique(addresses[i][s.active[i]])
        if len(targets) != 1:
            raise InputError(f"{s.item.opcode} to {len(targets)} places; accepted: one for all lanes")
        s.grid.at[warp] = int(targets[0]) // INSTRUCTION_BYTES


def _exit(s: Step, _: tuple[Operand, ...]) -> None:
    grid, warps = s.grid, _each(s)
    grid.exited[warps] |= s.active
    left = s.group & ~s.active
    grid.lanes[warps] = left
    grid.at[warps] += 1
    for warp in warps[~left.any(axis=1)]:
        _next_group(grid, int(warp))


def _bssy(s: Step, ops: tuple[Operand, ...]) -> None:
    warps = _each(s)
    s.grid.members[int(ops[0].value)][warps] = s.group
    s.grid.at[warps] += 1


def _bsync(s: Step, ops: tuple[Operand, ...]) -> None:
    _wait(s, int(ops[0].value), s.grid.members[int(ops[0].value)][s.w])


def _warpsync(s: Step, ops: tuple[Operand, ...]) -> None:
    mask = s.u(ops[0]) if ops[0].kind != "label" else np.array([[0xFFFFFFFF]], np.uint32)
    s.grid.members[_WARPSYNC][s.w] = mask >> np.arange(32, dtype=np.uint32) & np.uint32(1) != 0
    _wait(s, _WARPSYNC, s.grid.members[_WARPSYNC][s.w])


def _wait(s: Step, barrier: int, members: np.ndarray) -> None:
    grid, warps = s.grid, _each(s)
    grid.at[warps] += 1
    missing = (members & ~grid.exited[warps] & ~s.group).any(axis=1)
    for i in np.flatnonzero(missing):
        warp = int(warps[i])
        grid.waiting[barrier, warp] |= s.group[i]
        grid.resume[barrier, warp] = grid.at[warp]
        _next_group(grid, warp)


def _break(s: Step, ops: tuple[Operand, ...]) -> None:
    warps = _each(s)
    s.grid.members[int(ops[-1].value)][warps] &= ~s.active
    s.grid.at[warps] += 1


def _bmov(s: Step, ops: tuple[Operand, ...]) -> None:
    """Between a register and a convergence barrier."""
    warps = _each(s)
    to, source = ops
    if to.kind == "B":
        mask = np.broadcast_to(s.raw(source), s.group.shape)
        first = np.take_along_axis(mask, np.argmax(s.group, axis=1)[:, None], axis=1)
        s.grid.members[int(to.value)][warps] = first >> np.arange(32, dtype=np.uint32) & np.uint32(1) != 0
    else:
        if to.value != RZ:
            s.put(to, ballot(s.grid.members[int(source.value)][s.w]))
        if "CLEAR" in s.mods():
            s.grid.members[int(source.value)][warps] = False
    s.grid.at[warps] += 1


def _barrier(s: Step, ops: tuple[Operand, ...]) -> None:
    grid, warps = s.grid, _each(s)
    if "SYNC" not in s.mods() or any(op.kind != "imm" or op.value != 0 for op in ops):
        raise InputError(f"{s.item.opcode} {', '.join(op.text for op in ops)} is not executed (accepted: BAR.SYNC 0x0)")
    divergent = (~grid.exited[warps] & ~s.group).any(axis=1)
    if divergent.any():
        raise InputError("BAR.SYNC by a part of a warp; accepted: by all of its lanes that have not exited")
    grid.at[warps] += 1
    grid.at_barrier[warps] = True
    grid.runnable[warps] = False


def _nothing(s: Step, _: tuple[Operand, ...]) -> None:
    s.grid.at[_each(s)] += 1


PATHS: dict[str, Operation] = {
    "BRA": _branch, "CALL": _branch, "RET": _return, "EXIT": _exit, "BSSY": _bssy, "BSYNC": _bsync, "BREAK": _break,
    "BMOV": _bmov, "WARPSYNC": _warpsync, "BAR": _barrier,
    **dict.fromkeys("NOP YIELD DEPBAR MEMBAR ERRBAR CCTL NANOSLEEP PREEXIT".split(), _nothing),
}
"""These set the warp's next instruction; all other opcodes go on to the one that follows."""
