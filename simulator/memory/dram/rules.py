"""The timing rules of each standard, as tables that read like a data sheet.

A line says where a rule holds, which command it runs from and to, and for how long:

    bank: ACT > PREpb = nRAS            a command to a bank, and a later one to the same bank
    rank: ACT > ACT = nFAW [4]          counted from the fourth-last ACT
    other rank: r > w = nBL+nCS         later command in another node under the same parent

`r` is RD and RDA, `w` is WR and WRA. The rank of an HBM device is its pseudo-channel. Two sets are
kept: `ramulator-2.1` is the table of that simulator (commit c5b1c3a), faults included; `strict` adds
what it lacks and makes bursts of different ranks keep clear of each other.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Literal

from .devices import Device, Standard

__all__ = ["Rule", "RuleSet", "rules"]

RuleSet = Literal["ramulator-2.1", "strict"]


@dataclass(frozen=True)
class Rule:
    """After `earlier`, wait `latency` (an expression in clocks) before `later`, in the same node of `level`."""

    level: str
    earlier: str
    later: str
    latency: str
    window: int = 1
    sibling: bool = False


_COMMON = """
bank: ACT > ACT = nRC
bank: ACT > r = nRCDRD
bank: ACT > w = nRCDWR
bank: ACT > PREpb = nRAS
bank: PREpb > ACT = nRP
bank: RD > PREpb = RTP
bank: WR > PREpb = nCWL+BL+nWR
bank: RDA > ACT = RTP+nRP
bank: WRA > ACT = nCWL+BL+nWR+nRP
group: r > r = nCCDL
group: w > w = nCCDL_WR
group: w > r = nCWL+BLmax+nWTRL
group: ACT > ACT = nRRDL
rank: ACT > ACT = nRRDS
rank: ACT > ACT = nFAW [4]
rank: w > r = nCWL+BL+nWTRS
rank: ACT > PREab = nRAS
rank: RD > PREab = RTP
rank: WR > PREab = nCWL+BL+nWR
rank: PREab > ACT = nRPab
rank: ACT > REFab = nRC
rank: RDA > REFab = RTP+nRP
rank: WRA > REFab = nCWL+BL+nWR+nRP
"""
_ONE_BUS = """
channel: r > r = BL
channel: w > w = BL
"""
_HBM_BUS = """
rank: r > r = BL
rank: w > w = BL
"""
_COLUMN = """
rank: r > r = nCCDS
rank: w > w = nCCDS_WR
"""
_REFAB = """
rank: PREpb, PREab > REFab = nRP
rank: REFab > ACT, PREab = nRFC
"""
_PPD = "rank: PREpb, PREab > PREpb, PREab = nPPD\n"
_RANKS = """
other rank: r > r, w = BL+nCS
other rank: w > r = nCWL+BL+nCS-nCL
"""
_REFPB_BANK = """
bank: REFpb > ACT = nRFCpb
bank: ACT > REFpb = nRC
bank: PREpb > REFpb = nRP
"""
_REFPB_HBM = _REFPB_BANK + """
rank: REFpb > ACT = nRREFD
rank: ACT > REFpb = nRRDS
"""

_RAMULATOR: dict[str, str] = {
    "DDR4": _COMMON + _ONE_BUS + _COLUMN + _REFAB + _RANKS + "rank: r > w = nCL+BL+2-nCWL\n",
    "DDR5": _COMMON + _ONE_BUS + _COLUMN + _REFAB + _RANKS + _PPD + "rank: r > w = nCL+BL+4-nCWL\n",
    "LPDDR5": _COMMON + _ONE_BUS + _COLUMN + _REFAB + _PPD + _REFPB_BANK + """
        rank: r > w = nCL+BL+2-nCWL
        rank: REFab > REFpb, REFab = nRFC
        other rank: r > r, w = BL+nCS
        other rank: w > r = nCL+BL+nCS-nCWL
        rank: REFpb > REFpb = nPBR2PBR
        rank: REFpb > REFab = nRFCpb
        rank: REFpb > ACT = nPBR2ACT
        """,
    "HBM2": _COMMON + _HBM_BUS + _COLUMN + _REFAB + _REFPB_HBM + "rank: r > w = nCL+BL+2-nCWL\n",
    "HBM3": _COMMON + _HBM_BUS + _REFAB + _PPD + _REFPB_HBM + """
        sid: r > r = nCCDS
        sid: w > w = nCCDS
        other sid: r > r = nCCDR
        rank: r > w = nRTW
        rank: REFpb > REFpb = nRREFD
        """,
    "GDDR6": _COMMON + _ONE_BUS + _COLUMN + _PPD + _REFPB_BANK + """
        rank: r > w = nCL+1
        rank: PREab > REFab = nRP
        rank: REFab > ACT, PREpb, PREab, r, w, REFab, REFpb = nRFC
        rank: ACT > REFpb = nFAW [4]
        rank: REFpb > ACT, REFpb = nFAW [4]
        rank: ACT > REFpb = nRRDS
        rank: PREab > REFpb = nRP
        rank: RDA > REFpb = RTP+nRP
        rank: WRA > REFpb = nCWL+BL+nWR+nRP
        rank: REFpb > ACT, REFpb = nRREFD
        rank: REFpb > REFab = nRFCpb
        group: ACT > REFpb = nRRDL
        bank: RDA > REFpb = RTP+nRP
        bank: WRA > REFpb = nCWL+BL+nWR+nRP
        bank: REFpb > REFpb = nRFCpb
        """,
}

_STRICT_ALL = """
rank: REFab > ACT, PREpb, PREab, REFab = nRFC
rank: PREpb > REFab = nRP
rank: PREab > REFab = nRPab
rank: ACT > REFab = nRC
"""
"""Refresh and precharge edges that some of the tables lack (the audit in ramulator2#272)."""

_STRICT_REFPB = """
rank: REFab > REFpb = nRFC
rank: REFpb > REFab = nRFCpb
rank: PREab > REFpb = nRPab
bank: REFpb > REFpb = nRFCpb
bank: RDA > REFpb = RTP+nRP
bank: WRA > REFpb = nCWL+BL+nWR+nRP
"""
_STRICT_RANKS = """
other rank: r > r = BL+nCS
other rank: w > w = BL+nCS
other rank: r > w = nCL+BL+nCS-nCWL
other rank: w > r = nCWL+BL+nCS-nCL
"""
"""A burst starts nCS after the burst of another rank has ended, whichever way the two go."""

_STRICT_EXTRA: dict[str, str] = {
    "DDR4": _STRICT_RANKS, "DDR5": _STRICT_RANKS,
    "LPDDR5": _STRICT_RANKS + _STRICT_REFPB,
    "HBM2": _STRICT_REFPB + "rank: REFpb > REFpb = nRREFD\n",
    "HBM3": _STRICT_REFPB + "rank: REFpb > REFpb = nRREFD\n",
    "GDDR6": _STRICT_REFPB,
}
_SAME_BANK = """
bank: ACT > REFsb = nRC
bank: PREpb > REFsb = nRP
bank: RDA > REFsb = RTP+nRP
bank: WRA > REFsb = nCWL+BL+nWR+nRP
bank: REFsb > ACT = nRFCsb
rank: ACT > REFsb = nRRDL
rank: PREab > REFsb = nRPab
rank: REFab > REFsb = nRFC
rank: REFsb > REFsb, REFab, PREab = nRFCsb
rank: REFsb > ACT = nREFSBRD
"""
"""Same-bank refresh of DDR5: one bank of every group; the bank rules hold for each of them."""
_LOW_POWER = """
rank: ACT > PDE = nRCDRD
rank: ACT > SRE = nRC
rank: r > PDE, SRE = nCL+BL+1
rank: WR > PDE, SRE = nCWL+BL+nWR
rank: RDA > PDE, SRE = RTP+nRP
rank: WRA > PDE, SRE = nCWL+BL+nWR+nRP
rank: PREpb > PDE, SRE = nRP
rank: PREab > PDE, SRE = nRPab
rank: REFab > PDE, SRE = nRFC
rank: PDE > PDX = nCKE
rank: SRE > SRX = nCKE+1
rank: PDX > PDE = nCKE
rank: PDX > ACT, PREpb, PREab, r, w, REFab, SRE = nXP
rank: SRX > ACT, PREpb, PREab, REFab, PDE, SRE = nXS
rank: SRX > r, w = nXSDLL
"""
"""Power-down and self-refresh. A rank falls asleep when all that it does is over: until then the low currents do not apply."""
_LOW_POWER_SAME_BANK = """
rank: REFsb > PDE, SRE = nRFCsb
rank: PDX > REFsb = nXP
rank: SRX > REFsb = nXS
"""
_GROUPS = {"r": ("RD", "RDA"), "w": ("WR", "WRA")}
_LINE = re.compile(r"(other )?(\w+): ([\w, ]+?) > ([\w, ]+?) = ([\w+-]+)(?: \[(\d)\])?")


@cache
def rules(standard: Standard, which: RuleSet, same_bank: bool = False, low_power: bool = False) -> tuple[Rule, ...]:
    """The rules of a standard, one for each pair of commands; those of same-bank refresh and of sleep on demand."""
    text = _RAMULATOR[standard]
    if which == "strict":
        if standard == "LPDDR5":  # its own sibling rule mixes up read and write latency
            text = "\n".join(line for line in text.splitlines() if "other rank" not in line)
        text += _STRICT_ALL + _STRICT_EXTRA[standard]
    if same_bank:
        text += _SAME_BANK
    if low_power:
        text += _LOW_POWER + (_LOW_POWER_SAME_BANK if same_bank else "")
    return tuple(dict.fromkeys(_parse(text)))


def _parse(text: str) -> Iterator[Rule]:
    for line in filter(None, map(str.strip, text.splitlines())):
        match = _LINE.fullmatch(line)
        if match is None:
            raise ValueError(f"not a timing rule: {line!r}")
        other, level, earlier, later, latency, window = match.groups()
        for first in _commands(earlier):
            for second in _commands(later):
                yield Rule(level, first, second, latency, int(window or 1), bool(other))


def _commands(text: str) -> Iterator[str]:
    for word in map(str.strip, text.split(",")):
        yield from _GROUPS.get(word, (word,))


def evaluate(expression: str, device: Device) -> int:
    """The latency of a rule in clocks: a sum of timing parameters and integers."""
    total = 0
    for sign, term in re.findall(r"([+-]?)(\w+)", expression):
        value = int(term) if term.isdigit() else device.clocks(term)
        total += -value if sign == "-" else value
    return total
