"""The next row command of every bank, side by side, so that choosing one takes no branch and looks at no request.

A bank has a cell in each of three lists: the first clock that the bank and its group allow, the age of the request
(its number, and the place of the bank), and whether the command is PRE (1) or ACT (0). Whatever happens to a bank
has its cell written anew; what a rank allows is looked at when choosing. A bank without a row command has the clock
`FAR` and the age `NOBODY`. The lists hold for the direction that the channel is in.
"""

from __future__ import annotations

from typing import Any

from numba import njit

from ..commands import ACT, PRE
from ..core.state import (
    ACTIVATING,
    B_ACTIVE,
    B_CELL,
    B_GROUP,
    B_QUEUE,
    B_READY,
    B_ROW,
    B_SIZE,
    C_FIRST_RANK,
    C_N_ACTIVE,
    C_OWED,
    C_PAIR_BANK,
    C_PAIR_RANK,
    C_PAIR_TICK,
    C_RANK_STEP,
    C_ROWS,
    C_WRITING,
    CLOSED,
    E_ID,
    FAR,
    HBM3,
    K_BANKS,
    K_BANKS_PER_GROUP,
    K_BANKS_PER_RANK,
    K_FAMILY,
    K_RANKS,
    K_ROW_HIT_FIRST,
    NOBODY,
    PLACE_BITS,
    Q_HIT,
    Q_MISS,
    Q_SIZE,
    R_READY,
)

__all__ = ["KEY_SHIFT", "LATER", "NOTHING", "best_row", "note", "note_banks", "note_group"]

KEY_SHIFT = 48
"""A key is the wait of a command, at most `LATER`, above the age of its request: the least key is the next command."""
LATER = (1 << 62 - KEY_SHIFT) - 1
NOTHING = LATER << KEY_SHIFT | NOBODY


@njit(cache=True, nogil=True)
def note(m: Any, s: int, b: int) -> None:
    """Write the cell of a bank."""
    cell, n = m[b + B_CELL], m[K_BANKS]
    q = b + B_QUEUE + m[s + C_WRITING] * Q_SIZE
    row, miss = m[b + B_ROW], m[q + Q_MISS]
    cmd = ACT if row == CLOSED else PRE
    barred = miss < 0
    if cmd == PRE:
        barred |= row == ACTIVATING or (m[b + B_ACTIVE] > 0 and m[s + C_N_ACTIVE] > 0)
        if m[K_ROW_HIT_FIRST] and m[q + Q_HIT] >= 0:
            barred |= m[m[q + Q_HIT] + E_ID] < m[miss + E_ID]
    place = cell - m[s + C_ROWS]
    m[cell] = FAR if barred else max(m[b + B_READY + cmd], m[m[b + B_GROUP] + cmd])
    m[cell + n] = NOBODY if barred else m[miss + E_ID] << PLACE_BITS | place
    m[cell + 2 * n] = cmd


@njit(cache=True, nogil=True)
def note_banks(m: Any, s: int, b: int, count: int) -> None:
    """Write the cells of `count` banks from `b` on."""
    for _ in range(count):
        note(m, s, b)
        b += B_SIZE


@njit(cache=True, nogil=True)
def note_group(m: Any, s: int, b: int) -> None:
    """Make the banks of a group wait as long as their group does for an ACT, after one of them had its own."""
    n, count = m[K_BANKS], m[K_BANKS_PER_GROUP]
    place = m[b + B_CELL] - m[s + C_ROWS]
    first = m[b + B_CELL] - (place & (count - 1))
    when = m[m[b + B_GROUP] + ACT]
    for cell in range(first, first + count):
        m[cell] = m[cell] if m[cell + 2 * n] else max(m[cell], when)


@njit(cache=True, nogil=True)
def _least(m: Any, cell: int, n: int, count: int, t: int, act: int, pre: int) -> int:
    """The least key of `count` cells; `act` and `pre` are the clocks from which their rank takes these commands."""
    best = NOTHING
    for i in range(cell, cell + count):
        when = max(m[i], pre if m[i + 2 * n] else act)
        best = min(best, min(when - t, LATER) << KEY_SHIFT | m[i + n])
    return best


@njit(cache=True, nogil=True)
def _least_hbm3(m: Any, s: int, r: int, cell: int, n: int, count: int, t: int, act: int, pre: int) -> int:
    """HBM3: ACT at odd ticks only; the even tick paired with a row command takes no PRE to its bank, nor to any after all."""
    best = NOTHING
    paired = m[s + C_PAIR_TICK] if m[s + C_PAIR_RANK] == r else -1
    whole = m[s + C_PAIR_BANK] < 0
    only = -1 if whole else m[m[s + C_PAIR_BANK] + B_CELL]
    for i in range(cell, cell + count):
        when = max(m[i], pre) if m[i + 2 * n] else max(m[i], act) | 1
        if m[i + 2 * n] and when == paired and (whole or i == only):
            when += 1
        best = min(best, min(when - t, LATER) << KEY_SHIFT | m[i + n])
    return best


@njit(cache=True, nogil=True)
def best_row(m: Any, s: int, t: int) -> int:
    """The least key of all row commands, not before clock t; `NOTHING` if there is none as things stand."""
    n, count = m[K_BANKS], m[K_BANKS_PER_RANK]
    cell = m[s + C_ROWS]
    r = m[s + C_FIRST_RANK]
    best = NOTHING
    for _ in range(m[K_RANKS]):
        act = FAR if m[s + C_OWED] >= 0 else max(t, m[r + R_READY + ACT])
        pre = max(t, m[r + R_READY + PRE])
        if m[K_FAMILY] == HBM3:
            best = min(best, _least_hbm3(m, s, r, cell, n, count, t, act, pre))
        else:
            best = min(best, _least(m, cell, n, count, t, act, pre))
        cell += count
        r += m[s + C_RANK_STEP]
    return best
