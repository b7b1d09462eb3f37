"""What a search is after: metrics to improve, constraints to keep, over one or several workloads.

    Objective.parse("edp", constraints=["area_mm2<=20"])
    Objective.parse("time_s, energy_j", aggregate="worst")
    Objective.parse("max:utilization", constraints="power_w<=5; area_mm2<=20")

A term is a metric, a named formula (`edp`), or a product of powers of metrics (`energy_j*time_s**2`).
Environments, agents and Pareto tools share one `Objective`, so that "the same problem" is the same value.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Any, Literal, Self

import numpy as np
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from ..arguments import no_flag
from ..errors import InputError, did_you_mean, explain
from .formula import FORMULAS, Formula, Term, constraint_of, split
from .report import Report

__all__ = ["FORMULAS", "Objective", "Outcome"]

FLOOR = 1e-60
"""Smallest value that is told apart from zero when a logarithm is taken: below any product of metrics that means something."""

FAILED = -10.0
"""Reward of a design without numbers: ten decades worse than the reference, finite so that agents learn."""

Aggregate = Literal["geomean", "sum", "worst"]
Texts = str | Sequence[str]


@dataclass(frozen=True)
class Outcome:
    """What an objective says about one design: its reports, read with the problem's eyes."""

    reports: tuple[Report, ...]
    """One for each workload."""
    values: dict[str, float]
    """Objectives in their natural units and directions; empty if the design failed."""
    costs: np.ndarray
    """float64[n]: log10 of each objective, turned so that less is better; +inf if the design failed."""
    slacks: dict[str, float]
    """Room under each constraint as a share of its limit; negative where it is violated."""
    violations: np.ndarray
    """float64[m]: decades beyond each constraint's limit; at most 0 where it holds."""
    reason: str | None
    """Why there are no numbers, if so."""

    @property
    def ok(self) -> bool:
        """Whether every workload was simulated and every objective is a number."""
        return self.reason is None

    @property
    def feasible(self) -> bool:
        """Whether the design has numbers and keeps every constraint."""
        return self.ok and all(slack >= 0 for slack in self.slacks.values())

    @property
    def surrogate(self) -> bool:
        """Whether a learned model gave any of the numbers."""
        return any(report.surrogate for report in self.reports)

    @property
    def bottleneck(self) -> str:
        """The cause to which most cycles went, over all workloads ("" if nothing is known)."""
        causes: dict[str, int] = {}
        for report in self.reports:
            for cause, cycles in report.breakdown.items():
                causes[cause] = causes.get(cause, 0) + cycles
        return max(causes, key=lambda cause: causes[cause]) if causes else ""


class Objective(BaseModel):
    """Terms to improve and constraints to keep; JSON both ways.

    With several workloads a term is evaluated on each and then aggregated (geometric mean, weighted sum,
    or the worst), and a constraint must hold on every one of them.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    terms: Annotated[tuple[str, ...], Field(min_length=1)]
    constraints: tuple[str, ...] = ()
    aggregate: Aggregate = "geomean"
    weights: tuple[Annotated[float, BeforeValidator(no_flag), Field(gt=0)], ...] | None = None
    """One for each workload; equal if not given. The worst is taken of weighted values."""
    steepness: Annotated[float, Field(gt=0)] = 4.0
    """Reward lost for each decade by which a constraint is exceeded. Above 1, so that a design rarely
    gains more by breaking a limit than it pays."""

    @model_validator(mode="after")
    def _readable(self) -> Self:
        names = [term.name for term in self.parsed]
        formulas = {term.formula.meaning for term in self.parsed}
        if min(len(set(names)), len(formulas)) < len(names):
            raise ValueError(f"objective {', '.join(names)}: a term is given twice")
        known = set()
        for text, formula, upper, limit in self.limits:
            if (meaning := (formula.meaning, upper, limit)) in known:
                raise ValueError(f"constraint {text!r} is given twice (accepted: each once; a penalty counts for each)")
            known.add(meaning)
        return self

    @classmethod
    def parse(
        cls,
        objective: Texts | Objective,
        constraints: Texts = (),
        *,
        aggregate: Aggregate | None = None,
        weights: Sequence[float] | None = None,
    ) -> Objective:
        """Read an objective from text (terms by ",", constraints by ";") or lists; raises `InputError`."""
        for what, texts in (("objective", objective), ("constraints", constraints)):
            if isinstance(texts, Objective):
                continue
            if not isinstance(texts, str | list | tuple) or not all(isinstance(text, str) for text in texts):
                raise InputError(f"{what}={texts!r}: accepted: text, or a list of texts")
        given: dict[str, Any] = {}
        if isinstance(objective, Objective):
            given = objective.model_dump()
            given["constraints"] = (*given["constraints"], *split(constraints, ";"))
        else:
            given = {"terms": split(objective, ","), "constraints": split(constraints, ";")}
        if aggregate is not None:
            given["aggregate"] = aggregate
        if weights is not None:
            if not isinstance(weights, Sequence | np.ndarray) or isinstance(weights, str):
                raise InputError(f"weights={weights!r}: accepted: a list of numbers above 0, one for each workload")
            given["weights"] = tuple(weights)
        try:
            return cls.model_validate(given)
        except ValidationError as error:
            raise InputError(explain(error)) from None

    @cached_property
    def parsed(self) -> tuple[Term, ...]:
        """The terms, read."""
        return tuple(Term.parse(text) for text in self.terms)

    @cached_property
    def limits(self) -> tuple[tuple[str, Formula, bool, float], ...]:
        """The constraints, read: (text, formula, whether the limit is an upper one, limit)."""
        return tuple((text, *constraint_of(text)) for text in self.constraints)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the terms, as columns are called."""
        return tuple(term.name for term in self.parsed)

    @property
    def multi(self) -> bool:
        """Whether there are several objectives, and so a front rather than one best design."""
        return len(self.terms) > 1

    def check(self, metrics: Collection[str], workloads: int = 1) -> None:
        """Raise `InputError` if a machine with these metrics cannot answer, or the weights do not fit."""
        terms = [("objective", term.formula) for term in self.parsed]
        for kind, formula in [*terms, *(("constraint", limit[1]) for limit in self.limits)]:
            for metric in formula.powers:
                if metric not in metrics and formula.text not in metrics:
                    named = [name for name, text in FORMULAS.items() if Formula.parse(text).powers.keys() <= set(metrics)]
                    known = [*metrics, *(name for name in named if name not in metrics)]
                    hint = did_you_mean(metric, known)
                    raise InputError(f"{kind} {formula.text!r}: no metric {metric!r}{hint} (accepted: {', '.join(known)})")
        if self.weights is not None and len(self.weights) != workloads:
            raise InputError(f"weights: {len(self.weights)} given for {workloads} workloads")

    def outcome(self, reports: Report | Sequence[Report]) -> Outcome:
        """Judge one design by its report on each workload."""
        every = (reports,) if isinstance(reports, Report) else tuple(reports)
        reason = next((report.reason for report in every if not report.ok), None)
        if reason is None:
            values, slacks, violations, reason = self._judge([report.metrics for report in every])
        if reason is not None:
            values, slacks, violations = {}, {}, [math.inf] * len(self.limits)
        costs = np.full(len(self.terms), np.inf)
        if reason is None:
            for i, term in enumerate(self.parsed):
                costs[i] = term.sign * math.log10(max(values[term.name], FLOOR))
        return Outcome(every, values, costs, slacks, np.array(violations, dtype=float), reason)

    def _judge(
        self, metrics: Sequence[Mapping[str, float]]
    ) -> tuple[dict[str, float], dict[str, float], list[float], str | None]:
        weights = self.weights or (1.0,) * len(metrics)
        values: dict[str, float] = {}
        slacks: dict[str, float] = {}
        violations: list[float] = []
        try:
            for term in self.parsed:
                each = [term.formula.of(row) for row in metrics]
                values[term.name] = _aggregate(self.aggregate, each, weights, term.sign)
            for text, formula, upper, limit in self.limits:
                margins = [_margins(formula.of(row), upper, limit) for row in metrics]
                slacks[text] = min(slack for slack, _ in margins)
                violations.append(max(violation for _, violation in margins))
        except KeyError as error:
            return {}, {}, [], f"the report has no metric {error.args[0]!r}"
        except (ArithmeticError, ValueError) as error:
            return {}, {}, [], f"the objective has no value: {error}"
        bad = next((name for name, value in {**values, **slacks}.items() if not math.isfinite(value)), None)
        return values, slacks, violations, None if bad is None else f"{bad} is not a finite number"

    def reward(self, outcome: Outcome, reference: Outcome | None = None) -> float:
        """Return the scalar reward, always to be maximised and always finite.

        Minus the mean of the costs (so decades), minus a smooth penalty for each violated constraint;
        with a `reference`, decades better than it. A failed design gets `FAILED`.
        """
        if not outcome.ok:
            return FAILED
        base = reference.costs if reference is not None and reference.ok else 0.0
        gain = -float(np.mean(outcome.costs - base))
        penalty = self.steepness * float(np.sum(np.maximum(outcome.violations, 0.0)))
        return max(gain - penalty, FAILED) if reference is not None else gain - penalty


def _aggregate(how: Aggregate, values: Sequence[float], weights: Sequence[float], sign: int) -> float:
    """One value of several workloads; one workload without weights keeps its own value to the bit."""
    if how == "geomean":
        if len(values) == 1:
            return values[0]
        if min(values) < 0:
            raise ValueError("a geometric mean needs values that are not negative")
        logs = sum(w * math.log(max(v, FLOOR)) for w, v in zip(weights, values, strict=True))
        return math.exp(logs / sum(weights))
    weighted = [w * v for w, v in zip(weights, values, strict=True)]
    if how == "sum":
        return sum(weighted)
    return max(weighted) if sign > 0 else min(weighted)


def _margins(value: float, upper: bool, limit: float) -> tuple[float, float]:
    """Slack (share of the limit) and violation (decades where both are positive, else shares)."""
    room = limit - value if upper else value - limit
    slack = room / abs(limit) if limit else room
    if value > 0 and limit > 0:
        decades = math.log10(value / limit)
        return slack, decades if upper else -decades
    return slack, -slack
