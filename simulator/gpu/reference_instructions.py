"""What an instruction is to the readable reference of the core: latencies, and the places that it reads and writes.

No table here is shared with the compiled core.
"""

from __future__ import annotations

from collections.abc import Mapping

from ...traces.kernels.instruction import RZ, Instruction

__all__ = ["FIXED_LATENCY", "constant", "depbar", "destination", "is_memory", "memory_times", "places", "register_operands"]

FIXED_LATENCY = {  # opcode: (latency, pipe, cycles that its input latch is taken)
    "NOP": (4, None, 1), "DEPBAR": (4, None, 1), "CS2R": (4, None, 1), "ERRBAR": (4, None, 1),
    "FADD": (4, "fp32", 2), "FMUL": (4, "fp32", 2), "FFMA": (4, "fp32", 2), "HADD2": (5, "half", 2), "HFMA2": (5, "half", 2),
    "IADD3": (4, "int", 2), "MOV": (4, "int", 2), "LOP3": (4, "int", 2), "IMAD": (4, "int", 2), "ISETP": (13, "predicate", 2),
    "BAR": (4, "branch", 1), "UMOV": (2, "uniform", 2), "UIADD3": (4, "uniform", 2),
}  # fmt: skip
STORES = ("STG", "STS")
MEMORY = {  # (opcode, address in a general register): (sources read, result written) after the issue, for 32 bits
    ("LDG", True): (11, 32), ("LDG", False): (9, 29), ("LDS", True): (9, 24), ("LDS", False): (9, 23),
    ("STG", True): (14, 14), ("STG", False): (10, 10), ("STS", True): (12, 12), ("STS", False): (10, 10),
    ("LDC", True): (29, 29), ("LDC", False): (10, 26), ("LD", True): (10, 31),
}  # fmt: skip
CONSTANT_LINE = 64
Place = tuple[str, int]
"""("R", 5), ("UR", 4), ("P", 0)."""


def is_memory(instruction: Instruction) -> bool:
    """Whether it goes through the memory unit."""
    return instruction.base in {opcode for opcode, _ in MEMORY}


def _width(instruction: Instruction) -> int:
    widths: Mapping[str, int] = {"64": 2, "128": 4, "WIDE": 2}
    return max((widths.get(modifier, 1) for modifier in instruction.modifiers), default=1)


def memory_times(instruction: Instruction) -> tuple[int, int]:
    """Cycles from the issue to when the sources are read and the result is written, with nothing in the way."""
    regular = any(op.kind in ("mem", "c") and op.base not in (None, RZ) for op in instruction.operands)
    war, raw = MEMORY[instruction.base, regular]
    more = _width(instruction) - 1
    if instruction.base in STORES:
        return war + 2 * more, raw + 2 * more
    if instruction.base == "LDG":
        return war, raw + 2 * more
    if instruction.base == "LDS":
        return war, raw + (2 if more == 3 else 0)
    return war, raw


def destination(instruction: Instruction) -> list[int]:
    """General registers that are written."""
    if instruction.base in STORES or not instruction.operands or instruction.operands[0].kind != "R":
        return []
    first = instruction.operands[0].register
    count = 1 if instruction.base == "CS2R" else _width(instruction)
    return [] if first is None else [first + i for i in range(count)]


def register_operands(instruction: Instruction) -> list[tuple[int, list[int], bool]]:
    """(position among the sources, registers, reuse) of the general registers that are read through the ports."""
    if instruction.base in ("CS2R", "DEPBAR", "NOP"):
        return []
    operands = [op for op in instruction.operands if op.kind not in ("P", "UP")]
    to_zero = bool(operands) and operands[0].kind == "R" and operands[0].register is None
    if instruction.base != "ISETP" and (destination(instruction) or to_zero):
        operands = operands[1:]
    found = []
    for position, operand in enumerate(operands):
        if operand.register is not None:
            count = 2 if "WIDE" in instruction.modifiers and position == 2 else 1
            found.append((position, [operand.register + i for i in range(count)], operand.reuse))
    return found


def constant(instruction: Instruction) -> tuple[int, int] | None:
    """The line of constants that a fixed-latency instruction reads: (bank, line)."""
    if is_memory(instruction):
        return None
    lines = [(op.bank, int(op.value) // CONSTANT_LINE) for op in instruction.operands if op.kind == "c"]
    return lines[-1] if lines else None


def depbar(instruction: Instruction) -> tuple[int, int, int]:
    """Counter, level, and the mask of others that must be zero."""
    counter, level, others = 0, 0, 0
    for operand in instruction.operands:
        if operand.kind == "SB":
            counter = int(operand.value)
        elif operand.kind == "imm":
            level = int(operand.value)
        elif operand.kind == "set":
            others = int(operand.value)
    return counter, level, others


def places(instruction: Instruction) -> tuple[set[Place], set[Place]]:
    """What a scoreboard follows: (places read, places written)."""
    read: set[Place] = set()
    written: set[Place] = {("R", register) for register in destination(instruction)}
    if instruction.predicate:
        read.add(("P", int(instruction.predicate.lstrip("!")[1:])))
    operands = list(instruction.operands)
    if instruction.base == "ISETP":
        written |= {("P", int(op.value)) for op in operands[:2] if op.value != 7}
        operands = operands[2:]
    elif instruction.base in ("UMOV", "UIADD3"):
        written.add(("UR", int(operands.pop(0).value)))
    elif instruction.base not in STORES and operands and operands[0].kind == "R":
        operands = operands[1:]
    for position, op in enumerate(operands):
        if op.kind in ("P", "UP") and op.value != 7:
            read.add((op.kind, int(op.value)))
        elif op.kind == "UR" and op.value != 63:
            read.add(("UR", int(op.value)))
        elif op.register is not None:
            data = _width(instruction) if instruction.base in STORES else 1
            count = 2 if "WIDE" in instruction.modifiers and position == 2 else data
            read |= {("R", op.register + i) for i in range(count)}
        elif op.kind in ("mem", "c"):
            far = instruction.base in ("LDG", "STG", "LD")
            pair = op.wide or (far and "E" in instruction.modifiers)
            if op.base not in (None, RZ):
                read |= {("R", int(op.base or 0) + i) for i in range(2 if pair else 1)}
            if op.uniform not in (None, 63):
                read |= {("UR", int(op.uniform or 0) + i) for i in range(2 if far else 1)}
    return read, written
