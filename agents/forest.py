"""Extremely randomised trees (Geurts, Ernst & Wehenkel, Machine Learning 63, 2006), compiled: fitted in milliseconds.

A split is drawn at random between the least and the greatest value of each column; the column is taken whose draw
leaves the least variance, of equals one at random. Trees grow until their leaves are pure and see all rows. Where
they disagree is where the rows say little: unlike a Gaussian process they expect a function to jump, and to be flat
elsewhere.
"""

# mypy: allow-untyped-defs
# The kernels take arrays; their docstrings give the shapes.
from __future__ import annotations

import numpy as np
from numba import njit

__all__ = ["ExtraTrees"]

_PURE = 1e-12
"""Extent of a column or target that counts as none."""


class ExtraTrees:
    """A forest that is fitted to all targets at once; their errors are added as they are."""

    def __init__(self, features: np.ndarray, targets: np.ndarray, *, trees: int, seed: int) -> None:
        """Fit to float64[n, columns] and float64[n, targets], n >= 1; seed in 0..2**63."""
        features = np.ascontiguousarray(features, dtype=float)
        targets = np.ascontiguousarray(targets, dtype=float)
        nodes = 2 * len(features) - 1
        self._column = np.full((trees, nodes), -1, dtype=np.int64)
        self._limit = np.zeros((trees, nodes))
        self._left = np.zeros((trees, nodes), dtype=np.int64)
        self._value = np.zeros((trees, nodes, targets.shape[1]))
        _grow(features, targets, np.uint64(seed), self._column, self._limit, self._left, self._value)

    def predict(self, features: np.ndarray) -> np.ndarray:
        """float64[trees, n, targets]: what each tree says of float64[n, columns]."""
        told = np.empty((len(self._column), len(features), self._value.shape[2]))
        _walk(np.ascontiguousarray(features, dtype=float), self._column, self._limit, self._left, self._value, told)
        return told


@njit(cache=True)
def _uniform(state):
    """The next number in [0, 1) of splitmix64 (Steele, Lea & Flood, OOPSLA 2014) from uint64[1]."""
    state[0] += np.uint64(0x9E3779B97F4A7C15)
    mixed = state[0]
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return float((mixed ^ (mixed >> np.uint64(31))) >> np.uint64(11)) * 2.0**-53


@njit(cache=True)
def _grow(features, targets, seed, column, limit, left, value):
    """Grow trees from float64[n, columns] and float64[n, targets] into arrays [trees, nodes]; a leaf's column is -1.

    The right child follows the left one.
    """
    count, width = features.shape
    outputs = targets.shape[1]
    state = np.array([seed], dtype=np.uint64)
    rows = np.empty(count, dtype=np.int64)
    order = np.arange(width)
    begins = np.empty(2 * count - 1, dtype=np.int64)
    ends = np.empty(2 * count - 1, dtype=np.int64)
    whole = np.empty(outputs)
    part = np.empty(outputs)
    for tree in range(len(column)):
        for i in range(count):
            rows[i] = i
        begins[0], ends[0] = 0, count
        nodes = 1
        node = 0
        while node < nodes:
            begin, end = begins[node], ends[node]
            pure = True
            for k in range(outputs):
                total = 0.0
                least = greatest = targets[rows[begin], k]
                for i in range(begin, end):
                    target = targets[rows[i], k]
                    total += target
                    least = min(least, target)
                    greatest = max(greatest, target)
                whole[k] = total
                value[tree, node, k] = total / (end - begin)
                pure = pure and greatest - least <= _PURE
            best, chosen, cut = -1.0, -1, 0.0
            if not pure:
                for place in range(width):  # in a random order, so that no column profits from where it was declared
                    other = place + int(_uniform(state) * (width - place))
                    order[place], order[other] = order[other], order[place]
                    c = order[place]
                    least = greatest = features[rows[begin], c]
                    for i in range(begin, end):
                        here = features[rows[i], c]
                        least = min(least, here)
                        greatest = max(greatest, here)
                    if greatest - least <= _PURE:
                        continue
                    at = least + _uniform(state) * (greatest - least)
                    if at >= greatest:
                        at = least
                    lower = 0
                    part[:] = 0.0
                    for i in range(begin, end):
                        if features[rows[i], c] <= at:
                            lower += 1
                            for k in range(outputs):
                                part[k] += targets[rows[i], k]
                    explained = 0.0  # beyond the mean of the whole
                    for k in range(outputs):
                        apart = part[k] / lower - (whole[k] - part[k]) / (end - begin - lower)
                        explained += apart * apart
                    explained *= lower * (end - begin - lower)
                    if explained > best:
                        best, chosen, cut = explained, c, at
            column[tree, node] = chosen
            if chosen >= 0:
                i, j = begin, end - 1
                while i <= j:
                    if features[rows[i], chosen] <= cut:
                        i += 1
                    else:
                        rows[i], rows[j] = rows[j], rows[i]
                        j -= 1
                limit[tree, node], left[tree, node] = cut, nodes
                begins[nodes], ends[nodes] = begin, i
                begins[nodes + 1], ends[nodes + 1] = i, end
                nodes += 2
            node += 1


@njit(cache=True)
def _walk(features, column, limit, left, value, told):
    """Fill float64[trees, n, targets] with the leaves that float64[n, columns] come to."""
    for tree in range(len(column)):
        for row in range(len(features)):
            node = 0
            while column[tree, node] >= 0:
                right = features[row, column[tree, node]] > limit[tree, node]
                node = left[tree, node] + (1 if right else 0)
            told[tree, row] = value[tree, node]
