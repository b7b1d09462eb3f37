"""The four guidelines of ShuffleNet V2 as simulated facts: same work, other shapes, on a systolic array.

Ma et al., ECCV 2018 (arXiv:1807.11164), section 2: stacks of ten blocks, shapes chosen so that multiply-accumulates hardly
change. Here the blocks run on an array whose every byte and cycle is known, so that what agrees and why can be said.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from ...traces.graph import Graph, Tensor
from .measure import Machine
from .measure import run as simulate
from .outcome import Finding, Outcome, Part

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from ...traces.workload import Workload

__all__ = ["run"]

SIZE, BLOCKS, SIDE = 56, 10, 32
FLOWS = ("ws", "os")
NETWORKS = ("shufflenet-v2", "mobilenet-v2", "mobilenet-v3", "efficientnet-b0", "resnet50")
SETUP = (
    f"Ten equal blocks on images of {SIZE}x{SIZE}, batch 1; all that changes is their shape. The systolic machine's "
    f"default design: {SIDE}x{SIDE} PEs, three scratchpads of 128 KiB, 256 KiB for activations, 16 bytes a cycle, "
    "8-bit elements, weight (ws) or output (os) stationary. mb: megabytes to and from memory; kcycles: thousands of "
    "cycles; ideal: without waiting for memory, so that only the use of the PEs counts. Element-wise operators of one "
    "operand are applied while their producer drains."
)

Row = dict[str, Any]


def run() -> Outcome:
    """Simulate the blocks of all four guidelines."""
    parts = (_equal_widths(), _groups(), _fragments(), _element_wise(), _networks())
    return Outcome("shufflenet-guidelines", SETUP, parts, partial(_draw, parts[:4]))


def _stack(block: Callable[[Graph, Tensor], Tensor], channels: int) -> Workload:
    g = Graph()
    x = g.input(1, SIZE, SIZE, channels)
    for i in range(BLOCKS):
        with g.scope(f"block{i}"):
            x = block(g, x)
    return g.workload("stack", "arXiv:1807.11164, section 2")


def _designs(memory: str) -> dict[str, Machine]:
    return {flow: Machine.of(flow, "systolic", dataflow=flow, memory=memory, rows=SIDE, cols=SIDE) for flow in FLOWS}


def _measured(shape: str, workload: Workload) -> Row:
    """Work, traffic and time under both dataflows."""
    row: Row = {"shape": shape, "mmacs": workload.macs / 1e6}
    for flow, machine in _designs("port").items():
        metrics = simulate(machine, workload).metrics
        row |= {f"{flow}_mb": metrics["dram_bytes"] / 1e6, f"{flow}_kcycles": metrics["cycles"] / 1e3}
    for flow, machine in _designs("ideal").items():
        row[f"{flow}_ideal_kcycles"] = simulate(machine, workload).metrics["cycles"] / 1e3
    return row


def _times(rows: Sequence[Row], column: str) -> list[float]:
    """A column relative to its first row."""
    return [row[column] / rows[0][column] for row in rows]


def _more(rows: Sequence[Row], column: str) -> str:
    """A column's way from the first row on, as text."""
    return f"{column.replace('_', ' ')} " + ", ".join(f"{value:.2f}x" for value in _times(rows, column)[1:])


def _first_is_least(rows: Sequence[Row], column: str) -> bool:
    return rows[0][column] == min(row[column] for row in rows)


def _equal_widths() -> Part:
    def stack(c1: int, c2: int) -> Workload:
        def block(g: Graph, x: Tensor) -> Tensor:
            return g.conv("back", g.conv("there", x, c2, 1, activation="relu"), c1, 1, activation="relu")

        return _stack(block, c1)

    rows = [_measured(f"{c1}:{c2}", stack(c1, c2)) for c1, c2 in ((128, 128), (90, 180), (52, 312), (36, 432))]
    findings = [
        Finding(f"1x1 convolutions with as many outputs as inputs move the fewest bytes ({flow})",
                _first_is_least(rows, f"{flow}_mb"), _more(rows, f"{flow}_mb"))
        for flow in FLOWS
    ]
    findings += [
        Finding(f"and are the fastest ({flow})", _first_is_least(rows, f"{flow}_kcycles"),
                f"{_more(rows, f'{flow}_kcycles')}; {_more(rows, f'{flow}_ideal_kcycles')}")
        for flow in FLOWS
    ]
    return Part("G1: channels in and out of pairs of 1x1 convolutions, c1:c2", rows, tuple(findings))


def _groups() -> Part:
    def stack(groups: int, channels: int) -> Workload:
        return _stack(lambda g, x: g.conv("conv", x, channels, 1, groups=groups, activation="relu"), channels)

    rows = [_measured(f"g={g}, c={c}", stack(g, c)) for g, c in ((1, 128), (2, 180), (4, 256), (8, 360))]
    findings = tuple(
        Finding(f"more groups, at equal work, move more bytes and take more time ({flow})",
                all(_rises(rows, f"{flow}_{what}") for what in ("mb", "kcycles")),
                f"{_more(rows, f'{flow}_mb')}; {_more(rows, f'{flow}_kcycles')}; {_more(rows, f'{flow}_ideal_kcycles')}")
        for flow in FLOWS
    )
    return Part("G2: groups of 1x1 convolutions", rows, findings)


def _rises(rows: Sequence[Row], column: str) -> bool:
    values = [row[column] for row in rows]
    return all(a < b for a, b in pairwise(values))


def _fragments() -> Part:
    def series(count: int, channels: int) -> Workload:
        def block(g: Graph, x: Tensor) -> Tensor:
            for i in range(count):
                x = g.conv(f"conv{i}", x, channels, 1, activation="relu")
            return x

        return _stack(block, channels)

    def parallel(count: int, channels: int) -> Workload:
        return _stack(
            lambda g, x: g.add("add", *[g.conv(f"conv{i}", x, channels, 1, activation="relu") for i in range(count)]), channels)

    rows = [_measured("1 of c=128", series(1, 128))]
    rows += [_measured(f"{n} in series, c={c}", series(n, c)) for n, c in ((2, 90), (4, 64))]
    rows += [_measured(f"{n} parallel, c={c}", parallel(n, c)) for n, c in ((2, 90), (4, 64))]
    findings: list[Finding] = []
    for flow in FLOWS:
        ideal = _times(rows, f"{flow}_ideal_kcycles")[1:]
        findings += [
            Finding(f"fragments, at equal work, take more time ({flow})", _first_is_least(rows, f"{flow}_kcycles"),
                    _more(rows, f"{flow}_kcycles")),
            Finding(f"and all of them already because the PEs are used less ({flow})", min(ideal) > 1.05,
                    f"{_more(rows, f'{flow}_ideal_kcycles')}; {_more(rows, f'{flow}_mb')}"),
        ]
    return Part("G3: a block in fragments", rows, tuple(findings))


def _element_wise() -> Part:
    def stack(relu: bool, shortcut: bool) -> Workload:
        activation = "relu" if relu else None

        def block(g: Graph, x: Tensor) -> Tensor:
            y = g.conv("reduce", x, 32, 1, activation=activation)
            y = g.conv("conv", y, 32, 3, activation=activation)
            y = g.conv("expand", y, 128, 1)
            y = g.add("add", y, x) if shortcut else y
            return g.activate("relu", y, "relu") if relu else y

        return _stack(block, 128)

    variants = (("plain", False, False), ("with relu", True, False), ("with shortcut", False, True), ("with both", True, True))
    rows = [_measured(shape, stack(relu, shortcut)) for shape, relu, shortcut in variants]
    findings = []
    for flow in FLOWS:
        cost = [100 * (value - 1) for value in _times(rows, f"{flow}_kcycles")]
        moved = [100 * (value - 1) for value in _times(rows, f"{flow}_mb")]
        findings += [
            Finding(f"shortcuts are not negligible ({flow})", cost[2] > 5,
                    f"{cost[2]:+.1f} % time, {moved[2]:+.1f} % bytes, no multiply-accumulate"),
            Finding(f"activations are not negligible ({flow})", cost[1] > 5,
                    f"{cost[1]:+.1f} % time: they are applied while their producer drains"),
        ]
    return Part("G4: bottlenecks (128-32-32-128) with and without element-wise operators", rows, tuple(findings))


def _networks() -> Part:
    rows = []
    for name in NETWORKS:
        row: Row = {"network": name}
        for flow, machine in _designs("port").items():
            layers = simulate(machine, name).layers
            vector = layers["macs"] == 0
            row[f"{flow}_time_pct"] = 100 * layers.loc[vector, "cycles"].sum() / layers["cycles"].sum()
        from ...api import workload

        net = workload(name)
        row["operations_pct"] = 100 * net.vector_ops / (net.macs + net.vector_ops)
        rows.append(row)
    findings = tuple(
        Finding(f"their share of the time exceeds their share of the operations in most networks ({flow})",
                2 * more > len(rows), f"in {more} of {len(rows)}")
        for flow in FLOWS
        for more in [sum(row[f"{flow}_time_pct"] > row["operations_pct"] for row in rows)]
    )
    return Part("G4 in whole networks: share of operators without multiply-accumulates", rows, findings)


def _draw(parts: Sequence[Part]) -> Figure:
    from .drawing import COLORS, finish, new_figure

    title = f"ShuffleNet V2's guidelines on {SIDE}x{SIDE} PEs: the same work in other shapes, relative to the first"
    figure, panels = new_figure(title, (2, 2), (10.4, 6.2))
    for axes, part in zip(panels, parts):
        rows = part.rows
        for i, flow in enumerate(FLOWS):
            color, at = COLORS[i], [j + 0.38 * (i - 0.5) for j in range(len(rows))]
            axes.bar(at, _relative(rows, f"{flow}_kcycles"), 0.36, color=color, alpha=0.35, label=f"time, {flow}")
            axes.bar(at, _relative(rows, f"{flow}_ideal_kcycles", f"{flow}_kcycles"), 0.36, color=color, alpha=0.75,
                     label=f"of it without waiting for memory, {flow}")
            axes.plot(at, _relative(rows, f"{flow}_mb"), "D", color=color, markersize=6, markeredgecolor="white",
                      label=f"bytes, {flow}")
        axes.set_xticks(range(len(rows)), [row["shape"].replace(", ", "\n") for row in rows])
        axes.axhline(1, color="#777777", linewidth=0.8, zorder=0)
        finish(axes, part.title, "", "")
        axes.grid(visible=False, axis="x")
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3, frameon=False, fontsize=8.5)
    return figure


def _relative(rows: Sequence[Mapping[str, Any]], column: str, to: str | None = None) -> list[float]:
    """A column relative to the first row of it, or of another one."""
    return [row[column] / rows[0][to or column] for row in rows]
