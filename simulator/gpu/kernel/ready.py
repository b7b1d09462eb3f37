"""When what an instruction reads is there, what a scoreboard waits for, and what comes too early: a hazard."""

from __future__ import annotations

import numpy as np

from ..tables import (
    CONDITION,
    DST,
    DST_N,
    GUARDS,
    LATENCY,
    NEVER,
    P_CONSUMERS,
    P_GUARD,
    P_SCOREBOARD,
    P_UNIFORM,
    P_UNIFORM_GUARD,
    PRED_READ,
    PRED_WRITTEN,
    PREDICATE_READERS,
    PREDICATES,
    READERS,
    READY,
    SCOREBOARD,
    SRC,
    SRC_N,
    U_INT,
    U_MEMORY,
    U_READ,
    U_UNIFORM,
    U_WRITTEN,
    UNIFORM_PREDICATE,
    UNIT,
    VARIABLE,
    WRITER,
)  # fmt: skip
from .jit import jit

__all__ = ["OPERAND_CYCLES", "hazards", "values_ready"]

OPERAND_CYCLES = 4
"""From the issue of what writes a predicate to that of an instruction which has it as an operand: what compiled code keeps
(nvcc 13.5, sm_75 to sm_120). One that it guards, or whose branch it decides, waits for P_GUARD."""


@jit
def predicates_ready(table: np.ndarray, warp: np.ndarray, p: np.ndarray, w: int, k: int) -> int:
    """The cycle from which every predicate that the instruction reads is there, NEVER if it is not known."""
    when, reads, guards, i = 0, table[k, PRED_READ], table[k, GUARDS], 0
    while reads | guards:
        if (reads | guards) & 1:
            value = warp[w, PREDICATES + i]
            far = p[P_GUARD] if i < UNIFORM_PREDICATE else p[P_UNIFORM_GUARD]
            late = (value & 1) * (far - OPERAND_CYCLES) if guards & 1 else 0
            when = max(when, NEVER if value == NEVER else (value >> 1) + late)
        reads >>= 1
        guards >>= 1
        i += 1
    return when


@jit
def readable(table: np.ndarray, k: int, source: int, register: int, value: int) -> int:
    """The cycle from which an instruction may issue that reads a register whose READY is `value`.

    Memory instructions have no bypass. IMAD.WIDE reads the upper half of its addend a cycle later than the rest: compiled
    code (nvcc 13.5, sm_90 and sm_120) writes it as late as three cycles before.
    """
    fixed = value & 1
    if table[k, UNIT] == U_MEMORY:
        return (value >> 1) + fixed
    if source == 2 and table[k, UNIT] == U_INT and register > table[k, SRC + 2]:
        return (value >> 1) - fixed
    return value >> 1


@jit
def uniform_readable(table: np.ndarray, k: int, value: int) -> int:
    """The cycle from which an instruction may issue that reads a uniform register whose READY is `value`.

    Compiled code (nvcc 13.5, sm_75 to sm_120) keeps users of arithmetic on uniform registers 4 cycles away if they are of the
    same unit, 6 if they are of another one of fixed latency, 9 if of variable latency; all users of UMOV and ULDC 2.
    """
    if value == NEVER or value & 1 == 0 or table[k, UNIT] == U_UNIFORM:
        return value if value == NEVER else value >> 1
    return (value >> 1) + (5 if table[k, VARIABLE] else 2)


@jit
def uniforms_ready(table: np.ndarray, values: np.ndarray, p: np.ndarray, w: int, k: int) -> int:
    """The cycle from which every uniform register that the instruction reads is there, NEVER if it is not known."""
    when, mask, r = 0, table[k, U_READ], p[P_UNIFORM]
    while mask:
        if mask & 1:
            when = max(when, uniform_readable(table, k, values[w, r, READY]))
        mask >>= 1
        r += 1
    return when


@jit
def values_ready(table: np.ndarray, warp: np.ndarray, values: np.ndarray, p: np.ndarray, w: int, k: int) -> int:
    """Without control bits: the cycle from which no register stands in the way, NEVER if it is not known."""
    hardware = p[P_SCOREBOARD] == SCOREBOARD
    when = max(predicates_ready(table, warp, p, w, k), uniforms_ready(table, values, p, w, k))
    for source in range(4):
        for r in range(table[k, SRC + source], table[k, SRC + source] + table[k, SRC_N + source]):
            value = values[w, r, READY]
            when = max(when, NEVER if value == NEVER else readable(table, k, source, r, value))
            if hardware and values[w, r, READERS] >= p[P_CONSUMERS]:
                return NEVER
    for r in range(table[k, DST], table[k, DST] + table[k, DST_N]):
        value = values[w, r, READY]
        if value == NEVER or values[w, r, READERS] > 0:
            return NEVER
        when = max(when, (value >> 1) - (0 if hardware else table[k, LATENCY]))
    return max(when, others_free(table, warp, values, p, w, k)) if hardware else when


@jit
def others_free(table: np.ndarray, warp: np.ndarray, values: np.ndarray, p: np.ndarray, w: int, k: int) -> int:
    """What a scoreboard checks beside general registers and pending writes of what is read: see `values_ready`."""
    when, mask, r = 0, table[k, U_READ] | table[k, U_WRITTEN], p[P_UNIFORM]
    while mask:
        if mask & 1:
            readers, written = values[w, r, READERS], table[k, U_WRITTEN] >> (r - p[P_UNIFORM]) & 1
            if readers >= p[P_CONSUMERS] or (written and readers > 0):
                return NEVER
            if written:
                when = max(when, values[w, r, READY] if values[w, r, READY] == NEVER else values[w, r, READY] >> 1)
        mask >>= 1
        r += 1
    reads, i = table[k, PRED_READ] | table[k, GUARDS], 0
    mask = reads | table[k, PRED_WRITTEN]
    while mask >> i:
        if mask >> i & 1:
            readers, written = warp[w, PREDICATE_READERS + i], table[k, PRED_WRITTEN] >> i & 1
            if (reads >> i & 1 and readers >= p[P_CONSUMERS]) or (written and readers > 0):
                return NEVER
            if written:
                value = warp[w, PREDICATES + i]
                when = max(when, value if value == NEVER else value >> 1)
        i += 1
    return when


@jit
def opposed(table: np.ndarray, values: np.ndarray, w: int, k: int, register: int) -> bool:
    """Whether no lane both executes the instruction and executed the one that writes the register: one has the guard P,
    the other !P. (That P may have changed in between is not looked at.)"""
    condition = table[k, CONDITION]
    return condition >= 0 and condition ^ 1 == values[w, register, WRITER] & 63


@jit
def hazards(table: np.ndarray, warp: np.ndarray, values: np.ndarray, p: np.ndarray, w: int, k: int, t: int) -> int:
    """Registers and predicates that the instruction reads before they are written, or overwrites before they are read.

    Memory instructions of a warp read their registers in order, and long before they write any. The lower register that
    IMAD.WIDE writes can be read by LEA three cycles later (compiled code for sm_120, nvcc 13.5).
    """
    found = 1 if predicates_ready(table, warp, p, w, k) > t else 0
    found += 1 if table[k, U_READ] and uniforms_ready(table, values, p, w, k) > t else 0
    late = 1 if table[k, UNIT] == U_MEMORY else 0
    whole = 1 if table[k, UNIT] == U_INT else 0
    for source in range(4):
        for r in range(table[k, SRC + source], table[k, SRC + source] + table[k, SRC_N + source]):
            value = values[w, r, READY]
            early = whole & values[w, r, WRITER] >> 6
            if (value == NEVER or t < readable(table, k, source, r, value) - early) and not opposed(table, values, w, k, r):
                found += 1
    for r in range(table[k, DST], table[k, DST] + table[k, DST_N]):
        pending = values[w, r, READY] == NEVER and not opposed(table, values, w, k, r)
        if pending or (values[w, r, READERS] > 0 and not late):
            found += 1
    mask, r = table[k, U_WRITTEN], p[P_UNIFORM]
    while mask:
        if mask & 1 and ((values[w, r, READY] == NEVER and not opposed(table, values, w, k, r)) or values[w, r, READERS] > 0):
            found += 1
        mask >>= 1
        r += 1
    return found
