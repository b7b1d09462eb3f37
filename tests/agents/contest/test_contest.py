"""A small contest: equal in any number of processes, resumed after a kill, honest about what it leaves out."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from contest_cases import TINY, tiny

from cyclescape.agents import searcher
from cyclescape.agents.contest import contest as driver
from cyclescape.agents.contest.contest import Contest, compare
from cyclescape.agents.contest.problem import ContestProblem, Merged
from cyclescape.agents.contest.studies import Arena, Kept, Task
from cyclescape.agents.contest.truth import best_known
from cyclescape.agents.contest.words import method, verdict
from cyclescape.agents.model_free import Random
from cyclescape.errors import InputError, MissingExtraError
from cyclescape.pages.contest_page import write_contest

AGENTS = ["random", "genetic", "bottleneck"]


def settled(contest: Contest) -> pd.DataFrame:
    """All that must not depend on the course of events."""
    return contest.frame.drop(columns=["cpu_s_per_suggestion"])


def small(path: Path, out: Path, **other: object) -> Contest:
    return compare(other.pop("agents", AGENTS), [path], out=out, **{"budget": 30, "draws": 2, "seeds": 2, **other})


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny(tmp_path_factory.mktemp("problem"))


def test_any_number_of_processes_gives_the_same_studies(path: Path, tmp_path: Path) -> None:
    alone, together = small(path, tmp_path / "alone"), small(path, tmp_path / "together", jobs=2)
    assert settled(alone).equals(settled(together))
    assert len(alone.kept) == 2 + 2 * 2 + 2 * 2  # random has no hyper-parameters
    table = small(path, tmp_path / "table", tables=path.parent / "tables")
    assert settled(alone).equals(settled(table))


def test_what_is_kept_is_not_run_again(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = small(path, tmp_path)
    ran: list[Task] = []
    run = Arena.run
    monkeypatch.setattr(Arena, "run", lambda self, task, code: (ran.append(task), run(self, task, code))[1])
    assert settled(small(path, tmp_path)).equals(settled(first))
    assert ran == []
    small(path, tmp_path, seeds=3)  # more seeds: only those
    assert {task.seed for task in ran} == {2}
    ran.clear()
    monkeypatch.setattr(driver, "agent_digest", lambda spec: "changed" if spec == "genetic" else agent_digest(spec))
    small(path, tmp_path)
    assert {task.agent for task in ran} == {"genetic"}


agent_digest = driver.agent_digest


def test_a_broken_file_of_a_study_is_run_again(path: Path, tmp_path: Path) -> None:
    first = small(path, tmp_path)
    task = next(iter(first.kept))
    task.path(tmp_path).write_text("{")
    assert settled(small(path, tmp_path)).equals(settled(first))


def test_killed_and_resumed_it_ends_the_same_and_repeats_nothing(path: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "cyclescape", "compare", "-p", str(path), "--budget", "40", "--draws", "3", "--seeds", "4"]
    command += [*(part for agent in AGENTS for part in ("-a", agent)), "-j", "2", "--out"]
    process = subprocess.Popen(
        [*command, str(tmp_path / "killed")], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL
    )
    studies = tmp_path / "killed" / "studies"
    while len(list(studies.glob("*/*/*.json"))) < 5:
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    time.sleep(0.5)  # the workers end by themselves
    kept = {file: (file.stat().st_ino, file.read_bytes()) for file in studies.glob("*/*/*.json")}
    assert 5 <= len(kept) < 28
    resumed = compare(AGENTS, [path], out=tmp_path / "killed", budget=40, draws=3, seeds=4)
    for file, (inode, text) in kept.items():
        assert (file.stat().st_ino, file.read_bytes()) == (inode, text)
    undisturbed = compare(AGENTS, [path], out=tmp_path / "whole", budget=40, draws=3, seeds=4)
    assert settled(resumed).equals(settled(undisturbed))
    assert len(resumed.kept) == 4 + 12 + 12


def test_a_contest_of_a_problem_that_nobody_enumerated(path: Path, tmp_path: Path) -> None:
    alone = tmp_path / "unknown.yaml"
    alone.write_text(TINY)
    contest = small(alone, tmp_path / "out")
    truth = contest.truths[str(alone)]
    assert not truth.enumerated
    costs = np.vstack([kept.array for kept in contest.kept.values()])
    assert all(any((cost == np.array(v.costs)).all() for cost in costs) for v in truth.front)
    assert contest.frame["hv_share"].max() <= 1 + 1e-12
    assert any("unknown: nobody enumerated it" in remark for remark in contest.remarks)
    assert any(f"`cyclescape compare enumerate {alone} --out DIR`" in remark for remark in contest.remarks)
    assert "(unknown without a known truth)" in method(contest)
    assert "every design of which was simulated beforehand" in method(small(path, tmp_path / "known"))


def test_agents_whose_library_is_missing_are_named_and_left_out(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Absent(Random):
        """Needs what is not there."""

        def __init__(self, space, objective, *, budget, seed):
            raise MissingExtraError("the agent 'absent'", "rl")

    monkeypatch.setitem(searcher._registered, "absent", Absent)
    contest = small(path, tmp_path, agents=["absent", "random"])
    assert contest.agents == ["random"]
    assert contest.remarks == [
        "absent is left out: the agent 'absent' needs an optional library: pip install 'cyclescape[rl]'"
    ]
    with pytest.raises(InputError, match="no agent is left to compare"):
        small(path, tmp_path, agents=["absent"])


def test_a_dear_agent_gets_fewer_settings_and_it_is_said(path: Path, tmp_path: Path) -> None:
    contest = small(path, tmp_path, agents=["genetic"], draws=4, allowance_s=0.0)
    assert contest.draws == {"genetic": 1}
    assert contest.remarks[0].startswith("genetic: 1 of 4 settings, for one costs ")
    assert small(path, tmp_path, agents=["genetic"], draws=4, allowance_s=float("inf")).draws == {"genetic": 4}


def test_an_agent_that_fails_is_counted_as_such(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Stumbling(Random):
        """Fails at its third proposal."""

        name = "stumbling"
        oblivious = False

        def ask(self, n):
            if len(self.seen) == 2:
                raise RuntimeError("no idea")
            return super().ask(n)

    monkeypatch.setitem(searcher._registered, "stumbling", Stumbling)
    contest = small(path, tmp_path, agents=["stumbling"])
    assert (contest.frame["strays"] > 0).all()
    assert contest.frame["note"].str.contains("no idea").all()


def test_tables_figures_page_and_words(path: Path, tmp_path: Path) -> None:
    contest = small(path, tmp_path)
    page = write_contest(contest)
    assert len(pd.read_csv(tmp_path / "studies.csv")) == len(pd.read_parquet(tmp_path / "studies.parquet")) == len(contest.kept)
    for name in ("lottery.png", "curves.png"):
        assert (tmp_path / name).read_bytes().startswith(b"\x89PNG")
    text = page.read_text()
    for sentence in verdict(contest):
        assert sentence.split(";")[0].replace("'", "&#39;") in text
    assert "http:" not in text.replace("http://www.w3.org", "")
    assert "https:" not in text
    assert "img-src data:" in text
    first = page.read_bytes()
    assert write_contest(contest).read_bytes() == first
    said = " ".join(verdict(contest))
    for part in ("After 30 designs", "With everyone's defaults", "On tiny", "Luck after 30 designs"):
        assert part in said


def test_figures_name_options_only_where_they_tell_agents_apart(path: Path, tmp_path: Path) -> None:
    contest = small(path, tmp_path)
    contest.agents = ["random", "tpe:startup=5", "ants:ants=4", "ants"]
    assert list(contest.labels.values()) == ["random", "tpe", "ants:ants=4", "ants"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"budget": 0}, "budget=0: accepted: a whole number of at least 1"),
        ({"seeds": 0}, "seeds=0: accepted: a whole number of at least 1"),
        ({"draws": 0}, "draws=0: "),
        ({"jobs": 0}, "jobs=0: "),
        ({"allowance_s": -1.0}, "allowance -1.0 s"),
        ({"agents": ["gentic"]}, "did you mean 'genetic'?"),
        ({"agents": ["genetic:size=3"]}, "no option 'size'"),
        ({"agents": ["genetic:population=1"]}, "population >= 2"),
        ({"agents": []}, "no agent is left"),
        ({"without": ["nobody"]}, "without 'nobody'"),
    ],
)
def test_wrong_arguments_say_what_is_wrong(path: Path, tmp_path: Path, arguments: dict[str, object], said: str) -> None:
    with pytest.raises(InputError) as error:
        small(path, tmp_path / "out", **arguments)
    assert said in str(error.value)
    assert "\n" not in str(error.value)


def test_the_truth_of_another_problem_is_refused(path: Path, tmp_path: Path) -> None:
    mine = tmp_path / "tiny.yaml"
    mine.write_text(TINY.replace("0.6", "0.7"))
    (tmp_path / "tiny.truth.json").write_bytes((path.parent / "tiny.truth.json").read_bytes())
    with pytest.raises(InputError, match="not the truth of this problem: objective or constraints"):
        small(mine, tmp_path / "out")


def test_a_stale_truth_is_said(path: Path, tmp_path: Path) -> None:
    mine = tmp_path / "tiny.yaml"
    mine.write_text(TINY)
    truth = json.loads((path.parent / "tiny.truth.json").read_text()) | {"model": "0" * 64}
    (tmp_path / "tiny.truth.json").write_text(json.dumps(truth))
    contest = small(mine, tmp_path / "out", agents=["random"])
    assert contest.remarks == [
        f"tiny.truth.json may be stale: the model's sources changed since; `cyclescape compare check {mine}` tells"
    ]


@pytest.mark.parametrize("damage", [
    {"places": [0]}, {"places": [10**6] * 30}, {"costs": [[1.0, 2.0, 3.0]] * 30}, {"costs": [[float("inf")]] * 30},
])
def test_an_altered_study_is_run_again(path: Path, tmp_path: Path, damage: dict[str, Any]) -> None:
    whole = small(path, tmp_path, agents=["random"], draws=1, seeds=1)
    (task, kept), = whole.kept.items()
    file = task.path(tmp_path)
    file.write_text(json.dumps(json.loads(file.read_text()) | damage))
    again = small(path, tmp_path, agents=["random"], draws=1, seeds=1).kept[task]
    assert (again.places, again.costs, again.repeats) == (kept.places, kept.costs, kept.repeats)


def test_costs_beside_which_all_others_are_the_same(path: Path, tmp_path: Path) -> None:
    """Of an altered study: no float is left for a hypervolume."""
    (kept,) = small(path, tmp_path, agents=["random"], draws=1, seeds=1).kept.values()
    asked = ContestProblem.read(path)
    with asked.open() as problem:
        merged = Merged(problem.space, asked.same)
        assert best_known(asked, problem, merged, [kept]) is not None
        far = tuple(None if cost is None else (-(2.0**63),) * len(cost) for cost in kept.costs)
        assert best_known(asked, problem, merged, [kept.model_copy(update={"costs": far})]) is None


def test_repeats_are_free_and_the_order_is_kept(path: Path, tmp_path: Path) -> None:
    contest = small(path, tmp_path)
    for kept in contest.kept.values():
        assert isinstance(kept, Kept)
        assert len(kept.places) == len(set(kept.places)) == 30  # nothing is merged in this space




def test_a_problem_without_a_feasible_design_is_left_out(path: Path, tmp_path: Path) -> None:
    hopeless = tmp_path / "hopeless.yaml"
    hopeless.write_text(TINY.replace("area_mm2<=0.6", "area_mm2<=1e-9"))
    contest = compare(["random"], [hopeless, path], out=tmp_path / "out", budget=5, draws=1, seeds=1)
    assert set(contest.frame["problem"]) == {"tiny"}
    assert any("no agent found a feasible design" in remark for remark in contest.remarks)
    with pytest.raises(InputError, match="no agent found a feasible design"):
        compare(["random"], [hopeless], out=tmp_path / "alone", budget=5, draws=1, seeds=1)
