"""Annealing, ants, evolution and the bottleneck-guided searcher: on enumerated truth, and what each is about."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cyclescape.agents.annealing import Annealing
from cyclescape.agents.ants import Ants
from cyclescape.agents.bottleneck import Bottleneck, logs, total
from cyclescape.agents.evolution import Nsga2, crowding
from cyclescape.agents.pareto import hypervolume, reference_point
from cyclescape.agents.searcher import make_searcher
from cyclescape.simulator.accelerator import Accelerator
from cyclescape.simulator.objective import Objective, Outcome
from cyclescape.simulator.problem import Problem
from cyclescape.simulator.report import Report
from cyclescape.simulator.space import Index, Space

WALKERS = ["annealing", "ants", "bottleneck", "genetic", "nsga2"]
FIXED = {"filter_sram_kib": 64, "ofmap_sram_kib": 64, "activation_sram_kib": 256, "vector_lanes": 64}
VALUES = {"ifmap_sram_kib": [8, 32, 128, 512, 2048], "bandwidth_bytes_per_cycle": [1, 4, 16, 64, 256]}
LIMIT = "area_mm2<=4"
SEEDS = range(6)
BUDGET = {"genetic": 200, "nsga2": 200}
"""Designs to each search; 60 if it is not here. Populations of twenty need a few generations."""


class Truth:
    """A problem with the outcome of every design."""

    def __init__(self, space: Space, objective: Objective, outcomes: dict[Index, Outcome]) -> None:
        self.space, self.objective, self.outcomes = space, objective, outcomes

    def asked(self, objective: str) -> "Truth":
        """The same designs with other eyes."""
        other = Objective.parse(objective, self.objective.constraints)
        return Truth(self.space, other, {index: other.outcome(o.reports) for index, o in self.outcomes.items()})

    def search(self, spec: str, seed: int, budget: int) -> list[Outcome]:
        searcher = make_searcher(spec, self.space, self.objective, budget=budget, seed=seed)
        found: list[Outcome] = []
        while len(found) < budget and (points := searcher.ask(1)):
            found.append(self.outcomes[self.space.index(points[0])])
            searcher.tell(points, found[-1:])
        return found

    def best(self, spec: str, budget: int) -> np.ndarray:
        """float64[seeds]: least log10 cost of a feasible design."""
        return np.array([min(o.costs[0] for o in self.search(spec, seed, budget) if o.feasible) for seed in SEEDS])

    def volume(self, spec: str, budget: int) -> np.ndarray:
        """float64[seeds]: share of the true hypervolume."""
        every = np.array([o.costs for o in self.outcomes.values() if o.feasible])
        reference = reference_point(every)
        found = [np.array([o.costs for o in self.search(spec, seed, budget) if o.feasible]) for seed in SEEDS]
        return np.array([hypervolume(costs, reference) for costs in found]) / hypervolume(every, reference)


@pytest.fixture(scope="module")
def single() -> Truth:
    with Problem("systolic", "attention:seq_len=64", "edp", LIMIT, fixed=FIXED, values=VALUES) as problem:
        points = list(problem.space.grid())
        outcomes = dict(zip(map(problem.space.index, points), problem.evaluate(points), strict=True))
        return Truth(problem.space, problem.objective, outcomes)


@pytest.fixture(scope="module")
def double(single: Truth) -> Truth:
    return single.asked("time_s,energy_j")


@pytest.mark.parametrize("spec", [*WALKERS, "guided:trees=8"])
def test_one_objective_is_found_better_than_by_chance(spec: str, single: Truth) -> None:
    budget = BUDGET.get(spec, 60)
    least = min(o.costs[0] for o in single.outcomes.values() if o.feasible)
    assert (single.best(spec, budget) - least).mean() < 0.5 * (single.best("random", budget) - least).mean()


def test_the_default_agent_finds_the_optimum_in_every_seed(single: Truth) -> None:
    """One of 3,675 designs, after 60."""
    least = min(o.costs[0] for o in single.outcomes.values() if o.feasible)
    assert single.best("auto", 60).tolist() == [least] * len(SEEDS)


def test_the_default_agent_covers_the_front(double: Truth) -> None:
    volumes = double.volume("auto", 40)
    assert volumes.min() > 0.98
    assert volumes.mean() > 0.99


@pytest.mark.parametrize("spec", WALKERS)
def test_a_front_is_found_better_than_by_chance(spec: str, double: Truth) -> None:
    budget = BUDGET.get(spec, 60)
    assert double.volume(spec, budget).mean() > double.volume("random", budget).mean()


@pytest.mark.parametrize("spec", WALKERS)
def test_broken_constraints_are_left_behind(spec: str, single: Truth) -> None:
    """Of what is proposed late more is feasible than of the space."""
    budget = BUDGET.get(spec, 60)
    late = [o.feasible for seed in SEEDS for o in single.search(spec, seed, budget)[budget // 2 :]]
    assert np.mean(late) > np.mean([o.feasible for o in single.outcomes.values()])


def outcome(objective: Objective, time_s: float, **breakdown: int) -> Outcome:
    return objective.outcome(Report({"cycles": 1, "time_s": time_s, "energy_j": 1.0, "area_mm2": 1.0}, breakdown))


@pytest.fixture
def space(roofline: Accelerator) -> Space:
    return Space(roofline.design)


TIME = Objective.parse("time_s")


@pytest.mark.parametrize(("hot", "cold", "share"), [(0.5, 0.5, np.exp(-0.3 / 0.5)), (0.01, 0.01, 0.0)])
def test_a_worse_design_is_taken_as_often_as_the_temperature_says(hot: float, cold: float, share: float, space: Space) -> None:
    taken = 0
    for seed in range(400):
        walk = Annealing(space, TIME, budget=10, seed=seed, hot=hot, cold=cold)
        first = walk.ask(1)
        assert first == [space.point(space.default())]
        walk.tell(first, [outcome(TIME, 1.0)])
        then = walk.ask(1)
        walk.tell(then, [outcome(TIME, 10**0.3)])
        taken += walk._here == space.index(then[0])
    assert taken / 400 == pytest.approx(share, abs=4 * np.sqrt(0.25 / 400))


def test_the_walk_cools_from_hot_to_cold(space: Space) -> None:
    walk = Annealing(space, TIME, budget=30, seed=0, hot=1.0, cold=0.01)
    assert walk.temperature == 1.0
    for done in range(30):
        points = walk.ask(1)
        walk.tell(points, [outcome(TIME, 1.0)])
        assert walk.temperature == pytest.approx(0.01 ** ((done + 1) / 30))


def test_trails_gather_where_good_designs_are(space: Space) -> None:
    colony = Ants(space, TIME, budget=200, seed=0)
    for _ in range(160):
        points = colony.ask(1)
        colony.tell(points, [outcome(TIME, 1.0 + abs(points[0]["lanes"] - 32))])
    assert colony.trails[0].argmax() == space.values["lanes"].index(32)
    assert colony.trails[0].max() > 0.6
    for trail, size in zip(colony.trails, space.sizes, strict=True):
        assert trail.sum() == pytest.approx(1.0)
        assert trail.min() >= 0.02 / size * (1 - 1e-12)


def test_the_knob_that_relieved_a_cause_is_moved_when_that_cause_is_largest(space: Space) -> None:
    """Lanes halve what compute takes, the port what memory takes; nothing says so but the reports."""

    def judged(point: dict[str, Any]) -> Outcome:
        compute, memory = 2**20 // point["lanes"], 2**18 // point["bandwidth"]
        return outcome(TIME, (compute + memory) * 1e-9, compute=compute, memory=memory)

    guided = Bottleneck(space, TIME, budget=60, seed=1)
    for _ in range(24):  # enough to have tried every kind of step
        points = guided.ask(1)
        guided.tell(points, [judged(point) for point in points])
    up = {name: guided._causes[space.names.index(name), 1, 0] for name in ("lanes", "bandwidth")}
    assert up["lanes"][0, "compute"] < -0.2 < up["lanes"][0, "memory"]
    assert up["bandwidth"][0, "memory"] < -0.2 < up["bandwidth"][0, "compute"]
    for bound, knob in (({"lanes": 4, "bandwidth": 32}, "lanes"), ({"lanes": 128, "bandwidth": 1}, "bandwidth")):
        here = {"frequency_mhz": 500, "fused": True, **bound}
        guided._here = space.index(here)
        guided.seen = {guided._here}
        guided.known[guided._here], guided._idle = judged(here), 0
        assert guided.ask(1) == [{**here, knob: 2 * here[knob]}]


ROWS = st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6), st.integers(-2, 3)), min_size=1, max_size=12)
"""Decades of time, energy and area."""


@given(ROWS, st.integers(2, 12))
def test_parents_of_nsga2_are_what_the_paper_sorts(rows: list[tuple[int, int, int]], population: int) -> None:
    from roofline import Roofline

    objective = Objective.parse("time_s,energy_j", "area_mm2<=1")
    searcher = Nsga2(Space(Roofline.design), objective, budget=99, seed=0, population=population)
    for rank, (time, energy, area) in enumerate(rows):
        metrics = {"cycles": 1, "time_s": 10.0**time, "energy_j": 10.0**energy, "area_mm2": 10.0**area}
        searcher.known[searcher.space.unrank(rank)] = objective.outcome(Report(metrics, {}))
    chosen = searcher.select()
    assert len(chosen) == len(set(chosen)) == min(population, len(rows))
    left = [index for index in searcher.known if index not in chosen]

    def beats(one: Index, two: Index) -> bool:
        """Deb's constrained domination, pair by pair."""
        a, b = searcher.known[one], searcher.known[two]
        if a.feasible != b.feasible:
            return a.feasible
        if not a.feasible:
            return bool(a.violations[0] < b.violations[0])
        return bool((a.costs <= b.costs).all() and (a.costs < b.costs).any())

    assert not any(beats(out, kept) for out in left for kept in chosen)
    assert not any(beats(later, sooner) for i, sooner in enumerate(chosen) for later in chosen[i + 1 :])


def test_crowding_is_the_box_between_neighbours() -> None:
    found = crowding(np.array([[0.0, 4.0], [1.0, 2.0], [4.0, 0.0]]))
    assert found.tolist() == [np.inf, 4 / 4 + 4 / 4, np.inf]


def test_sobol_fills_every_axis_more_evenly_than_chance(space: Space) -> None:
    pytest.importorskip("scipy")

    def unevenness(spec: str) -> float:
        points = [make_searcher(spec, space, TIME, budget=28, seed=seed).ask(28) for seed in range(10)]
        counts = [np.bincount([space.index(p)[0] for p in drawn], minlength=7) for drawn in points]
        return float(np.mean((np.array(counts) - 4) ** 2))

    assert unevenness("sobol") < 0.5 * unevenness("random")


def test_logs_of_causes_add_up_to_the_cycles() -> None:
    seen = outcome(TIME, 1.0, a=900, b=100, c=0)
    assert total(logs(seen)) == pytest.approx(np.log10(1000 * 1.03))
    assert total({}) == 0.0
