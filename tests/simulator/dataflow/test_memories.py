"""Memories as nodes: bandwidth, requests under way, double buffering."""

import pytest

from cyclescape.errors import InputError
from cyclescape.simulator.dataflow import dram_port, memory_port, minimal_depths, scratchpad, simulate, throughput_bound
from cyclescape.simulator.memory.dram.bursts import run_transfers
from cyclescape.simulator.memory.dram.devices import device
from cyclescape.simulator.memory.dram.system import DramSystem
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


@pytest.mark.parametrize(("name", "stride"), [("DDR4_2400R", 64), ("DDR4_2400R", 2**17), ("HBM2_2000", 32)])
def test_a_busy_port_to_a_dram_answers_when_the_controller_does(name, stride):
    """In order, and one a cycle at most: what the controller answers out of order waits for those before."""
    system, addresses = DramSystem(device(name)), [stride * i for i in range(300)]
    net = Network("reading")
    net.node("ask", 300, outputs=["out"])
    dram_port(net, "port", addresses, bytes_per_request=64, system=system, cycle_ps=1000)
    net.node("use", 300, ["in"])
    net.connect("ask", "port")
    net.connect("port", "use", 400)
    run = simulate(net, record=True)
    answered, expected = run_transfers(system, addresses, 64).answered, [0]
    for tick in answered.tolist():
        expected.append(max(expected[-1] + 1, -(-round(1000 * tick * system.device.tick_ps) // 1_000_000)))
    assert run.ready["use"][:300].tolist() == [1 + cycle for cycle in expected[1:]]
    assert simulate(net, "simpy").difference(run) == ""


def test_row_misses_slow_a_port_down_and_wrong_addresses_are_told():
    def cycles(stride):
        net = Network("reading")
        net.node("ask", 200, outputs=["out"])
        addresses, system = [stride * i for i in range(200)], DramSystem(device("DDR4_2400R"))
        dram_port(net, "port", addresses, bytes_per_request=64, system=system)
        net.node("use", 200, ["in"])
        net.connect("ask", "port")
        net.connect("port", "use", 8)
        return simulate(net).cycles

    assert cycles(2**17) > 3 * cycles(64)  # one bank, a row each
    with pytest.raises(InputError, match="accepted: 1 byte or more within 0 to"):
        dram_port(Network("far"), "port", [2**50], bytes_per_request=64, system=DramSystem(device("DDR4_2400R")))
    with pytest.raises(NetworkError, match="DRAM port port: 0 addresses"):
        dram_port(Network("none"), "port", [], bytes_per_request=64, system=DramSystem(device("DDR4_2400R")))
