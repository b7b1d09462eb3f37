"""A command trace as a timeline: a track for each bank with its open rows and refreshes, and one for each data bus."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ....errors import InputError
from ...timeline import Span, Timeline, in_lanes
from .results import DramRun

__all__ = ["timeline"]


def timeline(run: DramRun, title: str = "") -> Timeline:
    """Return a run with a command trace as tracks, in controller ticks; raises `InputError` without a trace.

    Of a run with more commands than were kept the first ones are drawn, and a note says so.
    """
    if run.commands is None:
        raise InputError("a timeline needs the command trace: run(..., commands=N)")
    device = run.device
    drawn, sent = len(run.commands), sum(run.counts.values())
    notes = (f"the first {drawn:,} of {sent:,} commands are drawn",) if drawn < sent else ()
    order = {name: i for i, name in enumerate(_tracks(run))}
    spans = sorted(in_lanes(_spans(run)), key=lambda span: order[span.track.partition(" (")[0]])
    return Timeline(spans, title, frequency_mhz=1e6 / device.tick_ps, notes=notes)


def _tracks(run: DramRun) -> list[str]:
    o, device = run.device.organisation, run.device
    buses = o.ranks if device.is_hbm else 1
    return [
        track for channel in range(run.channels)
        for track in (*(_bus(channel, bus) for bus in range(buses)),
                      *(_bank(channel, bank) for bank in range(o.ranks * o.banks_per_rank)))
    ]  # fmt: skip


def _bus(channel: int, bus: int) -> str:
    return f"channel {channel} data bus {bus}"


def _bank(channel: int, bank: int) -> str:
    return f"channel {channel} bank {bank}"


def _spans(run: DramRun) -> Iterator[Span]:
    device, o = run.device, run.device.organisation
    tpc = device.ticks_per_clock
    data = {"RD": device.timing["nCL"] * tpc, "WR": device.timing["nCWL"] * tpc}
    burst = device.clocks("BL") * tpc
    opened: dict[tuple[int, int], tuple[int, int]] = {}

    def close(channel: int, bank: int, clock: int) -> Iterator[Span]:
        if (channel, bank) in opened:
            since, row = opened.pop((channel, bank))
            yield Span(_bank(channel, bank), f"row {row}", since, max(clock - since, 1), {"row": row})

    last = 0
    lines: list[Any] = list(run.command_frame().itertuples())
    for line in lines:
        clock, command, channel = int(line.clock), str(line.command), int(line.channel)
        bank = ((int(line.rank) * o.sids + int(line.sid)) * o.bankgroups + int(line.group)) * o.banks + int(line.bank)
        mates = range(int(line.rank) * o.banks_per_rank, (int(line.rank) + 1) * o.banks_per_rank)
        last = clock
        if command == "ACT":
            opened[channel, bank] = (clock, int(line.row))
        elif command[:2] in data:
            bus = int(line.rank) if device.is_hbm else 0
            about = {"bank": bank, "command at": clock}
            yield Span(_bus(channel, bus), f"{command} bank {bank}", clock + data[command[:2]], burst, about)
        elif command == "REFab":
            for mate in mates:
                yield Span(_bank(channel, mate), "REFab", clock, device.clocks("nRFC") * tpc)
        elif command == "REFpb":
            yield Span(_bank(channel, bank), "REFpb", clock, device.clocks("nRFCpb") * tpc)
        if command in ("PREpb", "RDA", "WRA"):
            yield from close(channel, bank, clock)
        elif command == "PREab":
            for mate in mates:
                yield from close(channel, mate, clock)
    whole = len(run.commands) == sum(run.counts.values()) if run.commands is not None else False
    for channel, bank in list(opened):
        yield from close(channel, bank, run.cycles if whole else last + 1)
