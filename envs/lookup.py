"""Environments over logged evaluations, with the arguments of the machines' own and `data` before them.

gymnasium.make("cyclescape/Lookup-v0", data="runs/a", workload="resnet18", objective="edp", constraints="area_mm2<=20")

Values of parameters are those that the data has. A design that is not in it is worth -10, and
`info["reason"]` says so; with `data="FILE:nearest=true"` it gets the numbers of the nearest that is, in a report
that is marked as a surrogate's.
"""

from __future__ import annotations

from typing import Any

from ..errors import InputError
from .one_shot import OneShot
from .refine import Refine
from .sequential import Sequential
from .vector import OneShotVector

__all__ = ["one_shot", "refine", "sequential", "vector"]


def one_shot(data: str | None = None, *given: Any, **named: Any) -> OneShot:
    """Whole designs; see `OneShot`."""
    return OneShot(_machine(data), *given, **named)


def sequential(data: str | None = None, *given: Any, **named: Any) -> Sequential:
    """One parameter a step; see `Sequential`."""
    return Sequential(_machine(data), *given, **named)


def refine(data: str | None = None, *given: Any, **named: Any) -> Refine:
    """Moves to a neighbour; see `Refine`."""
    return Refine(_machine(data), *given, **named)


def vector(num_envs: int = 1, data: str | None = None, **named: Any) -> OneShotVector:
    """Many one-shot environments; see `OneShotVector`."""
    return OneShotVector(num_envs, accelerator=_machine(data), **named)


def _machine(data: str | None) -> str:
    if not data:
        raise InputError("Lookup: which data? (accepted: data=FILE or data=DIR, of logged evaluations)")
    return f"lookup:{data}"
