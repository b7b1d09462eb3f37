"""The first requests of a trace, simulated clock by clock, and what they say of the rest.

The controller accepts requests in order, and where it cannot keep up it accepts them as fast as it serves them. So the rate of
acceptance goes on as it was, but no faster than requests arrive; after the last one comes as much as came after
the last of the beginning. Refresh is rare, and may be put off: what it took of the beginning is left out, and of the whole run
it takes what it must, since what is owed at the end is made up for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from ...errors import InputError
from ...simulator.memory.dram.controller.state import CAUSES
from ...traces.addresses import AddressTrace
from .design import DramDesign
from .estimate import bounds

__all__ = ["prefix"]

LEAST = 100
"""Requests, so that a rate means something."""
_BACKLOG = 0.02
"""Share of the time by which acceptance lags behind arrival where the memory does not keep up."""
_ROW_BITS = 13


def prefix(designs: Sequence[DramDesign], trace: AddressTrace, share: float) -> dict[str, np.ndarray]:
    """Return estimates of the cycles and the time of whole runs, and regimes, float64[n]; see `Accelerator.prefix`."""
    n = int(share * len(trace))
    if n < LEAST:
        raise InputError(f"trace {trace.name!r}: a share of {share:g} of {len(trace)} requests is {n} "
                         f"(accepted: {LEAST} or more)")
    begun = trace.first(n)
    closed = [bounds(designs, of)["cycles"] / len(of) for of in (trace, begun)]
    differs = {name: value - _mix(begun)[name] for name, value in _mix(trace).items()}
    rows = [_of(design, trace, begun) for design in designs]
    names = next((tuple(row) for row in rows if row), ("cycles", "time_s"))
    out = {name: np.array([row.get(name, np.nan) for row in rows]) for name in names}
    return {**out, "log_closed": np.log(closed[0] / closed[1]),
            **{f"more_{name}": np.full(len(designs), value) for name, value in differs.items()}}


def _of(design: DramDesign, trace: AddressTrace, begun: AddressTrace) -> Mapping[str, float]:
    system = design.system()
    try:
        system.decode(trace, wrap=False)
    except InputError:
        return {}
    run = system.run(begun)
    device, n = run.device, len(begun)
    accepted = run.accepted.astype(float)
    quarter, half = accepted[n // 4 - 1], accepted[n // 2 - 1]
    rate = (accepted[-1] - quarter) / (n - n // 4)
    late = (accepted[-1] - half) / (n - n // 2)
    after = run.cycles - accepted[-1]
    lag = (accepted[-1] - float(begun.arrival[-1])) / max(accepted[-1], 1.0)
    arrives = float(trace.arrival[-1])
    interval = device.timing["nREFI"] * device.ticks_per_clock
    each = (device.clocks("nRFC") + device.clocks("nRPab")) * device.ticks_per_clock
    done = run.counts["REFab"] / len(run.ranks) if design.refresh_policy != "PerBank" else 0.0
    clean = max(accepted[-1] - done * each, 1.0) / n
    busy = clean * len(trace) / (1 - each / interval)
    ticks = (max(busy, arrives) if lag > _BACKLOG else arrives) + after
    if design.refresh_policy == "NoRefresh":
        ticks = (max(clean * len(trace), arrives) + after) * (1 + each / interval)
    naive = run.cycles * len(trace) / n
    lost = {cause: run.lost[cause] / max(sum(run.lost.values()), 1) for cause in CAUSES}
    return {
        "cycles": ticks, "time_s": ticks * device.tick_ps * 1e-12,
        "log_naive": float(np.log(naive / ticks)), "log_bend": float(np.log(max(late, 1e-3) / max(rate, 1e-3))),
        "log_clean": float(np.log(clean / max(rate, 1e-3))), "log_rate": float(np.log(max(rate, 1e-3))),
        "owed": accepted[-1] / interval - done, "intervals": accepted[-1] / interval, "lag": float(lag),
        "arrives": arrives / ticks,
        "row_hits": run.counters["hits"] / n, "log_latency": float(np.log10(run.latency.mean())),
        **{f"lost_{cause}": share for cause, share in lost.items()},
    }


def _mix(trace: AddressTrace) -> dict[str, float]:
    """Cheap statistics of requests."""
    rows = trace.address >> _ROW_BITS
    return {
        "writes": trace.writes / len(trace), "turns": float(np.mean(trace.is_write[1:] != trace.is_write[:-1])),
        "same_row": float(np.mean(rows[1:] == rows[:-1])),
        "spacing": float(np.log((1 + trace.arrival[-1]) / len(trace))),
    }
