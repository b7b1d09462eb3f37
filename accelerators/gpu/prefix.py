"""The beginning of a run, simulated cycle by cycle, and what it says of the rest.

Of every launch so many instructions are executed as are asked for. A part of the GPU (`simulator.gpu.part`) stands for all of
it, so that so many instructions reach far, often to the end of the launch. Where they do not, thread blocks run to
their end that are fewer by whole rounds over the places for them, so that start and end are seen, and rounds that are left out
take as long as those between. Where not even two rounds can be run, the beginning is, and the rest follows from what every
warp has left and the pace of the second half (`rest`). Another view is a regime: the trace says how often each instruction is
executed in all, and the beginning how long warps waited before it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import numpy as np

from ...errors import InputError
from ...simulator.gpu.execute import Machine, Outcome, pauses, resident
from ...simulator.gpu.hierarchy import Memory
from ...simulator.gpu.isa import UNITS
from ...simulator.gpu.part import Part, choose
from ...simulator.gpu.tables import C_ISSUED, C_OTHER, CAUSES, NEVER, SPACE, SPACES, STORE, UNIT
from ...traces.kernels.trace import Kernel, KernelTrace
from .design import GpuCoreDesign
from .rest import rest
from .runs import settle

__all__ = ["prefix"]

MARKS = 32
"""Equal parts of what is run, after each of which cycles are noted."""
FEWEST = 4
"""Instructions of a launch, below which there is nothing to be seen."""
UNEVEN = 0.03
"""Longest less shortest thread block, by the mean, above which the first ones do not stand for all."""
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
    part = choose(kernel, machine, share)
    width = part.machine.sms * part.machine.core.sub_cores
    # In a cycle every sub-core may issue, so that all of them but one may pass a stop.
    most = int(share * kernel.warp_instructions) - width + 1
    if most < FEWEST:
        raise InputError(f"kernel {kernel.name!r}: a share of {share:g} of {kernel.warp_instructions} warp instructions is "
                         f"{int(share * kernel.warp_instructions)} (accepted: {width + FEWEST - 1} or more)")
    total = part.kernel.warp_instructions
    places = part.machine.sms * resident(part.kernel, part.machine)
    few = _few(part.blocks, places, most)
    run = part.first(few or _startable(part.blocks, places, most))
    whole = few is not None
    ends = run.kernel.warp_instructions if whole else most
    marks = min(MARKS, ends)
    stops = [ends * (i + 1) // marks for i in range(marks)]
    if whole:
        stops[-1] = NEVER
    seen = list(pauses(kernel, machine, stops, memory=memory, part=run))
    issued = np.array([0, *(int(outcome.slots[C_ISSUED]) for outcome in seen)], float)
    cycles = np.array([0, *(outcome.cycles for outcome in seen)], float)
    left = total - issued[-1]
    last = _pace(issued, cycles, _window(run.blocks, places) if whole else (issued[-1] / 2, issued[-1]))
    half = seen[len(seen) // 2 - 1]
    steady = cycles[-1] + left * last
    times = {
        "cycles": steady if whole else cycles[-1] + _remaining(part, seen[-1], half, places),
        "steady": steady, "naive": cycles[-1] * total / issued[-1],
        "recent": _by_instruction(part.kernel, seen[-1], half), "counted": _by_instruction(part.kernel, seen[-1]),
    }
    waves = part.kernel.ctas / places
    slots = (seen[-1].slots - half.slots).astype(float)
    slots /= max(slots.sum(), 1.0)
    kinds = _kinds(seen[-1].table)
    executed = np.bincount(kinds, part.kernel.executed, len(_KINDS)) / total
    begun = np.bincount(kinds, seen[-1].waits[:, C_ISSUED], len(_KINDS)) / issued[-1]
    counts = dict(zip(("l2", "dram_in", "dram_out", "hit", "miss"), seen[-1].memory.tolist(), strict=True))
    about = {
        "log_fill": float(np.log(_pace(issued, cycles, (0, issued[-1] / 4)) / last)),
        "log_bend": float(np.log(_pace(issued, cycles, (issued[-1] * 0.75, issued[-1])) / last)),
        "log_interval": float(np.log(last * width)),
        "simulated": issued[-1] / kernel.warp_instructions, "left": left / total, "to_the_end": float(whole),
        "few_waves": min(1.0, 1.0 / waves), "last_wave": float(np.log(np.ceil(waves) / waves)) if waves > 1 else 0.0,
        "log_waves": float(np.log10(waves)),
        "occupancy": min(places, part.kernel.ctas) * part.kernel.warps_per_cta / (part.machine.sms * part.machine.core.warps),
        "log_warp": float(np.log10(total / part.kernel.warps)),
        "unseen": float(part.kernel.executed[seen[-1].waits[:, C_ISSUED] == 0].sum() / total),
        "hit_share": counts["hit"] / max(counts["hit"] + counts["miss"], 1),
        "dram_sectors": (counts["dram_in"] + counts["dram_out"]) / issued[-1],
        **{f"slots_{cause}": float(slots[i]) for i, cause in enumerate(CAUSES) if i != C_OTHER},
        **{f"share_of_{kind}": float(executed[i]) for i, kind in enumerate(_KINDS)},
        **{f"more_{kind}": float(begun[i] - executed[i]) for i, kind in enumerate(_KINDS)},
    }
    return times, about, int(times["cycles"])


def _remaining(part: Part, seen: Outcome, before: Outcome, places: int) -> float:
    """Cycles from the stop to the end of the part."""
    left = part.kernel.warp_length.copy()
    left[: len(seen.left)] = seen.left
    width = part.machine.sms * part.machine.core.sub_cores
    return rest(left, part.kernel.warps_per_cta, places, width, seen, before, part.machine.core)


def _few(blocks: np.ndarray, places: int, most: int) -> int | None:
    """How many thread blocks are run to their end: all, if they may be; else two rounds or more over all places and as many in
    the last round as there are in the launch. None if that is too much."""
    affordable = int(np.searchsorted(np.cumsum(blocks), most, "right"))
    if affordable >= len(blocks):
        return len(blocks)
    few = affordable - (affordable - len(blocks)) % places
    if np.ptp(blocks) > UNEVEN * blocks.mean():
        return None
    return few if few >= 2 * places else None


def _startable(blocks: np.ndarray, places: int, most: int) -> int:
    """The thread blocks that can have started when so many instructions are issued: those that ended, and those that run."""
    return int(np.searchsorted(np.cumsum(np.sort(blocks)), most + 4 * places, "right")) + places + 1


def _window(blocks: np.ndarray, places: int) -> tuple[float, float]:
    """From and to which instruction blocks that run to their end go on steadily: whole rounds, up to where none is left to
    start, and if there are enough from where the first round is done. Of two rounds the middle: the first begins with
    nothing in any cache."""
    ends = np.concatenate([[0], np.cumsum(blocks)])
    rounds = max(1, (len(blocks) - 2 * places) // places)
    to = len(blocks) - places
    start = max(0, to - rounds * places)
    later = max(0.0, min(places / 2, len(blocks) / 2 - places / 2) - start)
    low, high = np.interp([start + later, max(to, 1) + later], np.arange(len(ends)), ends)
    return float(low), float(high)


def _pace(issued: np.ndarray, cycles: np.ndarray, window: tuple[float, float]) -> float:
    """Cycles an instruction between two places, by the marks."""
    low, high = np.interp(window, issued, cycles)
    return float(max(high - low, 1.0) / max(window[1] - window[0], 1.0))


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
