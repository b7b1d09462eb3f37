"""The GPU as a machine: what it reports, and which way its parameters pull."""

from __future__ import annotations

import pytest

import cyclescape as cs
from cyclescape.simulator.registry import accelerator


def _simulate(workload, **parameters):
    report = cs.simulate(cs.design("gpu-core", **parameters), workload)
    assert report.ok, report.reason
    return report


@pytest.mark.parametrize("workload", ["ffma-chain:iterations=2", "vector-add:ctas=4", "max-flops:iterations=2",
                                      "register-blocked-sgemm:iterations=2"])
def test_report_is_whole(workload):
    report = _simulate(workload)
    machine = accelerator("gpu-core")
    assert set(report.metrics) == set(machine.metrics)
    assert sum(report.breakdown.values()) == report.metrics["cycles"]
    assert report.metrics["hazards"] == 0
    assert sum(v for k, v in report.metrics.items() if k.startswith("energy_") and k != "energy_j") == pytest.approx(
        report.metrics["energy_j"])
    assert report.breakdown["issued"] == pytest.approx(
        report.metrics["warp_instructions"] / 4, abs=1)


def test_dependent_ffma_costs_four_cycles():
    few, many = (_simulate(f"ffma-chain:iterations={n}").metrics["cycles"] for n in (4, 12))
    overhead = (many - few) / 8 - 4 * 128
    assert 10 <= overhead <= 45


def test_register_cache_matters_to_sgemm_and_read_ports_to_flops():
    sgemm, flops = "register-blocked-sgemm:iterations=8,warps=8", "max-flops:iterations=8,warps=8"
    base = {name: _simulate(name).metrics["cycles"] for name in (sgemm, flops)}
    no_cache = {name: _simulate(name, register_cache=False).metrics["cycles"] for name in (sgemm, flops)}
    two_ports = {name: _simulate(name, register_cache=False, read_ports=2).metrics["cycles"] for name in (sgemm, flops)}
    assert 0.65 <= base[sgemm] / no_cache[sgemm] <= 0.80
    assert no_cache[flops] == pytest.approx(base[flops], rel=0.02)
    assert base[flops] / two_ports[flops] >= 1.3
    assert 0.85 <= two_ports[sgemm] / base[sgemm] <= 1.0


def test_a_block_that_does_not_fit_has_a_reason():
    report = cs.simulate(cs.design("gpu-core", warps=8), "vector-add:warps=16,ctas=1")
    assert not report.ok
    assert "16 warps does not fit" in report.reason


@pytest.mark.parametrize(("preset", "gb_per_s", "arch"), [
    ("rtx-2080ti", 616, "sm_75"), ("rtx-3080", 760, "sm_86"), ("rtx-3090", 936, "sm_86"), ("rtx-a6000", 768, "sm_86"),
    ("rtx-5070ti", 896, "sm_120"), ("a100", 1555, "sm_80"), ("h100-pcie", 2039, "sm_90"),
])
def test_presets_run_what_is_compiled_for_them(preset, gb_per_s, arch):
    design = cs.design("gpu-core", preset=preset)
    assert design.dram_bytes_per_cycle * design.frequency_mhz / 1000 == pytest.approx(gb_per_s, rel=0.005)
    report = cs.simulate(design, f"cuda-stencil:n=64,arch={arch}")
    assert report.ok, report.reason
    assert report.metrics["hazards"] == 0


def test_short_name():
    assert accelerator("gpu").name == "gpu-core"
