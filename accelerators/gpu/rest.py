"""How long the rest of a launch takes, from the instructions that every warp has left.

A fluid model: all warps that run advance alike, an instruction in W(c) cycles where c of them share a sub-core. What a warp
waits for by itself (dependences, latencies, stalls, barriers) takes as long in any company; what it waits for because of
others (the issue slot, fetch, units, queues, ports) grows with their number. Of fetch a warp alone still waits for its own
buffer: an instruction is asked for when there is room, and is there some cycles later. So the few warps at the end of a
launch run faster each and slower together, and a thread block starts where another one has ended.
"""

from __future__ import annotations

import heapq

import numpy as np

from ...simulator.gpu.config import CoreConfig
from ...simulator.gpu.execute import Outcome
from ...simulator.gpu.tables import C_CONSTANT, C_FETCH, C_ISSUED, C_MEMORY, C_OTHER, C_PORTS, C_UNIT

__all__ = ["rest"]

_SHARED = [C_FETCH, C_UNIT, C_MEMORY, C_CONSTANT, C_PORTS, C_OTHER]
_SHARPNESS = 4.0
"""How W goes from the one to the other: 1 if every further warp is as much in the way as the last one, infinity if none is
until the sub-core has no cycle left. Between 2 and 16 the error of a launch changes by a fiftieth."""


def rest(
    left: np.ndarray, size: int, places: int, width: int, seen: Outcome, before: Outcome, core: CoreConfig
) -> float:
    """Return cycles until all warps have ended.

    `left` are the instructions that each warp has left, int64[warps], in thread blocks of `size`, of which `places` run at
    once on `width` sub-cores; the pace is what was counted from `before` to `seen`.
    """
    waits, span = seen.waits - before.waits, seen.cycles - before.cycles
    issued, spent = int(waits[:, C_ISSUED].sum()), float(waits.sum())
    if not issued or not left.any():
        return 0.0
    together, company = spent / issued, max(spent / max(span, 1) / width, 1.0)
    own = together - float(waits[:, _SHARED].sum()) / issued
    alone = min(together, max(own, (core.fetch_cycles + 1) / core.instruction_buffer))
    crowd = max(together**_SHARPNESS - alone**_SHARPNESS, 0.0) ** (1 / _SHARPNESS) / company

    def interval(warps: int) -> float:
        return float((alone**_SHARPNESS + (crowd * max(warps / width, 1.0)) ** _SHARPNESS) ** (1 / _SHARPNESS))

    blocks = [chunk[chunk > 0] for chunk in np.split(left, range(size, len(left), size))]
    waiting = iter([chunk for chunk in blocks if len(chunk)])
    live: list[tuple[int, int]] = []  # (instructions after which it ends, its thread block)
    members: dict[int, int] = {}
    time, at = 0.0, 0

    def start() -> None:
        chunk = next(waiting, None)
        if chunk is not None:
            block = len(members)
            members[block] = len(chunk)
            for instructions in chunk.tolist():
                heapq.heappush(live, (at + instructions, block))

    for _ in range(places):
        start()
    while live:
        end, block = live[0]
        time += (end - at) * interval(len(live))
        at = end
        heapq.heappop(live)
        members[block] -= 1
        if not members[block]:
            start()
    return time
