"""The recurrence over requests beside the controller over clocks, which it shares nothing with but the timing rules."""

import numpy as np
import pytest

from cyclescape.accelerators.dram import DramDesign, DramMachine, estimate
from cyclescape.accelerators.dram.recurrence import N_OUT, serve
from cyclescape.simulator.space import Space
from cyclescape.traces.address_generators import address_trace

MACHINE = DramMachine()
TRACES = [
    address_trace("cloud", 300, writes="rand:250", every=4, tenants=8, run=8, hot=80),
    address_trace("stream", 300, writes="rand:300"), address_trace("random", 300, writes="every3", every=10),
]


def drawn(n, seed):
    space, rng = Space(DramDesign), np.random.default_rng(seed)
    return [space.design(point) for point in space.sample(rng, n)]


@pytest.mark.parametrize("trace", TRACES, ids=lambda trace: trace.name)
def test_is_near_the_controller_and_often_equal(trace):
    designs = drawn(60, seed=3)
    said = estimate.bounds(designs, trace)
    for metric, equal, mean in (("cycles", 0.2, 0.01), ("energy_j", 0, 0.02), ("mean_latency_s", 0.1, 0.05)):
        true = np.array([report.metrics[metric] for report in MACHINE.run(designs, trace)])
        error = np.abs(np.log(said[metric] / true))
        assert error.mean() < mean
        assert np.mean(error < 1e-9) >= equal


def test_designs_that_share_a_recurrence_have_the_same():
    """A limit that is not reached, and a buffer beyond the limit, are as if they were not there."""
    shared = 0
    for design in drawn(60, seed=5):
        memory, knobs, *_ = estimate._key(*estimate._SEEN(design))
        if knobs.active == 0:
            continue
        estimate._served.cache_clear()
        placed = estimate._placed(TRACES[0], memory)
        out = np.zeros(N_OUT)
        serve(*placed.requests, placed.sizes, *placed.rules, *(int(knob) for knob in knobs), out)
        assert np.array_equal(estimate._served(TRACES[0], memory, knobs), out)
        shared += estimate._served(TRACES[0], memory, knobs) is estimate._served(
            TRACES[0], memory, knobs._replace(active=0, in_order=False))
    assert shared > 5


@pytest.mark.parametrize("values", [
    {"device": "HBM2_2000"}, {"device": "LPDDR5_6400"}, {"channels": 2, "ranks": 2}, {"scheduler": "GrpFrFcfsWm"},
])
def test_other_memories_are_told_about(values):
    design = DramDesign.make(values)
    for trace in TRACES:
        ratio = estimate.bounds([design], trace)["cycles"][0] / MACHINE.run([design], trace)[0].metrics["cycles"]
        assert 0.7 < ratio < 1.4


def test_an_address_that_is_too_high_has_no_estimate():
    trace = address_trace("stride", 100, stride=1 << 40, footprint=1 << 50)
    assert np.isnan(estimate.bounds([DramDesign()], trace)["time_s"]).all()
