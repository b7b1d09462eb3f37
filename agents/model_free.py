"""Searchers that learn nothing: uniform draws, a sequence that fills the space evenly, and an even grid."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice, product
from typing import ClassVar

import numpy as np

from ..errors import MissingExtraError
from ..simulator.objective import Objective
from ..simulator.space import Index, Space
from .searcher import Point, Searcher

__all__ = ["Grid", "Random", "Sobol"]

_TRIES = 32
"""Points of a sequence in a row that may be seen before one is drawn instead."""


class Random(Searcher):
    """Uniform draws without repeats: the baseline that every other searcher must beat."""

    name: ClassVar[str] = "random"
    oblivious: ClassVar[bool] = True

    def ask(self, n: int) -> list[Point]:
        """Draw n points that were not seen."""
        return self.points(n, self.unseen)


class Sobol(Searcher):
    """A scrambled Sobol sequence, which fills the space more evenly than chance; needs scipy (the extra `gp`)."""

    name: ClassVar[str] = "sobol"
    oblivious: ClassVar[bool] = True

    def __init__(self, space: Space, objective: Objective, *, budget: int, seed: int) -> None:
        try:
            from scipy.stats import qmc
        except ImportError as error:
            raise MissingExtraError("the agent 'sobol'", "gp") from error
        super().__init__(space, objective, budget=budget, seed=seed)
        self._sequence = qmc.Sobol(len(space.sizes), scramble=True, rng=self.rng)

    def ask(self, n: int) -> list[Point]:
        """The next n points of the sequence that were not seen; where it mostly repeats, uniform draws."""
        return self.points(n, self._next)

    def _next(self) -> Index | None:
        for _ in range(_TRIES):
            share = self._sequence.random(1)[0]
            index = tuple(int(place) for place in share * self.space.sizes)
            if index not in self.seen:
                self.seen.add(index)
                return index
        return self.unseen()


class Grid(Searcher):
    """A full factorial over evenly spread values, as fine as the budget allows; all of a small space."""

    name: ClassVar[str] = "grid"
    oblivious: ClassVar[bool] = True

    def __init__(self, space: Space, objective: Objective, *, budget: int, seed: int) -> None:
        super().__init__(space, objective, budget=budget, seed=seed)
        self._left = self._points()

    def ask(self, n: int) -> list[Point]:
        """The next n points of the grid, the last parameter varying fastest."""
        return [self.space.point(index) for index in islice(self._left, n)]

    def _points(self) -> Iterator[Index]:
        axes = [
            sorted({round(place) for place in np.linspace(0, size - 1, count)}) if count > 1 else [size // 2]
            for size, count in zip(self.space.sizes, levels(self.space.sizes, self.budget), strict=True)
        ]
        return product(*axes)


def levels(sizes: tuple[int, ...], budget: int) -> list[int]:
    """How many values of each parameter to take so that their product is at most the budget.

    Every parameter gets its share in turn: the one of whose values the smallest part is taken goes first.
    """
    counts = [1] * len(sizes)
    while True:
        total = int(np.prod(counts, dtype=object))
        finer = [
            (counts[i] / size, i)
            for i, size in enumerate(sizes)
            if counts[i] < size and total // counts[i] * (counts[i] + 1) <= budget
        ]
        if not finer:
            return counts
        counts[min(finer)[1]] += 1
