"""The check against the table of attention runs: every row on both engines, deadlocks included."""

from __future__ import annotations

import os
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

from ...errors import InputError
from ...reading import read_table as read_cells
from ...simulator.dataflow.compiled import run_worklist
from ...simulator.dataflow.simpy_engine import run_simpy
from ...simulator.network import Network
from ...simulator.validation import Check, Validation
from .attention import EDGES, GRAPHS, Graph, attention
from .laws import closed_forms, least_depths

__all__ = ["SHIPPED", "Row", "read_table", "validate"]

SHIPPED = Path(__file__).parent / "reference" / "sdpa.csv"
"""520 runs."""

_WORTH_SHARING = 2_000_000
"""Scores in a table from which on processes are started."""

CYCLES = "cycles_or_minus1_if_deadlock"
LIMITS: Mapping[str, int] = {
    "N": 2**16, "node_latency": 2**20, "ii": 2**20, "send_latency": 2**20, "response_latency": 2**20,
    "short_depth": 2**24,
}  # fmt: skip
NAMES: Mapping[str, Graph] = {"memfree": "memory_free", **{graph: graph for graph in GRAPHS}}


@dataclass(frozen=True)
class Row:
    """A run of the table."""

    line: int
    graph: Graph
    n: int
    latency: int
    interval: int
    send_latency: int
    response_latency: int
    short_depth: int
    long_depth: int | None
    cycles: int
    """-1 for a deadlock."""

    @property
    def name(self) -> str:
        """How the row is told."""
        long = f", long {self.long_depth}" if self.long_depth else ""
        units = f"{self.graph} N={self.n} l={self.latency} II={self.interval}"
        return f"line {self.line}: {units}, short {self.short_depth}{long}"

    def network(self) -> Network:
        """The network that was run."""
        return attention(
            self.graph, self.n, latency=self.latency, interval=self.interval, send_latency=self.send_latency,
            response_latency=self.response_latency, depth=self.short_depth, long_depth=self.long_depth,
        ).check()  # fmt: skip


def read_table(path: Path = SHIPPED) -> list[Row]:
    """Read a table of that form; raises `InputError` naming file, line, column, value and what is accepted."""
    return [_row(path, line, cells) for line, cells in read_cells(path, ("graph", *LIMITS, "long_depth", CYCLES))]


def _row(path: Path, line: int, cells: Mapping[str, str]) -> Row:
    graph = cells.get("graph", "").strip()
    if graph not in NAMES:
        raise InputError(f"{path}, line {line}: graph={graph!r}; accepted: {', '.join(NAMES)}")

    def number(column: str, low: int, high: int) -> int:
        cell = cells.get(column, "").strip()
        try:
            value = int(cell)
        except ValueError:
            value = low - 1
        if not low <= value <= high:
            raise InputError(f"{path}, line {line}: {column}={cell!r}; accepted: an integer from {low} to {high}")
        return value

    n, latency, interval, send, response, short = (number(column, 1, high) for column, high in LIMITS.items())
    has_long = any(edge.rate == "long" for edge in EDGES[NAMES[graph]])
    long = number("long_depth", 1, 2**24) if has_long else None
    return Row(line, NAMES[graph], n, latency, interval, send, response, short, long, number(CYCLES, -1, 2**62))


def validate(table: Path | None = None) -> Validation:
    """Run every row of the shipped table, or of another of its form, on the compiled and the SimPy engine.

    With the shipped table the closed forms and the least depths are checked too. Long tables are shared out among
    all cores: SimPy walks every token.
    """
    path = table or SHIPPED
    rows = read_table(path)
    cores = os.cpu_count() or 1
    if cores == 1 or sum(row.n**2 for row in rows) < _WORTH_SHARING:
        found = {row: _run(row) for row in rows}
    else:
        longest_first = sorted(rows, key=lambda row: -row.n)
        with ProcessPoolExecutor(cores, get_context("spawn")) as pool:
            found = dict(zip(longest_first, pool.map(_run, longest_first)))
    checks = [
        Check.equal(row.name, f"{engine} cycles", row.cycles, cycles, why)
        for row in rows for engine, (cycles, why) in found[row].items()
    ]
    if table is None:
        checks += [*closed_forms(), *least_depths()]
    return Validation(
        "streaming attention", str(path), tuple(checks),
        notes=(
            "cycles of -1 stand for a deadlock",
            "inputs are taken together and released before the wait for output space; all outputs are sent together",
        ),
    )  # fmt: skip


def _run(row: Row) -> dict[str, tuple[int, str]]:
    """Cycles (-1: deadlock) and who is stuck, by engine."""
    network = row.network()
    runs = {"compiled": run_worklist(network), "simpy": run_simpy(network)}
    return {
        engine: (-1 if run.cycles is None else run.cycles, "; ".join(map(str, run.blocked)))
        for engine, run in runs.items()
    }


