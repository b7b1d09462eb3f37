"""Which command is next: the earliest that becomes legal, the oldest request among equals."""

from __future__ import annotations

from typing import Any

from numba import njit

from ..commands import ACT, PRE, PREA, RD, REFAB, REFPB, WR
from .issue import earliest, earliest_rank
from .state import ACTIVATING, CLOSED, FAR

__all__ = ["best_active", "best_queued", "head_of_maintenance", "set_mode"]

_ANY, _COLUMN, _ROW = 0, 1, 2
"""What a slot may send: any command, only accesses, only ACT and PRE."""


@njit(cache=True, nogil=True)
def _odd(when: int, family: int) -> int:
    """HBM3 sends accesses, ACT and REF only at odd ticks."""
    return when | 1 if family == 3 else when


@njit(cache=True, nogil=True)
def _unpaired(s: Any, family: int, when: int, rank: int, bank: int, whole: bool) -> int:
    """HBM3: the even tick that is paired with a row command takes no PRE to the same bank (or all) of its rank."""
    if family == 3 and when == s.pair_tick and rank == s.pair_rank and (whole or s.pair_bank < 0 or s.pair_bank == bank):
        return when + 1
    return when


@njit(cache=True, nogil=True)
def set_mode(s: Any, c: Any) -> None:
    """Turn between reading and writing, at most once per test."""
    if s.writing:
        if s.n_write < c.low and s.n_read > 0:
            s.writing = 0
    elif s.n_write > c.high or s.n_read == 0:
        s.writing = 1


@njit(cache=True, nogil=True)
def best_active(st: Any, ch: int, t: int, kind: int) -> tuple[int, int, int]:
    """(clock, slot, command) of the request with an opened row that can go on first, not before t."""
    s = st.chan[ch]
    family = st.config[0].family
    best, best_id, best_slot, best_cmd = FAR, FAR, -1, -1
    for i in range(s.n_active):
        slot = st.active[ch, i]
        e = st.entry[slot]
        b = st.bank[e.bank]
        if b.open_row == e.row:
            cmd = WR if e.write else RD
        elif kind == _COLUMN or b.open_row == ACTIVATING:
            continue
        elif b.open_row == CLOSED:
            if s.owed >= 0:
                continue
            cmd = ACT
        else:
            cmd = PRE
        when = _odd(max(t, earliest(st.ready, b, cmd)), family)  # the gate of these is the command itself
        if when < best or (when == best and e.id < best_id):
            best, best_id, best_slot, best_cmd = when, e.id, slot, cmd
    return best, best_slot, best_cmd


@njit(cache=True, nogil=True)
def best_queued(st: Any, ch: int, write: int, t: int, kind: int) -> tuple[int, int, int]:
    """(clock, slot, command) of the queued request that can go first, not before t."""
    s = st.chan[ch]
    c = st.config[0]
    family = c.family
    ready = st.ready
    occupied = st.occupied[ch, write]
    best, best_id, best_slot, best_cmd = FAR, FAR, -1, -1
    for i in range(occupied[occupied.shape[0] - 1]):
        bank = occupied[i]
        b = st.bank[bank]
        q = st.queue[bank, write]
        if b.open_row == CLOSED:
            if kind != _COLUMN and s.owed < 0:
                slot = q.miss
                when = _odd(max(t, earliest(ready, b, ACT)), family)
                if when < best or (when == best and st.entry[slot].id < best_id):
                    best, best_id, best_slot, best_cmd = when, st.entry[slot].id, slot, ACT
            continue
        if q.hit >= 0 and kind != _ROW:
            slot = q.hit
            cmd = WR if write else RD
            when = _odd(max(t, earliest(ready, b, cmd)), family)
            if when < best or (when == best and st.entry[slot].id < best_id):
                best, best_id, best_slot, best_cmd = when, st.entry[slot].id, slot, cmd
        if q.miss >= 0 and kind != _COLUMN and b.open_row != ACTIVATING and not (b.active > 0 and s.n_active > 0):
            slot = q.miss
            if c.row_hit_first and q.hit >= 0 and st.entry[q.hit].id < st.entry[slot].id:
                continue
            when = _unpaired(s, family, max(t, earliest(ready, b, PRE)), b.rank_index, bank, False)
            if when < best or (when == best and st.entry[slot].id < best_id):
                best, best_id, best_slot, best_cmd = when, st.entry[slot].id, slot, PRE
    return best, best_slot, best_cmd


@njit(cache=True, nogil=True)
def head_of_maintenance(st: Any, ch: int, t: int) -> tuple[int, int, int]:
    """(clock, bank, command) of the first waiting refresh or precharge; FAR while a bar holds."""
    s = st.chan[ch]
    family = st.config[0].family
    kind = st.maint[ch, s.maint_head, 0]
    bank = st.maint[ch, s.maint_head, 1]
    b = st.bank[bank]
    r = st.rank[b.rank_index]
    owed_bank = st.entry[s.owed].bank if s.owed >= 0 else -1
    if kind == REFAB:
        if owed_bank >= 0 and st.bank[owed_bank].rank_index == b.rank_index:
            return FAR, bank, PREA
        if r.open == 0:
            return _odd(max(t, earliest_rank(st.ready, b, 5)), family), bank, REFAB
        if r.active > 0 and s.n_active > 0:
            return FAR, bank, PREA
        when = max(t, earliest_rank(st.ready, b, 2))
        return _unpaired(s, family, when, b.rank_index, -1, True), bank, PREA
    if owed_bank == bank:
        return FAR, bank, kind
    if kind == REFPB and b.open_row == CLOSED:
        return _odd(max(t, earliest(st.ready, b, 6)), family), bank, REFPB
    if b.active > 0 and s.n_active > 0:
        return FAR, bank, PRE
    return _unpaired(s, family, max(t, earliest(st.ready, b, PRE)), b.rank_index, bank, False), bank, PRE
