"""Environment ids for every machine, known to Gymnasium as soon as both packages are imported.

Gymnasium has no entry points for environments, and importing it costs more than all of ours; so the ids
are registered at once if it is there, and else right after it has been imported. No machine is imported.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from types import ModuleType
from typing import Any

__all__ = ["FORMS", "register_all", "register_when_imported"]

FORMS: dict[str, dict[str, Any]] = {
    "": {"entry_point": "cyclescape.envs.one_shot:OneShot", "vector_entry_point": "cyclescape.envs.vector:OneShotVector"},
    "Sequential": {"entry_point": "cyclescape.envs.sequential:Sequential"},
    "Refine": {"entry_point": "cyclescape.envs.refine:Refine"},
}
"""Forms of every machine's environment, by what follows the machine in the id; the one-shot form is the plain id."""


LOOKUP: dict[str, dict[str, Any]] = {
    "": {"entry_point": "cyclescape.envs.lookup:one_shot", "vector_entry_point": "cyclescape.envs.lookup:vector"},
    "Sequential": {"entry_point": "cyclescape.envs.lookup:sequential"},
    "Refine": {"entry_point": "cyclescape.envs.lookup:refine"},
}
"""The same forms over logged evaluations: `cyclescape/Lookup-v0`."""


def register_when_imported() -> None:
    """Register every machine's environment now, or when Gymnasium is imported."""
    if "gymnasium.envs.registration" in sys.modules:
        register_all()
    elif not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Finder())


def register_all() -> None:
    """Register every machine that is known by name, and those that are registered later."""
    from ..simulator import registry

    for form, entries in LOOKUP.items():
        _add("lookup", form, {}, entries)
    for name in registry.accelerator_names():
        _register(name)
    registry.on_register(_register)


def _register(name: str) -> None:
    for form, entries in FORMS.items():
        _add(name, form, {"accelerator": name}, entries)


def _add(name: str, form: str, arguments: dict[str, Any], entries: dict[str, Any]) -> None:
    import gymnasium

    from ..simulator.accelerator import env_id

    if (known := env_id(name, form)) in gymnasium.registry:
        return
    try:
        gymnasium.register(known, kwargs=arguments, **entries)
    except gymnasium.error.Error as error:
        warnings.warn(f"accelerator {name!r} has no environment: {error}", stacklevel=2)


class _Finder(MetaPathFinder):
    """Lets the usual finders find Gymnasium, and registers once it is loaded."""

    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        if name != "gymnasium":
            return None
        sys.meta_path.remove(self)
        spec = find_spec(name)
        if spec is not None and spec.loader is not None:
            spec.loader = _Loader(spec.loader)
        return spec


class _Loader(Loader):
    """The module's own loader, and one thing more after it."""

    def __init__(self, own: Loader) -> None:
        self._own = own

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self._own.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        if module.__spec__ is not None:
            module.__spec__.loader = self._own
        module.__loader__ = self._own
        self._own.exec_module(module)
        try:
            register_all()
        except Exception as error:  # whatever ails us must not break somebody's `import gymnasium`
            warnings.warn(f"cyclescape could not register its environments: {error}", stacklevel=2)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._own, name)
