"""Traces in Accel-Sim's format: read, and refused in one line when they are broken."""

from __future__ import annotations

import pytest

from cyclescape.errors import InputError
from cyclescape.traces.catalog import load
from cyclescape.traces.kernels.accelsim import read_kernel

HEADER = """-kernel name = k
-kernel id = 1
-grid dim = (1,1,1)
-block dim = (32,1,1)
-shmem = 0
-nregs = 8
"""
BODY = """#BEGIN_TB
thread block = 0,0,0
warp = 0
insts = 5
0000 ffffffff 1 R1 IMAD.MOV.U32 2 R255 R255 0
0010 ffffffff 1 R2 LDG.E 1 R4 4 1 0x7f0000001000 4
0020 0000000f 1 R3 LDG.E 1 R4 4 2 0x7f0000001000 128 -128 64
0030 00000003 0 STG.E 2 R4 R2 4 0 0x7f0000002000 0x7f0000003000
0040 ffffffff 0 EXIT 0 0
#END_TB
"""


def _file(tmp_path, text, name="kernel-1.traceg"):
    path = tmp_path / name
    path.write_text(text)
    return path


def test_reads_addresses_of_every_mode(tmp_path):
    kernel = read_kernel(_file(tmp_path, HEADER + BODY))
    assert kernel.warp_instructions == 5
    assert not kernel.control_bits
    first, base = kernel.access_start, 0x7F0000001000
    lanes = [kernel.addresses[first[i] : first[i + 1]].tolist() for i in range(5)]
    assert lanes[1] == [base + 4 * i for i in range(32)]
    assert lanes[2] == [base, base + 128, base, base + 64]
    assert lanes[3] == [0x7F0000002000, 0x7F0000003000]
    assert lanes[0] == lanes[4] == []


def test_a_list_of_kernels_is_a_workload(tmp_path):
    _file(tmp_path, HEADER + BODY)
    path = _file(tmp_path, "MemcpyHtoD,0x00007f0000000000,64\nkernel-1.traceg\nkernel-1.traceg\n", "kernelslist.g")
    trace = load(str(path))
    assert len(trace.kernels) == 2
    assert trace.warp_instructions == 10


@pytest.mark.parametrize(("broken", "message"), [
    (BODY.replace("insts = 5", "insts = 6"), r":16: '#END_TB' after 5 instructions of a warp that says it has 6"),
    (BODY.replace("insts = 5", "insts = 4"), r":15: '0040 .*accepted: warp = n"),
    (BODY[: BODY.index("0030")], r"the file ends after line 13, where instruction 4 of 5 is missing"),
    (BODY.replace("R255 R255 0", "R255 Q1 0"), r":11: .* is not an instruction"),
    (BODY.replace("0x7f0000003000", ""), r":14: .* is not an instruction"),
    ("", r"0 warps; the header says 1 thread blocks of 1"),
])
def test_broken_traces(tmp_path, broken, message):
    with pytest.raises(InputError, match=message) as error:
        read_kernel(_file(tmp_path, HEADER + broken))
    assert "\n" not in str(error.value)


def test_unknown_opcode_is_named_with_its_line(tmp_path):
    import cyclescape as cs

    path = _file(tmp_path, HEADER + BODY.replace("IMAD.MOV.U32", "FROB.X"))
    report = cs.simulate(cs.design("gpu-core"), str(path))
    assert report.reason is not None
    assert "k:11: opcode 'FROB' (FROB.X) is not supported" in report.reason
