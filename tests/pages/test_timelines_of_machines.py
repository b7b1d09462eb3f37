"""Every machine draws a timeline that viewers can read, and that ends when its report says."""

import json
from collections import defaultdict
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cyclescape.pages.timeline import write_timeline
from cyclescape.simulator.registry import accelerator, accelerators
from cyclescape.simulator.timeline import Span, bursts, in_lanes
from cyclescape.traces.catalog import load
from cyclescape.traces.operators import Attention, Conv, Elementwise, Gemm, Pool
from cyclescape.traces.workload import Workload

SMALL = Workload(name="small", operators=(
    Gemm(name="a", m=48, n=96, k=64), Elementwise(name="act", inputs=("a",), function="relu", elements=48 * 96),
    Gemm(name="b", m=48, n=64, k=96, inputs=("act",)), Gemm(name="c", m=48, n=32, k=64, inputs=("b",)),
))  # fmt: skip
IMAGE = Workload(name="image", operators=(
    Conv(name="conv", in_h=12, in_w=12, in_channels=8, out_channels=16, kernel_h=3, kernel_w=3),
    Pool(name="pool", inputs=("conv",), in_h=10, in_w=10, channels=16, kernel_h=2, kernel_w=2, out_h=5, out_w=5),
))  # fmt: skip
HEADS = Workload(name="heads", operators=(
    Attention(name="one", heads=2, kv_heads=2, q_len=16, kv_len=16, head_dim=8),
    Attention(name="two", inputs=("one",), heads=2, kv_heads=1, q_len=16, kv_len=16, head_dim=8),
))  # fmt: skip
TIGHT = {"rows": 8, "cols": 8, "ifmap_sram_kib": 8, "filter_sram_kib": 8, "ofmap_sram_kib": 8}
CASES: list[tuple[str, dict[str, Any], Any]] = [
    ("systolic", TIGHT, SMALL),
    ("systolic", {**TIGHT, "overlap_drain": True, "overlap_preload": True, "bandwidth_bytes_per_cycle": 2}, SMALL),
    ("systolic", {**TIGHT, "arrays": 2, "dataflow": "ws"}, SMALL),
    *(("systolic", {**TIGHT, "memory": "dram", "dataflow": flow}, SMALL) for flow in ("os", "ws", "is")),
    ("systolic", {**TIGHT, "memory": "dram", "arrays": 2, "overlap_drain": True}, SMALL),
    *(("systolic", {**TIGHT, "arrays": 4, "partition": "pipeline", "memory": memory}, SMALL) for memory in ("port", "ideal")),
    ("row-stationary", {"bandwidth_bytes_per_cycle": 1}, IMAGE),
    ("row-stationary", {"memory": "ideal"}, SMALL),
    ("streaming", {}, HEADS),
    ("streaming", {"graph": "naive", "score_depth": 64}, HEADS),
    ("dataflow", {}, SMALL),
    ("dram-controller", {}, "random:n=300"),
    ("dram-controller", {"device": "HBM2_2000", "page_policy": "Closed"}, "stream:n=300"),
    ("dram-controller", {"device": "DDR5_4800BN", "refresh_policy": "SameBank"}, "random:n=2000"),
    ("dram-controller", {"device": "LPDDR5_6400", "refresh_policy": "PerBank", "channels": 2}, "random:n=2000"),
    ("memory-hierarchy", {}, "matmul:n=12"),
    ("gpu-core", {}, "vector-add"),
]


def test_no_machine_is_left_out() -> None:
    own = {machine.name for machine in accelerators() if type(machine).__module__.startswith("cyclescape.")}
    assert {name for name, _, _ in CASES} == own


@pytest.mark.parametrize(("name", "values", "workload"), CASES)
def test_a_machine_draws_what_its_report_says(name: str, values: dict[str, Any], workload: Any, tmp_path: Path) -> None:
    machine = accelerator(name)
    design, given_ = machine.design.make(values), load(workload) if isinstance(workload, str) else workload
    report = machine.run([design], given_)[0]
    assert report.ok, report.reason
    timeline = machine.timeline(design, given_)
    read = json.loads(write_timeline(tmp_path / "t.json", timeline).read_text("utf-8"))
    assert read["otherData"]["scale"].startswith("1 µs stands for 1 cycle at ")
    events = read["traceEvents"]
    names = {e["tid"]: e["args"]["name"] for e in events if e["name"] == "thread_name"}
    assert len(set(names.values())) == len(names)
    tracks = defaultdict(list)
    for event in events:
        if event["ph"] == "X":
            assert isinstance(event["ts"], int)
            assert isinstance(event["dur"], int)
            assert event["ts"] >= 0
            assert event["dur"] >= 1
            assert event["name"]
            tracks[event["tid"]].append((event["ts"], event["ts"] + event["dur"]))
    assert tracks.keys() == names.keys()
    for tid, spans in tracks.items():
        spans.sort()
        for (_, end), (start, _) in pairwise(spans):
            assert end <= start, f"{names[tid]}: a span ends at {end}, the next begins at {start}"
    last = max(end for spans in tracks.values() for _, end in spans)
    if values.get("partition") == "pipeline":  # further inputs follow the first
        assert last == report.metrics["cycles"] + 5 * report.metrics["interval_cycles"]
        last = max(end for tid, spans in tracks.items() for _, end in spans if not names[tid].startswith("stage"))
    if name == "dram-controller":  # refreshes that are owed at the end are charged and not sent
        assert 0.9 * last <= report.metrics["cycles"]
    elif name == "gpu-core":
        assert last <= report.metrics["cycles"]
    else:
        assert last == report.metrics["cycles"]


SPANS = st.lists(st.tuples(st.integers(0, 40), st.integers(1, 9)), max_size=30)


@given(SPANS)
def test_lanes_keep_every_span_and_are_as_many_as_run_at_once(times: list[tuple[int, int]]) -> None:
    spans = [Span("t", str(i), start, duration) for i, (start, duration) in enumerate(times)]
    laned = list(in_lanes(spans))
    assert sorted((s.name, s.start, s.duration) for s in laned) == sorted((s.name, s.start, s.duration) for s in spans)
    by_track: dict[str, list[Span]] = defaultdict(list)
    for span in laned:
        by_track[span.track].append(span)
    for track in by_track.values():
        assert all(one.end <= other.start for one, other in pairwise(track))
    at_once = max((sum(s.start <= t < s.end for s in spans) for t in range(60)), default=0)
    assert len(by_track) == at_once


@given(st.lists(st.integers(0, 5), max_size=30), st.integers(1, 3))
def test_bursts_cover_the_same_ticks(gaps: list[int], duration: int) -> None:
    starts, now = [], 0
    for gap in gaps:
        starts.append(now + gap)
        now += gap + duration
    found = list(bursts("t", "n", starts, duration))
    assert {t for s in found for t in range(s.start, s.end)} == {t for at in starts for t in range(at, at + duration)}
    assert sum(s.args["events"] for s in found) == len(starts)
    assert all(one.end < other.start for one, other in pairwise(found))
