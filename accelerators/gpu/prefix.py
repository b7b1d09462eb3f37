"""The beginning of a run, simulated cycle by cycle, and what it says of the rest.

Of every launch so many instructions are executed as are asked for, with four marks on the way. What comes after goes on at the
rate of the second half, in which the caches are filled and the warps apart. Another view is a regime: the trace says how
often each instruction is executed in all, and the beginning how long warps waited before it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import numpy as np

from ...errors import InputError
from ...simulator.gpu.execute import Machine, Outcome, pauses, resident
from ...simulator.gpu.hierarchy import Memory
from ...simulator.gpu.isa import UNITS
from ...simulator.gpu.tables import C_ISSUED, C_OTHER, CAUSES, SPACE, SPACES, STORE, UNIT
from ...traces.kernels.trace import Kernel, KernelTrace
from .design import GpuCoreDesign
from .runs import settle

__all__ = ["prefix"]

MARKS = 4
"""Equal parts of the beginning, after each of which cycles are noted."""
_SLOW = ("sfu", "fp64", "tensor")
_KINDS = ("float", "int", "slow", "branch", "load", "store", "shared")


def prefix(designs: Sequence[GpuCoreDesign], workload: KernelTrace, share: float) -> dict[str, np.ndarray]:
    """Return estimates of cycles and time of whole runs, and regimes, float64[n]; see `Accelerator.prefix`."""
    rows = [_of(design, workload, share) for design in designs]
    names = next((tuple(row) for row in rows if row), ("cycles", "time_s"))
    return {name: np.array([row.get(name, np.nan) for row in rows]) for name in names}


def _of(design: GpuCoreDesign, workload: KernelTrace, share: float) -> dict[str, float]:
    machine = design.machine()
    assert machine.memory is not None
    try:
        for kernel in workload.kernels:
            resident(kernel, machine)
    except InputError:
        return {}
    memory = machine.memory.state(machine.sms)
    estimates: dict[str, float] = defaultdict(float)
    regimes: dict[str, float] = defaultdict(float)
    for kernel in workload.kernels:
        times, about, ran = _launch(kernel, machine, memory, share)
        settle(memory, machine, ran)
        for name, value in times.items():
            estimates[name] += value
        for name, value in about.items():
            regimes[name] += value * kernel.warp_instructions / workload.warp_instructions
    launches = design.launch_cycles * len(workload.kernels)
    cycles = estimates.pop("cycles")
    out = {f"log_{name}": float(np.log(value / cycles)) for name, value in estimates.items()}
    whole = cycles + launches
    return {"cycles": whole, "time_s": whole / (design.frequency_mhz * 1e6), **out, **regimes}


def _launch(kernel: Kernel, machine: Machine, memory: Memory, share: float) -> tuple[dict[str, float], dict[str, float], int]:
    """Return estimates of a launch's cycles, regimes, and the cycles that were simulated."""
    total = kernel.warp_instructions
    width = machine.sms * machine.core.sub_cores
    # In a cycle every sub-core may issue, so that all of them but one may pass a stop.
    most = int(share * total) - width + 1
    if most < MARKS:
        raise InputError(f"kernel {kernel.name!r}: a share of {share:g} of {total} warp instructions is {int(share * total)} "
                         f"(accepted: {width + MARKS - 1} or more)")
    stops = [max(1, most * (i + 1) // MARKS) for i in range(MARKS)]
    seen = list(pauses(kernel, machine, stops, memory=memory))
    issued = np.array([0, *(int(outcome.slots[C_ISSUED]) for outcome in seen)], float)
    cycles = np.array([0, *(outcome.cycles for outcome in seen)], float)
    half = min(MARKS // 2, len(seen) - 1)
    rate = np.maximum(np.diff(cycles), 1) / np.maximum(np.diff(issued), 1)
    last = (cycles[-1] - cycles[half]) / max(issued[-1] - issued[half], 1.0)
    steady = cycles[-1] + (total - issued[-1]) * last
    places = machine.sms * resident(kernel, machine)
    waves = kernel.ctas / places
    times = {
        "cycles": steady, "naive": cycles[-1] * total / issued[-1],
        "recent": _by_instruction(kernel, seen[-1], seen[half - 1]), "counted": _by_instruction(kernel, seen[-1]),
    }
    slots = (seen[-1].slots - seen[half - 1].slots).astype(float)
    slots /= max(slots.sum(), 1.0)
    kinds = _kinds(seen[-1].table)
    whole = np.bincount(kinds, kernel.executed, len(_KINDS)) / total
    begun = np.bincount(kinds, seen[-1].waits[:, C_ISSUED], len(_KINDS)) / issued[-1]
    counts = dict(zip(("l2", "dram_in", "dram_out", "hit", "miss"), seen[-1].memory.tolist(), strict=True))
    about = {
        "log_fill": float(np.log(rate[0] / last)), "log_bend": float(np.log(rate[-1] / last)),
        "log_interval": float(np.log(last * width)),
        "few_waves": min(1.0, 1.0 / waves), "last_wave": float(np.log(np.ceil(waves) / waves)) if waves > 1 else 0.0,
        "log_waves": float(np.log10(waves)),
        "occupancy": min(places, kernel.ctas) * kernel.warps_per_cta / (machine.sms * machine.core.warps),
        "log_warp": float(np.log10(total / kernel.warps)),
        "unseen": float(kernel.executed[seen[-1].waits[:, C_ISSUED] == 0].sum() / total),
        "hit_share": counts["hit"] / max(counts["hit"] + counts["miss"], 1),
        "dram_sectors": (counts["dram_in"] + counts["dram_out"]) / issued[-1],
        **{f"slots_{cause}": float(slots[i]) for i, cause in enumerate(CAUSES) if i != C_OTHER},
        **{f"share_of_{kind}": float(whole[i]) for i, kind in enumerate(_KINDS)},
        **{f"more_{kind}": float(begun[i] - whole[i]) for i, kind in enumerate(_KINDS)},
    }
    return times, about, int(cycles[-1])


def _by_instruction(kernel: Kernel, seen: Outcome, before: Outcome | None = None) -> float:
    """Cycles of the launch, if every instruction takes as many warp-cycles as in what was seen, and as many warps live."""
    waits, span = seen.waits, seen.cycles
    if before is not None:
        waits, span = waits - before.waits, span - before.cycles
    issued, spent = waits[:, C_ISSUED].astype(float), waits.sum(axis=1).astype(float)
    kinds = _kinds(seen.table)
    of_kind = np.bincount(kinds, spent, len(_KINDS)) / np.maximum(np.bincount(kinds, issued, len(_KINDS)), 1e-9)
    guess = np.where(of_kind > 0, of_kind, spent.sum() / max(issued.sum(), 1.0))[kinds]
    each = np.where(issued > 0, spent / np.maximum(issued, 1.0), guess)
    rest = np.maximum(kernel.executed - seen.waits[:, C_ISSUED], 0)
    return seen.cycles + float(rest @ each) * max(span, 1) / max(spent.sum(), 1.0)


def _kinds(table: np.ndarray) -> np.ndarray:
    """The kind of each instruction, an index into _KINDS."""
    out = []
    for unit, space, store in table[:, [UNIT, SPACE, STORE]].tolist():
        name = UNITS[unit]
        if name == "memory":
            kind = "shared" if SPACES[space] == "shared" else "store" if store == 1 else "load"
        else:
            kind = "slow" if name in _SLOW else "float" if name in ("fp32", "half") else (
                "branch" if name in ("branch", "none") else "int")
        out.append(_KINDS.index(kind))
    return np.array(out, np.int64)
