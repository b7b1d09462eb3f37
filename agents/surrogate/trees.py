"""Gradient-boosted trees: LightGBM learns them, a compiled walk over arrays answers.

One booster for each target says the mean; a second, learned on errors that the first makes on rows it did not see, says how
large they are. A file keeps them as LightGBM writes them, as text; reading that needs no LightGBM.
"""

# mypy: allow-untyped-defs
# The kernel takes arrays; its docstring gives the shapes.
from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, ClassVar, Self

import numpy as np
from numba import njit

from ...errors import MissingExtraError

__all__ = ["Forest", "Trees"]

_ROUNDS, _ROUNDS_SPREAD = 600, 80
_HELD_OUT = 0.3
"""Share of the rows on which errors are measured for the second booster."""
_FLOOR = 1e-6
"""An error of the logarithm below which nobody cares."""
_SETTINGS: dict[str, Any] = {
    "objective": "regression", "num_leaves": 31, "learning_rate": 0.05, "min_data_in_leaf": 5, "feature_fraction": 0.8,
    "bagging_fraction": 0.9, "bagging_freq": 1, "verbose": -1, "num_threads": 1, "deterministic": True, "force_row_wise": True,
}


class Forest:
    """The trees of one booster as arrays."""

    def __init__(self, text: str) -> None:
        """Read LightGBM's text; raises `ValueError` for anything else."""
        if not text.startswith("tree\n"):
            raise ValueError("not a LightGBM model")
        feature: list[int] = []
        threshold: list[float] = []
        left: list[int] = []
        right: list[int] = []
        leaf: list[float] = []
        roots: list[int] = []
        columns = int(_field(text, "max_feature_idx")) + 1
        for block in text.split("\nTree=")[1:]:
            leaves = [float(value) for value in _field(block, "leaf_value").split()]
            nodes, leaf_base = len(feature), len(leaf)
            leaf += leaves
            if len(leaves) == 1:
                roots.append(~leaf_base)
                continue
            splits = [int(value) for value in _field(block, "split_feature").split()]
            if len(leaves) != len(splits) + 1:
                raise ValueError(f"a tree of {len(leaves)} leaves and {len(splits)} splits")
            kinds = [int(value) for value in _field(block, "decision_type").split()]
            if any(kind & 1 for kind in kinds):
                raise ValueError("a categorical split, which is not known here")
            roots.append(nodes)
            feature += splits
            threshold += [float(value) for value in _field(block, "threshold").split()]
            for side, name in ((left, "left_child"), (right, "right_child")):
                given = [int(value) for value in _field(block, name).split()]
                if any(child >= len(splits) or ~child >= len(leaves) for child in given):
                    raise ValueError("a child that is not in its tree")
                side += [child + nodes if child >= 0 else ~(~child + leaf_base) for child in given]
        if not roots or not len(feature) == len(threshold) == len(left) == len(right):
            raise ValueError("trees of uneven length")
        self.columns = columns
        self.feature, self.threshold = np.array(feature, np.int32), np.array(threshold, np.float64)
        self.left, self.right = np.array(left, np.int32), np.array(right, np.int32)
        self.leaf, self.roots = np.array(leaf, np.float64), np.array(roots, np.int32)
        self._check()
        self._child = np.stack([self.left, self.right], axis=1).ravel()

    def _check(self) -> None:
        """Every child comes after its parent, so that a walk ends."""
        inner = np.arange(len(self.feature))
        for side in (self.left, self.right):
            down = side >= 0
            if (side[down] <= inner[down]).any():
                raise ValueError("a tree whose nodes do not hang together")
        if len(self.feature) and not (self.feature.min() >= 0 and self.feature.max() < self.columns):
            raise ValueError("a split on a column that is not there")
        if not (np.isfinite(self.threshold).all() and np.isfinite(self.leaf).all()):
            raise ValueError("a number that is not finite")

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """Return the sum over trees for each row of x (float32 or float64)."""
        if x.shape[1] != self.columns:
            raise ValueError(f"{x.shape[1]} columns; the trees know {self.columns}")
        out = np.zeros(len(x))
        _walk(np.ascontiguousarray(x), self.feature, self.threshold, self._child, self.leaf, self.roots, out)
        return out


class Trees:
    """Two boosters for each target: the mean, and the logarithm of the error."""

    name: ClassVar[str] = "trees"

    def __init__(self, means: list[str], spreads: list[str]) -> None:
        if not means or len(means) != len(spreads):
            raise ValueError("a booster is missing")
        self.texts = (means, spreads)
        self._means, self._spreads = [Forest(text) for text in means], [Forest(text) for text in spreads]

    @classmethod
    def fit(cls, x: np.ndarray, y: np.ndarray, *, seed: int, effort: float = 1.0) -> Self:
        """Learn targets y (n, m) from columns x (n, d); `effort` scales the number of trees."""
        try:
            import lightgbm
        except ImportError as error:
            raise MissingExtraError("the model 'trees'", "surrogate") from error
        order = np.random.default_rng(seed).permutation(len(x))
        held = order[: max(1, int(_HELD_OUT * len(x)))]
        rest = order[len(held) :]
        leaf = max(1, min(5, len(x) // 40))

        def boosted(rows: np.ndarray, target: np.ndarray, rounds: float, **more: Any) -> str:
            settings = {**_SETTINGS, "min_data_in_leaf": leaf, "seed": seed % 2**31, **more}
            data = lightgbm.Dataset(x[rows], target, params={"verbose": -1, "min_data_in_bin": 1})
            return str(lightgbm.train(settings, data, max(1, int(rounds))).model_to_string())

        means, spreads = [], []
        for target in y.T:
            first = Forest(boosted(rest, target[rest], _ROUNDS * effort))
            logs = np.log(np.maximum(np.abs(first(x[held]) - target[held]), _FLOOR))
            spreads.append(boosted(held, logs, _ROUNDS_SPREAD, num_leaves=7, min_data_in_leaf=max(leaf, len(held) // 50)))
            means.append(boosted(np.arange(len(x)), target, _ROUNDS * effort))
        return cls(means, spreads)

    def predict(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return means and standard deviations, float64 (n, m)."""
        mean = np.stack([forest(x) for forest in self._means], axis=1)
        # The mean of log |error| of a normal error lies 0.635 below the logarithm of its deviation.
        return mean, np.exp(np.stack([forest(x) for forest in self._spreads], axis=1) + 0.635)

    def to_data(self) -> tuple[dict[str, Any], dict[str, np.ndarray], dict[str, str]]:
        """Return what is to be kept: plain values, arrays, texts."""
        means, spreads = self.texts
        kept = {f"mean{i}": text for i, text in enumerate(means)} | {f"spread{i}": text for i, text in enumerate(spreads)}
        return {"targets": len(means)}, {}, kept

    @classmethod
    def from_data(cls, values: Mapping[str, Any], arrays: Mapping[str, np.ndarray], texts: Mapping[str, str]) -> Self:
        """The inverse; raises `ValueError` or `KeyError` for what is no such model."""
        count = range(int(values["targets"]))
        return cls([texts[f"mean{i}"] for i in count], [texts[f"spread{i}"] for i in count])


def _field(text: str, name: str) -> str:
    found = re.search(rf"^{name}=(.*)$", text, re.MULTILINE)
    if found is None:
        raise ValueError(f"no {name}")
    return found.group(1)


@njit(cache=True, nogil=True)
def _walk(x, feature, threshold, child, leaf, roots, out):
    """Add for each row of x (n, columns) the leaf that it reaches in every tree; a leaf is the complement of its place.

    `child` has the left and the right child of node 0, of node 1, ... A block of rows goes through one tree after the other,
    so that a tree stays in the cache, and four rows walk side by side, as one alone mostly waits for memory.
    """
    block = 256
    for start in range(0, len(x), block):
        end = min(start + block, len(x))
        for root in roots:
            i = start
            while i < end:
                last = end - 1
                p, q, r = min(i + 1, last), min(i + 2, last), min(i + 3, last)
                a, b, c, d = root, root, root, root
                while a >= 0 or b >= 0 or c >= 0 or d >= 0:
                    if a >= 0:
                        a = child[2 * a + (x[i, feature[a]] > threshold[a])]
                    if b >= 0:
                        b = child[2 * b + (x[p, feature[b]] > threshold[b])]
                    if c >= 0:
                        c = child[2 * c + (x[q, feature[c]] > threshold[c])]
                    if d >= 0:
                        d = child[2 * d + (x[r, feature[d]] > threshold[d])]
                out[i] += leaf[~a]
                if i + 1 < end:
                    out[i + 1] += leaf[~b]
                if i + 2 < end:
                    out[i + 2] += leaf[~c]
                if i + 3 < end:
                    out[i + 3] += leaf[~d]
                i += 4
