"""What a design does to a trace nearly: a recurrence over requests instead of a controller over clocks; see `recurrence.py`.

Few combinations of knobs differ for it (see `shared.py`), so that all 442,368 designs of the explored space need some thousand
recurrences of a trace, which are remembered.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from operator import attrgetter
from typing import Any, NamedTuple

import numpy as np

from ...errors import InputError
from ...simulator.memory.dram.energy import PARTS, currents_of, ranks_energy_j
from ...simulator.memory.dram.results import RankActivity
from ...simulator.memory.dram.system import DramSystem
from ...traces.addresses import AddressTrace
from .delays import delays_of
from .design import DramDesign
from .recurrence import ACTIVE, ACTS, CYCLES, HITS, LATENCY, ORDERED, OWED, REFRESHES, TURNS
from .shared import Knobs, Runs, liberal_first

__all__ = ["bounds"]

_MOST = 4096
"""Requests that are looked at; of a longer trace the first, and the result is scaled."""
_PAGES = {name: i for i, name in enumerate(("Open", "OpenAdaptive", "Closed", "ClosedAdaptive"))}
_SCHEDULERS = {name: i for i, name in enumerate(("Fifo", "FrFcfs", "FrFcfsGrp", "GrpFrFcfs", "GrpFrFcfsWm"))}
_BUFFERS = {name: i for i, name in enumerate(("Bankwise", "ReadWrite", "Shared"))}
_REFRESHES = {name: i for i, name in enumerate(("NoRefresh", "AllBank", "PerBank", "SameBank"))}
_ARBITERS = {name: i for i, name in enumerate(("Simple", "Fifo", "Reorder"))}
_ANSWERS = {name: i for i, name in enumerate(("Fifo", "Reorder"))}
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


class _Placed(NamedTuple):
    """A trace's first requests in a memory."""

    system: DramSystem
    requests: int
    """How many are looked at."""
    runs: Runs


def bounds(designs: Sequence[DramDesign], trace: AddressTrace) -> dict[str, np.ndarray]:
    """Return estimates of time, latency and energy, and shares; see `Accelerator.bounds`. nan where addresses are too high."""
    table = dict.fromkeys(_FOUND, np.full(len(designs), np.nan))
    if designs:
        seen = dict(zip(_SEEN, zip(*map(attrgetter(*_SEEN), designs), strict=True), strict=True))
        knobs, policy, in_order = _columns(seen)
        for (*memory, currents), rows in _by_memory(seen):
            placed = _placed(trace, _Memory(*memory))
            if placed is None:
                continue
            asked, place = liberal_first(knobs[rows])
            out = placed.runs.of(asked).T[:, place]
            for name, values in _estimate(trace, placed, out, currents, policy[rows], in_order[rows]).items():
                if len(rows) == len(designs):
                    table[name] = values
                else:
                    table[name] = table[name].copy()
                    table[name][rows] = values
    return {name: values for name, values in table.items() if name == "time_s" or not np.isnan(values).all()}


_SEEN = (
    *_Memory._fields, "page_policy", "scheduler", "refresh_policy", "refresh_max_postponed", "scheduler_buffer",
    "request_buffer_size", "arbiter", "max_active_transactions", "resp_queue", "currents",
)
"""What of a design matters."""


def _by_memory(seen: Mapping[str, Sequence[Any]]) -> list[tuple[tuple[Any, ...], np.ndarray]]:
    """The memories of designs, with their currents, and the rows of each."""
    columns = [seen[name] for name in (*_Memory._fields, "currents")]
    n = len(columns[0])
    if all(column.count(column[0]) == n for column in columns):  # most often
        return [(tuple(column[0] for column in columns), np.arange(n))]
    owners = list(zip(*columns, strict=True))
    distinct = {owner: number for number, owner in enumerate(dict.fromkeys(owners))}
    number = np.fromiter(map(distinct.__getitem__, owners), np.int64, n)
    return [(owner, np.flatnonzero(number == own)) for owner, own in distinct.items()]


def _columns(seen: Mapping[str, Sequence[Any]]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Knobs of designs for a recurrence, int64[n, 8]; their refresh policies; and whether answers are in order."""
    n = len(seen["scheduler"])

    def coded(name: str, codes: Mapping[str, int]) -> np.ndarray:
        return np.fromiter(map(codes.__getitem__, seen[name]), np.int64, n)

    def number(name: str) -> np.ndarray:
        return np.fromiter(seen[name], np.int64, n)

    policy, arbiter = coded("refresh_policy", _REFRESHES), coded("arbiter", _ARBITERS)
    whole = policy == _REFRESHES["AllBank"]
    active = np.where(arbiter == _ARBITERS["Simple"], 0, number("max_active_transactions"))
    in_order = (arbiter == _ARBITERS["Reorder"]) | (coded("resp_queue", _ANSWERS) == _ANSWERS["Reorder"])
    knobs = Knobs(
        coded("page_policy", _PAGES), coded("scheduler", _SCHEDULERS), whole,
        np.where(whole, number("refresh_max_postponed"), 0), coded("scheduler_buffer", _BUFFERS), number("request_buffer_size"),
        active, in_order & (active > 0),
    )
    return np.stack(knobs, axis=1).astype(np.int64), policy, in_order


@lru_cache(maxsize=256)
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
    columns = [np.ascontiguousarray(column, np.int64) for column in requests]
    return _Placed(system, len(address), Runs(*columns, sizes, *delays_of(system.timing)))


def _estimate(
    trace: AddressTrace, placed: _Placed, out: np.ndarray, currents: str, policy: np.ndarray, in_order: np.ndarray
) -> dict[str, np.ndarray]:
    """Those of `_FOUND` that are known, of designs in one memory; out is float64[N_OUT, n] by their recurrences."""
    system, n = placed.system, placed.requests
    device = system.device
    turns = device.ticks_per_clock
    interval, each = device.clocks("nREFI") * turns, (device.clocks("nRFC") + device.clocks("nRPab")) * turns
    scale = len(trace) / n
    ticks, refreshes = out[CYCLES], out[REFRESHES] * scale
    if scale > 1:
        ticks = np.maximum(ticks * scale, float(trace.arrival[-1]))
    owed, by_bank = out[OWED].copy(), policy != _REFRESHES["AllBank"]
    owed[by_bank] = ticks[by_bank] // interval
    busy = ticks
    # What was left out is made up for at the end.
    ticks = np.where(~by_bank | (policy == _REFRESHES["NoRefresh"]), ticks + owed * each, ticks)
    latency = np.where(in_order, out[ORDERED], out[LATENCY]) / n
    tick_s = device.tick_ps * 1e-12
    peak = system.channels * float(device.peak_bytes_per_tick)
    found = {
        "cycles": ticks, "time_s": ticks * tick_s, "mean_latency_s": latency * tick_s,
        "bus_share": n * scale * device.transaction_bytes / peak / ticks,
        "arrival_share": np.minimum(1.0, float(trace.arrival[-1]) / ticks),
        "row_share": out[HITS] / n, "turn_share": out[TURNS] / n, "owed_share": owed * each / ticks,
        "refresh_share": (refreshes + owed) * each / ticks,
        "log_latency": np.log10(latency), "log_ticks_each": np.log10(busy / scale / n),
        "log_in_flight": np.log10(np.maximum(latency * n / out[CYCLES], 1e-3)),
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
    device: Any, currents: Any, ranks: int, trace: AddressTrace, out: np.ndarray, scale: float, ticks: np.ndarray,
    refreshes: np.ndarray,
) -> dict[str, Any]:
    """Energy by parts, as if one rank had done everything and the others waited with all rows closed."""
    acts = out[ACTS] * scale
    counts: dict[str, Any] = dict.fromkeys(("ACT", "PREpb", "PREab", "RD", "RDA", "WR", "WRA", "REFab", "REFpb", "REFsb"), 0)
    counts |= {"ACT": acts, "PREpb": acts, "RD": trace.reads, "WR": trace.writes, "REFab": np.trunc(refreshes)}
    active: Any = np.minimum(out[ACTIVE] * scale, ticks)
    busy = RankActivity(0, 0, counts, active, active)
    idle = RankActivity(0, 1, dict.fromkeys(counts, 0), 0, 0)
    every = ranks_energy_j(device, [busy, *[idle] * (ranks - 1)], ticks, currents)  # type: ignore[arg-type]
    return {part: sum(rank[part] for rank in every) for part in PARTS}
