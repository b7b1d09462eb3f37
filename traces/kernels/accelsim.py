"""Accel-Sim traces: `.traceg` files of one kernel each, and the `kernelslist.g` that puts them in order.

A line of a trace is, after an optional line number when "enable lineinfo" is 1,

    PC mask ndest [Rd ...] OPCODE nsrc [Rs ...] width [mode addresses ...] [immediates]

with the mode 0 for the address of every active lane, 1 for a base and a stride, 2 for a base and the
differences from lane to lane. Traces carry neither control bits nor predicates nor constants, so that they
need a scoreboard. Versions 3 to 6 of the tracer are read.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

import numpy as np

from ...errors import InputError
from ...reading import lines_in
from ..catalog import file_format
from .instruction import RZ, Instruction, Operand
from .trace import Kernel, KernelTrace

__all__ = ["read_kernel", "read_kernels_list"]

MAX_BYTES = 2 * 2**30
_MEMORY = re.compile(r"^(LD|ST|ATOM|RED|LDGSTS)")
_STORE = re.compile(r"^(ST|RED)")


@file_format(".g", "Accel-Sim kernelslist.g, with its .traceg files beside it", kind="kernels",
             source="github.com/accel-sim/accel-sim-framework")
def read_kernels_list(name: str, path: Path) -> KernelTrace:
    """Read every kernel of a list, in order; copies between host and device are passed over."""
    kernels = []
    for number, line in enumerate(_lines(path), 1):
        entry = line.strip()
        if not entry or entry.startswith("Memcpy"):
            continue
        target = path.parent / entry
        if not entry.endswith(".traceg"):
            raise InputError(f"{path}:{number}: {entry!r}; accepted: a .traceg file or a Memcpy line")
        if not os.path.isfile(target):
            raise InputError(f"{path}:{number}: {entry}: no such file")
        kernels.append(read_kernel(target))
    if not kernels:
        raise InputError(f"{path}: no kernel in the list")
    return KernelTrace(name if name != "kernelslist.g" else path.parent.name or name, tuple(kernels), str(path))


@file_format(".traceg", "Accel-Sim trace of one kernel", kind="kernels", source="github.com/accel-sim/accel-sim-framework")
def read_trace(name: str, path: Path) -> KernelTrace:
    """Read a single kernel as a workload."""
    return KernelTrace(name, (read_kernel(path),), str(path))


def read_kernel(path: Path) -> Kernel:
    """Read one `.traceg` file; raises `InputError` with the line of whatever is missing or wrong."""
    return _Reader(path).kernel()


def _lines(path: Path) -> Iterator[str]:
    for _, line in lines_in(path, MAX_BYTES, "ascii"):
        yield line


class _Reader:
    def __init__(self, path: Path) -> None:
        self.path, self.number = path, 0
        self.lines = _lines(path)
        self.header: dict[str, str] = {}
        self.instructions: dict[tuple[str, ...], int] = {}
        self.built: list[Instruction] = []
        self.stream: list[int] = []
        self.starts: list[int] = []
        self.lengths: list[int] = []
        self.lanes: list[int] = []
        self.addresses: list[int] = []

    def fail(self, message: str) -> NoReturn:
        raise InputError(f"{self.path}:{self.number}: {message}")

    def next(self, what: str) -> str:
        for line in self.lines:
            self.number += 1
            if text := line.strip():
                return text
        raise InputError(f"{self.path}: the file ends after line {self.number}, where {what} is missing")

    def kernel(self) -> Kernel:
        for line in self.lines:
            self.number += 1
            text = line.strip()
            if text.startswith("-"):
                key, _, value = text[1:].partition(" = ")
                self.header[key.strip()] = value.strip()
            elif text == "#BEGIN_TB":
                self.thread_block()
            elif text and not text.startswith("#"):
                self.fail(f"{text[:60]!r}; accepted: a header line or #BEGIN_TB")
        ctas, threads = self.triple("grid dim"), self.triple("block dim")
        warps = -(-threads // 32)
        if len(self.starts) != ctas * warps:
            raise InputError(f"{self.path}: {len(self.starts)} warps; the header says {ctas} thread blocks of {warps}")
        access = np.zeros(len(self.stream) + 1, np.int64)
        np.cumsum(self.lanes, out=access[1:])
        return Kernel(
            self.header.get("kernel name", self.path.stem), tuple(self.built), np.array(self.stream, np.int32),
            np.array(self.starts, np.int64), np.array(self.lengths, np.int64), warps, False, access,
            np.array(self.addresses, np.int64), self.integer("shmem"), self.integer("nregs"),
        )

    def triple(self, key: str) -> int:
        match = re.fullmatch(r"\((\d{1,9}),(\d{1,9}),(\d{1,9})\)", self.header.get(key, ""))
        if match is None or int(match[1]) * int(match[2]) * int(match[3]) == 0:
            raise InputError(f"{self.path}: {key}={self.header.get(key)!r}; accepted: (x,y,z) of positive integers")
        return int(match[1]) * int(match[2]) * int(match[3])

    def integer(self, key: str) -> int:
        text = self.header.get(key, "0")
        if not re.fullmatch(r"[0-9]{1,9}", text):
            raise InputError(f"{self.path}: {key}={text!r}; accepted: an integer")
        return int(text)

    def thread_block(self) -> None:
        if not (text := self.next("'thread block = x,y,z'")).startswith("thread block"):
            self.fail(f"{text[:60]!r}; accepted: thread block = x,y,z")
        while (text := self.next("'warp = n' or #END_TB")) != "#END_TB":
            if not text.startswith("warp = "):
                self.fail(f"{text[:60]!r}; accepted: warp = n, insts = k and k instructions, or #END_TB")
            count = re.fullmatch(r"insts = (\d{1,9})", self.next("'insts = k'"))
            if count is None:
                self.fail("accepted: insts = k")
            self.starts.append(len(self.stream))
            self.lengths.append(int(count[1]))
            for done in range(int(count[1])):
                text = self.next(f"instruction {done + 1} of {count[1]}")
                if text[0] == "#" or text.startswith("warp"):
                    self.fail(f"{text[:40]!r} after {done} instructions of a warp that says it has {count[1]}")
                self.instruction(text)

    def instruction(self, text: str) -> None:
        tokens = text.split()
        if self.header.get("enable lineinfo") == "1":
            tokens = tokens[1:]
        try:
            destinations = int(tokens[2])
            sources = int(tokens[4 + destinations])
            if not (0 <= destinations <= 16 and 0 <= sources <= 16 and 0 <= int(tokens[0], 16) < 1 << 48):
                raise ValueError("a count, or the PC")
            at = 5 + destinations + sources
            key = (tokens[0], *tokens[2:at], tokens[at])
            mask, width = int(tokens[1], 16), int(tokens[at])
            index = self.instructions.get(key)
            if index is None:
                self.built.append(self.build(tokens, destinations, sources, width))
                index = self.instructions[key] = len(self.built) - 1
            lanes = self.add_addresses(mask, tokens[at + 1 :]) if width else 0
        except (IndexError, ValueError):
            self.fail(f"{text[:80]!r} is not an instruction (accepted: PC mask ndest [Rd] OPCODE nsrc [Rs] width [addresses])")
        self.stream.append(index)
        self.lanes.append(lanes)

    def build(self, tokens: list[str], destinations: int, sources: int, width: int) -> Instruction:
        opcode = tokens[3 + destinations]
        written = [self.register(token) for token in tokens[3 : 3 + destinations]]
        read = [self.register(token) for token in tokens[5 + destinations : 5 + destinations + sources]]
        if _MEMORY.match(opcode) and width and read and read[0].kind == "R":
            read[0] = Operand("mem", 0, read[0].text, base=int(read[0].value))
        if not written and not _STORE.match(opcode):
            written = [Operand("R", RZ, "RZ")]
        return Instruction(opcode, (*written[:1], *read), pc=int(tokens[0], 16), line=self.number)

    def register(self, token: str) -> Operand:
        match = re.fullmatch(r"(U?R)(\d+)", token)
        if match is None or int(match[2]) > RZ:
            raise ValueError(token)
        return Operand("R" if match[1] == "R" else "UR", int(match[2]), token)

    def add_addresses(self, mask: int, tokens: list[str]) -> int:
        """Append the addresses of the active lanes; returns how many there are."""
        active = mask.bit_count()
        if active == 0:
            return 0
        mode = int(tokens[0])
        if mode == 0:
            found = [int(token, 16) for token in tokens[1 : 1 + active]]
        elif mode == 1:
            base, stride = int(tokens[1], 16), int(tokens[2])
            found = [base + stride * lane for lane in range(active)]
        elif mode == 2:
            found = [int(tokens[1], 16)]
            for token in tokens[2 : 1 + active]:
                found.append(found[-1] + int(token))
        else:
            raise ValueError(tokens[0])
        if len(found) != active:
            raise IndexError
        if min(found) < 0 or max(found) >= 1 << 63:
            raise ValueError("an address")
        self.addresses += found
        return active
