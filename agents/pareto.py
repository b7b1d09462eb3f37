"""Pareto tools: who is on the front, how much a front covers, how far it is from the true one.

All take costs of which less is better, float64[n, k]. Studies hand in log10 of their objectives
(`Outcome.costs`), so that a volume counts decades and no objective outweighs another by its unit.
"""

from __future__ import annotations

import numpy as np

__all__ = ["adrs", "front_of", "hypervolume", "nondominated", "reference_point"]


def nondominated(costs: np.ndarray) -> np.ndarray:
    """bool[n]: rows that no other row beats (not worse anywhere, better somewhere).

    Equal rows do not beat each other. Rows with a number that is not finite are never on the front.
    """
    costs = np.asarray(costs, dtype=float)
    kept = np.isfinite(costs).all(axis=1)
    order = np.flatnonzero(kept)
    # A row can be beaten only by one that comes before it in this order, or by an equal row.
    order = order[np.lexsort(costs[order].T[::-1])]
    if costs.shape[1] == 2:
        first, second = costs[order].T
        least = np.minimum.accumulate(second)
        before = np.concatenate(([np.inf], least[:-1]))
        twin = np.zeros(len(order), dtype=bool)
        twin[1:] = (first[1:] == first[:-1]) & (second[1:] == second[:-1])
        for i, better in enumerate(second < before):
            kept[order[i]] = better or (twin[i] and kept[order[i - 1]])
        return kept
    front = np.empty((0, costs.shape[1]))
    for i in order.tolist():
        beaten = (front <= costs[i]).all(axis=1) & (front < costs[i]).any(axis=1)
        kept[i] = not beaten.any()
        if kept[i]:
            front = np.vstack((front, costs[i]))
    return kept


def front_of(costs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """int[m], int[m]: the front by its first cost, of equal rows the first alone, and how many equal each beside it."""
    costs = np.asarray(costs, dtype=float)
    members = np.flatnonzero(nondominated(costs)) if len(costs) else np.empty(0, dtype=int)
    if not len(members):
        return members, members
    _, first, counts = np.unique(costs[members], axis=0, return_index=True, return_counts=True)
    return members[first], counts - 1


def hypervolume(costs: np.ndarray, reference: np.ndarray) -> float:
    """Volume that the rows dominate, up to the reference point; exact for any number of objectives."""
    costs = np.asarray(costs, dtype=float)
    reference = np.asarray(reference, dtype=float)
    inside = costs[(costs < reference).all(axis=1)]
    if not len(inside):
        return 0.0
    front = np.unique(inside[nondominated(inside)], axis=0)
    return _volume(front, reference)


def _volume(front: np.ndarray, reference: np.ndarray) -> float:
    """Slices along the first objective, each the volume of a front with one objective less."""
    if front.shape[1] == 1:
        return float(reference[0] - front[:, 0].min())
    order = front[np.argsort(front[:, 0], kind="stable")]
    if front.shape[1] == 2:
        heights = np.concatenate(([reference[1]], np.minimum.accumulate(order[:, 1])[:-1])) - order[:, 1]
        return float(np.sum((reference[0] - order[:, 0]) * np.maximum(heights, 0.0)))
    ends = np.append(order[1:, 0], reference[0])
    volume = 0.0
    for i, width in enumerate(ends - order[:, 0]):
        if width > 0:
            volume += float(width) * hypervolume(order[: i + 1, 1:], reference[1:])
    return volume


def reference_point(front: np.ndarray) -> np.ndarray:
    """float64[k]: the worst values of a (true) front plus a tenth of its range, or a tenth if it has none."""
    front = np.asarray(front, dtype=float)
    worst, extent = front.max(axis=0), np.ptp(front, axis=0)
    return np.asarray(worst + 0.1 * np.where(extent > 0, extent, 1.0))


def adrs(front: np.ndarray, true_front: np.ndarray) -> float:
    """Average distance from the reference set, both as log10 costs; 0.05 is "5 % worse on average".

    For each true point the found one whose worst relative excess over it is least, averaged.
    """
    front, true_front = np.asarray(front, dtype=float), np.asarray(true_front, dtype=float)
    if not len(front):
        return float("inf")
    excess = 10.0 ** (front[None, :, :] - true_front[:, None, :]) - 1.0
    return float(np.maximum(excess, 0.0).max(axis=2).min(axis=1).mean())
