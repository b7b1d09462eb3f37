"""Run kernels on the compiled core: arrays in, counts out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

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
    AT,
    BANK_COLUMNS,
    C_IDLE,
    C_OTHER,
    CACHED,
    CAUSE_COUNT,
    CODE_LINE,
    CONST_LINE,
    DST,
    DST_N,
    END,
    FETCH_FROM,
    HAZARDS,
    IDLE_CAUSE,
    IDLE_FROM,
    LAST_WARP,
    M_COLUMNS,
    MAX_BLOCKS,
    NEVER,
    NUMBER,
    O_COLUMNS,
    O_CTA,
    O_CTAS,
    O_DISPATCH_MILLI,
    O_DRAINED,
    O_FREED,
    O_LAST,
    O_LIMIT,
    O_STOP,
    O_TURNAROUND,
    O_WARM,
    O_WARPS_PER_CTA,
    P_SCOREBOARD,
    PORTS,
    PREFETCHED,
    S_LENGTH,
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

if TYPE_CHECKING:
    from .part import Part

__all__ = ["MAX_CYCLES", "Machine", "Outcome", "execute", "pauses", "resident"]

MAX_CYCLES = 10**9
"""A kernel that is still running then never ends."""
_EVENTS = 4096
_UNUSED = MemoryConfig(l1_kib=1, l2_kib=1, l2_slices=1, channels=1)
_cuts: WeakKeyDictionary[Kernel, dict[int, Kernel]] = WeakKeyDictionary()
"""Beginnings, kept for the designs that need the same."""
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
    left: np.ndarray
    """(warps,) instructions that each has yet to issue."""


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
    run = _Run(kernel, machine, warm, record, lines, max_cycles, memory)
    run.until(NEVER)
    return run.outcome()


def pauses(
    kernel: Kernel, machine: Machine, stops: Sequence[int], *, memory: Memory | None = None, part: Part | None = None
) -> Iterator[Outcome]:
    """Run the beginning of a kernel, and yield what was counted whenever so many instructions are issued.

    The cycle in which a stop is reached is counted to its end, so that all sub-cores but one may pass it by one. Each outcome
    counts from the start. The run is the one that `execute` makes, as far as it goes; when a kernel ends, that is the last.
    Only the thread blocks that can start until the last stop are looked at. With a part of the GPU its instructions, cycles and
    slots count; `memory` is that of the whole.
    """
    whole = _until(kernel, machine, max(stops)) if part is None else _cut(kernel, part)
    run = _Run(whole, machine, memory=memory, part=part)
    for stop in stops:
        finished = run.until(stop)
        yield run.outcome()
        if finished:
            return


def _until(kernel: Kernel, machine: Machine, instructions: int) -> Kernel:
    """The thread blocks that can have started when so many instructions are issued: those that ended, and those that run."""
    lengths = np.add.reduceat(kernel.warp_length, np.arange(0, kernel.warps, kernel.warps_per_cta))
    ended = int(np.searchsorted(np.cumsum(np.sort(lengths)), instructions + machine.sms * machine.core.sub_cores, "right"))
    ctas = min(kernel.ctas, ended + machine.sms * resident(kernel, machine) + 1)
    if ctas == kernel.ctas:
        return kernel
    return _first(kernel, ctas)


def _cut(kernel: Kernel, part: Part) -> Kernel:
    """The thread blocks of a part and its twins, to the next half, quarter or so of the launch: few, as designs share them."""
    last = max(int(part.twins[..., 1].max(initial=0)), int((part.kernel.warp_start + part.kernel.warp_length).max(initial=0)))
    ends = np.maximum.accumulate(kernel.warp_start + kernel.warp_length)
    needed = int(np.searchsorted(ends, last)) // kernel.warps_per_cta + 1
    ctas = kernel.ctas
    while ctas // 2 >= needed:
        ctas //= 2
    return _first(kernel, ctas)


def _first(kernel: Kernel, ctas: int) -> Kernel:
    if ctas >= kernel.ctas:
        return kernel
    cuts = _cuts.setdefault(kernel, {})
    if ctas not in cuts:
        cuts[ctas] = kernel.first(ctas)
    return cuts[ctas]


class _Run:
    """One kernel on its way."""

    def __init__(
        self, kernel: Kernel, machine: Machine, warm: bool = False, record: bool = False, lines: dict[int, int] | None = None,
        max_cycles: int = MAX_CYCLES, memory: Memory | None = None, part: Part | None = None,
    ) -> None:
        whole = kernel
        if part is not None:
            kernel, machine = part.kernel, part.machine
        self.kernel, self.machine, self.max_cycles, self.finished = kernel, machine, max_cycles, False
        core = machine.core
        table = self.table = table_of(whole, core)
        blocks = resident(kernel, machine)
        code = int(table[:, CODE_LINE].max(initial=0)) + 1
        state = self.state = _state(
            machine, blocks, code, 1 + int(table[:, CONST_LINE].max(initial=0)), _registers(table) + _uniforms(table))
        if warm or lines is not None:
            given = np.full(code, 0 if lines is None else NEVER, np.int64)
            for line, arrival in (lines or {}).items():
                if line < code:
                    given[line] = arrival
            state.code[: machine.sms * core.sub_cores, ARRIVAL] = given
        order = state.order
        order[O_CTAS], order[O_WARPS_PER_CTA], order[O_TURNAROUND] = kernel.ctas, kernel.warps_per_cta, machine.turnaround
        order[O_DISPATCH_MILLI], order[O_WARM], order[O_LIMIT] = machine.dispatch_milli, warm or lines is not None, max_cycles
        access, accesses, conflicts = requests(whole, table) if machine.memory is not None else _nothing()
        longest = int(kernel.warp_length.max(initial=0)) if record else 0
        rows = np.arange(kernel.warps) if record else -np.ones(kernel.warps)
        warps = np.stack([kernel.warp_start, kernel.warp_length, rows], 1)
        twins = np.zeros((kernel.warps, 0, 3), np.int64) if part is None else np.ascontiguousarray(part.twins)
        self.work = Work(table, np.asarray(whole.stream, np.int64), warps.astype(np.int64), access, accesses, conflicts, twins)
        shape = (kernel.warps if record else 0, longest, 2)
        self.result = Result(np.full(shape, -1, np.int64), np.zeros((len(table) + 1, HAZARDS + 1), np.int64))
        self.memory = memory or (machine.memory or _UNUSED).state(machine.sms)
        self.before = self.memory.counts.copy()
        self.parameters = np.append(core.vector(), _registers(table))
        if not kernel.control_bits and core.dependence == "control_bits":
            self.parameters[P_SCOREBOARD] = STAND_IN

    def until(self, instructions: int) -> bool:
        """Go on until so many instructions are issued; True if the kernel has ended. Raises `InputError` if it never does."""
        from .kernel.core import FINISHED, PAUSED, run

        if self.finished:
            return True
        self.state.order[O_STOP] = instructions
        ending = int(run(self.work, self.state, self.memory, self.result, self.parameters))
        if ending not in (FINISHED, PAUSED):
            raise InputError(f"kernel {self.kernel.name!r} " + _ENDINGS[ending].format(limit=self.max_cycles))
        self.finished = ending == FINISHED
        return self.finished

    def outcome(self) -> Outcome:
        """What was counted so far."""
        order, record = self.state.order, self.result.record
        last = int(order[O_LAST]) + 1
        cycles = max(last, int(order[O_DRAINED])) if self.machine.memory is not None and self.finished else last
        waits = self.result.waits.copy()
        _close(self.state, waits, cycles)
        return Outcome(cycles, record[..., 0], record[..., 1], waits[-1, :CAUSE_COUNT], waits[:-1, :CAUSE_COUNT],
                       waits[:-1, HAZARDS], self.memory.counts - self.before, self.table, self.left())

    def left(self) -> np.ndarray:
        """Instructions that each warp has yet to issue."""
        left, warp = self.work.warps[:, S_LENGTH].copy(), self.state.warp
        left[: int(self.state.order[O_CTA]) * self.kernel.warps_per_cta] = 0
        live = warp[warp[:, AT] < warp[:, END]]
        left[live[:, NUMBER]] = live[:, END] - live[:, AT]
        return left


def resident(kernel: Kernel, machine: Machine) -> int:
    """CTAs that an SM holds at once, by warps, registers and shared memory; raises `InputError` if there is none."""
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
    state.sub[:, IDLE_CAUSE] = C_IDLE  # until the first thread block is there
    state.sub[:, WAKE] = NEVER
    state.sub[:, SB_HEAD] = -1
    state.sub[:, CACHED:] = -1
    state.warp[:, FETCH_FROM] = NEVER
    return state


def _close(state: State, waits: np.ndarray, cycles: int) -> None:
    """Count the slots from each sub-core's last turn to the end as what they were then."""
    for row in state.sub:
        cause = int(row[IDLE_CAUSE])
        waits[-1, C_IDLE if cause == C_OTHER else cause] += max(0, cycles - int(row[IDLE_FROM]))
