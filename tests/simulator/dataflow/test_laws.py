"""What holds of every network, by every engine alike."""

from collections import Counter
from dataclasses import replace
from fractions import Fraction

import numpy as np
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from network_cases import CASES, networks

from cyclescape.simulator.dataflow.bound import throughput_bound
from cyclescape.simulator.dataflow.compiled import run_events, run_worklist
from cyclescape.simulator.dataflow.deadlock import certain_deadlock
from cyclescape.simulator.dataflow.fills import gauges
from cyclescape.simulator.network import Network, Schedule


@settings(max_examples=CASES // 2)
@given(networks(arbiters=False), st.data())
def test_a_deeper_fifo_never_delays_anything(network, data):
    deeper = {
        name: fifo.depth + data.draw(st.integers(0, 3))
        for name, fifo in network.fifos.items() if fifo.depth is not None
    }
    before, after = run_worklist(network, True), run_worklist(network.with_depths(deeper), True)
    assert before.deadlock or not after.deadlock
    for node in network.nodes:
        done = len(before.ready[node])
        assert len(after.ready[node]) >= done
        assert (after.ready[node][:done] <= before.ready[node]).all()
        sent = before.send[node] >= 0
        assert (after.send[node][:done][sent] <= before.send[node][sent]).all()


@settings(max_examples=CASES // 2)
@given(networks(arbiters=False), st.integers(2, 7))
def test_slower_units_of_time_scale_every_time(network, factor):
    run, slow = run_worklist(network, True), run_worklist(_slowed(network, factor), True)
    for node in network.nodes:
        np.testing.assert_array_equal(slow.ready[node], factor * run.ready[node])
        sent = run.send[node] >= 0
        np.testing.assert_array_equal(slow.send[node][sent], factor * run.send[node][sent])


def _slowed(network: Network, factor: int) -> Network:
    def schedule(s: Schedule | None) -> Schedule | None:
        return s and Schedule(s.inputs, s.outputs, s.interval * factor, s.latency * factor)

    nodes = {
        name: replace(n, interval=n.interval * factor, latency=n.latency * factor, schedule=schedule(n.schedule))
        for name, n in network.nodes.items()
    }
    fifos = {
        name: replace(f, send_latency=f.send_latency * factor, response_latency=f.response_latency * factor)
        for name, f in network.fifos.items()
    }
    return replace(network, nodes=nodes, fifos=fifos)


@settings(max_examples=CASES // 2)
@given(networks())
def test_an_arbiter_takes_every_token_once_and_in_order(network):
    run = run_events(network, True)
    for name, choices in run.choices.items():
        for fifo in network.fifos_of(name, "inputs"):
            taken = int((choices == fifo.target[1]).sum())
            source = fifo.source
            port = network.nodes[source[0]].outputs[source[1]]
            sent = np.flatnonzero(run.send[source[0]] >= 0)
            if (schedule := network.nodes[source[0]].schedule) is None:
                passed = int((sent % port.every == port.at).sum())
            else:
                passed = int((schedule.outputs[sent % len(schedule)] >> source[1] & 1).sum())
            assert taken <= passed + len(fifo.initial)
            if not run.deadlock and network.resolved_firings().nodes[name].firings == sum(Counter(choices).values()):
                assert fifo.depth is None or 0 <= passed + len(fifo.initial) - taken <= fifo.depth


@settings(max_examples=CASES // 2)
@given(networks(arbiters=False))
def test_a_deadlock_is_certain_exactly_if_it_happens_and_the_remedy_frees_it(network):
    run, found = run_worklist(network), certain_deadlock(network)
    assert (found is not None) == run.deadlock
    if found is not None and found.remedy:
        assert not run_worklist(network.with_depths(found.remedy)).deadlock
        for name, depth in found.remedy.items():
            if len(found.remedy) == 1 and depth > max(1, len(network.fifos[name].initial)):
                assert run_worklist(network.with_depths({name: depth - 1})).deadlock


@settings(max_examples=CASES // 2)
@given(networks(arbiters=False))
def test_the_wanted_slots_of_unbounded_fifos_delay_nothing(network):
    free = run_worklist(network.with_depths(None), True)
    assume(not free.deadlock)
    wanted = {name: gauge.slots_wanted for name, gauge in gauges(free).items()}
    sized = run_worklist(network.with_depths(wanted), True)
    assert free.difference(sized) == ""
    for name, gauge in gauges(sized).items():
        assert gauge.most_held <= gauge.slots_wanted <= wanted[name]


@settings(max_examples=CASES // 2)
@given(networks(arbiters=False))
def test_the_steady_state_runs_at_the_maximum_cycle_ratio(network):
    """The time of a late round, measured on a long run, against the ratio from the event graph."""
    assume(all(fifo.depth is not None for fifo in network.fifos.values()) and _connected(network))
    assume(not run_worklist(network).deadlock)
    few, many, longer = (run_worklist(_repeated(network, times)) for times in (60, 120, 180))
    assume(few.cycles is not None)
    rounds = _rounds(network)
    first, second = many.cycles - few.cycles, longer.cycles - many.cycles
    assert first == second
    assert throughput_bound(network).cycles_per_round == Fraction(first, 60 * rounds)


def _rounds(network: Network) -> int:
    from cyclescape.simulator.dataflow.tables import compile_network

    return compile_network(network, by_rounds=True).rounds


def _repeated(network: Network, times: int) -> Network:
    return network.with_nodes({n: replace(node, firings=node.firings * times) for n, node in network.nodes.items()})


def _connected(network: Network) -> bool:
    reached, todo = set(), [next(iter(network.nodes))]
    while todo:
        node = todo.pop()
        if node not in reached:
            reached.add(node)
            for fifo in network.fifos.values():
                if node in (fifo.source[0], fifo.target[0]):
                    todo += [fifo.source[0], fifo.target[0]]
    return reached == set(network.nodes)
