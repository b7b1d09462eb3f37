"""A command trace as a timeline that Perfetto and Chrome open (JSON trace event format)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ....errors import InputError
from .results import DramRun

__all__ = ["timeline", "write_timeline"]


def timeline(run: DramRun) -> dict[str, Any]:
    """Trace events: a process per channel, a row per bank with its open rows and commands, one per data bus.

    Times are in microseconds. Raises `InputError` if the run kept no command trace.
    """
    if run.commands is None:
        raise InputError("a timeline needs the command trace: run(..., commands=N)")
    frame = run.command_frame()
    device = run.device
    o = device.organisation
    us = device.tick_ps * 1e-6
    tpc = device.ticks_per_clock
    data = {"RD": device.timing["nCL"] * tpc, "WR": device.timing["nCWL"] * tpc}
    burst = device.clocks("BL") * tpc
    events: list[dict[str, Any]] = []
    opened: dict[tuple[int, int], tuple[int, int]] = {}

    def span(channel: int, lane: int, name: str, start: int, ticks: int) -> None:
        events.append({
            "ph": "X", "pid": channel, "tid": lane, "name": name, "ts": start * us, "dur": ticks * us, "args": {"clock": start},
        })

    def close(channel: int, bank: int, clock: int) -> None:
        if (channel, bank) in opened:
            since, row = opened.pop((channel, bank))
            span(channel, bank + 1, f"row {row}", since, clock - since)

    lines: list[Any] = list(frame.itertuples())
    for line in lines:
        bank = ((line.rank * o.sids + line.sid) * o.bankgroups + line.group) * o.banks + line.bank
        mates = range(line.rank * o.banks_per_rank, (line.rank + 1) * o.banks_per_rank)
        if line.command == "ACT":
            opened[line.channel, bank] = (line.clock, line.row)
        elif line.command[:2] in data:
            start = line.clock + data[line.command[:2]]
            bus = line.rank if device.is_hbm else 0
            span(line.channel, 10_000 + bus, f"{line.command} bank {bank}", start, burst)
        elif line.command == "REFab":
            span(line.channel, mates[0] + 1, "REFab", line.clock, device.clocks("nRFC") * tpc)
        elif line.command == "REFpb":
            span(line.channel, bank + 1, "REFpb", line.clock, device.clocks("nRFCpb") * tpc)
        if line.command in ("PREpb", "RDA", "WRA"):
            close(line.channel, bank, line.clock)
        elif line.command == "PREab":
            for mate in mates:
                close(line.channel, mate, line.clock)
    for channel, bank in list(opened):
        close(channel, bank, run.cycles)
    for channel in range(run.channels):
        events.append({"ph": "M", "pid": channel, "name": "process_name", "args": {"name": f"channel {channel}"}})
        lanes = {bank + 1: f"bank {bank}" for bank in range(o.ranks * o.banks_per_rank)}
        lanes |= {10_000 + bus: f"data bus {bus}" for bus in range(o.ranks if device.is_hbm else 1)}
        for lane, name in lanes.items():
            events.append({"ph": "M", "pid": channel, "tid": lane, "name": "thread_name", "args": {"name": name}})
    return {"traceEvents": events, "displayTimeUnit": "ns"}


def write_timeline(run: DramRun, path: Path) -> None:
    """Write the timeline as JSON."""
    path.write_text(json.dumps(timeline(run), separators=(",", ":")), encoding="utf-8")
