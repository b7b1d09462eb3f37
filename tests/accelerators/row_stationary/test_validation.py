"""Eyeriss's active PEs and DRACO's table: every figure holds, a changed one is found, a broken table is explained."""

from __future__ import annotations

import pytest

from cyclescape.accelerators.row_stationary.validation import SHIPPED, read_table, validate
from cyclescape.errors import InputError


@pytest.fixture(scope="module")
def outcome():
    return validate()


def test_active_pes_of_eyeriss(outcome):
    assert outcome.ok, outcome.failures
    found = {(check.row.split()[-1], check.field): check.got for check in outcome.checks if "eyeriss" in check.row}
    assert [found[f"conv{i}", "active_pes"] for i in range(1, 6)] == [154, 135, 156, 156, 156]
    assert [found[f"conv{i}", "mean_active_pes"] for i in range(1, 6)] == [151, 135, 156, 156, 156]


def test_the_table_of_grouped_mobilenets(outcome):
    cycles = [check.got for check in outcome.checks if check.field == "product_cycles"]
    assert cycles == [378256, 265360, 214456, 221008, 248287, 324979, 158407]


def test_the_papers_claims_stand_beside_ours(outcome):
    beside = {difference.field: (difference.theirs, difference.ours) for difference in outcome.differences}
    assert beside["utilization_gain_pct"] == (41.8, 40.7)
    assert beside["latency_reduction_pct"] == (42.6, 41.6)
    assert len([d for d in outcome.differences if d.field == "time_ms"]) == 5
    assert all(d.ours < d.theirs for d in outcome.differences if d.field == "time_ms")


def changed(tmp_path, old, new):
    path = tmp_path / "table.csv"
    text = SHIPPED.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    return path


def test_a_changed_number_is_found(tmp_path):
    outcome = validate(changed(tmp_path, "product_cycles,221008", "product_cycles,221009"))
    assert [(check.field, check.expected, check.got) for check in outcome.failures] == [("product_cycles", 221009, 221008)]


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("check,eyeriss", "chick,eyeriss", ["line 4", "role='chick'", "check, beside"]),
        ("check,eyeriss", "check,eyeris", ["line 4", "preset='eyeris'", "eyeriss, draco-64x64"]),
        ("active_pes,154", "active_pe,154", ["line 4", "field='active_pe'", "mean_active_pes"]),
        ("active_pes,154", "active_pes,many", ["line 4", "value='many'", "a number"]),
        ("alexnet:batch=4,conv1", "alexnet:batch=4,conv9", ["line 4", "operator='conv9'", "conv1"]),
        ("alexnet:batch=4,conv1", "alexnett,conv1", ["line 4", "workload 'alexnett' is not known"]),
        (",many,", ",several,", ["group_mapping='several'", "one, straddling, many"]),
        ("role,preset", "roles,preset", ["column 'role' is missing"]),
    ],
)
def test_a_broken_table_is_explained(tmp_path, old, new, said):
    path = changed(tmp_path, old, new)
    with pytest.raises(InputError) as caught:
        validate(path)
    assert all(part in str(caught.value) for part in [str(path), *said])
    assert "\n" not in str(caught.value)


def test_a_table_that_cannot_be_read(tmp_path):
    with pytest.raises(InputError, match=r"none\.csv: cannot be read"):
        read_table(tmp_path / "none.csv")
    (tmp_path / "empty.csv").write_text("")
    with pytest.raises(InputError, match="no line; accepted: role"):
        read_table(tmp_path / "empty.csv")
