"""Every size, latency and switch of the core, as plain numbers with their sources."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Literal, get_args, get_type_hints

import numpy as np

from ...errors import InputError
from ...reading import natural
from .latency import AMPERE, MemoryLatency

__all__ = ["CoreConfig"]

Policy = Literal["cggty", "gto", "lrr"]
Dependence = Literal["control_bits", "scoreboard"]


@dataclass(frozen=True)
class CoreConfig:
    """A streaming multiprocessor (SM). Defaults: Ampere GA10x; cycles unless said.

    Sources in brackets: P = MICRO 2025, DOI 10.1145/3725843.3756041; C = its authors' simulator
    configuration; F = read off the paper's figures; K = not measured anywhere, our choice.
    """

    sub_cores: int = 4
    warps: int = 48
    """Resident warps of an SM [P]."""
    policy: Policy = "cggty"
    """cggty: stay on the warp while it can issue, else the youngest that can [P]; gto: else the oldest;
    lrr: the next one after the warp that issued last."""
    dependence: Dependence = "control_bits"
    """Who keeps dependent instructions apart: the compiler's bits, or two scoreboards for each warp, over general, uniform and
    predicate registers: one of writes that are pending, one that counts reads that are [P]."""
    scoreboard_consumers: int = 63
    """With a scoreboard: instructions in flight that may have yet to read one register."""
    instruction_buffer: int = 3
    """Entries of a warp [P]."""
    fetch_cycles: int = 2
    """From fetch to the earliest issue [P]."""
    yield_stall_0: int = 46
    """Issue distance of stall 0 with yield [P, C]."""
    banks: int = 2
    """Register-file banks of a sub-core [P]."""
    read_ports: int = 1
    """Reads of one warp operand a cycle from each bank [P]; 0: as many as are needed."""
    read_window: int = 3
    """Cycles in which a fixed-latency instruction reads its registers [P]."""
    register_cache: int = 1
    """Whether there is a register-file cache of one entry for each bank and operand position [P]."""
    result_queue: int = 8
    """Entries of the queue for fixed-latency results [C]; 0: two that meet in one bank collide, and the
    second waits before it issues [K]."""
    fp32_pipes: int = 2
    """Units of 16 lanes that FP32 can enter; the second one is shared with integers [C]. Turing has 1."""
    memory_queue: int = 4
    """Entries of a sub-core's memory queue; one more instruction stands in the latch [P]."""
    memory_read: int = 6
    """From issue to the register read of an idle memory unit [F]."""
    address_interval: int = 4
    """Cycles of address generation for one instruction [P]."""
    port_interval: int = 2
    """Cycles between two requests that the SM's shared stage accepts [P]."""
    port_distance: int = 5
    """From register read to the earliest grant of the shared stage [F]."""
    load_collision: int = 1
    """Cycles that a load's write-back loses to a fixed-latency result of the same bank [P]."""
    l0_kib: int = 32
    l0_ways: int = 32
    l1i_kib: int = 128
    l1i_ways: int = 16
    """Instruction caches, lines of 128 B [C]."""
    l0_miss: int = 79
    """39 cycles each way and one in the L1 [C]; the measured constant miss is the same [P]."""
    l1i_miss: int = 200
    """More when the L1 misses too: an access to the L2 [K]."""
    prefetch_depth: int = 8
    """Lines of the stream buffer [P]; 0: no prefetch."""
    perfect_icache: int = 0
    """1: every fetch hits."""
    constant_sets: int = 4
    constant_ways: int = 2
    """L0 for constants of fixed-latency instructions, lines of 64 B [C]; 0 sets: every access hits."""
    constant_miss: int = 79
    constant_wait: int = 4
    """Cycles, the one of the miss included, in which nothing issues after a constant miss [P]."""
    branch_redirect: int = 11
    """From the issue of a taken branch to the fetch of its target [K]: set so that the loop of 128 dependent
    FFMA takes the 524.7 cycles that an H100 was measured to take (sarchlab/mgpusim, mean of fits)."""
    barrier_cycles: int = 20
    """From the last arrival to the earliest issue after a barrier [K]."""
    membar_cycles: int = 186
    """A fence of GPU scope [C]."""
    guard_cycles: int = 13
    """From the issue of what writes a predicate to that of an instruction which it guards: compiled code keeps them as
    far apart, 12 on Turing (sm_75) and 13 from sm_80 to sm_120 (nvcc 13.5). As an operand a predicate is there after 4."""
    uniform_guard_cycles: int = 9
    """The same for a uniform predicate, from UISETP to BRA.U (nvcc 13.5, sm_120)."""
    scoreboard_release: int = 6
    """With a scoreboard: from when the bypass hands on a fixed-latency result until its write-back clears the scoreboard. The
    authors' simulator clears it when the result leaves the result queue, 10 cycles after the issue of an idle FADD, whose
    users the compiler keeps 4 away [C]; 0: a scoreboard that knows of the bypass."""
    memory: MemoryLatency = AMPERE

    def __post_init__(self) -> None:
        for name, low, high in (
            ("sub_cores", 1, 8), ("warps", 1, 128), ("instruction_buffer", 1, 8), ("banks", 1, 8), ("read_ports", 0, 8),
            ("read_window", 1, 8), ("memory_queue", 1, 15), ("prefetch_depth", 0, 64), ("fp32_pipes", 1, 2),
            ("constant_ways", 1, 64), ("constant_sets", 0, 64), ("l0_kib", 1, 1024), ("l0_ways", 1, 64),
            ("fetch_cycles", 1, 16), ("memory_read", 3, 32), ("port_distance", 1, 32), ("address_interval", 1, 64),
            ("port_interval", 1, 64), ("scoreboard_consumers", 1, 1000),
            ("scoreboard_release", 0, 32), ("l1i_kib", 1, 4096), ("l1i_ways", 1, 64),
        ):
            if not low <= getattr(self, name) <= high:
                raise InputError(f"{name}={getattr(self, name)}; accepted: {low} to {high}")
        if self.port_distance != self.address_interval + 1:
            raise InputError(f"port_distance={self.port_distance}; accepted: address_interval + 1, the hand-off latch")
        for name, value in (("policy", self.policy), ("dependence", self.dependence)):
            accepted = get_args(Policy if name == "policy" else Dependence)
            if value not in accepted:
                raise InputError(f"{name}={value!r}; accepted: {', '.join(accepted)}")

    def with_text(self, settings: dict[str, str]) -> CoreConfig:
        """Return a copy with parameters given as text; raises `InputError`."""
        known = {item.name for item in fields(self)} - {"memory"}
        values: dict[str, str | int] = {}
        for name, text in settings.items():
            if name not in known:
                raise InputError(f"{name}={text!r}: unknown parameter (accepted: {', '.join(sorted(known))})")
            if isinstance(getattr(self, name), str):
                values[name] = text
            elif (number := natural(text)) is None:
                raise InputError(f"{name}={text!r:.40}; accepted: an integer")
            else:
                values[name] = number
        return replace(self, **values)  # type: ignore[arg-type]

    def vector(self) -> np.ndarray:
        """The numbers in declaration order, int64: choices by their index."""
        choices = {"policy": get_args(Policy), "dependence": get_args(Dependence)}
        values = []
        for item in fields(self):
            value = getattr(self, item.name)
            if item.name in choices:
                value = choices[item.name].index(value)
            if item.name != "memory":
                values.append(int(value))
        return np.array(values, np.int64)


NAMES = tuple(name for name in get_type_hints(CoreConfig) if name != "memory")
