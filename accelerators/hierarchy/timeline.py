"""Every access from when it was taken to its answer, in as many lanes as are under way at once."""

from __future__ import annotations

from collections.abc import Iterator

from ...simulator.memory.cache.result import Result
from ...simulator.memory.cache.run import simulate
from ...simulator.timeline import MOST_SPANS, Span, Timeline, in_lanes
from ...traces.addresses import AddressTrace
from .design import HierarchyDesign

__all__ = ["hierarchy_timeline"]


def hierarchy_timeline(design: HierarchyDesign, workload: AddressTrace, most_spans: int = MOST_SPANS) -> Timeline:
    """Return tracks `accesses`, `accesses (2)`, ...: a span says who had the data. Beyond `most_spans` the first are drawn."""
    result = simulate(design.hierarchy(), workload)
    count = len(workload)
    notes = (f"the first {most_spans:,} of {count:,} accesses are drawn",) if count > most_spans else ()
    spans = list(in_lanes(_accesses(result, workload, min(count, most_spans))))
    return Timeline(
        spans, f"memory-hierarchy, {design}, on {workload.name}", frequency_mhz=design.frequency_mhz, notes=notes
    )


def _accesses(result: Result, trace: AddressTrace, count: int) -> Iterator[Span]:
    found = [result.outcome(level)[:count].tolist() for level in range(len(result.hierarchy.levels))]
    names = [level.name for level in result.hierarchy.levels]
    columns = (result.issued, result.done, result.served, trace.address, trace.is_write)
    for i, (issued, done, served, address, is_write) in enumerate(zip(*(column[:count].tolist() for column in columns))):
        what = "write" if is_write else "read"
        about = {"access": i, "address": hex(address), **{n: outcome[i] for n, outcome in zip(names, found) if outcome[i]}}
        yield Span("accesses", f"{what}, {served}", issued, max(done - issued, 1), about)
