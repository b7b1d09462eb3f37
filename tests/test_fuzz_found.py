"""What benchmarks/fuzz.py found: files that once ended in a traceback, and now in one line."""

from __future__ import annotations

import io
import os
import zipfile
from collections.abc import Callable
from pathlib import Path

import pyarrow
import pyarrow.parquet
import pytest
from refusals import refusal

from cyclescape.agents.surrogate import read_samples
from cyclescape.agents.sweep import SweepSpec
from cyclescape.errors import did_you_mean
from cyclescape.simulator.accelerator import Accelerator
from cyclescape.simulator.evaluator import Cached, Direct, make_evaluator
from cyclescape.simulator.gpu.config import CoreConfig
from cyclescape.simulator.problem import workloads_of
from cyclescape.simulator.store import ResultStore, load
from cyclescape.traces.catalog import load as workload
from cyclescape.traces.kernels.assembly import parse_instruction
from cyclescape.traces.workload import Workload

TRACE = """-grid dim = (1,1,1)
-block dim = (32,1,1)
-shmem = 0
-nregs = 16
#BEGIN_TB
thread block = 0,0,0
warp = 0
insts = 1
0010 00000001 1 R2 LDG.E 1 R4 4 0 0x10
#END_TB
"""
DIGITS = "9" * 5000


def member(content: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("address.npy", content)
    return out.getvalue()


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.traceg", TRACE.replace("(1,1,1)", f"({DIGITS},1,1)"), "more than 1000 digits"),
        ("a.traceg", TRACE.replace("(1,1,1)", f"({'9' * 30},1,1)"), "accepted: (x,y,z)"),
        ("a.traceg", TRACE.replace("insts = 1", f"insts = {'9' * 30}"), "accepted: insts = k"),
        ("a.traceg", TRACE.replace("0x10", "0x" + "f" * 17), "is not an instruction"),
        ("a.traceg", TRACE.replace("0010 ", "f" * 20 + " "), "is not an instruction"),
        ("a.traceg", TRACE.replace("shmem = 0", "shmem = ²"), "is not ASCII text"),
        ("kernelslist.g", "x" * 300 + ".traceg\n", "no such file"),
        ("a.requests.csv", "address,operation\n" + "x" * 200_000 + ",R\n", "field larger than field limit"),
        ("a.requests.csv", "\0" * 4096, "accepted: address, operation"),
        ("a.stl", f"{'9' * 30}: read 0x40\n", "accepted: `cycle:"),
        ("a.trace", "LD " + "A" * 100_000 + "\n", "more than 1000 digits"),
        ("a.npz", member(b"\x93NUMPY\x01\x00\x10\x00{'descr': ((((((("), "no array of numbers"),
        ("a.npz", member(b"bytes"), "no array of numbers"),
        ("a.npz", b"PK\x03\x04" + bytes(100), "not a zip"),
    ],
)
def test_workloads(name: str, content: str | bytes, words: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    message = refusal(workload, tmp_path / name)
    assert words in message
    assert str(tmp_path) in message


def test_an_escape_in_the_header_of_an_array(tmp_path: Path, recwarn: pytest.WarningsRecorder) -> None:
    (tmp_path / "a.npz").write_bytes(member(b"\x93NUMPY\x01\x00\x10\x00{'descr': '\\d'} \n"))
    assert "the header has a backslash" in refusal(workload, tmp_path / "a.npz")
    assert not recwarn.list


@pytest.mark.parametrize("number", [DIGITS, "²", "٣", "1" * 21])
def test_numbers_in_names_that_are_none(number: str, roofline: Accelerator, tmp_path: Path) -> None:
    assert "accepted" in refusal(make_evaluator, f"pool:{number}", roofline)
    assert "accepted" in refusal(workload, f"random:n=20,writes=rand:{number}")
    assert "accepted" in refusal(CoreConfig().with_text, {"warps": number})
    layers = tmp_path / "layers.csv"
    layers.write_text(f"Layer,M,N,K,Sparsity\nfc,8,8,8,{number}:{number},\n")
    refusal(workload, layers)


@pytest.mark.parametrize("offset", ["INF", "1e309", "1.5", "+QNAN"])
def test_an_offset_that_is_no_integer(offset: str) -> None:
    assert "is not a register or an offset" in refusal(parse_instruction, f"LDG.E R8, [R2+{offset}]")


@pytest.mark.parametrize("name", ["x" * 300, "x" * 300 + ".csv", "a\0.csv"])
def test_names_that_no_file_can_have(name: str) -> None:
    refusal(workload, name)


@pytest.mark.parametrize("form", ["cached:{}", "lookup:{}", "lookup:{}.csv", "surrogate:{}"])
@pytest.mark.parametrize("name", ["x" * 300, "loop/x"])
def test_evaluators_of_names_that_no_file_can_have(form: str, name: str, roofline: Accelerator, tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to("loop")
    refusal(make_evaluator, form.format(tmp_path / name), roofline)


def test_no_name_is_compared_in_full() -> None:
    assert did_you_mean("resnet5", ["resnet50", "mlp"]) == "; did you mean 'resnet50'?"
    assert did_you_mean("resnet50" + "x" * 10**8, ["resnet50"]) == ""


@pytest.mark.parametrize(
    "text", ["stream:n=10000001", "zipf:n=10000001", "matmul:m=1000,n=1000,k=10", "transpose:rows=4096,cols=4096"]
)
def test_traces_that_would_fill_the_memory(text: str) -> None:
    assert "accepted" in refusal(workload, text)


def test_sweeps_of_what_is_no_value_and_no_workload(roofline: Accelerator) -> None:
    spec = SweepSpec.read({"accelerator": "roofline", "workloads": ["mlp"], "grid": {"lanes": [{"a": 1}, [2]]}})
    assert "lanes={'a': 1}" in refusal(spec.space, roofline)
    for part in (0, None, {}):
        assert "expected a name, a path or a workload" in refusal(workloads_of, [part])


def test_a_store_whose_columns_are_no_text(roofline: Accelerator, mlp: Workload, tmp_path: Path) -> None:
    with Cached(Direct(roofline), ResultStore(tmp_path, log=False)) as evaluator:
        evaluator.evaluate([{"lanes": 8}], mlp)
    path = tmp_path / "store.sqlite"
    path.write_bytes(path.read_bytes().replace(b"asked TEXT", b"a\x80ked TEXT"))
    assert str(path) in refusal(load, tmp_path)


@pytest.mark.parametrize("read", [load, read_samples])
@pytest.mark.parametrize("name", ["a.parquet", "a.csv"])
def test_a_table_that_is_a_pipe_is_not_waited_for(read: Callable[..., object], name: str, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / name)
    assert str(tmp_path / name) in refusal(read, tmp_path / name)


@pytest.mark.parametrize("read", [load, read_samples])
def test_a_table_whose_text_is_none(read: Callable[..., object], roofline: Accelerator, mlp: Workload, tmp_path: Path) -> None:
    with Cached(Direct(roofline), ResultStore(tmp_path)) as evaluator:
        evaluator.evaluate([{"lanes": 8}], mlp)
        table = evaluator.store.export(tmp_path / "a.parquet")
    content = pyarrow.parquet.read_table(table)
    at = content.schema.get_field_index("host")
    wrong = pyarrow.Array.from_buffers(
        pyarrow.string(), 1, [None, pyarrow.array([0, 1], pyarrow.int32()).buffers()[1], pyarrow.py_buffer(b"\x80")]
    )
    pyarrow.parquet.write_table(content.set_column(at, "host", wrong), table)
    assert "Invalid UTF8" in refusal(read, table)


def test_a_name_longer_than_any_argument() -> None:
    assert "200000 characters" in refusal(workload, " " * 200_000)


def test_a_line_of_a_table_with_more_fields_than_its_header(roofline: Accelerator, mlp: Workload, tmp_path: Path) -> None:
    with Cached(Direct(roofline), ResultStore(tmp_path)) as evaluator:
        evaluator.evaluate([{"lanes": 8}], mlp)
        table = evaluator.store.export(tmp_path / "a.csv")
    header, row = table.read_text().splitlines()
    table.write_text(f"{header}\n{row}{',' * 100}\n")
    assert "not readable" in refusal(load, table)
