"""Our own CUDA kernels, executed from their listings: numpy's results, for every architecture and odd sizes too."""

from __future__ import annotations

import sys
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cyclescape.errors import InputError
from cyclescape.traces.catalog import load
from cyclescape.traces.kernels.compiled import KERNELS
from cyclescape.traces.kernels.functional import GlobalMemory, execute
from cyclescape.traces.kernels.host import LISTINGS, Host, shipped
from cyclescape.traces.kernels.sass import ARCHITECTURES, parse_listing

SIZES = {
    "vector_add": [(1,), (777,), (2048,)], "sgemm_tiled": [(16,), (37, 21, 45), (1, 1, 1)],
    "sgemm_blocked": [(128, 128, 16), (131, 70, 13)], "hgemm_tensor": [(32,), (45, 39, 23)],
    "reduction": [(1,), (333,), (5000,)],
    "softmax": [(32, 4), (77, 5), (1, 1)], "transpose": [(32,), (45, 70)], "stencil": [(32,), (45, 19), (1, 1)],
    "convolution": [(32,), (45, 19, 8), (2, 5)],
    "histogram": [(1000,), (5001,)], "bfs": [(1,), (300,)], "ffma_chain": [(1,), (3, 2, 50)], "max_flops": [(1,), (2, 2, 40)],
    "numbers": [(1,), (777,)], "fma_loads": [(1, 1, 33), (3, 2, 64)], "insertion_sort": [(1,), (333,)],
    "async_copy": [(1, 1), (5, 3)],
}
CASES = [(arch, name, sizes) for name, all_sizes in SIZES.items() for sizes in all_sizes for arch in ARCHITECTURES]


@pytest.mark.parametrize(("arch", "name", "sizes"), CASES)
def test_results_are_those_of_numpy(arch, name, sizes):
    host = KERNELS[name].run(arch, *sizes)
    assert host.outcomes
    for outcome in host.outcomes:
        assert outcome.ok, f"{outcome.name}: error {outcome.error}, accepted {outcome.tolerance}"
    if name in ("transpose", "histogram", "bfs", "vector_add", "ffma_chain"):
        assert all(outcome.tolerance == 0 for outcome in host.outcomes)
    assert all(outcome.tolerance < 1e-4 or name == "reduction" for outcome in host.outcomes)


def test_every_kernel_is_tried():
    assert SIZES.keys() == KERNELS.keys()


@pytest.mark.parametrize(("name", "opcode"), [
    ("sgemm_tiled", "FFMA"), ("vector_add", "FADD"), ("transpose", "LDS"), ("softmax", "MUFU"), ("bfs", "ATOMG"),
    ("histogram", "ATOMS"), ("hgemm_tensor", "HMMA"), ("reduction", "SHFL"), ("stencil", "FMUL"), ("transpose", "STS"),
    ("insertion_sort", "STL"), ("insertion_sort", "LDL"), ("async_copy", "LDGSTS"),
])
def test_without_an_instruction_results_are_others(name, opcode):
    program = shipped(name, "sm_86")
    changed = tuple(replace(item, opcode="NOP") if item.base == opcode else item for item in program.instructions)
    assert changed != program.instructions
    host = Host(replace(program, instructions=changed))
    KERNELS[name].host(host, *SIZES[name][1])
    assert not all(outcome.ok for outcome in host.outcomes)


def test_as_workloads():
    trace = load("cuda-sgemm-tiled:n=32,arch=sm_80")
    assert trace.name == "cuda-sgemm-tiled:n=32,arch=sm_80"
    assert trace.kernels[0].control_bits
    assert trace.kernels[0].ctas == 4
    assert trace == load(trace.name)
    assert np.diff(trace.kernels[0].access_start).max() == 32
    with pytest.raises(InputError, match="arch='sm_61'"):
        load("cuda-sgemm-tiled:n=32,arch=sm_61")
    with pytest.raises(InputError, match="n="):
        load("cuda-sgemm-tiled:n=0")


def test_levels_of_a_search_are_launches():
    trace = load("cuda-bfs:n=200")
    assert len(trace.kernels) > 3
    assert [kernel.name for kernel in trace.kernels[:2]] == ["bfs", "bfs-1"]


@pytest.mark.parametrize("name", ["sgemm_tiled", "reduction", "histogram", "bfs"])
def test_how_many_blocks_run_together_changes_nothing(name, monkeypatch):
    sizes = SIZES[name][1]
    together = KERNELS[name].run("sm_86", *sizes)
    # The package has a function of the same name as the module.
    monkeypatch.setattr(sys.modules["cyclescape.traces.kernels.functional.execute"], "_WARPS_AT_ONCE", 1)
    alone = KERNELS[name].run("sm_86", *sizes)
    assert all(outcome.ok for outcome in alone.outcomes)
    for one, other in zip(together.kernels, alone.kernels, strict=True):
        assert (one.warp_length == other.warp_length).all() or name == "bfs"  # who comes first to a vertex differs
        if name != "bfs":
            assert (one.stream == other.stream).all()
            assert (one.addresses == other.addresses).all()


BFS = (LISTINGS / "sm_86" / "bfs.sass").read_text().splitlines()


@settings(max_examples=60, deadline=None)
@given(st.integers(1, len(BFS) - 1), st.integers(0, 40), st.sampled_from(["", " ", *"0123456789RPUXT.,;[]@!-"]))
def test_a_listing_with_a_wrong_character_gives_a_result_or_one_line(line, place, character):
    changed = BFS.copy()
    changed[line] = changed[line][:place] + character + changed[line][place + 1 :]
    try:
        (program,) = parse_listing("\n".join(changed) + "\n", "own.sass")
        memory = GlobalMemory()
        arguments = [memory.put(array) for array in (np.array([0, 2, 3], np.int32), np.array([1, 0, 0], np.int32),
                                                 np.array([0, -1], np.int32), np.zeros(1, np.int32))]
        execute(program, (1, 1, 1), (32, 1, 1), [*arguments, np.int32(0), np.int32(2)], memory, max_steps=500)
    except InputError as error:
        assert "\n" not in str(error)
        assert "own.sass" in str(error)
