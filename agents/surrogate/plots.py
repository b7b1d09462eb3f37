"""One figure that says how right a surrogate is: parity, errors by workload, calibration, learning curve."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..plots import COLORS, label
from .accuracy import CrossValidation, cross_validate
from .samples import Samples

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from .surrogate import Surrogate

__all__ = ["figure", "learning_curve"]

_POINTS = 2000
_SHARES = (0.1, 0.3, 1.0)


def learning_curve(surrogate: Surrogate, samples: Samples, *, seed: int = 0) -> list[dict[str, Any]]:
    """Errors on a random fifth left out, by the number of samples."""
    rng = np.random.default_rng(seed)
    out = []
    for share in _SHARES:
        count = max(20, int(share * len(samples)))
        if count > len(samples):
            continue
        part = samples.take(np.sort(rng.permutation(len(samples))[:count]))
        try:
            table = cross_validate(surrogate, part, grouped=False, seed=seed, effort=0.3).table()
        except ValueError:  # a part in which nothing varies
            continue
        out += [{"samples": int(0.8 * count), "metric": row["metric"], "mape_percent": row["mape_percent"]} for row in table]
    return out


def figure(found: Sequence[CrossValidation], curve: Sequence[dict[str, Any]]) -> Figure:
    """Draw what `cross_validate` found, the random splits first, and a learning curve."""
    from matplotlib.figure import Figure

    canvas = Figure(figsize=(11, 8.5), layout="constrained")
    parity, workloads, calibration, learning = canvas.subplots(2, 2).ravel()
    last = found[-1]
    pick = np.random.default_rng(0).permutation(len(last.rows))[:_POINTS]
    for i, name in enumerate(last.metrics):
        truth, color = last.truth(i)[pick], COLORS[i % len(COLORS)]
        unit = np.median(truth)
        parity.loglog(truth / unit, last.mean[pick, i] / unit, ".", ms=2.5, color=color, alpha=0.5, label=label(name)[0])
    span = parity.get_xlim()
    parity.loglog(span, span, color="black", lw=0.8)
    parity.set(xlabel="simulated, by the median", ylabel="predicted", title=f"parity ({last.split} left out)")
    parity.legend(frameon=False)

    rows = last.by_workload()
    names = list(dict.fromkeys(row["workload"] for row in rows))
    for i, metric in enumerate(last.metrics):
        values = [row["mape_percent"] for row in rows if row["metric"] == metric]
        wide = 0.8 / len(last.metrics)
        workloads.barh(np.arange(len(names)) + i * wide, values, wide, color=COLORS[i % len(COLORS)])
    workloads.set_yticks(np.arange(len(names)), names, fontsize=7)
    workloads.set(xlabel="mean absolute error, %", title=f"by workload ({last.split} left out)")

    levels = np.linspace(0.05, 0.99, 40)
    for part, style in zip(found, ("-", "--"), strict=False):
        for i, name in enumerate(part.metrics):
            normal = np.abs(np.log(part.truth(i) / part.mean[:, i])) / np.maximum(np.log(part.factor[:, i]), 1e-12)
            reached = [float(np.mean(normal <= level)) for level in levels]
            calibration.plot(levels, reached, style, color=COLORS[i % len(COLORS)], label=f"{label(name)[0]}, {part.split}")
    calibration.axvline(1.0, color="black", lw=0.8)
    calibration.axhline(0.9, color="black", lw=0.8)
    calibration.set(xlabel="width of the interval, by the 90 % one", ylabel="share inside", title="calibration")
    calibration.legend(frameon=False, fontsize=8)

    for i, name in enumerate(last.metrics):
        points = [(row["samples"], row["mape_percent"]) for row in curve if row["metric"] == name]
        if points:
            learning.loglog(*zip(*points, strict=True), "o-", color=COLORS[i % len(COLORS)], label=label(name)[0])
    learning.set(xlabel="samples", ylabel="mean absolute error, %", title="learning curve (random rows left out)")
    return canvas
