"""When every unit worked: its firings, those without a gap between them as one span."""

from __future__ import annotations

from ...errors import InputError
from ...simulator.dataflow.compiled import run_worklist
from ...simulator.timeline import MOST_SPANS, Span, Timeline, bursts
from ...traces.operators import Attention
from ...traces.workload import Workload
from .design import StreamingDesign
from .machine import network_of

__all__ = ["streaming_timeline"]

_MOST_FIRINGS = 2**25
"""Firings of an operator beyond which it is one span: the time of each would have to be kept."""


def streaming_timeline(design: StreamingDesign, workload: Workload, most_spans: int = MOST_SPANS) -> Timeline:
    """Return a track for operators and one for each unit, in cycles; raises `InputError` for a network that gets stuck."""
    spans: list[Span] = []
    now = whole = 0
    for op in workload.operators:
        if not isinstance(op, Attention):
            raise InputError(f"operator {op.name!r} ({op.kind}): this machine runs attention operators only")
        network = network_of(design, op)
        small = sum(node.firings or 0 for node in network.nodes.values()) <= _MOST_FIRINGS
        run = run_worklist(network, record=small)
        if run.cycles is None:
            raise InputError(f"operator {op.name!r}: deadlock: {'; '.join(map(str, run.blocked))}")
        spans.append(Span("operators", op.name, now, run.cycles, {"kind": op.kind}))
        own = [
            span for name, node in network.nodes.items() if small
            for span in bursts(name, name, (now + run.send[name]).tolist(), node.interval, {"operator": op.name})
        ]  # fmt: skip
        if not small or len(spans) + len(own) > most_spans:
            whole += 1
        else:
            spans += own
        now += run.cycles
    notes = (f"{whole} of {len(workload.operators)} operators are one span each",) if whole else ()
    return Timeline(
        spans, f"streaming, {design}, on {workload.name}", frequency_mhz=design.frequency_mhz, notes=notes
    )
