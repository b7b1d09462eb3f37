"""The checker, the probes, energy and the timeline."""

import pytest

from cyclescape.accelerators.dram.validate import check_command_traces
from cyclescape.errors import InputError
from cyclescape.simulator.memory.dram.checker import Place, TimingChecker
from cyclescape.simulator.memory.dram.devices import device, device_names
from cyclescape.simulator.memory.dram.energy import Currents, Rail, currents_of, energy_j, needed_currents
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


@pytest.mark.parametrize("name", device_names())
def test_energy_is_known_or_refused(name):
    """Devices with published currents draw them, in an order that every data sheet has; the others say so in one line."""
    chosen = device(name)
    if currents_of(chosen) is None:
        assert name in ("LPDDR5_6400", "HBM3_6400", "DDR5_4800BN")
        with pytest.raises(InputError, match=f"{name}: no supply currents are published .* energy is known for DDR4_2400R, "):
            needed_currents(chosen)
        return
    for rail in needed_currents(chosen).rails.values():
        assert rail.idd2p <= rail.idd2n <= rail.idd3n < min(rail.idd4r, rail.idd4w)
        assert rail.idd2p <= rail.idd3p <= rail.idd3n < min(rail.idd5b, rail.idd0)
    run = DramSystem(chosen).run(address_trace("random", 300, writes="every3"))
    parts = energy_j(run, needed_currents(chosen))[0]
    assert min(parts[part] for part in ("activate", "read", "write", "background")) > 0


def test_currents_by_name_and_from_a_file(tmp_path):
    chosen = device("LPDDR5_6400")
    path = tmp_path / "mine.yaml"
    path.write_text("source: bench\ndq: 16\nrails: {vdd2h: {voltage: 1.05, idd0: 45, idd2n: 30}}\n", encoding="utf-8")
    assert currents_of(chosen, str(path)).rails["vdd2h"].idd0 == 45
    gem5 = "source: gem5\ndq: 8\nrails: {vdd: {voltage: 1.1, idd0: 122, idd2n: 92, idd3n: 142}}\n"
    path.write_text(gem5, encoding="utf-8")
    with pytest.raises(InputError, match="idd0=122 is less than the 142 of one open bank.* or a bank factor rho less than 1"):
        currents_of(device("DDR5_4800BN"), str(path))
    path.write_text("rho: 0.5\n" + gem5, encoding="utf-8")
    assert currents_of(device("DDR5_4800BN"), str(path)).rho == 0.5
    assert currents_of(device("DDR4_2400R"), "DDR4-2666_8Gb_x8").rails["vdd"].idd4r == 146
    path.write_text("source: bench\ndq: 16\nrails: {vdd2h: {voltage: 1.05, idd0: -45}}\n", encoding="utf-8")
    for table, words in (
        (str(path), "mine.yaml: rails.vdd2h.idd0"), ("DDR6", "currents='DDR6': accepted: DDR4-2400_8Gb_x8"),
        (str(tmp_path / "none.yaml"), "none.yaml: cannot be read"),
        ("HBM2_8Gb_x128", "chips of dq=128; accepted for LPDDR5_6400: a divisor of its channel_width=16"),
    ):
        with pytest.raises(InputError) as caught:
            currents_of(chosen, table)
        assert words in str(caught.value)
        assert "\n" not in str(caught.value)


def _run(chosen, counts, active=0, banks=0):
    import numpy as np

    from cyclescape.simulator.memory.dram.commands import COMMANDS
    from cyclescape.simulator.memory.dram.results import RankActivity

    rank = RankActivity(0, 0, {name: counts.get(name, 0) for name in COMMANDS}, active, banks)
    none = np.zeros(0, np.int64)
    return DramRun(chosen, 1, "default", 1000, 0, none, none, none.astype(bool), {}, (rank,))


def test_timeline_shows_every_burst():
    run = DramSystem(device("HBM2_2000")).run(address_trace("random", 50, line=32), commands=1000)
    assert sum("data bus" in span.track for span in timeline(run)) == 50
