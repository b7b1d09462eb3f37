"""A network as a drawing: Graphviz text, or a matplotlib figure without any further program."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

from ..network import Fifo, Network

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["draw", "layers", "to_dot"]


def to_dot(network: Network, highlight: Collection[str] = ()) -> str:
    """Describe the network in Graphviz's language; `highlight` (nodes and FIFOs) is drawn in red."""
    lines = [f"digraph {_quoted(network.name)} {{", "  rankdir=LR; node [shape=box];"]
    for node in network.nodes.values():
        text = f"{node.name}\n{node.firings or '?'} x {node.interval}"
        color = ', color="red"' if node.name in highlight else ""
        lines.append(f"  {_quoted(node.name)} [label={_quoted(text)}{color}];")
    for fifo in network.fifos.values():
        color = ', color="red"' if fifo.name in highlight else ""
        ends = f"{_quoted(fifo.source[0])} -> {_quoted(fifo.target[0])}"
        lines.append(f"  {ends} [label={_quoted(_label(fifo))}{color}];")
    return "\n".join([*lines, "}"]) + "\n"


def draw(network: Network, highlight: Collection[str] = ()) -> Figure:
    """Draw the network from left to right; an edge says its FIFO's depth (and initial tokens)."""
    from matplotlib.figure import Figure

    place = {}
    columns = layers(network)
    height = max(map(len, columns))
    for column, names in enumerate(columns):
        for line, name in enumerate(names):
            place[name] = (float(column), (len(names) - 1) / 2 - line)
    figure = Figure(figsize=(2.0 * len(columns), 1.2 * height + 0.6))
    axes = figure.add_subplot()
    drawn: dict[tuple[str, str], int] = {}
    for fifo in network.fifos.values():
        a, b = fifo.source[0], fifo.target[0]
        color = "tab:red" if fifo.name in highlight else "0.4"
        repeats = drawn[a, b] = drawn.get((a, b), 0) + 1
        far = abs(place[b][0] - place[a][0]) != 1
        bend = (0.25 if far else 0.0) + 0.15 * (repeats - 1)
        axes.annotate(
            "", place[b], place[a],
            arrowprops={"arrowstyle": "->", "color": color, "shrinkA": 24, "shrinkB": 24,
                        "connectionstyle": f"arc3,rad={bend}"},
        )  # fmt: skip
        middle = [(p + q) / 2 for p, q in zip(place[a], place[b])]
        axes.text(middle[0], middle[1] - bend * (place[b][0] - place[a][0]) / 2, _label(fifo), color=color,
                  ha="center", va="bottom", fontsize=8)  # fmt: skip
    for name, (x, y) in place.items():
        edge = "tab:red" if name in highlight else "black"
        box = {"boxstyle": "round", "fc": "white", "ec": edge}
        axes.text(x, y, name, ha="center", va="center", bbox=box, zorder=3)
    axes.set_xlim(-0.5, len(columns) - 0.5)
    axes.set_ylim(-height / 2 - 0.4, height / 2 + 0.4)
    axes.set_axis_off()
    axes.set_title(network.name)
    return figure


def layers(network: Network) -> list[list[str]]:
    """Columns of nodes: each stands after all that send to it, loops (FIFOs with initial tokens) aside."""
    depth = dict.fromkeys(network.nodes, 0)
    edges = [
        (f.source[0], f.target[0])
        for f in network.fifos.values()
        if not f.initial and f.source[0] != f.target[0]
    ]
    for _ in network.nodes:  # as many passes as the longest path can need; a loop stops there
        before = dict(depth)
        for a, b in edges:
            depth[b] = min(max(depth[b], depth[a] + 1), len(network.nodes) - 1)
        if depth == before:
            break
    columns: dict[int, list[str]] = {}
    for name, column in depth.items():
        columns.setdefault(column, []).append(name)
    return [columns[c] for c in sorted(columns)]


def _label(fifo: Fifo) -> str:
    initial = f", {len(fifo.initial)} initial" if fifo.initial else ""
    return ("∞" if fifo.depth is None else str(fifo.depth)) + initial


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'
