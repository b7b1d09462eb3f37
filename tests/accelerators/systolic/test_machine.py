"""The machine on examples that can be checked by hand, and on real networks."""

from __future__ import annotations

import pytest

import cyclescape as cs
from cyclescape.accelerators.systolic import costs, mapping
from cyclescape.accelerators.systolic.design import SystolicDesign
from cyclescape.accelerators.systolic.lowering import field, lower
from cyclescape.accelerators.systolic.program import patch_elements
from cyclescape.errors import DesignError, InputError
from cyclescape.simulator.registry import accelerator
from cyclescape.traces.operators import Attention, Conv, Elementwise, Gemm, Pool
from cyclescape.traces.workload import Workload

SYSTOLIC = accelerator("systolic")


def run(*operators, **parameters):
    return SYSTOLIC.run([SystolicDesign.make(parameters)], Workload(name="w", operators=operators))[0]


def test_worked_example_of_the_docs():
    tiny = Gemm(name="g", m=2, n=2, k=2)
    slow = {"rows": 2, "cols": 2, "bandwidth_bytes_per_cycle": 1, "memory_latency_cycles": 10}
    report = run(tiny, **slow)
    assert report.metrics["cycles"] == 29
    assert report.breakdown == {
        "compute": 2, "fill_drain": 4, "vector": 0,
        "stall_ifmap": 0, "stall_filter": 18, "stall_psum": 0, "stall_ofmap": 5,
    }
    assert report.metrics["dram_bytes"] == 12
    assert run(tiny, **slow, memory="ideal").metrics["cycles"] == 6


@pytest.mark.parametrize(("dataflow", "cycles"), [("os", 4 + 4 + 4 - 2), ("ws", 4 + 8 + 4 - 2), ("is", 4 + 8 + 4 - 2)])
def test_one_full_fold(dataflow, cycles):
    report = run(Gemm(name="g", m=4, n=4, k=4), rows=4, cols=4, dataflow=dataflow, memory="ideal")
    assert report.metrics["cycles"] == cycles
    assert report.metrics["mapping_efficiency"] == 1


def test_energy_by_hand():
    """8 MACs of 8 bits, weight stationary: arithmetic, hops and registers, scratchpads, memory, leakage."""
    from cyclescape.simulator.energy import technology

    tech = technology("horowitz-45nm")
    design = SystolicDesign.make({"rows": 2, "cols": 2, "activation_sram_kib": 0})
    metrics = SYSTOLIC.run([design], Workload(name="w", operators=(Gemm(name="g", m=2, n=2, k=2),)))[0].metrics
    assert metrics["energy_mac_j"] == pytest.approx(8e-12 * tech.mac_pj(8))
    assert metrics["energy_dram_j"] == pytest.approx(12 * 8e-12 * tech.dram_pj_per_bit)
    hop = tech.hop_pj_per_bit(costs.pe_area_um2(design) ** 0.5)
    assert metrics["energy_array_j"] == pytest.approx(8e-12 * ((8 + 32) * hop + 8 * tech.register_pj_per_bit))
    sram = tech.sram_read_pj_per_bit(128 * 1024)
    read_by_array, filled = 4 * 8 + 4 * 8, 4 * 8 + 4 * 8
    outputs = 4 * 32 * 2  # written by the array, read by the port
    assert metrics["energy_sram_j"] == pytest.approx(1e-12 * sram * (read_by_array + filled + outputs))


def test_a_conv_patch_is_rows_of_the_input_or_gathered_pixels():
    def patch(tm, tk, **shape):
        conv = Conv(name="c", **shape)
        jobs = lower(Workload(name="w", operators=(conv,)))
        return patch_elements(jobs.unique[0], tm, tk)

    image = {"in_h": 8, "in_w": 8, "in_channels": 4, "out_channels": 1, "kernel_h": 3, "kernel_w": 3}
    assert patch(36, 36, **image) == 8 * 8 * 4  # all of it
    assert patch(6, 36, **image) == 3 * 8 * 4  # one row of outputs: three of inputs
    assert patch(12, 36, **image) == 4 * 8 * 4
    assert patch(3, 36, **image) == 3 * 36  # half a row may lie anywhere: gathering is less
    assert patch(12, 9, **image) == 4 * 8 * 1  # one channel
    assert patch(12, 12, **image) == 4 * 8 * 3  # parts of two, and perhaps of a third


def test_strided_pointwise_convolution_fetches_only_what_it_uses():
    conv = Conv(name="c", in_h=8, in_w=8, in_channels=16, out_channels=8, kernel_h=1, kernel_w=1, stride_h=2, stride_w=2)
    assert run(conv, rows=8, cols=8).layers["ifmap_read_bytes"][0] == 4 * 4 * 16


def test_outputs_stay_on_chip_when_they_fit():
    first = Gemm(name="a", inputs=("",), m=16, n=16, k=16)
    second = Gemm(name="b", inputs=("a",), m=16, n=16, k=16)
    kept = run(first, second, rows=8, cols=8, activation_sram_kib=1)
    spilled = run(first, second, rows=8, cols=8, activation_sram_kib=0)
    assert kept.layers["ofmap_write_bytes"].tolist() == [0, 256]
    assert kept.layers["ifmap_read_bytes"].tolist() == [256, 0]
    assert spilled.metrics["dram_bytes"] - kept.metrics["dram_bytes"] == 512
    later = Elementwise(name="c", inputs=("b", "a"), operands=2, elements=256)
    both = run(first, second, later, rows=8, cols=8, activation_sram_kib=1)
    assert both.layers["ofmap_write_bytes"].tolist() == [0, 0, 256]  # a waits for c as well
    assert both.layers["ifmap_read_bytes"].tolist() == [256, 0, 0]


def test_activations_are_fused_into_what_drains():
    conv = Gemm(name="a", m=16, n=16, k=16)
    relu = Elementwise(name="r", inputs=("a",), function="relu", elements=256)
    fused, plain = run(conv, relu), run(conv)
    assert fused.metrics["cycles"] == plain.metrics["cycles"]
    assert fused.metrics["energy_j"] > plain.metrics["energy_j"]
    assert fused.layers["note"][1] == "fused into a; output to memory, as a result"
    other = Elementwise(name="s", inputs=("a", "r"), operands=2, elements=256)
    assert run(conv, relu, other).layers["cycles"][1] > 0  # two read a: nothing to fuse


def test_attention_is_two_products_and_a_softmax():
    op = Attention(name="a", heads=4, kv_heads=2, q_len=8, kv_len=16, head_dim=4)
    jobs = lower(Workload(name="w", operators=(op,)))
    rows = jobs.unique[jobs.use]
    assert rows[:, field("vector")].tolist() == [0, 1, 0]
    assert [tuple(r[field(n)] for n in ("groups", "m", "n", "k")) for r in rows[[0, 2]]] == [(2, 16, 16, 4), (2, 16, 4, 16)]
    report = run(op, rows=4, cols=4)
    assert report.layers["macs"].tolist() == [op.macs]
    assert report.breakdown["vector"] == -(-op.vector_ops // 32)


def test_small_scratchpads_are_refused_with_the_rule():
    with pytest.raises(DesignError, match="filter_sram_kib=8 is too small.*64x64.*needs at least 16 KiB") as caught:
        SystolicDesign.make({"rows": 64, "cols": 64, "filter_sram_kib": 8, "element_bits": 16})
    assert "\n" not in str(caught.value)


def test_what_no_tile_fits_is_a_reason_not_an_exception():
    pool = Pool(name="p", in_h=64, in_w=64, channels=1, kernel_h=64, kernel_w=64, out_h=1, out_w=1)
    report = run(pool, rows=1, cols=1, ifmap_sram_kib=1)
    assert report.reason == "operator 'p': no tile of it fits the scratchpads"
    assert report.metrics == {}


def test_wrong_engine_and_wrong_workload_are_refused():
    with pytest.raises(InputError, match="engine 'quick': systolic has compiled, simpy"):
        cs.simulate(SystolicDesign(), "resnet18", engine="quick")


@pytest.mark.parametrize("name", ["alexnet", "resnet18", "resnet50", "mobilenet-v1", "bert-base", "vit-s16"])
def test_first_networks_run_in_every_dataflow(name):
    workload = cs.workload(name)
    designs = [SystolicDesign.make({"dataflow": flow}) for flow in mapping.DATAFLOWS]
    for report in SYSTOLIC.run(designs, workload):
        assert report.ok
        assert report.metrics["macs"] == workload.macs
        assert report.metrics["cycles"] >= workload.macs / 1024


def test_presets_are_valid_and_run():
    for preset in SystolicDesign.presets:
        assert cs.simulate(cs.design("systolic", preset=preset), "resnet18").ok


def test_partial_sums_of_an_output_that_stays_on_chip_are_written_before_they_are_read_back():
    report = cs.simulate(cs.design(
        "systolic", rows=16, cols=4, dataflow="is", ifmap_sram_kib=2048, filter_sram_kib=64, ofmap_sram_kib=16,
        activation_sram_kib=1024), "vit-s16")
    layers = report.layers
    assert layers["psum_read_bytes"].sum() > 0
    assert layers["psum_read_bytes"].equals(layers["psum_write_bytes"])


@pytest.mark.parametrize(("name", "buffer"), [("squeezenet", 4096), ("shufflenet-v2", 4096), ("mobilenet-v3", 64)])
def test_nothing_is_read_from_memory_that_was_never_written_there(name, buffer):
    """Each operator's inputs are on chip, or were stored by whoever made them."""
    workload = cs.workload(name)
    layers = cs.simulate(cs.design("systolic", activation_sram_kib=buffer), workload).layers.set_index("name")
    alias = {op.name: op.name for op in workload.operators}
    for op in workload.operators:
        if str(layers.loc[op.name, "note"]).startswith("fused into"):
            alias[op.name] = alias[op.inputs[0]]
    for op in workload.operators:
        sources = {alias[source] for source in op.inputs if source}
        if not sources or alias[op.name] != op.name or not layers.loc[op.name, "ifmap_read_bytes"]:
            continue
        lost = [s for s in sources if layers.loc[s, "ofmap_write_bytes"] == 0]
        assert len(lost) < len(sources), f"{op.name} reads {layers.loc[op.name, 'ifmap_read_bytes']} bytes of {lost}"


def test_only_the_small_operand_of_a_broadcast_is_near():
    big = Gemm(name="a", inputs=("",), m=64, n=64, k=8)
    small = Gemm(name="b", inputs=("",), m=1, n=64, k=8)
    scale = Elementwise(name="c", inputs=("a", "b"), operands=2, elements=64 * 64, reads=64 * 64 + 64)
    assert run(big, small, scale, activation_sram_kib=1).layers["ifmap_read_bytes"][2] == 64 * 64


def test_work_beyond_64_bits_is_refused(tmp_path):
    for size in (4_000_000, 1_000_000_000):
        (tmp_path / "big.csv").write_text(f"Layer, M, N, K\ng,{size},{size},{size}\n")
        with pytest.raises(InputError, match="accepted: at most 2"):
            cs.simulate(SystolicDesign(), str(tmp_path / "big.csv"))
