"""The process that tries cases: one line of JSON each, so that what ends the process is known, too."""

from __future__ import annotations

import json
import os
import resource
import time
import traceback
import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import Any

from cyclescape.errors import CyclescapeError

from .case import Parser, made, placed
from .guards import Growth, Hang, Watch, limit_memory, limited
from .whole import Files

SECONDS = 10.0
MIB = 1024.0
LONGEST = 2500
"""Characters of a message."""


def work(parser: Parser, seed: int, first: int, last: int, folder: Path, say: Callable[[dict[str, Any]], None]) -> None:
    """Try the cases from `first` to `last`, and say what came of each before the next begins."""
    seeds = seeds_of(parser, folder)
    here = (folder / "case").resolve()
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    for warm in range(len(seeds)):  # what is imported and compiled once counts for no case
        main, files, _ = made(parser, seeds, seed, warm)
        placed(here, files, {})
        os.chdir(here)
        parser.read(here / main)
    printed = os.open(folder / "printed", os.O_RDWR | os.O_CREAT | os.O_TRUNC)
    os.dup2(printed, 1)
    os.dup2(printed, 2)
    watch = Watch()
    limit_memory(int(1.5 * MIB * 2**20))
    for number in range(first, last):
        main, files, changes = made(parser, seeds, seed, number)
        placed(here, files, changes)
        os.chdir(here)
        say({"begins": number})
        os.ftruncate(printed, 0)
        say({"case": number, **_try(parser, here / main, here, watch, printed)})


def seeds_of(parser: Parser, folder: Path) -> list[Files]:
    """The valid inputs, made once a run, though the process may be another."""
    kept = folder / "seeds.json"
    if not kept.exists():
        room = folder / "room"
        room.mkdir(parents=True, exist_ok=True)
        listed = [{name: data.decode("latin-1") for name, data in files.items()} for files in parser.seeds(room)]
        kept.write_text(json.dumps(listed))
    return [{name: data.encode("latin-1") for name, data in files.items()} for files in json.loads(kept.read_text())]


def _try(parser: Parser, path: Path, room: Path, watch: Watch, printed: int) -> dict[str, Any]:
    outcome, defects = "accepted", []
    watch.found = []
    start = time.process_time()
    heard: list[Any] = []
    with Growth() as growth:
        try:
            with limited(SECONDS) as heard:
                watch.folder = room
                parser.read(path)
        except CyclescapeError as error:
            outcome = "refused"
            defects += [(what, _place(error)) for what in _wrong(str(error))]
        except Hang as error:
            defects.append((f"hangs: more than {SECONDS:g} s", _place(error)))
        except BaseException as error:
            defects.append((f"{type(error).__name__}: {str(error)[:200]}", _place(error)))
        finally:
            watch.folder = None
    defects += [(f"warns: {w.message}"[:200], f"{Path(w.filename).name}:{w.lineno}") for w in heard]
    defects += [(what, "") for what in watch.found]
    if growth.mib > MIB:
        defects.append((f"grows by {growth.mib:.0f} MiB", ""))
    if os.fstat(printed).st_size:
        defects.append((f"prints: {os.pread(printed, 150, 0).decode(errors='replace')}", ""))
    return {
        "outcome": "defect" if defects else outcome,
        "s": time.process_time() - start,
        "mib": growth.mib,
        "defects": [[_one_line(what), where] for what, where in defects],
    }


def _wrong(message: str) -> list[str]:
    """What is wrong with a message."""
    found = []
    if any(unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp") for character in message):
        found.append(f"a message of more than one line, or with control characters: {message[:150]}")
    if len(message) > LONGEST:
        found.append(f"a message of {len(message)} characters: {message[:100]}")
    if "MemoryError" in message or not message:
        found.append(f"a message that says nothing: {message[:150]}")
    return found


def _place(error: BaseException) -> str:
    """The deepest frame of the package."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = [f for f in frames if "cyclescape" in f.filename and ".venv" not in f.filename and "fuzzing" not in f.filename]
    chosen = (ours or frames)[-1]
    return f"{'/'.join(Path(chosen.filename).parts[-3:])}:{chosen.lineno}"


def _one_line(text: str) -> str:
    return " ".join(text.encode("ascii", "backslashreplace").decode().split())


def speaker(descriptor: int) -> Callable[[dict[str, Any]], None]:
    """What writes lines of JSON to a pipe."""

    def say(what: dict[str, Any]) -> None:
        os.write(descriptor, json.dumps(what).encode() + b"\n")

    return say
