"""What a design would add to what is known: improvement of one objective, or of the hypervolume of several."""

from __future__ import annotations

from statistics import NormalDist

import numpy as np

from .pareto import nondominated

__all__ = ["Gain"]

_DIRECTIONS = 48
_SAMPLES = 8
"""Of a forecast; its normal distribution at the middles of so many equally likely parts, in random order."""
_MARGIN = 0.2
"""How far the reference point lies beyond the front, as a share of the front's extent."""
_LEAST_EXTENT = 0.1
"""Decades that a front is taken to extend at least."""
_SOFT = 0.003
"""Share of the extent at which a shortfall begins to count for nothing."""
_MIDDLES = np.array([NormalDist().inv_cdf((i + 0.5) / _SAMPLES) for i in range(_SAMPLES)])


class Gain:
    """Judges forecasts by what they would add to the designs that are known.

    With several objectives it is a hypervolume, as the mean over random directions of how far one gets along
    each, to the power of the objectives (Zhang & Golovin, Random Hypervolume Scalarizations, ICML 2020). A
    single objective has a single direction. A forecast that is no better counts too, exponentially less the
    further it falls short, so that there is always a best one.
    """

    def __init__(self, costs: np.ndarray, kept: np.ndarray, rng: np.random.Generator) -> None:
        """Take float64[n, k] costs of all that did not fail, and bool[n]: which keep the constraints."""
        count = costs.shape[1]
        good = costs[kept] if kept.any() else costs
        front = good[nondominated(good)]
        if count == 1:
            self._reference = np.median(costs, axis=0)
            self._extent = np.maximum(self._reference - front.min(axis=0), 1e-6)
            self._directions = np.ones((1, 1))
        else:
            extent = np.maximum(np.ptp(front, axis=0), _LEAST_EXTENT)
            self._reference = front.max(axis=0) + _MARGIN * extent
            self._extent = self._reference - front.min(axis=0)
            drawn = np.abs(rng.normal(size=(_DIRECTIONS, count)))
            self._directions = drawn / np.linalg.norm(drawn, axis=1, keepdims=True)
        reached = self._reach(good)
        self._best = reached.max(axis=0) if kept.any() else reached.min(axis=0)
        self._samples = np.stack([rng.permutation(_MIDDLES) for _ in range(count)], axis=1)

    def of(self, means: np.ndarray, deviations: np.ndarray) -> np.ndarray:
        """float64[n]: logarithm of the expected gain, for normal forecasts of float64[n, k] costs."""
        total = np.zeros(len(means))
        for sample in self._samples:
            more = (self._reach(means + deviations * sample) - self._best) / _SOFT
            total += (np.maximum(more, 0.0) + np.exp(-np.abs(more))).sum(axis=-1)
        return np.asarray(np.log(np.maximum(total, 1e-300)))

    def shortfall(self, costs: np.ndarray) -> np.ndarray:
        """float64[n]: how much known costs fall short of the best in the direction that suits each most."""
        return np.asarray((self._best - self._reach(costs)).min(axis=-1))

    def _reach(self, costs: np.ndarray) -> np.ndarray:
        """float64[n, directions]: how far costs get from the reference point, signed."""
        room = (self._reference - costs) / self._extent
        way = room[:, :1] / self._directions[:, 0]
        for k in range(1, costs.shape[1]):
            way = np.minimum(way, room[:, k : k + 1] / self._directions[:, k])
        return np.asarray(way * np.abs(way) ** (costs.shape[1] - 1))
