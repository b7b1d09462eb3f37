"""One contract for every searcher, run over all that are there."""

import importlib.util
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cyclescape.agents import searcher as module
from cyclescape.agents.model_free import Random, levels
from cyclescape.agents.searcher import make_searcher, register, searcher_names
from cyclescape.errors import InputError, MissingExtraError
from cyclescape.simulator.accelerator import Accelerator
from cyclescape.simulator.problem import Problem
from cyclescape.traces.workload import Workload

GP = pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="needs the extra gp")
SMALL = ["random", "grid", "tpe", "auto"]
WALKERS = ["annealing", "ants", "bottleneck", "genetic", "nsga2"]
SOBOL = pytest.param("sobol", marks=pytest.mark.skipif(importlib.util.find_spec("scipy") is None, reason="needs the extra gp"))
GUIDED = "guided:startup=5,trees=3"
SPECS = [
    "random", "grid", "tpe", "tpe:startup=3,candidates=8", pytest.param("gp:startup=4", marks=GP), *WALKERS,
    "annealing:hot=1,cold=0.1", "ants:ants=4,evaporation=0.5,greed=0", "bottleneck:patience=2,kick=1",
    "genetic:population=5,crossover=0.5,mutation=2", "nsga2:population=4", SOBOL, GUIDED,
    "auto", "auto:startup=4,caution=1,memory=12", "assisted",
]  # fmt: skip
OBJECTIVES = [("edp", ""), ("time_s,energy_j", "area_mm2<=3; utilization>=0.2")]


@pytest.fixture(params=OBJECTIVES, ids=["single", "multi, constrained"])
def problem(request: Any, roofline: Accelerator, mlp: Workload) -> Iterator[Problem]:
    with Problem(roofline, mlp, *request.param) as made:
        yield made


def run(spec: str, problem: Problem, budget: int, batch: int = 1, seed: int = 3) -> list[dict[str, Any]]:
    searcher = make_searcher(spec, problem.space, problem.objective, budget=budget, seed=seed)
    asked: list[dict[str, Any]] = []
    while len(asked) < budget:
        points = searcher.ask(min(batch, budget - len(asked)))
        if not points:
            break
        searcher.tell(points, problem.evaluate(points))
        asked += points
    return asked


@pytest.mark.parametrize("spec", SPECS)
def test_equal_seeds_give_equal_proposals_without_repeats(spec: str, problem: Problem) -> None:
    budget = 7 if spec.startswith("gp") else 30
    first = run(spec, problem, budget)
    assert first == run(spec, problem, budget)
    assert len({problem.space.index(point) for point in first}) == len(first) <= budget
    if spec != "grid":
        assert len(first) == budget
        assert first != run(spec, problem, budget, seed=4)


@pytest.mark.parametrize("spec", SPECS)
def test_batches_hold_no_repeats_either(spec: str, problem: Problem) -> None:
    asked = run(spec, problem, 8 if spec.startswith("gp") else 12, batch=4)
    assert len({problem.space.index(point) for point in asked}) == len(asked)


@pytest.mark.parametrize("spec", [*SMALL, *WALKERS, SOBOL, GUIDED, pytest.param("gp:startup=4", marks=GP)])
def test_a_small_space_is_exhausted(spec: str, roofline: Accelerator, mlp: Workload) -> None:
    fixed = {"bandwidth": 8, "frequency_mhz": 500}
    with Problem(roofline, mlp, fixed=fixed, values={"lanes": [8, 16, 4]}) as problem:
        assert len(run(spec, problem, 20)) == 6


@pytest.mark.parametrize("spec", ["tpe", "auto:startup=3", *WALKERS, GUIDED, pytest.param("gp:startup=5", marks=GP)])
def test_failures_and_foreign_points_are_digested(spec: str, faulty: Accelerator, mlp: Workload) -> None:
    with Problem(faulty, mlp, "edp", "cycles<=5000") as problem:
        searcher = make_searcher(spec, problem.space, problem.objective, budget=20, seed=0)
        for mode in ("refuse", "nan", "fine", "refuse"):  # proposed by someone else, the failures first
            foreign: list[Any] = [
                {"size": 3, "mode": mode},
                {"size": 3.5, "mode": "fine"},
                {"size": 40, "mode": mode},
            ]
            searcher.tell(foreign, problem.evaluate(foreign))
        for _ in range(3):
            points = [p if p["mode"] in ("fine", "slow") else {**p, "mode": "refuse"} for p in searcher.ask(2)]
            searcher.tell(points, problem.evaluate([{**p, "mode": p["mode"].replace("slow", "fine")} for p in points]))


@pytest.mark.parametrize("spec", ["tpe", "auto", pytest.param("gp", marks=GP)])
def test_learning_beats_chance(spec: str, roofline: Accelerator, mlp: Workload) -> None:
    with Problem(roofline, mlp, "edp", "area_mm2<=4") as problem:

        def best(agent: str, seed: int) -> float:
            outcomes = problem.evaluate(run(agent, problem, 24, seed=seed))
            return min(float(o.costs[0]) for o in outcomes if o.feasible)

        truth = best("grid", 0)
        learned = np.mean([best(spec, seed) for seed in range(3)])
        chance = np.mean([best("random", seed) for seed in range(3)])
        assert learned < chance
        assert learned <= truth + 0.35


def test_random_draws_are_uniform(roofline: Accelerator, mlp: Workload) -> None:
    with Problem(roofline, mlp) as problem:
        counts = np.zeros(7)
        for seed in range(60):
            for point in Random(problem.space, problem.objective, budget=20, seed=seed).ask(20):
                counts[problem.space.index(point)[0]] += 1
    expected = counts.sum() / 7
    assert ((counts - expected) ** 2 / expected).sum() < 22.5  # chi-squared, 6 degrees of freedom, p = 0.001


@given(st.lists(st.integers(1, 9), min_size=1, max_size=5), st.integers(1, 500))
def test_the_grid_fills_the_budget(sizes: list[int], budget: int) -> None:
    counts = levels(tuple(sizes), budget)
    assert all(1 <= count <= size for count, size in zip(counts, sizes, strict=True))
    total = int(np.prod(counts))
    assert total <= budget
    assert all(total // count * (count + 1) > budget for count, size in zip(counts, sizes, strict=True) if count < size)


def test_nearest_unseen_walks_outwards(roofline: Accelerator, mlp: Workload) -> None:
    with Problem(roofline, mlp) as problem:
        searcher = Random(problem.space, problem.objective, budget=1, seed=0)
        start = (3, 3, 1, 0)
        found = [searcher.nearest_unseen(start) for _ in range(294)]
        assert found[0] == start
        assert len(set(found)) == 294
        assert searcher.nearest_unseen(start) is None
        distance = [sum(abs(a - b) for a, b in zip(start, index or start, strict=True)) for index in found]
        assert distance == sorted(distance)


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        ("tpee", "did you mean 'tpe'?"),
        ("random:size=3", "no option 'size' (accepted: none)"),
        ("tpe:start=3", "no option 'start' (accepted: startup, candidates)"),
        ("annealing:hot=0", "hot=0, cold=0.01: accepted: 0 < cold <= hot"),
        ("ants:ants=1", "ants=1, evaporation=0.3, greed=0.2: accepted: ants >= 2"),
        ("nsga2:population=1", "agent 'nsga2': population=1, crossover=0.9, mutation=1.0: accepted: population >= 2"),
        ("auto:caution=0.5", "startup=10, caution=0.5, memory=300: accepted: startup >= 2, caution >= 1"),
        ("bottleneck:kick=0", "patience=6, kick=0: accepted: at least 1 each"),
        ("tpe:startup", "'startup' is not understood (accepted: key=value)"),
    ],
)
def test_a_wrong_name_is_one_line(spec: str, says: str, problem: Problem) -> None:
    with pytest.raises(InputError) as error:
        make_searcher(spec, problem.space, problem.objective, budget=1, seed=0)
    assert says in str(error.value)


def test_a_searcher_may_be_added(problem: Problem, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_registered", {})

    @register("lazy")
    class Lazy(Random):
        def __init__(self, *given: Any, budget: int, seed: int, power: float = 1.0) -> None:
            super().__init__(*given, budget=budget, seed=seed)
            self.power = power

    assert "lazy" in searcher_names()
    made = make_searcher("lazy:power=0.5", problem.space, problem.objective, budget=1, seed=0)
    assert isinstance(made, Lazy)
    assert made.power == 0.5


def test_a_missing_library_is_one_sentence(problem: Problem, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cyclescape.agents.optuna_searchers.gp_is_there", lambda: False)
    with pytest.raises(MissingExtraError, match=r"pip install 'cyclescape\[gp\]'"):
        make_searcher("gp", problem.space, problem.objective, budget=1, seed=0)
