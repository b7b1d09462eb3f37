"""What a run of a memory system says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from .commands import COMMANDS
from .devices import Device

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["DramRun", "RankActivity"]


@dataclass(frozen=True)
class RankActivity:
    """What one rank (HBM: pseudo-channel) did; times in ticks."""

    channel: int
    rank: int
    counts: Mapping[str, int]
    active_ticks: int
    """With at least one bank open."""
    bank_ticks: int
    """Open time summed over banks."""
    active_down_ticks: int = 0
    """Of `active_ticks`, those in active power-down."""
    active_down_bank_ticks: int = 0
    """Of `bank_ticks`, those in active power-down."""
    down_ticks: int = 0
    """In precharge power-down."""
    self_refresh_ticks: int = 0
    self_refreshes: int = 0
    """Refresh commands that fell due in self-refresh, and need not be sent."""


@dataclass(frozen=True)
class DramRun:
    """One stream of requests through one memory system. Times are in controller ticks."""

    device: Device
    channels: int
    convention: str
    cycles: int
    """The last answer, or the last acceptance if the run was stopped there."""
    last_accept_cycle: int
    accepted: NDArray[np.int64]
    """For each request the clock at which the controller took it."""
    done: NDArray[np.int64]
    """For each request the clock of its answer; -1 if it was in flight when the run stopped."""
    is_write: NDArray[np.bool_]
    counters: Mapping[str, int]
    """Hits, misses, conflicts and the like, over all channels."""
    ranks: tuple[RankActivity, ...]
    lost: Mapping[str, int] = field(default_factory=dict)
    """Ticks of the data buses by what they went to; sums to `cycles` times the number of buses."""
    commands: NDArray[np.int64] | None = None
    """Lines of (clock, command, bank over all channels, row, channel), if a trace was asked for."""

    @cached_property
    def counts(self) -> dict[str, int]:
        """Commands of all ranks."""
        return {name: sum(rank.counts[name] for rank in self.ranks) for name in COMMANDS}

    @cached_property
    def latency(self) -> NDArray[np.int64]:
        """Ticks from acceptance to answer, for every request that was answered."""
        answered = self.done >= 0
        return (self.done - self.accepted)[answered]

    @cached_property
    def read_latency(self) -> NDArray[np.int64]:
        """The same for reads, sorted."""
        reads = (self.done >= 0) & ~self.is_write
        return np.sort((self.done - self.accepted)[reads])

    def percentile(self, p: float) -> int:
        """Read latency below which a share `p` (0 <= p < 1) of the reads lies: entry floor(p n) of the sorted ones."""
        ordered = self.read_latency
        return int(ordered[min(int(p * len(ordered)), len(ordered) - 1)]) if len(ordered) else 0

    @property
    def seconds(self) -> float:
        """Simulated time."""
        return self.cycles * self.device.tick_ps * 1e-12

    @property
    def bytes(self) -> int:
        """Bytes of all answered requests."""
        return int(np.count_nonzero(self.done >= 0)) * self.device.transaction_bytes

    @property
    def bandwidth_bytes_per_s(self) -> float:
        """Achieved bandwidth over all channels."""
        return self.bytes / self.seconds if self.cycles else 0.0

    @property
    def peak_bytes_per_s(self) -> float:
        """Peak bandwidth over all channels."""
        return self.channels * self.device.peak_bytes_per_tick / (self.device.tick_ps * 1e-12)

    def command_frame(self) -> pd.DataFrame:
        """The command trace as a DataFrame with a column per coordinate."""
        import pandas as pd

        lines = self.commands if self.commands is not None else np.zeros((0, 5), np.int64)
        o = self.device.organisation
        bank = lines[:, 2]
        per_rank = o.banks_per_rank
        return pd.DataFrame({
            "clock": lines[:, 0], "command": np.array(COMMANDS)[lines[:, 1]], "channel": lines[:, 4],
            "rank": bank // per_rank % o.ranks, "sid": bank // (o.bankgroups * o.banks) % o.sids,
            "group": bank // o.banks % o.bankgroups, "bank": bank % o.banks, "row": lines[:, 3],
        })
