"""Many one-shot environments at once, whose designs are evaluated as one batch."""

from __future__ import annotations

from typing import Any

import numpy as np
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space

from ..arguments import whole_number
from ..errors import InputError
from .actions import places
from .base import check_options, explained
from .observation import Observation
from .one_shot import OneShot

__all__ = ["OneShotVector"]


class OneShotVector(VectorEnv[Observation, np.ndarray, np.ndarray]):
    """`gymnasium.make_vec(id, num_envs=N)`: N proposals a step, for batch evaluators and worker pools.

    Episodes run in step. The step that ends one already returns the first observation of the next; the
    last ones are in `info["final_obs"]`, one for each environment, as Gymnasium's own have them. Arguments are
    those of `OneShot`.
    """

    metadata: dict[str, Any] = {  # noqa: RUF012
        "render_modes": [],
        "autoreset_mode": AutoresetMode.SAME_STEP,
    }

    def __init__(self, num_envs: int = 1, **arguments: Any) -> None:
        self.num_envs = num_envs = whole_number("num_envs", num_envs)
        self._one = OneShot(**arguments)
        self.problem = self._one.problem
        self.single_observation_space = self._one.observation_space
        self.single_action_space = self._one.action_space
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.action_space = batch_space(self.single_action_space, num_envs)
        self._steps = 0

    def reset(
        self, *, seed: int | list[int | None] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """Begin all episodes with the default design."""
        check_options(options)
        super().reset(seed=seed if not isinstance(seed, list) else None)
        self._steps = 0
        return self._begun(), {}

    def step(self, actions: np.ndarray) -> tuple[Observation, np.ndarray, np.ndarray, np.ndarray, dict[str, Any]]:
        """Evaluate one design for each environment, all in one batch; raises `InputError` for what is no such action."""
        if len(actions) != self.num_envs:
            raise InputError(f"{len(actions)} actions; accepted: {self.num_envs}, one for each environment")
        indices = [places(action, len(self.problem.space.names)) for action in actions]
        points = [self.problem.space.point(index) for index in indices]
        self._steps += 1
        observer, objective = self._one.observer, self.problem.objective
        outcomes = self.problem.evaluate(points)
        each = [observer.observe(i, o) for i, o in zip(indices, outcomes, strict=True)]
        seen = {name: np.stack([one[name] for one in each]) for name in each[0]}
        rewards = np.array([objective.reward(outcome, observer.reference) for outcome in outcomes])
        infos: dict[str, Any] = {}
        for i, (point, outcome) in enumerate(zip(points, outcomes, strict=True)):
            infos = self._add_info(infos, explained(point, outcome), i)
        over = np.full(self.num_envs, self._steps >= self._one.horizon)
        if over.all():
            final = np.full(self.num_envs, None, dtype=object)
            final[:] = each
            infos = {"final_obs": final, "_final_obs": over.copy(), "final_info": infos, "_final_info": over.copy()}
            seen, self._steps = self._begun(), 0
        return seen, rewards, over, np.zeros(self.num_envs, dtype=bool), infos

    def _begun(self) -> Observation:
        observer = self._one.observer
        first = observer.observe(self.problem.space.default(), observer.reference)
        return {name: np.repeat(part[None], self.num_envs, axis=0) for name, part in first.items()}

    def close_extras(self, **_: Any) -> None:
        """End what the evaluator holds."""
        self._one.close()
