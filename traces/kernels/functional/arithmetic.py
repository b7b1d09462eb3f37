"""Integer, float and predicate arithmetic: opcode to function. All follow SASS as compiled code uses it.

Float multiply-add is computed in float64 and rounded once more to float32, which differs from a fused one by at most
an ulp in rare cases; denormals are kept where hardware with .FTZ would flush them; special functions are numpy's.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ....errors import InputError
from ..instruction import Operand
from .grid import Step

__all__ = ["ARITHMETIC", "Operation", "compare_floats", "put_comparison"]

Operation = Callable[[Step, tuple[Operand, ...]], None]
_LOW = np.uint64(0xFFFFFFFF)
_32 = np.uint64(32)
_NONE, _NONE_32 = np.zeros((1, 1), np.uint64), np.zeros((1, 1), np.uint32)


def _split(ops: tuple[Operand, ...]) -> tuple[Operand, list[Operand], list[Operand], list[Operand]]:
    """Destination, predicates written, sources, predicates read (those after the sources)."""
    first = 0
    while first < len(ops) and ops[first].kind in ("P", "UP"):
        first += 1
    at = first + 1
    written = list(ops[:first])
    while at < len(ops) and ops[at].kind in ("P", "UP"):
        written.append(ops[at])
        at += 1
    end = len(ops)
    while end > at and ops[end - 1].kind in ("P", "UP"):
        end -= 1
    return ops[first], written, list(ops[at:end]), list(ops[end:])


def _addend(s: Step, op: Operand) -> np.ndarray:
    """A 32-bit addend as uint64, such that the sum's bit 32 is the carry: -x is ~x + 1."""
    if op.text.startswith("-") and op.kind != "imm":
        return (~s.raw(op)).astype(np.uint64) + np.uint64(1)
    return s.u(op).astype(np.uint64)


def _carries(s: Step, total: np.ndarray, written: list[Operand]) -> None:
    for i, op in enumerate(written):
        s.put_p(op, total >> _32 > np.uint64(i))


def _iadd(s: Step, ops: tuple[Operand, ...]) -> None:
    to, written, sources, carries = _split(ops)
    if "64" in s.mods():
        s.put_pair(to, sum((s.pair(op) for op in sources), _NONE))
        return
    total = sum((_addend(s, op) for op in sources), _NONE)
    if "X" in s.mods():
        total = total + sum((s.p(op).astype(np.uint64) for op in carries), _NONE)
    _carries(s, total, written)
    s.put(to, (total & _LOW).astype(np.uint32))


def _imad(s: Step, ops: tuple[Operand, ...]) -> None:
    to, written, (a, b, c), carries = _split(ops)
    mods = s.mods()
    if "WIDE" in mods or "HI" in mods:
        unsigned = "U32" in mods
        x, y = (s.u(op).astype(np.uint64) if unsigned else s.s(op).view(np.uint64) for op in (a, b))
        product = x * y
        total = product + s.pair(c)
        if "X" in mods:
            total = total + sum((s.p(op).astype(np.uint64) for op in carries), _NONE)
        for op in written:
            s.put_p(op, total < product)
        if "WIDE" in mods:
            s.put_pair(to, total)
        else:
            high = total >> _32 if unsigned else (total.view(np.int64) >> 32).view(np.uint64)
            s.put(to, (high & _LOW).astype(np.uint32))
        return
    total = s.u(a) * s.u(b) + s.u(c)
    if "X" in mods:
        total = total + sum((s.p(op).astype(np.uint32) for op in carries), _NONE_32)
    s.put(to, total)


def _lea(s: Step, ops: tuple[Operand, ...]) -> None:
    to, written, sources, carries = _split(ops)
    mods = s.mods()
    shift = np.uint64(int(sources[-1].value))
    low = s.raw(sources[0]).astype(np.uint64)
    if "HI" in mods:
        if "SX32" in mods:
            value = s.raw(sources[0]).view(np.int32).astype(np.int64).view(np.uint64)
        else:
            value = low | s.raw(sources[2]).astype(np.uint64) << _32
        left = (value << shift) >> _32 if int(shift) else value >> _32
    else:
        left = low << shift & _LOW
    if sources[0].text.startswith("-"):
        left = np.uint64(0) - left & _LOW
    total = left + _addend(s, sources[1])
    if "X" in mods:
        total = total + sum((s.p(op).astype(np.uint64) for op in carries), _NONE)
    _carries(s, total, written)
    s.put(to, (total & _LOW).astype(np.uint32))


def _table(lut: int, a: np.ndarray, b: np.ndarray, c: np.ndarray) -> np.ndarray:
    """A logic function of three inputs given by its eight results."""
    value = a & ~a
    for i in range(8):
        if lut >> i & 1:
            value = value | ((a if i & 4 else ~a) & (b if i & 2 else ~b) & (c if i & 1 else ~c))
    return value


def _lop3(s: Step, ops: tuple[Operand, ...]) -> None:
    to, written, (a, b, c, lut), inputs = _split(ops)
    value = _table(int(lut.value), s.u(a), s.u(b), s.u(c))
    s.put(to, value)
    for op in written:
        s.put_p(op, (value != 0) | s.p(inputs[0]))


def _plop3(s: Step, ops: tuple[Operand, ...]) -> None:
    a, b, c = (s.p(op) for op in ops[2:5])
    values = [_table(int(lut.value), a, b, c) for lut in ops[5:7]]
    for op, value in zip(ops, values):
        s.put_p(op, value)


_COMPARE = {"LT": np.less, "LE": np.less_equal, "GT": np.greater, "GE": np.greater_equal, "EQ": np.equal, "NE": np.not_equal}
_JOIN = {"AND": np.logical_and, "OR": np.logical_or, "XOR": np.logical_xor}


def put_comparison(s: Step, ops: tuple[Operand, ...], holds: np.ndarray) -> None:
    """Write a comparison, and its inverse, joined with the predicate behind the sources."""
    join, other = next(_JOIN[name] for name in s.mods() if name in _JOIN), s.p(ops[4])
    s.put_p(ops[0], join(holds, other))
    s.put_p(ops[1], join(~holds, other))


def _isetp(s: Step, ops: tuple[Operand, ...]) -> None:
    if "U64" in s.mods() or "S64" in s.mods():
        a, b = s.pair(ops[2]), s.pair(ops[3])
        if "S64" in s.mods():
            a, b = a.view(np.int64), b.view(np.int64)
    else:
        read = s.u if "U32" in s.mods() else s.s
        a, b = read(ops[2]), read(ops[3])
    compare = _COMPARE[s.mods()[0]]
    holds = compare(a, b)
    if "EX" in s.mods():  # the upper halves of a 64-bit comparison; how the lower ones compared is in the last predicate
        holds = np.where(a == b, s.p(ops[5]), holds)
    put_comparison(s, ops, holds)


def compare_floats(s: Step, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Compare as the first modifier says: ordered (GE), or true for NaN (GEU)."""
    name = s.mods()[0]
    nan = np.isnan(a) | np.isnan(b)
    if name in ("NUM", "NAN"):
        return nan if name == "NAN" else ~nan
    if name.endswith("U"):
        return _COMPARE[name[:-1]](a, b) | nan
    return _COMPARE[name](a, b) & ~nan


def _fsetp(s: Step, ops: tuple[Operand, ...]) -> None:
    put_comparison(s, ops, compare_floats(s, s.f(ops[2]), s.f(ops[3])))


def _fchk(s: Step, ops: tuple[Operand, ...]) -> None:
    """Whether a division must take the slow path: something is not finite, or exponents are far from each other's."""
    a, b = np.abs(s.f(ops[1]).astype(np.float64)), np.abs(s.f(ops[2]).astype(np.float64))
    ratio = a / b
    near = (ratio > 2.0**-100) & (ratio < 2.0**100) & (a > 2.0**-90)
    easy = np.isfinite(a) & (b > 2.0**-120) & (b < 2.0**120) & ((a == 0) | near)
    s.put_p(ops[0], ~easy)


def _shift(s: Step, ops: tuple[Operand, ...]) -> None:
    to, low, by, high = ops
    mods = s.mods()
    long = "S64" in mods or "U64" in mods
    count = s.u(by).astype(np.uint64)
    count = count & np.uint64(63 if long else 31) if "W" in mods else np.minimum(count, np.uint64(63 if long else 32))
    value = s.u(low).astype(np.uint64) | s.u(high).astype(np.uint64) << _32
    if "L" in mods:
        value = value << count
    elif "S32" in mods or "S64" in mods:
        value = (value.view(np.int64) >> count.view(np.int64)).view(np.uint64)
    else:
        value = value >> count
    s.put(to, ((value >> _32 if "HI" in mods else value) & _LOW).astype(np.uint32))


def _prmt(s: Step, ops: tuple[Operand, ...]) -> None:
    to, a, selector, c = ops
    both = s.u(a).astype(np.uint64) | s.u(c).astype(np.uint64) << _32
    chosen = s.u(selector).astype(np.uint64)
    value = _NONE
    for i in range(4):
        nibble = chosen >> np.uint64(4 * i) & np.uint64(15)
        byte = both >> (nibble & np.uint64(7)) * np.uint64(8) & np.uint64(255)
        sign = np.where(byte >> np.uint64(7), np.uint64(255), np.uint64(0))
        value = value | np.where(nibble >> np.uint64(3), sign, byte) << np.uint64(8 * i)
    s.put(to, value.astype(np.uint32))


def _mov(s: Step, ops: tuple[Operand, ...]) -> None:
    if "64" in s.mods():
        s.put_pair(ops[0], s.pair(ops[1]))
    else:
        s.put(ops[0], s.u(ops[1]))


def _select(s: Step, ops: tuple[Operand, ...]) -> None:
    read = s.f if s.item.base == "FSEL" else s.u
    s.put(ops[0], np.where(s.p(ops[3]), read(ops[1]), read(ops[2])).view(np.uint32))


def _imnmx(s: Step, ops: tuple[Operand, ...]) -> None:
    read = s.u if "U32" in s.mods() else s.s
    a, b = read(ops[1]), read(ops[2])
    s.put(ops[0], np.where(s.p(ops[3]), np.minimum(a, b), np.maximum(a, b)).astype(np.uint32))


def _fmnmx(s: Step, ops: tuple[Operand, ...]) -> None:
    a, b = s.f(ops[1]), s.f(ops[2])
    s.put_f(ops[0], np.where(s.p(ops[3]), np.fmin(a, b), np.fmax(a, b)))


def _fadd(s: Step, ops: tuple[Operand, ...]) -> None:
    s.put_f(ops[0], s.f(ops[1]) + s.f(ops[2]))


def _fmul(s: Step, ops: tuple[Operand, ...]) -> None:
    s.put_f(ops[0], s.f(ops[1]) * s.f(ops[2]))


def _ffma(s: Step, ops: tuple[Operand, ...]) -> None:
    a, b, c = (s.f(op) for op in ops[1:4])
    s.put_f(ops[0], a.astype(np.float64) * b + c)


_SPECIAL: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "RCP": lambda x: 1 / x, "RSQ": lambda x: 1 / np.sqrt(x), "SQRT": np.sqrt, "EX2": np.exp2, "LG2": np.log2,
    "SIN": lambda x: np.sin(2 * np.pi * x), "COS": lambda x: np.cos(2 * np.pi * x), "TANH": np.tanh,
}


def _mufu(s: Step, ops: tuple[Operand, ...]) -> None:
    function = _SPECIAL.get(s.mods()[0])
    if function is None:
        raise InputError(f"{s.item.opcode} is not executed (accepted: MUFU.{', '.join(_SPECIAL)})")
    s.put_f(ops[0], function(s.f(ops[1]).astype(np.float64)))


def _halves(s: Step, op: Operand) -> tuple[np.ndarray, np.ndarray]:
    """The lower and the upper float16 of an operand, as float64, in which products and sums of them are exact."""
    value = s.raw(op)
    low, high = ((value >> np.uint32(16 * i) & np.uint32(0xFFFF)).astype(np.uint16).view(np.float16) for i in (0, 1))
    if ".H0_H0" in op.text:
        high = low
    elif ".H1_H1" in op.text:
        low = high
    pair = low.astype(np.float64), high.astype(np.float64)
    return (-pair[0], -pair[1]) if op.text.startswith("-") else pair


def _half(s: Step, ops: tuple[Operand, ...]) -> None:
    sources: list[tuple[np.ndarray, np.ndarray]] = []
    numbers = [op for op in ops[1:] if op.kind == "imm"]
    for op in ops[1:]:
        if op.kind != "imm":
            sources.append(_halves(s, op))
        elif op is numbers[0]:  # the upper half first
            sources.append((np.array([[numbers[1].value]], np.float64), np.array([[numbers[0].value]], np.float64)))
    kind = s.item.base[:4]
    low, high = (
        x[0] + x[1] if kind == "HADD" else x[0] * x[1] if kind == "HMUL" else x[0] * x[1] + x[2]
        for x in ([pair[i] for pair in sources] for i in (0, 1)))
    if "F32" in s.mods():
        s.put_f(ops[0], low)
        return
    bits = [half.astype(np.float16).view(np.uint16).astype(np.uint32) for half in (low, high)]
    s.put(ops[0], bits[0] | bits[1] << np.uint32(16))


def _flo(s: Step, ops: tuple[Operand, ...]) -> None:
    """The place of the highest set bit (signed: of the highest that differs from the sign), .SH: how far it is from bit 31."""
    value = s.u(ops[1])
    if "U32" not in s.mods():
        value = np.where(value >> np.uint32(31), ~value, value)
    place = np.frexp(value.astype(np.float64))[1].astype(np.int64) - 1
    found = 31 - place if "SH" in s.mods() else place
    s.put(ops[0], np.where(value == 0, 0xFFFFFFFF, found).astype(np.uint32))


def _brev(value: np.ndarray) -> np.ndarray:
    """The bits in the other direction."""
    for by, mask in ((1, 0x55555555), (2, 0x33333333), (4, 0x0F0F0F0F), (8, 0x00FF00FF), (16, 0x0000FFFF)):
        value = (value >> np.uint32(by) & np.uint32(mask)) | (value & np.uint32(mask)) << np.uint32(by)
    return value


def _one(function: Callable[[np.ndarray], np.ndarray]) -> Operation:
    """An integer function of one operand."""
    return lambda s, ops: s.put(ops[0], function(s.u(ops[1])))


def _p2r(s: Step, ops: tuple[Operand, ...]) -> None:
    to, _, other, mask = ops
    packed = sum((s.predicate("P", i, False).astype(np.uint32) << np.uint32(i) for i in range(7)), _NONE_32)
    kept = np.uint32(int(mask.value))
    s.put(to, (packed & kept) | (s.u(other) & ~kept))


def _r2p(s: Step, ops: tuple[Operand, ...]) -> None:
    value = s.u(ops[1])
    for i in range(7):
        if int(ops[2].value) >> i & 1:
            s.put_p(Operand("P", i), (value >> np.uint32(i) & np.uint32(1)).astype(bool))


ARITHMETIC: dict[str, Operation] = {
    **dict.fromkeys("IADD3 IADD VIADD UIADD3 UIADD UVIADD IADD32I".split(), _iadd),
    **dict.fromkeys("IMAD UIMAD IMUL".split(), _imad),
    **dict.fromkeys("LEA ULEA".split(), _lea),
    **dict.fromkeys("LOP3 ULOP3".split(), _lop3),
    **dict.fromkeys("PLOP3 UPLOP3".split(), _plop3),
    **dict.fromkeys("ISETP UISETP".split(), _isetp),
    "FSETP": _fsetp,
    **dict.fromkeys("SHF USHF".split(), _shift),
    **dict.fromkeys("PRMT UPRMT".split(), _prmt),
    **dict.fromkeys("MOV UMOV MOV32I".split(), _mov),
    **dict.fromkeys("SEL USEL FSEL".split(), _select),
    **dict.fromkeys("IMNMX VIMNMX UIMNMX UVIMNMX".split(), _imnmx),
    "FMNMX": _fmnmx, "FADD": _fadd, "FMUL": _fmul, "FFMA": _ffma, "MUFU": _mufu,
    **dict.fromkeys("HFMA2 HADD2 HMUL2".split(), _half),
    "POPC": _one(lambda x: np.bitwise_count(x).astype(np.uint32)),
    "IABS": _one(lambda x: np.abs(x.view(np.int32)).view(np.uint32)),
    "BREV": _one(_brev), "FLO": _flo, "FCHK": _fchk, "P2R": _p2r, "R2P": _r2p,
}
