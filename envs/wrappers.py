"""For algorithms that know one kind of action only: places as a `Box` (SAC, TD3) or a `Discrete` (DQN)."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces

from ..errors import InputError
from .actions import whole

__all__ = ["BoxAction", "DiscreteAction"]


class BoxAction(gymnasium.ActionWrapper[Any, np.ndarray, Any], gymnasium.utils.RecordConstructorArgs):
    """Actions as a box from -1 to 1, of which every place has an equal share.

    Of an environment with `MultiDiscrete` actions an entry for each parameter, with `Discrete` actions one.
    Raises `InputError` for any other.
    """

    def __init__(self, env: gymnasium.Env[Any, Any]) -> None:
        gymnasium.utils.RecordConstructorArgs.__init__(self)
        super().__init__(env)
        self._sizes, self._single = _sizes(env)
        self.action_space = spaces.Box(-1.0, 1.0, self._sizes.shape, np.float32)

    def action(self, action: np.ndarray) -> Any:
        """The places that a point of the box lies in; the upper end belongs to the last. Raises `InputError` for no point."""
        given = np.asarray(action, dtype=float)
        if given.shape != self._sizes.shape or np.isnan(given).any():
            raise InputError(f"action {action!r}: accepted: {len(self._sizes)} numbers from -1 to 1")
        share = (given + 1.0) / 2.0
        places = np.clip((share * self._sizes).astype(np.int64), 0, self._sizes - 1)
        return int(places[0]) if self._single else places


class DiscreteAction(gymnasium.ActionWrapper[Any, Any, Any], gymnasium.utils.RecordConstructorArgs):
    """Whole designs as one number, the last parameter varying fastest; for small spaces only.

    Raises `InputError` beyond `most` designs: the sequential and refine forms have `Discrete` actions for
    any space.
    """

    def __init__(self, env: gymnasium.Env[Any, Any], *, most: int = 4096) -> None:
        gymnasium.utils.RecordConstructorArgs.__init__(self, most=most)
        super().__init__(env)
        self._sizes, self._single = _sizes(env)
        count = int(np.prod(self._sizes, dtype=object))
        if count > most:
            raise InputError(
                f"{count:,} designs are too many for one Discrete action; accepted: at most {most:,} "
                "(the sequential and refine forms have few actions for any space)"
            )
        self._count = count
        self.action_space = spaces.Discrete(count)

    def action(self, action: Any) -> Any:
        """The places of a design's number; raises `InputError` for one that is not there."""
        number = whole(action, self._count)
        return number if self._single else np.array(np.unravel_index(number, tuple(self._sizes)))


def _sizes(env: gymnasium.Env[Any, Any]) -> tuple[np.ndarray, bool]:
    """Number of places of each entry of an action, and whether an action is a single number."""
    space = env.action_space
    if isinstance(space, spaces.MultiDiscrete) and space.nvec.ndim == 1 and not np.any(space.start):
        return space.nvec.copy(), False
    if isinstance(space, spaces.Discrete) and space.start == 0:
        return np.array([space.n]), True
    raise InputError(f"action space {space}: accepted: MultiDiscrete of one dimension or Discrete, from 0")
