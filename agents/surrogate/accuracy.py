"""How right a surrogate is: figures that flatter, and figures that do not, side by side.

NRMSE is the root of the mean squared error by the range of the metric, which large designs decide; MAPE and the
quantiles of the absolute percentage error count small designs the same; Spearman's is whether designs come in the right
order; coverage is the share of designs within their 90 % interval. Everything in linear units, in per cent.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ...arguments import seed_of
from ...errors import InputError
from .calibration import scores_of
from .features import Encoder
from .model import folds, left_out
from .partial import owners
from .samples import Samples

if TYPE_CHECKING:
    from .surrogate import Surrogate

__all__ = ["FIGURES", "CrossValidation", "cross_validate", "figures", "score"]

_LEAST = 10
FIGURES = ("nrmse_percent", "mape_percent", "median_ape_percent", "p95_ape_percent", "spearman", "coverage_percent")


def figures(truth: np.ndarray, mean: np.ndarray, inside: np.ndarray) -> dict[str, float]:
    """Return the figures for one metric: truths and predictions in its unit, and which lie within their interval."""
    ape = np.abs(mean / truth - 1.0)
    spread = float(np.ptp(truth))
    constant = np.ptp(truth) == 0 or np.ptp(mean) == 0
    spearman = np.nan if constant else float(np.corrcoef(_ranks(truth), _ranks(mean))[0, 1])
    return {
        "nrmse_percent": 100.0 * float(np.sqrt(np.mean((mean - truth) ** 2))) / spread if spread else np.nan,
        "mape_percent": 100.0 * float(ape.mean()), "median_ape_percent": 100.0 * float(np.median(ape)),
        "p95_ape_percent": 100.0 * float(np.quantile(ape, 0.95)), "spearman": spearman,
        "coverage_percent": 100.0 * float(np.mean(inside)),
    }


def _ranks(values: np.ndarray) -> np.ndarray:
    """Ranks, equal values with their mean."""
    _, place, count = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(count)
    return np.asarray((last - (count - 1) / 2.0)[place])


def score(surrogate: Surrogate, samples: Samples) -> list[dict[str, Any]]:
    """A row for each metric: the surrogate's answers on samples.

    Those that it refuses, or learned from, are counted, not judged. Raises `InputError` where a metric is not above 0.
    """
    new = surrogate.unseen(samples)
    known, samples = len(samples) - len(new), new
    for name in surrogate.answers:
        _checked(samples, name)
    truth: dict[str, list[np.ndarray]] = {name: [] for name in surrogate.answers}
    mean: dict[str, list[np.ndarray]] = {name: [] for name in surrogate.answers}
    inside: dict[str, list[np.ndarray]] = {name: [] for name in surrogate.answers}
    refused = flagged = 0
    for workload, rows in samples.by_workload():
        said = surrogate.predict([samples.designs[i] for i in rows], workload)
        kept = np.array([reason is None for reason in said.refused])
        refused += int((~kept).sum())
        flagged += sum(note is not None for note in said.notes)
        for name in surrogate.answers:
            if name in samples.metrics:
                low, high = said.interval(name)
                actual = samples.metrics[name][rows]
                near = np.isclose(actual, said.mean[name], rtol=1e-9, atol=0.0)  # a metric that is exact has no interval
                truth[name].append(actual[kept])
                mean[name].append(said.mean[name][kept])
                inside[name].append(((low <= actual) & (actual <= high) | near)[kept])
    out = []
    for name in surrogate.answers:
        if truth[name] and sum(map(len, truth[name])) > 1:
            parts = (np.concatenate(part[name]) for part in (truth, mean, inside))
            out.append({"split": "model", "metric": name, "rows": sum(map(len, truth[name])), "refused": refused,
                        "flagged": flagged, "learned": known, **figures(*parts)})
    return out


def _checked(samples: Samples, name: str) -> None:
    """Raise `InputError` for a metric without a logarithm: nothing could be said of its errors."""
    if name in samples.metrics and (reason := samples.no_logarithm(name)):
        raise InputError(f"metric {name}: {reason}, so that its errors have no percentage")


class CrossValidation:
    """What models of one kind say of rows that they did not learn from."""

    def __init__(
        self, split: str, metrics: tuple[str, ...], samples: Samples, rows: np.ndarray, mean: np.ndarray, factor: np.ndarray
    ) -> None:
        self.split, self.metrics, self.samples, self.rows = split, metrics, samples, rows
        self.mean = mean
        """float64[rows, metrics], in the units of the metrics."""
        self.factor = factor
        """The same: the 90 % interval is from mean / factor to mean x factor."""

    def truth(self, i: int) -> np.ndarray:
        """The simulator's numbers for metric i."""
        return self.samples.metrics[self.metrics[i]][self.rows]

    def table(self) -> list[dict[str, Any]]:
        """A row of figures for each metric."""
        out = []
        for i, name in enumerate(self.metrics):
            truth, mean, factor = self.truth(i), self.mean[:, i], self.factor[:, i]
            inside = np.abs(np.log(truth / mean)) <= np.log(factor) + 1e-12
            out.append({"split": self.split, "metric": name, "rows": len(truth), **figures(truth, mean, inside)})
        return out

    def by_workload(self) -> list[dict[str, Any]]:
        """A row of figures for each workload and metric."""
        out = []
        group = self.samples.group[self.rows]
        for number in np.unique(group):
            here = group == number
            for i, name in enumerate(self.metrics):
                truth, mean, factor = self.truth(i)[here], self.mean[here, i], self.factor[here, i]
                inside = np.abs(np.log(truth / mean)) <= np.log(factor) + 1e-12
                out.append({"workload": self.samples.workloads[number].name, "metric": name, "rows": int(here.sum()),
                            **figures(truth, mean, inside)})
        return out


def cross_validate(
    surrogate: Surrogate, samples: Samples, *, grouped: bool, seed: int = 0, effort: float = 1.0
) -> CrossValidation:
    """Leave out a fifth of the designs (grouped: of the workloads) at a time, learn from the rest, and say what is left out.

    The kind of model is the surrogate's; its numbers are learned anew. The interval of a row is calibrated on the rows of
    all other folds (grouped: of all other workloads), each left out when it was predicted. Designs that ran several workloads
    are left out with a workload, a third at a time.
    """
    from .surrogate import bounds_of, columns_of

    seed = seed_of(seed)
    if len(samples) < _LEAST:
        raise InputError(f"{len(samples)} samples: accepted: at least {_LEAST} for splits")
    names = tuple(name for name in surrogate.metrics if name in samples.metrics)
    if not names:
        raise InputError(f"the samples have none of {', '.join(surrogate.metrics)}")
    for name in names:
        _checked(samples, name)
    bounds = bounds_of(samples, surrogate.prefix)
    encoder = Encoder.of(samples, bounds, workload_told=surrogate.prefix is not None)
    kind, group = owners(samples, surrogate.prefix)
    if not encoder.names:
        raise InputError("every sample has the same design and workload: there is nothing to split")
    if grouped and len(np.unique(group)) < 2:
        raise InputError(f"every sample is of one {kind}: nothing can be said about others")
    x = columns_of(encoder, samples, bounds)
    scale = np.stack([bounds.get(name, np.ones(len(samples))) for name in names], axis=1)
    y = np.stack([np.log(samples.metrics[name]) for name in names], axis=1) - np.log(scale)
    parts = folds(group if grouped else samples.design, seed=seed)
    mean, deviation, part_of = np.empty_like(y), np.empty_like(y), np.empty(len(y), np.int64)
    known = samples.design if grouped else None
    found = left_out(surrogate.model.name, x, y, parts, seed=seed, effort=effort, design=known)
    for number, (rows, said, spread) in enumerate(found):
        mean[rows], deviation[rows], part_of[rows] = said, spread, number
    owner = group if grouped else part_of
    factor = np.empty_like(y)
    for number in np.unique(owner):
        here = owner == number
        scores = scores_of((mean - y)[~here], deviation[~here], group[~here] if grouped else None)
        factor[here] = np.exp(np.minimum(deviation[here] * scores.quantile(0.9), 700.0))
    split = "workloads" if grouped else "random"
    return CrossValidation(split, names, samples, np.arange(len(y)), np.exp(mean) * scale, factor)
