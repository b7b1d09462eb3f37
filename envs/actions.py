"""Spaces of actions, each built from the explored `Space` alone, and what an action means there.

| form | action space | what an action is |
|---|---|---|
| whole design | `MultiDiscrete` | the place of each parameter's value |
| one value | `Discrete` | the place of one parameter's value; the same space whichever parameter it is |
| move | `Discrete` | one parameter a step up or down, or a choice made anew |
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from gymnasium import spaces

from ..errors import InputError
from ..simulator.space import Index, Space

__all__ = ["Move", "moves", "place", "places", "value_space", "whole", "whole_space"]


def whole_space(space: Space, names: Iterable[str] | None = None) -> spaces.MultiDiscrete:
    """A place for each parameter, or for each of those named."""
    chosen = space.names if names is None else tuple(names)
    return spaces.MultiDiscrete(np.array([len(space.values[name]) for name in chosen]))


def value_space(space: Space) -> spaces.Discrete:
    """As many actions as the parameter with the most values has values."""
    return spaces.Discrete(max(space.sizes))


def places(action: Any, count: int, what: str = "action") -> Index:
    """The places in an action of `count` of them; raises `InputError` for another shape, or what is no whole number."""
    try:
        given = np.asarray(action)
    except ValueError:  # lists of several lengths
        given = np.empty(0, dtype=object)
    if given.shape != (count,) or given.dtype.kind not in "iu":
        raise InputError(f"{what} {action!r}: accepted: {count} whole numbers, the place of each value")
    return tuple(int(place) for place in given)


def whole(action: Any, count: int, what: str = "action") -> int:
    """The number of an action out of `count`; raises `InputError` for any other."""
    given = action.item() if isinstance(action, np.generic | np.ndarray) and action.ndim == 0 else action
    if not isinstance(given, int) or not 0 <= given < count:
        raise InputError(f"{what} {action!r}: not there; accepted: 0 to {count - 1}")
    return given


def place(space: Space, axis: int, action: int) -> int:
    """The place that an action of `value_space` names on an axis.

    A parameter with fewer values shares the actions out evenly and in order, so that every action is valid
    and every value can be reached.
    """
    size, most = space.sizes[axis], max(space.sizes)
    return int(action) * size // most


@dataclass(frozen=True)
class Move:
    """A step along one axis: `by` places if it is ordered, else `to` a place."""

    axis: int
    by: int = 0
    to: int | None = None

    def apply(self, index: Index, sizes: Index) -> Index:
        """Where the move leads; beyond an end, or to where it is already, it stays."""
        here = index[self.axis] + self.by if self.to is None else self.to
        there = min(max(here, 0), sizes[self.axis] - 1)
        return (*index[: self.axis], there, *index[self.axis + 1 :])


def moves(space: Space) -> tuple[Move, ...]:
    """Every move, parameter by parameter: down and up if it is ordered, else each of its values.

    From any design they lead to exactly `Space.neighbours`, or nowhere.
    """
    found: list[Move] = []
    for axis, (parameter, size) in enumerate(zip(space.parameters.values(), space.sizes, strict=True)):
        if parameter.ordered:
            found += [Move(axis, by=-1), Move(axis, by=1)]
        else:
            found += [Move(axis, to=to) for to in range(size)]
    return tuple(found)
