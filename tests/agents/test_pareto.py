import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from cyclescape.agents.pareto import adrs, front_of, hypervolume, nondominated, reference_point

rows = hnp.array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=12).flatmap(
    lambda shape: hnp.arrays(float, (shape[0], min(shape[1], 4)), elements=st.integers(-3, 3).map(float))
)


@given(rows)
def test_the_front_is_what_the_definition_says(costs: np.ndarray) -> None:
    expected = [not any((b <= a).all() and (b < a).any() for b in costs) for a in costs]
    assert nondominated(costs).tolist() == expected


def test_what_has_no_number_is_never_on_the_front() -> None:
    costs = np.array([[np.nan, -9.0], [1.0, np.inf], [2.0, 2.0]])
    assert nondominated(costs).tolist() == [False, False, True]
    assert nondominated(np.empty((0, 2))).tolist() == []


@given(rows)
def test_the_volume_is_the_number_of_dominated_cells(costs: np.ndarray) -> None:
    # Integer corners: count unit cells of the box -3..4 that some row dominates.
    k = costs.shape[1]
    cells = np.stack(np.meshgrid(*[np.arange(-3, 4)] * k, indexing="ij"), axis=-1).reshape(-1, k)
    covered = (costs[None, :, :] <= cells[:, None, :]).all(axis=2).any(axis=1).sum()
    assert hypervolume(costs, np.full(k, 4.0)) == pytest.approx(covered)


@given(rows)
def test_a_dominated_row_adds_no_volume_and_a_new_best_does(costs: np.ndarray) -> None:
    reference = np.full(costs.shape[1], 4.0)
    volume = hypervolume(costs, reference)
    assert hypervolume(np.vstack((costs, costs[0] + 0.5)), reference) == pytest.approx(volume)
    assert hypervolume(np.vstack((costs, costs.min(axis=0) - 1)), reference) > volume


def test_rows_outside_the_reference_count_nothing() -> None:
    assert hypervolume(np.array([[5.0, 0.0], [0.0, 5.0]]), np.array([4.0, 4.0])) == 0.0


def test_the_reference_point_is_a_tenth_beyond_the_worst() -> None:
    assert reference_point(np.array([[0.0, 2.0], [1.0, 2.0]])).tolist() == pytest.approx([1.1, 2.1])


def test_adrs_is_zero_at_the_truth_and_counts_relative_excess() -> None:
    truth = np.log10([[1.0, 100.0], [10.0, 10.0]])
    assert adrs(truth, truth) == 0.0
    assert adrs(truth + np.log10([1.2, 1.0]), truth) == pytest.approx(0.2)
    assert adrs(truth[:1], truth) == pytest.approx((0 + 9) / 2)
    assert adrs(np.empty((0, 2)), truth) == float("inf")


@given(st.lists(st.tuples(*[st.integers(0, 3)] * 3), max_size=30))
def test_of_equal_rows_of_a_front_the_first_stands_for_all(rows: list[tuple[int, ...]]) -> None:
    costs = np.array(rows, float).reshape(-1, 3)
    members, ties = front_of(costs)
    ahead = np.flatnonzero(nondominated(costs)) if rows else np.empty(0)
    assert len(members) + ties.sum() == len(ahead)
    found = [rows[i] for i in members]
    assert found == sorted({rows[i] for i in ahead})
    assert [rows.index(row) for row in found] == members.tolist()
    assert [rows.count(row) - 1 for row in found] == ties.tolist()
