"""A surrogate in the simulator's place: marked in every row, and never on a front."""

from pathlib import Path

import numpy as np
import pytest

from cyclescape.agents.search import search
from cyclescape.agents.study import Study
from cyclescape.agents.sweep import sweep
from cyclescape.envs.one_shot import OneShot
from cyclescape.errors import InputError
from cyclescape.simulator.accelerator import Accelerator
from cyclescape.simulator.evaluator import Direct, make_evaluator
from cyclescape.simulator.store import load
from cyclescape.traces.workload import Workload

FIXED = {"frequency_mhz": 500}


def test_a_front_is_simulated(file: Path, roofline: Accelerator, mlp: Workload, tmp_path: Path) -> None:
    arguments = {"objective": "time_s,energy_j", "agent": "random", "budget": 40, "fixed": FIXED}
    arguments["evaluator"] = f"surrogate:{file}"
    study = search(roofline, mlp, **arguments, out=tmp_path / "runs")
    history, front = study.history, study.front()
    predicted, simulated = history[history["surrogate"]], history[~history["surrogate"]]
    assert len(predicted) == 40
    assert 0 < len(front) <= len(simulated) < 40
    assert not front["surrogate"].any()
    assert simulated["note"].str.startswith("simulated").all()
    # Nothing that is only predicted beats or equals a member's place: it would have been simulated.
    left = predicted[~predicted.set_index(["lanes", "bandwidth", "fused"]).index.isin(
        simulated.set_index(["lanes", "bandwidth", "fused"]).index)]
    for _, row in left[left["reason"].isna()].iterrows():
        assert ((front["time_s"] <= row["time_s"]) & (front["energy_j"] <= row["energy_j"])).any()
    for _, row in front.iterrows():
        report = Direct(roofline).evaluate([{**FIXED, **{name: row[name] for name in ("lanes", "bandwidth", "fused")}}], mlp)[0]
        assert report.metrics["time_s"] == row["time_s"]
    back = Study.load(tmp_path / "runs")
    assert [t.outcome.surrogate for t in back.trials] == [t.outcome.surrogate for t in study.trials]
    again = search(roofline, mlp, **arguments, out=tmp_path / "runs")
    assert again.front().equals(front)


def test_rows_of_a_store_say_who_answered(file: Path, roofline: Accelerator, mlp: Workload, tmp_path: Path) -> None:
    spec = {"accelerator": "roofline", "workloads": [mlp], "set": FIXED, "grid": {"lanes": [8, 16, 256]}}
    sweep({**spec, "evaluator": f"surrogate:{file}"}, tmp_path)
    sweep(spec, tmp_path)
    rows = load(tmp_path)
    assert rows["surrogate"].tolist() == [True] * 3 + [False] * 3
    assert rows["surrogate_extrapolates"].tolist()[:3] == [0.0, 0.0, 1.0]
    assert (rows["time_s_std"][:3] > 0).all()
    assert np.allclose(rows["time_s"][:2], rows["time_s"][3:5], rtol=0.2, atol=0.0)


def test_what_it_cannot_say_is_a_reason(file: Path, roofline: Accelerator, mlp: Workload) -> None:
    with make_evaluator(f"surrogate:{file}", roofline) as evaluator:
        reports = evaluator.evaluate([{"frequency_mhz": 250}, {"lanes": 256, "frequency_mhz": 1000}], mlp)
    assert reports[0].reason == "surrogate: frequency_mhz=250: the surrogate only ever saw 500"
    assert "power grid" in str(reports[1].reason)
    assert all(report.surrogate for report in reports)


def test_environments_take_it(file: Path, roofline: Accelerator, mlp: Workload) -> None:
    env = OneShot("roofline", mlp, "edp", fixed=FIXED, evaluator=f"surrogate:{file}")
    env.reset(seed=0)
    _, reward, *_ = env.step(env.action_space.sample())
    assert np.isfinite(reward)
    assert env.problem.evaluate([{}])[0].surrogate
    env.close()


@pytest.mark.parametrize(("spec", "says"), [("surrogate", "which file"), ("surrogate:/nowhere", "No such file")])
def test_wrong_names(spec: str, says: str, roofline: Accelerator) -> None:
    with pytest.raises(InputError, match=says):
        make_evaluator(spec, roofline)


def test_another_machine(file: Path) -> None:
    from cyclescape.simulator.registry import accelerator

    with pytest.raises(InputError, match="learned from roofline, not from systolic"):
        make_evaluator(f"surrogate:{file}", accelerator("systolic"))
