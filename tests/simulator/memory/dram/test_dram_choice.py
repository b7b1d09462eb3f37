"""What the controller of Ramulator 2.1 keeps about coming commands equals a look at every request, at any moment."""

import random

import numpy as np
import pytest
from numba import njit

from cyclescape.simulator.memory.dram.commands import ACT, PRE, RD
from cyclescape.simulator.memory.dram.core import state as k
from cyclescape.simulator.memory.dram.devices import device, device_names
from cyclescape.simulator.memory.dram.mapping import MAPPINGS
from cyclescape.simulator.memory.dram.ramulator.choose import best_active
from cyclescape.simulator.memory.dram.ramulator.rows import KEY_SHIFT, LATER, best_row
from cyclescape.simulator.memory.dram.ramulator.run import accept, advance
from cyclescape.simulator.memory.dram.system import DramSystem
from cyclescape.simulator.memory.pointer import pointer
from cyclescape.traces.address_generators import address_trace


@njit
def _advance(m, out, s, until):
    advance(pointer(m), pointer(out), s, until, 0)


@njit
def _accept(m, out, s, i, clock, write, b, row, key):
    return accept(pointer(m), pointer(out), s, i, clock, write, b, row, key)


@njit
def _choices(m, s, t):
    return best_row(pointer(m), s, t), best_active(pointer(m), s, t, 0)


def _clock(m, s, b, cmd, t):
    """When bank b takes a command, with what HBM3 adds."""
    when = max(t, m[b + k.B_READY + cmd], m[m[b + k.B_GROUP] + cmd], m[m[b + k.B_RANK] + k.R_READY + cmd])
    if m[k.K_FAMILY] != k.HBM3:
        return when
    if cmd != PRE:
        return when | 1
    paired = when == m[s + k.C_PAIR_TICK] and m[b + k.B_RANK] == m[s + k.C_PAIR_RANK]
    return when + (paired and m[s + k.C_PAIR_BANK] in (-1, b))


def _row_commands(m, s, t):
    """(clock, number) of every row command of the requests that wait in the present direction."""
    write = m[s + k.C_WRITING]
    for place in range(m[k.K_BANKS]):
        b = m[s + k.C_FIRST_BANK] + place * k.B_SIZE
        row, e = m[b + k.B_ROW], m[b + k.B_QUEUE + write * k.Q_SIZE + k.Q_HEAD]
        a_hit_is_older = False
        while e >= 0:
            number = m[e + k.E_ID]
            if row == k.CLOSED:
                if m[s + k.C_OWED] < 0:
                    yield _clock(m, s, b, ACT, t), number
            elif row == m[e + k.E_ROW]:
                a_hit_is_older = True
            elif (
                row != k.ACTIVATING
                and not (m[b + k.B_ACTIVE] > 0 and m[s + k.C_N_ACTIVE] > 0)
                and not (m[k.K_ROW_HIT_FIRST] and a_hit_is_older)
            ):
                yield _clock(m, s, b, PRE, t), number
            e = m[e + k.E_NEXT]


def _active_commands(m, s, t):
    """(clock, number) of the next command of every request with an opened row."""
    for e in m[m[s + k.C_ACTIVE] :][: m[s + k.C_N_ACTIVE]]:
        b = m[e + k.E_BANK]
        row = m[b + k.B_ROW]
        if row == k.ACTIVATING or (row == k.CLOSED and m[s + k.C_OWED] >= 0):
            continue
        cmd = RD + m[e + k.E_WRITE] if row == m[e + k.E_ROW] else ACT if row == k.CLOSED else PRE
        when = _clock(m, s, b, cmd, t)
        yield (when | 1 if m[k.K_FAMILY] == k.HBM3 else when), m[e + k.E_ID]


@pytest.mark.parametrize("seed", range(40))
def test_what_is_kept_equals_a_look_at_every_request(seed):
    draw = random.Random(seed)
    chosen = device(device_names()[seed % len(device_names())])
    if chosen.standard in ("DDR4", "DDR5", "LPDDR5"):
        chosen = chosen.with_ranks(draw.choice([1, 2]))
    caps = [0, 0, 0] if chosen.is_hbm else [0, 1, 3]  # with caps HBM may abort, as Ramulator does
    settings = k.Settings(
        draw.choice([4, 32]), draw.choice([4, 32]), row_hit_first=draw.random() < 0.3, cap=draw.choice(caps),
        refresh=draw.choice(["AllBank", "NoRefresh", *["PerBank"] * (2 * chosen.is_hbm)]),
    )
    system = DramSystem(chosen, 1, draw.choice(MAPPINGS), "ramulator-2.1", settings=settings)
    trace = address_trace(
        "random", 300, seed=seed, line=chosen.transaction_bytes,
        writes=draw.choice(["none", "every3", "rand:500"]), footprint=draw.choice([1 << 14, 1 << 17, 1 << 28]),
    )
    m, out = k.make_state(system.timing, 1, settings, len(trace)), np.full(len(trace), -1, np.int64)
    _, bank, row = system.decode(trace)
    s, clock, i, checked = int(m[k.K_FIRST_CHANNEL]), 0, 0, 0
    while i < len(trace):
        b = int(m[k.K_FIRST_BANK] + bank[i] * k.B_SIZE)
        i += _accept(m, out, s, i, clock, int(trace.is_write[i]), b, row[i], trace.address[i])
        clock += draw.choice([1, 1, 1, 2, 7, 40])
        _advance(m, out, s, clock)
        t = clock + draw.choice([1, 1, 5])
        key, (when, e, _) = _choices(m.copy(), s, t)  # asking about a later clock would be remembered
        rows, active = min(_row_commands(m, s, t), default=None), min(_active_commands(m, s, t), default=None)
        if rows is None or rows[0] - t >= LATER:
            assert key >> KEY_SHIFT == LATER
        else:
            assert (t + (key >> KEY_SHIFT), (key & k.NOBODY) >> k.PLACE_BITS) == rows
        assert ((when, m[e + k.E_ID]) if e >= 0 else None) == active
        checked += rows is not None or active is not None
    assert checked
