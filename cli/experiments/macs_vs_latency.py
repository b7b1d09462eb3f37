"""Multiply-accumulates against simulated latency: mobile networks on four machines."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from itertools import combinations
from typing import TYPE_CHECKING, Any

from .measure import Machine
from .measure import run as simulate
from .outcome import Finding, Outcome, Part

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["FAMILIES", "rank_correlation", "run"]

FAMILIES = {
    "MobileNet V1": [f"mobilenet-v1:width={w}" for w in ("0.25", "0.5", "0.75", "1.0")],
    "MobileNet V2": ["mobilenet-v2"],
    "MobileNet V3": [f"mobilenet-v3:size={size}" for size in ("small", "large")],
    "ShuffleNet V1": [f"shufflenet-v1:width={w}" for w in ("0.5", "1.0", "1.5", "2.0")],
    "ShuffleNet V1, 8 groups": ["shufflenet-v1:groups=8"],
    "ShuffleNet V2": [f"shufflenet-v2:width={w}" for w in ("0.5", "1.0", "1.5", "2.0")],
    "EfficientNet-B0": ["efficientnet-b0"],
    "RegNetX-400MF": ["regnetx-400mf"],
    "SqueezeNet": ["squeezenet"],
    "LowFormer-B0": ["lowformer-b0"],
}
SETUP = (
    "Mobile networks at 224x224, batch 1, whole networks. WS 32x32: the systolic machine's default design. OS 16x16: "
    "its preset edge-16x16. RS 64x64: the row-stationary machine's preset draco-64x64, whose memory is ideal, with "
    "one group at a time and with several depthwise channels at once. Latency in milliseconds at each machine's own "
    "clock. An inversion is a pair of networks of which the one with fewer multiply-accumulates takes longer."
)
SHOWN = 5
"""Inversions listed for each machine."""

Row = dict[str, Any]


def run() -> Outcome:
    """Simulate every network on every machine."""
    machines = [
        Machine.of("WS 32x32", "systolic"), Machine.of("OS 16x16", "systolic", "edge-16x16"),
        *(Machine.of(f"RS 64x64, {mapping} group{'s' * (mapping == 'many')}", "row-stationary", "draco-64x64", split="any",
                     group_mapping=mapping) for mapping in ("one", "many")),
    ]
    rows = [_row(spec, machines) for specs in FAMILIES.values() for spec in specs]
    rows.sort(key=lambda row: row["mmacs"])
    labels = [machine.label for machine in machines]
    summary = [_summary(rows, label) for label in labels]
    findings = tuple(
        Finding(f"multiply-accumulates order the networks by latency ({line['machine']})", line["inversions"] == 0,
                f"rank correlation {line['rank_correlation']:.2f}, {line['inversions']} of {line['pairs']} pairs the wrong way "
                f"round; time for each multiply-accumulate differs {line['time_per_mac_spread']:.1f}x between networks")
        for line in summary
    )
    inversions = [line for label in labels for line in _inversions(rows, label)[:SHOWN]]
    parts = (
        Part("networks: millions of multiply-accumulates, latency in ms", rows),
        Part("how well multiply-accumulates foretell latency", summary, findings),
        Part(f"the {SHOWN} worst inversions of each machine", inversions),
    )
    return Outcome("macs-vs-latency", SETUP, parts, partial(_draw, rows, labels))


def _row(spec: str, machines: Sequence[Machine]) -> Row:
    from ...api import workload

    net = workload(spec)
    times = {machine.label: 1e3 * simulate(machine, net).metrics["time_s"] for machine in machines}
    return {"network": spec, "mmacs": net.macs / 1e6, **times}


def _summary(rows: Sequence[Row], machine: str) -> Row:
    work, times = [row["mmacs"] for row in rows], [row[machine] for row in rows]
    per_mac = [time / macs for time, macs in zip(times, work)]
    return {
        "machine": machine, "rank_correlation": rank_correlation(work, times),
        "inversions": len(_inversions(rows, machine)), "pairs": len(rows) * (len(rows) - 1) // 2,
        "time_per_mac_spread": max(per_mac) / min(per_mac),
    }


def rank_correlation(x: Sequence[float], y: Sequence[float]) -> float:
    """Spearman's coefficient; equal values share their mean rank."""
    import pandas as pd

    return float(pd.DataFrame({"x": x, "y": y}).corr(method="spearman").to_numpy()[0, 1])


def _inversions(rows: Sequence[Row], machine: str) -> list[Row]:
    """Pairs of which the network with fewer multiply-accumulates is slower, the worst first."""
    found = []
    for less, more in combinations(sorted(rows, key=lambda row: row["mmacs"]), 2):
        if less["mmacs"] < more["mmacs"] and less[machine] > more[machine]:
            found.append({
                "machine": machine, "fewer_macs": less["network"], "but_slower_than": more["network"],
                "macs_ratio": more["mmacs"] / less["mmacs"], "time_ratio": less[machine] / more[machine],
            })
    return sorted(found, key=lambda pair: -pair["macs_ratio"] * pair["time_ratio"])


def _family(spec: str) -> str:
    return next(family for family, specs in FAMILIES.items() if spec in specs)


def _draw(rows: Sequence[Row], machines: Sequence[str]) -> Figure:
    from .drawing import COLORS, finish, log_axis, new_figure

    palette = (*COLORS, "#444444", "#8c564b", "#7a68a6", "#999999")
    colors = dict(zip(FAMILIES, palette))
    markers = {family: "os^Dd<>PXv"[i] for i, family in enumerate(FAMILIES)}
    figure, panels = new_figure("Mobile networks: multiply-accumulates against simulated latency", (2, 2), (10.4, 7.6))
    for axes, machine in zip(panels, machines):
        for axis in (axes.xaxis, axes.yaxis):
            log_axis(axis, prefixes=False)
            axis.set_major_formatter(lambda value, _: f"{value:g}")
        for family in FAMILIES:
            members = [row for row in rows if _family(row["network"]) == family]
            axes.plot(
                [row["mmacs"] for row in members], [row[machine] for row in members], marker=markers[family],
                color=colors[family], linewidth=1, markersize=7, markeredgecolor="white", label=family,
            )
        worst = _inversions(rows, machine)
        if worst:
            pair = [next(row for row in rows if row["network"] == worst[0][end]) for end in ("fewer_macs", "but_slower_than")]
            axes.plot(
                [row["mmacs"] for row in pair], [row[machine] for row in pair], ":", color="#222222", linewidth=1.2, zorder=1,
                label="worst inversion",
            )
        line = _summary(rows, machine)
        text = f"rank correlation {line['rank_correlation']:.2f}, {line['inversions']} of {line['pairs']} pairs inverted"
        finish(axes, f"{machine}: {text}", "millions of multiply-accumulates", "latency, ms")
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=4, frameon=False, fontsize=8.5)
    return figure
