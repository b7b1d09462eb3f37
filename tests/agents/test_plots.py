import pytest

from cyclescape.agents.plots import label


@pytest.mark.parametrize(
    ("name", "words", "unit"),
    [
        ("time_s", "time", "s"),
        ("energy_j", "energy", "J"),
        ("area_mm2", "area", "mm²"),
        ("cycles", "cycles", ""),
        ("dram_bytes", "dram", "B"),
        ("throughput_ops_per_s", "throughput", "op/s"),
        ("edp", "EDP", "J·s"),
        ("latency", "latency", "s"),
        ("energy_j*time_s**2", "energy_j*time_s**2", ""),
    ],
)
def test_labels_carry_units(name: str, words: str, unit: str) -> None:
    assert label(name) == (words, unit)
