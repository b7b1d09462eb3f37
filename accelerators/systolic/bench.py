"""How fast the systolic array is simulated."""

from __future__ import annotations

import resource
import statistics
import subprocess
import sys
from collections.abc import Iterator

import numpy as np

from ...errors import DesignError
from ...simulator.accelerator import Accelerator
from ...simulator.benchmark import Measurement, cpu_ratio, cpu_seconds
from ...simulator.design import Design
from ...simulator.space import Space
from ...traces.catalog import load

__all__ = ["bench"]

_DESIGNS = 600


def bench(machine: Accelerator) -> Iterator[Measurement]:
    """Yield every figure that is claimed anywhere, measured now."""
    resnet18, resnet50 = load("resnet18"), load("resnet50")
    size = {"rows": 128, "cols": 128, "dataflow": "ws", "filter_sram_kib": 512, "ifmap_sram_kib": 512}
    ideal = machine.design.make({**size, "memory": "ideal"})
    port = machine.design.make({**size, "bandwidth_bytes_per_cycle": 16})
    yield Measurement(
        "ResNet-18, 128x128 weight stationary, ideal memory", 1e3 * cpu_seconds(lambda: machine.run([ideal], resnet18)),
        "ms", at_most=10, note="SCALE-Sim 3.0.0 took 104 CPU s for its stall-free run of this network and array",
    )
    yield Measurement(
        "the same with 16 bytes per cycle", 1e3 * cpu_seconds(lambda: machine.run([port], resnet18)), "ms", at_most=50,
    )
    designs = draw(machine, _DESIGNS)
    seconds = cpu_seconds(lambda: machine.run(designs, resnet50), repeats=3)
    yield Measurement(
        f"ResNet-50, {_DESIGNS} designs drawn from the shipped space, reports included", _DESIGNS / seconds,
        "designs/s", at_least=300,
    )
    few = designs[:1]
    yield Measurement(
        "SimPy engine by compiled engine, ResNet-18, one of those designs",
        cpu_ratio(lambda: machine.run(few, resnet18), lambda: machine.run(few, resnet18, engine="simpy"), repeats=1),
        "x", note="the reference walks every fold",
    )
    yield Measurement("cyclescape --help", _help_seconds(), "s", at_most=0.5)
    yield Measurement(
        "peak memory of a process that simulates those designs", _peak_mib(), "MiB", at_most=300,
        note="kernels compiled before; the process that compiles them needs more, once",
    )


def _help_seconds() -> float:
    """Return the CPU seconds of a process that prints the help: the median of five."""
    times = []
    for _ in range(5):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([sys.executable, "-m", "cyclescape", "--help"], capture_output=True, check=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        times.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return statistics.median(times)


def _peak_mib() -> float:
    """Return the peak memory of a process of its own that draws the designs and simulates them, interpreter included.

    Linux hands the peak of `getrusage` on to a child process, so there it is read from /proc.
    """
    code = f"""
import resource, sys
from pathlib import Path
from cyclescape.accelerators.systolic.bench import draw
from cyclescape.simulator.registry import accelerator
from cyclescape.traces.catalog import load
machine = accelerator("systolic")
machine.run(draw(machine, {_DESIGNS}), load("resnet50"))
status = Path("/proc/self/status")
peaks = [line.split()[1] for line in status.read_text().splitlines() if line.startswith("VmHWM")] if status.exists() else []
used = int(peaks[0]) * 1024 if peaks else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(used if peaks or sys.platform == "darwin" else used * 1024)
"""
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True).stdout
    return int(told) / 2**20


def draw(machine: Accelerator, count: int) -> list[Design]:
    """Return valid designs drawn uniformly from the machine's space."""
    space, rng, designs = Space(machine.design), np.random.default_rng(0), []  # type: ignore[var-annotated]
    while len(designs) < count:
        for point in space.sample(rng, 1):
            try:
                designs.append(space.design(point))
            except DesignError:
                continue
    return designs
