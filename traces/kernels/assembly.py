"""A small assembly form with control bits, for microbenchmarks and what the hardware was measured to do.

    .case listing-1                     a microbenchmark; everything below belongs to it
    .source MICRO 2025, listing 1       where the expected numbers come from
    .set sub_cores=1 prefetch_depth=0   parameters of the core
    .warps 4                            four warps run the program (the default is one)
    .warp 1                             what follows is warp 1's own program
    .origin 2                           the first issue is called cycle 2 (default 0)
    .lines 0@0 1@0 2@20                 instruction lines and the cycles in which they arrive in the L0
    .let R2 1.0                         a register's value at the start
    .repeat 8 ... .end                  the lines between, eight times
    FFMA R1, R2.reuse, R3, R4 {S4 Y W0 R1 M03} ; 13/15 hit0 miss1
    .expect elapsed 5                   second CLOCK minus first

After `;` stand the expected issue cycle (one for all warps, or one for each, `?` for not known) and which
operands hit the register-file cache. `#` starts a comment. Control bits: stall 4, yield, write counter 0,
read counter 1, wait for counters 0 and 3; left out it is {S1}.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from ...errors import InputError
from ...reading import natural, read_text
from .instruction import COUNTERS, NO_STALL, Control, Instruction
from .operands import parse_operand, split_operands

__all__ = ["EXPECTATIONS", "Case", "Expected", "parse_assembly", "parse_control", "parse_instruction", "read_assembly"]

MAX_BYTES = 2**20
MAX_INSTRUCTIONS = 100_000
"""Of one program, repetitions written out."""

EXPECTATIONS = ("elapsed", "end", "order", "bubbles", "value", "hazards")
_CONTROL = re.compile(r"\{((?:\s*(?:S\d+|Y|W\d|R\d|M\d*))*\s*)\}\s*$")


@dataclass(frozen=True)
class Expected:
    """What was measured for one instruction."""

    cycles: tuple[int | None, ...] = ()
    """Issue cycle, one for all warps or one for each."""
    hits: tuple[tuple[int, bool], ...] = ()
    """(operand position, whether it hit the register-file cache)."""

    def cycle(self, warp: int) -> int | None:
        """The expected issue cycle of a warp, if it is known."""
        if not self.cycles:
            return None
        return self.cycles[warp] if len(self.cycles) > 1 else self.cycles[0]


@dataclass
class Case:
    """One microbenchmark."""

    name: str
    where: str
    """File and line."""
    source: str = ""
    settings: dict[str, str] = field(default_factory=dict)
    """Parameters of the core, as text."""
    warps: int = 1
    programs: dict[int | None, list[Instruction]] = field(default_factory=lambda: {None: []})
    """Warp to program; None is the program of every warp that has none of its own."""
    expected: dict[int | None, list[Expected]] = field(default_factory=lambda: {None: []})
    origin: int = 0
    lines: dict[int, int] | None = None
    values: dict[str, float] = field(default_factory=dict)
    expectations: list[tuple[str, list[str], str]] = field(default_factory=list)
    """(what, arguments, file and line)."""

    def program(self, warp: int) -> list[Instruction]:
        """The instructions of a warp."""
        return self.programs.get(warp, self.programs[None])

    def expects(self, warp: int) -> list[Expected]:
        """What is expected of each of them."""
        return self.expected.get(warp, self.expected[None])


def read_assembly(path: Path) -> list[Case]:
    """Read a file of microbenchmarks; raises `InputError` with file, line, value and what is accepted."""
    return parse_assembly(read_text(path, MAX_BYTES), str(path))


def parse_assembly(text: str, name: str = "assembly") -> list[Case]:
    """Parse microbenchmarks; a text without `.case` is one."""
    reader = _Reader(name)
    for number, line in enumerate(text.splitlines(), 1):
        try:
            reader.line(number, line)
        except InputError as error:
            raise InputError(f"{name}:{number}: {error}") from None
    return reader.finish()


def parse_control(text: str) -> Control:
    """Parse the inside of a control field, "S4 Y W0 R1 M03"."""
    stall, yields, write, read, wait = 1, False, None, None, 0
    for token in text.split():
        kind, digits = token[0], token[1:]
        if kind == "S":
            stall = int(digits)
        elif kind == "Y":
            yields = True
        elif kind == "W":
            write = int(digits)
        elif kind == "R":
            read = int(digits)
        else:
            wait = sum(1 << int(digit) for digit in set(digits))
    if stall > 15:
        raise InputError(f"stall S{stall}; accepted: S0 to S15")
    for letter, counter in (("W", write), ("R", read), ("M", wait.bit_length() - 1)):
        if counter is not None and counter >= COUNTERS:
            raise InputError(f"counter {letter}{counter}; accepted: {letter}0 to {letter}{COUNTERS - 1}")
    return Control(stall, yields, write, read, wait)


def parse_instruction(text: str, pc: int = 0, line: int = 0) -> Instruction:
    """Parse `[@P0] OPCODE operands {control}`; raises `InputError`."""
    control = NO_STALL
    if match := _CONTROL.search(text):
        control = parse_control(match[1])
        text = text[: match.start()].strip()
    predicate = ""
    if text.startswith("@"):
        predicate, _, text = text[1:].partition(" ")
        if not re.fullmatch(r"!?U?P[0-7T]", predicate):
            raise InputError(f"predicate {predicate!r}; accepted: P0 to P6, PT, UP0 to UP6, UPT, with ! before it or not")
    opcode, _, rest = text.strip().partition(" ")
    if not re.fullmatch(r"[A-Z][A-Z0-9_]*(\.[A-Za-z0-9_]+)*", opcode):
        raise InputError(f"{opcode!r} is not an opcode (accepted: OPCODE.MODIFIER operands {{control}})")
    operands = tuple(parse_operand(part) for part in split_operands(rest))
    return Instruction(opcode, operands, control, predicate, pc, line)


class _Reader:
    def __init__(self, name: str) -> None:
        self.name, self.cases = name, list[Case]()
        self.warp: int | None = None
        self.repeats: list[tuple[int, int, int]] = []

    @property
    def case(self) -> Case:
        if not self.cases:
            self.cases.append(Case(Path(self.name).stem, self.name))
        return self.cases[-1]

    def line(self, number: int, raw: str) -> None:
        text, _, expectation = raw.partition("#")[0].partition(";")
        text = text.strip()
        if text.startswith("."):
            self.directive(number, text)
        elif text:
            program, expected = self.case.programs[self.warp], self.case.expected[self.warp]
            program.append(parse_instruction(text, 16 * len(program), number))
            expected.append(_expected(expectation))
        elif expectation.strip():
            raise InputError(f"{expectation.strip()!r} is beside no instruction")

    def directive(self, number: int, text: str) -> None:
        name, _, rest = text[1:].partition(" ")
        words = rest.split()
        case = self.case if name != "case" else None
        if name == "case" or case is None:
            self._close()
            if len(words) != 1 or any(words[0] == other.name for other in self.cases):
                raise InputError(f".case {rest}: accepted: one name that no other case has")
            self.cases.append(Case(words[0], f"{self.name}:{number}"))
            self.warp = None
        elif name == "source":
            case.source = rest.strip()
        elif name == "set":
            case.settings.update(_pairs(words, "="))
        elif name == "let":
            if len(words) != 2 or not re.fullmatch(r"R\d+", words[0]):
                raise InputError(f".let {rest}: accepted: .let R2 1.0")
            case.values[words[0]] = _number(words[1])
        elif name == "warps":
            case.warps = _integer(rest, 1, 64)
        elif name == "warp":
            self._close()
            self.warp = _integer(rest, 0, case.warps - 1)
            case.programs.setdefault(self.warp, [])
            case.expected.setdefault(self.warp, [])
        elif name == "origin":
            case.origin = _integer(rest, 0, 10**6)
        elif name == "lines":
            case.lines = {_integer(a, 0, 10**5): _integer(b, 0, 10**6) for a, b in _pairs(words, "@").items()}
        elif name == "repeat":
            self.repeats.append((len(case.programs[self.warp]), _integer(rest, 1, 10**5), number))
        elif name == "end":
            self._repeat()
        elif name == "expect":
            if not words or words[0] not in EXPECTATIONS:
                raise InputError(f".expect {rest}: accepted: {', '.join(EXPECTATIONS)}")
            case.expectations.append((words[0], words[1:], f"{self.name}:{number}"))
        else:
            raise InputError(f".{name} is not known (accepted: .case .source .set .let .warps .warp .origin .lines "
                             ".repeat .end .expect)")

    def _repeat(self) -> None:
        if not self.repeats:
            raise InputError(".end without .repeat")
        start, count, _ = self.repeats.pop()
        program, expected = self.case.programs[self.warp], self.case.expected[self.warp]
        body, beside = program[start:], expected[start:]
        if start + len(body) * count > MAX_INSTRUCTIONS:
            raise InputError(f".repeat {count}: more than {MAX_INSTRUCTIONS} instructions")
        del program[start:], expected[start:]
        for _ in range(count):
            for instruction in body:
                pc = 16 * len(program)
                program.append(Instruction(instruction.opcode, instruction.operands, instruction.control,
                                           instruction.predicate, pc, instruction.line))
            expected += beside

    def _close(self) -> None:
        if self.repeats:
            raise InputError(f".repeat of line {self.repeats[-1][2]} has no .end")

    def finish(self) -> list[Case]:
        if self.repeats:
            raise InputError(f"{self.name}:{self.repeats[-1][2]}: .repeat has no .end")
        if not self.cases:
            raise InputError(f"{self.name}: no microbenchmark (accepted: instructions, one a line)")
        for case in self.cases:
            for warp in range(case.warps):
                if not case.program(warp):
                    raise InputError(f"{case.where}: case {case.name!r}: warp {warp} has no instruction")
                for item in case.expects(warp):
                    if len(item.cycles) not in (0, 1, case.warps):
                        raise InputError(f"{case.where}: case {case.name!r}: {len(item.cycles)} expected cycles; "
                                         f"accepted: 1 or {case.warps}, one a warp")
        return self.cases


def _expected(text: str) -> Expected:
    cycles: tuple[int | None, ...] = ()
    hits = []
    for token in text.split():
        if match := re.fullmatch(r"(hit|miss)([0-2])", token):
            hits.append((int(match[2]), match[1] == "hit"))
        elif re.fullmatch(r"(\d+|\?)(/(\d+|\?))*", token) and not cycles:
            cycles = tuple(None if part == "?" else int(part) for part in token.split("/"))
        else:
            raise InputError(f"expectation {token!r}; accepted: issue cycles (13 or 13/15), hit0..hit2, miss0..miss2")
    return Expected(cycles, tuple(hits))


def _pairs(words: list[str], sign: str) -> dict[str, str]:
    pairs = dict(_halves(words, sign))
    if not pairs:
        raise InputError(f"nothing given; accepted: name{sign}value")
    return pairs


def _halves(words: list[str], sign: str) -> Iterator[tuple[str, str]]:
    for word in words:
        left, found, right = word.partition(sign)
        if not found or not left or not right:
            raise InputError(f"{word!r}; accepted: name{sign}value")
        yield left, right


def _integer(text: str, low: int, high: int) -> int:
    number = natural(text.strip(), low, high)
    if number is None:
        raise InputError(f"{text.strip()!r}; accepted: an integer from {low} to {high}")
    return number


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise InputError(f"{text!r}; accepted: a number") from None
