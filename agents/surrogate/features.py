"""From designs and workloads to columns of numbers, as they were in training, and what was never seen there.

An ordered parameter is one column on its natural scale, a choice one for each value. What training never varied is no
column: there is nothing to learn about it, so that another value is refused, as is a choice that was never seen. A
number beyond those in training, of a parameter or of a regime, is flagged, and the columns stay within what was learned.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from operator import attrgetter
from typing import Any

import numpy as np

from ...errors import InputError
from ...simulator.accelerator import Accelerator
from ...simulator.design import Design
from .samples import Samples
from .statistics import statistics

__all__ = ["Encoded", "Encoder"]

_ENOUGH = 9
"""Workloads of which the worst is not yet what nine of ten new ones stay below."""


@dataclass(frozen=True)
class Encoded:
    """Designs as a model sees them."""

    columns: np.ndarray
    """float32[n, columns]; rows that are refused are meaningless."""
    bounds: Mapping[str, np.ndarray]
    """What the machine's closed forms say of metrics: float64[n]."""
    refused: tuple[str | None, ...]
    """For each design why there can be no answer."""
    notes: tuple[str | None, ...]
    """For each design what lies beyond the training set."""


@dataclass(frozen=True)
class Encoder:
    """The columns of one training set; plain data, so that it can be kept as JSON."""

    fixed: Mapping[str, Any]
    """Parameters that had one value, and it."""
    ordered: Mapping[str, tuple[float, float]]
    """Parameters that are one column, and their smallest and largest value."""
    choices: Mapping[str, tuple[Any, ...]]
    """Parameters that are a column for each value seen, and those."""
    regimes: Mapping[str, tuple[float, float]]
    """Columns that the machine's closed forms give, with their ranges."""
    work: Mapping[str, tuple[float, float]]
    """Statistics of workloads that are columns, with their ranges; none if there was one workload."""
    workloads: Mapping[str, str]
    """Digest to name of every workload in training."""
    workload_told: bool = False
    """Whether the regimes say all that is to be known of a workload, so that it needs no columns of its own."""

    @classmethod
    def of(cls, samples: Samples, bounds: Mapping[str, np.ndarray], *, workload_told: bool = False) -> Encoder:
        """Learn the columns of a training set; `bounds` are the machine's closed forms for it."""
        fixed: dict[str, Any] = {}
        ordered: dict[str, tuple[float, float]] = {}
        choices: dict[str, tuple[Any, ...]] = {}
        for name, parameter in samples.machine.design.parameters().items():
            seen = list(dict.fromkeys(getattr(design, name) for design in samples.designs))
            if len(seen) == 1:
                fixed[name] = seen[0]
            elif parameter.ordered and all(_is_number(value) for value in seen):
                ordered[name] = (min(seen), max(seen))
            else:
                known = [value for value in parameter.explored if value in seen]
                choices[name] = (*known, *sorted((value for value in seen if value not in known), key=str))
        regimes = {name: span for name, values in bounds.items()
                   if name not in samples.machine.metrics and (span := _span(values)) is not None}
        used = [workload for workload, _ in samples.by_workload()]
        work: dict[str, tuple[float, float]] = {}
        if len(used) > 1 and not workload_told:
            every = [statistics(workload) for workload in used]
            names = dict.fromkeys(name for row in every for name in row)
            spans = {name: _span(np.array([row.get(name, 0.0) for row in every])) for name in names}
            work = {name: span for name, span in spans.items() if span is not None}
        return cls(fixed, ordered, choices, regimes, work, {workload.digest: workload.name for workload in used}, workload_told)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the columns."""
        chosen = [f"{name}={value}" for name, values in self.choices.items() for value in values]
        return (*self.ordered, *chosen, *self.regimes, *self.work)

    def encode(
        self, machine: Accelerator, designs: Sequence[Design], workload: Any, bounds: Mapping[str, np.ndarray] | None = None
    ) -> Encoded:
        """Return the columns of designs on one workload; `bounds` are the machine's, where they are known already.

        Raises `InputError` for a workload that the training set says nothing about.
        """
        bounds = machine.bounds(designs, workload) if bounds is None else bounds
        refused: list[str | None] = [None] * len(designs)
        notes: list[str | None] = [self.strange(workload)] * len(designs)
        parameters = machine.design.parameters()

        def values(name: str) -> list[Any]:
            return list(map(attrgetter(name), designs))

        def mark(where: list[str | None], rows: np.ndarray, says: Any) -> None:
            for i in np.flatnonzero(rows).tolist():
                where[i] = f"{where[i]}; {says(i)}" if where[i] else says(i)

        for name, value in self.fixed.items():
            given = values(name)
            if given.count(value) < len(given):
                mark(refused, np.array([other != value for other in given]), lambda i, n=name, v=value, g=given: (
                    f"{n}={g[i]!r}: the surrogate only ever saw {v!r}"))
        columns: list[np.ndarray] = []
        for name, (low, high) in self.ordered.items():
            given = values(name)
            if not {*map(type, given)} <= {int, float}:
                odd = np.array([not _is_number(value) for value in given])
                mark(refused, odd, lambda i, n=name, g=given: f"{n}={g[i]!r}: the surrogate only ever saw numbers")
                given = [low if bad else value for value, bad in zip(given, odd, strict=True)]
            number = np.array(given, float)
            mark(notes, (number < low) | (number > high), lambda i, n=name, g=given, a=low, b=high: (
                f"{n}={g[i]} is beyond {a}..{b}"))
            distinct, place = np.unique(np.clip(number, low, high), return_inverse=True)
            columns.append(np.array([parameters[name].feature(value) for value in distinct.tolist()])[place])
        for name, seen in self.choices.items():
            given = values(name)
            place = np.array([seen.index(value) if value in seen else -1 for value in given])
            mark(refused, place < 0, lambda i, n=name, g=given, s=seen: (
                f"{n}={g[i]!r}: the surrogate only ever saw {', '.join(map(repr, s))}"))
            columns += [place == i for i in range(len(seen))]
        for name, (low, high) in self.regimes.items():
            if name not in bounds:
                raise InputError(f"{machine.name} gives no {name}, which the surrogate learned from: fit it again")
            number = np.asarray(bounds[name], float)
            mark(refused, ~np.isfinite(number), lambda i: "no closed form holds for this design")
            mark(notes, (number < low) | (number > high), lambda i, n=name, v=number, a=low, b=high: (
                f"{n}={v[i]:.3g} is beyond {a:.3g}..{b:.3g}"))
            columns.append(np.clip(np.nan_to_num(number), low, high))
        of_work = statistics(workload)
        for name, (low, high) in self.work.items():
            columns.append(np.full(len(designs), np.clip(of_work.get(name, 0.0), low, high)))
        table = np.array(columns, np.float32).T.reshape(len(designs), len(columns))
        estimates = {name: v for name, v in bounds.items() if name in machine.metrics}
        return Encoded(table, estimates, tuple(refused), tuple(notes))

    def strange(self, workload: Any) -> str | None:
        """Say what of a workload lies beyond the training set; raises `InputError` if nothing was learned about it."""
        if workload.digest in self.workloads:
            return None
        if self.workload_told:
            kinds = {name.partition(":")[0] for name in self.workloads.values()}
            return _few(len(kinds), "families of workloads")
        known = list(self.workloads.values())
        if not self.work:
            raise InputError(
                f"workload {workload.name!r}: the surrogate only ever saw {', '.join(known[:5])}; "
                "fit one on several workloads to ask for others"
            )
        found = statistics(workload)
        if missing := [name for name in self.work if name not in found and not name.startswith("share_")]:
            like = f"the surrogate learned from the like of {known[0]!r}"
            raise InputError(f"workload {workload.name!r} has no {missing[0]}: {like}")
        beyond = [f"{name}={found.get(name, 0.0):.3g} is beyond {low:.3g}..{high:.3g}"
                  for name, (low, high) in self.work.items() if not low <= found.get(name, 0.0) <= high]
        said = [f"workload {workload.name}: {', '.join(beyond)}"] if beyond else []
        if few := _few(len(self.workloads), "workloads"):
            said.append(few)
        return "; ".join(said) or None

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Encoder:
        """The inverse; raises `KeyError`, `TypeError` or `ValueError` for anything else."""
        spans = {part: {str(name): (_real(low), _real(high)) for name, (low, high) in data[part].items()}
                 for part in ("ordered", "regimes", "work")}
        choices = {name: tuple(values) for name, values in data["choices"].items()}
        workloads = {str(digest): str(name) for digest, name in data["workloads"].items()}
        told = bool(data.get("workload_told", False))
        return cls(dict(data["fixed"]), spans["ordered"], choices, spans["regimes"], spans["work"], workloads, told)


def _few(count: int, what: str) -> str | None:
    """A note, if so many are not enough to say how wide a 90 % interval of a new one is."""
    return f"a new workload, whose interval rests on {count} {what}" if count < _ENOUGH else None


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _real(value: Any) -> float:
    if not _is_number(value):
        raise TypeError(f"{value!r} is no number")
    return float(value) if isinstance(value, float) else int(value)


def _span(values: np.ndarray) -> tuple[float, float] | None:
    """The range of a column, or None if it is constant."""
    low, high = float(np.nanmin(values)), float(np.nanmax(values))
    return (low, high) if high - low > 1e-9 * max(abs(low), abs(high)) else None
