"""The kinds of models, which of them suit a training set, and what they say of rows that they did not learn from."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from importlib.util import find_spec
from typing import Any, Protocol, Self

import numpy as np

from ...errors import InputError, MissingExtraError
from .ensemble import Ensemble
from .gaussian import Gaussian
from .trees import RandomForest, Trees

__all__ = ["MODELS", "Model", "candidates", "choose", "folds", "left_out"]


class Model(Protocol):
    """What learns logarithms from columns. Pure: equal data and seed give equal answers."""

    name: str

    @classmethod
    def fit(cls, x: np.ndarray, y: np.ndarray, *, seed: int, effort: float = 1.0) -> Self:
        """Learn targets y (n, m) from columns x (n, d)."""

    def predict(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return means and standard deviations, float64 (n, m)."""

    def to_data(self) -> tuple[dict[str, Any], dict[str, np.ndarray], dict[str, str]]:
        """Return what is to be kept: plain values, arrays, texts."""

    @classmethod
    def from_data(cls, values: Mapping[str, Any], arrays: Mapping[str, np.ndarray], texts: Mapping[str, str]) -> Self:
        """The inverse; raises `KeyError`, `TypeError` or `ValueError` for what is no such model."""


_KINDS: list[Any] = [Gaussian, Trees, RandomForest, Ensemble]
MODELS: dict[str, type[Model]] = {kind.name: kind for kind in _KINDS}
_NEEDS = {"gp": "sklearn", "trees": "lightgbm", "forest": "lightgbm", "ensemble": "torch"}
_GP_SAMPLES = 400
"""Above this a process is slow to learn and to answer, and the others have caught up."""
_FEW = 60
"""Below this the others have too little to learn from."""
FOLDS = 5
_TRIALS = 2
"""Folds on which models are compared."""
_EFFORT = 0.5
"""Share of the effort that is spent on each of those."""
_SHARED = 0.1
"""Up to this share of rows whose designs ran other workloads too, they are there by chance, and their weight is small."""
_DESIGN_PARTS = 3
"""Parts of the designs that are left out with each fold of workloads."""
_ENOUGH = 0.2
"""Share of what could be learned from that must be left, else designs stay: one of them ran nearly everything."""


def candidates(n: int) -> list[str]:
    """Kinds that suit n samples and whose libraries are installed; raises `MissingExtraError` if there is none."""
    wanted = ["gp"] if n < _FEW else [kind for kind in MODELS if kind != "gp" or n <= _GP_SAMPLES]
    here = [name for name in wanted if find_spec(_NEEDS[name]) is not None]
    if not here:
        raise MissingExtraError(f"a surrogate of {n} samples", "surrogate")
    return here


def folds(owner: np.ndarray, *, seed: int, count: int = FOLDS) -> list[np.ndarray]:
    """Return the rows left out in each fold, int64[n] saying whose each row is: those of a share of the owners, at random.

    An owner is a workload, or a design, which may have run several: what it did on one tells of the others.
    """
    numbers = np.random.default_rng(seed).permutation(np.unique(owner))
    return [np.flatnonzero(np.isin(owner, part)) for part in np.array_split(numbers, min(count, len(numbers)))]


def left_out(
    kind: str, x: np.ndarray, y: np.ndarray, parts: list[np.ndarray], *, seed: int, effort: float = 1.0,
    design: np.ndarray | None = None,
) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Yield for each part its rows, and means and deviations by a model that learned from all others.

    With int64[n] saying which design each row is, by models that did not learn from their designs either: see `_unknown`.
    """
    for number, rows in enumerate(parts):
        rest = np.setdiff1d(np.arange(len(x)), rows)
        mean, deviation = np.empty((len(rows), y.shape[1])), np.empty((len(rows), y.shape[1]))
        for at, others in [(np.arange(len(rows)), rest)] if design is None else _unknown(rows, rest, design, seed):
            model = MODELS[kind].fit(x[others], y[others], seed=seed + number, effort=effort)
            mean[at], deviation[at] = model.predict(x[rows[at]])
        yield rows, mean, deviation


def _unknown(rows: np.ndarray, rest: np.ndarray, design: np.ndarray, seed: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield places in `rows`, and those of `rest` that a model may learn from which knows neither their workload nor design.

    Where every design ran every workload, to leave out workloads alone says how right a model is of designs that it knows,
    which nobody asks of it: so a part of the designs is left out with them, then the next. Designs that hardly ran
    anything else are left out already.
    """
    everything = np.arange(len(rows))
    if np.isin(design[rows], design[rest]).mean() <= _SHARED:
        yield everything, rest
        return
    numbers = np.random.default_rng(seed).permutation(np.unique(design[rows]))
    for few in np.array_split(numbers, min(_DESIGN_PARTS, len(numbers))):
        at, others = np.flatnonzero(np.isin(design[rows], few)), rest[~np.isin(design[rest], few)]
        yield at, others if len(others) >= _ENOUGH * len(rest) else rest


def choose(
    x: np.ndarray, y: np.ndarray, group: np.ndarray, design: np.ndarray, *, seed: int, effort: float = 1.0,
    say: Callable[[str], None] = lambda _: None,
) -> tuple[str, dict[str, float]]:
    """Return the kind with the smallest error on designs left out (whole workloads if there are several), and the errors.

    The error is the mean of |log error| over that of answering with the mean, and over targets.
    """
    kinds = candidates(len(x))
    if len(kinds) == 1:
        return kinds[0], {}
    grouped = len(np.unique(group)) >= FOLDS
    parts = folds(group if grouped else design, seed=seed)[:_TRIALS]
    known = design if grouped else None
    base = np.maximum(np.abs(y - y.mean(axis=0)).mean(axis=0), 1e-12)
    errors: dict[str, float] = {}
    for kind in kinds:
        say(f"trying {kind}")
        found = [np.abs(mean - y[rows]).mean(axis=0) / base
                 for rows, mean, _ in left_out(kind, x, y, parts, seed=seed, effort=_EFFORT * effort, design=known)]
        errors[kind] = float(np.mean(found))
    return min(errors, key=errors.__getitem__), errors


def model_class(kind: str) -> type[Model]:
    """Return a kind by name; raises `InputError`."""
    if kind not in MODELS:
        raise InputError(f"model {kind!r}: accepted: auto, {', '.join(MODELS)}")
    return MODELS[kind]
