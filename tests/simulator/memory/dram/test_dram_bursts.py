"""Burst ports: equality with the clock-by-clock port, with one run of everything, and the account of waiting."""

import os
import random
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from numba import njit
from test_dram_controllers import draw_system

from cyclescape.errors import InputError
from cyclescape.simulator.memory.dram.bursts import TOO_LATE, BurstPort, burst_state, run_transfers, send, wait
from cyclescape.simulator.memory.dram.controller.run import run_until
from cyclescape.simulator.memory.dram.controller.state import CAUSES, GAP_SIZE, X_GAPS, Knobs
from cyclescape.simulator.memory.dram.controller.transfers import T_LAST
from cyclescape.simulator.memory.dram.core.state import FAR
from cyclescape.simulator.memory.dram.devices import device
from cyclescape.simulator.memory.dram.reference_bursts import ReferenceBurstPort
from cyclescape.simulator.memory.dram.system import DramSystem
from cyclescape.traces.addresses import AddressTrace

CASES = int(os.environ.get("CYCLESCAPE_CASES", "30"))


def draw_port(draw):
    system = draw_system(draw, hurried=True)
    arbiter = draw.choice(["Simple", "Fifo"])
    return replace(system, knobs=system.knobs._replace(resp_queue="Fifo", arbiter=arbiter))


class Schedule:
    """A machine with a few buffers: loads and stores whose clocks and addresses follow from earlier answers."""

    def __init__(self, seed):
        self.draw = random.Random(seed)
        self.system = draw_port(self.draw)
        self.line, self.end = self.system.device.transaction_bytes, self.system.device.channel_bytes * self.system.channels
        self.steps, self.ahead = self.draw.randint(2, 7), self.draw.choice([1, 2, 3])
        self.longest, self.work = self.draw.choice([1, 4, 20]), self.draw.choice([0, 5, 60, 1500])
        self.writes = self.draw.choice([0, 0.4])

    def play(self, port, waited=lambda clock: None):
        """Send and wait; returns the transfers as (address, size, is_write, earliest) and the answers."""
        draw = random.Random(self.steps)
        sent, answers, clock = [], [], 0
        for step in range(self.steps + self.ahead):
            if step >= self.ahead:
                answers.append(port.wait(step - self.ahead))
                waited(answers[-1])
                clock = max(clock, answers[-1]) + draw.randint(0, self.work)
            if step < self.steps:
                size = draw.randint(1, self.longest * self.line)
                address = (clock * 7919 * self.line + draw.randrange(1 << 16)) % (self.end - size)
                sent.append((address, size, draw.random() < self.writes, clock))
                port.send(*sent[-1])
        return sent, answers


def whole(system, sent):
    """The same transfers in one run: (answers of the transfers, the run's gap accounts, burst ends, cycles)."""
    line = system.device.transaction_bytes
    lines = [range(a // line, (a + n - 1) // line + 1) for a, n, *_ in sent]
    owner = np.repeat(np.arange(len(sent)), [len(r) for r in lines])
    arrival = np.maximum.accumulate([when for *_, when in sent])[owner]
    trace = AddressTrace.of("all", [i * line for r in lines for i in r], np.array([w for *_, w, _ in sent])[owner], arrival)
    n = len(trace)
    m, x = system.default_state(n, 0)
    out = np.full(n * (1 + GAP_SIZE), -1, np.int64)
    x[X_GAPS] = n
    order, waiting, accepted, answered, given = (np.full(n, -1, np.int64) for _ in range(5))
    where = (*system.decode(trace), trace.address // line)
    run_until(m, x, out, order, waiting, trace.arrival, trace.is_write, *where, accepted, answered, given, 0, FAR)
    ends = [int(answered[owner == i].max()) for i in range(len(sent))]
    return ends, out[n:].reshape(n, GAP_SIZE), answered


def ticks_of(account, ends, burst, bus):
    """The kind of every tick of a bus up to the end of its last burst, one by one."""
    kinds = []
    for i in sorted(np.flatnonzero(account[:, 4] == bus), key=lambda i: ends[i]):
        empty, refresh, cause, rest, _ = account[i].tolist()
        kinds += ["queue_empty"] * empty + ["refresh"] * refresh + [CAUSES[cause]] * rest + ["busy"] * burst
        assert len(kinds) == ends[i]
    return kinds


@pytest.mark.parametrize("part", range(10))
def test_answers_are_those_of_the_reference_and_of_one_run(part):
    for seed in range(part, CASES, 10):
        schedule = Schedule(seed)
        port = BurstPort(schedule.system)
        port.state = burst_state(schedule.system, 4, spare=64)
        sent, answers = schedule.play(port)
        expected = schedule.play(ReferenceBurstPort(schedule.system))
        assert (sent, answers) == expected, seed
        assert whole(schedule.system, sent)[0] == answers, seed
        batch = run_transfers(schedule.system, *np.array(sent).T)
        assert batch.answered.tolist() == answers, seed


@pytest.mark.parametrize("seed", range(20))
def test_waiting_is_explained_tick_by_tick(seed):
    """The account of a wait counts what the bus of the last word did, as the gaps of one whole run tell it."""
    schedule = Schedule(500 + seed)
    system, line = schedule.system, schedule.system.device.transaction_bytes
    port = BurstPort(system)
    accounts = []
    sinces = iter(random.Random(seed).randrange(0, 400) for _ in range(100))

    class Asking:
        send = port.send

        @staticmethod
        def wait(transfer):
            before = port.now
            since = before + next(sinces) - 100
            answered = port.wait(transfer, since)
            accounts.append((max(since, before), answered, port.account))
            return answered

    sent, answers = schedule.play(Asking)
    _, account, ends = whole(system, sent)
    burst = system.device.clocks("BL") * system.device.ticks_per_clock
    kinds = [ticks_of(account, ends, burst, bus) for bus in range(system.data_buses)]
    first = np.cumsum([0, *((a + n - 1) // line - a // line + 1 for a, n, *_ in sent)])
    for (since, answered, told), (lo, hi) in zip(accounts, pairwise(first), strict=True):
        bus = min(int(account[i, 4]) for i in range(lo, hi) if ends[i] == answered)
        stretch = kinds[bus][since:answered]
        assert told == {cause: stretch.count(cause) for cause in CAUSES}
        assert sum(told.values()) == max(0, answered - since)
    cycles = max(answers)
    booked, lost = port.booked(), port.lost(cycles)
    assert sum(lost.values()) == cycles * system.data_buses
    idle = lost["queue_empty"] - booked[:, CAUSES.index("queue_empty")].sum()  # behind the last burst of a bus
    assert idle >= 0
    assert booked.sum() + idle == cycles * system.data_buses
    assert booked[:, 0].tolist() == [burst * int(n) for n in np.diff(first)]


def test_a_long_program_is_the_trace_and_forgets_what_is_done():
    """30,000 requests through a window of some hundred: the clocks, the accounts and the commands of one run."""
    system = DramSystem(device("DDR4_2400R"), 2, "MOP4CLXOR", knobs=Knobs(page_policy="OpenAdaptive", scheduler="GrpFrFcfs"))
    port = BurstPort(system)
    port.state = burst_state(system, 500, spare=64)
    starts = np.random.default_rng(1).integers(0, 1 << 28, 500) * 64
    for i, start in enumerate(starts.tolist()):
        port.send(start, 64 * 60, i % 3 == 0)
    cycles = port.finish()
    address = (starts[:, None] + 64 * np.arange(60)).ravel()
    run = system.run(AddressTrace.of("all", address, np.repeat(np.arange(500) % 3 == 0, 60)))
    assert cycles == run.cycles
    assert port.state.transfers[:500, T_LAST].tolist() == run.done.reshape(500, 60).max(axis=1).tolist()
    assert port.lost(cycles) == run.lost
    assert port.ranks(cycles) == run.ranks


@njit
def _double_buffered(port, tiles, size, compute, account, stalls):
    """A compiled schedule: load tile i + 1 while tile i is computed."""
    end = 0
    for i in range(2):
        send(port, i * size, size, False, 0)
    for i in range(tiles):
        arrived = wait(port, i, end, account)
        stalls += account
        end = max(end, arrived) + compute
        if i + 2 < tiles:
            send(port, (i + 2) * size, size, False, end)
    return end


def test_a_compiled_schedule():
    """Slow compute hides the memory but for the first tile; without compute the bus is the limit, and the account says so."""
    quiet = DramSystem(device("DDR4_2400R"), mapping="MOP4CLXOR", knobs=Knobs(refresh_policy="NoRefresh"))
    ends = {}
    for compute in (0, 5_000):
        account, stalls = np.zeros(len(CAUSES), np.int64), np.zeros(len(CAUSES), np.int64)
        ends[compute] = _double_buffered(burst_state(quiet, 20), 20, 4096, compute, account, stalls)
        told = dict(zip(CAUSES, stalls.tolist(), strict=True))
        assert sum(told.values()) == ends[compute] - 20 * compute
        if compute:
            assert told == {**dict.fromkeys(CAUSES, 0), "row_cycle": 33, "busy": 256}
        else:
            assert told["busy"] == 20 * 256
    assert ends[5_000] == 289 + 20 * 5_000


def test_what_a_port_does_not_take_is_one_clear_line():
    system = DramSystem(device("DDR4_2400R"))
    port = BurstPort(system, 1)
    with pytest.raises(InputError, match="address=0x40, size=0: accepted: 1 byte or more within 0 to 0x1ffffffff"):
        port.send(64, 0)
    with pytest.raises(InputError, match="size=64"):
        port.send(1 << 40, 64)
    with pytest.raises(InputError, match="transfer=3: accepted: one of the 0"):
        port.wait(3)
    first = port.send(0, 64)
    port.send(1 << 20, 64, earliest=20)  # the program goes on as it likes
    assert port.wait(first) == 37
    assert port.earliest == 37
    with pytest.raises(InputError, match="earliest=30: the port has run to clock 37 with nothing to send; accepted: 37"):
        port.send(0, 64, earliest=30)
    assert send(port.state, 0, 64, False, 30) == TOO_LATE
    with pytest.raises(InputError, match="resp_queue=Reorder"):
        BurstPort(replace(system, knobs=Knobs(resp_queue="Reorder")))
    with pytest.raises(InputError, match="convention='ramulator-2.1'"):
        BurstPort(replace(system, convention="ramulator-2.1"))
