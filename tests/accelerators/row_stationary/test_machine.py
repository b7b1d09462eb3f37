"""Examples to check by hand, whole networks, bad input."""

from __future__ import annotations

import pytest

import cyclescape as cs
from cyclescape.accelerators.row_stationary import costs
from cyclescape.simulator.registry import accelerator
from cyclescape.traces.operators import Attention, Conv, Elementwise, Gemm
from cyclescape.traces.workload import Workload

MACHINE = accelerator("row-stationary")


def run(*operators, **parameters):
    return MACHINE.run([MACHINE.design.make(parameters)], Workload(name="w", operators=operators))[0]


def test_the_worked_example_of_the_docs():
    """A 2x2 filter over a 3x3 image on 2x2 PEs: one set, 2 x 2 steps, every word known."""
    conv = Conv(name="c", in_h=3, in_w=3, in_channels=1, out_channels=1, kernel_h=2, kernel_w=2)
    report = run(conv, rows=2, cols=2, memory="ideal")
    assert report.metrics["cycles"] == 4
    assert report.metrics["pe_utilization"] == 1
    row = report.layers.iloc[0]
    assert (row.array_ifmap_words, row.array_filter_words, row.array_psum_words) == (4 * 3, 4 * 2, 4)
    assert (row.buffer_ifmap_words, row.buffer_filter_words, row.buffer_psum_words) == (9, 4, 4)
    assert (row.dram_ifmap_words, row.dram_filter_words, row.dram_ofmap_words) == (9, 4, 4)
    relative = 16 * 1 + 4 * 16 * 1 + 24 * 2 + (17 + 17) * 6 + 17 * 200
    assert report.metrics["energy_j"] == pytest.approx(relative * costs.mac_j())
    assert costs.mac_j() == pytest.approx(2e-12)


def test_the_port_bounds_an_operator():
    fc = Gemm(name="g", m=1, n=64, k=64)
    slow, fast = (run(fc, bandwidth_bytes_per_cycle=rate) for rate in (1, 2**20))
    assert slow.metrics["cycles"] == slow.metrics["dram_bytes"] == 2 * (64 * 64 + 64 + 64)
    assert fast.metrics["cycles"] == run(fc, memory="ideal").metrics["cycles"] == slow.breakdown["compute"]
    assert slow.breakdown["stall_dram"] == slow.metrics["cycles"] - fast.metrics["cycles"]


@pytest.mark.parametrize("name", ["alexnet", "mobilenet-v3", "densenet121", "vit-s16", "gpt2"])
def test_networks_run_and_every_sum_holds(name):
    net = cs.workload(name)
    report = cs.simulate(cs.design("row-stationary"), net)
    layers, metrics = report.layers, report.metrics
    assert metrics["macs"] == net.macs == layers["macs"].sum()
    assert set(metrics) == set(MACHINE.metrics)
    assert metrics["cycles"] == sum(report.breakdown.values()) == layers["cycles"].sum()
    assert 0 < metrics["pe_utilization"] <= 1
    assert (layers["pe_utilization"] <= 1).all()
    assert metrics["energy_j"] == pytest.approx(sum(metrics[f"energy_{part}_j"] for part in costs.ENERGIES))
    assert metrics["energy_j"] == pytest.approx(layers["energy_j"].sum())
    assert all(layers["note"])


def test_what_is_fused_and_what_is_not():
    conv = Gemm(name="a", m=4, n=4, k=4)
    relu = Elementwise(name="r", inputs=("a",), function="relu", elements=16)
    gelu = Elementwise(name="g", inputs=("r",), function="gelu", elements=16)
    report = run(conv, relu, gelu)
    assert report.layers["cycles"].tolist()[1:] == [0, 0]
    assert report.layers["note"].tolist()[1:] == ["applied to the outputs of a"] * 2
    add = Elementwise(name="s", inputs=("a", "r"), operands=2, elements=16)
    assert (run(conv, relu, add).layers["cycles"] > 0).all()


def test_attention_is_two_products_and_a_vector_pass():
    op = Attention(name="a", heads=2, q_len=5, kv_len=7, head_dim=3)
    report = run(op)
    assert report.layers["macs"][0] == op.macs
    assert report.breakdown["vector"] == -(-op.vector_ops // 16)
    assert report.layers["note"][0].count("|") == 2


def test_what_no_buffer_holds_is_a_reason():
    conv = Conv(name="big", in_h=8, in_w=80, in_channels=1, out_channels=1, kernel_h=8, kernel_w=8)
    assert run(conv, buffer_kib=1).ok  # eight rows pass through
    report = run(conv, buffer_kib=1, rows=4)  # and now twice
    assert report.reason == "operator 'big': no tile of it fits the buffer (buffer_kib=1)"


def test_work_beyond_64_bits_is_refused():
    with pytest.raises(cs.InputError, match="accepted: at most 2"):
        run(Gemm(name="g", m=2**30, n=2**30, k=2**30))


def test_the_environment_and_a_search_see_the_machine():
    import gymnasium

    env = gymnasium.make("cyclescape/RowStationary-v0", workload="squeezenet", objective="edp")
    env.reset(seed=0)
    env.action_space.seed(0)
    _, reward, *_, info = env.step(env.action_space.sample())
    assert reward > -10
    assert info["report"].ok
    env.close()
