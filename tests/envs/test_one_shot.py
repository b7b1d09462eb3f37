import json
import warnings
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from gymnasium.utils.env_checker import data_equivalence as same

from cyclescape.envs.observation import WORKLOAD_FEATURES, workload_features
from cyclescape.envs.one_shot import OneShot
from cyclescape.envs.registration import register_all
from cyclescape.errors import InputError
from cyclescape.simulator import registry
from cyclescape.simulator.accelerator import Accelerator
from cyclescape.simulator.objective import FAILED
from cyclescape.traces.workload import Workload

VARIANTS: list[dict[str, Any]] = [
    {},
    {"objective": "time_s,energy_j", "constraints": "area_mm2<=3;utilization>=0.5", "horizon": 4},
    {"fixed": {"fused": False}, "values": {"lanes": [3, 5, 7]}},
]


@pytest.fixture(autouse=True)
def _known(roofline: Accelerator, monkeypatch: pytest.MonkeyPatch, mlp: Workload, gemv: Workload) -> None:
    monkeypatch.setattr("cyclescape.simulator.problem._load", {"mlp": mlp, "gemv": gemv}.__getitem__)
    register_all()
    if "cyclescape/Roofline-v0" not in gymnasium.registry:
        registry.register(type(roofline))


def make(**arguments: Any) -> Any:
    return gymnasium.make("cyclescape/Roofline-v0", **{"workload": "mlp", **arguments})


@pytest.mark.parametrize("arguments", VARIANTS)
def test_gymnasium_has_nothing_to_say(arguments: dict[str, Any]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_env(make(**arguments).unwrapped, skip_close_check=True)


@pytest.mark.parametrize("arguments", VARIANTS)
def test_stable_baselines_has_nothing_to_say(arguments: dict[str, Any]) -> None:
    checker = pytest.importorskip("stable_baselines3.common.env_checker")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        checker.check_env(make(**arguments).unwrapped)


@pytest.mark.parametrize("arguments", VARIANTS)
def test_the_same_seed_gives_the_same_trajectory(arguments: dict[str, Any]) -> None:
    def trajectory(seed: int) -> list[Any]:
        env = make(**arguments)
        env.action_space.seed(seed)
        steps = []
        for _ in range(3):
            steps.append(env.reset(seed=seed))
            over = False
            while not over:
                steps.append(env.step(env.action_space.sample()))
                over = steps[-1][2] or steps[-1][3]
        return steps

    assert same(trajectory(1), trajectory(1), exact=True)
    assert not same(trajectory(1), trajectory(2))


def test_the_specification_survives_json() -> None:
    env = make(objective="time_s", constraints=["area_mm2<=3"], fixed={"fused": True}, horizon=2)
    text = env.spec.to_json()
    assert json.loads(text)["kwargs"]["workload"] == "mlp"
    again = gymnasium.make(gymnasium.envs.registration.EnvSpec.from_json(text))
    assert again.spec == env.spec
    assert same(again.reset(seed=0), env.reset(seed=0), exact=True)
    action = env.action_space.sample()
    assert same(again.step(action), env.step(action), exact=True)


def test_rewards_count_decades_better_than_the_default_design() -> None:
    env = make(objective="time_s")
    space = env.unwrapped.problem.space
    env.reset(seed=0)
    point = {"lanes": 16, "bandwidth": 8, "frequency_mhz": 500, "fused": True}
    assert env.step(np.array(space.index(point)))[1] == 0.0
    env.reset()
    assert env.step(np.array(space.index({**point, "frequency_mhz": 250})))[1] == pytest.approx(-np.log10(2))


def test_an_invalid_design_is_a_penalised_and_explained_step() -> None:
    env = make(constraints="area_mm2<=3")
    env.reset(seed=0)
    point = {"lanes": 256, "bandwidth": 8, "frequency_mhz": 1000, "fused": True}
    seen, reward, terminated, truncated, info = env.step(np.array(env.unwrapped.problem.space.index(point)))
    assert reward == FAILED
    assert (terminated, truncated) == (True, False)
    assert info["reason"] == "lanes=256 at 1000 MHz exceed the power grid"
    assert info["design"] == point
    assert not info["feasible"]
    assert seen["valid"] == [0.0]
    assert seen["slacks"] == [-1.0]
    assert env.observation_space.contains(seen)


def test_info_explains_a_step() -> None:
    env = make(objective="edp, area", constraints="area_mm2<=3")
    env.reset(seed=0)
    point = {"lanes": 8, "bandwidth": 1, "frequency_mhz": 500, "fused": True}
    *_, info = env.step(np.array(env.unwrapped.problem.space.index(point)))
    metrics = info["report"].metrics
    assert info["objectives"] == {"edp": metrics["energy_j"] * metrics["time_s"], "area": metrics["area_mm2"]}
    assert info["slacks"] == {"area_mm2<=3": pytest.approx(1 - metrics["area_mm2"] / 3)}
    assert info["bottleneck"] == "compute"
    assert info["feasible"]


def test_several_workloads_are_one_problem() -> None:
    env = make(workload="mlp;gemv", objective="time_s", aggregate="worst")
    env.reset(seed=0)
    *_, info = env.step(np.zeros(4, dtype=int))
    assert info["objectives"]["time_s"] == max(report.metrics["time_s"] for report in info["report"])


def test_workload_features_are_bounded_and_tell_workloads_apart(mlp: Workload, gemv: Workload) -> None:
    one, two = workload_features(mlp), workload_features(gemv)
    assert one.shape == (len(WORKLOAD_FEATURES),)
    assert ((one >= 0) & (one <= 1)).all()
    assert not np.allclose(one, two)
    assert one[0] == pytest.approx(np.log10(1 + mlp.macs) / 18)
    assert workload_features(object()).tolist() == [0.0] * len(WORKLOAD_FEATURES)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"horizon": 0}, "horizon=0"),
        ({"objective": "joy"}, "no metric 'joy'"),
        ({"fixed": {"lane": 1}}, "did you mean 'lanes'?"),
        ({"evaluator": "magic"}, "evaluator 'magic'"),
    ],
)
def test_wrong_arguments_are_one_line(arguments: dict[str, Any], says: str) -> None:
    with pytest.raises(InputError) as error:
        make(**arguments)
    assert says in str(error.value)
    assert "\n" not in str(error.value)


def test_a_hanging_or_crashing_design_is_a_step(faulty: Accelerator, mlp: Workload) -> None:
    env = OneShot("faulty", mlp, "edp", values={"mode": ["fine", "crash", "hang"]}, fixed={"size": 1}, time_limit_s=0.5)
    env.reset(seed=0)
    reasons = [env.step(np.array([mode]))[4]["reason"] for mode in range(3)]
    assert reasons == [None, "the worker process died (SIGSEGV)", "time limit of 0.5 s exceeded"]
    env.close()


@pytest.mark.parametrize("horizon", [1, 3])
def test_the_vector_form_is_many_single_ones(horizon: int) -> None:
    arguments: dict[str, Any] = {"workload": "mlp", "constraints": "area_mm2<=3", "horizon": horizon}
    many = gymnasium.make_vec("cyclescape/Roofline-v0", num_envs=3, **arguments)
    singles = [make(**arguments) for _ in range(3)]
    first, _ = many.reset(seed=5)
    assert many.observation_space.contains(first)
    for i, env in enumerate(singles):
        assert same({k: v[i] for k, v in first.items()}, env.reset(seed=5)[0], exact=True)
    many.action_space.seed(1)
    for step in range(1, 7):
        actions = many.action_space.sample()
        seen, rewards, over, cut, info = many.step(actions)
        assert many.observation_space.contains(seen)
        assert not cut.any()
        assert (over == (step % horizon == 0)).all()
        details = info["final_info"] if over[0] else info
        last = info["final_obs"] if over[0] else [{k: v[i] for k, v in seen.items()} for i in range(3)]
        for i, env in enumerate(singles):
            one, reward, terminated, _, about = env.step(actions[i])
            assert same(last[i], one, exact=True)  # as in Gymnasium's own, one for each environment
            assert rewards[i] == reward
            assert over[i] == terminated
            assert details["feasible"][i] == about["feasible"]
            assert details["report"][i] == about["report"]
            if terminated:
                assert same({k: v[i] for k, v in seen.items()}, env.reset()[0], exact=True)
    many.close()


def test_ppo_trains() -> None:
    sb3 = pytest.importorskip("stable_baselines3")
    pytest.importorskip("torch").set_num_threads(1)  # the networks are too small to share
    env = make(objective="edp", constraints="area_mm2<=4")
    model = sb3.PPO("MultiInputPolicy", env, n_steps=32, batch_size=32, n_epochs=4, learning_rate=5e-3, seed=0)
    rewards: list[float] = []

    def note(variables: dict[str, Any], _: Any) -> bool:
        rewards.extend(variables["rewards"])
        return True

    model.learn(384, callback=note)
    assert len(rewards) == 384
    assert np.mean(rewards[-96:]) > np.mean(rewards[:96]) + 0.5
