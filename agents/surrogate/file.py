"""A surrogate as one file: a zip of JSON, of arrays (npz) and of LightGBM's own text. Data, never code.

The JSON names what the file is, what it was learned from, and the digest of every other part. Nothing is taken from a file
before its digest is right, and nothing in it is unpickled or run.
"""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import InputError
from ...reading import arrays_in, members, parse_json, read_bytes
from ...simulator.accelerator import Accelerator
from ...simulator.files import replaced
from ...simulator.registry import accelerator, accelerator_names
from ...simulator.report import version
from ...simulator.sources import model_digest
from .calibration import Scores
from .features import Encoder
from .model import MODELS
from .partial import prefix_of
from .surrogate import Origin, Surrogate

__all__ = ["SCHEMA", "load", "save"]

SCHEMA = 2
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
    parts = {f"{name}.txt": text.encode() for name, text in texts.items()}
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
    }
    with replaced(path, "a file that can be written") as partial, zipfile.ZipFile(partial, "w", zipfile.ZIP_DEFLATED) as file:
        for name, data in {_HEAD: json.dumps(head, indent=1).encode(), **parts}.items():
            file.writestr(zipfile.ZipInfo(name, _DATE), data, zipfile.ZIP_DEFLATED)
    return path


def load(path: Path, *, stale: bool = False) -> Surrogate:
    """Read a surrogate; see `Surrogate.load`."""
    parts = _parts(path)
    head = _head(path, parts)
    try:
        machine_name, origin = str(head["accelerator"]), Origin(**head["origin"])
        if machine_name not in accelerator_names():
            raise InputError(f"{path}: learned from {machine_name!r}, which is not installed")
        machine = accelerator(machine_name)
        _is_current(path, machine, origin, stale)
        texts = {name.removesuffix(".txt"): data.decode() for name, data in parts.items() if name.endswith(".txt")}
        model = MODELS[head["model"]].from_data(head["values"], _arrays(path, parts), texts)
        metrics = tuple(str(name) for name in head["metrics"])
        surrogate = Surrogate(
            machine, metrics, {str(name): float(factor) for name, factor in head["exact"].items()},
            tuple(bool(flag) for flag in head["bounded"]), Encoder.from_json(head["encoder"]), model,
            Scores.from_json(head["seen"]), Scores.from_json(head["new"]), origin, prefix_of(head.get("prefix")),
            frozenset(str(key) for key in head["learned"]),
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
    if schema != SCHEMA:
        raise InputError(f"{path}: form {schema!r} of the file is not known (accepted: {SCHEMA}); fit it again, or upgrade")
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
    if origin.model != model_digest(type(machine)) and not stale:
        raise InputError(
            f"{path}: learned from other sources of {machine.name} (version {origin.version}, model {origin.model[:12]}) than "
            f"those installed (version {version()}, model {model_digest(type(machine))[:12]}): fit it again, or accept it "
            "with --stale"
        )


def _fits_together(surrogate: Surrogate) -> None:
    """Raise `ValueError` unless columns, targets and calibration have the sizes that each other has."""
    mean, deviation = surrogate.model.predict(np.zeros((3, len(surrogate.encoder.names)), np.float32))
    targets = len(surrogate.metrics)
    sizes = {len(surrogate.bounded), len(surrogate.seen.table), len(surrogate.new.table)}
    shapes = {mean.shape, deviation.shape}
    if sizes != {targets} or shapes != {(3, targets)} or not (np.isfinite(mean).all() and np.isfinite(deviation).all()):
        raise ValueError("its parts do not fit together")
    if not all(0 < factor < np.inf for factor in surrogate.exact.values()):
        raise ValueError("a closed form times nothing")
    for name in surrogate.answers:
        if name not in surrogate.machine.metrics:
            raise ValueError(f"{surrogate.machine.name} has no metric {name}")
    for name in (*surrogate.encoder.fixed, *surrogate.encoder.ordered, *surrogate.encoder.choices):
        if name not in surrogate.machine.design.parameters():
            raise ValueError(f"{surrogate.machine.name} has no parameter {name}")
