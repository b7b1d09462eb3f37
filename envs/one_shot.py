"""The one-shot environment of a machine: an action is a whole design.

gymnasium.make("cyclescape/Systolic-v0", workload="resnet18", objective="edp", constraints="area_mm2<=20")
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces

from ..errors import InputError
from ..simulator.objective import Aggregate, Objective, Outcome
from ..simulator.problem import Problem
from .observation import Observation, Observer

__all__ = ["OneShot", "explained"]


class OneShot(gymnasium.Env[Observation, np.ndarray]):
    """Propose designs, `horizon` of them to an episode; each is judged on its own.

    Action: `MultiDiscrete`, the place of each explored parameter's value. Observation: a flat `Dict` of
    bounded boxes (see `Observer`). Reward: decades better than the default design, averaged over the
    objectives, minus the penalty of violated constraints; always maximised and at least -10. A design that
    breaks a rule or cannot be simulated is a step like any other, with reward -10 and the reason.
    `info` of a step: `design`, `report` (a list with several workloads), `objectives`, `slacks`,
    `feasible`, `reason`, `bottleneck`.

    Arguments are strings and numbers, or lists and mappings of them, so that the `EnvSpec` is JSON.
    Raises `InputError` for an argument that does not fit.
    """

    metadata: dict[str, Any] = {  # noqa: RUF012
        "render_modes": []
    }

    def __init__(
        self,
        accelerator: str,
        workload: str | Sequence[str] | Any = None,
        objective: str | Sequence[str] | Objective = "edp",
        constraints: str | Sequence[str] = (),
        *,
        aggregate: Aggregate | None = None,
        weights: Sequence[float] | None = None,
        fixed: Mapping[str, Any] | None = None,
        values: Mapping[str, Sequence[Any]] | None = None,
        evaluator: str = "direct",
        time_limit_s: float | None = None,
        engine: str | None = None,
        horizon: int = 1,
        render_mode: str | None = None,
    ) -> None:
        if horizon < 1:
            raise InputError(f"horizon {horizon}: must be at least 1")
        self.problem = Problem(
            accelerator, workload, objective, constraints, aggregate=aggregate, weights=weights, fixed=fixed,
            values=values, evaluator=evaluator, time_limit_s=time_limit_s, engine=engine,
        )  # fmt: skip
        self.observer = Observer(self.problem)
        self.horizon, self.render_mode = horizon, render_mode
        self.action_space = spaces.MultiDiscrete(np.array(self.problem.space.sizes))
        self.observation_space = self.observer.space
        self._steps = 0

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Observation, dict[str, Any]]:
        """Begin with the default design; nothing is drawn at random."""
        super().reset(seed=seed)
        self._steps = 0
        return self.observer.observe(self.observer.default_index(), self.observer.reference), {}

    def step(self, action: np.ndarray) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        """Evaluate the design that the action names."""
        self._steps += 1
        index = tuple(int(i) for i in action)
        point = self.problem.space.point(index)
        outcome = self.problem.evaluate([point])[0]
        reward = self.problem.objective.reward(outcome, self.observer.reference)
        seen = self.observer.observe(index, outcome)
        return seen, reward, self._steps >= self.horizon, False, explained(point, outcome)

    def close(self) -> None:
        """End what the evaluator holds."""
        self.problem.close()


def explained(point: Mapping[str, Any], outcome: Outcome) -> dict[str, Any]:
    """The `info` of a step."""
    reports = outcome.reports
    return {
        "design": dict(point),
        "report": reports[0] if len(reports) == 1 else list(reports),
        "objectives": dict(outcome.values),
        "slacks": dict(outcome.slacks),
        "feasible": outcome.feasible,
        "reason": outcome.reason,
        "bottleneck": outcome.bottleneck,
    }
