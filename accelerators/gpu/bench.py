"""How fast the GPU core is simulated."""

from __future__ import annotations

from collections.abc import Iterator

from ...simulator.accelerator import Accelerator
from ...simulator.benchmark import Measurement, cpu_seconds
from ...traces.catalog import load

__all__ = ["bench"]

ACCEL_SIM_PER_S = 8800
"""Warp instructions per CPU second of Accel-Sim on a vector addition of 196 x 256 threads, on a machine of
the kind that this package is developed on (its 2022 release, RTX 3070 configuration, one thread)."""


def bench(machine: Accelerator) -> Iterator[Measurement]:
    """Yield warp instructions per CPU second of the built-in kernels, on one core."""
    design = machine.design.make({"sms": 46})
    for name, spec in (
        ("vector addition of 196 x 256 threads on 46 SMs", "vector-add:ctas=196"),
        ("128x128 SGEMM inner loop, 92 thread blocks on 46 SMs", "register-blocked-sgemm:ctas=92,iterations=16"),
    ):
        kernels = load(spec)
        seconds = cpu_seconds(lambda kernels=kernels: machine.run([design], kernels), repeats=3)  # type: ignore[misc]
        yield Measurement(
            name, kernels.warp_instructions / seconds, "warp instructions/s", at_least=100 * ACCEL_SIM_PER_S,
            note="100 x Accel-Sim, which made 5.5 to 8.8 thousand a second",
        )
