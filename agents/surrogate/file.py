"""A surrogate as one file: a zip of JSON, of arrays (npz) and of LightGBM's own text. Data, never code.

The JSON names what the file is, what it was learned from, and the digests of itself and of every other part. Nothing is
taken from a file before its digest is right, and nothing in it is unpickled or run. A digest keeps an edit from being taken
for what was learned, not a forger away: what must fit together is checked besides.
"""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from pydantic import TypeAdapter, ValidationError

from ...errors import InputError, explain
from ...reading import arrays_in, members, parse_json, read_bytes
from ...simulator.accelerator import Accelerator
from ...simulator.files import replaced
from ...simulator.registry import accelerator, accelerator_names
from ...simulator.report import version
from ...simulator.sources import model_digest
from .calibration import Scores
from .failing import Failing
from .features import Encoder
from .model import MODELS
from .partial import prefix_of
from .sources import answering_digest
from .surrogate import Origin, Surrogate

__all__ = ["SCHEMA", "head_digest", "load", "save"]

SCHEMA = 3
_FORMAT = "cyclescape surrogate"
_HEAD = "surrogate.json"
_ARRAYS = "arrays.npz"
_LARGEST = 256 << 20
"""Bytes of all parts, unpacked; the largest that one makes have some 20 MB."""
_DATE = (1980, 1, 1, 0, 0, 0)
"""Equal surrogates are equal files."""


def save(surrogate: Surrogate, path: Path) -> Path:
    """Write a surrogate; raises `InputError` where the file cannot be made."""
    values, arrays, texts = surrogate.model.to_data()
    failing, more = surrogate.failing.to_data() if surrogate.failing else (None, {})
    parts = {f"{name}.txt": text.encode() for name, text in {**texts, **more}.items()}
    if arrays:
        packed = io.BytesIO()
        np.savez(packed, **arrays)  # type: ignore[arg-type]
        parts[_ARRAYS] = packed.getvalue()
    head = {
        "format": _FORMAT, "schema": SCHEMA, "accelerator": surrogate.machine.name, "metrics": surrogate.metrics,
        "exact": surrogate.exact, "bounded": surrogate.bounded, "encoder": surrogate.encoder.to_json(),
        "model": surrogate.model.name,
        "values": values, "seen": surrogate.seen.to_json(), "new": surrogate.new.to_json(), "origin": asdict(surrogate.origin),
        "prefix": surrogate.prefix, "learned": sorted(surrogate.learned),
        "parts": {name: hashlib.sha256(data).hexdigest() for name, data in parts.items()},
        **({"failing": failing} if failing else {}),
    }
    head["digest"] = head_digest(head)
    with replaced(path, "a file that can be written") as partial, zipfile.ZipFile(partial, "w", zipfile.ZIP_DEFLATED) as file:
        for name, data in {_HEAD: json.dumps(head, indent=1).encode(), **parts}.items():
            file.writestr(zipfile.ZipInfo(name, _DATE), data, zipfile.ZIP_DEFLATED)
    return path


def head_digest(head: Mapping[str, Any]) -> str:
    """SHA-256 of a head without its own digest; the order of its tables is that of columns, and counts."""
    rest = {name: value for name, value in head.items() if name != "digest"}
    return hashlib.sha256(json.dumps(rest, separators=(",", ":")).encode()).hexdigest()


def load(path: Path, *, stale: bool = False) -> Surrogate:
    """Read a surrogate; see `Surrogate.load`."""
    parts = _parts(path)
    head = _head(path, parts)
    try:
        machine_name, origin = str(head["accelerator"]), _origin(head["origin"])
        if machine_name not in accelerator_names():
            raise InputError(f"{path}: learned from {machine_name!r}, which is not installed")
        machine = accelerator(machine_name)
        _is_current(path, machine, origin, stale)
        texts = {name.removesuffix(".txt"): data.decode() for name, data in parts.items() if name.endswith(".txt")}
        model = MODELS[head["model"]].from_data(head["values"], _arrays(path, parts), texts)
        metrics = tuple(str(name) for name in head["metrics"])
        encoder = _encoder(machine, head["encoder"])
        surrogate = Surrogate(
            machine, metrics, {str(name): float(factor) for name, factor in head["exact"].items()},
            tuple(bool(flag) for flag in head["bounded"]), encoder, model,
            Scores.from_json(head["seen"]), Scores.from_json(head["new"]), origin, prefix_of(head.get("prefix")),
            frozenset(str(key) for key in head["learned"]), Failing.from_data(head.get("failing"), texts, len(encoder.names)),
        )
        _fits_together(surrogate)
        return surrogate
    except InputError:
        raise
    except (KeyError, TypeError, ValueError, IndexError, AttributeError, OverflowError) as error:
        said = " ".join(str(error).split())
        raise InputError(f"{path}: damaged or not made by this package ({type(error).__name__}: {said})") from None


def _parts(path: Path) -> dict[str, bytes]:
    return members(read_bytes(path, _LARGEST, "a file of `cyclescape surrogate fit`"), str(path), _LARGEST)


def _head(path: Path, parts: dict[str, bytes]) -> dict[str, Any]:
    try:
        head = parse_json(parts[_HEAD], f"{path}: {_HEAD}")
        ours = head["format"] == _FORMAT
        schema, digests = head["schema"], dict(head["parts"])
    except (KeyError, TypeError, ValueError):
        raise InputError(f"{path}: not a surrogate: no {_HEAD} that says so") from None
    if not ours:
        raise InputError(f"{path}: not a surrogate: no {_HEAD} that says so")
    if schema in range(1, SCHEMA):
        why = f"form {schema} of the file is of an older version, and says too little to be trusted (accepted: {SCHEMA})"
        raise InputError(f"{path}: {why}; fit it again")
    if schema != SCHEMA:
        raise InputError(f"{path}: form {schema!r} of the file is not known (accepted: {SCHEMA}); fit it again, or upgrade")
    if head.get("digest") != head_digest(head):
        raise InputError(f"{path}: damaged: {_HEAD} is not what was written; fit it again")
    found = {name: hashlib.sha256(data).hexdigest() for name, data in parts.items() if name != _HEAD}
    if found != digests:
        wrong = next(name for name in sorted({*found, *digests}) if found.get(name) != digests.get(name))
        raise InputError(f"{path}: damaged: {wrong} is not what was written")
    return dict(head)


def _arrays(path: Path, parts: dict[str, bytes]) -> dict[str, np.ndarray]:
    if _ARRAYS not in parts:
        return {}
    found = arrays_in(parts[_ARRAYS], f"{path}: {_ARRAYS}", _LARGEST)
    for name, array in found.items():
        if array.dtype.kind != "f" or not np.isfinite(array).all():
            raise ValueError(f"{name} is not made of finite numbers")
    return found


def _is_current(path: Path, machine: Accelerator, origin: Origin, stale: bool) -> None:
    if stale:
        return
    accept = "fit it again, or accept it with --stale"
    if origin.model != (here := model_digest(type(machine))):
        raise InputError(
            f"{path}: learned from other sources of {machine.name} (version {origin.version}, model {origin.model[:12]}) than "
            f"those installed (version {version()}, model {here[:12]}): {accept}"
        )
    if origin.answering != (here := answering_digest()):
        raise InputError(
            f"{path}: made by other sources of the surrogate (version {origin.version}, {origin.answering[:12]}) than those "
            f"installed (version {version()}, {here[:12]}), to which its columns may mean something else: {accept}"
        )


def _origin(data: Mapping[str, Any]) -> Origin:
    origin = Origin(**data)
    texts = (origin.training, origin.model, origin.answering, origin.version)
    counts, errors = (origin.samples, origin.seed), dict(origin.tried).values()
    if {*map(type, texts)} != {str} or {*map(type, counts)} != {int} or not {*map(type, errors)} <= {int, float}:
        raise ValueError("what it was made from is not said as it should be")
    return origin


def _encoder(machine: Accelerator, data: Mapping[str, Any]) -> Encoder:
    """The columns, with values as designs of the machine have them; raises `ValueError` for what is not of its parameters."""
    encoder = Encoder.from_json(data)
    parameters = machine.design.parameters()
    said = [*encoder.fixed, *encoder.ordered, *encoder.choices]
    for name in said:
        if name not in parameters:
            raise ValueError(f"{machine.name} has no parameter {name}")
        if said.count(name) > 1:
            raise ValueError(f"{name} is said in two ways")
    if missing := [name for name in parameters if name not in said]:
        raise ValueError(f"nothing is said of {missing[0]}")
    for name, (low, high) in {**encoder.ordered, **encoder.regimes, **encoder.work}.items():
        if not -np.inf < low < high < np.inf:
            raise ValueError(f"{name} from {low} to {high} is no range")
    for name, span in encoder.ordered.items():
        if not parameters[name].ordered:
            raise ValueError(f"{name} has no order")
        for value in span:
            _native(machine, name, value)
    choices = {name: tuple(_native(machine, name, value) for value in values) for name, values in encoder.choices.items()}
    for name, values in choices.items():
        if len({*values}) < len(values) or not values:
            raise ValueError(f"{name} has a choice twice, or none")
    fixed = {name: _native(machine, name, value) for name, value in encoder.fixed.items()}
    return replace(encoder, fixed=fixed, choices=choices)


def _native(machine: Accelerator, name: str, value: Any) -> Any:
    """A value as a design has it, as JSON may not (a tuple); raises `ValueError` for one that the parameter does not take."""
    field = machine.design.model_fields[name]
    accepted = machine.design.parameters()[name].valid
    if isinstance(value, bool) and not machine.design.takes_flag(name):
        raise ValueError(f"{name}={value!r} (accepted: {accepted})")
    kind: Any = Annotated[field.annotation, field]
    try:
        return TypeAdapter(kind).validate_python(value)
    except ValidationError as error:
        raise ValueError(f"{name}={value!r}: {explain(error)} (accepted: {accepted})") from None


def _fits_together(surrogate: Surrogate) -> None:
    """Raise `ValueError` unless columns, targets and calibration have the sizes that each other has."""
    mean, deviation = surrogate.model.predict(np.zeros((3, len(surrogate.encoder.names)), np.float32))
    targets = len(surrogate.metrics)
    sizes = {len(surrogate.bounded), len(surrogate.seen.table), len(surrogate.new.table)}
    shapes = {mean.shape, deviation.shape}
    if sizes != {targets} or shapes != {(3, targets)} or not (np.isfinite(mean).all() and np.isfinite(deviation).all()):
        raise ValueError("its parts do not fit together")
    if (deviation < 0).any():
        raise ValueError("a deviation below 0")
    if not all(0 < factor < np.inf for factor in surrogate.exact.values()):
        raise ValueError("a closed form times nothing")
    for name in surrogate.answers:
        if name not in surrogate.machine.metrics:
            raise ValueError(f"{surrogate.machine.name} has no metric {name}")
        if surrogate.answers.count(name) > 1:
            raise ValueError(f"{name} is answered twice")
