"""Every form of every machine's environment, held to the checkers of the libraries that will use it."""

from __future__ import annotations

import warnings
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from gymnasium.utils.env_checker import data_equivalence as same

import cyclescape  # noqa: F401  (registers the environments)
from cyclescape.envs.registration import FORMS
from cyclescape.envs.wrappers import BoxAction
from cyclescape.simulator.accelerator import env_id
from cyclescape.simulator.registry import accelerator_names

WORKLOADS = {
    "systolic": "attention",
    "row-stationary": "alexnet",
    "dram-controller": "stream:n=64",
    "memory-hierarchy": "stream:n=64",
    "streaming": "attention:seq_len=16",
    "dataflow": "attention",
    "gpu-core": "cuda-ffma-chain",
}
"""Work that costs a few milliseconds a design; a machine that is not here gets its default."""

BUILT_IN = [name for name in accelerator_names() if name not in ("roofline", "faulty")]
CASES = [(machine, form) for machine in BUILT_IN for form in FORMS]
HORIZON = {"": 3, "Sequential": 2, "Refine": 6}


def make(machine: str, form: str, **arguments: Any) -> gymnasium.Env[Any, Any]:
    return gymnasium.make(
        env_id(machine, form), workload=WORKLOADS.get(machine), **{"horizon": HORIZON[form], **arguments}
    )


def test_every_machine_is_covered() -> None:
    assert set(WORKLOADS) <= set(BUILT_IN)
    assert len(CASES) >= 21


@pytest.mark.parametrize(("machine", "form"), CASES)
def test_gymnasium_has_nothing_to_say(machine: str, form: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_env(make(machine, form).unwrapped, skip_render_check=True, skip_close_check=True)


@pytest.mark.parametrize(("machine", "form"), CASES)
def test_stable_baselines_has_nothing_to_say(machine: str, form: str) -> None:
    checker = pytest.importorskip("stable_baselines3.common.env_checker")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        checker.check_env(make(machine, form).unwrapped)
        if not form:
            checker.check_env(BoxAction(make(machine, form)))


@pytest.mark.parametrize(("machine", "form"), CASES)
def test_the_same_seed_gives_the_same_trajectory(machine: str, form: str) -> None:
    def trajectory(seed: int) -> list[Any]:
        env = make(machine, form, **({"start": "random"} if form == "Refine" else {}))
        env.action_space.seed(seed)
        steps: list[Any] = [env.reset(seed=seed)]
        over = False
        while not over:
            steps.append(env.step(env.action_space.sample()))
            over = steps[-1][2] or steps[-1][3]
        for seen, *_ in steps:
            assert env.observation_space.contains(seen)
            assert all(np.isfinite(part).all() for part in seen.values())
            assert seen["workload"].any(), "the workload has no features"
        return [plain(step) for step in steps]

    assert same(trajectory(1), trajectory(1), exact=True)
    assert not same(trajectory(1), trajectory(2))


def plain(step: tuple[Any, ...]) -> tuple[Any, ...]:
    """A step whose report is its metrics."""
    *rest, info = step
    report = info.get("report")
    return (*rest, {**info, "report": dict(report.metrics)} if report is not None else info)


@pytest.mark.parametrize("machine", BUILT_IN)
def test_pettingzoo_has_nothing_to_say(machine: str) -> None:
    pytest.importorskip("pettingzoo")
    from pettingzoo.test import parallel_api_test

    from cyclescape.envs.parallel import DesignParallel

    env = DesignParallel(machine, WORKLOADS.get(machine), horizon=4)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        parallel_api_test(env, num_cycles=12)
    assert set(env.possible_agents) == set(env.problem.space.names)


TRAINED = [
    *((name, machine, form) for machine in BUILT_IN for name in ("PPO", "A2C") for form in FORMS),
    *(("SAC", machine, "") for machine in BUILT_IN),
    *(("DQN", machine, form) for machine in BUILT_IN for form in ("Sequential", "Refine")),
]
SETTINGS: dict[str, dict[str, Any]] = {
    "PPO": {"n_steps": 16, "batch_size": 16, "n_epochs": 1},
    "A2C": {"n_steps": 16},
    "SAC": {"learning_starts": 20, "batch_size": 8, "buffer_size": 64, "train_freq": 8},
    "DQN": {"learning_starts": 20, "batch_size": 8, "buffer_size": 64, "train_freq": 8},
}


@pytest.mark.parametrize(("name", "machine", "form"), TRAINED)
def test_the_usual_algorithms_train(name: str, machine: str, form: str) -> None:
    sb3 = pytest.importorskip("stable_baselines3")
    torch = pytest.importorskip("torch")
    torch.set_num_threads(1)  # the networks are too small to share
    env = make(machine, form)
    policy = {"net_arch": [16]}
    model = getattr(sb3, name)(
        "MultiInputPolicy", BoxAction(env) if name == "SAC" else env, seed=0, policy_kwargs=policy, **SETTINGS[name]
    )
    before = [part.clone() for part in model.policy.parameters()]
    model.learn(32)
    after = list(model.policy.parameters())
    assert model.num_timesteps >= 32
    assert all(torch.isfinite(part).all() for part in after)
    assert any(not torch.equal(old, new) for old, new in zip(before, after, strict=True))
