"""The rules of SCALE-Sim 3.0.0 held to its own output, and told apart from ours."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from ....simulator.validation import Check, Difference, Validation
from .. import mapping
from ..mapping import dataflow_code
from .ours import ideal_checks, stalled_cycles
from .table import CHECKED, Row, read_table
from .tool import Answer, report

__all__ = ["validate"]

SOURCE = "SCALE-Sim 3.0.0 (PyPI) with numpy 1.26.4"
RELATIVE_NOISE = 1e-9
"""Two ways to compute a percentage in double precision differ by less."""


def validate(table: Path | None = None, ours: Callable[[Row], int | None] | None = stalled_cycles) -> Validation:
    """Recompute every row of a table of SCALE-Sim runs from the tool's rules.

    All checked columns must be equal, percentages to the last digit printed; and for CALC rows the systolic
    machine itself, with ideal memory, must give the same cycles and accesses. For USER rows, whose stalls come
    from faults of the tool, the outcome also lists the tool's total beside `ours(row)`, the systolic
    model's cycles for the same run, with the reasons for the difference. Raises `InputError` for a table
    that cannot be read.
    """
    rows = read_table(table)
    answers = [report(row) for row in rows]
    checks = [check for row, answer in zip(rows, answers, strict=True) for check in _checks(row, answer)]
    checks += [check for row in rows if row.mode == "CALC" for check in ideal_checks(row)]
    differences = [
        Difference(
            row.name, "total_cycles", int(row.reported["total_cycles"]), None if ours is None else ours(row),
            _reason(row, answer),
        )
        for row, answer in zip(rows, answers, strict=True) if row.mode == "USER"
    ]
    source = str(table) if table else "the shipped table"
    return Validation(SOURCE, source, tuple(checks), tuple(differences), tuple(_notes(rows, answers)))


def _checks(row: Row, answer: Answer) -> list[Check]:
    checks = []
    for field, kind in CHECKED.items():
        printed, got = row.reported[field], answer.values[field]
        if kind is int:
            checks.append(Check.equal(row.name, field, int(printed), got))
        else:
            half_digit = 0.5 * 10.0 ** -len(printed.partition(".")[2])
            tolerance = half_digit + RELATIVE_NOISE * abs(got)
            checks.append(Check.close(row.name, field, float(printed), got, absolute=tolerance))
    return checks


def _reason(row: Row, answer: Answer) -> str:
    ports = "/".join(str(words) for words in row.bandwidth or ())
    reasons = [f"private channels of {ports} words a cycle for ifmap, filter and ofmap"]
    if answer.late_cycles:
        reasons.append(f"{answer.late_cycles} cycles of late fetches charged twice")
    return "; ".join(reasons)


def _notes(rows: Sequence[Row], answers: Sequence[Answer]) -> list[str]:
    """Name each convention in which the tool differs from the systolic model, and where it shows."""
    both = list(zip(rows, answers, strict=True))
    stationary = sum(row.dataflow != "os" for row in rows)
    split = sum(row.dataflow != "os" and row.layer.k > row.rows for row in rows)
    flushed = sum(answer.flushes > 0 for answer in answers)
    gaps = sum(answer.values["dram_ofmap_writes"] != _outputs(row) for row, answer in both)
    late = sum(answer.late_cycles > 0 for answer in answers)
    return [
        f"total cycles: the index of the last cycle, one less than their number ({len(rows)} rows)",
        f"output writes, OS: rows + cols more a fold than there are outputs ({len(rows) - stationary} rows)",
        "partial sums, WS and IS: written in every fold of the reduction and never read back; "
        f"ours counts both ({split} rows)",
        f"compute utilisation, WS and IS: as if a fold took cols - 1 more cycles ({stationary} rows)",
        "DRAM reads, CALC: half of a scratchpad holds data and is emptied when full; "
        f"ours tiles the layer ({flushed} rows)",
        f"DRAM writes: the gaps of lines that were closed early are written ({gaps} rows)",
        f"stalls, USER: private channels, late fetches charged twice ({late} rows), fetches ahead of free "
        "space, and a larger SRAM can be slower; ours shares one port and is monotone",
        "not checked: first and last cycle of SRAM accesses, last cycle of DRAM reads",
    ]


def _outputs(row: Row) -> int:
    """Words that the array hands to the write buffer."""
    layer = row.layer
    size = (dataflow_code(row.dataflow), layer.m, layer.n, layer.k, row.rows, row.cols)
    return mapping.sram_accesses(*size).ofmap_writes
