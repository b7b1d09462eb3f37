"""A study: what was asked, every design that was tried and how it did, the front, the best, a plot."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import BaseModel, ConfigDict, ValidationError

from ..errors import InputError, explain
from ..simulator.objective import Objective, Outcome
from ..simulator.report import Report
from ..simulator.store import ResultStore
from .pareto import front_of, hypervolume

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

__all__ = ["Asked", "Study", "Trial", "model_of"]


class Asked(BaseModel):
    """Everything that decides the course of a study; JSON both ways, and its digest is the study's id."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    accelerator: str
    workloads: tuple[str, ...]
    digests: tuple[str, ...]
    """Digests of the workloads, in the same order."""
    objective: Objective
    agent: str
    budget: int
    seed: int
    batch: int
    """Designs that were asked for at once (0: as many as convenient, where it changes nothing)."""
    fixed: dict[str, Any] = {}
    values: dict[str, tuple[Any, ...]] = {}
    """The explored values of each parameter."""
    settings: dict[str, Any] = {}
    """What else decides the numbers, such as the engine."""

    @property
    def digest(self) -> str:
        """16 hexadecimal digits."""
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()[:16]


@dataclass(frozen=True)
class Trial:
    """One design that was paid for."""

    number: int
    point: Mapping[str, Any]
    """Values of the explored parameters."""
    outcome: Outcome
    agent: str
    """Who proposed it; "random" where an agent failed to."""
    note: str | None = None
    """What went wrong with the agent, if anything did."""
    keys: tuple[str, ...] = ()
    """Keys in the store, one for each workload; empty without a store."""


@dataclass
class Study:
    """The course and the result of a search. Rows come in the order in which designs were tried.

    Designs that a surrogate answered are in the history, marked, and never on the front.
    """

    asked: Asked
    trials: list[Trial] = field(default_factory=list)
    repeats: int = 0
    """Proposals that were known already, answered from memory and not charged."""
    stopped: str = ""
    """Why the study ended before its budget, if so."""
    left_out: int = 0
    """Trials of another version of the model in the store, which are not compared with these."""
    _costs: list[np.ndarray] = field(default_factory=list, repr=False, compare=False)

    @property
    def objective(self) -> Objective:
        """What was asked for."""
        return self.asked.objective

    @property
    def costs(self) -> np.ndarray:
        """float64[trials, objectives]: log10; +inf where a design may not be on a front."""
        for trial in self.trials[len(self._costs) :]:  # outcomes never change
            outcome = trial.outcome
            self._costs.append(outcome.costs if counts(outcome) else np.full_like(outcome.costs, np.inf))
        return np.array(self._costs, dtype=float).reshape(len(self._costs), len(self.objective.terms))

    @property
    def history(self) -> pd.DataFrame:
        """One row per design: explored parameters, objectives, feasible, reward, slacks, metrics, reason.

        With several workloads a metric is a column for each, called `metric@workload`.
        """
        return self._frame(range(len(self.trials)))

    def front(self) -> pd.DataFrame:
        """Designs that no other beats among those that keep every constraint, by their first objective.

        Of designs with equal objectives the one that was tried first stands for all; `ties` says how many more there are.
        """
        members, ties = front_of(self.costs)
        return self._frame(members).assign(ties=ties)

    def best(self) -> pd.Series | None:
        """The best feasible design as a row of the history (with several objectives by their mean cost)."""
        costs = self.costs.mean(axis=1)
        if not np.isfinite(costs).any():
            return None
        return self._frame([int(np.argmin(costs))]).iloc[0]

    def design(self, number: int) -> dict[str, Any]:
        """Every parameter that was set for a trial: fixed and explored ones."""
        return {**self.asked.fixed, **self.trials[number].point}

    def hypervolume(self, reference: np.ndarray) -> float:
        """Volume under the front, in decades, up to a reference point of log10 costs."""
        return hypervolume(self.costs, reference)

    def plot(self) -> Figure:
        """The Pareto front, or for a single objective the best value over the designs tried."""
        from .plots import convergence_figure, pareto_figure

        return pareto_figure([self]) if self.objective.multi else convergence_figure([self])

    def _frame(self, numbers: Any) -> pd.DataFrame:
        import pandas as pd

        rows = [self._row(self.trials[int(number)]) for number in numbers]
        if rows:
            columns = dict.fromkeys(name for row in rows for name in row if name not in _LAST)
            return pd.DataFrame(rows, columns=[*columns, *_LAST])
        return pd.DataFrame(columns=["number", *self.asked.values, *self.objective.names, "feasible", *_LAST])

    def _row(self, trial: Trial) -> dict[str, Any]:
        outcome = trial.outcome
        row: dict[str, Any] = {"number": trial.number, **trial.point, **outcome.values}
        row |= {"feasible": outcome.feasible, "reward": self.objective.reward(outcome)}
        row |= {f"slack {text}": slack for text, slack in outcome.slacks.items()}
        for name, report in zip(self.asked.workloads, outcome.reports, strict=True):
            suffix = f"@{name}" if len(self.asked.workloads) > 1 else ""
            for metric, value in report.metrics.items():
                row.setdefault(metric + suffix, value)
        row |= {"bottleneck": outcome.bottleneck, "surrogate": outcome.surrogate, "agent": trial.agent}
        return row | {"reason": outcome.reason, "note": trial.note}

    @classmethod
    def load(cls, path: str | Path, study: str | None = None) -> Study:
        """Read a study (the latest, or the one of that id) back from a store; raises `InputError`."""
        with ResultStore(path, readonly=True) as store:
            known = store.studies()
            if not known:
                raise InputError(f"{path}: the store holds no study")
            if study is not None and study not in known:
                raise InputError(f"{path}: no study {study!r} (accepted: {', '.join(known)})")
            name = study or list(known)[-1]
            try:
                asked = Asked.model_validate_json(known[name])
            except ValidationError as error:
                raise InputError(f"{path}: study {name!r} is not readable: {explain(error)}") from None
            rows = store.trials(name)
            keys = list(dict.fromkeys(rows["key"]))
            return _loaded(asked, rows, store.reports(keys), store.designs(keys))


_LAST = ("bottleneck", "surrogate", "agent", "reason", "note")


def counts(outcome: Outcome) -> bool:
    """Whether an outcome may be on a front: simulated, and every constraint kept."""
    return outcome.feasible and not outcome.surrogate


def model_of(rows: pd.DataFrame, models: Mapping[str, str]) -> str | None:
    """The version of the model that a study's trials (by number) count under, by the versions of evaluations by key.

    That of the first: a study begins anew at its first trial, so that older ones, if any were left, come after it.
    """
    return next((models[key] for key in rows["key"] if key in models), None)


def _loaded(asked: Asked, rows: pd.DataFrame, reports: Mapping[str, Report], designs: Mapping[str, str]) -> Study:
    models = {key: report.provenance.model for key, report in reports.items() if report.provenance}
    model = model_of(rows, models)
    study = Study(asked)
    for number, parts in rows.groupby("number", sort=True):
        keys = tuple(parts["key"])
        if any(key not in reports for key in keys) or len(keys) != len(asked.workloads):
            continue  # the evaluation was lost to a power cut, or is another shard's
        if any(models.get(key) != model for key in keys):
            study.left_out += 1
            continue
        values = json.loads(designs[keys[0]])
        note = parts["note"].iloc[0]
        study.trials.append(
            Trial(
                int(str(number)),
                {name: values[name] for name in asked.values},
                asked.objective.outcome([reports[key] for key in keys]),
                str(parts["agent"].iloc[0]),
                note if isinstance(note, str) else None,
                keys,
            )
        )
    return study
