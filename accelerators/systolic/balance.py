"""About how long a tiling takes, in closed form: what `timing.run` walks through step by step.

While the array works on a step, the port fetches the next one's tiles and stores what the last one finished. So a step
takes as long as the longer of both, and the whole the sum over steps. There are but a few kinds of steps, by the outermost
loop that moved on and by which tiles are the first or last of their dimension, each of them so many times. A load may
begin when the tile before last is done with, so that of what it is late by each step waits half; what is loaded first may begin
while the port is idle before. Left out: all else that reaches further than from one step to the next.
"""

# mypy: allow-untyped-defs
# The kernel takes int64 scalars and arrays; its docstring gives the shapes.
from __future__ import annotations

import numpy as np
from numba import njit

from .folds import DONE, LEAD, SPAN
from .timing import K, M, N

__all__ = ["balanced"]

_LEVELS = 3


@njit(cache=True, nogil=True)
def balanced(trips, dims, full_groups, last_groups, a_bits, b_bits, o_bits, p_bits, times, a_stays, bandwidth, latency):
    """Return about the cycles of one product, of which the arguments are those of `timing.run`."""
    n0, n1, n2 = trips[1], trips[2], trips[3]
    total, early = np.int64(0), np.int64(0)
    # Kinds of steps: 0 the first tile along a dimension, 1 one in the middle, 2 the last.
    for moved in range(_LEVELS + 1):  # the outermost level that moved on; 0: the groups
        steps, late, first = 0, np.int64(0), np.int64(0)
        for eg in range(2):
            count_g = trips[0] - 1 if eg == 0 else 1
            if count_g == 0:
                continue
            groups = last_groups if eg else full_groups
            for k0 in range(3):
                c0 = _count(k0, n0, moved, 1)
                if c0 == 0:
                    continue
                for k1 in range(3):
                    c1 = c0 * _count(k1, n1, moved, 2)
                    if c1 == 0:
                        continue
                    for k2 in range(3):
                        count = count_g * c1 * _count(k2, n2, moved, 3)
                        if moved == 0 and eg == (1 if trips[0] == 1 else 0) and count > 0:  # the first of all
                            total += _first(groups, eg, n0, n1, n2, dims, a_bits, b_bits, times, bandwidth, latency)
                            count -= 1
                        if count > 0:
                            each, more, stored = _step(
                                moved, (k0, k1, k2), (n0, n1, n2), dims, groups, groups if moved else full_groups, eg, a_bits,
                                b_bits, o_bits, p_bits, times, a_stays, bandwidth, latency)
                            if steps == 0:
                                first, early = more, stored
                            steps += count
                            total += count * each
                            late += count * more
        # Both halves of a scratchpad are free at first: of an odd number of loads the first is not late.
        total += (late - (first if steps % 2 == 1 else 0)) // 2
    # The first tile is stored after the second step has begun, and the last but one after the last has.
    total -= early
    stored, pending = -(-last_groups * o_bits[1, 1] // bandwidth), _pending(trips, dims, full_groups, last_groups, o_bits)
    end = max(times[1, 1, 1, 1, DONE], -(-pending // bandwidth))
    return total + end + (1 + stored if stored > 0 else 0)


@njit(cache=True, nogil=True)
def _pending(trips, dims, full_groups, last_groups, o_bits):
    """Bits of the output tile before the last, if the last step opens one: they are stored while it works."""
    for level in range(_LEVELS, 0, -1):
        if trips[level] > 1:
            if dims[level - 1] == K:
                return np.int64(0)
            return last_groups * (o_bits[0, 1] if dims[level - 1] == M else o_bits[1, 0])
    return full_groups * o_bits[1, 1] if trips[0] > 1 else np.int64(0)


@njit(cache=True, nogil=True)
def _first(groups, eg, n0, n1, n2, dims, a_bits, b_bits, times, bandwidth, latency):
    """Cycles until the first step begins: nothing came before, and what it needs must arrive."""
    em = en = ek = 0
    for level, n in enumerate((n0, n1, n2)):
        last = 1 if n == 1 else 0
        if dims[level] == M:
            em = last
        elif dims[level] == N:
            en = last
        else:
            ek = last
    port = -(-groups * a_bits[em, ek] // bandwidth) + -(-groups * b_bits[ek, en] // bandwidth)
    return port + (latency if port > 0 else 0) + times[eg, em, en, ek, LEAD]


@njit(cache=True, nogil=True, inline="always")
def _count(kind, n, moved, level):
    """Positions of a kind at a loop level, in steps to which the level `moved` has moved on."""
    if level > moved:
        return 1 if kind == 0 else 0
    if kind == 0:
        return 0 if level == moved else 1
    if kind == 1:
        return max(n - 2, 0)
    return 1 if n > 1 else 0


@njit(cache=True, nogil=True)
def _step(
    moved, kinds, n, dims, groups, groups_before, eg, a_bits, b_bits, o_bits, p_bits, times, a_stays, bandwidth, latency,
):
    """Cycles of a kind of step, begin to begin; twice what it waits beyond them on average; how many of them only store."""
    em = en = ek = pm = pn = pk = 0
    deep_m = deep_n = deep_k = False
    start_k = True
    for level in range(3):
        one = n[level] == 1
        here = 1 if kinds[level] == 2 or one else 0
        if level + 1 < moved:
            was, new = here, False
        elif level + 1 == moved:
            was, new = 0, True
        else:
            was, new = 1, not one or moved == 0
        if dims[level] == M:
            em, pm, deep_m = here, was, new
        elif dims[level] == N:
            en, pn, deep_n = here, was, new
        else:
            ek, pk, deep_k = here, was, new
            start_k = kinds[level] == 0
    a = groups * a_bits[em, ek] if deep_m or deep_k else 0
    b = groups * b_bits[ek, en] if deep_k or deep_n else 0
    opens = deep_m or deep_n
    closes, reads = 0, 0
    if opens:
        closes = groups_before * (o_bits[pm, pn] if pk else p_bits[pm, pn])
        reads = 0 if start_k else groups * p_bits[em, en]
    before = times[eg if moved else 0, pm, pn, pk, SPAN]
    load_a, load_b = -(-a // bandwidth), -(-b // bandwidth)
    store, reload = -(-closes // bandwidth), -(-reads // bandwidth)
    port = load_a + load_b + store + reload
    # Steps since an operand was last loaded. Transfers keep their order: unless those between leave the port alone, none
    # begins more than two steps ahead.
    since_a, since_b, tiles_k = 1, 1, 1
    for level in range(3):
        if dims[level] == K:
            tiles_k = n[level]
    for level in range(2, -1, -1):
        if n[level] > 1:
            if dims[level] != N:
                break
            since_a *= n[level]
    for level in range(2, -1, -1):
        if n[level] > 1:
            if dims[level] != M:
                break
            since_b *= n[level]
    stays = tiles_k == 1 and o_bits[1, 1] == 0
    if not (stays and b_bits[1, 1] == 0):
        since_a = min(since_a, 2)
    if not (stays and a_bits[1, 1] == 0):
        since_b = min(since_b, 2)
    lead = times[eg, em, en, ek, LEAD]
    # What is loaded first begins while the port is idle in the step before, unless it is loaded in every step.
    ahead = 0
    if a > 0 and since_a > 1:
        ahead = min(load_a, (since_a - 1) * max(0, before - -(-groups * b_bits[pk, pn] // bandwidth) - store - reload))
    elif a == 0 and b > 0 and since_b > 1:
        ahead = min(load_b, (since_b - 1) * max(0, before - store - reload))
    late = 0
    if a > 0:
        late = load_a + latency + 1 + (lead if a_stays else 0) - since_a * before
    if b > 0:
        late = max(late, load_a + load_b + latency + 1 + (0 if a_stays else lead) - (
            before + ahead if a > 0 else since_b * before))
    if opens and store > 0:
        late = max(late, load_a + load_b + store + 2 - ahead - before)
    if reload > 0:
        late = max(late, port + latency + 1 - ahead - before)
    each = max(before, port - ahead)
    return each, max(late - 2 * (each - before), 0), each - max(before, each - store)
