"""Laws that hold for every layer and design."""

from __future__ import annotations

import math
from itertools import permutations

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from systolic_cases import designs, workloads

from cyclescape.accelerators.systolic import engines, folds, mapping, program
from cyclescape.accelerators.systolic.components import Plan, Share, Tiling, simulate_job
from cyclescape.accelerators.systolic.fold_list import fold_list, shadow_operand
from cyclescape.accelerators.systolic.lowering import field, lower
from cyclescape.accelerators.systolic.program import RESULT
from cyclescape.simulator.registry import accelerator
from cyclescape.traces.operators import Gemm
from cyclescape.traces.workload import Workload

SYSTOLIC = accelerator("systolic")
NO_OPTIONS = {"skip_idle": False, "overlap_drain": False, "overlap_preload": False, "mac_stages": 1,
              "groups_per_fold": 1, "arrays": 1, "sparse_block": 1}
SRAMS = ("ifmap_sram_kib", "filter_sram_kib", "ofmap_sram_kib", "activation_sram_kib")


def changed(design, **values):
    return type(design).make({**design.model_dump(), **values})


def column(results, name):
    return results[..., RESULT.index(name)]


@settings(max_examples=100)
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
        vector = jobs.unique[jobs.use[j], field("vector")]
        assert row[0] == (base if vector else max(base, engines.vector_cycles(design, jobs, j, row)))
        assert simulate_job(plan, bits * times, latency).cycles <= base
        assert simulate_job(plan, bits + 1, latency).cycles <= base
        assert simulate_job(plan, bits, max(1, latency - less)).cycles <= base


@settings(max_examples=150)
@given(workloads(), designs(), st.sampled_from(SRAMS), st.integers(2, 5))
def test_larger_scratchpad_is_never_slower(workload, design, name, times):
    larger = changed(design, **{name: max(1, getattr(design, name)) * times})
    small, large = SYSTOLIC.run([design, larger], workload)
    assert large.metrics["cycles"] <= small.metrics["cycles"]


@settings(max_examples=150)
@given(workloads(), designs(), st.integers(1, 100), st.integers(0, 100))
def test_better_memory_is_never_slower_with_the_tiler(workload, design, more, less):
    faster = changed(
        design, bandwidth_bytes_per_cycle=design.bandwidth_bytes_per_cycle + more,
        memory_latency_cycles=max(1, design.memory_latency_cycles - less),
    )
    base, better = SYSTOLIC.run([design, faster], workload)
    assert better.metrics["cycles"] <= base.metrics["cycles"]


@settings(max_examples=150)
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


@settings(max_examples=100)
@given(workloads(), designs())
def test_bytes_are_those_of_the_transfers(workload, design):
    """What the plan moves, transfer by transfer, is what the closed form says; and nothing is left out."""
    jobs = lower(workload)
    results = engines.compiled([design], jobs)[0]
    for j, row in enumerate(results):
        job, plan = jobs.unique[jobs.use[j]], engines.job_plan(design, jobs, j, row)
        moved = sum(s.ifmap_bits + s.filter_bits + s.psum_bits + s.closed_bits for s in plan.steps) + plan.last_bits
        assert moved == sum(row[RESULT.index(n)] for n in RESULT if n.endswith(("_read_bits", "_write_bits")))
        out_bits = job[field("out_bits")] or design.widths[2]
        kept = row[RESULT.index("ofmap_on_chip")] or row[RESULT.index("fused")] < 0  # stored by the one it is fused into
        assert row[RESULT.index("psum_write_bits")] == row[RESULT.index("psum_read_bits")]  # what is read was written
        assert row[RESULT.index("ofmap_write_bits")] == (0 if kept else job[field("out_elements")] * out_bits)


@settings(max_examples=100)
@given(workloads(), designs())
def test_infinite_bandwidth_gives_the_closed_form(workload, design):
    """Ideal memory: folds x period. A port that moves any tile in a cycle: only latency is left."""
    design = changed(design, **NO_OPTIONS)
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
            beside = engines.vector_cycles(design, jobs, j, row)
            if beside > expected:  # the vector unit holds the product up
                assert row[0] == beside
                continue
        assert row[0] == expected
        steps = engines.job_plan(fast, jobs, j, port).steps
        computed = sum(work.load + work.free for step in steps for work in step.folds[0])
        # Two loads and a store of one cycle each before and after, and at most that much for each step.
        assert computed <= port[0] <= computed + 6 * len(steps)
        if len(steps) == 1:
            loads = (steps[0].ifmap_bits > 0) + (steps[0].filter_bits > 0)
            stored = column(port, "ofmap_write_bits") > 0
            assert port[0] == computed + (loads + 1 if loads else 0) + 2 * stored


@settings(max_examples=60)
@given(workloads(), st.lists(designs(), min_size=2, max_size=5))
def test_a_batch_is_its_members(workload, batch):
    together = SYSTOLIC.run(batch, workload)
    assert together == [SYSTOLIC.run([design], workload)[0] for design in batch]


@pytest.mark.parametrize("dataflow", ["os", "ws", "is"])
@pytest.mark.parametrize("batch", [1, 5])
def test_brute_force_over_all_tilings_finds_nothing_better(dataflow, batch):
    """The bound prunes, but never the best: compare with timing every candidate on the SimPy engine."""
    rng = np.random.default_rng([3, batch, len(dataflow), ord(dataflow[0])])
    done = 0
    while done < 6:
        m, n, k = (int(rng.integers(1, 9 if batch > 1 else 30)) for _ in range(3))
        bandwidth, latency = int(rng.integers(1, 9)), int(rng.integers(1, 60))
        rows, cols = (int(rng.integers(2, 9)) for _ in range(2))
        flags = dict(zip(("skip_idle", "overlap_drain", "overlap_preload"), rng.integers(2, size=3).astype(bool).tolist()))
        options = {**flags, "mac_stages": int(rng.integers(1, 4)), "groups_per_fold": int(2 ** rng.integers(3)),
                   "arrays": int(2 ** rng.integers(3)), "partition": ["channel", "row"][rng.integers(2)]}
        design = SYSTOLIC.design.make({
            "rows": rows, "cols": cols, "dataflow": dataflow, "ifmap_sram_kib": 1, "filter_sram_kib": 1,
            "ofmap_sram_kib": 1, "activation_sram_kib": 0, "bandwidth_bytes_per_cycle": bandwidth,
            "memory_latency_cycles": latency, **options,
        })
        gemm = Gemm(name="g", batch=batch, m=m, n=n, k=k)
        chosen = SYSTOLIC.run([design], Workload(name="w", operators=(gemm,)))[0].metrics["cycles"]

        def sizes(size, unit):
            return [unit << i for i in range(20) if unit << i < size] + [size]

        def bits(kind, x, y):
            return x * y * (32 if kind == "psum" else 8)

        unit = {"os": (rows, cols, 8), "ws": (8, cols, rows), "is": (cols, 8, rows)}[dataflow]
        best = min(
            simulate_job(
                Plan.of(shares, Tiling(tg, tm, tn, tk, "".join(order)), bits,
                        lambda g, m, n, k: fold_list(design, g, m, n, k, packed),  # noqa: B023
                        common, shadow_operand(design)),
                8 * bandwidth, latency, every_fold=False,
            ).cycles
            for shares, common in (engines.shares(design, Share(batch, m, n, k), used) for used in (1, 2, 4)
                                   if used <= design.arrays)
            for tm in sizes(shares[0].m, unit[0]) for tn in sizes(shares[0].n, unit[1]) for tk in sizes(k, unit[2])
            for tg, packed in batches(shares[0].groups, design.groups_per_fold, (tm, tn, tk) == shares[0][1:],
                                      fits(design, *shares[0][1:]))
            for order in permutations("mnk")
            if tg * tm * tk <= 512 and tg * tk * tn <= 512 and tg * 4 * tm * tn <= 512
        )
        assert chosen == best
        done += 1


def fits(design, m, n, k):
    """How many products fit the array side by side on its diagonal."""
    sr, sc, _ = mapping.fold_shape(mapping.dataflow_code(design.dataflow), m, n, k)
    return min(design.rows // sr, design.cols // sc)


def batches(batch, limit, whole, most):
    """Products to a tile, with products to a fold: several only if each is whole, whatever the search tries."""
    yield 1, 1
    if whole:
        powers = {1, 2, 4, batch} | {most << i for i in range(3) if 1 < most <= limit}
        for tg in sorted(p for p in powers if p <= batch):
            yield from ((tg, p) for p in {1, 2, 4, min(most, tg)} if p <= min(limit, most, tg))


@settings(max_examples=150)
@given(workloads(), designs(memory=("port", "port", "ideal")), st.sampled_from(
    ["skip_idle", "overlap_drain", "overlap_preload", "mac_stages", "groups_per_fold", "arrays"]))
def test_an_option_that_hides_work_is_never_slower(workload, design, option):
    plain = {
        "mac_stages": max(design.mac_stages, 2), "groups_per_fold": min(design.groups_per_fold, 128), "arrays": design.arrays,
    }.get(option, False)
    better = {"mac_stages": plain - 1, "groups_per_fold": 2 * plain, "arrays": 2 * plain}.get(option, True)
    without, with_it = SYSTOLIC.run([changed(design, **{option: plain}), changed(design, **{option: better})], workload)
    assert with_it.metrics["cycles"] <= without.metrics["cycles"]


@settings(max_examples=250)
@given(designs(), st.integers(1, 9), *3 * [st.integers(1, 4) | st.integers(1, 30)], st.sampled_from([1, 2, 3, 8]))
@example(SYSTOLIC.design.make({"rows": 1, "cols": 8, "dataflow": "os", "skip_idle": True, "overlap_drain": True}),
         1, 1, 9, 1, 1)  # the last, narrow column is done before the one before it
def test_closed_forms_of_a_step_are_those_of_its_folds_one_by_one(design, groups, m, n, k, packed):
    sr, sc, t = mapping.fold_shape(mapping.dataflow_code(design.dataflow), m, n, k)
    packed = max(1, min(packed, fits(design, m, n, k)))
    listed = fold_list(design, groups, m, n, k, packed)
    shadow = bool(shadow_operand(design))
    begin = listed[0].load if shadow else 0  # of the first load; then of the first streaming
    streamed, done, first = 0, 0, begin
    for work in listed:
        if shadow:
            begin = streamed = max(begin, streamed + work.load)
        else:
            streamed = begin + work.load
        done, begin = max(done, streamed + work.done), streamed + work.free
    row = np.array(engines.design_row(design), np.int64)
    times, totals = np.zeros(folds.N_TIMES, np.int64), np.zeros(4, np.int64)
    count = folds.step_times(row[program.OPTIONS:], design.rows, design.cols, sr, sc, t, groups, packed, times)
    assert count == len(listed)
    expected = {folds.LEAD: first, folds.LAST: streamed - first, folds.SPAN: begin - first, folds.DONE: done - first}
    assert {i: int(times[i]) for i in range(folds.N_TIMES)} == expected
    folds.array_time(row[program.OPTIONS:], design.rows, design.cols, sr, sc, t, t, groups, groups, packed, totals)
    assert (totals[0], totals[1]) == (count, sum(work.streams for work in listed))
    assert totals[3] == first
    assert totals[2] <= done - first  # what the search prunes by; exact where no load is longer than what hides it
    if not shadow:
        assert totals[2] == streamed + listed[-1].done


@settings(max_examples=150)
@given(workloads(), designs(memory=("ideal",)), st.sampled_from([(1, 4), (4, 8), (2, 16)]))
def test_skipping_zeros_is_never_slower_and_moves_no_more_than_its_indices(workload, design, blocks):
    """Each operand once, as ideal memory counts it: what is left out of the weights pays for the indices or is less."""
    jobs = lower(workload)
    dense, skipping = (changed(design, sparse_block=block) for block in blocks)
    base, better = engines.compiled([dense, skipping], jobs)
    assert (column(better, "cycles") <= column(base, "cycles")).all()
    for j, (was, now) in enumerate(zip(base, better)):
        row = jobs.row(j, skipping.sparse_block)
        indices = int(np.prod([row[field(name)] for name in ("groups", "n", "k", "index_bits")]))
        before, after = column(was, "filter_read_bits"), column(now, "filter_read_bits")
        assert after <= before + indices
        assert column(now, "ifmap_read_bits") == column(was, "ifmap_read_bits")
    first, second = SYSTOLIC.run([dense, skipping], workload)
    assert second.metrics["macs"] == first.metrics["macs"] == workload.macs
    assert second.metrics["effective_macs"] <= first.metrics["effective_macs"]


@settings(max_examples=60)
@given(st.integers(1, 40), st.integers(1, 12), st.sampled_from([(1, 2), (2, 4), (3, 4), (5, 8)]), st.integers(0, 2**32))
def test_slots_hold_what_true_masks_keep(k, n, sparsity, seed):
    """Prune real weights; store each filter's in as many slots as the machine says; the products are the same."""
    kept, block = sparsity
    rng = np.random.default_rng(seed)
    weights = rng.integers(-8, 8, (k, n))
    inputs = rng.integers(-8, 8, k)
    for start in range(0, k, block):
        part = weights[start : start + block]
        np.put_along_axis(part, np.argsort(-abs(part), axis=0, kind="stable")[kept:], 0, axis=0)
    gemm = Gemm(name="g", m=1, n=n, k=k, weight_sparsity=sparsity)
    row = lower(Workload(name="w", operators=(gemm,))).row(0, block)
    slots = [start + lane for start in range(0, k, block) for lane in range(min(kept, k - start))]
    assert len(slots) == row[field("k")]
    result = np.zeros(n, int)
    for column_ in range(n):
        there = np.flatnonzero(weights[:, column_])
        for start in range(0, k, block):
            mine = there[(there >= start) & (there < start + block)]
            assert len(mine) <= sum(start <= slot < start + block for slot in slots)  # each has a slot of its block
            assert ((mine - start) < 2 ** row[field("index_bits")]).all()
            result[column_] += sum(inputs[i] * weights[i, column_] for i in mine)
    assert (result == inputs @ weights).all()


@settings(max_examples=100)
@given(designs(), st.sampled_from([1, 2, 4, 8]), *[st.integers(1, 12)] * 4, *[st.integers(1, 9)] * 4, st.permutations("mnk"))
def test_several_arrays_do_all_of_the_work_once(design, used, groups, m, n, k, tg, tm, tn, tk, order):
    done = []
    parts, common = engines.shares(design, Share(groups, m, n, k), used)
    plan = Plan.of(parts, Tiling(tg, tm, tn, tk, "".join(order)), lambda kind, x, y: x * y,
                   lambda *tile: done.append(math.prod(tile)) or (), common)
    assert sum(done) == groups * m * n * k
    assert max(p.groups * p.m * p.n for p in parts) - min(p.groups * p.m * p.n for p in parts) <= max(
        groups * m, m * n, groups * n)  # one unit of what is shared out
    assert len(parts) <= used
    finished = sum(step.closed_bits for step in plan.steps) + plan.last_bits - sum(step.psum_bits for step in plan.steps)
    assert finished == groups * m * n


def test_hand_made_folds():
    """4x4 positions on a 2x2 array for t = 3: four folds. Drawn by hand."""
    def cycles(**options):
        design = SYSTOLIC.design.make({"rows": 2, "cols": 2, "dataflow": "ws", "memory": "ideal", **options})
        gemm = Gemm(name="g", m=3, n=4, k=4)
        return SYSTOLIC.run([design], Workload(name="w", operators=(gemm,)))[0].metrics["cycles"]

    assert cycles() == 4 * (2 + 3 + 2)  # load, stream, skew
    assert cycles(overlap_drain=True) == 2 + 3 * (3 + 1 + 2) + 3 + 2
    assert cycles(overlap_preload=True) == 2 + 4 * (3 + 2)
    assert cycles(overlap_drain=True, overlap_preload=True) == 2 + 4 * 3 + 2
    assert cycles(mac_stages=3) == 4 * (2 + 3 + 2 + 2)


@settings(max_examples=60)
@given(workloads(), designs(), st.sampled_from(SRAMS), st.integers(2, 5), st.integers(1, 100))
def test_larger_and_faster_is_never_slower_on_the_simpy_engine_either(workload, design, name, times, more):
    larger = changed(design, **{name: max(1, getattr(design, name)) * times})
    faster = changed(design, bandwidth_bytes_per_cycle=design.bandwidth_bytes_per_cycle + more)
    base, *better = SYSTOLIC.run([design, larger, faster], workload, engine="simpy")
    assert all(report.metrics["cycles"] <= base.metrics["cycles"] for report in better)
