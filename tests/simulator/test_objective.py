import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cyclescape.errors import InputError
from cyclescape.simulator.formula import Formula, Term
from cyclescape.simulator.objective import FAILED, Objective
from cyclescape.simulator.report import Report

METRICS = {"cycles": 1000, "time_s": 2e-3, "energy_j": 0.5, "area_mm2": 10.0, "utilization": 0.25}
positive = st.floats(1e-12, 1e12)


def report(**changes: float) -> Report:
    return Report({**METRICS, **changes})


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("edp", 1e-3),
        ("latency", 2e-3),
        ("power", 250.0),
        ("energy_j*time_s**2", 2e-6),
        ("energy_j * time_s ^ 2", 2e-6),
        ("cycles/area_mm2/area_mm2", 10.0),
        ("edap", 1e-2),
    ],
)
def test_formula(text: str, value: float) -> None:
    assert Formula.parse(text).of(METRICS) == pytest.approx(value, rel=1e-12)


@pytest.mark.parametrize(
    ("text", "name", "sign"),
    [
        ("cycles", "cycles", 1),
        ("edp", "edp", 1),
        ("utilization", "utilization", -1),
        ("throughput_ops_per_s", "throughput_ops_per_s", -1),
        ("ipc", "ipc", -1),
        ("row_hit_rate", "row_hit_rate", -1),
        ("area_mm2/throughput_ops_per_s", "area_mm2/throughput_ops_per_s", 1),
        ("max:cycles", "cycles", -1),
        ("min: utilization", "utilization", 1),
        ("-cycles", "cycles", -1),
    ],
)
def test_direction(text: str, name: str, sign: int) -> None:
    term = Term.parse(text)
    assert (term.name, term.sign) == (name, sign)


@pytest.mark.parametrize(
    ("objective", "constraints", "says"),
    [
        ("", "", "terms"),
        ("edp,edp", "", "given twice"),
        ("edp+1", "", "not understood at '+1'"),
        ("2*edp", "", "not understood"),
        ("best:edp", "", "direction 'best' (accepted: min, max)"),
        ("utilization*cycles", "", "which way is better?"),
        ("edp", "area_mm2<20", "METRIC<=NUMBER"),
        ("edp", "area_mm2<=big", "METRIC<=NUMBER"),
        ("edp", "area_mm2<=nan", "METRIC<=NUMBER"),
        ("edp", "area_mm2", "METRIC<=NUMBER"),
    ],
)
def test_wrong_text_is_one_line(objective: str, constraints: str, says: str) -> None:
    with pytest.raises(InputError) as error:
        Objective.parse(objective, constraints)
    assert says in str(error.value)
    assert "\n" not in str(error.value)


def test_unknown_metric_lists_what_is_accepted() -> None:
    with pytest.raises(InputError) as error:
        Objective.parse("time_s", "weight_kg<=2").check(METRICS)
    assert str(error.value).startswith("constraint 'weight_kg': no metric 'weight_kg' (accepted:")
    assert "accepted: cycles, time_s" in str(error.value)
    assert "edp" in str(error.value)


def test_unknown_metric_names_the_one_that_is_most_like_it() -> None:
    cases = [
        ("time", (), "objective 'time': no metric 'time'; did you mean 'time_s'?"),
        ("time_s", "cycle<=2", "constraint 'cycle': no metric 'cycle'; did you mean 'cycles'?"),
    ]
    for objective, limits, says in cases:
        with pytest.raises(InputError) as error:
            Objective.parse(objective, limits).check(METRICS)
        assert says in str(error.value)


def test_weights_must_fit_the_workloads() -> None:
    objective = Objective.parse("edp", weights=(1, 2))
    objective.check(METRICS, workloads=2)
    with pytest.raises(InputError, match="2 given for 3 workloads"):
        objective.check(METRICS, workloads=3)


@pytest.mark.parametrize("aggregate", ["geomean", "sum", "worst"])
def test_json_round_trip(aggregate: str) -> None:
    objective = Objective.parse("edp, max:utilization", ["area_mm2<=20"], aggregate=aggregate, weights=[1, 2])
    assert Objective.model_validate_json(objective.model_dump_json()) == objective
    assert Objective.parse(objective) == objective
    assert json.loads(objective.model_dump_json())["terms"] == ["edp", "max:utilization"]


@pytest.mark.parametrize(("aggregate", "value"), [("geomean", 2 ** (2 / 3)), ("sum", 9.0), ("worst", 8.0)])
def test_aggregation_with_weights(aggregate: str, value: float) -> None:
    objective = Objective.parse("time_s", aggregate=aggregate, weights=(1, 2))
    outcome = objective.outcome([report(time_s=1.0), report(time_s=2.0 if aggregate == "geomean" else 4.0)])
    assert outcome.values["time_s"] == pytest.approx(value)


def test_worst_of_a_maximised_term_is_the_smallest() -> None:
    objective = Objective.parse("utilization", aggregate="worst")
    assert objective.outcome([report(utilization=0.9), report(utilization=0.2)]).values == {"utilization": 0.2}


def test_constraints_hold_on_every_workload() -> None:
    objective = Objective.parse("edp", "time_s<=0.01; utilization>=0.2")
    good = objective.outcome([report(), report(time_s=0.005)])
    bad = objective.outcome([report(), report(time_s=0.02)])
    assert good.feasible
    assert good.slacks == {"time_s<=0.01": pytest.approx(0.5), "utilization>=0.2": pytest.approx(0.25)}
    assert not bad.feasible
    assert bad.slacks["time_s<=0.01"] == pytest.approx(-1.0)
    assert bad.violations[0] == pytest.approx(math.log10(2))


def test_a_limit_of_zero_is_kept_exactly() -> None:
    objective = Objective.parse("edp", "stall_cycles<=0")
    assert objective.outcome(report(stall_cycles=0)).feasible
    assert not objective.outcome(report(stall_cycles=1)).feasible


@pytest.mark.parametrize(
    ("broken", "says"),
    [
        (Report.failed("too big"), "too big"),
        (report(energy_j=math.nan), "not a finite number"),
        (report(energy_j=math.inf), "not a finite number"),
        (Report({"cycles": 1}), "no metric 'energy_j'"),
    ],
)
def test_a_design_without_numbers_has_a_reason_and_a_finite_reward(broken: Report, says: str) -> None:
    objective = Objective.parse("edp", "area_mm2<=20")
    outcome = objective.outcome([report(), broken])
    assert says in (outcome.reason or "")
    assert not outcome.feasible
    assert objective.reward(outcome) == FAILED
    assert objective.reward(outcome, objective.outcome([report(), report()])) == FAILED


def test_division_by_zero_is_a_reason() -> None:
    assert "no value" in (Objective.parse("power").outcome(report(time_s=0.0)).reason or "")


@given(positive, positive)
def test_less_cost_is_more_reward(one: float, two: float) -> None:
    objective = Objective.parse("time_s")
    rewards = [objective.reward(objective.outcome(report(time_s=value))) for value in (one, two)]
    assert (rewards[0] > rewards[1]) == (math.log10(one) < math.log10(two))


@given(positive, st.floats(1.001, 1e6), st.floats(1.001, 1e3))
def test_the_penalty_grows_smoothly_with_the_violation(value: float, excess: float, more: float) -> None:
    objective = Objective.parse("time_s", "area_mm2<=10")
    free, kept, over, further = (
        objective.reward(objective.outcome(report(time_s=value, area_mm2=area)))
        for area in (1e-3, 10.0, 10.0 * excess, 10.0 * excess * more)
    )
    assert free == kept > over > further
    assert over == pytest.approx(kept - objective.steepness * math.log10(excess), abs=1e-9)


@given(st.lists(positive, min_size=1, max_size=5))
def test_a_reference_only_shifts_the_reward(values: list[float]) -> None:
    objective = Objective.parse("time_s")
    reference = objective.outcome(report(time_s=values[0]))
    for value in values:
        outcome = objective.outcome(report(time_s=value))
        shifted = objective.reward(outcome, reference)
        assert shifted == pytest.approx(max(objective.reward(outcome) - objective.reward(reference), FAILED))


def test_bottleneck_counts_all_workloads() -> None:
    reports = [Report(METRICS, {"compute": 5, "memory": 9}), Report(METRICS, {"compute": 7, "memory": 1})]
    assert Objective.parse("edp").outcome(reports).bottleneck == "compute"


@pytest.mark.parametrize("aggregate", ["geomean", "sum", "worst"])
def test_tiny_products_are_told_apart(aggregate: str) -> None:
    """The energy of a small product by the square of its time is about 1e-24."""
    objective = Objective.parse("ed2p", aggregate=aggregate)
    small, smaller = ([report(energy_j=energy, time_s=1e-9)] * 2 for energy in (2e-9, 1e-9))
    costs = [objective.outcome(reports) for reports in (small, smaller)]
    assert costs[0].costs[0] - costs[1].costs[0] == pytest.approx(math.log10(2))
    assert costs[0].values["ed2p"] == pytest.approx(2 * costs[1].values["ed2p"], rel=1e-9, abs=0)
