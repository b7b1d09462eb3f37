"""What a reader may not do: write outside its folder, start a program, unpickle, run on, grow, print, warn."""

from __future__ import annotations

import os
import resource
import signal
import sys
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

__all__ = ["Growth", "Hang", "Watch", "limited"]

_WRITE = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
_PATHS = {  # events whose so many first arguments are paths that change
    "os.mkdir": 1,
    "os.remove": 1,
    "os.rmdir": 1,
    "os.rename": 2,
    "os.symlink": 2,
    "os.link": 2,
    "os.truncate": 1,
    "os.chmod": 1,
    "os.chown": 1,
    "os.utime": 1,
    "shutil.rmtree": 1,
    "shutil.copyfile": 2,
    "shutil.move": 2,
    "sqlite3.connect": 1,
}
_NEVER = {
    "subprocess.Popen",
    "os.system",
    "os.exec",
    "os.posix_spawn",
    "os.fork",
    "os.forkpty",
    "os.spawn",
    "socket.connect",
    "socket.bind",
    "pickle.find_class",
    "webbrowser.open",
    "ftplib.connect",
    "urllib.Request",
}


class Hang(BaseException):
    """More than the time of a case; no `except Exception` swallows it."""


class Watch:
    """Hears of everything that Python opens, writes and starts, and notes what is outside a folder."""

    def __init__(self) -> None:
        self.folder: Path | None = None
        self.found: list[str] = []
        sys.addaudithook(self._hear)

    def _hear(self, event: str, arguments: tuple[Any, ...]) -> None:
        if self.folder is None:
            return
        if event == "open":
            path, mode, flags = arguments
            writes = (isinstance(mode, str) and set(mode) & set("wax+")) or (isinstance(flags, int) and flags & _WRITE)
            if writes and not isinstance(path, int):
                self._note(event, path)
        elif event in _PATHS:
            for path in arguments[: _PATHS[event]]:
                if not isinstance(path, int):
                    self._note(event, path)
        elif event in _NEVER and not _by_numba(event):
            self.found.append(f"{event} {arguments[:2]!r}"[:200])

    def _note(self, event: str, path: Any) -> None:
        text = os.fsdecode(path) if isinstance(path, bytes | os.PathLike) else str(path)
        if event == "sqlite3.connect" and ("mode=ro" in text or "immutable=1" in text or text == ":memory:"):
            return
        # A file is written where a link leads; what is made, moved or removed is the link itself.
        through = event in ("open", "sqlite3.connect", "os.truncate", "os.chmod", "os.chown", "os.utime", "shutil.copyfile")
        folder, name = os.path.split(os.path.abspath(text))
        place = os.path.realpath(text) if through else os.path.join(os.path.realpath(folder), name)
        allowed = place.startswith(f"{self.folder}{os.sep}") or place == str(self.folder) or place == os.devnull
        if not allowed and "__pycache__" not in place:
            self.found.append(f"{event} of {text!r}, which is outside"[:300])


def _by_numba(event: str) -> bool:
    """Compiled kernels are kept pickled, in the package's own folder."""
    frame = sys._getframe()
    while event == "pickle.find_class" and frame is not None:
        if "numba" in frame.f_code.co_filename:
            return True
        frame = frame.f_back  # type: ignore[assignment]
    return False


class Growth:
    """The largest memory of a stretch of the process, above what it had before, from /proc."""

    def __enter__(self) -> Growth:
        try:
            with open("/proc/self/clear_refs", "w") as file:
                file.write("5")
        except OSError:  # not Linux: nothing is measured
            pass
        self.before, self.mib = _status("VmRSS"), 0.0
        return self

    def __exit__(self, *_: object) -> None:
        self.mib = max(0.0, (_status("VmHWM") - self.before) / 1024)


def _status(name: str) -> int:
    try:
        with open("/proc/self/status") as file:
            return next((int(line.split()[1]) for line in file if line.startswith(f"{name}:")), 0)
    except OSError:
        return 0


def limit_memory(more_bytes: int) -> None:
    """Let the process map so many bytes more than it has now."""
    size = _status("VmSize") * 1024
    if size:
        hard = resource.getrlimit(resource.RLIMIT_AS)[1]
        resource.setrlimit(resource.RLIMIT_AS, (size + more_bytes, hard))


@contextmanager
def limited(seconds: float, blocked: float = 20.0) -> Iterator[list[Any]]:
    """Raise `Hang` after so much CPU time, or so long without any; hand out the list of warnings, which are not printed.

    Time on the wall would blame a case for what else the machine does.
    """
    start = time.process_time()

    def ring(signum: int, _: object) -> None:
        if signum == signal.SIGPROF or time.process_time() - start < blocked / 20:
            raise Hang

    kinds = {signal.SIGPROF: signal.ITIMER_PROF, signal.SIGALRM: signal.ITIMER_REAL}
    before = {number: signal.signal(number, ring) for number in kinds}
    signal.setitimer(signal.ITIMER_PROF, seconds, 1.0)  # again: a `finally` may have eaten the first
    signal.setitimer(signal.ITIMER_REAL, blocked, 5.0)
    try:
        with warnings.catch_warnings(record=True) as heard:
            warnings.simplefilter("always")
            yield heard
    finally:
        for number, timer in kinds.items():
            signal.setitimer(timer, 0)
            signal.signal(number, before[number])
