"""A DRAM memory system: channels of one device behind one controller convention."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ....errors import InputError
from ....traces.addresses import AddressTrace
from .controller.state import Knobs
from .core.state import Settings
from .devices import LOW_POWER, SAME_BANK, Device
from .mapping import AddressMapping, address_mapping
from .results import DramRun
from .timing import Timing, compiled

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
        if policy == "SameBank" and not (self.device.has_same_bank_refresh and self.convention == "default"):
            raise InputError(
                f"refresh SameBank: accepted in the default convention for a DDR5 device with {', '.join(SAME_BANK)}; "
                f"{self.device.name} in convention {self.convention} takes AllBank, NoRefresh"
            )
        if self.knobs.power_down_policy != "NoPowerDown" and not self.device.has_low_power:
            raise InputError(
                f"power_down_policy={self.knobs.power_down_policy}: accepted for a DDR4 or DDR5 device with "
                f"{', '.join(LOW_POWER)}; {self.device.name} takes NoPowerDown"
            )

    @cached_property
    def map(self) -> AddressMapping:
        """The address mapping."""
        if isinstance(self.mapping, AddressMapping):
            return self.mapping
        return address_mapping(self.mapping, self.device, self.channels)

    @cached_property
    def timing(self) -> Timing:
        """The compiled timing rules."""
        if self.convention == "ramulator-2.1":
            return compiled(self.device, "ramulator-2.1")
        knobs = self.knobs
        return compiled(self.device, "strict", knobs.refresh_policy == "SameBank", knobs.power_down_policy != "NoPowerDown")

    @property
    def data_buses(self) -> int:
        """Data buses of all channels: one each, for HBM one a pseudo-channel."""
        return self.channels * (self.device.organisation.ranks if self.device.is_hbm else 1)

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
        return self.place(trace.address)

    def place(self, address: NDArray[np.int64]) -> tuple[NDArray[np.int64], ...]:
        """Channel, bank (over all channels) and row of addresses."""
        at = self.map.decode(address)
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
        from .counters import channel_records, collect
        from .ramulator.run import drain as drain_all
        from .ramulator.run import play

        n = len(trace)
        m = make_state(self.timing, self.channels, self.settings, n, commands)
        out = np.full(n + 5 * commands, -1, np.int64)
        accepted = np.zeros(n, np.int64)
        channel, bank, row = self.decode(trace)
        last = cycles = play(m, out, trace.arrival, trace.is_write, channel, bank, row, trace.address, accepted, every, slow)
        if drain and not channel_records(m, self.channels)[:, C_ERROR].any():
            cycles = drain_all(m, out)
        if channel_records(m, self.channels)[:, C_ERROR].any():
            raise InputError(
                f"{self.device.name} with {self.settings}: the refresh queue overflows, as it does in Ramulator 2.1 when an "
                "auto-precharge closes a row under an active HBM request; use the default convention or the open-row policy"
            )
        return collect(self, m, trace.is_write, accepted, out[:n].copy(), cycles, last, {}, out[n:], commands)

    def _run_default(self, trace: AddressTrace, commands: int) -> DramRun:
        from .controller.run import run_until
        from .core.state import FAR
        from .counters import collect, lost_ticks

        n = len(trace)
        m, x = self.default_state(n, commands)
        out = np.full(n + 5 * commands, -1, np.int64)
        order, waiting, accepted, answered, given = (np.full(n, -1, np.int64) for _ in range(5))
        channel, bank, row = self.decode(trace)
        line = trace.address // self.device.transaction_bytes
        cycles = run_until(
            m, x, out, order, waiting, trace.arrival, trace.is_write, channel, bank, row, line, accepted, answered, given, 0,
            FAR,
        )
        lost = lost_ticks(self, x, cycles)
        return collect(self, m, trace.is_write, accepted, answered, cycles, int(accepted.max()), lost, out[n:], commands, x)

    def default_state(self, requests: int, commands: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """The two vectors of the default controller at clock 0."""
        from .controller.state import make_extension
        from .core.state import make_state

        o = self.device.organisation
        size = self.knobs.request_buffer_size
        places = {"Bankwise": o.ranks * o.banks_per_rank, "ReadWrite": 2, "Shared": 1}[self.knobs.scheduler_buffer]
        m = make_state(self.timing, self.channels, Settings(size * places, 0, refresh="NoRefresh"), requests, commands)
        return m, make_extension(self.timing, self.channels, self.knobs)
