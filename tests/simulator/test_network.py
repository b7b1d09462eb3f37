"""A network that cannot work is refused before it runs, with the reason and the remedy in one line."""

import pytest

from cyclescape.simulator.dataflow import simulate
from cyclescape.simulator.network import Network, NetworkError, Port, Schedule


def pair(sent=4, taken=4, **fifo):
    net = Network("pair")
    net.node("a", sent, outputs=["out"])
    net.node("b", taken, ["in"])
    net.connect("a", "b", **fifo)
    return net


def refused(build):
    with pytest.raises(NetworkError) as caught:
        simulate(build() if callable(build) else build)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_an_unconnected_port():
    net = Network("n")
    net.node("a", 4, outputs=["out"])
    assert refused(net) == "network 'n': output a.out is not connected; connect a reader to it or remove the port"
    net = Network("n")
    net.node("a", 4, inputs=["in"])
    assert refused(net) == "network 'n': input a.in is not connected; connect a writer to it or remove the port"


def test_a_zero_depth():
    assert refused(lambda: pair(depth=0)) == "network 'pair': FIFO a->b: depth=0 must be at least 1"


@pytest.mark.parametrize("field", ["send_latency", "response_latency"])
def test_a_zero_latency(field):
    assert f"{field}=0 must be at least 1" in refused(lambda: pair(**{field: 0}))


def test_a_rate_mismatch():
    assert refused(pair(4, 3)) == (
        "network 'pair': rate mismatch on a->b: a sends 4 tokens in 4 firings, b takes 3 in 3; change the firings "
        "or the rate of one of them so that both counts are equal"
    )
    assert "a sends 4 tokens in 4 firings and 1 are there at the start, b takes 6" in refused(pair(4, 6, initial=1))
    assert simulate(pair(4, 5, initial=1)).cycles == 5


def test_a_certain_deadlock_with_the_depth_that_frees_it():
    net = Network("fork")
    net.node("fork", 8, outputs=["near", "far"])
    net.node("sum", 8, ["in"], {"out": 8})
    net.node("join", 8, {"sum": 8, "in": 1})
    net.connect("fork.near", "sum", 2)
    net.connect("fork.far", "join.in", 3)
    net.connect("sum", "join.sum", 1)
    assert refused(net) == (
        "network 'fork': deadlock: fork waits for space in fork.far->join.in, join waits for an item of sum->join.sum, "
        "sum waits for an item of fork.near->sum; depth=8 of fork.far->join.in (now 3) frees it"
    )
    assert simulate(net.with_depths({"fork.far->join.in": 8})).cycles is not None
    run = simulate(net, check=False)
    assert run.deadlock
    assert str(run.blocked[0]) == "fork waits for space in fork.far->join.in"


def test_a_loop_without_a_token():
    net = Network("loop")
    net.node("a", 4, ["in"], ["out"])
    net.node("b", 4, ["in"], ["out"])
    net.connect("a", "b")
    net.connect("b", "a")
    assert "the loop is empty, give an initial token to" in refused(net)


def test_wiring_mistakes_are_named():
    net = pair()
    assert "a is already connected by a->b; give the node one output for each reader" in refused(
        lambda: net.connect("a", "b", name="again"))
    assert "no node 'c'; there are a, b" in refused(lambda: net.connect("a", "c"))
    assert "a has outputs out; name one" in refused(lambda: net.connect("a.x", "b"))
    assert "node name 'a' is used twice" in refused(lambda: net.node("a", 1))
    assert "no FIFO 'x'; there are a->b" in refused(lambda: net.with_depths({"x": 1}))
    assert "2 initial tokens do not fit in depth=1" in refused(lambda: pair(depth=1, initial=2))


@pytest.mark.parametrize(("fields", "text"), [
    ({"interval": 0}, "interval=0 must be at least 1"),
    ({"latency": -1}, "latency=-1 must be at least 1"),
    ({"firings": 0}, "firings=0 must be at least 1"),
    ({"firings": None}, "firings=None is for arbiters"),
    ({"inputs": [Port("i", 2, 2)]}, "needs 0 <= at=2 < every=2"),
    ({"inputs": ["i", "i"]}, "two ports have one name"),
    ({"schedule": Schedule.of([], [])}, "a schedule needs a row"),
    ({"arbitration": "priority"}, "an arbiter needs an input"),
])
def test_a_bad_node_is_refused(fields, text):
    assert text in refused(lambda: Network("n").node(**{"name": "a", "firings": 1, **fields}))


def test_depths_are_changed_in_a_copy():
    net = pair(depth=2)
    assert net.with_depths(None).fifos["a->b"].depth is None
    assert net.with_depths({"a->b": 7}).fifos["a->b"].depth == 7
    assert net.fifos["a->b"].depth == 2
