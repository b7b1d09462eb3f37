"""How many simulations `assisted` needs beside `auto` and `nsga2`: two machines whose simulation is slow, ten seeds.

    python benchmarks/assisted_search.py OUT [--seeds 10] [--only dram|systolic]

Every study is a line of OUT/PROBLEM.jsonl when it is done, so that a run that was stopped goes on. Simulations are
remembered for all studies of a process; what is compared is counts. The last thing printed is the table: medians, the
worst seed, and of paired differences of hypervolume the bootstrap interval that 95 % of 10,000 resamples lie in.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Generator, Iterable
from pathlib import Path
from typing import Any

import numpy as np

from cyclescape.agents.pareto import hypervolume, nondominated
from cyclescape.agents.search import search
from cyclescape.simulator.evaluator import Evaluator, make_evaluator
from cyclescape.simulator.record import canonical
from cyclescape.simulator.registry import accelerator
from cyclescape.simulator.report import Report

PROBLEMS: dict[str, dict[str, Any]] = {
    "dram": {"accelerator": "dram-controller", "workload": "cloud-1:n=8000", "objective": "mean_latency_s,energy_j"},
    "systolic": {
        "accelerator": "systolic", "workload": "attention:seq_len=256", "objective": "time_s,area_mm2",
        "fixed": {"memory": "dram"},
    },
}
AGENTS = {"nsga2": 300, "auto": 150, "assisted": 150}
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


def run(out: Path, name: str, seeds: int) -> dict[tuple[str, int], dict[str, Any]]:
    """Run the studies that are not in the file, and return all of them."""
    file = out / f"{name}.jsonl"
    lines = [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []
    done = {(line["agent"], line["seed"]): line for line in lines}
    problem = PROBLEMS[name]
    evaluator = Remembered(make_evaluator("direct", accelerator(problem["accelerator"])))
    for seed in _seeds(seeds):
        for agent, budget in AGENTS.items():
            if (agent, seed) in done:
                continue
            start, simulated, known = time.process_time(), evaluator.cpu_s, len(evaluator.known)
            study = search(**problem, agent=agent, budget=budget, seed=seed, evaluator=evaluator)
            simulated = evaluator.cpu_s - simulated
            if notes := {trial.note for trial in study.trials} - {None}:
                raise RuntimeError(f"{agent}, seed {seed}: {notes}")
            line = {
                "agent": agent, "seed": seed, "simulations_cpu_s": simulated, "simulations": len(evaluator.known) - known,
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

    def shares(agent: str) -> np.ndarray:
        """float64[seeds, budget]"""
        return np.array([_course(done[agent, seed]["costs"], reference) for seed in _seeds(seeds)]) / whole

    found = {agent: shares(agent) for agent in AGENTS}
    count = sum(line["simulations"] for line in done.values())
    took = sum(line["simulations_cpu_s"] for line in done.values())
    print(f"\n{name}: {PROBLEMS[name]}; {len(front)} designs on the front; {1e3 * took / count:.1f} CPU ms a simulation")
    for agent, budget in AGENTS.items():
        cells = [f"{np.median(found[agent][:, n - 1]):.3f} ({found[agent][:, n - 1].min():.3f})" for n in AT if n <= budget]
        cpu = np.mean([done[agent, seed]["agent_cpu_s"] for seed in _seeds(seeds)]) / budget
        print(f"  {agent:9} {'  '.join(cells)}  {1e3 * cpu:.1f} CPU ms a suggestion")
    final = found["nsga2"][:, -1]
    for agent in ("auto", "assisted"):
        first = [_first(row, goal) for row, goal in zip(found[agent], final, strict=True)]
        print(f"  {agent} reaches what nsga2 has at 300, seed by seed, after: {sorted(first)}, and the median of it after "
              f"{sorted(_first(row, float(np.median(final))) for row in found[agent])} (999: not)")
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
    asked = parser.parse_args()
    asked.out.mkdir(parents=True, exist_ok=True)
    for name in [asked.only] if asked.only else PROBLEMS:
        table(name, run(asked.out, name, asked.seeds), asked.seeds)


if __name__ == "__main__":
    main()
