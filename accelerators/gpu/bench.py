"""How fast the GPU core is simulated."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from ...errors import InputError
from ...simulator.accelerator import Accelerator
from ...simulator.benchmark import Measurement, cpu_seconds
from ...traces.catalog import load

__all__ = ["bench"]

ACCEL_SIM_PER_S = 8800
"""Warp instructions per CPU second of Accel-Sim on its trace of a vector addition of 196 x 256 threads (on one of Rodinia bfs
it made 5,500), on a machine of the kind that this package is developed on (its 2022 release, RTX 3070 configuration, one
thread)."""
SMS = 46
"""As an RTX 3070 has them."""
SHORT = 10_000
"""Warp instructions below which a trace takes milliseconds, most of them not for its instructions: no bar."""
BUILT_IN = (
    ("vector addition of 196 x 256 threads on 46 SMs", "vector-add:ctas=196"),
    ("128x128 SGEMM inner loop, 92 thread blocks on 46 SMs", "register-blocked-sgemm:ctas=92,iterations=16"),
)


def bench(machine: Accelerator, traces: Path | None = None) -> Iterator[Measurement]:
    """Yield warp instructions per CPU second, on one core, of the built-in kernels or of a directory of Accel-Sim traces.

    Reading a trace is not counted. Raises `InputError` for a directory without traces, or with one that cannot be read.
    """
    design = machine.design.make({"sms": SMS})
    for name, spec in BUILT_IN if traces is None else _lists(traces):
        kernels = load(spec)
        count = kernels.warp_instructions
        (report,) = machine.run([design], kernels)
        if not report.ok:
            raise InputError(f"{spec}: {report.reason}")
        seconds = cpu_seconds(lambda kernels=kernels: machine.run([design], kernels), repeats=3)  # type: ignore[misc]
        launches = len(kernels.kernels)
        note = f"{count:,} warp instructions in {launches} kernel{'s' * (launches > 1)}; "
        short = count < SHORT
        yield Measurement(
            name, count / seconds, "warp instructions/s", at_least=None if short else 100 * ACCEL_SIM_PER_S,
            note=note + ("too short for a bar" if short else "100 x Accel-Sim, which made 5.5 to 8.8 thousand a second"),
        )


def _lists(directory: Path) -> list[tuple[str, str]]:
    """Return (name, file) of the kernelslist.g of a directory, or of all folders in it."""
    if not os.path.isdir(directory):
        raise InputError(f"--traces {directory}: no such directory")
    own = directory / "kernelslist.g"
    found = [own] if own.is_file() else sorted(directory.glob("*/kernelslist.g"))
    if not found:
        raise InputError(f"--traces {directory}: no kernelslist.g; accepted: a directory with one, or whose folders have one")
    return [(f"{path.resolve().parent.name} on {SMS} SMs", str(path)) for path in found]
