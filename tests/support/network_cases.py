"""Random networks as a hypothesis strategy, and how many of them to try."""

import os

from hypothesis import strategies as st

from cyclescape.simulator.dataflow.random_networks import random_network
from cyclescape.simulator.network import Network

CASES = int(os.environ.get("CYCLESCAPE_CASES", "400"))
"""Random networks for each property; CYCLESCAPE_CASES=10000 for a long run."""


@st.composite
def networks(draw: st.DrawFn, *, arbiters: bool = True, schedules: bool = True, max_nodes: int = 7) -> Network:
    """Networks of matching rates; hypothesis shrinks them to few nodes, short runs and shallow FIFOs."""
    def choose(low: int, high: int) -> int:
        return draw(st.integers(low, high))

    return random_network(choose, arbiters=arbiters, schedules=schedules, max_nodes=max_nodes).check()


def has_arbiter(network: Network) -> bool:
    return any(node.kind == "arbiter" for node in network.nodes.values())
