"""Tight-gate probes: each command is legal at the scheduler's earliest clock, and refused one tick before.

Random legal histories are built with the compiled scheduler's own tables; the independent checker must
agree with every gate, to the tick, and every rule of the table must have been the binding one somewhere
unless another rule always binds later.
"""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np

from .checker import Place, TimingChecker
from .commands import COMMANDS, GATE, LEVEL_NAMES
from .devices import Device
from .rules import Rule
from .timing import Timing

__all__ = ["ProbeResult", "probe"]

_OF_RANK = ("PREab", "REFab", "PDE", "PDX", "SRE", "SRX")


@dataclass(frozen=True)
class ProbeResult:
    """What the probes of one device found."""

    device: str
    gates: int
    """Gates probed at t and t - 1."""
    wrong: tuple[str, ...]
    """Gates on which scheduler and checker disagree."""
    broader: int
    """Gates that only guard more than they must: the rank waits for a bank that is closed by now, or for
    another bank. These are not probed at t - 1."""
    binding: Counter[str]
    """How often each rule was the one that decided."""
    never: tuple[str, ...]
    """Rules that never decided: others bind later."""


def _label(rule: Rule) -> str:
    where = ("other " if rule.sibling else "") + rule.level
    return f"{where}: {rule.earlier} > {rule.later} = {rule.latency}" + (f" [{rule.window}]" if rule.window > 1 else "")


class _History:
    """Commands so far, and which rules bind the next one: straight from the rule list."""

    def __init__(self, timing: Timing) -> None:
        self.timing = timing
        self.lines: list[tuple[int, str, tuple[int, ...]]] = []
        self.by_later: dict[str, list[tuple[Rule, int]]] = {}
        for rule in timing.rules:
            self.by_later.setdefault(rule.later, []).append((rule, timing.latency(rule)))

    def binding(self, command: str, path: tuple[int, ...]) -> tuple[int, list[tuple[Rule, tuple[int, ...]]]]:
        """(earliest clock, the rules that decide and where their earlier command went)."""
        best = 0
        deciding: list[tuple[Rule, tuple[int, ...]]] = []
        for rule, latency in self.by_later.get(command, []):
            level = LEVEL_NAMES.index(rule.level)
            if command in _OF_RANK and level > 1:
                continue
            seen = 0
            for t, earlier, where in reversed(self.lines):
                if earlier != rule.earlier or not self._binds(rule, level, where, path):
                    continue
                seen += 1
                if seen == rule.window:
                    if t + latency > best:
                        best, deciding = t + latency, []
                    if t + latency == best:
                        deciding.append((rule, where))
                    break
        return best, deciding

    @staticmethod
    def _binds(rule: Rule, level: int, where: tuple[int, ...], path: tuple[int, ...]) -> bool:
        if rule.sibling:
            return where[:level] == path[:level] and where[level] != path[level]
        return where[: level + 1] == path[: level + 1]


def _is_broad(rule: Rule, where: tuple[int, ...], rows: dict[int, int | None], places: list[Any]) -> bool:
    """Whether a rank-wide rule stands for a bank that the command does not concern."""
    if rule.level != "rank":
        return False
    if rule.later == "PREab":
        return rule.earlier in ("ACT", "RD", "WR") and rows[next(i for i, p in enumerate(places) if p[1] == where)] is None
    return rule.later == "REFpb" and rule.earlier in ("RDA", "WRA")


def probe(device: Device, *, steps: int = 400, seed: int = 0) -> ProbeResult:
    """Probe one device along a random legal history of `steps` commands."""
    from .core import state as k
    from .core.issue import earliest, issue, raise_bank

    draw = random.Random(seed)
    same_bank, low_power = device.has_same_bank_refresh, device.has_low_power
    timing = Timing(device, "strict", same_bank, low_power)
    o = device.organisation
    m = k.make_state(timing, 1, k.Settings(refresh="NoRefresh"), 0)
    out = np.zeros(1, np.int64)
    s = int(m[k.K_FIRST_CHANNEL])
    checker, history = TimingChecker(device), _History(timing)
    places = [
        (Place(r, d, g, b), (0, r, d, g, b))
        for r in range(o.ranks) for d in range(o.sids) for g in range(o.bankgroups) for b in range(o.banks)
    ]
    some = draw.sample(range(len(places)), min(len(places), 10))
    rows: dict[int, int | None] = dict.fromkeys(range(len(places)))
    now, gates, broader, wrong, binding = 0, 0, 0, [], Counter[str]()
    per_bank = "nRFCpb" in device.timing
    asleep: dict[int, str] = {}

    def scope(command: str, index: int) -> list[int]:
        """The banks that must be closed for a refresh; its own bank for any other command."""
        rank, bank = places[index][0].rank, places[index][0].bank
        if command in ("REFab", "SRE"):
            return [i for i in rows if places[i][0].rank == rank]
        if command == "REFsb":
            return [i for i in rows if (places[i][0].rank, places[i][0].bank) == (rank, bank)]
        return [index]

    def possible(command: str, index: int) -> bool:
        return command not in ("REFab", "REFsb", "SRE") or all(rows[i] is None for i in scope(command, index))

    for _ in range(steps):
        index = draw.choice(some)
        place = places[index][0]
        options = ["RD", "WR", "RD", "WR", "RDA", "WRA", "PREpb", "PREab"]
        if rows[index] is None:
            options = ["ACT"] * 4 + ["PREab"] + ["REFab"] * 2 + ["REFpb"] * (2 * per_bank) + ["REFsb"] * (2 * same_bank)
        options += ["PDE", "SRE"] * low_power
        if place.rank in asleep:
            options = [asleep[place.rank]]
        command = draw.choice([c for c in options if possible(c, index)])
        cmd = COMMANDS.index(command)
        b = int(m[k.K_FIRST_BANK]) + index * k.B_SIZE
        gate = GATE[cmd]
        r = int(m[b + k.B_RANK])
        at_rank = command in _OF_RANK
        bank_set = [index] if at_rank else scope(command, index)
        records = [int(m[k.K_FIRST_BANK]) + i * k.B_SIZE for i in bank_set]
        when = int(m[r + k.R_READY + gate]) if at_rank else max(int(earliest(m, record, gate)) for record in records)
        naive, deciding = max((history.binding(command, places[i][1]) for i in bank_set), key=lambda found: found[0])
        row = rows[index] if rows[index] is not None and command != "ACT" else 7
        at = max(when, now)
        text = f"{device.name} {command} {place} at {at}"
        if device.standard == "LPDDR5":
            checker.synced, checker.owed = 10**9, None
            for bank in checker.banks.values():
                if bank.half_open is not None:
                    bank.row, bank.half_open = bank.half_open, None
        if naive > now:
            gates += 1
            binding.update(_label(rule) for rule, _ in deciding)
            broad = all(_is_broad(rule, where, rows, places) for rule, where in deciding)
            broader += broad
            if when < naive:
                wrong.append(f"{text}: kernel lets it pass at {when}, the rules at {naive}")
            if not broad and not checker.breaches(at - 1, command, place, int(row or 0)):
                wrong.append(f"{text}: checker accepts one tick early ({[_label(rule) for rule, _ in deciding]})")
        if found := checker.breaches(at, command, place, int(row or 0)):
            wrong.append(f"{text}: checker refuses: {found[0].rule}")
        checker.record(at, command, place, int(row or 0))
        history.lines += [(at, command, places[i][1]) for i in bank_set]
        issue(m, out, s, cmd, b, 7, at)
        for record in records:
            if record != b:
                raise_bank(m, record, cmd, at)
        if device.standard == "LPDDR5" and command == "ACT":
            m[b + k.B_ROW] = 7
        asleep.pop(place.rank, None)
        if command in ("PDE", "SRE"):
            asleep[place.rank] = {"PDE": "PDX", "SRE": "SRX"}[command]
        elif command == "ACT":
            rows[index] = 7
        elif command in ("RDA", "WRA", "PREpb"):
            rows[index] = None
        elif command == "PREab":
            for i in rows:
                if places[i][0].rank == place.rank:
                    rows[i] = None
        # go on at once, so that gates bind, or after a rest, so that others do
        now = at + (1 if draw.random() < 0.8 else draw.randrange(1, 60))
        bus = checker.bus_free[checker._bus(command)]
        now = max(now, bus if not device.is_hbm else at + 1)
        history.lines = history.lines[-160:]
    never = tuple(sorted({_label(rule) for rule in timing.rules} - set(binding)))
    return ProbeResult(device.name, gates, tuple(wrong), broader, binding, never)
