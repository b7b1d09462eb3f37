"""What a simulation says: metrics, where every cycle went, and a table per operator."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache, cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Provenance", "Report", "Table"]

Columns = Mapping[str, Any]


@dataclass(frozen=True)
class Provenance:
    """What produced a result. It stands beside the numbers and takes no part in their equality."""

    version: str
    model: str = ""
    """Digest of the model's own sources."""
    engine: str = ""
    host: str = field(default_factory=platform.node)
    python: str = field(default_factory=platform.python_version)
    created_unix_s: float = field(default_factory=time.time)
    wall_s: float = 0.0
    process: int = field(default_factory=os.getpid)


class Table:
    """A per-operator table whose columns are computed when it is first read.

    A batch of thousands of reports then costs no more than its numbers. `build` returns the columns
    (equally long sequences) and must be a pure function of what it captured.
    """

    def __init__(self, build: Callable[[], Columns] | Columns) -> None:
        self._build = build

    @cached_property
    def columns(self) -> dict[str, Any]:
        """Column name to values."""
        return dict(self._build() if callable(self._build) else self._build)

    def frame(self) -> pd.DataFrame:
        """Return the table as a DataFrame."""
        import pandas as pd

        return pd.DataFrame(self.columns)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Table) or self.columns.keys() != other.columns.keys():
            return False
        return all(np.array_equal(v, other.columns[k]) for k, v in self.columns.items())

    def __reduce__(self) -> Any:
        return (Table, (self.columns,))

    __hash__ = None  # type: ignore[assignment]


@dataclass
class Report:
    """The result of one design on one workload.

    `metrics` maps names that carry their unit to numbers. `breakdown` says where every cycle went and
    sums to `metrics["cycles"]`. A design that could not be simulated has a `reason` and no metrics.
    """

    metrics: dict[str, float]
    breakdown: dict[str, int] = field(default_factory=dict)
    table: Table = field(default_factory=lambda: Table({}))
    reason: str | None = None
    provenance: Provenance | None = field(default=None, compare=False)
    surrogate: bool = False
    """Whether a learned model answered in place of the simulator."""
    retry_above_s: float | None = field(default=None, compare=False)
    """For a failure that may not last (a time limit, a process that died): worth another try under a
    longer limit than this. None for everything that the model itself said."""

    @classmethod
    def failed(cls, reason: str, *, retry_above_s: float | None = None) -> Report:
        """A report for a design without numbers, and why."""
        return cls(metrics={}, reason=reason, retry_above_s=retry_above_s)

    @property
    def ok(self) -> bool:
        """Whether the design was simulated."""
        return self.reason is None

    @property
    def layers(self) -> pd.DataFrame:
        """The table of operators as a DataFrame."""
        return self.table.frame()

    @property
    def bottleneck(self) -> str:
        """The cause to which most cycles went ("" if nothing is known)."""
        return max(self.breakdown, key=lambda cause: self.breakdown[cause]) if self.breakdown else ""

    def to_dict(self, *, layers: bool = True) -> dict[str, Any]:
        """The report as plain JSON values."""
        out: dict[str, Any] = {"metrics": self.metrics, "breakdown": self.breakdown, "reason": self.reason}
        if self.surrogate:
            out["surrogate"] = True
        if layers:
            out["layers"] = {k: np.asarray(v).tolist() for k, v in self.table.columns.items()}
        if self.provenance:
            out["provenance"] = dict(vars(self.provenance))
        return out


@cache
def version() -> str:
    """The installed version of the package."""
    from importlib.metadata import PackageNotFoundError
    from importlib.metadata import version as installed

    try:
        return installed("cyclescape")
    except PackageNotFoundError:
        return "unknown"
