"""The closed forms equal the program that places every set, in every column."""

from __future__ import annotations

import numpy as np
from row_stationary_cases import compiled, conv, gemm, parameters, placed

from cyclescape.simulator.registry import accelerator
from cyclescape.traces.catalog import load
from cyclescape.traces.operators import Pool
from cyclescape.traces.workload import Workload


def test_two_thousand_random_layers():
    """Every column of every layer; at least 2,000 fit their buffer, the others are refused by both."""
    rng = np.random.default_rng(7)
    fitting = refused = 0
    met = {"mixed": 0, "height": 0, "width": 0, "spilled": 0, "interleaved": 0, "segments": 0}
    while fitting < 2000:
        op, values = (conv(rng) if rng.random() < 0.85 else gemm(rng)), parameters(rng)
        fast, slow = compiled(op, values), placed(op, values)
        if fast["cycles"] < 0:
            assert slow["cycles"] < 0, (op, values)
            refused += 1
            continue
        assert fast == slow, (op, values)
        fitting += 1
        met["mixed"] += getattr(op, "groups", 1) > 1 and values["group_mapping"] > 0
        met["height"] += fast["height_folds"] > 1
        met["width"] += fast["width_folds"] > 1
        met["spilled"] += fast["dram_psum"] > 0
        met["interleaved"] += fast["rf_channels"] > 1 and fast["rf_filters"] > 1
        met["segments"] += fast["width_folds"] * values["cols"] < getattr(op, "out_h", 1)
    assert refused < 1000
    assert min(met.values()) > 30, met


def test_whole_reports_are_equal():
    """The first stages of a real network at a small resolution, every operator and metric."""
    net = load("shufflenet-v2:resolution=32,width=0.5")
    start = Workload(name="start", operators=net.operators[:24])
    machine = accelerator("row-stationary")
    design = machine.design.make({"group_mapping": "many", "memory": "port"}, preset="eyeriss")
    fast, slow = (machine.run([design], start, engine=engine)[0] for engine in machine.engines)
    assert fast.ok
    assert fast == slow


def test_vector_passes_are_counted_alike():
    pool = Pool(name="p", in_h=8, in_w=8, channels=5, kernel_h=2, kernel_w=2, out_h=4, out_w=4)
    values = parameters(np.random.default_rng(0))
    fast, slow = compiled(pool, values), placed(pool, values)
    assert fast == slow
    assert fast["cycles"] == -(-16 * 5 * 4 // values["vector_lanes"])
