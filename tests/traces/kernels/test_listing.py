"""SASS listings: operands from the text, control bits from the encoding, and what is said of broken ones."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cyclescape.errors import InputError
from cyclescape.simulator.gpu.isa import known_opcodes
from cyclescape.traces.kernels.functional import executed_opcodes
from cyclescape.traces.kernels.host import LISTINGS
from cyclescape.traces.kernels.instruction import Control
from cyclescape.traces.kernels.sass import ARCHITECTURES, decode_control, parse_listing, read_listing
from cyclescape.traces.kernels.sass.encoding import encode_control, reuse_bits

HERE = Path(__file__).parent / "listings"
SHIPPED = sorted(LISTINGS.glob("*/*.sass"))
TEXT = (LISTINGS / "sm_86" / "vector_add.sass").read_text()


def test_seventeen_kernels_for_five_architectures_say_who_compiled_them():
    assert {path.parent.name for path in SHIPPED} == set(ARCHITECTURES)
    assert len(SHIPPED) == 85
    sources = {path.stem for path in (LISTINGS.parent / "cuda").glob("*.cu")}
    for path in SHIPPED:
        assert re.match(rf"// {path.stem}\.cu, nvcc release 13\.\d+, V[\d.]+: .* -arch={path.parent.name}\n", path.read_text())
        assert path.stem in sources


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_every_instruction_is_known_and_its_reuse_marks_are_its_bits(path):
    (program,) = read_listing(path)
    words = re.findall(r"/\* 0x([0-9a-f]{16}) \*/$", path.read_text(), re.M)
    assert len(words) == len(program.instructions)
    assert program.arch == path.parent.name
    for item, word in zip(program.instructions, words):
        assert item.base in known_opcodes()
        assert item.base in executed_opcodes()
        marks = sum(".reuse" in op.text for op in item.operands)
        assert marks == sum(op.reuse for op in item.operands) == reuse_bits(int(word, 16)).bit_count()
        if item.base in ("BRA", "BSSY"):
            assert item.operands[-1].kind == "label"
            assert item.operands[-1].value % 16 == 0


@pytest.mark.parametrize(("word", "control"), [
    # Read off bit by bit: stall 105-108, not yield 109, write 110-112, read 113-115, wait 116-121.
    (0x000FE40000000F00, Control(2, False)), (0x000E280000002500, Control(4, False, write=0)),
    (0x001FCA00078E0203, Control(5, True, wait=1)), (0x000FDA0003F06270, Control(13, True)),
    (0x000FC0000383FFFF, Control(0, True)), (0x004FCA0000000000, Control(5, True, wait=4)),
    (0x0003E2000C101904, Control(1, False, read=1)),
])
def test_control_bits(word, control):
    assert decode_control(word) == control


_COUNTER = st.none() | st.integers(0, 5)


@given(st.builds(Control, st.integers(0, 15), st.booleans(), _COUNTER, _COUNTER, st.integers(0, 63)), st.integers(0, 2**64 - 1))
def test_control_bits_come_back_and_leave_the_rest_alone(control, word):
    encoded = encode_control(control, word)
    assert decode_control(encoded) == control
    assert (encoded ^ word) & ~(0x1FFFF << 41) == 0


def test_both_disassemblers_say_the_same():
    (one,), (other,) = (read_listing(HERE / f"bfs.{tool}.txt") for tool in ("cuobjdump", "nvdisasm"))
    assert (one.name, one.arch, len(one.instructions)) == (other.name, other.arch, len(other.instructions))
    for a, b in zip(one.instructions, other.instructions):
        assert (a.opcode, a.predicate, a.control, a.pc) == (b.opcode, b.predicate, b.control, b.pc)
        assert [(op.kind, op.value, op.base) for op in a.operands] == [(op.kind, op.value, op.base) for op in b.operands]
    assert other.registers == 18  # nvdisasm says so; of cuobjdump's listing the highest register is counted
    assert one.registers == 16


def test_operands_of_one_instruction():
    item = parse_listing(TEXT)[0].instructions[9]
    assert item.opcode == "IMAD.WIDE"
    assert [op.kind for op in item.operands] == ["R", "R", "R", "c"]
    assert [op.reuse for op in item.operands] == [False, True, True, False]
    assert (item.operands[3].bank, item.operands[3].value) == (0, 0x160)
    assert parse_listing(TEXT)[0].instructions[5].predicate == "P0"


@given(st.integers(0, len(TEXT) - len(".L_x_3:\n")))
def test_every_truncated_listing_is_one_line(length):
    with pytest.raises(InputError, match="cut off|no kernel|no encoding|missing|accepted|not an opcode") as error:
        parse_listing(TEXT[:length], "own.sass")
    assert "\n" not in str(error.value)
    assert str(error.value).startswith("own.sass")


@pytest.mark.parametrize(("old", "new", "message"), [
    ("sm_86", "sm_61", r"own.sass:2: architecture 'sm_61' is not supported \(accepted: sm_75, sm_80"),
    ("/*0060*/", "/*0070*/", r"own.sass:\d+: address 0x70 after 0x50: instructions are missing"),
    ("MOV R7, 0x4", "MOV R7, R999", r"own.sass:\d+: operand 'R999'"),
    ("MOV R7, 0x4", "mov r7", r"own.sass:\d+: 'mov' is not an opcode"),
    ("BRA `(.L_x_0)", "BRA `(.L_x_9)", r"own.sass:\d+: the target .L_x_9 of BRA is not in kernel 'vector_add'"),
    ("/* 0x000fc0000383ffff */", "/* 0x000f80000383ffff */", r"own.sass:\d+: encoding .*: write counter 6; accepted: 0 to 5"),
    (" /* 0xfffffff000007947 */ /* 0x000fc0000383ffff */", "", r"'BRA `\(.L_x_0\)' has no encoding \(accepted: nvdisasm -hex"),
    (".L_x_3:", ".L_x_4:", r"own.sass: kernel 'vector_add' is cut off after line \d+: its end is missing"),
    (".target\tsm_86", "", r"a kernel before its architecture"),
])
def test_broken_listings_say_what_is_wrong(old, new, message):
    assert old in TEXT
    text = TEXT.replace(old, new)
    with pytest.raises(InputError, match=message) as error:
        parse_listing(text, "own.sass")
    assert "\n" not in str(error.value)


def test_other_files(tmp_path):
    path = tmp_path / "own.sass"
    with pytest.raises(InputError, match="No such file"):
        read_listing(path)
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="not UTF-8"):
        read_listing(path)
    path.write_text("hello\n")
    with pytest.raises(InputError, match=r"no kernel \(accepted: the output of nvdisasm -hex or cuobjdump -sass\)"):
        read_listing(path)


def test_control_bits_in_the_text_are_passed_over():
    old = "FADD R9, R4, R3 ;"
    assert old in TEXT
    text = TEXT.replace(old, "FADD R9, R4, R3 &wr=sb0 &req={1,0} ?WAIT5_END_GROUP ;")
    for one, other in zip(parse_listing(text)[0].instructions, parse_listing(TEXT)[0].instructions, strict=True):
        assert one == other
