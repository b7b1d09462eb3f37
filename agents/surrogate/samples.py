"""What a surrogate learns from: designs, what they ran, and what the simulator said.

Read from a result store, from a table that a store exported, or simulated on the spot.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ...arguments import seed_of, whole_number
from ...errors import DesignError, InputError
from ...simulator.accelerator import Accelerator
from ...simulator.dataset import Dataset
from ...simulator.design import Design
from ...simulator.evaluator import run_batch
from ...simulator.problem import check_values
from ...simulator.registry import accelerator as find
from ...simulator.sources import model_digest
from ...simulator.space import Space
from ...traces.catalog import load

__all__ = ["Samples", "draw", "read_samples"]

_DESIGNS = 5
_TRIES = 50
"""Points drawn for each design that is wanted, before a space is taken to hold too few valid ones."""
_BATCH = 256


@dataclass(frozen=True)
class Samples:
    """Simulated designs of one machine: `designs[i]` ran `workloads[group[i]]`."""

    machine: Accelerator
    designs: tuple[Design, ...]
    workloads: tuple[Any, ...]
    group: np.ndarray
    """int64[n]: which workload."""
    metrics: Mapping[str, np.ndarray]
    """Metric name to float64[n]; nan where a report does not have it."""
    failed: tuple[tuple[Design, Any, str], ...] = ()
    """Designs that failed in simulation, what they ran, and why; no rows of the above."""

    def __len__(self) -> int:
        return len(self.designs)

    def take(self, rows: np.ndarray) -> Samples:
        """Return some of the rows, in the order given; workloads keep their numbers. What failed is kept whole."""
        rows = np.asarray(rows)
        metrics = {name: values[rows] for name, values in self.metrics.items()}
        designs = tuple(self.designs[i] for i in rows)
        return Samples(self.machine, designs, self.workloads, self.group[rows], metrics, self.failed)

    def no_logarithm(self, metric: str) -> str | None:
        """Say why a metric cannot be learned as a logarithm; None where it is a number above 0 in every sample."""
        values = self.metrics[metric]
        if absent := int(np.isnan(values).sum()):
            return f"absent from {absent} of {len(values)} samples"
        wrong = int((~np.isfinite(values) | (values <= 0)).sum())
        return f"not above 0 in {wrong} of {len(values)} samples" if wrong else None

    @property
    def digest(self) -> str:
        """SHA-256 over every design, workload and number."""
        digest = hashlib.sha256(self.machine.name.encode())
        for design, group in zip(self.designs, self.group, strict=True):
            digest.update(f"{design.canonical}{self.workloads[group].digest}".encode())
        for name in sorted(self.metrics):
            digest.update(name.encode() + np.ascontiguousarray(self.metrics[name]).tobytes())
        for failed, workload, reason in self.failed:
            digest.update(f"{failed.canonical}{workload.digest}{reason}".encode())
        return digest.hexdigest()

    @property
    def design(self) -> np.ndarray:
        """int64[n]: which design, from 0; of fewer than five designs each row counts as one."""
        numbers: dict[str, int] = {}
        found = [numbers.setdefault(design.canonical, len(numbers)) for design in self.designs]
        return np.array(found if len(numbers) >= _DESIGNS else range(len(found)), np.int64)

    @property
    def keys(self) -> list[str]:
        """What tells each row from all others, in 16 digits: its design and its workload."""
        said = (f"{design.canonical}{self.workloads[group].digest}" for design, group in zip(self.designs, self.group))
        return [hashlib.sha256(text.encode()).hexdigest()[:16] for text in said]

    def by_workload(self) -> Iterator[tuple[Any, np.ndarray]]:
        """Yield each workload with the rows that ran it."""
        for number, workload in enumerate(self.workloads):
            rows = np.flatnonzero(self.group == number)
            if len(rows):
                yield workload, rows

    @classmethod
    def of(
        cls, machine: Accelerator, rows: Sequence[tuple[Design, Any, Mapping[str, float]]],
        failed: Sequence[tuple[Design, Any, str]] = (),
    ) -> Samples:
        """Gather (design, workload, metrics) triples, and (design, workload, reason); workloads with the same work are one.

        Of several with one design and workload (by two engines, say) the first counts: else what was learned from would be
        there again where it is judged.
        """
        once: dict[tuple[str, str], tuple[Design, Any, Mapping[str, float]]] = {}
        for row in rows:
            once.setdefault((row[0].canonical, row[1].digest), row)
        rows = list(once.values())
        failures = {(row[0].canonical, row[1].digest): row for row in reversed(failed)}
        kept = tuple(row for key, row in reversed(failures.items()) if key not in once)
        numbers: dict[str, int] = {}
        workloads: list[Any] = []
        for _, workload, _ in rows:
            if workload.digest not in numbers:
                numbers[workload.digest] = len(workloads)
                workloads.append(workload)
        names = [name for name in machine.metrics if any(name in metrics for _, _, metrics in rows)]
        table = np.array([[metrics.get(name, np.nan) for name in names] for _, _, metrics in rows], float)
        columns = {name: table[:, i] for i, name in enumerate(names)}
        group = np.array([numbers[workload.digest] for _, workload, _ in rows], np.int64)
        return cls(machine, tuple(design for design, _, _ in rows), tuple(workloads), group, columns, kept)


def draw(
    machine: Accelerator | str, workloads: Sequence[Any], n: int, *, seed: int = 0,
    fixed: Mapping[str, Any] | None = None, values: Mapping[str, Sequence[Any]] | None = None,
) -> Samples:
    """Simulate n designs drawn uniformly from the explored space without repeats, the workloads in turn.

    Designs that break a rule, or cannot run their workload, are drawn anew; the latter are kept as `failed`. Fewer than n come
    from a space that holds no more; raises `InputError` if hardly any can run.
    """
    machine = machine if isinstance(machine, Accelerator) else find(machine)
    n, seed = whole_number("--sample", n), seed_of(seed)
    loaded = [load(workload) for workload in workloads]
    for workload in loaded:
        machine.check(workload)
    space = Space(machine.design, *check_values(machine.design, fixed or {}, values or {}))
    rng = np.random.default_rng(seed)
    rows: list[tuple[Design, Any, Mapping[str, float]]] = []
    failed: list[tuple[Design, Any, str]] = []
    for number, workload in enumerate(loaded):
        wanted = n // len(loaded) + (number < n % len(loaded))
        found, tries, seen = 0, 0, set[str]()
        while found < wanted:
            drawn = _valid(space, rng, min(_BATCH, wanted - found))
            tries += len(drawn)
            batch = list({d.canonical: d for d in drawn if d.canonical not in seen}.values())
            seen |= {d.canonical for d in batch}
            for design, report in zip(batch, run_batch(machine, batch, workload, machine.engines[0]), strict=True):
                if report.ok:
                    rows.append((design, workload, report.metrics))
                    found += 1
                else:
                    failed.append((design, workload, str(report.reason)))
            if tries > _TRIES * wanted and len(seen) < tries / 2 and found:
                break  # hardly anything is new any more
            if tries > _TRIES * wanted:
                raise InputError(f"{machine.name} on {workload.name}: {found} of {tries} designs drawn could run it; too few")
    return Samples.of(machine, rows, failed)


def _valid(space: Space, rng: np.random.Generator, n: int) -> list[Design]:
    designs: list[Design] = []
    for _ in range(_TRIES * n):
        try:
            designs.append(space.design(space.sample(rng, 1)[0]))
        except DesignError:
            continue
        if len(designs) == n:
            return designs
    raise InputError(f"{space.design_class.__name__}: {len(designs)} of {_TRIES * n} points drawn are valid designs; too few")


def read_samples(
    path: str | Path, *, machine: str | None = None, workloads: Sequence[Any] = (), stale: bool = False
) -> Samples:
    """Read what a store, or a table exported from one (.parquet, .csv), holds of one machine.

    Rows that a surrogate answered are left out, and of those without numbers only which designs failed is kept. Workloads are
    found again by name and held to the digest that was stored; `workloads` gives those that have no name here. Raises
    `InputError` for a file that holds several machines (name one), an unknown workload, or rows of another version of the
    model (unless `stale`).
    """
    path = Path(path)
    rows, failures = _simulated(path)
    names = sorted({row["accelerator"] for row in rows})
    if machine is not None:
        machine = find(machine).name
    if not rows or (machine is not None and machine not in names):
        of = f" of {machine}" if machine else ""
        raise InputError(f"{path}: no simulated rows{of} (machines here: {', '.join(names) or 'none'})")
    if machine is None and len(names) > 1:
        raise InputError(f"{path}: holds rows of {', '.join(names)}; say which with --accelerator")
    found = find(machine or names[0])
    rows = [row for row in rows if row["accelerator"] == found.name]
    digest = model_digest(type(found))
    if not stale and (other := sum(row["model"] != digest for row in rows)):
        raise InputError(
            f"{path}: {other} of {len(rows)} rows come from other sources of {found.name} than those installed; "
            "simulate again, or accept them with --stale"
        )
    known = {workload.digest: workload for workload in map(load, workloads)}
    for row in rows:
        if row["workload_digest"] not in known:
            known[row["workload_digest"]] = _workload(path, row)
    triples = [(_design(path, found, row), known[row["workload_digest"]], row["metrics"]) for row in rows]
    failures = [row for row in failures if row["accelerator"] == found.name and (stale or row["model"] == digest)]
    return Samples.of(found, triples, list(_failed(found, failures, known)))


def _simulated(path: Path) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Rows with numbers, and those of failures that last: another time limit would not help."""
    kept = [{**row, "design": json.loads(row["design"]), "metrics": json.loads(row["metrics"])}
            for row in Dataset.read(path).rows if not row["surrogate"]]
    good = [row for row in kept if row["reason"] is None]
    return good, [row for row in kept if row["reason"] is not None and row["retry_above_s"] is None]


def _failed(
    machine: Accelerator, rows: Sequence[Mapping[str, Any]], known: Mapping[str, Any]
) -> Iterator[tuple[Design, Any, str]]:
    """What failed in simulation, of workloads that others ran; what breaks a rule was never simulated."""
    for row in rows:
        try:
            design = machine.design.make(row["design"])
        except DesignError:
            continue
        if row["workload_digest"] in known:
            yield design, known[row["workload_digest"]], str(row["reason"])


def _design(path: Path, machine: Accelerator, row: Mapping[str, Any]) -> Design:
    try:
        return machine.design.make(row["design"])
    except DesignError as error:
        raise InputError(f"{path}: a design of {machine.name}: {error}") from None


def _workload(path: Path, row: Mapping[str, Any]) -> Any:
    name = row["workload"]
    hint = "give it with --workload"
    try:
        workload = load(name)
    except InputError as error:
        raise InputError(f"{path}: workload {name!r} is not found here ({error}); {hint}") from None
    if workload.digest != row["workload_digest"]:
        raise InputError(f"{path}: workload {name!r} is other work today than when it was simulated; {hint}")
    return workload
