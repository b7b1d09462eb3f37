"""Run address traces through a hierarchy on the compiled kernel."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numba import njit
from numpy.typing import NDArray

from ....errors import InputError
from ....traces.addresses import AddressTrace
from . import columns as k
from .hierarchy import FixedMemory, Hierarchy
from .kernel import run
from .kinds import Rows
from .result import Result
from .tables import fresh_state, nodes_of

__all__ = ["simulate", "trace_rows"]


def simulate(hierarchy: Hierarchy, *traces: AddressTrace) -> Result:
    """Run one trace per master to the last answer and until everything sent down has reached the memory.

    Arrivals are cycles of the hierarchy's clock. Raises `InputError` if there is not one trace per master.
    """
    if len(traces) != hierarchy.masters:
        raise InputError(f"{len(traces)} traces for {hierarchy.masters} masters; accepted: one for each")
    recalls, requests = 64, 2 * sum(len(trace) for trace in traces) + 1024
    while True:
        state, rows = fresh_state(hierarchy, recalls), trace_rows(hierarchy, traces)
        at = 0
        for n, trace in zip(nodes_of(hierarchy)[0], traces, strict=True):
            state[[n + k.NEXT, n + k.START, n + k.RETIRED]] = at
            at += len(trace) * k.TRACE_SIZE
            state[n + k.END] = at
        lengths = tuple(len(trace) for trace in traces)
        if isinstance(hierarchy.memory, FixedMemory):
            if run(state, rows.reshape(-1)):
                return Result(hierarchy, lengths, state, rows)
            recalls *= 4
            continue
        from .hosted import DONE, NO_PLACE_FOR_REQUEST, Port

        port = Port(hierarchy.memory, hierarchy, requests)
        outcome = port.run(state, rows)
        if outcome == DONE:
            return Result(hierarchy, lengths, state, rows, port)
        if outcome == NO_PLACE_FOR_REQUEST:
            requests *= 2
        else:
            recalls *= 4


def trace_rows(hierarchy: Hierarchy, traces: Sequence[AddressTrace]) -> Rows:
    """Lay traces one after the other, in lines and scratchpad banks in place of addresses."""
    rows = np.empty((sum(len(trace) for trace in traces), k.TRACE_SIZE), np.int64)
    at = 0
    for master, trace in enumerate(traces):
        own = rows[at : at + len(trace)]
        at += len(trace)
        _fill(own, trace.arrival, trace.address, trace.is_write, hierarchy.line_bytes)
        for number, pad in enumerate(hierarchy.scratchpads):
            inside = (trace.address >= pad.base) & (trace.address < pad.base + pad.size_bytes)
            word = (trace.address[inside] - pad.base) // hierarchy.word_bytes
            own[inside, k.A_PAD] = number
            own[inside, k.A_PLACE] = master * pad.banks + word % pad.banks
    return rows


@njit(cache=True, nogil=True)
def _fill(
    rows: Rows, arrival: NDArray[np.int64], address: NDArray[np.int64], is_write: NDArray[np.bool_], line_bytes: int
) -> None:
    shift = 0
    while 1 << shift < line_bytes:
        shift += 1
    even = 1 << shift == line_bytes
    for i in range(len(rows)):
        rows[i, k.A_ARRIVAL] = arrival[i]
        rows[i, k.A_PLACE] = address[i] >> shift if even else address[i] // line_bytes
        rows[i, k.A_PAD] = -1
        rows[i, k.A_WRITE] = is_write[i]
        rows[i, k.A_ISSUED] = -1
        rows[i, k.A_DONE] = -1
        rows[i, k.A_FOUND] = 0
        rows[i, k.A_SERVED] = -1
