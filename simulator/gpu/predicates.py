"""Which predicates an instruction writes, has as operands, and is guarded by."""

from __future__ import annotations

from collections.abc import Iterable

from ...traces.kernels.instruction import Instruction, Operand

__all__ = ["condition_of", "predicates_of"]

PT = 7
_UNIFORM = 8
"""Bit of UP0."""
_COMPARISONS = frozenset("ISETP FSETP HSETP2 DSETP UISETP PLOP3 UPLOP3".split())
"""These write their first two operands."""


def predicates_of(instruction: Instruction) -> tuple[int, int, int]:
    """Return the masks (written, operands, guards); P0 to P6 are bits 0 to 6, UP0 to UP6 bits 8 to 14."""
    operands = instruction.operands
    guards = _bit(instruction.predicate)
    if instruction.base == "P2R":
        return 0, int(operands[-1].value) & 0x7F, guards
    if instruction.base == "R2P":
        return int(operands[-1].value) & 0x7F, 0, guards
    if instruction.base == "BRA":
        return 0, 0, guards | _mask(operands)
    if instruction.base in _COMPARISONS:
        return _mask(operands[:2]), _mask(operands[2:]), guards
    places = [i for i, op in enumerate(operands) if op.kind not in ("P", "UP")]
    if instruction.base in ("VOTE", "VOTEU"):
        return _mask(operands[:-1]), _mask(operands[-1:]), guards
    # Before and right behind the destination they are written, behind all sources read.
    last = places[-1] if places else 0
    return _mask(operands[:last]), _mask(operands[last:]), guards


def condition_of(instruction: Instruction) -> int:
    """Return 2 x the bit of the predicate before the instruction, plus 1 if it is inverted; -1 if it is always executed."""
    bit = _bit(instruction.predicate)
    return 2 * (bit.bit_length() - 1) + instruction.predicate.startswith("!") if bit else -1


def _mask(operands: Iterable[Operand]) -> int:
    mask = 0
    for op in operands:
        if op.kind in ("P", "UP") and op.value != PT:
            mask |= 1 << int(op.value) + (_UNIFORM if op.kind == "UP" else 0)
    return mask


def _bit(predicate: str) -> int:
    name = predicate.lstrip("!")
    if not name or name.endswith("T"):
        return 0
    return 1 << int(name[-1]) + (_UNIFORM if name.startswith("U") else 0)
