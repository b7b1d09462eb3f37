"""The arrays that the compiled core works on, and what stands in each of their columns."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

LINE_BYTES = 128
"""Of an instruction-cache line: eight instructions."""
NEVER = 1 << 60
RING = 64
"""Cycles that the rings of port reservations and result writes cover; longer than any fixed latency."""
QUEUE = 16
"""Slots of a sub-core's ring of memory instructions."""

EFFECTS = ("", "depbar", "barrier", "exit", "clock", "membar", "async_barrier")
DEPBAR, BARRIER, EXIT, MEMBAR, ASYNC_BARRIER = 1, 2, 3, 5, 6
SPACES = ("", "global", "shared", "local", "constant", "generic", "async", "atomic")
GLOBAL, SHARED, LOCAL, CONSTANT, GENERIC, ASYNC, ATOMIC = range(1, 8)
U_NONE, U_INT, U_FP32, U_HALF, U_UNIFORM, U_PREDICATE, U_SFU, U_FP64, U_TENSOR, U_BRANCH, U_MEMORY = range(11)
UNIT_COUNT = 12
U_FP32_OWN = 11
"""The FP32 pipe that integers do not share."""

# Instructions.
(
    UNIT, LATENCY, INTERVAL, VARIABLE, EFFECT, SPACE, STORE, DST, DST_N, SRC, _1, _2, _3, SRC_N, _4, _5, _6, REUSE, STALL,
    YIELD, WR, RD, WAIT, PC, CODE_LINE, TRANSFER, DB_SB, DB_LEVEL, DB_SET, CONST_LINE, MEM_WAR, MEM_RAW,
    PRED_WRITTEN, PRED_READ, GUARDS, CONDITION, U_WRITTEN, U_READ, U_LATE, LOW_EARLY, TABLE_COLUMNS,
) = range(41)  # fmt: skip
"""PRED_WRITTEN, PRED_READ, GUARDS: predicates written, read as operands, and those that decide whether the instruction or its
branch is executed, as masks: P0 to P6 are bits 0 to 6, UP0 to UP6 bits 8 to 14. CONDITION: 2 x the bit of the
guard before the instruction, plus 1 if it is inverted; -1 if there is none. U_WRITTEN, U_READ: masks of UR0 to UR62; U_LATE:
whether readers in other units than the uniform one see the result later. LOW_EARLY: whether the lower register of the
result is there a cycle before the upper one (IMAD.WIDE)."""

# Parameters, in the order of `CoreConfig`.
(
    P_SUB_CORES, P_WARPS, P_POLICY, P_SCOREBOARD, P_CONSUMERS, P_BUFFER, P_FETCH, P_YIELD0, P_BANKS, P_PORTS, P_WINDOW,
    P_RFC, P_RESULT_QUEUE, P_FP32_PIPES, P_MEMORY_QUEUE, P_MEMORY_READ, P_ADDRESS, P_PORT_INTERVAL, P_PORT_DISTANCE,
    P_COLLISION, P_L0_KIB, P_L0_WAYS, P_L1I_KIB, P_L1I_WAYS, P_L0_MISS, P_L1I_MISS, P_PREFETCH, P_PERFECT, P_CONST_SETS,
    P_CONST_WAYS, P_CONST_MISS, P_CONST_WAIT, P_REDIRECT, P_BARRIER, P_MEMBAR, P_GUARD, P_UNIFORM_GUARD, P_RELEASE,
    PARAMETERS,
) = range(39)  # fmt: skip

P_UNIFORM = PARAMETERS
"""Behind the parameters: the row of UR0 among a warp's values."""
CONTROL_BITS, SCOREBOARD, STAND_IN = range(3)
"""What P_SCOREBOARD says: who keeps dependent instructions apart. A stand-in acts for the control bits that a trace does not
have: it sees results as early as a compiler would know them."""

# Warps.
(
    AT, END, FETCH, FETCH_FROM, AGE, UNTIL, CAUSE, WHY, NEXT_ISSUE, LAST_ISSUE, LAST_WR, LAST_RD, HOLD_FROM, HOLD_SB,
    HOLD_LEVEL, HOLD_SET, WAITING, BLOCK, CLEARED, NUMBER, FIRST, COUNT, _7, _8, _9, _10, _11, BUFFER, _12, _13, _14, _15, _16,
    _17, _18, PREDICATES,
) = range(36)  # fmt: skip
"""AT and FETCH are indexes into the stream; COUNT the six dependence counters; BUFFER a ring of the cycles in
which fetched instructions can issue; CLEARED when the last counter or register that the warp waited for came
free; NUMBER of the warp in the kernel; FIRST its place in the stream; WHY the last cause seen between issues.
UNTIL: before this cycle, and unless something happens to the warp, CAUSE is why it cannot issue. PREDICATES: as READY. What
every scan over the warps looks at comes first, so that it lies together."""

PREDICATE_COUNT, UNIFORM_PREDICATE = 15, 8
PREDICATE_READERS = PREDICATES + PREDICATE_COUNT
BARRIER_UNTIL = PREDICATE_READERS + PREDICATE_COUNT
IN_QUEUE, ASYNC_DONE, W_COLUMNS = BARRIER_UNTIL + 1, BARRIER_UNTIL + 2, BARRIER_UNTIL + 3
"""PREDICATE_READERS: as READERS, with a scoreboard. BARRIER_UNTIL: until when the barrier before the next instruction holds the
warp; IN_QUEUE: memory instructions that the shared stage has not taken; ASYNC_DONE: when the last copy to shared memory that it
has taken is done."""

READY, READERS, WRITER = range(3)
"""Of a register of a warp: 2 x the cycle from which its value can be read, plus 1 if it is by a fixed latency; how many
instructions have yet to read it: those of variable latency, and with a scoreboard all; CONDITION of the last instruction that
writes it in the lower six bits, and above them whether it is LOW_EARLY."""

# Sub-cores.
(
    LAST_WARP, WAKE, ISSUE_FREE, ALLOCATED, QUIET_UNTIL, MEM_HEAD, MEM_COUNT, LAST_ENTER, LAST_GRANT, SB_HEAD, SB_NEXT,
    IDLE_FROM, IDLE_CAUSE, ISSUED, FETCH_WAKE, UNITS,
) = range(16)  # fmt: skip

MAX_BANKS = 8
QUEUES = UNITS + UNIT_COUNT
Q_ISSUED, Q_WARP, Q_NUMBER, Q_INDEX, Q_READ, Q_ENTER, Q_COLUMNS = range(7)
"""Of a memory instruction that waits; Q_NUMBER is the warp's, whose place another one may have taken since."""
CACHED = QUEUES + QUEUE * Q_COLUMNS
PORTS = CACHED + 3 * MAX_BANKS
WRITES = PORTS + RING
BANK_COLUMNS = 2 * RING
"""FETCH_WAKE: before this cycle, and unless a warp issues or starts, there is nothing to fetch. UNITS: when each input latch
is free. QUEUES: a ring of memory instructions that wait, Q_COLUMNS for each. CACHED: for each bank and position the warp slot
<< 16 | register, or -1. At the end BANK_COLUMNS for each bank: PORTS, a ring of cycle << 8 | reads booked in it,
and WRITES, a ring of the last cycle with a fixed-latency write."""

# SMs.
NEXT, PORT_FREE, EVENTS, REQUEST_FREE, FP64_FREE, FP64_TURN, BLOCKS = range(7)
MAX_BLOCKS = 128
ARRIVED = BLOCKS + MAX_BLOCKS
M_COLUMNS = ARRIVED + MAX_BLOCKS
"""BLOCKS: for each thread block its warps that are not finished, 0 if the block is free; ARRIVED: those that
wait at its barrier. FP64_TURN: the sub-core, counted in the SM, that may take the FP64 unit before the others."""

ARRIVAL, USED, PREFETCHED = range(3)
"""Of a cached line: when it is or was there, NEVER if it is not on its way; its last use; its arrival in the
stream buffer."""

# What all SMs share.
(
    O_CTA, O_DISPATCH_AT, O_AGE, O_FREED, O_TAKEN, O_LIVE, O_DRAINED, O_LAST, O_CTAS, O_WARPS_PER_CTA, O_TURNAROUND,
    O_DISPATCH_MILLI, O_WARM, O_LIMIT, O_STOP, O_COLUMNS,
) = range(16)  # fmt: skip
"""Next CTA; when one can be dispatched, in thousandths of a cycle; age of the next warp; places for a CTA freed
and taken so far; warps that run; last completion and last issue; and the launch: CTAs, warps of each, cycles
from a CTA's end to the next one in its place, dispatch interval, warm start, cycle limit, and the number of
instructions after which to pause."""

CAUSES = (
    "issued", "idle", "fetch", "dependence", "latency", "stall", "barrier", "unit", "memory_queue", "constant",
    "register_ports", "not_selected",
)
(
    C_ISSUED, C_IDLE, C_FETCH, C_DEPENDENCE, C_LATENCY, C_STALL, C_BARRIER, C_UNIT, C_MEMORY, C_CONSTANT, C_PORTS, C_OTHER,
    CAUSE_COUNT,
) = range(13)  # fmt: skip
"""Why a slot or a warp did not issue. In an idle slot the highest number among the warps counts."""

READ_DONE, WRITE_DONE = 0, 1
"""Kinds of event."""


S_START, S_LENGTH, S_RECORD = range(3)


class Work(NamedTuple):
    """What is to be executed. All arrays are int64."""

    table: np.ndarray
    """(instructions, TABLE_COLUMNS)."""
    stream: np.ndarray
    """Indexes into `table`."""
    warps: np.ndarray
    """(warps, 3): start in the stream, length, and the row of the record or -1."""
    access: np.ndarray
    """(len(stream) + 1,) into `lines`; empty if every access hits."""
    lines: np.ndarray
    """For each request of a memory instruction the 128 B line << 4 | mask of its 32 B sectors."""
    conflicts: np.ndarray
    """(len(stream),): passes through the shared stage; empty for one each."""
    twins: np.ndarray
    """(warps, twins, 3): warps that do not run, but ask memory for what this one asks for; see `part.Part.twins`."""


class State(NamedTuple):
    """What the core remembers. All arrays are int64."""

    warp: np.ndarray
    """(warp slots, W_COLUMNS)."""
    values: np.ndarray
    """(warp slots, registers that the kernel uses and then uniform ones, 3): READY, READERS, WRITER."""
    sub: np.ndarray
    """(sub-cores, PORTS + BANK_COLUMNS for each bank)."""
    sm: np.ndarray
    """(SMs, M_COLUMNS)."""
    code: np.ndarray
    """(sub-cores + SMs, 3, lines): each L0, then each L1."""
    constants: np.ndarray
    """(sub-cores, 2, lines)."""
    heap: np.ndarray
    """(events, SMs, 3): time; kind << 60 | warp slot << 40 | index into the stream; number of the warp. SMs side by side,
    since heaps are small and each is looked at in every cycle."""
    places: np.ndarray
    """(places for a CTA, 3): a ring of free ones in the order in which they come free: SM, block, time."""
    order: np.ndarray
    """What all SMs share; see O_CTA."""


class Result(NamedTuple):
    """What is counted. All arrays are int64."""

    record: np.ndarray
    """(rows, longest warp, 2): issue cycle, -1 if it did not issue, and the operand positions (bits) that hit
    the register-file cache."""
    waits: np.ndarray
    """(instructions + 1, HAZARDS + 1): warp-cycles by the instruction waited for and by cause, and hazards:
    values read too early or overwritten before they were read. The last row has the issue slots."""


HAZARDS = CAUSE_COUNT
