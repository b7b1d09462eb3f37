"""Doubles, and conversions between kinds of numbers: opcode to function. DFMA rounds twice."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ....errors import InputError
from ..instruction import Operand
from .arithmetic import Operation, compare_floats, put_comparison
from .grid import Step

__all__ = ["CONVERSIONS"]


def double(s: Step, op: Operand) -> np.ndarray:
    """A float64 operand: two registers or constants, with sign and magnitude."""
    if op.kind == "imm":
        return np.array([[op.value]], np.float64)
    value = (s.raw(op).astype(np.uint64) | s.raw(op, 1).astype(np.uint64) << np.uint64(32)).view(np.float64)
    if "|" in op.text:
        value = np.abs(value)
    return -value if op.text.startswith("-") else value


def put_double(s: Step, op: Operand, value: np.ndarray) -> None:
    """Write a float64 to two registers."""
    s.put_pair(op, np.asarray(value, np.float64).view(np.uint64))


def _dadd(s: Step, ops: tuple[Operand, ...]) -> None:
    put_double(s, ops[0], double(s, ops[1]) + double(s, ops[2]))


def _dmul(s: Step, ops: tuple[Operand, ...]) -> None:
    put_double(s, ops[0], double(s, ops[1]) * double(s, ops[2]))


def _dfma(s: Step, ops: tuple[Operand, ...]) -> None:
    put_double(s, ops[0], double(s, ops[1]) * double(s, ops[2]) + double(s, ops[3]))


def _dsetp(s: Step, ops: tuple[Operand, ...]) -> None:
    put_comparison(s, ops, compare_floats(s, double(s, ops[2]), double(s, ops[3])))


def _i2f(s: Step, ops: tuple[Operand, ...]) -> None:
    exact = (s.u(ops[1]) if "U32" in s.mods() else s.s(ops[1])).astype(np.float64)
    if "F64" in s.mods():
        put_double(s, ops[0], exact)
        return
    value = exact.astype(np.float32)
    if "RP" in s.mods():  # up
        value = np.where(value < exact, np.nextafter(value, np.float32(np.inf)), value)
    elif "RZ" in s.mods():
        value = np.where(np.abs(value) > np.abs(exact), np.nextafter(value, np.float32(0)), value)
    s.put_f(ops[0], value)


_ROUND: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "TRUNC": np.trunc, "FLOOR": np.floor, "CEIL": np.ceil,
}


def _rounded(s: Step, op: Operand) -> np.ndarray:
    by = next((function for name, function in _ROUND.items() if name in s.mods()), np.rint)
    return by(double(s, op) if "F64" in s.mods() else s.f(op).astype(np.float64))


def _f2i(s: Step, ops: tuple[Operand, ...]) -> None:
    low, high = (0, 2**32 - 1) if "U32" in s.mods() else (-(2**31), 2**31 - 1)
    value = np.clip(np.nan_to_num(_rounded(s, ops[1]), nan=0, posinf=high, neginf=low), low, high)
    s.put(ops[0], value.astype(np.int64).astype(np.uint32))


def _frnd(s: Step, ops: tuple[Operand, ...]) -> None:
    s.put_f(ops[0], _rounded(s, ops[1]))


def _bits(value: np.ndarray) -> np.ndarray:
    return value.astype(np.float16).view(np.uint16).astype(np.uint32)


def _f2f(s: Step, ops: tuple[Operand, ...]) -> None:
    to, source = (name for name in s.mods() if name in ("F16", "F32", "F64"))
    value = double(s, ops[1]) if source == "F64" else s.f(ops[1])
    if source == "F16":
        value = (s.raw(ops[1]) & np.uint32(0xFFFF)).astype(np.uint16).view(np.float16)
    if to == "F64":
        put_double(s, ops[0], value.astype(np.float64))
    elif to == "F16":
        s.put(ops[0], _bits(value))
    else:
        s.put_f(ops[0], value.astype(np.float32))


def _f2fp(s: Step, ops: tuple[Operand, ...]) -> None:
    """Two floats to a pair of halves, the first one above."""
    if "PACK_AB" not in s.mods() or not {"F16", "F32", "PACK_AB"} >= set(s.mods()):
        raise InputError(f"{s.item.opcode} is not executed (accepted: F2FP.PACK_AB to halves)")
    s.put(ops[0], _bits(s.f(ops[1])) << np.uint32(16) | _bits(s.f(ops[2])))


CONVERSIONS: dict[str, Operation] = {
    "DADD": _dadd, "DMUL": _dmul, "DFMA": _dfma, "DSETP": _dsetp, "I2F": _i2f, "I2FP": _i2f, "F2I": _f2i, "FRND": _frnd,
    "F2F": _f2f, "F2FP": _f2fp,
}
