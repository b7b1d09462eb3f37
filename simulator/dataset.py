"""Logged evaluations as a value: read from a store or an exported file, merged by key, written as either.

An exported file (Parquet or CSV) is the table that `load` returns, for any tool to read, and one more
column, `record`: each evaluation as the store keeps it, in JSON. From that column everything comes back to
the bit, types included, which a CSV would lose; the other columns must agree with it, so that a damaged
or edited file is noticed.
"""

from __future__ import annotations

import json
import os
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..arguments import path_of
from ..errors import InputError, said
from ..reading import parse_json
from .files import replaced
from .frames import Proposal, checked_constraints, flatten
from .record import COLUMNS, TrialRecord, flaw, trial_flaw
from .store import ResultStore, StoreError

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["SUFFIXES", "Dataset", "conflict", "refuse"]

SUFFIXES = (".parquet", ".csv")
"""Endings of exported files."""

_RECORD = "record"
_JSON = ("design", "settings", "metrics", "breakdown")
_FLAT = tuple(name for name in COLUMNS if name not in (*_JSON, "retry_above_s"))
_READ: dict[str, Callable[[Any], Any]] = {
    "surrogate": lambda value: int(str(value) == "True"), "process": int, "wall_s": float, "created_unix_s": float,
}  # fmt: skip
"""Columns that are not text. From a CSV all come as text."""
_ACCEPTED = "accepted: a directory with a store.sqlite, or a .parquet or .csv file of `cyclescape dataset export`"


@dataclass
class Dataset:
    """Evaluations in order, each key once; who proposed them; what the studies were asked for."""

    rows: list[dict[str, Any]] = field(default_factory=list)
    """As stored: `record.COLUMNS`, those of `_JSON` as text."""
    proposals: dict[str, list[Proposal]] = field(default_factory=dict)
    """By key."""
    studies: dict[str, tuple[str, float | None]] = field(default_factory=dict)
    """What each study was asked for (JSON), and when."""
    workloads: dict[str, tuple[str, str]] = field(default_factory=dict)
    """By digest, name and operators (JSON) of the networks that ran; traces are known by name and digest only."""

    @classmethod
    def read(cls, path: str | Path) -> Dataset:
        """Read a store or an exported file; raises `StoreError` in one line for anything else."""
        if path_of("path", path, "a folder or file of evaluations").suffix in SUFFIXES and not os.path.isdir(path):
            return _from_file(Path(path))
        with ResultStore(path, readonly=True) as store:
            return store.dataset()

    @classmethod
    def merged(cls, paths: Sequence[str | Path]) -> Dataset:
        """Everything of several stores and files, each key once; raises `StoreError` where two disagree on one."""
        whole = cls()
        at: dict[str, int] = {}
        differ: list[str] = []
        for path in paths:
            part = cls.read(path)
            for row in part.rows:
                if row["key"] not in at:
                    at[row["key"]] = len(whole.rows)
                    whole.rows.append(row)
                    continue
                there = whole.rows[at[row["key"]]]
                if what := conflict(there, row):
                    differ.append(f"{path}: {what}")
                elif there["retry_above_s"] is not None:  # a failure that may not last gives way
                    whole.rows[at[row["key"]]] = row
            for key, proposals in part.proposals.items():
                known = whole.proposals.setdefault(key, [])
                known += [proposal for proposal in proposals if proposal[:3] not in {other[:3] for other in known}]
            for study, told in part.studies.items():
                whole.studies.setdefault(study, told)
            whole.workloads |= part.workloads
        refuse(differ)
        return whole

    def frame(self) -> pd.DataFrame:
        """One row per evaluation; see `flatten`."""
        return flatten(self.rows, self.proposals)

    def names(self, part: str) -> list[str]:
        """Columns of `frame` that come from a part of the record: "design", "metrics" or "breakdown"."""
        found = {name: list(dict.fromkeys(item for row in self.rows for item in json.loads(row[name]))) for name in _JSON}
        taken = {*COLUMNS, *found["metrics"]}
        if part == "design":
            return [f"design.{name}" if name in taken else name for name in found[part]]
        return [f"breakdown.{name}" for name in found[part]] if part == "breakdown" else found[part]

    def trials(self) -> Iterator[TrialRecord]:
        """Every proposal, as a store keeps it."""
        for key, proposals in self.proposals.items():
            for p in proposals:
                yield TrialRecord(p.study, p.number, p.part, key, p.agent, p.seed, p.note, p.created_unix_s or 0.0)

    def write(self, path: str | Path) -> Path:
        """Write a .parquet or .csv file, whole or not at all; raises `InputError`, `StoreError`."""
        target = Path(path)
        if target.suffix not in SUFFIXES:
            raise InputError(f"{path}: unknown format {target.suffix!r} (accepted: {', '.join(SUFFIXES)})")
        frame = self.frame()
        frame[_RECORD] = list(self._records())
        with replaced(target, parents=True) as partial:
            if target.suffix == ".csv":
                frame.to_csv(partial, index=False, lineterminator="\n")
            else:
                frame.to_parquet(partial, index=False)
        return target

    def store(self, path: str | Path) -> Path:
        """Write into a store, made if need be; raises `StoreError` where it has other numbers for some key."""
        with ResultStore(path) as store:
            store.take(self, "what is to be added")
            return store.path

    def _records(self) -> Iterator[str]:
        """The JSON of each row; a study is told in the first row that it proposed, a network in the first that ran it."""
        told: set[str] = set()
        networks = dict(self.workloads)
        for row in self.rows:
            by = self.proposals.get(row["key"], [])
            new = {p.study: self.studies[p.study] for p in by if p.study in self.studies and p.study not in told}
            told.update(new)
            record = {name: row[name] for name in (*_JSON, "retry_above_s")}
            if network := networks.pop(row["workload_digest"], None):
                record["network"] = network
            yield json.dumps(record | {"proposals": by, "studies": new}, separators=(",", ":"))


def conflict(one: Mapping[str, Any], other: Mapping[str, Any]) -> str:
    """In what two lasting records of one key differ, in words; "" if in no number."""
    if one["retry_above_s"] is not None or other["retry_above_s"] is not None:
        return ""
    here = f"of key {one['key'][:16]} ({one['accelerator']} on {one['workload']})"
    if one["reason"] != other["reason"]:
        return f"the reason {here} is {other['reason']!r} and elsewhere {one['reason']!r}"
    for name in ("metrics", "breakdown"):
        if one[name] == other[name]:
            continue
        a, b = json.loads(one[name]), json.loads(other[name])
        for item in dict.fromkeys([*a, *b]):
            if a.get(item) != b.get(item):
                return f"{item} {here} is {b.get(item)} and elsewhere {a.get(item)}"
    return ""


def refuse(differ: Sequence[str]) -> None:
    """Raise `StoreError` if keys have different numbers, with the first of them and how many there are."""
    if differ:
        more = f", and {len(differ) - 1} more such keys" if len(differ) > 1 else ""
        raise StoreError(f"{differ[0]}{more}; nothing was merged")


def _from_file(path: Path) -> Dataset:
    frame = _table(path)
    if missing := [name for name in (*_FLAT, _RECORD) if name not in frame.columns]:
        raise StoreError(f"{path}: no data set of evaluations: there is no column {missing[0]!r} ({_ACCEPTED})")
    data = Dataset()
    flat = {name: frame[name].astype(object).where(frame[name].notna(), None).tolist() for name in _FLAT}
    for number, text in enumerate(frame[_RECORD]):
        try:
            _add(data, {name: column[number] for name, column in flat.items()}, parse_json(text, "record"))
        except (ValueError, KeyError, TypeError, IndexError, AttributeError, OverflowError) as error:
            raise StoreError(f"{path}, row {number + 1}: record: not readable: {said(error)} ({_ACCEPTED})") from None
    if len({row["key"] for row in data.rows}) < len(data.rows):
        raise StoreError(f"{path}: some key is there twice ({_ACCEPTED})")
    _compare(path, data.frame(), frame)
    return data


def _table(path: Path) -> pd.DataFrame:
    import pandas as pd

    if not os.path.isfile(path):
        raise StoreError(f"{path}: no such file ({_ACCEPTED})")
    try:
        if path.suffix == ".csv":
            with warnings.catch_warnings():  # no index is made of what a line has more than the header, and nothing is left out
                warnings.simplefilter("error", pd.errors.ParserWarning)
                return pd.read_csv(path, dtype=str, keep_default_na=False, na_values=[""], index_col=False)
        from pyarrow.parquet import ParquetFile

        table = ParquetFile(path).read()
        table.validate(full=True)  # pyarrow itself sees only on use that text is none, or where it begins
        return table.to_pandas()
    except OSError as error:
        raise StoreError(f"{path}: {error.strerror or said(error)} ({_ACCEPTED})") from None
    except Exception as error:  # what a damaged file makes of pandas and pyarrow is not to be foreseen
        raise StoreError(f"{path}: not readable: {said(error)} ({_ACCEPTED})") from None


def _add(data: Dataset, flat: dict[str, Any], record: Any) -> None:
    """One row of a file; raises what a wrong one makes of Python."""
    row = {**flat, **{name: record[name] for name in (*_JSON, "retry_above_s")}}
    for name, read in _READ.items():
        row[name] = None if row[name] is None else read(row[name])
    row |= {name: "" for name in _FLAT if row[name] is None and name not in (*_READ, "reason")}  # a CSV tells no "" from none
    if not row["key"]:
        raise ValueError("there is no key")
    if what := flaw(row):
        raise ValueError(what)
    data.rows.append({name: row[name] for name in COLUMNS})
    for told in record["proposals"]:
        proposal = Proposal._make((*told[:7], checked_constraints(told[7])))
        if what := trial_flaw(TrialRecord._make((*told[:3], row["key"], *told[3:7]))):
            raise ValueError(f"proposals: {what}")
        data.proposals.setdefault(row["key"], []).append(proposal)
    for study, (asked, created) in record["studies"].items():
        if not isinstance(asked, str) or not isinstance(created, float | None):
            raise ValueError(f"study {study!r}: not text, or no time")
        data.studies[study] = (asked, created)
    if (network := record.get("network")) is not None:
        name, operators = network
        if not isinstance(name, str) or not isinstance(operators, str):
            raise ValueError("network: not a name and its operators")
        data.workloads[row["workload_digest"]] = (name, operators)


def _compare(path: Path, made: pd.DataFrame, read: pd.DataFrame) -> None:
    """Raise `StoreError` where a column says something else than the record beside it."""
    for name in made.columns:
        if name not in read.columns:
            raise StoreError(f"{path}: there is no column {name!r}, of which its records speak ({_ACCEPTED})")
        for number, (told, found) in enumerate(zip(made[name], read[name], strict=True)):
            if not _equal(told, found):
                raise StoreError(f"{path}, row {number + 1}: {name} is {found!r}, but its record says {told!r} ({_ACCEPTED})")


def _equal(told: Any, found: Any) -> bool:
    """Whether a value is what was found, which in a CSV is its text."""
    if _nothing(told) or _nothing(found):
        return _nothing(told) and _nothing(found)
    if bool(told == found) or str(told) == str(found):
        return True
    try:
        return float(told) == float(found)
    except (ValueError, TypeError):
        return False


def _nothing(value: Any) -> bool:
    return value is None or value == "" or value != value
