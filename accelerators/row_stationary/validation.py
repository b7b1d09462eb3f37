"""The check against published figures: Eyeriss's active PEs and the latency and utilisation of grouped MobileNets."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from ...errors import InputError
from ...reading import read_table as read_cells
from ...simulator.report import Report
from ...simulator.validation import Check, Difference, Validation
from ...traces.catalog import load
from .design import GROUP_MAPPINGS, RowStationaryDesign

__all__ = ["FIELDS", "SHIPPED", "Row", "read_table", "validate"]

SHIPPED = Path(__file__).parent / "reference" / "published.csv"
COLUMNS = ("role", "preset", "workload", "operator", "group_mapping", "field", "value", "digits", "reason")

NOTES = (
    "active_pes is the fullest pass of a layer, mean_active_pes the mean over its passes: conv1's 55 rows of outputs fill 14 "
    "columns three times and then 13, with 11 rows of filter 154 PEs and at the end 143; nn_dataflow gives the mean, 151, "
    "and the chip's paper the fullest pass, 154",
    "the figures of grouped MobileNets count passes of at most one group's filters that run on over the border of two groups "
    "(group_mapping=straddling); with filters of one group only in a pass (group_mapping=one) G = 4 to 32 take 2 to 6 % more",
    "utilization_gain_pct at G = 8 is 40.7; from means rounded to two digits it reads 40.8",
)


@dataclass(frozen=True)
class Row:
    """A line of the table."""

    line: int
    check: bool
    """Whether the model must give the number; otherwise it is only shown beside the model's."""
    preset: str
    workload: str
    operator: str
    group_mapping: str
    field: str
    value: float
    digits: int
    reason: str

    @property
    def name(self) -> str:
        """How the row is told."""
        parts = (self.preset, self.workload, self.operator, self.group_mapping and f"group_mapping={self.group_mapping}")
        return " ".join(part for part in parts if part)


def validate(table: Path | None = None) -> Validation:
    """Compute every number of the shipped table, or of another of its form."""
    path = table or SHIPPED
    checks, differences = [], []
    for row in read_table(path):
        try:
            got = round(FIELDS[row.field](row), row.digits)
        except InputError as error:
            raise InputError(f"{path}, line {row.line}: {error}") from None
        if row.check:
            checks.append(Check.equal(row.name, row.field, row.value, got, row.reason))
        else:
            differences.append(Difference(row.name, row.field, row.value, got, row.reason))
    name = "Eyeriss and DRACO" if table is None else "row-stationary table"
    return Validation(name, str(path), tuple(checks), tuple(differences), NOTES if table is None else ())


def read_table(path: Path = SHIPPED) -> list[Row]:
    """Read a table of that form; raises `InputError` naming file, line, column, value and what is accepted."""
    return [_row(path, line, cells) for line, cells in read_cells(path, COLUMNS)]


def _row(path: Path, line: int, cells: Mapping[str, str]) -> Row:
    accepted: dict[str, tuple[str, ...]] = {
        "role": ("check", "beside"), "preset": ("", *RowStationaryDesign.presets),
        "group_mapping": ("", *GROUP_MAPPINGS), "field": tuple(FIELDS),
    }
    cell = {name: cells.get(name, "").strip() for name in COLUMNS}
    for column, values in accepted.items():
        if cell[column] not in values:
            raise InputError(f"{path}, line {line}: {column}={cell[column]!r}; accepted: {', '.join(filter(None, values))}")
    try:
        value, digits = float(cell["value"]), int(cell["digits"])
    except ValueError:
        raise InputError(
            f"{path}, line {line}: value={cell['value']!r}, digits={cell['digits']!r}; accepted: a number, an integer"
        ) from None
    return Row(line, cell["role"] == "check", cell["preset"], cell["workload"], cell["operator"], cell["group_mapping"],
               cell["field"], value, digits, cell["reason"])


@cache
def _run(preset: str, workload: str, group_mapping: str) -> Report:
    from .machine import RowStationary

    values = {"group_mapping": group_mapping} if group_mapping else {}
    design = RowStationaryDesign.make(values, preset=preset or None)
    report = RowStationary().run([design], load(workload))[0]
    if report.reason:
        raise InputError(f"{workload}: {report.reason}")
    return report


def _report(row: Row) -> Report:
    return _run(row.preset, row.workload, row.group_mapping)


def _plain(row: Row) -> Report:
    """The network without arguments on the preset: what gains are measured from."""
    return _run(row.preset, row.workload.partition(":")[0], "")


def _column(row: Row, column: str) -> float:
    """Return the sum of a column over the operators that are meant: one, or all whose names begin so ("conv*")."""
    layers = _report(row).layers
    prefix = row.operator.removesuffix("*")
    meant = layers["name"].str.startswith(prefix) if prefix != row.operator else layers["name"] == row.operator
    if not meant.any():
        raise InputError(f"operator={row.operator!r}: {row.workload} has {', '.join(layers['name'])}")
    return float(layers.loc[meant, column].sum())


def _time_ms(row: Row) -> float:
    frequency = RowStationaryDesign.make(preset=row.preset or None).frequency_mhz
    return _column(row, "compute_cycles") / (frequency * 1e3)


def _ratio_pct(row: Row, value: Callable[[Report], float]) -> float:
    return 100 * (value(_report(row)) / value(_plain(row)) - 1)


def _product_cycles(report: Report) -> float:
    return report.breakdown["compute"]


def _mean_utilization(report: Report) -> float:
    return report.metrics["mean_operator_utilization"]


FIELDS: dict[str, Callable[[Row], Any]] = {
    "active_pes": lambda row: _column(row, "active_pes"),
    "mean_active_pes": lambda row: _column(row, "mean_active_pes"),
    "time_ms": _time_ms,
    "dram_accesses_per_mac": lambda row: _column(row, "dram_accesses") / _column(row, "macs"),
    "product_cycles": lambda row: _product_cycles(_report(row)),
    "latency_reduction_pct": lambda row: -_ratio_pct(row, _product_cycles),
    "mean_utilization_pct": lambda row: 100 * _mean_utilization(_report(row)),
    "utilization_gain_pct": lambda row: _ratio_pct(row, _mean_utilization),
    "macs_millions": lambda row: _report(row).metrics["macs"] / 1e6,
}
"""What a table can ask for."""
