"""Whether a store still says what the models say: its file, the keys of all rows, and a sample of rows simulated again."""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..arguments import seed_of, whole_number
from ..errors import InputError, one_line, said
from ..traces.workload import Workload
from .accelerator import Accelerator
from .evaluator import Values, make_evaluator
from .lookup import ENGINE
from .record import canonical, flaw
from .registry import accelerator
from .report import Report
from .sources import model_digest
from .store import ResultStore

__all__ = ["Verification", "Verified", "verify"]

_IDENTITY = ("accelerator", "design", "workload_digest", "settings", "model")
"""Columns whose digest is the key, in this order; see `record.key_of`."""
_DAMAGES = 20


@dataclass(frozen=True)
class Verified:
    """One row of the sample."""

    key: str
    accelerator: str
    workload: str
    design: str
    """JSON."""
    outcome: str
    """"same", "differs", "changed" (the model's sources are others now) or "not run"."""
    note: str = ""
    """What differs, whether other sources gave other numbers, or why it could not be run."""


@dataclass
class Verification:
    """What was found."""

    path: Path
    rows: int = 0
    """Rows of the store."""
    damages: list[str] = field(default_factory=list)
    """What SQLite's integrity check says, and rows whose inputs do not give their key; the first 20."""
    orphans: int = 0
    """Trials whose evaluation is not here: lost in a power cut, or still in another shard."""
    sample: list[Verified] = field(default_factory=list)

    def of(self, outcome: str) -> list[Verified]:
        """The rows with that outcome."""
        return [row for row in self.sample if row.outcome == outcome]

    @property
    def ok(self) -> bool:
        """Whether the file is whole, some row of the sample ran, and all that the same sources made came back bit for bit."""
        return not self.damages and not self.of("differs") and (not self.sample or len(self.of("not run")) < len(self.sample))


def verify(
    path: str | Path,
    *,
    sample: int = 100,
    seed: int = 0,
    evaluator: str = "direct",
    progress: Callable[[int, int], None] | None = None,
) -> Verification:
    """Check a store's file and all keys, and simulate `sample` rows again (0: all), drawn uniformly by `seed`.

    A row of the sample is simulated from its recorded inputs alone, and metrics, breakdown and reason are compared
    exactly. Raises `StoreError` for a file that cannot be read at all, `InputError` for a wrong argument.
    """
    sample, seed = whole_number("sample", sample, 0), seed_of(seed)
    with ResultStore(path, readonly=True) as store:
        found = Verification(store.path)
        chosen = _scan(store, found, sample, seed)
        done = 0
        for rows in _groups(chosen):
            for row in _rerun(store, rows, evaluator):
                found.sample.append(row)
                done += 1
                if progress is not None:
                    progress(done, len(chosen))
    return found


def _scan(store: ResultStore, found: Verification, sample: int, seed: int) -> list[dict[str, Any]]:
    """Read everything once, in the order of keys, which does not depend on the course of events."""
    found.damages += store.integrity()
    found.rows = len(store)
    wanted = range(found.rows) if sample in (0, found.rows) else None
    places = set(random.Random(seed).sample(range(found.rows), min(sample, found.rows)) if wanted is None else wanted)
    chosen = []
    names: dict[tuple[str, str], str] = {}
    for place, row in enumerate(store.rows(by_key=True, damaged=True)):
        what = flaw(row) or _contradiction(row)
        if not what and hashlib.sha256("\n".join(row[name] for name in _IDENTITY).encode()).hexdigest() != row["key"]:
            what = "its inputs do not give this key"
        if what:
            if len(found.damages) < _DAMAGES:
                found.damages.append(one_line(f"row {row['key']}: {what}: they were altered"))
        elif place in places:
            chosen.append(row)
        names.setdefault((row["workload"], row["workload_digest"]), row["key"])
    for (name, digest), key in names.items():
        if what := _misnamed(store, name, digest):
            found.damages.append(one_line(f"row {key}, and others of its workload: {what}: they were altered"))
    del found.damages[_DAMAGES:]
    found.orphans = store.orphans()
    return chosen


def _contradiction(row: Mapping[str, Any]) -> str:
    """What a row says of itself that cannot be, if anything."""
    if row["retry_above_s"] is not None and row["reason"] is None:
        return "it failed for want of time, and has no reason"
    if row["surrogate"] and "surrogate" not in json.loads(row["settings"]) and not _logged(row):
        return "a learned model answered, and its settings name none"
    return ""


def _logged(row: Mapping[str, Any]) -> bool:
    """Whether logged evaluations answered, perhaps with those of the nearest design."""
    return str(json.loads(row["settings"]).get("engine")).startswith(ENGINE)


def _misnamed(store: ResultStore, name: str, digest: str) -> str:
    """What is wrong with a workload's name or record, if anything; a file's name may mean anything."""
    from ..traces.catalog import load

    text = store.workload(digest)
    if text is None:
        return ""
    try:
        recorded = Workload.model_validate_json(text)
    except ValueError as error:
        return f"what is recorded of {name!r} cannot be read: {said(error)}"
    if recorded.digest != digest:
        return f"what is recorded of {name!r} is another network"
    if recorded.name == name:
        return ""
    try:
        return "" if load(name).digest == digest else f"{name!r} is recorded as {recorded.name!r}"
    except InputError:
        return f"{name!r} is recorded as {recorded.name!r}"


def _groups(rows: list[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    """Rows that can run together."""
    groups: dict[tuple[str, ...], list[dict[str, Any]]] = {}
    for row in rows:
        groups.setdefault((row["accelerator"], row["workload_digest"], row["settings"]), []).append(row)
    yield from groups.values()


def _rerun(store: ResultStore, rows: list[dict[str, Any]], evaluator: str) -> Iterator[Verified]:
    first = rows[0]
    if _logged(first):  # the settings of all are the same
        yield from (_verified(row, "not run", "logged evaluations answered, not the simulator") for row in rows)
        return
    try:
        machine = accelerator(first["accelerator"])
        engine = json.loads(first["settings"]).get("engine")
        workload = _workload(store, first["workload"], first["workload_digest"])
        machine.check(workload, engine)
    except InputError as error:
        yield from (_verified(row, "not run", str(error)) for row in rows)
        return
    able = []
    for row in rows:
        if row["surrogate"]:
            yield _verified(row, "not run", "a learned model answered, not the simulator")
        elif row["retry_above_s"] is not None:
            yield _verified(row, "not run", f"no word of the model's: {row['reason']}")
        else:
            able.append(row)
    with make_evaluator(evaluator, machine, engine=engine) as running:
        designs: Iterator[Values] = (json.loads(row["design"]) for row in able)
        for row, report in zip(able, running.stream(designs, workload), strict=True):
            yield _compared(machine, row, report)


def _workload(store: ResultStore, name: str, digest: str) -> Any:
    """The workload as recorded, or by its name; raises `InputError` if that is no longer the same work."""
    text = store.workload(digest)
    if text is not None:
        try:
            workload: Any = Workload.model_validate_json(text)
        except ValueError as error:
            raise InputError(f"workload {name!r}: what is recorded of it cannot be read: {said(error)}") from None
    else:
        from ..traces.catalog import load

        try:
            workload = load(name)
        except InputError as error:
            raise InputError(f"workload {name!r} is not recorded, and not found by its name: {error}") from None
    if workload.digest != digest:
        raise InputError(f"workload {name!r}: what that name means has changed since, and the work itself is not recorded")
    return workload


def _compared(machine: Accelerator, row: Mapping[str, Any], report: Report) -> Verified:
    if report.retry_above_s is not None:
        return _verified(row, "not run", str(report.reason))
    differing = _differences(row, report)
    if row["model"] != model_digest(type(machine)):
        return _verified(row, "changed", f"other numbers now: {differing}" if differing else "the same numbers still")
    return _verified(row, "differs", differing) if differing else _verified(row, "same")


def _differences(row: Mapping[str, Any], report: Report) -> str:
    """What differs, as text; compared are the shortest decimals that give the same bits back."""
    parts = []
    if row["reason"] != report.reason:
        parts.append(f"reason {row['reason']!r} was stored, now {report.reason!r}")
    for column, now in (("metrics", report.metrics), ("breakdown", report.breakdown)):
        stored = json.loads(row[column])
        for name in dict.fromkeys([*stored, *now]):
            was, is_now = canonical(stored.get(name)), canonical(now.get(name))
            if was != is_now:
                parts.append(f"{name} {was} was stored, now {is_now}")
    return "; ".join(parts[:5]) + (f"; and {len(parts) - 5} more" if len(parts) > 5 else "")


def _verified(row: Mapping[str, Any], outcome: str, note: str = "") -> Verified:
    return Verified(row["key"], row["accelerator"], row["workload"], row["design"], outcome, note)
