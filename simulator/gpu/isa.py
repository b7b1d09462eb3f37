"""What the issue logic needs to know of an opcode: which unit, which latency, how many registers.

Latencies are issue to earliest dependent issue, in cycles. Sources: [P] MICRO 2025 (DOI 10.1145/3725843.3756041),
[C] its authors' simulator configuration, [L] NMSU-PEARL/GPUs-ISA-Latencies, [K] not measured: our choice.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Literal

from ...errors import InputError

__all__ = ["UNITS", "OpClass", "Unit", "known_opcodes", "op_class"]

Unit = Literal["none", "int", "fp32", "half", "uniform", "predicate", "sfu", "fp64", "tensor", "branch", "memory"]
UNITS: tuple[Unit, ...] = (
    "none", "int", "fp32", "half", "uniform", "predicate", "sfu", "fp64", "tensor", "branch", "memory",
)
Effect = Literal["", "depbar", "barrier", "exit", "clock", "membar", "async_barrier"]
Space = Literal["", "global", "shared", "local", "constant", "generic", "async"]


@dataclass(frozen=True)
class OpClass:
    """One class of opcodes."""

    unit: Unit
    latency: int
    """Issue to dependent issue; of a variable-latency unit: the time in the unit."""
    interval: int = 1
    """Cycles for which the unit's input latch is taken."""
    variable: bool = False
    """Whether completion is announced through a dependence counter."""
    effect: Effect = ""
    space: Space = ""
    store: bool = False
    atomic: bool = False
    stores_only: bool = False
    """Whether there is no destination register."""


_INT = OpClass("int", 4, 2)  # latency 4: [P]; half-warp unit: [P]
_FP32 = OpClass("fp32", 4, 2)  # [P]
_HALF = OpClass("half", 5, 2)  # HADD2 5 [P]
_UNIFORM = OpClass("uniform", 4, 2)  # execute 2 [C] and the read stages
# Compiled code keeps their users 2 cycles away (nvcc 13.5, sm_75 to sm_120).
_UNIFORM_MOVE = OpClass("uniform", 2, 2)
_PREDICATE = OpClass("predicate", 13, 2, stores_only=True)  # compiled code stalls 13 after ISETP [P,C]
_SFU = OpClass("sfu", 8, 8, variable=True)  # [C]
_SLOW = OpClass("sfu", 16, 8, variable=True)  # conversions, S2R: [K]
_FP64 = OpClass("fp64", 24, 16, variable=True)  # GA10x, one unit for the four sub-cores [C]
_TENSOR = OpClass("tensor", 33, 8)  # 32 in the unit [C]; 8 apart [A100, Abdelkhalik 2022]
_BRANCH = OpClass("branch", 4, 1, stores_only=True)
_NONE = OpClass("none", 4, 1, stores_only=True)

_CLASSES: dict[str, OpClass] = {
    **dict.fromkeys(
        "IADD3 IADD IMAD LOP3 LOP LEA SHF SHL SHR SEL IMNMX VIMNMX IABS PRMT MOV MOV32I SGXT BMSK XMAD VABSDIFF "
        "VIADD IDP IMUL VIADDMNMX IADD32I LOP32I BFE BFI VOTE MATCH P2R CSEL ISCADD LEPC".split(), _INT),
    **dict.fromkeys("FADD FMUL FFMA FSEL FMNMX FADD32I FMUL32I FFMA32I FSWZADD FADD2 FMUL2 FFMA2 FMNMX3".split(), _FP32),
    **dict.fromkeys("HADD2 HMUL2 HFMA2 HMNMX2 HADD2_32I HFMA2_32I".split(), _HALF),
    **dict.fromkeys("UIADD3 UIMAD ULOP3 USHF ULEA USEL UPRMT USGXT UP2UR UBMSK UFLO UPOPC UIADD UR2UP "
                    "UVIADD UIMNMX UVIMNMX UFADD UFMUL UFFMA UFSEL UI2FP".split(), _UNIFORM),
    **dict.fromkeys("ISETP FSETP HSETP2 FSET".split(), _PREDICATE),
    **dict.fromkeys("UISETP UFSETP".split(), OpClass("uniform", 13, 2, stores_only=True)),
    **dict.fromkeys("PLOP3 R2P FCHK".split(), OpClass("int", 4, 2, stores_only=True)),
    "UPLOP3": OpClass("uniform", 4, 2, stores_only=True),
    "DSETP": OpClass("fp64", 24, 16, variable=True, stores_only=True),
    "HSET2": _HALF,
    **dict.fromkeys("MUFU".split(), _SFU),
    **dict.fromkeys("S2R S2UR R2UR F2I I2F F2F F2IP FRND FLO POPC BREV I2I REDUX CREDUX I2IP "
                    "UF2FP UI2F UF2I FCVT QSPC B2R GETLMEMBASE".split(), _SLOW),
    # Compiled code keeps their users 5 cycles away, without a counter (nvcc 13.5, sm_86 to sm_120).
    **dict.fromkeys("F2FP I2FP".split(), OpClass("int", 5, 2)),
    **dict.fromkeys("DADD DMUL DFMA DMMA".split(), _FP64),
    **dict.fromkeys("HMMA IMMA BMMA QMMA".split(), _TENSOR),
    **dict.fromkeys("BRA BRX BRXU JMP JMX CALL RET BSSY BSYNC BREAK WARPSYNC YIELD KILL RPCMOV RTT BPT BMOV NANOSLEEP "
                    "ACQBULK".split(), _BRANCH),
    "EXIT": OpClass("branch", 4, 1, effect="exit", stores_only=True),
    "BAR": OpClass("branch", 4, 1, effect="barrier", stores_only=True),
    "DEPBAR": OpClass("none", 4, 1, effect="depbar", stores_only=True),
    # Follows the copies of its warp through the memory unit, and is done when they are [K].
    "LDGDEPBAR": OpClass("memory", 0, 1, True, effect="async_barrier", space="async", stores_only=True),
    "NOP": _NONE, "PREEXIT": _NONE, "ENDCOLLECTIVE": _NONE, "PMTRIG": _NONE,
    "CCTL": _NONE, "CCTLL": _NONE, "ERRBAR": _NONE,
    "MEMBAR": OpClass("none", 4, 1, effect="membar", stores_only=True),
    "CS2R": OpClass("none", 4, 1, effect="clock"),
    "LDG": OpClass("memory", 0, 1, True, space="global"),
    "STG": OpClass("memory", 0, 1, True, space="global", store=True, stores_only=True),
    "LD": OpClass("memory", 0, 1, True, space="generic"),
    "ST": OpClass("memory", 0, 1, True, space="global", store=True, stores_only=True),
    "LDL": OpClass("memory", 0, 1, True, space="local"),
    "STL": OpClass("memory", 0, 1, True, space="local", store=True, stores_only=True),
    "LDS": OpClass("memory", 0, 1, True, space="shared"),
    "LDSM": OpClass("memory", 0, 1, True, space="shared"),
    "STS": OpClass("memory", 0, 1, True, space="shared", store=True, stores_only=True),
    "SHFL": OpClass("memory", 0, 1, True, space="shared"),  # through the shared-memory crossbar: [K]
    "LDC": OpClass("memory", 0, 1, True, space="constant"),
    **dict.fromkeys("ULDC UMOV VOTEU".split(), _UNIFORM_MOVE),
    "LDCU": OpClass("memory", 0, 1, True, space="constant", stores_only=True),
    "LDGSTS": OpClass("memory", 0, 1, True, space="async", stores_only=True),
    "ATOMG": OpClass("memory", 0, 1, True, space="global", atomic=True),
    "ATOM": OpClass("memory", 0, 1, True, space="global", atomic=True),
    "ATOMS": OpClass("memory", 0, 1, True, space="shared", atomic=True),
    "RED": OpClass("memory", 0, 1, True, space="global", store=True, atomic=True, stores_only=True),
    "REDG": OpClass("memory", 0, 1, True, space="global", store=True, atomic=True, stores_only=True),
}

FIXED_FP64 = 8
"""Latency of doubles where there are as many lanes for them as a GPU for computing has (DFMA on a TITAN V [L]); compiled
code for sm_90 keeps users this far away, without a counter."""
CONTROL_TRANSFER = frozenset("BRA BRX BRXU JMP JMX CALL RET EXIT BREAK BSYNC WARPSYNC KILL RTT".split())
"""After these a warp may go on somewhere else."""


@cache
def op_class(opcode: str) -> OpClass:
    """Return the class of an opcode with its modifiers; raises `InputError` for one that is not known."""
    base = opcode.partition(".")[0]
    if opcode == "HFMA2.MMA":  # runs beside the tensor unit with the latency of an FP32 operation [K]
        return _FP32
    if base not in _CLASSES:
        raise InputError(f"opcode {base!r} ({opcode}) is not supported")
    return _CLASSES[base]


def known_opcodes() -> tuple[str, ...]:
    """Every opcode that can be timed."""
    return tuple(sorted(_CLASSES))
