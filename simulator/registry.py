"""The machines that are there: built-in ones and plugins, found through the same entry points."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import cache
from importlib.metadata import EntryPoint, entry_points

from ..errors import InputError, did_you_mean
from .accelerator import Accelerator
from .design import Design

__all__ = ["GROUP", "accelerator", "accelerator_names", "accelerators", "machine_of", "on_register", "register"]

GROUP = "cyclescape.accelerators"
_registered: dict[str, type[Accelerator]] = {}
_listeners: list[Callable[[str], None]] = []


def register(machine: type[Accelerator]) -> type[Accelerator]:
    """Add a machine from a script or notebook; usable as a decorator. A plugin uses an entry point."""
    _registered[machine.name] = machine
    _load.cache_clear()
    for listener in _listeners:
        listener(machine.name)
    return machine


def on_register(listener: Callable[[str], None]) -> None:
    """Let a listener know the name of every machine that is registered from now on."""
    if listener not in _listeners:
        _listeners.append(listener)


def accelerator_names() -> tuple[str, ...]:
    """Names of every machine, without importing any."""
    return tuple(sorted({*_registered, *(point.name for point in _points())}))


def accelerator(name: str) -> Accelerator:
    """Return the machine of that name, or the only one whose name goes on after it with "-" ("gpu" for "gpu-core").

    "lookup:FILE" is what was logged of one (`lookup`). Raises `InputError` if there is none or its plugin is broken.
    """
    if not isinstance(name, str):
        raise InputError(f"accelerator={name!r}: accepted: a name ({', '.join(accelerator_names())}), or an Accelerator")
    if name.startswith("lookup:"):
        from .lookup import logged

        return logged(name.partition(":")[2])
    machine = _load(name)
    if machine is not None:
        return machine()
    known = accelerator_names()
    longer = [other for other in known if other.startswith(f"{name}-")]
    if name not in known and len(longer) == 1:
        return accelerator(longer[0])
    if name in known:
        raise InputError(f"accelerator {name!r}: its plugin could not be loaded (see the warning)")
    hint = did_you_mean(name, known)
    raise InputError(f"accelerator {name!r} is not known{hint} (accepted: {', '.join(known)})")


def accelerators() -> tuple[Accelerator, ...]:
    """Return every machine that loads, once each, whatever names it goes by; a broken plugin warns."""
    found = (_load(name) for name in accelerator_names())
    return tuple({machine.name: machine() for machine in found if machine is not None}.values())


def machine_of(design: Design) -> Accelerator:
    """Return the machine whose designs are of this class; raises `InputError` if none is."""
    for name in accelerator_names():
        machine = _load(name)
        if machine is not None and machine.design is type(design):
            return machine()
    raise InputError(f"{type(design).__name__} is the design of no known accelerator")


@cache
def _points() -> tuple[EntryPoint, ...]:
    return tuple(entry_points(group=GROUP))


@cache
def _load(name: str) -> type[Accelerator] | None:
    """Import a machine; a plugin that fails to load warns and never breaks anything else."""
    if name in _registered:
        return _registered[name]
    for point in _points():
        if point.name == name:
            try:
                machine = point.load()
                if not (isinstance(machine, type) and issubclass(machine, Accelerator)):
                    raise TypeError(f"{point.value} is not an Accelerator")
            except Exception as error:
                warnings.warn(f"accelerator plugin {name!r} ({point.value}) is broken: {error}", stacklevel=3)
                return None
            return machine
    return None
