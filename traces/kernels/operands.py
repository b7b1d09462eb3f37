"""The text of operands, as NVIDIA's disassemblers print them and as the assembly form writes them."""

from __future__ import annotations

import re

from ...errors import InputError
from .instruction import COUNTERS, RZ, URZ, Operand

__all__ = ["parse_operand", "split_operands"]

_REGISTER = re.compile(r"^([-~|!]*)(UR|UP|R|P)(\d+|Z|T)(\|?(?:\.[A-Za-z0-9_]+)*\|?)$")
_CONSTANT = re.compile(r"^([-~|]*)c(?:x?)\[([^\]]+)\]\s*\[([^\]]+)\](?:\.[A-Za-z0-9_]+)*(\|?)$")
_ADDRESS = re.compile(r"^(?:desc\[UR\d+\])?(?:[A-Za-z]+\[UR\d+\])?\[([^\]]*)\](?:\.[A-Za-z0-9]+)*$")
_COUNTER = re.compile(r"^SB(\d)$")
_BARRIER = re.compile(r"^B(\d+)$")
_SET = re.compile(r"^\{([\d,\s]*)\}$")
_MATRIX = re.compile(r"^(?:g|t|i)desc\[UR\d+\]$")
_SPECIAL = frozenset("SRZ PR 1D 2D 3D CUBE ARRAY_1D ARRAY_2D ARRAY_CUBE".split())
"""Registers without a number, and shapes of textures."""
_LIMITS = {"R": RZ, "UR": 255, "P": 7, "UP": 7}
_ACCEPTED = "a register, a predicate, c[bank][offset], an immediate, [address], SBn, {counters}, Bn, SR_name or `(label)"


def split_operands(text: str) -> list[str]:
    """Split at commas outside of brackets and braces."""
    parts, depth, start = [], 0, 0
    for i, char in enumerate(text):
        depth += char in "[{("
        depth -= char in "]})"
        if char == "," and depth == 0:
            parts.append(text[start:i].strip())
            start = i + 1
    if tail := text[start:].strip():
        parts.append(tail)
    return parts


def parse_operand(text: str) -> Operand:
    """Return one operand; raises `InputError` with what is accepted."""
    if match := _REGISTER.match(text):
        return _register(text, match[2], match[3], match[4])
    if match := _CONSTANT.match(text):
        return _constant(text, match[2], match[3])
    if match := _ADDRESS.match(text):
        return _address(text, match[1])
    if match := _COUNTER.match(text):
        return Operand("SB", _counter(text, match[1]), text)
    if match := _SET.match(text):
        mask = 0
        for digit in re.findall(r"\d+", match[1]):
            mask |= 1 << _counter(text, digit)
        return Operand("set", mask, text)
    if text.startswith("SR_") or text in _SPECIAL or _MATRIX.match(text):
        return Operand("special", 0, text)
    if match := _BARRIER.match(text):
        return Operand("B", int(match[1]), text)
    if text.startswith("`(") or text.startswith("."):
        return Operand("label", 0, text.strip("`()"))
    value = _number(text.strip())
    if value is None:
        raise InputError(f"operand {text!r} is not understood (accepted: {_ACCEPTED})")
    return Operand("imm", value, text)


def _register(text: str, kind: str, number: str, suffixes: str) -> Operand:
    zero = {"R": RZ, "UR": URZ, "P": 7, "UP": 7}[kind]
    value = zero if number in "ZT" else int(number)
    if value > _LIMITS[kind]:
        raise InputError(f"operand {text!r}: accepted: {kind}0 to {kind}{_LIMITS[kind] - 1}")
    marks = suffixes.replace("|", "").lower().split(".")
    return Operand(kind, value, text, "reuse" in marks, wide="64" in marks)  # type: ignore[arg-type]


def _counter(text: str, digits: str) -> int:
    if int(digits) >= COUNTERS:
        raise InputError(f"operand {text!r}: counter {digits}; accepted: 0 to {COUNTERS - 1}")
    return int(digits)


def _constant(text: str, bank: str, offset: str) -> Operand:
    number = _number(bank)
    where = _address(text, offset)
    return Operand(
        "c", where.value, text, base=where.base, uniform=where.uniform, bank=number if isinstance(number, int) else 0,
    )


def _address(text: str, inner: str) -> Operand:
    base: int | None = None
    uniform: int | None = None
    offset, wide = 0, False
    for part in re.findall(r"[-+]?[^-+]+", inner.replace(" ", "")):
        token = part.lstrip("+")
        if match := _REGISTER.match(token.lstrip("-")):
            operand = _register(text, match[2], match[3], match[4].split(".X")[0])
            if match[2] == "UR":
                uniform = int(operand.value)
            elif match[2] == "R":
                base, wide = int(operand.value), operand.wide
            continue
        number = _number(token)
        if not isinstance(number, int):
            raise InputError(f"operand {text!r}: {token!r} is not a register or an offset")
        offset += number
    return Operand("mem", offset, text, base=base, uniform=uniform, wide=wide)


def _number(text: str) -> int | float | None:
    try:
        return int(text, 0)
    except ValueError:
        pass
    special = {"+INF": float("inf"), "INF": float("inf"), "-INF": float("-inf"), "+QNAN": float("nan"), "QNAN": float("nan"),
               "-QNAN": float("nan")}
    try:
        return special[text.upper()] if text.upper() in special else float(text)
    except ValueError:
        return None
