"""The one-shot environment of a machine: an action is a whole design.

gymnasium.make("cyclescape/Systolic-v0", workload="resnet18", objective="edp", constraints="area_mm2<=20")
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .actions import places, whole_space
from .base import DesignEnv, check_options
from .observation import Observation

__all__ = ["OneShot"]


class OneShot(DesignEnv):
    """Propose designs, `horizon` of them to an episode (one, if not said); each is judged on its own.

    Action: `MultiDiscrete`, the place of each explored parameter's value. Observation: a flat `Dict` of
    bounded boxes (see `Observer`). Arguments, rewards and `info`: see `DesignEnv`.
    """

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self.action_space = whole_space(self.problem.space)
        self._steps = 0

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Observation, dict[str, Any]]:
        """Begin with the default design; nothing is drawn at random."""
        check_options(options)
        super().reset(seed=seed)
        self._steps = 0
        return self.observer.observe(self.problem.space.default(), self.observer.reference), {}

    def step(self, action: np.ndarray) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        """Evaluate the design that the action names; raises `InputError` for one that is not there."""
        index = places(action, len(self.problem.space.names))
        self._steps += 1
        reward, outcome, info = self.judge(index)
        return self.observer.observe(index, outcome), reward, self._steps >= self.horizon, False, info
