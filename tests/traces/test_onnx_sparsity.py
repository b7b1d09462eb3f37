"""Patterns found in the zeros of an ONNX file's own weights."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cyclescape.errors import InputError
from cyclescape.traces import catalog
from cyclescape.traces.sparsity import Pattern, detect, filters_as_matrices, magnitude_mask

onnx = pytest.importorskip("onnx")
np = pytest.importorskip("numpy")
from onnx import TensorProto, helper, numpy_helper  # noqa: E402


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("onnx")


def _load(folder: Path, kind: str, shape: list[int], tensor: Any, *, first: bool = False, **attributes: Any) -> Any:
    names = ["w", "x"] if first else ["x", "w"]
    graph = helper.make_graph(
        [helper.make_node(kind, names, ["y"], name="n", **attributes)], "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)], [onnx.ValueInfoProto(name="y")], [tensor],
    )
    path = folder / "net.onnx"
    path.write_bytes(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)]).SerializeToString())
    return catalog.load(f"{path}:sparsity=stored").operators[0]


def _pruned(k: int, n: int, pattern: tuple[int, int], seed: int = 0) -> Any:
    weights = np.random.default_rng(seed).uniform(1, 2, (k, n)).astype(np.float32)
    return weights * magnitude_mask(weights, pattern)


@pytest.mark.parametrize("pattern", [(1, 2), (2, 4), (1, 4), (3, 8)])
@pytest.mark.parametrize("large", [False, True])
def test_products_of_every_layout(folder: Path, pattern: tuple[int, int], large: bool) -> None:
    k, n = (256, 96) if large else (32, 24)
    w = _pruned(k, n, pattern)
    cases = [
        ("MatMul", [5, k], w, False, {}), ("MatMul", [n, 5], None, True, {}), ("Gemm", [5, k], w, False, {}),
        ("Gemm", [5, k], w.T, False, {"transB": 1}), ("MatMul", [3, 5, k], np.stack([w] * 3), False, {}),
        ("Conv", [1, k, 4, 4], w.T.reshape(n, k, 1, 1), False, {}), ("Conv", [1, k, 4], w.T.reshape(n, k, 1), False, {}),
    ]
    for kind, shape, stored, first, attributes in cases:
        if stored is None:  # the constant is the first operand, and sums over its columns
            stored = _pruned(n, k, pattern).T
        tensor = numpy_helper.from_array(np.ascontiguousarray(stored), "w")
        op = _load(folder, kind, shape, tensor, first=first, **attributes)
        if first and n % 16:
            assert op.weight_sparsity is not None
        else:
            assert op.weight_sparsity == pattern, (kind, attributes)
        assert op.effective_macs < op.macs


@given(st.integers(1, 2), st.integers(1, 5), st.integers(1, 9), st.integers(1, 3), st.integers(1, 2), st.integers(0, 99))
def test_filters_are_pruned_along_the_window(
    folder: Path, groups: int, out: int, channels: int, height: int, width: int, seed: int
) -> None:
    """Found in the file as `detect` finds it in the matrices."""
    rng = np.random.default_rng(seed)
    filters = rng.standard_normal((groups * out, channels, height, width)).astype(np.float32)
    filters[rng.random(filters.shape) < 0.7] = 0
    op = _load(folder, "Conv", [1, groups * channels, 4, 4], numpy_helper.from_array(filters, "w"), group=groups)
    found = detect(filters_as_matrices(filters, groups))
    assert Pattern(*(op.weight_sparsity or (1, 1))) == found


@pytest.mark.parametrize(("kind", "dtype"), [(TensorProto.FLOAT16, np.float16), (TensorProto.DOUBLE, np.float64)])
def test_other_widths(folder: Path, kind: int, dtype: Any) -> None:
    for k in (32, 1024):
        tensor = numpy_helper.from_array(_pruned(k, 32, (2, 4)).astype(dtype), "w")
        path = folder / "net.onnx"
        graph = helper.make_graph(
            [helper.make_node("MatMul", ["x", "w"], ["y"])], "g", [helper.make_tensor_value_info("x", kind, [2, k])],
            [onnx.ValueInfoProto(name="y")], [tensor],
        )
        path.write_bytes(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)]).SerializeToString())
        assert catalog.load(path, sparsity="stored").operators[0].weight_sparsity == (2, 4)


def test_bfloat16_has_two_zeros(folder: Path) -> None:
    for k in (32, 1024):
        bits = np.where(magnitude_mask(_pruned(k, 32, (2, 4)), (2, 4)), 0x3F80, 0x8000).astype(np.uint16)
        tensor = TensorProto(name="w", data_type=TensorProto.BFLOAT16, dims=[k, 32], raw_data=bits.tobytes())
        path = folder / "net.onnx"
        graph = helper.make_graph(
            [helper.make_node("MatMul", ["x", "w"], ["y"])], "g",
            [helper.make_tensor_value_info("x", TensorProto.BFLOAT16, [2, k])], [onnx.ValueInfoProto(name="y")], [tensor],
        )
        path.write_bytes(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)]).SerializeToString())
        assert catalog.load(path, sparsity="stored").operators[0].weight_sparsity == (2, 4)


def test_dense_weights_stay_dense_and_a_pattern_can_be_given_instead(folder: Path) -> None:
    tensor = numpy_helper.from_array(np.ones((64, 64), np.float32), "w")
    assert _load(folder, "MatMul", [5, 64], tensor).weight_sparsity is None
    asked = catalog.load(f"{folder / 'net.onnx'}:sparsity=2:4")
    assert asked.operators[0].weight_sparsity == (2, 4)
    assert asked.name == "net.onnx:sparsity=2:4"


def test_large_weights_are_looked_at_in_parts(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With parts of 64 weights: many vectors at a time, one at a time, and slices of one, all find the same."""
    from cyclescape.traces.onnx_import import weights

    monkeypatch.setattr(weights, "_PART", 64)
    for k, n in ((16, 40), (64, 3), (1600, 2)):
        w = _pruned(k, n, (2, 4), seed=k)
        for kind, shape, stored in (
            ("MatMul", [5, k], w), ("Conv", [1, k, 4, 4], w.T.reshape(n, k, 1, 1)), ("Conv", [1, k // 2, 4, 4], _filters(w)),
        ):
            op = _load(folder, kind, shape, numpy_helper.from_array(np.ascontiguousarray(stored), "w"))
            assert op.weight_sparsity == (2, 4), (kind, k)


def _filters(w: Any) -> Any:
    """Return the matrix (k, n) as filters two pixels high."""
    k, n = w.shape
    return w.T.reshape(n, 2, 1, k // 2).transpose(0, 3, 1, 2)


def test_a_window_beyond_all_measure_is_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from cyclescape.traces.onnx_import import weights

    monkeypatch.setattr(weights, "_LONGEST", 31)
    with pytest.raises(InputError, match="have 32 for each output .accepted for sparsity=stored: at most 31"):
        _load(folder, "Conv", [1, 16, 4, 4], numpy_helper.from_array(np.ones((3, 16, 2, 1), np.float32), "w"))


def _external(location: str, **more: str) -> Any:
    tensor = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[64, 16], data_location=TensorProto.EXTERNAL)
    for key, value in {"location": location, **more}.items():
        tensor.external_data.add(key=key, value=value)
    return tensor


def test_weights_beside_the_model_are_read(folder: Path) -> None:
    (folder / "weights.bin").write_bytes(b"\1" * 100 + _pruned(64, 16, (1, 4)).tobytes())
    op = _load(folder, "MatMul", [5, 64], _external("weights.bin", offset="100", length="4096"))
    assert op.weight_sparsity == (1, 4)


@pytest.mark.parametrize(
    ("location", "more", "words"),
    [
        ("nowhere.bin", {}, "in 'nowhere.bin': no such file (accepted for sparsity=stored: a model with its weights)"),
        ("../../../etc/passwd", {}, "not a file of the model's folder (accepted: a relative path that stays inside)"),
        ("/etc/passwd", {}, "not a file of the model's folder"),
        ("w" * 5000, {}, "no such file"), ("w\0", {}, "no such file"), ("loop/w", {}, "no such file"),
        ("", {}, "not a file of the model's folder"),
        ("short.bin", {}, "take 4,096 bytes, and there are 10"),
        ("short.bin", {"offset": "99999"}, "take 4,096 bytes, and there are 0"),
        ("short.bin", {"offset": "-5"}, "offset='-5', length='4096' (accepted: integers)"),
        ("short.bin", {"length": "7"}, "take 4,096 bytes, and there are 7"),
    ],
)
def test_weights_that_are_not_there_are_one_line(folder: Path, location: str, more: dict[str, str], words: str) -> None:
    (folder / "short.bin").write_bytes(b"0123456789")
    if not (loop := folder / "loop").is_symlink():
        loop.symlink_to("loop")
    with pytest.raises(InputError) as caught:
        _load(folder, "MatMul", [5, 64], _external(location, **more))
    assert words in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


def test_a_link_that_leads_out_of_the_folder_is_not_followed(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "secret.bin").write_bytes(bytes(4096))
    (folder / "link.bin").symlink_to(tmp_path / "secret.bin")
    with pytest.raises(InputError, match="not a file of the model's folder"):
        _load(folder, "MatMul", [5, 64], _external("link.bin"))
