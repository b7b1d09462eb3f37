"""A memory by requests instead of clocks: which one comes next, and when its bank and its bus let it.

Requests enter the buffers in the order of the trace, each when there is a place. Of those that wait, the one whose data can
move first is next: its bank opens a row unless it is open, and the rules between commands (`rules.py`, the same that the
controller obeys) say when. Which request of a bank that is, when it closes its row, and when refresh stops it, is as the
controller has it. Left out: the command bus, orders within an activation, refresh before it is due, and sleep.
"""

# mypy: allow-untyped-defs
# The kernels take int64 scalars and arrays; docstrings give the shapes.
from __future__ import annotations

import numpy as np
from numba import njit

from .delays import (
    ACT_ACT,
    ACT_COLUMN,
    ACT_PRE,
    BURST,
    CLOSE_ALL,
    COLUMN_PRE,
    DATA,
    FOUR_ACT,
    GROUP_ACT,
    INTERVAL,
    OTHER_RANK,
    PRE_ACT,
    RANK_ACT,
    REFRESH,
    SAME_GROUP,
    SAME_RANK,
)

__all__ = ["ACTIVE", "ACTS", "ADAPTED", "CYCLES", "DEBT", "FULL", "GROUPED", "HELD", "HITS", "LATENCY", "LIMITED", "N_OUT",
           "N_TOLD", "ORDERED", "ORDER_TOLD", "OVERTAKEN", "OWED", "PEAK", "REFRESHES", "STOPPED", "TURNS", "serve"]

CYCLES, LATENCY, ORDERED, ACTS, ACTIVE, HITS, TURNS, REFRESHES, OWED = range(9)
N_TOLD = 9
"""What a run writes: its end; sums of latencies, as data comes and with answers in order; activations; ticks with an open row;
requests whose row was open; changes of direction; refreshes, and those still due at the end."""
PEAK, HELD, DEBT, FULL, LIMITED, ORDER_TOLD, STOPPED, OVERTAKEN, GROUPED, ADAPTED = 9, 11, 14, 15, 16, 17, 18, 19, 20, 21
N_OUT = 22
"""And which knobs mattered, see `shared.py`: most requests under way, as data comes and in order; most in a buffer of each
kind; most refreshes owed while requests waited; then 0 or 1: whether a buffer was full; whether requests had to wait for those
under way; whether that differed with answers in order; whether refresh did anything; whether a request was before an older one
of its bank; whether for its direction; whether an adaptive page policy did what the other does not."""

_FIFO, _GROUPED = 0, 2
_OPEN, _OPEN_ADAPTIVE, _CLOSED = 0, 1, 2
_BANKWISE, _READ_WRITE = 0, 1
_PAST = -(1 << 40)
_DIRECTED = 1 << 40
"""More than any request's number."""


@njit(cache=True, nogil=True)
def _pick(b, head, after, row, write, key, accepted, open_row, may_close, scheduler, last):
    """The request that a bank works on: the oldest, a hit before it, or such a hit in the direction of the bus.

    `_DIRECTED` is added to one that only the direction puts before others.
    """
    first = head[b]
    if first < 0 or scheduler == _FIFO:
        return first
    wanted = open_row[b]
    if wanted >= 0:
        start = max(may_close[b], accepted[first] + 1)
        e = first
        while e >= 0 and row[e] != wanted and (e == first or accepted[e] < start):
            e = after[e]
        if e >= 0 and row[e] == wanted and (e == first or accepted[e] < start):
            first = e
    if scheduler < _GROUPED:
        return first
    wanted = row[first]
    e = first
    while e >= 0:
        if row[e] == wanted and write[e] == last:
            older = first
            while older != e and (row[older] != wanted or key[older] != key[e]):
                older = after[older]
            return e | _DIRECTED if older == e and e != first else first
        e = after[e]
    return first


@njit(cache=True, nogil=True, inline="always")
def _when(
    e, b, oldest, row, write, accepted, rank_of, group_of, open_row, opened, may_close, may_open, rank_free, group_free,
    rank_act, group_act, four, n_act, single, double,
):
    """When request e of bank b can move its data, and when its row is opened for that (-1: it is open)."""
    d, r, g = write[e], rank_of[b], group_of[b]
    at, act = max(rank_free[r, d], group_free[g, d], accepted[e] + 1), np.int64(-1)
    if open_row[b] == row[e]:
        return max(at, opened[b] + double[ACT_COLUMN, d, 0]), act
    # It is opened for the oldest, though another of that row may be first then.
    start = accepted[oldest] + 1
    act = max(may_close[b], start) + single[PRE_ACT] if open_row[b] >= 0 else start
    act = max(act, may_open[b], group_act[g] + single[GROUP_ACT], rank_act[r] + single[RANK_ACT],
              four[r, n_act[r] & 3] + single[FOUR_ACT])
    return max(at, act + double[ACT_COLUMN, d, 0]), act


@njit(cache=True, nogil=True)
def _merged(begin, end, count):
    """Ticks that intervals cover which begin in nearly rising order."""
    for i in range(1, count):
        a, z = begin[i], end[i]
        j = i - 1
        while j >= 0 and begin[j] > a:
            begin[j + 1], end[j + 1] = begin[j], end[j]
            j -= 1
        begin[j + 1], end[j + 1] = a, z
    total, until = 0, np.int64(_PAST)
    for i in range(count):
        total += max(0, end[i] - max(begin[i], until))
        until = max(until, end[i])
    return total


@njit(cache=True, nogil=True)
def serve(
    arrival, write, key, channel, rank, group, bank, row, sizes, single, double, page, scheduler, refresh, postponed, buffer,
    size, active, in_order, out,
):
    """Send requests through the memory and write `out`, float64[N_OUT].

    arrival to row are int64[n], numbers over all channels; sizes are those of channels, ranks, groups and banks, and whether
    ranks have a bus each; single and double are `delays_of`; then the knobs: page policy, scheduler, buffer by number,
    refresh and answers in order as 0 and 1, refreshes put off, places in a buffer, requests under way (0: any number).
    """
    n = len(arrival)
    channels, ranks, groups, banks, own_bus = sizes
    rank_of, group_of, channel_of = np.zeros(banks, np.int64), np.zeros(banks, np.int64), np.zeros(banks, np.int64)
    for i in range(n):
        rank_of[bank[i]], group_of[bank[i]], channel_of[bank[i]] = rank[i], group[i], channel[i]
    head, tail, waits = np.full(banks, -1, np.int64), np.full(banks, -1, np.int64), np.zeros(banks, np.int64)
    after, before = np.full(n, -1, np.int64), np.full(n, -1, np.int64)
    choice = np.full(banks, -1, np.int64)
    busy, place, n_busy = np.zeros(banks, np.int64), np.zeros(banks, np.int64), 0
    open_row, opened = np.full(banks, -1, np.int64), np.full(banks, _PAST, np.int64)
    may_close, may_open = np.full(banks, _PAST, np.int64), np.zeros(banks, np.int64)
    begin, end, spell, spells = np.zeros(n, np.int64), np.zeros(n, np.int64), np.zeros(banks, np.int64), 0
    rank_free, group_free = np.zeros((ranks, 2), np.int64), np.zeros((groups, 2), np.int64)
    rank_act, group_act = np.full(ranks, _PAST, np.int64), np.full(groups, _PAST, np.int64)
    four, n_act = np.full((ranks, 4), _PAST, np.int64), np.zeros(ranks, np.int64)
    last = np.zeros(channels, np.int64)
    pools = channels * (2 if buffer == _READ_WRITE else 1)
    if buffer == _BANKWISE:
        pools = banks
    held, freed = np.zeros(pools, np.int64), np.zeros(pools, np.int64)
    of_direction, of_channel = np.zeros(2 * channels, np.int64), np.zeros(channels, np.int64)
    # What mattered; a choice with `_DIRECTED` leaves it in `chosen`.
    held_most, debt_most, chosen = np.zeros(3, np.int64), 0, 0
    full, limited, order_told, stopped, overtaken, adapted = False, False, False, False, False, False
    accepted, done = np.full(n, -1, np.int64), np.full(n, -1, np.int64)
    # Answers as data comes, and in order: how many, when, how many of them before the last acceptance, most under way.
    n_given, given = np.zeros(2, np.int64), np.zeros((2, n), np.int64)
    by, peak = np.zeros(2, np.int64), np.zeros(2, np.int64)
    entered, served, previous, now = 0, 0, np.int64(-1), np.int64(0)
    latency, in_turn, hits, turns, refreshes = 0.0, 0.0, 0, 0, 0
    due, debt, blocked = single[INTERVAL], 0, np.int64(-1)
    known, best, best_at, best_act = False, -1, np.int64(0), np.int64(0)
    while served < n:
        if not known:
            best, best_at, best_act = -1, np.int64(1) << 60, np.int64(0)
            for k in range(n_busy):
                b = busy[k]
                e = choice[b]
                at, act = _when(e, b, head[b], row, write, accepted, rank_of, group_of, open_row, opened, may_close, may_open,
                                rank_free, group_free, rank_act, group_act, four, n_act, single, double)
                if at < best_at or (at == best_at and e < best):
                    best, best_at, best_act = e, at, act
            known = True
        if entered < n:
            i = entered
            b = bank[i]
            pool = b if buffer == _BANKWISE else (2 * channel[i] + write[i] if buffer == _READ_WRITE else channel[i])
            at, room = max(previous + 1, arrival[i]), held[pool] < size
            if not room or freed[pool] > at:
                full = True
                at = max(at, freed[pool])
            if room and active > 0 and i >= active:
                now_by = max(at, given[0, i - active]) if n_given[0] > i - active else np.int64(-1)
                in_turn_by = max(at, given[1, i - active]) if n_given[1] > i - active else np.int64(-1)
                if now_by != in_turn_by:
                    order_told = True
                by_then = in_turn_by if in_order else now_by
                if by_then != at:
                    limited = True
                at, room = by_then, by_then >= 0
            if room:
                if n_busy == 0 and refresh:  # nothing is in the way of what has come due
                    while due <= at:
                        debt += 1
                        due += single[INTERVAL]
                    start = now
                    while debt > 0:
                        start = max(start, due - debt * single[INTERVAL])
                        start, closed = _close(start, at, single, open_row, may_close, may_open, spell, end)
                        stopped |= closed
                        if start > at:
                            break
                        _refresh(start, single, may_open)
                        stopped = True
                        debt, refreshes = debt - 1, refreshes + 1
                    blocked = np.int64(-1)
                if best < 0 or at < best_at:
                    accepted[i] = previous = at
                    held[pool] += 1
                    entered += 1
                    for o in range(2):
                        while by[o] < n_given[o] and given[o, by[o]] <= at:
                            by[o] += 1
                        peak[o] = max(peak[o], entered - by[o])
                    if head[b] < 0:
                        head[b], busy[n_busy], place[b] = i, b, n_busy
                        n_busy += 1
                    else:
                        after[tail[b]], before[i] = i, tail[b]
                    tail[b] = i
                    waits[b] += 1
                    of_direction[2 * channel[i] + write[i]] += 1
                    of_channel[channel[i]] += 1
                    held_most[0] = max(held_most[0], waits[b])
                    held_most[1] = max(held_most[1], of_direction[2 * channel[i] + write[i]])
                    held_most[2] = max(held_most[2], of_channel[channel[i]])
                    found = _pick(b, head, after, row, write, key, accepted, open_row, may_close, scheduler, last[channel[i]])
                    chosen |= found
                    found &= _DIRECTED - 1
                    overtaken |= found != head[b]
                    if found != choice[b]:
                        choice[b] = found
                        known = best >= 0 and bank[best] != b
                        if known:
                            at, act = _when(
                                found, b, head[b], row, write, accepted, rank_of, group_of, open_row, opened, may_close,
                                may_open, rank_free, group_free, rank_act, group_act, four, n_act, single, double)
                            if at < best_at or (at == best_at and found < best):
                                best, best_at, best_act = found, at, act
                    continue
        e, b = best, bank[best]
        if refresh:
            while due <= best_at:
                debt += 1
                debt_most = max(debt_most, debt)
                if debt > postponed and blocked < 0:
                    blocked = due
                due += single[INTERVAL]
            if blocked >= 0 and (best_at if best_act < 0 else best_act) >= blocked:
                at, _ = _close(blocked, np.int64(1) << 60, single, open_row, may_close, may_open, spell, end)
                _refresh(at, single, may_open)
                stopped = True
                debt, refreshes = debt - 1, refreshes + 1
                blocked = at if debt > postponed else np.int64(-1)
                for k in range(n_busy):
                    found = _pick(busy[k], head, after, row, write, key, accepted, open_row, may_close, scheduler,
                                  last[channel_of[busy[k]]])
                    chosen |= found
                    choice[busy[k]] = found & (_DIRECTED - 1)
                    overtaken |= choice[busy[k]] != head[busy[k]]
                known = False
                continue
        d, r, g, c = write[e], rank_of[b], group_of[b], channel[e]
        if best_act >= 0:
            if open_row[b] >= 0:
                end[spell[b]] = max(may_close[b], accepted[head[b]] + 1)
            spell[b], begin[spells], end[spells] = spells, best_act, -1
            spells += 1
            opened[b], open_row[b] = best_act, row[e]
            may_open[b] = best_act + single[ACT_ACT]
            may_close[b] = best_act + single[ACT_PRE]
            rank_act[r] = group_act[g] = best_act
            four[r, n_act[r] & 3] = best_act
            n_act[r] += 1
        else:
            hits += 1
        now = best_at
        may_close[b] = max(may_close[b], now + double[COLUMN_PRE, d, 0])
        # The bus and its ranks.
        for later in range(2):
            group_free[g, later] = max(group_free[g, later], now + double[SAME_GROUP, d, later])
            rank_free[r, later] = max(rank_free[r, later], now + double[SAME_RANK, d, later])
        if ranks > channels and not own_bus:
            each = ranks // channels
            for other in range(c * each, (c + 1) * each):
                if other != r:
                    for later in range(2):
                        rank_free[other, later] = max(rank_free[other, later], now + double[OTHER_RANK, d, later])
        # It leaves its buffer.
        if before[e] >= 0:
            after[before[e]] = after[e]
        else:
            head[b] = after[e]
        if after[e] >= 0:
            before[after[e]] = before[e]
        else:
            tail[b] = before[e]
        waits[b] -= 1
        of_direction[2 * c + d] -= 1
        of_channel[c] -= 1
        pool = b if buffer == _BANKWISE else (2 * c + d if buffer == _READ_WRITE else c)
        if held[pool] == size:
            freed[pool] = now
        held[pool] -= 1
        if page == _CLOSED:
            closes = True
        elif page == _OPEN:
            closes = False
        else:
            closes = page > _CLOSED or waits[b] > 0
            k = head[b]
            while k >= 0 and closes:
                closes = row[k] != row[e]
                k = after[k]
            adapted |= closes != (page > _CLOSED)
        if closes:
            end[spell[b]] = may_close[b]
            may_open[b] = max(may_open[b], may_close[b] + single[PRE_ACT])
            open_row[b] = -1
        if head[b] < 0:
            n_busy -= 1
            moved = busy[n_busy]
            busy[place[b]], place[moved] = moved, place[b]
            choice[b] = -1
        if d != last[c]:
            turns += 1
            last[c] = d
            if scheduler >= _GROUPED:
                for k in range(n_busy):
                    if channel_of[busy[k]] == c:
                        found = _pick(busy[k], head, after, row, write, key, accepted, open_row, may_close, scheduler, d)
                        chosen |= found
                        choice[busy[k]] = found & (_DIRECTED - 1)
                        overtaken |= choice[busy[k]] != head[busy[k]]
        if head[b] >= 0:
            found = _pick(b, head, after, row, write, key, accepted, open_row, may_close, scheduler, last[c])
            chosen |= found
            choice[b] = found & (_DIRECTED - 1)
            overtaken |= choice[b] != head[b]
        done[e] = now + double[DATA, d, 0] + single[BURST]
        served += 1
        latency += done[e] - accepted[e]
        given[0, n_given[0]] = done[e]
        n_given[0] += 1
        while n_given[1] < entered and done[n_given[1]] >= 0:
            o = n_given[1]
            given[1, o] = max(done[o], given[1, o - 1] if o > 0 else 0)
            in_turn += given[1, o] - accepted[o]
            n_given[1] += 1
        known = False
    answered = np.int64(0)
    for i in range(n):
        answered = max(answered, done[i])
    for b in range(banks):
        if open_row[b] >= 0:
            end[spell[b]] = answered
    out[CYCLES], out[LATENCY], out[ORDERED], out[ACTS] = answered, latency, in_turn, spells
    out[ACTIVE], out[HITS], out[TURNS], out[REFRESHES] = _merged(begin, end, spells), hits, turns, refreshes
    out[OWED] = max(0, answered // single[INTERVAL] - refreshes)
    out[PEAK], out[PEAK + 1], out[DEBT] = peak[0], peak[1], debt_most
    out[HELD : HELD + 3] = held_most
    out[FULL], out[LIMITED], out[ORDER_TOLD], out[STOPPED], out[ADAPTED] = full, limited, order_told, stopped, adapted
    out[OVERTAKEN], out[GROUPED] = overtaken, chosen >= _DIRECTED


@njit(cache=True, nogil=True)
def _close(start, by, single, open_row, may_close, may_open, spell, end):
    """Close all rows, not before `start` and only if possible by `by`; return when a refresh may begin, and whether any was."""
    at, closes = start, False
    for b in range(len(open_row)):
        if open_row[b] >= 0:
            at, closes = max(at, may_close[b]), True
    if at > by:
        return at, False
    if closes:
        for b in range(len(open_row)):
            if open_row[b] >= 0:
                end[spell[b]] = at
                open_row[b] = -1
                may_open[b] = max(may_open[b], at + single[CLOSE_ALL])
    for b in range(len(open_row)):
        at = max(at, may_open[b])
    return at, closes


@njit(cache=True, nogil=True)
def _refresh(at, single, may_open):
    for b in range(len(may_open)):
        may_open[b] = at + single[REFRESH]
