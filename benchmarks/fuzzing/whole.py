"""Mutations of a whole case: what stands in the place of a file."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from random import Random

Files = dict[str, bytes]
Change = Callable[[Path], None]


def _directory(path: Path) -> None:
    path.unlink(missing_ok=True)
    path.mkdir()


def _gone(path: Path) -> None:
    path.unlink(missing_ok=True)


def _link(target: str) -> Change:
    def change(path: Path) -> None:
        path.unlink(missing_ok=True)
        path.symlink_to(target)

    return change


def _pipe(path: Path) -> None:
    path.unlink(missing_ok=True)
    os.mkfifo(path)


def _unreadable(path: Path) -> None:
    path.chmod(0)


PLACES: dict[str, Change] = {
    "a directory": _directory,
    "nothing": _gone,
    "a link to itself": _link("loop"),
    "a link to nothing": _link("not/there"),
    "a link to a directory": _link("/"),
    "a link to an endless file": _link("/dev/zero"),
    "a link to a pipe": _pipe,
    "a file that may not be read": _unreadable,
}
CONTENTS = (
    b"",
    b"\x00",
    b"\x00" * 4096,
    b"\n" * 5000,
    b"\xff\xfe\x00",
    b"\xef\xbb\xbf",
    b"a" * 3_000_000,
    b"a,b,c\n" * 200_000,
    b"PK\x03\x04",
    b"PAR1",
    b"SQLite format 3\x00",
    b"\x93NUMPY",
    b"\x1f\x8b\x08",
    b"%PDF-1.4",
    b"[" * 200_000,
    b"{" * 200_000,
    b'"' * 1001,
    "é".encode("utf-16"),
    b"- " * 100_000,
    b"a: " * 50_000,
    b"(" * 50_000,
    b"\x1b]0;x\x07",
)


def change(rng: Random, files: Files) -> tuple[Files, dict[str, Change]]:
    """Another file in the place of one: empty, of zeros, of another kind, a directory, a link, a pipe, or none at all."""
    name = rng.choice(list(files))
    if rng.random() < 0.5:
        return {**files, name: rng.choice(CONTENTS)}, {}
    kind = rng.choice(list(PLACES))
    return files, {name: PLACES["a directory" if kind == "a link to itself" and "loop" in name else kind]}
