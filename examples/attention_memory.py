"""How much memory does attention need at full rate? As much as a row, or none: five streaming graphs.

For each graph and sequence length the least depths at full rate are found by search, then the memory between the
units is plotted against the length, and the cycles against the depth of the long FIFOs.

    python examples/attention_memory.py results/attention_memory.png
"""

from __future__ import annotations

import sys
from pathlib import Path

from matplotlib.figure import Figure

from cyclescape.accelerators.streaming.attention import GRAPHS, attention, long_fifos
from cyclescape.simulator.dataflow import cycles_of, minimal_depths

LENGTHS = (16, 32, 64, 128, 256)
N = 64


def main(out: Path) -> None:
    """Search, print a table, and save the plot."""
    figure = Figure(figsize=(10, 4), layout="constrained")
    memory, rate = figure.subplots(1, 2)
    # Curves coincide: what is drawn first is larger and shows behind what follows.
    styles = {graph: {"marker": marker, "markersize": 11 - 2 * i} for i, (graph, marker) in enumerate(zip(GRAPHS, "osv^D"))}
    print(f"{'graph':18}" + "".join(f"N={n:<7}" for n in LENGTHS) + " least tokens of storage at full rate")
    for graph in GRAPHS:
        tokens = [sum(minimal_depths(attention(graph, n)).depths.values()) for n in LENGTHS]
        print(f"{graph:18}" + "".join(f"{t:<9}" for t in tokens))
        memory.plot(LENGTHS, tokens, label=graph, **styles[graph])
        depths = range(N - 6, N + 7)
        long = long_fifos(graph)
        cycles = cycles_of(attention(graph, N), [dict.fromkeys(long, depth) for depth in depths])
        runs = [(d, c / N**2) for d, c in zip(depths, cycles) if c > 0]
        rate.plot(*zip(*runs), label=graph, **styles[graph])
    memory.plot(LENGTHS, LENGTHS, color="gray", linestyle=":", label="N")
    memory.set(xlabel="sequence length N", ylabel="tokens in all FIFOs", title="least memory at full rate: O(N) or O(1)")
    memory.set_xscale("log", base=2)
    memory.set_yscale("log", base=2)
    memory.set_xticks(LENGTHS, [str(n) for n in LENGTHS])
    rate.axvspan(N - 6.5, N - 0.5, color="gray", alpha=0.15)
    rate.text(N - 3.5, 1.04, "deadlock of the\ngraphs that\nhold a row", ha="center")
    rate.set_xticks(range(N - 6, N + 7, 2))
    rate.set(xlabel=f"depth of the FIFOs that hold a row (N={N})", ylabel="cycles a score",
             title="below N: deadlock; full rate from N+2 on", xlim=(N - 6.5, N + 6.5))  # fmt: skip
    memory.legend()
    out.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(out, dpi=160)
    print(f"plot: {out}")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "results/attention_memory.png"))
