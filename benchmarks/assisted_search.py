"""How many simulations `assisted` needs beside `auto` and `nsga2`: two machines, each with a workload that
takes milliseconds and one that takes some tenths of a second of CPU time, ten seeds.

    python benchmarks/assisted_search.py OUT [--seeds 10] [--only dram|systolic|dram-long|systolic-long]
                                             [--agents nsga2 auto assisted]

Every study is a line of OUT/PROBLEM.jsonl when it is done, so that a run that was stopped, or was asked for some of the
agents, goes on. A line that other sources of the agent or of the machine made is passed over, and its study run again.
Simulations are remembered for all studies of a process; what is compared is counts. The last thing printed is the table of
the agents that have all seeds: medians, the worst seed, and of paired differences of hypervolume the bootstrap interval that
95 % of 10,000 resamples lie in.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import time
from collections.abc import Generator, Iterable
from pathlib import Path
from typing import Any

import numpy as np

from cyclescape.agents.assisted import Assisted
from cyclescape.agents.auto import Auto
from cyclescape.agents.evolution import Nsga2
from cyclescape.agents.pareto import hypervolume, nondominated
from cyclescape.agents.search import search
from cyclescape.simulator.evaluator import Evaluator, make_evaluator
from cyclescape.simulator.record import canonical
from cyclescape.simulator.registry import accelerator
from cyclescape.simulator.report import Report
from cyclescape.simulator.sources import model_digest, model_sources

PROBLEMS: dict[str, dict[str, Any]] = {
    "dram": {"accelerator": "dram-controller", "workload": "cloud-1:n=8000", "objective": "mean_latency_s,energy_j"},
    "systolic": {
        "accelerator": "systolic", "workload": "attention:seq_len=256", "objective": "time_s,area_mm2",
        "fixed": {"memory": "dram"},
    },
    "dram-long": {"accelerator": "dram-controller", "workload": "cloud-1:n=100000", "objective": "mean_latency_s,energy_j"},
    "systolic-long": {
        "accelerator": "systolic", "workload": "attention:seq_len=1024", "objective": "time_s,area_mm2",
        "fixed": {"memory": "dram"},
    },
}
AGENTS = {"nsga2": (Nsga2, 300), "auto": (Auto, 150), "assisted": (Assisted, 150)}
"""Agents and their budgets."""
FIRST_SEED = 100
"""The constants of `assisted` were chosen on seeds below 10."""
AT = (25, 50, 100, 150, 300)


class Remembered(Evaluator):
    """Simulates a design once, and counts what that takes."""

    def __init__(self, inner: Evaluator) -> None:
        super().__init__(inner.machine, inner.engine)
        self.inner, self.known, self.cpu_s = inner, dict[str, Report](), 0.0

    def stream(self, designs: Iterable[Any], workload: Any) -> Generator[Report]:
        """Yield one report for each design."""
        for design in designs:
            key = canonical(dict(design))
            if key not in self.known:
                start = time.process_time()
                (self.known[key],) = self.inner.evaluate([design], workload)
                self.cpu_s += time.process_time() - start
            yield self.known[key]


def made_by(agent: str, problem: dict[str, Any]) -> str:
    """A digest of what a study of the agent depends on: the agent, the machine, and what is asked of them."""
    kind, budget = AGENTS[agent]
    digest = hashlib.sha256(canonical({**problem, "budget": budget}).encode())
    digest.update(model_digest(type(accelerator(problem["accelerator"]))).encode())
    for module, path in sorted(model_sources(kind.__module__).items()):
        if ".agents." in module:
            digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def run(out: Path, name: str, seeds: int, agents: Iterable[str]) -> dict[tuple[str, int], dict[str, Any]]:
    """Run the studies of these agents that are not in the file, and return all that are."""
    file, problem = out / f"{name}.jsonl", PROBLEMS[name]
    sources = {agent: made_by(agent, problem) for agent in AGENTS}
    lines = [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []
    done = {(line["agent"], line["seed"]): line for line in lines if line["made_by"] == sources[line["agent"]]}
    evaluator = Remembered(make_evaluator("direct", accelerator(problem["accelerator"])))
    for seed in _seeds(seeds):
        for agent in agents:
            if (agent, seed) in done:
                continue
            budget = AGENTS[agent][1]
            start, simulated, known = time.process_time(), evaluator.cpu_s, len(evaluator.known)
            study = search(**problem, agent=agent, budget=budget, seed=seed, evaluator=evaluator)
            simulated = evaluator.cpu_s - simulated
            if notes := {trial.note for trial in study.trials} - {None}:
                raise RuntimeError(f"{agent}, seed {seed}: {notes}")
            line = {
                "agent": agent, "seed": seed, "made_by": sources[agent],
                "simulations_cpu_s": simulated, "simulations": len(evaluator.known) - known,
                "agent_cpu_s": time.process_time() - start - simulated,
                "costs": [row.tolist() if np.isfinite(row).all() else None for row in study.costs],
            }  # fmt: skip
            with file.open("a") as stream:
                stream.write(json.dumps(line) + "\n")
            done[agent, seed] = line
    return done


def table(name: str, done: dict[tuple[str, int], dict[str, Any]], seeds: int) -> None:
    """Print shares of the hypervolume of the best front that all studies together found."""
    every = np.array([row for line in done.values() for row in line["costs"] if row is not None])
    front = every[nondominated(every)]
    reference = front.max(axis=0) + 0.1 * np.ptp(front, axis=0)
    whole = hypervolume(front, reference)
    found = {
        agent: np.array([_course(done[agent, seed]["costs"], reference) for seed in _seeds(seeds)]) / whole
        for agent in AGENTS if all((agent, seed) in done for seed in _seeds(seeds))
    }
    count = sum(line["simulations"] for line in done.values())
    took = sum(line["simulations_cpu_s"] for line in done.values())
    cpu = 1e3 * took / max(count, 1)
    print(f"\n{name}: {PROBLEMS[name]}; {len(front)} designs on the front; {cpu:.1f} CPU ms a simulation")
    for agent, shares in found.items():
        budget = shares.shape[1]
        cells = [f"{np.median(shares[:, n - 1]):.3f} ({shares[:, n - 1].min():.3f})" for n in AT if n <= budget]
        cpu = np.mean([done[agent, seed]["agent_cpu_s"] for seed in _seeds(seeds)]) / budget
        print(f"  {agent:9} {'  '.join(cells)}  {1e3 * cpu:.1f} CPU ms a suggestion")
    if "nsga2" in found:
        final = found["nsga2"][:, -1]
        for agent in [agent for agent in found if agent != "nsga2"]:
            first = [_first(row, goal) for row, goal in zip(found[agent], final, strict=True)]
            middle = [_first(row, float(np.median(final))) for row in found[agent]]
            print(f"  {agent} reaches what nsga2 has at {AGENTS['nsga2'][1]}, seed by seed, after: {sorted(first)}, and the "
                  f"median of it after {sorted(middle)} (999: not)")
    if {"auto", "assisted"} <= found.keys():
        for n in (50, 100, 150):
            apart = found["assisted"][:, n - 1] - found["auto"][:, n - 1]
            draws = np.random.default_rng(0).integers(0, seeds, size=(10_000, seeds))
            low, high = np.quantile(apart[draws].mean(axis=1), [0.025, 0.975])
            worse = int((apart < -1e-9).sum())
            print(f"  assisted - auto at {n}: {apart.mean():+.4f} [{low:+.4f}, {high:+.4f}], worse in {worse} seeds")


def _seeds(count: int) -> range:
    return range(FIRST_SEED, FIRST_SEED + count)


def _course(costs: list[list[float] | None], reference: np.ndarray) -> np.ndarray:
    """Hypervolume after each design."""
    course, front = [], np.empty((0, len(reference)))
    volume = 0.0
    for row in costs:
        if row is not None:
            more = np.vstack([front, row])
            kept = more[nondominated(more)]
            if len(kept) != len(front) or not np.array_equal(kept, front):
                front, volume = kept, hypervolume(kept, reference)
        course.append(volume)
    return np.array(course)


def _first(course: np.ndarray, goal: float) -> int:
    there = np.flatnonzero(course >= goal - 1e-12)
    return int(there[0]) + 1 if len(there) else 999


def main() -> None:
    """Run, then print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--only", choices=list(PROBLEMS))
    parser.add_argument("--agents", nargs="+", choices=list(AGENTS), default=list(AGENTS), help="that are run; all are printed")
    asked = parser.parse_args()
    asked.out.mkdir(parents=True, exist_ok=True)
    for name in [asked.only] if asked.only else PROBLEMS:
        table(name, run(asked.out, name, asked.seeds, asked.agents), asked.seeds)


if __name__ == "__main__":
    main()
