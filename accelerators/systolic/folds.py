"""How long the folds of one step keep the array: the compiled rules.

A fold has a shape: t steps stream over r rows and c columns (all rows and columns of the array, or those in
use if idle ones are skipped). Relative to the cycle in which it begins to stream,

    its outputs have left after       span = t + r + c - 2 + stages - 1
    the operand that stays was loaded in the r cycles before (weight and input stationary)

and the next fold, whose own load takes r' cycles, begins to stream

                                 output stationary     weight or input stationary
    nothing overlapped           span                  span + r'
    overlap_drain                max(t, r)             t + c - 1 + r'
    overlap_preload              span                  max(span, r')
    both                         max(t, r)             max(t, r')

cycles later. Overlapped drain, output stationary: PE (0, 0) is free after t steps, and a column's r outputs
leave one by one before the next come. Weight stationary: the last input has left the first row's last column
after t + c - 1 cycles, and new weights follow it down the rows. Overlapped preload: each PE has a second
register, which is free once the fold that it was loaded for has begun.

Row folds are the inner loop, column folds the outer; a group's folds follow the last group's. Groups of one fold may
share it, `packed` at a time, on the diagonal: each has rows and columns of its own.
"""

# mypy: allow-untyped-defs
# Kernels take int64 scalars and arrays; their docstrings give the shapes.
from __future__ import annotations

from numba import njit

__all__ = ["DONE", "LAST", "LEAD", "N_TIMES", "SPAN", "STAGES", "array_time", "most_packed", "step_times"]

# What `step_times` says of a step, in cycles from its begin: the load of its first fold or, with overlapped
# preload, its first streaming.
LEAD, LAST, SPAN, DONE = range(4)
N_TIMES = 4

# Columns of `options`.
STAYS_OUTPUT, SKIP_IDLE, DRAIN, PRELOAD, STAGES = range(5)


@njit(cache=True, nogil=True)
def most_packed(sr, sc, rows, cols):
    """Return how many groups of sr x sc positions fit on the array's diagonal; at least 1."""
    return max(1, min(rows // sr, cols // sc))


@njit(cache=True, nogil=True, inline="always")
def _span(options, t, r, c):
    return t + r + c - 2 + options[STAGES] - 1


@njit(cache=True, nogil=True, inline="always")
def _free(options, t, r, c):
    """Cycles from a fold's streaming until the next may load (with overlapped preload: stream)."""
    if options[DRAIN] == 0:
        return _span(options, t, r, c)
    if options[STAYS_OUTPUT]:
        return max(t, r)
    return t if options[PRELOAD] else t + c - 1


@njit(cache=True, nogil=True, inline="always")
def _gap(options, t, r, c, r_next):
    """Cycles from a fold's streaming to the next one's."""
    free = _free(options, t, r, c)
    if options[STAYS_OUTPUT]:
        return free
    return max(free, r_next) if options[PRELOAD] else free + r_next


@njit(cache=True, nogil=True)
def step_times(options, rows, cols, sr, sc, t, groups, packed, out):
    """Write what a step of `groups` products of sr x sc positions does to the array, and return its folds.

    out[N_TIMES]: LEAD, the load that must precede its begin (overlapped preload only); LAST, when its last
    fold begins to stream; SPAN, when the array is free for another; DONE, when the last output has left.
    """
    down, across = -(-sr // rows), -(-sc // cols)
    if packed > 1:
        blocks = -(-groups // packed)
        rest = groups - (blocks - 1) * packed
        if blocks == 1:
            packed = rest
        r, c, r_end, c_end = packed * sr, packed * sc, rest * sr, rest * sc
    else:
        blocks = groups
        r, c = (rows if down > 1 else sr), (cols if across > 1 else sc)
        r_end, c_end = sr - (down - 1) * rows, sc - (across - 1) * cols
    if options[SKIP_IDLE] == 0:
        r, c, r_end, c_end = rows, cols, rows, cols

    # When the last fold streams after the first, and where the ones before it that may end later are.
    if packed > 1:
        to_end = _gap(options, t, r, c, r_end) if blocks > 1 else 0
        last = to_end + max(blocks - 2, 0) * _gap(options, t, r, c, r)
        late = max(last + r_end + c_end, last - to_end + r + c)
    else:
        to_end, to_end_wide = 0, 0  # to a column's last fold: in the last column, in the others
        column, column_wide = 0, 0
        if down > 1:
            to_end, to_end_wide = _gap(options, t, r, c_end, r_end), _gap(options, t, r, c, r_end)
            column = (down - 2) * _gap(options, t, r, c_end, r) + to_end
            column_wide = (down - 2) * _gap(options, t, r, c, r) + to_end_wide
        between = _gap(options, t, r_end, c, r) if across > 1 else 0
        last = (across - 1) * (column_wide + between) + column
        last = blocks * last + (blocks - 1) * _gap(options, t, r_end, c_end, r)
        late = max(last + r_end + c_end, last - to_end + r + c_end)
        if across > 1:
            before = last - column - between
            late = max(late, before + r_end + c, before - to_end_wide + r + c)

    load = 0 if options[STAYS_OUTPUT] else r
    out[LEAD] = load if options[PRELOAD] else 0
    begin = load - out[LEAD]
    out[LAST] = begin + last
    out[SPAN] = out[LAST] + _free(options, t, r_end, c_end)
    out[DONE] = begin + late + t - 2 + options[STAGES] - 1
    return blocks * down * across


@njit(cache=True, nogil=True, inline="always")
def _share(options, t, r, c):
    """A fold's share of the array's time: its part of the gaps around it, in whatever order the folds come."""
    free = _free(options, t, r, c)
    return free if options[STAYS_OUTPUT] or options[PRELOAD] else free + r


@njit(cache=True, nogil=True)
def array_time(options, rows, cols, sr, sc, t, tile_t, groups, tile_groups, packed, out):
    """Write folds, cycles in which they stream, the time that they take at least, and the load before that.

    It is the whole product: `groups` of sr x sc positions for t steps, of which tiles of whole folds take
    `tile_t` steps of `tile_groups` groups; where else they are cut does not matter. The time (out[2]) holds if
    nothing is waited for but the first load under overlapped preload, which is out[3]. It is exact but for folds whose load
    is longer than what hides it.
    """
    down, across = -(-sr // rows), -(-sc // cols)
    passes = -(-t // tile_t)
    t_end = t - (passes - 1) * tile_t
    skip = options[SKIP_IDLE] != 0
    folds, total, loads = 0, 0, 0
    r_first, r_last, c_last = 0, 0, 0
    tiles = -(-groups // tile_groups)
    for i in range(4):
        if packed > 1:  # blocks of `packed` groups and a smaller one, in all tiles of groups but the last and in that
            inside = tile_groups if i < 2 else groups - (tiles - 1) * tile_groups
            size = packed if i % 2 == 0 else inside % packed
            count = (tiles - 1 if i < 2 else 1) * (inside // packed if i % 2 == 0 else min(size, 1))
            r, c = size * sr, size * sc
        else:  # folds with all rows or what is left of them, times all columns or what is left
            count = groups * (down - 1 if i < 2 else 1) * (across - 1 if i % 2 == 0 else 1)
            r, c = (rows if i < 2 else sr - (down - 1) * rows), (cols if i % 2 == 0 else sc - (across - 1) * cols)
        if count == 0:
            continue
        if not skip:
            r, c = rows, cols
        folds += count
        loads += count * passes * r
        total += count * ((passes - 1) * _share(options, tile_t, r, c) + _share(options, t_end, r, c))
        r_first = r if r_first == 0 else r_first
        r_last, c_last = r, c
    # The last fold drains to its end.
    drained = _span(options, t_end, r_last, c_last) - _free(options, t_end, r_last, c_last)
    total += drained
    out[3] = 0
    if options[PRELOAD] and not options[STAYS_OUTPUT]:
        out[3] = r_first
        total = max(total, loads - r_first + _span(options, t_end, r_last, c_last))
    out[0], out[1], out[2] = folds * passes, folds * t, total
