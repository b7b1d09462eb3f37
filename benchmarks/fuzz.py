"""Hostile input: every parser meets thousands of damaged and hostile files, and must refuse or accept each in peace.

    python benchmarks/fuzz.py --cases 50000 --seed 0          all parsers, so many cases in all
    python benchmarks/fuzz.py --only onnx --case 1234         one case again, with its traceback

A case is held if the parser returns, or raises an error of the package whose message is one line; in ten seconds, with less
than 1 GiB of further memory, without a warning or a print of some library, without writing outside of its folder, starting a
program or unpickling. Cases follow from the seed: seeds of the parsers (valid inputs), damaged at random.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import re
import select
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from fuzzing.parsers import PARSERS

_PATIENCE_S, _LONGEST_S = 30.0, 1200.0
"""After so much CPU time in a case, or so long without a word, a process is ended."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=int, default=50_000, help="of all parsers together")
    parser.add_argument("--first", type=int, default=0, metavar="N", help="leave out the first cases of each parser")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", action="append", choices=list(PARSERS), metavar="NAME", help=f"of {', '.join(PARSERS)}")
    parser.add_argument("--case", type=int, help="this one alone, in this process")
    parser.add_argument("--keep", type=Path, help="leave the files of that case here")
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    parser.add_argument("--worker", type=int, nargs=3, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    chosen = given.only or list(PARSERS)
    if given.worker:
        from fuzzing.worker import speaker, work

        first, last, pipe = given.worker
        work(PARSERS[chosen[0]], given.seed, first, last, given.folder, speaker(pipe))
        return 0
    if given.case is not None:
        return _again(chosen[0], given.seed, given.case, given.keep)
    parts = sum(PARSERS[name].weight for name in chosen)
    rows = []
    with tempfile.TemporaryDirectory(prefix="fuzz-") as folder:
        for name in chosen:
            share = math.ceil(given.cases * PARSERS[name].weight / parts)
            rows.append(_run(name, given.seed, given.first, share, Path(folder) / name))
            if not given.json:
                _show(rows[-1], given.seed, header=len(rows) == 1)
    defects = sum(len(row["defects"]) for row in rows)
    if given.json:
        print(
            json.dumps(
                {"seed": given.seed, "cases": sum(row["cases"] for row in rows), "defects": defects, "parsers": rows}, indent=1
            )
        )
    else:
        print(
            f"{sum(row['cases'] for row in rows)} cases, {sum(row['accepted'] for row in rows)} accepted, "
            f"{sum(row['refused'] for row in rows)} refused, {defects} defects; "
            f"{sum(row['cpu_s'] for row in rows):.0f} s of CPU time"
        )
    return 1 if defects else 0


def _run(name: str, seed: int, first: int, cases: int, folder: Path) -> dict[str, Any]:
    """The cases of a parser from the first up to so many, in as many processes as it takes."""
    folder.mkdir(parents=True)
    row: dict[str, Any] = {
        "parser": name,
        "cases": max(0, cases - first),
        "accepted": 0,
        "refused": 0,
        "slowest_s": 0.0,
        "growth_mib": 0.0,
        "cpu_s": 0.0,
        "refused_by_type": {},
        "defects": {},
    }
    next_case = first
    while next_case < cases:
        begun, ended = _process(name, seed, next_case, cases, folder, row)
        next_case = cases if ended == "done" else begun + 1
        if ended != "done":
            _note(row, begun, ended, "")
    shutil.rmtree(folder, ignore_errors=True)
    row["defects"] = list(row["defects"].values())
    return row


def _process(name: str, seed: int, first: int, last: int, folder: Path, row: dict[str, Any]) -> tuple[int, str]:
    """Run one process; return the case that it was at, and how it ended."""
    read, write = os.pipe()
    command = [
        sys.executable,
        __file__,
        "--only",
        name,
        "--seed",
        str(seed),
        "--folder",
        str(folder),
        "--worker",
        str(first),
        str(last),
        str(write),
    ]
    # Equal cases on every run, and no threads whose memory would be counted.
    environment = {
        **os.environ,
        "PYTHONHASHSEED": "0",
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
        "ARROW_DEFAULT_MEMORY_POOL": "system",
    }
    with open(folder / "errors", "wb") as errors:
        process = subprocess.Popen(command, pass_fds=[write], env=environment, stderr=errors)
    os.close(write)
    begun, rest, ended = first, b"", ""
    heard, spent, started = time.monotonic(), 0.0, False
    while True:
        if not select.select([read], [], [], 10.0)[0]:
            silent = _cpu_s(process.pid) - spent
            if (started and silent > _PATIENCE_S) or time.monotonic() - heard > _LONGEST_S:
                process.kill()
                ended = f"hangs: {silent:.0f} s of CPU time where no alarm is heard"
                break
            continue
        data = os.read(read, 1 << 16)
        if not data:
            break
        heard, spent, started = time.monotonic(), _cpu_s(process.pid), True
        *lines, rest = (rest + data).split(b"\n")
        for line in map(json.loads, lines):
            if "begins" in line:
                begun = line["begins"]
            else:
                _count(row, line)
    os.close(read)
    code = process.wait()
    if code == 0:
        return begun, "done"
    written = [folder / name for name in ("errors", "printed") if (folder / name).exists()]
    said = " ".join(file.read_text(errors="replace").strip().split("\n")[-1] for file in written)
    if code > 0 and begun == first and not row["accepted"] + row["refused"]:
        raise SystemExit(f"{name}: a valid input is refused, or the process cannot start: {said}")
    return begun, ended or f"ends the process with {code} {said[:200]}"


def _cpu_s(pid: int) -> float:
    """CPU time of a process so far; 0 where that cannot be known."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _count(row: dict[str, Any], line: dict[str, Any]) -> None:
    row["cpu_s"] += line["s"]
    row["slowest_s"], row["growth_mib"] = max(row["slowest_s"], line["s"]), max(row["growth_mib"], line["mib"])
    if line["outcome"] in row:
        row[line["outcome"]] += 1
    for what, where in line["defects"]:
        _note(row, line["case"], what, where)


def _note(row: dict[str, Any], case: int, what: str, where: str) -> None:
    """One entry for each kind and place."""
    kind = re.sub(r"\d+", "N", what.partition(":")[0])
    known = row["defects"].setdefault(f"{kind} {where}", {"what": what, "where": where, "case": case, "times": 0})
    known["times"] += 1


def _show(row: dict[str, Any], seed: int, header: bool) -> None:
    if header:
        print(
            f"{'parser':<22}{'cases':>7}{'accepted':>10}{'refused':>9}"
            f"{'slowest s':>11}{'growth MiB':>12}{'CPU s':>8}{'defects':>9}"
        )
    print(
        f"{row['parser']:<22}{row['cases']:>7}{row['accepted']:>10}{row['refused']:>9}{row['slowest_s']:>11.2f}{row['growth_mib']:>12.0f}"
        f"{row['cpu_s']:>8.1f}{len(row['defects']):>9}",
        flush=True,
    )
    for defect in row["defects"]:
        print(
            f"    {defect['times']} x {defect['what'][:230]} [{defect['where']}]\n"
            f"        python benchmarks/fuzz.py --only {row['parser']} --seed {seed} --case {defect['case']}",
            flush=True,
        )


def _again(name: str, seed: int, number: int, keep: Path | None) -> int:
    """One case in this process, so that its traceback shows."""
    from fuzzing.case import made, placed
    from fuzzing.worker import seeds_of

    from cyclescape.errors import CyclescapeError

    with tempfile.TemporaryDirectory(prefix="fuzz-") as folder:
        main_file, files, changes = made(PARSERS[name], seeds_of(PARSERS[name], Path(folder)), seed, number)
        here = (keep or Path(folder) / "case").resolve()
        placed(here, files, changes)
        os.chdir(here)  # a command writes where it stands
        start = time.process_time()
        try:
            PARSERS[name].read(here / main_file)
            print("accepted", end="")
        except CyclescapeError as error:
            print(f"refused: {str(error)!r}", end="")
        finally:
            print(f" after {time.process_time() - start:.2f} s of CPU time")
    return 0


if __name__ == "__main__":
    sys.exit(main())
