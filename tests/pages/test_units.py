import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cyclescape.simulator.units import quantity


@pytest.mark.parametrize(
    ("name", "value", "shown"),
    [
        ("time_s", 0.00142, "1.42 ms"),
        ("energy_j", 6.3e-3, "6.30 mJ"),
        ("area_mm2", 3.2286, "3.23 mm²"),
        ("cycles", 7_963_285, "7.96 M"),
        ("cycles", 12, "12"),
        ("power_w", 0.99996, "1.00 W"),
        ("pe_utilization", 0.50146, "50.1 %"),
        ("dram_bytes", 77_290_936, "77.3 MB"),
        ("edp", 1.8e-4, "180 µJ·s"),
        ("macs_per_s", 5e11, "500 GMACs/s"),
        ("frequency_mhz", 1000, "1000 MHz"),
        ("sram_kib", 2048, "2048 KiB"),
        ("time_s", math.nan, "–"),
        ("time_s", 0, "0 s"),
    ],
)
def test_values_as_people_write_them(name: str, value: float, shown: str) -> None:
    assert quantity(name).show(value) == shown


@pytest.mark.parametrize(
    ("name", "label", "unit"),
    [
        ("time_s", "time", "s"),
        ("energy_dram_j", "energy DRAM", "J"),
        ("activation_sram_kib", "activation SRAM", "KiB"),
        ("bandwidth_bytes_per_cycle", "bandwidth", "B/cycle"),
        ("energy_j*time_s**2", "energy_j · time_s²", ""),
        ("rows", "rows", ""),
    ],
)
def test_names_in_words(name: str, label: str, unit: str) -> None:
    assert (quantity(name).label, quantity(name).unit) == (label, unit)


SIZES = {"E": 1e18, "P": 1e15, "T": 1e12, "G": 1e9, "M": 1e6, "k": 1e3, "": 1.0, "m": 1e-3, "µ": 1e-6, "n": 1e-9,
         "p": 1e-12, "f": 1e-15, "a": 1e-18}  # fmt: skip


@given(st.floats(1e-17, 1e20))
def test_what_is_shown_is_the_value_to_three_digits(value: float) -> None:
    number, unit = quantity("energy_j").show(value).replace("\u202f", "").split(" ")
    assert unit.endswith("J")
    assert float(number) * SIZES[unit[:-1]] == pytest.approx(value, rel=0.0051)
    assert 1 <= float(number) < 1000.5
