"""What a design does to a trace nearly: a recurrence over requests instead of a controller over clocks; see `recurrence.py`.

Few combinations of knobs differ for it (a buffer that holds more than may be under way is as good as none; a limit that is
never reached is none), so that all 442,368 designs of the explored space need some thousand recurrences of a trace, which are
remembered.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from operator import attrgetter
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
_PAGES = {name: i for i, name in enumerate(("Open", "OpenAdaptive", "Closed", "ClosedAdaptive"))}
_SCHEDULERS = {name: i for i, name in enumerate(("Fifo", "FrFcfs", "FrFcfsGrp", "GrpFrFcfs", "GrpFrFcfsWm"))}
_BUFFERS = {name: i for i, name in enumerate(("Bankwise", "ReadWrite", "Shared"))}
_FOUND = (
    "cycles", "time_s", "mean_latency_s", "bus_share", "arrival_share", "row_share", "turn_share", "owed_share",
    "refresh_share", "log_latency", "log_ticks_each", "log_in_flight", "energy_j", "edp_js", "power_w",
    *(f"{part}_share" for part in PARTS),
)
"""What is told of a design."""


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
    keys = [_key(*seen) for seen in map(_SEEN, designs)]
    distinct = {key: place for place, key in enumerate(dict.fromkeys(keys))}
    table = np.array([_estimate(trace, *key) for key in distinct]).reshape(-1, len(_FOUND))
    there = ~np.isnan(table).all(axis=0)
    there[_FOUND.index("time_s")] = True
    place = np.fromiter(map(distinct.__getitem__, keys), np.intp, len(keys))
    return {name: table[place, column] for column, name in enumerate(_FOUND) if there[column]}


_SEEN = attrgetter(
    "device", "ranks", "channels", "mapping", "page_policy", "scheduler", "refresh_policy", "refresh_max_postponed",
    "scheduler_buffer", "request_buffer_size", "arbiter", "max_active_transactions", "resp_queue", "currents",
)


def _key(
    device: str, ranks: int, channels: int, mapping: str, page: str, scheduler: str, refresh: str, postponed: int,
    buffer: str, size: int, arbiter: str, active: int, answers: str, currents: str,
) -> tuple[_Memory, _Knobs, str, str, bool]:
    """What is to be told of a design, in the order of `_SEEN`: equal for designs that an estimate cannot tell apart."""
    whole = refresh == "AllBank"
    limit = 0 if arbiter == "Simple" else active
    in_order = arbiter == "Reorder" or answers == "Reorder"
    knobs = _Knobs(_PAGES[page], _SCHEDULERS[scheduler], whole, postponed if whole else 0, _BUFFERS[buffer], size, limit,
                   in_order and limit > 0)
    return _Memory(device, ranks, channels, mapping), knobs, currents, refresh, in_order


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
) -> tuple[float, ...]:
    """What is `_FOUND`; nan where that is not known."""
    placed, out = _placed(trace, memory), _served(trace, memory, knobs)
    if placed is None or out is None:
        return (np.nan,) * len(_FOUND)
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
    return tuple(found.get(name, np.nan) for name in _FOUND)


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
