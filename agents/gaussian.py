"""Gaussian-process regression, in numpy alone: what a few hundred exact observations say about every other point.

The kernel is Matern's with 5/2 derivatives and a length scale for each column (automatic relevance); the mean is
constant. Mean and amplitude have closed forms and are profiled out (Rasmussen & Williams, Gaussian Processes for
Machine Learning, 2006, sections 2.7 and 5.4.1); length scales are the most probable ones.
"""

from __future__ import annotations

import numpy as np

__all__ = ["Gaussian"]

_ROOT5 = np.sqrt(5.0)
_NOISE = 1e-6
"""Variance, as a share of the amplitude, that keeps the matrix invertible; observations are exact."""
_SPREAD = 1.0
"""Standard deviation of the prior on the logarithm of a length scale, whose mean is 0: the range of a column."""
_SHORTEST, _LONGEST = -4.0, 6.0
"""Limits of the logarithm of a length scale."""


class Gaussian:
    """A regression of one number on columns that range over about 0..1."""

    def __init__(self, columns: int) -> None:
        self.logs = np.zeros(columns)
        """float64[columns]: natural logarithms of the length scales."""

    def fit(self, features: np.ndarray, targets: np.ndarray, steps: int = 30) -> None:
        """Improve the length scales on float64[n, columns] and float64[n], by resilient propagation (Rprop)."""
        apart = (features.T[:, :, None] - features.T[:, None, :]) ** 2
        count = len(targets)
        logs, stride, before = self.logs.copy(), np.full(len(self.logs), 0.1), np.zeros(len(self.logs))
        least = np.inf
        for _ in range(steps):
            weights = np.exp(-2.0 * logs)
            kernel, slope = _matern(np.tensordot(weights, apart, axes=1))
            kernel[np.diag_indices(count)] += _NOISE
            inverse = np.linalg.inv(kernel)
            _, pull, amplitude = _profiled(inverse, targets)
            determinant = np.linalg.slogdet(kernel)[1]
            loss = 0.5 * (count * np.log(amplitude) + determinant + np.sum((logs / _SPREAD) ** 2))
            if loss < least:
                least, self.logs = loss, logs.copy()
            part = (inverse - np.outer(pull, pull) / amplitude) * slope
            uphill = np.sign(np.tensordot(apart, part, axes=([1, 2], [0, 1])) * weights + 2 * logs / _SPREAD**2)
            again = uphill * before
            stride = np.clip(np.where(again > 0, 1.3 * stride, np.where(again < 0, 0.5 * stride, stride)), 1e-3, 0.7)
            before = np.where(again < 0, 0.0, uphill)
            logs = np.clip(logs - before * stride, _SHORTEST, _LONGEST)

    def condition(self, features: np.ndarray, targets: np.ndarray) -> None:
        """Take float64[n, columns] and float64[n] as observed."""
        self._observed = features * np.exp(-self.logs)
        kernel, _ = _matern(_apart(self._observed, self._observed))
        kernel[np.diag_indices(len(targets))] += _NOISE
        self._inverse = np.linalg.inv(kernel)
        self._mean, self._pull, self._amplitude = _profiled(self._inverse, targets)

    def doubt(self) -> float:
        """Mean negative logarithm of the density of each observation given all others, but for a constant (ibid., 5.4.2)."""
        variances = self._amplitude / np.diag(self._inverse)
        return float(np.mean(np.log(variances) + (self._pull / np.diag(self._inverse)) ** 2 / variances)) / 2

    def overall(self) -> tuple[float, float]:
        """Mean and standard deviation of a point of which nothing is known."""
        return self._mean, float(np.sqrt(self._amplitude))

    def predict(self, features: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Mean and standard deviation, float64[m] each, at float64[m, columns]."""
        kernel, _ = _matern(_apart(self._observed, features * np.exp(-self.logs)))
        known = np.einsum("ij,ij->j", kernel, self._inverse @ kernel)
        return self._mean + self._pull @ kernel, np.sqrt(self._amplitude * np.maximum(1.0 - known, 1e-9))


def _apart(one: np.ndarray, two: np.ndarray) -> np.ndarray:
    """float64[n, m]: squared distances between rows."""
    return np.maximum((one**2).sum(axis=1)[:, None] + (two**2).sum(axis=1) - 2.0 * one @ two.T, 0.0)


def _matern(squared: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Covariance at squared distances, and minus twice its derivative by them."""
    distance = _ROOT5 * np.sqrt(squared)
    fall = np.exp(-distance)
    return (1.0 + distance + squared * (5.0 / 3.0)) * fall, (5.0 / 3.0) * (1.0 + distance) * fall


def _profiled(inverse: np.ndarray, targets: np.ndarray) -> tuple[float, np.ndarray, float]:
    """The most likely mean, the weights of the observations, and the most likely amplitude."""
    sums = inverse.sum(axis=0)
    mean = float(sums @ targets / sums.sum())
    pull = inverse @ (targets - mean)
    return mean, pull, max(float((targets - mean) @ pull) / len(targets), 1e-12)
