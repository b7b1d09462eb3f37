"""One SQLite file with the whole record of every evaluation: cache, resume file and training set at once.

Rows are keyed by their content (`record.key_of`), so that writing one twice changes nothing, shards merge,
and an edited model never serves stale numbers. A batch is one transaction in write-ahead-log mode: a
process may be killed at any instant, and several may write. After a power cut the last batches may be
missing; the file is never half-written.
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from ..errors import InputError
from .record import COLUMNS, Record, TrialRecord, flatten, report_of
from .report import Report

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["FILE_NAME", "ResultStore", "StoreError", "load"]

FILE_NAME = "store.sqlite"
_APPLICATION_ID = 0x43594353  # "CYCS" in the file's header: tells a store from any other SQLite file
_BUSY_S = 60.0
_CHUNK = 500  # keys in one query; SQLite's smallest usual limit on variables is 999

_EVALUATION_COLUMNS = ", ".join(COLUMNS)
_MIGRATIONS: tuple[tuple[str, ...], ...] = (
    (
        """CREATE TABLE evaluations (
            key TEXT PRIMARY KEY NOT NULL, accelerator TEXT NOT NULL, design TEXT NOT NULL,
            workload TEXT NOT NULL, workload_digest TEXT NOT NULL, settings TEXT NOT NULL,
            model TEXT NOT NULL, metrics TEXT NOT NULL, breakdown TEXT NOT NULL, reason TEXT,
            retry_above_s REAL, surrogate INTEGER NOT NULL,
            version TEXT, engine TEXT, host TEXT, python TEXT, process INTEGER,
            wall_s REAL, created_unix_s REAL)""",
        """CREATE TABLE trials (
            study TEXT NOT NULL, number INTEGER NOT NULL, part INTEGER NOT NULL, key TEXT NOT NULL,
            agent TEXT NOT NULL, seed INTEGER, note TEXT, created_unix_s REAL,
            PRIMARY KEY (study, number, part)) WITHOUT ROWID""",
        "CREATE TABLE studies (study TEXT PRIMARY KEY NOT NULL, asked TEXT NOT NULL, created_unix_s REAL)",
    ),
)
"""Statements that lead from each schema version to the next; an empty file is version 0."""

_UPSERT = f"""INSERT INTO evaluations ({_EVALUATION_COLUMNS}) VALUES ({", ".join("?" * len(COLUMNS))})
    ON CONFLICT(key) DO UPDATE SET {", ".join(f"{name}=excluded.{name}" for name in COLUMNS[1:])}
    WHERE evaluations.retry_above_s IS NOT NULL"""
"""What the model said stays as it is; a failure that may not last gives way to whatever comes later."""


class StoreError(InputError):
    """A store that cannot be opened, read or written; one line with the file and the cause."""


class ResultStore:
    """The store in a directory (`DIR/store.sqlite`) or at a file path; made if it is not there.

    Raises `StoreError` for a place that cannot be written, a file that is no store, and a store of a
    newer version. With `readonly` nothing is made or changed. Use as a context manager, or `close`.
    """

    def __init__(self, path: str | Path, *, readonly: bool = False) -> None:
        self.path = store_path(path)
        self.readonly = readonly
        if readonly and not self.path.is_file():
            raise StoreError(f"{path}: no results here (accepted: a directory with a {FILE_NAME}, or such a file)")
        with self._explained():
            self._db = self._connect()
            try:
                self._prepare()
            except BaseException:
                self._db.close()
                raise

    def _connect(self) -> sqlite3.Connection:
        if not self.readonly:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            return sqlite3.connect(self.path, timeout=_BUSY_S, isolation_level=None)
        # Reading beside a writer needs the log's index file; where the directory is not writable it
        # cannot be made, and then nobody writes here, so that the file may be taken as unchanging.
        log = self.path.with_name(self.path.name + "-wal")
        frozen = not os.access(self.path.parent, os.W_OK) and not log.exists()
        mode = "immutable=1" if frozen else "mode=ro"
        return sqlite3.connect(f"{self.path.resolve().as_uri()}?{mode}", uri=True, timeout=_BUSY_S, isolation_level=None)

    def _prepare(self) -> None:
        version = self._pragma("user_version")
        if self._pragma("application_id") != _APPLICATION_ID:
            if version or self._db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
                raise StoreError(f"{self.path}: an SQLite file, but not a cyclescape store")
            if self.readonly:
                raise StoreError(f"{self.path}: the store is empty")
        if version > len(_MIGRATIONS):
            raise StoreError(
                f"{self.path}: made by a newer cyclescape (store version {version}; this one reads up to "
                f"{len(_MIGRATIONS)}): upgrade with pip install -U cyclescape"
            )
        if self.readonly:
            if version < len(_MIGRATIONS):
                raise StoreError(f"{self.path}: store version {version} must be upgraded: open it once for writing")
            return
        self._use_log()
        self._db.execute("PRAGMA synchronous=NORMAL")
        if version < len(_MIGRATIONS):
            self._migrate()

    def _pragma(self, name: str) -> int:
        return int(self._db.execute(f"PRAGMA {name}").fetchone()[0])

    def _use_log(self) -> None:
        """Switch to the write-ahead log; SQLite does not wait for a lock here, so that we do."""
        end = time.monotonic() + _BUSY_S
        while True:
            try:
                self._db.execute("PRAGMA journal_mode=WAL")
                return
            except sqlite3.OperationalError as error:
                if "locked" not in str(error) or time.monotonic() > end:
                    raise
                time.sleep(0.02)

    def _migrate(self) -> None:
        with self._transaction():
            for version in range(self._pragma("user_version"), len(_MIGRATIONS)):
                for statement in _MIGRATIONS[version]:
                    self._db.execute(statement)
                self._db.execute(f"PRAGMA user_version={version + 1}")
            self._db.execute(f"PRAGMA application_id={_APPLICATION_ID}")

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """Turn what SQLite and the system say into one line that names the file."""
        try:
            yield
        except sqlite3.DatabaseError as error:
            cause = str(error)
            if "full" in cause:
                cause += "; what was written before is safe"
            elif "malformed" in cause or "not a database" in cause:
                cause += f"; move it aside, or save what can be read: sqlite3 {self.path.name} .recover"
            elif "unable to open" in cause or "readonly" in cause:
                cause += " (accepted: a directory that can be written)"
            raise StoreError(f"{self.path}: {cause}") from None
        except OSError as error:
            cause = error.strerror or str(error)
            raise StoreError(f"{self.path}: {cause} (accepted: a directory that can be written)") from None

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._db.execute("COMMIT")
        except BaseException:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            raise

    def put(self, records: Iterable[Record]) -> None:
        """Write evaluations in one transaction; keys that are there already stay as they are."""
        rows = [record.row() for record in records]
        if rows:
            with self._explained(), self._transaction():
                self._db.executemany(_UPSERT, rows)

    def put_trials(self, trials: Iterable[TrialRecord]) -> None:
        """Write who proposed what in one transaction; writing a trial again changes nothing else."""
        with self._explained(), self._transaction():
            self._db.executemany("INSERT OR REPLACE INTO trials VALUES (?, ?, ?, ?, ?, ?, ?, ?)", trials)

    def put_study(self, study: str, asked: str) -> None:
        """Write down what a study was asked for (JSON), under its id."""
        with self._explained(), self._transaction():
            self._db.execute("INSERT OR IGNORE INTO studies VALUES (?, ?, ?)", (study, asked, time.time()))

    def studies(self) -> dict[str, str]:
        """What each study was asked for (JSON), by its id, the oldest first."""
        with self._explained():
            return dict(self._db.execute("SELECT study, asked FROM studies ORDER BY rowid").fetchall())

    def reports(self, keys: Sequence[str]) -> dict[str, Report]:
        """The stored reports among keys; their tables are empty, for a store keeps the numbers only."""
        return {row["key"]: report_of(row) for row in self._among(keys)}

    def designs(self, keys: Sequence[str]) -> dict[str, str]:
        """The stored designs among keys, as JSON."""
        return {row["key"]: row["design"] for row in self._among(keys)}

    def _among(self, keys: Sequence[str]) -> Iterator[dict[str, Any]]:
        for start in range(0, len(keys), _CHUNK):
            chunk = keys[start : start + _CHUNK]
            marks = ", ".join("?" * len(chunk))
            query = f"SELECT {_EVALUATION_COLUMNS} FROM evaluations WHERE key IN ({marks})"
            with self._explained():
                found = self._db.execute(query, chunk).fetchall()
            for row in found:
                yield dict(zip(COLUMNS, row, strict=True))

    def rows(self, *, before: str | None = None) -> Iterator[dict[str, Any]]:
        """Every evaluation as stored (JSON columns as text), in the order in which they came.

        With `before`, an id of a study, those that were made before that study was first asked for, whenever one looks.
        """
        then = "" if before is None else "WHERE created_unix_s < (SELECT created_unix_s FROM studies WHERE study = ?)"
        with self._explained():
            query = f"SELECT {_EVALUATION_COLUMNS} FROM evaluations {then} ORDER BY rowid"
            for row in self._db.execute(query, () if before is None else (before,)):
                yield dict(zip(COLUMNS, row, strict=True))

    def __len__(self) -> int:
        with self._explained():
            return int(self._db.execute("SELECT count(*) FROM evaluations").fetchone()[0])

    def frame(self) -> pd.DataFrame:
        """One row per evaluation: design and metrics as columns of their own, reason, key, provenance.

        A parameter that is called as some metric appears as `design.NAME`.
        """
        return flatten(self.rows())

    def trials(self, study: str | None = None) -> pd.DataFrame:
        """Who proposed what: study, number, part (the workload's position), key, agent, seed, note."""
        import pandas as pd

        names = ["study", "number", "part", "key", "agent", "seed", "note", "created_unix_s"]
        with self._explained():
            rows = self._db.execute(
                "SELECT * FROM trials WHERE study = coalesce(?, study) ORDER BY study, number, part", (study,)
            ).fetchall()
        return pd.DataFrame(rows, columns=names)

    def export(self, path: str | Path) -> Path:
        """Write `frame()` as Parquet (or CSV by the name's ending); whole or not at all."""
        target = Path(path)
        if target.suffix not in (".parquet", ".csv"):
            raise InputError(f"{path}: unknown format {target.suffix!r} (accepted: .parquet, .csv)")
        frame = self.frame()
        partial = target.with_name(f".{target.name}.{os.getpid()}")
        try:
            if target.suffix == ".csv":
                frame.to_csv(partial, index=False)
            else:
                frame.to_parquet(partial, index=False)
            os.replace(partial, target)
        except OSError as error:
            raise StoreError(f"{path}: {error.strerror or error}") from None
        finally:
            partial.unlink(missing_ok=True)
        return target

    def merge(self, other: str | Path) -> int:
        """Take over the rows of another store that are new here; return how many."""
        source = store_path(other)
        if source.resolve() == self.path.resolve():
            raise StoreError(f"{other}: a store cannot be merged with itself")
        with ResultStore(source, readonly=True) as shard:  # says what is wrong with it, if anything
            before = len(self)
            batch: list[tuple[Any, ...]] = []
            with self._explained(), self._transaction():
                for row in shard.rows():
                    batch.append(tuple(row.values()))
                    if len(batch) == 2000:
                        self._db.executemany(_UPSERT, batch)
                        batch.clear()
                self._db.executemany(_UPSERT, batch)
                trials = shard._db.execute("SELECT * FROM trials")
                self._db.executemany("INSERT OR IGNORE INTO trials VALUES (?, ?, ?, ?, ?, ?, ?, ?)", trials)
                studies = shard._db.execute("SELECT * FROM studies ORDER BY rowid")
                self._db.executemany("INSERT OR IGNORE INTO studies VALUES (?, ?, ?)", studies)
            return len(self) - before

    def close(self) -> None:
        """Close the file; the log is folded in."""
        self._db.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def store_path(path: str | Path) -> Path:
    """Return the store's file for a directory or a file path (one that ends in .sqlite or .db)."""
    path = Path(path)
    if path.is_file() or path.suffix in (".sqlite", ".db"):
        return path
    return path / FILE_NAME


def load(path: str | Path) -> pd.DataFrame:
    """Return every evaluation of a store as a DataFrame; raises `StoreError` if there is none."""
    with ResultStore(path, readonly=True) as store:
        return store.frame()
