"""Broken ONNX files: one clear line, in bounded time and memory."""

import random
import subprocess
import sys
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from cyclescape.errors import InputError, MissingExtraError
from cyclescape.traces import catalog

onnx = pytest.importorskip("onnx")
np = pytest.importorskip("numpy")
from onnx import TensorProto, helper, numpy_helper  # noqa: E402

LIGHT = Path(onnx.__file__).parent / "backend" / "test" / "data" / "light"


def _model(*nodes: Any, constants: tuple[Any, ...] = (), shape: list[Any] | None = None, opset: int = 17) -> Any:
    """Return a model with input x and output y."""
    graph = helper.make_graph(
        list(nodes), "g", [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape or [1, 3, 8, 8])],
        [onnx.ValueInfoProto(name="y")], list(constants),
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)])


def _node(kind: str, inputs: str, outputs: str = "y", **attributes: Any) -> Any:
    name = attributes.pop("name", kind.lower())
    return helper.make_node(kind, inputs.split(), outputs.split(), name=name, **attributes)


def _tensor(name: str, dims: list[int], data: bytes = b"", kind: int = TensorProto.FLOAT) -> Any:
    tensor = TensorProto(name=name, data_type=kind, dims=dims)
    if data:
        tensor.raw_data = data
    return tensor


def _refusal(tmp_path: Path, model: Any) -> str:
    """Return what is said of a model, after checking that it is one line, soon and with the file's name."""
    path = tmp_path / "net.onnx"
    path.write_bytes(model if isinstance(model, bytes) else model.SerializeToString())
    start = time.process_time()
    with pytest.raises(InputError) as caught:
        catalog.load(path)
    assert time.process_time() - start < 5
    message = str(caught.value)
    assert message.startswith(f"{path}")
    assert len(message.splitlines()) == 1
    assert len(message) < 2500
    return message.removeprefix(f"{path}: ")


CYCLE = [_node("Add", "x b", "a", name="one"), _node("Relu", "a", "b", name="two"), _node("Relu", "b", "y", name="out")]
CASES: dict[str, tuple[Callable[[], Any], str]] = {
    "empty file": (lambda: b"", "the file is empty"),
    "text": (lambda: b"this is not an ONNX file at all", "not an ONNX model, or a damaged one"),
    "zeros": (lambda: bytes(1000), "not an ONNX model, or a damaged one"),
    "an empty graph": (lambda: _model(), "one without nodes"),
    "a cycle": (lambda: _model(*CYCLE), "a cycle: node 'one' (Add) -> node 'two' (Relu) -> node 'one' (Add)"),
    "a loop of one": (lambda: _model(_node("Add", "x y")), "a cycle: node 'add' (Add) -> node 'add' (Add)"),
    "a tensor from nowhere": (lambda: _model(_node("Add", "x z")), "node 'add' (Add) reads 'z', which nothing makes"),
    "a tensor made twice": (
        lambda: _model(_node("Relu", "x", name="a"), _node("Abs", "x", name="b")),
        "tensor 'y' is made twice, by node 'a' (Relu) and node 'b' (Abs)",
    ),
    "an unknown operator": (
        lambda: _model(_node("Frobnicate", "x")),
        "node 'frobnicate' (Frobnicate): operator Frobnicate is not in operator set 17 of ONNX",
    ),
    "an operator of a vendor": (
        lambda: _model(_node("Gelu", "x", domain="com.microsoft")),
        "operator com.microsoft.Gelu is no standard operator (accepted: the default domain; export the model without",
    ),
    "an operator without a count of work": (
        lambda: _model(_node("Det", "x")), "the work of operator Det is not known (accepted: Abs, ",
    ),
    "a shape that depends on data": (
        lambda: _model(_node("NonZero", "x", "z"), _node("Cast", "z", to=1)),
        "node 'nonzero' (NonZero): the shape of its output 'z' cannot be found (so far: [4, ?]",
    ),
    "no shape of an input": (
        lambda: _without_shape(_model(_node("Relu", "x"))),
        "input 'x' has no shape (accepted: a tensor with one; dimensions may be dynamic)",
    ),
    "filters that do not fit": (
        lambda: _model(_node("Conv", "x w"), constants=(_weights([4, 5, 3, 3]),)),
        "3 channels meet filters of 5 for each of 1 groups",
    ),
    "filters larger than the image": (
        lambda: _model(_node("Conv", "x w"), constants=(_weights([4, 3, 9, 9]),)), "node 'conv'",
    ),
    "filters that are computed": (
        lambda: _model(_node("Relu", "x", "w"), _node("Conv", "x w", kernel_shape=[8, 8]), shape=[3, 3, 8, 8]),
        "its filters 'w' are no constant",
    ),
    "three spatial dimensions": (
        lambda: _model(_node("Conv", "x w"), constants=(_weights([4, 3, 1, 1, 1]),), shape=[1, 3, 8, 8, 8]),
        "has 3 spatial dimensions (accepted: 1 or 2)",
    ),
    "matrices that do not fit": (
        lambda: _model(_node("MatMul", "x w"), constants=(_weights([7, 2]),)),
        "node 'matmul' (MatMul): its inputs do not fit",
    ),
    "10 GB declared, nothing held": (
        lambda: _model(_node("MatMul", "x w"), constants=(_tensor("w", [8, 312_500_000]),)),
        "tensor 'w' declares 10,000,000,000 bytes by its dimensions [8, 312500000], and holds 0",
    ),
    "10 GB declared, little held": (
        lambda: _model(_node("MatMul", "x w"), constants=(_tensor("w", [8, 312_500_000], bytes(100_000)),)),
        "tensor 'w' declares 10,000,000,000 bytes by its dimensions [8, 312500000], and holds 100,000",
    ),
    "more elements than can be": (
        lambda: _model(_node("Expand", "x s", "z"), _node("Relu", "z"), constants=(
            numpy_helper.from_array(np.array([2**40, 3, 8, 8]), "s"),)),
        "node 'relu': elements=211106232532992: input should be less than or equal to 1099511627776",
    ),
    "a negative dimension": (
        lambda: _model(_node("MatMul", "x w"), constants=(_tensor("w", [8, -2]),)),
        "tensor 'w' has a negative dimension",
    ),
    "control flow": (
        lambda: _model(_if("x")), "node 'if' (If): If depends on data or repeats a graph (accepted: a model without",
    ),
    "no output": (lambda: _model(_node("Relu", "x", "z")), "no output of the graph is made by a node"),
    "no work": (lambda: _model(_node("Identity", "x")), "no node of the model does any work on its inputs"),
    "a future operator set": (lambda: _model(_node("Relu", "x"), opset=9999), "operator set 9999 (accepted: 1 to"),
    "a negative dimension of an input": (
        lambda: _model(_node("Relu", "x"), shape=[-3, 5]),
        "dimension 'x_0' of input 'x' is dynamic and has no size (accepted: ",
    ),
    "a huge product of dimensions": (
        lambda: _model(_node("Relu", "x"), shape=[2**62, 2**62]), "should be less than or equal to 1099511627776",
    ),
    "an input of many dimensions": (
        lambda: _model(_node("Relu", "x"), shape=[2**62] * 50_000), "input 'x' has 50,000 dimensions (accepted: at most 64)",
    ),
    "a tensor of many dimensions": (
        lambda: _model(_node("MatMul", "x w"), constants=(_tensor("w", [2**62] * 50_000, b"data"),)),
        "tensor 'w' has 50,000 dimensions (accepted: at most 64)",
    ),
    "a shape of many dimensions": (
        lambda: _model(_node("Reshape", "x s", "z"), _node("Relu", "z"), constants=(
            numpy_helper.from_array(np.array([1] * 100 + [192]), "s"),)),
        "node 'reshape' (Reshape): its output 'z' has 101 dimensions (accepted: at most 64)",
    ),
    "a size of zero": (
        lambda: _model(_node("MatMul", "x w"), constants=(_tensor("w", [8, 0]),)), "malformed: a size or a count is 0",
    ),
    "a constant given twice": (
        lambda: _model(_node("MatMul", "x w"), constants=(_weights([8, 2]), _weights([8, 4]))),
        "tensor 'w' is given 2 times (accepted: once)",
    ),
    "a constant that is made as well": (
        lambda: _model(_node("Relu", "x", "w"), _node("MatMul", "x w"), constants=(_weights([8, 2]),)),
        "tensor 'w' is given and made by a node too",
    ),
    "an input given twice": (lambda: _with_inputs("x", "x"), "tensor 'x' is given 2 times (accepted: once)"),
    "an input that is a list": (
        lambda: _replace_input(helper.make_tensor_sequence_value_info("x", 1, [2])),
        "input 'x' has no shape (accepted: a tensor",
    ),
    "an input of an unknown type": (
        lambda: _replace_input(helper.make_tensor_value_info("x", 99, [2])),
        "its inputs do not fit: Invalid tensor data type 99",
    ),
    "a graph that is a number": (lambda: b"\x38\x05", "not an ONNX model, or one without nodes"),
    "a node that is a number": (lambda: b"\x42\x02\x10\x11\x3a\x02\x08\x05", "not an ONNX model, or one without nodes"),
    "a loop": (
        lambda: _model(helper.make_node("Loop", ["n", "c"], ["y"], name="l", body=_body()), constants=(
            numpy_helper.from_array(np.array(2**40), "n"), numpy_helper.from_array(np.array(True), "c"))),
        "node 'l' (Loop): Loop depends on data or repeats a graph",
    ),
    "a scan": (
        lambda: _model(helper.make_node("Scan", ["x"], ["y"], name="s", num_scan_inputs=1, body=_body())),
        "node 's' (Scan): Scan depends on data or repeats a graph",
    ),
    "two thousand million outputs": (
        lambda: _model(_node("Split", "x", "y z", num_outputs=2**31), opset=18),
        "node 'split' (Split): num_outputs=2147483648 and 2 outputs (accepted: as many)",
    ),
    "an axis beyond the tensor": (
        lambda: _model(_node("LayerNormalization", "x w", "y m v", axis=2**31), constants=(_weights([8]),)),
        "axis=2147483648 (accepted: an axis of its first input, which has 4)",
    ),
    "an axis just beyond the tensor": (
        lambda: _model(_node("LayerNormalization", "x w", axis=4), constants=(_weights([8]),)), "axis=4 (accepted: -4 to 3)",
    ),
    "a shape that lies in another file": (
        lambda: _model(_node("Reshape", "x s"), constants=(_external("s", [4], TensorProto.INT64),)),
        "its input 's' lies in another file, which is not read",
    ),
    "strides of another type": (
        lambda: _model(_node("Conv", "x w", strides="abc"), constants=(_weights([4, 3, 3, 3]),)),
        "Mismatched attribute type in 'conv : strides'",
    ),
    "no groups at all": (
        lambda: _model(_node("Conv", "x w", group=0), constants=(_weights([4, 3, 3, 3]),)), "for each of 0 groups",
    ),
    "a name of a million letters": (
        lambda: _model(_node("Relu", "x"), shape=["long" * 250_000]), "dimension 'longlong",
    ),
    "a damaged attribute": (
        lambda: _model(_node("MaxPool", "x", kernel_shape=[2], strides=[1, 1, 1])),
        "node 'maxpool' (MaxPool): its inputs do not fit",
    ),
}


def _weights(dims: list[int]) -> Any:
    return numpy_helper.from_array(np.zeros(dims, np.float32), "w")


def _external(name: str, dims: list[int], kind: int, location: str = "nowhere.bin") -> Any:
    tensor = TensorProto(name=name, data_type=kind, dims=dims, data_location=TensorProto.EXTERNAL)
    tensor.external_data.add(key="location", value=location)
    return tensor


def _with_inputs(*names: str) -> Any:
    model = _model(_node("Relu", "x"))
    del model.graph.input[:]
    model.graph.input.extend(helper.make_tensor_value_info(name, TensorProto.FLOAT, [2, 3]) for name in names)
    return model


def _replace_input(info: Any) -> Any:
    model = _model(_node("Relu", "x"))
    model.graph.input[0].CopyFrom(info)
    return model


def _body() -> Any:
    return helper.make_graph([_node("Relu", "x", "z")], "body", [], [onnx.ValueInfoProto(name="z")])


def _without_shape(model: Any) -> Any:
    model.graph.input[0].type.tensor_type.ClearField("shape")
    return model


def _if(condition: str) -> Any:
    branch = helper.make_graph([_node("Relu", "x", "z")], "branch", [], [onnx.ValueInfoProto(name="z")])
    return _node("If", condition, then_branch=branch, else_branch=branch)


@pytest.mark.parametrize("case", CASES)
def test_a_broken_model_is_one_clear_line(tmp_path: Path, case: str) -> None:
    model, words = CASES[case]
    assert words in _refusal(tmp_path, model())


def test_a_function_of_the_file_says_how_to_inline_it(tmp_path: Path) -> None:
    model = _model(_node("Twice", "x", domain="mine"))
    body = [_node("Add", "a a", "b")]
    model.functions.append(helper.make_function("mine", "Twice", ["a"], ["b"], body, [helper.make_opsetid("", 17)]))
    assert "Twice is a function of the file (accepted: a model whose functions are inlined" in _refusal(tmp_path, model)


def test_a_truncated_file_says_so_wherever_it_is_cut(tmp_path: Path) -> None:
    whole = (LIGHT / "light_squeezenet.onnx").read_bytes()
    for end in range(1, len(whole), 97):
        message = _refusal(tmp_path, whole[:end])
        assert "truncated" in message or "damaged" in message or "without nodes" in message, (end, message)


def test_any_damage_ends_in_a_workload_or_one_line(tmp_path: Path) -> None:
    whole = (LIGHT / "light_bvlc_alexnet.onnx").read_bytes()
    rng = random.Random(0)
    path = tmp_path / "net.onnx"
    outcomes = {"read": 0, "refused": 0}
    for _ in range(300):
        data = bytearray(whole)
        for _ in range(rng.choice((1, 3, 10))):
            data[rng.randrange(len(data))] = rng.randrange(256)
        path.write_bytes(data)
        refusal = ""
        try:
            catalog.load(path)
        except InputError as error:
            refusal = str(error)
        outcomes["refused" if refusal else "read"] += 1
        assert len(refusal.splitlines()) <= 1
    assert min(outcomes.values()) > 10, outcomes


def test_a_long_chain_is_no_deep_recursion(tmp_path: Path) -> None:
    names = ["x", *(f"t{i}" for i in range(5000)), "y"]
    nodes = [_node("Relu", a, b, name=b) for a, b in pairwise(names)]
    path = tmp_path / "net.onnx"
    path.write_bytes(_model(*reversed(nodes)).SerializeToString())
    start = time.process_time()
    assert len(catalog.load(path).operators) == 5001
    assert time.process_time() - start < 10


def _bomb(path: Path, kind: str) -> None:
    """Write a file whose 10 MB would be hundreds of megabytes, or more, of objects: millions of empty messages of one kind."""
    model = _model(_node("Relu", "x"))
    graph, tail = model.graph.SerializeToString(), model.opset_import[0].SerializeToString()

    def field(number: int, content: bytes) -> bytes:
        length, out = len(content), bytearray()
        while length > 0x7F:
            out.append(length & 0x7F | 0x80)
            length >>= 7
        tag = bytes([number << 3 | 2]) if number < 16 else bytes([number << 3 & 0x7F | 2 | 0x80, number >> 4])
        return tag + bytes([*out, length]) + content

    count = 5_000_000
    empty = {
        "nodes": lambda: b"\x0a\x00" * count,
        "stated shapes": lambda: field(13, field(1, b"q") + field(2, field(1, field(2, b"\x0a\x00" * count)))),
        "numbers of an attribute": lambda: field(1, field(4, b"Relu") + field(5, field(8, b"\x01" * 2 * count))),
        "dimensions of a tensor": lambda: field(5, field(8, b"q") + field(1, b"\x01" * 2 * count)),
    }
    more = empty[kind]() if kind in empty else b""
    rest = field(25, field(1, b"f") + b"\x3a\x00" * count) if kind == "functions" else b""
    path.write_bytes(field(7, graph + more) + field(8, tail) + rest)


BOMBS = ["nodes", "stated shapes", "numbers of an attribute", "dimensions of a tensor", "functions"]


def test_small_files_do_not_unfold(tmp_path: Path) -> None:
    """Each ends in a line; no more memory is taken than the file has bytes, times a few. Fewer fields than usual, for speed."""
    for kind in BOMBS:
        _bomb(tmp_path / f"{kind}.onnx", kind)
    code = (
        "import resource, onnx; from cyclescape.traces import catalog; from cyclescape.errors import InputError\n"
        "from cyclescape.traces.onnx_import import file; file.MAX_FIELDS = 200_000\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        f"for kind in {BOMBS!r}:\n"
        f"    try: catalog.load({str(tmp_path)!r} + '/' + kind + '.onnx')\n"
        "    except InputError as error: print(error)\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    *lines, kilobytes = done.stdout.splitlines()
    assert len(lines) == len(BOMBS)
    assert all("more than" in line for line in lines)
    assert int(kilobytes) < 120_000


def test_what_is_not_read_is_not_parsed(tmp_path: Path) -> None:
    """Documentation, metadata and unknown fields may be of any size and damage."""
    model = _model(_node("Relu", "x", doc_string="d" * 100_000))
    model.doc_string = model.graph.doc_string = "d" * 1_000_000
    model.metadata_props.add(key="k", value="v" * 1_000_000)
    path = tmp_path / "net.onnx"
    path.write_bytes(model.SerializeToString() + b"\x9a\x06\x03abc")
    assert len(catalog.load(path).operators) == 1


def test_external_data_are_never_opened(tmp_path: Path) -> None:
    """Shapes are in the model; a path that leads out of its folder, to a device or to nothing does no harm."""
    for location in ("nowhere.bin", "../../../../etc/passwd", "/dev/zero"):
        path = tmp_path / "net.onnx"
        model = _model(_node("MatMul", "x w"), constants=(_external("w", [8, 4], TensorProto.FLOAT, location),))
        path.write_bytes(model.SerializeToString())
        assert catalog.load(path).params == 32


def test_weights_stored_as_sparse_tensors_have_their_dense_shape(tmp_path: Path) -> None:
    model = _model(_node("MatMul", "x w"))
    sparse = model.graph.sparse_initializer.add(dims=[8, 4])
    sparse.values.CopyFrom(numpy_helper.from_array(np.ones(3, np.float32), "w"))
    sparse.indices.CopyFrom(numpy_helper.from_array(np.array([1, 2, 3])))
    path = tmp_path / "net.onnx"
    path.write_bytes(model.SerializeToString())
    assert catalog.load(path).params == 32


def _sparse_model(path: Path, data_bytes: int) -> None:
    """Write a model whose one tensor holds that many bytes, as a hole of the file."""
    model = _model(_node("MatMul", "x w"), constants=(_tensor("w", [8, data_bytes // 32], b"D"),))
    data = model.SerializeToString()
    graph = model.graph.SerializeToString()
    tensor = model.graph.initializer[0].SerializeToString()

    def field(number: int, length: int) -> bytes:
        out, value = bytearray([number << 3 | 2]), length
        while value > 0x7F:
            out.append(value & 0x7F | 0x80)
            value >>= 7
        return bytes(out) + bytes([value])

    raw = field(9, data_bytes)
    body = tensor.replace(b"J\x01D", b"")
    tensor_head = body + raw
    initializer = field(5, len(tensor_head) + data_bytes) + tensor_head
    rest = graph.replace(field(5, len(tensor)) + tensor, b"")
    graph_field = field(7, len(rest) + len(initializer) + data_bytes)
    others = data.replace(field(7, len(graph)) + graph, b"")
    with path.open("wb") as file:
        file.write(others + graph_field + rest + initializer)
        file.truncate(file.tell() + data_bytes)


def test_ten_gigabytes_of_weights_are_stepped_over(tmp_path: Path) -> None:
    """In a process that may have 3 GB of address space besides the mapped file, and a few seconds."""
    path = tmp_path / "large.onnx"
    size = 10 * 10**9
    _sparse_model(path, size)
    code = (
        "import resource, sys, time; from cyclescape.traces import catalog; start = time.process_time(); "
        f"w = catalog.load({str(path)!r}); peak = int(open('/proc/self/status').read().split('VmHWM:')[1].split()[0]); "
        "assert w.params == 10**10 // 4, w.params; assert peak < 300_000, peak; "
        "assert time.process_time() - start < 5"
    )

    resource = pytest.importorskip("resource")

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_AS, (size + 3 * 10**9, size + 3 * 10**9))

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, preexec_fn=limit)
    assert done.returncode == 0, done.stderr


def test_without_the_library_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'cyclescape\[onnx\]'"):
        catalog.load(LIGHT / "light_squeezenet.onnx")
