"""Listings of SASS with encodings: `nvdisasm -hex` of a cubin, or `cuobjdump -sass`.

    .target sm_86
    .section .text.vector_add,"ax",@progbits
            /*0030*/    IMAD R6, R6, c[0x0][0x0], R3 ;    /* 0x0000000006067a24 */
                                                          /* 0x001fca00078e0203 */

Both words of an encoding may stand on one line. Operands and predicates come from the text, control bits from the
encoding. Registers and shared memory are what nvdisasm prints of them; cuobjdump prints neither, and then registers are
counted from those that are named.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path

from ....errors import InputError
from ....reading import read_text
from ..assembly import parse_instruction
from ..instruction import RZ, Instruction, Operand
from .encoding import decode_control

__all__ = ["ARCHITECTURES", "Program", "parse_listing", "read_listing"]

ARCHITECTURES = ("sm_75", "sm_80", "sm_86", "sm_90", "sm_120")
MAX_BYTES = 64 * 2**20
INSTRUCTION_BYTES = 16
BRANCHES = frozenset("BRA BSSY CALL JMP WARPSYNC BRX RET".split())

_TARGET = re.compile(r"^\s*(?:\.target\s+|code for )(sm_\w+)")
_FUNCTION = re.compile(r"^\s*(?:\.section\s+\.text\.([\w$.]+)|Function : ([\w$.]+))")
_SECTION = re.compile(r"^\s*\.section\s+([\w$.]+)")
_INSTRUCTION = re.compile(r"^\s*/\*([0-9a-f]{4,})\*/\s+([^;.][^;]*?)\s*;\s*(/\*.*)?$")
_ANNOTATION = re.compile(r"\s+(?:&\w+=\S+|\?\w+)")
"""What some releases print of the control bits behind the operands: &wr=sb0 &req={1,0} ?WAIT4_END_GROUP."""
_RETURN = re.compile(r"\b(RET\.\S+ R\d+) (0x|`)")
"""Two operands without a comma."""
_WORD = re.compile(r"/\*\s*0x([0-9a-f]{16})\s*\*/")
_LABEL = re.compile(r"^([.\w$]+):")
_SIZE = re.compile(r"^\s*\.size\s+([\w$.]+),\s*\((\S+) - ")
_REGISTERS = re.compile(r"SHI_REGISTERS=(\d+)")
_COUNT = re.compile(r"EIATTR_REGCOUNT\b.*?index@\(([\w$.]+)\)\s*(?:/\*[0-9a-f]+\*/)?\s*\.word\s+0x([0-9a-f]+)", re.S)
_SHARED = re.compile(r"^\.nv\.shared\.([\w$.]+):\s*\n((?:\s*\.zero\s+\d+\s*\n)+)", re.M)


@dataclass(frozen=True)
class Program:
    """One kernel of a listing."""

    name: str
    arch: str
    """"sm_86"."""
    instructions: tuple[Instruction, ...]
    """At successive addresses from 0; the operand of a branch is a label whose value is the address."""
    registers: int
    """32-bit registers of a thread."""
    shared_bytes: int
    """Shared memory of a thread block that is not asked for at the launch."""
    source: str = ""
    """The file."""

    def where(self, index: int) -> str:
        """The place of an instruction, for messages."""
        item = self.instructions[index]
        return f"{self.source}:{item.line}: {self.name}, pc {item.pc:#x}"


def read_listing(path: Path) -> tuple[Program, ...]:
    """Read every kernel of a file; raises `InputError` with file and line of what is missing or wrong."""
    return parse_listing(read_text(path, MAX_BYTES), str(path))


def parse_listing(text: str, name: str = "listing") -> tuple[Program, ...]:
    """Return every kernel of a listing; see `read_listing`."""
    reader = _Reader(name)
    for number, line in enumerate(text.splitlines(), 1):
        try:
            reader.line(number, line)
        except InputError as error:
            raise InputError(f"{name}:{number}: {error}") from None
    if reader.function is not None:
        reader.close()
    if not reader.functions:
        raise InputError(f"{name}: no kernel (accepted: the output of nvdisasm -hex or cuobjdump -sass)")
    registers = {found: int(count, 16) for found, count in _COUNT.findall(text)}
    shared = {found: sum(map(int, re.findall(r"\d+", zeros))) for found, zeros in _SHARED.findall(text)}
    return tuple(function.program(name, registers, shared) for function in reader.functions)


class _Function:
    def __init__(self, name: str, arch: str, disassembled: bool) -> None:
        self.name, self.arch = name, arch
        self.disassembled = disassembled
        """By nvdisasm, whose kernels end with a label; those of cuobjdump end with a row of dots."""
        self.instructions: list[Instruction] = []
        self.labels: dict[str, int] = {name: 0}
        self.registers = 0
        self.end = ""
        self.ended = False

    def program(self, source: str, registers: dict[str, int], shared: dict[str, int]) -> Program:
        if not (self.end in self.labels if self.disassembled else self.ended):
            last = self.instructions[-1].line if self.instructions else 0
            raise InputError(f"{source}: kernel {self.name!r} is cut off after line {last}: its end is missing")
        if not self.instructions:
            raise InputError(f"{source}: kernel {self.name!r} has no instruction with an encoding (accepted: nvdisasm -hex)")
        resolved = tuple(self.resolve(item, source) for item in self.instructions)
        count = registers.get(self.name) or self.registers or 1 + max(map(_highest, resolved))
        return Program(self.name, self.arch, resolved, count, shared.get(self.name, 0), source)

    def resolve(self, item: Instruction, source: str) -> Instruction:
        """The instruction with its branch target as an address."""
        if item.base not in BRANCHES or not item.operands:
            return item
        last = item.operands[-1]
        if last.kind == "label":
            target = self.labels.get(last.text)
        elif last.kind == "imm" and item.base != "WARPSYNC" and item.base != "RET":
            target = last.value if isinstance(last.value, int) else None
        else:
            return item
        if target is None or not 0 <= target <= INSTRUCTION_BYTES * len(self.instructions):
            raise InputError(f"{source}:{item.line}: the target {last.text} of {item.opcode} is not in kernel {self.name!r}")
        return replace(item, operands=(*item.operands[:-1], Operand("label", target, last.text)))


class _Reader:
    def __init__(self, name: str) -> None:
        self.name, self.arch = name, ""
        self.functions: list[_Function] = []
        self.function: _Function | None = None
        self.pending: tuple[int, int, str] | None = None
        """Line, address and text of an instruction that has only the first word of its encoding."""

    def line(self, number: int, text: str) -> None:
        if self.pending is not None:
            self.second_word(text)
            return
        if match := _TARGET.match(text):
            self.target(match[1])
        elif match := _FUNCTION.match(text):
            self.close()
            if not self.arch:
                raise InputError("a kernel before its architecture (accepted: .target sm_86, or code for sm_86)")
            self.function = _Function(match[1] or match[2], self.arch, match[1] is not None)
            self.functions.append(self.function)
        elif _SECTION.match(text):
            self.close()
        elif self.function is not None:
            self.inside(self.function, number, text)

    def target(self, arch: str) -> None:
        if arch not in ARCHITECTURES:
            raise InputError(f"architecture {arch!r} is not supported (accepted: {', '.join(ARCHITECTURES)})")
        self.arch = arch

    def inside(self, function: _Function, number: int, text: str) -> None:
        if match := _INSTRUCTION.match(text):
            words = _WORD.findall(match[3] or "")
            if not words:
                raise InputError(f"{match[2][:40]!r} has no encoding (accepted: nvdisasm -hex, or cuobjdump -sass)")
            self.pending = (number, int(match[1], 16), match[2])
            if len(words) > 1:
                self.add(int(words[1], 16))
        elif match := _LABEL.match(text):
            function.labels[match[1]] = INSTRUCTION_BYTES * len(function.instructions)
        elif match := _SIZE.match(text):
            if match[1] == function.name:
                function.end = match[2]
        elif match := _REGISTERS.search(text):
            function.registers = int(match[1])
        elif text.strip() and set(text.strip()) == {"."}:
            function.ended = True
            self.close()
        elif text.lstrip().startswith("/*"):
            raise InputError(f"{text.strip()[:60]!r} (accepted: /*address*/ instruction ; /* encoding */)")

    def second_word(self, text: str) -> None:
        match = _WORD.fullmatch(text.strip())
        if match is None:
            raise InputError(f"the second word of the encoding of {self.pending and self.pending[2]!r} is missing")
        self.add(int(match[1], 16))

    def add(self, high: int) -> None:
        assert self.function is not None
        assert self.pending is not None
        number, address, text = self.pending
        self.pending = None
        expected = INSTRUCTION_BYTES * len(self.function.instructions)
        if address != expected:
            raise InputError(f"address {address:#x} after {expected - INSTRUCTION_BYTES:#x}: instructions are missing")
        item = parse_instruction(_RETURN.sub(r"\1, \2", " ".join(_ANNOTATION.sub("", text).split())), address, number)
        self.function.instructions.append(replace(item, control=decode_control(high)))

    def close(self) -> None:
        if self.pending is not None:
            raise InputError(f"{self.name}:{self.pending[0]}: the listing is cut off inside an encoding")
        self.function = None


def _highest(item: Instruction) -> int:
    """The highest register that an instruction names; -1 if there is none."""
    named = [op.value if op.kind == "R" else op.base for op in item.operands if op.kind in ("R", "mem", "c")]
    return max((int(n) for n in named if n is not None and n != RZ), default=-1)
