"""Kernels by name, written in the assembly form with the control bits that a compiler would set."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import numpy as np
from pydantic import Field

from ..catalog import workload
from .assembly import parse_instruction
from .instruction import Instruction
from .trace import Kernel, KernelTrace

__all__ = ["ffma_chain", "max_flops", "register_blocked_sgemm", "vector_add"]

Ctas = Annotated[int, Field(ge=1, le=10**6, description="thread blocks")]
Warps = Annotated[int, Field(ge=1, le=32, description="warps of a thread block")]
Iterations = Annotated[int, Field(ge=1, le=10**5, description="iterations of the loop")]


@workload("ffma-chain", "a loop of 128 FFMA, each of which needs the one before", kind="kernels")
def ffma_chain(name: str, *, iterations: Iterations = 8, ctas: Ctas = 1, warps: Warps = 1) -> KernelTrace:
    """Latency: four cycles for every FFMA."""
    body = ["FFMA R3, R3, R0, R0 {S4}"] * 128 + ["IADD3 R2, R2, -1, RZ {S4}", "ISETP.NE.AND P0, PT, R2, RZ, PT {S13}",
                                                "BRA `(loop) {S5}"]
    return _loop(name, ["MOV R0, 1 {S4}", "MOV R2, 8 {S4}", "MOV R3, 0 {S4}"], body, ["EXIT {S5}"], iterations, ctas, warps, 16)


@workload("max-flops", "a loop of 64 independent FFMA whose three sources lie in both banks", kind="kernels")
def max_flops(name: str, *, iterations: Iterations = 8, ctas: Ctas = 1, warps: Warps = 8) -> KernelTrace:
    """Throughput: the FP32 pipes and the register ports are the limit, no operand is used twice in a row."""
    body = [f"FFMA R{16 + i % 16}, R{i % 8}, R{8 + (i + 3) % 8}, R{16 + i % 16} {{S1}}" for i in range(64)]
    body += ["IADD3 R36, R36, -1, RZ {S4}", "ISETP.NE.AND P0, PT, R36, RZ, PT {S13}", "BRA `(loop) {S5}"]
    return _loop(name, ["MOV R36, 8 {S4}"], body, ["EXIT {S5}"], iterations, ctas, warps, 40)


@workload("register-blocked-sgemm", "the inner loop of a 128x128x8 SGEMM: 8x8 results a thread from shared memory",
          kind="kernels")
def register_blocked_sgemm(name: str, *, iterations: Iterations = 8, ctas: Ctas = 1, warps: Warps = 8) -> KernelTrace:
    """One k step an iteration: four 16 B loads for the next step, 64 FFMA with the reuse bits a compiler sets.

    Accumulators are R64 to R127. Rows of A are R0 to R7 and columns of B R8 to R15, and R16 to R31 in the
    steps between (double buffering); lanes of a warp form 4 x 8.
    """
    body: list[str] = []
    for buffer in (0, 1):
        a, b, following = 16 * buffer, 16 * buffer + 8, 16 * (1 - buffer)
        offset = 1024 * (1 - buffer)
        loads = [f"LDS.128 R{following + 4 * i}, [R{40 + i // 2}+{hex(offset + 16 * (i % 2))}] {{S1 W{1 - buffer}}}"
                 for i in range(4)]
        step: list[str] = []
        for row in range(8):
            columns = range(8) if row % 2 == 0 else range(7, -1, -1)  # back and forth: the shared operand changes once
            for column in columns:
                register = 64 + 8 * row + column
                step.append(f"FFMA R{register}, R{a + row}.reuse, R{b + column}, R{register} {{S1}}")
        step[0] = step[0].replace("{S1}", f"{{S1 M{buffer}}}")
        for i, load in enumerate(loads):
            step.insert(2 + 3 * i, load)
        body += step
    body += ["IADD3 R42, R42, -1, RZ {S4}", "ISETP.NE.AND P0, PT, R42, RZ, PT {S13}", "BRA `(loop) {S5}"]
    prologue = ["MOV R40, RZ {S2}", "MOV R41, RZ {S5}"]
    prologue += [f"LDS.128 R{4 * i}, [R{40 + i // 2}+{hex(16 * (i % 2))}] {{S2 W0}}" for i in range(4)]
    lanes = np.arange(32)
    addresses = {40: 32 * (lanes // 8), 41: 4096 + 32 * (lanes % 8)}
    return _loop(name, prologue, body, ["EXIT {S5}"], iterations, ctas, warps, 128, shared=addresses)


@workload("vector-add", "c = a + b, one element a thread", kind="kernels")
def vector_add(name: str, *, ctas: Ctas = 64, warps: Warps = 8) -> KernelTrace:
    """Streams two arrays in and one out: 12 B for each thread."""
    program = _parse(["IMAD R6, R0, R1, R2 {S4}", "IMAD.WIDE R2, R6, 4, R10 {S5}", "IMAD.WIDE R4, R6, 4, R12 {S5}",
                      "LDG.E R8, [R2] {S2 W0}", "LDG.E R9, [R4] {S2 W0}", "IMAD.WIDE R14, R6, 4, R16 {S4}",
                      "FADD R7, R8, R9 {S5 M0}", "STG.E [R14], R7 {S2 R1}", "EXIT {S5 M1}"])
    total = ctas * warps
    count = len(program)
    stream = np.tile(np.arange(count, dtype=np.int32), total)
    lanes = np.zeros((total, count), np.int64)
    lanes[:, (3, 4, 7)] = 32
    element = 4 * (32 * np.arange(total)[:, None] + np.arange(32))
    size = 4 * 32 * total
    addresses = np.stack([element, element + size, element + 2 * size], axis=1)
    access = np.concatenate([[0], np.cumsum(lanes)])
    kernel = Kernel(name, program, stream, count * np.arange(total), np.full(total, count), warps, True, access,
                    addresses.reshape(-1), 0, 24)
    return KernelTrace(name, (kernel,), "written for this package")


def _parse(lines: Sequence[str]) -> tuple[Instruction, ...]:
    return tuple(parse_instruction(line, 16 * i) for i, line in enumerate(lines))


def _loop(
    name: str, prologue: list[str], body: list[str], epilogue: list[str], iterations: int, ctas: int, warps: int,
    registers: int, shared: dict[int, np.ndarray] | None = None,
) -> KernelTrace:
    """A kernel whose warps all run the same loop; `shared` gives for address registers the bytes of the lanes."""
    program = _parse(prologue + body + epilogue)
    first, last = len(prologue), len(prologue) + len(body)
    stream = np.concatenate([np.arange(first), np.tile(np.arange(first, last), iterations), np.arange(last, len(program))])
    total = ctas * warps
    access, addresses = np.zeros(0, np.int64), np.zeros(0, np.int64)
    if shared:
        nowhere = np.zeros(0, np.int64)
        known = [shared[int(i.operands[1].base or 0)] + int(i.operands[1].value) if i.base == "LDS" else nowhere
                 for i in program]
        access = np.concatenate([[0], np.cumsum([len(known[i]) for i in stream])])
        addresses = np.concatenate([known[i] for i in stream])
    kernel = Kernel(name, program, stream.astype(np.int32), np.zeros(total, np.int64), np.full(total, len(stream)), warps, True,
                    access, addresses, 16384 if shared else 0, registers)
    return KernelTrace(name, (kernel,), "written for this package")
