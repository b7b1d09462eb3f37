"""Listings of one's own as workloads: a kernel, a launch, and what its arguments are.

    own.sass:kernel=saxpy,grid=8,block=256,arguments=x2.0+f2048+f2048+n2048

Arguments in order, joined by "+": f, h, u and z with a count are addresses of arrays of random float32 (-1 to 1), float16
and uint32, and of zeros (4 B each); n, x with a number are an int32 and a float32.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

import numpy as np
from pydantic import Field

from ...errors import InputError
from ..catalog import file_format
from .functional import GlobalMemory, execute
from .sass import Program, read_listing
from .trace import KernelTrace

__all__ = ["read_own"]

_FORM = "accepted: f, h, u or z and a count, n and an integer, x and a number, joined by +, as in f1024+z1024+n1024"
Sizes = Annotated[str, Field(pattern=r"^[0-9]{1,9}(x[0-9]{1,9}){0,2}$", description="x, XxY or XxYxZ")]


@file_format(".sass", "SASS listing with encodings (nvdisasm -hex, cuobjdump -sass), executed", kind="kernels")
def read_own(
    name: str, path: Path, *, kernel: Annotated[str, Field(description="name of the kernel; empty: the only one")] = "",
    arch: Annotated[str, Field(description="architecture, where the listing has several; empty: the only one")] = "",
    grid: Sizes = "1", block: Sizes = "32",
    arguments: Annotated[str, Field(description="arguments joined by +: f1024+z1024+n1024")] = "",
    shared: Annotated[int, Field(ge=0, le=2**20, description="bytes of shared memory asked for at the launch")] = 0,
) -> KernelTrace:
    """Execute one launch of a kernel on random data."""
    program = _choose(read_listing(path), kernel, arch, path)
    if shared:
        program = Program(program.name, program.arch, program.instructions, program.registers, program.shared_bytes + shared,
                          program.source)
    memory = GlobalMemory()
    random = np.random.default_rng(0)
    given = [_argument(text, memory, random) for text in arguments.split("+") if text]
    run = execute(program, _three(grid), _three(block), given, memory)
    return KernelTrace(name, (run,), str(path))


def _choose(programs: tuple[Program, ...], kernel: str, arch: str, path: Path) -> Program:
    found = [program for program in programs if kernel in ("", program.name) and arch in ("", program.arch)]
    if len(found) != 1:
        known = ", ".join(f"{program.name} for {program.arch}" for program in programs)
        raise InputError(f"{path}: kernel={kernel!r}, arch={arch!r}: {len(found)} kernels; accepted: one of {known}")
    return found[0]


def _argument(text: str, memory: GlobalMemory, random: np.random.Generator) -> np.generic | int:
    match = re.fullmatch(r"([fhuznx])(-?[\d.]+(?:e-?\d+)?)", text)
    try:
        if match is None:
            raise ValueError
        kind, number = match[1], match[2]
        if kind == "n":
            return np.int32(int(number))
        if kind == "x":
            return np.float32(float(number))
        count = int(number)
        if not 0 < count <= 2**26:
            raise ValueError
    except (ValueError, OverflowError):
        raise InputError(f"arguments: {text!r}; {_FORM}") from None
    if kind == "u":
        return memory.put(random.integers(0, 2**32, count, np.uint32))
    if kind == "z":
        return memory.put(np.zeros(count, np.uint32))
    return memory.put(random.uniform(-1, 1, count).astype(np.float16 if kind == "h" else np.float32))


def _three(text: str) -> tuple[int, int, int]:
    x, y, z = (*map(int, text.split("x")), 1, 1)[:3]
    return x, y, z
