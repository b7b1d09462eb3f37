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
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from ..arguments import path_of
from ..errors import InputError
from .record import COLUMNS, Record, Row, TrialRecord, flaw, report_of, trial_flaw
from .report import Report
from .schema import APPLICATION_ID, MIGRATIONS, READABLE, SUFFIXES, WITH_NETWORKS, WITH_ORDER, fault

if TYPE_CHECKING:
    import pandas as pd

    from .dataset import Dataset

__all__ = ["FILE_NAME", "ResultStore", "StoreError", "load"]

FILE_NAME = "store.sqlite"
_BUSY_S = 60.0
_CHUNK = 500  # keys in one query; SQLite's smallest usual limit on variables is 999

_EVALUATION_COLUMNS = ", ".join(COLUMNS)
_STUDIES = "SELECT study, asked, created_unix_s FROM studies ORDER BY rowid"
_PUT_STUDIES = "INSERT OR IGNORE INTO studies (study, asked, created_unix_s) VALUES (?, ?, ?)"
_TRIAL_COLUMNS = ", ".join(TrialRecord._fields)

_UPSERT = f"""INSERT INTO evaluations ({_EVALUATION_COLUMNS}) VALUES ({", ".join("?" * len(COLUMNS))})
    ON CONFLICT(key) DO UPDATE SET {", ".join(f"{name}=excluded.{name}" for name in COLUMNS[1:])},
    rowid=(SELECT max(rowid) + 1 FROM evaluations) WHERE evaluations.retry_above_s IS NOT NULL"""
"""What the model said stays as it is; a failure that may not last gives way to whatever comes later, as the last row."""
_OTHER_MODEL = """SELECT 1 FROM trials JOIN evaluations USING (key)
    WHERE trials.study = ? AND evaluations.model <> ? LIMIT 1"""


class StoreError(InputError):
    """A store that cannot be opened, read or written; one line with the file and the cause."""


class ResultStore:
    """The store in a directory (`DIR/store.sqlite`) or at a file path; made if it is not there.

    Raises `StoreError` for a place that cannot be written, a file that is no store, and a store of a
    newer version. With `readonly` nothing is made or changed. Without `log` a rollback journal takes the
    place of the write-ahead log: slower, and fit for network file systems. Use as a context manager, or `close`.
    """

    def __init__(self, path: str | Path, *, readonly: bool = False, log: bool = True) -> None:
        self.path = store_path(path)
        self.readonly, self._log = readonly, log
        self._described: set[str] = set()
        if readonly and not os.path.isfile(self.path):
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
        journal = self.path.with_name(self.path.name + "-journal")
        if journal.exists() and os.access(self.path.parent, os.W_OK):
            # Its writer was killed in the middle of a batch (or is at it): take the half batch back first.
            with sqlite3.connect(self.path, timeout=_BUSY_S) as db:
                db.execute("SELECT count(*) FROM sqlite_master").fetchone()
            db.close()
        # Reading beside a writer needs the log's index file; where the directory is not writable it
        # cannot be made, and then nobody writes here, so that the file may be taken as unchanging.
        log = self.path.with_name(self.path.name + "-wal")
        frozen = not os.access(self.path.parent, os.W_OK) and not log.exists()
        mode = "immutable=1" if frozen else "mode=ro"
        return sqlite3.connect(f"{self.path.resolve().as_uri()}?{mode}", uri=True, timeout=_BUSY_S, isolation_level=None)

    def _prepare(self) -> None:
        version = self._pragma("user_version")
        if self._pragma("application_id") != APPLICATION_ID:
            filled = version or self._db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
            if filled and self._pragma("application_id") == APPLICATION_ID:
                self._prepare()  # somebody else has made it a store in this very moment
                return
            if filled:
                raise StoreError(f"{self.path}: an SQLite file, but not a cyclescape store")
            if self.readonly:
                raise StoreError(f"{self.path}: the store is empty")
        if version > len(MIGRATIONS):
            raise StoreError(
                f"{self.path}: made by a newer cyclescape (store version {version}; this one reads up to "
                f"{len(MIGRATIONS)}): upgrade with pip install -U cyclescape"
            )
        if self.readonly:
            if version < READABLE:
                raise StoreError(f"{self.path}: store version {version} must be upgraded: open it once for writing")
            return
        self._use_log()
        self._db.execute(f"PRAGMA synchronous={'NORMAL' if self._log else 'FULL'}")
        if version < len(MIGRATIONS):
            self._migrate()

    def _pragma(self, name: str) -> int:
        return int(self._db.execute(f"PRAGMA {name}").fetchone()[0])

    def _use_log(self) -> None:
        """Switch to the write-ahead log (or from it); SQLite does not wait for a lock here, so that we do."""
        end = time.monotonic() + _BUSY_S
        while True:
            try:
                self._db.execute(f"PRAGMA journal_mode={'WAL' if self._log else 'DELETE'}")
                return
            except sqlite3.OperationalError as error:
                if "locked" not in str(error) or time.monotonic() > end:
                    raise
                time.sleep(0.02)

    def _migrate(self) -> None:
        with self._transaction():  # another process may have been faster: look again inside
            for version in range(self._pragma("user_version"), len(MIGRATIONS)):
                for statement in MIGRATIONS[version]:
                    self._db.execute(statement)
                self._db.execute(f"PRAGMA user_version={version + 1}")
            self._db.execute(f"PRAGMA application_id={APPLICATION_ID}")

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """Turn what SQLite and the system say into one line that names the file."""
        try:
            yield
        except (sqlite3.DatabaseError, UnicodeDecodeError, OSError) as error:
            raise StoreError(f"{self.path}: {fault(error, self.path)}") from None

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
        rows, workloads = [], {}
        for record in records:
            rows.append(record.row())
            if record.workload.digest not in self._described:
                workloads[record.workload.digest] = record.workload
        if rows:
            texts = [(digest, work.name, work.model_dump_json()) for digest, work in workloads.items() if _has_text(work)]
            with self._explained(), self._transaction():
                self._db.executemany(_UPSERT, rows)
                self._db.executemany("INSERT OR IGNORE INTO workloads VALUES (?, ?, ?)", texts)
            self._described |= workloads.keys()

    def workload(self, digest: str) -> str | None:
        """The operators of a workload as JSON, as `Workload` reads them; None for traces, and rows of older versions."""
        with self._explained():
            if self._pragma("user_version") < WITH_NETWORKS:
                return None
            found = self._db.execute("SELECT operators FROM workloads WHERE digest = ?", (digest,)).fetchone()
        return found and str(found[0])

    def put_trials(self, trials: Iterable[TrialRecord]) -> None:
        """Write who proposed what in one transaction; writing a trial again changes nothing else."""
        with self._explained(), self._transaction():
            self._db.executemany("INSERT OR REPLACE INTO trials VALUES (?, ?, ?, ?, ?, ?, ?, ?)", trials)

    def put_study(self, study: str, asked: str, model: str | None = None) -> None:
        """Write down what a study was asked for (JSON), under its id, and how many evaluations were there then.

        With the digest of a `model`, a study that another one answered begins anew: its trials go, evaluations stay.
        """
        with self._explained(), self._transaction():
            if model is not None and self._db.execute(_OTHER_MODEL, (study, model)).fetchone():
                self._db.execute("DELETE FROM trials WHERE study = ?", (study,))
                self._db.execute("DELETE FROM studies WHERE study = ?", (study,))
            there = "(SELECT coalesce(max(rowid), 0) FROM evaluations)"
            row = (study, asked, time.time())
            self._db.execute(f"INSERT OR IGNORE INTO studies VALUES (?, ?, ?, {there})", row)

    def studies(self) -> dict[str, str]:
        """What each study was asked for (JSON), by its id, the oldest first."""
        with self._explained():
            rows = self._db.execute(_STUDIES).fetchall()
        return {study: asked for study, (asked, _) in self._studies(rows).items()}

    def _studies(self, rows: Iterable[tuple[Any, Any, Any]]) -> dict[str, tuple[str, float | None]]:
        for study, asked, created in rows:
            if not isinstance(study, str) or not isinstance(asked, str) or not isinstance(created, float | None):
                raise StoreError(f"{self.path}: study {study!r}: not text, or no time: it was altered")
        return {study: (asked, created) for study, asked, created in rows}

    def _trials(self, query: str, *given: Any) -> list[TrialRecord]:
        with self._explained():
            found = [TrialRecord._make(row) for row in self._db.execute(f"SELECT {_TRIAL_COLUMNS} FROM trials {query}", given)]
        for trial in found:
            if what := trial_flaw(trial):
                raise StoreError(f"{self.path}: trial {trial[:3]!r}: {what}: it was altered")
        return found

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
                yield self._sound(Row(zip(COLUMNS, row, strict=True)))

    def _sound(self, row: dict[str, Any]) -> dict[str, Any]:
        """The row, if it is one; raises `StoreError`, for a file may have been damaged, or made by somebody else."""
        if what := flaw(row):
            raise StoreError(f"{self.path}: row {row['key']!r}: {what}: it was altered (see `cyclescape verify`)")
        return row

    def rows(
        self, *, by_key: bool = False, before: str | None = None, damaged: bool = False
    ) -> Iterator[dict[str, Any]]:
        """Every evaluation as stored (JSON columns as text), in the order in which they came, or by key.

        Raises `StoreError` for one that cannot be read, unless `damaged` ones are asked for, too.

        With `before`, an id of a study, those that were there when that study was first asked for in this store,
        whenever one looks; none for a study that was taken over from another store.
        """
        order = "key" if by_key else "rowid"
        then = "" if before is None else "WHERE rowid <= (SELECT known FROM studies WHERE study = ?)"
        with self._explained():
            if before is not None and (version := self._pragma("user_version")) < WITH_ORDER:
                raise StoreError(f"{self.path}: store version {version} must be upgraded: open it once for writing")
            query = f"SELECT {_EVALUATION_COLUMNS} FROM evaluations {then} ORDER BY {order}"
            for row in self._db.execute(query, () if before is None else (before,)):
                found = Row(zip(COLUMNS, row, strict=True))
                yield found if damaged else self._sound(found)

    def __len__(self) -> int:
        with self._explained():
            return int(self._db.execute("SELECT count(*) FROM evaluations").fetchone()[0])

    def integrity(self) -> list[str]:
        """What SQLite finds wrong with the file, the first twenty things; nothing if it is whole."""
        with self._explained():
            lines = [str(row[0]) for row in self._db.execute("PRAGMA integrity_check(20)")]
        return [] if lines == ["ok"] else lines

    def orphans(self) -> int:
        """Trials whose evaluation is not here."""
        query = "SELECT count(*) FROM trials WHERE key NOT IN (SELECT key FROM evaluations)"
        with self._explained():
            return int(self._db.execute(query).fetchone()[0])

    def frame(self) -> pd.DataFrame:
        """One row per evaluation: design and metrics as columns of their own, reason, key, who proposed it (`flatten`)."""
        return self.dataset().frame()

    def dataset(self) -> Dataset:
        """Everything in the store, as a value that can be merged and written as one file."""
        from .dataset import Dataset
        from .frames import Proposal, constraints_of

        with self._explained():
            studies = self._studies(self._db.execute(_STUDIES).fetchall())
        limits = {study: constraints_of(asked) for study, (asked, _) in studies.items()}
        proposals: dict[str, list[Proposal]] = {}
        for trial in self._trials("ORDER BY created_unix_s, study, number, part"):
            told = (*trial[:3], *trial[4:], limits.get(trial.study, ()))
            proposals.setdefault(trial.key, []).append(Proposal._make(told))
        networks = {digest: (name, operators) for digest, name, operators in self._networks()}
        return Dataset(list(self.rows()), proposals, studies, networks)

    def _networks(self) -> list[tuple[str, str, str]]:
        """Digest, name and operators of the networks that are recorded: none in stores of the first version."""
        with self._explained():
            if self._pragma("user_version") < WITH_NETWORKS:
                return []
            return self._db.execute("SELECT digest, name, operators FROM workloads").fetchall()

    def trials(self, study: str | None = None) -> pd.DataFrame:
        """Who proposed what: study, number, part (the workload's position), key, agent, seed, note."""
        import pandas as pd

        rows = self._trials("WHERE study = coalesce(?, study) ORDER BY study, number, part", study)
        return pd.DataFrame(rows, columns=list(TrialRecord._fields))

    def export(self, path: str | Path) -> Path:
        """Write everything as one Parquet or CSV file (by the name's ending); whole or not at all."""
        return self.dataset().write(path)

    def merge(self, other: str | Path) -> int:
        """Take over what a store or an exported file has that is new here; return how many evaluations.

        Raises `StoreError`, and takes nothing, where the same key has other numbers in both.
        """
        from .dataset import Dataset

        if os.path.realpath(store_path(other)) == os.path.realpath(self.path):
            raise StoreError(f"{other}: a store cannot be merged with itself")
        source = Path(other)
        if source.suffix in (".parquet", ".csv") and not os.path.isdir(source):
            return self.take(Dataset.read(source), str(other))
        with ResultStore(other, readonly=True) as shard:  # says what is wrong with it, if anything
            trials = shard._trials("")
            with shard._explained():
                told = shard._studies(shard._db.execute(_STUDIES).fetchall())
                studies = [(study, *rest) for study, rest in told.items()]
            return self._take(shard.rows(), trials, studies, shard._networks(), str(other))

    def take(self, data: Dataset, named: str) -> int:
        """Take over a data set in one transaction; `named` is what an error calls it."""
        studies = [(study, *told) for study, told in data.studies.items()]
        networks = [(digest, *told) for digest, told in data.workloads.items()]
        return self._take(iter(data.rows), data.trials(), studies, networks, named)

    def _take(
        self,
        rows: Iterator[dict[str, Any]],
        trials: Iterable[Any],
        studies: Iterable[Any],
        workloads: Iterable[Any],
        named: str,
    ) -> int:
        """Take over what is new, in one transaction and some thousand rows at a time; all or nothing."""
        from .dataset import conflict, refuse

        before = len(self)
        differ: list[str] = []
        with self._explained(), self._transaction():
            while batch := list(islice(rows, 2000)):
                known = {row["key"]: row for row in self._among([row["key"] for row in batch])}
                both = [(known[row["key"]], row) for row in batch if row["key"] in known]
                differ += [f"{named}: {what}" for there, row in both if (what := conflict(there, row))]
                self._db.executemany(_UPSERT, [tuple(row[name] for name in COLUMNS) for row in batch])
            refuse(differ)
            self._db.executemany("INSERT OR IGNORE INTO trials VALUES (?, ?, ?, ?, ?, ?, ?, ?)", trials)
            self._db.executemany(_PUT_STUDIES, studies)
            self._db.executemany("INSERT OR IGNORE INTO workloads VALUES (?, ?, ?)", workloads)
        return len(self) - before

    def close(self) -> None:
        """Close the file; the log is folded in."""
        self._db.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _has_text(workload: Any) -> bool:
    """Whether a workload is a graph of operators, which is small; a trace is known by its name and digest only."""
    return hasattr(workload, "model_dump_json")


def store_path(path: str | Path) -> Path:
    """Return the store's file for a directory or a file path (one that ends in .sqlite or .db)."""
    path = path_of("path", path, f"a folder with a {FILE_NAME}, or such a file")
    if os.path.isfile(path) or path.suffix in SUFFIXES:
        return path
    return path / FILE_NAME


def load(path: str | Path) -> pd.DataFrame:
    """Return every evaluation of a store, or of a file exported from one, as a DataFrame (`flatten`).

    Raises `StoreError` for what is neither.
    """
    from .dataset import Dataset

    return Dataset.read(path).frame()
