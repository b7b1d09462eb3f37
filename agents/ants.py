"""An ant colony on the grid."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from ..errors import InputError
from ..simulator.objective import Objective, Outcome
from ..simulator.space import Index, Space
from .remembering import Remembering
from .searcher import Point

__all__ = ["Ants"]

_TRIES = 32
_FLOOR = 0.02
"""Share of every trail that never evaporates, so that no value is lost for good."""


class Ants(Remembering):
    """An ant colony: values of the best designs so far are drawn more often, each parameter on its own.

    After each `ants` designs the trails evaporate by a share, and half as many designs, the best so far, lay
    theirs by rank (Bullnheimer, Hartl and Strauss, Central European J. of Operations Research 7, 1999). With
    probability `greed` an ant takes the strongest trail (Dorigo and Gambardella, IEEE Trans. Evolutionary
    Computation 1, 1997).
    """

    name: ClassVar[str] = "ants"

    def __init__(
        self, space: Space, objective: Objective, *, budget: int, seed: int,
        ants: int = 8, evaporation: float = 0.3, greed: float = 0.2,
    ) -> None:  # fmt: skip
        if ants < 2 or not 0 < evaporation <= 1 or not 0 <= greed < 1:
            raise InputError(
                f"agent 'ants': ants={ants}, evaporation={evaporation}, greed={greed}: "
                "accepted: ants >= 2, 0 < evaporation <= 1, 0 <= greed < 1"
            )
        super().__init__(space, objective, budget=budget, seed=seed)
        self.ants, self.evaporation, self.greed = ants, evaporation, greed
        self.trails = [np.full(size, 1.0 / size) for size in space.sizes]

    def ask(self, n: int) -> list[Point]:
        """Send out n ants."""
        return self.points(n, self._next)

    def learn(self, index: Index, outcome: Outcome) -> None:
        """Renew the trails when enough ants are back."""
        if len(self.known) % self.ants:
            return
        elites = self.elites(self.ants // 2)
        shares = np.arange(len(elites), 0, -1, dtype=float)
        shares /= shares.sum()
        for axis, size in enumerate(self.space.sizes):
            laid = np.bincount([elite[axis] for elite in elites], weights=shares, minlength=size)
            trail = (1.0 - self.evaporation) * self.trails[axis] + self.evaporation * laid
            self.trails[axis] = (1.0 - _FLOOR) * trail / trail.sum() + _FLOOR / size

    def _next(self) -> Index | None:
        index: Index = ()
        for _ in range(_TRIES):
            index = tuple(self._choose(trail) for trail in self.trails)
            if index not in self.seen:
                self.seen.add(index)
                return index
        return self.nearest_unseen(index)

    def _choose(self, trail: np.ndarray) -> int:
        if self.rng.random() < self.greed:
            best = np.flatnonzero(trail == trail.max())
            return int(best[int(self.rng.integers(len(best)))])
        return int(self.rng.choice(len(trail), p=trail / trail.sum()))
