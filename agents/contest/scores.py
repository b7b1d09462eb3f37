"""What a study is worth, held against the truth; and differences between agents with their intervals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from .studies import Kept, checkpoints
from .truth import Truth

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["BOOTSTRAP", "differences", "interval", "lottery", "luck", "scores", "summary"]

BOOTSTRAP = 4000
"""Resamples behind an interval."""
NEAR = {"to_10pct": 0.10, "to_1pct": 0.01}


def scores(problem: str, truth: Truth, kept: Kept) -> list[dict[str, Any]]:
    """One row for each number of designs at which agents are compared, plain numbers.

    `best_ratio`: the best value by the true one (with several objectives of their geometric mean); `hv_share`:
    share of the true hypervolume; `adrs`: mean worst relative excess over the true front, of a single objective
    the excess over the optimum; `to_10pct`, `to_1pct`: designs until that is at most 0.10 and 0.01 (NaN: not yet);
    `unique_share`: designs that differ in what the model does, by all proposals. A study that ended early
    counts with what it had.
    """
    costs, rows = kept.array, []
    counts = checkpoints(kept.budget)
    distances = truth.distances(costs)
    shares = truth.shares(costs, counts)
    finite = np.isfinite(costs).all(axis=1)
    means = np.where(finite, np.where(np.isfinite(costs), costs, 0.0).mean(axis=1), np.inf)
    for count, share in zip(counts, shares.tolist()):
        n = min(count, len(costs))
        row: dict[str, Any] = {
            "problem": problem, "agent": kept.agent, "spec": kept.spec, "draw": kept.draw, "seed": kept.seed,
            "budget": kept.budget, "designs": count, "tried": n,
            "best_ratio": float(10.0 ** (means[:n].min() - truth.best)) if finite[:n].any() else np.inf,
            "hv_share": share, "adrs": float(distances[n - 1]) if n else np.inf,
        }  # fmt: skip
        for name, near in NEAR.items():
            reached = np.flatnonzero(distances[:n] <= near + 1e-12)
            row[name] = float(reached[0] + 1) if len(reached) else np.nan
        row["feasible_share"] = float(finite[:n].mean()) if n else 0.0
        proposals = n + kept.repeats * n / max(1, len(costs))
        row["unique_share"] = len(set(kept.places[:n])) / proposals if n else 0.0
        spent = kept.agent_cpu_s.get(count, max(kept.agent_cpu_s.values(), default=0.0))
        row["cpu_s_per_suggestion"] = spent / n if n else np.nan
        row["strays"], row["stopped"], row["note"] = kept.strays, kept.stopped, kept.note
        rows.append(row)
    return rows


def summary(frame: pd.DataFrame) -> pd.DataFrame:
    """One row for each problem, agent and number of designs: medians over all draws and seeds, and the spread."""
    rows = []
    for (problem, agent, designs), part in frame.groupby(["problem", "agent", "designs"], sort=True):
        row: dict[str, Any] = {"problem": problem, "agent": agent, "designs": designs, "draws": part["draw"].nunique(),
                               "seeds": part["seed"].nunique(), "studies": len(part)}  # fmt: skip
        for name in ("best_ratio", "adrs", "feasible_share", "unique_share", "cpu_s_per_suggestion"):
            row[name] = float(part[name].median())
        row["hv_share"] = float(part["hv_share"].mean())
        row["hv_share_defaults"] = float(part.loc[part["draw"] == 0, "hv_share"].mean())
        row["hv_share_low"], row["hv_share_high"] = (float(q) for q in part["hv_share"].quantile([0.1, 0.9]))
        for name in NEAR:
            row[f"{name}_share"] = float(part[name].notna().mean())
            # of all studies, those that never came so near at the end
            middle = float(part[name].fillna(np.inf).quantile(0.5, interpolation="higher"))
            row[name] = middle if np.isfinite(middle) else np.nan
        rows.append(row | luck(part))
    import pandas as pd

    return pd.DataFrame(rows)


def luck(part: pd.DataFrame) -> dict[str, float]:
    """How much of `hv_share` is chance: standard deviation over draws (of their means), and over seeds within a draw."""
    by_draw = part.groupby("draw")["hv_share"]
    within = by_draw.std(ddof=1).dropna()
    return {
        "luck_settings": float(by_draw.mean().std(ddof=1)) if by_draw.ngroups > 1 else 0.0,
        "luck_seeds": float(within.mean()) if len(within) else 0.0,
    }


def lottery(frame: pd.DataFrame, designs: int, metric: str = "hv_share") -> dict[str, np.ndarray]:
    """For each agent the metric of each draw, mean over seeds and then over problems: the lottery's tickets."""
    part = frame[frame["designs"] == designs]
    tickets = part.groupby(["agent", "draw", "problem"])[metric].mean().groupby(["agent", "draw"]).mean()
    return {agent: tickets[agent].to_numpy() for agent in tickets.index.get_level_values("agent").unique()}


def interval(
    one: Mapping[tuple[str, int], float], other: Mapping[tuple[str, int], float], *, resamples: int = BOOTSTRAP, seed: int = 0
) -> tuple[float, float, float]:
    """Mean of one minus other with its 95 % interval: (mean, low, high), NaN where they share no (problem, seed).

    Paired: only differences at the same problem and seed count. Seeds are drawn anew, with repeats, within each
    problem; problems weigh alike and stay, for they are no sample of anything.
    """
    shared = sorted(one.keys() & other.keys())
    if not shared:
        return np.nan, np.nan, np.nan
    rng = np.random.default_rng(seed)
    total, means = np.zeros(resamples), []
    problems = list(dict.fromkeys(problem for problem, _ in shared))
    for problem in problems:
        away = np.array([one[pair] - other[pair] for pair in shared if pair[0] == problem])
        means.append(away.mean())
        total += away[rng.integers(0, len(away), size=(resamples, len(away)))].mean(axis=1)
    low, high = np.percentile(total / len(problems), [2.5, 97.5])
    return float(np.mean(means)), float(low), float(high)


def differences(
    frame: pd.DataFrame, designs: int, *, metric: str = "hv_share", defaults: bool = False, agents: Sequence[str] | None = None
) -> pd.DataFrame:
    """Every pair of agents: mean difference of a metric and its interval, by defaults or as the mean over all draws."""
    import pandas as pd

    part = frame[(frame["designs"] == designs) & ((frame["draw"] == 0) | (not defaults))]
    means = part.groupby(["agent", "problem", "seed"])[metric].mean()
    names = agents or list(means.index.get_level_values("agent").unique())
    values = {name: {(str(p), int(s)): float(v) for (p, s), v in means[name].items()} for name in names}
    rows = []
    for one in names:
        for other in names:
            if one != other:
                mean, low, high = interval(values[one], values[other])
                rows.append({"designs": designs, "settings": "defaults" if defaults else "all draws", "metric": metric,
                             "agent": one, "than": other, "difference": mean, "low": low, "high": high,
                             "pairs": len(values[one].keys() & values[other].keys())})  # fmt: skip
    return pd.DataFrame(rows)
