"""A team as a searcher: each parameter, or group of parameters, is an agent that learns by itself."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from ..errors import InputError
from ..simulator.objective import Objective
from ..simulator.space import Index, Space
from .policies import check_count, check_number
from .reinforced import Reinforced

__all__ = ["Ippo"]


class Ippo(Reinforced):
    """Independent PPO: each parameter, or group of `groups`, is an agent with a network of its own; the reward is shared.

    `groups=rows+cols/ifmap_kib+filter_kib` makes two agents of four parameters; every other parameter is one by
    itself. `critic=central` gives all agents one estimate of the reward. `n_steps` counts designs. See `team`.
    """

    name: ClassVar[str] = "ippo"

    def __init__(
        self, space: Space, objective: Objective, *, budget: int, seed: int, groups: str = "", critic: str = "own",
        learning_rate: float = 3e-3, n_steps: int = 32, n_epochs: int = 10, clip_range: float = 0.2, ent_coef: float = 0.01,
    ) -> None:  # fmt: skip
        super().__init__(space, objective, budget=budget, seed=seed)
        if critic not in ("own", "central"):
            raise InputError(f"agent 'ippo': critic={critic}: accepted: own, central")
        check_count(self.name, 2, n_steps=n_steps)
        check_count(self.name, n_epochs=n_epochs)
        check_number(self.name, learning_rate=learning_rate, clip_range=clip_range)
        check_number(self.name, zero=True, ent_coef=ent_coef)
        import torch

        from ..envs.parallel import grouped
        from .team import Team

        parted = [part.split("+") for part in str(groups).split("/") if part]
        members = grouped(space, {"+".join(names): names for names in parted}).values()
        self._axes = [[space.names.index(name) for name in names] for names in members]
        self.n_steps = n_steps
        self._seen = torch.ones(1, 1)
        self._rollout: list[tuple[Any, Any, float]] = []
        with self.apart():
            self.team = Team(
                [[space.sizes[axis] for axis in axes] for axes in self._axes], 1, central=critic == "central",
                learning_rate=learning_rate, n_epochs=n_epochs, clip_range=clip_range, ent_coef=ent_coef,
            )  # fmt: skip

    def draw(self) -> tuple[Index, Any]:
        """Let every agent draw the places of its parameters."""
        actions, log_probs = self.team.act(self._seen)
        index = np.zeros(len(self.space.sizes), dtype=int)
        for axes, places in zip(self._axes, actions[:, 0].tolist(), strict=True):
            index[axes] = places[: len(axes)]
        return tuple(int(at) for at in index), (actions, log_probs)

    def reinforce(self, drawn: Any, reward: float) -> None:
        """Keep the design; when there are `n_steps` of them, every agent learns."""
        import torch

        self._rollout.append((*drawn, reward))
        if len(self._rollout) == self.n_steps:
            actions, log_probs, rewards = zip(*self._rollout, strict=True)
            self.team.learn(
                self._seen.expand(self.n_steps, 1), torch.cat(actions, 1), torch.cat(log_probs, 1), torch.tensor(rewards)
            )
            self._rollout.clear()
