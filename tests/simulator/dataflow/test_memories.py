"""Memories as nodes: bandwidth, requests under way, double buffering."""

import pytest

from cyclescape.simulator.dataflow import memory_port, minimal_depths, scratchpad, simulate, throughput_bound
from cyclescape.simulator.network import Network, NetworkError


def reading(requests=50, depth=None, **port):
    net = Network("reading")
    net.node("ask", requests, outputs=["out"])
    memory_port(net, "port", requests, **port)
    net.node("use", requests, ["in"])
    net.connect("ask", "port")
    net.connect("port", "use", depth)
    return net


def test_bandwidth_and_latency():
    """A request at cycle 1, data of the last one 49 intervals of 4 cycles and a latency of 100 later."""
    net = reading(bytes_per_request=64, bytes_per_cycle=16, latency=100)
    assert simulate(net).cycles == 1 + 49 * 4 + 100 + 1
    assert minimal_depths(net).depths["port->use"] == 100 // 4 + 1
    halved = net.with_depths({"port->use": 12})
    assert throughput_bound(halved).cycles_per_round > 4


def test_latencies_of_a_memory_model_keep_their_order():
    latencies = [100] + [20] * 49
    net = reading(bytes_per_request=16, bytes_per_cycle=16, latency=latencies)
    run = simulate(net, record=True)
    assert run.ready["use"][0] == 1 + 100
    assert (run.ready["use"][:80] == [max(101 + k, 0) for k in range(50)]).all()
    assert simulate(net, "simpy").difference(run) == ""


def passed(capacity, blocks=6, tokens=8, **fields):
    net = Network("buffer")
    net.node("fill", blocks * tokens, outputs=["out"])
    scratchpad(net, "pad", blocks, block_tokens=tokens, capacity_blocks=capacity, **fields)
    reads = fields.get("reads_per_block", tokens)
    net.node("use", blocks * reads, ["in"])
    net.connect("fill", "pad write.in")
    net.connect("pad read.out", "use")
    return simulate(net)


def test_a_double_buffer_hides_the_filling():
    single, double, triple = (passed(capacity).cycles for capacity in (1, 2, 3))
    assert single >= 6 * 16
    assert double <= 6 * 8 + 8 + 6 * 2 + 4
    assert triple <= double
    assert passed(2, reads_per_block=32).cycles >= 6 * 32


def test_bad_memories_are_refused():
    with pytest.raises(NetworkError, match="bytes_per_cycle=0 must be positive"):
        reading(bytes_per_request=4, bytes_per_cycle=0, latency=1)
    with pytest.raises(NetworkError, match="2 latencies for 50 requests"):
        reading(bytes_per_request=4, bytes_per_cycle=1, latency=[1, 2])
    with pytest.raises(NetworkError, match="capacity_blocks=0"):
        passed(0)
