"""Which uniform registers an instruction writes and reads."""

from __future__ import annotations

import re

from ...traces.kernels.instruction import Instruction

__all__ = ["TRACKED", "uniforms_of"]

TRACKED = 63
"""UR0 to UR62. Architectures with more of them exist (sm_100 on); what they write there is not followed."""
_NUMBER = re.compile(r"UR(\d+)")
_DESCRIPTOR = re.compile(r"desc\[UR(\d+)\]")
_WIDTHS = {"64": 2, "128": 4, "WIDE": 2}
_WRITERS = frozenset("S2UR R2UR LDCU REDUX CREDUX VOTEU CS2UR".split())
_NO_WRITERS = frozenset("UISETP UFSETP UPLOP3 UP2R UBLKCP UTMALDG UTMASTG USETMAXREG".split())


def uniforms_of(instruction: Instruction) -> tuple[int, int]:
    """Return the masks (written, read) of UR0 to UR62.

    Descriptors, and the uniform part of an address of global memory, are pairs of registers.
    """
    operands = [op for op in instruction.operands if op.kind not in ("P", "UP")]
    width = max((_WIDTHS.get(modifier, 1) for modifier in instruction.modifiers), default=1)
    written = read = 0
    base = instruction.base
    writes = base in _WRITERS or (base.startswith("U") and base not in _NO_WRITERS)
    if writes and operands and operands[0].kind == "UR":
        written = _mask(int(operands[0].value), width)
        operands = operands[1:]
    far = base in ("LDG", "STG", "LD", "ST", "ATOMG", "ATOM", "RED", "REDG", "LDGSTS")
    for position, op in enumerate(operands):
        descriptors = [int(number) for number in _DESCRIPTOR.findall(op.text)]
        for number in map(int, _NUMBER.findall(op.text)):
            pair = number in descriptors or (op.kind == "mem" and far) or (position == 2 and "WIDE" in instruction.modifiers)
            read |= _mask(number, 2 if pair else 1)
    return written, read


def _mask(first: int, count: int) -> int:
    return sum(1 << number for number in range(first, first + count) if number < TRACKED)
