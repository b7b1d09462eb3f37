"""A term or a constraint that is given twice would count twice: it is refused, however it is written."""

from __future__ import annotations

import pytest
from refusals import refusal

from cyclescape.simulator.objective import Objective


@pytest.mark.parametrize(
    "constraints",
    [
        "area_mm2<=0.5; area_mm2<=0.5",
        ["area_mm2<=0.5", "area_mm2 <= 0.50"],
        ["energy_j*time_s<=1", "time_s * energy_j<=1e0"],
        ["edp<=1", "energy_j<=1", "edp <= 1"],
    ],
)
def test_constraints(constraints: str | list[str]) -> None:
    said = refusal(lambda: Objective.parse("edp", constraints))
    assert said.endswith("is given twice (accepted: each once; a penalty counts for each)")


def test_a_constraint_of_the_objective_itself() -> None:
    given = Objective.parse("edp", "area_mm2<=0.5")
    assert "constraint 'area_mm2 <= 0.5' is given twice" in refusal(lambda: Objective.parse(given, ["area_mm2 <= 0.5"]))


@pytest.mark.parametrize("terms", ["edp,edp", "energy_j*time_s, time_s * energy_j", "cycles, min:cycles", "time_s,max:time_s"])
def test_terms(terms: str) -> None:
    assert refusal(lambda: Objective.parse(terms)).endswith("a term is given twice")


def test_what_only_looks_alike_is_taken() -> None:
    """`area` may be a metric of the machine's own, and a range has two ends."""
    objective = Objective.parse("edp, energy_j", "area<=1; area_mm2<=1; area_mm2>=1; area_mm2<=2")
    assert len(objective.limits) == 4
