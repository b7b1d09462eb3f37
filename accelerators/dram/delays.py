"""What a recurrence over requests needs of the timing rules (`rules.py`): a few delays between commands."""

# mypy: allow-untyped-defs
from __future__ import annotations

import numpy as np

from ...simulator.memory.dram.commands import ACT, GATE, LEVEL_NAMES, NONE, PRE, RD, RDA, WR, WRA
from ...simulator.memory.dram.timing import Timing

__all__ = [
    "ACT_ACT", "ACT_COLUMN", "ACT_PRE", "AUTO_ACT", "BURST", "CLOSE_ALL", "COLUMN_PRE", "DATA", "FOUR_ACT", "GROUP_ACT",
    "INTERVAL", "OTHER_RANK", "PRE_ACT", "RANK_ACT", "REFRESH", "SAME_GROUP", "SAME_RANK", "delays_of",
]

(ACT_ACT, ACT_PRE, PRE_ACT, RANK_ACT, GROUP_ACT, FOUR_ACT, BURST, INTERVAL, REFRESH, CLOSE_ALL) = range(10)
(ACT_COLUMN, COLUMN_PRE, AUTO_ACT, DATA, SAME_RANK, SAME_GROUP, OTHER_RANK) = range(7)


def delays_of(timing: Timing) -> tuple[np.ndarray, np.ndarray]:
    """Return the delays, in ticks: numbers int64[10], and int64[7, 2, 2] by two directions.

    The directions are those of an earlier access and of a later one; where a rule knows but one, it is the first.
    """
    same, sibling = timing.same, timing.sibling
    rank, group, bank = (LEVEL_NAMES.index(name) for name in ("rank", "group", "bank"))

    def within(earlier, later, *levels):
        return max(0, *(int(same[level, earlier, GATE[later]]) for level in levels))

    four = [int(row[3]) for row in timing.windows if row[1] == ACT and row[2] == GATE[ACT] and row[4] == 4]
    single = np.array([
        within(ACT, ACT, bank), within(ACT, PRE, bank), within(PRE, ACT, bank), within(ACT, ACT, 0, rank, 2),
        within(ACT, ACT, group), max(four, default=0), timing.ticks("BL"), timing.ticks("nREFI"), timing.ticks("nRFC"),
        timing.ticks("nRPab") or timing.ticks("nRP"),
    ], np.int64)
    double = np.zeros((7, 2, 2), np.int64)
    for d, (column, auto) in enumerate(((RD, RDA), (WR, WRA))):
        double[ACT_COLUMN, d] = within(ACT, column, bank)
        double[COLUMN_PRE, d] = within(column, PRE, bank)
        double[AUTO_ACT, d] = within(auto, ACT, bank)
        double[DATA, d] = timing.ticks("nCWL" if d else "nCL")
        for later, to in enumerate((RD, WR)):
            double[SAME_RANK, d, later] = within(column, to, 0, rank, 2)
            double[SAME_GROUP, d, later] = within(column, to, group)
            double[OTHER_RANK, d, later] = max(within(column, to, 0), int(sibling[rank, column, GATE[to]]), NONE)
    return single, double
