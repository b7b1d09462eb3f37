"""Numbers of two versions of a model are never mixed, and what a page does not show it counts."""

import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from page_checks import check_page
from roofline import Roofline

from cyclescape.agents.search import search
from cyclescape.agents.study import Study
from cyclescape.agents.sweep import sweep
from cyclescape.cli.main import app
from cyclescape.errors import InputError, Interrupted
from cyclescape.pages.collect import collect
from cyclescape.pages.study_page import write_study_page
from cyclescape.simulator import registry
from cyclescape.simulator.accelerator import Accelerator
from cyclescape.simulator.store import ResultStore, load
from cyclescape.traces.workload import Workload

ASKED: dict[str, Any] = {"objective": "time_s", "agent": "annealing", "budget": 20, "seed": 0}


@pytest.fixture
def edited(tmp_path: Path, roofline: Accelerator) -> Iterator[type[Accelerator]]:
    """The machine after an edit that makes it ten times as slow."""
    text = Path(str(importlib.util.find_spec("roofline").origin)).read_text(encoding="utf-8")  # type: ignore[union-attr]
    path = tmp_path / "edited_roofline.py"
    path.write_text(text.replace("cycles = max(", "cycles = 10 * max("), encoding="utf-8")
    spec = importlib.util.spec_from_file_location("edited_roofline", path)
    assert spec is not None and spec.loader is not None  # noqa: PT018
    module = importlib.util.module_from_spec(spec)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "edited_roofline", module)
        spec.loader.exec_module(module)
        yield module.Roofline


def use(machine: type[Accelerator]) -> None:
    registry._registered["roofline"] = machine
    registry._load.cache_clear()


def stop_after(count: int) -> Any:
    def stop(study: Study) -> None:
        if len(study.trials) == count:
            raise KeyboardInterrupt

    return stop


def test_a_search_after_an_edit_begins_anew(edited: type[Accelerator], mlp: Workload, tmp_path: Path) -> None:
    out = tmp_path / "runs"
    old = search("roofline", mlp, out=out, **ASKED)
    assert "The model has changed" not in check_page(write_study_page(out)).shown
    use(edited)
    page = check_page(write_study_page(out))
    assert "The model has changed since the study ran" in page.shown
    assert page.data["baseline"] is None
    with pytest.raises(Interrupted):
        search("roofline", mlp, out=out, progress=stop_after(5), **ASKED)
    study = Study.load(out)
    best = study.best()
    assert len(study.trials) == 5
    assert best is not None
    assert best["time_s"] > old.best()["time_s"]  # type: ignore[index]
    assert len(load(out)) == 25
    found = collect(out)
    assert len(found.designs) == 5
    assert found.notes == ["20 evaluations by another version of the model are left out: two versions are not compared"]
    assert found.values[found.best, 0] == best["time_s"]
    page = check_page(write_study_page(out))
    assert "20 evaluations by another version of the model" in page.shown
    assert "The model has changed" not in page.shown
    assert len(search("roofline", mlp, out=out, **ASKED).trials) == 20
    use(Roofline)  # the edit is taken back: nothing is simulated again
    again = search("roofline", mlp, out=out, **ASKED)
    assert [trial.outcome.values for trial in again.trials] == [trial.outcome.values for trial in old.trials]
    assert len(load(out)) == 40


def test_a_mixture_that_is_there_already_is_told_apart(edited: type[Accelerator], mlp: Workload, tmp_path: Path) -> None:
    """As merged stores hold it: the newer trials of a study first, then those of the older version."""
    search("roofline", mlp, out=tmp_path / "old", **ASKED)
    search("roofline", mlp, out=tmp_path / "old", **ASKED | {"seed": 1})
    use(edited)
    with pytest.raises(Interrupted):
        search("roofline", mlp, out=tmp_path / "new", progress=stop_after(5), **ASKED)
    with ResultStore(tmp_path / "new") as store:
        store.merge(tmp_path / "old")
        assert len(store.trials()) == 40
        first = next(iter(store.studies()))
    study = Study.load(tmp_path / "new", first)
    assert (len(study.trials), study.left_out) == (5, 15)
    found = collect(tmp_path / "new", study=first)
    assert [one.study for one in found.series] == [first]
    assert len(found.designs) == 5
    assert "by another version of the model" in found.notes[0]


def test_a_sweep_after_an_edit_is_shown_alone(edited: type[Accelerator], mlp: Workload, tmp_path: Path) -> None:
    spec = {"accelerator": "roofline", "workloads": [mlp]}
    sweep(spec | {"grid": {"lanes": [64, 128, 256], "bandwidth": [1, 16]}}, tmp_path / "runs")
    use(edited)
    sweep(spec | {"grid": {"lanes": [32], "bandwidth": [1, 16]}}, tmp_path / "runs")
    found = collect(tmp_path / "runs")
    assert [design["lanes"] for design in found.designs] == [32, 32]
    assert found.notes == ["6 evaluations by another version of the model are left out: two versions are not compared"]
    use(Roofline)
    shown = check_page(write_study_page(tmp_path / "runs")).shown
    assert shown.index("The model has changed since the study ran") < shown.index("6 evaluations by another version")


def test_workloads_that_few_designs_ran_are_counted(
    roofline: Accelerator, mlp: Workload, gemv: Workload, tmp_path: Path
) -> None:
    for workloads, lanes in (([mlp], [4, 8, 16]), ([mlp, gemv], [32, 64])):
        sweep({"accelerator": "roofline", "workloads": workloads, "grid": {"lanes": lanes}}, tmp_path)
    found = collect(tmp_path)
    assert len(found.designs) == 5
    assert [note.partition(";")[0] for note in found.notes] == ["2 evaluations are not shown: 2 on gemv"]


def test_a_sweep_beside_a_search_is_counted_and_can_be_chosen(roofline: Accelerator, mlp: Workload, tmp_path: Path) -> None:
    sweep({"accelerator": "roofline", "workloads": [mlp], "grid": {"lanes": [4, 8, 16, 32, 64]}}, tmp_path)
    study = search("roofline", mlp, objective="time_s", agent="random", budget=3, seed=3, out=tmp_path)
    name = study.asked.digest
    found = collect(tmp_path)
    alone = len(load(tmp_path)) - 3
    assert len(found.designs) == 3
    assert found.notes == [f"{alone} evaluations are not shown: {alone} on mlp, asked for by no search; "
                           "`cyclescape report --study sweep` shows a sweep"]  # fmt: skip
    for chosen, count in (("sweep", len(load(tmp_path))), (name, 3)):
        app(["report", str(tmp_path), "--study", chosen], standalone_mode=False)
        assert len(check_page(tmp_path / "report.html").data["points"]["number"]) == count
    whole = collect(tmp_path, study="sweep")
    assert whole.notes == []
    assert list(whole.others) == [name]
    assert f"1 study; `cyclescape report --study ID` shows one: {name} (random, seed 3" in check_page(
        write_study_page(tmp_path, study="sweep")
    ).shown
    with pytest.raises(InputError, match=rf"no study 'nope' \(accepted: {name}, sweep\)"):
        app(["report", str(tmp_path), "--study", "nope"], standalone_mode=False)
