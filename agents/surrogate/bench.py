"""How fast surrogates answer, and how much faster than the simulator: both in one run, on one core, in CPU time."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from threadpoolctl import threadpool_limits

from ...simulator.benchmark import Measurement, cpu_ratio, cpu_seconds
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
_LEAST, _RATIO = 100_000, 2000


def bench() -> Iterator[Measurement]:
    """Yield predictions per CPU second of each model, and of a whole surrogate, and its ratio to the compiled simulation."""
    with threadpool_limits(1, user_api="blas"):  # threads that wait for each other on a busy machine take CPU time, too
        yield from _models()
        yield from _against_the_simulator()


def _models() -> Iterator[Measurement]:
    samples = draw(_MACHINE, [_LEARNED], max(_SAMPLES.values()), seed=0)
    for kind, count in _SAMPLES.items():
        surrogate = Surrogate.fit(samples.take(np.arange(count)), model=kind, effort=_EFFORT[kind])
        columns = surrogate.encoder.encode(surrogate.machine, samples.designs, samples.workloads[0]).columns
        batch = np.resize(columns, (_BATCH, columns.shape[1]))
        seconds = cpu_seconds(lambda m=surrogate.model, b=batch: m.predict(b))  # type: ignore[misc]
        targets = len(surrogate.metrics)
        yield Measurement(
            f"{kind}, {columns.shape[1]} columns, {targets} metrics", _BATCH / seconds, "predictions/s",
            at_least=None if kind == "gp" else _LEAST,
            note=f"means and deviations; learned from {count} samples"
            + ("; cost grows with their square" if kind == "gp" else ""),
        )


def _against_the_simulator() -> Iterator[Measurement]:
    machine, workload = accelerator(_MACHINE), load(_NAMED)
    samples = draw(machine, [workload], _TIMED, seed=1)
    surrogate = Surrogate.fit(samples, ["time_s", "energy_j"], model="ensemble", effort=_EFFORT["ensemble"])
    space, rng = Space(machine.design), np.random.default_rng(2)
    points = space.sample(rng, 4000)
    designs = [space.design(point) for point in points]
    surrogate.predict(designs, workload)  # recurrences of the trace that designs share are made once
    seconds = cpu_seconds(lambda: surrogate.predict(designs, workload))
    yield Measurement(
        f"ensemble, from designs, on {_NAMED}", len(designs) / seconds, "predictions/s",
        note="closed forms, columns, answers and intervals; 4,000 designs at once",
    )
    few = designs[:8]
    ratio = cpu_ratio(lambda: surrogate.predict(designs, workload), lambda: machine.run(few, workload), repeats=3)
    yield Measurement(
        f"the same against the compiled controller on {_NAMED}", ratio * len(designs) / len(few), "x", at_least=_RATIO,
        note="CPU time of a design; 100,000 requests",
    )
