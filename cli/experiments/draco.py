"""DRACO's sweep: MobileNet V1 with G channels in each group of its 3x3 convolutions, on arrays and dataflows.

Jha et al., ISVLSI 2020 (arXiv:2006.15103): on a row-stationary array with one group at a time, a few channels in each
group use the PEs so much better than one that latency falls although the work grows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from .measure import Machine
from .measure import run as simulate
from .outcome import Finding, Outcome, Part

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from ...simulator.report import Report

__all__ = ["CHANNELS", "SIZES", "run"]

CHANNELS = (1, 2, 4, 8, 16, 32)
SIZES = (16, 64)
PUBLISHED, STRICT, SHARED = "RS, as published", "RS, one group", "RS, many groups"
SYSTOLIC = ("OS systolic", "WS systolic", "WS, shared folds")
SETUP = (
    "MobileNet V1 at 224x224, batch 1, with G channels in each group of its 13 3x3 convolutions (G=1 is depthwise). "
    "Square arrays, memory ideal; cycles are those of convolutions and the classifier. RS: row-stationary by "
    "nn_dataflow's rules (split=factors) with group_mapping=straddling (the published count), one, and many (several "
    "depthwise channels at once). OS and WS: the systolic machine, each group a product of its own, or (shared folds) "
    "up to 64 groups on the diagonal of one fold (groups_per_fold=64, skip_idle)."
)

Cell = Mapping[str, Any]


def run() -> Outcome:
    """Simulate every G on every machine and size."""
    parts, curves = [], {}
    for size in SIZES:
        cells = [_cell(machine, channels) for machine in _machines(size) for channels in CHANNELS]
        curves[size] = cells
        array = f"{size} x {size} PEs"
        parts.append(Part(f"{array}: cycles", _pivot(cells, "cycles"), tuple(_findings(cells))))
        parts.append(Part(f"{array}: mean utilisation of layers, %", _pivot(cells, "mean_utilization_pct")))
    return Outcome("draco", SETUP, tuple(parts), partial(_draw, curves))


def _pivot(cells: Sequence[Cell], value: str) -> list[dict[str, Any]]:
    """One row for each machine, one column for each G."""
    rows: dict[str, dict[str, Any]] = {}
    for cell in cells:
        rows.setdefault(cell["machine"], {"machine": cell["machine"]})[f"G={cell['G']}"] = cell[value]
    return list(rows.values())


def _machines(size: int) -> list[Machine]:
    square: dict[str, Any] = {"rows": size, "cols": size, "memory": "ideal"}
    mappings = {PUBLISHED: "straddling", STRICT: "one", SHARED: "many"}
    flows: dict[str, dict[str, Any]] = dict(zip(SYSTOLIC, (
        {"dataflow": "os"}, {"dataflow": "ws"}, {"dataflow": "ws", "groups_per_fold": 64, "skip_idle": True},
    )))
    return [
        *(Machine.of(label, "row-stationary", "draco-64x64", **square, group_mapping=mapping)
          for label, mapping in mappings.items()),
        *(Machine.of(label, "systolic", **square, **options) for label, options in flows.items()),
    ]


def _cell(machine: Machine, channels: int) -> dict[str, Any]:
    report = simulate(machine, f"mobilenet-v1:group_channels={channels}")
    cycles, utilization = _products(report, machine.design.rows * machine.design.cols)  # type: ignore[attr-defined]
    return {
        "machine": machine.label, "G": channels, "cycles": cycles, "mean_utilization_pct": utilization,
    }


def _products(report: Report, pes: int) -> tuple[int, float]:
    """Cycles of the operators with products, and the mean of their utilisations in percent."""
    layers = report.layers
    layers = layers[layers["macs"] > 0]
    return int(layers["cycles"].sum()), float(100 * (layers["macs"] / (layers["cycles"] * pes)).mean())


def _findings(cells: Sequence[Cell]) -> list[Finding]:
    table = {(cell["machine"], cell["G"]): cell for cell in cells}

    def fastest(machine: str) -> int:
        return min(CHANNELS, key=lambda channels: table[machine, channels]["cycles"])

    def less(machine: str, channels: int) -> float:
        return 100 * (1 - table[machine, channels]["cycles"] / table[machine, 1]["cycles"])

    claim = "groups of several channels are faster than depthwise"
    best, one, shared = fastest(PUBLISHED), table[PUBLISHED, 1], table[SHARED, 1]
    used = 100 * (table[PUBLISHED, 8]["mean_utilization_pct"] / one["mean_utilization_pct"] - 1)
    found = [
        Finding(
            f"{claim} ({PUBLISHED})", best > 1,
            f"fastest at G={best}, {less(PUBLISHED, best):.1f} % less than G=1; G=8: {-less(PUBLISHED, 8):+.1f} % latency, "
            f"{used:+.1f} % utilisation (the paper's claim: -42.6 %, +41.8 %)",
        ),
        Finding(
            "with many groups at once nothing is faster than depthwise", fastest(SHARED) == 1,
            f"{shared['cycles']:,} cycles, {one['cycles'] / shared['cycles']:.2f}x faster than one group at a time and "
            f"{table[PUBLISHED, best]['cycles'] / shared['cycles']:.2f}x faster than its best G",
        ),
    ]
    for machine in SYSTOLIC:
        best = fastest(machine)
        found.append(Finding(
            f"{claim} ({machine})", best > 1,
            f"fastest at G={best}, {less(machine, best):.1f} % less than G=1; depthwise takes "
            f"{table[machine, 1]['cycles'] / one['cycles']:.1f}x the cycles of row stationary",
        ))
    return found


def _draw(curves: Mapping[int, Sequence[Cell]]) -> Figure:
    from matplotlib.ticker import FixedLocator, NullLocator

    from .drawing import COLORS, finish, label_ends, log_axis, new_figure

    styles = {  # colour, width, marker; the first lies below
        STRICT: (COLORS[5], 3.6, "o"), PUBLISHED: (COLORS[0], 1.6, "o"), SHARED: (COLORS[2], 1.6, "o"),
        SYSTOLIC[0]: (COLORS[1], 1.6, "s"), SYSTOLIC[1]: (COLORS[4], 1.6, "s"),
        SYSTOLIC[2]: (COLORS[3], 1.6, "^"),
    }
    title = "MobileNet V1 with G channels in each group of its 3x3 convolutions"
    figure, panels = new_figure(title, (1, len(curves)), (10.4, 4.3))
    for axes, (size, cells) in zip(panels, curves.items()):
        log_axis(axes.yaxis)
        axes.set_xscale("log", base=2)
        axes.xaxis.set_major_locator(FixedLocator(CHANNELS))
        axes.xaxis.set_major_formatter(lambda value, _: f"{value:.0f}")
        axes.xaxis.set_minor_locator(NullLocator())
        ends = []
        for machine, (color, width, marker) in styles.items():
            cycles = [cell["cycles"] for cell in cells if cell["machine"] == machine]
            lowest = cycles.index(min(cycles))
            axes.plot(CHANNELS, cycles, marker=marker, color=color, markersize=3 + width / 2, linewidth=width)
            axes.plot(CHANNELS[lowest], cycles[lowest], marker="o", color=color, markersize=11, markerfacecolor="none")
            ends.append((cycles[-1], machine, color))
        finish(axes, f"{size} x {size} PEs (ring: the fastest G)", "channels in each group, G (1: depthwise)", "cycles")
        label_ends(axes, ends)
    return figure
