"""A part of a GPU stands for all of it: its warps and their twins are all warps, and it takes as long."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cyclescape.accelerators.gpu import GpuCore
from cyclescape.simulator.gpu.execute import Machine, Outcome, execute, pauses
from cyclescape.simulator.gpu.part import choose
from cyclescape.simulator.gpu.tables import C_ISSUED, NEVER
from cyclescape.traces.catalog import load
from cyclescape.traces.kernels.trace import Kernel


def kernel_of(name: str) -> Kernel:
    return load(name).kernels[0]


def machine_of(**parameters: object) -> Machine:
    return GpuCore.design.make(parameters).machine()


def both(name: str, **parameters: object) -> tuple[Outcome, Outcome, float]:
    """The whole launch, that of the smallest part, and which share of the instructions that executes."""
    kernel, machine = kernel_of(name), machine_of(**parameters)
    assert machine.memory is not None
    part = choose(kernel, machine, 0.0)
    (seen,) = pauses(kernel, machine, [NEVER], memory=machine.memory.state(machine.sms), part=part)
    whole = execute(kernel, machine, memory=machine.memory.state(machine.sms))
    return whole, seen, seen.slots[C_ISSUED] / kernel.warp_instructions


@settings(max_examples=20, deadline=None)
@given(sms=st.integers(1, 12), share=st.floats(0.01, 1.0), blocks=st.integers(1, 40))
def test_a_part_and_its_twins_are_the_launch(sms: int, share: float, blocks: int) -> None:
    kernel = kernel_of(f"cuda-max-flops:n=1,blocks={blocks},threads=256")
    part = choose(kernel, machine_of(sms=sms), share)
    places = [*part.kernel.warp_start.tolist(), *part.twins[part.twins[..., 1] > part.twins[..., 0]][:, 0].tolist()]
    if len(set(kernel.warp_start.tolist())) == kernel.warps:
        assert sorted(places) == sorted(kernel.warp_start.tolist())
    assert len(places) == kernel.warps
    size = part.machine.sms * part.machine.core.sub_cores
    assert sms % part.machine.sms == 0
    assert size <= max(1.0, share * sms * 4)


@pytest.mark.parametrize("name", ["cuda-stencil:n=96", "cuda-sgemm-tiled:n=64", "cuda-vector-add:n=16384"])
def test_memory_sees_every_request_of_the_launch(name: str) -> None:
    whole, part, share = both(name, sms=2)
    assert share == pytest.approx(1 / 8, rel=0.05)
    l2, read, written, hits, misses = range(5)
    # Not all, where warps at an edge go another way than the one in whose place they are.
    assert part.memory[hits] + part.memory[misses] == pytest.approx(whole.memory[hits] + whole.memory[misses], rel=0.03)
    assert part.memory[written] == pytest.approx(whole.memory[written], rel=0.03)
    assert part.memory[read] == pytest.approx(whole.memory[read], rel=0.02)
    assert part.memory[l2] == pytest.approx(whole.memory[l2], rel=0.1)


@pytest.mark.parametrize(("name", "within"), [
    ("cuda-max-flops:n=4,blocks=64,threads=128", 0.01), ("cuda-transpose:n=256", 0.06), ("cuda-softmax:n=256,rows=128", 0.06),
    ("cuda-numbers:n=32768", 0.12),  # mostly for the FP64 unit, which its sub-cores share
])  # fmt: skip
def test_a_part_takes_as_long_as_the_whole(name: str, within: float) -> None:
    whole, part, _ = both(name, sms=4, warps=32)
    assert part.cycles == pytest.approx(whole.cycles, rel=within)


def test_blocks_of_a_part_fall_into_all_sets_of_the_cache() -> None:
    """Of every fourth block the rows would fall into half the sets of a small L1, and hardly any access would hit."""
    whole, part, _ = both("cuda-softmax:n=256,rows=1024", sms=4, warps=24, policy="lrr", l1_kib=32, register_cache=False)
    hits = 3
    assert whole.memory[hits] > 50_000
    assert part.memory[hits] == pytest.approx(whole.memory[hits], rel=0.15)
    assert part.cycles == pytest.approx(whole.cycles, rel=0.06)


def test_what_is_alike_is_divided_and_nothing_else() -> None:
    def size(name: str, share: float, kernel: int = 0, **parameters: object) -> tuple[int, int]:
        part = choose(load(name).kernels[kernel], machine_of(**parameters), share)
        return part.machine.sms, part.machine.core.sub_cores

    flops = "cuda-max-flops:n=1,blocks=64,threads=128"
    assert size(flops, 0.1, sms=40) == (4, 4)
    assert size(flops, 0.1, sms=5) == (1, 2)
    assert size(flops, 0.1, sms=2) == (1, 1)
    assert size("cuda-max-flops:n=1,blocks=64,threads=96", 0.1, sms=2) == (1, 4)  # three warps for four sub-cores
    assert size("cuda-bfs:n=8192", 0.1, kernel=2, sms=2, warps=8) == (2, 4)  # a few warps have nearly all the work


def test_the_longest_warp_is_in_the_part() -> None:
    kernel = load("cuda-bfs:n=2048").kernels[1]
    part = choose(kernel, machine_of(sms=4), 0.1)
    assert part.kernel.warp_length.max() == kernel.warp_length.max()
    assert np.array_equal(part.first(2).kernel.warp_length, part.kernel.warp_length[: 2 * part.kernel.warps_per_cta])
