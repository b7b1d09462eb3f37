"""Timelines are valid, complete, and agree with the report."""

import gzip
import json
from collections import defaultdict
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cyclescape.accelerators.systolic import engines
from cyclescape.accelerators.systolic.design import SystolicDesign
from cyclescape.accelerators.systolic.lowering import lower
from cyclescape.accelerators.systolic.timeline import _detail, _sizes, systolic_timeline
from cyclescape.errors import InputError
from cyclescape.pages.timeline import write_timeline
from cyclescape.simulator.accelerator import Accelerator
from cyclescape.simulator.registry import accelerator
from cyclescape.simulator.timeline import Span, Timeline
from cyclescape.traces.operators import Attention, Elementwise, Gemm, Pool
from cyclescape.traces.workload import Workload

SMALL = {"rows": 8, "cols": 8, "ifmap_sram_kib": 8, "filter_sram_kib": 8, "ofmap_sram_kib": 8}


@pytest.fixture(scope="module")
def mixed() -> Workload:
    """Products, a fused activation, attention (three jobs) and a pass of the vector unit."""
    return Workload(name="mixed", operators=(
        Gemm(name="a", m=64, n=192, k=256),
        Elementwise(name="act", inputs=("a",), function="relu", elements=64 * 192),
        Attention(name="att", inputs=("act",), heads=4, kv_heads=4, q_len=64, kv_len=64, head_dim=16),
        Pool(name="pool", inputs=("att",), in_h=8, in_w=8, channels=64, kernel_h=2, kernel_w=2, out_h=4, out_w=4),
        Gemm(name="b", m=64, n=512, k=64, inputs=("pool",)),
    ))  # fmt: skip


def by_track(spans) -> dict[str, list[Span]]:
    tracks = defaultdict(list)
    for span in spans:
        tracks[span.track].append(span)
    return tracks


def assert_apart(spans: list[Span]) -> None:
    ordered = sorted(spans, key=lambda span: span.start)
    assert all(span.duration >= 1 for span in ordered)
    assert all(one.end <= other.start for one, other in pairwise(ordered))


@pytest.mark.parametrize("flow", ["os", "ws", "is"])
@pytest.mark.parametrize("memory", ["port", "ideal"])
def test_spans_tell_where_every_cycle_of_the_report_went(mixed: Workload, flow: str, memory: str) -> None:
    machine = accelerator("systolic")
    design = machine.design.make({**SMALL, "dataflow": flow, "memory": memory, "bandwidth_bytes_per_cycle": 4})
    report = machine.run([design], mixed, engine="simpy")[0]
    tracks = by_track(machine.timeline(design, mixed))
    for spans in tracks.values():
        assert_apart(spans)
    assert max(span.end for spans in tracks.values() for span in spans) == report.metrics["cycles"]
    assert [span.name for span in tracks["operators"]] == ["a", "att", "pool", "b"]
    assert sum(span.duration for span in tracks["operators"]) == report.metrics["cycles"]
    waits = {
        "stall_ifmap": "wait for ifmap tiles", "stall_filter": "wait for filter tiles",
        "stall_psum": "wait for partial sums", "stall_ofmap": "wait for outputs",
    }  # fmt: skip
    for cause, name in waits.items():
        assert sum(s.duration for s in tracks["array"] if s.name == name) == report.breakdown[cause]
    worked = sum(s.duration for s in tracks["array"] if not s.name.startswith("wait"))
    assert worked == sum(report.breakdown[cause] for cause in ("compute", "fill_drain", "vector"))
    assert sum(s.duration for s in tracks["array"]) == report.metrics["cycles"]
    busy = sum(span.duration for span in tracks["port"])
    assert busy == report.layers["port_busy_cycles"].sum()
    assert (busy == 0) == (memory == "ideal")


@pytest.mark.parametrize("flow", ["os", "ws", "is"])
@pytest.mark.parametrize("memory", ["port", "ideal"])
@given(sizes=st.tuples(*[st.integers(1, 300)] * 3), sram=st.sampled_from([8, 32, 128]))
@settings(max_examples=20)
def test_the_number_of_spans_is_known_before_the_run(flow: str, memory: str, sizes: tuple[int, ...], sram: int) -> None:
    m, n, k = sizes
    workload = Workload(name="w", operators=(Gemm(name="a", m=m, n=n, k=k), Gemm(name="b", m=m, n=k, k=n, inputs=("a",))))
    design = SystolicDesign(rows=8, cols=8, dataflow=flow, memory=memory, ifmap_sram_kib=sram, filter_sram_kib=sram,
                            ofmap_sram_kib=sram)  # fmt: skip
    jobs = lower(workload)
    rows = engines.compiled([design], jobs)[0]
    for j, row in enumerate(rows):
        steps, others = _sizes(design, jobs, j, row)
        seen = engines.run_job(design, jobs, j, row)
        assert steps == len(engines.job_plan(design, jobs, j, row).steps)
        assert others >= len(seen.transfers) + len(seen.waits)
        assert others - len(seen.transfers) <= steps + 1  # transfers are counted exactly, waits from above


@pytest.mark.parametrize("most", [400, 60, 10])
def test_a_long_run_is_drawn_coarser_and_says_so(mixed: Workload, most: int) -> None:
    machine = accelerator("systolic")
    design = machine.design.make(SMALL)
    report = machine.run([design], mixed)[0]
    full = list(machine.timeline(design, mixed))
    coarse = systolic_timeline(design, mixed, most)
    assert len(full) > 400
    assert len(list(coarse)) <= most + 4  # beside the operators
    assert coarse.notes
    assert f"{most:,} spans" in coarse.notes[-1]
    tracks = by_track(coarse)
    for spans in tracks.values():
        assert_apart(spans)
    assert sum(s.duration for s in tracks["array"]) == report.metrics["cycles"]


def test_merged_folds_take_as_long_as_the_folds(mixed: Workload) -> None:
    machine = accelerator("systolic")
    design = machine.design.make({"rows": 4, "cols": 4})
    full = systolic_timeline(design, mixed)
    jobs = lower(mixed)
    _, costs = _detail(design, jobs, engines.compiled([design], jobs)[0], 10**9)
    merged = systolic_timeline(design, mixed, sum(costs) - 500)
    assert "one span" in merged.notes[0]
    assert any(span.name == "folds of a tile" for span in merged)

    def time_of(timeline: Timeline, prefix: str) -> int:
        return sum(span.duration for span in timeline if span.name.startswith(prefix))

    assert time_of(full, "fold") == time_of(merged, "fold")
    assert time_of(full, "wait for") == time_of(merged, "wait for")


def test_the_file_is_what_viewers_read(mixed: Workload, tmp_path: Path) -> None:
    machine = accelerator("systolic")
    timeline = machine.timeline(machine.design.make({"frequency_mhz": 700}), mixed)
    plain = json.loads(write_timeline(tmp_path / "t.json", timeline).read_text(encoding="utf-8"))
    packed = json.loads(gzip.decompress(write_timeline(tmp_path / "t.json.gz", timeline).read_bytes()))
    assert plain == packed
    assert plain["otherData"]["scale"] == "1 µs stands for 1 cycle at 700 MHz"
    events = plain["traceEvents"]
    names = {e["tid"]: e["args"]["name"] for e in events if e["name"] == "thread_name"}
    assert list(names.values()) == ["operators", "array", "port"]
    spans = [e for e in events if e["ph"] == "X"]
    assert len(spans) == len(list(timeline))
    assert all(isinstance(e["ts"], int) and isinstance(e["dur"], int) and e["dur"] >= 1 for e in spans)
    for track in names:
        ordered = sorted((e["ts"], e["dur"]) for e in spans if e["tid"] == track)
        assert all(ts + dur <= later for (ts, dur), (later, _) in pairwise(ordered))


def test_any_spans_can_be_written_and_names_are_kept(tmp_path: Path) -> None:
    name = 'bank "0"\n</script>\u2028'
    spans = [Span("bank", name, 0, 5, {"row": 3}), Span("bus", "burst", 5, 2)]
    read = json.loads(write_timeline(tmp_path / "t.json", Timeline(iter(spans), tick="ps")).read_text("utf-8"))
    assert [e["name"] for e in read["traceEvents"] if e["ph"] == "X"] == [name, "burst"]
    assert read["otherData"]["scale"] == "1 µs stands for 1 ps"


def test_the_same_timeline_gives_the_same_bytes(mixed: Workload, tmp_path: Path) -> None:
    machine = accelerator("systolic")
    design = machine.design.make(SMALL)
    files = [write_timeline(tmp_path / f"{i}.json.gz", machine.timeline(design, mixed)).read_bytes() for i in range(2)]
    assert files[0] == files[1]


def test_a_failure_while_writing_leaves_the_old_file(tmp_path: Path) -> None:
    def broken():
        yield Span("a", "b", 0, 1)
        raise RuntimeError("the model fell over")

    target = tmp_path / "t.json"
    target.write_text("old")
    with pytest.raises(RuntimeError):
        write_timeline(target, broken())
    assert target.read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["t.json"]


def test_what_cannot_be_is_said_in_one_line(roofline: Accelerator, mixed: Workload, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="roofline has no timeline"):
        roofline.timeline(roofline.design.make(), mixed)
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="file that can be written|directory that can be written"):
        write_timeline(tmp_path / "file" / "t.json", [Span("a", "b", 0, 1)])
