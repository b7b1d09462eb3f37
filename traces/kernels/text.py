"""Reading the text of a kernel's file."""

from __future__ import annotations

from pathlib import Path

from ...errors import InputError

__all__ = ["read_text"]


def read_text(path: Path, most_bytes: int) -> str:
    """Return the text of a file of at most so many bytes; raises `InputError` in one line."""
    try:
        if path.stat().st_size > most_bytes:
            raise InputError(f"{path}: larger than {most_bytes} bytes")
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: {getattr(error, 'strerror', None) or 'not UTF-8 text'}") from None
