"""Gaussian processes with a Matern 5/2 kernel, a length for each column: the best for few samples, cubic in their number.

scikit-learn finds the lengths; answers are one product of matrices in numpy.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any, ClassVar, Self

import numpy as np

from ...errors import InputError, MissingExtraError
from .columns import in_blocks, scale_of

__all__ = ["MOST_SAMPLES", "Gaussian"]

MOST_SAMPLES = 1000
"""Beyond this, learning takes minutes."""
_BLOCK = 512
_STEPS = 30
_CORE = ("x", "length", "amplitude", "alpha", "root", "noise", "y_mean", "y_scale")


class Gaussian:
    """One process for each target, on standardised columns and targets."""

    name: ClassVar[str] = "gp"

    def __init__(self, arrays: Mapping[str, np.ndarray]) -> None:
        self.arrays = dict(arrays)
        self._shared = {name: np.asarray(arrays[name], float) for name in ("x_mean", "x_scale")}
        self._targets: list[dict[str, Any]] = []
        while f"x{len(self._targets)}" in arrays:
            i = len(self._targets)
            own = {name: np.asarray(arrays[f"{name}{i}"], float) for name in _CORE}
            n, d = own["x"].shape
            shapes = {"x": (n, d), "length": (d,), "alpha": (n,), "root": (n, n)}
            if any(value.shape != shapes.get(name, ()) for name, value in own.items()):
                raise ValueError("arrays of a process that do not belong together")
            with np.errstate(all="ignore"):
                scaled = own["x"] / own["length"]
                own |= {"scaled": scaled, "square": (scaled**2).sum(axis=1)}
            if not all((np.abs(value) <= np.finfo(np.float32).max).all() for value in own.values()):
                raise ValueError("numbers beyond those of 32 bits, or a length of zero")
            self._targets.append(own)
            if any(value.shape != (d,) for value in self._shared.values()):
                raise ValueError("columns and their scaling do not belong together")
        if not self._targets:
            raise ValueError("no process")

    @classmethod
    def fit(cls, x: np.ndarray, y: np.ndarray, *, seed: int, effort: float = 1.0) -> Self:
        """Learn targets y (n, m) from columns x (n, d)."""
        try:
            from sklearn.gaussian_process import GaussianProcessRegressor
            from sklearn.gaussian_process.kernels import ConstantKernel, Matern, WhiteKernel
        except ImportError as error:
            raise MissingExtraError("the model 'gp'", "surrogate") from error
        if len(x) > MOST_SAMPLES:
            raise InputError(f"model 'gp': {len(x)} samples (accepted: at most {MOST_SAMPLES}; 'trees', 'ensemble' take more)")
        x = x.astype(float)
        mean, scale = x.mean(axis=0), scale_of(x)
        inputs = (x - mean) / scale
        arrays: dict[str, np.ndarray] = {"x_mean": mean, "x_scale": scale}
        for i, target in enumerate(y.T):
            y_mean, y_scale = target.mean(), max(target.std(), 1e-9)
            kernel = ConstantKernel(1.0, (1e-2, 1e3)) * Matern(np.full(x.shape[1], 3.0), (0.1, 1e3), nu=2.5) + WhiteKernel(
                1e-3, (1e-7, 1.0))
            process = GaussianProcessRegressor(kernel, alpha=1e-8, optimizer=_optimiser(max(3, int(_STEPS * effort))))
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # lengths at their bounds: columns that do not matter
                process.fit(inputs, (target - y_mean) / y_scale)
            fitted = process.kernel_
            root = np.linalg.inv(process.L_)
            values = (
                inputs, fitted.k1.k2.length_scale * np.ones(x.shape[1]), fitted.k1.k1.constant_value, process.alpha_.ravel(),
                root, fitted.k2.noise_level, y_mean, y_scale,
            )
            arrays |= {f"{name}{i}": np.asarray(value, float) for name, value in zip(_CORE, values, strict=True)}
        return cls(arrays)

    def predict(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return means and standard deviations, float64 (n, m)."""
        # A file that was altered may scale as it likes: what has no end, or is none, is seen by who asks.
        with np.errstate(all="ignore"):
            return self._answer((in_blocks(x, _BLOCK) - self._shared["x_mean"]) / self._shared["x_scale"], len(x))

    def _answer(self, inputs: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
        """Means and deviations of the first rows of whole blocks."""
        mean = np.empty((len(inputs), len(self._targets)))
        deviation = np.empty_like(mean)
        for start in range(0, len(inputs), _BLOCK):
            rows = slice(start, start + _BLOCK)
            for i, own in enumerate(self._targets):
                near = _matern(inputs[rows] / own["length"], own["scaled"], own["square"]) * own["amplitude"]
                explained = np.square(near @ own["root"].T).sum(axis=1)
                left = np.maximum(own["amplitude"] + own["noise"] - explained, own["noise"])
                # In which order BLAS adds depends on the place of a row: what that changes lies below 32 bits.
                mean[rows, i] = (near @ own["alpha"]).astype(np.float32) * own["y_scale"] + own["y_mean"]
                deviation[rows, i] = np.sqrt(np.maximum(left, 1e-12)).astype(np.float32) * own["y_scale"]
        return mean[:count], deviation[:count]

    def to_data(self) -> tuple[dict[str, Any], dict[str, np.ndarray], dict[str, str]]:
        """Return what is to be kept: plain values, arrays, texts."""
        return {}, self.arrays, {}

    @classmethod
    def from_data(cls, values: Mapping[str, Any], arrays: Mapping[str, np.ndarray], texts: Mapping[str, str]) -> Self:
        """The inverse; raises `ValueError` or `KeyError` for what is no such model."""
        return cls(arrays)


def _optimiser(steps: int) -> Any:
    """A search for the lengths that ends after so many steps: the last of them change little, and cost as much."""
    from scipy.optimize import minimize

    def search(objective: Any, start: np.ndarray, bounds: np.ndarray) -> tuple[np.ndarray, float]:
        limits = {"maxiter": steps, "maxfun": 2 * steps}
        found = minimize(objective, start, jac=True, bounds=bounds, method="L-BFGS-B", options=limits)
        return found.x, found.fun

    return search


def _matern(scaled: np.ndarray, known: np.ndarray, square: np.ndarray) -> np.ndarray:
    """The kernel between rows of `scaled` (n, d) and `known` (k, d), float64 (n, k).

    What is left of the variance is a small difference of large numbers, for which 32 bits do not do.
    """
    distance = np.square(scaled).sum(axis=1)[:, None] + square - 2.0 * (scaled @ known.T)
    distance = np.sqrt(5.0 * np.maximum(distance, 0.0))
    return np.asarray((1.0 + distance + np.square(distance) / 3.0) * np.exp(-distance))
