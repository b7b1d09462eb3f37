"""What a program computes when its instructions issue in given cycles: wrong stall counts give wrong values.

A small interpreter for microbenchmarks. A fixed-latency result is seen by instructions that issue `latency`
cycles later or more (one more if they are of variable latency, which have no bypass); earlier ones read what
was in the register before. All lanes hold the same value.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from ...errors import InputError
from ...traces.kernels.instruction import Instruction, Operand
from .isa import op_class

__all__ = ["evaluate"]


class _Registers:
    """Values with the cycle from which each is seen."""

    def __init__(self, initial: Mapping[str, float]) -> None:
        self.written: dict[str, list[tuple[int, float]]] = {name: [(-1, value)] for name, value in initial.items()}

    def write(self, name: str, seen: int, value: float) -> None:
        self.written.setdefault(name, []).append((seen, value))

    def read(self, operand: Operand, cycle: int) -> float:
        if operand.kind == "imm":
            return float(operand.value)
        if operand.register is None:
            return 0.0
        value = 0.0
        for seen, candidate in self.written.get(f"R{operand.register}", []):
            if seen <= cycle:
                value = candidate
        return -value if operand.text.startswith("-") else value


def evaluate(program: Sequence[Instruction], issue: Sequence[int], initial: Mapping[str, float]) -> dict[str, float]:
    """Return the registers "R5" after the program, whose instructions issued in the given cycles.

    Understands FADD, FMUL, FFMA, IADD3 and MOV, and passes over what computes nothing. Raises `InputError`
    for an arithmetic instruction that it does not know.
    """
    registers = _Registers(initial)
    for instruction, cycle in zip(program, issue, strict=True):
        kind = op_class(instruction.opcode)
        if kind.variable or kind.unit in ("none", "branch") or not instruction.operands:
            continue
        result, *sources = instruction.operands
        x = [np.float32(registers.read(source, cycle)) for source in sources]
        match instruction.base, x:
            case ("FADD", [a, b]):
                value = a + b
            case ("FMUL", [a, b]):
                value = a * b
            case ("FFMA", [a, b, c]):
                value = np.float32(float(a) * float(b) + float(c))
            case ("IADD3", [a, b, c]):
                value = a + b + c
            case ("MOV", [a]):
                value = a
            case _:
                raise InputError(f"line {instruction.line}: the value of {instruction.opcode} is not computed "
                                 "(accepted: FADD, FMUL, FFMA, IADD3, MOV)")
        if result.register is not None:
            registers.write(f"R{result.register}", cycle + kind.latency, float(value))
    return {name: values[-1][1] for name, values in registers.written.items()}
