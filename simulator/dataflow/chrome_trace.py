"""A run as a timeline in the Chrome trace format, which chrome://tracing and Perfetto show."""

from __future__ import annotations

from typing import Any

from .fills import token_times
from .run import Run

__all__ = ["timeline"]


def timeline(run: Run, *, first: int = 0, last: int | None = None) -> dict[str, Any]:
    """Turn a recorded run into a JSON-ready trace; a microsecond of the trace is a cycle.

    Every node is a track. A firing is a slice from its ready time to the end of its interval; where it
    waited for output space, that part is a slice named "blocked". The fill of every FIFO is a
    counter. `first` and `last` cut out a range of cycles.
    """
    if not run.ready:
        raise ValueError("a timeline needs a run whose firings were recorded")
    stop = last if last is not None else 2**62
    events: list[dict[str, Any]] = []
    for track, (name, node) in enumerate(run.network.nodes.items()):
        events.append({"ph": "M", "pid": 0, "tid": track, "name": "thread_name", "args": {"name": name}})
        for k, (ready, send) in enumerate(zip(run.ready.get(name, ()), run.send.get(name, ()))):
            if not first <= ready < stop:
                continue
            interval = (
                node.interval if node.schedule is None else node.schedule.interval[k % len(node.schedule)]
            )
            begin = int(send) if send >= 0 else int(ready)
            if begin > ready:
                events.append(_slice(track, "blocked", int(ready), begin - int(ready), k))
            if send >= 0:
                events.append(_slice(track, name, begin, int(interval), k))
    for name, fifo in run.network.fifos.items():
        if fifo.source[0] not in run.send or fifo.target[0] not in run.ready:
            continue
        sends, takes = token_times(run, fifo)
        changes = sorted([(int(t), 1) for t in sends] + [(int(t), -1) for t in takes])
        fill = 0
        for i, (time, change) in enumerate(changes):
            fill += change
            if first <= time < stop and (i + 1 == len(changes) or changes[i + 1][0] != time):
                events.append({"ph": "C", "pid": 0, "ts": time, "name": name, "args": {"tokens": fill}})
    return {"traceEvents": events, "displayTimeUnit": "ms"}


def _slice(track: int, name: str, begin: int, cycles: int, k: int) -> dict[str, Any]:
    return {
        "ph": "X",
        "pid": 0,
        "tid": track,
        "ts": begin,
        "dur": cycles,
        "name": name,
        "args": {"firing": k},
    }
