"""The compiled core and the readable reference agree on every issue cycle of random programs."""

from __future__ import annotations

import numpy as np
import pytest
from gpu_programs import random_case
from hypothesis import given, settings
from hypothesis import strategies as st

from cyclescape.simulator.gpu.config import CoreConfig
from cyclescape.simulator.gpu.execute import Machine, execute
from cyclescape.simulator.gpu.reference import run_reference
from cyclescape.traces.kernels.assembly import parse_instruction
from cyclescape.traces.kernels.trace import Kernel


def _compiled(programs, config, warm):
    instructions = tuple(i for program in programs for i in program)
    lengths = np.array([len(p) for p in programs])
    kernel = Kernel("random", instructions, np.arange(len(instructions)), np.cumsum(lengths) - lengths, lengths, len(programs),
                    True)
    outcome = execute(kernel, Machine(config, registers=1 << 20), warm=warm, record=True, max_cycles=10**6)
    issue = [outcome.issue[w, :n].tolist() for w, n in enumerate(lengths)]
    return issue, [outcome.hits[w, :n].tolist() for w, n in enumerate(lengths)]


def _agree(seed):
    programs, config, warm = random_case(seed)
    reference = run_reference(programs, config, warm=warm)
    issue, hits = _compiled(programs, config, warm)
    assert issue == reference.issue, f"seed {seed}"
    assert hits == reference.hits, f"seed {seed}"


@pytest.mark.parametrize("block", range(10))
def test_agree_on_a_thousand_programs(block):
    for seed in range(100 * block, 100 * block + 100):
        _agree(seed)


@given(st.integers(1000, 2**40))
@settings(max_examples=100, deadline=None)
def test_agree_on_others(seed):
    _agree(seed)


def test_the_comparison_can_fail():
    program = [parse_instruction("FFMA R1, R2, R4, R6", 16 * i) for i in range(8)]
    issue, _ = _compiled([program], CoreConfig(sub_cores=1, read_ports=2), True)
    assert issue != run_reference([program], CoreConfig(sub_cores=1), warm=True).issue
