"""The explored space of a machine: one definition that every agent, env and sweep shares."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from ..errors import InputError
from .design import Design
from .parameters import Parameter

__all__ = ["Space"]

Index = tuple[int, ...]


class Space:
    """A grid of designs: for each explored parameter its list of values.

    A *point* is a dict of the explored parameters' values; an *index* is the tuple of their positions.
    Points are not yet designs: a point may contradict a machine's rules, and `design` then raises
    `DesignError`. Parameters that are not explored keep the values of `fixed` or their defaults.
    """

    def __init__(
        self,
        design: type[Design],
        fixed: Mapping[str, Any] | None = None,
        values: Mapping[str, Sequence[Any]] | None = None,
    ) -> None:
        """Take the declared space; `fixed` pins parameters, `values` replaces what is explored."""
        self.design_class = design
        self.fixed = dict(fixed or {})
        chosen = {name: tuple(listed) for name, listed in (values or {}).items()}
        known = design.parameters()
        for name in [*self.fixed, *chosen]:
            if name not in known:
                raise InputError(f"{name}: unknown parameter; accepted: {', '.join(known)}")
        if both := sorted(self.fixed.keys() & chosen.keys()):
            raise InputError(f"{both[0]}: both fixed and explored")
        if empty := [name for name, listed in chosen.items() if not listed]:
            raise InputError(f"{empty[0]}: no values to explore")
        explored = {p.name: p.explored for p in known.values() if p.explored and p.name not in self.fixed}
        self.values: dict[str, tuple[Any, ...]] = {**explored, **chosen}
        self.parameters: dict[str, Parameter] = {name: known[name] for name in self.values}
        if not self.values:
            raise InputError("nothing is left to explore: every parameter is fixed")

    @property
    def names(self) -> tuple[str, ...]:
        """Explored parameters in order."""
        return tuple(self.values)

    @property
    def sizes(self) -> tuple[int, ...]:
        """Number of values of each explored parameter."""
        return tuple(len(listed) for listed in self.values.values())

    @property
    def size(self) -> int:
        """Number of points; `len` is the same, as far as it goes, to 2**63 - 1."""
        return math.prod(self.sizes)

    def __len__(self) -> int:
        return self.size

    def point(self, index: Iterable[int]) -> dict[str, Any]:
        """Return the values at an index; raises `InputError` for a place that is not there, also before the first."""
        places = [int(i) for i in index]
        for (name, listed), place in zip(self.values.items(), places, strict=True):
            if not 0 <= place < len(listed):
                raise InputError(f"{name}: place {place} is not explored; accepted: 0 to {len(listed) - 1}, for {list(listed)}")
        return {name: listed[place] for (name, listed), place in zip(self.values.items(), places, strict=True)}

    def index(self, point: Mapping[str, Any]) -> Index:
        """Return the positions of a point's values; raises `InputError` for a value off the grid."""
        found = []
        for name, listed in self.values.items():
            if point[name] not in listed:
                raise InputError(f"{name}={point[name]!r}: not explored; accepted: {list(listed)}")
            found.append(listed.index(point[name]))
        return tuple(found)

    def default(self) -> Index:
        """Return the index of the point that is nearest to the default design."""
        return tuple(_nearest(listed, self.parameters[name].default) for name, listed in self.values.items())

    def unrank(self, rank: int) -> Index:
        """Return the index of the rank-th point of the grid; the last parameter varies fastest."""
        index = []
        for listed in reversed(self.values.values()):
            rank, digit = divmod(rank, len(listed))
            index.append(digit)
        return tuple(reversed(index))

    def design(self, point: Mapping[str, Any]) -> Design:
        """Build the design of a point; raises `DesignError` where it breaks the machine's rules."""
        return self.design_class.make({**self.fixed, **point})

    def sample(self, rng: np.random.Generator, n: int) -> list[dict[str, Any]]:
        """Draw n points uniformly, with repeats."""
        draws = rng.integers(0, np.array(self.sizes), size=(n, len(self.sizes)))
        return [self.point(row) for row in draws]

    def grid(self) -> Iterator[dict[str, Any]]:
        """Every point, the last parameter varying fastest."""
        return (self.point(self.unrank(rank)) for rank in range(len(self)))

    def neighbours(self, index: Index) -> Iterator[Index]:
        """Indices that differ in one parameter: by one step if it is ordered, in any way if not."""
        for axis, (parameter, size) in enumerate(zip(self.parameters.values(), self.sizes, strict=True)):
            here = index[axis]
            steps = (here - 1, here + 1) if parameter.ordered else range(size)
            for there in steps:
                if 0 <= there < size and there != here:
                    yield (*index[:axis], there, *index[axis + 1 :])


def _nearest(listed: Sequence[Any], default: Any) -> int:
    if default in listed:
        return listed.index(default)
    if isinstance(default, int | float):
        return min(range(len(listed)), key=lambda i: abs(listed[i] - default))
    return 0
