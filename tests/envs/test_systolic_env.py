"""The environment of the product, on a real network: seeds and JSON."""

from __future__ import annotations

import gymnasium
import numpy as np

import cyclescape  # noqa: F401  (registers the environments)


def test_the_same_specification_and_seed_give_the_same_trajectory():
    made = gymnasium.make("cyclescape/Systolic-v0", workload="resnet18", objective="time_s,energy_j")
    spec = gymnasium.envs.registration.EnvSpec.from_json(made.spec.to_json())
    runs = []
    for _ in range(2):
        env = gymnasium.make(spec)
        env.reset(seed=3)
        env.action_space.seed(3)
        steps = []
        for _ in range(30):
            _, reward, terminated, truncated, info = env.step(env.action_space.sample())
            steps.append((reward, info["design"], info["reason"]))
            if terminated or truncated:
                env.reset()
        runs.append(steps)
    assert runs[0] == runs[1]
    assert any("too small" in (reason or "") for _, _, reason in runs[0]), "no design of these breaks a rule"
    assert all(np.isfinite(reward) for reward, _, _ in runs[0])
