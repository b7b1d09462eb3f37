"""Functional execution: single instructions against Python's integers and numpy, and what cannot be executed."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sass_programs import program, results

from cyclescape.errors import InputError
from cyclescape.traces.kernels.functional import GlobalMemory, execute

WORD = st.integers(0, 2**32 - 1) | st.sampled_from([0, 1, 2**31, 2**31 - 1, 2**32 - 1])
WORDS = st.lists(WORD, min_size=32, max_size=32)
LANES = np.arange(32)
few = settings(max_examples=25, deadline=None)


def _signed(x):
    return x - 2**32 if x >> 31 else x


def _run(body, *inputs, registers=(0,)):
    return [r.tolist() for r in results(body, dict(zip((2, 4, 6, 8), map(np.array, inputs))), registers)]


@few
@given(WORDS, WORDS, WORDS)
def test_integers(a, b, c):
    low, high, signed_low, signed_high, difference = _run(
        ["IADD3 R0, P0, R2, R4, RZ", "IADD3.X R10, R6, RZ, RZ, P0, !PT", "IMAD.WIDE.U32 R12, R2, R4, RZ",
         "IMAD.WIDE R14, R2, R4, RZ", "IADD3 R16, -R2, R4, R6"], a, b, c, registers=(0, 10, 13, 15, 16))
    for i, (x, y, z) in enumerate(zip(a, b, c)):
        assert low[i] == (x + y) % 2**32
        assert high[i] == (z + (x + y >> 32)) % 2**32
        assert signed_low[i] == x * y >> 32
        assert signed_high[i] == (_signed(x) * _signed(y) >> 32) % 2**32
        assert difference[i] == (y + z - x) % 2**32


@few
@given(WORDS, WORDS, st.integers(0, 31), st.integers(0, 255))
def test_shifts_and_logic(a, b, by, lut):
    left, right, arithmetic, funnel, logic, lea, lea_high = _run(
        [f"SHF.L.U32 R0, R2, {by:#x}, RZ", f"SHF.R.U32.HI R8, RZ, {by:#x}, R2", f"SHF.R.S32.HI R9, RZ, {by:#x}, R2",
         f"SHF.R.U32 R10, R2, {by:#x}, R4", f"LOP3.LUT R11, R2, R4, R1, {lut:#x}, !PT", f"LEA R12, P0, R2, R4, {by:#x}",
         f"LEA.HI.X R13, R2, R4, R1, {by:#x}, P0"], a, b, registers=(0, 8, 9, 10, 11, 12, 13))
    for i, (x, y) in enumerate(zip(a, b)):
        assert left[i] == (x << by) % 2**32
        assert right[i] == x >> by
        assert arithmetic[i] == (_signed(x) >> by) % 2**32
        assert funnel[i] == ((y << 32 | x) >> by) % 2**32
        assert logic[i] == sum((lut >> (4 * (x >> k & 1) + 2 * (y >> k & 1) + (i >> k & 1)) & 1) << k for k in range(32))
        assert lea[i] == ((x << by) + y) % 2**32
        carry = ((x << by) % 2**32 + y) >> 32
        assert lea_high[i] == (((i << 32 | x) << by >> 32) % 2**32 + y + carry) % 2**32


@few
@given(WORDS, WORDS, st.lists(st.integers(0, 15), min_size=4, max_size=4))
def test_bytes_are_permuted(a, c, nibbles):
    selector = sum(n << 4 * i for i, n in enumerate(nibbles))
    (got,) = _run([f"PRMT R0, R2, {selector:#x}, R4"], a, c)
    for i, (x, y) in enumerate(zip(a, c)):
        raw = (y << 32 | x).to_bytes(8, "little")
        chosen = [raw[n & 7] if n < 8 else 255 * (raw[n & 7] >> 7) for n in nibbles]
        assert got[i] == int.from_bytes(bytes(chosen), "little")


@few
@given(WORDS, WORDS, st.sampled_from(["LT", "LE", "GT", "GE", "EQ", "NE"]), st.booleans())
def test_comparisons_and_selections(a, b, name, unsigned):
    kind = ".U32" if unsigned else ""
    chosen, least, most, packed = _run(
        [f"ISETP.{name}{kind}.AND P0, P1, R2, R4, PT", "SEL R0, R2, R4, P0", f"IMNMX{kind} R8, R2, R4, PT",
         f"IMNMX{kind} R9, R2, R4, !PT", "P2R R10, PR, RZ, 0x3"], a, b, registers=(0, 8, 9, 10))
    for i, (x, y) in enumerate(zip(a, b)):
        u, v = (x, y) if unsigned else (_signed(x), _signed(y))
        holds = {"LT": u < v, "LE": u <= v, "GT": u > v, "GE": u >= v, "EQ": u == v, "NE": u != v}[name]
        assert chosen[i] == (x if holds else y)
        assert packed[i] == (1 if holds else 2)
        assert (least[i], most[i]) == (min(u, v) % 2**32, max(u, v) % 2**32)


_FLOATS = st.lists(st.floats(-1e6, 1e6, width=32), min_size=32, max_size=32)


@few
@given(_FLOATS, _FLOATS)
def test_floats(a, b):
    x, y = np.array(a, np.float32), np.array(b, np.float32)
    body = ["FADD R0, R2, -R4", "FMUL R8, |R2|, 0.5", "FFMA R9, R2, R4, R2", "FMNMX R10, R2, R4, !PT", "F2I.TRUNC R11, R2",
            "I2F.U32 R12, R1", "FSETP.GEU.AND P0, PT, R2, R4, PT", "FSEL R13, R2, R4, P0", "MUFU.EX2 R14, R12"]
    got = results(body, {2: x.view(np.uint32), 4: y.view(np.uint32)}, (0, 8, 9, 10, 11, 12, 13, 14))
    floats = [g.view(np.float32) for g in got]
    assert (floats[0] == x - y).all()
    assert (floats[1] == abs(x) * np.float32(0.5)).all()
    assert np.allclose(floats[2], x.astype(np.float64) * y + x, rtol=1e-7, atol=1e-30)
    assert (floats[3] == np.maximum(x, y)).all()
    assert (got[4].view(np.int32) == np.trunc(x)).all()
    assert (floats[5] == LANES).all()
    assert (floats[6] == np.where(x >= y, x, y)).all()
    assert (floats[7] == 2.0**LANES).all()


@pytest.mark.parametrize(("mode", "by", "expected"), [
    ("DOWN", 3, np.where(LANES + 3 < 32, LANES + 3, LANES)), ("BFLY", 5, LANES ^ 5), ("IDX", 7, np.full(32, 7)),
    ("UP", 4, np.where(LANES >= 4, LANES - 4, LANES)),
])
def test_shuffles(mode, by, expected):
    (got,) = results([f"SHFL.{mode} PT, R0, R1, {by:#x}, {'0x0' if mode == 'UP' else '0x1f'}"])
    assert (got == expected).all()


def test_shuffles_stay_in_their_segment():
    (got,) = results(["SHFL.DOWN P0, R0, R1, 0x1, 0x181f"])  # segments of eight
    assert (got == np.where(LANES % 8 == 7, LANES, LANES + 1)).all()


def test_votes_and_predicates():
    got = results(["ISETP.GT.AND P0, PT, R1, 0x13, PT", "VOTE.ANY R0, PT, P0", "@P0 MOV R8, 0x5", "@!P0 MOV R8, 0x7"],
                  registers=(0, 8))
    assert (got[0] == 0xFFF00000).all()
    assert (got[1] == np.where(LANES > 19, 5, 7)).all()


def test_paths_that_part_meet_again():
    body = ["BSSY B0, `(.L_join)", "ISETP.GE.AND P0, PT, R1, 0xa, PT", "MOV R0, RZ", "@P0 BRA `(.L_other)", "top:",
            "IADD3 R0, R0, 0x1, RZ", "ISETP.LT.AND P1, PT, R0, R1, PT", "@P1 BRA `(.L_top)", "BRA `(.L_join)", "other:",
            "MOV R0, 0x64", "join:", "BSYNC B0", "VOTE.ANY R8, PT, PT"]
    loops, together = results(body, registers=(0, 8))
    assert loops.tolist() == [max(1, i) if i < 10 else 100 for i in range(32)]
    assert (together == 0xFFFFFFFF).all()


def test_lanes_that_exit_are_not_waited_for():
    memory = GlobalMemory()
    out = memory.put(np.zeros(64, np.uint32))
    lines = ["S2R R1, SR_TID.X", "BSSY B0, `(.L_join)", "ISETP.LT.AND P0, PT, R1, 0x5, PT", "@P0 EXIT",
             "ISETP.LT.AND P0, PT, R1, 0x14, PT", "@P0 BRA `(.L_join)", "join:", "BSYNC B0", "MOV R2, 0x4", "BAR.SYNC 0x0",
             "IMAD.WIDE R4, R1, R2, c[0x0][0x160]", "VOTE.ANY R6, PT, PT", "STG.E [R4.64], R6", "EXIT"]
    kernel = execute(program(lines), (1, 1, 1), (40, 1, 1), [out], memory)
    got = memory.get(out, np.zeros(64, np.uint32))
    assert got.tolist() == 5 * [0] + 27 * [0xFFFFFFE0] + 8 * [0xFF] + 24 * [0]
    assert kernel.warp_length.tolist() == [14, 13]  # the two groups of warp 0 come to BSYNC one by one


def test_what_warps_did_is_in_their_order():
    memory = GlobalMemory()
    x = memory.put(np.arange(96, dtype=np.uint32))
    lines = ["S2R R1, SR_TID.X", "MOV R2, 0x4", "IMAD.WIDE R4, R1, R2, c[0x0][0x160]", "ISETP.GT.AND P0, PT, R1, 0x3f, PT",
             "@P0 EXIT", "LDG.E R6, [R4.64]", "STS [R1.X4], R6", "EXIT"]
    kernel = execute(program(lines, shared=400), (1, 1, 1), (96, 1, 1), [x], memory)
    assert kernel.warp_length.tolist() == [8, 8, 5]
    assert kernel.stream.tolist() == [*range(8), *range(8), *range(5)]
    load = slice(*kernel.access_start[13:15])
    assert kernel.addresses[load].tolist() == [x + 4 * i for i in range(32, 64)]
    store = slice(*kernel.access_start[14:16])
    assert kernel.addresses[store].tolist() == [4 * i for i in range(32, 64)]
    assert kernel.access_start[-1] == 128
    assert kernel.control_bits


def test_atomics_are_one_after_another():
    memory = GlobalMemory()
    place, out = memory.put(np.array([5], np.uint32)), memory.put(np.zeros(64, np.uint32))
    lines = ["S2R R1, SR_TID.X", "MOV R2, 0x4", "MOV R4, c[0x0][0x160]", "MOV R5, c[0x0][0x164]", "MOV R8, 0x3",
             "ATOMG.E.ADD.STRONG.GPU PT, R0, [R4.64], R8", "IMAD.WIDE R6, R1, R2, c[0x0][0x168]", "STG.E [R6.64], R0", "EXIT"]
    execute(program(lines), (1, 1, 1), (64, 1, 1), [place, out], memory)
    assert memory.get(place, np.zeros(1, np.uint32))[0] == 5 + 3 * 64
    assert sorted(memory.get(out, np.zeros(64, np.uint32))) == [5 + 3 * i for i in range(64)]


@pytest.mark.parametrize(("body", "message"), [
    (["top:", "BRA `(.L_top)"], r"test.sass:8: test, pc 0x20: the kernel has not ended after 1000 warp instructions"),
    (["FROB R1, R2"], r"test.sass:7: test, pc 0x20: opcode FROB \(FROB\) is not executed"),
    (["MUFU.FROB R1, R2"], r"test.sass:7: test, pc 0x20: MUFU.FROB is not executed \(accepted: MUFU.RCP"),
    (["LDG.E R2, [R10.64]"], r"test.sass:7: test, pc 0x20: access of 4 B at 0x0; accepted: multiples of 4 inside the arrays"),
    (["LDS R2, [R1+0x2]"], r"access of 4 B at 0x2 of shared memory; accepted: multiples of 4 below 0x0"),
    (["S2R R2, SR_FROB"], r"special register SR_FROB is not known"),
    (["MOV R2, c[0x0][0x1000]"], r"operand 'c\[0x0\]\[0x1000\]'; accepted: constants of bank 0 below"),
    (["BAR.SYNC 0x1"], r"BAR.SYNC 0x1 is not executed \(accepted: BAR.SYNC 0x0\)"),
    (["ISETP.GT.AND P0, PT, R1, 0x3, PT", "@P0 BRA `(.L_end)", "BAR.SYNC 0x0"], r"BAR.SYNC by a part of a warp"),
    (["IMAD R2, R3"], r"test.sass:7: test, pc 0x20: IMAD R2, R3: this form is not executed"),
    (["HMMA.16832.F32 R4, R4, R4, R4"], r"HMMA.16832.F32 is not executed \(accepted: HMMA.1688.F32"),
    (["HGMMA.64x64x16.F32 R24, gdesc[UR8], R24"], r"test.sass:7: .*: opcode HGMMA \(HGMMA.64x64x16.F32\) is not executed"),
    (["TEX.SCR.LL RZ, R2, R4, R5, 0x0, 2D, 0x3"], r"test.sass:7: test, pc 0x20: opcode TEX \(TEX.SCR.LL\) is not executed"),
    (["MOV R2, c[0x0][0x28]", "LDL R3, [R2]"], r"4 B at 0xfffdc0 of local memory; accepted: multiples of 4 from 0xffedc0"),
    (["LDL R3, [R1+0x1]"], r"access of 4 B at 0x1 of local memory"),
    (["LDGSTS.E [R1], [R10.64], P0"], r"LDGSTS.E R1.*: this form is not executed|LDGSTS.E \[R1\].*: this form is not executed"),
])
def test_what_cannot_be_executed_is_one_line(body, message):
    with pytest.raises(InputError, match=message) as error:
        results(body, max_steps=1000)
    assert "\n" not in str(error.value)


def test_local_memory_is_each_threads_own():
    values = np.arange(32, dtype=np.uint32) * 7 + 1
    body = ["MOV R10, c[0x0][0x28]", "STL [R10+-0x10], R2", "IADD3 R4, R2, 0x1, RZ", "STL.64 [R10+-0x8], R4",
            "LDL R0, [R10+-0x10]", "LDL.U8 R12, [R10+-0x8]"]
    first, low = results(body, {2: values}, (0, 12))
    assert first.tolist() == values.tolist()
    assert low.tolist() == ((values + 1) & 255).tolist()


def test_local_words_of_a_warp_lie_side_by_side():
    lines = ["S2R R1, SR_TID.X", "MOV R10, c[0x0][0x28]", "STL [R10+-0x10], R1", "LDL.64 R4, [R10+-0x10]", "EXIT"]
    kernel = execute(program(lines), (1, 1, 1), (64, 1, 1), [], GlobalMemory())
    words = kernel.addresses.reshape(2, 2, 32)
    assert (np.diff(words[:, 0]) == 4).all()
    assert (np.diff(words[:, 1]) == 8).all()
    assert len(np.unique(words[:, 0] // 128)) == 2  # a line a warp


def test_copies_to_shared_memory():
    values = np.arange(32, dtype=np.uint32) + 100
    body = ["IMAD.WIDE R4, R1, R50, c[0x0][0x160]", "SHF.L.U32 R6, R1, 0x2, RZ", "LDGSTS.E [R6], [R4.64]", "LDGDEPBAR",
            "DEPBAR.LE SB0, 0x0", "LOP3.LUT R7, R6, 0x7c, RZ, 0x3c, !PT", "LDS R0, [R7]"]
    (found,) = results(body, {2: values}, (0,), shared=128)
    assert found.tolist() == values[::-1].tolist()


@pytest.mark.parametrize("body", [
    ["top:", "BRA `(.L_top)"], ["top:", "LDG.E R2, [R4.64]", "ISETP.EQ.AND P0, PT, R2, RZ, PT", "@P0 BRA `(.L_top)"],
    ["ISETP.GT.AND P0, PT, R1, 0x7, PT", "@P0 EXIT", "top:", "IADD3 R3, R1, 0x1, RZ", "BRA `(.L_top)"],
])
def test_a_kernel_that_comes_back_to_where_it_was_never_ends(body):
    x = GlobalMemory()
    flag = x.put(np.zeros(1, np.uint32))
    lines = ["S2R R1, SR_TID.X", "MOV R4, c[0x0][0x160]", "MOV R5, c[0x0][0x164]", *body, "EXIT"]
    with pytest.raises(InputError, match=r"test.sass:\d+: test, pc 0x\w+: the kernel never ends: it comes back"):
        execute(program(lines), (1, 1, 1), (32, 1, 1), [flag], x)


def test_an_odd_launch_is_one_line():
    with pytest.raises(InputError, match=r"kernel 'test': grid \(1, 1, 1\), block \(2048, 1, 1\); accepted: 1 or more"):
        execute(program(["EXIT"]), (1, 1, 1), (2048, 1, 1), [], GlobalMemory())
