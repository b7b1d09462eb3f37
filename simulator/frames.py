"""Evaluations as a table: one row each, with a column for every parameter, metric and cause of the breakdown."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

from ..reading import parse_json
from .formula import Formula, constraint_of
from .record import COLUMNS, canonical, table_of

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Proposal", "checked_constraints", "constraints_of", "flatten"]


class Proposal(NamedTuple):
    """Who proposed an evaluated design, in which study, and what that study wanted kept."""

    study: str
    number: int
    part: int
    agent: str
    seed: int | None
    note: str | None
    created_unix_s: float | None
    constraints: tuple[str, ...]


_FIRST = ("accelerator", "workload")
_WHO = ("agent", "seed", "study")
_LAST = tuple(name for name in COLUMNS if name not in (*_FIRST, "design", "metrics", "settings", "breakdown", "retry_above_s"))
_MORE = ("settings", *_WHO, "feasible", "kept", "broken")


def constraints_of(asked: str) -> tuple[str, ...]:
    """The constraints of a study, from what it was asked for (JSON); none where that cannot be read."""
    try:
        return checked_constraints(parse_json(asked, "study")["objective"]["constraints"])
    except (ValueError, KeyError, TypeError):
        return ()


def checked_constraints(listed: Sequence[Any]) -> tuple[str, ...]:
    """Constraints as text; raises `InputError` for one that cannot be read."""
    texts = tuple(str(text) for text in listed)
    _limits(texts)
    return texts


@lru_cache(maxsize=1024)
def _limits(texts: tuple[str, ...]) -> tuple[tuple[str, Formula, bool, float], ...]:
    return tuple((text, *constraint_of(text)) for text in texts)


def flatten(
    rows: Iterable[Mapping[str, Any]], proposals: Mapping[str, Sequence[Proposal]] | None = None
) -> pd.DataFrame:
    """Stored rows as a DataFrame, in their order; rows without numbers are kept, with their reason.

    Parameters and metrics are columns of their own (a parameter that is called as some metric is
    `design.NAME`), cycles of the breakdown are `breakdown.CAUSE`. `agent`, `seed` and `study` say who proposed
    the design, joined by ";" if several did; None in a sweep. `kept` and `broken` are the constraints of those
    studies; `feasible` says that there are numbers and none is broken.
    """
    import pandas as pd

    proposals = proposals or {}
    fixed: dict[str, list[Any]] = {name: [] for name in (*_FIRST, *_LAST, *_MORE)}
    parts: dict[str, list[dict[str, Any]]] = {"design": [], "metrics": [], "breakdown": []}
    for row in rows:
        for name in (*_FIRST, *_LAST, "settings"):
            fixed[name].append(row[name])
        for name, column in parts.items():
            column.append(table_of(row, name))
        by = proposals.get(row["key"], ())
        for name in _WHO:
            fixed[name].append(_joined(getattr(proposal, name) for proposal in by))
        limits = dict.fromkeys(text for proposal in by for text in proposal.constraints)
        kept, broken = _judged(tuple(limits), parts["metrics"][-1])
        fixed["kept"].append(_joined(kept))
        fixed["broken"].append(_joined(broken))
        fixed["feasible"].append(row["reason"] is None and not broken)
    measured = {name for row in parts["metrics"] for name in row}
    taken = {*fixed, *measured}
    parameters = {name: f"design.{name}" if name in taken else name for name in _names(parts["design"])}
    columns: dict[str, Any] = {name: fixed[name] for name in _FIRST}
    columns |= {shown: _column(parts["design"], name) for name, shown in parameters.items()}
    columns |= {name: _column(parts["metrics"], name) for name in _names(parts["metrics"])}
    columns |= {name: fixed[name] for name in _LAST}
    columns |= {f"breakdown.{name}": _column(parts["breakdown"], name) for name in _names(parts["breakdown"])}
    columns |= {name: pd.Series(fixed[name], dtype=object) for name in _MORE}
    frame = pd.DataFrame(columns)
    for name in ("surrogate", "feasible"):
        frame[name] = frame[name].astype(bool)
    return frame


def _judged(limits: tuple[str, ...], metrics: Mapping[str, float]) -> tuple[list[str], list[str]]:
    """Which limits the metrics keep and which they break; a limit on a metric that is not there is neither."""
    kept: list[str] = []
    broken: list[str] = []
    for text, formula, upper, limit in _limits(limits) if metrics else ():
        try:
            value = formula.of(metrics)
        except (KeyError, ArithmeticError, ValueError):
            continue
        (kept if (value <= limit if upper else value >= limit) else broken).append(text)
    return kept, broken


def _joined(values: Iterable[Any]) -> str | None:
    """Different values as text, joined; None if there are none."""
    return ";".join(dict.fromkeys(str(value) for value in values if value is not None)) or None


def _names(rows: Iterable[Mapping[str, Any]]) -> list[str]:
    return list(dict.fromkeys(name for row in rows for name in row))


def _column(rows: Iterable[Mapping[str, Any]], name: str) -> Any:
    """One column; where machines disagree on a type, text, so that the table can be exported."""
    import pandas as pd

    values = [row.get(name) for row in rows]
    kinds = {_kind(value) for value in values if value is not None}
    if len(kinds) > 1:
        return [None if value is None else value if isinstance(value, str) else canonical(value) for value in values]
    series = pd.Series(values, dtype=object)
    return series.infer_objects() if None not in values or kinds != {"number"} else series.astype(float)


def _kind(value: Any) -> str:
    if isinstance(value, bool):
        return "bool"
    return "number" if isinstance(value, int | float) else type(value).__name__


