"""Design files: a design as YAML or TOML, for people to write and to keep."""

from __future__ import annotations

from os import PathLike
from pathlib import Path
from typing import Any

from ..errors import InputError
from ..reading import MOST_YAML, parse_toml, parse_yaml, read_text

__all__ = ["read_design", "read_document"]


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
    return preset, parameters


def read_document(path: str | PathLike[str]) -> dict[str, Any]:
    """Return the top-level table of a YAML or TOML file; raises `InputError` in one line."""
    file = Path(path)
    if file.suffix not in (".yaml", ".yml", ".toml"):
        raise InputError(f"{path}: ends in {file.suffix!r}; accepted: .yaml, .yml, .toml")
    parse = parse_toml if file.suffix == ".toml" else parse_yaml
    document = parse(read_text(file, MOST_YAML), str(path))
    if not isinstance(document, dict):
        raise InputError(f"{path}: holds {type(document).__name__}, not a table of field: value")
    return document
