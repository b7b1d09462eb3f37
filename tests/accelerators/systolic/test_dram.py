"""memory="dram": the compiled run, the walk in plain Python and the clock-by-clock memory agree; and laws."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from systolic_cases import designs, workloads

from cyclescape.accelerators.systolic import dram_run, engines
from cyclescape.accelerators.systolic.dram_reference import walk
from cyclescape.accelerators.systolic.lowering import lower
from cyclescape.errors import DesignError
from cyclescape.simulator.memory.dram.reference_bursts import ReferenceBurstPort
from cyclescape.simulator.registry import accelerator
from cyclescape.traces.operators import Gemm
from cyclescape.traces.workload import Workload

SYSTOLIC = accelerator("systolic")
DEVICES = ("DDR4_2400R", "HBM2_2000", "DDR5_4800BN")


@st.composite
def dram_designs(draw):
    base = draw(designs())
    return type(base).make({
        **base.model_dump(), "memory": "dram", "dram_device": draw(st.sampled_from(DEVICES)),
        "dram_channels": draw(st.sampled_from([1, 1, 2])), "frequency_mhz": draw(st.sampled_from([200, 700, 1000, 2400])),
    })


@settings(max_examples=60)
@given(workloads(), dram_designs())
def test_both_engines_give_the_same_report(workload, design):
    fast, slow = (SYSTOLIC.run([design], workload, engine=engine)[0] for engine in SYSTOLIC.engines)
    assert fast == slow
    assert sum(fast.breakdown.values()) == fast.metrics["cycles"]
    explained = sum(value for name, value in fast.metrics.items() if name.startswith("stall_dram_"))
    stalled = sum(value for name, value in fast.breakdown.items() if name.startswith("stall_"))
    tick_s = design.offchip.system.device.tick_ps * 1e-12
    # A stall ends LINK_CYCLES after the answer, and both clocks are rounded; loads of second registers are not the memory's.
    assert explained <= stalled / (design.frequency_mhz * 1e6) + 4 * tick_s * len(fast.layers) + 1e-12


class _ByClocks:
    """The memory that visits every clock, behind the same calls."""

    def __init__(self, system):
        self.port, self.account = ReferenceBurstPort(system), Counter()

    def send(self, address, size, is_write, earliest):
        return self.port.send(address, size, is_write, earliest)

    def wait(self, transfer, since):
        return self.port.wait(transfer)


@settings(max_examples=8)
@given(dram_designs(), st.integers(1, 24), st.integers(1, 24), st.integers(1, 40))
def test_the_clock_by_clock_memory_gives_the_same_times(design, m, n, k):
    jobs = lower(Workload(name="w", operators=(Gemm(name="g", m=m, n=n, k=k),)))
    rows = engines.compiled([design], jobs)[0]
    memory = design.offchip
    ready = dram_run.prepare(design, jobs, 0, rows[0], memory)
    plan = engines.job_plan(design, jobs, 0, rows[0])
    seen, _ = walk(plan, ready.counts, ready.begin, ready.apart, _ByClocks(memory.system), memory.ticks)
    dram_run.run_on_dram(design, jobs, rows)
    assert rows[0, 0] == seen.cycles


@settings(max_examples=40)
@given(workloads(), dram_designs())
def test_a_dram_is_never_faster_than_its_data_bus_nor_than_ideal_memory(workload, design):
    ideal = type(design).make({**design.model_dump(), "memory": "ideal"})
    (real,), (best,) = SYSTOLIC.run([design], workload), SYSTOLIC.run([ideal], workload)
    assert real.metrics["cycles"] >= best.metrics["cycles"]
    seconds = real.metrics["dram_bytes"] / (design.offchip.peak_bits_per_cycle / 8 + 1) / (design.frequency_mhz * 1e6)
    assert real.metrics["time_s"] >= seconds or real.metrics["dram_bytes"] < 64
    assert 0 <= real.metrics["port_utilization"] <= 1


def test_transfers_cover_every_tile_once_and_in_its_region():
    """Addresses of one operator, listed by the kernel, against the regions they belong to."""
    design = SYSTOLIC.design.make({"rows": 8, "cols": 8, "memory": "dram", "ifmap_sram_kib": 1, "filter_sram_kib": 1,
                                   "ofmap_sram_kib": 1, "activation_sram_kib": 0})
    jobs = lower(Workload(name="w", operators=(Gemm(name="g", m=100, n=60, k=90),)))
    row = engines.compiled([design], jobs)[0][0]
    ready = dram_run.prepare(design, jobs, 0, row, design.offchip)
    steps, transfers = np.zeros((ready.steps, 5), np.int64), np.zeros((ready.transfers, 5), np.int64)
    from cyclescape.accelerators.systolic.dram import list_transfers

    list_transfers(*ready.tables[:8], ready.begin, ready.apart, steps, transfers)
    ends = [*ready.begin[1:], 2**40]
    stored = 0
    for kind, _, address, size, _ in transfers.tolist():
        region = 2 if kind == 2 and address < ready.begin[3] else 3 if kind == 2 else kind
        assert ready.begin[region] <= address < address + size <= ends[region]
        stored += size if region == 2 else 0
    assert stored == 100 * 60
    assert ready.begin[0] == 0


@pytest.mark.parametrize(("values", "reason"), [
    ({"dram_device": "DDR9"}, "dram_device: device 'DDR9' is not known"),
    ({"dram_channels": 3}, "dram_channels=3"),
])
def test_impossible_memories_are_one_line(values, reason):
    with pytest.raises(DesignError, match=reason) as caught:
        SYSTOLIC.design.make({"memory": "dram", **values})
    assert "\n" not in str(caught.value)


def test_an_operator_beyond_the_device_is_a_failed_report():
    design = SYSTOLIC.design.make({"memory": "dram", "rows": 256, "cols": 256, "filter_sram_kib": 2048,
                                   "ifmap_sram_kib": 2048, "ofmap_sram_kib": 2048})
    big = Workload(name="w", operators=(Gemm(name="big", m=64, n=2**20, k=2**18),))
    (report,) = SYSTOLIC.run([design], big)
    assert "operator 'big': its tensors take" in report.reason
    assert "dram_channels" in report.reason
