"""A machine made of logged evaluations: it answers for designs that were evaluated, and for no other.

    accelerator "lookup:FILE"             a store or an exported file, with everything it says of the machine
    accelerator "lookup:FILE:nearest=true"  a design that is not there gets the answer of the nearest that is
    evaluator "lookup:FILE"               the same, for whoever asks for the machine by its own name

The space to explore is the values seen of each parameter. The machine itself need not be installed; if it is,
its declaration says which parameters have an order and in which units they are. The settings of an evaluation
carry the digest of the data, so that its answers are never taken for the simulator's.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
from pydantic import Field, create_model

from ..errors import InputError
from .accelerator import Accelerator
from .dataset import Dataset
from .design import Design
from .parameters import Choices, Unit, Values
from .record import canonical, report_of
from .report import Report

if TYPE_CHECKING:
    from .parameters import Parameter

__all__ = ["ENGINE", "PREFIX", "Logged", "LoggedWorkload", "logged"]

PREFIX = "lookup:"
ENGINE = "logged-"
"""How the engine in the settings of such an answer begins."""


@dataclass(frozen=True)
class LoggedWorkload:
    """A workload that is known by what was logged of it: its name and digest."""

    name: str
    digest: str


class Logged(Accelerator):
    """Base of the machines that `logged` makes; a class for each data set, since machines have no state."""

    data: _Logs

    def simulate_many(self, designs: Sequence[Design], workload: Any, *, engine: str = "") -> list[Report]:
        """Return what was logged, else a failed report that says so, or the nearest that was, marked as a surrogate."""
        return [self.data.report(design.model_dump(), workload.digest) for design in designs]

    def check(self, workload: Any, engine: str | None = None) -> str:
        """Raise `InputError` for a workload of which nothing is logged."""
        if workload.digest not in self.data.tables:
            there = ", ".join(self.data.names)
            other = workload.name in self.data.names
            how = "has another digest than the one that was logged" if other else "was not logged"
            raise InputError(f"{self.data.path}: workload {workload.name!r} {how} (accepted: {there})")
        return super().check(workload, None if engine in (None, "compiled") else engine)

    def load(self, spec: str) -> Any:
        """Return a workload by the name it was logged under, with its operators where the catalogue has the same."""
        from ..traces.catalog import load

        digest = self.data.names.get(spec)
        try:
            found = load(spec)
        except Exception:
            if digest is None:
                raise
            return LoggedWorkload(spec, digest)
        return found if digest in (None, found.digest) else LoggedWorkload(spec, str(digest))


@dataclass(frozen=True)
class _Logs:
    """The evaluations of one machine."""

    path: str
    nearest: bool
    parameters: Mapping[str, tuple[Any, ...]]
    """Values seen of each parameter, in order."""
    names: Mapping[str, str]
    """Digests of the workloads, by name."""
    tables: Mapping[str, Mapping[str, Mapping[str, Any]]]
    """Rows by workload digest and design."""
    ordered: frozenset[str]

    def report(self, values: Mapping[str, Any], digest: str) -> Report:
        table = self.tables[digest]
        row = table.get(self.key(values))
        if row is not None:
            return report_of(row)
        workload = next(name for name, known in self.names.items() if known == digest)
        if not self.nearest:
            return Report.failed(f"not in the data: {self.path} has {len(table)} designs on {workload}, and not this one")
        report = report_of(self._near(values, digest))
        report.surrogate = True
        return report

    def key(self, values: Mapping[str, Any]) -> str:
        return canonical([values.get(name) for name in self.parameters])

    def _near(self, values: Mapping[str, Any], digest: str) -> Mapping[str, Any]:
        """The design with the smallest sum of distances: share of the places between, or 1 for another choice."""
        places, rows = self._placed[digest]
        here = np.array([self._place(name, values.get(name)) for name in self.parameters])
        ordered = np.array([name in self.ordered for name in self.parameters])
        last = np.array([max(1, len(listed) - 1) for listed in self.parameters.values()])
        apart = np.abs(places - here)
        return rows[int(np.argmin(np.where(ordered, apart / last, apart > 0).sum(axis=1)))]

    @cached_property
    def _placed(self) -> dict[str, tuple[np.ndarray, list[Mapping[str, Any]]]]:
        found = {}
        for digest, table in self.tables.items():
            rows = list(table.values())
            designs = [json.loads(row["design"]) for row in rows]
            found[digest] = np.array([[self._place(n, d.get(n)) for n in self.parameters] for d in designs]), rows
        return found

    def _place(self, name: str, value: Any) -> int:
        return self.parameters[name].index(value) if value in self.parameters[name] else 0


def logged(spec: str, machine: str | None = None) -> Logged:
    """Make the machine of `FILE` or `FILE:key=value,...` (nearest, machine); raises `InputError`, `StoreError`."""
    path, options = _options(spec)
    data = Dataset.read(path)
    names = list(dict.fromkeys(row["accelerator"] for row in data.rows))
    wanted = options.get("machine", machine)
    if not names:
        raise InputError(f"{path}: no evaluations")
    if wanted is None and len(names) > 1:
        raise InputError(f"{path}: evaluations of several machines; which? (accepted: {path}:machine={'|'.join(names)})")
    name = wanted or names[0]
    if name not in names:
        raise InputError(f"{path}: no evaluations of {name!r} (accepted: {', '.join(names)})")
    return _machine(name, path, [row for row in data.rows if row["accelerator"] == name], options["nearest"])


def _options(spec: str) -> tuple[str, dict[str, Any]]:
    path = spec
    options: dict[str, Any] = {"nearest": False}
    head, colon, tail = spec.rpartition(":")
    if colon and "=" in tail and "/" not in tail:
        path = head
        for part in tail.split(","):
            key, _, value = part.partition("=")
            if key.strip() == "nearest" and value.strip() in ("true", "false"):
                options["nearest"] = value.strip() == "true"
            elif key.strip() == "machine":
                options["machine"] = value.strip()
            else:
                raise InputError(f"lookup {spec!r}: {part!r} (accepted: {path}:nearest=true|false,machine=NAME)")
    if not path:
        raise InputError("lookup: which data? (accepted: lookup:FILE or lookup:DIR, of logged evaluations)")
    return path, options


def _machine(name: str, path: str, rows: Sequence[Mapping[str, Any]], nearest: bool) -> Logged:
    lasting = [row for row in rows if row["retry_above_s"] is None] or list(rows)
    # What breaks a rule may have values of any kind; the parameters are those of designs that were simulated.
    good = [row for row in lasting if row["reason"] is None]
    if not good:
        raise InputError(f"{path}: no design of {name!r} has numbers")
    designs = [json.loads(row["design"]) for row in lasting]
    known = _declared(name)
    seen = {p: _seen([d[p] for d in designs if p in d], known.get(p)) for p in json.loads(good[0]["design"])}
    tables: dict[str, dict[str, Mapping[str, Any]]] = {}
    # Of several evaluations of a design (other settings, another version of the model) the latest is taken, and none
    # that was only predicted where one was simulated.
    for row in sorted(lasting, key=lambda row: (not row["surrogate"], row["created_unix_s"] or 0.0)):
        values = json.loads(row["design"])
        tables.setdefault(row["workload_digest"], {})[canonical([values.get(p) for p in seen])] = row
    ordered = frozenset(p for p, values in seen.items() if _ordered(values, known.get(p)))
    logs = _Logs(path, nearest, seen, {row["workload"]: row["workload_digest"] for row in lasting}, tables, ordered)
    told = hashlib.sha256("\n".join(sorted(row["key"] for row in lasting)).encode()).hexdigest()
    start = _start(json.loads(good[0]["design"]), [json.loads(row["design"]) for row in good], tables, logs, known)
    design = create_model(
        f"Logged{name.title().replace('-', '')}Design", __base__=Design,
        **{p: _field(values, start[p], known.get(p)) for p, values in seen.items()},
    )  # fmt: skip
    design.__doc__ = f"Designs of {name} that were logged in {path}."
    metrics = dict.fromkeys(metric for row in good for metric in json.loads(row["metrics"]))
    body = {
        "__doc__": f"What was logged of {name} in {path}.", "__module__": __name__, "name": name, "design": design,
        "metrics": dict.fromkeys(metrics, "As logged."), "accepts": (object,), "data": logs,
        "default_workload": lasting[0]["workload"], "engines": (f"{ENGINE}{told[:16]}{'-nearest' if nearest else ''}",),
    }  # fmt: skip
    return type("LoggedMachine", (Logged,), body)()


def _declared(name: str) -> Mapping[str, Parameter]:
    """What the machine itself says of its parameters; nothing if it is not installed."""
    from .registry import accelerator

    try:
        return accelerator(name).design.parameters()
    except InputError:
        return {}


def _seen(values: Sequence[Any], known: Parameter | None) -> tuple[Any, ...]:
    """Values in order: as declared, then by size; a choice in the order in which it was logged."""
    found = list({canonical(value): value for value in values}.values())
    if known is not None and known.explored and all(value in known.explored for value in found):
        return tuple(value for value in known.explored if value in found)
    return tuple(sorted(found)) if all(_number(value) for value in found) else tuple(found)


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _ordered(values: Sequence[Any], known: Parameter | None) -> bool:
    return known.ordered and bool(known.explored) if known is not None else all(_number(value) for value in values)


def _field(values: tuple[Any, ...], default: Any, known: Parameter | None) -> Any:
    """The declaration of a parameter: what may be said is what was seen."""
    marks: list[Any] = [Unit(known.unit)] if known is not None and known.unit else []
    if len(values) > 1:
        marks.append(Values(*values) if _ordered(values, known) and all(map(_number, values)) else Choices(*values))
    kind: Any = Literal[values] if all(isinstance(v, str | int | bool | None) for v in values) else Any
    text = known.description if known is not None else "As logged."
    annotation: Any = Annotated[(kind, *marks)] if marks else kind
    return annotation, Field(default, description=text)


def _start(
    first: dict[str, Any], designs: Sequence[dict[str, Any]], tables: Mapping[str, Mapping[str, Any]], logs: _Logs,
    known: Mapping[str, Parameter],
) -> dict[str, Any]:
    """The default: the machine's own default design if it was logged on every workload, else the first that was."""
    everywhere = [d for d in designs if all(logs.key(d) in table for table in tables.values())]
    default = {name: known[name].default if name in known else first[name] for name in first}
    wanted = logs.key(default)
    return next((d for d in everywhere if logs.key(d) == wanted), (everywhere or [first])[0])


