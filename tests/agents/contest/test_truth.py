"""Truths: of a small space against a plain loop, by hand, those that ship against random designs."""

import json
from pathlib import Path

import numpy as np
import pytest
from contest_cases import TINY, by_hand, tiny
from refusals import refusal

from cyclescape.agents.contest import table
from cyclescape.agents.contest.problem import ContestProblem, Merged, problem_names
from cyclescape.agents.contest.remembered import Remembered
from cyclescape.agents.contest.table import Table, enumerate_problem
from cyclescape.agents.contest.truth import Truth, sampled, truth_of, truth_path
from cyclescape.errors import InputError

SHIPPED = [name for name in problem_names() if truth_path(ContestProblem.read(name)) is not None]


def test_the_truth_of_a_small_space_is_what_a_plain_loop_finds(tmp_path: Path) -> None:
    asked = ContestProblem.read(tiny(tmp_path))
    truth = Truth.read(tmp_path / "tiny.truth.json")
    problem = asked.open()
    outcomes = problem.evaluate(list(problem.space.grid()))
    good = [o for o in outcomes if o.feasible]
    assert truth.points == truth.distinct == 144
    assert truth.feasible_share == len(good) / 144
    assert 0.3 < truth.feasible_share < 0.9
    costs = {tuple(o.costs.tolist()) for o in good}
    front = {c for c in costs if not any(all(a <= b for a, b in zip(d, c)) and d != c for d in costs)}
    assert {v.costs for v in truth.front} == front
    assert len(front) > 2
    for vertex in truth.front:
        assert vertex.designs == sum(tuple(o.costs.tolist()) == vertex.costs for o in good)
    worst, best = np.array(sorted(front)).max(axis=0), np.array(sorted(front)).min(axis=0)
    np.testing.assert_allclose(truth.reference, worst + 0.1 * (worst - best), rtol=1e-12)
    # by columns from left to right, the plain way
    ordered, volume, above = sorted(front), 0.0, truth.reference[1]
    for x, y in ordered:
        volume += (truth.reference[0] - x) * (above - y)
        above = y
    assert truth.hypervolume == pytest.approx(volume, rel=1e-12)
    assert sampled(asked, truth, 200) == []


def test_the_weights_of_merged_points_count(tmp_path: Path) -> None:
    text = TINY.replace("values:", "same: [{when: {rows: [4]}, whatever: [cols, bandwidth_bytes_per_cycle]}]\nvalues:")
    path = tiny(tmp_path, text)  # a false rule, so that weights show
    truth = Truth.read(path.with_suffix(".truth.json"))
    problem = ContestProblem.read(path).open()
    feasible = 0
    for point in problem.space.grid():
        if point["rows"] == 4:
            point |= {"cols": 4, "bandwidth_bytes_per_cycle": 4}
        feasible += problem.evaluate([point])[0].feasible
    assert (truth.points, truth.distinct) == (144, 144 - 36 + 3)
    assert truth.feasible_share == feasible / 144


def test_an_enumeration_goes_on_where_it_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table, "ROWS", 32)
    asked = ContestProblem.read(tiny(tmp_path))
    written = []
    fill = Table.fill
    monkeypatch.setattr(Table, "fill", lambda self, number: (written.append(number), fill(self, number)))
    first = enumerate_problem(asked, tmp_path / "again", files=2)
    assert first.missing == [2, 3, 4]
    with pytest.raises(InputError, match="enumeration is finished"):
        truth_of(asked, first)
    (first.folder / ".000002.npy.1").write_bytes(b"what a kill leaves")
    whole = enumerate_problem(asked, tmp_path / "again")
    assert written == [0, 1, 2, 3, 4]
    assert truth_of(asked, whole) == Truth.read(tmp_path / "tiny.truth.json")


def test_a_table_answers_as_the_simulator_does(tmp_path: Path) -> None:
    asked = ContestProblem.read(tiny(tmp_path, TINY.replace("filter_sram_kib: 16", "filter_sram_kib: 1")))
    problem = asked.open()
    merged = Merged(problem.space, asked.same)
    stored = Remembered(problem.evaluator, merged, Table(asked, problem, merged, tmp_path / "tables"))
    points = list(problem.space.grid())
    direct = problem.evaluate(points)
    problem.evaluator = stored
    answered = problem.evaluate(points)
    assert stored.simulated == 0
    assert 0 < sum(o.ok for o in direct) < 144  # some do not run
    for one, other in zip(direct, answered, strict=True):
        assert (one.ok, one.feasible, one.values, one.slacks) == (other.ok, other.feasible, other.values, other.slacks)
        assert one.costs.tolist() == other.costs.tolist()
        assert one.violations.tolist() == other.violations.tolist()
        assert [r.breakdown for r in one.reports] == [r.breakdown for r in other.reports]


def test_hypervolume_share_and_adrs_by_hand() -> None:
    # Front (0, 1), (1, 0) up to (2, 2): 2 x 1 + 1 x 1 = 3. Found: nothing, (1, 1), then (0, 1), then (1, 0).
    truth = by_hand((0.0, 1.0), (1.0, 0.0), reference=(2.0, 2.0), hypervolume=3.0)
    costs = np.array([[np.inf, np.inf], [1.0, 1.0], [0.0, 1.0], [1.0, 0.0]])
    np.testing.assert_allclose(truth.shares(costs, [1, 2, 3, 4]), [0.0, 1 / 3, 2 / 3, 1.0])
    # (1, 1) is ten times as much as either true point in one objective: an excess of 9; then 0 and 9, then 0.
    np.testing.assert_allclose(truth.distances(costs), [np.inf, 9.0, 4.5, 0.0])
    assert truth.best == 0.5


def test_adrs_of_one_objective_is_the_excess() -> None:
    truth = by_hand((0.0,), reference=(0.1,), hypervolume=0.1)
    costs = np.log10([[2.0], [1.1], [1.2]])
    np.testing.assert_allclose(truth.distances(costs), [1.0, 0.1, 0.1])
    np.testing.assert_allclose(truth.shares(costs, [1, 3]), [0.0, 1 - np.log10(1.1) / 0.1])


@pytest.mark.parametrize("name", SHIPPED)
def test_a_shipped_truth_holds_for_its_front_and_random_designs(name: str) -> None:
    """No sampled design beats the front, and the share of feasible ones agrees; all on today's model."""
    asked = ContestProblem.read(name)
    truth = Truth.read(asked.path.with_name(f"{name}.truth.json"))
    assert truth.enumerated
    assert truth.points == len(asked.open().space)
    assert sampled(asked, truth, 150 if name == "fifo" else 300, seed=11) == []


def test_a_wrong_truth_is_found_out(tmp_path: Path) -> None:
    asked = ContestProblem.read(tiny(tmp_path))
    truth = Truth.read(tmp_path / "tiny.truth.json")
    first, *others = truth.front
    missing = truth.model_copy(update={"front": tuple(others)})
    assert any("is beaten by no design" in text for text in sampled(asked, missing, 600))
    better = first.model_copy(update={"costs": (first.costs[0] - 0.1, first.costs[1])})
    too_good = truth.model_copy(update={"front": (better, *others)})
    assert any("where the truth has" in text for text in sampled(asked, too_good, 5))
    assert any("are feasible" in t for t in sampled(asked, truth.model_copy(update={"feasible_share": 0.05}), 400))


def test_a_truth_of_other_sources_is_said_to_be_stale(tmp_path: Path) -> None:
    problem = ContestProblem.read(tiny(tmp_path)).open()
    truth = Truth.read(tmp_path / "tiny.truth.json")
    assert truth.stale(problem) == ""
    assert truth.model_copy(update={"model": "0" * 64}).stale(problem) == "the model's sources changed since"
    assert "workload" in truth.model_copy(update={"workloads": ("0",)}).stale(problem)
    swapped = TINY.replace("vector_lanes: 8", "vector_lanes: 16")
    other = tmp_path / "other.yaml"
    other.write_text(swapped)
    assert truth.stale(ContestProblem.read(other).open()) == "other values are fixed or explored"
    assert "144 points, not 7" in truth.model_copy(update={"points": 7}).stale(problem)


@pytest.mark.parametrize("column", [0, -1])
def test_a_table_of_infinite_numbers_is_refused(column: int, tmp_path: Path) -> None:
    asked = ContestProblem.read(tiny(tmp_path))
    full = enumerate_problem(asked, tmp_path / "again")
    rows = np.load(full.path(0))
    rows[0, 0, column] = np.inf
    np.save(full.path(0), rows)
    problem = asked.open()
    altered = Table(asked, problem, Merged(problem.space, asked.same), tmp_path / "again")
    assert "an infinite number" in refusal(altered.report, 0, 0)


def test_a_folder_of_tables_that_is_not_there_is_said(tmp_path: Path) -> None:
    asked = ContestProblem.read("fifo")
    for wrong in (tmp_path / "nowhere", Path(__file__)):
        with pytest.raises(InputError, match="no such folder"):
            truth_path(asked, wrong)
    assert truth_path(asked, tmp_path) == truth_path(asked)


@pytest.mark.parametrize(
    ("text", "said"),
    [("{", "not JSON"), ("{}", "problem: missing"), ("[1]", "valid dictionary"), (None, "No such file")],
)
def test_a_broken_truth_says_what_is_wrong(tmp_path: Path, text: str | None, said: str) -> None:
    path = tmp_path / "x.truth.json"
    if text is not None:
        path.write_text(text)
    with pytest.raises(InputError, match=said):
        Truth.read(path)


def test_costs_must_match_the_reference(tmp_path: Path) -> None:
    truth = by_hand((0.0,), reference=(0.1,), hypervolume=0.1)
    document = truth.model_dump(mode="json") | {"reference": [0.1, 0.2]}
    path = tmp_path / "x.truth.json"
    path.write_text(json.dumps(document))
    with pytest.raises(InputError, match="front: not as many costs"):
        Truth.read(path)
