"""`cyclescape validate gpu`: every published microbenchmark, and files of that form."""

from __future__ import annotations

import pytest

from cyclescape.accelerators.gpu.validation import SHIPPED, validate
from cyclescape.errors import InputError
from cyclescape.simulator.gpu.config import CoreConfig
from cyclescape.simulator.gpu.microbenchmark import check_case
from cyclescape.traces.kernels.assembly import read_assembly


def test_every_published_microbenchmark_holds():
    outcome = validate()
    assert not outcome.failures
    assert len(outcome.checks) > 400
    assert any("figure 4b" in note for note in outcome.notes)


@pytest.mark.parametrize(("case", "change"), [
    ("listing-1-even-even", {"read_ports": 2}), ("listing-4-1", {"register_cache": 0}),
    ("figure-2", {"address_interval": 5, "port_distance": 6}),
    ("figure-4b-stall-5", {"policy": "gto"}), ("table-1-load-4", {"port_interval": 1}),
    ("constant-first-touch", {"constant_miss": 60}),
])
def test_another_core_does_not_hold(case, change):
    found = next(item for item in read_assembly(SHIPPED) if item.name == case)
    assert not all(check.ok for check in check_case(found, CoreConfig(**change)))


def test_other_files_are_taken(tmp_path):
    path = tmp_path / "own.gasm"
    path.write_text(".set sub_cores=1\nFADD R1, R2, R3 {S4} ; 0\nFADD R4, R1, R1 ; 5\n")
    outcome = validate(path)
    assert [check.ok for check in outcome.checks] == [True, False]


@pytest.mark.parametrize(("text", "message"), [
    ("FADD R1, R2, R300", r"own.gasm:1: operand 'R300': accepted: R0 to R254"),
    ("FADD R1, R2 {S16}", r"own.gasm:1: stall S16; accepted: S0 to S15"),
    ("NOP\nFROB R1", r"own.gasm: case 'own': own:2: opcode 'FROB'|opcode 'FROB' \(FROB\) is not supported"),
    ("NOP ; 3/4", r"2 expected cycles; accepted: 1 or 1"),
    (".repeat 3\nNOP", r"own.gasm:1: .repeat has no .end"),
    ("NOP", r"no microbenchmark says what is expected"),
    (".set frobs=3\nNOP ; 0", r"frobs='3': unknown parameter"),
    ("NOP {M0 S1} ; 0\nLDG R1, [R2] {W0} ; 1\nBAR.SYNC 0x0 ; 2\n.warps 2\n.warp 1\nNOP {M1}", None),
])
def test_bad_files_say_what_is_wrong(tmp_path, text, message):
    path = tmp_path / "own.gasm"
    path.write_text(text)
    if message is None:
        assert validate(path).checks
        return
    with pytest.raises(InputError, match=message) as error:
        validate(path)
    assert "\n" not in str(error.value)


def test_a_program_that_never_ends_is_refused(tmp_path):
    path = tmp_path / "own.gasm"
    path.write_text(".warps 2\n.warp 0\nBAR.SYNC 0x0 ; 0\nBAR.SYNC 0x0\nNOP\n.warp 1\nBAR.SYNC 0x0\nDEPBAR.LE SB0, 0 {S4}\n"
                    "BAR.SYNC 0x0\nNOP\n")
    assert validate(path).checks
    path.write_text("LDG R1, [R2] {S2 W0} ; 0\n.repeat 90000\nNOP {S15}\n.end\n")
    with pytest.raises(InputError, match="has not ended after 1000000 cycles"):
        validate(path)


def test_a_missing_file_is_one_line(tmp_path):
    with pytest.raises(InputError, match="no such file"):
        validate(tmp_path / "nowhere")
    with pytest.raises(InputError, match="no table"):
        validate(tmp_path)


ROWS = """benchmark,profiler,clock_mhz,params,cycles,time_us
simtune/emptykernel,nsys,1755.0,block=1 thread=32,2359.0,1.344
polybench/2dconv,nsys,1755.0,blockDimX=16 size=64,3294.72,1.877
polybench/2dconv,nsys,1755.0,blockDimX=8 size=128,3650.4,2.08
polybench/2dconv,nsys,1755.0,blockDimX=16 size=1024,12767.04,7.275
cuda-sdk/vectoradd,nsys,345.0,size=32768,761.88,2.208
polybench/mvt,nsys,345.0,blockDimX=8 size=32,3981.76,11.541
"""
"""Measured on an H100 PCIe: sarchlab/mgpusim, commits 001b2789 and cbdfc251 (MIT)."""


def test_compiled_kernels_are_held_to_an_h100(tmp_path):
    (tmp_path / "h100_kernel_cycles.csv").write_text(ROWS)
    outcome = validate(tmp_path)
    *rows, whole = outcome.checks
    assert [check.field for check in rows] == ["polybench_2dconv_cycles"] * 2 + ["cuda_sdk_vectoradd_cycles"]
    assert all(check.error < 0.1 for check in rows)
    assert whole.ok
    notes = "\n".join(outcome.notes)
    assert "rows that nothing was fitted to: mean absolute error" in notes
    assert "left out: 1 rows, more than 262144 elements" in notes
    assert "left out: 1 rows, cycles by the idle clock, and no trace of the run" in notes
