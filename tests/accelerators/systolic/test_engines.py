"""The compiled recurrence and the SimPy components agree in every fold."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from systolic_cases import designs, workloads

from cyclescape.accelerators.systolic import engines
from cyclescape.accelerators.systolic.design import SystolicDesign
from cyclescape.accelerators.systolic.lowering import lower
from cyclescape.accelerators.systolic.program import RESULT
from cyclescape.errors import DesignError
from cyclescape.simulator.registry import accelerator
from cyclescape.traces.operators import Gemm
from cyclescape.traces.workload import Workload


def assert_engines_agree(design, workload):
    """Every result column, and start and end of every fold, of every job."""
    jobs = lower(workload)
    fast, slow = engines.compiled([design], jobs)[0], engines.reference([design], jobs)[0]
    for j in range(len(jobs.use)):
        assert dict(zip(RESULT, fast[j].tolist())) == dict(zip(RESULT, slow[j].tolist()))
        assert engines.compiled_folds(design, jobs, j, fast[j]) == engines.run_job(design, jobs, j, fast[j]).folds


@settings(max_examples=200)
@given(workloads(), designs(memory=("port", "port", "port", "ideal")))
def test_random_cases(workload, design):
    assert_engines_agree(design, workload)


def test_two_thousand_products():
    """Plain random GEMMs in bulk; hypothesis above finds the corner cases and shrinks them."""
    rng = np.random.default_rng(20)
    done = 0
    while done < 2000:
        pick = lambda *values: values[rng.integers(len(values))]  # noqa: E731
        size = lambda: int(rng.integers(1, 28))  # noqa: E731
        try:
            design = SystolicDesign.make({
                "rows": pick(2, 3, 4, 8), "cols": pick(2, 4, 5, 8), "dataflow": pick("os", "ws", "is"),
                "ifmap_sram_kib": pick(1, 2), "filter_sram_kib": pick(1, 2), "ofmap_sram_kib": pick(1, 2),
                "bandwidth_bytes_per_cycle": pick(1, 3, 8, 64), "memory_latency_cycles": pick(1, 3, 40, 200),
                "element_bits": pick(8, 16, 32),
                "skip_idle": bool(pick(0, 1)), "overlap_drain": bool(pick(0, 1)), "overlap_preload": bool(pick(0, 1)),
                "mac_stages": pick(1, 1, 3), "groups_per_fold": pick(1, 2, 4), "sparse_block": pick(1, 4),
                "arrays": pick(1, 1, 2, 4), "partition": pick("channel", "row"),
                "filter_bits": pick(None, None, 4),
            })
        except DesignError:
            continue
        weights = bool(pick(0, 1))
        sparsity = pick(None, (2, 4), (3, 4)) if weights else None
        gemm = Gemm(name="g", batch=pick(1, 1, 2, 7), m=size(), n=size(), k=size(), weights=weights,
                    weight_sparsity=sparsity)
        assert_engines_agree(design, Workload(name="w", operators=(gemm,)))
        done += 1


@pytest.mark.parametrize("dataflow", ["os", "ws", "is"])
def test_whole_reports_are_equal(dataflow):
    machine = accelerator("systolic")
    design = machine.design.make({"rows": 64, "cols": 64, "dataflow": dataflow})
    from cyclescape.traces.catalog import load

    workload = load("alexnet")
    assert machine.run([design], workload, engine="simpy") == machine.run([design], workload, engine="compiled")
