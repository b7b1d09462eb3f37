"""A problem of the contest as data: a machine, workloads, a space, what is asked, and which points are the same.

    accelerator: dram-controller
    workloads: ["cloud-1:n=1000"]
    objective: [mean_latency_s, energy_j]
    values: {arbiter: [Simple, Fifo], max_active_transactions: [1, 8, 64]}
    same: [{when: {arbiter: [Simple]}, whatever: [max_active_transactions]}]

Shipped problems have names; a user's own is the path of such a file.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable
from functools import cached_property
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, ValidationError

from ...errors import InputError, explain
from ...simulator.design_file import read_document
from ...simulator.objective import Aggregate
from ...simulator.problem import Problem
from ...simulator.space import Index, Space

__all__ = ["ContestProblem", "Merged", "Same", "explored", "problem_names"]

Listed = Annotated[tuple[Any, ...], Field(min_length=1)]
Names = Annotated[tuple[str, ...], Field(min_length=1)]


def _shipped() -> Path:
    return Path(str(files(__package__) / "problems"))


def problem_names() -> tuple[str, ...]:
    """Names of the problems that ship."""
    return tuple(sorted(path.stem for path in _shipped().glob("*.yaml")))


class Same(BaseModel):
    """Where every parameter in `when` has one of the listed values, those in `whatever` change nothing."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    when: Annotated[dict[str, Listed], Field(min_length=1)]
    whatever: Names


class ContestProblem(BaseModel):
    """What is explored and asked, as data; see the module for an example."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    summary: str = ""
    accelerator: str
    workloads: Names
    objective: Names
    constraints: tuple[str, ...] = ()
    aggregate: Aggregate | None = None
    fixed: dict[str, Any] = {}
    values: dict[str, Listed] = {}
    same: tuple[Same, ...] = ()
    _path: Path = PrivateAttr(default=Path())

    @classmethod
    def read(cls, given: str | Path) -> ContestProblem:
        """Read a shipped problem by name, or a YAML or TOML file; raises `InputError` with file and field."""
        shipped = str(given) in problem_names()
        path = _shipped() / f"{given}.yaml" if shipped else Path(given)
        if path.suffix not in (".yaml", ".yml", ".toml"):
            raise InputError(f"problem {str(given)!r} is not known (accepted: {', '.join(problem_names())}, or a .yaml file)")
        try:
            problem = cls.model_validate(read_document(path))
        except ValidationError as error:
            raise InputError(f"{path}: {explain(error)} (accepted fields: {', '.join(cls.model_fields)})") from None
        problem._path = path
        try:
            problem.check()
        except InputError as error:
            raise InputError(f"{path}: {error}") from None
        return problem

    @property
    def name(self) -> str:
        """What it is called: the file's name without its ending."""
        return self._path.stem

    @property
    def path(self) -> Path:
        """The file that it was read from."""
        return self._path

    @property
    def typed(self) -> str:
        """What a command takes for it: a shipped problem's name, or the quoted path of the file."""
        return self.name if self._path.parent == _shipped() else shlex.quote(str(self._path))

    def open(self) -> Problem:
        """The problem, ready to be evaluated in this process; raises `InputError`."""
        return Problem(
            self.accelerator, list(self.workloads), list(self.objective), list(self.constraints),
            aggregate=self.aggregate, fixed=self.fixed, values=self.values,
        )  # fmt: skip

    def check(self) -> None:
        """Raise `InputError` if machine, workloads, objective, space and rules of sameness do not fit together."""
        space = self.open().space
        for rule in self.same:
            for name in (*rule.when, *rule.whatever):
                if name not in space.values:
                    raise InputError(f"same: {name}: not explored; accepted: {', '.join(space.names)}")
            for name, listed in rule.when.items():
                for value in listed:
                    if value not in space.values[name]:
                        raise InputError(f"same: {name}={value!r}: not explored; accepted: {list(space.values[name])}")
            if both := sorted(set(rule.when) & set(rule.whatever)):
                raise InputError(f"same: {both[0]}: cannot be both a condition and without effect")


def explored(space: Space) -> dict[str, Any]:
    """What a space is, for digests: fixed values and those that are explored."""
    return {"fixed": space.fixed, "values": {name: list(listed) for name, listed in space.values.items()}}


class Merged:
    """Which points of a space are the same as another, by the problem's rules."""

    def __init__(self, space: Space, rules: Iterable[Same]) -> None:
        self.space = space
        places = {name: axis for axis, name in enumerate(space.names)}
        self._rules = [
            (
                [(places[name], [space.values[name].index(v) for v in listed]) for name, listed in rule.when.items()],
                [places[name] for name in rule.whatever],
            )
            for rule in rules
        ]

    def first(self, index: Index) -> Index:
        """The first point of the grid that is the same as this one."""
        return tuple(int(i) for i in self.firsts(np.array([index]))[0])

    def firsts(self, indices: np.ndarray) -> np.ndarray:
        """int64[n, parameters]: the same for many points, given as such an array."""
        out = np.array(indices, dtype=np.int64)
        for when, whatever in self._rules:
            holds = np.ones(len(out), dtype=bool)
            for axis, listed in when:
                holds &= np.isin(out[:, axis], listed)
            for axis in whatever:
                out[holds, axis] = 0
        return out

    @cached_property
    def ranks(self) -> np.ndarray:
        """int64[distinct]: ranks of the points that are the first of their kind, rising."""
        sizes = self.space.sizes
        # A point is the first of its kind if no rule changes it; that can be asked axis by axis, of the whole grid at once.
        first = np.ones(sizes, dtype=bool)
        axes = np.ix_(*map(np.arange, sizes))
        for when, whatever in self._rules:
            changed = np.zeros((1,) * len(sizes), dtype=bool)
            for axis in whatever:
                changed = changed | (axes[axis] > 0)
            for axis, listed in when:
                changed = changed & np.isin(axes[axis], listed)
            first &= ~changed
        return np.flatnonzero(first)

    @cached_property
    def weights(self) -> np.ndarray:
        """int64[distinct]: how many points of the space each of `ranks` stands for, itself included."""
        sizes = self.space.sizes
        counts = np.zeros(len(self.space), dtype=np.int32)
        for start in range(0, len(self.space), 1 << 18):
            ranks = np.arange(start, min(start + (1 << 18), len(self.space)))
            firsts = self.firsts(np.stack(np.unravel_index(ranks, sizes), axis=1))
            np.add.at(counts, np.ravel_multi_index(tuple(firsts.T), sizes), 1)
        return counts[self.ranks].astype(np.int64)

    def place(self, index: Index) -> int:
        """The position in `ranks` of the point that is the same as this one."""
        rank = int(np.ravel_multi_index(self.first(index), self.space.sizes))
        return int(np.searchsorted(self.ranks, rank))
