"""Everything that a machine can be asked to run, by name or by file.

    load("resnet50")    load("resnet50:batch=8,sparsity=2:4")    load("net.onnx:batch=4")    load("layers.csv")

A network is a decorated function whose keyword-only arguments, annotated and with defaults, are the arguments of the workload;
every network takes `sparsity` as well, which prunes its weights. Other kinds of work register the same way, with `workload` for
a name and `file_format` for a suffix; what they return needs a `name` and a `digest`, and a machine says in `accepts` which
types it simulates. A package of its own registers by importing its module through the entry points of the group
`cyclescape.workloads`.
"""

from __future__ import annotations

import difflib
import importlib
import os
import re
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, Protocol, TypeVar, runtime_checkable

from ..errors import InputError
from .arguments import Signature
from .graph import Graph
from .sparsity import DENSE, Pattern, Sparsity
from .workload import Workload

__all__ = ["GROUP", "Entry", "Named", "entries", "file_format", "load", "names", "network", "workload"]

GROUP = "cyclescape.workloads"
_BUILT_IN = (
    "networks", "scalesim_csv", "onnx_import", "address_catalog", "program_addresses", "kernels.accelsim", "kernels.library",
    "kernels.compiled", "kernels.own_listing",
)

Builder = TypeVar("Builder", bound=Callable[..., Any])
GraphBuilder = TypeVar("GraphBuilder", bound=Callable[..., Graph])


@runtime_checkable
class Named(Protocol):
    """What every kind of workload has: a name for people, a digest of the work for caches."""

    @property
    def name(self) -> str:
        """How the workload was asked for."""

    @property
    def digest(self) -> str:
        """A digest of the content: equal work has equal digests."""


@dataclass(frozen=True)
class Entry:
    """A named workload, or a kind of file that one can be read from."""

    name: str
    """The name, or for a file format the suffix with its dot."""
    kind: str
    """"network", or whatever a later kind of work calls itself."""
    description: str
    source: str
    """The publication that the shapes come from."""
    build: Callable[..., Any]
    """Called with the workload's name (a file format: the name and the path) and the bound arguments."""
    declared: tuple[Callable[..., Any], ...]
    """The functions whose keyword-only arguments are the workload's arguments."""

    @cached_property
    def signature(self) -> Signature:
        """The arguments."""
        return Signature.of(*self.declared)

    def row(self) -> dict[str, Any]:
        """One row of the table that `cyclescape list workloads` prints; builds nothing."""
        return {
            "name": self.name, "kind": self.kind, "description": self.description, "source": self.source,
            "arguments": [argument.row() for argument in self.signature.arguments.values()],
        }


_LONGEST = 1 << 17
"""Characters of a name with its arguments: what a command line holds in one argument."""

_named: dict[str, Entry] = {}
_formats: dict[str, Entry] = {}


def _every_network(*, sparsity: Sparsity = DENSE) -> None:
    """Declare what every network takes beside its own arguments."""


def network(name: str, description: str, *, source: str) -> Callable[[GraphBuilder], GraphBuilder]:
    """Register a function that returns a `Graph` as a network; its keyword arguments become the workload's."""

    def register(function: GraphBuilder) -> GraphBuilder:
        def build(full_name: str, *, sparsity: Pattern = DENSE, **arguments: Any) -> Workload:
            return function(**arguments).workload(full_name, source).pruned(sparsity)

        _named[_key(name)] = Entry(name, "network", description, source, build, (function, _every_network))
        return function

    return register


def workload(name: str, description: str, *, kind: str, source: str = "") -> Callable[[Builder], Builder]:
    """Register a function (name, **arguments) -> `Named` under a name."""

    def register(function: Builder) -> Builder:
        _named[_key(name)] = Entry(name, kind, description, source, function, (function,))
        return function

    return register


def file_format(suffix: str, description: str, *, kind: str, source: str = "") -> Callable[[Builder], Builder]:
    """Register a function (name, path, **arguments) -> `Named` for files that end in `suffix`."""

    def register(function: Builder) -> Builder:
        _formats[suffix] = Entry(suffix, kind, description, source, function, (function,))
        return function

    return register


def entries(kind: str | None = None) -> tuple[Entry, ...]:
    """Return every named workload, then every file format, each sorted by name."""
    _load_built_in()
    _load_plugins()
    found = (sorted(registry.values(), key=lambda entry: entry.name) for registry in (_named, _formats))
    return tuple(entry for part in found for entry in part if kind is None or entry.kind == kind)


def names() -> tuple[str, ...]:
    """Return the name of every named workload; builds none."""
    return tuple(entry.name for entry in entries() if not entry.name.startswith("."))


def load(spec: str | Path | Named, **arguments: Any) -> Any:
    """Return the workload that a name, `name:key=value,...` or a file stands for.

    A workload is returned as it is. Names are found in any case, with or without "-", "_" and ".".
    Raises `InputError` for a name, a file or an argument that cannot be used, `MissingExtraError` if
    reading the file needs a library that is not installed.
    """
    if not isinstance(spec, str | Path):
        if not isinstance(spec, Named):
            raise InputError(f"workload {spec!r}: expected a name, a path or a workload")
        if arguments:
            raise InputError(f"workload {spec.name!r}: arguments apply to a name or a file, not to a loaded workload")
        return spec
    text = str(spec)
    if len(text) > _LONGEST:
        raise InputError(f"workload {text[:20]!r}...: {len(text)} characters (accepted: a name or path of at most {_LONGEST})")
    target, given = _parse(text)
    if twice := given.keys() & arguments.keys():
        raise InputError(f"{spec}: {min(twice)} is given twice")
    given.update(arguments)
    _load_built_in()
    if "/" not in target and (_key(target) in _named or not _is_file_name(target)):
        entry = _find(target)
        path = None
    else:
        path = Path(target)
        entry = _format_of(path)
    try:
        bound = entry.signature.bind(given)
    except InputError as error:
        raise InputError(f"{target}: {error}") from None
    changed = entry.signature.changed(bound)
    suffix = ":" + ",".join(f"{key}={_text(value)}" for key, value in changed.items()) if changed else ""
    if path is not None:
        return entry.build(path.name + suffix, path, **bound)
    try:
        return entry.build(entry.name + suffix, **bound)
    except InputError as error:
        raise InputError(f"{entry.name}{suffix}: {error}") from None


def _parse(spec: str) -> tuple[str, dict[str, Any]]:
    """Split `target:key=value,...`; a file whose name has a colon is taken as it is, and a value may have one (2:4)."""
    starts = [match.start() for match in re.finditer(r":(?=[^:,=/]*=)", spec)]
    head, colon, tail = (spec[: starts[-1]], ":", spec[starts[-1] + 1 :]) if starts else spec.rpartition(":")
    if not colon or "/" in tail or os.path.exists(spec):
        return spec, {}
    given: dict[str, Any] = {}
    for part in tail.split(",") if tail else []:
        key, equals, value = (text.strip() for text in part.partition("="))
        if not equals or not key or not value:
            raise InputError(f"{spec}: argument {part!r} is not of the form key=value (accepted: {head}:key=value,...)")
        if key in given:
            raise InputError(f"{spec}: {key} is given twice")
        given[key] = value
    return head, given


def _key(name: str) -> str:
    return re.sub(r"[-_. ]", "", name.lower())


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _is_file_name(target: str) -> bool:
    return target != "" and (any(target.lower().endswith(suffix) for suffix in _formats) or os.path.exists(target))


def _find(name: str) -> Entry:
    """Return the entry of a name; looks at plugins only for a name that is not built in."""
    if _key(name) not in _named:
        _load_plugins()
    if entry := _named.get(_key(name)):
        return entry
    if _is_file_name(name):
        return _format_of(Path(name))
    close = difflib.get_close_matches(_key(name)[:100], _named, n=1)
    hint = f"; did you mean {_named[close[0]].name!r}?" if close else ""
    raise InputError(
        f"workload {name!r} is not known{hint} (accepted: {', '.join(sorted(e.name for e in _named.values()))}, "
        f"or a file {', '.join(_formats)})"
    )


def _format_of(path: Path) -> Entry:
    """Return the format with the longest suffix that fits; raises `InputError` if the file is not there."""
    fitting = [suffix for suffix in _formats if path.name.lower().endswith(suffix)]
    if not fitting:
        _load_plugins()
        fitting = [suffix for suffix in _formats if path.name.lower().endswith(suffix)]
    if not os.path.exists(path):
        raise InputError(f"{path}: no such file")
    if not os.path.isfile(path):
        raise InputError(f"{path}: not a file")
    if not fitting:
        raise InputError(f"{path}: kind of file is not known (accepted: {', '.join(_formats)})")
    return _formats[max(fitting, key=len)]


@cache
def _load_built_in() -> None:
    for module in _BUILT_IN:
        importlib.import_module(f".{module}", __package__)


@cache
def _load_plugins() -> None:
    """Import what other packages register; one that fails warns and never breaks anything else."""
    for point in _points():
        try:
            point.load()
        except Exception as error:
            warnings.warn(f"workload plugin {point.name!r} ({point.value}) is broken: {error}", stacklevel=3)


def _points() -> Iterator[Any]:
    yield from entry_points(group=GROUP)
