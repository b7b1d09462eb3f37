"""The table of SCALE-Sim runs: every row is equal, a changed one is found, a broken table is explained."""

import csv
from pathlib import Path

import pytest

from cyclescape.accelerators.systolic.scalesim import CHECKED, SHIPPED, read_table, report, validate
from cyclescape.errors import InputError


@pytest.fixture(scope="module")
def outcome():
    return validate()


def test_every_row_of_the_table_is_equal(outcome):
    assert outcome.ok, outcome.failures[:5]
    assert outcome.rows == 270
    reported = [check for check in outcome.checks if not check.field.startswith("machine")]
    assert len(reported) == 270 * len(CHECKED)
    modes = [row.mode for row in read_table()]
    assert (modes.count("CALC"), modes.count("USER")) == (144, 126)


def test_the_machine_itself_equals_the_stall_free_runs(outcome):
    """Cycles and accesses of the systolic machine with ideal memory, the named conventions undone."""
    machine = [check for check in outcome.checks if check.field.startswith("machine")]
    assert {check.row for check in machine} == {row.name for row in read_table() if row.mode == "CALC"}
    assert len(machine) == 144 * 4
    assert all(check.ok for check in machine)


def test_user_rows_are_told_apart_from_ours(outcome):
    user = [row for row in read_table() if row.mode == "USER"]
    assert [difference.row for difference in outcome.differences] == [row.name for row in user]
    assert [difference.theirs for difference in outcome.differences] == [
        int(row.reported["total_cycles"]) for row in user
    ]
    assert all("private channels" in difference.reason for difference in outcome.differences)
    assert sum("charged twice" in difference.reason for difference in outcome.differences) == 64
    for row, difference in zip(user, outcome.differences, strict=True):
        if difference.ours is not None:  # no bandwidth makes the folds themselves faster
            unstalled = int(row.reported["total_cycles"]) - int(row.reported["stall_cycles"])
            assert difference.ours > unstalled
    notes = "\n".join(outcome.notes)
    conventions = ("index of the last cycle", "rows + cols more", "emptied when full", "twice (64 rows)")
    assert all(convention in notes for convention in conventions)


def test_the_model_beside_the_tool_can_be_any(tmp_path):
    runs = table(tmp_path, lambda cells: None)
    asked, unasked = validate(runs, ours=lambda row: row.layer.m), validate(runs, ours=None)
    assert [difference.ours for difference in asked.differences] == [55 * 55]
    assert [difference.ours for difference in unasked.differences] == [None]


def data_lines():
    return [line for line in SHIPPED.read_text().splitlines() if not line.startswith("#")]


def table(tmp_path, change):
    """Write the first rows of the shipped table with one change and return the file's path."""
    header, *rows = list(csv.reader(data_lines()))[:4]
    cells = [dict(zip(header, row, strict=True)) for row in rows]
    change(cells)
    path = tmp_path / "runs.csv"
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(cells[0]))
        writer.writeheader()
        writer.writerows(cells)
    return path


def test_a_changed_number_is_found(tmp_path):
    def change(cells):
        cells[1]["dram_filter_reads"] = str(int(cells[1]["dram_filter_reads"]) + 1)
        cells[2]["mapping_eff_pct"] = str(float(cells[2]["mapping_eff_pct"]) + 1e-5)

    outcome = validate(table(tmp_path, change))
    assert not outcome.ok
    assert [(check.row, check.field) for check in outcome.failures] == [
        ("O001", "dram_filter_reads"), ("O002", "mapping_eff_pct"),
    ]


def test_columns_may_come_in_any_order_and_with_more_decimals(tmp_path):
    def change(cells):
        for index, row in enumerate(cells):
            exact = repr(report(read_table()[index]).values["overall_util_pct"])
            cells[index] = {**dict(reversed(row.items())), "overall_util_pct": exact, "remark": "mine"}

    outcome = validate(table(tmp_path, change))
    assert outcome.ok
    assert outcome.source.endswith("runs.csv")


def set_cell(row, column, value):
    return lambda cells: cells[row].update({column: value})


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (set_cell(1, "array_rows", "12x"), ["line 3", "array_rows='12x'", "an integer from 1 to 65536"]),
        (set_cell(0, "channels", "-3"), ["line 2", "channels='-3'", "an integer from 1"]),
        (set_cell(0, "stride", ""), ["line 2", "stride=''", "an integer from 1"]),
        (set_cell(0, "stride", "²"), ["line 2", "stride='²'", "an integer from 1"]),
        (set_cell(0, "filt_h", "500"), ["line 2", "filt_h='500'", "at most 224"]),
        (set_cell(2, "dataflow", "rs"), ["line 4", "dataflow='rs'", "os, ws, is"]),
        (set_cell(2, "kind", "pool"), ["line 4", "kind='pool'", "conv, gemm"]),
        (set_cell(2, "mode", "calc"), ["line 4", "mode='calc'", "CALC, USER"]),
        (set_cell(1, "filter_bw", ""), ["line 3", "filter_bw=''", "an integer from 1"]),
        (set_cell(1, "total_cycles", "3e4"), ["line 3", "total_cycles='3e4'", "an integer"]),
        (set_cell(1, "compute_util_pct", "n/a"), ["line 3", "compute_util_pct='n/a'", "a number"]),
        (set_cell(1, "channels", "1000000"), ["line 3", "channels='1000000'", "words"]),
        (lambda cells: [row.pop("stride") for row in cells], [":1: column 'stride' is missing"]),
        (lambda cells: cells.__delitem__(slice(1, None)) or cells[0].update(kind=""), ["line 2", "kind=''"]),
    ],
)
def test_a_table_that_cannot_be_used_is_one_clear_line(tmp_path, change, said):
    path = table(tmp_path, change)
    with pytest.raises(InputError) as error:
        validate(path)
    message = str(error.value)
    assert "\n" not in message
    assert all(part in message for part in ["runs.csv", "accepted", *said]), message


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "No such file"),
        (b"", "no line"),
        (b"# only a comment\n", "no line"),
        (b"\xff\xfe\x00", "UTF-8"),
        (("\n".join(data_lines()[:1])).encode(), "no line below the header"),
        (("\n".join(data_lines()[:2]) + ",17").encode(), "49 cells"),
    ],
)
def test_a_file_that_is_no_table_is_one_clear_line(tmp_path, content, said):
    path = tmp_path / "runs.csv"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match=said) as error:
        read_table(path)
    assert "\n" not in str(error.value)
    assert str(path) in str(error.value)


def test_a_folder_is_no_table(tmp_path):
    with pytest.raises(InputError, match="accepted: a CSV file"):
        read_table(Path(tmp_path))
