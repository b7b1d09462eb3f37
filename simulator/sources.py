"""A digest of the source code behind a machine, so that an edited model never serves stale results."""

from __future__ import annotations

import ast
import hashlib
import importlib.util
import inspect
import os
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

__all__ = ["model_digest", "model_sources"]


@cache
def model_digest(machine: type) -> str:
    """SHA-256 over every source file that the machine's module imports from its own or this package.

    A machine typed into a notebook counts by its own text; one whose text cannot be found gets a digest
    that no other process shares, so that it is never taken for another.
    """
    digest = hashlib.sha256()
    sources = model_sources(machine.__module__)
    for name, path in sorted(sources.items()):
        digest.update(name.encode())
        digest.update(path.read_bytes())
    if not sources:
        try:
            digest.update(inspect.getsource(machine).encode())
        except (OSError, TypeError):
            digest.update(os.urandom(32))
    return digest.hexdigest()


def model_sources(module: str) -> dict[str, Path]:
    """Return module names and files that `module` imports, directly or not, within the two packages."""
    roots = {__name__.partition(".")[0], module.partition(".")[0]}
    found: dict[str, Path] = {}
    pending = [module]
    while pending:
        name = pending.pop()
        if name in found or name.partition(".")[0] not in roots:
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
