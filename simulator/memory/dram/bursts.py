"""Tile transfers through the memory, for machines with a schedule of their own: when does the last word arrive?

A machine that moves tiles asks three things: start this transfer no earlier than that clock; when is it done; and
what did the time go to. `BurstPort` answers them with the compiled default controller, and goes no further than each
answer needs, so that the machine may decide addresses and times of later transfers from earlier answers:

    port = BurstPort(DramSystem(device("DDR4_2400R")))
    first = port.send(0, 4096)                                # a read of 4 KiB, as early as can be
    second = port.send(4096, 4096)
    loaded = port.wait(first)
    third = port.send(8192, 4096, earliest=loaded + 100)      # when the first buffer is free again
    stalled_since = loaded + 100
    port.wait(second, since=stalled_since)
    port.account                                              # {"busy": ..., "bank_group": ..., ...}

All times are controller ticks (`Device.tick_ps`); a machine with another clock converts. The requests of a transfer,
one for each line that it touches, are at the door one a clock at most and in the order of the program: the first of a
transfer not before its `earliest`, nor before the last one of the transfer in front of it has gone through. The
answers are exactly those of a run with all transfers known at the start (`run_transfers`). What an incremental
caller may not do is to ask for a clock that the port went past with nothing to do (`BurstPort.earliest`): an answer
would have to be taken back. A schedule that decides a clock only from answers up to that clock never does.

A compiled loop calls `send(state, ...)` and `wait(state, ...)` of this module on `BurstPort.state`, a tuple of
arrays; both are numba functions. `ReferenceBurstPort` in `reference_bursts` is the same port clock by clock.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ....errors import InputError
from .controller import transfers as k
from .controller.state import CAUSES, GAP_SIZE, X_GAPS
from .controller.transfers import FULL, OUTSIDE, TOO_LATE, Transfers, send, wait
from .core.state import FAR, K_DONE
from .counters import lost_ticks, rank_activities
from .energy import PARTS, needed_currents, ranks_energy_j
from .results import RankActivity
from .system import DramSystem

__all__ = [
    "FULL", "OUTSIDE", "TOO_LATE", "BurstPort", "TransferRun", "Transfers", "burst_state", "run_transfers", "send", "wait",
]


def burst_state(system: DramSystem, transfers: int, spare: int = 4096) -> Transfers:
    """A port to the memory at clock 0, with room for that many transfers; raises `InputError`.

    `spare` (at least 64) are the places for requests beside those that can be under way; it changes no result.
    """
    knobs = system.knobs
    if system.convention != "default":
        raise InputError(f"convention={system.convention!r}: a burst port accepts the default convention")
    if knobs.resp_queue != "Fifo" or knobs.arbiter == "Reorder":
        raise InputError(
            f"resp_queue={knobs.resp_queue}, arbiter={knobs.arbiter}: a burst port accepts resp_queue=Fifo with arbiter=Simple "
            "or Fifo; a transfer is answered with its last word, whatever the order inside"
        )
    o, device = system.device.organisation, system.device
    places = {"Bankwise": o.ranks * o.banks_per_rank, "ReadWrite": 2, "Shared": 1}[knobs.scheduler_buffer]
    under_way = system.channels * places * knobs.request_buffer_size + system.channels + knobs.max_active_transactions
    window = under_way + spare
    m, x = system.default_state(0, 0)
    m[K_DONE], x[X_GAPS] = 0, window
    head = np.zeros(k.H_SIZE, np.int64)
    head[k.H_DOOR] = -1
    head[k.H_LINE_BYTES] = device.transaction_bytes
    head[k.H_LINES] = device.channel_bytes // device.transaction_bytes * system.channels
    line = device.transaction_bytes.bit_length() - 1
    units = np.zeros((63, 3), np.int64)
    units[: 63 - line] = np.stack(system.place(1 << np.arange(line, 63, dtype=np.int64)), axis=1)
    return Transfers(
        m, x, out=np.full(window * (1 + GAP_SIZE), -1, np.int64), window=np.zeros((k.O_SIZE, window), np.int64),
        due=np.full(window, FAR, np.int64), is_write=np.zeros(window, np.bool_),
        **{name: np.full(window, -1, np.int64) for name in ("nxt", "waiting", "given", "accepted", "answered")},
        places=units, head=head, transfers=np.zeros((transfers, k.T_SIZE), np.int64),
        since=np.zeros((system.data_buses, len(CAUSES)), np.int64),
    )


class BurstPort:
    """One port to a memory in the default convention; see the module. `transfers` is the room to begin with."""

    def __init__(self, system: DramSystem, transfers: int = 256) -> None:
        self.system = system
        self.state = burst_state(system, transfers)
        self.account: dict[str, int] = dict.fromkeys(CAUSES, 0)
        """What the last `wait` was spent on, in ticks: they sum to the answer less `since`, or to 0 if that is negative."""
        self._account = np.zeros(len(CAUSES), np.int64)

    @property
    def now(self) -> int:
        """The clock up to which the memory has run."""
        return int(self.state.head[k.H_NOW])

    @property
    def earliest(self) -> int:
        """The least `earliest` that the next transfer may have."""
        return int(k.earliest_possible(self.state))

    def send(self, address: int, size: int, is_write: bool = False, earliest: int = 0) -> int:
        """Put a transfer of `size` bytes behind those sent before and return its number; raises `InputError`."""
        if self.state.head[k.H_SENT] == len(self.state.transfers):
            table = self.state.transfers
            more = np.zeros((len(table) + 64, k.T_SIZE), np.int64)
            self.state = self.state._replace(transfers=np.vstack([table, more]))
        number = int(send(self.state, address, size, is_write, earliest))
        if number == OUTSIDE:
            end = self.state.head[k.H_LINES] * self.state.head[k.H_LINE_BYTES]
            raise InputError(f"address={address:#x}, size={size}: accepted: 1 byte or more within 0 to {end - 1:#x}")
        if number == TOO_LATE:
            raise InputError(
                f"earliest={earliest}: the port has run to clock {self.now} with nothing to send; accepted: {self.earliest} or "
                "later"
            )
        return number

    def wait(self, transfer: int, since: int = 0) -> int:
        """Run until a transfer is done and return the clock at which its last word has arrived (read) or left (write).

        `account` then says what the data bus of that word did from `since` to the answer; see `controller.transfers.wait`.
        """
        answered = int(wait(self.state, transfer, since, self._account))
        if answered < 0:
            raise InputError(f"transfer={transfer}: accepted: one of the {int(self.state.head[k.H_SENT])} that were sent")
        self.account = dict(zip(CAUSES, self._account.tolist(), strict=True))
        return answered

    def finish(self) -> int:
        """Wait for everything that was sent; returns the clock of the last answer."""
        sent = int(self.state.head[k.H_SENT])
        return max((int(wait(self.state, i, 0, self._account)) for i in range(sent)), default=0)

    def booked(self) -> NDArray[np.int64]:
        """(transfers, kinds): ticks of all data buses by the transfer whose bursts ended them and by `CAUSES`."""
        return self.state.transfers[: self.state.head[k.H_SENT], k.T_BOOKED :].copy()

    def lost(self, cycles: int) -> dict[str, int]:
        """Ticks of all data buses up to clock `cycles` by `CAUSES`, once everything sent is answered."""
        return lost_ticks(self.system, self.state.x, cycles)

    def ranks(self, cycles: int) -> tuple[RankActivity, ...]:
        """What each rank did up to clock `cycles`: the input of the energy formulas."""
        return rank_activities(self.system, self.state.m, cycles, self.state.x)

    def energy_j(self, cycles: int, currents: str | None = None) -> dict[str, float]:
        """Energy of all ranks up to clock `cycles` in joules, by `energy.PARTS`; raises `InputError` without currents."""
        table = needed_currents(self.system.device, currents)
        ranks = ranks_energy_j(self.system.device, self.ranks(cycles), cycles, table)
        return {part: sum(rank[part] for rank in ranks) for part in PARTS}


@dataclass(frozen=True)
class TransferRun:
    """Transfers that were all known at the start. Times in controller ticks."""

    answered: NDArray[np.int64]
    """For each transfer the clock of its last word."""
    booked: Mapping[str, NDArray[np.int64]]
    """For each kind and transfer the ticks of data buses that its bursts and the gaps before them took."""
    cycles: int
    """The last answer."""
    lost: Mapping[str, int]
    """Ticks of all data buses by kind: `cycles` times their number in all."""
    ranks: tuple[RankActivity, ...]


def run_transfers(system: DramSystem, address: Any, size: Any, is_write: Any = False, earliest: Any = 0) -> TransferRun:
    """Run transfers in this order; the arguments broadcast against `address`. Raises `InputError` as `BurstPort.send` does."""
    columns = np.broadcast_arrays(*(np.atleast_1d(np.asarray(a, dtype=np.int64)) for a in (address, size, is_write, earliest)))
    port = BurstPort(system, len(columns[0]))
    for at, n, write, when in np.stack(columns, axis=1).tolist():
        port.send(at, n, bool(write), when)
    cycles = port.finish()
    booked = port.booked()
    answered = port.state.transfers[:, k.T_LAST].copy()
    by_kind = {cause: booked[:, i] for i, cause in enumerate(CAUSES)}
    return TransferRun(answered, by_kind, cycles, port.lost(cycles), port.ranks(cycles))
