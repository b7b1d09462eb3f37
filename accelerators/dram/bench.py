"""How fast memory systems are simulated, beside Ramulator 2.1."""

from __future__ import annotations

from collections.abc import Iterator

from ...simulator.benchmark import Measurement, cpu_seconds
from ...simulator.memory.dram.devices import device
from ...simulator.memory.dram.system import DramSystem
from ...traces.address_generators import address_trace

__all__ = ["bench"]

_REQUESTS = 1_000_000
_PEER = (
    ("DDR4_2400R", "random", 6_844_758, 216_000),
    ("DDR4_2400R", "stream", 5_352_993, 427_000),
    ("HBM2_2000", "random", 3_241_900, 226_000),
)
"""Device, reads, and Ramulator 2.1's cycles and requests per CPU second, measured when this kind of machine was idle."""


def bench() -> Iterator[Measurement]:
    """Yield requests per CPU second on one core, decoding included, with the peer's cycles asserted."""
    for name, pattern, cycles, peer in _PEER:
        chosen = device(name)
        trace = address_trace(pattern, _REQUESTS, line=chosen.transaction_bytes)
        system = DramSystem(chosen, convention="ramulator-2.1")
        assert system.run(trace, drain=False).last_accept_cycle == cycles
        rate = _REQUESTS / cpu_seconds(lambda s=system, t=trace: s.run(t, drain=False), repeats=3)  # type: ignore[misc]
        yield Measurement(
            f"{name}, 1 M {pattern} reads, ramulator-2.1", rate, "requests/s", at_least=5 * peer,
            note=f"equal cycles; {rate / peer:.1f}x Ramulator 2.1 ({peer:,}/s on an idle machine)",
        )
    chosen = device("DDR4_2400R")
    for label, every in (("as fast as they are taken", 0), ("one per 10,000 clocks", 10_000)):
        trace = address_trace("random", 200_000, every=every)
        rate = 200_000 / cpu_seconds(lambda t=trace: DramSystem(chosen).run(t), repeats=3)  # type: ignore[misc]
        yield Measurement(f"DDR4_2400R, random reads {label}, default controller", rate, "requests/s")
