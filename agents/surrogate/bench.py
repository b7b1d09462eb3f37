"""How fast surrogates answer, and how much faster than the simulator: both in one run, on one core, in CPU time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import count, islice
from statistics import median

import numpy as np
from threadpoolctl import threadpool_limits

from ...simulator.benchmark import Measurement, cpu_once, cpu_seconds
from ...simulator.design import Design
from ...simulator.registry import accelerator
from ...simulator.space import Space
from ...traces.catalog import load
from .samples import draw
from .surrogate import Surrogate

__all__ = ["bench"]

_MACHINE = "dram-controller"
_LEARNED = "cloud-1:n=500"
"""What models learn from that are only timed: how right they are does not change how fast they are."""
_NAMED = "cloud-1:n=100000"
_SAMPLES = {"trees": 2000, "ensemble": 2000, "gp": 200}
_EFFORT = {"trees": 1.0, "ensemble": 0.1, "gp": 0.1}
"""Of training; a forest answers the slower the more trees it has, the others do not depend on it."""
_TIMED = 60
"""Samples of the named workload that a surrogate of it learns from."""
_BATCH = 20_000
_SCAN, _FEW = 200_000, 4000
"""Designs at once: not half of the space, and as many as a search may propose."""
_TURNS = 2
"""So many that no design of the space comes twice."""
_LEAST, _RATIO = 100_000, 2000


def bench() -> Iterator[Measurement]:
    """Yield predictions per CPU second: of each model alone, and of a whole surrogate beside the compiled simulation."""
    with threadpool_limits(1, user_api="blas"):  # threads that wait for each other on a busy machine take CPU time, too
        yield from _models()
        yield from _against_the_simulator()


def _models() -> Iterator[Measurement]:
    samples = draw(_MACHINE, [_LEARNED], max(_SAMPLES.values()), seed=0)
    for kind, learned in _SAMPLES.items():
        surrogate = Surrogate.fit(samples.take(np.arange(learned)), model=kind, effort=_EFFORT[kind])
        columns = surrogate.encoder.encode(surrogate.machine, samples.designs, samples.workloads[0]).columns
        batch = np.resize(columns, (_BATCH, columns.shape[1]))
        seconds = cpu_seconds(lambda m=surrogate.model, b=batch: m.predict(b))  # type: ignore[misc]
        targets = len(surrogate.metrics)
        yield Measurement(
            f"{kind}, {columns.shape[1]} columns, {targets} metrics", _BATCH / seconds, "predictions/s",
            at_least=None if kind == "gp" else _LEAST,
            note=f"of ready columns; means and deviations; learned from {learned} samples"
            + ("; cost grows with their square" if kind == "gp" else ""),
        )


def _against_the_simulator() -> Iterator[Measurement]:
    """From designs that were never asked before, by a surrogate that knows nothing of the trace; imports and code are warm.

    What the trace costs once, its recurrences above all, is shared by all designs of a batch. So a few are dearer each than
    a scan of the space, which is what a surrogate is for: the bar is on the scan, and the few stand beside it.
    """
    machine, trace = accelerator(_MACHINE), load(_NAMED)
    samples = draw(machine, [trace], _TIMED, seed=1)
    surrogate = Surrogate.fit(samples, ["time_s", "energy_j"], model="ensemble", effort=_EFFORT["ensemble"])
    space = Space(machine.design)
    order = iter(np.random.default_rng(2).permutation(len(space)).tolist())  # so that no design comes twice
    names = count()

    def fresh(n: int) -> list[Design]:
        return [space.design(space.point(space.unrank(rank))) for rank in islice(order, n)]

    def from_nothing(n: int) -> float:
        # Whatever is remembered of a trace goes by its name, too: under another one all of it has to be found again.
        unknown, designs = replace(trace, name=f"{trace.name} {next(names)}"), fresh(n)
        return cpu_once(lambda: surrogate.predict(designs, unknown))

    few = fresh(8)
    machine.run(few, trace)
    from_nothing(len(few))
    turns = [(from_nothing(_FEW), from_nothing(_SCAN), cpu_once(lambda: machine.run(few, trace))) for _ in range(_TURNS)]
    of_few, of_scan, simulated = (median(times) / n for times, n in zip(zip(*turns), (_FEW, _SCAN, len(few)), strict=True))
    for n, each, bar in ((_SCAN, of_scan, _RATIO), (_FEW, of_few, None)):
        yield Measurement(
            f"ensemble, from {n:,} new designs, on {_NAMED}", 1 / each, "predictions/s",
            note="all found anew: closed forms, columns, answers, intervals",
        )
        yield Measurement(
            f"the same against the compiled controller on {_NAMED}", simulated / each, "x", at_least=bar,
            note="CPU time of a design; 100,000 requests",
        )
