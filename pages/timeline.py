"""Timelines that open in https://ui.perfetto.dev and chrome://tracing: the Trace Event Format (JSON).

A tick (a cycle, or a picosecond) is drawn as one microsecond, the format's own unit, and the title says so:
only whole microseconds are kept exactly by every version of the viewers, which turn fractions into
nanoseconds by cutting them off.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from io import TextIOWrapper
from pathlib import Path
from typing import IO, Any

from ..simulator.files import replaced
from ..simulator.report import version
from ..simulator.timeline import Span, Timeline

__all__ = ["write_timeline"]

def write_timeline(out: str | Path, spans: Iterable[Span]) -> Path:
    """Write spans (a `Timeline`, or any spans in cycles) to `out`; gzipped if it ends in .gz.

    Tracks appear in the order in which they first occur. Raises `InputError` for a place that cannot be written.
    """
    timeline = spans if isinstance(spans, Timeline) else Timeline(spans)
    target = Path(out)
    with replaced(target, parents=True) as partial, _text(partial, zipped=target.suffix == ".gz") as stream:
        stream.write('{"displayTimeUnit":"ms","otherData":')
        stream.write(json.dumps({**_about(timeline), "cyclescape": version()}))
        stream.write(',"traceEvents":[')
        for i, event in enumerate(_events(timeline)):
            stream.write(",\n" if i else "\n")
            stream.write(json.dumps(event, separators=(",", ":"), allow_nan=False))
        stream.write("\n]}\n")
    return target


def _events(timeline: Timeline) -> Iterator[dict[str, Any]]:
    """Yield the events: complete ones (X), after the names (M) of the process and of each track."""
    about = _about(timeline)
    yield {"ph": "M", "pid": 1, "name": "process_name", "args": {"name": f"{about['title']} ({about['scale']})"}}
    tracks: dict[str, int] = {}
    for span in timeline:
        if span.track not in tracks:
            track = tracks[span.track] = len(tracks) + 1
            yield {"ph": "M", "pid": 1, "tid": track, "name": "thread_name", "args": {"name": span.track}}
            yield {"ph": "M", "pid": 1, "tid": track, "name": "thread_sort_index", "args": {"sort_index": track}}
        yield {
            "ph": "X", "pid": 1, "tid": tracks[span.track], "name": span.name,
            "ts": span.start, "dur": span.duration, "args": dict(span.args),
        }  # fmt: skip


def _about(timeline: Timeline) -> dict[str, str]:
    clock = f" at {timeline.frequency_mhz:g} MHz" if timeline.frequency_mhz and timeline.tick == "cycle" else ""
    scale = f"1 µs stands for 1 {timeline.tick}{clock}"
    return {"title": timeline.title or "cyclescape", "scale": scale, "notes": "; ".join(timeline.notes)}


@contextmanager
def _text(path: Path, *, zipped: bool) -> Iterator[IO[str]]:
    if not zipped:
        with path.open("w", encoding="utf-8") as stream:
            yield stream
        return
    # Neither a name nor a date in the header: the same timeline gives the same bytes.
    with (
        path.open("wb") as raw,
        gzip.GzipFile("", "wb", 6, raw, mtime=0) as packed,
        TextIOWrapper(packed, encoding="utf-8") as stream,
    ):
        yield stream
