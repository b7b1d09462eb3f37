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

    A node is one number: the place of its left child, behind which the right one is, its column, and its threshold, as an
    integer that is ordered as the floats are. A leaf is a node that leads to itself, so that all rows take as many steps as
    the tree is deep, without a branch.
    """

    def __init__(self, texts: Sequence[str]) -> None:
        """Read LightGBM's text, one for each booster; raises `ValueError` for anything else."""
        nodes: list[np.ndarray] = []
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
                node, value, depth = _tree(block, max(columns))
                trees.append((at, depth, number))
                at += len(value)
                nodes.append(node)
                values.append(value)
        if not trees or len(columns) != 1 or {number for *_, number in trees} != set(range(len(texts))):
            raise ValueError("boosters that do not belong together")
        self.columns, self.boosters = columns.pop(), len(texts)
        self._node, self._value = np.concatenate(nodes), np.concatenate(values)
        self._trees, self._counts = np.array(trees, np.int64), np.array(counts, float)

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """Return for each row of x, float32 (n, columns), what each booster says, float64 (n, boosters)."""
        if x.shape[1] != self.columns:
            raise ValueError(f"{x.shape[1]} columns; the trees know {self.columns}")
        groups = -(-max(len(x), 1) // _LANES)
        padded = np.zeros((groups * _LANES, self.columns), np.float32)
        padded[: len(x)] = x
        lanes = _ordered(padded).reshape(groups, _LANES, self.columns).transpose(0, 2, 1).reshape(groups, -1)
        out = np.zeros((groups, self.boosters, _LANES))
        _walk(np.ascontiguousarray(lanes), self._node, self._value, self._trees, out)
        return out.transpose(0, 2, 1).reshape(-1, self.boosters)[: len(x)] / self._counts


def _tree(block: str, columns: int) -> tuple[np.ndarray, np.ndarray, int]:
    """Nodes and values of one tree, by level from its root, and its depth; raises `ValueError`."""
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
    nodes, limits, values = [], [], []
    for place, node in enumerate(order):  # which grows meanwhile
        if place == level:
            depth, level = depth + 1, len(order)
        if node < 0:
            nodes.append(place * _COLUMNS)
            limits.append(np.inf)
            values.append(leaf[~node])
            continue
        nodes.append(len(order) * _COLUMNS + split[node])
        limits.append(threshold[node])
        values.append(0.0)
        order += [left[node], right[node]]
        if len(order) > 2 * len(leaf) - 1 or not all(-len(leaf) <= child < len(split) for child in order[-2:]):
            raise ValueError("a tree whose nodes do not hang together")
    code = np.where(np.isinf(limits), np.iinfo(np.int32).max, _ordered(_below(np.array(limits))))  # nothing is above a leaf
    return np.array(nodes, np.uint64) * np.uint64(2**32 * _LANES) | code.view(np.uint32), np.array(values), depth


def _below(limits: np.ndarray) -> np.ndarray:
    """The largest float32 that is not above each limit: a float32 is above it if and only if it is above the limit."""
    near = limits.astype(np.float32)
    return np.where(near > limits, np.nextafter(near, np.float32(-np.inf)), near)


def _ordered(numbers: np.ndarray) -> np.ndarray:
    """int32 in the order of float32: those below 0 are written as sign and magnitude, and -0 is 0."""
    bits = (numbers + np.float32(0)).view(np.int32)
    return bits ^ ((bits >> 31) & np.int32(2**31 - 1))


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
        rest = order[len(held) :] if len(x) > 1 else held
        leaf = max(1, min(5, len(x) // 40))

        def boosted(rows: np.ndarray, target: np.ndarray, rounds: float, **more: Any) -> str:
            settings = {**_SETTINGS, "min_data_in_leaf": leaf, "seed": seed % 2**31, **more}
            rows = np.resize(rows, max(len(rows), 2))  # of one row a bag would be empty
            target = np.resize(target, len(rows))
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
        "max_depth": 8, "lambda_l2": 5.0,
    }
    """Leaves of few rows say little: each counts n / (n + 5) of what its n rows say beyond the mean."""


def _field(text: str, name: str) -> str:
    found = re.search(rf"^{name}=(.*)$", text, re.MULTILINE)
    if found is None:
        raise ValueError(f"no {name}")
    return found.group(1)


@njit(cache=True, nogil=True)
def _walk(x, node, value, trees, out):
    """Add to out (n, boosters, 8) for each row of x (n, columns * 8) the leaf that it reaches in every tree.

    A row of x holds eight rows of the table, column by column, which walk side by side, as one alone mostly waits for memory.
    trees (m, 3) has the first node, the depth and the booster of each. A block of rows goes through one tree after the
    other, so that both stay in the cache.
    """
    block, child, column, mask = 16, np.uint64(47), np.uint64(32), np.uint64(0x7FFF)
    # All unsigned, so that no index is checked for its sign.
    two, three, four, five, six, seven = np.uint64(2), np.uint64(3), np.uint64(4), np.uint64(5), np.uint64(6), np.uint64(7)
    none, one = np.uint64(0), np.uint64(1)
    for start in range(0, len(x), block):
        for tree in range(len(trees)):
            first, depth, booster = trees[tree]
            lead, leaf = node[first:], value[first:]
            for i in range(start, min(start + block, len(x))):
                row, said = x[i], out[i, booster]
                a = b = c = d = e = f = g = h = none
                for _ in range(depth):
                    k = lead[a]
                    a = (k >> child) + np.uint64(row[k >> column & mask] > np.int32(k))
                    k = lead[b]
                    b = (k >> child) + np.uint64(row[(k >> column & mask) + one] > np.int32(k))
                    k = lead[c]
                    c = (k >> child) + np.uint64(row[(k >> column & mask) + two] > np.int32(k))
                    k = lead[d]
                    d = (k >> child) + np.uint64(row[(k >> column & mask) + three] > np.int32(k))
                    k = lead[e]
                    e = (k >> child) + np.uint64(row[(k >> column & mask) + four] > np.int32(k))
                    k = lead[f]
                    f = (k >> child) + np.uint64(row[(k >> column & mask) + five] > np.int32(k))
                    k = lead[g]
                    g = (k >> child) + np.uint64(row[(k >> column & mask) + six] > np.int32(k))
                    k = lead[h]
                    h = (k >> child) + np.uint64(row[(k >> column & mask) + seven] > np.int32(k))
                said[0] += leaf[a]
                said[1] += leaf[b]
                said[2] += leaf[c]
                said[3] += leaf[d]
                said[4] += leaf[e]
                said[5] += leaf[f]
                said[6] += leaf[g]
                said[7] += leaf[h]
