"""What a sweep costs beside the simulation, and how far it scales: measured here, projected to 1,000 workers.

    python benchmarks/sweep_scaling.py [--points 6000] [--json]

CPU time wherever a figure is a cost, so that a busy machine does not change it; wall time is said to be so.
The projection is arithmetic on these figures and nothing else: see `projected`.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import json
import os
import statistics
import sys
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import ClassVar

from nothing_lost import processes

import cyclescape as cs
from cyclescape.agents.sweep import Points, Sample, SweepSpec, sweep
from cyclescape.simulator.evaluator import make_evaluator, run_batch, validated
from cyclescape.simulator.record import Record, key_of
from cyclescape.simulator.registry import accelerator
from cyclescape.simulator.report import Report
from cyclescape.simulator.store import _UPSERT, ResultStore

SETTINGS = {"engine": "compiled"}


class NothingDesign(cs.Design):
    """A number."""

    number: int = 0


class Nothing(cs.Accelerator):
    """A machine whose simulation costs nothing: what remains is the way there and back."""

    name = "nothing"
    design = NothingDesign
    metrics: ClassVar = {"cycles": "The number."}

    def simulate_many(self, designs, workload, *, engine="compiled"):
        return [Report({"cycles": design.number}, {"compute": design.number}) for design in designs]


def cpu(work):
    start = time.process_time()
    result = work()
    return time.process_time() - start, result


def stages(points, folder):
    """Microseconds of CPU for a point at each step of a sweep in one process."""
    machine, workload = accelerator("systolic"), cs.workload("alexnet")
    space = SweepSpec(accelerator="systolic", workloads=("alexnet",), sample=Sample(n=points)).space(machine)
    run_batch(machine, [machine.design.make({})], workload, "compiled")
    out = {}
    seconds, drawn = cpu(lambda: [{**space.fixed, **p} for p in Points(space, Sample(n=points, seed=5))])
    out["drawing the point"] = seconds
    seconds, valid = cpu(lambda: [validated(machine, point) for point in drawn])
    out["validating the design"] = seconds
    asked = [v if not isinstance(v, Report) else p for v, p in zip(valid, drawn, strict=True)]
    seconds, keys = cpu(lambda: [key_of(machine, design, workload, SETTINGS) for design in asked])
    out["its key"] = seconds
    with ResultStore(folder / "stages") as store:
        out["looking it up"], _ = cpu(lambda: store.reports(keys))
        simulation, reports = cpu(lambda: run_batch(machine, asked, workload, "compiled"))
        records = [Record(machine, *given) for given in zip(
            asked, [workload] * points, [SETTINGS] * points, reports, keys, strict=True)]  # fmt: skip

        def put():
            for start in range(0, points, 500):
                store.put(records[start : start + 500])

        out["storing the row"], _ = cpu(put)
    per_point = {name: seconds / points * 1e6 for name, seconds in out.items()}
    return {**per_point, "all beside the simulation": sum(per_point.values()), "simulation": simulation / points * 1e6}


def store_rate(folder):
    """Rows a CPU second into a store that grows, by write-ahead log and by rollback journal; and merging."""
    machine, workload = accelerator("systolic"), cs.workload("alexnet")
    design = machine.design.make({})
    row = Record(machine, design, workload, SETTINGS, machine.run([design], workload)[0], "").row()
    out = {}
    for name, log in (("write-ahead log", True), ("rollback journal (shards)", False)):
        with ResultStore(folder / f"rate{log}", log=log) as store:
            done = 0
            for target in (20_000, 200_000) if log else (20_000,):
                start, first = time.process_time(), done
                while done < target:
                    keys = (hashlib.sha256(f"{log}{n}".encode()).hexdigest() for n in range(done, done + 500))
                    rows = [(key, *row[1:]) for key in keys]
                    with store._transaction():
                        store._db.executemany(_UPSERT, rows)
                    done += 500
                out[f"{name}, up to {target} rows"] = (done - first) / (time.process_time() - start)
            if not log:
                with ResultStore(folder / "merged") as merged:
                    seconds, count = cpu(lambda: merged.merge(folder / "rateFalse"))
                    out["merging a shard"] = count / seconds
            out["bytes a row"] = store.path.stat().st_size / done
    return out


def tasks(evaluator, count):
    """Seconds for each task of one design: CPU of this process (with Dask's scheduler in it), and wall with two workers."""
    workload = cs.workload("alexnet")
    with make_evaluator(evaluator, Nothing()) as running:
        list(running.batches([{"number": n} for n in range(50)], workload, ordered=False))
        running._pace.most = running._pace.size = 1
        start = time.perf_counter()
        seconds, batches = cpu(lambda: list(running.batches([{"number": n} for n in range(count)], workload, ordered=False)))
        wall = time.perf_counter() - start
    assert sum(map(len, batches)) == count
    return {"cpu_s": seconds / count, "wall_s": wall / count}


def workers_cpu_s(seen):
    """CPU seconds so far of every other process of this group, by pid; `seen` keeps those of processes that have ended."""
    tick = os.sysconf("SC_CLK_TCK")
    for pid, _, _, _ in processes(os.getpgid(0)):
        if pid != os.getpid():
            with contextlib.suppress(OSError):
                fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
                seen[pid] = (int(fields[11]) + int(fields[12])) / tick
    return seen


def sweeps(points, folder):
    """The same sweep in this process, in two, and on two Dask workers, at two sizes: the difference has no startup in it."""
    out = {}
    for name, how in (("direct", {}), ("pool:2", {"jobs": 2}), ("dask:2", {"cluster": "dask:2"})):
        walls, heres, theres = [], [], []
        for size in (points, 3 * points):
            before, seen = set(workers_cpu_s({})), {}
            spec = {"accelerator": "systolic", "workloads": ["alexnet"], "sample": {"n": size, "seed": 9}}
            run = partial(sweep, spec, folder / f"{name}{size}", progress=lambda _, seen=seen: workers_cpu_s(seen), **how)
            start = time.perf_counter()
            heres.append(cpu(run)[0])
            walls.append(time.perf_counter() - start)
            theres.append(sum(seconds for pid, seconds in seen.items() if pid not in before))
        wall, here, there = ((two[1] - two[0]) / (2 * points) * 1e6 for two in (walls, heres, theres))
        out[name] = {"wall_us_a_point": wall, "driver_us_a_point": here, "workers_us_a_point": there,
                     "startup_cpu_s": heres[0] + theres[0] - (here + there) * points / 1e6}  # fmt: skip
    return out


def projected(found):
    """Designs a second, and what bounds them, for W workers and simulations of t seconds.

    Workers: W / t. The driver: one point costs it what was measured in the pool and on Dask, the scheduler's tasks
    aside. The scheduler: a task costs it what was measured; it lasts `max(0.25 s, 20 ms W)`, or what the limit of 65,536
    designs on their way, three tasks a worker, leaves. Shards: each worker has a driver and a store of its own.
    """
    driver_s, task_s = found["driver_us_a_point"] / 1e6, found["tasks"]["dask:2"]["cpu_s"]
    beside_s = found["stages"]["all beside the simulation"] / 1e6
    rows = []
    for simulation_s in (0.0005, 0.01, 0.1, 1.0):
        for workers in (2, 10, 100, 1000):
            chunk = max(1, min(max(0.25, 0.02 * workers) / simulation_s, (1 << 16) // (3 * workers), 4096))
            bounds = {
                "workers": workers / simulation_s,
                "driver and store": 1 / (driver_s + task_s / chunk),
            }
            bound = min(bounds, key=bounds.__getitem__)
            # Both limits hold at once near their crossing; the smaller is an upper bound.
            rows.append({
                "simulation_s": simulation_s, "workers": workers, "designs_a_second": bounds[bound], "bound": bound,
                "efficiency": bounds[bound] / bounds["workers"], "shards_efficiency": simulation_s / (simulation_s + beside_s),
            })  # fmt: skip
    return rows


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--points", type=int, default=6000)
    parser.add_argument("--tasks", type=int, default=400)
    given = parser.parse_args()
    found = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        measured = [stages(given.points, folder / str(number)) for number in range(3)]
        found["stages"] = {key: statistics.median(one[key] for one in measured) for key in measured[0]}
        found["store"] = store_rate(folder)
        found["tasks"] = {which: tasks(which, given.tasks) for which in ("pool:2", "dask:2")}
        found["sweeps"] = sweeps(given.points, folder)
    alone = found["sweeps"]["direct"]
    for which in ("pool:2", "dask:2"):
        entry = found["sweeps"][which]
        entry["speedup_wall"] = alone["wall_us_a_point"] / entry["wall_us_a_point"]
        # What two cores of one's own can reach, by CPU time: the work of one process over all that two and the driver do.
        entry["efficiency_by_cpu"] = alone["driver_us_a_point"] / (entry["driver_us_a_point"] + entry["workers_us_a_point"])
    found["driver_us_a_point"] = found["sweeps"]["pool:2"]["driver_us_a_point"]
    found["projection"] = projected(found)
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    sys.exit(main())
