"""Stable-Baselines3 behind `ask` and `tell`: PPO, A2C, SAC and DQN.

The library's loop steps an environment; here somebody else does, and later. So its parts are driven one by one:
the policy draws a design, an episode without rewards (`episodes`); when the reward is told the episode goes into the
library's buffer, and a full buffer, or a grown one, is trained on. No thread waits for anything.
"""

from __future__ import annotations

import math
from typing import Any, ClassVar

import numpy as np

from ..envs.wrappers import BoxAction
from ..errors import InputError
from ..simulator.objective import Objective
from ..simulator.space import Index, Space
from .episodes import Episode, Sequential, Whole
from .reinforced import Reinforced

__all__ = ["A2c", "Dqn", "Ppo", "Sac", "check_count", "check_number"]

_FORMS: dict[str, type[Episode]] = {"whole": Whole, "sequential": Sequential}


class _OnPolicy(Reinforced):
    """What PPO and A2C share: a rollout of `n_steps` designs, one update, the next rollout."""

    episode: Episode
    model: Any

    def draw(self) -> tuple[Index, Any]:
        """Play an episode with the policy as it is."""
        import torch

        seen, _ = self.episode.reset()
        steps: list[tuple[Any, ...]] = []
        info: dict[str, Any] = {}
        while "index" not in info:
            with torch.no_grad():
                action, value, log_prob = self.model.policy(torch.from_numpy(seen[None]))
            chosen = action.numpy()[0]
            steps.append((seen, chosen, value, log_prob))
            seen, _, _, _, info = self.episode.step(chosen)
        return info["index"], steps

    def reinforce(self, drawn: Any, reward: float) -> None:
        """Add the episode, whose last step is paid, to the rollout; train when it is full."""
        import torch

        buffer = self.model.rollout_buffer
        for i, (seen, action, value, log_prob) in enumerate(drawn):
            paid = reward if i == len(drawn) - 1 else 0.0
            buffer.add(seen[None], action[None], np.array([paid]), np.array([i == 0]), value, log_prob)
        if buffer.full:
            buffer.compute_returns_and_advantage(last_values=torch.zeros(1), dones=np.array([True]))
            self.model.train()
            buffer.reset()

    def _prepare(self, form: str, n_steps: int, learning_rate: float, ent_coef: float) -> None:
        if form not in _FORMS:
            raise InputError(f"agent {self.name!r}: form={form}: accepted: {', '.join(_FORMS)}")
        check_count(self.name, 2, n_steps=n_steps)
        check_number(self.name, learning_rate=learning_rate)
        check_number(self.name, zero=True, ent_coef=ent_coef)
        self.episode = _FORMS[form](self.space)


class Ppo(_OnPolicy):
    """Proximal policy optimisation; `form=whole` draws every parameter by itself, `form=sequential` in view of those before.

    Schulman et al., arXiv 1707.06347, as Stable-Baselines3 has it. In the form `whole` the policy is factorised:
    independent heads, one for each parameter, on one network that has nothing to look at. `n_steps` and
    `batch_size` count designs. Episodes are not discounted.
    """

    name: ClassVar[str] = "ppo"

    def __init__(
        self, space: Space, objective: Objective, *, budget: int, seed: int, form: str = "whole",
        learning_rate: float = 3e-3, n_steps: int = 32, batch_size: int = 32, n_epochs: int = 10,
        clip_range: float = 0.2, ent_coef: float = 0.01,
    ) -> None:  # fmt: skip
        super().__init__(space, objective, budget=budget, seed=seed)
        self._prepare(form, n_steps, learning_rate, ent_coef)
        check_count(self.name, n_epochs=n_epochs)
        check_count(self.name, 2, batch_size=batch_size)
        check_number(self.name, clip_range=clip_range)
        if n_steps % batch_size:
            raise InputError(f"agent 'ppo': batch_size={batch_size}: accepted: a divisor of n_steps={n_steps} above 1")
        from stable_baselines3 import PPO

        with self.apart():
            self.model = _quiet(PPO(
                "MlpPolicy", self.episode, learning_rate=learning_rate, n_steps=n_steps * self.episode.steps,
                batch_size=batch_size * self.episode.steps, n_epochs=n_epochs, gamma=1.0, clip_range=clip_range,
                ent_coef=ent_coef, seed=_seed(self), device="cpu",
            ))  # fmt: skip


class A2c(_OnPolicy):
    """Advantage actor-critic: the policy gradient, one step for each `n_steps` designs; forms as of `ppo`.

    Mnih et al., arXiv 1602.01783, the synchronous variant of Stable-Baselines3.
    """

    name: ClassVar[str] = "a2c"

    def __init__(
        self, space: Space, objective: Objective, *, budget: int, seed: int, form: str = "whole",
        learning_rate: float = 3e-3, n_steps: int = 8, ent_coef: float = 0.01,
    ) -> None:  # fmt: skip
        super().__init__(space, objective, budget=budget, seed=seed)
        self._prepare(form, n_steps, learning_rate, ent_coef)
        from stable_baselines3 import A2C

        with self.apart():
            self.model = _quiet(A2C(
                "MlpPolicy", self.episode, learning_rate=learning_rate, n_steps=n_steps * self.episode.steps, gamma=1.0,
                gae_lambda=0.95, ent_coef=ent_coef, normalize_advantage=True, seed=_seed(self), device="cpu",
            ))  # fmt: skip


class Sac(Reinforced):
    """Soft actor-critic on a box: each place of a parameter has an equal share of -1..1.

    Haarnoja et al., arXiv 1812.05905, as Stable-Baselines3 has it. The first `startup` designs are uniform
    draws; after each further one follow `gradient_steps` on batches of all so far.
    """

    name: ClassVar[str] = "sac"

    def __init__(
        self, space: Space, objective: Objective, *, budget: int, seed: int, learning_rate: float = 3e-3,
        startup: int = 32, batch_size: int = 64, gradient_steps: int = 1, ent_coef: float | str = "auto_0.1",
    ) -> None:  # fmt: skip
        super().__init__(space, objective, budget=budget, seed=seed)
        check_count(self.name, startup=startup, batch_size=batch_size, gradient_steps=gradient_steps)
        check_number(self.name, learning_rate=learning_rate)
        if not (_initial(ent_coef) if isinstance(ent_coef, str) else 0 <= ent_coef < math.inf):
            raise InputError(f"agent 'sac': ent_coef={ent_coef}: accepted: a number, auto, or auto_0.1 (where it begins)")
        from stable_baselines3 import SAC

        self.startup, self.batch_size, self.gradient_steps = startup, batch_size, gradient_steps
        self.whole = Whole(space)
        self.box = BoxAction(self.whole)
        self._steps = 0
        with self.apart():
            self.model = _quiet(SAC(
                "MlpPolicy", self.box, learning_rate=learning_rate, batch_size=batch_size, gamma=1.0, ent_coef=ent_coef,
                buffer_size=_room(budget, self.tries), policy_kwargs={"net_arch": [64, 64]}, seed=_seed(self), device="cpu",
            ))  # fmt: skip

    def draw(self) -> tuple[Index, Any]:
        """Draw an action, and take the places that it lies in."""
        seen, _ = self.whole.reset()
        if self._steps < self.startup:
            action = self.box.action_space.sample()
        else:
            action, _ = self.model.predict(seen, deterministic=False)
        return tuple(int(at) for at in self.box.action(action)), action

    def reinforce(self, drawn: Any, reward: float) -> None:
        """Keep the step, which is a whole episode, and train on some of all."""
        seen, _ = self.whole.reset()
        self.model.replay_buffer.add(seen, seen, drawn, np.array([reward]), np.array([True]), [{}])
        self._steps += 1
        if self._steps >= self.startup:
            self.model.train(gradient_steps=self.gradient_steps, batch_size=self.batch_size)


class Dqn(Reinforced):
    """Deep Q-learning, one parameter a step; `exploration` is the share of the budget in which chance fades.

    Mnih et al., Nature 518, 2015, as Stable-Baselines3 has it, with returns over the whole episode, since only
    its last step is paid. Actions are random with a probability that falls from 1 to `final`; after each design
    follow `gradient_steps`, after each `target_update` designs the target network becomes the network.
    """

    name: ClassVar[str] = "dqn"

    def __init__(
        self, space: Space, objective: Objective, *, budget: int, seed: int, learning_rate: float = 1e-3,
        startup: int = 32, batch_size: int = 64, gradient_steps: int = 4, target_update: int = 8,
        exploration: float = 0.5, final: float = 0.05,
    ) -> None:  # fmt: skip
        super().__init__(space, objective, budget=budget, seed=seed)
        check_count(
            self.name, startup=startup, batch_size=batch_size, gradient_steps=gradient_steps, target_update=target_update
        )
        check_number(self.name, learning_rate=learning_rate, exploration=exploration)
        if not 0 <= final <= 1:
            raise InputError(f"agent 'dqn': final={final}: accepted: 0 to 1")
        from stable_baselines3 import DQN

        self.startup, self.batch_size, self.gradient_steps = startup, batch_size, gradient_steps
        self.target_update, self.exploration, self.final = target_update, exploration, final
        self.episode = Sequential(space)
        self._designs = 0
        with self.apart():
            self.model = _quiet(DQN(
                "MlpPolicy", self.episode, learning_rate=learning_rate, batch_size=batch_size, gamma=1.0,
                buffer_size=_room(budget, self.tries) * self.episode.steps, n_steps=self.episode.steps,
                seed=_seed(self), device="cpu",
            ))  # fmt: skip

    def draw(self) -> tuple[Index, Any]:
        """Play an episode: the best actions, and random ones among them."""
        faded = len(self.known) / (self.exploration * self.budget)
        self.model.exploration_rate = max(self.final, 1.0 - (1.0 - self.final) * faded)
        seen, _ = self.episode.reset()
        steps: list[tuple[Any, ...]] = []
        info: dict[str, Any] = {}
        while "index" not in info:
            action, _ = self.model.predict(seen[None], deterministic=False)
            after, _, _, _, info = self.episode.step(action[0])
            steps.append((seen, after, action))
            seen = after
        return info["index"], steps

    def reinforce(self, drawn: Any, reward: float) -> None:
        """Keep the episode, whose last step is paid, and train on some of all."""
        for i, (seen, after, action) in enumerate(drawn):
            last = i == len(drawn) - 1
            self.model.replay_buffer.add(
                seen[None], after[None], action, np.array([reward if last else 0.0]), np.array([last]), [{}]
            )
        self._designs += 1
        if self._designs >= self.startup:
            self.model.train(gradient_steps=self.gradient_steps, batch_size=self.batch_size)
        if self._designs % self.target_update == 0:
            self.model.q_net_target.load_state_dict(self.model.q_net.state_dict())


def check_count(agent: str, least: int = 1, /, **counts: Any) -> None:
    """Raise `InputError` for a count that is no whole number or less than the least."""
    for name, value in counts.items():
        if type(value) is not int or value < least:
            raise InputError(f"agent {agent!r}: {name}={value}: accepted: a whole number from {least}")


def check_number(agent: str, *, zero: bool = False, **values: Any) -> None:
    """Raise `InputError` for what is no finite number above 0, or at `zero` or above."""
    for name, value in values.items():
        if type(value) not in (int, float) or not (0 < value < math.inf or (zero and value == 0)):
            raise InputError(f"agent {agent!r}: {name}={value}: accepted: a number {'from' if zero else 'above'} 0")


def _initial(text: str) -> bool:
    begins, mark, value = text.partition("_")
    try:
        return begins == "auto" and (not mark or 0 < float(value) < math.inf)
    except ValueError:
        return False


def _room(budget: int, tries: int) -> int:
    """Places in a replay buffer: every design and every repeat, within reason."""
    return min(budget * tries, 20_000)


def _seed(searcher: Reinforced) -> int:
    return int(searcher.rng.integers(2**31))


def _quiet(model: Any) -> Any:
    """The model with a logger that writes nowhere, which it insists on having."""
    from stable_baselines3.common.logger import Logger

    model.set_logger(Logger(folder=None, output_formats=[]))
    return model
