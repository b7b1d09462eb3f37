"""What searchers share that learn from rewards: draws, rewards on one scale, repeats, random numbers of their own."""

from __future__ import annotations

import random
from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, ClassVar

import numpy as np

from ..errors import MissingExtraError
from ..simulator.objective import Objective, Outcome
from ..simulator.space import Index, Space
from .remembering import Remembering
from .searcher import Point

__all__ = ["Reinforced"]

_CALIBRATION = 16
"""Designs whose mean and spread set the scale of rewards."""
_WORST = -3.0
"""Least reward, in standard deviations; that of a design without numbers, too."""


class Reinforced(Remembering):
    """A policy that draws designs and is paid for them.

    The reward is how much better a design is than the mean of the first 16 that had numbers, in their standard
    deviations; better is less cost, averaged over the objectives, in decades, plus the penalty of violated constraints,
    as environments pay. From then on the scale stays. Rewards end at -3 below, so that failures, however many
    decades away, leave the others apart.

    A draw that is known already is paid from memory and costs nothing. After `tries` of them in a row the
    nearest design that was not seen is proposed instead, and is not learned from, since no policy drew it.
    """

    tries: ClassVar[int] = 16

    def __init__(self, space: Space, objective: Objective, *, budget: int, seed: int) -> None:
        try:
            import stable_baselines3  # noqa: F401
            import torch
        except ImportError as error:
            raise MissingExtraError(f"the agent {self.name!r}", "rl") from error
        super().__init__(space, objective, budget=budget, seed=seed)
        self._drawn: dict[Index, Any] = {}
        self._unpaid: list[tuple[Any, Outcome]] = []
        self._scale: tuple[float, float] | None = None
        first = int(self.rng.integers(2**31))
        self._torch_state = torch.Generator().manual_seed(first).get_state()
        self._numpy_state: Any = np.random.RandomState(first).get_state()
        self._python_state: Any = random.Random(first).getstate()

    @abstractmethod
    def draw(self) -> tuple[Index, Any]:
        """Draw a design from the policy, and what is needed to learn from it."""

    @abstractmethod
    def reinforce(self, drawn: Any, reward: float) -> None:
        """Learn from a design that was drawn, now that its reward is known."""

    def ask(self, n: int) -> list[Point]:
        """Draw n designs that were not seen."""
        with self.apart():
            return self.points(n, self._next)

    def tell(self, points: Sequence[Mapping[str, Any]], outcomes: Sequence[Outcome]) -> None:
        """Pay for designs that were drawn, and remember those of others."""
        with self.apart():
            super().tell(points, outcomes)

    def learn(self, index: Index, outcome: Outcome) -> None:
        """Pay for a design if it was drawn."""
        if index in self._drawn:
            self._pay(self._drawn.pop(index), outcome)

    def _next(self) -> Index | None:
        index: Index = ()
        for _ in range(self.tries):
            index, drawn = self.draw()
            if index in self.known:
                self._pay(drawn, self.known[index])
            elif index not in self.seen:
                self.seen.add(index)
                self._drawn[index] = drawn
                return index
        return self.nearest_unseen(index)

    def _pay(self, drawn: Any, outcome: Outcome) -> None:
        if self._scale is not None:
            self.reinforce(drawn, self.reward(outcome))
            return
        self._unpaid.append((drawn, outcome))
        values = [self.objective.reward(known) for _, known in self._unpaid if known.ok]
        if len(values) >= _CALIBRATION:
            self._scale = float(np.mean(values)), float(np.std(values)) or 1.0
            for earlier, known in self._unpaid:
                self.reinforce(earlier, self.reward(known))
            self._unpaid.clear()

    def reward(self, outcome: Outcome) -> float:
        """What a design is worth, once the scale is set."""
        if self._scale is None or not outcome.ok:
            return _WORST
        middle, spread = self._scale
        return max((self.objective.reward(outcome) - middle) / spread, _WORST)

    @contextmanager
    def apart(self) -> Iterator[None]:
        """Let the libraries draw from this agent's random numbers, not everybody's, on one thread.

        They use the generators of torch, numpy and Python that all code shares; whatever runs between two
        calls would change an agent, and the agent whatever runs.
        """
        import torch

        kept = torch.get_rng_state(), np.random.get_state(), random.getstate(), torch.get_num_threads()  # noqa: NPY002
        torch.set_rng_state(self._torch_state)
        np.random.set_state(self._numpy_state)  # noqa: NPY002
        random.setstate(self._python_state)
        torch.set_num_threads(1)
        try:
            yield
        finally:
            self._torch_state, self._numpy_state = torch.get_rng_state(), np.random.get_state()  # noqa: NPY002
            self._python_state = random.getstate()
            torch.set_rng_state(kept[0])
            np.random.set_state(kept[1])  # noqa: NPY002
            random.setstate(kept[2])
            torch.set_num_threads(kept[3])
