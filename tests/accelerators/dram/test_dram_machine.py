import gzip
from importlib import resources

import pytest

from cyclescape.accelerators.dram import DramDesign, DramMachine
from cyclescape.accelerators.dram.validate import check_drained, check_runs, reference_rows
from cyclescape.errors import DesignError
from cyclescape.simulator.memory.dram.energy import PARTS
from cyclescape.simulator.space import Space
from cyclescape.traces.address_generators import address_trace
from cyclescape.traces.addresses import AddressTrace

MACHINE = DramMachine()


def _table(name):
    raw = (resources.files("cyclescape.accelerators.dram") / "reference" / name).read_bytes()
    text = gzip.decompress(raw).decode() if name.endswith(".gz") else raw.decode()
    return reference_rows(text, name, ())


def test_a_tenth_of_the_reference_runs_are_equal():
    """Every device, policy, mapping and trace kind appears; `cyclescape validate dram` runs all 908."""
    rows = _table("ramulator2.csv.gz")
    assert len(rows) == 908
    some = rows[::10]
    assert {row["device"] for row in some} == {row["device"] for row in rows}
    failures = [check for check in check_runs(some, "table") if not check.ok]
    assert failures == []


def test_drained_runs_are_equal():
    assert all(check.ok for check in check_drained(_table("ramulator2_drained.csv")))


def test_a_wrong_row_is_noticed():
    row = _table("ramulator2.csv.gz")[0]
    row["cycles"] = str(int(row["cycles"]) + 1)
    assert [check.field for check in check_runs([row], "table") if not check.ok] == ["cycles"]


def test_the_space_is_archgyms():
    space = Space(DramDesign)
    assert len(space) == 442_368
    assert len(space.parameters) == 10


def test_reports_sum_up():
    trace = address_trace("random", 1_000, writes="every3", every=4)
    for values in ({}, {"channels": 2}, {"device": "HBM2_2000"}, {"arbiter": "Reorder", "resp_queue": "Reorder"}):
        report = MACHINE.run([DramDesign.make(values)], trace)[0]
        metrics = report.metrics
        assert sum(report.breakdown.values()) == metrics["cycles"]
        assert sum(metrics[f"energy_{part}_j"] for part in PARTS) == pytest.approx(metrics["energy_j"])
        assert 0 < metrics["bandwidth_utilization"] < 1
        assert set(metrics) <= set(MACHINE.metrics)


def test_no_free_lunch_without_refresh():
    short = address_trace("random", 5_000)
    long = address_trace("random", 20_000)
    base, none = DramDesign.make({}), DramDesign.make({"refresh_policy": "NoRefresh"})
    with_refresh, without = (MACHINE.run([d], short)[0] for d in (base, none))
    assert without.metrics["refreshes_owed"] >= 3
    assert without.metrics["energy_refresh_j"] > 0
    assert without.metrics["cycles"] >= with_refresh.metrics["cycles"] * 0.98
    assert "would lose data" in MACHINE.run([none], long)[0].reason


def test_the_reference_engine_gives_the_same():
    trace = address_trace("random", 40, writes="every3")
    design = DramDesign.make({"scheduler": "FrFcfsGrp"})
    assert MACHINE.run([design], trace, engine="reference")[0].metrics == MACHINE.run([design], trace)[0].metrics


@pytest.mark.parametrize(("values", "words"), [
    ({"device": "DDR4"}, "device 'DDR4' is not known"), ({"channels": 3}, "channels=3: accepted: a power of two"),
    ({"refresh_policy": "PerBank"}, "has no nREFIpb"), ({"low_watermark": 9}, "accepted: less than high_watermark=6"),
    ({"refresh_policy": "SameBank"}, "accepted in the default convention for a DDR5 device with nRFCsb, nREFIsb, nREFSBRD"),
    ({"mapping": "RoBaCo"}, "mapping 'RoBaCo': accepted: RoBaRaCoCh, ChRaBaRoCo, MOP4CLXOR, or a .yaml file"),
    ({"currents": "HBM9"}, "currents='HBM9': accepted: DDR4-2400_8Gb_x8"),
    ({"power_down_policy": "Staggered", "device": "GDDR6_14000"}, "accepted for a DDR4 or DDR5 device"),
    ({"ranks": 3}, "ranks=3"), ({"device": "HBM2_2000", "ranks": 4}, "by construction"),
])
def test_impossible_designs_are_one_clear_line(values, words):
    with pytest.raises(DesignError) as caught:
        DramDesign.make(values)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_addresses_beyond_the_device_fail_the_design():
    report = MACHINE.run([DramDesign.make({})], AddressTrace.of("far", [1 << 40]))[0]
    assert "is beyond the device" in report.reason
