"""Loads, stores and atomics: opcode to function. Each leaves in the step which bytes it touched."""

from __future__ import annotations

import re

import numpy as np

from ....errors import InputError
from ..instruction import RZ, URZ, Operand
from .arithmetic import Operation
from .constants import STACK
from .grid import LANES, Step
from .memory import ATOMICS, Bytes

__all__ = ["ACCESSES", "LOCAL_BYTES", "shared_address", "shared_offsets"]

_SCALE = re.compile(r"\.X(\d+)")
LOCAL_BYTES = 4096
"""Local memory of a thread: what lies below the address that the stack pointer starts from."""
_LOCAL_BASE = 0x7E00_0000_0000
"""Where local memory lies for the caches: words of 32 lanes side by side."""
_WIDTHS = {"U8": 1, "S8": 1, "U16": 2, "S16": 2, "64": 8, "128": 16}


def _width(s: Step) -> int:
    return next((_WIDTHS[name] for name in s.mods() if name in _WIDTHS), 4)


def shared_address(s: Step, op: Operand) -> np.ndarray:
    """Byte addresses inside the block's shared memory, int64 of shape (N, 32)."""
    address = np.full((1, 1), int(op.value), np.int64)
    if op.base is not None and op.base != RZ:
        scale = _SCALE.search(op.text)
        address = address + s.grid.registers[op.base][s.w].astype(np.int64) * (int(scale[1]) if scale else 1)
    if op.uniform is not None and op.uniform != URZ:
        address = address + s.grid.uniform[op.uniform][s.w][:, None]
    return np.broadcast_to(address & 0xFFFFFFFF, s.active.shape)


def _global_address(s: Step, op: Operand) -> np.ndarray:
    """Byte addresses in global memory, uint64 of shape (N, 32)."""
    address = np.full((1, 1), int(op.value) & 0xFFFFFFFFFFFFFFFF, np.uint64)
    if op.base is not None and op.base != RZ:
        base = Operand("R", op.base)
        address = address + (s.u(base).astype(np.uint64) if ".U32" in op.text else s.pair(base))
    if op.uniform is not None and op.uniform != URZ:
        address = address + s.pair(Operand("UR", op.uniform))
    return np.broadcast_to(address, s.active.shape)


def shared_offsets(s: Step, addresses: np.ndarray, width: int, lanes: np.ndarray) -> np.ndarray:
    """Offsets in the shared memory of all blocks, of the lanes given (N, 32); raises `InputError` outside of the block's."""
    touched = addresses[lanes]
    size = s.grid.launch.shared_bytes
    wrong = (touched + width > size) | (touched % width != 0)
    if wrong.any():
        raise InputError(f"access of {width} B at {int(touched[np.argmax(wrong)]):#x} of shared memory; accepted: multiples of "
                         f"{width} below {size:#x}")
    block = len(s.grid.shared.data) // s.grid.blocks
    return touched + (np.broadcast_to(s.grid.cta[s.w][:, None], lanes.shape)[lanes]) * block


def _local(s: Step, op: Operand, width: int) -> tuple[Bytes, np.ndarray]:
    """The local memory of all threads and the byte offsets of active lanes in it; notes where the caches see them."""
    grid = s.grid
    if grid.local is None:
        grid.local = Bytes(np.zeros(grid.warps * LANES * LOCAL_BYTES, np.uint8))
    inside = shared_address(s, op) - (STACK - LOCAL_BYTES)
    touched = inside[s.active]
    wrong = (touched < 0) | (touched + width > LOCAL_BYTES) | (touched % width != 0)
    if wrong.any():
        address = int(touched[np.argmax(wrong)]) + STACK - LOCAL_BYTES
        raise InputError(f"access of {width} B at {address:#x} of local memory; accepted: multiples of {width} from "
                         f"{STACK - LOCAL_BYTES:#x} to below {STACK:#x}")
    warp = np.broadcast_to(np.arange(grid.warps)[s.w][:, None], s.active.shape)[s.active]
    lane = np.broadcast_to(np.arange(LANES), s.active.shape)[s.active]
    number = warp + grid.first_warp
    s.accessed = s.active.sum(axis=1), _LOCAL_BASE + LANES * (number * LOCAL_BYTES + touched // 4 * 4) + lane * max(width, 4)
    return grid.local, (warp * LANES + lane) * LOCAL_BYTES + touched


def _place(s: Step, op: Operand, width: int) -> tuple[Bytes, np.ndarray]:
    """The memory that an instruction goes to and the byte offsets of its active lanes; notes the addresses."""
    if s.item.base in ("LDL", "STL"):
        return _local(s, op, width)
    shared = s.item.base in ("LDS", "STS", "ATOMS")
    addresses = shared_address(s, op) if shared else _global_address(s, op)
    touched = addresses[s.active]
    s.accessed = s.active.sum(axis=1), touched.astype(np.int64)
    if shared:
        return s.grid.shared, shared_offsets(s, addresses, width, s.active)
    memory = s.grid.memory
    return memory.bytes, memory.offsets(touched, width)


def _spread(s: Step, values: np.ndarray) -> np.ndarray:
    """One value for each active lane as (N, 32)."""
    spread = np.zeros(s.active.shape, np.uint32)
    spread[s.active] = values
    return spread


def _load(s: Step, ops: tuple[Operand, ...]) -> None:
    width = _width(s)
    memory, offsets = _place(s, ops[-1], width)
    found = memory.load(offsets, width)
    if "S8" in s.mods() or "S16" in s.mods():
        found = found.astype(np.int8 if width == 1 else np.int16).astype(np.int32).view(np.uint32)
    for i in range(found.shape[1]):
        s.put(ops[0], _spread(s, found[:, i]), i)


def _store(s: Step, ops: tuple[Operand, ...]) -> None:
    width = _width(s)
    memory, offsets = _place(s, ops[0], width)
    values = [np.broadcast_to(s.raw(ops[1], i), s.active.shape)[s.active] for i in range(max(1, width // 4))]
    memory.store(offsets, width, np.stack(values, axis=1))


def _atomic(s: Step, ops: tuple[Operand, ...]) -> None:
    at = next(i for i, op in enumerate(ops) if op.kind == "mem")
    kind = next((name for name in s.mods() if name in ATOMICS), None)
    if kind is None or "64" in s.mods():
        raise InputError(f"{s.item.opcode} is not executed (accepted: 32-bit {', '.join(ATOMICS)})")
    dtype = np.float32 if "F32" in s.mods() else np.int32 if "S32" in s.mods() else np.uint32
    memory, offsets = _place(s, ops[at], 4)
    if "POPC" in s.mods():  # every lane adds one
        kind, values = "ADD", [np.ones(len(offsets), np.uint32)]
    else:
        values = [np.broadcast_to(s.raw(op), s.active.shape)[s.active].view(dtype) for op in ops[at + 1 :] if op.kind in "R UR"]
    found = memory.atomic(offsets, kind, dtype, *values)
    if at and ops[at - 1].kind == "R":
        s.put(ops[at - 1], _spread(s, found))


def _constant(s: Step, ops: tuple[Operand, ...]) -> None:
    for i in range(_width(s) // 4):
        s.put(ops[0], np.broadcast_to(s.constant(ops[1], i), (s.active.shape[0], LANES if ops[0].kind == "R" else 1)), i)


def _copy(s: Step, ops: tuple[Operand, ...]) -> None:
    """LDGSTS: from global to shared memory, at once; no program that waits for its copies can tell."""
    to, source = ops
    width = _width(s)
    memory, offsets = _place(s, source, width)
    there = shared_offsets(s, shared_address(s, to), width, s.active)
    s.grid.shared.store(there, width, memory.load(offsets, width))


def _committed(s: Step, _: tuple[Operand, ...]) -> None:
    """LDGDEPBAR: the copies so far are done already."""


ACCESSES: dict[str, Operation] = {
    **dict.fromkeys("LDG LD LDS LDL".split(), _load),
    **dict.fromkeys("STG ST STS STL".split(), _store),
    **dict.fromkeys("ATOMG ATOM ATOMS RED REDG".split(), _atomic),
    **dict.fromkeys("LDC LDCU ULDC".split(), _constant),
    "LDGSTS": _copy, "LDGDEPBAR": _committed,
}
