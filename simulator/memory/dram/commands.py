"""The commands on a DRAM command bus, and what the timing tables are indexed by.

`GATE` maps a command to the column of the ready-time table that guards it: reads with and without
auto-precharge wait for the same things, and so do writes.
"""

from __future__ import annotations

__all__ = [
    "ACT", "ACT2", "CAS", "COMMANDS", "GATE", "GATES", "GATE_NAMES", "LEVELS", "LEVEL_NAMES", "NONE", "PDE", "PDX",
    "PRE", "PREA", "RD", "RDA", "REFAB", "REFPB", "REFSB", "SRE", "SRX", "WR", "WRA",
]

COMMANDS = (
    "ACT", "PREpb", "PREab", "RD", "WR", "RDA", "WRA", "REFab", "REFpb", "ACT2", "CAS", "PDE", "PDX", "SRE", "SRX",
    "REFsb",
)
ACT, PRE, PREA, RD, WR, RDA, WRA, REFAB, REFPB, ACT2, CAS, PDE, PDX, SRE, SRX, REFSB = range(len(COMMANDS))
"""Positions in `COMMANDS`. For LPDDR5 `ACT` is the first of the two activation commands (ACT1)."""

GATE_NAMES = ("ACT", "PREpb", "PREab", "RD", "WR", "REFab", "REFpb", "PDE", "PDX", "SRE", "REFsb")
GATES = len(GATE_NAMES)
GATE = (0, 1, 2, 3, 4, 3, 4, 5, 6, 0, 3, 7, 8, 9, 8, 10)
"""Column of the ready table for each command. ACT2 and CAS are bound by no table, only by their controller; both ways out of
sleep, PDX and SRX, wait at one gate."""

LEVEL_NAMES = ("channel", "rank", "sid", "group", "bank")
LEVELS = len(LEVEL_NAMES)
"""Nodes of the device tree. The rank level is the pseudo-channel of an HBM device."""

NONE = -(1 << 40)
"""No rule: adding it to any clock gives a time long past."""
