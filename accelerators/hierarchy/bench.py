"""How fast hierarchies are simulated."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from ...simulator.benchmark import Measurement, cpu_seconds
from ...simulator.memory.cache.functional import count
from ...simulator.memory.cache.hierarchy import FixedMemory, Hierarchy, Level
from ...simulator.memory.cache.run import simulate
from ...traces.addresses import AddressTrace
from ...traces.catalog import load

__all__ = ["bench"]

KIB = 1024
_TRACES = (
    ("matmul:m=64,n=64,k=64", "product of 64 x 64 matrices"),
    ("matmul:m=128,n=128,k=128,tile=32", "product of 128 x 128 matrices in tiles"),
    ("zipf:n=1000000,items=65536", "Zipf over 4 MiB"),
    ("random:n=1000000,footprint=1048576,writes=rand:300", "random lines of 1 MiB"),
)


def bench() -> Iterator[Measurement]:
    """Yield accesses per CPU second on one core, everything between trace and result included."""
    level = Level(32 * KIB, 8)
    two = Hierarchy((level, Level(256 * KIB, 8, hit_cycles=8, mshrs=16)), FixedMemory(80, 16))
    for spec, label in _TRACES:
        trace: AddressTrace = load(spec)
        yield _rate(f"one LRU level without time, {label}", lambda t=trace: count(level, t), trace, 10e6)  # type: ignore[misc]
    for spec, label in _TRACES:
        trace = load(spec)
        yield _rate(f"two levels and memory, timed, {label}", lambda t=trace: simulate(two, t), trace, 2e6)  # type: ignore[misc]


def _rate(name: str, work: Callable[[], object], trace: AddressTrace, goal: float) -> Measurement:
    rate = len(trace) / cpu_seconds(work, repeats=3)
    return Measurement(name, rate, "accesses/s", at_least=goal, note=f"{len(trace):,} accesses")
