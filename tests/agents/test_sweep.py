import json
import random
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

import cyclescape as cs
from cyclescape.agents.sweep import Points, Progress, Sample, SweepSpec, sweep
from cyclescape.errors import InputError, Interrupted
from cyclescape.simulator.accelerator import Accelerator
from cyclescape.simulator.space import Space
from cyclescape.simulator.store import load
from cyclescape.traces.workload import Workload

PLUGINS = Path(__file__).parent.parent / "plugins"
COLUMNS = [
    "key",
    "accelerator",
    "workload",
    "lanes",
    "bandwidth",
    "frequency_mhz",
    "fused",
    "cycles",
    "time_s",
]
COLUMNS += ["energy_j", "area_mm2", "utilization", "reason"]


def rows(folder: Path) -> list[tuple[Any, ...]]:
    """Everything of a store that must not depend on the course of events."""
    frame = load(folder)[COLUMNS].sort_values("key")
    return [tuple(None if value != value else value for value in row) for row in frame.itertuples(index=False)]


def test_every_combination_on_every_workload(roofline: Accelerator, mlp: Workload, gemv: Workload, tmp_path: Path) -> None:
    seen: list[Progress] = []
    spec = {
        "accelerator": "roofline",
        "workloads": [mlp, gemv],
        "grid": {"lanes": "all", "fused": [True, False]},
    }
    done = sweep({**spec, "set": {"bandwidth": 3}}, tmp_path, progress=seen.append)
    assert done.progress.total == done.progress.done == 28
    assert done.progress.failed == 0
    assert seen[-1].done == 28
    frame = done.frame()
    assert set(frame["bandwidth"]) == {3}
    assert set(frame["frequency_mhz"]) == {500}
    assert sorted(frame["lanes"]) == sorted([4, 8, 16, 32, 64, 128, 256] * 4)
    again = sweep({**spec, "set": {"bandwidth": 3}}, tmp_path)
    assert again.progress.reused == 28
    assert len(again.frame()) == 28


def test_a_yaml_file(roofline: Accelerator, mlp: Workload, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cyclescape.simulator.problem._load", {"mlp": mlp}.__getitem__)
    file = tmp_path / "spec.yaml"
    file.write_text("accelerator: roofline\nworkload: mlp\nset: {lanes: 8}\nsample: {n: 5, seed: 1}\n")
    done = sweep(file, tmp_path / "out")
    frame = done.frame()
    assert len(frame) == 5
    assert set(frame["lanes"]) == {8}
    assert json.loads((tmp_path / "out" / "sweep.json").read_text())["workloads"] == ["mlp"]


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_sweep_without_processes_gives_the_same_rows(jobs: int, roofline: Accelerator, mlp: Workload, tmp_path: Path) -> None:
    spec = {"accelerator": "roofline", "workloads": [mlp], "grid": "all"}
    sweep(spec, tmp_path / "a")
    sweep(spec, tmp_path / "b", jobs=jobs)
    assert rows(tmp_path / "a") == rows(tmp_path / "b")
    assert sum(row[-1] is not None for row in rows(tmp_path / "a")) == 14


@pytest.mark.parametrize("n", [1, 60, 200, 294, 1000])
def test_a_sample_has_no_repeats_and_a_seed(n: int, roofline: Accelerator) -> None:
    space = Space(roofline.design)
    drawn = [space.index(point) for point in Points(space, Sample(n=n, seed=1))]
    assert len(set(drawn)) == len(drawn) == min(n, 294)
    assert drawn == [space.index(point) for point in Points(space, Sample(n=n, seed=1))]
    if n < 294:
        assert drawn != [space.index(point) for point in Points(space, Sample(n=n, seed=2))]


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        ({}, "accelerator: missing"),
        ({"accelerator": "roofline", "grid": "all"}, "workloads: missing"),
        ({"grids": {}}, "grids: unknown parameter"),
        ({"accelerator": "rooflin"}, "did you mean 'roofline'?"),
        ({"grid": {}}, "nothing varies"),
        ({"grid": {"lane": [1]}}, "lane: unknown parameter; did you mean 'lanes'?"),
        ({"grid": {"lanes": []}}, "lanes: no values to explore"),
        ({"grid": {"lanes": ["many"]}}, "lanes='many': accepted: integer >= 1"),
        ({"grid": {"lanes": 8}}, "grid"),
        ({"set": {"lanes": 0}}, "lanes=0: accepted: integer >= 1"),
        ({"set": {"lanes": 8}, "grid": {"lanes": [4]}}, "lanes is both set and swept"),
        ({"preset": "best"}, "preset 'best' is not known"),
        ({"sample": {"n": 0}}, "sample.n=0: "),
        ({"sample": {"n": 5, "seeds": 1}}, "sample.seeds: unknown"),
        ({"time_limit_s": -1}, "time_limit_s=-1"),
        ({"engine": "magic"}, "engine 'magic'"),
    ],
)
def test_a_wrong_specification_is_one_line(
    spec: dict[str, Any], says: str, roofline: Accelerator, mlp: Workload, tmp_path: Path
) -> None:
    base = {"accelerator": "roofline", "workloads": [mlp], "grid": {"fused": "all"}}
    given = spec if not spec or (len(spec) > 1 and "workloads" not in spec and "set" not in spec) else {**base, **spec}
    with pytest.raises(InputError) as error:
        sweep(given, tmp_path / "out")
    assert says in str(error.value)
    assert "\n" not in str(error.value)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("accelerator: [roofline", "line 1: not YAML"),
        ("- a\n- b\n", "a mapping is wanted"),
        ("accelerator: !!python/object/apply:os.system [ls]\n", "not YAML"),
        ("[" * 1500, "not YAML"),
        ("\x00", "not YAML"),
        ("", "a mapping is wanted"),
    ],
)
def test_what_is_not_a_specification_is_one_line(text: str, says: str, tmp_path: Path) -> None:
    file = tmp_path / "spec.yaml"
    file.write_text(text)
    with pytest.raises(InputError) as error:
        SweepSpec.read(file)
    assert says in str(error.value)
    assert str(file) in str(error.value)
    assert "\n" not in str(error.value)
    with pytest.raises(InputError, match="No such file"):
        SweepSpec.read(tmp_path / "nowhere.yaml")


def test_an_interrupt_says_how_to_go_on(
    roofline: Accelerator, mlp: Workload, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cyclescape.agents.sweep._REPORT_S", 0.0)

    def stop(progress: Progress) -> None:
        if progress.done == 100:
            raise KeyboardInterrupt

    spec = {"accelerator": "roofline", "workloads": [mlp], "grid": "all"}
    with pytest.raises(Interrupted, match=r"interrupted after 100 of 294 rows; they are kept in .* to go on"):
        sweep(spec, tmp_path, progress=stop)
    assert len(load(tmp_path)) >= 100
    assert sweep(spec, tmp_path).progress.reused >= 100


SCRIPT = """
import sys
sys.path.insert(0, sys.argv[1])
from cyclescape.agents.sweep import sweep
from cyclescape.simulator import registry
from cyclescape.traces.workload import Workload
from roofline import Roofline

if __name__ == "__main__":
    registry.register(Roofline)
    grid = {"lanes": "all", "fused": "all", "bandwidth": list(range(1, 1501))}
    workload = Workload.model_validate_json(sys.argv[2])
    spec = {"accelerator": "roofline", "workloads": [workload], "grid": grid, "set": {"frequency_mhz": 1000}}
    print("ready", flush=True)
    sweep(spec, sys.argv[3], jobs=int(sys.argv[4]), progress=lambda state: print(state.done, flush=True))
"""


def start(folder: Path, workload: Workload, jobs: int) -> subprocess.Popen[str]:
    script = folder / "script.py"
    script.write_text(SCRIPT)
    given = [str(PLUGINS), workload.model_dump_json(), str(folder / "out"), str(jobs)]
    process = subprocess.Popen([sys.executable, str(script), *given], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


@pytest.mark.parametrize("jobs", [1, 2])
def test_killed_at_any_instant_and_resumed_it_ends_with_the_same_rows(
    jobs: int, roofline: Accelerator, mlp: Workload, tmp_path: Path
) -> None:
    rng = random.Random(jobs)
    midway, seen, parents = 0, set[int](), set[int]()
    for kill in range(4):
        process = start(tmp_path, mlp, jobs)
        assert process.stdout is not None
        if kill % 2:  # blindly, perhaps before anything is done; else once rows are coming
            time.sleep(rng.uniform(0, 0.25))
        else:
            for line in process.stdout:
                if int(line) >= 1000 * (1 + kill):
                    break
            time.sleep(rng.uniform(0, 0.03))
        process.kill()
        process.wait()
        if (tmp_path / "out" / "store.sqlite").exists():
            frame = load(tmp_path / "out")
            midway += 0 < len(frame) < 21000
            seen |= set(frame["process"])
        parents.add(process.pid)
    process = start(tmp_path, mlp, jobs)
    out, _ = process.communicate(timeout=60)
    assert out.split()[-1] == "21000"
    assert midway >= 1
    grid = {"lanes": "all", "fused": "all", "bandwidth": list(range(1, 1501))}
    spec = {"accelerator": "roofline", "workloads": [mlp], "grid": grid, "set": {"frequency_mhz": 1000}}
    sweep(spec, tmp_path / "undisturbed")
    assert rows(tmp_path / "out") == rows(tmp_path / "undisturbed")
    workers = seen - parents
    assert bool(workers) == (jobs > 1)
    end = time.monotonic() + 20
    while any(alive(pid) for pid in workers):
        assert time.monotonic() < end, "a killed sweep left workers behind"
        time.sleep(0.1)


def test_two_sweeps_at_once_into_one_store(roofline: Accelerator, mlp: Workload, tmp_path: Path) -> None:
    both = [start(tmp_path, mlp, jobs) for jobs in (1, 2)]
    for process in both:
        out, _ = process.communicate(timeout=120)
        assert process.returncode == 0
        assert out.split()[-1] == "21000"
    grid = {"lanes": "all", "fused": "all", "bandwidth": list(range(1, 1501))}
    spec = {"accelerator": "roofline", "workloads": [mlp], "grid": grid, "set": {"frequency_mhz": 1000}}
    sweep(spec, tmp_path / "undisturbed")
    assert rows(tmp_path / "out") == rows(tmp_path / "undisturbed")


def alive(pid: int) -> bool:
    """Whether a process runs (one that has ended and waits to be reaped does not)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.parametrize(("change", "says"), [
    ({"grid": {"lanes": 8}}, "lanes=8: accepted: a list of values, or all"),
    ({"grid": {"lanes": [True, 8]}}, "lanes=True: accepted: integer"),
    ({"set": {"bandwidth": True}}, "bandwidth=True: accepted: integer"),
    ({"evaluator": "direct"}, "accepted: one of them"),
    ({"workloads": "twice"}, "'mlp' is given twice"),
])  # fmt: skip
def test_what_would_be_taken_for_something_else_is_refused(
    change: dict, says: str, roofline: Accelerator, mlp: Workload, tmp_path: Path
) -> None:
    spec = {"accelerator": "roofline", "workloads": [mlp], "grid": {"lanes": [8, 16]}} | change
    if spec["workloads"] == "twice":
        spec["workloads"] = [mlp, mlp]
    with pytest.raises(InputError) as error:
        sweep(spec, tmp_path / "out", jobs=2)
    assert says in str(error.value)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(("change", "varies"), [
    ({"sample": {"n": 4}}, ["bandwidth", "frequency_mhz", "fused"]), ({"grid": "all"}, ["bandwidth", "frequency_mhz", "fused"]),
    ({"grid": "all", "set": {"fused": True}}, ["bandwidth", "frequency_mhz"]),
    ({"grid": {"lanes": "all"}, "sample": {"n": 2}}, ["lanes"]),
])  # fmt: skip
def test_what_a_preset_names_stays_unless_the_grid_names_it(
    change: dict, varies: list, roofline: Accelerator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(roofline.design, "presets", {"wide": {"lanes": 200}})
    space = SweepSpec.read({"accelerator": "roofline", "workloads": ["x"], "preset": "wide"} | change).space(roofline)
    assert list(space.values) == varies
    assert "lanes" in varies or space.fixed["lanes"] == 200


def test_a_preset_that_leaves_nothing_to_explore_is_named() -> None:
    spec = SweepSpec.read({"accelerator": "systolic", "workloads": ["alexnet"], "preset": "tpu-v1-like", "sample": {"n": 4}})
    with pytest.raises(InputError, match="nothing varies: preset 'tpu-v1-like' names all that would be explored"):
        spec.space(cs.accelerator("systolic"))


def test_a_file_is_no_place_for_a_sweep(roofline: Accelerator, mlp: Workload, tmp_path: Path) -> None:
    empty = tmp_path / "empty.csv"
    empty.touch()
    with pytest.raises(InputError, match=r"empty.csv: is no folder \(accepted: a folder for the store"):
        sweep({"accelerator": "roofline", "workloads": [mlp], "grid": {"lanes": [8, 16]}}, empty)
    assert not empty.stat().st_size


def test_two_workloads_of_one_name_are_refused(roofline: Accelerator, mlp: Workload, gemv: Workload, tmp_path: Path) -> None:
    other = gemv.model_copy(update={"name": mlp.name})
    spec = {"accelerator": "roofline", "workloads": [mlp, other], "grid": {"lanes": [8, 16]}}
    with pytest.raises(InputError, match="two are called 'mlp'"):
        sweep(spec, tmp_path)
