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
    markers = dict(zip(GRAPHS, "osv^D"))
    print(f"{'graph':18}" + "".join(f"N={n:<7}" for n in LENGTHS) + " least tokens of storage at full rate")
    for graph in GRAPHS:
        tokens = [sum(minimal_depths(attention(graph, n)).depths.values()) for n in LENGTHS]
        print(f"{graph:18}" + "".join(f"{t:<9}" for t in tokens))
        memory.plot(LENGTHS, tokens, marker=markers[graph], label=graph)
        depths = range(N - 8, N + 12)
        long = long_fifos(graph)
        cycles = cycles_of(attention(graph, N), [dict.fromkeys(long, depth) for depth in depths])
        runs = [(d, c / N**2) for d, c in zip(depths, cycles) if c > 0]
        rate.plot(*zip(*runs), marker=markers[graph], label=graph)
    memory.set(xlabel="sequence length N", ylabel="tokens in all FIFOs", title="least memory at full rate")
    memory.set_xscale("log", base=2)
    memory.set_yscale("log", base=2)
    memory.set_xticks(LENGTHS, [str(n) for n in LENGTHS])
    rate.set(xlabel=f"depth of the FIFOs that hold a row (N={N})", ylabel="cycles a score",
             title="below N: deadlock; full rate from N+2 on")  # fmt: skip
    memory.legend()
    out.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(out, dpi=160)
    print(f"plot: {out}")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "results/attention_memory.png"))
