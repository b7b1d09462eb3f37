"""How fast row-stationary arrays are simulated."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ...simulator.accelerator import Accelerator
from ...simulator.benchmark import Measurement, cpu_ratio, cpu_seconds
from ...simulator.space import Space
from ...traces.catalog import load

__all__ = ["bench"]

_DESIGNS = 200


def bench(machine: Accelerator) -> Iterator[Measurement]:
    """Yield the speed of whole networks, and the ratio between the two executions."""
    mobilenet, alexnet = load("mobilenet-v1"), load("alexnet")
    space = Space(machine.design)
    designs = [space.design(point) for point in space.sample(np.random.default_rng(0), _DESIGNS)]
    seconds = cpu_seconds(lambda: machine.run(designs, mobilenet), repeats=3)
    yield Measurement(
        f"MobileNet V1, {_DESIGNS} designs drawn from the shipped space, reports included", _DESIGNS / seconds, "designs/s",
    )
    eyeriss = [machine.design.make(preset="eyeriss")]
    one = load("squeezenet:resolution=32")
    yield Measurement(
        "reference by compiled engine, SqueezeNet at 32x32, Eyeriss",
        cpu_ratio(lambda: machine.run(eyeriss, one), lambda: machine.run(eyeriss, one, engine="reference"), repeats=1),
        "x", note="the reference places every set of PEs",
    )
    yield Measurement("AlexNet, Eyeriss", 1e3 * cpu_seconds(lambda: machine.run(eyeriss, alexnet)), "ms")
