"""What lanes of a warp do together, and tensor cores: opcode to function."""

from __future__ import annotations

import numpy as np

from ....errors import InputError
from ..instruction import Operand
from .accesses import shared_address, shared_offsets
from .arithmetic import Operation
from .grid import LANES, Step

__all__ = ["LANE_OPERATIONS", "ballot"]

_LANE = np.arange(LANES)
_ROW, _COLUMN = _LANE // 4, 2 * (_LANE % 4)
"""Where a lane's fragment of an 8 x 8 matrix lies (PTX manual, matrix fragments)."""


def ballot(lanes: np.ndarray) -> np.ndarray:
    """Masks (N, 1) of (N, 32) lanes."""
    return (lanes.astype(np.uint64) << _LANE.astype(np.uint64)).sum(axis=1, keepdims=True).astype(np.uint32)


def _shfl(s: Step, ops: tuple[Operand, ...]) -> None:
    found, to, value, by, limits = ops
    mode = s.mods()[0]
    c = s.u(limits).astype(np.int64)
    segment, clamp, offset = c >> 8 & 31, c & 31, s.u(by).astype(np.int64)
    low, high = _LANE & segment, (_LANE & segment) | (clamp & ~segment)
    source = {"UP": _LANE - offset, "DOWN": _LANE + offset, "BFLY": _LANE ^ offset, "IDX": low | (offset & ~segment)}[mode]
    inside = source >= high if mode == "UP" else source <= high
    source = np.where(inside, source, _LANE)
    bits = np.broadcast_to(s.raw(value), s.active.shape)
    s.put(to, np.take_along_axis(bits, np.broadcast_to(source, bits.shape), axis=1))
    s.put_p(found, np.broadcast_to(inside, s.active.shape))


def _vote(s: Step, ops: tuple[Operand, ...]) -> None:
    *to, source = ops
    holds = np.broadcast_to(s.p(source), s.active.shape) & s.active
    kind = s.mods()[0]
    agreed = {"ANY": holds.any(axis=1), "ALL": (holds | ~s.active).all(axis=1),
              "EQ": (holds == s.active).all(axis=1) | ~holds.any(axis=1)}[kind]
    for op in to:
        if op.kind in ("P", "UP"):
            s.put_p(op, agreed[:, None])
        else:
            s.put(op, ballot(holds))


def _special(s: Step, ops: tuple[Operand, ...]) -> None:
    value = s.grid.special.get(ops[1].text)
    if value is None:
        raise InputError(f"special register {ops[1].text} is not known (accepted: {', '.join(s.grid.special)})")
    s.put(ops[0], value[s.w])
    if s.item.base == "CS2R" and "32" not in s.mods():
        s.put(ops[0], 0 * value[s.w], 1)


def _r2ur(s: Step, ops: tuple[Operand, ...]) -> None:
    first = np.argmax(s.active, axis=1)[:, None]
    bits = np.broadcast_to(s.u(ops[-1]), s.active.shape)
    s.put(ops[0], np.take_along_axis(bits, first, axis=1))


def _ldsm(s: Step, ops: tuple[Operand, ...]) -> None:
    """One, two or four 8 x 8 matrices of halves; lanes 8 i to 8 i + 7 hold the addresses of the rows of matrix i."""
    count = int(s.mods()[-1]) if s.mods()[-1] in ("2", "4") else 1
    transposed = any(name.startswith("MT") for name in s.mods())
    addresses = shared_address(s, ops[1])
    rows = s.active & np.isin(_LANE // 8, range(count))
    s.accessed = rows.sum(axis=1), addresses[rows]
    if not s.active.all():
        raise InputError(f"{s.item.opcode} with inactive lanes is not defined")
    offsets = shared_offsets(s, addresses, 16, rows)
    halves = s.grid.shared.load(offsets, 16).view(np.uint16).reshape(-1, count, 8, 8)
    if transposed:
        halves = halves.swapaxes(2, 3)
    for i in range(count):
        low, high = (halves[:, i, _ROW, _COLUMN + k].astype(np.uint32) for k in (0, 1))
        s.put(ops[0], low | high << np.uint32(16), i)


def _tiles(s: Step, op: Operand, count: int, transposed: bool) -> list[np.ndarray]:
    """`count` 8 x 8 matrices of halves as (N, 8, 8) float32, one in each register."""
    tiles = []
    for i in range(count):
        bits = np.broadcast_to(s.raw(op, i), s.active.shape)
        tile = np.zeros((len(bits), 8, 8), np.float32)
        for k in (0, 1):
            tile[:, _ROW, _COLUMN + k] = (bits >> np.uint32(16 * k) & np.uint32(0xFFFF)).astype(np.uint16).view(np.float16)
        tiles.append(tile.swapaxes(1, 2) if transposed else tile)
    return tiles


def _hmma(s: Step, ops: tuple[Operand, ...]) -> None:
    """D (16 x 8) = A (16 x K) B (K x 8) + C, halves in and float32 out."""
    shape, deep = s.mods()[0], {"1688": 1, "16816": 2}.get(s.mods()[0])
    if deep is None or s.mods()[1:] != ("F32",):
        raise InputError(f"{s.item.opcode} is not executed (accepted: HMMA.1688.F32, HMMA.16816.F32; not {shape})")
    if not s.active.all():
        raise InputError(f"{s.item.opcode} with inactive lanes is not defined")
    to, a, b, c = ops
    tiles, columns = _tiles(s, a, 2 * deep, False), _tiles(s, b, deep, True)
    for half in (0, 1):  # rows 0 to 7, then 8 to 15
        product = sum(tiles[half + 2 * k] @ columns[k] for k in range(deep))
        for i in (0, 1):
            there = 2 * half + i
            addend = np.broadcast_to(s.raw(c, there), s.active.shape).view(np.float32)
            s.put_f(Operand("R", int(to.value) + there), product[:, _ROW, _COLUMN + i] + addend)


LANE_OPERATIONS: dict[str, Operation] = {
    "SHFL": _shfl, "VOTE": _vote, "VOTEU": _vote, "S2R": _special, "S2UR": _special, "CS2R": _special, "R2UR": _r2ur,
    "LDSM": _ldsm, "HMMA": _hmma,
}
