"""A deep ensemble (Lakshminarayanan et al., NeurIPS 2017): five small nets, each of which says a mean and a variance.

Trained in torch, all five at once; answered by numpy, for which torch is not needed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Self

import numpy as np

from ...errors import MissingExtraError
from .columns import in_blocks, scale_of

__all__ = ["Ensemble"]

_MEMBERS, _WIDTH = 5, 128
_BATCH = 256
_RATE, _DECAY = 3e-3, 1e-4
_STEPS, _EPOCHS = 3000, 400
"""Steps of training at most, and epochs at most."""
_BETA = 0.5
"""Errors weigh sigma^(2 beta): between squared errors and the likelihood (Seitzer et al., ICLR 2022)."""
_MOST_UNITS = 1 << 16
"""Outputs of a layer, of all members together, in a file that is read."""
_BLOCK = 256
"""Rows that are answered at once, so that a layer's outputs stay in the cache."""


class Ensemble:
    """Five nets of two hidden layers of 128, on standardised columns and targets."""

    name: ClassVar[str] = "ensemble"

    def __init__(self, arrays: Mapping[str, np.ndarray]) -> None:
        self.arrays = dict(arrays)
        a = {name: np.asarray(value, np.float32) for name, value in arrays.items()}
        members, width = _sizes(a)
        # The scaling of columns goes into the first layer, all members of which are one product.
        first = a["w1"] / a["x_scale"][None, :, None]
        self._bias1 = (a["b1"][:, 0] - (a["x_mean"] @ first)).reshape(members, 1, width)
        self._w1 = first.astype(float)
        self._w2, self._b2, self._w3, self._b3 = (a[name].astype(float) for name in ("w2", "b2", "w3", "b3"))
        self._y_mean, self._y_scale = np.asarray(arrays["y_mean"], float), np.asarray(arrays["y_scale"], float)

    @classmethod
    def fit(cls, x: np.ndarray, y: np.ndarray, *, seed: int, effort: float = 1.0) -> Self:
        """Learn targets y (n, m) from columns x (n, d); `effort` scales the steps of training."""
        try:
            import torch
        except ImportError as error:
            raise MissingExtraError("the model 'ensemble'", "surrogate") from error
        threads = torch.get_num_threads()
        torch.set_num_threads(1)
        try:
            return cls(_train(torch, x, y, seed, effort))
        finally:
            torch.set_num_threads(threads)

    def predict(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return means and standard deviations, float64 (n, m)."""
        asked, m = len(x), len(self._y_mean)
        x = in_blocks(np.ascontiguousarray(x, float), _BLOCK)
        n = len(x)
        mean, deviation = np.empty((n, m)), np.empty((n, m))
        for start in range(0, n, _BLOCK):
            rows = slice(start, start + _BLOCK)
            hidden = np.matmul(x[rows], self._w1)
            hidden += self._bias1
            np.maximum(hidden, 0.0, out=hidden)
            hidden = np.matmul(hidden, self._w2)
            hidden += self._b2
            np.maximum(hidden, 0.0, out=hidden)
            out = np.matmul(hidden, self._w3)
            out += self._b3
            out = out.astype(np.float32).astype(float)  # in which order BLAS adds depends on the place of a row, far below this
            means, variances = out[..., :m], np.exp(np.clip(out[..., m:], -14.0, 6.0))
            centre = means.mean(axis=0)
            mean[rows] = centre
            deviation[rows] = np.sqrt((variances + (means - centre) ** 2).mean(axis=0))
        return mean[:asked] * self._y_scale + self._y_mean, deviation[:asked] * self._y_scale

    def to_data(self) -> tuple[dict[str, Any], dict[str, np.ndarray], dict[str, str]]:
        """Return what is to be kept: plain values, arrays, texts."""
        return {}, self.arrays, {}

    @classmethod
    def from_data(cls, values: Mapping[str, Any], arrays: Mapping[str, np.ndarray], texts: Mapping[str, str]) -> Self:
        """The inverse."""
        return cls(arrays)


def _sizes(arrays: Mapping[str, np.ndarray]) -> tuple[int, int]:
    """Members and width of the layers; raises `ValueError` for arrays that do not belong together, or nets without end."""
    (members, d, width), (targets,) = arrays["w1"].shape, arrays["y_mean"].shape
    out = 2 * targets
    wanted = {
        "w1": (members, d, width), "b1": (members, 1, width), "w2": (members, width, width), "b2": (members, 1, width),
        "w3": (members, width, out), "b3": (members, 1, out), "x_mean": (d,), "x_scale": (d,), "y_mean": (targets,),
        "y_scale": (targets,),
    }  # fmt: skip
    if {name: array.shape for name, array in arrays.items()} != wanted or not 0 < members * max(width, out) <= _MOST_UNITS:
        raise ValueError("arrays of nets that do not belong together")
    return members, width


def _train(torch: Any, x: np.ndarray, y: np.ndarray, seed: int, effort: float) -> dict[str, np.ndarray]:
    n, d = x.shape
    m = y.shape[1]
    x_mean, x_scale = x.mean(axis=0), scale_of(x)
    y_mean, y_scale = y.mean(axis=0), np.maximum(y.std(axis=0), 1e-9)
    inputs = torch.tensor((x - x_mean) / x_scale, dtype=torch.float32)
    targets = torch.tensor((y - y_mean) / y_scale, dtype=torch.float32)
    random = torch.Generator().manual_seed(seed)

    def layer(fan_in: int, fan_out: int, scale: float = 2.0) -> list[Any]:
        weight = torch.randn((_MEMBERS, fan_in, fan_out), generator=random) * (scale / fan_in) ** 0.5
        return [weight.requires_grad_(), torch.zeros((_MEMBERS, 1, fan_out)).requires_grad_()]

    parameters = [*layer(d, _WIDTH), *layer(_WIDTH, _WIDTH), *layer(_WIDTH, 2 * m, 0.1)]
    w1, b1, w2, b2, w3, b3 = parameters
    batch = min(_BATCH, n)
    steps = max(50, int(effort * min(_STEPS, _EPOCHS * -(-n // batch))))
    optimiser = torch.optim.AdamW(parameters, lr=_RATE, weight_decay=_DECAY)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, _RATE, total_steps=steps, pct_start=0.1)
    order, at = torch.empty((_MEMBERS, 0), dtype=torch.long), 0
    for _ in range(steps):
        if at + batch > order.shape[1]:  # every member has its own order
            order, at = torch.stack([torch.randperm(n, generator=random) for _ in range(_MEMBERS)]), 0
        rows = order[:, at : at + batch]
        at += batch
        hidden = torch.relu(torch.baddbmm(b1, inputs[rows], w1))
        hidden = torch.relu(torch.baddbmm(b2, hidden, w2))
        out = torch.baddbmm(b3, hidden, w3)
        log_variance = out[..., m:].clamp(-14.0, 6.0)
        error = (targets[rows] - out[..., :m]) ** 2
        weight = torch.exp(_BETA * log_variance.detach())
        loss = (weight * (error * torch.exp(-log_variance) + log_variance)).mean(dim=(1, 2)).sum()
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
        schedule.step()
    names = ("w1", "b1", "w2", "b2", "w3", "b3")
    kept = {name: value.detach().numpy().copy() for name, value in zip(names, parameters, strict=True)}
    return {**kept, "x_mean": x_mean, "x_scale": x_scale, "y_mean": y_mean, "y_scale": y_scale}
