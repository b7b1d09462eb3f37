"""Whatever fails in a study, it goes on, its rows say why, and its front is that of what succeeded; for every agent."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from agent_cases import agents

from cyclescape.agents import searcher as module
from cyclescape.agents.model_free import Random
from cyclescape.agents.pareto import nondominated
from cyclescape.agents.search import search
from cyclescape.agents.study import Study
from cyclescape.simulator.accelerator import Accelerator
from cyclescape.traces.workload import Workload

AGENTS = agents("transfer")  # which wants a trained policy: see test_transfer.py
TWO = "time_s,energy_j"
SIZES = [1, 2, 3, 5, 8]
REASONS = {
    "fine": None,
    "raise": "the model raised ZeroDivisionError: no work",
    "nan": "metric energy_j is nan, not a finite number",
    "refuse": "does not fit",
    "empty": "the model gave no metrics",
    "crash": "the worker process died (SIGSEGV)",
    "hang": "time limit of 0.5 s exceeded",
}


def spec(agent: str) -> str:
    """An agent that has learnt before fifteen designs are over."""
    return "guided:startup=4,trees=3" if agent == "guided" else agent


def check(study: Study) -> None:
    """Every row says why, no agent stumbled, and the front is the nondominated of the rows with numbers."""
    rows = study.history
    expected = [REASONS[mode] for mode in rows["mode"]]
    assert [trial.outcome.reason for trial in study.trials] == expected
    assert (rows["reason"].isna() == [reason is None for reason in expected]).all()
    assert rows["note"].isna().all(), rows["note"].dropna().tolist()
    assert np.isfinite(rows["reward"]).all()
    kept = rows[rows["feasible"]].reindex(columns=[*rows.columns.union(["time_s", "energy_j"])])
    assert (kept["mode"] == "fine").all()
    front = kept[nondominated(kept[["time_s", "energy_j"]].to_numpy())]
    assert sorted(study.front()["number"]) == sorted(front.drop_duplicates(["time_s", "energy_j"])["number"])


@pytest.mark.parametrize("agent", AGENTS)
def test_no_agent_stumbles_over_designs_that_fail(agent: str, faulty: Accelerator, mlp: Workload) -> None:
    values = {"mode": ["raise", "nan", "fine", "refuse", "empty"], "size": SIZES}
    study = search(faulty, mlp, objective=TWO, constraints="cycles<=500", agent=spec(agent), budget=15, values=values)
    assert len(study.trials) == 15
    check(study)


def test_crashes_and_time_limits_among_the_rest(faulty: Accelerator, mlp: Workload, tmp_path: Path) -> None:
    values = {"mode": ["fine", "crash", "hang"], "size": [1, 2]}
    study = search(
        faulty, mlp, objective=TWO, agent="bottleneck", budget=6, values=values, evaluator="pool:2", time_limit_s=0.5,
        out=tmp_path,
    )  # fmt: skip
    assert len(study.trials) == 6
    check(study)
    assert Study.load(tmp_path).front().equals(study.front())


@pytest.mark.parametrize("agent", AGENTS)
@pytest.mark.parametrize("values", [{"mode": ["fine"]}, {"mode": ["nan", "refuse"]}], ids=["limits", "failures"])
def test_an_empty_feasible_set_has_no_front(agent: str, values: Any, faulty: Accelerator, mlp: Workload) -> None:
    values = {**values, "size": SIZES}
    study = search(faulty, mlp, objective=TWO, constraints="cycles<=1", agent=spec(agent), budget=5, values=values)
    assert len(study.trials) == 5
    assert study.front().empty
    assert study.best() is None
    check(study)


GOOD = {"lanes": 8, "bandwidth": 8, "frequency_mhz": 500, "fused": True}


@pytest.mark.parametrize(
    ("point", "note"),
    [
        ({3: 4}, "InputError: {3: 4} is no point (accepted: a value for each of lanes, bandwidth, frequency_mhz, fused)"),
        ({"lanes": 8}, "InputError: {'lanes': 8} is no point"),
        ({**GOOD, "more": 1}, "is no point"),
        ({**GOOD, "lanes": [1, 2]}, "InputError: lanes=[1, 2]: not a plain value"),
        ({**GOOD, "lanes": np.array([1, 2])}, "not a plain value"),
        (OSError("no file \udcff\0 here"), "rebel could not propose: OSError: no file \\udcff\\x00 here"),
        (SystemExit(3), "rebel could not propose: SystemExit: 3"),
        ({**GOOD, "lanes": 0}, None),  # a row with its reason
        ({**GOOD, "lanes": float("nan")}, None),
        ({name: np.array([value])[0] for name, value in GOOD.items()}, None),  # numpy's scalars are numbers
        ({**GOOD, "lanes": 8.0, "fused": 1}, None),  # and equal values the same
    ],
)
def test_a_strange_proposal_is_a_note_or_a_row(
    point: Any, note: str | None, roofline: Accelerator, mlp: Workload, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    class Rebel(Random):
        name = "rebel"
        oblivious = False

        def ask(self, n: int) -> Any:
            if len(self.seen) != 2:
                return super().ask(n)
            self.seen.add((0, 0, 0, 0))
            if isinstance(point, BaseException):
                raise point
            return [point]

    monkeypatch.setattr(module, "_registered", {"rebel": Rebel})
    study = search(roofline, mlp, agent="rebel", budget=6, out=tmp_path)
    assert len(study.trials) == 6
    third = study.trials[2]
    assert (note is None) == (third.note is None)
    if note is not None:
        assert note in str(third.note)
        assert third.agent == "random"
    elif third.outcome.ok:
        assert third.point == GOOD
        assert [type(value) for value in third.point.values()] == [int, int, int, bool]
    else:
        assert str(third.outcome.reason).startswith("lanes=")
    assert Study.load(tmp_path).history.equals(study.history)


def test_a_model_whose_message_is_no_text_is_a_row(faulty: Any, mlp: Workload, monkeypatch: Any, tmp_path: Path) -> None:
    def one(design: Any) -> Any:
        raise OSError("no file \udcff here")

    monkeypatch.setattr(faulty, "one", one)
    study = search(faulty, mlp, agent="random", budget=3, fixed={"mode": "fine"}, out=tmp_path)
    assert [t.outcome.reason for t in study.trials] == ["the model raised OSError: no file \\udcff here"] * 3
    assert Study.load(tmp_path).history.equals(study.history)
