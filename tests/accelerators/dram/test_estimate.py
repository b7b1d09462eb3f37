"""The recurrence over requests beside the controller over clocks, which it shares nothing with but the timing rules."""

import functools
import itertools
import operator

import numpy as np
import pytest

from cyclescape.accelerators.dram import DramDesign, DramMachine, estimate, shared
from cyclescape.accelerators.dram.recurrence import (
    ACTIVE,
    ACTS,
    CYCLES,
    HITS,
    LATENCY,
    N_OUT,
    N_TOLD,
    ORDERED,
    OWED,
    REFRESHES,
    TURNS,
    serve,
)
from cyclescape.accelerators.dram.shared import Runs, liberal_first
from cyclescape.simulator.memory.dram.energy import PARTS, currents_of, ranks_energy_j
from cyclescape.simulator.memory.dram.results import RankActivity
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


def knobs_of_the_space():
    """Every combination that a recurrence sees of the explored space, and some others."""
    refreshes = [(0, 0), (1, 0), (1, 1), (1, 2), (1, 4), (1, 8)]
    limits = [(0, 0), *itertools.product((1, 2, 4, 8, 16, 32, 64, 128), (0, 1))]
    sizes = (1, 2, 4, 8, 16, 32, 64, 128)
    return np.array([(page, scheduler, *refresh, buffer, size, *limit) for page, scheduler, refresh, buffer, size, limit
                     in itertools.product(range(4), range(4), refreshes, range(3), sizes, limits)])


def run(placed, knobs):
    out = np.zeros(N_OUT)
    serve(*placed.runs.arguments, *map(int, knobs), out)
    return out


@pytest.mark.parametrize("trace", [TRACES[0], TRACES[1]], ids=lambda trace: trace.name)
def test_knobs_that_share_a_recurrence_have_the_same(trace):
    """Over much of the space, beside one run for each: limits that are not reached, and policies that never chose otherwise."""
    placed = estimate._placed(trace, estimate._Memory("DDR4_2400R", 0, 1, "RoBaRaCoCh"))
    every = knobs_of_the_space()
    asked, place = liberal_first(every[np.random.default_rng(0).permutation(len(every))[:9000]])
    said = Runs(*placed.runs.arguments).of(asked)
    for knobs, told in zip(asked, said, strict=True):
        assert np.array_equal(told[:N_TOLD], run(placed, knobs)[:N_TOLD]), knobs
    assert sorted(set(place.tolist())) == list(range(len(asked)))


@pytest.mark.parametrize("channels", [1, 2])
def test_the_whole_space_needs_few_recurrences(channels):
    placed = estimate._placed(TRACES[0], estimate._Memory("DDR4_2400R", 2, channels, "RoBaRaCoCh"))
    runs = Runs(*placed.runs.arguments)
    asked, _ = liberal_first(knobs_of_the_space())
    said = runs.of(asked)
    assert len(runs) < len(asked) / 5
    for i in np.random.default_rng(1).permutation(len(asked))[:2000]:
        assert np.array_equal(said[i, :N_TOLD], run(placed, asked[i])[:N_TOLD]), asked[i]


def test_what_is_remembered_does_not_change_what_is_said(monkeypatch):
    placed = estimate._placed(TRACES[0], estimate._Memory("DDR4_2400R", 0, 1, "RoBaRaCoCh"))
    every = knobs_of_the_space()
    runs = Runs(*placed.runs.arguments)
    monkeypatch.setattr(shared, "_MOST", 40)  # so that all is forgotten now and then
    for knobs in every[np.random.default_rng(2).permutation(len(every))[:300]]:
        assert np.array_equal(runs.of(knobs[None])[0, :N_TOLD], run(placed, knobs)[:N_TOLD])
    assert len(runs) <= 41


def alone(design, trace):
    """The estimate of one design in plain numbers, by its own recurrence."""
    placed = estimate._placed(trace, estimate._Memory(design.device, design.ranks, design.channels, design.mapping))
    whole, free = design.refresh_policy == "AllBank", design.arbiter == "Simple"
    in_order = "Reorder" in (design.arbiter, design.resp_queue)
    out = run(placed, (
        ("Open", "OpenAdaptive", "Closed", "ClosedAdaptive").index(design.page_policy),
        ("Fifo", "FrFcfs", "FrFcfsGrp", "GrpFrFcfs", "GrpFrFcfsWm").index(design.scheduler), whole,
        design.refresh_max_postponed if whole else 0, ("Bankwise", "ReadWrite", "Shared").index(design.scheduler_buffer),
        design.request_buffer_size, 0 if free else design.max_active_transactions, in_order and not free,
    ))
    device, n = design.memory(), min(len(trace), 4096)
    scale, tick_s = len(trace) / n, device.tick_ps * 1e-12
    turns = device.ticks_per_clock
    each = (device.clocks("nRFC") + device.clocks("nRPab")) * turns
    ticks, last = float(out[CYCLES]), float(trace.arrival[-1])
    if scale > 1:
        ticks = max(ticks * scale, last)
    owed = float(out[OWED]) if whole else ticks // (device.clocks("nREFI") * turns)
    busy, refreshes = ticks, float(out[REFRESHES]) * scale
    if design.refresh_policy in ("AllBank", "NoRefresh"):
        ticks += owed * each
    latency = float(out[ORDERED if in_order else LATENCY]) / n
    found = {
        "cycles": ticks, "time_s": ticks * tick_s, "mean_latency_s": latency * tick_s,
        "bus_share": n * scale * device.transaction_bytes / (design.channels * float(device.peak_bytes_per_tick)) / ticks,
        "arrival_share": min(1.0, last / ticks), "row_share": float(out[HITS]) / n, "turn_share": float(out[TURNS]) / n,
        "owed_share": owed * each / ticks, "refresh_share": (refreshes + owed) * each / ticks,
        "log_latency": float(np.log10(latency)), "log_ticks_each": float(np.log10(busy / scale / n)),
        "log_in_flight": float(np.log10(max(latency * n / float(out[CYCLES]), 1e-3))),
    }
    currents = currents_of(device, design.currents)
    if currents is not None:
        ranks = design.channels * device.organisation.ranks
        acts, active = float(out[ACTS]) * scale, min(float(out[ACTIVE]) * scale, ticks)
        none = dict.fromkeys(("PREab", "RDA", "WRA", "REFpb", "REFsb"), 0)
        counts = none | {"ACT": acts, "PREpb": acts, "RD": trace.reads, "WR": trace.writes,
                         "REFab": int((refreshes + owed) * ranks)}
        idle = RankActivity(0, 1, dict.fromkeys(counts, 0), 0, 0)
        every = ranks_energy_j(device, [RankActivity(0, 0, counts, active, active), *[idle] * (ranks - 1)], ticks, currents)
        parts = {part: functools.reduce(operator.add, (rank[part] for rank in every)) for part in PARTS}
        total = functools.reduce(operator.add, parts.values())
        found |= {"energy_j": total, "edp_js": total * found["time_s"], "power_w": total / found["time_s"],
                  **{f"{part}_share": value / total for part, value in parts.items()}}
    return found


@pytest.mark.parametrize("trace", [*TRACES, address_trace("random", 5000, writes="rand:500", every=60)],
                         ids=lambda trace: trace.name)
def test_many_designs_are_told_what_each_is_alone_to_the_bit(trace):
    others = [{"device": "HBM2_2000"}, {"device": "LPDDR5_6400", "refresh_policy": "PerBank"}, {"channels": 2, "ranks": 2},
              {"scheduler": "GrpFrFcfsWm", "refresh_max_postponed": 0}]
    designs = drawn(300, seed=8) + [
        DramDesign.make({**design.model_dump(), **values}) for design in drawn(20, seed=9) for values in others]
    said = estimate.bounds(designs, trace)
    for i, design in enumerate(designs):
        found = alone(design, trace)
        for name, values in said.items():
            assert np.array_equal(values[i], found.get(name, np.nan), equal_nan=True), (name, design)


def test_no_design_has_no_estimate():
    assert {name: len(values) for name, values in estimate.bounds([], TRACES[0]).items()} == {"time_s": 0}


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
