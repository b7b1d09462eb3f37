"""What a design does to a trace nearly: a recurrence over requests instead of a controller over clocks; see `recurrence.py`.

Few combinations of knobs differ for it (a buffer that holds more than may be under way is as good as none; a limit that is
never reached is none), so that all 442,368 designs of the explored space need some thousand recurrences of a trace, which are
remembered.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from ...errors import InputError
from ...simulator.memory.dram.energy import PARTS, currents_of, ranks_energy_j
from ...simulator.memory.dram.results import RankActivity
from ...simulator.memory.dram.system import DramSystem
from ...traces.addresses import AddressTrace
from .design import DramDesign
from .recurrence import (
    ACTIVE,
    ACTS,
    CYCLES,
    HITS,
    LATENCY,
    N_OUT,
    ORDERED,
    OWED,
    PEAK,
    PEAK_ORDERED,
    REFRESHES,
    TURNS,
    rules_of,
    serve,
)

__all__ = ["bounds"]

_MOST = 4096
"""Requests that are looked at; of a longer trace the first, and the result is scaled."""
_PAGES = ("Open", "OpenAdaptive", "Closed", "ClosedAdaptive")
_SCHEDULERS = ("Fifo", "FrFcfs", "FrFcfsGrp", "GrpFrFcfs", "GrpFrFcfsWm")
_BUFFERS = ("Bankwise", "ReadWrite", "Shared")


class _Memory(NamedTuple):
    """What a recurrence needs to know of the memory beside the knobs."""

    device: str
    ranks: int
    channels: int
    mapping: str


class _Knobs(NamedTuple):
    """The knobs that a recurrence sees, in the order of its arguments."""

    page: int
    scheduler: int
    refresh: bool
    """Whether whole ranks are refreshed during the run."""
    postponed: int
    buffer: int
    size: int
    active: int
    """Requests under way at most; 0 is no limit."""
    in_order: bool


class _Placed(NamedTuple):
    """A trace's first requests in a memory."""

    system: DramSystem
    requests: tuple[np.ndarray, ...]
    """arrival, direction, line, channel, rank, bank group, bank and row of each."""
    sizes: tuple[int, ...]
    rules: tuple[np.ndarray, np.ndarray]


def bounds(designs: Sequence[DramDesign], trace: AddressTrace) -> dict[str, np.ndarray]:
    """Return estimates of time, latency and energy, and shares; see `Accelerator.bounds`. nan where addresses are too high."""
    keys = [_key(design) for design in designs]
    found: dict[Any, Mapping[str, float]] = {}
    for key in keys:
        if key not in found:
            found[key] = _estimate(trace, *key)
    names = dict.fromkeys(name for row in found.values() for name in row)
    distinct = {key: i for i, key in enumerate(found)}
    place = np.array([distinct[key] for key in keys])
    return {name: np.array([row.get(name, np.nan) for row in found.values()])[place] for name in names}


def _key(design: DramDesign) -> tuple[_Memory, _Knobs, str, str, bool]:
    active = 0 if design.arbiter == "Simple" else design.max_active_transactions
    in_order = "Reorder" in (design.arbiter, design.resp_queue)
    refresh = design.refresh_policy == "AllBank"
    knobs = _Knobs(
        _PAGES.index(design.page_policy), _SCHEDULERS.index(design.scheduler), refresh,
        design.refresh_max_postponed if refresh else 0, _BUFFERS.index(design.scheduler_buffer),
        design.request_buffer_size, active, in_order and active > 0,
    )
    memory = _Memory(design.device, design.ranks, design.channels, design.mapping)
    return memory, knobs, design.currents, design.refresh_policy, in_order


@lru_cache(maxsize=64)
def _placed(trace: AddressTrace, memory: _Memory) -> _Placed | None:
    """Where the first requests go; None if they do not fit."""
    system = DramDesign.model_construct(**{**DramDesign().model_dump(), **memory._asdict()}).system()
    try:
        system.decode(trace, wrap=False)
    except InputError:
        return None
    address, o = trace.address[:_MOST], system.device.organisation
    channel, bank, row = system.place(address)
    per_rank = o.banks_per_rank
    ranks = system.channels * o.ranks
    requests = (trace.arrival[:_MOST], trace.is_write[:_MOST].astype(np.int64), address // system.device.transaction_bytes,
                channel, bank // per_rank, bank // o.banks, bank, row)
    sizes = (system.channels, ranks, ranks * per_rank // o.banks, ranks * per_rank, int(system.device.is_hbm))
    return _Placed(system, tuple(np.ascontiguousarray(column, np.int64) for column in requests), sizes, rules_of(system.timing))


@lru_cache(maxsize=65536)
def _served(trace: AddressTrace, memory: _Memory, knobs: _Knobs) -> np.ndarray | None:
    """Run the recurrence, or remember one that is the same; None if the trace does not fit the memory."""
    placed = _placed(trace, memory)
    if placed is None:
        return None
    if knobs.active > 0:
        free = _served(trace, memory, knobs._replace(active=0, in_order=False))
        if free is not None and free[PEAK_ORDERED if knobs.in_order else PEAK] <= knobs.active:
            return free
        if knobs.size > knobs.active:  # a buffer holds no more than what is under way
            return _served(trace, memory, knobs._replace(size=knobs.active))
    out = np.zeros(N_OUT)
    serve(*placed.requests, placed.sizes, *placed.rules, *(int(knob) for knob in knobs), out)
    return out


@lru_cache(maxsize=65536)
def _estimate(
    trace: AddressTrace, memory: _Memory, knobs: _Knobs, currents: str, refresh: str, in_order: bool
) -> Mapping[str, float]:
    placed, out = _placed(trace, memory), _served(trace, memory, knobs)
    if placed is None or out is None:
        return {"time_s": np.nan}
    system = placed.system
    device, n = system.device, len(placed.requests[0])
    turns = device.ticks_per_clock
    interval, each = device.clocks("nREFI") * turns, (device.clocks("nRFC") + device.clocks("nRPab")) * turns
    scale = len(trace) / n
    ticks, refreshes = out[CYCLES], out[REFRESHES] * scale
    if scale > 1:
        ticks = max(ticks * scale, float(trace.arrival[-1]))
    owed = out[OWED] if refresh == "AllBank" else ticks // interval
    busy = ticks
    if refresh in ("AllBank", "NoRefresh"):  # what was left out is made up for at the end
        ticks += owed * each
    latency = out[ORDERED if in_order else LATENCY] / n
    tick_s = device.tick_ps * 1e-12
    peak = system.channels * float(device.peak_bytes_per_tick)
    found = {
        "cycles": ticks, "time_s": ticks * tick_s, "mean_latency_s": latency * tick_s,
        "bus_share": n * scale * device.transaction_bytes / peak / ticks,
        "arrival_share": min(1.0, float(trace.arrival[-1]) / ticks),
        "row_share": out[HITS] / n, "turn_share": out[TURNS] / n, "owed_share": owed * each / ticks,
        "refresh_share": (refreshes + owed) * each / ticks,
        "log_latency": float(np.log10(latency)), "log_ticks_each": float(np.log10(busy / scale / n)),
        "log_in_flight": float(np.log10(max(latency * n / out[CYCLES], 1e-3))),
    }
    table = currents_of(device, currents)
    if table is not None:
        ranks = system.channels * device.organisation.ranks
        parts = _energy(device, table, ranks, trace, out, scale, ticks, (refreshes + owed) * ranks)
        total = sum(parts.values())
        found |= {"energy_j": total, "edp_js": total * found["time_s"], "power_w": total / found["time_s"],
                  **{f"{part}_share": value / total for part, value in parts.items()}}
    return found


def _energy(
    device: Any, currents: Any, ranks: int, trace: AddressTrace, out: np.ndarray, scale: float, ticks: float, refreshes: float
) -> dict[str, float]:
    """Energy by parts, as if one rank had done everything and the others waited with all rows closed."""
    acts = out[ACTS] * scale
    counts = dict.fromkeys(("ACT", "PREpb", "PREab", "RD", "RDA", "WR", "WRA", "REFab", "REFpb", "REFsb"), 0)
    counts |= {"ACT": acts, "PREpb": acts, "RD": trace.reads, "WR": trace.writes, "REFab": int(refreshes)}
    active = min(out[ACTIVE] * scale, ticks)
    busy = RankActivity(0, 0, counts, active, active)
    idle = RankActivity(0, 1, dict.fromkeys(counts, 0), 0, 0)
    every = ranks_energy_j(device, [busy, *[idle] * (ranks - 1)], ticks, currents)  # type: ignore[arg-type]
    return {part: sum(rank[part] for rank in every) for part in PARTS}
