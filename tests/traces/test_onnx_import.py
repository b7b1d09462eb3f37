"""ONNX graphs made for the purpose: shapes, dynamic dimensions, folding, and every kind of product."""

from math import prod
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from cyclescape.errors import InputError
from cyclescape.traces import catalog
from cyclescape.traces.workload import Workload

onnx = pytest.importorskip("onnx")
np = pytest.importorskip("numpy")
from onnx import TensorProto, helper, numpy_helper  # noqa: E402

FLOAT = TensorProto.FLOAT


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("onnx")


def _weights(**shapes: tuple[int, ...]) -> list[Any]:
    return [numpy_helper.from_array(np.zeros(shape, np.float32), name) for name, shape in shapes.items()]


def _numbers(**values: list[int]) -> list[Any]:
    return [numpy_helper.from_array(np.array(value, np.int64), name) for name, value in values.items()]


def _save(folder: Path, nodes: list[Any], inputs: dict[str, list[Any]], constants: list[Any] = (), *, opset: int = 17,
          outputs: tuple[str, ...] = ("y",), name: str = "net.onnx") -> Path:
    graph = helper.make_graph(
        nodes, "g", [helper.make_tensor_value_info(key, FLOAT, shape) for key, shape in inputs.items()],
        [onnx.ValueInfoProto(name=output) for output in outputs], list(constants),
    )
    path = folder / name
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)]), path)
    return path


def _one(folder: Path, kind: str, inputs: dict[str, list[int]], constants: list[Any] = (), *, opset: int = 17,
         order: list[str] | None = None, **attributes: Any) -> Workload:
    names = order or [*inputs, *(constant.name for constant in constants)]
    node = helper.make_node(kind, names, ["y"], name="n", **attributes)
    return catalog.load(_save(folder, [node], inputs, constants, opset=opset))


@st.composite
def conv_cases(draw: st.DrawFn) -> dict[str, Any]:
    groups, spatial = draw(st.integers(1, 3)), draw(st.integers(1, 2))
    case = {
        "x": [draw(st.integers(1, 3)), groups * draw(st.integers(1, 3)),
              *draw(st.tuples(*[st.integers(4, 12)] * spatial))],
        "w": [groups * draw(st.integers(1, 3)), 0, *draw(st.tuples(*[st.integers(1, 4)] * spatial))],
        "group": groups, "strides": list(draw(st.tuples(*[st.integers(1, 3)] * spatial))),
        "dilations": list(draw(st.tuples(*[st.integers(1, 3)] * spatial))),
    }
    case["w"][1] = case["x"][1] // groups
    mode = draw(st.sampled_from(["NOTSET", "SAME_UPPER", "SAME_LOWER", "VALID"]))
    if mode == "NOTSET":
        case["pads"] = list(draw(st.tuples(*[st.integers(0, 2)] * (2 * spatial))))
    else:
        case["auto_pad"] = mode
    return case


@settings(max_examples=150, deadline=None)
@given(conv_cases(), st.booleans())
def test_convolutions_have_the_shapes_that_onnx_infers(folder: Path, case: dict[str, Any], bias: bool) -> None:
    x, w = case.pop("x"), case.pop("w")
    reach = [d * (k - 1) + 1 for d, k in zip(case["dilations"], w[2:])]
    assume(all(r <= size for r, size in zip(reach, x[2:])))
    constants = _weights(w=tuple(w), **({"b": (w[0],)} if bias else {}))
    node = helper.make_node("Conv", ["x", *(c.name for c in constants)], ["y"], **case)
    path = _save(folder, [node], {"x": x}, constants)
    if len({dilation for dilation, size in zip(case["dilations"], w[2:]) if size > 1}) > 1:
        with pytest.raises(InputError, match=r"dilations [0-9] and [0-9] differ .accepted: equal ones"):
            catalog.load(path)
        return
    model = onnx.shape_inference.infer_shapes(onnx.load(path))
    inferred = [dim.dim_value for dim in model.graph.output[0].type.tensor_type.shape.dim]
    (conv,) = catalog.load(path).operators
    assert [conv.batch, conv.out_channels, *([conv.out_h] if len(x) == 4 else []), conv.out_w] == inferred
    assert conv.macs == prod(inferred) * prod(w[1:])
    assert conv.params == prod(w) + bias * w[0]


def test_dilation_elsewhere_changes_the_shape_and_not_the_work(folder: Path) -> None:
    """A 3x3 window with a step of 2 reaches over 5x5."""
    (pool,) = _one(folder, "MaxPool", {"x": [1, 3, 9, 9]}, kernel_shape=[3, 3], dilations=[2, 2]).operators
    assert (pool.out_h, pool.kernel_h, pool.vector_ops) == (5, 3, 5 * 5 * 3 * 9)
    plain, wide = (
        _one(folder, "ConvTranspose", {"x": [1, 3, 4, 4]}, _weights(w=(3, 2, 3, 3)), dilations=[d, d]).operators for d in (1, 2)
    )
    assert (plain[0].macs, plain[1].output_elements) == (16 * 3 * 2 * 9, 6 * 6 * 2)
    assert (wide[0].macs, wide[1].output_elements) == (16 * 3 * 2 * 9, 8 * 8 * 2)


@pytest.mark.parametrize(
    ("a", "b", "constant", "gemm"),
    [
        ([5, 3], [3, 4], "b", (1, 5, 4, 3)),
        ([2, 7, 5, 3], [3, 4], "b", (1, 70, 4, 3)),
        ([2, 5, 3], [2, 3, 4], "", (2, 5, 4, 3)),
        ([2, 5, 3], [2, 3, 4], "b", (2, 5, 4, 3)),
        ([6, 2, 5, 3], [2, 3, 4], "", (12, 5, 4, 3)),
        ([2, 5, 3], [3, 4], "", (1, 10, 4, 3)),
        ([5, 3], [2, 3, 4], "", (2, 5, 4, 3)),
        ([3], [3, 4], "b", (1, 1, 4, 3)),
        ([5, 3], [3], "b", (1, 5, 1, 3)),
        ([5, 3], [2, 3, 4], "a", (1, 8, 5, 3)),
    ],
)
def test_products_stack_and_share(
    folder: Path, a: list[int], b: list[int], constant: str, gemm: tuple[int, ...]
) -> None:
    shapes = {"a": a, "b": b}
    constants = _weights(**{constant: tuple(shapes.pop(constant))}) if constant else []
    (op,) = _one(folder, "MatMul", shapes, constants, order=["a", "b"]).operators
    assert op.macs == prod(gemm)
    if gemm != (12, 5, 4, 3):
        assert tuple(op.gemms[0]) == gemm
    assert op.weights == bool(constant)


@pytest.mark.parametrize(
    ("equation", "a", "b", "gemm"),
    [
        ("bij,bjk->bik", [2, 5, 3], [2, 3, 4], (2, 5, 4, 3)),
        ("bhqd,bhkd->bhqk", [2, 4, 5, 3], [2, 4, 6, 3], (8, 5, 6, 3)),
        ("ij,kj->ik", [5, 3], [4, 3], (1, 5, 4, 3)),
        ("i,j->ij", [5], [4], (1, 5, 4, 1)),
    ],
)
def test_einsum_is_split_into_a_product(
    folder: Path, equation: str, a: list[int], b: list[int], gemm: tuple[int, ...]
) -> None:
    (op,) = _one(folder, "Einsum", {"a": a, "b": b}, equation=equation).operators
    assert tuple(op.gemms[0]) == gemm


def test_gemm_with_a_constant_bias_and_with_a_computed_one(folder: Path) -> None:
    constants = _weights(w=(4, 3), c=(4,))
    (op,) = _one(folder, "Gemm", {"x": [5, 3]}, constants, transB=1).operators
    assert (op.m, op.n, op.k, op.bias, op.params) == (5, 4, 3, True, 16)
    shapes = {"x": [5, 3], "c": [5, 4]}
    product, addition = _one(folder, "Gemm", shapes, _weights(w=(3, 4)), order=["x", "w", "c"]).operators
    assert not product.bias
    assert addition.inputs == (product.name, "")
    assert addition.input_elements == 40


@settings(max_examples=50, deadline=None)
@given(st.integers(1, 3), st.integers(1, 3), st.integers(1, 3), st.integers(1, 5), st.integers(1, 4), st.integers(1, 3))
def test_transposed_convolution_multiplies_each_pixel_with_each_filter(
    folder: Path, batch: int, in_channels: int, out_channels: int, size: int, kernel: int, stride: int
) -> None:
    constants = _weights(w=(in_channels, out_channels, kernel, kernel), b=(out_channels,))
    image = [batch, in_channels, size, size]
    workload = _one(folder, "ConvTranspose", {"x": image}, constants, strides=[stride, stride])
    product, addition = workload.operators
    assert product.macs == batch * size * size * in_channels * out_channels * kernel * kernel
    out = (size - 1) * stride + kernel
    assert addition.output_elements == batch * out * out * out_channels
    assert workload.params == in_channels * out_channels * kernel**2 + out_channels


def test_dynamic_dimensions_are_given_by_name(folder: Path) -> None:
    node = helper.make_node("MatMul", ["x", "w"], ["y"], name="n")
    path = _save(folder, [node], {"x": ["batch_size", "seq", 8]}, _weights(w=(8, 4)))
    assert catalog.load(f"{path}:batch_size=2,seq=5").macs == 2 * 5 * 8 * 4
    assert catalog.load(path, batch=2, seq=5).name == "net.onnx:batch=2,seq=5"
    for spec, words in [
        (f"{path}", f"{path}: dimension 'batch_size' of input 'x' is dynamic and has no size (accepted: {path}:batch"),
        (f"{path}:batch_size=2", "dimension 'seq' of input 'x' is dynamic and has no size"),
        (f"{path}:batch_size=2,seq=5,sqe=3", "sqe: no input has this dimension; did you mean 'seq'?"),
        (f"{path}:batch_size=x,seq=5", "batch_size='x'"),
        (f"{path}:batch_size=0,seq=5", "batch_size='0'"),
    ]:
        with pytest.raises(InputError) as caught:
            catalog.load(spec)
        assert words in str(caught.value)


def test_nameless_and_composed_dimensions(folder: Path) -> None:
    node = helper.make_node("Relu", ["x"], ["y"], name="n")
    path = _save(folder, [node], {"x": [None, "past + new"]})
    with pytest.raises(InputError, match=r"'x_0' of input 'x' is dynamic .*x_0=N,past=N,new=N"):
        catalog.load(path)
    assert catalog.load(f"{path}:x_0=2,past=3,new=4").operators[0].elements == 14
    path = _save(folder, [node], {"x": ["seq + 1", 2]})
    assert catalog.load(f"{path}:seq=3").operators[0].elements == 8


def test_shapes_are_computed_through_the_graph(folder: Path) -> None:
    """As exporters do: take the shape, gather a size, multiply, concatenate, reshape."""
    nodes = [
        helper.make_node("Shape", ["x"], ["shape"]),
        helper.make_node("Gather", ["shape", "zero"], ["n"], axis=0),
        helper.make_node("Gather", ["shape", "one"], ["s"], axis=0),
        helper.make_node("Mul", ["n", "s"], ["rows"]),
        helper.make_node("Unsqueeze", ["rows", "zero1"], ["rows1"]),
        helper.make_node("Concat", ["rows1", "minus"], ["target"], axis=0),
        helper.make_node("Reshape", ["x", "target"], ["flat"]),
        helper.make_node("Gemm", ["flat", "w"], ["y"], name="product"),
    ]
    constants = [*_numbers(zero1=[0], minus=[-1]), *_weights(w=(8, 4)),
                 numpy_helper.from_array(np.array(0), "zero"), numpy_helper.from_array(np.array(1), "one")]
    path = _save(folder, nodes, {"x": ["b", "s", 8]}, constants)
    (op,) = catalog.load(f"{path}:b=3,s=5").operators
    assert (op.m, op.inputs) == (15, ("",))


def test_normalisation_and_channel_constants_are_folded(folder: Path) -> None:
    channel = {"scale": (4,), "offset": (4,), "mean": (4,), "var": (4,)}
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["c"], name="conv"),
        helper.make_node("BatchNormalization", ["c", "scale", "offset", "mean", "var"], ["n"]),
        helper.make_node("Mul", ["n", "m"], ["s"]),
        helper.make_node("Add", ["s", "a"], ["t"]),
        helper.make_node("Relu", ["t"], ["y"], name="relu"),
    ]
    constants = _weights(w=(4, 3, 1, 1), m=(4, 1, 1), a=(1, 4, 1, 1), **channel)
    conv, relu = catalog.load(_save(folder, nodes, {"x": [1, 3, 5, 5]}, constants)).operators
    assert conv.batch_norm
    assert relu.inputs == ("conv",)
    # With a second reader of the convolution the normalisation has to stay.
    kept = catalog.load(_save(folder, nodes, {"x": [1, 3, 5, 5]}, constants, outputs=("y", "c"))).operators
    assert [op.kind for op in kept] == ["conv", "normalization", "elementwise"]
    assert not kept[0].batch_norm


def test_a_product_takes_its_bias_from_an_addition(folder: Path) -> None:
    nodes = [helper.make_node("MatMul", ["x", "w"], ["p"], name="n"), helper.make_node("Add", ["b", "p"], ["y"])]
    (op,) = catalog.load(_save(folder, nodes, {"x": [2, 5, 3]}, _weights(w=(3, 4), b=(4,)))).operators
    assert op.bias
    nodes[1] = helper.make_node("Add", ["p", "position"], ["y"], name="add")
    path = _save(folder, nodes, {"x": [2, 5, 3]}, _weights(w=(3, 4), position=(5, 4)))
    product, addition = catalog.load(path).operators
    assert not product.bias
    assert (addition.parameters, addition.reads, addition.operands) == (20, None, 2)


def test_movements_are_read_where_they_lie(folder: Path) -> None:
    nodes = [
        helper.make_node("Relu", ["x"], ["a"], name="first"),
        helper.make_node("Sigmoid", ["x"], ["b"], name="second"),
        helper.make_node("Concat", ["a", "b"], ["c"], axis=1),
        helper.make_node("Transpose", ["c"], ["t"], perm=[0, 2, 3, 1]),
        helper.make_node("Dropout", ["t"], ["d"]),
        helper.make_node("Flatten", ["d"], ["f"]),
        helper.make_node("Gemm", ["f", "w"], ["y"], name="product"),
    ]
    workload = catalog.load(_save(folder, nodes, {"x": [2, 3, 4, 4]}, _weights(w=(96, 5))))
    assert workload.operators[-1].inputs == ("first", "second")
    assert workload.consumers == {"first": ("product",), "second": ("product",), "product": ()}


def test_nodes_may_be_in_any_order_and_unused_ones_are_left_out(folder: Path) -> None:
    nodes = [
        helper.make_node("Relu", ["a"], ["y"], name="last"),
        helper.make_node("NonZero", ["x"], ["lost"], name="unused"),
        helper.make_node("Sigmoid", ["x"], ["a"], name="first"),
    ]
    assert [op.name for op in catalog.load(_save(folder, nodes, {"x": [3]})).operators] == ["first", "last"]


@pytest.mark.parametrize(
    ("kind", "shape", "attributes", "opset", "fields"),
    [
        ("Softmax", [2, 3, 4], {}, 11, {"rows": 2, "cols": 12}),
        ("Softmax", [2, 3, 4], {}, 13, {"rows": 6, "cols": 4}),
        ("Softmax", [2, 3, 4], {"axis": 1}, 13, {"rows": 8, "cols": 3}),
        ("LRN", [2, 3, 4, 4], {"size": 5}, 13, {"mode": "local", "rows": 32, "cols": 3}),
        ("GlobalAveragePool", [2, 3, 4, 5], {}, 13, {"kernel_h": 4, "kernel_w": 5, "out_h": 1}),
        ("MaxPool", [2, 3, 5, 5], {"kernel_shape": [2, 2], "strides": [2, 2], "ceil_mode": 1}, 13,
         {"out_h": 3, "mode": "max"}),
        ("ReduceMean", [2, 3, 4, 5], {"axes": [2, 3]}, 13, {"kernel_h": 20, "channels": 6, "mode": "average"}),
        ("HardSwish", [2, 3], {}, 14, {"function": "hardswish", "elements": 6}),
    ],
)
def test_other_work(folder: Path, kind: str, shape: list[int], attributes: dict, opset: int, fields: dict) -> None:
    (op,) = _one(folder, kind, {"x": shape}, opset=opset, **attributes).operators
    assert {name: getattr(op, name) for name in fields} == fields


def test_layer_and_group_normalisation(folder: Path) -> None:
    (layer,) = _one(folder, "LayerNormalization", {"x": [2, 5, 8]}, _weights(s=(8,), b=(8,))).operators
    assert (layer.rows, layer.cols, layer.params) == (10, 8, 16)
    scale = _weights(s=(6,), b=(6,))
    (group,) = _one(folder, "GroupNormalization", {"x": [2, 6, 4, 4]}, scale, opset=21, num_groups=3).operators
    assert (group.rows, group.cols, group.params) == (6, 32, 12)


def test_attention_operator(folder: Path) -> None:
    inputs = {"q": [2, 8, 5, 16], "k": [2, 4, 7, 16], "v": [2, 4, 7, 16]}
    (op,) = _one(folder, "Attention", inputs, opset=23).operators
    assert (op.heads, op.kv_heads, op.q_len, op.kv_len, op.head_dim) == (8, 4, 5, 7, 16)
    assert op.macs == 2 * 8 * 5 * 7 * 32
    past = {"mask": [5, 10], "past_k": [2, 4, 3, 16], "past_v": [2, 4, 3, 16]}
    nodes = [helper.make_node("Attention", [*inputs, *past], ["y", "new_k", "new_v"], name="n")]
    (op,) = catalog.load(_save(folder, nodes, inputs | past, opset=23)).operators
    assert (op.kv_len, op.cached) == (10, 3)


def test_a_constant_table_is_an_embedding(folder: Path) -> None:
    op = _embedding(folder)
    assert (op.entries, op.width, op.tokens, op.params) == (100, 8, 10, 800)


def _embedding(folder: Path) -> Any:
    graph = helper.make_graph(
        [helper.make_node("Gather", ["table", "ids"], ["y"], name="words")], "g",
        [helper.make_tensor_value_info("ids", TensorProto.INT64, [2, 5])], [onnx.ValueInfoProto(name="y")],
        _weights(table=(100, 8)),
    )
    path = folder / "embedding.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)]), path)
    return catalog.load(path).operators[0]


def test_quantised_products_fix_their_widths(folder: Path) -> None:
    graph = helper.make_graph(
        [helper.make_node("MatMulInteger", ["x", "w"], ["y"], name="n")], "g",
        [helper.make_tensor_value_info("x", TensorProto.UINT8, [5, 3])], [onnx.ValueInfoProto(name="y")],
        [numpy_helper.from_array(np.zeros((3, 4), np.int8), "w")],
    )
    path = folder / "int8.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)]), path)
    (op,) = catalog.load(path).operators
    assert (op.bits.input, op.bits.weight, op.bits.output) == (8, 8, 32)


def test_weights_may_be_in_another_file_that_is_not_there(folder: Path) -> None:
    tensor = _weights(w=(64, 32))[0]
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="nowhere.bin")
    (op,) = _one(folder, "MatMul", {"x": [5, 64]}, [tensor]).operators
    assert op.params == 64 * 32


def test_the_name_of_the_digest_is_the_work(folder: Path) -> None:
    node = helper.make_node("Relu", ["x"], ["y"], name="n")
    one = catalog.load(_save(folder, [node], {"x": [3]}, name="one.onnx"))
    two = catalog.load(_save(folder, [node], {"x": [3]}, name="two.onnx"))
    assert one.digest == two.digest
    assert one != two
