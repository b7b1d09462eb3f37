"""The timing rules of one device, compiled into arrays that a controller kernel reads.

A kernel keeps, for every node of the device tree, the earliest clock of each kind of command. Issuing
a command at clock t raises the entries of the nodes on its path to t + latency.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from .commands import COMMANDS, GATE, GATE_NAMES, GATES, LEVEL_NAMES, LEVELS, NONE
from .devices import Device
from .rules import Rule, RuleSet, evaluate, rules

__all__ = ["Timing", "Tree", "compiled"]

_ROW = {"ACT", "PREpb", "PREab", "REFab", "REFpb"}
_COLUMN = {"RD", "WR", "RDA", "WRA"}


@dataclass(frozen=True)
class Timing:
    """Compiled rules: all latencies in ticks, corrected for commands that last several ticks."""

    device: Device
    rule_set: RuleSet
    same_bank: bool = False
    """With the rules of same-bank refresh."""
    low_power: bool = False
    """With the rules of power-down and self-refresh."""

    def length(self, command: str) -> int:
        """Ticks for which a command occupies its bus."""
        clocks = self.device.command_clocks.get(command, 1.0)
        return max(1, round(clocks * self.device.ticks_per_clock))

    def latency(self, rule: Rule) -> int:
        """Ticks from issue to issue. Rules run from the end of one command to the end of the other."""
        ticks = evaluate(rule.latency, self.device) * self.device.ticks_per_clock
        return ticks + self.length(rule.earlier) - self.length(rule.later)

    @cached_property
    def rules(self) -> tuple[Rule, ...]:
        """The rules of the device's standard."""
        return rules(self.device.standard, self.rule_set, self.same_bank, self.low_power)

    @cached_property
    def same(self) -> NDArray[np.int64]:
        """Latencies (level, earlier command, gate) within one node; `NONE` where there is no rule."""
        table = np.full((LEVELS, len(COMMANDS), GATES), NONE, np.int64)
        for rule in self.rules:
            if rule.window == 1 and not rule.sibling:
                self._raise(table, rule)
        for earlier in COMMANDS[:9]:
            if (ticks := self.length(earlier)) > 1:  # the command's bus is taken
                for gate, name in enumerate(GATE_NAMES):
                    buses = [_ROW, _COLUMN] if self.device.is_hbm else [_ROW | _COLUMN | self._extra]
                    if any(earlier in bus and name in bus for bus in buses):
                        cell = (0, COMMANDS.index(earlier), gate)
                        table[cell] = max(table[cell], ticks)
        return table

    @property
    def _extra(self) -> set[str]:
        """Commands on the bus beside those that every device has."""
        return ({"REFsb"} if self.same_bank else set()) | ({"PDE", "PDX", "SRE"} if self.low_power else set())

    @cached_property
    def sibling(self) -> NDArray[np.int64]:
        """Latencies (level, earlier command, gate) for the other nodes under the same parent."""
        table = np.full((LEVELS, len(COMMANDS), GATES), NONE, np.int64)
        for rule in self.rules:
            if rule.sibling:
                self._raise(table, rule)
        return table

    @cached_property
    def windows(self) -> NDArray[np.int64]:
        """Rows of (level, earlier command, gate, latency, window) for rules counted from an older command."""
        rows = {
            (
                LEVEL_NAMES.index(rule.level), COMMANDS.index(rule.earlier), GATE[COMMANDS.index(rule.later)],
                self.latency(rule), rule.window,
            )
            for rule in self.rules if rule.window > 1
        }
        return np.array(sorted(rows), np.int64).reshape(-1, 5)

    def _raise(self, table: NDArray[np.int64], rule: Rule) -> None:
        cell = (LEVEL_NAMES.index(rule.level), COMMANDS.index(rule.earlier), GATE[COMMANDS.index(rule.later)])
        table[cell] = max(table[cell], self.latency(rule))

    def ticks(self, name: str) -> int:
        """A timing parameter in ticks, 0 if the device has none of that name."""
        try:
            return self.device.clocks(name) * self.device.ticks_per_clock
        except KeyError:
            return 0


_MOST = 64
_compiled: dict[tuple[int, str, bool, bool], Timing] = {}
"""Each holds its device, whose id therefore stays its own."""


def compiled(device: Device, rule_set: RuleSet, same_bank: bool = False, low_power: bool = False) -> Timing:
    """The timing rules of a device, compiled once: all designs of a space share them."""
    key = (id(device), rule_set, same_bank, low_power)
    if key not in _compiled:
        if len(_compiled) >= _MOST:
            _compiled.clear()
        _compiled[key] = Timing(device, rule_set, same_bank, low_power)
    return _compiled[key]


@dataclass(frozen=True)
class Tree:
    """Numbers the nodes of `channels` channels: rows of the ready-time table.

    Row 0 belongs to nobody and is never raised: banks of a device without stacks name it as their SID.
    """

    device: Device
    channels: int

    @property
    def banks(self) -> int:
        """Banks of one channel."""
        o = self.device.organisation
        return o.ranks * o.banks_per_rank

    @cached_property
    def paths(self) -> NDArray[np.int64]:
        """Rows of the ready table (bank of all channels, level) from the channel down to the bank."""
        o = self.device.organisation
        c, r, s, g, b = np.meshgrid(
            *(np.arange(n) for n in (self.channels, o.ranks, o.sids, o.bankgroups, o.banks)), indexing="ij"
        )
        rank = c * o.ranks + r
        sid = rank * o.sids + s
        group = sid * o.bankgroups + g
        bank = group * o.banks + b
        starts = np.cumsum([1, self.channels, rank.max() + 1, sid.max() + 1, group.max() + 1])
        columns = [n.ravel() + start for n, start in zip((c, rank, sid, group, bank), starts)]
        if o.sids == 1:
            columns[2] = np.zeros_like(columns[2])
        return np.ascontiguousarray(np.stack(columns, axis=1).astype(np.int64))

    @property
    def nodes(self) -> int:
        """Rows of the ready table."""
        return int(self.paths.max()) + 1
