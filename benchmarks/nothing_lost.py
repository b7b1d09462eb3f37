"""Kill sweeps at random instants and compare what they leave with an undisturbed run, row by row.

    python benchmarks/nothing_lost.py --points 100000 --kills 20          # the long form: some 15 minutes on two cores
    python benchmarks/nothing_lost.py --points 600 --kills 2 --ways local,shards

`local`: a sweep in `--jobs` processes, whose whole process group is killed (SIGKILL) and which is started again.
`dask`: a sweep on a Dask cluster of two workers on this machine, whose workers are killed.
`shards`: the script of a job array, each index run as a batch system would, some killed and run again, then merged.
Rows are equal if key, design, metrics, breakdown and reason are. Prints one JSON document; exit 1 if anything differs.
Needs Linux: it reads /proc.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from pathlib import Path

COMMAND = [sys.executable, "-m", "cyclescape"]
SPEC = "accelerator: systolic\nworkloads: [alexnet]\nsample: {{n: {points}, seed: {seed}}}\n"
COLUMNS = "key, accelerator, design, workload, workload_digest, settings, model, metrics, breakdown, reason, surrogate"


def processes(group):
    """Every process of a group: pid, parent, command line, peak resident memory in MB."""
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdecimal():
            continue
        try:
            state, parent, pgrp = (entry / "stat").read_text().rpartition(")")[2].split()[:3]
            if int(pgrp) != group or state == "Z":
                continue
            status = (entry / "status").read_text()
            command = (entry / "cmdline").read_text().replace("\0", " ")
        except (OSError, ValueError):
            continue
        peak = next((int(line.split()[1]) / 1024 for line in status.splitlines() if line.startswith("VmHWM")), 0.0)
        found.append((int(entry.name), int(parent), command, peak))
    return found


class Running:
    """A command in a process group of its own, watched."""

    def __init__(self, arguments, folder, env=None):
        self.errors = tempfile.TemporaryFile()  # noqa: SIM115
        self.process = subprocess.Popen(
            arguments, cwd=folder, start_new_session=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=self.errors, env={**os.environ, **(env or {})},
        )  # fmt: skip
        self.start = time.monotonic()
        self.peak_mb = {"driver": 0.0, "workers": 0.0}

    def look(self):
        for pid, _, _, peak in processes(self.process.pid):
            role = "driver" if pid == self.process.pid else "workers"
            self.peak_mb[role] = max(self.peak_mb[role], peak)

    def wait(self, seconds=float("inf"), then=None):
        """Wait so long or to the end, whatever is first; `then` is called five times a second."""
        end = time.monotonic() + seconds
        while self.process.poll() is None and time.monotonic() < end:
            self.look()
            if then is not None:
                then(self)
            time.sleep(min(0.2, max(0.0, end - time.monotonic())))
        return self.process.poll()

    def kill(self):
        """End the whole group at once; return whether it was still running."""
        alive = self.process.poll() is None
        if alive:
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        return alive

    def finish(self, then=None):
        code = self.wait(then=then)
        if code:
            self.errors.seek(0)
            raise SystemExit(f"exit code {code}: {self.errors.read().decode()[-2000:]}")
        return time.monotonic() - self.start


def stored(folder):
    """Rows of a store now; 0 if there is none yet."""
    path = folder / "store.sqlite"
    if not path.exists():
        return 0
    try:
        with sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=60) as db:
            return db.execute("SELECT count(*) FROM evaluations").fetchone()[0]
    except sqlite3.OperationalError:
        return 0


def difference(one, other):
    """The first difference of two stores, read side by side; "" if there is none."""
    stores = []
    for folder in (one, other):
        db = sqlite3.connect(f"file:{folder / 'store.sqlite'}?mode=ro", uri=True)
        whole = db.execute("PRAGMA integrity_check").fetchone()[0]
        if whole != "ok":
            return f"{folder}: {whole}"
        stores.append(db.execute(f"SELECT {COLUMNS} FROM evaluations ORDER BY key"))
    count = 0
    while True:
        rows = [cursor.fetchone() for cursor in stores]
        if rows[0] != rows[1]:
            return f"row {count}: {rows[0]} | {rows[1]}"
        if rows[0] is None:
            return ""
        count += 1


def killed(sweep, folder, out, kills, rng, points, seconds):
    """Start and kill a sweep `kills` times, over its whole length; then let it end."""
    alive, peak, start_s, progress = 0, 0.0, 1.0, []
    for number in range(kills):
        left = (points - stored(out)) / points * seconds
        # Some at once, before or while anything is opened; the others spread over what is left.
        wait = rng.uniform(0, start_s) if rng.random() < 0.15 else start_s + rng.uniform(0, 2) * left / (kills - number + 1)
        running = Running(sweep, folder)
        running.wait(wait)
        alive += running.kill()
        peak = max(peak, *running.peak_mb.values())
        progress.append(stored(out))
        print(f"kill {number + 1}: after {wait:.1f} s, {progress[-1]} rows", file=sys.stderr, flush=True)
    last = Running(sweep, folder)
    last.finish()
    return {"kills": alive, "rows after each": progress, "peak_mb": max(peak, *last.peak_mb.values())}


def on_dask(folder, out, spec, kills, rng, seconds):
    """A sweep on two Dask workers, of which now and then one is killed."""
    running = Running([*COMMAND, "sweep", spec, "--out", out.name, "--cluster", "dask:2"], folder)
    due, count = time.monotonic() + 4, 0

    def then(running):
        nonlocal due, count
        workers = [
            pid for pid, _, line, _ in processes(running.process.pid)
            if pid != running.process.pid and "spawn_main" in line
        ]  # fmt: skip
        if count < kills and workers and time.monotonic() > due:
            os.kill(rng.choice(workers), signal.SIGKILL)
            count += 1
            due = time.monotonic() + rng.uniform(0.3, 1.7) * max(1.0, seconds / (kills + 1))

    wall = running.finish(then)
    return {"workers killed": count, "seconds": wall, "peak_mb": running.peak_mb}


def in_shards(folder, out, spec, shards, kills, rng):
    """A job array, two indices at a time; the first `kills` of its jobs are killed somewhere and run again."""
    write = [*COMMAND, "sweep", spec, "--out", out.name, "--shards", str(shards), "--scheduler", "slurm"]
    Running(write, folder).finish()
    todo, alive, peak = list(range(1, shards + 1)), [], 0.0
    hit = 0
    while todo or alive:
        while todo and len(alive) < 2:
            index = todo.pop(0)
            job = Running(["bash", str(out / "array.sh")], folder, {"SLURM_ARRAY_TASK_ID": str(index)})
            doom = time.monotonic() + rng.uniform(0.5, 6) if hit < kills else float("inf")
            hit += doom < float("inf")
            alive.append((index, job, doom))
        time.sleep(0.05)
        for entry in list(alive):
            index, job, doom = entry
            job.look()
            if job.process.poll() is not None:
                job.finish()
                alive.remove(entry)
            elif time.monotonic() > doom:
                job.kill()
                alive.remove(entry)
                todo.append(index)  # the batch system, or its user, submits it again
            peak = max(peak, *job.peak_mb.values())
    start = time.monotonic()
    Running([*COMMAND, "sweep", spec, "--out", out.name, "--merge"], folder).finish()
    return {"shards": shards, "kills": hit, "merge_s": time.monotonic() - start, "peak_mb": peak}


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--points", type=int, default=100_000)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--ways", default="local,dask,shards")
    parser.add_argument("--shards", type=int, default=8)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--fewer", type=int, default=0, help="points for dask and shards; 0: as many")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=None)
    given = parser.parse_args()
    rng = random.Random(given.seed)
    folder = (given.out or Path(tempfile.mkdtemp(prefix="nothing_lost_"))).resolve()
    folder.mkdir(parents=True, exist_ok=True)
    found, faults = {"points": given.points}, []

    def undisturbed(points):
        spec = f"spec{points}.yaml"
        (folder / spec).write_text(SPEC.format(points=points, seed=given.seed))
        out = folder / f"undisturbed{points}"
        running = Running([*COMMAND, "sweep", spec, "--out", out.name, "--jobs", str(given.jobs)], folder)
        seconds = running.finish()
        return spec, out, seconds, running.peak_mb

    def compare(way, out, reference, points):
        rows = stored(out)
        found[way]["rows"] = rows
        fault = difference(reference, out) or ("" if rows == points else f"{rows} rows instead of {points}")
        found[way]["equal"] = not fault
        if fault:
            faults.append(f"{way}: {fault}")

    spec, reference, seconds, peak = undisturbed(given.points)
    found["undisturbed"] = {"seconds": seconds, "peak_mb": peak, "store_mb": (reference / "store.sqlite").stat().st_size / 1e6}
    ways = given.ways.split(",")
    if "local" in ways:
        out = folder / "killed"
        sweep = [*COMMAND, "sweep", spec, "--out", out.name, "--jobs", str(given.jobs)]
        found["local"] = killed(sweep, folder, out, given.kills, rng, given.points, seconds)
        compare("local", out, reference, given.points)
    points = given.fewer or given.points
    if points != given.points:
        spec, reference, seconds, _ = undisturbed(points)
    if "dask" in ways:
        found["dask"] = on_dask(folder, folder / "dask", spec, (given.kills + 1) // 2, rng, seconds)
        compare("dask", folder / "dask", reference, points)
    if "shards" in ways:
        found["shards"] = in_shards(folder, folder / "array", spec, given.shards, (given.kills + 1) // 2, rng)
        compare("shards", folder / "array", reference, points)
    found["faults"] = faults
    print(json.dumps(found, indent=1))
    sys.exit(bool(faults))


if __name__ == "__main__":
    main()
