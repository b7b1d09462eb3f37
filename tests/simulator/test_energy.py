"""The technologies hold the printed figures, and follow the laws that such figures must."""

import dataclasses
import doctest
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cyclescape.errors import InputError
from cyclescape.simulator.energy import technology, technology_names
from cyclescape.simulator.technology import Constant, Curve

NAMES = technology_names()
DOCS = Path(__file__).parents[2] / "docs" / "models" / "energy.md"
CAPACITIES = st.integers(16, 2**30)


def test_horowitz_prints():
    """Horowitz, ISSCC 2014, and the areas printed beside it (typed again here, from the slide)."""
    tech = technology("horowitz-45nm")
    assert tech.mac_pj(8) == pytest.approx(0.2 + 0.1)
    assert tech.mac_pj(32) == pytest.approx(3.1 + 0.1)
    assert tech.mac_pj(16, "float") == pytest.approx(1.1 + 0.9)
    assert tech.mac_pj(32, "float") == tech.vector_op_pj == pytest.approx(3.7 + 0.9)
    assert tech.mac_area_um2(8) == pytest.approx(282 + 137)
    assert tech.mac_area_um2(32) == pytest.approx(3495 + 137)
    assert tech.mac_area_um2(16, "float") == pytest.approx(1640 + 4184)
    assert tech.vector_lane_um2 == pytest.approx(7700 + 4184)
    for kilobytes, pj in ((8, 10), (32, 20), (1024, 100)):
        assert 64 * tech.sram_read_pj_per_bit(kilobytes * 1024) == pytest.approx(pj)
    assert 64 * tech.dram_pj_per_bit == pytest.approx(1300)


def test_sixteen_bit_multiplier_is_between_its_neighbours():
    """No paper prints it; on log-log axes it is the geometric mean of the 8 and 32-bit ones."""
    tech = technology("horowitz-45nm")
    assert tech.int_multiply_pj(16) == pytest.approx((0.2 * 3.1) ** 0.5)
    assert tech.int_multiply_um2(16) == pytest.approx((282 * 3495) ** 0.5)


def test_eyeriss_prints():
    """The cost table of the Eyeriss chip in nn_dataflow, pJ per 16-bit word."""
    tech = technology("eyeriss-65nm")
    assert tech.mac_pj(16) == pytest.approx(2)
    assert 16 * tech.register_pj_per_bit == pytest.approx(1)
    assert 16 * tech.hop_pj_per_bit(pitch_um=123) == pytest.approx(4)
    assert 16 * tech.sram_read_pj_per_bit(108 * 1024) == pytest.approx(15)
    assert 16 * tech.dram_pj_per_bit == pytest.approx(460)
    assert tech.logic_leakage_mw_per_mm2 * 12.25 == pytest.approx(30)


def test_order_of_the_memory_hierarchy():
    """Eyeriss, ISCA 2016: a register is cheaper than the neighbour, then come the buffer and DRAM."""
    for tech in map(technology, NAMES):
        buffer = tech.sram_read_pj_per_bit(128 * 1024)
        assert tech.register_pj_per_bit < tech.hop_pj_per_bit(50) < buffer < tech.dram_pj_per_bit


def test_sram_density_is_near_the_bit_cell():
    """A 45 nm 6T cell of the time is 0.24 to 0.35 um2; periphery adds less than half as much again."""
    per_bit_um2 = technology("horowitz-45nm").sram_area_mm2(2**20) * 1e6 / (8 * 2**20)
    assert 0.24 < per_bit_um2 < 0.35 * 1.5


@pytest.mark.parametrize("name", NAMES)
@given(small=CAPACITIES, more=st.integers(1, 2**30))
def test_a_larger_sram_costs_more(name, small, more):
    tech, large = technology(name), small + more
    assert tech.sram_read_pj_per_bit(small) <= tech.sram_read_pj_per_bit(large)
    assert tech.sram_area_mm2(small) < tech.sram_area_mm2(large)
    assert tech.sram_leakage_mw(small) < tech.sram_leakage_mw(large)
    # one bank of twice the size is never dearer than two banks by area, within the curve's own accuracy
    assert tech.sram_area_mm2(2 * small) < 2.1 * tech.sram_area_mm2(small)


@pytest.mark.parametrize("name", NAMES)
@given(bits=st.integers(8, 31))
def test_wider_arithmetic_costs_more(name, bits):
    tech = technology(name)
    assert tech.mac_pj(bits) < tech.mac_pj(bits + 1)
    assert tech.mac_area_um2(bits) < tech.mac_area_um2(bits + 1)


@pytest.mark.parametrize("name", NAMES)
@given(sizes=st.lists(CAPACITIES, min_size=1, max_size=20))
def test_arrays_are_the_same_as_numbers(name, sizes):
    tech, array = technology(name), np.array(sizes)
    bits = 8 + array % 25
    for method, values in (
        (tech.sram_read_pj_per_bit, array), (tech.sram_area_mm2, array), (tech.sram_leakage_mw, array),
        (tech.mac_pj, bits), (tech.mac_area_um2, bits),
        (tech.hop_pj_per_bit, array), (tech.wire_pj_per_bit, array),
    ):
        alone = [method(int(value)) for value in values]
        assert all(isinstance(value, float) for value in alone)
        assert method(values).tolist() == alone


@given(
    st.lists(
        st.tuples(st.integers(1, 10**6), st.floats(1e-3, 1e3)),
        min_size=2, max_size=6, unique_by=lambda point: point[0],
    )
)
def test_a_curve_goes_through_its_points_and_is_straight_between(points):
    points = sorted(points)
    curve = Curve(tuple(points), "bytes", "pJ", "test")
    for size, value in points:
        assert curve(size) == value
    (low, first), (high, second) = points[0], points[1]
    assert curve((low * high) ** 0.5) == pytest.approx((first * second) ** 0.5)


def test_every_figure_names_its_source():
    for tech in map(technology, NAMES):
        rows = list(tech.rows())
        figures = {item.name for item in dataclasses.fields(tech)
                   if isinstance(getattr(tech, item.name), Constant | Curve)}
        assert {row[0] for row in rows} == figures
        assert all(len(source) > 10 for *_, source in rows)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: technology("horowitz-45mn"), "did you mean 'horowitz-45nm'"),
        (lambda: technology("horowitz-45nm").mac_pj(4), "accepted: 8 to 32"),
        (lambda: technology("horowitz-45nm").mac_pj(8, "float"), "accepted: 16 to 32"),
        (lambda: technology("horowitz-45nm").mac_pj(8, "bf16"), "accepted: int, float"),
        (lambda: technology("horowitz-45nm").sram_area_mm2([1024, 0]), "accepted: more than 0"),
    ],
)
def test_what_is_not_known_is_an_error_of_one_line(call, said):
    with pytest.raises(InputError) as error:
        call()
    assert said in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "points", [((1, 1),), ((2, 1), (1, 2)), ((1, 1), (1, 2)), ((0, 1), (1, 2)), ((1, 0), (2, 1))]
)
def test_a_curve_refuses_points_that_are_none(points):
    with pytest.raises(ValueError, match="rising order"):
        Curve(points, "bytes", "pJ", "test")


def test_the_docs_print_every_figure():
    text = DOCS.read_text()
    for tech in map(technology, NAMES):
        section = text.partition(f"## `{tech.name}`")[2].partition("\n## ")[0]
        cells = [line.split("|")[1:4] for line in section.splitlines() if line.startswith("| `")]
        printed = [tuple(cell.strip() for cell in row) for row in cells]
        assert printed == [(f"`{name}`", at, value) for name, at, value, _ in tech.rows()]


def test_the_worked_example_of_the_docs():
    outcome = doctest.testfile(str(DOCS), module_relative=False)
    assert outcome.attempted > 8
    assert outcome.failed == 0
