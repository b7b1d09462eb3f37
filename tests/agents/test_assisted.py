"""Search on closed forms and on what a store holds: levels, warm starts, and that fronts are simulated."""

import os
import sqlite3
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cyclescape.agents.assisted import Assisted
from cyclescape.agents.forecast import Forecast
from cyclescape.agents.levels import Levels, experience, judged
from cyclescape.agents.search import search
from cyclescape.agents.study import Study
from cyclescape.errors import Interrupted
from cyclescape.simulator.accelerator import Accelerator
from cyclescape.simulator.evaluator import Direct
from cyclescape.simulator.objective import Objective, Outcome
from cyclescape.simulator.problem import Problem
from cyclescape.simulator.report import Report
from cyclescape.simulator.space import Space
from cyclescape.simulator.store import ResultStore
from cyclescape.traces.operators import Gemm
from cyclescape.traces.workload import Workload

TWO = {"objective": "time_s,energy_j", "constraints": "area_mm2<=4"}


@pytest.fixture
def closed(roofline: Accelerator, monkeypatch: pytest.MonkeyPatch) -> Accelerator:
    """The roofline with a closed form that is off by a factor, and by more the wider the port; of designs of 8 lanes it
    says that they cannot work."""

    def bounds(designs: Sequence[Any], workload: Workload) -> dict[str, np.ndarray]:
        reports = roofline.simulate_many(designs, workload)
        wide = np.array([1.5 + 0.1 * np.log2(d.bandwidth) for d in designs])
        wide[[d.lanes == 8 for d in designs]] = np.nan
        return {name: np.array([report.metrics[name] for report in reports]) / wide for name in ("time_s", "energy_j")}

    monkeypatch.setattr(roofline, "bounds", bounds, raising=False)
    return roofline


class Counted(Direct):
    """Notes what was simulated."""

    def __init__(self, machine: Accelerator) -> None:
        super().__init__(machine)
        self.count = 0

    def batches(self, designs: Any, workload: Any, *, ordered: bool = True) -> Any:
        for batch in super().batches(designs, workload, ordered=ordered):
            self.count += len(batch)
            yield batch


@pytest.mark.parametrize("aggregate", ["geomean", "sum", "worst"])
def test_closed_forms_are_judged_as_outcomes_are(aggregate: Any) -> None:
    objective = Objective.parse(
        "edp, max:utilization, energy_j*time_s**2", "area_mm2<=4; utilization>=0.2", aggregate=aggregate, weights=[1.0, 3.0]
    )
    rng = np.random.default_rng(0)
    tables = [{name: rng.random(20) * 8 for name in ("energy_j", "time_s", "utilization", "area_mm2")} for _ in range(2)]
    for i, row in enumerate(judged(objective, tables, 20)):
        outcome = objective.outcome([Report({name: float(values[i]) for name, values in table.items()}) for table in tables])
        assert row == pytest.approx(np.concatenate((outcome.costs, outcome.violations)))
    for table in tables:
        del table["area_mm2"], table["energy_j"]
    left = judged(objective, tables, 20)
    assert (left[:, [0, 2, 3]] == 0).all()
    assert (left[:, [1, 4]] != 0).all()


def test_a_good_level_is_taken_and_a_bad_one_is_not(roofline: Accelerator, mlp: Workload) -> None:
    with Problem(roofline, mlp, "time_s,energy_j") as problem:
        rng, space = np.random.default_rng(2), problem.space
        points = [space.index(p) for p in space.sample(rng, 60)]
        outcomes = problem.evaluate([space.point(index) for index in points])
        known = {index: outcome for index, outcome in zip(points, outcomes) if outcome.ok}
        truth = {index: outcome.costs for index, outcome in known.items()}
        noise = np.random.default_rng(3).normal(size=(*space.sizes, 2))

        def levels(places: np.ndarray) -> np.ndarray:
            """Time but for a third of a decade, and noise for energy."""
            rows = [tuple(row) for row in places.tolist()]
            return np.array([[(truth[row][0] + 0.3, noise[row][0]) for row in rows]])

        taught = dict(list(known.items())[:20])
        forecast, plain = Forecast(space, np.random.default_rng(0), levels), Forecast(space, np.random.default_rng(0))
        for each in (forecast, plain):
            each.learn(taught, [], [], len(taught))
        assert forecast.choices == [1, 0]
        there = np.array([index for index in known if index not in taught])
        errors = [np.abs(each.costs(there)[0] - [truth[tuple(row)] for row in there.tolist()]).mean(axis=0)
                  for each in (forecast, plain)]
        assert errors[0][0] < 1e-3 < 0.1 * errors[1][0]
        assert errors[0][1] == errors[1][1]


@pytest.mark.parametrize(("different", "share"), [(False, 1 / 5), (True, 1)])
def test_what_a_closed_form_cannot_tell_from_a_known_design_counts_as_often_as_it_differed(
    roofline: Accelerator, different: bool, share: float
) -> None:
    space = Space(roofline.design)
    places = np.array([space.unrank(rank) for rank in range(len(space))])
    alike = [places[places[:, 0] == place] for place in range(3)]
    known = {tuple(row): Outcome((), {}, np.array([which + 0.1 * i * different]), {}, np.zeros(0), None)
             for which in (0, 1) for i, row in enumerate(alike[which][:3].tolist())}
    forecast = Forecast(space, np.random.default_rng(0), lambda rows: rows[None, :, :1].astype(float))
    forecast.learn(known, [], [], len(known))
    for which, says in ((0, np.log(share)), (1, np.log(share)), (2, 0.0)):
        assert forecast.novelty(alike[which]) == pytest.approx(says)
    forecast.learn(known, [], [tuple(alike[2][0].tolist())], len(known))
    assert forecast.novelty(alike[2]) == pytest.approx(np.log(share)), "one is under evaluation"
    plain = Forecast(space, np.random.default_rng(0))
    plain.learn(known, [], [], len(known))
    assert (plain.novelty(places) == 0).all()


def test_what_a_closed_form_rules_out_comes_last(closed: Accelerator, mlp: Workload) -> None:
    study = search(closed, mlp, agent="assisted", budget=40, **TWO)
    assert len(study.trials) == 40
    assert not [trial.note for trial in study.trials if trial.note]
    assert sum(trial.point["lanes"] == 8 for trial in study.trials) <= 3  # those drawn before anything is forecast


def test_a_closed_form_saves_simulations(closed: Accelerator, mlp: Workload) -> None:
    def first(agent: str, seed: int) -> int:
        """Simulations up to the optimum."""
        found = search(closed, mlp, objective="edp", agent=agent, budget=30, seed=seed).costs[:, 0]
        return int([*np.flatnonzero(found <= best + 1e-9), 30][0])

    best = np.nanmin(search(closed, mlp, objective="edp", agent="grid", budget=999).costs)
    needed = {agent: sum(first(agent, seed) for seed in range(2)) for agent in ("auto", "assisted")}
    assert needed["assisted"] < 0.7 * needed["auto"]


def test_every_row_and_so_every_front_is_simulated(closed: Accelerator, mlp: Workload, gemv: Workload, tmp_path: Path) -> None:
    search(closed, gemv, agent="random", budget=30, out=tmp_path, **TWO)
    counted = Counted(closed)
    study = search(closed, mlp, agent="assisted", budget=20, evaluator=counted, out=tmp_path, **TWO)
    assert counted.count == len(study.trials) == 20
    assert not any(trial.outcome.surrogate for trial in study.trials)
    front = study.front()
    again = closed.simulate_many([closed.design.make({name: row[name] for name in closed.design.model_fields})
                                  for row in front.to_dict("records")], mlp)
    assert front["time_s"].tolist() == [report.metrics["time_s"] for report in again]
    assert front["energy_j"].tolist() == [report.metrics["energy_j"] for report in again]


def test_of_the_same_workload_nothing_is_simulated_twice(roofline: Accelerator, mlp: Workload, tmp_path: Path) -> None:
    before = search(roofline, mlp, agent="random", budget=60, out=tmp_path, **TWO)
    counted = Counted(roofline)
    study = search(roofline, mlp, agent="assisted", budget=40, evaluator=counted, out=tmp_path, **TWO)
    members = [trial for trial in before.trials if trial.number in set(before.front()["number"])]
    tried = [trial.point for trial in study.trials]
    first = tried[: len(members)]
    assert all(trial.point in first for trial in members)
    assert counted.count == sum(trial.point not in [t.point for t in before.trials] for trial in study.trials)
    assert 40 - counted.count == len(members)  # none but the front is asked for again
    assert set(_front(before)) - set(_front(study)) == set(_front(before)) - set(_front(before, study))


def _front(*studies: Study) -> list[tuple[float, ...]]:
    from cyclescape.agents.pareto import nondominated

    costs = np.concatenate([study.costs for study in studies])
    return [tuple(row) for row in costs[nondominated(costs)].tolist()]


def test_another_workload_is_a_warm_start(roofline: Accelerator, mlp: Workload, tmp_path: Path) -> None:
    """Without any closed form. Needs fewer simulations to come as far."""
    whole = search(roofline, mlp, objective="edp", agent="grid", budget=999)
    best = np.nanmin(whole.costs)

    other = Workload(name="other", operators=(Gemm(name="a", m=48, n=256, k=512), Gemm(name="b", m=48, n=1024, k=256)))

    def first(study: Study) -> int:
        return int([*np.flatnonzero(study.costs[:, 0] <= best + 1e-9), 30][0])

    cold = warm = 0
    for seed in range(2):
        asked = {"objective": "edp", "agent": "assisted", "budget": 30, "seed": seed}
        cold += first(search(roofline, mlp, **asked))
        search(roofline, other, out=tmp_path / str(seed), **asked)
        warm += first(search(roofline, mlp, out=tmp_path / str(seed), **asked))
    assert warm < 0.8 * cold


def test_a_warm_study_goes_on_as_if_it_had_not_stopped(
    closed: Accelerator, mlp: Workload, gemv: Workload, tmp_path: Path
) -> None:
    """What the study itself simulated is no part of what it began with."""
    asked: dict[str, Any] = {"agent": "assisted", "budget": 18, "seed": 4, **TWO}
    runs = []
    for folder in (tmp_path / "whole", tmp_path / "stopped"):
        search(closed, gemv, agent="random", budget=25, out=folder, **TWO)
        search(closed, mlp, agent="random", budget=15, out=folder, **TWO)

        def stop(study: Study, folder: Path = folder) -> None:
            if folder.name == "stopped" and len(study.trials) == 8:
                raise KeyboardInterrupt

        try:
            runs.append(search(closed, mlp, out=folder, progress=stop, **asked))
        except Interrupted:
            runs.append(search(closed, mlp, out=folder, **asked))
    assert [trial.point for trial in runs[0].trials] == [trial.point for trial in runs[1].trials]


def test_a_warm_study_goes_on_the_same_whatever_the_clock_says(closed: Accelerator, mlp: Workload, tmp_path: Path) -> None:
    asked: dict[str, Any] = {"agent": "assisted", "budget": 18, "seed": 4, **TWO}

    def stop(study: Study) -> None:
        if len(study.trials) == 8:
            raise KeyboardInterrupt

    whole = search(closed, mlp, **asked)
    with pytest.raises(Interrupted):
        search(closed, mlp, out=tmp_path, progress=stop, **asked)
    with sqlite3.connect(tmp_path / "store.sqlite") as db:
        db.execute("UPDATE evaluations SET created_unix_s = created_unix_s - 3600")
    db.close()
    again = search(closed, mlp, out=tmp_path, **asked)
    assert [trial.point for trial in again.trials] == [trial.point for trial in whole.trials]


_OTHERS = """
import sys
from roofline import Roofline
from cyclescape.agents.levels import experience
from cyclescape.simulator.problem import Problem
from cyclescape.simulator.store import ResultStore
from cyclescape.traces.operators import Gemm
from cyclescape.traces.workload import Workload

work = Workload(name="mine", operators=(Gemm(name="a", m=3, n=3, k=3),))
with Problem(Roofline(), work, "time_s") as problem, ResultStore(sys.argv[1]) as store:
    store.put_study("mine", "{}")
    print([sum(float(o.costs[0]) for o in outcomes.values()) for _, outcomes in experience(problem, store, "mine").others])
"""


def test_which_of_equally_known_workloads_teach_is_the_same_in_every_process(
    closed: Accelerator, plugin: Path, tmp_path: Path
) -> None:
    for size in range(1, 6):
        work = Workload(name=f"w{size}", operators=(Gemm(name="a", m=64 * size, n=64, k=64),))
        search(closed, work, objective="time_s", agent="random", budget=8, seed=1, out=tmp_path)
    said = set()
    for seed in "01234":
        place = os.pathsep.join((str(plugin), os.environ.get("PYTHONPATH", "")))
        there = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": place}
        ran = subprocess.run([sys.executable, "-c", _OTHERS, str(tmp_path)], env=there, capture_output=True, text=True)
        assert ran.stdout.count(",") == 3, ran.stderr
        said.add(ran.stdout)
    assert len(said) == 1


def test_rows_that_do_not_fit_are_passed_over(closed: Accelerator, mlp: Workload, gemv: Workload, tmp_path: Path) -> None:
    before = search(closed, mlp, agent="random", budget=20, fixed={"fused": False}, out=tmp_path, **TWO)
    search(closed, gemv, agent="random", budget=30, out=tmp_path, **TWO)  # its name does not lead to it
    with Problem(closed, mlp, **TWO, fixed={"fused": True}) as problem, ResultStore(tmp_path) as store:
        store.put_study("later", "{}")
        known = experience(problem, store, "later")
        assert not known.same
        assert [workload for workload, _ in known.others] == [None]
        assert Levels(problem, known.others).count == 1
    with Problem(closed, mlp, **TWO, fixed={"fused": False}) as problem, ResultStore(tmp_path) as store:
        same = experience(problem, store, "later").same
        assert len(same) == len([t for t in before.trials if problem.space.index(t.point) in same and t.outcome.ok]) > 10
        agent = Assisted(problem.space, problem.objective, budget=20, seed=0)
        agent.begin(problem, store, "later")
        asked = agent.ask(12)
        assert len({problem.space.index(point) for point in asked}) == 12
