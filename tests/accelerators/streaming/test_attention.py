"""The five attention graphs: values, closed forms, least depths, deadlock limits, and the table of runs."""

import numpy as np
import pytest

from cyclescape.accelerators.streaming.attention import EDGES, GRAPHS, attention, long_fifos
from cyclescape.accelerators.streaming.laws import full_rate, least_depths
from cyclescape.accelerators.streaming.validation import read_table, validate
from cyclescape.accelerators.streaming.values import Tensors, softmax_attention
from cyclescape.errors import InputError
from cyclescape.simulator.dataflow import cycles_of, simulate, throughput_bound
from cyclescape.simulator.dataflow.compiled import run_events, run_worklist
from cyclescape.simulator.dataflow.simpy_engine import run_simpy
from cyclescape.simulator.dataflow.static import run_static


@pytest.mark.parametrize("graph", GRAPHS)
@pytest.mark.parametrize(("lanes", "width", "rows"), [(1, None, 12), (3, 2, 6), (4, 5, 8)])
def test_values_equal_softmax_attention(graph, lanes, width, rows):
    tensors = Tensors.random(12, 5, batch=2, rows=rows, seed=lanes)
    net = attention(graph, 12, rows=rows, head_dim=5, batch=2, lanes=lanes, width=width, tensors=tensors).check()
    out = np.array(run_simpy(net).received["Sink"]).reshape(2, rows, 5)
    np.testing.assert_allclose(out, softmax_attention(tensors), rtol=0, atol=1e-14)


def test_values_do_not_depend_on_depths():
    tensors = Tensors.random(8, 3)
    shallow, deep = (
        run_simpy(attention("scaled", 8, head_dim=3, tensors=tensors, depth=d, long_depth=long)).received["Sink"]
        for d, long in ((1, 8), (5, 100))
    )
    np.testing.assert_array_equal(shallow, deep)


@pytest.mark.parametrize("n", [2, 16, 33, 128])
@pytest.mark.parametrize("graph", GRAPHS)
def test_closed_forms(graph, n):
    for latency in (1, 2, 4, 8):
        expected = full_rate(graph, n, latency)
        if expected is not None and n >= 16:
            assert simulate(attention(graph, n, latency=latency, unbounded=True)).cycles == expected
    if n >= 16:
        assert simulate(attention(graph, n)).cycles == full_rate(graph, n, 1)


def test_least_depths():
    """Long FIFOs hold a row and the way there and back; streams their round trip; rows a single token."""
    checks = list(least_depths())
    assert len(checks) > 80
    assert [check for check in checks if not check.ok or check.note] == []


def test_below_a_row_there_is_a_deadlock_and_from_there_on_a_ramp():
    n = 64
    for graph in ("naive", "scaled", "reordered_scaled"):
        depths = [n - 1, n, n + 1, n + 2, n + 3]
        found = cycles_of(attention(graph, n), [dict.fromkeys(long_fifos(graph), d) for d in depths]).tolist()
        peak = full_rate(graph, n, 1)
        assert found == [-1, peak + 2 * (n - 1), peak + n - 1, peak, peak]


@pytest.mark.parametrize("graph", GRAPHS)
def test_every_engine_gives_every_firing_the_same_times(graph):
    net = attention(graph, 12, head_dim=4, width=2, lanes=2, batch=2, latency=2, long_depth=13).check()
    reference = run_simpy(net)
    assert reference.difference(run_worklist(net, True)) == ""
    assert reference.difference(run_events(net, True)) == ""
    assert run_static(net).cycles == reference.cycles


def test_full_rate_is_a_score_a_cycle():
    for graph in GRAPHS:
        bound = throughput_bound(attention(graph, 48))
        assert bound.cycles_per_round == 48
        assert bound.firings_per_round["QK"] == 48
    assert throughput_bound(attention("naive", 48, long_depth=48)).cycles_per_round == 50


def test_lanes_divide_the_time_and_width_the_interval():
    one, four = (simulate(attention("memory_free", 64, lanes=lanes)).cycles for lanes in (1, 4))
    # All lanes wait for the last one's query, which is sent 3 cycles later; its last result is the 4th to be taken.
    assert four == (one - 5) / 4 + 5 + 3 + 3
    slow = simulate(attention("memory_free", 64, head_dim=8, width=4)).cycles
    assert 2 * 64 * 64 <= slow <= 2 * 64 * 64 + 16


def test_bad_arguments_are_named():
    with pytest.raises(InputError, match="graph 'flash': accepted: naive"):
        attention("flash", 8)
    with pytest.raises(InputError, match="lanes=3 must divide rows=8"):
        attention("naive", 8, lanes=3)
    with pytest.raises(InputError, match="tensors have shapes"):
        attention("naive", 8, head_dim=2, tensors=Tensors.random(8, 3))
    assert set(EDGES) == set(GRAPHS)


def test_the_shipped_table_holds_on_the_compiled_engine():
    rows = read_table()
    assert len(rows) == 520
    assert sum(row.cycles < 0 for row in rows) > 50
    for row in rows:
        assert (run_worklist(row.network(), skip=True).cycles or -1) == row.cycles, row.name


def test_a_table_of_ones_own_is_run_on_both_engines(tmp_path):
    header = "graph,N,node_latency,ii,send_latency,response_latency,short_depth,long_depth,cycles_or_minus1_if_deadlock"
    table = tmp_path / "mine.csv"
    table.write_text(f"# mine\n{header}\nnaive,8,2,3,2,3,4,8,-1\nmemfree,16,1,1,1,1,2,,261\n")
    outcome = validate(table)
    assert [c.ok for c in outcome.checks] == [outcome.checks[0].got == -1] * 2 + [True, True]
    assert outcome.checks[0].got == outcome.checks[1].got
    shipped = tmp_path / "some.csv"
    lines = [f"{r.graph},{r.n},{r.latency},{r.interval},{r.send_latency},{r.response_latency},{r.short_depth},"
             f"{r.long_depth or ''},{r.cycles}" for r in read_table() if r.n <= 16][::7]  # fmt: skip
    shipped.write_text("\n".join([header, *lines]))
    outcome = validate(shipped)
    assert outcome.ok
    assert len(outcome.checks) == 2 * len(lines)
    shipped.write_text("\n".join([header, lines[0].rpartition(",")[0] + ",7"]))
    assert not validate(shipped).ok


@pytest.mark.parametrize(("text", "message"), [
    ("graph,N\nnaive,4", "column 'node_latency' is missing"),
    ("", "no line; accepted: graph"),
])
def test_a_table_of_another_form_is_refused(tmp_path, text, message):
    table = tmp_path / "bad.csv"
    table.write_text(text)
    with pytest.raises(InputError, match=message):
        validate(table)


@pytest.mark.parametrize(("row", "message"), [
    ("flash,4,1,1,1,1,1,4,36", "line 2: graph='flash'; accepted: memfree"),
    ("naive,0,1,1,1,1,1,4,36", "line 2: N='0'; accepted: an integer from 1"),
    ("naive,4,1,1,1,1,1,,36", "line 2: long_depth=''; accepted: an integer from 1"),
    ("naive,4,1,x,1,1,1,4,36", "line 2: ii='x'"),
    ("naive,4,1,1,1,1,1,4", ":2: 8 cells; accepted: 9"),
])
def test_a_bad_row_is_named(tmp_path, row, message):
    table = tmp_path / "bad.csv"
    table.write_text(
        "graph,N,node_latency,ii,send_latency,response_latency,short_depth,long_depth,"
        "cycles_or_minus1_if_deadlock\n" + row
    )
    with pytest.raises(InputError, match=message):
        validate(table)
