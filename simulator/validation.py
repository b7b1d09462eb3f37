"""Checks of a model against numbers that someone else produced, and how they are told."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields
from functools import cached_property
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Check", "Difference", "Validation"]

Number = int | float


@dataclass(frozen=True)
class Check:
    """One number of the reference beside the model's."""

    row: str
    field: str
    expected: Number
    got: Number
    ok: bool
    note: str = ""

    @classmethod
    def equal(cls, row: str, field: str, expected: Number, got: Number, note: str = "") -> Check:
        """Return a check that asks for the very same number."""
        return cls(row, field, expected, got, expected == got, note)

    @classmethod
    def close(
        cls, row: str, field: str, expected: Number, got: Number, *,
        relative: float = 0.0, absolute: float = 0.0, note: str = "",
    ) -> Check:
        """Return a check that allows the larger of a relative (of `expected`) and an absolute error."""
        ok = math.isclose(got, expected, rel_tol=0.0, abs_tol=max(absolute, relative * abs(expected)))
        return cls(row, field, expected, got, ok, note)

    @property
    def error(self) -> float:
        """Relative error; infinite where the reference is 0 and the model is not."""
        if self.expected == self.got:
            return 0.0
        return abs(self.got - self.expected) / abs(self.expected) if self.expected else math.inf


@dataclass(frozen=True)
class Difference:
    """A number in which the model departs from the reference on purpose, and why. Not a check."""

    row: str
    field: str
    theirs: Number
    ours: Number | None
    """None where the model was not asked."""
    reason: str


@dataclass(frozen=True)
class Validation:
    """The outcome of a machine's `validate`."""

    name: str
    """What the model was held to."""
    source: str
    """The table: a file, or where the numbers come from."""
    checks: tuple[Check, ...]
    differences: tuple[Difference, ...] = ()
    notes: tuple[str, ...] = ()
    """What a reader of the outcome should know: conventions, and what was not checked."""

    @property
    def ok(self) -> bool:
        """Whether there was something to check and all of it held."""
        return bool(self.checks) and not self.failures

    @cached_property
    def failures(self) -> tuple[Check, ...]:
        """The checks that did not hold."""
        return tuple(check for check in self.checks if not check.ok)

    @property
    def rows(self) -> int:
        """Rows of the table that were checked."""
        return len({check.row for check in self.checks})

    def summary(self) -> list[dict[str, Any]]:
        """For each field: how many checks, how many held, and the largest relative error."""
        by_field: dict[str, list[Check]] = {}
        for check in self.checks:
            by_field.setdefault(check.field, []).append(check)
        return [
            {
                "field": field, "checks": len(checks), "held": sum(check.ok for check in checks),
                "largest_error": max(check.error for check in checks),
            }
            for field, checks in by_field.items()
        ]

    def frame(self) -> pd.DataFrame:
        """Every check as a row of a DataFrame."""
        return _frame(self.checks, Check)

    def differences_frame(self) -> pd.DataFrame:
        """Every difference as a row of a DataFrame."""
        return _frame(self.differences, Difference).convert_dtypes()

    def to_dict(self) -> dict[str, Any]:
        """The outcome as plain JSON values; of the checks only those that did not hold."""
        return {
            "name": self.name, "source": self.source, "ok": self.ok, "rows": self.rows,
            "checks": len(self.checks), "summary": self.summary(),
            "failures": [asdict(check) for check in self.failures],
            "differences": [asdict(difference) for difference in self.differences],
            "notes": list(self.notes),
        }

    def __str__(self) -> str:
        held = len(self.checks) - len(self.failures)
        return f"{self.name} ({self.source}): {held} of {len(self.checks)} checks hold, {self.rows} rows"


def _frame(records: Iterable[Any], kind: type[Check | Difference]) -> pd.DataFrame:
    import pandas as pd

    return pd.DataFrame([asdict(record) for record in records], columns=[item.name for item in fields(kind)])
