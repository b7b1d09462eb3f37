"""A problem to explore: a machine's space of designs, workloads, an objective, and who evaluates.

Environments and agents stand on this one object. Straight down and straight up: point -> design ->
evaluator -> reports -> outcome.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Self

import numpy as np
from pydantic import TypeAdapter, ValidationError

from ..arguments import plain
from ..errors import InputError, did_you_mean
from .accelerator import Accelerator
from .design import Design
from .evaluator import Evaluator, answering, make_evaluator
from .formula import split
from .lookup import Logged
from .objective import Aggregate, Objective, Outcome
from .registry import accelerator as find
from .space import Space

__all__ = ["Problem", "check_values", "workloads_of"]

_EXACT = 2.0**53
"""Beyond it a float does not tell neighbouring whole numbers apart."""


def workloads_of(given: Any, load: Callable[[str], Any] | None = None) -> tuple[Any, ...]:
    """Return workloads for a name, several names joined by ";", a workload, or a sequence of those.

    `load` turns a name into a workload; the catalogue, if not given.
    """
    load = load or _load
    parts = split(given, ";") if isinstance(given, str) else given if isinstance(given, list | tuple) else (given,)
    if not parts:
        raise InputError("no workload is given (accepted: a name, a file, or a Workload)")
    for part in parts:
        if not isinstance(part, str) and not hasattr(part, "digest"):
            raise InputError(f"workload {part!r}: expected a name, a path or a workload")
    loaded = tuple(load(part) if isinstance(part, str) else part for part in parts)
    for i, (workload, asked) in enumerate(zip(loaded, parts)):
        for other, before in zip(loaded[:i], parts):
            if workload.digest == other.digest:
                first, second = (given if isinstance(given, str) else given.name for given in (before, asked))
                what = f"{second!r} is given twice" if first == second else f"{first!r} and {second!r} are the same work"
                raise InputError(f"workloads: {what} (accepted: each once; weights say what counts more)")
            if workload.name == other.name:
                raise InputError(f"workloads: two are called {workload.name!r} (accepted: files of different names)")
    return loaded


def _load(spec: str) -> Any:
    from ..traces.catalog import load

    return load(spec)


def check_values(
    design: type[Design], fixed: Mapping[str, Any], values: Mapping[str, Sequence[Any]] | None = None
) -> tuple[dict[str, Any], dict[str, tuple[Any, ...]]]:
    """The values as the design reads them ("16" and 16.0 are 16), each once; those that stay, and those that are explored.

    Raises `InputError` for a parameter that is not there, or a value that no design could have. Values that only contradict
    others are left to each design's own check.
    """
    known = design.parameters()
    for what, given in (("fixed", fixed), ("values", values or {})):
        if not isinstance(given, Mapping):
            raise InputError(f"{what}={given!r}: accepted: a mapping of names of parameters")
    for name, listed in (values or {}).items():  # of a set, the order would be another one in every process
        if isinstance(listed, str | bytes) or not isinstance(listed, Sequence | np.ndarray):
            raise InputError(f"{name}={listed!r}: accepted: a list of values to explore")
    read: dict[str, tuple[Any, ...]] = {}
    pinned = {name: plain(value) for name, value in fixed.items()}
    for name, listed in [*((name, (value,)) for name, value in pinned.items()), *(values or {}).items()]:
        if name not in known:
            hint = did_you_mean(name, known)
            raise InputError(f"{name}: unknown parameter{hint} (accepted: {', '.join(known)})")
        found = []
        for value in map(plain, listed):
            if isinstance(value, bool) and not design.takes_flag(name):
                raise InputError(f"{name}={value!r}: accepted: {known[name].valid}")
            try:
                parsed = getattr(design.model_validate({**pinned, name: value}), name)
            except ValidationError as error:
                if any(item["loc"][:1] == (name,) for item in error.errors(include_url=False)):
                    raise InputError(f"{name}={value!r}: accepted: {known[name].valid}") from None
                parsed = TypeAdapter(known[name].annotation).validate_python(value)
            found.append(_written(value, parsed, pinned=name in pinned))
        if name in read:
            raise InputError(f"{name}: both fixed and explored")
        read[name] = tuple(dict.fromkeys(found))
    return {name: read[name][0] for name in pinned}, {name: read[name] for name in values or {}}


def _written(given: Any, parsed: Any, *, pinned: bool) -> Any:
    """A value as studies write it. What machines declare of a real number is whole where it can be, 25 and not 25.0."""
    if not isinstance(parsed, float):
        return parsed
    if pinned:
        return given if isinstance(given, int | float) else parsed
    return int(parsed) if parsed.is_integer() and abs(parsed) < _EXACT else parsed


class Problem:
    """What is explored and what is asked of it; raises `InputError` where the parts do not fit together."""

    def __init__(
        self,
        accelerator: str | Accelerator,
        workloads: Any = None,
        objective: str | Sequence[str] | Objective = "edp",
        constraints: str | Sequence[str] = (),
        *,
        aggregate: Aggregate | None = None,
        weights: Sequence[float] | None = None,
        fixed: Mapping[str, Any] | None = None,
        values: Mapping[str, Sequence[Any]] | None = None,
        evaluator: str | Evaluator = "direct",
        time_limit_s: float | None = None,
        engine: str | None = None,
    ) -> None:
        self.machine = answering(evaluator, accelerator if isinstance(accelerator, Accelerator) else find(accelerator))
        load = self.machine.load if isinstance(self.machine, Logged) else None
        self.workloads = workloads_of(self.machine.default_workload if workloads is None else workloads, load)
        self.objective = Objective.parse(objective, constraints, aggregate=aggregate, weights=weights)
        self.objective.check(self.machine.metrics, len(self.workloads))
        for workload in self.workloads:
            self.machine.check(workload, engine)
        self.space = Space(self.machine.design, *check_values(self.machine.design, fixed or {}, values or {}))
        self.evaluator = make_evaluator(evaluator, self.machine, time_limit_s=time_limit_s, engine=engine)

    def evaluate(self, points: Sequence[Mapping[str, Any]]) -> list[Outcome]:
        """Judge points of the space (or any values of parameters); never raises for a point."""
        designs = [{**self.space.fixed, **point} for point in points]
        by_workload = [self.evaluator.evaluate(designs, workload) for workload in self.workloads]
        return [self.objective.outcome(reports) for reports in zip(*by_workload, strict=True)]

    def close(self) -> None:
        """End what the evaluator holds."""
        self.evaluator.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
