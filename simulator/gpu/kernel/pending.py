"""Notes on what is in flight: who has yet to read, and when what is written can be read."""

from __future__ import annotations

import numpy as np

from ..tables import (
    CONDITION,
    GUARDS,
    P_SCOREBOARD,
    P_UNIFORM,
    PRED_READ,
    PRED_WRITTEN,
    PREDICATE_READERS,
    PREDICATES,
    READERS,
    READY,
    SCOREBOARD,
    SRC,
    SRC_N,
    U_READ,
    U_WRITTEN,
    WRITER,
)  # fmt: skip
from .jit import jit

__all__ = ["change_readers", "write_predicates", "write_uniforms"]


@jit
def repeats(table: np.ndarray, k: int, source: int, register: int) -> bool:
    """Whether an earlier source of the instruction has the register too."""
    for other in range(source):  # noqa: SIM110
        if table[k, SRC + other] <= register < table[k, SRC + other] + table[k, SRC_N + other]:
            return True
    return False


@jit
def change_readers(table: np.ndarray, warp: np.ndarray, values: np.ndarray, p: np.ndarray, w: int, k: int, change: int) -> None:
    """Count an instruction once among those that have yet to read each of its sources; predicates with a scoreboard only."""
    for source in range(4):
        for r in range(table[k, SRC + source], table[k, SRC + source] + table[k, SRC_N + source]):
            if not repeats(table, k, source, r):
                values[w, r, READERS] += change
    mask, r = table[k, U_READ], p[P_UNIFORM]
    while mask:
        if mask & 1:
            values[w, r, READERS] += change
        mask >>= 1
        r += 1
    if p[P_SCOREBOARD] == SCOREBOARD:
        mask, i = table[k, PRED_READ] | table[k, GUARDS], PREDICATE_READERS
        while mask:
            if mask & 1:
                warp[w, i] += change
            mask >>= 1
            i += 1


@jit
def write_predicates(table: np.ndarray, warp: np.ndarray, w: int, k: int, value: int) -> None:
    """Note for every predicate that the instruction writes when it can be read."""
    mask, i = table[k, PRED_WRITTEN], 0
    while mask:
        if mask & 1:
            warp[w, PREDICATES + i] = value
        mask >>= 1
        i += 1


@jit
def write_uniforms(table: np.ndarray, values: np.ndarray, p: np.ndarray, w: int, k: int, value: int) -> None:
    """Note for every uniform register that the instruction writes when it can be read."""
    mask, r = table[k, U_WRITTEN], p[P_UNIFORM]
    while mask:
        if mask & 1:
            values[w, r, READY] = value
            values[w, r, WRITER] = table[k, CONDITION] & 63
        mask >>= 1
        r += 1
