"""Element-wise functions and normalisations of an ONNX graph."""

from __future__ import annotations

from math import prod

from .convert import Refused, Work, converts
from .node import Node
from .values import Value


@converts(
    "Abs Acos Acosh Asin Asinh Atan Atanh BitShift BitwiseAnd BitwiseNot BitwiseOr BitwiseXor Ceil Celu Clip Cos Cosh "
    "CumSum DequantizeLinear DynamicQuantizeLinear Elu Erf Exp Floor Gelu HardSigmoid HardSwish IsInf IsNaN LeakyRelu "
    "Log Mish Neg Not QuantizeLinear Reciprocal Relu Round Selu Shrink Sigmoid Sign Sin Sinh Softplus Softsign Sqrt "
    "Swish Tan Tanh ThresholdedRelu TopK RotaryEmbedding"
)
def _unary(work: Work, node: Node) -> None:
    """Apply a function to the first input; what else is read are settings."""
    if node.x.constant:
        raise Refused(f"its input {node.x.name!r} is a constant and its settings are not (accepted: constant settings)")
    work.add(node, "elementwise", [node.x], function=node.kind.lower(), elements=node.x.elements)


@converts("Add Sub Mul Div")
def _affine(work: Work, node: Node) -> None:
    """Fold a constant for each channel into what made the other operand, as every compiler does."""
    activations = node.activations
    constant = next((value for value in node.inputs if value is not None and value.constant), None)
    if len(activations) == 1 and constant is not None and _fold_constant(work, node, activations[0], constant):
        return
    _combine(work, node)


def _fold_constant(work: Work, node: Node, x: Value, constant: Value) -> bool:
    record = work.foldable(x)
    if record is None or (node.kind == "Div" and node.input(0) is constant):
        return False
    fields = record.fields
    if fields["kind"] == "gemm":
        # A bias: as many as columns, along the last dimension.
        if node.kind != "Add" or not fields.get("weights", True) or fields.get("bias") or fields.get("batch", 1) > 1:
            return False
        if constant.elements != fields["n"] or constant.shape[-1] != x.shape[-1] or x.shape[-1] != fields["n"]:
            return False
        work.fold(node, record, bias=True)
        return True
    normalised = fields["kind"] == "normalization" and fields["mode"] == "batch"
    if not (fields["kind"] == "conv" or normalised) or not _per_channel(constant, x):
        return False
    if normalised or fields.get("batch_norm"):
        work.fold(node, record)
    elif node.kind in ("Add", "Sub") and not fields.get("bias"):
        work.fold(node, record, bias=True)
    else:
        work.fold(node, record, batch_norm=True)
    return True


def _per_channel(constant: Value, x: Value) -> bool:
    """Whether a constant has one element for each channel of a channel-first image, or one in all."""
    if constant.elements == 1:
        return True
    channels = x.shape[1]
    shape = (1,) * (len(x.shape) - len(constant.shape)) + constant.shape
    return constant.elements == channels and len(shape) == len(x.shape) and shape[1] == channels


@converts("And Equal Greater GreaterOrEqual Less LessOrEqual Max Mean Min Mod Or PRelu Pow Sum Where Xor")
def _combine(work: Work, node: Node) -> None:
    """Combine tensors, broadcast to the output; a constant of more than one element counts as trained."""
    elements = node.output.elements
    constants = (value for value in node.inputs if value is not None and value.constant)
    trained = sum(value.elements for value in constants if value.elements > 1)
    activations = node.activations
    reads = sum(value.elements for value in activations)
    work.add(
        node, "elementwise", activations, function=node.kind.lower(), elements=elements,
        operands=min(64, len(activations) + (trained > 0)), parameters=trained,
        reads=None if all(value.elements == elements for value in activations) else reads,
    )


@converts("Resize Upsample GridSample AffineGrid")
def _resize(work: Work, node: Node) -> None:
    work.add(
        node, "elementwise", [node.x], function=node.kind.lower(), elements=node.output.elements, reads=node.x.elements
    )


@converts("BatchNormalization")
def _batch_norm(work: Work, node: Node) -> None:
    """Fold into the convolution before it where nothing else reads that, else scale and shift every element."""
    record = work.foldable(node.x)
    if record is not None and record.fields["kind"] == "conv" and not record.fields.get("batch_norm"):
        work.fold(node, record, batch_norm=True)
        return
    channels = node.x.shape[1] if len(node.x.shape) > 1 else 1
    work.add(node, "normalization", [node.x], mode="batch", rows=node.x.elements // channels, cols=channels)


@converts("LRN MeanVarianceNormalization LpNormalization")
def _local_norm(work: Work, node: Node) -> None:
    channels = node.x.shape[1]
    work.add(
        node, "normalization", [node.x], mode="local" if node.kind == "LRN" else "layer", affine=False,
        rows=node.x.elements // channels, cols=channels,
    )


@converts("LayerNormalization RMSNormalization")
def _layer_norm(work: Work, node: Node) -> None:
    axis, rank = node.attribute("axis", -1), len(node.x.shape)
    if not -rank <= axis < rank:
        raise Refused(f"axis={axis} (accepted: {-rank} to {rank - 1})")
    cols = prod(node.x.shape[axis:])
    mode = "layer" if node.kind == "LayerNormalization" else "rms"
    work.add(node, "normalization", [node.x], mode=mode, rows=node.x.elements // cols, cols=cols)


@converts("InstanceNormalization GroupNormalization")
def _group_norm(work: Work, node: Node) -> None:
    batch, channels = node.x.shape[:2]
    rows = batch * node.attribute("num_groups", channels)
    work.add(
        node, "normalization", [node.x], mode="group", rows=rows, cols=node.x.elements // rows, features=channels
    )


@converts("Softmax LogSoftmax Hardmax")
def _softmax(work: Work, node: Node) -> None:
    """Take rows along one axis; before operator set 13, along it and all after it."""
    shape = node.x.shape
    axis = node.attribute("axis", 1 if work.opset < 13 else -1)
    cols = prod(shape[axis:]) if work.opset < 13 else shape[axis]
    work.add(node, "softmax", [node.x], rows=node.x.elements // cols, cols=cols)
