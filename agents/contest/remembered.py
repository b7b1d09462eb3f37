"""An evaluator that simulates nothing twice: it answers from memory, from a full table, or from whoever is behind it."""

from __future__ import annotations

import time
from collections.abc import Generator, Iterable
from typing import Any

from ...errors import InputError
from ...simulator.evaluator import Evaluator, Values
from ...simulator.report import Report, Table
from .problem import Merged
from .table import Table as AllPoints

__all__ = ["Remembered"]

_MOST = 200_000


class Remembered(Evaluator):
    """In front of another evaluator. Points that are the same are simulated once, as the first of them.

    Reports that a table answers have only the metrics that the problem needs, and the breakdown.
    """

    def __init__(self, inner: Evaluator, merged: Merged, table: AllPoints | None = None) -> None:
        super().__init__(inner.machine, inner.engine)
        self.inner, self.merged, self.table = inner, merged, table
        self.cpu_s = 0.0
        """CPU time of this process that evaluations took so far."""
        self.simulated = 0
        """Reports that came from behind."""
        self._known: dict[tuple[str, int], Report] = {}

    @property
    def settings(self) -> dict[str, Any]:
        """Those of the evaluator behind."""
        return self.inner.settings

    def stream(self, designs: Iterable[Values], workload: Any) -> Generator[Report]:
        """Yield a report for each design, in order."""
        for design in designs:
            start = time.process_time()
            report = self._one(design, workload)
            self.cpu_s += time.process_time() - start
            yield report

    def _one(self, design: Values, workload: Any) -> Report:
        space = self.merged.space
        try:
            place = self.merged.place(space.index(dict(design)))
        except (InputError, KeyError):  # off the grid
            return self.inner.evaluate([design], workload)[0]
        known = self._known.get((workload.digest, place))
        if known is None:
            known = self._new(place, workload)
            if len(self._known) >= _MOST:
                self._known.clear()
            self._known[workload.digest, place] = known
        return known

    def _new(self, place: int, workload: Any) -> Report:
        if self.table is not None:
            number = [other.digest for other in self.table.problem.workloads].index(workload.digest)
            report = self.table.report(place, number)
            if report is not None:
                return report
        space = self.merged.space
        point = space.point(space.unrank(int(self.merged.ranks[place])))
        self.simulated += 1
        report = self.inner.evaluate([{**space.fixed, **point}], workload)[0]
        report.table = Table({})  # which may hold arrays of a whole batch
        return report

    def close(self) -> None:
        """Close what is behind."""
        self.inner.close()
