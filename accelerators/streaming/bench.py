"""How fast networks are simulated: every compiled engine against the SimPy engine, in one run."""

from __future__ import annotations

from collections.abc import Iterator

from ...simulator.benchmark import Measurement, cpu_ratio, cpu_seconds
from ...simulator.dataflow.compiled import cycles_of, run_events, run_worklist
from ...simulator.dataflow.hosted import run_hosted
from ...simulator.dataflow.simpy_engine import run_simpy
from ...simulator.dataflow.static import run_static
from ...simulator.network import Network
from .attention import attention

__all__ = ["bench"]

_SIMPY_N, _COMPILED_N, _STATIC_N = 64, 512, 1024
"""Rates do not depend on the size; each engine gets a graph that takes it long enough to measure."""


def bench() -> Iterator[Measurement]:
    """Yield every figure that is claimed anywhere, measured now; rates are firings in a CPU second."""
    small, large, largest = (attention("memory_free", n) for n in (_SIMPY_N, _COMPILED_N, _STATIC_N))
    rates = {
        "SimPy": _firings(small) / cpu_seconds(lambda: run_simpy(small)),
        "worklist": _firings(large) / cpu_seconds(lambda: run_worklist(large)),
        "event heap": _firings(large) / cpu_seconds(lambda: run_events(large), repeats=3),
        "max-plus kernel": _firings(largest) / cpu_seconds(lambda: run_static(largest)),
    }
    yield Measurement("SimPy engine, memory-free attention", rates["SimPy"] / 1e6, "M firings/s")
    for engine, bar in (("worklist", 50.0), ("event heap", None), ("max-plus kernel", 500.0)):
        note = f"{rates[engine] / 1e6:.1f} M firings/s"
        yield Measurement(f"{engine} by SimPy", rates[engine] / rates["SimPy"], "x", at_least=bar, note=note)
    hosted = cpu_ratio(lambda: run_worklist(large), lambda: run_hosted(large, large.nodes, 256), repeats=7)
    yield Measurement("region hosted in SimPy by the same un-hosted, 256 cycles", hosted, "x", at_most=1.3)
    naive = attention("naive", 128)
    long = [{"Exp->Div": depth, "QK->Exp": 2 + depth % 3} for depth in range(64, 320)]
    seconds = cpu_seconds(lambda: cycles_of(naive, long))
    yield Measurement(
        "naive attention, N=128, depth vectors in a batch", len(long) / seconds, "designs/s", at_least=300,
        note="a repeated state ends a run early, exactly",
    )  # fmt: skip
    walked = cpu_seconds(lambda: [run_worklist(naive) for _ in range(8)], repeats=3) / 8
    yield Measurement("the same one by one, every firing run", 1 / walked, "designs/s")


def _firings(network: Network) -> int:
    return sum(node.firings or 0 for node in network.nodes.values())
