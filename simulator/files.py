"""Small files that are there whole or not at all, and locks that end with their process, however that ends."""

from __future__ import annotations

import os
import platform
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from .store import StoreError

try:
    import fcntl
except ImportError:  # not on Windows
    fcntl = None  # type: ignore[assignment]

__all__ = ["only_one", "replaced", "spare_stores", "write_whole"]

_DATABASE = b"SQLite format 3\0"


def spare_stores(target: Path) -> None:
    """Raise `StoreError` for a file that is a store, or the journal of one: nothing else may take its place."""
    for journal in ("", "-wal", "-shm", "-journal"):
        if not target.name.endswith(journal):
            continue
        store = target.with_name(target.name.removesuffix(journal)) if journal else target
        with suppress(OSError):  # what is not there, or not to be read, is no store that could be told
            if store.is_file() and _begin(store) == _DATABASE:
                what = "a store" if store == target else f"of the store {store.name}"
                raise StoreError(f"{target}: is {what} and would be lost (accepted: another name)")


def _begin(file: Path) -> bytes:
    with file.open("rb") as opened:
        return opened.read(len(_DATABASE))


@contextmanager
def replaced(target: Path, accepted: str = "a directory that can be written", *, parents: bool = False) -> Iterator[Path]:
    """Hand out a path beside `target` that takes its place at the end, if nothing went wrong.

    Others may do the same at once, in this process too. With `parents` missing folders are made. Raises `StoreError`,
    which says what is `accepted`, where the place cannot be written, and for a store.
    """
    if not target.name:
        raise StoreError(f"{target}: is a folder (accepted: a file in a directory that can be written)")
    spare_stores(target)
    partial = target.with_name(f".{target.name}.{platform.node()}.{os.getpid()}.{threading.get_ident()}")
    try:
        if parents:
            target.parent.mkdir(parents=True, exist_ok=True)
        yield partial
        os.replace(partial, target)
    except OSError as error:
        raise StoreError(f"{target}: {error.strerror or error} (accepted: {accepted})") from None
    finally:
        with suppress(OSError):  # where nothing can be written there is nothing to remove
            partial.unlink(missing_ok=True)


def write_whole(target: Path, text: str, *, parents: bool = False) -> Path:
    """Write text as UTF-8 in one step and return the path; see `replaced`."""
    with replaced(target, parents=parents) as partial:
        partial.write_text(text, encoding="utf-8")
    return target


@contextmanager
def only_one(path: Path, what: str) -> Iterator[None]:
    """Hold a lock as long as the block runs; raises `StoreError` if another process holds it, saying who that is.

    The system releases it when the process ends, however it ends; the file stays, and means nothing by itself.
    """
    if fcntl is None:
        yield
        return
    try:
        file = path.open("a+")
    except OSError as error:
        raise StoreError(f"{path}: {error.strerror} (accepted: a directory that can be written)") from None
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            holder = " ".join(file.read(200).split()) or "another process"
            raise StoreError(f"{what} is running already: {holder}") from None
        except OSError:  # a file system without locks
            yield
            return
        file.truncate(0)
        file.write(f"process {os.getpid()} on {platform.node()}\n")
        file.flush()
        yield
