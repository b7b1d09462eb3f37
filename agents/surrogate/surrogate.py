"""The surrogate: what a machine would say of a design, learned from what its simulator said of others.

    samples = read_samples("runs")                       # or draw("systolic", ["resnet18"], 1000)
    surrogate = Surrogate.fit(samples)
    mean, std = surrogate.predict(designs, workload)[:2]
    surrogate.save("systolic.surrogate")

It learns logarithms: of a metric by what the machine's own closed forms say of it (`Accelerator.bounds`), or of the metric
itself where there are none. A metric that the closed form has right in every sample is answered by it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from threadpoolctl import ThreadpoolController, threadpool_limits

from ...arguments import seed_of
from ...errors import InputError
from ...simulator.accelerator import Accelerator
from ...simulator.design import Design
from ...simulator.report import version
from ...simulator.sources import model_digest
from .calibration import NORMAL_90, Scores, scores_of
from .failing import Failing
from .features import Encoder
from .model import Model, choose, folds, left_out, model_class
from .partial import closed_forms, owners, prefix_of
from .samples import Samples
from .sources import answering_digest

__all__ = ["Origin", "Prediction", "Surrogate"]

_DEFAULT = ("time_s", "energy_j", "area_mm2", "mean_latency_s")
"""Metrics that are learned if none are named, as far as the machine has them."""
_PARTIAL = ("cycles",)
"""The same, of those that the beginning of a run tells."""
_EXACT = 1e-9
_SURE = 100
"""A closed form is taken to be right if it is so in that many samples: of ten it may be right by chance."""
_LEAST = 10
_MANY, _PARTS = 2000, 10
"""Of so many designs one in ten is kept, to see how sure the model itself may be; of fewer, models of parts show it."""


class Prediction(NamedTuple):
    """What a surrogate says of designs on one workload. A refused design has nan everywhere."""

    mean: dict[str, np.ndarray]
    """Metric to float64[n], in its unit: exp of the mean logarithm. Of a log-normal that is the median, not the mean, and sums
    of it come out low."""
    std: dict[str, np.ndarray]
    """Deviation of the logarithm times `mean`, hence in the same unit. Not fitted to squared errors: calibrated so that 90 %
    of logarithms lie within 1.645 of it."""
    refused: tuple[str | None, ...]
    """Why there is no answer."""
    notes: tuple[str | None, ...]
    """What lies beyond the training set, or is like designs that failed; such an answer is a guess."""

    def interval(self, metric: str) -> tuple[np.ndarray, np.ndarray]:
        """Return low and high, between which a metric lies with 90 %; an interval of the logarithm."""
        mean = self.mean[metric]
        with np.errstate(over="ignore"):
            factor = np.exp(np.minimum(NORMAL_90 * self.std[metric] / mean, 700.0))
        return mean / factor, mean * factor


@dataclass(frozen=True)
class Origin:
    """What a surrogate was made from."""

    samples: int
    training: str
    """Digest of the training set."""
    model: str
    """Digest of the machine's sources."""
    answering: str
    """Digest of the surrogate's own sources, which say what its columns mean."""
    version: str
    """Version of the package."""
    seed: int
    tried: Mapping[str, float] = field(default_factory=dict)
    """Models that were compared, with their errors."""


@dataclass(frozen=True)
class Surrogate:
    """A learned model of one machine. Frozen; `fit` or `load` makes one."""

    machine: Accelerator
    metrics: tuple[str, ...]
    """What it learned, in the order of the model's targets."""
    exact: Mapping[str, float]
    """Metrics that are the machine's closed form times this."""
    bounded: tuple[bool, ...]
    """Whether a target is the logarithm by the closed form, or of the metric itself."""
    encoder: Encoder
    model: Model
    seen: Scores
    """Calibration for workloads that were in training."""
    new: Scores
    """Calibration for others."""
    origin: Origin
    prefix: float | None = None
    """Share of each run that is simulated before an answer; None: closed forms are asked instead."""
    learned: frozenset[str] = frozenset()
    """Keys of the samples that it learned from; see `Samples.keys`."""
    failing: Failing | None = None
    """What it learned of designs that failed, if any did."""

    @classmethod
    def fit(
        cls, samples: Samples, metrics: Sequence[str] | None = None, *, model: str = "auto", seed: int = 0,
        effort: float = 1.0, prefix: float | None = None, say: Callable[[str], None] = lambda _: None,
    ) -> Surrogate:
        """Learn from samples; raises `InputError` for too few, or a metric that cannot be learned.

        `model` is one of `MODELS`, or "auto" for the best of them on rows (with five workloads or more: on whole workloads)
        left out. `effort` scales the work of training; `say` is told what goes on. With a `prefix`, that share of
        each run is simulated in place of closed forms; see `partial`.
        """
        seed = seed_of(seed)
        if model != "auto":
            model_class(model)
        if len(samples) < _LEAST:
            raise InputError(f"{len(samples)} samples: accepted: at least {_LEAST}")
        prefix = prefix_of(prefix)
        say("closed forms" if prefix is None else "beginnings of the runs")
        bounds = bounds_of(samples, prefix)
        wanted = metrics if prefix is None or metrics else [name for name in _PARTIAL if name in bounds]
        names = _metrics(samples, wanted, say)
        encoder = Encoder.of(samples, bounds, workload_told=prefix is not None)
        _, group = owners(samples, prefix)
        if not encoder.names:
            raise InputError("every sample has the same design and workload: there is nothing to learn")
        target = {name: np.log(samples.metrics[name] / bounds.get(name, 1.0)) for name in names}
        exact = {name: float(np.exp(np.median(y))) for name, y in target.items()
                 if name in bounds and np.ptp(y) < _EXACT and len(samples) >= _SURE}
        learned = tuple(name for name in names if name not in exact)
        if not learned:
            exactly = f"the closed form of {samples.machine.name} is exact"
            raise InputError(f"{', '.join(names)}: {exactly}; there is nothing to learn")
        x = columns_of(encoder, samples, bounds)
        y = np.stack([target[name] for name in learned], axis=1)
        tried: dict[str, float] = {}
        # Products are small: threads would wait for each other, and how many there are must not change a bit.
        with threadpool_limits(1, user_api="blas"):
            if model == "auto":
                model, tried = choose(x, y, group, samples.design, seed=seed, effort=effort, say=say)
            say(f"learning {model}")
            design = samples.design
            held = folds(design, seed=seed, count=_PARTS)[0] if len(np.unique(design)) >= _MANY else np.zeros(0, np.int64)
            rest = np.setdiff1d(np.arange(len(x)), held)
            fitted = model_class(model).fit(x[rest], y[rest], seed=seed, effort=effort)
            say(f"calibrating {model}")
            if len(held):
                mean, deviation = fitted.predict(x[held])
                seen = scores_of(mean - y[held], deviation)
            else:
                seen = _left_out(model, x, y, design, seed=seed, effort=effort)
            new = seen if len(np.unique(group)) == 1 else _left_out(model, x, y, group, seed=seed, effort=effort, design=design)
            failing = Failing.of(samples, encoder, x, prefix=prefix, seed=seed)
        machine = samples.machine
        origin = Origin(len(samples), samples.digest, model_digest(type(machine)), answering_digest(), version(), seed, tried)
        bounded = tuple(name in bounds for name in learned)
        keys = frozenset(samples.keys)
        return cls(machine, learned, exact, bounded, encoder, fitted, seen, new, origin, prefix, keys, failing)

    @property
    def answers(self) -> tuple[str, ...]:
        """Metrics that it predicts."""
        return (*self.metrics, *self.exact)

    @property
    def _estimated(self) -> tuple[str, ...]:
        """Metrics whose closed form is part of the answer."""
        return (*(name for name, by in zip(self.metrics, self.bounded, strict=True) if by), *self.exact)

    def predict(self, designs: Sequence[Design], workload: Any) -> Prediction:
        """Say what the simulator would say; raises `InputError` for a workload that cannot be answered at all."""
        if not designs:
            empty = {name: np.zeros(0) for name in self.answers}
            return Prediction(empty, dict(empty), (), ())
        self.machine.check(workload)
        bounds = closed_forms(self.machine, designs, workload, self.prefix)
        encoded = self.encoder.encode(self.machine, designs, workload, bounds)
        reasons = list(encoded.refused)
        for name in self._estimated:
            if name not in encoded.bounds:
                raise InputError(f"{self.machine.name} gives no closed form of {name}, which the surrogate needs: fit it again")
            values = np.asarray(encoded.bounds[name], float)
            for i in np.flatnonzero(~(np.isfinite(values) & (values > 0))).tolist():
                reasons[i] = reasons[i] or f"the closed form of {name} is {values[i]:g} for this design, no estimate above 0"
        with (
            _blas().limit(limits=1, user_api="blas"),  # so that no bit depends on how many there are
            np.errstate(over="ignore", invalid="ignore"),  # an answer without end is refused
        ):
            logs, deviation = self.model.predict(encoded.columns)
            scores = self.seen if workload.digest in self.encoder.workloads else self.new
            deviation = deviation * (scores.quantile(0.9) / NORMAL_90)
        refused = np.array([reason is not None for reason in reasons])
        mean: dict[str, np.ndarray] = {}
        std: dict[str, np.ndarray] = {}
        for i, name in enumerate(self.metrics):
            scale = encoded.bounds[name] if self.bounded[i] else 1.0
            with np.errstate(over="ignore", invalid="ignore"):
                mean[name] = np.where(refused, np.nan, np.exp(logs[:, i]) * scale)
                std[name] = mean[name] * deviation[:, i]
        for name, factor in self.exact.items():
            mean[name] = np.where(refused, np.nan, encoded.bounds[name] * factor)
            std[name] = np.where(refused, np.nan, 0.0)
        said = [*mean.values(), *std.values()]
        answered = np.all(np.isfinite(said), axis=0) & np.all([values > 0 for values in mean.values()], axis=0)
        for i in np.flatnonzero(~refused & ~answered).tolist():
            reasons[i] = "what the surrogate says is no finite number above 0"
            for values in said:
                values[i] = np.nan
        notes = encoded.notes if self.failing is None else self.failing.notes(encoded)
        return Prediction(mean, std, tuple(reasons), notes)

    def unseen(self, samples: Samples) -> Samples:
        """Return those samples that it did not learn from, whatever store they come from."""
        return samples.take(np.flatnonzero([key not in self.learned for key in samples.keys]))

    def score(self, samples: Samples) -> list[dict[str, Any]]:
        """Compare with those samples that it did not learn from: a row of figures for each metric, see `accuracy`."""
        from .accuracy import score

        return score(self, samples)

    def save(self, path: str | Path) -> Path:
        """Write everything into one file, whole or not at all; raises `InputError` where that cannot be."""
        from .file import save

        return save(self, Path(path))

    @classmethod
    def load(cls, path: str | Path, *, stale: bool = False) -> Surrogate:
        """Read a file; raises `InputError` with the reason for one that is damaged, foreign, or of another simulator.

        `stale` accepts one that was made by other sources than those installed, of the machine or of the surrogate's own.
        """
        from .file import load

        return load(Path(path), stale=stale)


@cache
def _blas() -> ThreadpoolController:
    return ThreadpoolController()


def bounds_of(samples: Samples, prefix: float | None = None) -> dict[str, np.ndarray]:
    """What the machine's closed forms, or the beginnings of the runs, say of every sample."""
    out: dict[str, np.ndarray] = {}
    for workload, rows in samples.by_workload():
        part = closed_forms(samples.machine, [samples.designs[i] for i in rows], workload, prefix)
        for name, values in part.items():
            out.setdefault(name, np.full(len(samples), np.nan))[rows] = values
    if bad := [name for name, values in out.items() if not np.isfinite(values).all()]:
        raise InputError(f"{samples.machine.name}: its closed form of {bad[0]} does not hold for every sample")
    if bad := [name for name, values in out.items() if name in samples.machine.metrics and not (values > 0).all()]:
        raise InputError(f"{samples.machine.name}: its closed form of {bad[0]} is not above 0 for every sample")
    return out


def columns_of(encoder: Encoder, samples: Samples, bounds: Mapping[str, np.ndarray]) -> np.ndarray:
    """float32[n, columns] of samples whose closed forms are known."""
    out = np.empty((len(samples), len(encoder.names)), np.float32)
    for workload, rows in samples.by_workload():
        part = {name: values[rows] for name, values in bounds.items()}
        out[rows] = encoder.encode(samples.machine, [samples.designs[i] for i in rows], workload, part).columns
    return out


def _metrics(samples: Samples, wanted: Sequence[str] | None, say: Callable[[str], None]) -> list[str]:
    there = ", ".join(samples.metrics)
    names = []
    for name in dict.fromkeys(wanted or [name for name in _DEFAULT if name in samples.metrics]):
        if name not in samples.metrics:
            raise InputError(f"metric {name!r} is not in the samples (there are: {there})")
        if reason := samples.no_logarithm(name):
            if wanted:
                raise InputError(f"metric {name}: {reason}, so it has no logarithm to learn")
            say(f"leaving out {name}, {reason}")
        else:
            names.append(name)
    if not names:
        raise InputError(f"none of {', '.join(_DEFAULT)} is above 0 in every sample; name metrics (there are: {there})")
    return names


def _left_out(
    kind: str, x: np.ndarray, y: np.ndarray, owner: np.ndarray, *, seed: int, effort: float, design: np.ndarray | None = None
) -> Scores:
    """Scores of rows whose owners were left out whole; with designs, so were these, and each owner counts the same.

    Of all folds, however many rows there are: models of one kind differ in how sure they say they are, and the one that
    will answer is yet another.
    """
    rows, means, deviations = zip(*left_out(kind, x, y, folds(owner, seed=seed), seed=seed, effort=effort, design=design))
    place = np.concatenate(rows)
    weighed = None if design is None else owner[place]
    return scores_of(np.concatenate(means) - y[place], np.concatenate(deviations), weighed)
