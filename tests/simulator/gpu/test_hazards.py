"""Wrong control bits in compiled code are found; right ones are not accused."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cyclescape.simulator.gpu.config import CoreConfig
from cyclescape.simulator.gpu.execute import Machine, execute
from cyclescape.simulator.gpu.isa import op_class
from cyclescape.traces.catalog import load
from cyclescape.traces.kernels.instruction import Control, Operand
from cyclescape.traces.kernels.sass import ARCHITECTURES

SMALL = ("vector-add:n=64", "sgemm-tiled:n=16", "reduction:n=300", "softmax:n=16", "transpose:n=32", "stencil:n=32",
         "convolution:n=32", "numbers:n=100", "histogram:n=600", "bfs:n=60", "ffma-chain:n=1", "max-flops:n=1",
         "hgemm-tensor:n=32", "sgemm-blocked:n=64,k=8", "sgemm-blocked:n=128,k=24", "fma-loads:n=2,threads=64",
         "insertion-sort:n=100", "async-copy:n=3")


@cache
def _kernel(name, arch="sm_86"):
    return load(f"cuda-{name}{',' if ':' in name else ':'}arch={arch}").kernels[0]


def _machine(arch):
    # Turing keeps predicates and what they guard 12 apart, later architectures 13.
    return Machine(CoreConfig(guard_cycles=12 if arch == "sm_75" else 13), shared_kib=100)


@pytest.mark.parametrize("arch", ARCHITECTURES)
@pytest.mark.parametrize("name", SMALL)
def test_compiled_code_has_no_hazard(name, arch):
    kernel = _kernel(name, arch)
    hazards = execute(kernel, _machine(arch)).hazards
    assert not [hex(kernel.instructions[i].pc) for i in np.flatnonzero(hazards)]


def _with(kernel, index, control):
    changed = list(kernel.instructions)
    changed[index] = replace(changed[index], control=control)
    return replace(kernel, instructions=tuple(changed))


def _index(kernel, opcode, which=0):
    return [i for i, item in enumerate(kernel.instructions) if item.base == opcode][which]


@pytest.mark.parametrize(("name", "opcode", "which", "change", "accused"), [
    ("vector-add:n=64", "ISETP", 0, {"stall": 12}, "EXIT"),
    ("vector-add:n=64", "FADD", 0, {"stall": 4}, "STG"), ("vector-add:n=64", "FADD", 0, {"wait": 0}, "FADD"),
    ("vector-add:n=64", "S2R", 1, {"write": None}, "IMAD"), ("ffma-chain:n=1", "FFMA", 5, {"stall": 3}, "FFMA"),
    ("transpose:n=32", "LDS", 0, {"write": None}, "STG"), ("hgemm-tensor:n=32", "LDSM", -1, {"write": None}, "HMMA"),
    ("softmax:n=16", "SHFL", 0, {"write": None}, "FMNMX"),
    ("sgemm-blocked:n=64,k=24", "USHF", 0, {"stall": 1}, "LDS"),
])
def test_a_wrong_bit_is_found_where_it_hurts(name, opcode, which, change, accused):
    kernel = _kernel(name)
    index = _index(kernel, opcode, which)
    hazards = execute(_with(kernel, index, replace(kernel.instructions[index].control, **change)), _machine("sm_86")).hazards
    assert {kernel.instructions[i].base for i in np.flatnonzero(hazards)} >= {accused}


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(("vector-add:n=64", "reduction:n=300", "stencil:n=32", "sgemm-tiled:n=16")), st.data())
def test_shorter_stalls_are_judged_by_the_issue_cycles(name, data):
    kernel = _kernel(name)
    fixed = [i for i, item in enumerate(kernel.instructions)
             if op_class(item.opcode).unit in ("int", "fp32", "predicate") and item.control.stall > 1]
    index = data.draw(st.sampled_from(fixed))
    control = kernel.instructions[index].control
    stall = data.draw(st.integers(1, control.stall - 1))
    changed = _with(kernel, index, Control(stall, False, control.write, control.read, control.wait))
    outcome = execute(changed, _machine("sm_86"), record=True)
    assert (outcome.hazards > 0).tolist() == (_too_early(changed, outcome.issue) > 0).tolist()


def _too_early(kernel, issue):
    """Of each instruction how often it met a register or a predicate of arithmetic too early: 4 cycles for a register,
    one more for memory, 13 for a guard."""
    found = np.zeros(len(kernel.instructions), int)
    for warp in range(kernel.warps):
        written: dict[tuple[str, int], int] = {}
        first = kernel.warp_start[warp]
        for k in range(kernel.warp_length[warp]):
            index = kernel.stream[first + k]
            item, cycle = kernel.instructions[index], int(issue[warp, k])
            memory = op_class(item.opcode).unit == "memory"
            targets, sources = _targets_and_sources(item)
            # The upper half of IMAD.WIDE's addend may come a cycle later.
            slack = item.operands[-1].value + 1 if "WIDE" in item.modifiers else -1
            found[index] += any(cycle - written.get(place, -99) < 4 + memory - (place == ("R", slack)) for place in sources)
            guard = item.predicate.lstrip("!")
            found[index] += bool(guard) and cycle - written.get((guard[:-1], int(guard[-1])), -99) < 13
            for place in targets:
                if op_class(item.opcode).variable:
                    written.pop(place, None)
                else:
                    written[place] = cycle
    return found


def _targets_and_sources(item):
    operands = list(item.operands)
    store = item.base in ("STG", "STS", "RED", "ATOMS", "BAR", "BRA", "EXIT", "BSSY", "BSYNC")
    compares = item.base in ("ISETP", "FSETP", "PLOP3")
    count = 0 if store else 2 if compares else next(
        (i + 1 for i, op in enumerate(operands) if op.kind not in ("P", "UP")), 0)
    while not store and not compares and count < len(operands) - 1 and operands[count].kind == "P" and any(
            op.kind != "P" for op in operands[count:]):
        count += 1
    return _places(item, operands[:count], True), _places(item, operands[count:], False)


def _places(item, operands: list[Operand], target):
    wide = "WIDE" in item.modifiers
    for op in operands:
        if op.kind == "P" and op.value != 7:
            yield "P", int(op.value)
        elif op.kind == "R" and op.value != 255:
            pair = wide and (target or op is item.operands[-1])
            yield from (("R", int(op.value) + i) for i in range(2 if pair else 1))
        elif op.kind == "mem" and op.base not in (None, 255):
            yield from (("R", op.base + i) for i in range(2 if op.wide else 1))
