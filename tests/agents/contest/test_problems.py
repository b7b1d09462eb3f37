"""Problems as data: what ships holds together, merged points are the same, and wrong files say what is wrong."""

from pathlib import Path

import numpy as np
import pytest
from contest_cases import TINY

from cyclescape.agents.contest.problem import ContestProblem, Merged, problem_names
from cyclescape.errors import InputError


def test_the_systolic_space_has_more_than_a_million_points() -> None:
    sizes = {name: len(ContestProblem.read(name).open().space) for name in problem_names()}
    assert sizes == {"systolic": 1_204_224, "systolic-edp": 1_204_224, "dram-controller": 442_368, "fifo": 21_600}


def test_both_systolic_problems_ask_about_the_same_space() -> None:
    one, other = ContestProblem.read("systolic"), ContestProblem.read("systolic-edp")
    kept = {"values", "fixed", "accelerator", "workloads", "constraints", "same"}
    assert one.model_dump(include=kept) == other.model_dump(include=kept)
    assert list(other.objective) == ["edp"]


def test_the_dram_problem_explores_what_the_machine_declares() -> None:
    problem = ContestProblem.read("dram-controller").open()
    declared = {p.name: p.explored for p in problem.machine.design.parameters().values() if p.explored}
    assert {name: set(listed) for name, listed in problem.space.values.items()} == {n: set(v) for n, v in declared.items()}


@pytest.mark.parametrize("name", ["dram-controller", "fifo"])
def test_merged_points_are_simulated_alike(name: str) -> None:
    asked = ContestProblem.read(name)
    problem = asked.open()
    merged = Merged(problem.space, asked.same)
    points, rng = [], np.random.default_rng(5)
    while len(points) < 40:
        index = tuple(int(i) for i in rng.integers(0, problem.space.sizes))
        if merged.first(index) != index:
            points.append(index)
    given = problem.evaluate([problem.space.point(index) for index in points])
    first = problem.evaluate([problem.space.point(merged.first(index)) for index in points])
    for one, other in zip(given, first, strict=True):
        assert one.values == other.values
        assert one.reason == other.reason
        assert [r.metrics for r in one.reports] == [r.metrics for r in other.reports]
        assert [r.breakdown for r in one.reports] == [r.breakdown for r in other.reports]


def test_merging_counts_every_point_once() -> None:
    asked = ContestProblem.read("dram-controller")
    merged = Merged(asked.open().space, asked.same)
    # Simple: no limit on transactions; Reorder: no own order of answers; NoRefresh: no limits of refreshes.
    orders = 2 * 1 + 2 * 8 + 1 * 8
    assert len(merged.ranks) == 4 * 3 * 3 * 8 * orders * (1 + 16) == 127_296 // 1
    assert merged.weights.sum() == 442_368
    assert merged.weights.max() == 16 * 8


@pytest.mark.parametrize("name", ["dram-controller", "fifo"])
def test_ranks_are_the_first_of_all_kinds(name: str) -> None:
    asked = ContestProblem.read(name)
    space = asked.open().space
    merged = Merged(space, asked.same)
    points = np.stack(np.unravel_index(np.arange(len(space)), space.sizes), axis=1)
    firsts = np.ravel_multi_index(tuple(merged.firsts(points).T), space.sizes)
    assert np.array_equal(merged.ranks, np.unique(firsts))


def test_a_place_is_that_of_the_first_of_its_kind() -> None:
    asked = ContestProblem.read("fifo")
    space = asked.open().space
    merged = Merged(space, asked.same)
    for rank in np.random.default_rng(0).integers(0, len(space), 50).tolist():
        index = space.unrank(rank)
        assert space.unrank(int(merged.ranks[merged.place(index)])) == merged.first(index)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("accelerator: systolic", "accelerator: sistolic"), "accelerator 'sistolic' is not known; did you mean 'systolic'?"),
        (("rows: [4, 8, 16, 32]", "rows: [4, 0]"), "rows=0: accepted: integer >= 1"),
        (("objective: [time_s, area_mm2]", "objective: [speed]"), "no metric 'speed'"),
        (("fixed: {", "fixed: {rows: 4, "), "rows: both fixed and explored"),
        (("values:", "colour: red\nvalues:"), "colour: unknown parameter (accepted fields:"),
        (("values:", "same: [{when: {rows: [5]}, whatever: [cols]}]\nvalues:"), "same: rows=5: not explored"),
        (("values:", "same: [{when: {rows: [4]}, whatever: [colls]}]\nvalues:"), "same: colls: not explored"),
        (("values:", "same: [{when: {rows: [4]}, whatever: [rows]}]\nvalues:"), "same: rows: cannot be both"),
        (("workloads: [", "workloads: [] #"), "workloads"),
    ],
)
def test_a_wrong_file_says_what_is_wrong(tmp_path: Path, change: tuple[str, str], said: str) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(TINY.replace(*change))
    with pytest.raises(InputError) as error:
        ContestProblem.read(path)
    assert str(error.value).startswith(f"{path}: ")
    assert said in str(error.value)
    assert "\n" not in str(error.value)


def test_an_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(InputError, match=r"problem 'sytolic' is not known \(accepted: dram-controller, fifo, systolic"):
        ContestProblem.read("sytolic")
