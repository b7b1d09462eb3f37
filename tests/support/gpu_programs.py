"""Random straight-line programs of up to eight warps, legal in that every counter that is waited for comes down."""

from __future__ import annotations

import random

from cyclescape.simulator.gpu.config import CoreConfig
from cyclescape.traces.kernels.assembly import parse_instruction

_ALU = ("FADD R{d}, R{a}{ra}, R{b}{rb}", "FMUL R{d}, R{a}{ra}, R{b}{rb}", "FFMA R{d}, R{a}{ra}, R{b}{rb}, R{c}{rc}",
        "IADD3 R{d}, R{a}{ra}, R{b}{rb}, R{c}{rc}", "MOV R{d}, R{a}{ra}", "HADD2 R{d}, R{a}{ra}, R{b}{rb}",
        "FFMA R{d}, R{a}{ra}, 2.0, R{c}{rc}", "IMAD.WIDE R{e}, R{a}{ra}, R{b}{rb}, R{f}{rc}", "NOP",
        "FFMA R{d}, R{a}{ra}, c[0x{bank}][{offset}], R{c}{rc}", "ISETP.GE.AND P0, PT, R{a}{ra}, R{b}{rb}, PT",
        "FADD RZ, R{a}{ra}, RZ", "@P0 FMUL R{d}, R{a}{ra}, R{b}{rb}", "ISETP.GE.AND P1, P0, R{a}{ra}, R{b}{rb}, P0",
        "UMOV UR{g}, UR{h}", "UIADD3 UR{h}, UR{g}, UR4, URZ", "IMAD R{d}, R{a}{ra}, UR{g}, R{c}{rc}")
_MEMORY = ("LDG.E{w} R{g}, [R{e}]", "LDG{w} R{g}, [UR4]", "LDS{w} R{g}, [R{a}]", "LDS{w} R{g}, [UR6]", "STG.E{w} [R{e}], R{g}",
           "STS{w} [R{a}], R{g}", "LDC R{d}, c[0x0][0x160]", "LDC R{d}, c[0x0][R{a}]", "MUFU.RCP R{d}, R{a}",
           "STG{w} [UR4], R{g}")


def random_program(rng: random.Random, length: int) -> list:
    """Instructions at successive addresses."""
    memory_share, long_stalls = rng.choice([0.0, 0.1, 0.3, 0.9]), rng.random() < 0.3
    program, outstanding = [], 0
    for i in range(length):
        registers = {name: rng.randrange(24) for name in "abcd"}
        even = {name: 2 * rng.randrange(12) for name in "ef"} | {"g": 4 * rng.randrange(6),
                                                                            "h": 4 + 2 * rng.randrange(3)}
        reuse = {f"r{x}": ".reuse" if rng.random() < 0.3 else "" for x in "abc"}
        loads = rng.random() < memory_share
        text = rng.choice(_MEMORY if loads else _ALU).format(
            **registers, **even, **reuse, w=rng.choice(["", "", ".64", ".128"]), bank=rng.choice("03"),
            offset=hex(4 * rng.randrange(200)))
        stall = rng.choice([1, 1, 1, 2, 3, 4, 5, 11] if long_stalls else [1, 1, 1, 1, 2])
        fields = [f"S{0 if rng.random() < 0.02 else stall}"] + ["Y"] * (rng.random() < 0.1)
        if loads or rng.random() < 0.05:
            if rng.random() < 0.7:
                fields.append(f"W{rng.randrange(6)}")
            if rng.random() < 0.4:
                fields.append(f"R{rng.randrange(6)}")
        if rng.random() < 0.15:
            fields.append("M" + "".join(str(n) for n in range(6) if rng.random() < 0.4))
        if rng.random() < 0.04:
            text = f"DEPBAR.LE SB{rng.randrange(6)}, {rng.randrange(4)}, {{{rng.randrange(6)}}}"
            fields = [rng.choice(["S4", "S4", "S3", "S1"])]
        elif rng.random() < 0.02:
            text, fields = "BAR.SYNC 0x0", [rng.choice(["S5", "S1"])]
        program.append(parse_instruction(f"{text} {{{' '.join(fields)}}}", 16 * i))
        outstanding += loads
    return program


def random_case(seed: int) -> tuple[list, CoreConfig, bool]:
    """Programs, a core of one sub-core, and whether it starts warm."""
    rng = random.Random(seed)
    warps = rng.randint(1, 8)
    if rng.random() < 0.3:
        programs = [random_program(rng, rng.randint(1, 60))] * warps
    else:
        programs = [random_program(rng, rng.randint(1, 40)) for _ in range(warps)]
    values: dict[str, object] = {"sub_cores": 1, "warps": warps}
    if rng.random() < 0.6:
        values |= {
            "policy": rng.choice(["cggty", "gto", "lrr"]), "instruction_buffer": rng.randint(1, 4),
            "read_ports": rng.choice([0, 1, 1, 2]), "register_cache": rng.randrange(2), "banks": rng.choice([1, 2, 4]),
            "memory_queue": rng.randint(1, 6), "fp32_pipes": rng.choice([1, 2]), "result_queue": rng.choice([0, 8]),
            "prefetch_depth": rng.choice([0, 1, 4, 8]), "constant_ways": rng.choice([1, 2]),
            "constant_sets": rng.choice([0, 1, 4]), "load_collision": rng.choice([0, 1]), "fetch_cycles": rng.choice([1, 2, 3]),
            "l0_kib": 1, "l0_ways": rng.choice([1, 2]), "l0_miss": rng.choice([5, 20, 79]), "read_window": rng.choice([3, 4]),
            "dependence": rng.choice(["control_bits", "scoreboard"]), "scoreboard_consumers": rng.choice([1, 2, 3, 63]),
            "scoreboard_release": rng.choice([0, 1, 6]), "guard_cycles": rng.choice([12, 13]),
            "barrier_cycles": rng.choice([1, 20]),
            "perfect_icache": int(rng.random() < 0.2), "port_interval": rng.choice([1, 2, 5]),
        }
    return programs, CoreConfig(**values), rng.random() < 0.6  # type: ignore[arg-type]
