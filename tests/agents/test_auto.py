"""What the default agent stands on: gains, forecasts, rules, and the optimum of an enumerated space."""

import math
from typing import Annotated, Any

import numpy as np
import pytest
from pydantic import create_model

from cyclescape.agents.auto import Auto
from cyclescape.agents.forecast import Forecast, log_normal_cdf
from cyclescape.agents.gain import Gain
from cyclescape.agents.pareto import hypervolume
from cyclescape.agents.search import search
from cyclescape.simulator.accelerator import Accelerator
from cyclescape.simulator.design import Design
from cyclescape.simulator.objective import Objective, Outcome
from cyclescape.simulator.parameters import Range
from cyclescape.simulator.problem import Problem
from cyclescape.simulator.report import Report
from cyclescape.simulator.space import Space
from cyclescape.traces.workload import Workload

KEPT = np.ones(6, dtype=bool)


def test_of_one_objective_the_gain_is_the_expected_improvement() -> None:
    costs = np.array([[3.0], [2.0], [1.0], [2.5], [4.0], [2.2]])
    gain = Gain(costs, KEPT, np.random.default_rng(0))
    means, deviations = np.array([[0.9], [0.5], [1.0], [1.2]]), np.array([[0.3], [0.0], [0.8], [0.5]])
    z = (1.0 - means) / np.maximum(deviations, 1e-12)
    density, share = np.exp(-0.5 * z**2) / math.sqrt(2 * math.pi), np.array([[0.5 * math.erfc(-v / math.sqrt(2))] for [v] in z])
    expected = ((1.0 - means) * share + deviations * density)[:, 0]
    found = np.exp(gain.of(means, deviations))
    assert found / found[1] == pytest.approx(expected / expected[1], abs=0.03)
    assert gain.shortfall(costs).argmin() == 2


def test_of_two_objectives_the_gain_is_hypervolume() -> None:
    rng = np.random.default_rng(1)
    front = np.array([[0.0, 1.0], [0.1, 0.6], [0.3, 0.3], [0.6, 0.1], [1.0, 0.0], [1.0, 1.0]])
    reference = np.array([1.2, 1.2])
    there = rng.random((200, 2))
    gained = np.array([hypervolume(np.vstack((front, row)), reference) for row in there]) - hypervolume(front, reference)
    told = np.mean([np.exp(Gain(front, KEPT, rng).of(there, np.zeros((200, 2)))) for _ in range(40)], axis=0)
    better = gained > 0.01
    assert better.sum() > 20
    assert np.corrcoef(gained[better], told[better])[0, 1] > 0.95
    assert told[better].min() > told[gained == 0].max() * 0.5


def test_without_a_feasible_design_everything_gains() -> None:
    costs = np.array([[3.0], [2.0], [1.0], [2.5], [4.0], [2.2]])
    gain = Gain(costs, ~KEPT, np.random.default_rng(0))
    assert np.diff(gain.of(np.array([[3.5], [2.0], [1.0]]), np.zeros((3, 1)))).min() > 0


def test_the_tail_of_the_normal_distribution() -> None:
    values = np.linspace(-8, 4, 49)
    exact = np.array([math.log(0.5 * math.erfc(-value / math.sqrt(2))) for value in values])
    assert log_normal_cdf(values) == pytest.approx(exact, rel=0.06, abs=1e-3)
    assert np.diff(log_normal_cdf(np.array([-99.0, -30.0, -5.0, 0.0, 9.0]))).min() >= 0


def test_forecasts_know_where_designs_fail_and_what_is_on_its_way(faulty: Accelerator, mlp: Workload) -> None:
    with Problem(faulty, mlp, "edp,cycles", "cycles<=3000") as problem:
        space, objective = problem.space, problem.objective

        def outcome(size: int) -> Outcome:
            return objective.outcome(Report({"cycles": 100 * size, "time_s": size, "energy_j": 1 / size**3}, {}))

        known = {(size - 1, 0): outcome(size) for size in (1, 9, 18, 27, 36, 45, 54, 64)}
        failed = [(size - 1, 10) for size in (4, 30, 60)]
        forecast = Forecast(space, np.random.default_rng(0))
        places = np.array([(22, 0), (13, 0), (50, 0), (13, 10)])
        forecast.learn(known, failed, [], 11)
        means, before = forecast.costs(places)
        sure = forecast.feasible(places)
        assert means[0] == pytest.approx(outcome(23).costs, abs=0.1)
        assert sure[1] > -0.3 > sure[2]  # one keeps the limit of 3000 cycles, the other breaks it
        assert sure[3] < sure[1] - 0.5  # fails, as far as is known
        forecast.learn(known, failed, [(13, 0)], 11)
        assert (forecast.costs(places)[1][1] < 0.1 * before[1]).all()


def test_the_best_designs_and_the_latest_failures_teach_where_designs_fail(faulty: Accelerator, mlp: Workload) -> None:
    """Of far more than a hundred successes the best ones count too; failures that come first give way to later ones."""
    with Problem(faulty, mlp, "edp") as problem:
        space, objective = problem.space, problem.objective
        row, depth = space.sizes[0], space.sizes[1]
        fails = depth - 1
        best = [(place, at) for place in range(row // 2) for at in range(fails)]
        known = {
            index: objective.outcome(Report({"cycles": 1, "time_s": 1.0 + i, "energy_j": 1.0}, {}))
            for i, index in enumerate(best)
        }
        assert len(known) > 200
        failed = [*((0, 0) for _ in range(100)), *((place, fails) for place in range(row // 2, row))]
        forecast = Forecast(space, np.random.default_rng(0))
        forecast.learn(known, failed, [], len(known))
        sure = forecast.feasible(np.array([(1, 1), (row - 2, fails)]))
        assert sure[0] > -0.2
        assert sure[1] < -1


def run(problem: Problem, budget: int, batch: int = 1, **options: Any) -> list[dict[str, Any]]:
    agent = Auto(problem.space, problem.objective, budget=budget, seed=1, **options)
    asked: list[dict[str, Any]] = []
    while len(asked) < budget and (points := agent.ask(batch)):
        agent.tell(points, problem.evaluate(points))
        asked += points
    return asked


@pytest.mark.parametrize("batch", [1, 8])
def test_what_breaks_a_declared_rule_is_proposed_last(batch: int, roofline: Accelerator, mlp: Workload) -> None:
    with Problem(roofline, mlp, "edp", values={"bandwidth": [1, 8]}) as problem:
        outcomes = problem.evaluate(run(problem, 100, batch))
    refused = [not outcome.ok for outcome in outcomes]
    assert len(refused) == 84
    assert 0 < sum(refused) < 84
    assert refused == sorted(refused)


def test_a_space_without_a_valid_design_says_why(roofline: Accelerator, mlp: Workload) -> None:
    values = {"lanes": [256], "frequency_mhz": [1000]}
    study = search(roofline, mlp, agent="auto", budget=5, values=values)
    assert len(study.trials) == 5
    assert study.history["reason"].str.contains("exceed the power grid").all()


def test_past_its_memory_it_goes_on(roofline: Accelerator, mlp: Workload) -> None:
    with Problem(roofline, mlp, "time_s,energy_j", "area_mm2<=4") as problem:
        asked = run(problem, 60, memory=20)
        assert len({problem.space.index(point) for point in asked}) == 60
        assert asked == run(problem, 60, memory=20)
        assert all(outcome.ok for outcome in problem.evaluate(asked))


def test_told_outcomes_are_learnt_from(roofline: Accelerator, mlp: Workload) -> None:
    """Told of 40 random designs it proposes better ones at once than it drew itself at first."""
    with Problem(roofline, mlp, "edp", "area_mm2<=4") as problem:
        drawn = problem.space.sample(np.random.default_rng(0), 40)
        outcomes = problem.evaluate(drawn)
        agent = Auto(problem.space, problem.objective, budget=50, seed=0)
        agent.tell(drawn, outcomes)
        agent.ask(1)  # the default
        found = [outcome.costs[0] for outcome in problem.evaluate(agent.ask(4)) if outcome.feasible]
        assert min(found) <= min(outcome.costs[0] for outcome in outcomes if outcome.feasible)


def test_a_space_of_more_designs_than_an_integer_of_the_machine_can_count() -> None:
    fields: dict[str, Any] = {f"p{i}": (Annotated[int, Range(1, 64)], 1) for i in range(12)}
    space = Space(create_model("Huge", __base__=Design, **fields))
    objective = Objective(terms=("cycles",))
    agent = Auto(space, objective, budget=20, seed=0)
    for _ in range(15):
        (point,) = agent.ask(1)
        cycles = sum(point.values())
        agent.tell([point], [objective.outcome(Report({"cycles": cycles}, {}))])
    assert cycles < 12 * 20  # by then it has learned that less is better
