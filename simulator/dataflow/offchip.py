"""A port to a real DRAM as a node: its pace is that of the cycle-level controller on the same addresses."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from itertools import pairwise
from math import ceil

from ..memory.dram.bursts import run_transfers
from ..memory.dram.system import DramSystem
from ..network import Network, NetworkError, Node, Schedule

__all__ = ["dram_port"]


def dram_port(
    network: Network, name: str, addresses: Sequence[int], *, bytes_per_request: int, system: DramSystem,
    cycle_ps: float = 1000.0, is_write: bool = False,
) -> Node:
    """Add a port to a DRAM: input "request", output "data", one request for each address, answers in order.

    The controller of `system` (channels of DDR, HBM or any other device) is run once with all requests waiting. What it
    needs from one answer to the next, row misses, bank groups and refresh included, becomes the pace at which the
    port takes requests, and what it needs for the first the latency of all. So a network that keeps the port busy sees
    each answer in the controller's own cycle (in order, and one a cycle at most); one that asks more slowly sees an
    unloaded latency, and gaps that the memory might have spent while nobody asked. `cycle_ps` is the network's
    clock. Raises `InputError` for addresses beyond the memory, `NetworkError` for what is no clock or no
    request.
    """
    if not len(addresses) or bytes_per_request < 1 or cycle_ps <= 0:
        raise NetworkError(
            f"network {network.name!r}: DRAM port {name}: {len(addresses)} addresses, bytes_per_request={bytes_per_request}, "
            f"cycle_ps={cycle_ps}: accepted: at least one of each"
        )
    ticks = Fraction(round(1000 * cycle_ps), round(1000 * system.device.tick_ps))  # controller ticks in a cycle
    run = run_transfers(system, list(addresses), bytes_per_request, is_write)
    answers = [ceil(int(tick) / ticks) for tick in run.answered]
    latency, begins = answers[0], [0]
    for answer in answers[1:]:
        begins.append(max(begins[-1] + 1, answer - latency))
    intervals = [after - before for before, after in pairwise(begins)] + [1]
    once = [1] * len(answers)
    return network.node(name, len(answers), ["request"], ["data"], schedule=Schedule.of(once, once, intervals, latency))
