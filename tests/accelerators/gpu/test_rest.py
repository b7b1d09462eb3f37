"""The rest of a launch, by hand where W(c) is known, and against launches that were stopped."""

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cyclescape.accelerators.gpu import GpuCore
from cyclescape.accelerators.gpu.prefix import _window
from cyclescape.accelerators.gpu.rest import rest
from cyclescape.simulator.gpu.config import CoreConfig
from cyclescape.simulator.gpu.execute import pauses
from cyclescape.simulator.gpu.tables import C_FETCH, C_ISSUED, C_LATENCY, C_OTHER, CAUSE_COUNT, NEVER
from cyclescape.traces.catalog import load


def counted(cycles: int, **waits: int) -> Any:
    """Counts of one instruction."""
    row = np.zeros((1, CAUSE_COUNT), np.int64)
    for cause, number in {"issued": C_ISSUED, "latency": C_LATENCY, "other": C_OTHER, "fetch": C_FETCH}.items():
        row[0, number] = waits.get(cause, 0)
    return SimpleNamespace(waits=row, cycles=cycles)


NOTHING = counted(0)
CORE = CoreConfig()


def test_warps_that_are_not_in_each_others_way_take_as_long_as_the_longest() -> None:
    """Four warps, each of which issues every tenth cycle: the longest has 30 left, in any company."""
    seen = counted(100, issued=40, latency=360)
    assert rest(np.array([30, 20, 0, 10]), 4, 1, 1, seen, NOTHING, CORE) == pytest.approx(300)


def test_a_full_sub_core_takes_as_long_as_all_together() -> None:
    """Ten warps, one of which issues in every cycle, the others wait for it: 10 x 20 instructions are 200 cycles."""
    seen = counted(100, issued=100, other=900)
    assert rest(np.full(10, 20), 10, 1, 1, seen, NOTHING, CORE) == pytest.approx(200, rel=0.001)


@pytest.mark.parametrize(("buffer", "cycles"), [(1, 30), (2, 15), (3, 10)])
def test_a_warp_alone_is_fetched_for_at_once_but_for_its_buffer(buffer: int, cycles: float) -> None:
    """Eight warps wait 7 of 8 cycles for the one fetch; alone an instruction takes the 3 cycles of its way, by the buffer."""
    seen = counted(100, issued=100, fetch=700)
    core = replace(CORE, fetch_cycles=2, instruction_buffer=buffer)
    assert rest(np.array([10]), 1, 8, 1, seen, NOTHING, core) == pytest.approx(cycles, rel=0.2)
    assert rest(np.full(8, 10), 1, 8, 1, seen, NOTHING, core) == pytest.approx(80, rel=0.05)


@pytest.mark.parametrize(("blocks", "places", "window"), [
    (8, 4, (2, 6)),  # two rounds: the middle
    (10, 4, (2, 6)),  # and a half: the last four begin when six are done
    (12, 4, (4, 8)),  # three: the second
    (16, 4, (4, 12)),  # four: the second and the third
])
def test_the_steady_part_of_what_is_run(blocks: int, places: int, window: tuple[int, int]) -> None:
    assert _window(np.full(blocks, 10), places) == (10 * window[0], 10 * window[1])


def test_thread_blocks_wait_for_places() -> None:
    """Blocks of one warp and 10 instructions, two at a time, alone 10 cycles each: three rounds for five, on two sub-cores."""
    seen = counted(100, issued=20, latency=180)
    assert rest(np.full(5, 10), 1, 2, 2, seen, NOTHING, CORE) == pytest.approx(300)
    assert rest(np.full(5, 10), 1, 5, 2, seen, NOTHING, CORE) == pytest.approx(100)


@given(left=st.lists(st.integers(0, 50), min_size=1, max_size=24), size=st.integers(1, 6), places=st.integers(1, 5),
       latency=st.integers(0, 500), other=st.integers(0, 500))
def test_no_faster_than_the_longest_warp_alone(left: list[int], size: int, places: int, latency: int, other: int) -> None:
    seen = counted(100, issued=50, latency=latency, other=other)
    alone = (50 + latency) / 50
    found = rest(np.array(left), size, places, 1, seen, NOTHING, CORE)
    assert max(left) * alone * (1 - 1e-9) <= found
    assert found <= rest(np.array(left) + 1, size, places, 1, seen, NOTHING, CORE)
    assert rest(np.array(left), size, places, 1, NOTHING, NOTHING, CORE) == 0


@pytest.mark.parametrize("name", ["cuda-ffma-chain:n=4,blocks=16,threads=128", "cuda-sgemm-tiled:n=64", "cuda-bfs:n=4096"])
def test_what_is_left_of_a_launch_that_is_stopped(name: str) -> None:
    """Counts of what is left end at zero, and the estimate at three quarters is within a tenth."""
    kernel, machine = load(name).kernels[-1], GpuCore.design.make({"sms": 1}).machine()
    assert machine.memory is not None
    total = kernel.warp_instructions
    half, seen, end = pauses(kernel, machine, [total // 2, total * 3 // 4, NEVER], memory=machine.memory.state(1))
    for outcome in (half, seen, end):
        assert outcome.left.sum() == total - outcome.slots[C_ISSUED]
    assert (half.left >= seen.left).all()
    assert not end.left.any()
    places = machine.core.warps // kernel.warps_per_cta
    found = seen.cycles + rest(seen.left, kernel.warps_per_cta, places, machine.core.sub_cores, seen, half, machine.core)
    assert found == pytest.approx(end.cycles, rel=0.1)
