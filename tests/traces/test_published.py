"""MACs and parameters of every network against published figures; each row of the table names its source.

A value without a unit must be met exactly. One with a unit must be met to its last digit. `difference`
is what a known and explained difference adds to it.
"""

import csv
from decimal import Decimal
from pathlib import Path

import pytest

from cyclescape.errors import InputError
from cyclescape.simulator.networks import validate_networks
from cyclescape.traces import catalog
from cyclescape.traces.published import figures

_UNITS = {"K": 10**3, "M": 10**6, "G": 10**9, "B": 10**9}
with (Path(catalog.__file__).parent / "published.csv").open(newline="") as table:
    ROWS = list(csv.DictReader(table))


def _number(text: str) -> tuple[int, int]:
    """Return the value and the size of its last digit."""
    unit = _UNITS.get(text[-1], 1)
    digits = Decimal(text.rstrip("KMGB"))
    return int(digits * unit), int(Decimal(1).scaleb(digits.as_tuple().exponent) * unit)


def _count(workload: object, quantity: str) -> int:
    if quantity == "conv_macs":
        return sum(op.macs for op in workload.operators if op.kind == "conv")
    if quantity == "conv_weights":
        return sum(op.weight_elements for op in workload.operators if op.kind == "conv")
    return getattr(workload, quantity)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row['workload']} {row['quantity']} {row['value']}")
def test_count_is_as_published(row: dict[str, str]) -> None:
    value, last_digit = _number(row["value"])
    difference, _ = _number(row["difference"])
    assert row["source"], "every figure has a source"
    assert bool(difference) == bool(row["why"]), "every difference is explained"
    ours = _count(catalog.load(row["workload"]), row["quantity"])
    assert abs(ours - difference - value) * 2 <= last_digit - (last_digit == 1), f"{ours:,} against {row['value']}"


def test_every_network_is_in_the_table() -> None:
    listed = {row["workload"].partition(":")[0] for row in ROWS}
    networks = {entry.name for entry in catalog.entries("network") if not entry.name.startswith(".")}
    assert listed == networks - {"attention"}  # one operator alone, of any size: nobody publishes its counts


@pytest.mark.parametrize("quantity", ["macs", "params"])
def test_every_network_has_each_quantity(quantity: str) -> None:
    for entry in catalog.entries("network"):
        rows = [r for r in ROWS if r["workload"].partition(":")[0] == entry.name and r["quantity"] == quantity]
        never_published = quantity == "macs" and entry.name == "m2-bert-base"
        assert rows or entry.name.startswith(".") or entry.name == "attention" or never_published, entry.name


def test_validation_holds_and_names_every_difference() -> None:
    outcome = validate_networks()
    assert outcome.ok
    assert len(outcome.checks) == len(ROWS)
    assert [d.reason.startswith(row["why"]) for d, row in zip(outcome.differences, [r for r in ROWS if r["why"]], strict=True)]


HEADER = "workload,quantity,value,source,difference,why\n"


@pytest.mark.parametrize(
    ("value", "difference", "ok"),
    [("24", "0", True), ("25", "0", False), ("20", "4", True), ("0.024K", "0", True), ("0.02K", "0", True),
     ("0.03K", "0", False), ("0.1K", "0", False)],
)
def test_a_table_of_ones_own_is_met_or_not(tmp_path: Path, value: str, difference: str, ok: bool) -> None:
    layers, table = tmp_path / "layers.csv", tmp_path / "table.csv"
    layers.write_text("Layer,M,N,K\nL0,2,3,4\n")
    table.write_text(f"{HEADER}{layers},macs,{value},me,{difference},{'because' if difference != '0' else ''}\n")
    assert validate_networks(table).ok is ok


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "no line; accepted: workload, quantity"),
        (HEADER, "no line below the header"),
        (HEADER + "vgg16,macs,1\n", ":2: 3 cells; accepted: 6"),
        (HEADER + "vgg16,flops,1,me,0,\n", ":2: quantity='flops' .accepted: macs, params"),
        (HEADER + "vgg16,macs,many,me,0,\n", ":2: value='many' .accepted: a number"),
        (HEADER + "vgg16,macs,1e99999,me,0,\n", ":2: value='1e99999'"),
        (HEADER + "vgg16,macs,1,me,3,\n", ":2: difference='3', why=''"),
    ],
)
def test_a_broken_table_is_one_clear_line(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "table.csv"
    path.write_text(text)
    with pytest.raises(InputError, match=words) as caught:
        figures(path)
    assert str(caught.value).startswith(str(path))
