"""Instructions as rows of numbers for the compiled core."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from weakref import WeakKeyDictionary

import numpy as np

from ...errors import InputError
from ...traces.kernels.instruction import RZ, Instruction, Operand
from ...traces.kernels.trace import Kernel
from .config import CoreConfig
from .isa import CONTROL_TRANSFER, FIXED_FP64, UNITS, OpClass, op_class
from .latency import MemoryLatency
from .predicates import condition_of, predicates_of
from .tables import (
    CODE_LINE,
    CONDITION,
    CONST_LINE,
    DB_LEVEL,
    DB_SB,
    DB_SET,
    DST,
    DST_N,
    EFFECT,
    EFFECTS,
    GUARDS,
    INTERVAL,
    LATENCY,
    LINE_BYTES,
    LOW_EARLY,
    MEM_RAW,
    MEM_WAR,
    PC,
    PRED_READ,
    PRED_WRITTEN,
    RD,
    REUSE,
    SPACE,
    SPACES,
    SRC,
    SRC_N,
    STALL,
    STORE,
    TABLE_COLUMNS,
    TRANSFER,
    U_LATE,
    U_READ,
    U_WRITTEN,
    UNIT,
    VARIABLE,
    WAIT,
    WR,
    YIELD,
)  # fmt: skip
from .uniforms import uniforms_of

__all__ = ["constant_lines", "lower", "registers_of", "table_of"]

_known: WeakKeyDictionary[Kernel, dict[tuple[int, MemoryLatency], np.ndarray]] = WeakKeyDictionary()

CONSTANT_LINE_BYTES = 64
_MATRIX_REGISTERS = {"1688": (2, 1, 4), "16816": (4, 2, 4)}
"""Of A, B and C, by the shape of an HMMA."""


def table_of(kernel: Kernel, config: CoreConfig) -> np.ndarray:
    """Return what `lower` does for a kernel, not to be written to; kept for the designs that change nothing in it."""
    tables = _known.setdefault(kernel, {})
    key = config.constant_sets, config.memory
    if key not in tables:
        tables[key] = lower(kernel.instructions, config, kernel.name, control_bits=kernel.control_bits)
        tables[key].flags.writeable = False
    return tables[key]


def lower(
    instructions: Sequence[Instruction], config: CoreConfig, name: str = "kernel", *, control_bits: bool = False
) -> np.ndarray:
    """Return an int64 table of shape (instructions, columns); raises `InputError` naming opcode and line.

    With control bits, doubles without a write counter have a fixed latency: the compiler knows that they do.
    """
    table = np.full((len(instructions), TABLE_COLUMNS), -1, np.int64)
    lines = constant_lines(instructions, config.constant_sets)
    for row, instruction in zip(table, instructions, strict=True):
        try:
            kind = op_class(instruction.opcode)
        except InputError as error:
            where = f"{name}:{instruction.line}" if instruction.line else f"{name}: pc {instruction.pc:#x}"
            raise InputError(f"{where}: {error}") from None
        if control_bits and kind.unit == "fp64" and instruction.control.write is None:
            kind = replace(kind, variable=False, latency=FIXED_FP64, interval=2)
        _lower(row, instruction, kind, config, lines)
    return table


def registers_of(instruction: Instruction) -> tuple[tuple[int, int], list[tuple[int, int, int, bool]]]:
    """Return ((destination, registers), [(position, register, registers, reuse), ...]); -1 for no destination.

    A position is the place among the sources, counting immediates, constants and uniform registers.
    """
    kind = op_class(instruction.opcode)
    mods = instruction.modifiers
    width = 4 if "128" in mods else 2 if "64" in mods else 1
    operands = [op for op in instruction.operands if op.kind not in ("P", "UP", "B", "special", "label", "SB", "set")]
    destination = (-1, 0)
    if not kind.stores_only and operands and operands[0].kind in ("R", "UR"):
        first = operands.pop(0)
        if first.register is not None:
            destination = (first.register, _destination_width(instruction, kind, width))
    sources: list[tuple[int, int, int, bool]] = []
    for position, operand in enumerate(operands):
        if operand.kind in ("mem", "c") and operand.base not in (None, RZ):
            pair = operand.wide or ("E" in mods and operand.kind == "mem")
            sources.append((position, int(operand.base or 0), 2 if pair else 1, False))
        elif operand.register is not None:
            sources.append((position, operand.register, _source_width(instruction, kind, position, width), operand.reuse))
    return destination, sources


def constant_lines(instructions: Sequence[Instruction], sets: int) -> dict[tuple[int, int], int]:
    """Number the lines of constants that instructions read: (bank, line) to a small integer of the same set."""
    lines: dict[tuple[int, int], int] = {}
    used = [0] * max(1, sets)
    for instruction in instructions:
        for operand in instruction.operands:
            if operand.kind == "c" and (key := _constant_line(operand)) not in lines:
                place = key[1] % len(used)
                lines[key] = place + len(used) * used[place]
                used[place] += 1
    return lines


def _constant_line(operand: Operand) -> tuple[int, int]:
    return operand.bank, int(operand.value) // CONSTANT_LINE_BYTES


def _destination_width(instruction: Instruction, kind: OpClass, width: int) -> int:
    mods = instruction.modifiers
    if instruction.base == "CS2R":
        return 1 if "32" in mods else 2
    if instruction.base == "LDSM":
        return _access_registers(instruction)
    if kind.unit == "tensor":
        return 2 if instruction.opcode.endswith("F16") else 4
    return 2 if kind.unit == "fp64" or "WIDE" in mods else width


def _source_width(instruction: Instruction, kind: OpClass, position: int, width: int) -> int:
    mods = instruction.modifiers
    if kind.unit == "tensor":
        return _MATRIX_REGISTERS.get(mods[0] if mods else "", (4, 2, 4))[min(position, 2)]
    if kind.unit == "fp64" or (position == 2 and ("WIDE" in mods or ("HI" in mods and instruction.base == "IMAD"))):
        return 2
    if "64" in mods and kind.unit == "int":
        return width
    return width if kind.store and position == 1 else 1


def _lower(
    row: np.ndarray, instruction: Instruction, kind: OpClass, config: CoreConfig, lines: dict[tuple[int, int], int]
) -> None:
    (dst, dst_n), sources = registers_of(instruction)
    control = instruction.control
    row[UNIT], row[LATENCY], row[INTERVAL] = UNITS.index(kind.unit), kind.latency, kind.interval
    row[VARIABLE], row[EFFECT] = kind.variable, EFFECTS.index(kind.effect)
    row[SPACE], row[STORE] = SPACES.index("atomic" if kind.atomic and kind.space == "global" else kind.space), kind.store
    row[DST], row[DST_N], row[REUSE] = dst, dst_n, 0
    row[SRC_N : SRC_N + 4] = 0
    for slot, (position, register, count, reuse) in enumerate(sources[:4]):
        slot = position if position < 3 and kind.unit != "memory" else slot
        row[SRC + slot], row[SRC_N + slot] = register, count
        row[REUSE] |= reuse << slot
    row[STALL], row[YIELD] = control.stall, control.yields
    row[WR] = -1 if control.write is None else control.write
    row[RD] = -1 if control.read is None else control.read
    row[WAIT] = control.wait
    row[PC], row[CODE_LINE] = instruction.pc, instruction.pc // LINE_BYTES
    row[TRANSFER] = instruction.base in CONTROL_TRANSFER
    row[PRED_WRITTEN], row[PRED_READ], row[GUARDS] = predicates_of(instruction)
    row[CONDITION] = condition_of(instruction)
    row[U_WRITTEN], row[U_READ] = uniforms_of(instruction)
    row[U_LATE] = kind.latency > 2
    row[LOW_EARLY] = instruction.base == "IMAD" and "WIDE" in instruction.modifiers
    row[DB_SET] = 0
    if kind.effect == "async_barrier" and control.write is None:
        row[WR] = 0  # a trace without control bits
    for operand in instruction.operands:
        if kind.effect == "depbar":
            if operand.kind == "SB":
                row[DB_SB] = int(operand.value)
                row[DB_LEVEL] = max(int(row[DB_LEVEL]), 0)
            elif operand.kind == "imm":
                row[DB_LEVEL] = int(operand.value)
            elif operand.kind == "set":
                row[DB_SET] = int(operand.value)
        elif operand.kind == "c" and not kind.variable:
            row[CONST_LINE] = lines[_constant_line(operand)]
    if kind.unit == "memory":
        regular = any(op.kind in ("mem", "c") and op.base not in (None, RZ) for op in instruction.operands)
        count = _access_registers(instruction)
        times = config.memory.times(kind.space, store=kind.store, registers=count, regular=regular)
        row[MEM_WAR], row[MEM_RAW] = times.war, times.raw


def _access_registers(instruction: Instruction) -> int:
    mods = instruction.modifiers
    if instruction.base == "LDSM":
        return 4 if "4" in mods else 2 if "2" in mods else 1
    return 4 if "128" in mods else 2 if "64" in mods else 1
