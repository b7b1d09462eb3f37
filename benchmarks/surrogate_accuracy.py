"""How right surrogates are: the tables of docs/surrogate.md, one case after the other.

    python benchmarks/surrogate_accuracy.py [--case systolic-networks] [--split random|grouped] [--model trees|ensemble|gp]
                                            [--samples 10000] [--effort 1] [--metrics time_s,energy_j] [--by-workload]

Samples are drawn uniformly from the explored space, the workloads in turn; five folds leave out rows at random, or whole
workloads. Every row is answered by a model that learned from the other folds.
"""

from __future__ import annotations

import argparse
import time

import numpy as np

from cyclescape.agents.surrogate import Surrogate, draw
from cyclescape.agents.surrogate.accuracy import FIGURES, cross_validate

NETWORKS = """alexnet bert-base bert-large densenet121 dit-xl2 efficientnet-b0 googlenet gpt2 inception-v2 inceptionnext-t
llama2-7b lowformer-b0 m2-bert-base mobilenet-v1 mobilenet-v2 mobilenet-v3 poolformer-s12 regnetx-400mf regnety-4gf resnet18
resnet34 resnet50 resnet101 shufflenet-v1 shufflenet-v2 squeezenet vgg16 vgg19 vit-b16 vit-l16 vit-s16""".split()
TRACES = """cloud-1:n=2000 cloud-1:n=3000,seed=2 cloud-1:n=2000,every=4,seed=3 cloud-1:n=1500,every=16,seed=4
cloud-1:n=2000,every=2,seed=5 cloud-2:n=2000 cloud-2:n=3000,seed=2 cloud-2:n=2000,every=4,seed=3
cloud-2:n=1500,every=20,seed=4 cloud-2:n=2000,every=2,seed=5 stream:n=3000 stream:n=2000,writes=rand:300
stream:n=2000,every=6,writes=every3 random:n=2000 random:n=2000,writes=rand:300,seed=2 random:n=1500,every=10,seed=3
strided:n=2000,stride=8192 strided:n=2000,stride=256,writes=rand:300 zipf:n=2000,items=8192""".split()
CASES = {
    "systolic-resnet18": ("systolic", ["resnet18"]),
    "systolic-networks": ("systolic", NETWORKS),
    "dram-cloud": ("dram-controller", ["cloud-1:n=2000"]),
    "dram-traces": ("dram-controller", TRACES),
}
METRICS = ("time_s", "energy_j", "mean_latency_s")
SEED = 2
"""Of the designs drawn; folds and models have seed 0."""


def judge(case: str, splits: list[str], asked: argparse.Namespace) -> None:
    """Draw the samples of a case and print a line for every split and metric, all figures but Spearman's in per cent."""
    machine, workloads = CASES[case]
    start = time.process_time()
    samples = draw(machine, workloads, asked.samples, seed=SEED)
    took = time.process_time() - start
    print(f"{case}: {len(samples)} samples of {len(workloads)} workloads, drawn in {took:.0f} CPU s", flush=True)
    metrics = asked.metrics.split(",") if asked.metrics else [name for name in METRICS if name in samples.metrics]
    # Cross-validation takes the kind of model and the metrics from a surrogate, and learns anew.
    few = samples.take(np.linspace(0, len(samples) - 1, min(len(samples), 200)).astype(int))
    surrogate = Surrogate.fit(few, metrics, model=asked.model, effort=0.02)
    for split in splits:
        if split == "grouped" and len(workloads) < 2:
            continue
        start = time.process_time()
        found = cross_validate(surrogate, samples, grouped=split == "grouped", effort=asked.effort)
        print(f"  {split}, {asked.model}, effort {asked.effort:g}: {time.process_time() - start:.0f} CPU s")
        rows = found.table() + (found.by_workload() if asked.by_workload else [])
        for row in rows:
            print(f"    {row.get('workload', '')} {row['metric']}: " + ", ".join(f"{name} {row[name]:.4g}" for name in FIGURES))
        coverage = [row["coverage_percent"] for row in found.by_workload()]
        print(f"    coverage of single workloads: {min(coverage):.0f} to {max(coverage):.0f} %", flush=True)


def main() -> None:
    """Judge one case, or all."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--case", choices=list(CASES))
    parser.add_argument("--split", choices=["random", "grouped"])
    parser.add_argument("--model", choices=["trees", "forest", "ensemble", "gp"], default="trees")
    parser.add_argument("--samples", type=int, default=10_000)
    parser.add_argument("--effort", type=float, default=1.0, help="of learning: more trees, or more epochs")
    parser.add_argument("--metrics", help="those learned, separated by commas")
    parser.add_argument("--by-workload", action="store_true", help="a line for every workload too")
    asked = parser.parse_args()
    for case in [asked.case] if asked.case else CASES:
        judge(case, [asked.split] if asked.split else ["random", "grouped"], asked)


if __name__ == "__main__":
    main()
