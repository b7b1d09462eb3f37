"""How far a search or sweep is, on stderr: done, rate, remaining time.

On a terminal a bar; elsewhere (a batch job's log) a line now and then.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["bar", "duration"]

Update = Callable[[int, int, str], None]
_LINE_S = 10.0
"""Seconds between lines where stderr is no terminal."""


@contextmanager
def bar(what: str, unit: str, *, console: Console | None = None, line_s: float = _LINE_S) -> Iterator[Update]:
    """Yield a function (done, total, remark) that shows progress; the remark is text, never markup."""
    from rich.console import Console

    console = console or Console(stderr=True)
    with _bar(what, unit, console) if console.is_terminal else _lines(what, unit, console, line_s) as update:
        yield update


@contextmanager
def _bar(what: str, unit: str, console: Console) -> Iterator[Update]:
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}", markup=False), TimeRemainingColumn(compact=True),
        TextColumn("{task.fields[remark]}", markup=False),
    )  # fmt: skip
    with Progress(*columns, console=console) as progress:
        task = progress.add_task(what, total=None, rate="", remark="")

        def update(done: int, total: int, remark: str = "") -> None:
            progress.update(task, completed=done, total=total, remark=remark)
            speed = progress.tasks[task].speed or progress.tasks[task].finished_speed
            progress.update(task, rate=f"{_rate(speed)} {unit}/s" if speed else "")

        yield update


@contextmanager
def _lines(what: str, unit: str, console: Console, line_s: float) -> Iterator[Update]:
    start = last = time.monotonic()
    first: tuple[int, float] | None = None  # what came before it includes compiling, and foretells nothing

    def update(done: int, total: int, remark: str = "") -> None:
        nonlocal last, first
        now = time.monotonic()
        first = first or (done, now)
        if now - last < line_s:
            return
        last, known = now, done > first[0]
        rate = (done - first[0]) / max(now - first[1], 1e-9) if known else done / max(now - start, 1e-9)
        left = f", {duration((total - done) / rate)} left" if known and done < total else ""
        text = f"{what}: {done:,}/{total:,} {unit}, {_rate(rate)}/s{left}{f', {remark}' if remark else ''}"
        print(text, file=console.file, flush=True)

    yield update


def _rate(speed: float) -> str:
    return f"{speed:,.0f}" if speed >= 10 else f"{speed:.2g}"


def duration(seconds: float) -> str:
    """Seconds for people: 42 s, 3 min 10 s, 2 h 5 min."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"
