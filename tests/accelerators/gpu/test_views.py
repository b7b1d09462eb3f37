"""Compiled CUDA on the machine: reports, annotated listings, timelines, and the shapes that were published."""

from __future__ import annotations

import json

import pytest

import cyclescape as cs
from cyclescape.pages.listing import write_listings
from cyclescape.simulator.registry import accelerator
from cyclescape.traces.catalog import load

SGEMM = "cuda-sgemm-blocked:n=128,k=96"
FLOPS = "cuda-max-flops:n=12,blocks=2"


def _cycles(workload, **parameters):
    report = cs.simulate(cs.design("gpu-core", **parameters), workload)
    assert report.ok, report.reason
    return report.metrics["cycles"]


@pytest.mark.parametrize("workload", ["cuda-sgemm-tiled:n=32", "cuda-bfs:n=100"])
def test_a_listing_says_where_every_warp_cycle_went(workload):
    machine, kernels, design = accelerator("gpu-core"), load(workload), cs.design("gpu-core")
    listings = machine.listings(design, kernels)
    assert [one.name for one in listings] == [kernel.name for kernel in kernels.kernels]
    for one, kernel in zip(listings, kernels.kernels):
        table = one.table.frame()
        assert len(table) == len(kernel.instructions)
        assert table["issued"].sum() == kernel.warp_instructions
        causes = table.columns[list(table.columns).index("hazards") + 1 :]
        assert (table[causes].sum(axis=1) == table["waited"]).all()
        assert not table["waited"][table["issued"] == 0].any()
        assert table["hazards"].sum() == 0
        assert table["control"].str.match(r"\{S\d+.*\}").all()


def test_waits_at_a_barrier_stand_at_the_barrier():
    machine, design = accelerator("gpu-core"), cs.design("gpu-core")
    (listing,) = machine.listings(design, load("cuda-sgemm-tiled:n=32"))
    table = listing.table.frame()
    bars = table["instruction"].str.startswith("BAR")
    issued = table["issued"][bars].sum()
    assert table["barrier"][bars].sum() >= 20 * issued * 0.9  # BARRIER_CYCLES, but for the last stall of each warp
    assert table["barrier"][~bars].sum() == 0
    after = table[bars.shift(fill_value=False)]
    assert after["stall"].sum() < 10 * after["issued"].sum()


def test_listings_are_text_and_json(tmp_path):
    machine, design = accelerator("gpu-core"), cs.design("gpu-core")
    listings = machine.listings(design, load("cuda-vector-add:n=64"))
    text = write_listings(tmp_path / "a.txt", listings).read_text()
    assert "LDG.E R4, [R4.64]" in text
    assert " 0 hazards" in text
    (document,) = json.loads(write_listings(tmp_path / "a.json", listings).read_text())
    assert document["name"] == "vector_add"
    assert document["instructions"]["instruction"][5] == "@P0 EXIT"
    assert sum(document["instructions"]["issued"]) == 8 * 6 + 2 * 10  # six warps of eight leave at once


def test_a_timeline_has_every_issue():
    machine, design, kernels = accelerator("gpu-core"), cs.design("gpu-core"), load("cuda-vector-add:n=100")
    spans = list(machine.timeline(design, kernels))
    assert len(spans) == kernels.warp_instructions
    by_track = {}
    for span in spans:
        assert span.start >= by_track.get(span.track, 0)
        by_track[span.track] = span.end
    assert len(by_track) == 8


def test_shapes_of_the_register_file():
    """MICRO 2025, table 7: without its cache a blocked SGEMM is slower by a third, and a second port helps FLOPs alone."""
    sgemm, flops = _cycles(SGEMM), _cycles(FLOPS)
    assert 0.65 <= sgemm / _cycles(SGEMM, register_cache=False) <= 0.80
    assert 0.95 <= flops / _cycles(FLOPS, register_cache=False) <= 1.0
    ports = {"register_cache": False, "read_ports": 2}
    assert flops / _cycles(FLOPS, **ports) >= 1.2
    assert 0.95 <= sgemm / _cycles(SGEMM, **ports) <= 1.12


def test_more_prefetch_is_faster_up_to_eight_lines():
    cycles = [_cycles(SGEMM, prefetch_depth=depth) for depth in (0, 1, 2, 4, 8)]
    assert cycles == sorted(cycles, reverse=True)
    assert cycles[-1] / _cycles(SGEMM, prefetch_depth=16) == pytest.approx(1, abs=0.05)


@pytest.mark.parametrize(("workload", "macs"), [
    ("cuda-sgemm-tiled:n=32", 32**3), ("cuda-hgemm-tensor:n=32", 32**3), ("cuda-ffma-chain:n=2", 2 * 128 * 32),
    ("cuda-vector-add", 0),
])
def test_a_roofline_bounds_what_kernels_reach(workload, macs):
    machine, design, kernels = accelerator("gpu-core"), cs.design("gpu-core"), load(workload)
    metrics = cs.simulate(design, kernels).metrics
    assert metrics["macs"] == macs
    peaks = machine.ceiling(design, kernels)
    assert metrics["macs"] / metrics["time_s"] <= peaks.macs_per_s
    assert metrics["dram_bytes"] / metrics["time_s"] <= peaks.bytes_per_s
    assert peaks.macs_per_s == 4 * (256 if "tensor" in workload else 32) * 1.8e9


@pytest.mark.parametrize("arch", ["sm_80", "sm_90", "sm_120"])
def test_every_architecture_runs(arch):
    report = cs.simulate(cs.design("gpu-core"), f"cuda-hgemm-tensor:n=32,arch={arch}")
    assert report.ok
    assert report.metrics["hazards"] == 0
    assert sum(report.breakdown.values()) == report.metrics["cycles"]
