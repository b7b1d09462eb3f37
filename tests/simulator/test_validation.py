"""What a validation says of its checks."""

import json
import math

import pytest

from cyclescape.errors import InputError
from cyclescape.simulator.accelerator import Accelerator
from cyclescape.simulator.validation import Check, Difference, Validation


def outcome(*checks):
    difference = Difference("r1", "cycles", 9, None, "off by one")
    return Validation("a tool", "a table", checks, (difference,), ("a note",))


def test_a_check_is_equal_or_close():
    assert Check.equal("r", "f", 3, 3).ok
    assert not Check.equal("r", "f", 3, 4).ok
    assert Check.close("r", "f", 100, 103, relative=0.03).ok
    assert not Check.close("r", "f", 100, 103.1, relative=0.03).ok
    assert Check.close("r", "f", 1.0, 1.05, relative=0.01, absolute=0.06).ok
    assert not Check.close("r", "f", 1.0, math.nan, relative=0.5).ok


def test_the_error_is_relative_to_the_reference():
    assert Check.equal("r", "f", 200, 203).error == pytest.approx(0.015)
    assert Check.equal("r", "f", 0, 0).error == 0
    assert Check.equal("r", "f", 0, 1).error == math.inf


def test_the_outcome_holds_only_if_every_check_does():
    good, bad = Check.equal("r1", "cycles", 4, 4), Check.equal("r2", "cycles", 4, 5)
    assert outcome(good).ok
    assert not outcome(good, bad).ok
    assert outcome(good, bad).failures == (bad,)
    assert not outcome().ok, "nothing was checked, so nothing holds"


def test_the_summary_counts_by_field():
    said = outcome(
        Check.equal("r1", "cycles", 4, 4), Check.equal("r2", "cycles", 4, 5), Check.equal("r2", "reads", 2, 2)
    )
    assert said.summary() == [
        {"field": "cycles", "checks": 2, "held": 1, "largest_error": 0.25},
        {"field": "reads", "checks": 1, "held": 1, "largest_error": 0.0},
    ]
    assert said.rows == 2
    assert str(said) == "a tool (a table): 2 of 3 checks hold, 2 rows"


def test_it_is_json_and_tables():
    said = outcome(Check.equal("r1", "cycles", 4, 4), Check.equal("r2", "cycles", 4, 5))
    plain = json.loads(json.dumps(said.to_dict()))
    assert [failure["row"] for failure in plain["failures"]] == ["r2"]
    assert plain["differences"][0]["reason"] == "off by one"
    assert list(said.frame().columns) == ["row", "field", "expected", "got", "ok", "note"]
    assert list(said.differences_frame()["theirs"]) == [9]
    assert list(outcome().frame().columns) == ["row", "field", "expected", "got", "ok", "note"]


def test_a_machine_without_a_reference_says_so():
    class Bare(Accelerator):
        name = "bare"

        def simulate_many(self, designs, workload, *, engine="compiled"):
            return []

    with pytest.raises(InputError, match="bare has no reference table"):
        Bare.validate()
