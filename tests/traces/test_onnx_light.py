"""The nine real networks of the onnx package: counted independently, and beside the built-in ones."""

from math import prod
from pathlib import Path

import pytest

from cyclescape.errors import InputError
from cyclescape.traces import catalog
from cyclescape.traces.published import figures

onnx = pytest.importorskip("onnx")

LIGHT = Path(onnx.__file__).parent / "backend" / "test" / "data" / "light"
NAMES = ["bvlc_alexnet", "densenet121", "inception_v1", "inception_v2", "resnet50", "shufflenet", "squeezenet", "vgg19",
         "zfnet512"]


def _load(name: str) -> object:
    return catalog.load(LIGHT / f"light_{name}.onnx")


def _count(name: str) -> tuple[int, int]:
    """Return MACs and elements of the weights, from shapes that the onnx library infers for the whole model."""
    model = onnx.shape_inference.infer_shapes(onnx.load(LIGHT / f"light_{name}.onnx"), data_prop=True)
    graph = model.graph
    shapes = {
        info.name: [dim.dim_value for dim in info.type.tensor_type.shape.dim]
        for info in (*graph.value_info, *graph.input, *graph.output)
    }
    macs = weights = 0
    for node in graph.node:
        if node.op_type == "Conv":
            filters = shapes[node.input[1]]
            macs += prod(shapes[node.output[0]]) * prod(filters[1:])
            weights += prod(filters)
        elif node.op_type == "Gemm":
            matrix = shapes[node.input[1]]
            macs += prod(matrix)
            weights += prod(matrix)
    return macs, weights


@pytest.mark.parametrize("name", NAMES)
def test_imports_with_the_work_that_is_in_the_file(name: str) -> None:
    workload = _load(name)
    weights = sum(op.weight_elements for op in workload.operators if op.gemms)
    assert (workload.macs, weights) == _count(name)
    assert workload.operators[0].inputs == ("",)


@pytest.mark.parametrize(
    ("name", "built_in"),
    [
        ("densenet121", "densenet121"), ("inception_v2", "inception-v2"), ("resnet50", "resnet50"),
        ("squeezenet", "squeezenet:version=1.1"), ("vgg19", "vgg19"),
    ],
)
def test_equals_the_built_in_network(name: str, built_in: str) -> None:
    ours, theirs = catalog.load(built_in), _load(name)
    assert (theirs.macs, theirs.params) == (ours.macs, ours.params)
    assert [op.macs for op in theirs.operators if op.gemms] == [op.macs for op in ours.operators if op.gemms]


PUBLISHED = {
    (row.source.partition(".onnx")[0].removeprefix("light_"), row.quantity): row
    for row in figures() if row.source.startswith("light_")
}


@pytest.mark.parametrize("name", NAMES)
def test_the_table_of_published_counts_has_those_of_the_file(name: str) -> None:
    """Seven are held to built-in networks there; the two others are named on the page of networks."""
    theirs = _load(name)
    if name in ("shufflenet", "zfnet512"):
        page = " ".join((Path(__file__).parents[2] / "docs" / "networks.md").read_text().split())
        assert f"`light_{name}.onnx` ({theirs.macs:,} MACs, {theirs.params:,} parameters)" in page
        return
    for quantity in ("macs", "params"):
        assert PUBLISHED[name, quantity].value == getattr(theirs, quantity)


def test_googlenet_of_the_file_rounds_its_pooled_images_down() -> None:
    """Caffe rounds up to 56, 28, 14 and 7; the converted file has 55, 27, 13 and 6. Weights are the same."""
    ours, theirs = catalog.load("googlenet"), _load("inception_v1")
    assert theirs.params == ours.params
    smaller = {112: 112, 56: 55, 28: 27, 14: 13, 7: 6}
    mine_all, other_all = ([op for op in net.operators if op.kind == "conv"] for net in (ours, theirs))
    for mine, other in zip(mine_all, other_all, strict=True):
        assert other.out_h == smaller[mine.out_h]
        assert other.macs * mine.out_h**2 == mine.macs * other.out_h**2
    assert theirs.macs < ours.macs


def test_alexnet_of_the_file_starts_from_a_smaller_image() -> None:
    """The file takes 224 x 224, the paper's shapes come from 227 x 227. Weights are the same."""
    ours, theirs = catalog.load("alexnet"), _load("bvlc_alexnet")
    assert theirs.params == ours.params
    smaller = {55: 54, 27: 26, 13: 12}
    for mine, other in zip((op for op in ours.operators if op.gemms), (op for op in theirs.operators if op.gemms),
                           strict=True):
        if mine.kind == "conv":
            assert other.out_h == smaller[mine.out_h]
            assert other.macs * mine.out_h**2 == mine.macs * other.out_h**2
        else:
            assert other.macs == mine.macs


def test_shufflenet_of_the_file_is_another_network() -> None:
    """It has 4 groups and no narrowing to a quarter in its units, so it is none of the paper's."""
    theirs = _load("shufflenet")
    units = [op for op in theirs.operators if op.kind == "conv" and op.depthwise]
    assert len(units) == 16
    assert {op.groups for op in theirs.operators if op.kind == "conv" and op.kernel_h == 1} == {4}
    assert {op.in_channels for op in units} == {112, 136, 272, 544}
    paper = [op for op in catalog.load("shufflenet-v1:groups=4").operators if op.kind == "conv" and op.depthwise]
    assert {op.in_channels for op in paper} == {68, 136, 272}


def test_branches_are_kept() -> None:
    workload = _load("resnet50")
    joins = [op for op in workload.operators if op.kind == "elementwise" and op.function == "sum"]
    assert len(joins) == 16
    assert all(len(op.inputs) == op.operands == 2 for op in joins)
    concatenated = [op for op in _load("inception_v1").operators if len(op.inputs) == 4]
    assert len(concatenated) > 9
    assert all(len(readers) <= 6 for readers in workload.consumers.values())


@pytest.mark.parametrize("name", ["squeezenet", "densenet121"])
def test_batch_is_an_argument_even_where_the_file_states_one(name: str) -> None:
    path = LIGHT / f"light_{name}.onnx"
    assert catalog.load(f"{path}:batch=4").macs == 4 * catalog.load(path).macs


@pytest.mark.parametrize("name", [n for n in NAMES if n not in ("squeezenet", "densenet121")])
def test_a_batch_that_the_graph_fixes_is_refused(name: str) -> None:
    """These reshape to one row before the classifier, whatever the batch."""
    with pytest.raises(InputError, match="the file may fix its batch"):
        catalog.load(LIGHT / f"light_{name}.onnx", batch=4)
