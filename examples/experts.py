"""What do fast swaps buy? Up to 200 experts of Llama 2 7B on an SN40L node of 8 sockets, and on DGX machines.

The first plot is the time of a request by the number of experts: it rises where they no longer fit into HBM. The second
shows how the advantage depends on the length of the answers, of which the published figures (dashed) do not tell.

    python examples/experts.py results/experts.png
"""

from __future__ import annotations

import sys
from pathlib import Path

from matplotlib.figure import Figure

from cyclescape.accelerators.dataflow.experts import Policy, Stream, serve
from cyclescape.accelerators.dataflow.published import expert_bytes, gpu_node, overall, sn40l_node

COUNTS = (10, 20, 30, 40, 50, 75, 100, 150, 200)
TOKENS = (10, 20, 40, 60, 80, 120, 160)
PUBLISHED = {"DGX A100": 6.6, "DGX H100": 3.7}
REQUESTS = 1500
TICKS = (25, 50, 100, 200, 400)


def main(out: Path) -> None:
    """Simulate, print both tables, and save the plot."""
    figure = Figure(figsize=(11, 4.2), layout="constrained")
    times, gains = figure.subplots(1, 2)
    size = expert_bytes()
    print(f"{'ms a request, by number of experts':36}" + "".join(f"{n:>8}" for n in COUNTS))
    for node in (sn40l_node(tokens=20), gpu_node("DGX H100"), gpu_node("DGX A100")):
        streams = [Stream.random(REQUESTS, n, seed=0) for n in COUNTS]
        found = [serve(node, stream, Policy(overlap=False), size).end_ns / REQUESTS / 1e6 for stream in streams]
        print(f"{node.name:36}" + "".join(f"{t:>8.1f}" for t in found))
        times.plot(COUNTS, found, marker="o", label=node.name)
    times.set(xlabel="experts of Llama 2 7B", ylabel="ms a request", title="a prompt of 256 and 20 tokens", yscale="log")
    times.set_yticks(TICKS, [str(t) for t in TICKS])
    times.minorticks_off()
    times.legend()
    print(f"{'speed-up, by tokens of an answer':36}" + "".join(f"{n:>8}" for n in TOKENS))
    by_length = [overall(tokens, REQUESTS) for tokens in TOKENS]
    for name, colour in (("DGX H100", "C1"), ("DGX A100", "C2")):
        ratios = [t[name]["request_ms"] / t["sn40l-node"]["request_ms"] for t in by_length]
        print(f"{name:36}" + "".join(f"{r:>8.2f}" for r in ratios))
        gains.plot(TOKENS, ratios, marker="o", color=colour, label=f"over {name}")
        gains.axhline(PUBLISHED[name], color=colour, linestyle="--", label=f"published: {PUBLISHED[name]}x")
    gains.set(xlabel="tokens of an answer", ylabel="speed-up of the SN40L node", title="150 experts, chosen uniformly")
    gains.set_ylim(0)
    gains.legend()
    out.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(out, dpi=160)
    print(f"plot: {out}")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "results/experts.png"))
