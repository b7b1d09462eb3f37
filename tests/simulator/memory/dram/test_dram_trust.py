"""The checker, the probes, energy and the timeline."""

import pytest

from cyclescape.accelerators.dram.validate import check_command_traces
from cyclescape.simulator.memory.dram.checker import Place, TimingChecker
from cyclescape.simulator.memory.dram.devices import device, device_names
from cyclescape.simulator.memory.dram.energy import Currents, Rail, currents_of, energy_j
from cyclescape.simulator.memory.dram.probes import probe
from cyclescape.simulator.memory.dram.results import DramRun
from cyclescape.simulator.memory.dram.system import DramSystem
from cyclescape.simulator.memory.dram.timeline import timeline
from cyclescape.traces.address_generators import address_trace

HERE = Place(0, 0, 0, 0)


@pytest.mark.parametrize("name", device_names())
def test_scheduler_and_checker_agree_on_every_gate(name):
    result = probe(device(name), steps=500, seed=3)
    assert result.wrong == ()
    assert result.gates > 150


@pytest.mark.parametrize("name", ["DDR4_2400R", "DDR5_4800BN", "LPDDR5_6400"])
def test_two_ranks_keep_their_bursts_apart(name):
    result = probe(device(name).with_ranks(2), steps=500, seed=4)
    assert result.wrong == ()
    assert any(rule.startswith("other rank") for rule in result.binding)


def test_a_wrong_gate_is_found():
    """The probes fail when the scheduler's table is off by one."""
    chosen = device("DDR4_2400R")
    checker = TimingChecker(chosen.model_copy(update={"timing": {**chosen.timing, "nRCD": 17}}))
    checker.record(0, "ACT", HERE, 5)
    assert [b.rule for b in checker.breaches(16, "RD", HERE, 5)] == ["nRCD"]
    assert checker.breaches(17, "RD", HERE, 5) == []


@pytest.mark.parametrize(("lines", "rule"), [
    ([(0, "ACT", 5), (16, "RD", 6)], "access_to_wrong_row"),
    ([(0, "ACT", 5), (0, "ACT", 5)], "command_bus"),
    ([(0, "ACT", 5), (100, "ACT", 5)], "ACT_on_open_bank"),
    ([(0, "ACT", 5), (100, "REFab", -1)], "refresh_of_open_bank"),
    ([(0, "ACT", 5), (38, "PREpb", -1)], "nRAS"),
])
def test_breaches_are_found(lines, rule):
    found = TimingChecker(device("DDR4_2400R")).check((t, c, HERE, row) for t, c, row in lines)
    assert rule in found


def test_reference_traces_hold_what_is_known_of_them():
    checks = list(check_command_traces())
    assert all(check.ok for check in checks)
    assert any(check.field == "breaches_data_bus" and check.expected == 36 for check in checks)


def test_energies_are_dramsim3s_for_the_same_counts():
    """10,000 reads of DDR4: 35,328,000 and 4,156.8 per activation and precharge, in V mA cycles (spec of DRAMsim3)."""
    chosen = device("DDR4_2400R")
    timing = {**chosen.timing, "nRAS": 39, "nRP": 17, "nRC": 56}
    run = _run(chosen.model_copy(update={"timing": timing}), {"RD": 10_000, "ACT": 86, "PREpb": 86})
    currents = currents_of(chosen)
    assert currents is not None
    energy = energy_j(run, currents)[0]
    unit = 1e-3 * chosen.tck_ps * 1e-12
    assert energy["read"] == pytest.approx(35_328_000 * unit)
    assert energy["activate"] + energy["precharge"] == pytest.approx(4_156.8 * 86 * unit)


def test_the_bank_factor_moves_background_to_open_banks():
    chosen = device("DDR4_2400R")
    run = _run(chosen, {}, active=1000, banks=16_000)
    half, full = (
        energy_j(run, Currents(source="", dq=8, rho=rho, rails={"vdd": Rail(voltage=1.2, idd2n=34, idd3n=43)}))[0]["background"]
        for rho in (0.5, 1.0)
    )
    assert half == pytest.approx(full)  # with all banks open both come to IDD3N


def _run(chosen, counts, active=0, banks=0):
    import numpy as np

    from cyclescape.simulator.memory.dram.commands import COMMANDS
    from cyclescape.simulator.memory.dram.results import RankActivity

    rank = RankActivity(0, 0, {name: counts.get(name, 0) for name in COMMANDS}, active, banks)
    none = np.zeros(0, np.int64)
    return DramRun(chosen, 1, "default", 1000, 0, none, none, none.astype(bool), {}, (rank,))


def test_timeline_shows_every_burst():
    run = DramSystem(device("HBM2_2000")).run(address_trace("random", 50, line=32), commands=1000)
    events = timeline(run)["traceEvents"]
    assert sum(event["ph"] == "X" and event["tid"] >= 10_000 for event in events) == 50
