"""Logged evaluations as a machine: what was logged is answered to the bit, and nothing else is."""

import json
from itertools import product
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
from agent_cases import agents
from gymnasium.utils.env_checker import check_env

import cyclescape  # noqa: F401
from cyclescape.agents.search import search
from cyclescape.agents.sweep import sweep
from cyclescape.envs.one_shot import OneShot
from cyclescape.envs.refine import Refine
from cyclescape.envs.sequential import Sequential
from cyclescape.errors import InputError
from cyclescape.pages.study_page import write_study_page
from cyclescape.pages.terminal import show_study
from cyclescape.simulator import registry
from cyclescape.simulator.accelerator import Accelerator
from cyclescape.simulator.dataset import Dataset
from cyclescape.simulator.evaluator import make_evaluator
from cyclescape.simulator.lookup import logged
from cyclescape.simulator.problem import Problem
from cyclescape.simulator.store import load
from cyclescape.simulator.verify import verify
from cyclescape.traces.workload import Workload

GRID = {"lanes": [8, 32, 128, 256], "bandwidth": [4, 16], "frequency_mhz": [500, 1000], "fused": [False, True]}


@pytest.fixture
def data(roofline: Accelerator, mlp: Workload, gemv: Workload, tmp_path: Path) -> Path:
    """Every second design of a grid; some of them break the machine's rule."""
    points = [*[dict(zip(GRID, values)) for values in product(*GRID.values())][::2], {"fused": True}]
    with make_evaluator(f"cached:{tmp_path / 'runs'}", roofline) as evaluator:
        for workload in (mlp, gemv):
            evaluator.evaluate(points, workload)
    return Dataset.read(tmp_path / "runs").write(tmp_path / "data.parquet")


def test_what_was_logged_is_answered_to_the_bit(roofline: Accelerator, mlp: Workload, gemv: Workload, data: Path) -> None:
    points = [dict(zip(GRID, values)) for values in product(*GRID.values())]
    with Problem("roofline", mlp, "edp", evaluator=f"lookup:{data}") as there, Problem("roofline", mlp, "edp") as here:
        assert set(there.space.values) == set(GRID)
        assert there.space.values["bandwidth"] == (4, 8, 16)
        table = load(data)
        known = table[table["workload"] == "mlp"]
        for point, one, other in zip(points, there.evaluate(points), here.evaluate(points)):
            if (known[list(point)] == list(point.values())).all(axis=1).any():
                assert one.reports == other.reports, point
            else:
                assert one.reason == f"not in the data: {data} has 17 designs on mlp, and not this one"
    with pytest.raises(InputError, match=r"workload 'other' was not logged \(accepted: mlp, gemv\)"):
        Problem("roofline", Workload(name="other", operators=mlp.operators[:1]), evaluator=f"lookup:{data}")


def test_the_nearest_design_answers_if_asked_for_and_is_marked(mlp: Workload, data: Path) -> None:
    machine = logged(f"{data}:nearest=true")
    asked = {"lanes": 256, "bandwidth": 4, "frequency_mhz": 500, "fused": True}  # its neighbour, not fused, was logged
    with Problem(machine, mlp, "edp") as problem:
        near, exact = (outcome.reports[0] for outcome in problem.evaluate([asked, {**asked, "fused": False}]))
    assert near.surrogate
    assert not exact.surrogate
    assert near.metrics == exact.metrics
    study = search("roofline", mlp, objective="edp", evaluator=f"lookup:{data}:nearest=true", agent="random", budget=30)
    assert any(trial.outcome.surrogate for trial in study.trials)
    assert not study.front()["surrogate"].any()


def test_a_neighbours_numbers_are_no_simulation(
    roofline: Accelerator, mlp: Workload, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nobody simulates there, so that the predicted front stays what it is, uncharged and unpraised."""
    study = search("roofline", mlp, objective="edp", constraints="area_mm2<=6", evaluator=f"lookup:{data}:nearest=true",
                   agent="random", budget=5, fixed={"lanes": 32, "fused": True}, out=tmp_path)  # fmt: skip
    assert len(study.trials) == 5
    assert not any(trial.note for trial in study.trials)
    assert all(trial.outcome.surrogate for trial in study.trials)
    assert any(trial.outcome.feasible for trial in study.trials)
    show_study(study)
    said = " ".join(capsys.readouterr().out.split())
    assert "no feasible design was simulated" in said
    assert "breaks" not in said
    assert "No design that was simulated keeps every limit." in write_study_page(tmp_path).read_text(encoding="utf-8")
    found = verify(tmp_path, sample=0)
    assert not found.damages
    assert {row.note for row in found.sample} == {"logged evaluations answered, not the simulator"}


@pytest.mark.parametrize("later", [True, False])
def test_what_was_simulated_goes_before_what_was_predicted(
    later: bool, roofline: Accelerator, mlp: Workload, data: Path, tmp_path: Path
) -> None:
    whole = Dataset.read(data)
    row = next(row for row in whole.rows if row["workload"] == "mlp" and row["reason"] is None)
    settings = '{"engine":"compiled","surrogate":"a file"}'
    guess = row | {"settings": settings, "surrogate": 1, "metrics": '{"time_s":1.0,"energy_j":1.0}', "key": "0" * 64}
    guess["created_unix_s"] = row["created_unix_s"] + (60 if later else -60)
    Dataset([*whole.rows, guess]).store(tmp_path / "both")
    machine = logged(str(tmp_path / "both"))
    report = machine.run([machine.design.make(json.loads(row["design"]))], mlp)[0]
    assert not report.surrogate
    assert report.metrics == json.loads(row["metrics"])


FORMS = ["cyclescape/Lookup-v0", "cyclescape/LookupSequential-v0", "cyclescape/LookupRefine-v0"]


@pytest.mark.parametrize("form", FORMS)
def test_every_form_passes_both_checkers(roofline: Accelerator, mlp: Workload, data: Path, form: str) -> None:
    def made() -> gymnasium.Env[Any, Any]:
        return gymnasium.make(form, data=str(data), workload=mlp, objective="edp", constraints="area_mm2<=3", horizon=8)

    check_env(made().unwrapped, skip_render_check=True)
    pytest.importorskip("stable_baselines3.common.env_checker").check_env(made())
    env = made()
    env.reset(seed=0)
    env.action_space.seed(0)
    seen = [env.step(env.action_space.sample()) for _ in range(8)]
    infos = [info for *_, info in seen if "reason" in info]
    assert infos
    for info in infos:
        assert (info["reason"] is None) == bool(info["objectives"])
    assert not form.endswith("Lookup-v0") or any("not in the data" in (info["reason"] or "") for info in infos)


def test_an_episode_is_that_of_the_machine_where_all_was_logged(roofline: Accelerator, mlp: Workload, tmp_path: Path) -> None:
    grid = GRID | {"lanes": [16], "bandwidth": [8, 16]}
    sweep({"accelerator": "roofline", "workloads": [mlp], "grid": grid}, tmp_path / "runs")
    values = {"bandwidth": [8, 16], "frequency_mhz": [500, 1000], "fused": [False, True]}
    arguments = {"workload": mlp, "objective": "edp", "constraints": "area_mm2<=3", "horizon": 6}
    for form, kind in zip(FORMS, (OneShot, Sequential, Refine)):
        one = gymnasium.make(form, data=str(tmp_path / "runs"), **arguments)
        other = kind("roofline", fixed={"lanes": 16}, values=values, **arguments)
        assert one.action_space == other.action_space
        one.action_space.seed(1)
        first, second = one.reset(seed=0)[0], other.reset(seed=0)[0]
        assert all(np.array_equal(first[name], second[name]) for name in second)
        for _ in range(6):
            action = one.action_space.sample()
            (a, reward, *_, said), (b, other_reward, *_, other_said) = one.step(action), other.step(action)
            assert reward == other_reward
            assert all(np.array_equal(a[name], b[name]) for name in b)
            assert said.get("objectives") == other_said.get("objectives")


AGENTS = agents("auto", "gp", "sobol", "guided", "transfer")


@pytest.mark.parametrize("agent", AGENTS)
def test_agents_search_it(roofline: Accelerator, mlp: Workload, data: Path, agent: str) -> None:
    wanted = {"objective": "edp", "constraints": ["area_mm2<=6"]}
    study = search("roofline", mlp, agent=agent, budget=40, evaluator=f"lookup:{data}", **wanted)
    table = load(data)
    good = table[(table["workload"] == "mlp") & (table["area_mm2"] <= 6)]
    best = study.best()
    assert best is not None
    assert best["edp"] >= (good["energy_j"] * good["time_s"]).min()
    assert not any(trial.note for trial in study.trials)


def test_answers_are_kept_apart_from_the_simulators(
    roofline: Accelerator, mlp: Workload, data: Path, tmp_path: Path
) -> None:
    for evaluator in ("direct", f"lookup:{data}"):
        search("roofline", mlp, objective="edp", agent="random", budget=30, seed=1, evaluator=evaluator, out=tmp_path / "both")
    kept = load(tmp_path / "both")
    assert kept["settings"].nunique() == 2
    absent = kept["reason"].fillna("").str.startswith("not in the data")
    assert absent.any()
    assert kept[absent]["settings"].str.contains("logged-").all()


def test_the_machine_need_not_be_installed(
    roofline: Accelerator, mlp: Workload, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Problem(f"lookup:{data}", "mlp", "edp") as problem:
        values = problem.space.values
    monkeypatch.delitem(registry._registered, "roofline")
    registry._load.cache_clear()
    with pytest.raises(InputError):
        registry.accelerator("roofline")
    study = search(f"lookup:{data}", "mlp", objective="edp", constraints="area_mm2<=6", agent="bottleneck", budget=30)
    assert {name: set(listed) for name, listed in study.asked.values.items()} == {name: set(v) for name, v in values.items()}
    assert study.best() is not None


@pytest.mark.parametrize(("spec", "says"), [
    ("", "which data"), ("nowhere.csv", "no such file"), ("{data}:nearest=maybe", "nearest=true|false"),
    ("{data}:machine=systolic", "no evaluations of 'systolic'"),
])  # fmt: skip
def test_wrong_arguments_are_one_line(roofline: Accelerator, data: Path, spec: str, says: str) -> None:
    with pytest.raises(InputError) as error:
        Problem("roofline", "mlp", evaluator="lookup:" + spec.format(data=data))
    assert says in str(error.value)
    assert "\n" not in str(error.value)
    with pytest.raises(InputError, match="not simulated"):
        Problem(f"lookup:{data}", "mlp", evaluator="pool:2")
    with pytest.raises(InputError, match="which data"):
        gymnasium.make("cyclescape/Lookup-v0")


