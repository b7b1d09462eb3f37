"""What does fusing a graph buy? Kernel by kernel against ever larger regions, and at ever dearer launches.

Networks run on the SN40L presets with 1 (kernel by kernel) to 64 operators in a region. The first plot shows where the
time of one of them goes, the second how much faster 64 are than one, by the cost of a launch.

    python examples/fusion.py results/fusion.png
"""

from __future__ import annotations

import sys
from pathlib import Path

from matplotlib.figure import Figure

import cyclescape as cs

SIZES = (1, 2, 4, 8, 16, 32, 64)
LAUNCHES_US = (0, 1, 2, 5, 10, 20)
NETWORKS = {
    "Llama 2 7B, a token, 8 chips": ("sn40l-node", "llama2-7b:phase=decode,seq_len=2048"),
    "Llama 2 7B, a prompt of 2048, 8 chips": ("sn40l-node", "llama2-7b:seq_len=2048"),
    "M2-BERT (Monarch), 2048 tokens": ("sn40l", "m2-bert-base:seq_len=2048"),
    "BERT large, 128 tokens": ("sn40l", "bert-large:seq_len=128"),
    "ResNet-50, batch 8": ("sn40l", "resnet50:batch=8"),
}
SHOWN = "M2-BERT (Monarch), 2048 tokens"


def run(preset: str, workload: str, **parameters) -> cs.Report:
    return cs.simulate(cs.design("dataflow", preset=preset, **parameters), workload)


def main(out: Path) -> None:
    """Simulate, print a table, and save the plot."""
    figure = Figure(figsize=(11, 4.2), layout="constrained")
    time, gain = figure.subplots(1, 2)
    reports = [run(*NETWORKS[SHOWN], region_operators=size) for size in SIZES]
    bottom = [0.0] * len(SIZES)
    causes = [cause for cause in reports[0].breakdown if any(r.breakdown[cause] for r in reports)]
    for cause in causes:
        shares = [r.breakdown[cause] / r.metrics["cycles"] * r.metrics["time_s"] * 1e3 for r in reports]
        time.bar([str(size) for size in SIZES], shares, bottom=bottom, label=cause)
        bottom = [below + share for below, share in zip(bottom, shares)]
    time.set(xlabel="operators in a region, at most", ylabel="ms", title=SHOWN)
    time.legend()
    print(f"{'speed-up of 64 over 1 operator a region':42}" + "".join(f"{us:>5} us" for us in LAUNCHES_US))
    for name, (preset, workload) in NETWORKS.items():
        pairs = [[run(preset, workload, region_operators=n, launch_ns=1000 * us) for n in (1, 64)] for us in LAUNCHES_US]
        gains = [kernels.metrics["cycles"] / fused.metrics["cycles"] for kernels, fused in pairs]
        print(f"{name:42}" + "".join(f"{g:>8.2f}" for g in gains))
        gain.plot(LAUNCHES_US, gains, marker="o", label=name)
    gain.axhspan(2, 13, color="gray", alpha=0.12)
    gain.axhline(1, color="gray", linestyle=":")
    gain.set(xlabel="cost of a launch (us)", ylabel="speed-up", title="64 operators a region over 1 (grey: published range)")
    gain.set_yscale("log", base=2)
    gain.set_yticks([1, 2, 4, 8], ["1", "2", "4", "8"])
    gain.legend(fontsize="small")
    out.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(out, dpi=160)
    print(f"plot: {out}")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "results/fusion.png"))
