"""What a design does to a trace at least about, by a recurrence over requests instead of a controller over clocks.

Requests are taken in the order of the trace. Each is accepted when its buffer, and the arbiter, have a place; its bank
opens a row unless it is open already; it takes the first free slots for that and for the data bus; refresh stops
everything for a while. Left out: reordering within a bank, turnarounds of the bus, and what the finer knobs do. Few knobs
matter to it, so that all designs of a space need but some hundred recurrences of a trace, which are remembered.
"""

# mypy: allow-untyped-defs
# The kernel takes int64 scalars and arrays; its docstring gives the shapes.
from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numba import njit

from ...errors import InputError
from ...simulator.memory.dram.energy import PARTS, currents_of, ranks_energy_j
from ...simulator.memory.dram.results import RankActivity
from ...simulator.memory.dram.system import DramSystem
from ...traces.addresses import AddressTrace
from .design import DramDesign

__all__ = ["bounds"]

_MOST = 4096
"""Requests that are looked at; of a longer trace the first, and the result is scaled."""
_PAGES = ("Open", "OpenAdaptive", "Closed", "ClosedAdaptive")
_BUFFERS = ("Bankwise", "ReadWrite", "Shared")
CYCLES, LATENCY, ACTS, ACTIVE, HITS = range(5)


class _Memory(NamedTuple):
    """What a recurrence needs to know of the memory beside the knobs."""

    device: str
    ranks: int
    channels: int
    mapping: str


class _Knobs(NamedTuple):
    """The knobs that a recurrence sees."""

    page: int
    refresh: bool
    buffer: int
    size: int
    active: int
    """Requests under way at most; 0 is no limit."""
    in_order: bool


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


def _key(design: DramDesign) -> tuple[_Memory, str, _Knobs]:
    page, buffer, arbiter = design.page_policy, design.scheduler_buffer, design.arbiter
    knobs = _Knobs(
        _PAGES.index(page), design.refresh_policy == "AllBank", _BUFFERS.index(buffer), design.request_buffer_size,
        0 if arbiter == "Simple" else design.max_active_transactions, "Reorder" in (arbiter, design.resp_queue),
    )
    return _Memory(design.device, design.ranks, design.channels, design.mapping), design.currents, knobs


@lru_cache(maxsize=64)
def _placed(trace: AddressTrace, memory: _Memory) -> tuple[DramSystem, tuple[np.ndarray, ...]] | None:
    """The memory, and arrival, direction, channel, bank, row and bank group of the first requests; None if they do not fit."""
    system = DramDesign.model_construct(**{**DramDesign().model_dump(), **memory._asdict()}).system()
    try:
        system.decode(trace, wrap=False)
    except InputError:
        return None
    address = trace.address[:_MOST]
    channel, bank, row = system.place(address)
    group = bank // system.device.organisation.banks
    return system, (trace.arrival[:_MOST], trace.is_write[:_MOST].astype(np.int64), channel, bank, row, group)


@lru_cache(maxsize=65536)
def _estimate(trace: AddressTrace, memory: _Memory, currents: str, knobs: _Knobs) -> Mapping[str, float]:
    placed = _placed(trace, memory)
    if placed is None:
        return {"time_s": np.nan}
    system, requests = placed
    device, o = system.device, system.device.organisation
    out = np.zeros(5)
    banks = system.channels * o.ranks * o.sids * o.bankgroups * o.banks
    turns = device.ticks_per_clock
    names = ("nRCDRD", "nCL", "nCWL", "BL", "nRP", "nRAS", "nRTP", "nWR", "nCCDS", "nCCDL", "nRRDS", "nFAW", "nREFI", "nRFC")
    timing = np.array([device.clocks(name) * turns for name in names], np.int64)
    _recur(*requests, timing, banks, system.channels, *(int(knob) for knob in knobs), out)
    n = len(requests[0])
    scale = len(trace) / n
    ticks = out[CYCLES]
    if scale > 1:
        ticks = max(ticks * scale, float(trace.arrival[-1]))
    if not knobs.refresh:  # what was left out is made up for at the end
        ticks += ticks // timing[12] * (timing[13] + timing[4])
    tick_s = device.tick_ps * 1e-12
    peak = system.channels * float(device.peak_bytes_per_tick)
    found = {
        "cycles": ticks, "time_s": ticks * tick_s, "mean_latency_s": out[LATENCY] / n * tick_s,
        "bus_share": n * scale * device.transaction_bytes / peak / ticks,
        "arrival_share": min(1.0, float(trace.arrival[-1]) / ticks),
        "row_share": out[HITS] / n, "log_latency": float(np.log10(out[LATENCY] / n)),
        "log_in_flight": float(np.log10(max(out[LATENCY] / out[CYCLES], 1e-3))),
    }
    table = currents_of(device, currents)
    if table is not None:
        parts = _energy(device, table, system.channels * o.ranks, trace, out, scale, ticks, knobs.refresh, timing)
        total = sum(parts.values())
        found |= {"energy_j": total, "edp_js": total * found["time_s"], "power_w": total / found["time_s"],
                  **{f"{part}_share": value / total for part, value in parts.items()}}
    return found


def _energy(
    device: Any, currents: Any, ranks: int, trace: AddressTrace, out: np.ndarray, scale: float, ticks: float, refresh: bool,
    timing: np.ndarray,
) -> dict[str, float]:
    """Energy by parts, as if one rank had done everything and the others waited with all rows closed."""
    acts, refreshes = out[ACTS] * scale, int(ticks // timing[12])
    counts = dict.fromkeys(("ACT", "PREpb", "PREab", "RD", "RDA", "WR", "WRA", "REFab", "REFpb", "REFsb"), 0)
    counts |= {"ACT": acts, "PREpb": acts, "RD": trace.reads, "WR": trace.writes, "REFab": refreshes * ranks}
    active = min(out[ACTIVE] * scale, ticks)
    busy = RankActivity(0, 0, counts, active, active)
    idle = RankActivity(0, 1, dict.fromkeys(counts, 0), 0, 0)
    every = ranks_energy_j(device, [busy, *[idle] * (ranks - 1)], ticks, currents)  # type: ignore[arg-type]
    return {part: sum(rank[part] for rank in every) for part in PARTS}


@njit(cache=True, nogil=True)
def _recur(
    arrival, write, channel, bank, row, group, timing, banks, channels, page, refresh, buffer, size, active, in_order, out,
):
    """Send requests (arrays of one length) through the memory and write CYCLES to HITS into out[5], in ticks and counts."""
    rcd, cl, cwl, burst, rp, ras, rtp, wr, ccds, ccdl, rrds, faw, refi, rfc = timing
    n = len(arrival)
    open_row = np.full(banks, -1, np.int64)
    opened = np.full(banks, -(1 << 40), np.int64)  # last ACT of a bank
    used = np.full(banks, -(1 << 40), np.int64)  # its last column command
    wrote = np.zeros(banks, np.int64)
    groups = 1
    for i in range(n):
        groups = max(groups, group[i] + 1)
    in_group = np.full(groups, -(1 << 40), np.int64)
    gap = max(rrds, -(-faw // 4))
    acts = np.full((channels, 4096), -1, np.int64)  # by when modulo their number: which are taken
    slots = np.full((channels, 4096), -1, np.int64)
    pools = banks if buffer == 0 else (2 if buffer == 1 else 1)
    left = np.zeros((channels * pools if buffer else pools, size), np.int64)  # when the last `size` requests of a pool went
    count = np.zeros(len(left), np.int64)
    done = np.zeros(n, np.int64)
    accepted, answered, until = np.int64(0), np.int64(0), np.int64(0)
    latency, total_acts, hits, active_ticks = 0.0, 0, 0, 0.0
    for i in range(n):
        b, c = bank[i], channel[i]
        pool = b if buffer == 0 else (c * 2 + write[i] if buffer == 1 else c)
        accepted = max(accepted + (1 if i > 0 else 0), arrival[i])
        if count[pool] >= size:
            accepted = max(accepted, left[pool, count[pool] % size])
        if active > 0 and i >= active:
            accepted = max(accepted, done[i - active])
        t = accepted
        hit = open_row[b] == row[i]
        if hit and page == 2:
            hit = False
        if hit and page == 3 and accepted >= used[b]:  # no hit waited when it was to be closed
            hit = False
        if refresh and hit and t // refi > used[b] // refi:
            hit = False
        if refresh and t >= refi and t % refi < rfc:
            t += rfc - t % refi
        if hit:
            hits += 1
            t = max(t, opened[b] + rcd)
        else:
            close = max(opened[b] + ras, used[b] + (cwl + burst + wr if wrote[b] else rtp))
            own = page >= 2 or (page == 1 and accepted < used[b])  # closed by itself, before this request needs it
            act = max(t, close + rp) if own else max(t, close) + (rp if open_row[b] >= 0 else 0)
            turn = -(-act // gap)
            while acts[c, turn % 4096] == turn:
                turn += 1
            acts[c, turn % 4096] = turn
            act = max(act, turn * gap)
            if opened[b] > -(1 << 39):
                end = min(close, act) if own else act
                active_ticks += max(0, end - max(opened[b], until))
                until = max(until, end)
            total_acts += 1
            opened[b] = act
            open_row[b] = row[i]
            t = act + rcd
        if in_group[group[i]] <= t:
            t = max(t, in_group[group[i]] + ccdl)
        slot = -(-t // ccds)
        while slots[c, slot % 4096] == slot:
            slot += 1
        slots[c, slot % 4096] = slot
        t = max(t, slot * ccds)
        in_group[group[i]] = max(in_group[group[i]], t)
        used[b] = t
        wrote[b] = write[i]
        left[pool, count[pool] % size] = t
        count[pool] += 1
        answer = t + (cwl if write[i] else cl) + burst
        if in_order:
            answer = max(answer, answered)
        answered = max(answered, answer)
        done[i] = answer
        latency += answer - accepted
    for b in range(banks):
        if opened[b] > -(1 << 39):
            end = min(answered, max(opened[b] + ras, used[b] + rtp)) if page >= 2 else answered
            active_ticks += max(0, end - max(opened[b], until))
            until = max(until, end)
    out[0], out[1], out[2], out[3], out[4] = answered, latency, total_acts, active_ticks, hits
