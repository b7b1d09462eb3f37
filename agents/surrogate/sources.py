"""A digest of the sources that an answer goes through: they say what the columns and numbers in a file mean."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path

from ...simulator.sources import files_digest, model_sources

__all__ = ["answering_digest", "answering_sources"]

_APART = {"accuracy", "file"}
"""What judges answers, and the form of a file, which has a number of its own."""


@cache
def answering_digest() -> str:
    """SHA-256 over the modules of this package that `Surrogate` is made of.

    What they import from elsewhere (parameters, workloads, closed forms) is in the digest of the machine's sources.
    """
    found = answering_sources()
    return files_digest(found) if found else os.urandom(32).hex()  # without sources: never taken for another


def answering_sources() -> dict[str, Path]:
    """Names and files of those modules."""
    found = model_sources(f"{__package__}.surrogate", f"{__package__}.")
    return {name: path for name, path in found.items() if name.rpartition(".")[2] not in _APART}
