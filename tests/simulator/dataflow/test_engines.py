"""The engines agree in every firing: ready and send time of every node, choices, deadlocks and who is stuck."""

import os
import random
import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from network_cases import CASES, has_arbiter, networks

from cyclescape.simulator.dataflow.compiled import cycles_of, run_events, run_worklist
from cyclescape.simulator.dataflow.hosted import run_hosted
from cyclescape.simulator.dataflow.random_networks import random_network
from cyclescape.simulator.dataflow.simpy_engine import run_simpy
from cyclescape.simulator.dataflow.static import run_static


@settings(max_examples=CASES)
@given(networks())
def test_every_engine_gives_every_firing_the_same_times(network):
    reference = run_simpy(network)
    runs = [run_events(network, record=True)]
    if not has_arbiter(network):
        runs.append(run_worklist(network, record=True))
    for run in runs:
        assert reference.difference(run) == "", f"{run.engine} differs on {network}"


@settings(max_examples=CASES)
@given(networks(), st.data())
def test_a_hosted_region_changes_nothing_at_any_quantum(network, data):
    inside = [node.name for node in network.nodes.values() if node.kind != "arbiter"]
    chosen = data.draw(st.lists(st.sampled_from(inside), min_size=1, unique=True))
    quantum = data.draw(st.sampled_from([1, 2, 3, 7, 64, 1000]))
    run = run_hosted(network, chosen, quantum, record=True)
    assert run_simpy(network).difference(run) == "", f"{chosen} hosted with quantum {quantum} differ on {network}"


@settings(max_examples=CASES)
@given(networks(arbiters=False))
def test_a_skipped_steady_state_ends_as_if_it_had_been_run(network):
    reference = run_worklist(network)
    assert run_worklist(network, skip=True).cycles == reference.cycles
    expected = [-1 if reference.deadlock else reference.cycles]
    assert cycles_of(network, [{}]).tolist() == expected
    depths = {name: fifo.depth for name, fifo in network.fifos.items()}
    assert cycles_of(network.with_depths(None), [depths]).tolist() == expected


@settings(max_examples=CASES)
@given(networks(arbiters=False, schedules=False))
def test_the_planned_order_gives_the_same_end(network):
    planned = run_static(network)
    if planned is not None:
        assert planned.cycles == run_simpy(network).cycles


def test_the_cases_are_worth_their_name():
    """Deadlocks, loops, arbiters, schedules, repeated states and plans are all among the random networks."""
    found = dict.fromkeys(("deadlock", "loop", "arbiter", "schedule", "repeats", "planned"), 0)
    for seed in range(300):
        network = random_network(random.Random(seed).randint)
        found["arbiter"] += has_arbiter(network)
        found["schedule"] += any(node.kind == "schedule" for node in network.nodes.values())
        found["loop"] += any(f.initial for f in network.fifos.values())
        found["deadlock"] += run_events(network).deadlock
        if not has_arbiter(network):
            found["repeats"] += "repeats" in run_worklist(network, skip=True).note
            found["planned"] += run_static(network) is not None
    assert min(found.values()) >= 20, found


def test_a_difference_is_told():
    network = random_network(random.Random(5).randint)
    one, other = run_simpy(network), run_simpy(network)
    assert one.difference(other) == ""
    name = next(n for n in network.nodes if len(other.ready[n]))
    other.ready[name][0] += 1
    assert one.difference(other) == f"{name} firing 0, ready: {one.ready[name][0]} against {one.ready[name][0] + 1}"


@pytest.mark.parametrize("seed", [0, 100])
def test_the_kernels_are_right_as_plain_python(seed):
    code = f"""
import random
from cyclescape.simulator.dataflow.compiled import run_events, run_worklist
from cyclescape.simulator.dataflow.random_networks import random_network
from cyclescape.simulator.dataflow.simpy_engine import run_simpy
from cyclescape.simulator.dataflow.static import run_static
for seed in range({seed}, {seed} + 25):
    network = random_network(random.Random(seed).randint)
    reference = run_simpy(network)
    assert reference.difference(run_events(network, True)) == "", seed
    if all(n.kind != "arbiter" for n in network.nodes.values()):
        assert reference.difference(run_worklist(network, True)) == "", seed
        assert run_worklist(network, skip=True).cycles == reference.cycles, seed
    planned = run_static(network)
    assert planned is None or planned.cycles == reference.cycles, seed
"""
    subprocess.run([sys.executable, "-c", code], check=True, env={**os.environ, "NUMBA_DISABLE_JIT": "1"})
