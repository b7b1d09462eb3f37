"""Convolutions and pooling of an ONNX graph."""

from __future__ import annotations

from math import prod
from typing import Any

from .convert import Matrix, Refused, Work, converts
from .node import Node
from .values import Value


def _image(value: Value) -> tuple[int, int, int, int]:
    """Return batch, height, width and channels of a channel-first tensor with one or two spatial dimensions."""
    batch, channels, *spatial = value.shape
    height, width = _two(spatial, value)
    return batch, height, width, channels


def _two(sizes: list[int], value: Value, fill: int = 1) -> tuple[int, int]:
    if len(sizes) == 1:
        return fill, sizes[0]
    if len(sizes) == 2:
        return sizes[0], sizes[1]
    raise Refused(f"tensor {value.name!r} has {len(sizes)} spatial dimensions (accepted: 1 or 2)")


def bits_of(*values: tuple[str, Value]) -> dict[str, int]:
    """Return the widths of integer tensors, which a quantised model fixes."""
    width = {2: 8, 3: 8, 4: 16, 5: 16, 6: 32, 21: 4, 22: 4}
    return {role: width[value.element_type] for role, value in values if value.element_type in width}


@converts("Conv")
def _conv(work: Work, node: Node) -> None:
    _add_conv(work, node, node.x, node.input(1), bias=node.optional(2) is not None)


@converts("ConvInteger")
def _conv_integer(work: Work, node: Node) -> None:
    _add_conv(work, node, node.x, node.input(1), bias=False, quantised=True)


@converts("QLinearConv")
def _qlinear_conv(work: Work, node: Node) -> None:
    _add_conv(work, node, node.x, node.input(3), bias=node.optional(8) is not None, quantised=True)


def _add_conv(work: Work, node: Node, x: Value, weights: Value, *, bias: bool, quantised: bool = False) -> None:
    if not weights.constant:
        raise Refused(f"its filters {weights.name!r} are no constant (accepted: constant filters)")
    if x.constant:
        raise Refused("its input is a constant and its filters are not (accepted: constant filters)")
    batch, in_h, in_w, channels = _image(x)
    groups = node.attribute("group", 1)
    if weights.shape[1] * groups != channels:
        raise Refused(f"{channels} channels meet filters of {weights.shape[1]} for each of {groups} groups (accepted: "
                      "as many)")
    _, out_h, out_w, out_channels = _image(node.output)
    kernel = _two(list(weights.shape[2:]), weights)
    stride = _two(list(node.attribute("strides") or [1] * (len(x.shape) - 2)), x)
    dilation_h, dilation_w = _two(list(node.attribute("dilations") or [1] * (len(x.shape) - 2)), x)
    dilation = dilation_w if kernel[0] == 1 else dilation_h
    if kernel[0] > 1 and kernel[1] > 1 and dilation_h != dilation_w:
        raise Refused(f"dilations {dilation_h} and {dilation_w} differ (accepted: equal ones)")
    padding: list[int] = []
    for size, out, window, step, pads in zip(
        (in_h, in_w), (out_h, out_w), kernel, stride, _pads(node, len(x.shape) - 2)
    ):
        if pads is None:  # by auto_pad: what the output's size asks for, the odd one after (or before)
            spare = max(0, (out - 1) * step + dilation * (window - 1) + 1 - size)
            half = spare // 2
            pads = (spare - half, half) if node.attribute("auto_pad") == "SAME_LOWER" else (half, spare - half)
        padding += pads
    fields: dict[str, Any] = {
        "batch": batch, "in_h": in_h, "in_w": in_w, "in_channels": channels, "out_channels": out_channels,
        "kernel_h": kernel[0], "kernel_w": kernel[1], "stride_h": stride[0], "stride_w": stride[1],
        "padding": tuple(padding), "dilation": dilation, "groups": groups, "bias": bias,
    }
    if quantised:
        fields["bits"] = bits_of(("input", x), ("weight", weights), ("output", node.output))
    # Rows and columns of the window, then channels. A zero of quantised weights is their zero point, which is not looked up.
    matrix = None if quantised else Matrix(weights.name, (*range(2, len(weights.shape)), 1))
    work.add(node, "conv", [x], matrix=matrix, **fields)


def _pads(node: Node, spatial: int) -> list[tuple[int, int] | None]:
    """Return (before, after) for rows and columns, None where the size of the output decides."""
    mode = node.attribute("auto_pad", "NOTSET")
    if mode.startswith("SAME"):
        pads: list[tuple[int, int] | None] = [None] * spatial
    else:
        given = list(node.attribute("pads") or [0] * (2 * spatial)) if mode == "NOTSET" else [0] * (2 * spatial)
        if min(given) < 0:
            raise Refused(f"pads {given} are negative (accepted: 0 or more)")
        pads = list(zip(given[:spatial], given[spatial:]))
    return [(0, 0), *pads] if spatial == 1 else pads


@converts("ConvTranspose")
def _conv_transpose(work: Work, node: Node) -> None:
    """Multiply every pixel with every filter, then add the windows that overlap."""
    x, weights = node.x, node.input(1)
    if not weights.constant:
        raise Refused(f"its filters {weights.name!r} are no constant (accepted: constant filters)")
    batch, height, width, channels = _image(x)
    out_channels = node.output.shape[1]
    groups = node.attribute("group", 1)
    window = prod(weights.shape[2:])
    products = height * width * batch * window * out_channels
    work.add(
        node, "gemm", [x], batch=groups, m=batch * height * width, n=window * weights.shape[1], k=channels // groups,
    )
    windows = Value("", x.element_type, (products,), node.output.sources)
    stride = prod(node.attribute("strides") or [1])
    bias = out_channels if node.optional(2) is not None else 0
    work.add(
        node, "elementwise", [windows], suffix=".overlap_add", function="overlap_add", elements=node.output.elements,
        operands=min(64, max(1, -(-window // stride)) + (bias > 0)), reads=products, parameters=bias,
    )


@converts("MaxPool AveragePool LpPool")
def _pool(work: Work, node: Node) -> None:
    window = _two(list(node.attribute("kernel_shape")), node.x)
    _add_pool(work, node, "max" if node.kind == "MaxPool" else "average", window)


@converts("GlobalAveragePool GlobalMaxPool GlobalLpPool")
def _global_pool(work: Work, node: Node) -> None:
    _, height, width, _ = _image(node.x)
    _add_pool(work, node, "max" if node.kind == "GlobalMaxPool" else "average", (height, width))


def _add_pool(work: Work, node: Node, mode: str, window: tuple[int, int]) -> None:
    batch, in_h, in_w, channels = _image(node.x)
    _, out_h, out_w, _ = _image(node.output)
    work.add(
        node, "pool", [node.x], mode=mode, batch=batch, in_h=in_h, in_w=in_w, channels=channels,
        kernel_h=window[0], kernel_w=window[1], out_h=out_h, out_w=out_w,
    )


@converts("ReduceMean ReduceSum ReduceMax ReduceMin ReduceProd ReduceL1 ReduceL2 ReduceLogSum ReduceLogSumExp "
          "ReduceSumSquare ArgMax ArgMin")
def _reduce(work: Work, node: Node) -> None:
    """Reduce each group of elements to one, which is a pooling with the group as its window."""
    kept = node.output.elements
    mode = "max" if node.kind in ("ReduceMax", "ReduceMin", "ArgMax", "ArgMin") else "average"
    group = node.x.elements // kept
    work.add(
        node, "pool", [node.x], mode=mode, in_h=group, in_w=1, channels=kept, kernel_h=group, kernel_w=1, out_h=1,
        out_w=1,
    )
