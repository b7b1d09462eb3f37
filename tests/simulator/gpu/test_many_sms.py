"""SMs beside each other, and kernels after each other: what one does to the other goes through the memory alone."""

from __future__ import annotations

import numpy as np
import pytest

from cyclescape.simulator.gpu.config import CoreConfig
from cyclescape.simulator.gpu.execute import Machine, execute
from cyclescape.simulator.gpu.memory_system import MemoryConfig
from cyclescape.traces.catalog import load

SMALL = MemoryConfig(l1_kib=4, l2_kib=256, l2_slices=4, channels=3, bytes_per_cycle=20.0)
"""Little enough to be evicted from, and slow enough to wait for."""


@pytest.mark.parametrize("core", [CoreConfig(), CoreConfig(dependence="scoreboard", policy="lrr", banks=4, sub_cores=2)])
@pytest.mark.parametrize("kernel", ["vector-add", "register-blocked-sgemm:iterations=2"])
def test_sms_without_a_memory_behind_them_do_the_same(kernel, core):
    def issue(sms, ctas):
        trace = load(f"{kernel}{',' if ':' in kernel else ':'}ctas={ctas},warps=8").kernels[0]
        return execute(trace, Machine(core, sms), record=True)

    one, many = issue(1, 1), issue(5, 5)
    assert many.issue.reshape(5, *one.issue.shape).tolist() == [one.issue.tolist()] * 5
    assert many.waits.tolist() == (5 * one.waits).tolist()
    assert many.cycles == one.cycles


@pytest.mark.parametrize("start", [1, 10**9 + 7])
def test_when_a_kernel_starts_does_not_matter(start):
    machine, kernel = Machine(CoreConfig(), 3, SMALL), load("cuda-transpose:n=64,arch=sm_86").kernels[0]
    memory = SMALL.state(3)
    memory.clock[0] = start
    now, later = execute(kernel, machine), execute(kernel, machine, memory=memory)
    assert now.cycles == later.cycles
    assert now.waits.tolist() == later.waits.tolist()
    assert now.memory.tolist() == later.memory.tolist()
    assert memory.busy.max() > start


def test_a_second_run_finds_what_the_first_one_left():
    machine, kernel = Machine(CoreConfig(), 1, MemoryConfig()), load("vector-add:ctas=2").kernels[0]
    memory = MemoryConfig().state(1)
    first = execute(kernel, machine, memory=memory)
    memory.clock[0] = 10 * first.cycles
    second = execute(kernel, machine, memory=memory)
    loads = int(first.memory[4])
    assert first.memory.tolist()[3:] == [0, loads]
    assert second.memory.tolist()[3:] == [loads, 0]
    assert second.cycles < first.cycles
    assert np.array_equal(first.table, second.table)
