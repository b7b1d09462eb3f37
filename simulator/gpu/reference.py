"""One sub-core, cycle by cycle, to be read: the reference that the compiled core has to agree with.

Everything that stands somewhere in the machine is an object in a latch or a queue, and every cycle moves each
of them by one step. It shares no code and no table with the compiled core; what an opcode is stands in
`reference_instructions.py`.
Rules in brackets are those of docs/models/gpu.md.
"""

from __future__ import annotations

from collections import Counter, defaultdict, deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from ...errors import InputError
from ...traces.kernels.instruction import Instruction
from .reference_instructions import (
    FIXED_LATENCY,
    constant,
    depbar,
    destination,
    is_memory,
    memory_times,
    places,
    register_operands,
)

__all__ = ["ReferenceRun", "run_reference"]

LINE = 128
BACK_TO_BACK_READS = 6
"""Cycles from issue to the read of an idle memory unit."""


@dataclass
class Flying:
    """An instruction on its way, with what was decided about it."""

    instruction: Instruction
    warp: int
    index: int
    issued: int
    read: int = -1


@dataclass
class WarpState:
    """One warp."""

    number: int
    program: Sequence[Instruction]
    counters: list[int] = field(default_factory=lambda: [0] * 6)
    buffer: deque[int] = field(default_factory=deque)
    """For each fetched instruction the cycle from which it can issue."""
    fetched: int = 0
    issued: int = 0
    next_issue: int = 0
    hold: tuple[int, int, int, int] | None = None
    """DEPBAR: from which cycle, counter, level, set of counters that must be zero."""
    fetch_from: int = 0
    pending: set[tuple[str, int]] = field(default_factory=set)
    """With scoreboards: places with a write in flight."""
    readers: Counter[tuple[str, int]] = field(default_factory=Counter)
    """With scoreboards: instructions in flight that have yet to read a place."""
    outstanding: int = 0
    """Memory instructions issued and not granted."""
    waiting: bool = False
    """At a barrier."""
    arrived: bool = False
    """At a barrier, with nothing outstanding."""


@dataclass
class ReferenceRun:
    """What happened: for each warp the issue cycles and the operand positions (bits) that hit the register cache."""

    issue: list[list[int]]
    hits: list[list[int]]


def run_reference(programs: Sequence[Sequence[Instruction]], config: Any, *, warm: bool, limit: int = 100_000) -> ReferenceRun:
    """Run straight-line programs, one for each warp, on one sub-core of a `CoreConfig`.

    Raises `InputError` for an opcode that is not modelled here, and if the programs have not ended by `limit`.
    """
    return _SubCore(programs, config, warm).run(limit)


class _SubCore:
    def __init__(self, programs: Sequence[Sequence[Instruction]], config: Any, warm: bool) -> None:
        self.c = config
        self.scoreboard = config.dependence == "scoreboard"
        self.warps = [WarpState(n, program) for n, program in enumerate(programs)]
        self.result = ReferenceRun([[-1] * len(p) for p in programs], [[0] * len(p) for p in programs])
        self.control: Flying | None = None
        self.allocate: Flying | None = None
        self.reads_booked: dict[tuple[int, int], int] = defaultdict(int)  # (cycle, bank) -> ports taken
        self.register_cache: dict[tuple[int, int], tuple[int, int]] = {}  # (bank, position) -> (warp, register)
        self.result_writes: set[tuple[int, int]] = set()  # (cycle, bank) of fixed-latency results
        self.pipe_free: dict[str, int] = defaultdict(int)
        self.later: dict[int, list[tuple[str, Flying]]] = defaultdict(list)
        self.memory_queue: deque[Flying] = deque()
        self.generator: Flying | None = None
        self.latch: tuple[Flying, int] | None = None
        self.port_free = 0
        self.last: WarpState | None = None
        self.quiet_until = 0
        self.constants: dict[tuple[int, int], tuple[int, int]] = {}  # line -> (arrival, last use)
        self.code = _InstructionCache(config, sorted({i.pc // LINE for p in programs for i in p}) if warm else [], programs)
        if warm:
            for warp in self.warps:
                warp.fetched = min(config.instruction_buffer, len(warp.program))
                warp.buffer.extend([0] * warp.fetched)

    def run(self, limit: int) -> ReferenceRun:
        t = 0
        while any(w.issued < len(w.program) for w in self.warps) or self.control or self.allocate:
            if t > limit:
                raise InputError(f"the programs have not ended after {limit} cycles")
            self.completions(t)
            self.memory_unit(t)
            control_empties = self.pipeline(t)
            entering = self.control_entering(t)
            self.fetch(t)
            self.issue(t, control_empties)
            if entering is not None:
                self.count_up(entering)
            t += 1
        return self.result

    # -- what was started earlier and ends now ---------------------------------------------------------------

    def completions(self, t: int) -> None:
        """Decrements are seen in their own cycle [R6]."""
        for what, flying in self.later.pop(t, []):
            control, warp = flying.instruction.control, self.warps[flying.warp]
            if what == "read":
                if self.scoreboard:
                    warp.readers.subtract(places(flying.instruction)[0])
                elif control.read is not None:
                    warp.counters[control.read] -= 1
                continue
            if what == "written":
                warp.pending -= places(flying.instruction)[1]
                continue
            written = destination(flying.instruction)
            late = what == "load" and bool(written) and bool(self.c.load_collision)
            if late and (t - 1, written[-1] % self.c.banks) in self.result_writes:
                # The load wrote in the cycle before; a fixed-latency result of that bank goes first [R11].
                self.later[t + self.c.load_collision].append(("load", flying))
                continue
            if self.scoreboard:
                warp.pending -= places(flying.instruction)[1]
            elif control.write is not None:
                warp.counters[control.write] -= 1

    def count_up(self, flying: Flying) -> None:
        """The counters rise in the first cycle in Control, after that cycle's issue check [R6]."""
        if self.scoreboard:
            return
        control, warp = flying.instruction.control, self.warps[flying.warp]
        for counter in (control.write, control.read):
            if counter is not None:
                warp.counters[counter] += 1

    # -- memory unit [R9, R10] -------------------------------------------------------------------------------

    def memory_unit(self, t: int) -> None:
        if self.latch is not None and self.latch[1] < t and self.port_free <= t:
            granted, self.latch = self.latch[0], None
            warp = self.warps[granted.warp]
            warp.outstanding -= 1
            if warp.waiting and warp.outstanding == 0:
                warp.arrived = True
                self.open_barrier(t)
            self.port_free = t + self.c.port_interval
            after = memory_times(granted.instruction)[1] - BACK_TO_BACK_READS - self.c.port_distance
            self.later[t + max(1, after)].append(("load", granted))
        if self.generator is not None and self.latch is None and t >= self.generator.read + self.c.address_interval:
            self.latch, self.generator = (self.generator, t), None
        if self.generator is None and self.memory_queue and t >= self.memory_queue[0].issued + self.c.memory_read:
            reading = self.memory_queue.popleft()
            reading.read, self.generator = t, reading
            self.later[t + memory_times(reading.instruction)[0] - BACK_TO_BACK_READS].append(("read", reading))

    def memory_waiting(self) -> int:
        """Issued and not yet granted."""
        in_control = self.control is not None and is_memory(self.control.instruction)
        return len(self.memory_queue) + (self.generator is not None) + (self.latch is not None) + in_control

    # -- Control and Allocate [R2, R3, R4] -------------------------------------------------------------------

    def control_entering(self, t: int) -> Flying | None:
        return self.entering if self.entering is not None and self.entering.issued == t - 1 else None

    def pipeline(self, t: int) -> bool:
        """Move what stands in Allocate and Control; returns whether Control is empty in the next cycle."""
        self.entering = self.control
        if self.allocate is not None and self.book_reads(self.allocate, t):
            self.allocate = None
        if self.control is None:
            return True
        flying = self.control
        if is_memory(flying.instruction):
            self.memory_queue.append(flying)
        elif flying.instruction.base != "MUFU":
            if self.allocate is not None:
                return False
            self.allocate = flying
        self.control = None
        return True

    def book_reads(self, flying: Flying, t: int) -> bool:
        """Find a free read port in the next cycles for every operand that the register cache does not have."""
        c = self.c
        operands = register_operands(flying.instruction)
        hits = {
            position for position, registers, _ in operands
            if c.register_cache
            and self.register_cache.get((registers[0] % c.banks, position)) == (flying.warp, registers[0])
        }
        needed: dict[int, int] = defaultdict(int)
        for position, registers, _ in operands:
            if position not in hits:
                for register in registers:
                    needed[register % c.banks] += 1
        window = range(t + 1, t + 1 + c.read_window)
        if c.read_ports:
            for bank, count in needed.items():
                possible = c.read_ports * c.read_window  # more than that in one bank passes as that many
                if min(count, possible) > sum(c.read_ports - self.reads_booked[cycle, bank] for cycle in window):
                    return False
            for bank, count in needed.items():
                for cycle in window:
                    take = min(count, c.read_ports - self.reads_booked[cycle, bank])
                    self.reads_booked[cycle, bank] += take
                    count -= take
        if c.register_cache:
            for position, registers, reuse in operands:
                for register in registers:
                    if reuse:
                        self.register_cache[register % c.banks, position] = (flying.warp, register)
                    else:
                        self.register_cache.pop((register % c.banks, position), None)
        self.result.hits[flying.warp][flying.index] = sum(1 << position for position in hits)
        if self.scoreboard:
            self.reserve_until(flying, t)
        elif flying.instruction.control.read is not None:
            self.later[t + c.read_window + 1].append(("read", flying))
        return True

    def reserve_until(self, flying: Flying, t: int) -> None:
        """What left Allocate in this cycle is read for three cycles, and written a fixed time later [R13]."""
        base = flying.instruction.base
        self.later[t + self.c.read_window].append(("read", flying))
        latency = self.c.guard_cycles if base == "ISETP" else FIXED_LATENCY[base][0]
        written = t - 2 + latency + self.c.scoreboard_release
        if written > t:
            self.later[written].append(("written", flying))
        else:
            self.warps[flying.warp].pending -= places(flying.instruction)[1]

    # -- fetch [R8] ------------------------------------------------------------------------------------------

    def fetch(self, t: int) -> None:
        """Room is judged before this cycle's issue."""
        able = [w for w in self.warps if w.fetched < len(w.program) and w.fetched - w.issued < self.c.instruction_buffer
                and w.fetch_from <= t]
        if not able:
            return
        warp = self.last if self.last in able else max(able, key=lambda w: w.number)
        arrival = self.code.look_up(warp.program[warp.fetched].pc // LINE, t)
        if arrival > t:
            warp.fetch_from = arrival
            return
        warp.buffer.append(t + self.c.fetch_cycles)
        warp.fetched += 1

    # -- issue [R1, R5, R7, R12] -----------------------------------------------------------------------------

    def issue(self, t: int, control_empties: bool) -> None:
        if not control_empties or t < self.quiet_until:
            return
        ready = [w for w in self.warps if self.eligible(w, t)]
        if not ready:
            return
        warp = self.choose(ready)
        instruction = warp.program[warp.issued]
        line = constant(instruction)
        if line is not None and self.c.constant_sets:
            if line not in self.constants:
                self.miss_constant(line, t)
                return
            self.constants[line] = (self.constants[line][0], t)
        flying = Flying(instruction, warp.number, warp.issued, t)
        self.result.issue[warp.number][warp.issued] = t
        self.control = flying
        self.last = warp
        warp.buffer.popleft()
        warp.issued += 1
        stall, yields = instruction.control.stall, instruction.control.yields
        warp.next_issue = t + max(1, stall)
        if yields and stall <= 1:
            warp.next_issue = t + (2 if stall == 1 else self.c.yield_stall_0)
        if self.scoreboard:
            warp.next_issue = t + 1
            read, written = places(instruction)
            warp.readers.update(read)
            warp.pending |= written
        if warp.hold is not None and warp.hold[0] <= t:
            warp.hold = None
        if instruction.base == "DEPBAR":
            warp.hold = (t + 4, *depbar(instruction))
        if is_memory(instruction):
            warp.outstanding += 1
        if instruction.base == "BAR":
            warp.waiting, warp.arrived = True, warp.outstanding == 0
            self.open_barrier(t)
        self.start(flying, t)
        if warp.issued == len(warp.program):
            warp.waiting = warp.arrived = False
            self.open_barrier(t)

    def open_barrier(self, t: int) -> None:
        """Let the warps go if all that are not finished have arrived [R14]."""
        alive = [w for w in self.warps if w.issued < len(w.program) or w.waiting]
        if not alive or not all(w.arrived for w in alive):
            return
        for warp in alive:
            warp.waiting = warp.arrived = False
            warp.next_issue = max(warp.next_issue, t + self.c.barrier_cycles)

    def start(self, flying: Flying, t: int) -> None:
        """Take the unit, and plan what is known already."""
        instruction = flying.instruction
        if instruction.base == "MUFU":
            self.pipe_free["sfu"] = t + 8
            self.later[t + 6].append(("read", flying))
            self.later[t + 13].append(("load", flying))
        elif not is_memory(instruction):
            latency, pipe, taken = FIXED_LATENCY[instruction.base]
            if pipe is not None:
                self.pipe_free[self.pipe(pipe, t)] = t + taken
            for register in destination(instruction):
                self.result_writes.add((t + latency, register % self.c.banks))
            if instruction.control.write is not None and not self.scoreboard:
                self.later[t + latency + 1].append(("write", flying))

    def choose(self, ready: list[WarpState]) -> WarpState:
        if self.c.policy == "lrr":
            last = -1 if self.last is None else self.last.number
            return min(ready, key=lambda w: (w.number <= last, w.number))
        if self.last in ready:
            return self.last
        return (max if self.c.policy == "cggty" else min)(ready, key=lambda w: w.number)

    def eligible(self, warp: WarpState, t: int) -> bool:
        if not warp.buffer or warp.buffer[0] > t or warp.next_issue > t:
            return False
        if warp.waiting:
            return False
        if warp.hold is not None and warp.hold[0] <= t:
            _, counter, level, others = warp.hold
            if warp.counters[counter] > level or any(others >> i & 1 and warp.counters[i] for i in range(6)):
                return False
        instruction = warp.program[warp.issued]
        if self.scoreboard:
            if self.collides(warp, instruction):
                return False
        elif any(instruction.control.wait >> i & 1 and warp.counters[i] for i in range(6)):
            return False
        if is_memory(instruction):
            if self.memory_waiting() > self.c.memory_queue:
                return False
        elif instruction.base == "MUFU":
            if self.pipe_free["sfu"] > t:
                return False
        elif instruction.base in FIXED_LATENCY:
            latency, pipe, _ = FIXED_LATENCY[instruction.base]
            if pipe is not None and self.pipe_free[self.pipe(pipe, t)] > t:
                return False
            writes = {(t + latency, register % self.c.banks) for register in destination(instruction)}
            if self.c.result_queue == 0 and writes & self.result_writes:
                return False
        else:
            raise InputError(f"{instruction.base} is not in the reference")
        line = constant(instruction)
        return line is None or not self.c.constant_sets or self.constants.get(line, (0, 0))[0] <= t

    def collides(self, warp: WarpState, instruction: Instruction) -> bool:
        """Whether a place that it reads or writes has a write pending, one that it writes has readers, or one that it reads has
        as many as can be counted [R13]."""
        read, written = places(instruction)
        return (bool((read | written) & warp.pending) or any(warp.readers[place] for place in written)
                or any(warp.readers[place] >= self.c.scoreboard_consumers for place in read))

    def pipe(self, pipe: str, t: int) -> str:
        """FP32 enters its own pipe if that is free, else the one it shares with integers, if there are two."""
        own = self.pipe_free["fp32"]
        if pipe == "fp32" and self.c.fp32_pipes == 2 and own > t and self.pipe_free["int"] < own:
            return "int"
        return pipe

    def miss_constant(self, line: tuple[int, int], t: int) -> None:
        """Nothing issues for some cycles; the line comes [R7]."""
        same_set = [k for k in self.constants if k[1] % self.c.constant_sets == line[1] % self.c.constant_sets]
        there = [k for k in same_set if self.constants[k][0] <= t]
        if len(same_set) >= self.c.constant_ways and there:
            del self.constants[min(there, key=lambda k: self.constants[k][1])]
        self.constants[line] = (t + self.c.constant_miss, t)
        self.quiet_until = t + self.c.constant_wait


class _InstructionCache:
    """L0 with a stream buffer, over an L1 that takes one request a cycle."""

    def __init__(self, config: Any, held: Sequence[int], programs: Sequence[Sequence[Instruction]]) -> None:
        self.c = config
        self.lines = dict.fromkeys(held, (0, 0))  # line -> (arrival, last use)
        self.buffer: dict[int, int] = {}  # line -> arrival
        self.l1: dict[int, int] = {}
        self.request_free = 0
        self.last_line = max(i.pc // LINE for p in programs for i in p)

    def look_up(self, line: int, t: int) -> int:
        if self.c.perfect_icache:
            return t
        if line in self.lines:
            self.lines[line] = (self.lines[line][0], t)
            return self.lines[line][0]
        if line in self.buffer:
            arrival = self.buffer[line]
            self.buffer = {k: v for k, v in self.buffer.items() if k > line}
        else:
            self.buffer = {}
            arrival = self.request(line, t)
        self.insert(line, arrival, t)
        ahead = max(self.buffer, default=line) + 1
        for wanted in range(ahead, min(line + self.c.prefetch_depth, self.last_line) + 1):
            self.buffer[wanted] = self.request(wanted, t + 1)
        return arrival

    def insert(self, line: int, arrival: int, t: int) -> None:
        sets = max(1, self.c.l0_kib * 1024 // LINE // self.c.l0_ways)
        same_set = [k for k in self.lines if k % sets == line % sets]
        there = [k for k in same_set if self.lines[k][0] <= t]
        if len(same_set) >= self.c.l0_ways and there:
            del self.lines[min(there, key=lambda k: (self.lines[k][1], k))]
        self.lines[line] = (arrival, t)

    def request(self, line: int, t: int) -> int:
        start = max(t, self.request_free)
        self.request_free = start + 1
        there = self.l1.setdefault(line, start + self.c.l1i_miss)
        return start + self.c.l0_miss + max(0, there - start)
