"""The point that explains measurements best, and what they leave open.

The latencies act nearly additively, so a least-squares step over them lands near, and a scan of each parameter by itself, with
the sum of absolute errors, finds the rest: a measurement that no design gives then moves nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import combinations, product
from pathlib import Path
from typing import Any

import numpy as np

from ....errors import InputError
from ....simulator.fitting import Fit
from .measurements import read
from .simulated import FITTED, NUMERIC, STEP, STRUCTURE, Simulated

__all__ = ["fit"]

ROUNDS = 8
NEAR = 3
"""Steps to both sides in a scan of a latency."""
Point = dict[str, Any]


def fit(measurements: Path, base: Mapping[str, Any], preset: str | None) -> Fit:
    """Fit what can be fitted to a file of measurements; parameters in `base` stay as they are given.

    Raises `InputError` for what cannot be read, and for a base that is no design.
    """
    simulated = Simulated(base, preset, read(measurements))
    search = _Search(simulated, [name for name in FITTED if name not in base])
    search.run()
    return search.result(base)


class _Search:
    def __init__(self, simulated: Simulated, free: Sequence[str]) -> None:
        self.s, self.point = simulated, dict(simulated.start)
        self.measured = np.array([item.cycles for item in simulated.measurements])
        self.free = [name for name in free if simulated.of(name)]
        self.numeric = [name for name in self.free if name in NUMERIC]

    # -- search ----------------------------------------------------------------------------------------------------

    def run(self) -> None:
        """Improve until nothing does, from the point where the search starts and from one without a least time of loads."""
        self.improve()
        if self.error() and "shared_minimum_cycles" in self.free:
            first, self.point = self.point, self.point | {"shared_minimum_cycles": NUMERIC["shared_minimum_cycles"][0]}
            least = self.error(point=first)
            while self.step():
                pass
            self.scan("shared_minimum_cycles", range(NUMERIC["shared_minimum_cycles"][0], 100))
            self.improve()
            if self.error() >= least:
                self.point = first

    def improve(self) -> None:
        """Scan, step and move pairs until nothing helps."""
        for _ in range(ROUNDS):
            before = self.error()
            for name in self.free:
                if name in STRUCTURE:
                    self.scan(name, STRUCTURE[name])
            if before:
                self.queues()
            while self.step():
                pass
            for name in self.numeric:
                self.scan(name, self.near(name))
            if self.error() == before and not (before and self.pairs()):
                break

    def queues(self) -> None:
        """Scan what holds runs of memory instructions up two by two, then all together: each hides behind the others."""
        names = [name for name in ("address_interval_cycles", "port_interval", "memory_queue") if name in self.free]
        runs = sorted({number for name in names for number in self.s.of(name) if len(self.s.groups[number]) > 3})
        for count in (2, 3):
            for chosen in combinations(names, count):
                best, least = self.point, self.error(runs)
                for values in product(*(STRUCTURE[name] for name in chosen)) if least else ():
                    there = self.point | dict(zip(chosen, values))
                    if (error := self.error(runs, there)) < least:
                        best, least = there, error
                self.point = best

    def error(self, groups: Iterable[int] | None = None, point: Point | None = None) -> float:
        """Sum of absolute errors, of all microbenchmarks or of some; infinite where there is no such design."""
        point = self.point if point is None else point
        total = 0.0
        for number in range(len(self.s.groups)) if groups is None else groups:
            try:
                found = self.s.group(number, point)
            except InputError:
                return np.inf
            total += float(np.abs(found - self.measured[self.s.groups[number]]).sum())
        return total

    def near(self, name: str) -> list[int]:
        """Values of a latency around where it is."""
        (low, high), by = NUMERIC[name], STEP.get(name, 1)
        moves = sorted({k * unit for k in range(-NEAR, NEAR + 1) for unit in (1, by // 10 or 1, by)})
        return [self.point[name] + move for move in moves if low <= self.point[name] + move <= high]

    def scan(self, name: str, values: Sequence[Any]) -> None:
        """Give a parameter the value with the least error; a tie changes nothing."""
        groups = self.s.of(name)
        best, least = self.point[name], self.error(groups)
        for value in values:
            error = self.error(groups, self.point | {name: value})
            if error < least:
                best, least = value, error
        self.point[name] = best

    def slopes(self, direction: int = 1) -> np.ndarray:
        """How measurements change with each latency, (measurements, latencies)."""
        slopes = np.zeros((len(self.measured), len(self.numeric)))
        for column, name in enumerate(self.numeric):
            low, high = NUMERIC[name]
            by = direction * STEP.get(name, 1)
            by = by if low <= self.point[name] + by <= high else -by
            moved = self.point | {name: self.point[name] + by}
            for number in self.s.of(name):
                rows = self.s.groups[number]
                slopes[rows, column] = (self.s.group(number, moved) - self.s.group(number, self.point)) / by
        return slopes

    def step(self) -> bool:
        """A least-squares step over all latencies, or half of it, if it helps."""
        if not self.numeric:
            return False
        rest = self.measured - self.s.values(self.point)
        move = np.linalg.lstsq(self.slopes(), rest, rcond=None)[0]
        for part in (1.0, 0.5):
            there = dict(self.point)
            for name, by in zip(self.numeric, np.rint(part * move).astype(int)):
                there[name] = int(np.clip(self.point[name] + by, *NUMERIC[name]))
            if self.error(point=there) < self.error():
                self.point = there
                return True
        return False

    def pairs(self) -> bool:
        """Move two latencies of one microbenchmark at once; true if that helps."""
        together = {pair for names in self.s.relevant for pair in combinations([n for n in self.numeric if n in names], 2)}
        for one, other in sorted(together):
            groups = sorted({*self.s.of(one), *self.s.of(other)})
            least = self.error(groups)
            for a in self.near(one):
                for b in self.near(other):
                    there = self.point | {one: a, other: b}
                    if self.error(groups, there) < least:
                        self.point = there
                        return True
        return False

    # -- what is known of it ---------------------------------------------------------------------------------------

    def result(self, base: Mapping[str, Any]) -> Fit:
        """The point with what the measurements say of each parameter."""
        found = self.s.values(self.point)
        together = self.together()
        rows = [self.row(name, found, together, name in base) for name in FITTED]
        unexplained = [
            {"case": item.name, "what": item.what, "measured": item.cycles, "simulated": float(value)}
            for item, value in zip(self.s.measurements, found) if abs(item.cycles - value) > 0.5
        ]
        parameters = {**base, **{name: self.point[name] for name in self.free}}
        return Fit("gpu-core", self.s.preset, parameters, rows, unexplained, len(self.measured))

    def row(self, name: str, found: np.ndarray, together: Mapping[str, list[str]], given: bool) -> dict[str, Any]:
        """What the measurements say of one parameter: `determined`, `several` values, only `together` with others,
        `unmeasured`, or that it was `given`."""
        rows = [i for number in self.s.of(name) for i in self.s.groups[number]]
        others: list[Any] = []
        if given:
            status = "given"
        elif not rows:
            status = "unmeasured"
        else:
            others = self.equal(name)
            status = "determined"
            if others:
                status = "several"
            elif name in together:
                status, others = "together", together[name]
        error = float(np.abs(found[rows] - self.measured[rows]).mean()) if rows else 0.0
        return {"parameter": name, "value": self.point[name], "before": self.s.start[name], "status": status,
                "others": others, "measurements": len(rows), "mean_error_cycles": round(error, 3)}

    def equal(self, name: str) -> list[Any]:
        """Other values of a parameter that explain as much; of a latency those nearby."""
        groups = self.s.of(name)
        least = self.error(groups)
        values = STRUCTURE[name] if name in STRUCTURE else self.near(name)
        return [v for v in values if v != self.point[name] and self.error(groups, self.point | {name: v}) <= least]

    def together(self) -> dict[str, list[str]]:
        """Latencies that can move without a trace if others move too, with those others."""
        found: dict[str, list[str]] = {}
        for direction in (1, -1):
            slopes = self.slopes(direction) if self.numeric else np.zeros((1, 0))
            _, sizes, turned = np.linalg.svd(slopes)
            rank = int((sizes > 1e-9).sum())
            unseen = turned[rank:].T @ turned[rank:]  # projects on moves that change no measurement
            for name, shares in zip(self.numeric, np.abs(unseen) > 1e-6):
                partners = [other for other, moves in zip(self.numeric, shares) if moves and other != name]
                if partners:
                    found[name] = partners
        return found
