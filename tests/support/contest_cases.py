"""A contest small enough for a test: 144 designs, enumerated in a moment."""

from __future__ import annotations

from pathlib import Path

from cyclescape.agents.contest.problem import ContestProblem
from cyclescape.agents.contest.table import enumerate_problem
from cyclescape.agents.contest.truth import Truth, Vertex, truth_of

TINY = """
accelerator: systolic
workloads: ["attention:seq_len=64,heads=1,head_dim=32"]
objective: [time_s, area_mm2]
constraints: ["area_mm2<=0.6"]
fixed: {ifmap_sram_kib: 16, filter_sram_kib: 16, ofmap_sram_kib: 16, activation_sram_kib: 0, vector_lanes: 8}
values:
  rows: [4, 8, 16, 32]
  cols: [4, 8, 16, 32]
  dataflow: [os, ws, is]
  bandwidth_bytes_per_cycle: [4, 16, 64]
"""


def tiny(folder: Path, text: str = TINY, name: str = "tiny") -> Path:
    """Write the problem and its truth beside it; returns the problem's path."""
    path = folder / f"{name}.yaml"
    path.write_text(text)
    asked = ContestProblem.read(path)
    truth_of(asked, enumerate_problem(asked, folder / "tables")).write(folder / f"{name}.truth.json")
    return path


def by_hand(*costs: tuple[float, ...], reference: tuple[float, ...], hypervolume: float) -> Truth:
    """A truth of log10 costs that a test worked out on paper."""
    front = tuple(Vertex(values=tuple(10.0**c for c in cost), costs=cost, design={}, designs=1) for cost in costs)
    return Truth(
        problem="hand", model="", workloads=(), objective=("a",) * len(reference), space="", points=100, distinct=100,
        feasible_share=0.5, failing_share=0.0, front=front, reference=reference, hypervolume=hypervolume,
    )
