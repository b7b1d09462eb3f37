"""A ranking of designs that learns which known networks a new one behaves like.

The designs that were best on any training network were evaluated on all of them. What each costs beyond the best,
in decades, is a vector over designs for every network; a new network is taken to be a draw from the Gaussian
that those vectors span, the nearer ones by features counting more. Its mean says what to try first, and
every outcome seen corrects it (a Gaussian process whose covariance between designs is what was seen on other
networks, as in Swersky, Snoek and Adams, NeurIPS 2013, but with the covariance counted instead of fitted).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

__all__ = ["Ranking", "Standard"]

_OFFSET = 100.0
"""Variance, in decades squared, of how good the best design of a network is: nothing is known of it beforehand."""
_NOISE = 0.01
"""Decades by which outcomes may lie off whatever the networks span."""
_ALIKE = 0.1
"""Share of the weight that is spread over all training networks, however far."""
_FAR = 3.0
"""Standard deviations beyond which a feature counts as no farther."""


@dataclass(frozen=True)
class Standard:
    """Features less their mean over the training workloads, in standard deviations; what never varied is left out."""

    mean: np.ndarray
    scale: np.ndarray

    @classmethod
    def of(cls, features: np.ndarray) -> Standard:
        """Take mean and deviation from float64[workloads, features]."""
        spread = features.std(axis=0)
        return cls(features.mean(axis=0), np.where(spread > 1e-9, spread, np.inf))

    def __call__(self, features: np.ndarray) -> np.ndarray:
        """Standardise, within bounds."""
        return np.asarray(np.clip((features - self.mean) / self.scale, -_FAR, _FAR))


class Ranking:
    """What is believed of designs on one new workload, before and after outcomes.

    `places` is int[d, axes], `excess` float64[d, w], decades beyond the best on each training workload, `known` and
    `here` are standardised features, float64[w, f] and [f]. `width` says how near in features counts as near, `own`
    how far, in decades, a network may go its own way.
    """

    def __init__(
        self, places: np.ndarray, excess: np.ndarray, known: np.ndarray, here: np.ndarray, *,
        width: float = 0.3, own: float = 0.05,
    ) -> None:  # fmt: skip
        self.places, self.own = places, own
        apart = ((known - here) ** 2).mean(axis=1)
        near = np.exp(-(apart - apart.min()) / (2 * width**2))
        self.weights = (1 - _ALIKE) * near / near.sum() + _ALIKE / len(near)
        self.prior = excess @ self.weights
        self._spread = (excess - self.prior[:, None]) * np.sqrt(self.weights)

    def _covariance(self, these: np.ndarray, those: np.ndarray) -> np.ndarray:
        differ = (self.places[these][:, None, :] != self.places[those][None, :, :]).sum(axis=2)
        alone = self.own**2 * np.exp(-differ / 2.0)
        return np.asarray(self._spread[these] @ self._spread[those].T + alone + _OFFSET)

    def believed(self, seen: np.ndarray, costs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Mean and standard deviation of every design's cost, given the costs of those `seen`."""
        every = np.arange(len(self.places))
        own = (self._spread**2).sum(axis=1) + self.own**2 + _OFFSET
        if not len(seen):
            return self.prior, np.sqrt(own)
        among = self._covariance(seen, seen) + _NOISE**2 * np.eye(len(seen))
        across = self._covariance(every, seen)
        mean = self.prior + across @ np.linalg.solve(among, costs - self.prior[seen])
        variance = own - np.einsum("ij,ji->i", across, np.linalg.solve(among, across.T))
        return mean, np.sqrt(np.maximum(variance, 1e-10))

    def best(self, seen: np.ndarray, costs: np.ndarray, taken: np.ndarray) -> int:
        """The design to try next: the best believed at first, then the one that is expected to improve most."""
        mean, deviation = self.believed(seen, costs)
        promise = -mean if not len(seen) else _improvement(costs.min(), mean, deviation)
        promise = np.where(taken, -np.inf, promise)
        return int(np.argmax(promise))


def _improvement(best: float, mean: np.ndarray, deviation: np.ndarray) -> np.ndarray:
    """Expected improvement of a Gaussian belief on the best cost."""
    u = (best - mean) / deviation
    below = 0.5 * np.array([math.erfc(-value / math.sqrt(2)) for value in u])
    return np.asarray(deviation * (u * below + np.exp(-(u**2) / 2) / math.sqrt(2 * math.pi)))
