"""The dataflow machine: reports that add up, fusion and launches, designs that cannot run the work."""

import re
from itertools import pairwise

import gymnasium
import pytest
from hypothesis import given, settings
from operator_graphs import designs, workloads

from cyclescape.accelerators.dataflow import Dataflow, validation
from cyclescape.accelerators.dataflow.costs import ENERGIES
from cyclescape.accelerators.dataflow.machine import CAUSES
from cyclescape.accelerators.dataflow.timeline import dataflow_timeline
from cyclescape.accelerators.streaming import validation as streaming_validation
from cyclescape.errors import InputError
from cyclescape.simulator.validation import Check, Difference
from cyclescape.traces.catalog import load
from cyclescape.traces.graph import Graph

machine = Dataflow()


def run(workload, engine=None, preset=None, **parameters):
    return machine.run([machine.design.make(parameters, preset=preset)], load(workload), engine=engine)[0]


@settings(max_examples=15, deadline=None)
@given(designs(), workloads())
def test_reports_add_up_and_engines_give_the_same_one(design, workload):
    report = machine.run([design], workload)[0]
    assert report == machine.run([design], workload, engine="simpy")[0]
    if not report.ok:
        assert "operator" in report.reason
        return
    metrics = report.metrics
    assert set(metrics) == set(machine.metrics)
    assert tuple(report.breakdown) == CAUSES
    assert sum(report.breakdown.values()) == metrics["cycles"] == sum(report.table.columns["cycles"])
    assert metrics["energy_j"] == pytest.approx(sum(metrics[f"energy_{part}_j"] for part in ENERGIES))
    table = report.table.columns
    assert sum(table["macs"]) == metrics["macs"]
    assert all(sum(table[f"{cause}_cycles"]) == cycles for cause, cycles in report.breakdown.items())
    assert sum(table["dram_bytes"]) == metrics["hbm_bytes"] + metrics["ddr_bytes"]
    assert sum(table["link_bytes"]) == metrics["link_bytes"]
    assert 0 <= metrics["utilization"] <= 1
    assert metrics["hbm_utilization"] + metrics["ddr_bytes"] > 0


def test_kernel_by_kernel_every_tensor_goes_through_memory():
    workload = load("resnet18")
    report = run("resnet18", preset="sn40l", region_operators=1)
    words = sum(op.input_elements + op.weight_elements + op.output_elements for op in workload.operators)
    assert report.metrics["hbm_bytes"] == pytest.approx(2 * words, rel=0.01)
    assert report.metrics["regions"] == len(workload.operators)
    fused = run("resnet18", preset="sn40l", region_operators=64)
    border = workload.operators[0].input_elements + sum(op.weight_elements for op in workload.operators)
    assert 2 * border <= fused.metrics["hbm_bytes"] < report.metrics["hbm_bytes"] / 2


def test_a_launch_costs_what_it_costs_and_fusion_gains_more_the_dearer_it_is():
    gains = []
    for launch in (0, 1000, 10_000):
        kernels, fused = (run("bert-base:seq_len=128", launch_ns=launch, region_operators=n) for n in (1, 16))
        assert kernels.breakdown["launch"] == kernels.metrics["regions"] * launch * 1.6
        gains.append(kernels.metrics["cycles"] / fused.metrics["cycles"])
    assert gains == sorted(gains)
    assert gains[0] > 1


def test_weights_that_hbm_cannot_hold_come_from_ddr():
    near, far = (run("bert-base:seq_len=128", hbm_gib=size) for size in (16, 0.05))
    assert near.metrics["ddr_bytes"] == 0
    assert far.metrics["ddr_bytes"] > 0
    assert far.metrics["cycles"] > near.metrics["cycles"]
    assert far.metrics["ddr_bytes"] + far.metrics["hbm_bytes"] == near.metrics["hbm_bytes"]
    assert {"hbm", "ddr", ""} == set(far.table.columns["weights_in"])


def test_what_does_not_fit_is_said():
    assert "fit neither HBM nor DDR of a chip" in run("llama2-70b", ddr_gib=10).reason
    assert run("llama2-7b:phase=decode,batch=2,seq_len=32", preset="sn40l").ok
    reason = run("bert-base:seq_len=128", memory_units=1, memory_unit_kib=1).reason
    assert re.match(r"operator '[\w.]+': the smallest share of it needs [\d,]+ bytes .* there are 1,024;", reason)
    assert "more memory_units or memory_unit_kib" in reason


def test_weights_larger_than_the_scratchpads_stream_by_columns():
    report = run("vgg16", memory_unit_kib=64, memory_units=256)
    table = report.layers.set_index("name")
    assert report.metrics["sram_bytes"] <= 256 * 64 * 1024
    assert report.metrics["hbm_bytes"] > 2 * 138_000_000
    assert table.loc[table.macs.idxmax()].tiles >= 1


@pytest.mark.parametrize("most", [10**6, 300])
def test_the_timeline_ends_with_the_report_and_no_track_overlaps(most):
    design, workload = machine.design.make({"sockets": 2, "region_operators": 8}), load("resnet18")
    report, timeline = machine.run([design], workload)[0], dataflow_timeline(design, workload, most)
    tracks = {}
    for span in timeline:
        tracks.setdefault(span.track, []).append(span)
    assert {"launches", "regions"} <= set(tracks)
    for spans in tracks.values():
        assert all(a.end <= b.start for a, b in pairwise(spans))
    assert tracks["regions"][-1].end == report.metrics["cycles"]
    assert bool(timeline.notes) == (most == 300)
    if most > 300:
        assert {"hbm", "link", "stage0"} <= set(tracks)
        busy = sum(span.duration for span in tracks["hbm"])
        assert busy == pytest.approx(report.metrics["hbm_utilization"] * report.metrics["cycles"])


def test_presets_have_the_published_peak():
    design = machine.design.make(preset="sn40l")
    flops = 2 * machine.ceiling(design, None).macs_per_s
    assert flops == pytest.approx(638e12, rel=0.005)
    assert design.sram_bytes == pytest.approx(520 * 2**20)


def test_the_environment_offers_depths_factors_tiles_units_and_bandwidths():
    env = gymnasium.make("cyclescape/Dataflow-v0", workload="resnet18", objective="max:runs_per_s", constraints="area_mm2<=800")
    names = env.unwrapped.problem.space.names
    assert {"buffer_tiles", "factors", "tiles", "compute_units", "memory_unit_kib", "hbm_gbytes_per_s"} <= set(names)
    env.reset(seed=0)
    env.action_space.seed(0)
    rewards, areas = [], []
    for _ in range(6):
        _, reward, _, _, info = env.step(env.action_space.sample())
        rewards.append(reward)
        areas.append(info["report"].metrics["area_mm2"])
        assert info["feasible"] == (areas[-1] <= 800)
    assert len(set(rewards)) > 1
    env.close()


def test_validation_takes_the_shipped_table_with_the_published_figures_or_one_of_ones_own(tmp_path, monkeypatch):
    table = tmp_path / "mine.csv"
    header = "graph,N,node_latency,ii,send_latency,response_latency,short_depth,long_depth,cycles_or_minus1_if_deadlock"
    table.write_text(f"{header}\nmemfree,16,1,1,1,1,2,,261\n")
    assert machine.validate(table).rows == 1
    monkeypatch.setattr(streaming_validation, "SHIPPED", table)
    monkeypatch.setattr(validation, "checks", lambda: iter([Check.equal("SN40L", "switching", 31, 31)]))
    monkeypatch.setattr(validation, "differences", lambda: iter([Difference("SN40L", "overall", 6.6, 10.8, "lengths")]))
    whole = machine.validate()
    assert whole.ok
    assert {"closed form cycles", "least depth", "switching"} < {check.field for check in whole.checks}
    assert [difference.theirs for difference in whole.differences] == [6.6]


def test_an_operator_may_read_more_tensors_than_a_region_has_ports():
    g = Graph()
    x = g.input(1, 8, 16)
    g.linear("out", g.concat(*(g.linear(f"part{i}", x, 4) for i in range(80))), 16)
    report = machine.run([machine.design.make({"region_operators": 256})], g.workload("wide"))[0]
    assert report.ok
    assert report.metrics["regions"] > 1


@pytest.mark.parametrize("name", ["hbm_gbytes_per_s", "ddr_gbytes_per_s", "link_gbytes_per_s"])
def test_a_bandwidth_of_nearly_nothing_is_refused(name):
    with pytest.raises(InputError, match=f"{name}=1e-320: input should be greater than or equal to 0.001"):
        machine.design.make({name: 1e-320})
    assert run("bert-base", **{name: 0.001}).metrics["cycles"] > 0
