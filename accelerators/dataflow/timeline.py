"""What stages, memories and links did when: the SimPy reference's firings, region after region."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ...errors import InputError
from ...simulator.dataflow.simpy_engine import run_simpy
from ...simulator.timeline import MOST_SPANS, Span, Timeline
from ...traces.workload import Workload
from .design import DataflowDesign
from .machine import mapped
from .pipeline import SERVERS, machine_of, network_of
from .regions import Region

__all__ = ["MOST_SPANS", "dataflow_timeline"]


def dataflow_timeline(design: DataflowDesign, workload: Workload, most_spans: int = MOST_SPANS) -> Timeline:
    """Return tracks for launches, HBM, DDR, links and the stages of a region, in cycles; raises `InputError`.

    A region that runs several times is drawn once in full, and its further passes as one span.
    """
    found = mapped(design, workload)
    if isinstance(found, str):
        raise InputError(found)
    spans: list[Span] = []
    now, whole = 0, 0
    launch = design.cycles(design.launch_ns)
    for number, region in enumerate(found[1]):
        names = [workload.operators[i].name for i in region.operators]
        title = f"region {number}: {names[0]}" + (f" to {names[-1]}" if len(names) > 1 else "")
        if launch:
            spans.append(Span("launches", title, now, launch))
        run = run_simpy(network_of(region.plan, machine_of(design)))
        if run.cycles is None:
            raise InputError(f"{title}: deadlock: {'; '.join(map(str, run.blocked))}")
        now += launch
        cost = sum(run.firings.values())
        if len(spans) + cost > most_spans:
            whole += 1
        else:
            spans += _firings(region, run, names, now)
        spans.append(Span("regions", title, now, run.cycles * region.passes, {"passes": region.passes}))
        now += run.cycles * region.passes
    notes = (f"{whole} of {len(found[1])} regions are one span each, to stay within {most_spans:,} spans",) if whole else ()
    return Timeline(
        spans, title=f"dataflow, {design}, on {workload.name}", frequency_mhz=design.frequency_mhz, notes=notes
    )


def _firings(region: Region, run: Any, names: list[str], start: int) -> Iterator[Span]:
    """Spans of every firing: a stage works from when it has its inputs, a memory or the links for a transfer."""
    for name, node in run.network.nodes.items():
        if name in SERVERS:
            for k, (ready, cycles) in enumerate(zip(run.ready[name], node.schedule.interval)):
                ports = [p.name for i, p in enumerate(node.inputs) if node.schedule.inputs[k] >> i & 1]
                ports = ports or [p.name for i, p in enumerate(node.outputs) if node.schedule.outputs[k] >> i & 1]
                yield Span(name, ports[0], start + int(ready), int(cycles))
        elif name.startswith("stage"):
            at = int(name.removeprefix("stage"))
            for k, ready in enumerate(run.ready[name]):
                tile = {"tile": k, "of": node.firings, "units": region.units[at]}
                yield Span(name, names[at], start + int(ready), node.interval, tile)
