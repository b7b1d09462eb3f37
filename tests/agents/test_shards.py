import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
from commands import cyclescape

from cyclescape.agents.shards import SCHEDULERS, Shard, merge_shards, write_array
from cyclescape.agents.sweep import Points, Sample, sweep
from cyclescape.errors import InputError
from cyclescape.simulator.accelerator import Accelerator
from cyclescape.simulator.space import Space
from cyclescape.simulator.store import load
from cyclescape.traces.workload import Workload

STABLE = ["key", "lanes", "bandwidth", "cycles", "energy_j", "reason"]


def rows(folder: Path) -> Any:
    return load(folder)[STABLE].sort_values("key").reset_index(drop=True)


@pytest.mark.parametrize("sample", [None, Sample(n=100, seed=2), Sample(n=3)])
def test_shards_divide_the_points(sample: Sample | None, roofline: Accelerator) -> None:
    space = Space(roofline.design)
    whole = list(Points(space, sample))
    for count in (2, 5, 300):
        shards = [Points(space, sample, Shard(index, count)) for index in range(1, count + 1)]
        assert sum(map(len, shards)) == len(whole)
        assert max(map(len, shards)) - min(map(len, shards)) <= 1
        drawn = [space.index(point) for shard in shards for point in shard]
        assert sorted(drawn) == sorted(space.index(point) for point in whole)


def test_a_larger_sample_begins_with_a_smaller_one(roofline: Accelerator) -> None:
    space = Space(roofline.design)
    assert list(Points(space, Sample(n=200, seed=3)))[:50] == list(Points(space, Sample(n=50, seed=3)))


def test_shards_merge_into_the_rows_of_the_whole(
    roofline: Accelerator, mlp: Workload, gemv: Workload, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = {"accelerator": "roofline", "workloads": [mlp, gemv], "grid": {"lanes": "all", "fused": "all"}}
    sweep(spec, tmp_path / "whole")
    out = tmp_path / "out"
    with pytest.raises(InputError, match="no shards here"):
        merge_shards(spec, out)
    assert sweep(spec, out, shard="1/3").progress.total == 10
    assert not (out / "store.sqlite").exists()
    first = merge_shards(spec, out)
    assert (first.shards, first.new, first.rows, first.unfinished) == (1, 10, 10, [2, 3])
    assert sweep(spec, out, shard="1/3").progress.reused == 10
    sweep(spec, out, shard="2/3")
    sweep(spec, out, shard="3/3", jobs=2)
    last = merge_shards(spec, out)
    assert (last.shards, last.new, last.rows, last.unfinished, last.damaged) == (3, 18, 28, [], [])
    assert rows(out).equals(rows(tmp_path / "whole"))
    assert merge_shards(spec, out).new == 0
    assert sweep(spec, out).progress.reused == 28
    # Other sources of the model, or another specification: what was finished no longer counts.
    monkeypatch.setattr("cyclescape.agents.shards.model_digest", lambda machine: "another")
    assert merge_shards(spec, out).unfinished == [1, 2, 3]


def test_a_damaged_shard_is_named_and_the_others_are_merged(roofline: Accelerator, mlp: Workload, tmp_path: Path) -> None:
    spec = {"accelerator": "roofline", "workloads": [mlp], "grid": {"lanes": "all"}}
    for index in (1, 2, 3):
        sweep(spec, tmp_path, shard=f"{index}/3")
    broken = Shard(2, 3).path(tmp_path)
    broken.write_bytes(broken.read_bytes()[:5000])
    merged = merge_shards(spec, tmp_path)
    assert merged.shards == 2
    assert merged.rows == 3 + 2
    assert len(merged.damaged) == 1
    assert str(broken) in merged.damaged[0]
    broken.unlink()
    sweep(spec, tmp_path, shard="2/3")
    assert merge_shards(spec, tmp_path).rows == 7
    broken.unlink()  # its mark says that it was finished
    assert merge_shards(spec, tmp_path).unfinished == [2]


@pytest.mark.parametrize("text", ["", "3", "0/3", "4/3", "1/0", "-1/3", "1/2/3", "a/b", "1/1000000"])
def test_a_wrong_shard_is_one_line(text: str, roofline: Accelerator, mlp: Workload, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="accepted: I/N with I from 1 to N"):
        sweep({"accelerator": "roofline", "workloads": [mlp], "grid": "all"}, tmp_path / "out", shard=text)
    assert not (tmp_path / "out").exists()


INDEX = {"slurm": "SLURM_ARRAY_TASK_ID", "lsf": "LSB_JOBINDEX", "pbs": "PBS_ARRAY_INDEX", "sge": "SGE_TASK_ID"}
SAYS = {
    "slurm": ["#SBATCH --array=1-7", "#SBATCH --cpus-per-task=2", "#SBATCH --time=1:00:00"],
    "lsf": ['#BSUB -J "cyclescape[1-7]"', "#BSUB -n 2"],
    "pbs": ["#PBS -J 1-7", "#PBS -l select=1:ncpus=2"],
    "sge": ["#$ -t 1-7", "#$ -pe smp 2"],
}


@pytest.mark.parametrize("scheduler", SCHEDULERS)
def test_every_index_of_an_array_takes_its_shard(scheduler: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The script is run as the batch system would, with a python that says what it was asked."""
    python = tmp_path / "a python"
    python.write_text('#!/bin/sh\npwd\nfor word in "$@"; do echo "$word"; done\n')
    python.chmod(0o755)
    monkeypatch.setattr("sys.executable", str(python))
    monkeypatch.chdir(tmp_path)
    spec = tmp_path / "spec.yaml"
    spec.write_text("accelerator: roofline\n")
    directives = {"slurm": ["--time=1:00:00"], "sge": ["-pe smp 2"]}.get(scheduler, [])
    array = write_array(spec, Path("out"), shards=7, scheduler=scheduler, jobs=2, directives=directives)
    lines = array.script.read_text().splitlines()
    assert set(SAYS[scheduler]) <= set(lines)
    assert str(array.script) in array.submit
    done = subprocess.run(
        ["bash", str(array.script)], env={**os.environ, INDEX[scheduler]: "3"}, capture_output=True, text=True, check=True,
        cwd="/",
    )  # fmt: skip
    out = str(tmp_path / "out")
    expected = [str(tmp_path), "-m", "cyclescape", "sweep", f"{out}/spec.yaml", "--out", out, "--shard", "3/7", "--jobs", "2"]
    assert done.stdout.splitlines() == expected
    assert (tmp_path / "out" / "spec.yaml").read_text() == spec.read_text()


@pytest.mark.parametrize(("change", "says"), [
    ("accelerator: systolc", "did you mean 'systolic'"), ("workload: alexnett", "workload 'alexnett' is not known"),
    ("grid: {rowz: [16]}", "rowz: unknown parameter"), ("evaluator: surrogat:x", "evaluator 'surrogat:x' is not known"),
    ("engine: magic", "engine 'magic'"),
])  # fmt: skip
def test_an_array_of_a_sweep_that_no_shard_can_run_is_refused(change: str, says: str, tmp_path: Path) -> None:
    lines = {"accelerator": "systolic", "workload": "alexnet", "grid": "{rows: [8, 16]}"}
    name, _, value = change.partition(": ")
    spec = tmp_path / "bad.yaml"
    spec.write_text("".join(f"{key}: {text}\n" for key, text in (lines | {name: value}).items()))
    done = cyclescape("sweep", str(spec), "--out", str(tmp_path / "o"), "--shards", "4", "--scheduler", "slurm")
    assert (done.returncode, done.stdout) == (2, "")
    assert says in done.stderr
    assert done.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == [spec]


def test_a_wrong_array_is_one_line(tmp_path: Path) -> None:
    spec = tmp_path / "spec.yaml"
    spec.write_text("accelerator: systolic\nworkload: alexnet\ngrid: {rows: [8, 16]}\n")
    sweep(spec, tmp_path / "done", shard="1/2")
    cases: list[tuple[list[str], str]] = [
        (["--shards", "4"], "which batch system? (accepted: --scheduler slurm, lsf, pbs, sge)"),
        (["--shards", "1", "--scheduler", "slurm"], "shards=1: accepted: a whole number from 2 to 100000"),
        (["--shards", "4", "--scheduler", "slurm", "--directive", "a\nb"], "must be one line"),
        (["--shards", "4", "--scheduler", "sge", "--jobs", "2"], "parallel environment"),
        (["--scheduler", "slurm"], "belong to --shards"),
        (["--shards", "4", "--merge"], "one of them"),
        (["--merge", "--jobs", "7"], "--jobs 7: --merge simulates nothing"),
        (["--shard", "3"], "accepted: I/N"),
        (["--cluster", "ray"], "cluster 'ray' is not known (accepted: dask, dask:N, dask:ADDRESS, slurm:FILE"),
        (["--cluster", "dask:2", "--jobs", "2"], "jobs and cluster: one of them"),
    ]
    for arguments, says in cases:
        done = cyclescape("sweep", str(spec), "--out", str(tmp_path / "out"), *arguments)
        assert done.returncode == 2, arguments
        assert says in done.stderr
        assert done.stderr.strip().count("\n") == 0
        assert not (tmp_path / "out").exists()
    others = cyclescape("sweep", str(spec), "--out", str(tmp_path / "done"), "--shards", "4", "--scheduler", "slurm")
    assert "shards of 2 are here, not of 4" in others.stderr
    blank = cyclescape("sweep", str(spec), "--out", str(tmp_path / "a b"), "--shards", "4", "--scheduler", "slurm")
    assert "no blanks" in blank.stderr
    merged = cyclescape("sweep", str(spec), "--out", str(tmp_path / "done"), "--merge")
    assert merged.returncode == 0
    assert "1 new rows from 1 shards; 1 rows" in merged.stdout
    assert "not finished: shard 2;" in merged.stdout
    again = cyclescape("sweep", str(spec), "--out", str(tmp_path / "done"), "--merge", "--json")
    assert json.loads(again.stdout)["unfinished"] == [2]
