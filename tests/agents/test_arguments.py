"""Arguments of another kind, from Python as from the command line: one line, and nothing is evaluated or written."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from agent_cases import agents
from commands import cyclescape
from refusals import refusal

import cyclescape as cs
from cyclescape.agents.contest.contest import compare
from cyclescape.agents.search import search
from cyclescape.agents.shards import Shard, merge_shards, write_array
from cyclescape.agents.surrogate.samples import draw
from cyclescape.agents.sweep import SweepSpec, sweep
from cyclescape.agents.transfer.train import train
from cyclescape.arguments import MOST_SEED, path_of, whole_number
from cyclescape.simulator.accelerator import Accelerator
from cyclescape.simulator.store import load
from cyclescape.simulator.verify import verify
from cyclescape.traces.workload import Workload

SEEDS = "accepted: a whole number from 0 to 9223372036854775807"
COUNTS = "accepted: a whole number of at least 1"


def test_whole_numbers() -> None:
    for given in (3, np.int64(3), np.uint8(3), np.array(3)):
        assert (whole_number("n", given), type(whole_number("n", given))) == (3, int)
    for given in (True, np.True_, 2.5, 3.0, "3", None, [3], np.array([3, 4])):
        assert refusal(lambda given=given: whole_number("n", given)).endswith(COUNTS)
    assert refusal(lambda: whole_number("n", -(10**5000))) == f"n=(16610 bits): {COUNTS}"


def test_paths() -> None:
    assert path_of("out", "a/b", "a folder") == path_of("out", Path("a/b"), "a folder") == Path("a/b")
    for given in (3, None, b"a", ["a"]):
        assert refusal(lambda given=given: path_of("out", given, "a folder")) == f"out={given!r}: accepted: a folder"
    assert refusal(lambda: path_of("out", "a\0b", "a folder")) == "out='a\\x00b': accepted: a folder"


@pytest.mark.parametrize("agent", agents("transfer"))
@pytest.mark.parametrize("seed", [2**32, MOST_SEED])
def test_every_agent_takes_every_seed(agent: str, seed: int, roofline: Accelerator, mlp: Workload, tmp_path: Path) -> None:
    study = search(roofline, mlp, agent=agent, budget=14, seed=seed, out=tmp_path)
    assert {(trial.agent, trial.note) for trial in study.trials} == {(agent, None)}
    assert study.asked.seed == seed


def test_a_seed_that_no_store_holds(roofline: Accelerator, mlp: Workload, gemv: Workload, tmp_path: Path) -> None:
    place, large = tmp_path / "out", MOST_SEED + 1
    grid = {"accelerator": "roofline", "workloads": [mlp], "grid": "all"}
    for call, name in (
        (lambda: search(roofline, mlp, seed=large, out=place), "seed"),
        (lambda: draw(roofline, [mlp], 5, seed=large), "seed"),
        (lambda: verify(place, seed=large), "seed"),
    ):
        assert refusal(call) == f"{name}={large}: {SEEDS}"
    assert f"sample.seed={large}" in refusal(lambda: sweep({**grid, "sample": {"n": 2, "seed": large}}, place))
    # A policy's searches count on from its seed.
    said = refusal(lambda: train(roofline, [mlp, gemv], seed=MOST_SEED, seeds=2, data=place))
    assert said == f"seed={MOST_SEED}: accepted: a whole number from 0 to {MOST_SEED - 1}"
    assert not place.exists()


def test_a_large_seed_on_the_command_line(tmp_path: Path) -> None:
    for given in (
        ("search", "systolic", "-w", "alexnet", "--budget", "3", "--agent", "random", "--out", "big"),
        ("policy", "train", "systolic", "-w", "alexnet;vgg16", "--seeds", "1", "--data", "big", "-o", "policy.npz"),
    ):
        done = cyclescape(*given, "--seed", "99999999999999999999", cwd=tmp_path)
        assert (done.returncode, done.stderr) == (2, f"error: seed=99999999999999999999: {SEEDS}\n")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"budget": 2.5}, f"budget=2.5: {COUNTS}"),
        ({"budget": "5"}, f"budget='5': {COUNTS}"),
        ({"budget": None}, f"budget=None: {COUNTS}"),
        ({"budget": True}, f"budget=True: {COUNTS}"),
        ({"batch": 2.5}, f"batch=2.5: {COUNTS}"),
        ({"seed": None}, f"seed=None: {SEEDS}"),
        ({"seed": 1.5}, f"seed=1.5: {SEEDS}"),
        ({"agent": None}, "agent=None: accepted: text, one of a2c, annealing, "),
        ({"agent": 3}, "agent=3: accepted: text, one of a2c, annealing, "),
        ({"weights": 3}, "weights=3: accepted: a list of numbers above 0, one for each workload"),
        ({"weights": "12"}, "weights='12': accepted: a list of numbers above 0, one for each workload"),
        ({"weights": [True]}, "weights.0=True: accepted: a number, not yes or no"),
        ({"out": 3}, "out=3: accepted: a folder for the store"),
        ({"accelerator": None}, "accelerator=None: accepted: a name ("),
        ({"accelerator": 3}, "accelerator=3: accepted: a name ("),
        ({"time_limit_s": True}, "time limit True s: must be above 0"),
    ],
)
def test_a_search(given: dict[str, Any], said: str, roofline: Accelerator, mlp: Workload, tmp_path: Path) -> None:
    asked = {"accelerator": roofline, "workload": mlp, "budget": 2, "agent": "random", "out": tmp_path / "out", **given}
    assert refusal(lambda: search(**asked)).startswith(said)
    assert list(tmp_path.iterdir()) == []


def test_numbers_of_numpy_are_numbers(roofline: Accelerator, mlp: Workload) -> None:
    given: dict[str, Any] = {"budget": np.int64(2), "seed": np.int32(1), "batch": np.int8(1), "weights": np.array([2])}
    asked = search(roofline, mlp, agent="tpe", **given).asked
    assert asked == search(roofline, mlp, agent="tpe", budget=2, seed=1, batch=1, weights=[2.0]).asked
    assert [type(number) for number in (asked.budget, asked.seed, asked.batch)] == [int] * 3


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"jobs": "2"}, f"jobs='2': {COUNTS}"),
        ({"jobs": True}, f"jobs=True: {COUNTS}"),
        ({"jobs": 0}, f"jobs=0: {COUNTS}"),
        ({"shard": 3}, "shard 3: accepted: I/N with I from 1 to N"),
        ({"shard": (1, 2)}, "shard (1, 2): accepted: I/N with I from 1 to N"),
        ({"cluster": 3}, "cluster 3 is not known (accepted: dask, "),
        ({"out": None}, "out=None: accepted: a folder for the store"),
        ({"spec": None}, "sweep: None: accepted: a YAML file, or a mapping"),
        ({"spec": ["roofline"]}, "sweep: ['roofline']: accepted: a YAML file, or a mapping"),
        ({"time_limit_s": True}, "sweep: time_limit_s=True: accepted: a number, not yes or no"),
        ({"sample": {"n": True}}, "sweep: sample.n=True: accepted: a number, not yes or no"),
        ({"sample": {"n": 2, "seed": True}}, "sweep: sample.seed=True: accepted: a number, not yes or no"),
        ({"grid": {"lanes": np.array(8)}}, "sweep: grid={'lanes': array(8)}: lanes=8: accepted: a list of values, or all"),
    ],
)
def test_a_sweep(given: dict[str, Any], said: str, roofline: Accelerator, mlp: Workload, tmp_path: Path) -> None:
    spec = {"accelerator": "roofline", "workloads": [mlp], "grid": {"lanes": [8, 16]}}
    spec |= {name: given[name] for name in given if name in SweepSpec.model_fields}
    how = {name: given[name] for name in given if name not in SweepSpec.model_fields}
    assert refusal(lambda: sweep(**{"spec": spec, "out": tmp_path / "out", **how})).startswith(said)
    assert list(tmp_path.iterdir()) == []


def test_a_sweep_of_numpy_values(roofline: Accelerator, mlp: Workload, tmp_path: Path) -> None:
    spec = {"accelerator": "roofline", "workloads": [mlp], "set": {"bandwidth": np.int64(8)}}
    for number, lanes in enumerate(([np.int64(8), np.float64(16.0)], np.array([8, 16]), range(8, 24, 8))):
        done = sweep({**spec, "grid": {"lanes": lanes}}, tmp_path / str(number))
        assert (done.progress.total, done.progress.reused, sorted(done.frame()["lanes"])) == (2, 0, [8, 16])
    assert sweep({**spec, "grid": {"lanes": np.array([8, 16])}}, tmp_path, shard="1/2").progress.total == 1


def test_folders_and_counts_elsewhere(roofline: Accelerator, mlp: Workload, tmp_path: Path) -> None:
    for given in (None, 3):
        assert refusal(lambda given=given: load(given)) == f"path={given}: accepted: a folder or file of evaluations"
        assert refusal(lambda given=given: cs.accelerator(given)).startswith(f"accelerator={given}: accepted: a name (")
    spec = {"accelerator": "roofline", "workloads": [mlp], "grid": "all"}
    assert refusal(lambda: merge_shards(spec, None)) == "out=None: accepted: the folder of a sweep's shards"  # type: ignore[arg-type]
    said = refusal(lambda: write_array(tmp_path / "spec.yaml", tmp_path, shards=2.5, scheduler="slurm"))  # type: ignore[arg-type]
    assert said == "shards=2.5: accepted: a whole number from 2 to 100000"
    assert refusal(lambda: compare(["random"], out=tmp_path, budget=2.5)) == f"budget=2.5: {COUNTS}"  # type: ignore[arg-type]
    assert Shard.read("2/3") == Shard(2, 3)


@pytest.mark.parametrize(
    ("agent", "said"),
    [
        ("tpe:startup=0", "startup=0, candidates=24: accepted: at least 1 each"),
        ("tpe:candidates=0", "startup=10, candidates=0: accepted: at least 1 each"),
        ("tpe:startup=2.5", "startup=2.5: accepted: a whole number"),
        ("gp:startup=-3", "startup=-3: accepted: at least 1"),
    ],
)
def test_options_below_their_range(agent: str, said: str, roofline: Accelerator, mlp: Workload) -> None:
    if agent.startswith("gp"):
        pytest.importorskip("torch")
    assert refusal(lambda: search(roofline, mlp, agent=agent, budget=2)).endswith(said)
