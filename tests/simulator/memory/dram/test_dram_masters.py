"""Many masters: the hosted controller against its per-cycle witness, laws, and where they end.

CYCLESCAPE_CASES=N in the environment compares N random cases instead of a few dozen.
"""

import os
import random
from dataclasses import replace

import numpy as np
import pytest
from dram_masters import draw_script, play
from test_dram_controllers import ACCESSES, draw_system

from cyclescape.accelerators.dram.validate import confirm_commands
from cyclescape.errors import InputError
from cyclescape.simulator.kernel import Clock, Simulation
from cyclescape.simulator.memory.dram.controller.state import Knobs
from cyclescape.simulator.memory.dram.devices import device
from cyclescape.simulator.memory.dram.hosted import HostedMemory
from cyclescape.simulator.memory.dram.ports import Burst
from cyclescape.simulator.memory.dram.reference_ports import ReferenceMemory
from cyclescape.simulator.memory.dram.system import DramSystem
from cyclescape.traces.address_generators import address_trace

CASES = int(os.environ.get("CYCLESCAPE_CASES", "60"))
POLICIES = ["round_robin", "fixed_priority", "oldest_first"]


def draw_case(seed, sizes=(5, 20), masters=(1, 2, 2, 3, 4)):
    draw = random.Random(seed)
    system = draw_system(draw, hurried=True)
    period = draw.choice([1, 1, 3, 10])
    policy = draw.choice(POLICIES)
    scripts = [
        draw_script(draw, system, draw.choice(sizes), period=draw.choice([1, period, 7])) for _ in range(draw.choice(masters))
    ]
    return system, policy, Clock(period), scripts


@pytest.mark.parametrize("part", range(10))
def test_hosted_equals_the_per_cycle_reference(part):
    """Every request is accepted and answered at the same clock, and every master sees every answer at the same time."""
    for seed in range(part, CASES, 10):
        system, policy, clock, scripts = draw_case(seed)
        hosted, logs = play(lambda sim: HostedMemory(sim, system, policy, clock), scripts)  # noqa: B023
        reference, expected = play(lambda sim: ReferenceMemory(sim, system, policy, clock), scripts)  # noqa: B023
        assert logs == expected, seed
        for port in range(len(scripts)):
            for mine, theirs in zip(hosted.completions(port), reference.completions(port), strict=True):
                assert mine.tolist() == theirs.tolist(), seed


@pytest.mark.parametrize("seed", range(20))
def test_conservation_with_many_masters(seed):
    system, policy, clock, scripts = draw_case(5000 + seed, sizes=(40, 90), masters=(2, 3, 5))
    memory, logs = play(lambda sim: HostedMemory(sim, system, policy, clock, commands=20_000), scripts)
    run = memory.result()
    total = sum(len(a) for script in scripts for _, a, _ in script.bursts)
    frame = run.command_frame()
    assert confirm_commands(run) == 0
    assert frame["command"].isin(ACCESSES).sum() == total == len(run.done)
    assert (run.done > run.accepted).all()
    assert (run.accepted >= 0).all()
    assert run.is_write.sum() == sum(sum(w) for script in scripts for *_, w in script.bursts)
    buses = system.channels * (system.device.organisation.ranks if system.device.is_hbm else 1)
    assert sum(run.lost.values()) == run.cycles * buses
    assert min(run.lost.values()) >= 0
    for script, log in zip(scripts, logs, strict=True):  # one answer for each burst, never before it was sent
        assert sorted(tag for tag, _ in log.answered) == list(range(len(script.bursts)))
        sent = dict(log.sent)
        assert all(time > sent[tag] for tag, time in log.answered)
    account = memory.gaps()
    for bus in range(buses):  # the gaps and bursts of a bus add up to its time
        rows = account[account[:, 4] == bus]
        burst = system.device.clocks("BL") * system.device.ticks_per_clock
        if len(rows):
            assert rows[:, 0].sum() + rows[:, 1].sum() + rows[:, 3].sum() + burst * len(rows) == rows[:, 5].max()


def test_one_master_with_one_burst_is_a_trace():
    """A burst of n requests is taken as a trace that arrives a send latency later."""
    system = DramSystem(device("DDR4_2400R"), knobs=Knobs(arbiter="Fifo"))
    trace = address_trace("random", 2_000, writes="every3")
    sim = Simulation()
    memory = HostedMemory(sim, system)
    memory.port("all", send_latency=1).requests.preload([Burst(trace.address, trace.is_write)])
    sim.run()
    accepted, done = memory.completions(0)
    run = system.run(trace)
    assert accepted.tolist() == run.accepted.tolist()
    assert done.tolist() == run.done.tolist()


def in_order_port(draw):
    """A system that serves strictly in the order of grants: one place in the buffer."""
    system = draw_system(draw, hurried=False)
    while system.device.standard == "LPDDR5":  # its data clock, once started by one master, serves the next
        system = draw_system(draw, hurried=False)
    knobs = system.knobs._replace(
        scheduler="Fifo", scheduler_buffer="Shared", request_buffer_size=1, refresh_policy="NoRefresh", resp_queue="Fifo",
        arbiter="Simple",
    )
    return replace(system, knobs=knobs, channels=1)


def answered_with(system, scripts, policy="oldest_first"):
    memory, _ = play(lambda sim: HostedMemory(sim, system, policy), scripts)
    return [memory.completions(port)[1] for port in range(len(scripts))]


def disjoint(draw, system, masters):
    o = system.device.organisation
    count = o.ranks * o.banks_per_rank
    return [
        replace(draw_script(draw, system, 25, banks=set(range(i, count, masters)), open_loop=True), latencies=(1, 1, 1))
        for i in range(masters)
    ]


@pytest.mark.parametrize("seed", range(25))
def test_one_more_master_never_makes_another_faster(seed):
    """Disjoint banks, an in-order port, the order of arrival: each request is answered no earlier."""
    draw = random.Random(seed)
    system = in_order_port(draw)
    scripts = disjoint(draw, system, 4)
    before = answered_with(system, scripts[:1])
    for count in (2, 3, 4):
        now = answered_with(system, scripts[:count])
        for mine, earlier in zip(now, before, strict=False):
            assert (mine >= earlier).all()
        before = now


def test_anomalies_are_real_where_service_may_change_order():
    """FR-FCFS over many places: a request may come sooner for having company, since the company changes whose turn it is."""
    sooner = total = 0
    for seed in range(40):
        draw = random.Random(900 + seed)
        system = replace(in_order_port(draw), knobs=Knobs(scheduler_buffer="Shared", request_buffer_size=16))
        scripts = disjoint(draw, system, 2)
        alone, together = answered_with(system, scripts[:1])[0], answered_with(system, scripts)[0]
        sooner += int((together < alone).sum())
        total += len(alone)
    assert 0 < sooner < total / 10


def test_a_far_master_costs_no_events():
    """Without anything else to happen the controller runs through a long burst in a few steps of the host."""
    sim = Simulation()
    memory = HostedMemory(sim, DramSystem(device("DDR4_2400R")))
    port = memory.port("dma")
    steps = 0
    original = memory._advance

    def counted():
        nonlocal steps
        steps += 1
        original()

    memory._advance = counted
    port.requests.preload([Burst(np.arange(20_000) * 64)])
    sim.run()
    assert len(memory.result().done) == 20_000
    assert steps < 10


def test_bad_bursts_and_arbitrations_are_one_clear_line():
    sim = Simulation()
    with pytest.raises(InputError, match="arbitration='lottery'; accepted: round_robin"):
        HostedMemory(sim, DramSystem(device("DDR4_2400R")), "lottery")
    memory = HostedMemory(sim, DramSystem(device("DDR4_2400R")))
    port = memory.port("dma")
    with pytest.raises(InputError, match="port dma: address 0x10000000000"):
        port.requests.push(Burst([1 << 40]))
    with pytest.raises(InputError, match="without requests"):
        port.requests.push(Burst([]))
