import json
import os
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from cyclescape.agents import searcher as module
from cyclescape.agents.model_free import Random
from cyclescape.agents.pareto import nondominated
from cyclescape.agents.search import search
from cyclescape.agents.searcher import Searcher
from cyclescape.agents.study import Asked, Study
from cyclescape.errors import InputError, Interrupted
from cyclescape.simulator.accelerator import Accelerator
from cyclescape.simulator.evaluator import Direct
from cyclescape.simulator.store import ResultStore, load
from cyclescape.traces.workload import Workload


def test_the_front_is_right(roofline: Accelerator, mlp: Workload) -> None:
    study = search(roofline, mlp, objective="time_s, energy_j", constraints="area_mm2<=4", agent="grid", budget=999)
    assert len(study.trials) == 294
    assert study.stopped == "grid has nothing left to propose"
    history, front = study.history, study.front()
    kept = history[history["reason"].isna() & (history["area_mm2"] <= 4)]
    costs = kept[["time_s", "energy_j"]].to_numpy()
    expected = kept[nondominated(costs)].sort_values("time_s", kind="stable")
    assert sorted(front["number"]) == sorted(expected.drop_duplicates(["time_s", "energy_j"])["number"])
    assert len(front) + front["ties"].sum() == len(expected)
    assert front["time_s"].is_monotonic_increasing
    assert list(front.columns[:7]) == ["number", *roofline.design.model_fields, "time_s", "energy_j"]
    assert (history["feasible"] == (history["reason"].isna() & (history["slack area_mm2<=4"] >= 0))).all()
    best = study.best()
    assert best is not None
    assert best["number"] in set(front["number"])


def test_several_workloads(roofline: Accelerator, mlp: Workload, gemv: Workload) -> None:
    study = search(roofline, [mlp, gemv], objective="latency", aggregate="worst", agent="random", budget=40)
    history = study.history
    assert (history["latency"] == history[["time_s@mlp", "time_s@gemv"]].max(axis=1))[history["reason"].isna()].all()


def test_a_study_is_reproducible_and_comes_back(roofline: Accelerator, mlp: Workload, tmp_path: Path) -> None:
    def run(folder: Path) -> Study:
        limits = ["area_mm2<=4"]
        return search(roofline, mlp, constraints=limits, agent="tpe", budget=25, seed=5, out=folder)

    first = run(tmp_path / "a")
    again = run(tmp_path / "a")
    fresh = run(tmp_path / "b")
    loaded = Study.load(tmp_path / "a")
    for other in (again, fresh, loaded):
        assert other.asked == first.asked
        assert other.history.equals(first.history)
        assert other.front().equals(first.front())
    assert len(load(tmp_path / "a")) == 25
    asked = json.loads((tmp_path / "a" / "study.json").read_text())
    assert Asked.model_validate(asked) == first.asked
    with ResultStore(tmp_path / "a", readonly=True) as store:
        trials = store.trials(first.asked.digest)
        assert list(trials["number"]) == list(range(25))
        assert set(trials["agent"]) == {"tpe"}


def test_matrices_are_multiplied_by_one_thread_so_that_bits_are_equal(roofline: Accelerator, mlp: Workload) -> None:
    def threads() -> set[int]:
        return {library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"}

    with threadpool_limits(2, user_api="blas"):
        during: list[set[int]] = []
        search(roofline, mlp, budget=3, progress=lambda study: during.append(threads()))
        assert set.union(*during) == {1}
        assert threads() == {2}


def test_two_studies_share_a_store(roofline: Accelerator, mlp: Workload, tmp_path: Path) -> None:
    one = search(roofline, mlp, agent="random", budget=20, out=tmp_path)
    two = search(roofline, mlp, agent="grid", budget=20, out=tmp_path)
    assert Study.load(tmp_path).asked == two.asked
    assert Study.load(tmp_path, one.asked.digest).history.equals(one.history)
    with pytest.raises(InputError, match=r"no study 'nope' \(accepted: "):
        Study.load(tmp_path, "nope")


def test_a_pool_finds_the_same(roofline: Accelerator, mlp: Workload) -> None:
    alone = search(roofline, mlp, agent="tpe", budget=16, batch=2)
    pooled = search(roofline, mlp, agent="tpe", budget=16, evaluator="pool:2")
    assert pooled.history.equals(alone.history)


def test_every_failure_is_a_row_with_a_reason(faulty: Accelerator, mlp: Workload) -> None:
    values = {"mode": ["fine", "raise", "nan", "refuse", "empty"], "size": [1, 2, 3]}
    study = search(faulty, mlp, objective="time_s,energy_j", agent="grid", budget=50, values=values)
    history = study.history
    assert len(history) == 15
    assert (history["reason"].isna() == (history["mode"] == "fine")).all()
    assert sorted(study.front()["size"]) == [1, 2, 3]
    assert np.isfinite(history["reward"]).all()


def test_an_empty_feasible_set_has_no_front(roofline: Accelerator, mlp: Workload) -> None:
    study = search(roofline, mlp, objective="time_s,energy_j", constraints="area_mm2<=0.001", agent="tpe", budget=15)
    assert len(study.trials) == 15
    assert study.front().empty
    assert study.best() is None
    assert "number" in study.front().columns
    study.plot()


def test_time_limits_and_crashes_do_not_end_a_study(faulty: Accelerator, mlp: Workload) -> None:
    values = {"mode": ["fine", "hang", "crash"], "size": [1, 2]}
    study = search(faulty, mlp, agent="random", budget=6, values=values, evaluator="pool:2", time_limit_s=0.5)
    reasons = study.history.set_index("mode")["reason"].to_dict()
    assert reasons["hang"] == "time limit of 0.5 s exceeded"
    assert reasons["crash"] == "the worker process died (SIGSEGV)"
    assert study.front()["ties"].tolist() == [1]  # the energy-delay product is the same for both sizes


class Rebel(Random):
    """Raises at its third call, proposes nonsense at its fifth, and cannot learn from its seventh."""

    name = "rebel"
    oblivious = False
    calls = 0

    def ask(self, n: int) -> list[dict[str, Any]]:
        self.calls += 1
        if self.calls == 3:
            raise ZeroDivisionError("no idea")
        return [None] * n if self.calls == 5 else super().ask(n)  # type: ignore[list-item]

    def tell(self, points: Any, outcomes: Any) -> None:
        if self.calls == 7:
            raise KeyError("what?")
        super().tell(points, outcomes)


@pytest.mark.parametrize("error", [ZeroDivisionError("no idea"), SystemExit("gone"), KeyError("two\nlines")])
def test_an_agent_that_cannot_be_made_is_one_line(roofline: Accelerator, mlp: Workload, error: BaseException) -> None:
    def unmade(*_: Any, **__: Any) -> Searcher:
        raise error

    module.register("unmade")(unmade)
    try:
        with pytest.raises(InputError, match=f"agent 'unmade' could not be made: {type(error).__name__}: ") as raised:
            search(roofline, mlp, agent="unmade", budget=3)
    finally:
        module._registered.pop("unmade")
    assert "\n" not in str(raised.value)


class Stubborn(Searcher):
    name = "stubborn"

    def ask(self, n: int) -> list[dict[str, Any]]:
        return [{"lanes": 8, "bandwidth": 8, "frequency_mhz": 500, "fused": True}] * n


class Broken(Searcher):
    name = "broken"

    def ask(self, n: int) -> list[dict[str, Any]]:
        raise RuntimeError("never works")


@pytest.fixture
def odd_agents(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_registered", {kind.name: kind for kind in (Rebel, Stubborn, Broken)})


@pytest.mark.usefixtures("odd_agents")
def test_an_agent_that_raises_is_written_down(roofline: Accelerator, mlp: Workload, tmp_path: Path) -> None:
    study = search(roofline, mlp, agent="rebel", budget=10, out=tmp_path)
    rows = study.history
    assert len(rows) == 10
    assert {i: (row.agent, row.note) for i, row in rows.iterrows() if isinstance(row.note, str)} == {
        2: ("random", "rebel could not propose: ZeroDivisionError: no idea"),
        4: (
            "random",
            "rebel could not propose: InputError: None is no point "
            "(accepted: a value for each of lanes, bandwidth, frequency_mhz, fused)",
        ),
        6: ("rebel", "rebel could not learn from this: KeyError: 'what?'"),
    }
    assert Study.load(tmp_path).history.equals(rows)


@pytest.mark.usefixtures("odd_agents")
def test_an_agent_that_never_works_is_no_longer_asked(roofline: Accelerator, mlp: Workload) -> None:
    study = search(roofline, mlp, agent="broken", budget=15)
    assert len(study.trials) == 15
    assert study.trials[-1].note == "broken failed 10 times in a row and is no longer asked"


@pytest.mark.usefixtures("odd_agents")
def test_repeats_are_free_and_a_stuck_agent_ends(roofline: Accelerator, mlp: Workload) -> None:
    study = search(roofline, mlp, agent="stubborn", budget=10)
    assert len(study.trials) == 1
    assert study.repeats == 50
    assert study.stopped.startswith("stubborn repeats itself")


def test_what_a_surrogate_says_is_never_on_the_front(roofline: Accelerator, mlp: Workload) -> None:
    class Dreaming(Direct):
        def stream(self, designs: Any, workload: Any) -> Any:
            for i, report in enumerate(super().stream(designs, workload)):
                if i % 2 and report.ok:
                    report.metrics["time_s"] /= 1000
                    report.surrogate = True
                yield report

    study = search(roofline, mlp, objective="time_s,energy_j", agent="grid", budget=294, evaluator=Dreaming(roofline))
    assert study.history["surrogate"].any()
    assert len(study.front()) > 0
    assert not study.front()["surrogate"].any()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"budget": 0}, "budget=0: accepted: a whole number of at least 1"),
        ({"batch": 0}, "batch=0: accepted: a whole number of at least 1"),
        ({"objective": "speed"}, "no metric 'speed'"),
        ({"fixed": {"lane": 3}}, "lane: unknown parameter; did you mean 'lanes'?"),
        ({"fixed": {"lanes": "x"}}, "lanes='x': accepted: integer >= 1"),
        ({"values": {"lanes": [4, 0]}}, "lanes=0: accepted: integer >= 1"),
        ({"agent": "magic"}, "agent 'magic' is not known"),
        ({"evaluator": "cloud"}, "evaluator 'cloud' is not known"),
        ({"engine": "magic"}, "engine 'magic'"),
        ({"workload": []}, "no workload is given"),
        ({"accelerator": "rooflin"}, "accelerator 'rooflin' is not known; did you mean 'roofline'?"),
        ({"out": "/dev/null/runs"}, "accepted: a directory that can be written"),
    ],
)
def test_wrong_arguments_are_one_line(arguments: dict[str, Any], says: str, roofline: Accelerator, mlp: Workload) -> None:
    given: dict[str, Any] = {"accelerator": roofline, "workload": mlp, "agent": "random", **arguments}
    with pytest.raises(InputError) as error:
        search(given.pop("accelerator"), given.pop("workload"), **given)
    assert says in str(error.value)
    assert "\n" not in str(error.value)


def test_an_interrupt_keeps_what_is_done_and_says_how_to_go_on(roofline: Accelerator, mlp: Workload, tmp_path: Path) -> None:
    def stop(study: Study) -> None:
        if len(study.trials) >= 7:
            raise KeyboardInterrupt

    arguments: dict[str, Any] = {"agent": "tpe", "budget": 20, "out": tmp_path}
    with pytest.raises(Interrupted, match=r"interrupted after 7 of 20 designs; they are kept in .*again to go on"):
        search(roofline, mlp, progress=stop, **arguments)
    assert len(load(tmp_path)) == 7
    assert len(Study.load(tmp_path).trials) == 7
    whole = search(roofline, mlp, agent="tpe", budget=20)
    assert search(roofline, mlp, **arguments).history.equals(whole.history)


SCRIPT = """
import sys
sys.path.insert(0, sys.argv[1])
from faulty import Faulty
from cyclescape.agents.search import search
from cyclescape.traces.workload import Workload
if __name__ == "__main__":
    workload = Workload.model_validate_json(sys.argv[2])
    search(Faulty(), workload, agent="random", budget=60, fixed={"mode": "slow"}, evaluator="pool:2",
           out=sys.argv[3], progress=lambda study: print(len(study.trials), flush=True))
"""


@pytest.mark.skipif(not hasattr(os, "killpg"), reason="needs POSIX signals")
def test_ctrl_c_in_a_terminal_ends_the_workers_too(mlp: Workload, tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    plugins = str(Path(__file__).parent.parent / "plugins")
    arguments = [sys.executable, str(script), plugins, mlp.model_dump_json(), str(tmp_path / "out")]
    process = subprocess.Popen(
        arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
        preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL),  # a background job's children ignore it
    )
    assert process.stdout is not None
    process.stdout.readline()
    os.killpg(process.pid, signal.SIGINT)  # what a terminal does
    _, errors = process.communicate(timeout=120)
    assert process.returncode != 0
    assert errors.strip().splitlines()[-1].startswith("cyclescape.errors.Interrupted: interrupted after")
    frame = load(tmp_path / "out")
    assert 1 <= len(frame) < 60
    assert gone(set(frame["process"]))


def alive(pid: int) -> bool:
    """Whether a process runs (one that has ended and waits to be reaped does not)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def gone(pids: set[int], within_s: float = 10.0) -> bool:
    """Whether the processes end within the time."""
    end = time.monotonic() + within_s
    while time.monotonic() < end:
        if not any(alive(pid) for pid in pids):
            return True
        time.sleep(0.1)
    return False


@pytest.mark.parametrize("objective", ["edp", "time_s,energy_j", "max:utilization", "time_s,energy_j,area_mm2"])
def test_plots(objective: str, roofline: Accelerator, mlp: Workload, tmp_path: Path) -> None:
    study = search(roofline, mlp, objective=objective, constraints="area_mm2<=4", agent="random", budget=40)
    figure = study.plot()
    figure.savefig(tmp_path / "plot.png")
    axes = figure.axes[0]
    assert "roofline on mlp" in axes.get_title(loc="left")
    if objective == "time_s,energy_j":
        assert (axes.get_xscale(), axes.get_yscale()) == ("log", "log")
        assert (axes.get_xlabel(), axes.get_ylabel()) == ("time", "energy")
        texts = [text.get_text() for text in axes.get_legend().get_texts()]
        assert texts[0] == "breaks a limit"
        assert texts[1].startswith("front of random")


def test_the_same_search_twice_at_once_is_refused_and_others_share_what_they_simulate(
    roofline: Accelerator, mlp: Workload, tmp_path: Path
) -> None:
    from concurrent.futures import ThreadPoolExecutor

    from cyclescape.simulator.files import only_one
    from cyclescape.simulator.store import ResultStore, StoreError

    def run(seed: int) -> Any:
        return search(roofline, mlp, agent="random", budget=60, seed=seed, out=tmp_path)

    alone = [search(roofline, mlp, agent="random", budget=60, seed=seed) for seed in range(4)]
    with ThreadPoolExecutor(4) as threads:
        together = list(threads.map(run, range(4)))
    for one, other in zip(alone, together, strict=True):
        assert [trial.point for trial in one.trials] == [trial.point for trial in other.trials]
        assert [trial.outcome.values for trial in one.trials] == [trial.outcome.values for trial in other.trials]
    with ResultStore(tmp_path, readonly=True) as store:
        assert len(store.trials()) == 240
        assert store.orphans() == 0
        assert len(store) == len({key for study in together for trial in study.trials for key in trial.keys}) < 240
    lock = tmp_path / f".study-{together[0].asked.digest}.lock"
    with only_one(lock, "held"), pytest.raises(StoreError, match="this very search .* is running already: process") as error:
        run(0)
    assert "\n" not in str(error.value)
    assert len(run(0).trials) == 60
