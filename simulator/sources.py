"""A digest of the source code behind a machine, so that an edited model never serves stale results."""

from __future__ import annotations

import ast
import hashlib
import importlib.util
import inspect
import os
import sys
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

__all__ = ["files_digest", "model_digest", "model_sources"]


@cache
def model_digest(machine: type) -> str:
    """SHA-256 over every source file that the machine's module imports from its own or this package.

    A machine typed into a notebook counts by its own text; one whose text cannot be found gets a digest
    that no other process shares, so that it is never taken for another.
    """
    if sources := model_sources(machine.__module__):
        return files_digest(sources)
    try:
        return hashlib.sha256(inspect.getsource(machine).encode()).hexdigest()
    except (OSError, TypeError):
        return hashlib.sha256(os.urandom(32)).hexdigest()


def files_digest(sources: Mapping[str, Path]) -> str:
    """SHA-256 over names of modules and their files."""
    digest = hashlib.sha256()
    for name, path in sorted(sources.items()):
        digest.update(name.encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()


def model_sources(module: str, within: str = "") -> dict[str, Path]:
    """Return module names and files that `module` imports, directly or not, within the two packages, or within one."""
    roots = {__name__.partition(".")[0], module.partition(".")[0]}
    found: dict[str, Path] = {}
    pending = [module]
    while pending:
        name = pending.pop()
        if name in found or name.partition(".")[0] not in roots or not f"{name}.".startswith(within):
            continue
        path = _file(name)
        if path is None:
            continue
        found[name] = path
        is_package = path.name == "__init__.py"
        pending += _imports(path, name if is_package else name.rpartition(".")[0])
    return {name: path for name, path in found.items() if name != __name__}


def _file(name: str) -> Path | None:
    module = sys.modules.get(name)
    file = getattr(module, "__file__", None)
    if file is None:
        try:
            spec = importlib.util.find_spec(name)
        except (ImportError, ValueError, AttributeError):
            return None
        file = spec.origin if spec else None
    path = Path(file) if file else None
    return path if path and path.suffix == ".py" and path.exists() else None


def _imports(path: Path, package: str) -> Iterator[str]:
    """Yield absolute names of what a file imports; a name may turn out to be an attribute."""
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parts = package.split(".")
                base = ".".join([*parts[: len(parts) - node.level + 1], *([node.module] if node.module else [])])
            yield base
            yield from (f"{base}.{alias.name}" for alias in node.names)
