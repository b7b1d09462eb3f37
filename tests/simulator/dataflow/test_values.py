"""Values: data-dependent nodes, free processes, and that timing never changes what is computed."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cyclescape.errors import InputError
from cyclescape.simulator.dataflow import Filter, RepeatBy, Select, Switch, compute, simulate
from cyclescape.simulator.network import Network, NetworkError, Rule


class Take(Rule):
    """Takes whatever comes."""

    def fire(self, k, values):
        return {}


def routed(depths=(2, 2, 2, 2), switch_latency=1):
    """Numbers go to one of three places by k mod 3; even ones of the first are kept, the others repeat each other."""
    net = Network("routed")
    net.node("numbers", 20, outputs=["value", "where"], function=lambda: lambda k: (k * k % 7, k % 3))
    net.node("switch", None, ["where", "value"], ["x", "y", "z"], rule=Switch, latency=switch_latency)
    net.node("even", None, ["in"], ["out"], rule=lambda: Filter(lambda v: v % 2 == 0))
    net.node("repeat", None, ["count", "token"], ["out"], rule=RepeatBy)
    net.node("kept", None, ["in"], rule=Take)
    net.node("repeated", None, ["in"], rule=Take)
    net.connect("numbers.where", "switch.where", depths[0])
    net.connect("numbers.value", "switch.value", depths[1])
    net.connect("switch.x", "even", depths[2])
    net.connect("switch.y", "repeat.count", depths[3])
    net.connect("switch.z", "repeat.token", depths[3])
    net.connect("even", "kept")
    net.connect("repeat", "repeated")
    return net.check()


def expected():
    values = [k * k % 7 for k in range(20)]
    x, y, z = values[0::3], values[1::3], values[2::3]
    return {"kept": [v for v in x if v % 2 == 0], "repeated": [t for c, t in zip(y, z) for _ in range(c)]}


@settings(max_examples=25)
@given(st.tuples(*[st.integers(1, 5)] * 4), st.integers(1, 6))
def test_values_depend_neither_on_depths_nor_on_latencies_nor_on_the_engine(depths, latency):
    net = routed(depths, latency)
    reference = simulate(net, "simpy")
    assert reference.received == compute(net).received == expected()
    fast = simulate(net, record=True, values=True)
    assert fast.engine == "worklist"
    assert fast.received == reference.received
    assert reference.difference(fast) == ""


def test_select_takes_the_input_that_the_number_names():
    net = Network("select")
    net.node("which", 6, outputs=["out"], function=lambda: lambda k: (0, 1, 1, 0, 1, 0)[k])
    for side, base in (("left", 10), ("right", 20)):
        net.node(side, 3, outputs=["out"], function=lambda base=base: lambda k: base + k)
    net.node("select", 6, ["which", "left", "right"], ["out"], rule=Select)
    net.node("sink", 6, ["in"])
    for side in ("which", "left", "right"):
        net.connect(side, f"select.{side}", 1)
    net.connect("select", "sink")
    reference = simulate(net, "simpy")
    assert reference.received["sink"] == [10, 20, 21, 11, 22, 12]
    assert reference.difference(simulate(net, record=True)) == ""


def test_a_free_process_is_an_ordinary_generator():
    def doubler(ports):
        while True:
            x = yield from ports.get("in")
            yield from ports.wait(3)
            yield from ports.put("out", 2 * x)

    net = Network("free")
    net.node("numbers", 5, outputs=["out"], function=lambda: lambda k: k)
    net.node("double", None, ["in"], ["out"], process=doubler)
    net.node("sink", 5, ["in"])
    net.connect("numbers", "double")
    net.connect("double", "sink")
    run = simulate(net)
    assert run.note == "simpy: a node is a free process"
    assert run.received["sink"] == [0, 2, 4, 6, 8]
    # Taken at 1, 4, 7, 10, 13; sent three cycles later; seen one cycle after that.
    assert run.ready["sink"].tolist() == [5, 8, 11, 14, 17]
    with pytest.raises(NetworkError, match="what double does depends on time"):
        compute(net)


@pytest.mark.parametrize(("policy", "order"), [
    ("priority", "aaaabb"), ("round_robin", "ababaa"), ("oldest", "aabaab"),
])
def test_arbiters_follow_their_policy(policy, order):
    """While the merge is busy with the first token all others come: a's until 4, b's at 2 and 4 cycles."""
    net = Network("merge")
    net.node("a", 4, outputs=["out"])
    net.node("b", 2, outputs=["out"], latency=2, interval=2)
    net.node("merge", None, ["a", "b"], ["out", "index"], arbitration=policy, interval=6)
    net.node("sink", 6, ["in", "index"])
    net.connect("a", "merge.a", 4)
    net.connect("b", "merge.b", 4)
    net.connect("merge.out", "sink.in")
    net.connect("merge.index", "sink.index")
    run = simulate(net, "simpy")
    assert "".join("ab"[i] for i in run.choices["merge"]) == order
    assert [index for _, index in run.received["sink"]] == run.choices["merge"].tolist()
    assert run.difference(simulate(net, record=True)) == ""


def test_a_free_process_can_stand_in_a_compiled_network():
    def slow(ports):
        for _ in range(30):
            yield from ports.get("in")
            yield from ports.wait(4)
            yield from ports.put("out")

    net = Network("mixed")
    net.node("a", 30, outputs=["out"])
    net.node("b", 30, ["in"], ["out"], latency=3)
    net.node("slow", 30, ["in"], ["out"], process=slow)
    net.node("c", 30, ["in"])
    net.connect("a", "b")
    net.connect("b", "slow")
    net.connect("slow", "c", 1)
    reference, hosted = simulate(net, "simpy"), simulate(net, "hosted", record=True)
    assert hosted.note == "hosted: as asked; 3 of 4 nodes compiled, quantum 256"
    assert reference.difference(hosted) == ""
    assert hosted.cycles == reference.cycles
    with pytest.raises(InputError, match="engine 'worklist' cannot run network 'mixed': a node is a free process"):
        simulate(net, "worklist")
    with pytest.raises(InputError, match="values decide in it"):
        simulate(routed(), "hosted")
