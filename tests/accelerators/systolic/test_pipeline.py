"""Arrays as the stages of a pipeline."""

from __future__ import annotations

from itertools import combinations, pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from systolic_cases import designs, graphs

from cyclescape.accelerators.systolic import engines, pipeline
from cyclescape.accelerators.systolic.lowering import lower
from cyclescape.accelerators.systolic.program import FUSED, N_RESULT
from cyclescape.accelerators.systolic.schedule import NEVER, place
from cyclescape.errors import DesignError
from cyclescape.simulator.registry import accelerator
from cyclescape.traces.catalog import load

SYSTOLIC = accelerator("systolic")


@settings(max_examples=300)
@given(st.lists(st.tuples(st.integers(0, 50), st.booleans(), st.booleans()), min_size=1, max_size=9), st.integers(1, 6))
def test_the_longest_stage_is_as_short_as_any_cut_makes_it(jobs, stages):
    rows = np.zeros((len(jobs), N_RESULT), np.int64)
    operator = np.cumsum([new for _, _, new in jobs])
    for j, (cycles, fused, _) in enumerate(jobs):
        rows[j, 0], rows[j, FUSED] = (0, -1) if fused and j > 0 else (cycles, 0)
    heads = [j for j in range(1, len(jobs)) if rows[j, FUSED] >= 0 and jobs[j][2]]
    cuts = pipeline.cut(rows, operator, stages)
    assert set(cuts) <= set(heads)
    assert len(cuts) < stages
    best = min(
        max(pipeline.stage_cycles(rows[:, 0], chosen)) for count in range(stages) for chosen in combinations(heads, count)
    )
    assert max(pipeline.stage_cycles(rows[:, 0], cuts)) == best


@given(st.lists(st.integers(0, 30), min_size=1, max_size=6), st.integers(1, 12))
def test_results_come_at_the_pace_of_the_longest_stage(stages, inputs):
    times = pipeline.outputs_at(stages, inputs)
    assert times[0] == sum(stages)
    assert all(later - earlier == max(stages) for earlier, later in pairwise(times))


@settings(max_examples=60)
@given(graphs(), designs(memory=("port", "ideal")), st.sampled_from([2, 4]))
def test_a_pipeline_does_all_of_the_work_and_both_engines_agree(workload, design, arrays):
    shared = {"vector_lanes": 8, "bandwidth_bytes_per_cycle": 16}
    piped = type(design).make({**design.model_dump(), "arrays": arrays, "partition": "pipeline", **shared})
    fast, slow = (SYSTOLIC.run([piped], workload, engine=engine)[0] for engine in SYSTOLIC.engines)
    assert fast == slow
    m, layers = fast.metrics, fast.layers
    assert m["macs"] == workload.macs
    assert sum(fast.breakdown.values()) == m["cycles"] == layers["cycles"].sum()
    stages = layers.groupby("stage")["cycles"].sum() if "stage" in layers else layers["cycles"]
    assert m["interval_cycles"] == (stages.max() if "stage" in layers else m["cycles"])
    assert m["interval_cycles"] * arrays >= m["cycles"]
    assert 0 <= m["pe_utilization"] <= 1
    assert 0 <= m["port_utilization"] <= 1
    assert m["energy_j"] == pytest.approx(layers["energy_j"].sum())


def test_nothing_stays_on_chip_across_a_cut():
    jobs = lower(load("resnet18"))
    design = SYSTOLIC.design.make({"activation_sram_kib": 65536})
    whole, cuts = place(jobs, 8), (7, 20)
    cut = place(jobs, 8, cuts)
    stage = np.searchsorted(cuts, np.arange(len(jobs.use)), "right")
    crossing = {(t, j) for j, operands in enumerate(jobs.reads) for t in sum(operands, ()) if t >= 0 and stage[t] != stage[j]}
    assert crossing
    assert all(cut.room_at.get(use, NEVER) == NEVER for use in crossing)
    assert all(whole.room_at[use] < NEVER for use in crossing)
    rows = engines.compiled([design], jobs, [cuts])[0]
    assert (rows[list(cuts), FUSED] >= 0).all()


def test_a_pipeline_of_resnet50_multiplies_its_pace():
    network, port = load("resnet50"), {"partition": "pipeline", "bandwidth_bytes_per_cycle": 64}
    one, four = SYSTOLIC.run([SYSTOLIC.design.make({"arrays": n, **port}) for n in (1, 4)], network)
    assert one.metrics["interval_cycles"] == one.metrics["cycles"]
    assert four.metrics["cycles"] > one.metrics["cycles"]
    assert one.metrics["interval_cycles"] / 4 <= four.metrics["interval_cycles"] < one.metrics["interval_cycles"] / 2
    assert "in a later stage" in " ".join(four.layers["note"])
    assert four.layers["stage"].max() == 3


@pytest.mark.parametrize(("values", "reason"), [
    ({"bandwidth_bytes_per_cycle": 2}, "bandwidth_bytes_per_cycle=2: each of 4 stages needs its part"),
    ({"memory": "dram"}, "memory=dram: not with partition=pipeline"),
])
def test_what_cannot_be_a_pipeline_is_one_line(values, reason):
    with pytest.raises(DesignError, match=reason):
        SYSTOLIC.design.make({"arrays": 4, "partition": "pipeline", **values})
