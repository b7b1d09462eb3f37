"""What designs like those that failed are answered with: a note, and never nothing."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from cyclescape.agents.surrogate import Samples, Surrogate, draw, read_samples
from cyclescape.agents.surrogate.evaluator import EXTRAPOLATES, SurrogateEvaluator
from cyclescape.cli.main import app
from cyclescape.errors import InputError
from cyclescape.simulator.accelerator import Accelerator
from cyclescape.simulator.design import Design
from cyclescape.simulator.evaluator import Cached, Direct
from cyclescape.simulator.report import Report
from cyclescape.simulator.store import ResultStore
from cyclescape.traces.workload import Workload

pytest.importorskip("lightgbm")
NOTE = "it may not run: designs like it failed (deadlock: the port waits)"


def _stuck(d: Any) -> bool:
    return not d.fused and d.bandwidth <= 2


@pytest.fixture
def sticky(roofline: Accelerator, monkeypatch: pytest.MonkeyPatch) -> Accelerator:
    """Some designs break no rule, and fail when they are simulated."""
    one = type(roofline).one  # type: ignore[attr-defined]

    def run(self: Any, d: Any, workload: Any) -> Report:
        return Report.failed("deadlock: the\nport waits") if _stuck(d) else one(self, d, workload)

    monkeypatch.setattr(type(roofline), "one", run)
    return roofline


@pytest.fixture
def fitted(sticky: Accelerator, mlp: Workload) -> Surrogate:
    return Surrogate.fit(draw(sticky, [mlp], 150), ["time_s"], model="trees", effort=0.05)


def some(machine: Accelerator) -> list[Design]:
    return [machine.design.make({"lanes": lanes, "bandwidth": width, "fused": fused, "frequency_mhz": 250})
            for lanes in (4, 16, 64, 256) for width in (1, 2, 4, 8, 16) for fused in (True, False)]


def test_designs_like_those_that_failed_are_flagged_and_answered(
    fitted: Surrogate, sticky: Accelerator, mlp: Workload, tmp_path: Path
) -> None:
    designs = some(sticky)
    said = fitted.predict(designs, mlp)
    assert [note is not None for note in said.notes] == [_stuck(design) for design in designs]
    assert {note for note in said.notes if note} == {NOTE}
    assert np.isfinite(said.mean["time_s"]).all()
    back = Surrogate.load(fitted.save(tmp_path / "a.surrogate"))
    assert back.predict(designs, mlp).notes == said.notes
    assert back.failing is not None
    assert fitted.failing is not None
    assert back.failing.failed == fitted.failing.failed > 10
    reports = SurrogateEvaluator(back).evaluate(designs, mlp)
    assert all(report.ok for report in reports)  # a guess, never taken for a failure
    assert [report.metrics[EXTRAPOLATES] for report in reports] == [float(_stuck(design)) for design in designs]


def test_what_failed_changes_no_number(sticky: Accelerator, mlp: Workload, tmp_path: Path) -> None:
    samples = draw(sticky, [mlp], 60)
    assert all(_stuck(design) and workload is mlp for design, workload, _ in samples.failed)
    assert not any(map(_stuck, samples.designs))
    none = replace(samples, failed=())
    with_them, without = (Surrogate.fit(part, ["time_s"], model="trees", effort=0.05) for part in (samples, none))
    assert without.failing is None
    assert samples.digest != none.digest
    designs = some(sticky)
    first, second = with_them.predict(designs, mlp), without.predict(designs, mlp)
    assert np.array_equal(first.mean["time_s"], second.mean["time_s"])
    assert np.array_equal(first.std["time_s"], second.std["time_s"])
    assert not any(second.notes)
    assert samples.take(np.arange(20)).failed == samples.failed


def test_stores_and_tables_say_what_failed(sticky: Accelerator, mlp: Workload, tmp_path: Path) -> None:
    designs = [*some(sticky), {"lanes": 256, "frequency_mhz": 1000}]  # the last one breaks a rule, and was never simulated
    with Cached(Direct(sticky), ResultStore(tmp_path / "runs")) as evaluator:
        evaluator.evaluate(designs, mlp)
        evaluator.store.export(tmp_path / "rows.csv")
    for place in ("runs", "rows.csv"):
        found = read_samples(tmp_path / place, workloads=[mlp])
        assert {design.canonical for design, *_ in found.failed} == {d.canonical for d in some(sticky) if _stuck(d)}
        assert {reason for *_, reason in found.failed} == {"deadlock: the\nport waits"}


def test_a_failure_that_another_engine_simulated_is_none(sticky: Accelerator, mlp: Workload) -> None:
    design = sticky.design()
    rows = [(design, mlp, {"time_s": 1.0})]
    assert Samples.of(sticky, rows, [(design, mlp, "refused")]).failed == ()
    other = sticky.design.make({"lanes": 8})
    assert Samples.of(sticky, rows, [(other, mlp, "a"), (other, mlp, "b")]).failed == ((other, mlp, "a"),)


def test_a_machine_that_deadlocks() -> None:
    """Of the designs drawn for attention one in fourteen comes to a halt; all were answered as if they ran."""
    space: dict[str, Any] = {"fixed": {"lanes": 1, "width": 8}}
    samples, fresh = (draw("streaming", ["attention:seq_len=32"], 120, seed=seed, **space) for seed in (0, 9))
    surrogate = Surrogate.fit(samples, ["time_s"], model="trees", effort=0.05)
    workload = fresh.workloads[0]
    failed = surrogate.predict([design for design, *_ in fresh.failed], workload)
    assert len(fresh.failed) > 5
    assert np.mean([note is not None for note in failed.notes]) > 0.8
    assert "it may not run: designs like it failed (operator 'attention': deadlock: " in str(failed.notes[0])
    assert np.mean([note is not None for note in surrogate.predict(fresh.designs, workload).notes]) < 0.1


def test_how_many_failed_is_said_where_nothing_could_be_learned(
    sticky: Accelerator, mlp: Workload, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("cyclescape.agents.surrogate.failing.find_spec", lambda _: None)
    monkeypatch.setattr("cyclescape.cli.surrogate._samples", lambda *_: draw(sticky, [mlp], 60))
    given = ["surrogate", "fit", "--sample", "60", "-m", "time_s", "--model", "trees", "-o", str(tmp_path / "a")]
    said = CliRunner().invoke(app, given).output
    assert "more designs failed (deadlock: the port waits): too little is known of them" in said
    surrogate = Surrogate.load(tmp_path / "a")
    assert surrogate.failing is not None
    assert surrogate.failing.model is None
    assert not any(surrogate.predict(some(sticky), mlp).notes)
    assert json.loads(CliRunner().invoke(app, [*given, "--json"]).stdout)["failed"] == surrogate.failing.failed > 0


@pytest.mark.parametrize("change", [{"failed": 0}, {"reason": None, "failed": "x"}, {"learned": 3, "failed": -1}])
def test_damaged_numbers_are_refused(fitted: Surrogate, change: dict, tmp_path: Path) -> None:
    import zipfile

    path = fitted.save(tmp_path / "a.surrogate")
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    head = json.loads(parts["surrogate.json"])
    head["failing"] |= change
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in {**parts, "surrogate.json": json.dumps(head).encode()}.items():
            archive.writestr(name, data)
    with pytest.raises(InputError, match="damaged"):
        Surrogate.load(path)
