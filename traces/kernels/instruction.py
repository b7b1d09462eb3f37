"""One machine instruction: opcode, operands, and the control bits that the compiler sets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ["NO_STALL", "RZ", "URZ", "Control", "Instruction", "Operand"]

RZ = 255
"""Number of the register that reads as zero; R255 in traces."""
URZ = 63
COUNTERS = 6

Kind = Literal["R", "UR", "P", "UP", "B", "c", "imm", "mem", "special", "SB", "set", "label"]


@dataclass(frozen=True)
class Control:
    """What the compiler tells the issue logic (MICRO 2025, section 4)."""

    stall: int = 1
    """Cycles until the warp may issue again, 0..15."""
    yields: bool = False
    """Do not issue from this warp in the next cycle."""
    write: int | None = None
    """Dependence counter 0..5 held until the result is written."""
    read: int | None = None
    """Dependence counter 0..5 held until the sources are read."""
    wait: int = 0
    """Mask of the counters that must be zero before the instruction issues."""

    def __str__(self) -> str:
        parts = [f"S{self.stall}"] + ["Y"] * self.yields
        parts += [f"W{self.write}"] * (self.write is not None) + [f"R{self.read}"] * (self.read is not None)
        if self.wait:
            parts.append("M" + "".join(str(i) for i in range(COUNTERS) if self.wait >> i & 1))
        return "{" + " ".join(parts) + "}"


NO_STALL = Control()


@dataclass(frozen=True)
class Operand:
    """One operand as written.

    `value` is a register number (of 255 registers, RZ = 255), a predicate number (PT = 7), an immediate, a
    dependence counter, a set of counters as a mask, a convergence barrier, the address of a label, or the byte offset
    of an address or a constant.
    """

    kind: Kind
    value: int | float = 0
    text: str = ""
    reuse: bool = False
    """Keep the value in the register-file cache."""
    base: int | None = None
    """Register that an address (or an indexed constant) starts from; None or RZ if there is none."""
    uniform: int | None = None
    """Uniform register of the address."""
    wide: bool = False
    """Whether the base is a pair of registers."""
    bank: int = 0
    """Constant bank."""

    @property
    def register(self) -> int | None:
        """The general register, unless it is RZ or something else."""
        return int(self.value) if self.kind == "R" and self.value != RZ else None


@dataclass(frozen=True)
class Instruction:
    """An instruction at `pc`, `line` of the file that it came from."""

    opcode: str
    """With all modifiers: "LDG.E.64"."""
    operands: tuple[Operand, ...] = ()
    control: Control = NO_STALL
    predicate: str = ""
    """"P0", "!P1", or "" for always."""
    pc: int = 0
    line: int = 0

    def __str__(self) -> str:
        guard = f"@{self.predicate} " if self.predicate else ""
        return f"{guard}{self.opcode} {', '.join(op.text for op in self.operands)}".rstrip()

    @property
    def base(self) -> str:
        """The opcode without modifiers."""
        return self.opcode.partition(".")[0]

    @property
    def modifiers(self) -> tuple[str, ...]:
        """The modifiers in order."""
        return tuple(self.opcode.split(".")[1:])
