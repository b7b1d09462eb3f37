"""Power-down and self-refresh: equality with the reference, closed forms, and the laws of sleep."""

import os
import random
from dataclasses import replace

import numpy as np
import pytest

from cyclescape.accelerators.dram import DramDesign, DramMachine
from cyclescape.accelerators.dram.validate import confirm_commands
from cyclescape.errors import InputError
from cyclescape.simulator.memory.dram.controller.state import Knobs
from cyclescape.simulator.memory.dram.devices import device, device_names
from cyclescape.simulator.memory.dram.energy import Currents, Rail, currents_of, energy_j
from cyclescape.simulator.memory.dram.reference import ReferenceController
from cyclescape.simulator.memory.dram.system import DramSystem
from cyclescape.traces.address_generators import address_trace
from cyclescape.traces.addresses import AddressTrace

CASES = int(os.environ.get("CYCLESCAPE_CASES", "36"))
SLEEPERS = [name for name in device_names() if device(name).has_low_power]
ACCESSES = ["RD", "RDA", "WR", "WRA"]


def draw_sleeper(draw):
    """A system that refreshes and sleeps often, and a trace with pauses of all lengths."""
    chosen = device(draw.choice(SLEEPERS)).with_ranks(draw.choice([1, 2]))
    timing = {**chosen.timing, "nRFC": 60, "nREFI": draw.choice([150, 300]), "nXS": draw.choice([70, 40])}
    if chosen.has_same_bank_refresh:
        timing |= {"nRFCsb": 40, "nREFSBRD": 20, "nREFIsb": draw.choice([90, 200])}
    chosen = chosen.model_copy(update={"timing": timing})
    policies = ["AllBank", "AllBank", "NoRefresh", *["SameBank"] * chosen.has_same_bank_refresh * 2]
    knobs = Knobs(
        draw.choice(["Open", "OpenAdaptive", "Closed"]), draw.choice(["Fifo", "FrFcfs", "GrpFrFcfsWm"]),
        refresh_policy=draw.choice(policies), refresh_max_postponed=draw.choice([0, 0, 1, 4]),
        refresh_max_pulled_in=draw.choice([0, 0, 2]), power_down_policy="Staggered",
        power_down_after=draw.choice([0, 0, 20]), self_refresh_after=draw.choice([0, 1, 1, 2]),
    )
    gaps = [draw.choice([0, 0, 1, 30, 200, 1200]) for _ in range(draw.choice([8, 16]))]
    line = chosen.transaction_bytes
    address = [draw.randrange(1 << draw.choice([12, 30])) // line * line for _ in gaps]
    trace = AddressTrace.of("pauses", address, [draw.random() < 0.3 for _ in gaps], np.cumsum(gaps))
    return DramSystem(chosen, knobs=knobs), trace


@pytest.mark.parametrize("part", range(3))
def test_sleep_equals_the_reference_and_breaks_no_rule(part):
    slept = dict.fromkeys(("PDE", "PDX", "SRE", "SRX"), 0)
    for seed in range(part, CASES, 3):
        system, trace = draw_sleeper(random.Random(seed))
        run = system.run(trace, commands=5_000)
        accepted, answered = ReferenceController(system.device, 1, system.map, system.knobs).run(trace)
        assert accepted == run.accepted.tolist(), seed
        assert answered == run.done.tolist(), seed
        assert confirm_commands(run) == 0, seed
        assert run.command_frame()["command"].isin(ACCESSES).sum() == len(trace)
        for name in slept:
            slept[name] += run.counts[name]
        _check_ticks(run)
    assert min(slept.values()) > 0


def _check_ticks(run):
    """The ticks asleep, told by the command trace alone."""
    frame = run.command_frame()
    for index, rank in enumerate(run.ranks):
        told = {"active": 0, "down": 0, "self": 0}
        rows, since, kind = {}, 0, ""
        lines = frame[frame["rank"] == index][["clock", "command", "group", "bank"]].itertuples(index=False)
        for clock, command, group, bank in [*lines, (run.cycles, "end", 0, 0)]:
            if kind and command in ("PDX", "SRX", "end"):
                told[kind] += max(0, clock - since)
                kind = ""
            if command in ("PDE", "SRE"):
                since, kind = clock, "self" if command == "SRE" else "active" if rows else "down"
            elif command == "ACT":
                rows[group, bank] = True
            elif command in ("PREpb", "RDA", "WRA"):
                rows.pop((group, bank), None)
            elif command == "PREab":
                rows.clear()
        assert told == {"active": rank.active_down_ticks, "down": rank.down_ticks, "self": rank.self_refresh_ticks}
        assert rank.active_down_ticks <= rank.active_ticks


def test_latency_out_of_sleep():
    """A read finds its row open, or the bank closed, or the rank in self-refresh: nXP more, or the DLL must lock again."""
    chosen = device("DDR4_2400R")
    t = chosen.timing
    knobs = Knobs(power_down_policy="Staggered", refresh_policy="NoRefresh")
    asleep = DramSystem(chosen, knobs=knobs).run(AddressTrace.of("probe", [0, 64, 1 << 17], False, [500, 1000, 1500]))
    assert asleep.latency.tolist() == [37 + t["nXP"], 21 + t["nXP"], 53 + t["nXP"]]
    deep = DramSystem(chosen, knobs=knobs._replace(refresh_policy="AllBank", self_refresh_after=1))
    run = deep.run(AddressTrace.of("probe", [0, 64], False, [0, 5 * t["nREFI"]]))
    assert run.latency.tolist() == [37, t["nXSDLL"] + 21]
    assert run.counts["REFab"] == 1
    assert run.ranks[0].self_refreshes == 4


def _isolated(draw, chosen):
    """Requests that come one by one, with time to be done in between."""
    n = 40
    gaps = [draw.choice([900, 1500, 4000, 30_000]) for _ in range(n)]
    address = [draw.randrange(1 << draw.choice([14, 33])) // 64 * 64 for _ in range(n)]
    return AddressTrace.of("isolated", address, [draw.random() < 0.3 for _ in range(n)], np.cumsum(gaps))


@pytest.mark.parametrize("seed", range(12))
def test_sleep_saves_energy_and_never_time(seed):
    """For requests that come alone: every one is answered no earlier, and the energy of a mostly idle run falls."""
    draw = random.Random(seed)
    chosen = device(draw.choice(["DDR4_2400R", "DDR4_3200AA"])).with_ranks(draw.choice([1, 2]))
    page, policy = draw.choice(["Open", "Closed"]), draw.choice(["AllBank", "NoRefresh"])
    trace = _isolated(draw, chosen)
    joule, before = [], None
    for knobs in (
        Knobs(page, refresh_policy=policy),
        Knobs(page, refresh_policy=policy, power_down_policy="Staggered", self_refresh_after=0),
        Knobs(page, refresh_policy=policy, power_down_policy="Staggered", self_refresh_after=1),
    ):
        run = DramSystem(chosen, knobs=knobs).run(trace, commands=10_000)
        assert confirm_commands(run) == 0
        assert (run.done >= 0).all()
        before = run.done if before is None else before
        assert (run.done >= before).all()
        joule.append(sum(sum(rank.values()) for rank in energy_j(run, currents_of(device("DDR4_2400R")))))
    assert joule[1] < 0.9 * joule[0]
    assert joule[2] < joule[1] or policy == "NoRefresh"


def test_a_busy_rank_does_not_sleep():
    """Under a full stream the policy changes nothing."""
    trace = address_trace("stream", 3_000)
    system = DramSystem(device("DDR4_2400R"))
    asleep = replace(system, knobs=Knobs(power_down_policy="Staggered"))
    one, other = system.run(trace), asleep.run(trace)
    assert other.counts["PDE"] == 0
    assert one.done.tolist() == other.done.tolist()


def test_waiting_before_sleep_trades_energy_for_latency():
    trace = address_trace("random", 300, every=400)
    runs = [
        DramSystem(device("DDR4_2400R"), knobs=Knobs(power_down_policy="Staggered", power_down_after=after)).run(trace)
        for after in (0, 100, 1_000)
    ]
    down = [run.ranks[0].active_down_ticks + run.ranks[0].down_ticks for run in runs]
    assert down[0] > down[1] > down[2]
    assert runs[0].latency.mean() >= runs[1].latency.mean() > runs[2].latency.mean()


def test_self_refresh_owes_nothing():
    """Refreshes that fall into self-refresh are not made up for at the end of a run."""
    trace = AddressTrace.of("two", [0, 64], False, [0, 400_000])
    report = DramMachine().run([DramDesign.make({"power_down_policy": "Staggered"})], trace)[0]
    assert report.metrics["refreshes_owed"] == 0
    assert report.layers["self_refresh_ticks"][0] > 300_000


def test_what_cannot_sleep_is_one_clear_line():
    for name in ("HBM2_2000", "LPDDR5_6400"):
        with pytest.raises(InputError, match=f"power_down_policy=Staggered: accepted for a DDR4 or DDR5 device .*{name} takes"):
            DramSystem(device(name), knobs=Knobs(power_down_policy="Staggered"))
    system = DramSystem(device("DDR4_2400R"), knobs=Knobs(power_down_policy="Staggered"))
    run = system.run(address_trace("random", 5, every=999))
    poor = Currents(source="a note", dq=8, rails={"vdd": Rail(voltage=1.2, idd2n=30, idd3n=40)})
    with pytest.raises(InputError, match="currents from a note: idd3p is missing, and a rank slept for"):
        energy_j(run, poor)
