"""The state of the thread blocks that run together, and what one instruction does with it for many warps at once."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ....errors import InputError
from ..instruction import RZ, URZ, Instruction, Operand
from .memory import Bytes, GlobalMemory

__all__ = ["LANES", "Grid", "Launch", "Step"]

LANES = 32
PT = 7
CONVERGENCE = 17
"""Barriers B0 to B15, and one for WARPSYNC."""


@dataclass(frozen=True)
class Launch:
    """How a kernel is started."""

    grid: tuple[int, int, int]
    """Thread blocks."""
    block: tuple[int, int, int]
    """Threads of each."""
    constants: np.ndarray
    """Constant bank 0, uint32."""
    shared_bytes: int

    @property
    def threads(self) -> int:
        """Threads of a block."""
        return self.block[0] * self.block[1] * self.block[2]

    @property
    def warps(self) -> int:
        """Warps of a block."""
        return -(-self.threads // LANES)

    @property
    def blocks(self) -> int:
        """Thread blocks of the grid."""
        return self.grid[0] * self.grid[1] * self.grid[2]


class Grid:
    """Registers and paths of the warps of consecutive thread blocks. W warps, C thread blocks."""

    def __init__(self, launch: Launch, memory: GlobalMemory, first: int, blocks: int, registers: int) -> None:
        warps = blocks * launch.warps
        self.launch, self.memory, self.warps, self.blocks = launch, memory, warps, blocks
        self.registers = np.zeros((registers, warps, LANES), np.uint32)
        self.predicates = np.zeros((8, warps, LANES), bool)
        self.predicates[PT] = True
        self.uniform = np.zeros((URZ + 1, warps), np.uint32)
        self.uniform_predicates = np.zeros((8, warps), bool)
        self.uniform_predicates[PT] = True
        self.shared = Bytes(np.zeros(blocks * max(4, -(-launch.shared_bytes // 16) * 16), np.uint8))
        self.local: Bytes | None = None
        """Of all threads, once one of them uses it."""
        self.first_warp = first * launch.warps
        self.cta = np.repeat(np.arange(blocks), launch.warps)
        """Of each warp, within this grid."""
        thread = np.tile(np.arange(launch.warps * LANES).reshape(launch.warps, LANES), (blocks, 1))
        self.special = _special(launch, thread, (self.cta + first)[:, None])
        # Paths. A warp follows one group of its lanes at a time; the others are set aside or wait at a barrier.
        self.at = np.zeros(warps, np.int64)
        """Index of the next instruction."""
        self.lanes = thread < launch.threads
        """(W, 32): the group that runs."""
        self.exited = ~self.lanes
        self.runnable = np.ones(warps, bool)
        self.at_barrier = np.zeros(warps, bool)
        self.aside: list[list[tuple[int, np.ndarray]]] = [[] for _ in range(warps)]
        self.members = np.zeros((CONVERGENCE, warps, LANES), bool)
        """Lanes that each convergence barrier waits for."""
        self.waiting = np.zeros((CONVERGENCE, warps, LANES), bool)
        self.resume = np.zeros((CONVERGENCE, warps), np.int64)


    def digest(self) -> bytes:
        """Of everything that decides what happens next; of memory only how often it was written."""
        state = hashlib.blake2b(digest_size=16)
        for array in (self.registers, self.predicates, self.uniform, self.uniform_predicates, self.at, self.lanes, self.exited,
                      self.runnable, self.at_barrier, self.members, self.waiting, self.resume):
            state.update(np.ascontiguousarray(array).data)
        for warp in self.aside:
            for at, lanes in warp:
                state.update(at.to_bytes(8, "little") + lanes.tobytes())
            state.update(b"|")
        stores = [memory.stores for memory in (self.memory.bytes, self.shared, self.local) if memory is not None]
        state.update(repr(stores).encode())
        return state.digest()


def _special(launch: Launch, thread: np.ndarray, cta: np.ndarray) -> dict[str, np.ndarray]:
    """Special registers, uint32 of shape (W, 32) or (W, 1)."""
    (x, y, _), (gx, gy, _) = launch.block, launch.grid
    values = {
        "SR_TID.X": thread % x, "SR_TID.Y": thread // x % y, "SR_TID.Z": thread // (x * y),
        "SR_CTAID.X": cta % gx, "SR_CTAID.Y": cta // gx % gy, "SR_CTAID.Z": cta // (gx * gy),
        "SR_LANEID": np.broadcast_to(np.arange(LANES), thread.shape), "SR_CgaCtaId": 0 * cta, "SRZ": 0 * cta,
    }
    return {name: value.astype(np.uint32) for name, value in values.items()}


@dataclass
class Step:
    """One instruction for the warps `w` (an index or a slice), N of them. Values are uint32, shaped to fit (N, 32)."""

    grid: Grid
    item: Instruction
    w: np.ndarray | slice
    group: np.ndarray
    """(N, 32): the lanes that run."""
    active: np.ndarray
    """(N, 32): those of them whose predicate holds."""
    full: bool
    """Whether all lanes of all warps are active."""
    accessed: tuple[np.ndarray, np.ndarray] | None = field(default=None)
    """What a memory instruction did: active lanes of each warp, and their byte addresses."""

    def mods(self) -> tuple[str, ...]:
        """The modifiers of the opcode."""
        return self.item.modifiers

    # Reading.

    def raw(self, op: Operand, further: int = 0) -> np.ndarray:
        """The bits of an operand, or of the register that follows it by `further`, without sign or inversion."""
        if op.kind == "R":
            if op.value == RZ:
                return np.zeros((1, 1), np.uint32)
            return self.grid.registers[int(op.value) + further][self.w]
        if op.kind == "UR":
            if op.value == URZ:
                return np.zeros((1, 1), np.uint32)
            return self.grid.uniform[int(op.value) + further][self.w][:, None]
        if op.kind == "imm":
            return np.array([[(int(op.value) >> 32 * further) & 0xFFFFFFFF]], np.uint32)
        if op.kind == "c":
            return self.constant(op, further)
        raise InputError(f"operand {op.text!r} of {self.item.opcode} has no value")

    def constant(self, op: Operand, further: int = 0) -> np.ndarray:
        """A 32-bit constant of bank 0."""
        offset = np.array([[int(op.value) + 4 * further]], np.int64)
        if op.base is not None and op.base != RZ:
            offset = offset + self.grid.registers[op.base][self.w]
        if op.uniform is not None and op.uniform != URZ:
            offset = offset + self.grid.uniform[op.uniform][self.w][:, None]
        constants = self.grid.launch.constants
        if op.bank != 0 or offset.min() < 0 or offset.max() // 4 >= len(constants):
            raise InputError(f"operand {op.text!r}; accepted: constants of bank 0 below {4 * len(constants):#x}")
        return constants[offset >> 2]

    def u(self, op: Operand) -> np.ndarray:
        """An integer operand: -x is its two's complement, ~x its inversion, |x| its magnitude."""
        value = self.raw(op)
        if "|" in op.text:
            value = np.abs(value.view(np.int32)).view(np.uint32)
        if op.kind != "imm":
            if op.text.startswith("~"):
                value = ~value
            elif op.text.startswith("-"):
                value = np.uint32(0) - value
        return value

    def s(self, op: Operand) -> np.ndarray:
        """The same as a signed integer, int64."""
        return self.u(op).view(np.int32).astype(np.int64)

    def pair(self, op: Operand) -> np.ndarray:
        """A 64-bit operand, uint64: two registers, or two words of constants; immediates are extended by sign."""
        if op.kind == "imm":
            return np.array([[int(op.value) & 0xFFFFFFFFFFFFFFFF]], np.uint64)
        value = self.raw(op).astype(np.uint64) | self.raw(op, 1).astype(np.uint64) << np.uint64(32)
        return np.uint64(0) - value if op.text.startswith("-") else value

    def f(self, op: Operand) -> np.ndarray:
        """A float32 operand with sign and magnitude."""
        if op.kind == "imm":
            return np.array([[op.value]], np.float32)
        value = self.raw(op).view(np.float32)
        if "|" in op.text:
            value = np.abs(value)
        return -value if op.text.startswith("-") else value

    def p(self, op: Operand) -> np.ndarray:
        """A predicate operand, bool."""
        return self.predicate(op.kind, int(op.value), "!" in op.text)

    def predicate(self, kind: str, number: int, inverted: bool) -> np.ndarray:
        """A predicate, or its inverse."""
        if kind == "UP":
            value = self.grid.uniform_predicates[number][self.w][:, None]
        else:
            value = self.grid.predicates[number][self.w]
        return ~value if inverted else value

    # Writing.

    def put(self, op: Operand, value: np.ndarray, further: int = 0) -> None:
        """Write 32 bits to a register, where lanes are active."""
        if op.kind == "UR":
            if op.value != URZ:
                _write(self.grid.uniform[int(op.value) + further], self.w, value[..., 0], self.active.any(axis=1))
        elif op.value != RZ:
            _write(self.grid.registers[int(op.value) + further], self.w, value, None if self.full else self.active)

    def put_pair(self, op: Operand, value: np.ndarray) -> None:
        """Write 64 bits to two registers."""
        if op.value == (RZ if op.kind == "R" else URZ):
            return
        self.put(op, (value & np.uint64(0xFFFFFFFF)).astype(np.uint32))
        self.put(op, (value >> np.uint64(32)).astype(np.uint32), 1)

    def put_f(self, op: Operand, value: np.ndarray) -> None:
        """Write a float32."""
        self.put(op, np.asarray(value, np.float32).view(np.uint32))

    def put_p(self, op: Operand, value: np.ndarray) -> None:
        """Write a predicate, where lanes are active."""
        if op.value == PT:
            return
        if op.kind == "UP":
            _write(self.grid.uniform_predicates[int(op.value)], self.w, value[..., 0], self.active.any(axis=1))
        else:
            _write(self.grid.predicates[int(op.value)], self.w, value, None if self.full else self.active)


def _write(target: np.ndarray, w: np.ndarray | slice, value: np.ndarray, where: Any) -> None:
    if where is None:
        target[w] = value
    elif isinstance(w, slice):
        np.copyto(target[w], value, where=where)
    else:
        kept = target[w]
        np.copyto(kept, value, where=where)
        target[w] = kept
