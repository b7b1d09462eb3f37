"""Files that are written whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ..errors import InputError

__all__ = ["replaced", "write_whole"]


@contextmanager
def replaced(target: Path) -> Iterator[Path]:
    """Hand out a path beside `target` that takes its place at the end, if nothing went wrong.

    Raises `InputError` where the place cannot be written.
    """
    partial = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        yield partial
        os.replace(partial, target)
    except OSError as error:
        cause = error.strerror or str(error)
        raise InputError(f"{target}: {cause} (accepted: a file in a directory that can be written)") from None
    finally:
        with suppress(OSError):  # where nothing can be written there is nothing to remove
            partial.unlink(missing_ok=True)


def write_whole(target: Path, text: str) -> Path:
    """Write text as UTF-8 and return the path."""
    with replaced(target) as partial:
        partial.write_text(text, encoding="utf-8")
    return target
