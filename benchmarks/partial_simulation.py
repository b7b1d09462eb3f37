"""How right partial simulation is, and what it saves: whole runs against their first tenth, on one core, in CPU time.

    python benchmarks/partial_simulation.py gpu-core OUT --designs 16 --seed 0
    python benchmarks/partial_simulation.py gpu-core OUT --set short
    python benchmarks/partial_simulation.py dram-controller OUT --designs 60

Every workload runs on every design, whole and in part. Then whole families of workloads (a kernel in all its sizes, a
kind of trace) are left out together with a third of the designs: a prediction is made by a model that saw neither.
What whole runs gave is a line of OUT/MACHINE-SEED.jsonl for each workload, and is taken from there if the machine's sources
(but for what extrapolates) are the same, so that a run that was stopped goes on.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from cyclescape.agents.surrogate.calibration import scores_of
from cyclescape.agents.surrogate.features import Encoder
from cyclescape.agents.surrogate.model import MODELS
from cyclescape.agents.surrogate.partial import families
from cyclescape.agents.surrogate.samples import Samples
from cyclescape.agents.surrogate.surrogate import columns_of
from cyclescape.simulator.accelerator import Accelerator
from cyclescape.simulator.design import Design
from cyclescape.simulator.record import canonical
from cyclescape.simulator.registry import accelerator
from cyclescape.simulator.sources import model_sources
from cyclescape.simulator.space import Space
from cyclescape.traces.catalog import load

WORKLOADS = {
    "gpu-core": """
        cuda-vector-add:n=262144 cuda-vector-add:n=524288 cuda-vector-add:n=1048576
        cuda-sgemm-tiled:n=160,k=64 cuda-sgemm-tiled:n=256,k=64 cuda-sgemm-tiled:n=384,k=48
        cuda-sgemm-blocked:n=512,k=64 cuda-sgemm-blocked:n=768,k=32 cuda-sgemm-blocked:n=1024,k=16
        cuda-hgemm-tensor:n=256,k=64 cuda-hgemm-tensor:n=512,k=32 cuda-hgemm-tensor:n=384,k=96
        cuda-reduction:n=1048576 cuda-reduction:n=2097152 cuda-reduction:n=4194304
        cuda-softmax:n=256,rows=1024 cuda-softmax:n=256,rows=2048 cuda-softmax:n=512,rows=1024
        cuda-transpose:n=768 cuda-transpose:n=1024 cuda-transpose:n=1024,rows=2048
        cuda-stencil:n=512 cuda-stencil:n=768 cuda-stencil:n=1024
        cuda-convolution:n=512 cuda-convolution:n=640 cuda-convolution:n=768
        cuda-histogram:n=524288 cuda-histogram:n=1048576 cuda-histogram:n=4194304
        cuda-bfs:n=16384 cuda-bfs:n=32768 cuda-bfs:n=65536
        cuda-ffma-chain:n=64,blocks=8,threads=256 cuda-ffma-chain:n=8,blocks=128,threads=128
        cuda-ffma-chain:n=4,blocks=256,threads=128
        cuda-max-flops:n=32,blocks=16,threads=128 cuda-max-flops:n=16,blocks=64,threads=128
        cuda-max-flops:n=4,blocks=512,threads=128
        cuda-numbers:n=65536 cuda-numbers:n=131072 cuda-numbers:n=262144
        cuda-fma-loads:n=512,blocks=8,threads=256 cuda-fma-loads:n=128,blocks=48,threads=256
        cuda-fma-loads:n=64,blocks=256,threads=256
        cuda-insertion-sort:n=32768 cuda-insertion-sort:n=65536 cuda-insertion-sort:n=131072
        cuda-async-copy:n=64,blocks=48 cuda-async-copy:n=128,blocks=32 cuda-async-copy:n=32,blocks=256""",
    "gpu-core short": """
        cuda-vector-add:n=131072 cuda-vector-add:n=196608
        cuda-sgemm-tiled:n=128,k=64 cuda-sgemm-tiled:n=192,k=48
        cuda-sgemm-blocked:n=256,k=64 cuda-sgemm-blocked:n=512,k=16
        cuda-hgemm-tensor:n=192,k=64 cuda-hgemm-tensor:n=256,k=32
        cuda-reduction:n=524288 cuda-reduction:n=786432
        cuda-softmax:n=256,rows=512 cuda-softmax:n=512,rows=256
        cuda-transpose:n=384 cuda-transpose:n=512
        cuda-stencil:n=256 cuda-stencil:n=384
        cuda-convolution:n=256 cuda-convolution:n=384
        cuda-histogram:n=262144 cuda-histogram:n=393216
        cuda-bfs:n=8192 cuda-bfs:n=12288
        cuda-ffma-chain:n=16,blocks=8,threads=256 cuda-ffma-chain:n=4,blocks=64,threads=128
        cuda-max-flops:n=16,blocks=16,threads=128 cuda-max-flops:n=4,blocks=128,threads=128
        cuda-numbers:n=16384 cuda-numbers:n=32768
        cuda-fma-loads:n=256,blocks=8,threads=256 cuda-fma-loads:n=64,blocks=48,threads=256
        cuda-insertion-sort:n=12288 cuda-insertion-sort:n=16384
        cuda-async-copy:n=32,blocks=32 cuda-async-copy:n=32,blocks=96""",
    "dram-controller": """
        cloud-1:n=10000,seed=1 cloud-1:n=20000,seed=2 cloud-1:n=10000,every=4,seed=3
        cloud-2:n=10000,seed=1 cloud-2:n=20000,seed=2 cloud-2:n=10000,every=20,seed=3
        stream:n=10000 stream:n=20000,writes=rand:300 stream:n=10000,every=6
        random:n=10000 random:n=20000,writes=rand:300,seed=2 random:n=10000,every=10,seed=3""",
}
SPACES: dict[str, tuple[dict[str, Any] | None, dict[str, Any] | None]] = {
    "gpu-core": (None, {"sms": (1, 2, 4)}),
    # Without refresh such long runs would lose data, and fail.
    "dram-controller": ({"refresh_policy": "AllBank"}, None),
}
SUB_CORES = 4
LEVEL = 0.9


def cpu(work: Callable[[], Any]) -> tuple[Any, float]:
    """What some work gives, and its CPU time in seconds."""
    start = time.process_time()
    found = work()
    return found, time.process_time() - start


class Runs:
    """Whole runs of every workload on every design, made or read."""

    def __init__(self, out: Path, machine: Accelerator, designs: Sequence[Design], seed: int) -> None:
        self.machine, self.designs = machine, designs
        self.file = out / f"{machine.name}-{seed}.jsonl"
        digest = hashlib.sha256(canonical([dict(design) for design in designs]).encode())
        for module, path in sorted(model_sources(type(machine).__module__).items()):
            if module.rpartition(".")[2] not in ("prefix", "part", "rest"):
                digest.update(path.read_bytes())
        self.made_by = digest.hexdigest()[:16]
        lines = [json.loads(line) for line in self.file.read_text().splitlines()] if self.file.exists() else []
        self.done = {line["workload"]: line for line in lines if line["made_by"] == self.made_by}

    def of(self, name: str) -> tuple[list[dict[str, float] | None], float]:
        """Metrics for each design, None where it cannot run, and the CPU time of all."""
        if name not in self.done:
            workload = load(name)
            reports, spent = cpu(lambda: self.machine.run(self.designs, workload))
            metrics = [dict(report.metrics) if report.ok else None for report in reports]
            line = {"workload": name, "made_by": self.made_by, "cpu_s": spent, "metrics": metrics}
            with self.file.open("a") as stream:
                stream.write(json.dumps(line) + "\n")
            self.done[name] = line
        return self.done[name]["metrics"], self.done[name]["cpu_s"]


def main() -> None:
    """Run it all and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("machine", choices=list(SPACES))
    parser.add_argument("out", type=Path, help="directory of what whole runs gave")
    parser.add_argument("--set", dest="sizes", default="", choices=["", "short"], help="other sizes of the workloads")
    parser.add_argument("--designs", type=int, default=16)
    parser.add_argument("--share", type=float, default=0.1)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--effort", type=float, default=1.0, help="of training: eighteen models of each kind")
    parser.add_argument("--workloads", nargs="+", help="instead of all")
    parser.add_argument("--models", nargs="*", default=["trees"], choices=list(MODELS))
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    machine = accelerator(given.machine)
    fixed, values = SPACES[given.machine]
    space, rng = Space(machine.design, fixed, values), np.random.default_rng(given.seed)
    designs = [space.design(space.sample(rng, 1)[0]) for _ in range(given.designs)]
    names = given.workloads or WORKLOADS[f"{given.machine} {given.sizes}".strip()].split()
    small = load(names[0])
    machine.run(designs[:1], small)  # compiles
    machine.prefix(designs[:1], small, given.share)
    runs = Runs(given.out, machine, designs, given.seed)
    rows: list[tuple[Any, Any, Any]] = []
    parts: list[dict[str, np.ndarray]] = []
    spent = np.zeros((len(names), 2))
    for i, name in enumerate(names):
        # Loaded anew for each, so that neither finds what the other has worked out.
        metrics, spent[i, 0] = runs.of(name)
        whole, for_part = load(name), load(name)
        part, spent[i, 1] = cpu(lambda w=for_part: machine.prefix(designs, w, given.share))
        good = [found is not None for found in metrics]
        rows += [(d, whole, found) for d, found in zip(designs, metrics, strict=True) if found is not None]
        parts.append({key: array[good] for key, array in part.items()})
    samples = Samples.of(machine, rows)
    bounds = {key: np.concatenate([part[key] for part in parts]) for key in parts[0]}
    truth, physical = samples.metrics["cycles"], bounds["cycles"]
    of_design = np.array([designs.index(design) for design in samples.designs])
    encoder = Encoder.of(samples, bounds, workload_told=True)
    x, group = columns_of(encoder, samples, bounds), families(samples)
    said = {"naive": physical * np.exp(bounds["log_naive"]), "rates": physical}
    inside: dict[str, np.ndarray] = {}
    for kind in given.models:
        logs, deviation = left_out(kind, x, np.log(truth / physical)[:, None], group, of_design, given.seed, given.effort)
        said[kind] = physical * np.exp(logs)
        inside[kind] = covered(np.log(truth / said[kind]), deviation, group)
    work = np.array([getattr(w, "warp_instructions", None) or len(w) for w in samples.workloads], float)[samples.group]
    sms = np.array([getattr(d, "sms", 0) for d in samples.designs])
    kinds = [name.partition(":")[0] for name in names]
    family = np.array([samples.workloads[g].name.partition(":")[0] for g in samples.group])
    groups = {name: family == name for name in dict.fromkeys(kinds)} | {"all": np.ones(len(family), bool)}
    if sms.any():
        groups |= {f"all, {count} SMs": sms == count for count in np.unique(sms)}
    for name, here in groups.items():
        at = [i for i, kind in enumerate(kinds) if name in (kind, "all")]
        line = [f"{name:20s} {here.sum():5d}"]
        if sms.any():
            ipc = (work / truth / sms)[here]
            line.append(f"IPC of an SM {ipc.min():.2f} to {ipc.max():.2f}")
        for how, cycles in said.items():
            ape = 100 * np.abs(cycles[here] / truth[here] - 1)
            text = f"{how} {ape.mean():6.2f} % p95 {np.quantile(ape, 0.95):6.2f}"
            if sms.any():
                error = np.sqrt(np.mean(((work / cycles - work / truth) / sms)[here] ** 2))
                text += f" rmse of an SM {error:.4f} of a sub-core {error / SUB_CORES:.4f}"
            if how in inside:
                text += f" in {100 * inside[how][here].mean():5.1f}"
            line.append(text)
        if at:
            line.append(f"whole {spent[at, 0].sum():7.2f} s part {spent[at, 1].sum():6.2f} s "
                        f"{spent[at, 0].sum() / spent[at, 1].sum():5.1f}x")
        print(" | ".join(line), flush=True)
    if "simulated" in bounds:
        print(f"simulated of each run: {bounds['simulated'].min():.4f} to {bounds['simulated'].max():.4f} of its instructions")
    print(f"work of a run {work.min():.0f} to {work.max():.0f}")


def left_out(
    kind: str, x: np.ndarray, y: np.ndarray, group: np.ndarray, design: np.ndarray, seed: int, effort: float = 1.0
) -> tuple[np.ndarray, np.ndarray]:
    """Means and deviations of each row, by a model that saw neither its family nor its design."""
    rng = np.random.default_rng(seed)
    mean, deviation = np.empty(len(y)), np.empty(len(y))
    groups = np.unique(group)
    for some in np.array_split(rng.permutation(groups), min(6, len(groups))):
        for few in np.array_split(rng.permutation(np.unique(design)), 3):
            ours, theirs = np.isin(group, some), np.isin(design, few)
            model = MODELS[kind].fit(x[~ours & ~theirs], y[~ours & ~theirs], seed=seed, effort=effort)
            at = ours & theirs
            found, spread = model.predict(x[at])
            mean[at], deviation[at] = found[:, 0], spread[:, 0]
    return mean, deviation


def covered(error: np.ndarray, deviation: np.ndarray, group: np.ndarray) -> np.ndarray:
    """Which rows lie within their 90 % interval, calibrated on all other families, each with the same weight."""
    inside = np.empty(len(error), bool)
    for number in np.unique(group):
        here = group == number
        scores = scores_of(error[~here, None], deviation[~here, None], group[~here])
        inside[here] = np.abs(error[here]) <= deviation[here] * scores.quantile(LEVEL)[0]
    return inside


if __name__ == "__main__":
    main()
