"""Gradient-boosted trees: LightGBM learns them, a compiled walk over arrays answers.

One booster for each target says the mean; a second, learned on errors that the first makes on rows it did not see, says how
large they are. A file keeps them as LightGBM writes them, as text; reading that needs no LightGBM.
"""

# mypy: allow-untyped-defs
# The kernel takes arrays; its docstring gives the shapes.
from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Self

import numpy as np
from numba import njit

from ...errors import MissingExtraError

__all__ = ["Forest", "RandomForest", "Trees"]

_ROUNDS_SPREAD = 80
_HELD_OUT = 0.3
"""Share of the rows on which errors are measured for the second booster."""
_LANES = 8
"""Rows that walk side by side."""
_COLUMNS = 4096
"""Columns, and nodes of a tree, at most: both share one number."""
_FLOOR = 1e-6
"""An error of the logarithm below which nobody cares."""
_SETTINGS: dict[str, Any] = {
    "objective": "regression", "num_leaves": 31, "max_depth": 6, "learning_rate": 0.1, "min_data_in_leaf": 5,
    "feature_fraction": 0.8, "bagging_fraction": 0.9, "bagging_freq": 1, "verbose": -1, "num_threads": 1,
    "deterministic": True, "force_row_wise": True,
}


class Forest:
    """The trees of some boosters in one layout that is quick to walk.

    A node is a threshold and one number: the place of its left child, behind which the right one is, and its column. A leaf
    is a node that leads to itself, so that all rows take as many steps as the tree is deep, without a branch.
    """

    def __init__(self, texts: Sequence[str]) -> None:
        """Read LightGBM's text, one for each booster; raises `ValueError` for anything else."""
        thresholds: list[np.ndarray] = []
        links: list[np.ndarray] = []
        values: list[np.ndarray] = []
        trees: list[tuple[int, int, int]] = []
        counts: list[int] = []
        columns, at = set(), 0
        for number, text in enumerate(texts):
            if not text.startswith("tree\n"):
                raise ValueError("not a LightGBM model")
            columns.add(int(_field(text, "max_feature_idx")) + 1)
            blocks = text.split("\nTree=")[1:]
            # A forest is the mean of its trees, a booster their sum.
            counts.append(len(blocks) if re.search("^average_output$", text, re.MULTILINE) else 1)
            for block in blocks:
                threshold, link, value, depth = _tree(block, max(columns))
                trees.append((at, depth, number))
                at += len(value)
                thresholds.append(threshold)
                links.append(link)
                values.append(value)
        if not trees or len(columns) != 1 or {number for *_, number in trees} != set(range(len(texts))):
            raise ValueError("boosters that do not belong together")
        self.columns, self.boosters = columns.pop(), len(texts)
        self._threshold, self._link, self._value = (np.concatenate(parts) for parts in (thresholds, links, values))
        self._trees, self._counts = np.array(trees, np.int64), np.array(counts, float)

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """Return for each row of x, float32 (n, columns), what each booster says, float64 (n, boosters)."""
        if x.shape[1] != self.columns:
            raise ValueError(f"{x.shape[1]} columns; the trees know {self.columns}")
        rows = -(-max(len(x), 1) // _LANES) * _LANES
        padded = np.zeros((rows, self.columns), np.float32)
        padded[: len(x)] = x
        out = np.zeros((rows, self.boosters))
        _walk(padded, self._threshold, self._link, self._value, self._trees, out)
        return out[: len(x)] / self._counts


def _tree(block: str, columns: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, int]:
    """Thresholds, links and values of one tree, by level from its root, and its depth; raises `ValueError`."""
    leaf = [float(value) for value in _field(block, "leaf_value").split()]
    split = threshold = left = right = []
    if len(leaf) > 1:
        split, left, right, kind = ([int(value) for value in _field(block, name).split()]
                                    for name in ("split_feature", "left_child", "right_child", "decision_type"))
        threshold = [float(value) for value in _field(block, "threshold").split()]
        if any(k & 1 for k in kind):
            raise ValueError("a categorical split, which is not known here")
    if not len(split) == len(threshold) == len(left) == len(right) == len(leaf) - 1:
        raise ValueError("trees of uneven length")
    if not (np.isfinite(threshold).all() and np.isfinite(leaf).all()):
        raise ValueError("a number that is not finite")
    if not all(0 <= column < columns for column in split) or columns > _COLUMNS or 2 * len(leaf) > _COLUMNS:
        raise ValueError("a split on a column that is not there, or a tree that is too large")
    order, depth, level = [0 if split else -1], 0, 1
    links, limits, values = [], [], []
    for place, node in enumerate(order):  # which grows meanwhile
        if place == level:
            depth, level = depth + 1, len(order)
        if node < 0:
            links.append(place * _COLUMNS)
            limits.append(np.inf)
            values.append(leaf[~node])
            continue
        links.append(len(order) * _COLUMNS + split[node])
        limits.append(threshold[node])
        values.append(0.0)
        order += [left[node], right[node]]
        if len(order) > 2 * len(leaf) - 1 or not all(-len(leaf) <= child < len(split) for child in order[-2:]):
            raise ValueError("a tree whose nodes do not hang together")
    return _below(np.array(limits)), np.array(links, np.uint32), np.array(values), depth


def _below(limits: np.ndarray) -> np.ndarray:
    """The largest float32 that is not above each limit: a float32 is above it if and only if it is above the limit."""
    near = limits.astype(np.float32)
    return np.where(near > limits, np.nextafter(near, np.float32(-np.inf)), near)


class Trees:
    """Two boosters for each target: the mean, and the logarithm of the error."""

    name: ClassVar[str] = "trees"
    rounds: ClassVar[int] = 300
    settings: ClassVar[Mapping[str, Any]] = {}
    """Of the boosters that say the mean, where they are not the common ones."""

    def __init__(self, means: list[str], spreads: list[str]) -> None:
        if not means or len(means) != len(spreads):
            raise ValueError("a booster is missing")
        self.texts = (means, spreads)
        self._forest = Forest([*means, *spreads])

    @classmethod
    def fit(cls, x: np.ndarray, y: np.ndarray, *, seed: int, effort: float = 1.0) -> Self:
        """Learn targets y (n, m) from columns x (n, d); `effort` scales the number of trees."""
        try:
            import lightgbm
        except ImportError as error:
            raise MissingExtraError(f"the model {cls.name!r}", "surrogate") from error
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
            first = Forest([boosted(rest, target[rest], cls.rounds * effort, **cls.settings)])
            logs = np.log(np.maximum(np.abs(first(x[held])[:, 0] - target[held]), _FLOOR))
            spreads.append(boosted(held, logs, _ROUNDS_SPREAD, num_leaves=7, max_depth=3,
                                   min_data_in_leaf=max(leaf, len(held) // 50)))
            means.append(boosted(np.arange(len(x)), target, cls.rounds * effort, **cls.settings))
        return cls(means, spreads)

    def predict(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return means and standard deviations, float64 (n, m)."""
        mean, spread = np.split(self._forest(x), 2, axis=1)
        # The mean of log |error| of a normal error lies 0.635 below the logarithm of its deviation.
        return mean, np.exp(spread + 0.635)

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


class RandomForest(Trees):
    """The mean of trees that each learn from other rows (Breiman, Random Forests, Machine Learning 2001).

    Coarser than boosting, and less misled where columns say little and rows are few.
    """

    name = "forest"
    rounds = 200
    settings: ClassVar[Mapping[str, Any]] = {
        "boosting": "rf", "bagging_fraction": 0.63, "feature_fraction": 1.0, "feature_fraction_bynode": 0.4, "num_leaves": 64,
        "max_depth": 8,
    }


def _field(text: str, name: str) -> str:
    found = re.search(rf"^{name}=(.*)$", text, re.MULTILINE)
    if found is None:
        raise ValueError(f"no {name}")
    return found.group(1)


@njit(cache=True, nogil=True)
def _walk(x, threshold, link, value, trees, out):
    """Add to out (n, boosters) for each row of x (n, columns) the leaf that it reaches in every tree.

    trees (n, 3) has the first node, the depth and the booster of each. A block of rows goes through one tree after the other,
    so that both stay in the cache, and eight rows walk side by side, as one alone mostly waits for memory.
    n is a multiple of 8.
    """
    block, shift, mask = 128, np.uint64(12), np.uint64(4095)
    for start in range(0, len(x), block):
        end = min(start + block, len(x))
        for tree in range(len(trees)):
            first, depth, booster = trees[tree]
            limit, lead, leaf = threshold[first:], link[first:], value[first:]
            for i in range(start, end, 8):
                xa, xb, xc, xd = x[i], x[i + 1], x[i + 2], x[i + 3]
                xe, xf, xg, xh = x[i + 4], x[i + 5], x[i + 6], x[i + 7]
                a = b = c = d = e = f = g = h = np.uint64(0)  # unsigned, so that no index is checked for its sign
                for _ in range(depth):
                    k = np.uint64(lead[a])
                    a = (k >> shift) + np.uint64(xa[k & mask] > limit[a])
                    k = np.uint64(lead[b])
                    b = (k >> shift) + np.uint64(xb[k & mask] > limit[b])
                    k = np.uint64(lead[c])
                    c = (k >> shift) + np.uint64(xc[k & mask] > limit[c])
                    k = np.uint64(lead[d])
                    d = (k >> shift) + np.uint64(xd[k & mask] > limit[d])
                    k = np.uint64(lead[e])
                    e = (k >> shift) + np.uint64(xe[k & mask] > limit[e])
                    k = np.uint64(lead[f])
                    f = (k >> shift) + np.uint64(xf[k & mask] > limit[f])
                    k = np.uint64(lead[g])
                    g = (k >> shift) + np.uint64(xg[k & mask] > limit[g])
                    k = np.uint64(lead[h])
                    h = (k >> shift) + np.uint64(xh[k & mask] > limit[h])
                out[i, booster] += leaf[a]
                out[i + 1, booster] += leaf[b]
                out[i + 2, booster] += leaf[c]
                out[i + 3, booster] += leaf[d]
                out[i + 4, booster] += leaf[e]
                out[i + 5, booster] += leaf[f]
                out[i + 6, booster] += leaf[g]
                out[i + 7, booster] += leaf[h]
