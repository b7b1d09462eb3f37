"""Small files that are there whole or not at all, whoever is killed while writing them."""

from __future__ import annotations

import os
import platform
from pathlib import Path

from .store import StoreError

__all__ = ["write_whole"]


def write_whole(target: Path, text: str) -> None:
    """Write a text file in one step, beside others who may do the same; raises `StoreError`."""
    partial = target.with_name(f".{target.name}.{platform.node()}.{os.getpid()}")
    try:
        partial.write_text(text)
        os.replace(partial, target)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise StoreError(f"{target}: {error.strerror} (accepted: a directory that can be written)") from None
