"""The streaming machine: reports of both engines, memory against rate, failures that say why."""

import pytest

from cyclescape.accelerators.streaming import Streaming
from cyclescape.accelerators.streaming.attention import GRAPHS
from cyclescape.simulator.space import Space
from cyclescape.traces.catalog import load

machine = Streaming()


def run(workload="attention:seq_len=64", engine=None, **parameters):
    return machine.run([machine.design.make(parameters)], load(workload), engine=engine)[0]


@pytest.mark.parametrize("graph", GRAPHS)
def test_both_engines_give_the_same_report(graph):
    workload = "attention:seq_len=12,heads=2,batch=2,head_dim=8"
    for lanes, depth in ((1, 14), (2, 12), (5, 11)):
        parameters = {"graph": graph, "lanes": lanes, "score_depth": depth, "width": 4}
        assert run(workload, **parameters) == run(workload, "simpy", **parameters)


def test_metrics_are_those_declared_and_add_up():
    report = run(graph="naive")
    assert set(report.metrics) == set(machine.metrics)
    parts = sum(v for k, v in report.metrics.items() if k.startswith("energy_") and k != "energy_j")
    assert report.metrics["energy_j"] == pytest.approx(parts)
    assert sum(report.breakdown.values()) == report.metrics["cycles"] == 64 * 64 + 64 + 5
    assert report.metrics["utilization"] == 64 * 64 / report.metrics["cycles"]


def test_a_batch_is_its_members():
    space = Space(machine.design)
    import numpy as np

    designs = [space.design(p) for p in space.sample(np.random.default_rng(0), 30)]
    workload = load("attention:seq_len=32,head_dim=16")
    assert machine.run(designs, workload) == [machine.run([d], workload)[0] for d in designs]


def test_memory_at_full_rate_grows_with_the_row_or_not_at_all():
    def memory(graph, n):
        report = run(f"attention:seq_len={n}", graph=graph, score_depth=n + 2)
        assert report.metrics["utilization"] > 0.95
        return report.metrics["fifo_bytes"]

    assert memory("naive", 512) - memory("naive", 256) == 4 * 256
    assert memory("scaled", 512) - memory("scaled", 256) == 8 * 256
    assert memory("memory_free", 512) == memory("memory_free", 256) == memory("memory_free", 64)


def test_a_deadlock_is_a_report_with_a_reason():
    report = run(graph="scaled", score_depth=16)
    assert not report.ok
    assert report.reason.startswith("operator 'attention': deadlock: QK waits for space in QK->SubExp")
    assert "depth=64" in report.reason


def test_other_operators_are_refused(mlp):
    report = machine.run([machine.design.make()], mlp)[0]
    assert report.reason == "operator 'a' (gemm): this machine runs attention operators only"


def test_rows_are_padded_to_the_lanes_and_heads_may_share_keys():
    padded, exact = run("attention:seq_len=10", lanes=5).metrics, run("attention:seq_len=10", lanes=2).metrics
    assert run("attention:seq_len=10", lanes=4).metrics["cycles"] > padded["cycles"]
    assert exact["cycles"] > padded["cycles"]
    two = run("attention:seq_len=16,heads=2").metrics
    one = run("attention:seq_len=16").metrics
    assert two["cycles"] == one["cycles"] + 16 * 16
    assert two["energy_mac_j"] == pytest.approx(2 * one["energy_mac_j"])
