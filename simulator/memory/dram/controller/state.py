"""The state of the default controller: a second vector beside the shared one.

`m` holds devices, banks and queues as for every controller; `x` holds what only this one knows.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..core.state import FAR
from ..timing import Timing

__all__ = ["CAUSES", "Knobs", "make_extension"]

PagePolicy = Literal["Open", "OpenAdaptive", "Closed", "ClosedAdaptive"]
Scheduler = Literal["Fifo", "FrFcfs", "FrFcfsGrp", "GrpFrFcfs", "GrpFrFcfsWm"]
SchedulerBuffer = Literal["Bankwise", "ReadWrite", "Shared"]
RespQueue = Literal["Fifo", "Reorder"]
RefreshPolicy = Literal["NoRefresh", "AllBank", "PerBank", "SameBank"]
PowerDownPolicy = Literal["NoPowerDown", "Staggered"]
Arbiter = Literal["Simple", "Fifo", "Reorder"]

OPEN, OPEN_ADAPTIVE, CLOSED_PAGE, CLOSED_ADAPTIVE = range(4)
FIFO, FR_FCFS, FR_FCFS_GRP, GRP_FR_FCFS, GRP_FR_FCFS_WM = range(5)
BANKWISE, READ_WRITE, SHARED = range(3)
NO_REFRESH, ALL_BANK, PER_BANK, SAME_BANK = range(4)
AWAKE, POWER_DOWN, SELF_REFRESH = range(3)
SIMPLE, ARBITER_FIFO, ARBITER_REORDER = range(3)


class Knobs(NamedTuple):
    """The knobs of the default controller, with the names and values of DRAMSys."""

    page_policy: PagePolicy = "Open"
    scheduler: Scheduler = "FrFcfs"
    scheduler_buffer: SchedulerBuffer = "Bankwise"
    request_buffer_size: int = 8
    resp_queue: RespQueue = "Fifo"
    refresh_policy: RefreshPolicy = "AllBank"
    refresh_max_postponed: int = 0
    refresh_max_pulled_in: int = 0
    arbiter: Arbiter = "Simple"
    max_active_transactions: int = 64
    low_watermark: int = 2
    high_watermark: int = 6
    row_cap: int = 0
    """Accesses after which a row is closed by auto-precharge; 0 is no cap."""
    power_down_policy: PowerDownPolicy = "NoPowerDown"
    power_down_after: int = 0
    """Clocks after its last access before a rank goes to sleep."""
    self_refresh_after: int = 2
    """Refreshes of an idle rank (rounds of them, if by bank) after which it refreshes itself; 0 is never."""


(
    X_SCHEDULER, X_BUFFER, X_BUFFER_SIZE, X_PAGE, X_ROW_CAP, X_LOW, X_HIGH, X_REFRESH, X_POSTPONE, X_PULL, X_INTERVAL,
    X_ARBITER, X_MAX_ACTIVE, X_IN_ORDER, X_READ_DATA, X_WRITE_DATA, X_BURST, X_REFRESH_TICKS, X_GROUP_GAP, X_RCD_READ,
    X_RCD_WRITE, X_CHANNELS, X_RANKS, X_BANKS, X_FIRST_XRANK, X_FIRST_XBANK, X_FIRST_BUS, X_BUS_PER_RANK, X_FIRST_XCHANNEL,
    X_FIRST_LANE, X_LANES, X_NEXT, X_ACTIVE, X_FINISHED, X_IN_FLIGHT, X_N_IN_FLIGHT, X_FRONT_WAKE, X_FRONT_CLOCK, X_GRANTED,
    X_LAST_PORT, X_GAPS, X_GROUP_BANKS, X_GROUPS, X_POWER, X_POWER_AFTER,
    X_SELF_AFTER, X_SIZE,
) = range(47)
"""The head of `x`: settings, offsets, and the state of the arbiter. X_GAPS is where in the output vector the accounts of
single requests go, `GAP_SIZE` numbers for each; -1 is nowhere."""
GAP_EMPTY, GAP_REFRESH, GAP_CAUSE, GAP_REST, GAP_BUS, GAP_SIZE = range(6)
"""The gap before a request's burst: ticks without requests, ticks under refresh, the cause of the rest, that rest, and
the data bus."""
(
    XC_WRITING, XC_LAST, XC_READS, XC_WRITES, XC_HEAD, XC_TAIL, XC_WAKE, XC_SIZE,
) = range(8)
"""A channel: mode, direction of the last access, buffered requests, and its arbiter queue."""
(
    XR_DUE, XR_DEBT, XR_RESTED, XR_BUFFERED, XR_KEPT, XR_BLOCKED, XR_POWER, XR_ASLEEP, XR_ACCESS, XR_QUIET, XR_SKIPPED,
    XR_ACTIVE_DOWN, XR_ACTIVE_DOWN_BANKS, XR_DOWN, XR_SELF, XR_SIZE,
) = range(16)
"""A rank: next due refresh, refreshes owed (negative: done early), whether nothing came since the last one,
buffered requests, banks that owe an access, and since when its banks may begin nothing, for a late refresh or sleep (-1: they
may). Then its sleep: whether and since when, the clock of its last access, refreshes since XR_RESTED was last 0, refreshes
that fell into self-refresh, and the ticks in power-down with rows open (and summed over those banks), in power-down without,
and in self-refresh."""
XB_KEPT, XB_DUE, XB_DEBT, XB_RESTED, XB_ACTIVATED, XB_LIMITED, XB_SIZE = range(7)
"""A bank: the request whose row was opened for it, refresh as for a rank, clock of its last ACT, and whether
that ACT waited for the activation limits."""
CAUSES = ("busy", "queue_empty", "refresh", "bank_group", "turnaround", "activation_limit", "row_cycle", "other")
"""Where the ticks of a data bus go."""
BUSY, EMPTY, REFRESH, BANK_GROUP, TURNAROUND, ACTIVATION, ROW_CYCLE, OTHER = range(len(CAUSES))
(
    Y_END, Y_BUFFERED, Y_EMPTY_SINCE, Y_EMPTY, Y_REFRESH, Y_LAST_CLOCK, Y_LAST_WRITE, Y_LAST_GROUP, Y_LAST_RANK, Y_COUNTS,
) = range(10)
Y_SIZE = Y_COUNTS + len(CAUSES)
"""A data bus (of a channel; HBM: of a pseudo-channel): end of its last burst, and where its ticks went."""
L_HEAD, L_TAIL, L_LAST, L_SIZE = range(4)
"""A lane in which answers keep their order."""


def make_extension(timing: Timing, channels: int, knobs: Knobs) -> NDArray[np.int64]:
    """The vector `x` at clock 0."""
    o = timing.device.organisation
    hbm = timing.device.is_hbm
    banks = o.ranks * o.banks_per_rank
    in_order = 2 if knobs.arbiter == "Reorder" else int(knobs.resp_queue == "Reorder")
    lanes = (0, channels, 1)[in_order]
    sizes = (
        channels * XC_SIZE, channels * o.ranks * XR_SIZE, channels * banks * XB_SIZE,
        channels * (o.ranks if hbm else 1) * Y_SIZE, lanes * L_SIZE, 4096,
    )
    starts = np.cumsum([X_SIZE, *sizes])
    x = np.zeros(starts[-1], np.int64)
    x[X_FIRST_XCHANNEL], x[X_FIRST_XRANK], x[X_FIRST_XBANK], x[X_FIRST_BUS], x[X_FIRST_LANE], x[X_IN_FLIGHT] = starts[:-1]
    x[X_FRONT_CLOCK] = x[X_LAST_PORT] = x[X_GAPS] = -1
    x[X_SCHEDULER] = ("Fifo", "FrFcfs", "FrFcfsGrp", "GrpFrFcfs", "GrpFrFcfsWm").index(knobs.scheduler)
    x[X_BUFFER] = ("Bankwise", "ReadWrite", "Shared").index(knobs.scheduler_buffer)
    x[X_PAGE] = ("Open", "OpenAdaptive", "Closed", "ClosedAdaptive").index(knobs.page_policy)
    x[X_REFRESH] = ("NoRefresh", "AllBank", "PerBank", "SameBank").index(knobs.refresh_policy)
    x[X_ARBITER] = ("Simple", "Fifo", "Reorder").index(knobs.arbiter)
    x[X_BUFFER_SIZE], x[X_ROW_CAP] = knobs.request_buffer_size, knobs.row_cap
    x[X_LOW], x[X_HIGH] = knobs.low_watermark, knobs.high_watermark
    x[X_POSTPONE], x[X_PULL] = knobs.refresh_max_postponed, knobs.refresh_max_pulled_in
    x[X_MAX_ACTIVE], x[X_IN_ORDER], x[X_LANES] = knobs.max_active_transactions, in_order, lanes
    x[X_BURST] = timing.ticks("BL")
    x[X_READ_DATA], x[X_WRITE_DATA] = timing.ticks("nCL"), timing.ticks("nCWL")
    x[X_GROUP_GAP] = timing.ticks("nCCDL")
    x[X_RCD_READ], x[X_RCD_WRITE] = timing.ticks("nRCDRD"), timing.ticks("nRCDWR")
    x[X_CHANNELS], x[X_RANKS], x[X_BANKS], x[X_BUS_PER_RANK] = channels, o.ranks, banks, hbm
    per_bank = knobs.refresh_policy == "PerBank"
    same_bank = knobs.refresh_policy == "SameBank"
    x[X_INTERVAL] = timing.ticks("nREFIpb") * o.banks_per_rank if per_bank else timing.ticks("nREFI")
    if same_bank:
        x[X_INTERVAL] = timing.ticks("nREFIsb") * o.banks
    x[X_POWER] = knobs.power_down_policy != "NoPowerDown"
    x[X_POWER_AFTER] = knobs.power_down_after * timing.device.ticks_per_clock
    x[X_SELF_AFTER] = knobs.self_refresh_after * (o.banks if same_bank else 1)
    x[X_GROUP_BANKS], x[X_GROUPS] = o.banks, o.sids * o.bankgroups
    x[X_REFRESH_TICKS] = timing.ticks("nRFCpb" if per_bank else "nRFC")
    for ch in range(channels):
        c = x[X_FIRST_XCHANNEL] + ch * XC_SIZE
        x[c + XC_HEAD] = x[c + XC_TAIL] = -1
        x[c + XC_WAKE] = 1
    for rank in range(channels * o.ranks):
        r = x[X_FIRST_XRANK] + rank * XR_SIZE
        x[r + XR_DUE] = x[X_INTERVAL] * (rank % o.ranks + 1) // o.ranks if knobs.refresh_policy == "AllBank" else FAR
        x[r + XR_BLOCKED] = -1
    for bank in range(channels * banks):
        b = x[X_FIRST_XBANK] + bank * XB_SIZE
        x[b + XB_KEPT] = -1
        x[b + XB_DUE] = x[X_INTERVAL] * (bank % banks + 1) // banks if per_bank else FAR
        if same_bank:  # all banks of a set fall due together
            number = bank % banks // o.banks_per_rank * o.banks + bank % o.banks
            x[b + XB_DUE] = x[X_INTERVAL] * (number + 1) // (o.ranks * o.banks)
    for lane in range(lanes):
        at = x[X_FIRST_LANE] + lane * L_SIZE
        x[at + L_HEAD] = x[at + L_TAIL] = -1
    for bus in range(channels * (o.ranks if hbm else 1)):
        y = x[X_FIRST_BUS] + bus * Y_SIZE
        x[y + Y_LAST_CLOCK] = x[y + Y_LAST_GROUP] = x[y + Y_LAST_RANK] = -1
    return x
