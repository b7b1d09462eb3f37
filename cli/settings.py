"""Values of parameters on the command line: `--set rows=64`, `--rows 64` or `--rows=64`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ..errors import InputError

if TYPE_CHECKING:
    from ..simulator.accelerator import Accelerator

__all__ = ["parameter_values"]


def parameter_values(machine: Accelerator, settings: Sequence[str], extra: Sequence[str] = ()) -> dict[str, Any]:
    """Return name to parsed value; raises `InputError` for an unknown name or an unreadable value."""
    pairs = [_pair(text) for text in settings]
    rest = list(extra)
    while rest:
        option = rest.pop(0)
        if not option.startswith("--"):
            raise InputError(f"{option!r}: not understood; accepted: --name value for a parameter of {machine.name}")
        name, given, value = option[2:].partition("=")
        if not given:
            if not rest:
                raise InputError(f"{option}: needs a value")
            value = rest.pop(0)
        pairs.append((name.replace("-", "_"), value))
    known = machine.design.parameters()
    # An unknown name is left as text: `Design.make` refuses it with what is known.
    return {name: known[name].parse(text) if name in known else text for name, text in pairs}


def _pair(text: str) -> tuple[str, str]:
    name, given, value = text.partition("=")
    if not given or not name:
        raise InputError(f"--set {text!r}: accepted: name=value")
    return name.strip(), value.strip()
