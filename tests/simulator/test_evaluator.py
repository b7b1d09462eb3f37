import time
from pathlib import Path
from typing import Any

import pytest

from cyclescape.errors import InputError
from cyclescape.simulator.accelerator import Accelerator
from cyclescape.simulator.evaluator import Cached, Direct, Evaluator, make_evaluator, run_batch
from cyclescape.simulator.pool import Pool
from cyclescape.simulator.store import ResultStore, load
from cyclescape.traces.workload import Workload

POINTS = [
    {"lanes": 8},
    {"lanes": 256, "frequency_mhz": 1000},
    {"lanes": -1},
    {"lanes": 64, "bandwith": 3},
    {"lanes": 32, "fused": False},
    {"lanes": 8},
]
FAULTS = {
    "raise": "the model raised ZeroDivisionError: no work",
    "quit": "the model raised SystemExit: 0",
    "nan": "metric energy_j is nan, not a finite number",
    "text": "metric energy_j is much, not a finite number",
    "empty": "the model gave no metrics",
    "refuse": "does not fit",
}


def test_points_that_break_a_rule_become_reasons(roofline: Accelerator, mlp: Workload) -> None:
    reports = make_evaluator("direct", roofline).evaluate(POINTS, mlp)
    assert [r.ok for r in reports] == [True, False, False, False, True, True]
    assert reports[0] == reports[5]
    assert "exceed the power grid" in str(reports[1].reason)
    assert "lanes=-1" in str(reports[2].reason)
    assert "did you mean 'bandwidth'?" in str(reports[3].reason)


@pytest.mark.parametrize("spec", ["pool:2", "cached:{}", "cached:{}|pool:1"])
def test_every_evaluator_gives_the_same_reports(
    spec: str, roofline: Accelerator, mlp: Workload, gemv: Workload, tmp_path: Path
) -> None:
    points = POINTS + [{"lanes": n} for n in range(1, 200)]
    with make_evaluator(spec.format(tmp_path), roofline) as evaluator:
        for workload in (mlp, gemv):
            expected = make_evaluator("direct", roofline).evaluate(points, workload)
            assert evaluator.evaluate(points, workload) == expected
            assert evaluator.evaluate(points[::-1], workload) == expected[::-1]


def test_one_fault_harms_no_other(faulty: Accelerator, mlp: Workload) -> None:
    points = [{"size": i + 1, "mode": mode} for i, mode in enumerate([*FAULTS, "fine"])]
    reports = run_batch(faulty, [{"size": 9}, *points], mlp, "compiled")
    assert reports[0].ok
    assert reports[-1].ok
    assert [r.reason for r in reports[1:-1]] == list(FAULTS.values())


def test_a_pool_survives_crashes_and_names_the_guilty(faulty: Accelerator, mlp: Workload) -> None:
    points = [{"size": i} for i in range(1, 60)]
    points[20] = {"size": 20, "mode": "crash"}
    points[21] = {"size": 21, "mode": "exit"}
    points[40] = {"size": 41, "mode": "raise"}
    with make_evaluator("pool:2", faulty) as evaluator:
        reports = evaluator.evaluate(points, mlp)
    reasons = {i: r.reason for i, r in enumerate(reports) if not r.ok}
    assert reasons == {
        20: "the worker process died (SIGSEGV)",
        21: "the worker process died (exit code 3)",
        40: FAULTS["raise"],
    }


def test_the_time_limit_ends_a_hanging_design_only(faulty: Accelerator, mlp: Workload, tmp_path: Path) -> None:
    points = [{"size": i} for i in range(1, 30)]
    points[7] = {"size": 8, "mode": "hang"}
    points[9] = {"size": 10, "mode": "slow"}
    start = time.monotonic()
    with make_evaluator(f"cached:{tmp_path}|pool:2", faulty, time_limit_s=0.5) as evaluator:
        reports = evaluator.evaluate(points, mlp)
        again = evaluator.evaluate(points, mlp)
    assert time.monotonic() - start < 30
    assert {i: r.reason for i, r in enumerate(reports) if not r.ok} == dict.fromkeys((7, 9), "time limit of 0.5 s exceeded")
    assert again == reports
    # A longer limit is worth another try; what the model itself said is not asked again.
    with make_evaluator(f"cached:{tmp_path}", faulty, time_limit_s=5) as patient:
        assert patient.evaluate(points[8:12], mlp)[1].ok
        assert isinstance(patient, Cached)
        assert patient.hits == 3
    frame = load(tmp_path)
    assert list(frame["reason"].dropna()) == ["time limit of 0.5 s exceeded"]
    assert len(frame) == len(points)


def test_tables_come_back_when_they_are_read(roofline: Accelerator, mlp: Workload, tmp_path: Path) -> None:
    with make_evaluator(f"cached:{tmp_path}|pool:1", roofline) as evaluator:
        fresh = evaluator.evaluate([{"lanes": 8}], mlp)[0]
        stored = evaluator.evaluate([{"lanes": 8}], mlp)[0]
        direct = make_evaluator("direct", roofline).evaluate([{"lanes": 8}], mlp)[0]
    assert fresh.table == stored.table == direct.table


def test_what_is_done_is_stored_even_if_the_reader_stops(roofline: Accelerator, mlp: Workload, tmp_path: Path) -> None:
    with make_evaluator(f"cached:{tmp_path}", roofline) as evaluator:
        stream = evaluator.stream(({"lanes": n} for n in range(1, 100)), mlp)
        for _ in range(10):
            next(stream)
        stream.close()
    assert 10 <= len(load(tmp_path)) < 99


def test_streaming_reads_no_further_than_useful(roofline: Accelerator, mlp: Workload) -> None:
    read = 0

    def points() -> Any:
        nonlocal read
        for n in range(10**9):
            read += 1
            yield {"lanes": n % 512 + 1}

    stream = Direct(roofline).stream(points(), mlp)
    for _ in range(20):
        next(stream)
    assert read < 10_000


def test_a_design_that_comes_twice_runs_once(faulty: Accelerator, mlp: Workload, tmp_path: Path) -> None:
    class Counting(Direct):
        asked = 0

        def batches(self, designs: Any, workload: Any, *, ordered: bool = True) -> Any:
            designs = list(designs)
            self.asked += len(designs)
            return super().batches(designs, workload, ordered=ordered)

    inner = Counting(faulty)
    with Cached(inner, ResultStore(tmp_path)) as evaluator:
        evaluator.evaluate([{"size": 1}, {"size": 2}, {"size": 1, "mode": "fine"}], mlp)
        evaluator.evaluate([{"size": 2}, {"size": 3}], mlp)
    assert inner.asked == 3
    assert evaluator.hits == 2


def test_an_interrupt_while_a_chunk_is_sent_stays_one(
    faulty: Accelerator, mlp: Workload, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    with make_evaluator("pool:1", faulty) as evaluator:
        monkeypatch.setattr(type(evaluator), "_send", interrupted)
        with pytest.raises(KeyboardInterrupt):
            evaluator.evaluate([{"size": 1}], mlp)


@pytest.mark.parametrize("spec", ["", "dirct", "pool:0", "pool:x", "cached", "direct|pool:2", "direct:3"])
def test_a_wrong_name_is_one_line(spec: str, roofline: Accelerator) -> None:
    with pytest.raises(InputError) as error:
        make_evaluator(spec, roofline)
    assert "accepted" in str(error.value) or "only cached:DIR" in str(error.value)
    assert "\n" not in str(error.value)


def test_what_cannot_run_at_all_raises(roofline: Accelerator, mlp: Workload, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="engine 'magic'"):
        make_evaluator("direct", roofline, engine="magic").evaluate(POINTS, mlp)
    with pytest.raises(InputError, match="time limit"):
        make_evaluator("direct", roofline, time_limit_s=0)


def test_a_time_limit_needs_a_process(roofline: Accelerator) -> None:
    evaluator: Evaluator = make_evaluator("direct", roofline, time_limit_s=1)
    assert isinstance(evaluator, Pool)
    assert evaluator.width == 1
