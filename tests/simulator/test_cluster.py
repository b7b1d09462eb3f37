"""Evaluation on a Dask cluster of two workers on this machine."""

import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from cyclescape.errors import CyclescapeError, InputError, MissingExtraError
from cyclescape.simulator.accelerator import Accelerator
from cyclescape.simulator.evaluator import make_evaluator
from cyclescape.traces.operators import Gemm
from cyclescape.traces.workload import Workload

distributed = pytest.importorskip("distributed")


@pytest.fixture(scope="module")
def local() -> Iterator[Any]:
    import dask

    from cyclescape.simulator.cluster import _OWN

    # Else it may give up a worker that is being restarted.
    settings = {**_OWN, "distributed.deploy.lost-worker-timeout": "1 hour"}
    with (
        dask.config.set(settings),
        distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None, silence_logs=50) as cluster,
    ):
        yield cluster


def pids(cluster: Any) -> set[int]:
    """The processes of both workers, once both are there."""
    end = time.monotonic() + 60
    while len(found := {worker.pid for worker in cluster.workers.values()} - {None}) < 2:
        assert time.monotonic() < end, "a worker does not come back"
        time.sleep(0.05)
    return found


def test_the_same_reports_in_the_same_order(local: Any, roofline: Accelerator, mlp: Workload, gemv: Workload) -> None:
    points: list[Any] = [{"lanes": 8}, {"lanes": -1}, {"lanes": 256, "frequency_mhz": 1000}]
    points += [{"lanes": n} for n in range(1, 300)]
    with make_evaluator(f"dask:{local.scheduler_address}", roofline) as evaluator:
        for workload in (mlp, gemv):
            expected = make_evaluator("direct", roofline).evaluate(points, workload)
            reports = evaluator.evaluate(points, workload)
            assert reports == expected
        assert reports[0].table == expected[0].table
        assert evaluator.width == 2


def test_a_time_limit_ends_a_design_and_not_its_worker(local: Any, faulty: Accelerator, mlp: Workload) -> None:
    points: list[Any] = [{"size": 1}, {"size": 2, "mode": "hang"}, {"size": 3}]
    before = pids(local)
    with make_evaluator(f"dask:{local.scheduler_address}", faulty, time_limit_s=0.5) as evaluator:
        reports = evaluator.evaluate(points, mlp)
    assert [report.reason for report in reports] == [None, "time limit of 0.5 s exceeded", None]
    assert pids(local) == before


def test_workers_that_are_killed_lose_nothing(local: Any, roofline: Accelerator, mlp: Workload) -> None:
    points = [{"lanes": 1 + n % 200, "bandwidth": 1 + n // 200} for n in range(3000)]
    with make_evaluator(f"dask:{local.scheduler_address}", roofline) as evaluator:
        evaluator.attempts = evaluator.together = 2  # type: ignore[attr-defined]  # as where it starts the cluster itself
        before = pids(local)
        stream = evaluator.stream(points, mlp)
        reports = [next(stream) for _ in range(200)]
        for pid in before:
            os.kill(pid, signal.SIGKILL)
        reports += list(stream)
    assert not before & pids(local)
    assert reports == make_evaluator("direct", roofline).evaluate(points, mlp)


def test_workers_that_are_given_up_are_replaced(roofline: Accelerator, mlp: Workload, monkeypatch: pytest.MonkeyPatch) -> None:
    def here(self: Any, distributed: Any, workers: int) -> Any:
        """Workers that are threads, for the sake of speed."""
        return distributed.LocalCluster(n_workers=workers, processes=False, dashboard_address=None, silence_logs=50)

    monkeypatch.setattr("cyclescape.simulator.chunks._POLL_S", 0.2)
    monkeypatch.setattr("cyclescape.simulator.cluster.Cluster._here", here)
    with make_evaluator("dask:1", roofline) as evaluator:
        cluster: Any = evaluator._own  # type: ignore[attr-defined]
        cluster.sync(cluster.workers.pop(0).close)
        assert not cluster.workers
        assert evaluator.evaluate([{"lanes": 8}], mlp)[0].ok


def test_a_design_that_ends_its_workers_is_a_row_with_a_reason(local: Any, faulty: Accelerator, mlp: Workload) -> None:
    points = [{"size": i} for i in range(1, 40)]
    points[20] = {"size": 20, "mode": "crash"}  # type: ignore[dict-item]
    points[30] = {"size": 31, "mode": "raise"}  # type: ignore[dict-item]
    with make_evaluator(f"dask:{local.scheduler_address}", faulty) as evaluator:
        reports = evaluator.evaluate(points, mlp)
    reasons = {i: report.reason for i, report in enumerate(reports) if not report.ok}
    assert reasons == {20: "the worker process died", 30: "the model raised ZeroDivisionError: no work"}


def test_workers_with_other_sources_are_refused(
    local: Any, roofline: Accelerator, mlp: Workload, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cyclescape.simulator.cluster.model_digest", lambda machine: "0" * 64)
    with (
        make_evaluator(f"dask:{local.scheduler_address}", roofline) as evaluator,
        pytest.raises(CyclescapeError, match="has other sources of roofline: install the same on all"),
    ):
        evaluator.evaluate([{"lanes": 8}], mlp)


def test_a_scheduler_that_goes_away_is_one_line(roofline: Accelerator, monkeypatch: pytest.MonkeyPatch) -> None:
    with distributed.LocalCluster(n_workers=1, processes=False, dashboard_address=None, silence_logs=50) as cluster:
        evaluator = make_evaluator(f"dask:{cluster.scheduler_address}", roofline)
        stop = threading.Timer(0.5, cluster.close)
        stop.start()
        work = Workload(name="w", operators=(Gemm(name="a", m=64, n=256, k=512),))
        endless = ({"lanes": 1 + n % 500} for n in count())
        with pytest.raises(CyclescapeError, match="run the same again to go on") as error:
            all(evaluator.stream(endless, work))
        assert "\n" not in str(error.value)
        stop.join()
        evaluator.close()


def test_where_nobody_answers_is_one_line(roofline: Accelerator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cyclescape.simulator.cluster._ANSWER_S", 0.3)
    for address in ("tcp://127.0.0.1:1", "nowhere", "tcp://"):
        with pytest.raises(InputError, match="no Dask scheduler answers there") as error:
            make_evaluator(f"dask:{address}", roofline)
        assert "\n" not in str(error.value)


def test_too_few_workers_are_named_as_they_were_given(roofline: Accelerator) -> None:
    with pytest.raises(InputError, match=r"evaluator 'dask:0': how many workers\? \(accepted: dask:N with N from 1 to 4096\)"):
        make_evaluator("dask:0", roofline)


def test_without_dask_it_is_one_sentence(roofline: Accelerator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(MissingExtraError, match=r"evaluator 'dask:2' needs .* pip install 'cyclescape\[cluster\]'"):
        make_evaluator("dask:2", roofline)


OPTIONS = "jobs: 3\ncores: 4\nmemory: 8GB\nwalltime: '02:00:00'\nqueue: short\n"


@pytest.mark.parametrize(
    ("queue", "says"),
    [("slurm", "#SBATCH -p short"), ("pbs", "#PBS -q short"), ("lsf", "#BSUB -q short"), ("sge", "#$ -q short")],
)
def test_jobs_of_a_batch_system(queue: str, says: str, tmp_path: Path) -> None:
    pytest.importorskip("dask_jobqueue")
    from cyclescape.simulator.jobqueue import prepared, read

    file = tmp_path / "options.yaml"
    file.write_text(OPTIONS)
    jobs, options = read(queue, str(file))
    assert jobs == 3
    with prepared(queue, str(file), options) as cluster:
        script = cluster.job_script()
    assert says in script
    assert "export DASK_DISTRIBUTED__WORKER__DAEMON=False" in script
    assert "--nworkers 4" in script
    assert "--nthreads 1" in script


@pytest.mark.parametrize(("queue", "command"), [("slurm", "sbatch"), ("pbs", "qsub"), ("lsf", "bsub"), ("sge", "qsub")])
def test_a_machine_that_submits_no_jobs_is_one_line(
    queue: str, command: str, roofline: Accelerator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    jobqueue = pytest.importorskip("dask_jobqueue")
    assert getattr(jobqueue, f"{queue.upper()}Cluster").job_cls.submit_command.split()[0] == command
    monkeypatch.setenv("PATH", str(tmp_path))
    file = tmp_path / "options.yaml"
    file.write_text(OPTIONS)
    with pytest.raises(InputError, match=rf"{queue}:.*: no '{command}' on the PATH"):
        make_evaluator(f"{queue}:{file}", roofline)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("jobs: many\ncores: 1\nmemory: 1GB\n", "jobs='many': accepted: a whole number"),
        ("jobs: 2\nmemory: 1GB\n", "cores: missing"),
        ("cores: 2\nmemory: 1GB\nqueu: short\n", "queu: unknown option"),
        ("cores: 2\nmemory: lots\n", "options.yaml: ValueError"),
        ("- a\n", "a mapping is wanted"),
        ("a: [\n", "not YAML"),
    ],
)
def test_wrong_options_are_one_line(
    text: str, says: str, roofline: Accelerator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("dask_jobqueue")
    file = tmp_path / "options.yaml"
    file.write_text(text)
    monkeypatch.setattr("shutil.which", lambda command: command)
    with pytest.raises(InputError) as error:
        make_evaluator(f"slurm:{file}", roofline)
    assert says in str(error.value)
    assert "\n" not in str(error.value)
    with pytest.raises(InputError, match="No such file"):
        make_evaluator(f"slurm:{tmp_path / 'none.yaml'}", roofline)
    with pytest.raises(InputError, match=r"slurm:FILE\.yaml"):
        make_evaluator("slurm", roofline)
