"""Which knobs a recurrence answers for beside its own: those that would have made no difference anywhere in it.

A limit that is never reached is none, and a policy that never chose otherwise is the simpler one. Each run tells what it
met (`recurrence.py`), so that no other is needed for knobs that agree with it wherever they were asked; as these are
conditions on one and the same run, each knob can be looked at alone. All 442,368 designs of the explored space have 24,480
combinations of knobs that a recurrence sees, and some two thousand runs answer for them.
"""

# mypy: allow-untyped-defs
from __future__ import annotations

from threading import Lock
from typing import NamedTuple

import numpy as np
from numba import njit

from .recurrence import (
    ADAPTED,
    DEBT,
    FULL,
    GROUPED,
    HELD,
    LIMITED,
    N_OUT,
    ORDER_TOLD,
    OVERTAKEN,
    PEAK,
    STOPPED,
    serve,
)

__all__ = ["Knobs", "Runs", "liberal_first"]

_MOST = 16384
"""Runs that are remembered of a trace in a memory; the explored space needs a few thousand."""
_FREE = 1 << 40
"""More than any limit."""


class Knobs(NamedTuple):
    """The knobs that a recurrence sees, in the order of its arguments; a number, or a column of them."""

    page: int | np.ndarray
    scheduler: int | np.ndarray
    refresh: int | np.ndarray
    """Whether whole ranks are refreshed during the run."""
    postponed: int | np.ndarray
    buffer: int | np.ndarray
    size: int | np.ndarray
    active: int | np.ndarray
    """Requests under way at most; 0 is no limit."""
    in_order: int | np.ndarray


_PAGE, _SCHEDULER, _REFRESH, _POSTPONED, _BUFFER, _SIZE, _ACTIVE, _IN_ORDER = range(len(Knobs._fields))


class Runs:
    """Recurrences of one trace in one memory, made when they are needed."""

    def __init__(self, *arguments) -> None:
        """`arguments` are those of `serve` before the knobs."""
        self.arguments = arguments
        self._count = 0
        self._knobs = np.zeros((16, len(Knobs._fields)), np.int64)
        self._out = np.zeros((16, N_OUT))
        self._lock = Lock()

    def __len__(self) -> int:
        return self._count

    def of(self, knobs: np.ndarray) -> np.ndarray:
        """Return what a recurrence writes for each row of knobs, float64[n, N_OUT]; see `liberal_first`."""
        which = np.empty(len(knobs), np.int64)
        with self._lock:
            if self._count > _MOST:
                self._count = 0
            done = 0
            while True:
                done, self._count = _serve_all(*self.arguments, knobs, self._knobs, self._out, self._count, which, done)
                if done == len(knobs):
                    return self._out[which]
                self._knobs, self._out = (np.concatenate([a, np.zeros_like(a)]) for a in (self._knobs, self._out))


def liberal_first(knobs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the distinct rows of knobs int64[n, 8], and the place of each row in them.

    First come those that limit least, and policies that turn out to be simpler ones: their runs answer for the most others.
    """
    by = knobs.T.copy()
    for knob in (_PAGE, _SCHEDULER, _REFRESH, _POSTPONED, _SIZE):
        by[knob] *= -1
    by[_ACTIVE] = -np.where(by[_ACTIVE] > 0, by[_ACTIVE], _FREE)
    code = np.zeros(len(knobs), np.int64)
    for knob in (_ACTIVE, _SIZE, _REFRESH, _POSTPONED, _IN_ORDER, _SCHEDULER, _PAGE, _BUFFER):
        column = by[knob]
        if knob == _ACTIVE:  # a free one is far from the others, which must not make the code too large
            column = np.unique(column, return_inverse=True)[1]
        low = column.min()
        code *= column.max() - low + 1
        code += column - low
    _, first, place = np.unique(code, return_index=True, return_inverse=True)
    return knobs[first], place


@njit(cache=True, nogil=True, inline="always")
def _answers(run, out, asked):
    """Whether a run says what the run of other knobs would say."""
    page, other = run[_PAGE], asked[_PAGE]
    if page != other and (page & 1 == 0 or other != page - 1 or out[ADAPTED] > 0):
        return False
    scheduler, other = min(run[_SCHEDULER], 2), min(asked[_SCHEDULER], 2)
    if scheduler != other and (other > scheduler or out[GROUPED] > 0 or (other == 0 and out[OVERTAKEN] > 0)):
        return False
    if run[_REFRESH] != asked[_REFRESH]:
        if asked[_REFRESH] > 0 or out[STOPPED] > 0:
            return False
    elif run[_POSTPONED] != asked[_POSTPONED] and out[DEBT] > min(run[_POSTPONED], asked[_POSTPONED]):
        return False
    if (run[_BUFFER] != asked[_BUFFER] or run[_SIZE] != asked[_SIZE]) and (
        out[FULL] > 0 or out[HELD + asked[_BUFFER]] > asked[_SIZE]
    ):
        return False
    if out[LIMITED] > 0:
        return run[_ACTIVE] == asked[_ACTIVE] and (run[_IN_ORDER] == asked[_IN_ORDER] or out[ORDER_TOLD] == 0)
    return asked[_ACTIVE] == 0 or out[PEAK + asked[_IN_ORDER]] <= asked[_ACTIVE] or (
        run[_ACTIVE] == asked[_ACTIVE] and run[_IN_ORDER] == asked[_IN_ORDER])


@njit(cache=True, nogil=True)
def _serve_all(
    arrival, write, key, channel, rank, group, bank, row, sizes, single, double, asked, knobs, out, count, which, start
):
    """Say `which` run answers for each row asked from `start` on, and run those that are missing; stop if there is no room.

    asked is int64[n, 8]; knobs and out are those of the `count` runs there are, with room for more. Returns how many rows
    are answered, and how many runs there are.
    """
    for i in range(start, len(asked)):
        a = asked[i]
        found = count - 1
        while found >= 0 and not _answers(knobs[found], out[found], a):
            found -= 1
        if found < 0:
            if count == len(knobs):
                return i, count
            found = count
            knobs[found] = a
            serve(arrival, write, key, channel, rank, group, bank, row, sizes, single, double,
                  a[0], a[1], a[2], a[3], a[4], a[5], a[6], a[7], out[found])
            count += 1
        which[i] = found
    return len(asked), count
