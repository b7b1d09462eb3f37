"""One operator on a DRAM, step by step in plain Python: what `dram.execute` must equal.

It walks the same plan as the SimPy components and shares no code with the compiled kernel but the memory's port, which
has a reference of its own (`ReferenceBurstPort`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from fractions import Fraction
from math import ceil, floor
from typing import NamedTuple, Protocol

from .components import Fold, Grid, JobRun, Plan
from .offchip import LINK_CYCLES

__all__ = ["Port", "walk"]


class Port(Protocol):
    """What is asked of the memory."""

    account: dict[str, int]
    """Ticks of the last wait, by what the data bus did in them."""

    def send(self, address: int, size: int, is_write: bool, earliest: int) -> int:
        """Put a transfer behind the others and return its number."""
        ...

    def wait(self, transfer: int, since: int) -> int:
        """Return the tick of its last word; `account` is to explain what has passed from `since` on."""
        ...


_NAMES = {"ifmap": "ifmap tiles", "filter": "filter tiles", "psum": "partial sums", "store": "outputs"}


class _Transfer(NamedTuple):
    kind: str
    step: int
    address: int
    bits: int
    after: int
    """The step whose end it waits for; -1 if none."""


def _transfers(plan: Plan, counts: Sequence[int], begin: Sequence[int], apart: Sequence[int]) -> list[_Transfer]:
    """Every transfer in program order; `counts` are the tiles along groups, m, n and k."""
    region = {"ifmap": 0, "filter": 1, "outputs": 2, "psum": 3}
    dims = {"ifmap": (0, 1, 3), "filter": (0, 3, 2), "outputs": (0, 1, 2), "psum": (0, 1, 2)}
    out: list[_Transfer] = []
    loaded = {"ifmap": 0, "filter": 0}  # the step that took the half before last out of use is the one before this

    def place(kind: str, tile: tuple[int, ...]) -> int:
        ordinal = 0
        for d in dims[kind]:
            ordinal = ordinal * counts[d] + tile[d]
        return int(begin[region[kind]] + ordinal * apart[region[kind]])

    def stored(index: int) -> tuple[str, tuple[int, ...]]:
        """What kind of tile step `index` leaves behind."""
        tile = plan.steps[index].tile
        return ("outputs" if tile[3] == counts[3] - 1 else "psum"), tile

    closed = 0  # bits of the tile that the step before last closed
    for s, step in enumerate(plan.steps):
        for kind, bits in (("ifmap", step.ifmap_bits), ("filter", step.filter_bits)):
            if bits:
                out.append(_Transfer(kind, s, place(kind, step.tile), bits, loaded[kind] - 1))
                loaded[kind] = s
        if closed:
            out.append(_Transfer("store", s, place(*stored(s - 2)), closed, s - 2))
        closed = step.closed_bits
        if step.psum_bits:
            out.append(_Transfer("psum", s, place("psum", step.tile), step.psum_bits, -1))
    n = len(plan.steps)
    if closed:
        out.append(_Transfer("store", n, place(*stored(n - 2)), closed, n - 2))
    if plan.last_bits:
        out.append(_Transfer("store", n + 1, place("outputs", plan.steps[-1].tile), plan.last_bits, n - 1))
    return out


def walk(
    plan: Plan, counts: Sequence[int], begin: Sequence[int], apart: Sequence[int], port: Port, ticks: Fraction, base: int = 0
) -> tuple[JobRun, Counter[str]]:
    """Run one operator from cycle `base` on; `begin` and `apart` are those of `offchip.regions`.

    Returns what was seen, and the ticks of stalls by what the data bus did meanwhile.
    """
    run, shadow = JobRun(0), plan.shadow
    grids = [Grid() for _ in range(max(len(step.folds) for step in plan.steps))]
    waiting = _transfers(plan, counts, begin, apart)
    numbers: dict[tuple[str, int], int] = {}
    done: list[int] = []
    sent: list[tuple[str, int, int]] = []
    last_store = opener = -1
    since = 0
    account: Counter[str] = Counter()

    def known(number: int, *, stalls: bool = True) -> int:
        tick = port.wait(number, since)
        if stalls:
            account.update(port.account)
        return ceil(tick / ticks) + LINK_CYCLES - base

    def send_what_can_be(s: int) -> None:
        nonlocal last_store
        while waiting and waiting[0].after < s:
            t = waiting.pop(0)
            earliest = done[t.after] + 1 if t.after >= 0 else 0
            if t.kind == "psum" and last_store >= 0:
                earliest = known(last_store, stalls=t.step == s)
            number = port.send(t.address, -(-t.bits // 8), t.kind == "store", ceil((base + earliest) * ticks))
            numbers[t.kind, t.step] = number
            sent.append((t.kind, earliest, number))
            last_store = number if t.kind == "store" else last_store

    for s, step in enumerate(plan.steps):
        first = [(grid, folds[0]) for grid, folds in zip(grids, step.folds, strict=False)]
        ready = max(grid.earliest(work, shadow) for grid, work in first)
        since = floor((base + ready) * ticks)
        send_what_can_be(s)
        load = max(work.load for _, work in first)
        arrivals = []
        for kind, cause in (("ifmap", "ifmap tiles"), ("filter", "filter tiles"), ("psum", "partial sums")):
            if (kind, s) in numbers:
                arrivals.append((cause, known(numbers[kind, s]) + (load if kind == shadow else 0)))
        opener = numbers.get(("store", s), opener)
        if step.opens_output and opener >= 0:
            arrivals.append(("outputs", known(opener)))
        start = max([ready, *(time for _, time in arrivals)])
        if start > ready:
            run.blame(next(cause for cause, time in arrivals if time == start), ready, start)
        for array, (grid, folds) in enumerate(zip(grids, step.folds, strict=False)):
            at = start
            for work in folds:
                at = max(at, grid.earliest(work, shadow))
                grid.take(work, at, shadow)
                run.folds.append(Fold(s, at, grid.streamed_at + work.done, array))
        done.append(max(grid.done_at for grid in grids))
    since = floor((base + max(grid.free_at for grid in grids)) * ticks)
    send_what_can_be(len(done))
    since = floor((base + done[-1]) * ticks)
    stores = [known(number) for (kind, s), number in numbers.items() if kind == "store" and s >= len(done)]
    run.cycles = max([done[-1], *stores])
    run.blame("outputs", done[-1], run.cycles)
    run.transfers = [(_NAMES[kind], earliest, known(number, stalls=False)) for kind, earliest, number in sent]
    return run, account
