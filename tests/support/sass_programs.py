"""Listings of a few instructions, and what a warp of threads computes with them."""

from __future__ import annotations

import numpy as np

from cyclescape.traces.kernels.functional import GlobalMemory, execute
from cyclescape.traces.kernels.sass import Program, parse_listing

CONTROL = 0x000FE20000000F00
"""Stall 1, no counter."""


def program(lines: list[str], *, arch: str = "sm_86", shared: int = 0, control: int = CONTROL) -> Program:
    """A kernel of the given instructions, labels among them ("top:")."""
    rows, address = [], 0
    for line in lines:
        if line.endswith(":"):
            rows.append(f".L_{line}")
            continue
        rows.append(f"/*{address:04x}*/ {line} ; /* 0x0000000000000000 */ /* {control:#018x} */")
        address += 16
    text = "\n".join([f".target {arch}", ".section .text.test", '.sectioninfo @"SHI_REGISTERS=64"',
                      ".size test,(.L_end - test)", *rows, ".L_end:",
                      ".section .nv.shared.test", ".nv.shared.test:", f" .zero {shared}", ""])
    return parse_listing(text, "test.sass")[0]


def results(body: list[str], inputs: dict[int, np.ndarray] | None = None, registers: tuple[int, ...] = (0,), *,
            shared: int = 0, threads: int = 32, max_steps: int = 10_000) -> list[np.ndarray]:
    """What `registers` hold in every thread (uint32) after `body`, whose R1 is the thread and whose inputs are loaded.

    Registers 50 to 63 are used to load and store.
    """
    memory = GlobalMemory()
    lines = ["S2R R1, SR_TID.X", "IMAD.MOV.U32 R50, RZ, RZ, 0x4"]
    arguments: list[int] = []
    for register, values in (inputs or {}).items():
        at = 0x160 + 8 * len(arguments)
        arguments.append(memory.put(np.resize(np.asarray(values, np.uint32), threads)))
        lines += [f"IMAD.WIDE R52, R1, R50, c[0x0][{at:#x}]", f"LDG.E R{register}, [R52.64]"]
    lines += body
    found = []
    for register in registers:
        at = 0x160 + 8 * len(arguments)
        arguments.append(memory.put(np.zeros(threads, np.uint32)))
        found.append(arguments[-1])
        lines += [f"IMAD.WIDE R52, R1, R50, c[0x0][{at:#x}]", f"STG.E [R52.64], R{register}"]
    lines += ["EXIT"]
    execute(program(lines, shared=shared), (1, 1, 1), (threads, 1, 1), arguments, memory, max_steps=max_steps)
    return [memory.get(address, np.zeros(threads, np.uint32)) for address in found]
