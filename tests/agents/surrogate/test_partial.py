"""The beginning of a run is that of the whole one to the cycle, and no more than was asked for; models learn from it."""

from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from cyclescape.accelerators.gpu import GpuCore
from cyclescape.agents.surrogate import Samples, Surrogate, draw
from cyclescape.agents.surrogate.partial import families, prefix_of
from cyclescape.cli.main import app
from cyclescape.errors import InputError
from cyclescape.simulator.accelerator import Accelerator
from cyclescape.simulator.gpu.execute import execute, pauses
from cyclescape.simulator.gpu.tables import C_ISSUED
from cyclescape.simulator.registry import accelerator
from cyclescape.traces.catalog import load
from cyclescape.traces.workload import Workload


@pytest.mark.parametrize("parameters", [{}, {"sms": 2, "policy": "lrr", "warps": 16}, {"sms": 3, "policy": "gto"}])
@pytest.mark.parametrize("name", ["cuda-histogram:n=8192", "cuda-sgemm-tiled:n=48"])
def test_a_kernel_that_is_paused_is_the_kernel_that_is_not(name: str, parameters: dict) -> None:
    machine = GpuCore.design.make(parameters).machine()
    assert machine.memory is not None
    kernel = load(name).kernels[0]
    whole = execute(kernel, machine, memory=machine.memory.state(machine.sms))
    total = kernel.warp_instructions
    stops = [total // 9, total // 3, total // 2, total + 1]
    seen = list(pauses(kernel, machine, stops, memory=machine.memory.state(machine.sms)))
    assert seen[-1].cycles == whole.cycles
    assert np.array_equal(seen[-1].waits, whole.waits)
    assert np.array_equal(seen[-1].slots, whole.slots)
    assert np.array_equal(seen[-1].memory, whole.memory)
    assert whole.slots[C_ISSUED] == total
    alone = next(iter(pauses(kernel, machine, stops[:1], memory=machine.memory.state(machine.sms))))
    assert alone.cycles == seen[0].cycles
    assert np.array_equal(alone.waits, seen[0].waits)
    for stop, outcome in zip(stops[:-1], seen, strict=False):
        assert stop <= outcome.slots[C_ISSUED] < stop + 4 * machine.sms
        assert outcome.slots.sum() == outcome.cycles * 4 * machine.sms


def test_how_often_instructions_are_executed_is_what_a_run_counts() -> None:
    machine = GpuCore.design.make({}).machine()
    for name in ("cuda-bfs:n=256", "register-blocked-sgemm"):  # warps that share a stream, too
        kernel = load(name).kernels[-1]
        assert np.array_equal(kernel.executed, execute(kernel, machine).waits[:, C_ISSUED])


def test_at_most_the_share_is_simulated(monkeypatch: pytest.MonkeyPatch) -> None:
    from cyclescape.accelerators.gpu import prefix as of_gpu

    workload, issued = load("cuda-max-flops:n=4,blocks=128,threads=128"), []

    def watched(*given: object, **more: object) -> list:
        seen = list(pauses(*given, **more))  # type: ignore[arg-type]
        issued.append(int(seen[-1].slots[C_ISSUED]))
        return seen

    monkeypatch.setattr(of_gpu, "pauses", watched)
    designs = [GpuCore.design.make({"sms": n}) for n in (1, 2, 4)]
    found = GpuCore().prefix(designs, workload, 0.1)
    assert len(issued) == 3
    assert max(issued) <= 0.1 * workload.warp_instructions
    whole = [report.metrics["cycles"] for report in GpuCore().run(designs, workload)]
    assert np.abs(np.log(found["cycles"] / whole)).max() < 0.3


def test_the_beginning_of_a_steady_trace_says_what_the_rest_takes() -> None:
    machine, workload = accelerator("dram-controller"), load("random:n=4000")
    design = machine.design.make({"request_buffer_size": 4})
    found = machine.prefix([design], workload, 0.25)
    assert found["cycles"][0] == pytest.approx(machine.run([design], workload)[0].metrics["cycles"], rel=0.1)


def test_a_share_that_is_too_little_or_none(roofline: Accelerator, mlp: Workload) -> None:
    gpu, dram = GpuCore(), accelerator("dram-controller")
    with pytest.raises(InputError, match=r"a share of 0.001 of 512 warp instructions is 0 \(accepted: 4 or more\)"):
        gpu.prefix([gpu.design.make({})], load("cuda-vector-add:n=1024"), 0.001)
    with pytest.raises(InputError, match=r"a share of 0.1 of 500 requests is 50 \(accepted: 100 or more\)"):
        dram.prefix([dram.design.make({})], load("random:n=500"), 0.1)
    with pytest.raises(InputError, match="cannot simulate the beginning of a run alone"):
        roofline.prefix([roofline.design.make({})], mlp, 0.1)
    for share in (0, -0.1, 0.9, float("nan"), True, "tenth"):
        with pytest.raises(InputError, match="above 0 and at most 0.5"):
            prefix_of(share)


def test_a_design_that_cannot_run_a_kernel_has_no_estimate() -> None:
    gpu = GpuCore()
    found = gpu.prefix([gpu.design.make({"warps": 4}), gpu.design.make({})], load("cuda-vector-add:n=16384"), 0.1)
    assert np.isnan(found["cycles"]).tolist() == [True, False]


@pytest.fixture(scope="module")
def traces() -> Samples:
    names = ["random:n=2000", "random:n=3000,writes=rand:300", "cloud-1:n=2000", "stream:n=2000", "cloud-2:n=2000"]
    return draw("dram-controller", names, 60, fixed={"refresh_policy": "AllBank"})


def test_a_model_learns_answers_new_workloads_and_comes_back_from_its_file(traces: Samples, tmp_path: Path) -> None:
    pytest.importorskip("sklearn")
    assert families(traces)[:24].tolist() == [0] * 24
    learned = Surrogate.fit(traces, model="gp", prefix=0.1, effort=0.2)
    assert learned.answers == ("cycles",)
    new = load("strided:n=2500")
    design = learned.machine.design.make({"refresh_policy": "AllBank"})
    said = learned.predict([design], new)
    again = Surrogate.load(learned.save(tmp_path / "a.surrogate"))
    assert again.prefix == 0.1
    assert again.predict([design], new).mean == said.mean
    assert said.mean["cycles"][0] == pytest.approx(learned.machine.run([design], new)[0].metrics["cycles"], rel=0.5)
    low, high = said.interval("cycles")
    assert low[0] < said.mean["cycles"][0] < high[0]


def test_a_share_on_the_command_line(tmp_path: Path) -> None:
    pytest.importorskip("sklearn")
    out = tmp_path / "a.surrogate"
    given = ["surrogate", "fit", "--sample", "20", "-a", "dram-controller", "-w", "cloud-1:n=1500", "-w", "random:n=1500",
             "--model", "gp", "-o", str(out)]
    bad = CliRunner().invoke(app, [*given, "--prefix", "2"])
    assert isinstance(bad.exception, InputError)
    assert "prefix 2.0: accepted: a share of the run, above 0 and at most 0.5" in str(bad.exception)
    assert not out.exists()
    fine = CliRunner().invoke(app, [*given, "--prefix", "0.1"])
    assert fine.exit_code == 0, fine.output
    said = CliRunner().invoke(app, ["surrogate", "predict", str(out), "-w", "cloud-2:n=1500"])
    assert said.exit_code == 0, said.output
    assert "predicted from 0.1 of the run" in said.output
