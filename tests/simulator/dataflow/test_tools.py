"""Gauges, least depths, bounds, explanations, timelines and drawings, on networks worked out by hand."""

import json
from fractions import Fraction

import pytest

from cyclescape.errors import InputError
from cyclescape.simulator.dataflow import (
    cycles_of,
    draw,
    explain,
    gauges,
    minimal_depths,
    run_hosted,
    simulate,
    throughput_bound,
    timeline,
    to_dot,
)  # fmt: skip
from cyclescape.simulator.network import Network, NetworkError


def pair(depth=2, **fields):
    """100 firings of a, each latency 3, into b."""
    net = Network("pair")
    net.node("a", 100, outputs=["out"], latency=3)
    net.node("b", 100, ["in"], **fields)
    net.connect("a", "b", depth)
    return net


def test_a_fifo_covers_its_round_trip():
    """A token is 3 cycles under way and its slot 1 back: full rate takes 4 slots.

    With d < 4 slots the sender waits, but computes its next token meanwhile: d + 1 tokens are under way, and
    the circle (latency 3, response 1, interval 1) turns once in 5 cycles.
    """
    assert simulate(pair(None)).cycles == 99 + 3 + 1
    cycles = cycles_of(pair(), [{"a->b": d} for d in (1, 2, 3, 4, 5)]).tolist()
    assert cycles[3:] == [103, 103]
    for depth in (1, 2, 3):
        assert throughput_bound(pair(depth)).cycles_per_round == Fraction(5, depth + 1)
        assert 0 <= cycles[depth - 1] - 99 * 5 / (depth + 1) <= 5
    assert throughput_bound(pair(4)).cycles_per_round == 1
    study = minimal_depths(pair())
    assert (dict(study.depths), study.cycles, study.optimal) == ({"a->b": 4}, 103, True)
    assert gauges(simulate(pair(None), record=True))["a->b"].slots_wanted == 4
    assert throughput_bound(pair(4, interval=3)).circle == ("b",)


def test_slack_buys_shallower_fifos():
    assert dict(minimal_depths(pair(), slack_cycles=33).depths) == {"a->b": 3}
    with pytest.raises(InputError, match="slack_cycles=-1"):
        minimal_depths(pair(), slack_cycles=-1)
    with pytest.raises(InputError, match="no FIFO 'x'"):
        minimal_depths(pair(), slot_cost={"x": 1.0})


def two_paths():
    """Two FIFOs in a row cover one path's delay together: what one lacks the other must hold."""
    net = Network("two paths")
    net.node("fork", 60, outputs=["slow", "quick"])
    net.node("slow", 60, ["in"], ["out"], latency=9)
    net.node("pass", 60, ["in"], ["out"])
    net.node("join", 60, ["slow", "quick"])
    net.connect("fork.slow", "slow", 16)
    net.connect("slow", "join.slow", 16)
    net.connect("fork.quick", "pass", 16)
    net.connect("pass", "join.quick", 16)
    return net


@pytest.mark.parametrize("dear", ["fork.quick->pass", "pass->join.quick"])
def test_depths_are_traded_jointly_by_cost(dear):
    net = two_paths()
    study = minimal_depths(net, slot_cost={dear: 10.0})
    assert study.optimal
    assert study.cycles == study.peak_cycles
    # No cheaper vector reaches the peak: try all that differ a little.
    names = list(study.depths)
    cost = {name: 10.0 if name == dear else 1.0 for name in names}
    others = [
        {**study.depths, a: study.depths[a] - x, b: study.depths[b] + y}
        for a in names for b in names for x in (1, 2, 3) for y in range(8) if a != b and study.depths[a] > x
    ]
    cheaper = [d for d in others if sum(cost[n] * d[n] for n in names) < study.cost]
    assert cheaper
    assert all(c < 0 or c > study.peak_cycles for c in cycles_of(net, cheaper))
    alone = cycles_of(net, [dict(study.alone)])[0]
    assert alone > study.peak_cycles, "each FIFO's least depth alone does not suffice together"


def test_a_ring_turns_once_for_each_of_its_tokens():
    net = Network("ring")
    net.node("a", 40, ["in"], ["out"], latency=5)
    net.node("b", 40, ["in"], ["out"], latency=7)
    net.connect("a", "b", 8)
    net.connect("b", "a", 8, initial=3)
    bound = throughput_bound(net)
    assert bound.cycles_per_round == Fraction(12, 3)
    assert set(bound.circle) == {"a->b", "b->a"}


def test_a_deadlock_under_an_arbiter_is_explained():
    net = Network("arbiter")
    net.node("fork", 6, outputs=["a", "b"])
    net.node("merge", None, ["a", "b"], ["out"], arbitration="priority")
    net.node("sum", 12, ["in"], {"out": 12})
    net.node("use", 6, {"sum": 6, "b": 1})
    net.node("split", 6, ["in"], ["x", "y"])
    net.connect("fork.a", "merge.a")
    net.connect("fork.b", "split", 1)
    net.connect("split.x", "merge.b", 1)
    net.connect("split.y", "use.b", 2)
    net.connect("merge", "sum", 1)
    net.connect("sum", "use.sum")
    run = simulate(net)
    assert run.engine == "events"
    found = explain(run)
    assert found.remedy == {"split.y->use.b": 6}
    assert not simulate(net.with_depths(found.remedy)).deadlock
    assert simulate(net.with_depths({"split.y->use.b": 5})).deadlock


def test_a_timeline_is_json_with_every_firing():
    run = simulate(pair(1), record=True)
    trace = json.loads(json.dumps(timeline(run)))
    slices = [e for e in trace["traceEvents"] if e["ph"] == "X" and e["name"] in ("a", "b")]
    assert len(slices) == 200
    assert sum(e["dur"] for e in slices if e["name"] == "a") == 100
    assert max(e["args"]["tokens"] for e in trace["traceEvents"] if e["ph"] == "C") == 1
    part = timeline(run, first=100, last=200)["traceEvents"]
    assert all(100 <= e["ts"] < 200 for e in part if e["ph"] in "XC")
    with pytest.raises(ValueError, match="recorded"):
        timeline(simulate(pair()))


def test_drawings_name_every_node_and_fifo():
    net = two_paths()
    dot = to_dot(net, highlight=["slow"])
    assert dot.count("->") == 4
    assert '"slow" [label="slow\\n60 x 1", color="red"]' in dot
    texts = {text.get_text() for text in draw(net, ["slow"]).axes[0].texts}
    assert {"fork", "slow", "pass", "join", "16"} <= texts


def test_the_engine_is_chosen_and_named():
    assert simulate(pair()).note.startswith("worklist: nothing depends on the order in time")
    assert simulate(pair(), "static").cycles == simulate(pair(), "simpy").cycles == simulate(pair(), "events").cycles
    with pytest.raises(InputError, match="engine 'fast': accepted: auto, simpy"):
        simulate(pair(), "fast")
    with pytest.raises(InputError, match="engine 'static' cannot run network 'pair': it keeps no firings"):
        simulate(pair(), "static", record=True)
    with pytest.raises(NetworkError, match="quantum=0"):
        run_hosted(pair(), ["a"], 0)


def test_a_million_periods_take_no_time():
    net = Network("long")
    net.node("a", 10**12, outputs=["out"])
    net.node("b", 10**12, ["in"], interval=2)
    net.connect("a", "b", 3)
    run = simulate(net)
    assert run.cycles == 1 + 2 * 10**12
    assert "the state repeats every" in run.note


def test_the_worked_example_of_the_docs():
    """Worked by hand in docs/models/dataflow.md."""
    net = Network("fork")
    net.node("fork", 8, outputs=["near", "far"])
    net.node("sum", 8, ["in"], {"out": 4})
    net.node("join", 8, {"sum": 4, "in": 1})
    net.connect("fork.near", "sum")
    net.connect("fork.far", "join.in", 4)
    net.connect("sum", "join.sum", 1)
    run = simulate(net, record=True)
    assert run.cycles == 15
    assert run.ready["fork"].tolist() == [0, 1, 2, 3, 4, 7, 8, 9]
    assert run.send["fork"].tolist() == [0, 1, 2, 3, 6, 7, 8, 9]
    assert run.ready["sum"].tolist() == run.send["sum"].tolist() == [1, 2, 3, 4, 7, 8, 9, 10]
    assert run.ready["join"].tolist() == [5, 6, 7, 8, 11, 12, 13, 14]
    assert throughput_bound(net).cycles_per_round == 6
    assert minimal_depths(net).depths["fork.far->join.in"] == 6
    assert simulate(net.with_depths({"fork.far->join.in": 6})).cycles == 13
