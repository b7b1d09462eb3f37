"""The core held to what was measured on hardware."""

from __future__ import annotations

import os
from pathlib import Path

from ...errors import InputError
from ...simulator.validation import Validation

__all__ = ["SHIPPED", "validate"]

SHIPPED = Path(__file__).parent / "microbenchmarks" / "micro2025.gasm"

NOTES = (
    "memory latencies are a fit: fourteen additive numbers give every published cell of table 2, none of them a mechanism",
    "figure 4b cannot follow from the printed stall 4 and from listings 2 and 3 at once: with stall 5 the figure is exact, "
    "with stall 4 it has 3 bubbles and ends at 131; both are checked",
    "figure 4a cannot follow from the published instruction caches (39 cycles each way, and a miss that is served within 16): "
    "the arrivals of lines 2 and 3 are an input",
    "figure 4c with all control bits zero but yield would be the 45-cycle case; stall 1 with yield is meant",
    "the loads of figure 2 (10/31) are no row of table 2 and have a row of their own",
    "not determined by anything published: stall above 11 without yield, LDC of 64 bits, memory under contention beyond "
    "table 1, three active sub-cores in table 1, register-file sequences that depend on the opcode",
)


def validate(table: Path | None = None) -> Validation:
    """Run the shipped microbenchmarks, or a file of that form, or the kernels of a directory with measured times.

    Raises `InputError` for what cannot be read.
    """
    from ...simulator.gpu.microbenchmark import check_file

    if table is not None and os.path.isdir(table):
        from .hardware import compare

        return compare(Path(table))
    if table is not None and not os.path.isfile(table):
        raise InputError(f"{table}: no such file; accepted: a file of microbenchmarks or a directory of measured kernels")
    checks = tuple(check_file(Path(table) if table else SHIPPED))
    name = "MICRO 2025 (DOI 10.1145/3725843.3756041), RTX A6000" if table is None else "microbenchmarks"
    return Validation(name, str(table) if table else "the shipped microbenchmarks", checks,
                      notes=NOTES if table is None else ())
