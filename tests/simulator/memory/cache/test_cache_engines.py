"""Hierarchies: the compiled kernel equals the cycle-by-cycle reference, and what is conserved."""

import random
from dataclasses import replace

import numpy as np
import pytest

from cyclescape.accelerators.hierarchy import MemoryHierarchy
from cyclescape.accelerators.hierarchy.design import HierarchyDesign
from cyclescape.errors import DesignError
from cyclescape.simulator.memory.cache import columns as k
from cyclescape.simulator.memory.cache.dram_memory import DramMemory
from cyclescape.simulator.memory.cache.hierarchy import FixedMemory, Hierarchy, Level, Prefetcher, Scratchpad
from cyclescape.simulator.memory.cache.reference.system import System
from cyclescape.simulator.memory.cache.run import simulate
from cyclescape.simulator.memory.dram.devices import device
from cyclescape.simulator.memory.dram.system import DramSystem
from cyclescape.traces.address_generators import address_trace
from cyclescape.traces.addresses import AddressTrace

LINE = 64


def draw_level(draw: random.Random, *, top: bool) -> Level:
    ways = draw.choice([1, 2, 4])
    inclusion = "none" if top else draw.choice(["none", "none", "inclusive", "exclusive"])
    fetch = Prefetcher(draw.choice(["next-line", "stream", "stride"]), draw.choice([1, 2, 4]), 4, draw.choice([512, 4096]))
    return Level(
        ways * LINE * draw.choice([1, 2, 4]) * (1 if top else 4), ways, draw.choice(["lru", "plru", "srrip", "random"]),
        draw.choice(["back", "back", "through"]), draw.random() < 0.7, inclusion, draw.choice([1, 2, 5]),
        draw.choice([1, 1, 3]), draw.choice([1, 2]), draw.choice([1, 2, 4]), draw.choice([1, 2, 8]), draw.choice([3, 8]),
        fetch if inclusion != "exclusive" and draw.random() < 0.5 else None, draw.randrange(1, 1000),
    )


def draw_case(draw: random.Random) -> tuple[Hierarchy, list[AddressTrace]]:
    """A small hierarchy of any shape, and a trace for each master that makes its parts busy."""
    depth, masters = draw.choice([1, 2, 3]), draw.choice([1, 1, 2])
    levels = tuple(draw_level(draw, top=i == 0) for i in range(depth))
    pads = (Scratchpad(0, 256, 2, draw.choice([1, 2]), 2),) if draw.random() < 0.3 else ()
    memory = FixedMemory(draw.choice([1, 10, 40]), draw.choice([4, 16, 64]), draw.choice([3, 8]))
    hierarchy = Hierarchy(
        levels, memory, LINE, 8, draw.choice([1, 4, 16]), pads, masters, draw.randrange(1, depth + 1),
    )
    traces = []
    for _ in range(masters):
        n = draw.choice([20, 60, 120])
        at = np.cumsum([draw.choice([0, 0, 8, 64, 64, 128, -64]) for _ in range(n)]) % draw.choice([512, 2048])
        far = [draw.randrange(0, 4096, 8) if draw.random() < 0.3 else int(a) for a in at]
        arrival = np.cumsum([draw.choice([0, 0, 0, 1, 9]) for _ in range(n)])
        traces.append(AddressTrace.of("drawn", far, [draw.random() < 0.4 for _ in range(n)], arrival))
    return hierarchy, traces


@pytest.mark.parametrize("seed", range(150))
def test_compiled_kernel_equals_the_reference(seed):
    hierarchy, traces = draw_case(random.Random(seed))
    result, system = simulate(hierarchy, *traces), System(hierarchy, *traces)
    accesses = system.run()
    assert [(a.issued, a.done, a.served) for a in accesses] == list(
        zip(result.issued.tolist(), result.done.tolist(), result.served.tolist(), strict=True)
    )
    for copies, row in zip(result.caches, system.caches, strict=True):
        for counts, cache in zip(copies, row, strict=True):
            assert counts.lookups.tolist() == [[cache.counts[kind, out] for out in k.OUTCOMES] for kind in k.KINDS]
            assert {name: cache.events[name] for name in counts.events} == counts.events
    assert dict(result.memory_requests) == {kind: system.memory.traffic[kind] for kind in k.KINDS}
    for master in range(hierarchy.masters):
        parts = result.breakdown(master)
        assert min(parts.values()) >= 0
        assert sum(parts.values()) == result.done[result.of(master)].max()


@pytest.mark.parametrize("seed", range(8))
def test_a_dram_controller_behind_a_hierarchy(seed):
    draw = random.Random(500 + seed)
    hierarchy, traces = draw_case(draw)
    system = DramSystem(device(draw.choice(["DDR4_2400R", "HBM2_2000", "LPDDR5_6400"])), draw.choice([1, 2]))
    hierarchy = replace(hierarchy, memory=DramMemory(system, draw.choice([400.0, 1000.0])))
    result = simulate(hierarchy, *traces)
    assert [(a.issued, a.done) for a in System(hierarchy, *traces).run()] == list(
        zip(result.issued.tolist(), result.done.tolist(), strict=True)
    )


@pytest.mark.parametrize("seed", range(30))
def test_lines_are_conserved(seed):
    """Each dirty line is written back once, stays, or moves; what a level fetches is what the one below hands up."""
    hierarchy, traces = draw_case(random.Random(1000 + seed))
    result = simulate(hierarchy, *traces)
    for counts in result.levels:
        events = counts.events
        assert events["dirtied"] == events["writebacks"] + events["moved_up_dirty"] + counts.dirty_lines
        fetched = events["prefetches_issued"]
        assert fetched == events["prefetches_useful"] + events["prefetches_late"] + events["prefetches_useless"] + (
            counts.unused_prefetches
        )
    assert result.levels[0].accesses + (result.served == "scratchpad").sum() == sum(map(len, traces))


def test_impossible_levels_are_refused():
    with pytest.raises(DesignError, match="size_bytes=100; accepted: a multiple of 128"):
        Hierarchy((Level(100, ways=2),))
    with pytest.raises(DesignError, match="plru is a binary tree"):
        Level(3 * 64, ways=3, policy="plru")
    with pytest.raises(DesignError, match="an exclusive level holds only what was evicted"):
        Level(128, 2, inclusion="exclusive", prefetcher=Prefetcher())


def test_reports_of_the_machine_sum_up():
    trace = address_trace("random", 400, footprint=1 << 16, writes="every3")
    for preset in HierarchyDesign.presets.values():
        report = MemoryHierarchy().run([HierarchyDesign.make({**preset, "memory": "dram"})], trace, engine="reference")[0]
        assert sum(report.breakdown.values()) == report.metrics["cycles"]
        parts = [value for name, value in report.metrics.items() if name.startswith("energy_") and name != "energy_j"]
        assert sum(parts) == pytest.approx(report.metrics["energy_j"])
        assert set(report.metrics) <= set(MemoryHierarchy.metrics)
