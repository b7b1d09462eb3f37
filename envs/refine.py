"""The refining environment of a machine: a step moves from a design to a neighbour.

gymnasium.make("cyclescape/SystolicRefine-v0", workload="resnet18", objective="edp", horizon=40)
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal, get_args

from gymnasium import spaces

from ..errors import InputError
from ..simulator.space import Index
from .actions import moves, whole
from .base import DesignEnv, check_options
from .observation import Observation

__all__ = ["Refine"]

Start = Literal["default", "random"]


class Refine(DesignEnv):
    """Change one parameter a step: one place down or up if it is ordered, to any of its values if not.

    Action: `Discrete`, the moves (`actions.moves`); a move past an end stays. The reward is the gain over the
    design before, so an episode's sum is what its last design is better than its first; best, at the design
    to keep, is to stay. After `horizon` moves (32, if not said) the episode is truncated.

    It starts at the default design, or with `start="random"` at one drawn uniformly, or at that of
    `reset(options={"design": {...}})`, whose missing parameters are the default's.
    """

    default_horizon: ClassVar[int] = 32

    def __init__(self, *given: Any, start: Start = "default", **named: Any) -> None:
        if start not in get_args(Start):
            raise InputError(f"start {start!r}: accepted: {', '.join(get_args(Start))}")
        super().__init__(*given, **named)
        self.start = start
        self.moves = moves(self.problem.space)
        self.action_space = spaces.Discrete(len(self.moves))
        self._steps = 0
        self._value: float | None = None

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Observation, dict[str, Any]]:
        """Begin with the first design, which is evaluated; raises `InputError` for one that is not explored."""
        given = check_options(options, ("design",))
        super().reset(seed=seed)
        self._steps = 0
        self._index = self._first(given.get("design"))
        self._value, outcome, info = self.judge(self._index)
        return self.observer.observe(self._index, outcome), info

    def step(self, action: int) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        """Move, and evaluate where that leads; raises `InputError` for a move that is not there."""
        move = self.moves[whole(action, len(self.moves))]
        if self._value is None:
            raise InputError("step: no episode has begun; accepted: after reset()")
        self._steps += 1
        before = self._value
        self._index = move.apply(self._index, self.problem.space.sizes)
        self._value, outcome, info = self.judge(self._index)
        seen = self.observer.observe(self._index, outcome)
        return seen, self._value - before, False, self._steps >= self.horizon, info

    def _first(self, given: Mapping[str, Any] | None) -> Index:
        space = self.problem.space
        if given is not None:
            if not isinstance(given, Mapping):
                raise InputError(f"design {given!r}: accepted: values by names of parameters")
            if unknown := [name for name in given if name not in space.names]:
                raise InputError(f"{unknown[0]}: not explored; accepted: {', '.join(space.names)}")
            return space.index({**space.point(self.problem.space.default()), **given})
        if self.start == "random":
            return tuple(int(self.np_random.integers(size)) for size in space.sizes)
        return self.problem.space.default()
