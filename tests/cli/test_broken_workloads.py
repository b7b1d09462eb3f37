"""Files that are no workload, as a user of the command line meets them: one line on stderr, exit code 2."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from cyclescape.cli import main

onnx = pytest.importorskip("onnx")
helper = onnx.helper


def _model(*nodes):
    inputs = [helper.make_tensor_value_info("x", 1, [1, 3, 8, 8])]
    graph = helper.make_graph(list(nodes), "g", inputs, [onnx.ValueInfoProto(name="y")])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)]).SerializeToString()


RELU = helper.make_node("Relu", ["x"], ["y"], name="r")
CYCLE = _model(helper.make_node("Add", ["x", "b"], ["y"], name="one"), helper.make_node("Relu", ["y"], ["b"], name="two"))
FILES = {
    "empty.onnx": (b"", "the file is empty"),
    "text.onnx": (b"layer,rows,cols\n" * 100, "not an ONNX model, or a damaged one"),
    "cut.onnx": (_model(RELU)[:-30], "truncated or damaged"),
    "cycle.onnx": (CYCLE, "the graph has a cycle"),
    "unknown.onnx": (_model(helper.make_node("Frob", ["x"], ["y"], name="f")), "operator Frob is not in operator set 17"),
    "loop.onnx": (_model(helper.make_node("Loop", ["x"], ["y"], name="f")), "Loop depends on data or repeats a graph"),
    "no_work.onnx": (_model(helper.make_node("Identity", ["x"], ["y"], name="i")), "no node of the model does any work"),
}


def _refusal(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture, workload: object) -> str:
    monkeypatch.setattr(sys, "argv", ["cyclescape", "run", "systolic", "--workload", str(workload), "--json"])
    with pytest.raises(SystemExit) as ended:
        main()
    printed = capsys.readouterr()
    assert ended.value.code == 2
    assert printed.out == ""
    assert len(printed.err.splitlines()) == 1
    return printed.err


@pytest.mark.parametrize("name", FILES)
def test_a_broken_file_ends_in_one_line(monkeypatch, capsys, tmp_path: Path, name: str):
    content, words = FILES[name]
    path = tmp_path / name
    path.write_bytes(content)
    message = _refusal(monkeypatch, capsys, path)
    assert message.startswith(f"error: {path}: ")
    assert words in message


def test_what_is_no_file_ends_in_one_line(monkeypatch, capsys, tmp_path: Path):
    (tmp_path / "folder.onnx").mkdir()
    assert "folder.onnx: not a file" in _refusal(monkeypatch, capsys, tmp_path / "folder.onnx")
    assert "absent.onnx: no such file" in _refusal(monkeypatch, capsys, tmp_path / "absent.onnx")


@pytest.mark.parametrize(
    ("workload", "words"),
    [
        ("resnet18:batch=0", "batch='0': input should be greater than or equal to 1 (accepted: integer >= 1"),
        ("resnet18:batch=x", "batch='x': input should be a valid integer"),
        ("resnet18:resolution=-224", "resolution='-224'"),
        ("gpt2:seq=1.5", "gpt2: seq: unknown argument; did you mean 'seq_len'?"),
        ("gpt2:seq_len=1.5", "seq_len='1.5'"),
        ("resnet18:batch=1e3", "batch='1e3'"),
        ("resnet18:batch=99999999999999999999", "batch='99999999999999999999'"),
    ],
)
def test_a_wrong_argument_ends_in_one_line(monkeypatch, capsys, workload: str, words: str):
    message = _refusal(monkeypatch, capsys, workload)
    assert words in message
    assert "accepted:" in message
