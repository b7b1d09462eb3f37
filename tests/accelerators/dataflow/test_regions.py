"""Regions as networks: engines agree in every firing, nothing is stuck, and time obeys its laws."""

from dataclasses import replace

import pytest
from hypothesis import assume, given, settings
from network_cases import CASES
from operator_graphs import designs, workloads

from cyclescape.accelerators.dataflow.design import DataflowDesign
from cyclescape.accelerators.dataflow.machine import mapped
from cyclescape.accelerators.dataflow.pipeline import busy, cycles_of, machine_of, network_of
from cyclescape.accelerators.dataflow.work import stages_of
from cyclescape.simulator.dataflow.compiled import run_worklist
from cyclescape.simulator.dataflow.simpy_engine import run_simpy
from cyclescape.traces.catalog import load
from cyclescape.traces.graph import Graph


def regions_of(design, workload):
    found = mapped(design, workload)
    assume(not isinstance(found, str))
    return found[1]


@settings(max_examples=max(20, CASES // 5), deadline=None)
@given(designs(), workloads())
def test_both_engines_agree_in_every_firing_and_nothing_is_stuck(design, workload):
    for region in regions_of(design, workload):
        net = network_of(region.plan, machine_of(design))
        reference = run_simpy(net)
        assert not reference.deadlock, reference.blocked
        assert reference.difference(run_worklist(net, True)) == ""


@settings(max_examples=max(20, CASES // 10), deadline=None)
@given(designs(), workloads())
def test_a_region_takes_at_least_what_its_busiest_resource_works(design, workload):
    for region in regions_of(design, workload):
        machine = machine_of(design)
        cycles, _ = cycles_of(region.plan, machine, "compiled")
        use = busy(region.plan, machine)
        assert cycles >= max(use.compute, use.hbm, use.ddr, use.link)
        faster = replace(
            machine, bandwidth=tuple(2 * b for b in machine.bandwidth), latency=tuple(x // 2 for x in machine.latency)
        )
        assert cycles_of(region.plan, faster, "compiled")[0] <= cycles


@settings(max_examples=max(20, CASES // 10), deadline=None)
@given(designs(), workloads())
def test_every_operator_runs_once_within_units_and_scratchpads(design, workload):
    regions = regions_of(design, workload)
    assert [i for region in regions for i in region.operators] == list(range(len(workload.operators)))
    for region in regions:
        assert sum(region.units) <= design.compute_units
        assert min(region.units) >= 1
        assert region.plan.sram_bytes <= design.sram_bytes
        assert len(region.operators) <= design.region_operators


def two_products():
    """16 rows of 32 elements through two square layers, on units that do 8 columns of 4 steps a cycle."""
    g = Graph()
    g.linear("b", g.linear("a", g.input(1, 16, 32), 32, bias=False), 32, bias=False)
    design = DataflowDesign.make({
        "compute_units": 16, "lanes": 8, "unit_depth": 4, "memory_units": 16, "memory_unit_kib": 16, "tiles": 4,
        "hop_cycles": 3, "hbm_gbytes_per_s": 64, "hbm_latency_ns": 10, "frequency_mhz": 1000, "launch_ns": 0,
    })  # fmt: skip
    return design, g.workload("two")


def test_the_example_of_the_page_by_hand():
    design, workload = two_products()
    ((region,),) = (mapped(design, workload)[1],)
    # Each stage: 16 rows x 4 blocks of columns x 8 blocks of the reduction = 512 passes, 8 units: 16 cycles a tile of 4 rows.
    assert [job.cycles for job in region.plan.jobs] == [16, 16]
    run = run_simpy(network_of(region.plan, machine_of(design)))
    # HBM, 64 B a cycle: weights of a (2048 B), its tile 0 (256 B), then at step 1 weights of b, tile 1, ...
    assert list(run.ready["hbm"][:4]) == [0, 32, 36, 40]
    assert run.ready["stage0"][0] == 32 + 4 + 10  # weights are there at 42, the tile at 46
    assert run.ready["stage1"][0] == 40 + 32 + 10  # weights of b, after tile 1: later than the result of a at 46 + 16 + 3
    assert list(run.ready["stage1"]) == [82, 98, 114, 130]
    assert list(run.ready["hbm"][-4:]) == [101, 117, 133, 149]  # stores: 16 + 3 after each
    assert run.cycles == 149 + 4


def test_products_are_split_over_chips_by_columns_then_rows():
    design = DataflowDesign.make({"sockets": 4})
    workload = load("llama2-7b:phase=decode,seq_len=64")
    stages = dict(zip((op.name for op in workload.operators), stages_of(design, workload)))
    for layer in ("layer0", "layer31"):
        steps = {name.split(".")[1]: s.collective_steps for name, s in stages.items() if name.startswith(f"{layer}.")}
        assert [name for name, count in steps.items() if count] == ["o", "down"]
    # An all-reduce of a vector of 4096 bfloat16 sends 2 x 3/4 of it from each chip.
    assert stages["layer0.o"].collective_bytes == 2 * 4096 * 2 * 3 // 4
    assert sum(s.macs for s in stages.values()) == pytest.approx(workload.macs / 4)
    assert sum(s.weight_bytes for s in stages.values()) * 4 == pytest.approx(2 * workload.params, rel=0.02)


def test_windows_wait_for_the_rows_below():
    g = Graph()
    g.conv("second", g.conv("first", g.input(1, 8, 8, 8), 8, 1), 8, 5)
    design = DataflowDesign.make({"tiles": 8, "memory_unit_kib": 64})
    ((region,),) = (mapped(design, g.workload("w"))[1],)
    assert [(link.ahead, link.tokens) for link in region.plan.links] == [(2, 8)]
    run = run_simpy(network_of(region.plan, machine_of(design)))
    assert run.ready["stage1"][0] > run.send["stage0"][2]


@settings(max_examples=max(20, CASES // 10), deadline=None)
@given(designs(), workloads())
def test_units_do_at_least_the_work_and_chips_share_all_of_it(design, workload):
    for op, stage in zip(workload.operators, stages_of(design, workload)):
        assert stage.product_passes * design.lanes * design.unit_depth >= stage.macs
        assert stage.vector_passes * design.lanes * design.unit_depth >= stage.vector_ops
        counts = ((stage.macs, op.macs), (stage.vector_ops, op.vector_ops), (stage.out_bytes, 2 * op.output_elements))
        for mine, whole in counts:
            assert whole <= mine * design.sockets <= (whole + 1) * design.sockets
        assert sum(edge.bytes for edge in stage.edges) <= 2 * op.input_elements
        assert (stage.collective_bytes > 0) <= (design.sockets > 1)


def test_one_region_moves_weights_once_and_nothing_but_what_enters_and_leaves():
    workload = load("resnet18")
    design = DataflowDesign.make({"region_operators": 256, "tiles": 8}, preset="sn40l")
    (region,) = mapped(design, workload)[1]
    assert region.passes == 1
    use = busy(region.plan, machine_of(design))
    first, last = workload.operators[0], workload.operators[-1]
    words = first.input_elements + sum(op.weight_elements for op in workload.operators) + last.output_elements
    assert 2 * words <= use.hbm_bytes <= 2 * words + 16 * len(workload.operators)  # tiles are whole bytes
