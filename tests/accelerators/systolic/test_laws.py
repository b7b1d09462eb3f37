"""Laws that hold for every layer and design."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from systolic_cases import designs, workloads

from cyclescape.accelerators.systolic import engines, mapping
from cyclescape.accelerators.systolic.components import simulate_job
from cyclescape.accelerators.systolic.lowering import field, lower
from cyclescape.accelerators.systolic.program import RESULT
from cyclescape.simulator.registry import accelerator

SYSTOLIC = accelerator("systolic")
SRAMS = ("ifmap_sram_kib", "filter_sram_kib", "ofmap_sram_kib", "activation_sram_kib")


def changed(design, **values):
    return type(design).make({**design.model_dump(), **values})


def column(results, name):
    return results[..., RESULT.index(name)]


@settings(max_examples=200)
@given(workloads(), designs(), st.sampled_from([1, 2, 3, 10]), st.integers(0, 60))
def test_fixed_tiling_is_never_slower_with_more_bandwidth_or_less_latency(workload, design, times, less):
    """On the SimPy engine, which equals the compiled one: the same plan, better memory."""
    jobs = lower(workload)
    results = engines.compiled([design], jobs)[0]
    bits, latency = 8 * design.bandwidth_bytes_per_cycle, design.memory_latency_cycles
    for j, row in enumerate(results):
        plan = engines.job_plan(design, jobs, j, row)
        if not plan.steps:  # done as the job before drains
            assert row[0] == 0
            continue
        base = simulate_job(plan, bits, latency).cycles
        assert base == row[0]
        assert simulate_job(plan, bits * times, latency).cycles <= base
        assert simulate_job(plan, bits + 1, latency).cycles <= base
        assert simulate_job(plan, bits, max(1, latency - less)).cycles <= base


@settings(max_examples=300)
@given(workloads(), designs(), st.sampled_from(SRAMS), st.integers(2, 5))
def test_larger_scratchpad_is_never_slower(workload, design, name, times):
    larger = changed(design, **{name: max(1, getattr(design, name)) * times})
    small, large = SYSTOLIC.run([design, larger], workload)
    assert large.metrics["cycles"] <= small.metrics["cycles"]


@settings(max_examples=300)
@given(workloads(), designs(), st.integers(1, 100), st.integers(0, 100))
def test_better_memory_is_never_slower_with_the_tiler(workload, design, more, less):
    faster = changed(
        design, bandwidth_bytes_per_cycle=design.bandwidth_bytes_per_cycle + more,
        memory_latency_cycles=max(1, design.memory_latency_cycles - less),
    )
    base, better = SYSTOLIC.run([design, faster], workload)
    assert better.metrics["cycles"] <= base.metrics["cycles"]


@settings(max_examples=300)
@given(workloads(), designs(memory=("port", "ideal")))
def test_time_covers_compute_and_traffic_and_parts_sum_to_wholes(workload, design):
    jobs = lower(workload)
    (report,) = SYSTOLIC.run([design], workload)
    m, table = report.metrics, report.layers
    results = engines.compiled([design], jobs)[0]
    bits = sum(column(results, n) for n in RESULT if n.endswith(("_read_bits", "_write_bits")))
    compute = column(results, "compute_cycles") + column(results, "fill_drain_cycles") + column(results, "vector_cycles")
    assert (column(results, "cycles") >= compute).all()
    if design.memory == "port":
        assert (column(results, "cycles") * 8 * design.bandwidth_bytes_per_cycle >= bits).all()
    assert m["cycles"] == sum(report.breakdown.values()) == table["cycles"].sum()
    assert m["macs"] == workload.macs == table["macs"].sum()
    assert m["dram_bytes"] == -(-int(bits.sum()) // 8)
    assert m["energy_j"] == pytest.approx(sum(v for k, v in m.items() if k.startswith("energy_") and k != "energy_j"))
    assert m["energy_j"] == pytest.approx(table["energy_j"].sum())
    assert 0 <= m["pe_utilization"] <= 1
    assert 0 <= m["mapping_efficiency"] <= 1
    assert 0 <= m["port_utilization"] <= 1
    assert (table["pe_utilization"] <= 1).all()
    assert all(math.isfinite(v) and v >= 0 for v in m.values())


@settings(max_examples=200)
@given(workloads(), designs())
def test_bytes_are_those_of_the_transfers(workload, design):
    """What the plan moves, transfer by transfer, is what the closed form says; and nothing is left out."""
    jobs = lower(workload)
    results = engines.compiled([design], jobs)[0]
    for j, row in enumerate(results):
        job, plan = jobs.unique[jobs.use[j]], engines.job_plan(design, jobs, j, row)
        moved = sum(s.ifmap_bits + s.filter_bits + s.psum_bits + s.closed_bits for s in plan.steps) + plan.last_bits
        assert moved == sum(row[RESULT.index(n)] for n in RESULT if n.endswith(("_read_bits", "_write_bits")))
        out_bits = job[field("out_bits")] or design.element_bits
        kept = row[RESULT.index("ofmap_on_chip")] or row[RESULT.index("fused")] < 0  # stored by the one it is fused into
        assert row[RESULT.index("psum_write_bits")] == row[RESULT.index("psum_read_bits")]  # what is read was written
        assert row[RESULT.index("ofmap_write_bits")] == (0 if kept else job[field("out_elements")] * out_bits)


@settings(max_examples=200)
@given(workloads(), designs())
def test_infinite_bandwidth_gives_the_closed_form(workload, design):
    """Ideal memory: folds x period. A port that moves any tile in a cycle: only latency is left."""
    jobs = lower(workload)
    ideal = engines.compiled([changed(design, memory="ideal")], jobs)[0]
    fast = changed(design, bandwidth_bytes_per_cycle=2**20, memory_latency_cycles=1)
    near = engines.compiled([fast], jobs)[0]
    for j, (row, port) in enumerate(zip(ideal, near)):
        job, fused = jobs.unique[jobs.use[j]], row[RESULT.index("fused")]
        if fused < 0 or port[RESULT.index("fused")] != fused:
            continue
        if job[field("vector")]:
            operations = jobs.unique[jobs.use[j : j + 1 + fused], field("vector_ops")].sum()
            expected = -(-operations // design.vector_lanes)
        else:
            m, n, k = (int(job[field(name)]) for name in "mnk")
            code = mapping.dataflow_code(design.dataflow)
            sr, sc, t = mapping.fold_shape(code, m, n, k)
            folds = math.prod(mapping.fold_counts(sr, sc, design.rows, design.cols))
            expected = int(job[field("groups")]) * folds * mapping.fold_period(code, design.rows, design.cols, t)
        assert row[0] == expected
        steps = engines.job_plan(fast, jobs, j, port).steps
        computed = sum(step.folds * step.fold_cycles for step in steps)
        # Two loads and a store of one cycle each before and after, and at most that much for each step.
        assert computed <= port[0] <= computed + 6 * len(steps)
        if len(steps) == 1:
            loads = (steps[0].ifmap_bits > 0) + (steps[0].filter_bits > 0)
            stored = column(port, "ofmap_write_bits") > 0
            assert port[0] == computed + (loads + 1 if loads else 0) + 2 * stored


@settings(max_examples=100)
@given(workloads(), st.lists(designs(), min_size=2, max_size=5))
def test_a_batch_is_its_members(workload, batch):
    together = SYSTOLIC.run(batch, workload)
    assert together == [SYSTOLIC.run([design], workload)[0] for design in batch]


def test_brute_force_over_all_tilings_finds_nothing_better():
    """The bound prunes, but never the best: compare with timing every candidate on the SimPy engine."""
    from itertools import permutations

    from cyclescape.accelerators.systolic.components import Plan, Tiling
    from cyclescape.traces.operators import Gemm
    from cyclescape.traces.workload import Workload

    rng = np.random.default_rng(3)
    for _ in range(12):
        m, n, k = (int(rng.integers(9, 40)) for _ in range(3))
        bandwidth, latency = int(rng.integers(1, 9)), int(rng.integers(1, 60))
        design = SYSTOLIC.design.make({
            "rows": 4, "cols": 4, "dataflow": "os", "ifmap_sram_kib": 1, "filter_sram_kib": 1, "ofmap_sram_kib": 1,
            "activation_sram_kib": 0, "bandwidth_bytes_per_cycle": bandwidth, "memory_latency_cycles": latency,
        })
        gemm = Gemm(name="g", m=m, n=n, k=k)
        chosen = SYSTOLIC.run([design], Workload(name="w", operators=(gemm,)))[0].metrics["cycles"]

        def sizes(size, unit):
            return [unit << i for i in range(20) if unit << i < size] + [size]

        def bits(kind, x, y):
            return x * y * (32 if kind == "psum" else 8)

        def folds(m, n, k):
            return -(-m // 4) * -(-n // 4), k + 6

        best = min(
            simulate_job(Plan.of(1, (m, n, k), Tiling(1, tm, tn, tk, "".join(order)), bits, folds),
                         8 * bandwidth, latency).cycles
            for tm in sizes(m, 4) for tn in sizes(n, 4) for tk in sizes(k, 8) for order in permutations("mnk")
            if tm * tk <= 512 and tk * tn <= 512 and 4 * tm * tn <= 512
        )
        assert chosen == best


@settings(max_examples=60)
@given(workloads(), designs(), st.sampled_from(SRAMS), st.integers(2, 5), st.integers(1, 100))
def test_larger_and_faster_is_never_slower_on_the_simpy_engine_either(workload, design, name, times, more):
    larger = changed(design, **{name: max(1, getattr(design, name)) * times})
    faster = changed(design, bandwidth_bytes_per_cycle=design.bandwidth_bytes_per_cycle + more)
    base, *better = SYSTOLIC.run([design, larger, faster], workload, engine="simpy")
    assert all(report.metrics["cycles"] <= base.metrics["cycles"] for report in better)
