"""Arguments that Python hands over as they are: a number or a path of another kind is one line, before anything begins."""

from __future__ import annotations

import operator
import os
from pathlib import Path
from typing import Any

import numpy as np

from .errors import InputError

__all__ = ["MOST_SEED", "no_flag", "path_of", "plain", "seed_of", "whole_number"]

MOST_SEED = 2**63 - 1
"""The largest whole number that a store holds."""
_SHOWN_BITS = 256
"""Python itself refuses to write out numbers of some thousand digits."""


def whole_number(name: str, given: Any, least: int = 1, most: int | None = None) -> int:
    """The whole number, numpy's too; raises `InputError` for any other value, and for true and false."""
    try:
        number = None if isinstance(given, bool) else operator.index(given)
    except TypeError:
        number = None
    if number is None or number < least or (most is not None and number > most):
        accepted = f"of at least {least}" if most is None else f"from {least} to {most}"
        shown = repr(given) if number is None or number.bit_length() <= _SHOWN_BITS else f"({number.bit_length()} bits)"
        raise InputError(f"{name}={shown}: accepted: a whole number {accepted}")
    return number


def seed_of(given: Any, name: str = "seed") -> int:
    """The seed of whatever is drawn at random; raises `InputError`."""
    return whole_number(name, given, 0, MOST_SEED)


def path_of(name: str, given: Any, accepted: str) -> Path:
    """The path; raises `InputError` for what is none."""
    if not isinstance(given, str | os.PathLike) or "\0" in str(given):
        raise InputError(f"{name}={given!r}: accepted: {accepted}")
    return Path(given)


def plain(given: Any) -> Any:
    """A number or an array of numpy's as Python's own, which JSON has a word for."""
    return given.tolist() if isinstance(given, np.generic | np.ndarray) else given


def no_flag(given: Any) -> Any:
    """For fields that are numbers: pydantic would take true and false for 1 and 0."""
    if isinstance(given, bool | np.bool_):
        raise ValueError("accepted: a number, not yes or no")
    return given
