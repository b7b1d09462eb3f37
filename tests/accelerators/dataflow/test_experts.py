"""Compositions of experts: both executions agree in every event, and what a queue and an LRU must obey."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from network_cases import CASES

from cyclescape.accelerators.dataflow.experts import Node, Policy, Stream, nodes_for, serve, swap_ns
from cyclescape.errors import InputError


def node(slots=2, run_ns=(10, 14, 17), rate=1e9, latency=0):
    return Node("n", slots * 100, 10_000, (("far", rate, latency), ("near", 10 * rate, 0)), tuple(run_ns))


@st.composite
def cases(draw):
    count = draw(st.integers(1, 25))
    gaps = draw(st.lists(st.integers(0, 30), min_size=count, max_size=count))
    experts = draw(st.lists(st.integers(0, 5), min_size=count, max_size=count))
    stream = Stream(tuple(np.cumsum(gaps).tolist()), tuple(experts))
    run_ns = tuple(np.cumsum(draw(st.lists(st.integers(1, 40), min_size=6, max_size=6))).tolist())
    policy = Policy(draw(st.integers(1, 6)), draw(st.integers(0, 25)), draw(st.booleans()))
    slots, rate, latency = draw(st.integers(1, 4)), draw(st.sampled_from([1e9, 4e9])), draw(st.sampled_from([0, 7]))
    return node(slots, run_ns, rate, latency), stream, policy


@settings(max_examples=max(60, CASES // 2), deadline=None)
@given(cases())
def test_both_executions_agree_in_every_event(case):
    machine, stream, policy = case
    assert serve(machine, stream, policy, 100).groups == serve(machine, stream, policy, 100, engine="simpy").groups


@settings(max_examples=max(30, CASES // 5), deadline=None)
@given(cases())
def test_every_request_is_answered_once_by_an_expert_that_is_there(case):
    machine, stream, policy = case
    served = serve(machine, stream, policy, 100)
    assert sorted(r for g in served.groups for r in g.requests) == list(range(len(stream.experts)))
    near = set()
    for group in served.groups:
        assert all(stream.experts[r] == group.expert for r in group.requests)
        assert len(group.requests) <= policy.batch
        assert group.swapped == (group.expert not in near)
        near = (near - {group.evicted}) | {group.expert}
        assert len(near) <= machine.near_bytes // 100
        assert group.routed <= group.load_start <= group.load_end <= group.run_start < group.run_end
    for before, after in pairwise(served.groups):
        assert after.run_start >= before.run_end
        assert after.load_start >= before.load_end
    assert served.stalled_ns <= served.end_ns
    assert min(served.latencies_ns) >= machine.run_ns[0]
    # Working ahead never makes the last answer later: it only removes a wait.
    ahead = serve(machine, stream, Policy(policy.batch, policy.router_ns, True), 100)
    if machine.near_bytes // 100 > len(set(stream.experts)):
        assert ahead.end_ns <= served.end_ns


def test_least_recently_used_leaves():
    served = serve(node(2), Stream((0,) * 5, (0, 1, 0, 2, 1)), Policy(overlap=False), 100)
    assert [(g.expert, g.swapped, g.evicted) for g in served.groups] == [
        (0, True, -1), (1, True, -1), (0, False, -1), (2, True, 1), (1, True, 0),
    ]  # fmt: skip
    assert served.swaps == 4


def test_a_swap_passes_every_memory_of_its_path():
    far, near = 10**9, 10 * 10**9
    machine = Node("n", 0, 0, (("far", far, 50), ("near", near, 0)), (1,))
    assert swap_ns(machine, 8000, chunk_bytes=1000) == 8 * 1000 + 50 + 100  # the near tier is done with the last chunk
    assert swap_ns(machine, 8000, chunk_bytes=1000, engine="simpy") == 8150
    slow_near = Node("n", 0, 0, (("far", far, 0), ("near", far / 2, 0)), (1,))
    assert swap_ns(slow_near, 8000, chunk_bytes=1000) == 1000 + 8 * 2000


def test_experts_are_placed_whole():
    machine = node(3)
    assert [nodes_for(machine, n, 100, near=True) for n in (1, 3, 4, 6, 7)] == [1, 1, 2, 2, 3]
    assert nodes_for(machine, 101, 100, near=False) == 2


def test_streams_are_reproducible_and_skewed():
    even, again = (Stream.random(2000, 50, rate_per_s=1e6, seed=3) for _ in range(2))
    assert even == again
    skewed = Stream.random(2000, 50, skew=1.2, seed=3)
    machine = node(10, run_ns=(5,))
    assert serve(machine, skewed, Policy(), 100).swaps < serve(machine, even, Policy(), 100).swaps
    # Uniform choice: an expert is there with probability slots / experts.
    assert serve(machine, even, Policy(), 100).swaps == pytest.approx(2000 * (1 - 10 / 50), rel=0.05)


def test_bad_input_is_named():
    with pytest.raises(InputError, match="room for an expert of 1,000 bytes"):
        serve(node(), Stream((0,), (0,)), Policy(), 1000)
    with pytest.raises(InputError, match="requests=0"):
        Stream.random(0, 5)
    with pytest.raises(InputError, match="engine 'magic'; accepted: recurrence, simpy"):
        serve(node(), Stream((0,), (0,)), Policy(), 100, engine="magic")
    with pytest.raises(InputError, match="no expert of 1,000 bytes fits"):
        nodes_for(node(), 3, 1000, near=True)
