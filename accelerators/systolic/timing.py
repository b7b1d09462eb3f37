"""When every tile of an operator is loaded, computed and stored: the compiled engine.

An operator is a nest of loops over tiles; each innermost iteration is a *step*: load what changed,
compute, store what is finished. One memory port serves all transfers in program order,

    for each step s:  ifmap tile of s, filter tile of s, output tile that step s-2 closed, partial sums of s

and every scratchpad is double-buffered, so a load for step s may start once the tile before last is no
longer used. The array takes the next step as soon as `folds.step_times` says that it is free, which may be before the
outputs of the last have left. There is no choice in this order, hence the times are a max-plus recurrence: more
bandwidth or less latency never delays anything.

The recurrence is periodic in the steady state. `run` compares the state relative to the last compute end
with that of two iterations before, at every loop level, and jumps over the rest of a level when they are
equal; all iterations but a level's first and last being alike, the jump is exact.
`components.py` is the same machine as SimPy components, and shares nothing with this file but the plan.
"""

# mypy: allow-untyped-defs
# Kernels take int64 scalars and arrays; their docstrings give the shapes.
from __future__ import annotations

import numpy as np
from numba import njit

from .folds import DONE, LAST, LEAD, N_TIMES, SPAN

__all__ = ["ACCUMULATED", "LEVELS", "N_ACC", "N_STATE", "N_TIMES", "run"]

LEVELS = 4
"""Loop levels: groups, then the three dimensions in the tiling's order."""

# State: earliest times at which something may happen next.
# C1, C2: when the outputs of the last step, and of the one before, have left the array; FREE: when it can take
# another; SHADOW: when its last fold began to stream, which frees the registers that the next load goes to.
PORT, C1, C2, FREE, SHADOW, A_OK, B_OK, O_OK, PENDING = range(9)
N_STATE = 9
# Accumulated while running.
STALL_IFMAP, STALL_FILTER, STALL_PSUM, STALL_OFMAP, PORT_BUSY = range(5)
N_ACC = 5
ACCUMULATED = ("stall_ifmap_cycles", "stall_filter_cycles", "stall_psum_cycles", "stall_ofmap_cycles",
               "port_busy_cycles")

# Dimensions of a tile.
M, N, K = 0, 1, 2


@njit(cache=True, nogil=True, inline="always")
def _occupancy(bits, bits_per_cycle):
    """Cycles for which a transfer holds the port."""
    return -(-bits // bits_per_cycle)


@njit(cache=True, nogil=True)
def _step(st, acc, a_bits, b_bits, opens, reload_bits, close_bits, times, a_stays, bandwidth, latency):
    """Advance the state by one step and return when it begins.

    `close_bits` is what is stored of the output tile that the previous step closed, `reload_bits`
    that of partial sums to be read back; `times` are those of `folds.step_times`, whose first load needs the
    ifmap if `a_stays` and the filter otherwise.
    """
    lead = times[LEAD]
    before = max(st[FREE], st[SHADOW] + lead)
    start, cause = before, -1
    port = st[PORT]
    if a_bits > 0:
        hold = _occupancy(a_bits, bandwidth)
        port = max(port, st[A_OK]) + hold
        acc[PORT_BUSY] += hold
        st[A_OK] = st[C1] + 1
        arrived = port + latency + (lead if a_stays else 0)
        if arrived > start:
            start, cause = arrived, STALL_IFMAP
    if b_bits > 0:
        hold = _occupancy(b_bits, bandwidth)
        port = max(port, st[B_OK]) + hold
        acc[PORT_BUSY] += hold
        st[B_OK] = st[C1] + 1
        arrived = port + latency + (0 if a_stays else lead)
        if arrived > start:
            start, cause = arrived, STALL_FILTER
    if st[PENDING] > 0:
        hold = _occupancy(st[PENDING], bandwidth)
        port = max(port, st[C2] + 1) + hold
        acc[PORT_BUSY] += hold
        st[O_OK] = port + 1
    if opens and reload_bits > 0:
        hold = _occupancy(reload_bits, bandwidth)
        port = max(port, st[O_OK]) + hold
        acc[PORT_BUSY] += hold
        if port + latency > start:
            start, cause = port + latency, STALL_PSUM
    if opens and st[O_OK] > start:
        start, cause = st[O_OK], STALL_OFMAP
    if cause >= 0:
        acc[cause] += start - before
    st[PORT] = port
    st[C2] = st[C1]
    st[C1] = max(st[C1], start + times[DONE])
    st[FREE] = start + times[SPAN]
    st[SHADOW] = start + times[LAST]
    st[PENDING] = close_bits if opens else 0
    return start


@njit(cache=True, nogil=True)
def _jump(st, acc, old, jumps):
    """Repeat the last two iterations `jumps` times at once if that is exact; return whether it was.

    `old` holds state and accumulators of two iterations ago. Two cases are exact. Either nothing used the
    port meanwhile: then only compute moves on. Or all that can still matter has the same distance from
    the last compute end as then: a time before which the port is busy anyway no longer matters, and a
    store only matters while it is pending.
    """
    period = st[C1] - old[C1]
    if st[FREE] - old[FREE] != period or st[SHADOW] - old[SHADOW] != period:
        return False
    quiet = st[PENDING] == 0 and old[PENDING] == 0
    for i in (PORT, A_OK, B_OK, O_OK):
        quiet = quiet and st[i] == old[i]
    if quiet:
        for i in (C1, C2, FREE, SHADOW):
            st[i] += jumps * period
    else:
        port, was = st[PORT], old[PORT]
        if (
            port - was != period
            or st[PENDING] != old[PENDING]
            or (st[PENDING] > 0 and st[C2] - old[C2] != period)
            or max(st[A_OK], port) - max(old[A_OK], was) != period
            or max(st[B_OK], port) - max(old[B_OK], was) != period
            or max(st[O_OK], min(port, st[C1])) - max(old[O_OK], min(was, old[C1])) != period
        ):
            return False
        for i in range(PENDING):
            st[i] += jumps * period
    for i in range(N_ACC):
        acc[i] += jumps * (acc[i] - old[N_STATE + i])
    return True


@njit(cache=True, nogil=True)
def run(trips, dims, full_groups, last_groups, a_bits, b_bits, o_bits, p_bits, times, a_stays, bandwidth, latency,
        acc, starts, work):
    """Return the cycles of one operator, from its first transfer to its last.

    trips[4]      iterations of each level: groups, then dims[0..2]
    dims[3]       which dimension (M, N, K) each inner level walks, the innermost last
    full_groups, last_groups   groups in a step, and in a step of the last iteration of level 0
    a_bits[2,2]   ifmap bits of a tile of one group by (last in M, last in K); 0 where it is on chip
    b_bits[2,2]   filter bits by (last in K, last in N)
    o_bits[2,2], p_bits[2,2]   output and partial-sum bits by (last in M, last in N); o_bits 0 if kept on chip
                  (partial sums of tiles that are not finished are stored all the same)
    times[2,2,2,2,N_TIMES]  `folds.step_times` of a step by (last groups, last in M, last in N, last in K)
    a_stays       whether the ifmap is what stays in the array
    bandwidth     bits per cycle of the port; latency in cycles, at least 1
    acc[N_ACC]    receives `ACCUMULATED`
    starts        if not empty, receives the begin of every step, and nothing is jumped over
    work          scratch of shape (2 * LEVELS, N_STATE + N_ACC)
    """
    traced = starts.size > 0
    st = np.zeros(N_STATE, np.int64)
    st[C1] = -1  # halves are free at the cycle after this
    idx = np.zeros(LEVELS, np.int64)
    pos = np.zeros(3, np.int64)  # tile index by dimension
    was = np.zeros(3, np.int64)
    count = np.zeros(3, np.int64)
    for level in range(3):
        count[dims[level]] = trips[level + 1]
    step = 0
    changed_from = 0  # outermost level that changed
    groups_before = full_groups
    while True:
        for level in range(3):
            pos[dims[level]] = idx[level + 1]
        new_m = step == 0 or changed_from == 0 or pos[M] != was[M]
        new_n = step == 0 or changed_from == 0 or pos[N] != was[N]
        new_k = step == 0 or changed_from == 0 or pos[K] != was[K]
        em = 1 if pos[M] == count[M] - 1 else 0
        en = 1 if pos[N] == count[N] - 1 else 0
        ek = 1 if pos[K] == count[K] - 1 else 0
        eg = 1 if idx[0] == trips[0] - 1 else 0
        groups = last_groups if eg else full_groups
        opens = new_m or new_n
        close_bits = 0
        if opens and step > 0:
            wm = 1 if was[M] == count[M] - 1 else 0
            wn = 1 if was[N] == count[N] - 1 else 0
            finished = was[K] == count[K] - 1
            close_bits = groups_before * (o_bits[wm, wn] if finished else p_bits[wm, wn])
        reload_bits = groups * p_bits[em, en] if pos[K] > 0 else 0
        begin = _step(
            st, acc,
            groups * a_bits[em, ek] if (new_m or new_k) else 0,
            groups * b_bits[ek, en] if (new_k or new_n) else 0,
            opens, reload_bits, close_bits, times[eg, em, en, ek], a_stays, bandwidth, latency,
        )
        if traced:
            starts[step] = begin
        step += 1
        was[M], was[N], was[K] = pos[M], pos[N], pos[K]
        groups_before = groups

        # Which levels have completed an iteration, the innermost first? Jump where the state repeats.
        level = LEVELS - 1
        while level >= 0:
            here = idx[level]
            if not traced and trips[level] > 4 and here <= trips[level] - 4:
                old = work[2 * level + (here & 1)]
                jumps = (trips[level] - 2 - here) // 2
                if here >= 2 and _jump(st, acc, old, jumps):
                    idx[level] = here + 2 * jumps
                    if level > 0:
                        was[dims[level - 1]] = idx[level]
                old[:N_STATE] = st
                old[N_STATE:] = acc
            if idx[level] < trips[level] - 1:
                break
            level -= 1
        if level < 0:
            break
        idx[level] += 1
        for inner in range(level + 1, LEVELS):
            idx[inner] = 0
        changed_from = level

    # What is still to be stored: the tile that the last step but one closed, and the last.
    port = st[PORT]
    end = st[C1]
    if st[PENDING] > 0:
        hold = _occupancy(st[PENDING], bandwidth)
        port = max(port, st[C2] + 1) + hold
        acc[PORT_BUSY] += hold
    if o_bits[1, 1] > 0:
        hold = _occupancy(last_groups * o_bits[1, 1], bandwidth)
        port = max(port, st[C1] + 1) + hold
        acc[PORT_BUSY] += hold
    if (st[PENDING] > 0 or o_bits[1, 1] > 0) and port > end:
        acc[STALL_OFMAP] += port - end
        end = port
    return end
