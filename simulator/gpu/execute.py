"""Run kernels on the compiled core: arrays in, counts out."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from ...errors import InputError
from ...traces.kernels.trace import Kernel
from .coalescing import requests
from .config import CoreConfig
from .hierarchy import Memory
from .lower import table_of
from .memory_system import MemoryConfig
from .tables import (
    ARRIVAL,
    BANK_COLUMNS,
    C_IDLE,
    C_OTHER,
    CACHED,
    CAUSE_COUNT,
    CODE_LINE,
    CONST_LINE,
    DST,
    DST_N,
    FETCH_FROM,
    HAZARDS,
    IDLE_CAUSE,
    IDLE_FROM,
    LAST_WARP,
    M_COLUMNS,
    MAX_BLOCKS,
    NEVER,
    O_COLUMNS,
    O_CTAS,
    O_DISPATCH_MILLI,
    O_DRAINED,
    O_FREED,
    O_LAST,
    O_LIMIT,
    O_TURNAROUND,
    O_WARM,
    O_WARPS_PER_CTA,
    P_SCOREBOARD,
    PORTS,
    PREFETCHED,
    SB_HEAD,
    SRC,
    SRC_N,
    STAND_IN,
    U_READ,
    U_WRITTEN,
    W_COLUMNS,
    WAKE,
    Result,
    State,
    Work,
)  # fmt: skip

__all__ = ["MAX_CYCLES", "Machine", "Outcome", "execute"]

MAX_CYCLES = 10**9
"""A kernel that is still running then never ends."""
_EVENTS = 4096
_UNUSED = MemoryConfig(l1_kib=1, l2_kib=1, l2_slices=1, channels=1)
_ENDINGS = {
    1: "has not ended after {limit} cycles",
    2: "can never end: every warp waits, and nothing will happen (a counter that is never released, or a barrier)",
    3: f"has more than {_EVENTS} results in flight in one SM",
}


@dataclass(frozen=True)
class Machine:
    """A GPU: SMs of one kind, what is behind them, and how CTAs get there."""

    core: CoreConfig = field(default_factory=CoreConfig)
    sms: int = 1
    memory: MemoryConfig | None = None
    """None: every access hits the L1."""
    dispatch_milli: int = 0
    """Thousandths of a cycle between two CTAs."""
    shared_kib: int = 100
    """Shared memory of an SM."""
    registers: int = 65536
    """32-bit registers of an SM [MICRO 2025]."""
    ctas: int = 16
    """CTAs that an SM can hold."""
    turnaround: int = 0
    """Cycles from the end of a CTA until another one can start in its place."""


@dataclass(frozen=True)
class Outcome:
    """What a run of one kernel counted."""

    cycles: int
    """Up to the last issue and the last completion of memory."""
    issue: np.ndarray
    """(warps, longest) int64: issue cycles, -1 where there is none; empty unless recorded."""
    hits: np.ndarray
    """(warps, longest) int8: operand positions (bits) that hit the register-file cache."""
    slots: np.ndarray
    """(causes,) issue slots of all sub-cores up to `cycles`."""
    waits: np.ndarray
    """(instructions, causes) warp-cycles."""
    hazards: np.ndarray
    """(instructions,) reads of values that are not there yet, writes over values that are not read yet."""
    memory: np.ndarray
    """Counts of sectors; see `hierarchy.Memory.counts`."""
    table: np.ndarray
    """The program as `lower` gives it."""


def execute(
    kernel: Kernel, machine: Machine, *, warm: bool = False, record: bool = False, lines: dict[int, int] | None = None,
    max_cycles: int = MAX_CYCLES, memory: Memory | None = None,
) -> Outcome:
    """Run one kernel to its end.

    `warm`: instruction caches hold every line and each warp's buffer its first instructions; else both are
    empty. `lines` gives the arrival of instruction lines in the L0 instead. `memory` carries the contents of
    L2 and L1 from kernel to kernel. Raises `InputError` for opcodes that are not known, kernels that do not
    fit an SM, and kernels that do not end.
    """
    from .kernel.core import run

    core = machine.core
    table = table_of(kernel, core)
    blocks = _blocks(kernel, machine)
    code = int(table[:, CODE_LINE].max(initial=0)) + 1
    state = _state(machine, blocks, code, 1 + int(table[:, CONST_LINE].max(initial=0)), _registers(table) + _uniforms(table))
    if warm or lines is not None:
        given = np.full(code, 0 if lines is None else NEVER, np.int64)
        for line, arrival in (lines or {}).items():
            if line < code:
                given[line] = arrival
        state.code[: machine.sms * core.sub_cores, ARRIVAL] = given
    order = state.order
    order[O_CTAS], order[O_WARPS_PER_CTA], order[O_TURNAROUND] = kernel.ctas, kernel.warps_per_cta, machine.turnaround
    order[O_DISPATCH_MILLI], order[O_WARM], order[O_LIMIT] = machine.dispatch_milli, warm or lines is not None, max_cycles
    access, accesses, conflicts = requests(kernel, table) if machine.memory is not None else _nothing()
    longest = int(kernel.warp_length.max(initial=0)) if record else 0
    warps = np.stack([kernel.warp_start, kernel.warp_length, np.arange(kernel.warps) if record else -np.ones(kernel.warps)], 1)
    work = Work(table, np.asarray(kernel.stream, np.int64), warps.astype(np.int64), access, accesses, conflicts)
    shape = (kernel.warps if record else 0, longest, 2)
    result = Result(np.full(shape, -1, np.int64), np.zeros((len(table) + 1, HAZARDS + 1), np.int64))
    memory = memory or (machine.memory or _UNUSED).state(machine.sms)
    before = memory.counts.copy()
    parameters = np.append(core.vector(), _registers(table))
    if not kernel.control_bits and core.dependence == "control_bits":
        parameters[P_SCOREBOARD] = STAND_IN
    ending = int(run(work, state, memory, result, parameters))
    if ending:
        raise InputError(f"kernel {kernel.name!r} " + _ENDINGS[ending].format(limit=max_cycles))
    cycles = int(max(order[O_LAST] + 1, order[O_DRAINED])) if machine.memory is not None else int(order[O_LAST]) + 1
    _close(state, result, cycles)
    waits = result.waits
    return Outcome(cycles, result.record[..., 0], result.record[..., 1], waits[-1, :CAUSE_COUNT], waits[:-1, :CAUSE_COUNT],
                   waits[:-1, HAZARDS], memory.counts - before, table)


def _blocks(kernel: Kernel, machine: Machine) -> int:
    """CTAs that an SM holds at once, by warps, registers and shared memory."""
    if kernel.warps_per_cta > machine.core.warps:
        raise InputError(f"kernel {kernel.name!r}: a thread block of {kernel.warps_per_cta} warps does not fit an SM of "
                         f"{machine.core.warps}")
    limits = [
        machine.core.warps // kernel.warps_per_cta, machine.ctas, MAX_BLOCKS,
        # Registers are handed out to warps in units of 256 (8 a thread).
        machine.registers // (-(-max(kernel.registers, 1) // 8) * 8 * 32 * kernel.warps_per_cta),
    ]
    if kernel.shared_bytes:
        limits.append(machine.shared_kib * 1024 // kernel.shared_bytes)
    if min(limits) < 1:
        raise InputError(f"kernel {kernel.name!r}: a thread block with {kernel.registers} registers a thread and "
                         f"{kernel.shared_bytes} B of shared memory does not fit an SM")
    return min(limits)


def _nothing() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0, np.int64)


def _registers(table: np.ndarray) -> int:
    """Return one more than the highest register that the program reads or writes."""
    sources = table[:, SRC : SRC + 4] + table[:, SRC_N : SRC_N + 4]
    return int(max(1, (table[:, DST] + table[:, DST_N]).max(initial=0), sources.max(initial=0)))


def _uniforms(table: np.ndarray) -> int:
    """Return one more than the highest uniform register that is followed."""
    return int(np.bitwise_or.reduce(table[:, U_READ] | table[:, U_WRITTEN], initial=0)).bit_length()


def _state(machine: Machine, blocks: int, code: int, constants: int, registers: int) -> State:
    core = machine.core
    sms, subs, slots = machine.sms, machine.sms * core.sub_cores, machine.sms * core.warps

    def zeros(*shape: int) -> np.ndarray:
        return np.zeros(shape, np.int64)

    state = State(
        warp=zeros(slots, W_COLUMNS), values=zeros(slots, registers, 3), sub=zeros(subs, PORTS + BANK_COLUMNS * core.banks),
        sm=zeros(sms, M_COLUMNS), code=zeros(subs + sms, 3, code), constants=zeros(subs, 2, constants),
        heap=zeros(_EVENTS, sms, 3), places=zeros(sms * blocks, 3), order=zeros(O_COLUMNS),
    )
    state.code[:, (ARRIVAL, PREFETCHED)] = NEVER
    state.constants[:, ARRIVAL] = NEVER
    # One CTA for every SM, then the second for every SM.
    state.places[:, 0] = np.tile(np.arange(sms), blocks)
    state.places[:, 1] = np.repeat(np.arange(blocks), sms)
    state.order[O_FREED] = sms * blocks
    state.sub[:, LAST_WARP] = -1
    state.sub[:, WAKE] = NEVER
    state.sub[:, SB_HEAD] = -1
    state.sub[:, CACHED:] = -1
    state.warp[:, FETCH_FROM] = NEVER
    return state


def _close(state: State, result: Result, cycles: int) -> None:
    """Count the slots from each sub-core's last turn to the end as what they were then."""
    for row in state.sub:
        cause = int(row[IDLE_CAUSE]) if row[IDLE_FROM] > 0 else C_IDLE
        result.waits[-1, C_IDLE if cause == C_OTHER else cause] += max(0, cycles - int(row[IDLE_FROM]))
