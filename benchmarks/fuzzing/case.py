"""A parser under test, and the cases that a seed of chance makes for it."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random

from . import whole
from .whole import Change, Files

Mutator = Callable[[Random, bytes], bytes]


@dataclass(frozen=True)
class Parser:
    """Something that reads what others wrote."""

    name: str
    seeds: Callable[[Path], Sequence[Files]]
    """Valid inputs, made in a folder that is there for it: files by name, of which the first is what is read."""
    read: Callable[[Path], object]
    """Read the first file of a case, and use a little of what it says."""
    mutators: tuple[Mutator, ...]
    """Of which one is taken for each case, those listed twice as often."""
    weight: float = 1.0
    """Its share of all cases, beside 1: less where a case costs more."""
    words: bool = False
    """Whether it reads text of a command line rather than files; the text is in the file."""


def made(parser: Parser, seeds: Sequence[Files], seed: int, number: int) -> tuple[str, Files, dict[str, Change]]:
    """Case `number`: the name of what is read, the files, and what stands in the place of some of them."""
    rng = Random(f"{seed} {parser.name} {number}")
    files = dict(seeds[number % len(seeds)])
    main = next(iter(files))
    if number < len(seeds):  # the seeds themselves come first
        return main, files, {}
    if not parser.words and rng.random() < 0.03:
        return main, *whole.change(rng, files)
    name = main if rng.random() < 0.7 else rng.choice(list(files))
    files[name] = rng.choice(parser.mutators)(rng, files[name])
    return main, files, {}


def placed(folder: Path, files: Files, changes: dict[str, Change]) -> None:
    """Write a case into a folder, which is emptied first."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    for name, change in changes.items():
        change(folder / name)
