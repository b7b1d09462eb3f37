"""Designs as episodes: environments whose rewards come later, when somebody has been told how a design did.

They have the spaces of `envs.one_shot` and `envs.sequential` and turn actions into designs as those do, but know no
machine: an episode ends with `info["index"]`, the design, and every reward is 0. What is observed is what the
episode itself has decided so far, which is all there is to know before a design is simulated.
"""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces

from ..envs.actions import place, value_space, whole_space
from ..simulator.space import Space

__all__ = ["Episode", "Sequential", "Whole"]

Stepped = tuple[np.ndarray, float, bool, bool, dict[str, Any]]


class Episode(gymnasium.Env[np.ndarray, Any]):
    """One design of a space, chosen in `steps` steps."""

    metadata: dict[str, Any] = {"render_modes": []}  # noqa: RUF012
    steps: int = 1

    def __init__(self, space: Space) -> None:
        self.space = space


class Whole(Episode):
    """The design in one action: `MultiDiscrete`, a place for each parameter. There is nothing to observe: float32[1], a one."""

    def __init__(self, space: Space) -> None:
        super().__init__(space)
        self.action_space = whole_space(space)
        self.observation_space = spaces.Box(0.0, 1.0, (1,), np.float32)
        self._seen = np.ones(1, dtype=np.float32)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[np.ndarray, dict[str, Any]]:
        """Begin a design."""
        super().reset(seed=seed)
        return self._seen, {}

    def step(self, action: np.ndarray) -> Stepped:
        """End it."""
        return self._seen, 0.0, True, False, {"index": tuple(int(at) for at in action)}


class Sequential(Episode):
    """One parameter a step, in the order of the declaration: `Discrete`, as many actions as the longest list of values.

    Observed is what was chosen so far: for each parameter a 1 at the place of its value, all 0 if it is yet to be
    chosen, and a 1 at the parameter that is next; float32[sum of sizes + parameters].
    """

    def __init__(self, space: Space) -> None:
        super().__init__(space)
        self.steps = len(space.names)
        self.action_space = value_space(space)
        self._starts = np.concatenate([[0], np.cumsum(space.sizes)])
        self.observation_space = spaces.Box(0.0, 1.0, (int(self._starts[-1]) + self.steps,), np.float32)
        self._chosen: list[int] = []

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[np.ndarray, dict[str, Any]]:
        """Begin a design."""
        super().reset(seed=seed)
        self._chosen = []
        return self._observed(), {}

    def step(self, action: Any) -> Stepped:
        """Choose the next parameter's value; the last one ends the design."""
        self._chosen.append(place(self.space, len(self._chosen), int(action)))
        done = len(self._chosen) == self.steps
        return self._observed(), 0.0, done, False, {"index": tuple(self._chosen)} if done else {}

    def _observed(self) -> np.ndarray:
        seen = np.zeros(self.observation_space.shape or (), dtype=np.float32)
        for start, at in zip(self._starts, self._chosen, strict=False):
            seen[start + at] = 1.0
        if len(self._chosen) < self.steps:
            seen[self._starts[-1] + len(self._chosen)] = 1.0
        return seen
