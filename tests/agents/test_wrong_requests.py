"""A search or training that is asked for wrongly is refused in one line, and leaves nothing behind."""

from __future__ import annotations

from pathlib import Path

import pytest
from commands import cyclescape
from refusals import refusal

from cyclescape.agents import searcher
from cyclescape.agents.model_free import Random
from cyclescape.agents.search import search
from cyclescape.simulator.accelerator import Accelerator
from cyclescape.simulator.objective import Objective
from cyclescape.simulator.space import Space
from cyclescape.traces.workload import Workload


@pytest.mark.parametrize(
    ("agent", "said"),
    [
        ("genetic:population=2.5", "population=2.5: accepted: a whole number"),
        ("genetic:population=x", "population=x: accepted: a whole number"),
        ("auto:caution=nan", "caution=nan: accepted: a number"),
        ("annealing:hot=true", "hot=True: accepted: a number"),
        ("switched:strict=2", "strict=2: accepted: true, false"),
    ],
)
def test_options_of_another_kind(
    agent: str, said: str, faulty: Accelerator, mlp: Workload, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Switched(Random):
        def __init__(self, space: Space, objective: Objective, *, budget: int, seed: int, strict: bool = True) -> None:
            super().__init__(space, objective, budget=budget, seed=seed)

    monkeypatch.setitem(searcher._registered, "switched", Switched)
    assert refusal(lambda: search(faulty, mlp, objective="time_s", agent=agent, budget=2)) == f"agent {agent!r}: {said}"


def test_seeds_and_places(faulty: Accelerator, mlp: Workload, tmp_path: Path) -> None:
    for seed in (-1, 2**63, 2**70, 1.5, None, True):
        said = refusal(lambda seed=seed: search(faulty, mlp, objective="time_s", seed=seed))
        assert said == f"seed={seed}: accepted: a whole number from 0 to 9223372036854775807"
    place = tmp_path / "file"
    place.touch()
    said = "is no folder (accepted: a folder for the store, made if it is not there)"
    assert refusal(lambda: search(faulty, mlp, objective="time_s", out=place)) == f"{place}: {said}"
    assert place.stat().st_size == 0


@pytest.mark.parametrize("out", [".", "there"])
@pytest.mark.parametrize("command", [["policy", "train", "systolic", "-w", "alexnet;vgg16"], ["surrogate", "fit", "nothing"]])
def test_a_folder_is_no_file_to_write(command: list[str], out: str, tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    done = cyclescape(*command, "-o", out, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (2, f"error: --out {out}: is a folder (accepted: a file)\n")
