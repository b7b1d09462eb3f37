"""The tables of a store, what leads from each version of them to the next, and what SQLite's complaints mean.

Rows of `evaluations` are never deleted, so that their rowids say in which order they came. They stay what they are in
a VACUUM, since the table has an index.
"""

from __future__ import annotations

from pathlib import Path

__all__ = ["APPLICATION_ID", "MIGRATIONS", "READABLE", "SUFFIXES", "WITH_NETWORKS", "WITH_ORDER", "fault"]

SUFFIXES = (".sqlite", ".db")
"""Of files that are stores."""
_ACCEPTED = (
    "accepted: a directory with a store.sqlite, or such a file; `cyclescape dataset merge TABLE -o DIR` makes one of an "
    "exported table"
)
APPLICATION_ID = 0x43594353  # "CYCS" in the file's header: tells a store from any other SQLite file

MIGRATIONS: tuple[tuple[str, ...], ...] = (
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
    ("CREATE TABLE workloads (digest TEXT PRIMARY KEY NOT NULL, name TEXT NOT NULL, operators TEXT NOT NULL)",),
    (
        "ALTER TABLE studies ADD COLUMN known INTEGER",
        # Of older studies only times tell what was there before: all that came in front of the first later evaluation.
        """UPDATE studies SET known = coalesce(
            (SELECT min(rowid) - 1 FROM evaluations WHERE created_unix_s >= studies.created_unix_s),
            (SELECT max(rowid) FROM evaluations), 0)""",
    ),
)
"""Statements that lead from each schema version to the next; an empty file is version 0."""

READABLE = 1
"""The oldest version that can be read as it is: rows, trials and studies have not changed since."""
WITH_NETWORKS = 2
"""The first version that records the operators of networks."""
WITH_ORDER = 3
"""The first version in which a study has `known`: the last rowid of the evaluations that were there when it began."""


def fault(error: Exception, path: Path) -> str:
    """Say in one line what SQLite or the system found wrong with a store's file."""
    if isinstance(error, UnicodeDecodeError):  # a name of a table or column in the file, or what SQLite says of it
        return "holds what is no text; move it aside"
    if isinstance(error, OSError):
        return f"{error.strerror or error} (accepted: a directory that can be written)"
    cause = str(error)
    if "full" in cause:
        cause += "; what was written before is safe"
    elif "not a database" in cause and path.suffix not in SUFFIXES:
        cause = f"is no store ({_ACCEPTED})"
    elif "malformed" in cause or "not a database" in cause:
        cause += f"; move it aside, or save what can be read: sqlite3 {path.name} .recover"
    elif "I/O" in cause:
        cause += " (a full or failing disk, or a limit on file sizes); what was written before is safe"
    elif "unable to open" in cause or "readonly" in cause:
        cause += " (accepted: a directory that can be written)"
    return cause
