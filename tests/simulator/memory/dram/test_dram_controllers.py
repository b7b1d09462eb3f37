"""Laws of both controllers, and equality of the default one with its clock-by-clock reference.

CYCLESCAPE_CASES=N in the environment puts N random configurations of every device through the timing checker.
"""

import os
import random
from dataclasses import replace

import numpy as np
import pytest

from cyclescape.accelerators.dram.validate import confirm_commands
from cyclescape.errors import InputError
from cyclescape.simulator.memory.dram.controller.state import Knobs
from cyclescape.simulator.memory.dram.core.state import Settings
from cyclescape.simulator.memory.dram.devices import device, device_names
from cyclescape.simulator.memory.dram.mapping import MAPPINGS
from cyclescape.simulator.memory.dram.reference import ReferenceController
from cyclescape.simulator.memory.dram.system import DramSystem
from cyclescape.traces.address_generators import PATTERNS, address_trace
from cyclescape.traces.addresses import AddressTrace

ACCESSES = ["RD", "RDA", "WR", "WRA"]


CASES = int(os.environ.get("CYCLESCAPE_CASES", "9"))


def draw_system(draw: random.Random, *, hurried: bool, name: str = "") -> DramSystem:
    """A random device (or that one), mapping and set of knobs; `hurried` refreshes often, so that short runs see it."""
    chosen = device(name or draw.choice(device_names()))
    if chosen.standard in ("DDR4", "DDR5", "LPDDR5"):
        chosen = chosen.with_ranks(draw.choice([1, 1, 2]))
    per_bank, same_bank = "nREFIpb" in chosen.timing, chosen.has_same_bank_refresh
    if hurried:
        timing = dict(chosen.timing)
        timing["nREFI"] = max(chosen.clocks("nRFC") + 60, timing["nREFI"] // draw.choice([4, 16]))
        if chosen.has_low_power:  # so that sleeps end within a short run
            timing["nXS"] = draw.choice([timing["nXS"], 60])
        if per_bank:
            rounds = (timing["nRFCpb"] + 80) // chosen.organisation.banks_per_rank * 2 + 10
            timing["nREFIpb"] = max(timing["nREFIpb"] // 4, rounds)
        if same_bank:
            timing["nREFIsb"] = timing["nRFCsb"] + draw.choice([90, 400])
        chosen = chosen.model_copy(update={"timing": timing})
    knobs = Knobs(
        draw.choice(["Open", "OpenAdaptive", "Closed", "ClosedAdaptive"]),
        draw.choice(["Fifo", "FrFcfs", "FrFcfsGrp", "GrpFrFcfs", "GrpFrFcfsWm"]),
        draw.choice(["Bankwise", "ReadWrite", "Shared"]), draw.choice([1, 2, 4, 8, 32]), draw.choice(["Fifo", "Reorder"]),
        draw.choice(["NoRefresh", "AllBank", "AllBank", *["PerBank"] * (2 * per_bank), *["SameBank"] * (2 * same_bank)]),
        draw.choice([0, 0, 1, 8]), draw.choice([0, 0, 2, 8]), draw.choice(["Simple", "Fifo", "Reorder"]),
        draw.choice([1, 4, 16, 64]), row_cap=draw.choice([0, 0, 0, 1, 4]),
        power_down_policy=draw.choice(["NoPowerDown", *["Staggered"] * chosen.has_low_power]),
        power_down_after=draw.choice([0, 0, 7, 60]), self_refresh_after=draw.choice([0, 1, 2]),
    )
    return DramSystem(chosen, draw.choice([1, 1, 2]), draw.choice(MAPPINGS), knobs=knobs)


def draw_trace(draw: random.Random, system: DramSystem, sizes: list[int]) -> AddressTrace:
    return address_trace(
        draw.choice(list(PATTERNS)), draw.choice(sizes), seed=draw.randrange(10**6), line=system.device.transaction_bytes,
        writes=draw.choice(["none", "every3", "rand:500", "all"]), footprint=draw.choice([1 << 12, 1 << 14, 1 << 20, 1 << 28]),
        every=draw.choice([0, 0, 3, 20, 150]),
    )


@pytest.mark.parametrize("seed", range(60))
def test_compiled_controller_equals_the_reference(seed):
    draw = random.Random(seed)
    system = draw_system(draw, hurried=True)
    trace = draw_trace(draw, system, [20, 50])
    run = system.run(trace)
    accepted, answered = ReferenceController(system.device, system.channels, system.map, system.knobs).run(trace)
    assert accepted == run.accepted.tolist()
    assert answered == run.done.tolist()


@pytest.mark.parametrize("name", device_names())
def test_conservation_and_no_breach(name):
    for seed in range(CASES):
        draw = random.Random(f"{name} {seed}")
        system = draw_system(draw, hurried=bool(seed % 2), name=name)
        check_laws(system, draw_trace(draw, system, [150, 300]))


def check_laws(system: DramSystem, trace: AddressTrace) -> None:
    run = system.run(trace, commands=20_000)
    frame = run.command_frame()
    assert confirm_commands(run) == 0  # timing, rows, and no data slot used twice
    assert frame["command"].isin(ACCESSES).sum() == len(trace)  # each request served once
    assert len(frame) < 20_000
    assert (run.done > run.accepted).all()
    assert (run.accepted >= trace.arrival).all()
    buses = system.channels * (system.device.organisation.ranks if system.device.is_hbm else 1)
    assert sum(run.lost.values()) == run.cycles * buses
    assert min(run.lost.values()) >= 0
    counters = run.counters
    assert counters["hits"] + counters["misses"] + counters["conflicts"] == len(trace)
    for rank in run.ranks:
        assert 0 <= rank.active_down_ticks <= rank.active_ticks <= run.cycles
        assert rank.active_ticks + rank.down_ticks + rank.self_refresh_ticks <= run.cycles


@pytest.mark.parametrize("convention", ["default", "ramulator-2.1"])
def test_unloaded_latency_of_ddr4(convention):
    """Hit, closed and conflict: nCL + nBL + 1, + nRCD, + nRP + nRCD."""
    row = 1 << 17
    trace = AddressTrace.of("probe", [0, 64, row], False, [0, 500, 1000])
    run = DramSystem(device("DDR4_2400R"), convention=convention).run(trace)
    assert run.latency.tolist() == [37, 21, 53]


def test_stream_in_one_bank_group_is_bound_by_tccd_l():
    """All columns of a row lie in one bank group: a burst of 4 every nCCDL = 6 clocks."""
    quiet = Knobs(refresh_policy="NoRefresh", request_buffer_size=32)
    run = DramSystem(device("DDR4_2400R"), knobs=quiet).run(address_trace("stream", 128))
    assert np.diff(run.done).tolist() == [6] * 127
    assert run.lost["bank_group"] == 127 * 2


def test_refresh_limits_the_peak():
    """Bandwidth is lost to refresh at least for nRFC in every nREFI, and not for much more."""
    chosen = device("DDR4_2400R")
    trace = address_trace("stream", 60_000)
    knobs = Knobs(scheduler_buffer="Shared", request_buffer_size=64)
    system = DramSystem(chosen, mapping="MOP4CLXOR", knobs=knobs)
    with_refresh = system.run(trace)
    without = DramSystem(chosen, mapping="MOP4CLXOR", knobs=knobs._replace(refresh_policy="NoRefresh")).run(trace)
    share = without.cycles / with_refresh.cycles
    t = chosen.timing
    assert share <= 1 - t["nRFC"] / t["nREFI"]
    assert share >= 1 - (t["nRTP"] + t["nRP"] + t["nRFC"] + t["nRCD"] + 60) / t["nREFI"]


def test_postponed_refreshes_are_done_later_and_pulled_in_ones_sooner():
    chosen = device("DDR4_2400R")
    busy = address_trace("stream", 12_000)
    counts = [
        DramSystem(chosen, knobs=Knobs(refresh_max_postponed=late)).run(busy).counts["REFab"] for late in (0, 4, 8)
    ]
    assert counts[0] - counts[1] == 4
    assert counts[0] - counts[2] == min(8, counts[0])
    idle = AddressTrace.of("idle", [0, 64], False, [0, 90_000])
    early = DramSystem(chosen, knobs=Knobs(refresh_max_pulled_in=4)).run(idle).counts["REFab"]
    assert early == DramSystem(chosen).run(idle).counts["REFab"] + 4


def test_same_bank_refresh_leaves_the_other_banks_at_work():
    """Each set of banks has its turn every four nREFIsb, and less bandwidth is lost than to refreshes of the whole rank."""
    chosen = device("DDR5_4800BN")
    trace = address_trace("random", 6_000)
    runs = {
        policy: DramSystem(chosen, knobs=Knobs(refresh_policy=policy)).run(trace, commands=40_000)
        for policy in ("AllBank", "SameBank")
    }
    run, every = runs["SameBank"], 4 * chosen.timing["nREFIsb"]
    frame = run.command_frame()
    refreshes = frame[frame["command"] == "REFsb"]
    for bank in range(4):
        clocks = refreshes[refreshes["bank"] == bank]["clock"].to_numpy()
        assert abs(len(clocks) - (run.cycles - chosen.timing["nREFIsb"] * (bank + 1)) / every) <= 1
        assert (np.diff(clocks) < every + 600).all()  # put off at most by what a bank has begun
    assert run.counts["REFab"] == runs["AllBank"].counts["REFsb"] == 0
    assert run.cycles < runs["AllBank"].cycles


def test_write_watermarks_gather_writes():
    trace = address_trace("random", 2_000, writes="every3", footprint=1 << 24)
    turns = {}
    for scheduler in ("FrFcfs", "GrpFrFcfsWm"):
        knobs = Knobs(scheduler=scheduler, request_buffer_size=32, scheduler_buffer="Shared", high_watermark=12)
        frame = DramSystem(device("DDR4_2400R"), knobs=knobs).run(trace, commands=20_000).command_frame()
        ways = frame["command"][frame["command"].isin(ACCESSES)].str[0]
        turns[scheduler] = int((ways != ways.shift()).sum())
    assert turns["GrpFrFcfsWm"] < turns["FrFcfs"] / 2


@pytest.mark.parametrize("seed", range(5))
def test_a_run_can_be_interrupted_anywhere(seed):
    """A host lets the compiled controller run ahead in pieces; every clock stays the same."""
    from cyclescape.simulator.memory.dram.controller.run import run_until
    from cyclescape.simulator.memory.dram.controller.state import make_extension
    from cyclescape.simulator.memory.dram.core.state import make_state

    draw = random.Random(2000 + seed)
    system = draw_system(draw, hurried=True)
    system = replace(system, knobs=system.knobs._replace(resp_queue="Fifo", arbiter="Fifo", scheduler_buffer="Shared"))
    trace = draw_trace(draw, system, [200])
    whole = system.run(trace)
    n = len(trace)
    m = make_state(system.timing, system.channels, Settings(system.knobs.request_buffer_size, 0, refresh="NoRefresh"), n)
    x = make_extension(system.timing, system.channels, system.knobs)
    out, order, waiting, accepted, answered, given = (np.full(n, -1, np.int64) for _ in range(6))
    line = trace.address // system.device.transaction_bytes
    places = system.decode(trace)
    clock = until = 0
    while (out < 0).any():
        until += draw.randrange(1, 40)
        clock = run_until(
            m, x, out, order, waiting, trace.arrival, trace.is_write, *places, line, accepted, answered, given, clock, until
        )
        assert clock <= until
    assert np.array_equal(out, whole.done)
    assert np.array_equal(accepted, whole.accepted)


@pytest.mark.parametrize("convention", ["default", "ramulator-2.1"])
def test_sparse_requests_cost_no_more_than_dense_ones(convention):
    """Idle clocks are skipped: a million clocks between requests take no time to speak of."""
    trace = address_trace("random", 200, every=1_000_000)
    quiet, settings = Knobs(refresh_policy="NoRefresh"), Settings(refresh="NoRefresh")
    system = DramSystem(device("DDR4_2400R"), convention=convention, knobs=quiet, settings=settings)
    assert system.run(trace).cycles > 199_000_000


def test_a_run_does_not_depend_on_what_ran_before():
    trace = address_trace("random", 500, writes="every3")
    system = DramSystem(device("HBM2_2000"))
    assert np.array_equal(system.run(trace).done, system.run(trace).done)


def test_addresses_beyond_the_device_are_named():
    system = DramSystem(device("DDR4_2400R"))
    trace = AddressTrace.of("far", [0, 1 << 40])
    with pytest.raises(InputError, match="request 1: address 0x10000000000 is beyond the device"):
        system.decode(trace, wrap=False)


def test_ramulator_stops_where_ramulator_aborts():
    """The deadlock that the reference has with closed rows on HBM is reported, not hidden."""
    trace = address_trace("stream", 20_000, writes="every3", line=32)
    system = DramSystem(device("HBM2_2000"), convention="ramulator-2.1", settings=Settings(cap=1))
    with pytest.raises(InputError, match="refresh queue overflows"):
        system.run(trace, drain=False)
