"""What the vectors of a run say at its end: counters, activity of the ranks, where the ticks of the buses went."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .commands import COMMANDS
from .controller.state import (
    CAUSES,
    POWER_DOWN,
    SELF_REFRESH,
    X_FIRST_BUS,
    X_FIRST_XRANK,
    XR_ACTIVE_DOWN,
    XR_ACTIVE_DOWN_BANKS,
    XR_ASLEEP,
    XR_DOWN,
    XR_POWER,
    XR_SELF,
    XR_SIZE,
    XR_SKIPPED,
    Y_COUNTS,
    Y_SIZE,
)
from .core import state as k
from .results import DramRun, RankActivity

if TYPE_CHECKING:
    from .system import DramSystem

__all__ = ["channel_records", "collect", "lost_ticks", "rank_activities"]

_COUNTERS = (
    "HITS", "MISSES", "CONFLICTS", "READ_HITS", "READ_MISSES", "READ_CONFLICTS", "FORWARDED", "COALESCED", "READS",
    "WRITES", "LATENCY_SUM",
)


def channel_records(m: NDArray[np.int64], channels: int) -> NDArray[np.int64]:
    """The records of all channels, one a row."""
    return m[m[k.K_FIRST_CHANNEL] :][: channels * k.C_SIZE].reshape(channels, k.C_SIZE)


def lost_ticks(system: DramSystem, x: NDArray[np.int64], cycles: int) -> dict[str, int]:
    """Ticks of the data buses by what they went to; those after the last burst had no request."""
    buses = x[x[X_FIRST_BUS] :][: system.data_buses * Y_SIZE].reshape(-1, Y_SIZE)
    lost = dict(zip(CAUSES, buses[:, Y_COUNTS:].sum(axis=0).tolist()))
    lost["queue_empty"] += cycles * len(buses) - sum(lost.values())
    return lost


def collect(
    system: DramSystem, m: NDArray[np.int64], is_write: NDArray[np.bool_], accepted: NDArray[np.int64],
    done: NDArray[np.int64], cycles: int, last: int, lost: dict[str, int], log: NDArray[np.int64], commands: int,
    x: NDArray[np.int64] | None = None,
) -> DramRun:
    """Put together what a run says; `log` holds room for `commands` lines, `x` is the default controller's vector."""
    channels = channel_records(m, system.channels)
    counters: dict[str, int] = {name.lower(): int(channels[:, getattr(k, f"C_{name}")].sum()) for name in _COUNTERS}
    for name in ("READ", "WRITE"):
        waiting = channels[:, getattr(k, f"C_N_{name}")] * (cycles - channels[:, getattr(k, f"C_{name}_SINCE")])
        counters[f"{name.lower()}_queue_area"] = int((channels[:, getattr(k, f"C_{name}_AREA")] + waiting).sum())
    lines = None
    if commands:
        lines = log[: 5 * min(int(m[k.K_N_LOG]), commands)].reshape(-1, 5)
        lines = lines[np.argsort(lines[:, 0], kind="stable")]
    return DramRun(
        system.device, system.channels, system.convention, int(cycles), last, accepted, done, is_write, counters,
        rank_activities(system, m, cycles, x), lost, lines,
    )


def rank_activities(
    system: DramSystem, m: NDArray[np.int64], cycles: int, x: NDArray[np.int64] | None = None
) -> tuple[RankActivity, ...]:
    """What each rank of each channel did up to clock `cycles`; only the default controller, whose vector is `x`, has sleep."""
    o = system.device.organisation
    ranks = []
    for ch, s in enumerate(channel_records(m, system.channels)):
        for rank in range(o.ranks):
            r = int(s[k.C_FIRST_RANK] + rank * s[k.C_RANK_STEP])
            activity = _rank_activity(m, r, ch, rank, cycles, o.banks_per_rank)
            if x is not None:
                record = x[x[X_FIRST_XRANK] + (ch * o.ranks + rank) * XR_SIZE :][:XR_SIZE]
                sleep = _sleep(record, int(m[r + k.R_OPEN]), cycles)
                if system.knobs.refresh_policy == "SameBank":
                    sleep["self_refreshes"] //= o.bankgroups  # counted for each bank of a set
                activity = replace(activity, **sleep)
            ranks.append(activity)
    return tuple(ranks)


def _sleep(record: NDArray[np.int64], open_banks: int, cycles: int) -> dict[str, Any]:
    """Ticks asleep, with those of a sleep that goes on at the end of the run."""
    power = int(record[XR_POWER])
    now = max(0, cycles - int(record[XR_ASLEEP])) if power else 0
    active = now if power == POWER_DOWN and open_banks else 0
    return {
        "active_down_ticks": int(record[XR_ACTIVE_DOWN]) + active,
        "active_down_bank_ticks": int(record[XR_ACTIVE_DOWN_BANKS]) + active * open_banks,
        "down_ticks": int(record[XR_DOWN]) + (now - active if power == POWER_DOWN else 0),
        "self_refresh_ticks": int(record[XR_SELF]) + (now if power == SELF_REFRESH else 0),
        "self_refreshes": int(record[XR_SKIPPED]),
    }


def _rank_activity(m: NDArray[np.int64], r: int, channel: int, rank: int, cycles: int, banks: int) -> RankActivity:
    """Read a rank's counters; rows that are still open count up to the end of the run."""
    active, bank_ticks = int(m[r + k.R_ACTIVE_TICKS]), int(m[r + k.R_BANK_TICKS])
    if m[r + k.R_OPEN] > 0:
        active += max(0, cycles - int(m[r + k.R_SINCE]))
    else:
        active -= max(0, int(m[r + k.R_UNTIL]) - cycles)  # the last auto-precharge begins after the end of the run
    for i in range(banks):
        b = m[r + k.R_FIRST_BANK] + i * k.B_SIZE
        if m[b + k.B_ROW] != k.CLOSED:
            bank_ticks += max(0, cycles - int(m[b + k.B_SINCE]))
    first = int(m[r + k.R_COUNTS])
    counts: dict[str, Any] = dict(zip(COMMANDS, m[first : first + len(COMMANDS)].tolist()))
    return RankActivity(channel, rank, counts, min(active, cycles), bank_ticks)
