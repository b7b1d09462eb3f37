"""Random networks whose rates match: what engines are compared on.

Deadlocks, loops, arbiters, schedules, back-pressure and latencies all occur. `choose(low, high)` gives every
decision, so that a seed, or a property-testing library that shrinks what it finds, can be behind it.
"""

from __future__ import annotations

from collections.abc import Callable
from math import gcd
from typing import Any

from ..network import Arbitration, Network, Port, Schedule

__all__ = ["Choose", "random_network"]

Choose = Callable[[int, int], int]
POLICIES: tuple[Arbitration, ...] = ("priority", "round_robin", "oldest")


def random_network(
    choose: Choose, *, max_nodes: int = 7, arbiters: bool = True, schedules: bool = True
) -> Network:
    """Draw a network; low choices make the simpler network.

    In one of `rounds` rounds node n fires quota[n] times, and an edge passes tokens[e] tokens, which divides
    the quotas at both ends: that is what makes the rates match.
    """
    count, rounds = choose(1, max_nodes), choose(1, 5)
    kinds = [choose(0, 1 + schedules + arbiters * (i > 1)) for i in range(count)]
    is_arbiter = [arbiters and kind == 2 + schedules for kind in kinds]
    quota: list[int] = []
    edges: list[tuple[int, int, int]] = []
    for node in range(count):
        sources = [choose(0, node - 1) for _ in range(choose(1, min(3, node)))] if node else []
        if not is_arbiter[node]:
            quota.append((1, 2, 3, 4, 6, 12)[choose(0, 5)])
            edges += [(source, node, _divisor(choose, gcd(quota[source], quota[node]))) for source in sources]
        else:
            passed = [_divisor(choose, quota[source]) for source in sources]
            quota.append(sum(passed))
            edges += [(source, node, tokens) for source, tokens in zip(sources, passed)]
    for _ in range(choose(0, 2)):  # loops
        target = choose(0, count - 1)
        source = choose(target, count - 1)
        if not is_arbiter[target]:
            edges.append((source, target, _divisor(choose, gcd(quota[source], quota[target]))))

    network = Network("random")
    for node in range(count):
        into = [tokens for _, target, tokens in edges if target == node]
        out = [tokens for source, _, tokens in edges if source == node]
        sides: list[list[Port]] = []
        for letter, passed, last in (("i", into, False), ("o", out, True)):
            rates = [quota[node] // tokens if quota[node] % tokens == 0 else 1 for tokens in passed]
            phases = [choose(0, r - 1) if choose(0, 3) == 3 else (r - 1) * last for r in rates]
            sides.append([Port(f"{letter}{p}", *pair) for p, pair in enumerate(zip(rates, phases))])
        fields: dict[str, Any] = {"interval": choose(1, 3), "latency": choose(1, 5)}
        if is_arbiter[node]:
            fields["arbitration"] = POLICIES[choose(0, 2)]
        elif schedules and kinds[node] == 2:
            masks = [[_spread(choose, quota[node], tokens) for tokens in passed] for passed in (into, out)]
            rows = [
                [sum(bits[k] << p for p, bits in enumerate(side)) for k in range(quota[node])]
                for side in masks
            ]
            paces = [[choose(1, 4) for _ in range(quota[node])] for _ in range(2)]
            fields["schedule"] = Schedule.of(*rows, *paces)
        network.node(f"n{node}", quota[node] * rounds, *sides, **fields)
    used = {"o": [0] * count, "i": [0] * count}
    for source, target, tokens in edges:
        initial = choose(0, 2 * tokens) if source >= target else choose(0, 3) // 3
        depth = max(initial, choose(1, 2 + 2 * tokens), 1)
        network.connect(
            f"n{source}.o{used['o'][source]}",
            f"n{target}.i{used['i'][target]}",
            None if choose(0, 15) == 15 else depth,
            send_latency=choose(1, 3),
            response_latency=choose(1, 3),
            initial=initial,
        )
        used["o"][source] += 1
        used["i"][target] += 1
    return network


def _divisor(choose: Choose, number: int) -> int:
    divisors = [d for d in range(1, number + 1) if number % d == 0]
    return divisors[choose(0, len(divisors) - 1)]


def _spread(choose: Choose, rows: int, tokens: int) -> list[int]:
    """Put so many tokens into so many rows, at most one in each."""
    bits = [0] * rows
    for token in range(tokens):
        free = [k for k in range(rows) if not bits[k]]
        bits[free[choose(0, rows - token - 1)]] = 1
    return bits
