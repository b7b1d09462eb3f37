"""What every form of a machine's environment shares: the problem, what is observed, how a design is judged."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import gymnasium

from ..arguments import whole_number
from ..errors import InputError, did_you_mean
from ..simulator.objective import Aggregate, Objective, Outcome
from ..simulator.problem import Problem
from ..simulator.space import Index
from .observation import Observation, Observer

__all__ = ["DesignEnv", "check_options", "explained"]


class DesignEnv(gymnasium.Env[Observation, Any]):
    """A problem as an environment. A form says what an action is; rewards and `info` are the same in all.

    Rewards count decades better than the default design, averaged over the objectives, minus the penalty of
    violated constraints; always maximised. A design that breaks a rule or cannot be simulated is worth -10,
    and `info` says why. `info` of a step that judged a design: `design`, `report` (a list with several
    workloads), `objectives`, `slacks`, `feasible`, `reason`, `bottleneck`.

    Arguments are strings and numbers, or lists and mappings of them, so that the `EnvSpec` is JSON.
    Raises `InputError` for an argument that does not fit.
    """

    metadata: dict[str, Any] = {  # noqa: RUF012
        "render_modes": []
    }
    default_horizon: ClassVar[int] = 1
    """Designs to an episode if nothing else is said."""

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
        horizon: int | None = None,
        render_mode: str | None = None,
        **unknown: Any,
    ) -> None:
        for name in unknown:
            accepted = _arguments(type(self))
            raise InputError(
                f"{name}: unknown argument{did_you_mean(name, accepted)} (accepted: {', '.join(accepted)}; "
                "parameters of a design go into fixed or values)"
            )
        self.horizon = self.default_horizon if horizon is None else whole_number("horizon", horizon)
        self.problem = Problem(
            accelerator, workload, objective, constraints, aggregate=aggregate, weights=weights, fixed=fixed,
            values=values, evaluator=evaluator, time_limit_s=time_limit_s, engine=engine,
        )  # fmt: skip
        self.observer = Observer(self.problem)
        self.render_mode = render_mode
        self.observation_space = self.observer.space

    def judge(self, index: Index) -> tuple[float, Outcome, dict[str, Any]]:
        """Evaluate the design at an index: its reward, how it did, and the `info` of the step."""
        point = self.problem.space.point(index)
        outcome = self.problem.evaluate([point])[0]
        return self.problem.objective.reward(outcome, self.observer.reference), outcome, explained(point, outcome)

    def close(self) -> None:
        """End what the evaluator holds."""
        self.problem.close()


def _arguments(form: type[DesignEnv]) -> list[str]:
    """Names of what a form is made with, by its own constructor and those that it calls; the id says the accelerator."""
    parameters = [p for kind in reversed(form.__mro__) if issubclass(kind, DesignEnv)
                  for p in inspect.signature(kind.__init__).parameters.values()]  # fmt: skip
    open_ended = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    return list(dict.fromkeys(p.name for p in parameters if p.kind not in open_ended and p.name not in ("self", "accelerator")))


def check_options(given: Any, accepted: Sequence[str] = ()) -> Mapping[str, Any]:
    """The options of a `reset`; raises `InputError` for one that would be passed over."""
    if given is None:
        return {}
    known = ", ".join(accepted) or "none"
    if not isinstance(given, Mapping):
        raise InputError(f"options={given!r}: accepted: a mapping of options by name ({known})")
    for name in given:
        if name not in accepted:
            raise InputError(f"option {name!r}: unknown{did_you_mean(str(name), accepted)} (accepted: {known})")
    return given


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
