"""The sequential environment of a machine: one parameter a step, in the order of the declaration.

gymnasium.make("cyclescape/SystolicSequential-v0", workload="resnet18", objective="edp")
"""

from __future__ import annotations

from typing import Any

import numpy as np
from gymnasium import spaces

from ..errors import InputError
from ..simulator.objective import Outcome
from .actions import place, value_space, whole
from .base import DesignEnv, check_options
from .observation import Observation

__all__ = ["Sequential"]


class Sequential(DesignEnv):
    """Choose one parameter's value a step; the last one completes a design, which is judged.

    Action: `Discrete`, as many as the parameter with the most values has; one with fewer shares them out
    evenly and in order (`actions.place`). Observation: that of `Observer`, whose `design` is the last design
    overwritten by what was chosen since, and `chosen`, 1 for each parameter chosen since. The reward of the
    steps in between is 0 and their `info` holds what was chosen as `design`. An episode is `horizon`
    designs (one, if not said).
    """

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self.action_space = value_space(self.problem.space)
        self._count = len(self.problem.space.names)
        self.observation_space = self.observer.extended(chosen=spaces.Box(0.0, 1.0, (self._count,), np.float32))
        self._last: Outcome | None = None
        self._begin()

    def _begin(self) -> None:
        self._index, self._axis, self._designs = list(self.problem.space.default()), 0, 0

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Observation, dict[str, Any]]:
        """Begin with the default design, nothing chosen; nothing is drawn at random."""
        check_options(options)
        super().reset(seed=seed)
        self._begin()
        self._last = self.observer.reference
        return self._seen(), {}

    def step(self, action: int) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        """Choose the next parameter's value, and evaluate the design if it was the last; raises `InputError`."""
        chosen = whole(action, max(self.problem.space.sizes))
        if self._last is None:
            raise InputError("step: no episode has begun; accepted: after reset()")
        self._index[self._axis] = place(self.problem.space, self._axis, chosen)
        self._axis += 1
        if self._axis < self._count:
            point = self.problem.space.point(self._index)
            names = self.problem.space.names[: self._axis]
            return self._seen(), 0.0, False, False, {"design": {name: point[name] for name in names}}
        reward, self._last, info = self.judge(tuple(self._index))
        self._axis, self._designs = 0, self._designs + 1
        return self._seen(), reward, self._designs >= self.horizon, False, info

    def _seen(self) -> Observation:
        seen = self.observer.observe(self._index, self._last or self.observer.reference)
        seen["chosen"] = (np.arange(self._count) < self._axis).astype(np.float32)
        return seen
