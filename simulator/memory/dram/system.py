"""A DRAM memory system: channels of one device behind one controller convention."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ....errors import InputError
from ....traces.addresses import AddressTrace
from .commands import COMMANDS
from .controller.state import CAUSES, Knobs
from .core.state import Settings
from .devices import Device
from .mapping import AddressMapping, address_mapping
from .results import DramRun, RankActivity
from .timing import Timing

__all__ = ["DramSystem"]

Convention = Literal["default", "ramulator-2.1"]


@dataclass(frozen=True)
class DramSystem:
    """A memory system that can be run on any request stream.

    `convention` is `default` (the DRAMSys family of controllers on strict timing rules) or
    `ramulator-2.1` (that simulator to the clock, faults included). `knobs` belong to the former,
    `settings` to the latter.
    """

    device: Device
    channels: int = 1
    mapping: str | AddressMapping = "RoBaRaCoCh"
    convention: Convention = "default"
    knobs: Knobs = field(default_factory=Knobs)
    settings: Settings = field(default_factory=Settings)

    def __post_init__(self) -> None:
        if self.channels < 1 or self.channels & (self.channels - 1):
            raise InputError(f"channels={self.channels}: accepted: a power of two")
        policy = self.knobs.refresh_policy if self.convention == "default" else self.settings.refresh
        if policy == "PerBank" and ("nREFIpb" not in self.device.timing or "nRFCpb" not in self.device.timing):
            raise InputError(f"refresh PerBank: {self.device.name} has no nREFIpb and nRFCpb; accepted: AllBank, NoRefresh")

    @cached_property
    def map(self) -> AddressMapping:
        """The address mapping."""
        if isinstance(self.mapping, AddressMapping):
            return self.mapping
        return address_mapping(self.mapping, self.device, self.channels)

    @cached_property
    def timing(self) -> Timing:
        """The compiled timing rules."""
        return Timing(self.device, "strict" if self.convention == "default" else "ramulator-2.1")

    def decode(self, trace: AddressTrace, *, wrap: bool = True) -> tuple[NDArray[np.int64], ...]:
        """Channel, bank (over all channels) and row of every request.

        With `wrap` addresses beyond the device fold back, as Ramulator has it; else they raise `InputError`.
        """
        size = self.device.channel_bytes * self.channels
        if not wrap and (top := int(trace.address.max())) >= size:
            first = int(np.flatnonzero(trace.address >= size)[0])
            raise InputError(
                f"trace {trace.name!r}, request {first}: address {int(trace.address[first]):#x} is beyond the device "
                f"({self.channels} x {self.device.name} end at {size - 1:#x}; highest address {top:#x})"
            )
        at = self.map.decode(trace.address)
        o = self.device.organisation
        sid = (at["channel"] * o.ranks + at["rank"]) * o.sids + at["sid"]
        bank = (sid * o.bankgroups + at["group"]) * o.banks + at["bank"]
        return at["channel"], bank, at["row"]

    def run(self, trace: AddressTrace, *, drain: bool = True, every: int = 1, slow: int = 1, commands: int = 0) -> DramRun:
        """Send a trace through the memory.

        Args:
            trace: requests; each is accepted in order, at its arrival or as soon after it as there is room.
            drain: run to the last answer; else (`ramulator-2.1` only) stop at the last acceptance.
            every, slow: (`ramulator-2.1` only) clock ratios: a request is offered in every `every`-th step, and every
                `slow`-th step is a memory clock.
            commands: keep a command trace of up to this many lines.
        """
        if self.convention == "default":
            if not drain or every != 1 or slow != 1:
                raise InputError("drain=False and clock ratios belong to the convention ramulator-2.1")
            return self._run_default(trace, commands)
        return self._run_ramulator(trace, drain, every, slow, commands)

    def _run_ramulator(self, trace: AddressTrace, drain: bool, every: int, slow: int, commands: int) -> DramRun:
        from .core.state import C_ERROR, make_state
        from .ramulator.run import drain as drain_all
        from .ramulator.run import play

        n = len(trace)
        m = make_state(self.timing, self.channels, self.settings, n, commands)
        out = np.full(n + 5 * commands, -1, np.int64)
        accepted = np.zeros(n, np.int64)
        channel, bank, row = self.decode(trace)
        last = cycles = play(m, out, trace.arrival, trace.is_write, channel, bank, row, trace.address, accepted, every, slow)
        if drain and not self._channels(m)[:, C_ERROR].any():
            cycles = drain_all(m, out)
        if self._channels(m)[:, C_ERROR].any():
            raise InputError(
                f"{self.device.name} with {self.settings}: the refresh queue overflows, as it does in Ramulator 2.1 when an "
                "auto-precharge closes a row under an active HBM request; use the default convention or the open-row policy"
            )
        return self._collect(m, out, trace, accepted, cycles, last, {}, commands)

    def _run_default(self, trace: AddressTrace, commands: int) -> DramRun:
        from .controller.run import run_until
        from .controller.state import X_FIRST_BUS, Y_COUNTS, Y_SIZE, make_extension
        from .core.state import FAR, make_state

        n = len(trace)
        o = self.device.organisation
        banks = o.ranks * o.banks_per_rank
        size = self.knobs.request_buffer_size
        depth = size * {"Bankwise": banks, "ReadWrite": 2, "Shared": 1}[self.knobs.scheduler_buffer]
        m = make_state(self.timing, self.channels, Settings(depth, 0, refresh="NoRefresh"), n, commands)
        x = make_extension(self.timing, self.channels, self.knobs)
        out = np.full(n + 5 * commands, -1, np.int64)
        order, waiting, accepted, answered = (np.full(n, -1, np.int64) for _ in range(4))
        channel, bank, row = self.decode(trace)
        line = trace.address // self.device.transaction_bytes
        cycles = run_until(
            m, x, out, order, waiting, trace.arrival, trace.is_write, channel, bank, row, line, accepted, answered, 0, FAR
        )
        if self.knobs.arbiter == "Reorder" or self.knobs.resp_queue == "Reorder":
            out[:n] = answered
        buses = x[x[X_FIRST_BUS] :][: self.channels * (o.ranks if self.device.is_hbm else 1) * Y_SIZE].reshape(-1, Y_SIZE)
        lost = dict(zip(CAUSES, buses[:, Y_COUNTS:].sum(axis=0).tolist()))
        lost["queue_empty"] += cycles * len(buses) - sum(lost.values())
        return self._collect(m, out, trace, accepted, cycles, int(accepted.max()), lost, commands)

    def _channels(self, m: NDArray[np.int64]) -> NDArray[np.int64]:
        from .core.state import C_SIZE, K_FIRST_CHANNEL

        return m[m[K_FIRST_CHANNEL] :][: self.channels * C_SIZE].reshape(self.channels, C_SIZE)

    def _collect(
        self, m: NDArray[np.int64], out: NDArray[np.int64], trace: AddressTrace, accepted: NDArray[np.int64], cycles: int,
        last: int, lost: dict[str, int], commands: int,
    ) -> DramRun:
        from .core import state as k

        channels = self._channels(m)
        names = (
            "HITS", "MISSES", "CONFLICTS", "READ_HITS", "READ_MISSES", "READ_CONFLICTS", "FORWARDED", "COALESCED", "READS",
            "WRITES", "LATENCY_SUM",
        )
        counters: dict[str, int] = {name.lower(): int(channels[:, getattr(k, f"C_{name}")].sum()) for name in names}
        for name in ("READ", "WRITE"):
            waiting = channels[:, getattr(k, f"C_N_{name}")] * (cycles - channels[:, getattr(k, f"C_{name}_SINCE")])
            counters[f"{name.lower()}_queue_area"] = int((channels[:, getattr(k, f"C_{name}_AREA")] + waiting).sum())
        o = self.device.organisation
        ranks = []
        for ch, s in enumerate(channels):
            for rank in range(o.ranks):
                r = int(s[k.C_FIRST_RANK] + rank * s[k.C_RANK_STEP])
                ranks.append(_rank_activity(m, r, ch, rank, cycles, o.banks_per_rank))
        n = len(trace)
        lines = min(int(m[k.K_N_LOG]), commands)
        log = out[n:].reshape(-1, 5)[:lines] if commands else None
        if log is not None:
            log = log[np.argsort(log[:, 0], kind="stable")]
        return DramRun(
            self.device, self.channels, self.convention, int(cycles), last, accepted, out[:n].copy(), trace.is_write,
            counters, tuple(ranks), lost, log,
        )


def _rank_activity(m: NDArray[np.int64], r: int, channel: int, rank: int, cycles: int, banks: int) -> RankActivity:
    """Read a rank's counters; rows that are still open count up to the end of the run."""
    from .core import state as k

    active, bank_ticks = int(m[r + k.R_ACTIVE_TICKS]), int(m[r + k.R_BANK_TICKS])
    if m[r + k.R_OPEN] > 0:
        active += max(0, cycles - int(m[r + k.R_SINCE]))
    for i in range(banks):
        b = m[r + k.R_FIRST_BANK] + i * k.B_SIZE
        if m[b + k.B_ROW] != k.CLOSED:
            bank_ticks += max(0, cycles - int(m[b + k.B_SINCE]))
    first = int(m[r + k.R_COUNTS])
    counts: dict[str, Any] = dict(zip(COMMANDS, m[first : first + len(COMMANDS)].tolist()))
    return RankActivity(channel, rank, counts, min(active, cycles), bank_ticks)
