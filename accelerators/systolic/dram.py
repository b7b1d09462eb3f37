"""`memory="dram"`: the tiles of every step as bursts in the cycle-level DRAM controller.

The tilings are those for a port of the device's peak bandwidth and unloaded latency. Their transfers then go, in the same
order as over that port, through one `BurstPort` for the whole network, so that refresh and open rows carry over from
operator to operator. A transfer is sent as soon as the clock from which it may start is known, which is always before the
memory gets there: nothing is ever taken back. `offchip.py` says where tiles lie, `dram_reference.py` is the same in plain
Python.
"""

# mypy: allow-untyped-defs
# Kernels take int64 scalars and arrays; their docstrings give the shapes.
from __future__ import annotations

import numpy as np
from numba import njit

from ...simulator.memory.dram.bursts import send, wait
from ...simulator.memory.dram.controller.state import CAUSES
from .folds import DONE, LAST, LEAD, SPAN
from .offchip import LINK_CYCLES
from .timing import LEVELS, STALL_FILTER, STALL_IFMAP, STALL_OFMAP, STALL_PSUM, K, M, N

__all__ = ["execute", "list_transfers"]

# A transfer: what, for which step, where, how many bytes, and after which step's end (-1: none) it may start.
IFMAP, FILTER, STORE, PSUM = range(4)
KIND, STEP, ADDRESS, BYTES, AFTER = range(5)
# A step: where its times are in `timing.run`'s table, and whether it opens an output tile.
S_TIMES, S_OPENS = 0, 4


@njit(cache=True, nogil=True)
def list_transfers(trips, dims, full_groups, last_groups, a_bits, b_bits, o_bits, p_bits, begin, apart, steps, transfers):
    """Write every step and every transfer of one operator in program order and return how many of each.

    The first arguments are those of `timing.run`, `begin` and `apart` those of `regions`. steps (n, 5),
    transfers (n, 5) as the columns above say; with tables of no rows they are only counted.
    """
    count = np.zeros(3, np.int64)
    for level in range(3):
        count[dims[level]] = trips[level + 1]
    idx, pos, was = np.zeros(LEVELS, np.int64), np.zeros(3, np.int64), np.zeros(3, np.int64)
    step = found = changed_from = 0
    groups_before, group_before = full_groups, 0
    last_a, last_b = -1, -1  # the steps that loaded last
    pending, pending_at = 0, 0
    while True:
        for level in range(3):
            pos[dims[level]] = idx[level + 1]
        fresh = step == 0 or changed_from == 0
        new_m, new_n, new_k = fresh or pos[M] != was[M], fresh or pos[N] != was[N], fresh or pos[K] != was[K]
        em, en, ek = pos[M] == count[M] - 1, pos[N] == count[N] - 1, pos[K] == count[K] - 1
        eg = idx[0] == trips[0] - 1
        groups = last_groups if eg else full_groups
        opens = new_m or new_n
        output = (idx[0] * count[M] + pos[M]) * count[N] + pos[N]
        if len(steps):
            steps[step, :] = eg, em, en, ek, opens
        bits = groups * a_bits[int(em), int(ek)] if new_m or new_k else 0
        if bits > 0:
            at = begin[IFMAP] + ((idx[0] * count[M] + pos[M]) * count[K] + pos[K]) * apart[IFMAP]
            found = _add(transfers, found, IFMAP, step, at, bits, last_a - 1)
            last_a = step
        bits = groups * b_bits[int(ek), int(en)] if new_k or new_n else 0
        if bits > 0:
            at = begin[FILTER] + ((idx[0] * count[K] + pos[K]) * count[N] + pos[N]) * apart[FILTER]
            found = _add(transfers, found, FILTER, step, at, bits, last_b - 1)
            last_b = step
        if pending > 0:
            found = _add(transfers, found, STORE, step, pending_at, pending, step - 2)
        pending = 0
        if opens and step > 0:
            wm, wn = int(was[M] == count[M] - 1), int(was[N] == count[N] - 1)
            closed = (group_before * count[M] + was[M]) * count[N] + was[N]
            if was[K] == count[K] - 1:
                pending, pending_at = groups_before * o_bits[wm, wn], begin[STORE] + closed * apart[STORE]
            else:
                pending, pending_at = groups_before * p_bits[wm, wn], begin[PSUM] + closed * apart[PSUM]
        if opens and pos[K] > 0:
            bits = groups * p_bits[int(em), int(en)]
            found = _add(transfers, found, PSUM, step, begin[PSUM] + output * apart[PSUM], bits, -1)
        step += 1
        was[:] = pos
        groups_before, group_before = groups, idx[0]
        level = LEVELS - 1
        while level >= 0 and idx[level] == trips[level] - 1:
            level -= 1
        if level < 0:
            break
        idx[level] += 1
        idx[level + 1 :] = 0
        changed_from = level
    if pending > 0:
        found = _add(transfers, found, STORE, step, pending_at, pending, step - 2)
    if o_bits[1, 1] > 0:
        at = begin[STORE] + output * apart[STORE]
        found = _add(transfers, found, STORE, step + 1, at, last_groups * o_bits[1, 1], step - 1)
    return step, found


@njit(cache=True, nogil=True)
def _add(transfers, found, kind, step, address, bits, after):
    if len(transfers):
        transfers[found, :] = kind, step, address, -(-bits // 8), after
    return found + 1


@njit(cache=True, nogil=True, inline="always")
def _cycle(tick, up, down):
    """The cycle by which something that was on the bus at a tick is known."""
    return -(-tick * down // up) + LINK_CYCLES


@njit(cache=True, nogil=True)
def execute(port, steps, transfers, times, a_stays, base, up, down, acc, account, begins):
    """Run one operator from cycle `base` on and return its cycles, or -1 - i if transfer i could not be sent.

    port          `BurstPort.state`, with room for the transfers
    steps, transfers   those of `list_transfers`; times and a_stays as for `timing.run`
    up, down      controller ticks in a cycle, as a fraction
    acc           receives the stalls, as `timing.run` counts them
    account       receives the ticks of stalls by `CAUSES`
    begins        if not empty, receives the begin of every step
    """
    n = len(steps)
    number = np.full((n + 2, 4), -1, np.int64)
    done = np.zeros(n, np.int64)
    part = np.zeros(len(CAUSES), np.int64)
    sent, stored = 0, -1  # transfers sent; the last of them that was a store
    frees = -1  # the last store that a step up to this one must have seen
    free, shadow, finished = 0, 0, -1
    for s in range(n + 1):
        lead = 0
        if s < n:
            time = times[steps[s, 0], steps[s, 1], steps[s, 2], steps[s, 3]]
            lead = time[LEAD]
        before = max(free, shadow + lead) if s < n else free
        since = (base + before) * up // down
        while sent < len(transfers) and transfers[sent, AFTER] < s:
            kind, after = transfers[sent, KIND], transfers[sent, AFTER]
            earliest = done[after] + 1 if after >= 0 else 0
            if kind == PSUM and stored >= 0:
                earliest = _cycle(wait(port, stored, since, part), up, down) - base
                account += part
            tick = -(-(base + earliest) * up // down)
            i = send(port, transfers[sent, ADDRESS], transfers[sent, BYTES], kind == STORE, tick)
            if i < 0:
                return -1 - sent
            number[transfers[sent, STEP], kind] = i
            stored = i if kind == STORE else stored
            sent += 1
        if s == n:
            break
        start, cause = before, -1
        for kind in (IFMAP, FILTER, PSUM):
            if number[s, kind] >= 0:
                arrived = _cycle(wait(port, number[s, kind], since, part), up, down) - base
                account += part
                arrived += lead if (kind == IFMAP and a_stays) or (kind == FILTER and not a_stays) else 0
                if arrived > start:
                    start = arrived
                    cause = STALL_IFMAP if kind == IFMAP else (STALL_FILTER if kind == FILTER else STALL_PSUM)
        frees = number[s, STORE] if number[s, STORE] >= 0 else frees
        if steps[s, S_OPENS] and frees >= 0:  # the half of two tiles ago
            output_free = _cycle(wait(port, frees, since, part), up, down) - base
            account += part
            if output_free > start:
                start, cause = output_free, STALL_OFMAP
        if cause >= 0:
            acc[cause] += start - before
        if len(begins):
            begins[s] = start
        finished = max(finished, start + time[DONE])
        free, shadow = start + time[SPAN], start + time[LAST]
        done[s] = finished
    end = finished
    since = (base + finished) * up // down
    for s in range(n, n + 2):
        if number[s, STORE] >= 0:
            end = max(end, _cycle(wait(port, number[s, STORE], since, part), up, down) - base)
            account += part
    acc[STALL_OFMAP] += end - finished
    return end
