"""Design files: a design as YAML or TOML, for people to write and to keep."""

from __future__ import annotations

import tomllib
from os import PathLike
from pathlib import Path
from typing import Any

import yaml

from ..errors import InputError

__all__ = ["read_design", "read_document"]

_LARGEST_BYTES = 1 << 20


def read_design(path: str | PathLike[str], accelerator: str) -> tuple[str | None, dict[str, Any]]:
    """Return the preset that a design file names, if any, and its parameters.

        accelerator: systolic
        preset: edge-16x16
        parameters: {rows: 8, dataflow: ws}

    Raises `InputError` that names the file and the field.
    """
    document = read_document(path)
    if unknown := sorted(set(document) - {"accelerator", "preset", "parameters"}):
        raise InputError(f"{path}: {unknown[0]}: unknown field; accepted: accelerator, preset, parameters")
    if document.get("accelerator", accelerator) != accelerator:
        other = document["accelerator"]
        raise InputError(f"{path}: accelerator: this is a design of {other!r}, not of {accelerator!r}")
    parameters = document.get("parameters") or {}
    if not isinstance(parameters, dict):
        raise InputError(f"{path}: parameters: {parameters!r} is not a table of name: value")
    preset = document.get("preset")
    if preset is not None and not isinstance(preset, str):
        raise InputError(f"{path}: preset: {preset!r} is not a name")
    return preset, {str(name): value for name, value in parameters.items()}


def read_document(path: str | PathLike[str]) -> dict[str, Any]:
    """Return the top-level table of a YAML or TOML file; raises `InputError` in one line."""
    file = Path(path)
    if file.suffix not in (".yaml", ".yml", ".toml"):
        raise InputError(f"{path}: ends in {file.suffix!r}; accepted: .yaml, .yml, .toml")
    try:
        if file.stat().st_size > _LARGEST_BYTES:
            raise InputError(f"{path}: is larger than 1 MiB")
        text = file.read_text(encoding="utf-8")
        document = tomllib.loads(text) if file.suffix == ".toml" else yaml.safe_load(text)
    except OSError as error:
        raise InputError(f"{path}: {error.strerror or error}") from None
    except UnicodeDecodeError:
        raise InputError(f"{path}: is not UTF-8 text") from None
    except (yaml.YAMLError, tomllib.TOMLDecodeError, RecursionError) as error:
        raise InputError(f"{path}: {' '.join(str(error).split())}") from None
    if not isinstance(document, dict):
        raise InputError(f"{path}: holds {type(document).__name__}, not a table of field: value")
    return document
