"""What an environment is told wrongly is one line that says so, and nothing is evaluated for it."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
import pytest
from refusals import refusal

from cyclescape.envs.one_shot import OneShot
from cyclescape.envs.refine import Refine
from cyclescape.envs.sequential import Sequential
from cyclescape.envs.vector import OneShotVector
from cyclescape.envs.wrappers import BoxAction, DiscreteAction
from cyclescape.simulator.accelerator import Accelerator
from cyclescape.traces.workload import Workload

SIZES = {"size": [1, 2, 3], "mode": ["fine", "nan"]}


def make(form: type[gymnasium.Env[Any, Any]], faulty: Accelerator, mlp: Workload, **given: Any) -> Any:
    return form(faulty, mlp, **{"objective": "time_s", "values": SIZES, **given})


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"horizon": "3"}, "horizon='3': accepted: a whole number of at least 1"),
        ({"horizon": 2.5}, "horizon=2.5: accepted: a whole number of at least 1"),
        ({"horizon": True}, "horizon=True: accepted: a whole number of at least 1"),
        ({"objective": 3}, "objective=3: accepted: text, or a list of texts"),
        ({"constraints": None}, "constraints=None: accepted: text, or a list of texts"),
        ({"fixed": ["size"]}, "fixed=['size']: accepted: a mapping of names of parameters"),
        ({"values": {"size": 3}}, "size=3: accepted: a list of values to explore"),
        ({"values": {"mode": {"fine"}}}, "mode={'fine'}: accepted: a list of values to explore"),
        ({"evaluator": 3}, "evaluator 3: accepted: a name such as direct or pool:4, or an Evaluator"),
        ({"time_limit_s": "x"}, "time limit x s: must be above 0"),
    ],
)
def test_arguments(given: dict[str, Any], said: str, faulty: Accelerator, mlp: Workload) -> None:
    assert refusal(lambda: make(OneShot, faulty, mlp, **given)) == said


ACCEPTED = (
    "(accepted: workload, objective, constraints, aggregate, weights, fixed, values, evaluator, time_limit_s, engine, horizon, "
    "render_mode{own}; parameters of a design go into fixed or values)"
)


@pytest.mark.parametrize(("form", "own"), [("", ""), ("Sequential", ""), ("Refine", ", start")])
def test_an_argument_that_is_not_known(form: str, own: str) -> None:
    def said(**given: Any) -> str:
        return refusal(lambda: gymnasium.make(f"cyclescape/Systolic{form}-v0", workload="alexnet", **given))

    accepted = ACCEPTED.format(own=own)
    assert said(objectve="edp") == f"objectve: unknown argument; did you mean 'objective'? {accepted}"
    assert said(rows=8) == f"rows: unknown argument {accepted}"


def test_an_argument_that_many_environments_do_not_know() -> None:
    said = refusal(lambda: gymnasium.make_vec("cyclescape/Systolic-v0", num_envs=2, workloads="alexnet"))
    assert said.startswith("workloads: unknown argument; did you mean 'workload'?")


def test_values_count_once_and_numpy_has_none_of_its_own(faulty: Accelerator, mlp: Workload) -> None:
    env = make(OneShot, faulty, mlp, values={"size": np.array([2, 1, 2])}, fixed={"mode": "fine"})
    assert env.problem.space.values == {"size": (2, 1)}
    assert all(type(size) is int for size in env.problem.space.values["size"])


@pytest.mark.parametrize("action", [None, [0], [[0, 0]], [0.7, 0.0], [[0], [0, 1]], np.array([np.nan, 0.0]), [3, 0], [-1, 0]])
def test_actions_that_are_no_design(action: Any, faulty: Accelerator, mlp: Workload) -> None:
    env = make(OneShot, faulty, mlp, horizon=2)
    env.reset(seed=0)
    refusal(env.step, action)


@pytest.mark.parametrize("form", [Sequential, Refine])
def test_steps_of_one_number(form: Any, faulty: Accelerator, mlp: Workload) -> None:
    env = make(form, faulty, mlp)
    assert refusal(env.step, 0) == "step: no episode has begun; accepted: after reset()"
    env.reset(seed=0)
    for action in (None, "x", 1.5, np.array([1]), -1, int(env.action_space.n)):
        assert refusal(env.step, action).endswith(f"not there; accepted: 0 to {env.action_space.n - 1}")
    env.step(np.array(0))


def test_vectors(faulty: Accelerator, mlp: Workload) -> None:
    given = {"accelerator": faulty, "workload": mlp, "objective": "time_s", "values": SIZES}
    assert refusal(lambda: OneShotVector(0, **given)) == "num_envs=0: accepted: a whole number of at least 1"
    env = OneShotVector(2, **given)
    env.reset()
    assert refusal(env.step, np.zeros((1, 2), dtype=int)) == "1 actions; accepted: 2, one for each environment"


def test_wrappers(faulty: Accelerator, mlp: Workload) -> None:
    box, one = BoxAction(make(OneShot, faulty, mlp)), DiscreteAction(make(OneShot, faulty, mlp))
    for action in (np.array([np.nan, 0.0]), np.zeros(1)):
        assert refusal(box.action, action).endswith("accepted: 2 numbers from -1 to 1")
    for action in (-1, 6):
        assert refusal(one.action, action) == f"action {action}: not there; accepted: 0 to 5"


def test_teams(faulty: Accelerator, mlp: Workload) -> None:
    pytest.importorskip("pettingzoo")
    team = pytest.importorskip("cyclescape.envs.parallel")
    env = make(team.DesignParallel, faulty, mlp, groups={"both": ["size", "mode"]})
    assert refusal(env.step, {"both": [0, 0]}) == "step: no episode is on; accepted: after reset(), until the episode ends"
    env.reset()
    assert refusal(env.step, {}) == "agent 'both': no action; accepted: one for each of both"
    assert "accepted: 2 whole numbers" in refusal(env.step, {"both": [0]})
    assert "accepted: a list of parameters" in refusal(lambda: make(team.DesignParallel, faulty, mlp, groups={"a": "size"}))


@pytest.mark.parametrize("form", [OneShot, Sequential, Refine])
def test_options_of_a_reset(form: Any, faulty: Accelerator, mlp: Workload) -> None:
    env = make(form, faulty, mlp)
    known = "design" if form is Refine else "none"
    for nothing in (None, {}):
        env.reset(seed=2**64, options=nothing)
    hint = "; did you mean 'design'?" if form is Refine else ""
    assert refusal(lambda: env.reset(options={"dezign": {"size": 2}})) == f"option 'dezign': unknown{hint} (accepted: {known})"
    assert refusal(lambda: env.reset(options=5)) == f"options=5: accepted: a mapping of options by name ({known})"
    if form is not Refine:
        assert refusal(lambda: env.reset(options={"design": {"size": 2}})) == "option 'design': unknown (accepted: none)"


def test_options_of_a_reset_of_many(faulty: Accelerator, mlp: Workload) -> None:
    env = OneShotVector(2, accelerator=faulty, workload=mlp, objective="time_s", values=SIZES)
    env.reset(options={})
    assert refusal(lambda: env.reset(options={"design": {}})) == "option 'design': unknown (accepted: none)"


def test_options_of_a_reset_of_a_team(faulty: Accelerator, mlp: Workload) -> None:
    pytest.importorskip("pettingzoo")
    team = pytest.importorskip("cyclescape.envs.parallel")
    env = make(team.DesignParallel, faulty, mlp)
    for nothing in (None, {}, {"options": 1}):  # the last is what PettingZoo's checker gives
        env.reset(options=nothing)
    assert refusal(lambda: env.reset(options=5)).startswith("options=5: accepted: a mapping")
    assert refusal(lambda: env.reset(options={"design": {}})) == "option 'design': unknown (accepted: none)"
