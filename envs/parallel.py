"""The multi-agent environment of a machine: each parameter, or group of parameters, is an agent.

from cyclescape.envs.parallel import DesignParallel
env = DesignParallel("dram-controller", "cloud-1", objective="time_s", constraints="power_w<=0.5")
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from gymnasium import spaces

from ..errors import InputError, MissingExtraError
from ..simulator.space import Space
from .actions import places, whole_space
from .observation import Observation
from .one_shot import OneShot

try:
    from pettingzoo import ParallelEnv
except ImportError as error:
    raise MissingExtraError("a multi-agent environment", "rl") from error

__all__ = ["DesignParallel"]


class DesignParallel(ParallelEnv[str, Observation, Any]):
    """The one-shot environment played by a team: together the agents' actions are one design.

    An agent is named after its parameter and acts in `Discrete`, the place of its value. `groups` joins
    parameters under one name, `{"buffers": ["ifmap_kib", "filter_kib"]}`; such an agent acts in
    `MultiDiscrete`. All agents observe and are paid the same: that of `OneShot`, whose further arguments
    these are, and all are there until the episode ends. Raises `InputError`.
    """

    metadata: dict[str, Any] = {"name": "cyclescape_design_v0", "render_modes": []}  # noqa: RUF012

    def __init__(self, *given: Any, groups: Mapping[str, Sequence[str]] | None = None, **named: Any) -> None:
        self._env = OneShot(*given, **named)
        self.problem, self.render_mode = self._env.problem, None
        space = self.problem.space
        self.groups = grouped(space, groups or {})
        self.possible_agents = list(self.groups)
        self.agents: list[str] = []
        self._seen: Observation | None = None
        self.observation_spaces = dict.fromkeys(self.groups, self._env.observation_space)
        self.action_spaces = {
            agent: whole_space(space, names) if groups and agent in groups else spaces.Discrete(len(space.values[names[0]]))
            for agent, names in self.groups.items()
        }

    def observation_space(self, agent: str) -> spaces.Space[Any]:
        """What an agent sees; the same for all."""
        return self.observation_spaces[agent]

    def action_space(self, agent: str) -> spaces.Space[Any]:
        """Places of the agent's value, or of each of its group's values."""
        return self.action_spaces[agent]

    def reset(
        self, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[str, Observation], dict[str, dict[str, Any]]]:
        """Begin with the default design and every agent."""
        if isinstance(options, Mapping):  # PettingZoo's own checker gives one of this name, which means nothing
            options = {name: given for name, given in options.items() if name != "options"}
        seen, info = self._env.reset(seed=seed, options=options)
        self.agents = list(self.possible_agents)
        return self._each(seen), {agent: dict(info) for agent in self.agents}

    def step(
        self, actions: Mapping[str, Any]
    ) -> tuple[
        dict[str, Observation], dict[str, float], dict[str, bool], dict[str, bool], dict[str, dict[str, Any]]
    ]:  # fmt: skip
        """Evaluate the design that the agents' actions make; raises `InputError` where one is missing or not there."""
        if not self.agents:
            raise InputError("step: no episode is on; accepted: after reset(), until the episode ends")
        if missing := [agent for agent in self.agents if agent not in actions]:
            raise InputError(f"agent {missing[0]!r}: no action; accepted: one for each of {', '.join(self.agents)}")
        chosen: dict[str, int] = {}
        for agent, names in self.groups.items():
            said = places(np.atleast_1d(actions[agent]), len(names), f"agent {agent!r}: action")
            chosen |= zip(names, said, strict=True)
        index = np.array([chosen[name] for name in self.problem.space.names])
        seen, reward, over, cut, info = self._env.step(index)
        present = list(self.agents)
        result = (
            self._each(seen), dict.fromkeys(present, reward), dict.fromkeys(present, over), dict.fromkeys(present, cut),
            {agent: dict(info) for agent in present},
        )  # fmt: skip
        if over or cut:
            self.agents = []
        return result

    def state(self) -> np.ndarray:
        """What a central critic sees: the observation, flat; raises `InputError` before the first `reset`."""
        if self._seen is None:
            raise InputError("state: nothing was observed yet; accepted: after reset()")
        return np.asarray(spaces.flatten(self._env.observation_space, self._seen), dtype=np.float32)

    def close(self) -> None:
        """End what the evaluator holds."""
        self._env.close()

    def _each(self, seen: Observation) -> dict[str, Observation]:
        self._seen = seen
        return {agent: {name: part.copy() for name, part in seen.items()} for agent in self.agents}


def grouped(space: Space, groups: Mapping[str, Sequence[str]]) -> dict[str, tuple[str, ...]]:
    """Parameters of each agent: the groups, then every parameter that is in none; raises `InputError`."""
    owner: dict[str, str] = {}
    if not isinstance(groups, Mapping):
        raise InputError(f"groups={groups!r}: accepted: lists of parameters by name of the group")
    for group, names in groups.items():
        if isinstance(names, str) or not isinstance(names, Sequence):
            raise InputError(f"group {group!r}: {names!r}: accepted: a list of parameters")
        if not names:
            raise InputError(f"group {group!r}: no parameters (accepted: {', '.join(space.names)})")
        for name in names:
            if name not in space.names:
                raise InputError(f"group {group!r}: {name}: not explored (accepted: {', '.join(space.names)})")
            if name in owner:
                raise InputError(f"group {group!r}: {name} is in group {owner[name]!r} already")
            owner[name] = group
    alone = [name for name in space.names if name not in owner]
    if both := [name for name in alone if name in groups]:
        raise InputError(f"group {both[0]!r}: is the name of a parameter that is not in it")
    return {**{group: tuple(names) for group, names in groups.items()}, **{name: (name,) for name in alone}}
