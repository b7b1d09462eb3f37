"""How a matrix product folds onto a systolic array, and what each fold costs.

The product of an (m x k) by a (k x n) matrix is laid out as `sr` x `sc` array positions that each work
for `t` steps. An array of rows x cols PEs takes it in folds, ceil(sr / rows) down times ceil(sc / cols)
across. Rules: SCALE-Sim 3.0.0, except where a function says otherwise.

Dataflows are small integers here, so that compiled code can use them; `dataflow_code` maps a name to its
integer. Every function takes integers (or equally shaped integer arrays, with one dataflow for all) and
calls no other, so a kernel compiles just those it needs: `fold_period = njit(mapping.fold_period)`.
"""

from __future__ import annotations

from typing import Literal, NamedTuple, get_args

__all__ = [
    "DATAFLOWS", "IS", "OS", "WS", "Dataflow", "SramAccesses", "dataflow_code", "fold_counts", "fold_period",
    "fold_shape", "scalesim_sram_accesses", "sram_accesses",
]

Dataflow = Literal["os", "ws", "is"]
"""Which operand stays in the array: outputs, weights (filter) or inputs (ifmap)."""

DATAFLOWS: tuple[Dataflow, ...] = get_args(Dataflow)
OS, WS, IS = range(3)


def dataflow_code(dataflow: Dataflow) -> int:
    """Return the integer that stands for a dataflow in the functions below: its place in `DATAFLOWS`."""
    return DATAFLOWS.index(dataflow)


class SramAccesses(NamedTuple):
    """Elements that cross the ports between scratchpads and array.

    An element that the array passes on from PE to PE counts once for the row or column port it enters by.
    """

    ifmap_reads: int
    filter_reads: int
    ofmap_reads: int
    """Partial sums read back, to be added to."""
    ofmap_writes: int


def fold_shape(dataflow: int, m: int, n: int, k: int) -> tuple[int, int, int]:
    """Return (sr, sc, t): positions down and across the array, and steps for which each works.

    OS keeps an output in each PE and streams k; WS keeps a weight and streams the m input rows; IS keeps
    an input and streams the n filters. Under WS and IS the reduction runs down the rows.
    """
    if dataflow == OS:
        return m, n, k
    if dataflow == WS:
        return k, n, m
    return k, m, n


def fold_counts(sr: int, sc: int, rows: int, cols: int) -> tuple[int, int]:
    """Return (down, across): folds along the rows and along the columns, the last of each maybe partial."""
    return -(-sr // rows), -(-sc // cols)


def fold_period(dataflow: int, rows: int, cols: int, t: int) -> int:
    """Return the cycles of one fold, full or partial: idle rows and columns are not skipped.

    OS: t steps, skewed over rows and columns; outputs leave while the skew drains. WS and IS: `rows`
    cycles to load the operand that stays, then t steps with the same skew.
    """
    if dataflow == OS:
        return t + rows + cols - 2
    return t + 2 * rows + cols - 2


def sram_accesses(dataflow: int, m: int, n: int, k: int, rows: int, cols: int) -> SramAccesses:
    """Return the port accesses of the whole product.

    A moving operand is read again for each fold across the other side. Under WS and IS every fold down
    the rows adds its share of the reduction: it writes all partial sums, and all but the first read them
    back first.
    """
    if dataflow == OS:
        return SramAccesses(-(-n // cols) * m * k, -(-m // rows) * n * k, 0, m * n)
    down = -(-k // rows)
    if dataflow == WS:
        return SramAccesses(-(-n // cols) * m * k, n * k, (down - 1) * m * n, down * m * n)
    return SramAccesses(m * k, -(-m // cols) * n * k, (down - 1) * m * n, down * m * n)


def scalesim_sram_accesses(dataflow: int, m: int, n: int, k: int, rows: int, cols: int) -> SramAccesses:
    """Return the accesses as SCALE-Sim 3.0.0 counts them.

    It differs from `sram_accesses` in two places: each OS fold has a surplus of rows + cols output writes
    that no output stands behind, and partial sums under WS and IS are never read back.
    """
    if dataflow == OS:
        down, across = -(-m // rows), -(-n // cols)
        surplus = down * across * (rows + cols)
        return SramAccesses(across * m * k, down * n * k, 0, m * n + surplus)
    writes = -(-k // rows) * m * n
    if dataflow == WS:
        return SramAccesses(-(-n // cols) * m * k, n * k, 0, writes)
    return SramAccesses(m * k, -(-m // cols) * n * k, 0, writes)
