"""What is known of each tensor of an ONNX graph: shape, where it lies, and its content if that is small."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper
from onnx.reference import ReferenceEvaluator
from onnx.shape_inference import infer_node_outputs

__all__ = ["FOLDED", "Value", "constant_value", "fold", "infer"]

Content = np.ndarray[Any, Any]

MAX_CONTENT = 4096
"""Elements of the largest tensor whose content is followed; shapes are computed from tensors of a few."""

FOLDED = {
    "Abs", "Add", "And", "Cast", "Ceil", "Concat", "Constant", "ConstantOfShape", "Div", "Equal", "Expand", "Floor",
    "Gather", "Greater", "GreaterOrEqual", "Identity", "Less", "LessOrEqual", "Max", "Min", "Mod", "Mul", "Neg", "Not",
    "Or", "Pow", "Range", "ReduceMax", "ReduceMin", "ReduceProd", "ReduceSum", "Reshape", "Slice", "Sqrt", "Squeeze",
    "Sub", "Tile", "Transpose", "Unsqueeze", "Where",
}
"""Operators that exporters compute shapes with; they are evaluated where their inputs are known and small."""

# Operators that ONNX defines by other ones and gives no rule for their shape, and how many inputs make it.
_BROADCAST = {"GroupNormalization": 1, "MeanVarianceNormalization": 1, "GreaterOrEqual": 2, "LessOrEqual": 2}


@dataclass
class Value:
    """A tensor of the graph."""

    name: str
    element_type: int
    """A TensorProto.DataType; 0 if it is not known."""
    shape: tuple[int, ...]
    sources: tuple[str, ...] = ()
    """Operators of the workload that made it, "" for an input of the network; empty for a constant."""
    content: Content | None = None

    @property
    def constant(self) -> bool:
        """Whether it is the same in every run."""
        return not self.sources

    @property
    def elements(self) -> int:
        """Elements in all."""
        return prod(self.shape)


def constant_value(tensor: onnx.TensorProto, name: str = "") -> Value:
    """Return a constant of the file, with its content if that is small and there."""
    shape = tuple(tensor.dims)
    content = None
    if prod(shape) <= MAX_CONTENT and tensor.data_location != onnx.TensorProto.EXTERNAL:
        content = numpy_helper.to_array(tensor)
    return Value(name or tensor.name, tensor.data_type, shape, content=content)


def infer(node: onnx.NodeProto, inputs: Mapping[str, Value], opset: int) -> dict[str, tuple[int, list[int | None]]]:
    """Return type and dimensions of each output, None for one that cannot be known, by ONNX's own rules.

    Raises `onnx.defs.SchemaError` for an operator that the library does not know, and other exceptions of
    the library for inputs and attributes that do not fit.
    """
    schema = onnx.defs.get_schema(node.op_type, opset, node.domain)
    types = {name: helper.make_tensor_type_proto(value.element_type, value.shape) for name, value in inputs.items()}
    content = {
        name: numpy_helper.from_array(value.content, name)
        for name, value in inputs.items() if value.content is not None
    }
    found = infer_node_outputs(schema, node, types, content, opset_imports=[helper.make_opsetid(node.domain, opset)])
    outputs: dict[str, tuple[int, list[int | None]]] = {}
    if not schema.has_type_and_shape_inference_function and node.op_type in _BROADCAST:
        shape = np.broadcast_shapes(*(inputs[name].shape for name in node.input[: _BROADCAST[node.op_type]]))
        outputs[node.output[0]] = (inputs[node.input[0]].element_type, list(shape))
    for name, kind in found.items():
        tensor = kind.tensor_type
        if kind.HasField("tensor_type") and tensor.HasField("shape"):
            dims = [dim.dim_value if dim.HasField("dim_value") else None for dim in tensor.shape.dim]
            outputs[name] = (tensor.elem_type, dims)
    return outputs


def fold(node: onnx.NodeProto, inputs: list[Value | None], shape: tuple[int, ...], opset: int) -> Content | None:
    """Return the content of a node's only output, if its inputs are known and it is small."""
    if node.op_type in ("Shape", "Size") and inputs[0] is not None:
        start, stop = (_attribute(node, name, default) for name, default in (("start", 0), ("end", None)))
        dims = np.array(inputs[0].shape, np.int64)
        return dims[start:stop] if node.op_type == "Shape" else np.array(dims.prod(), np.int64)
    if node.op_type not in FOLDED or node.domain not in ("", "ai.onnx") or len(node.output) != 1:
        return None
    if prod(shape) > MAX_CONTENT or any(value is not None and value.content is None for value in inputs):
        return None
    feeds = {value.name: value.content for value in inputs if value is not None}
    reads, makes = ([onnx.ValueInfoProto(name=name) for name in names] for names in (feeds, node.output))
    graph = helper.make_graph([node], "fold", reads, makes)
    with np.errstate(all="ignore"):
        result = ReferenceEvaluator(graph, opsets={"": opset}).run(None, feeds)
    return np.asarray(result[0]) if isinstance(result, list) else None


def _attribute(node: onnx.NodeProto, name: str, default: Any) -> Any:
    return next((helper.get_attribute_value(a) for a in node.attribute if a.name == name), default)
