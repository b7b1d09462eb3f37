"""Residual networks with two-layer blocks (18, 34) and bottlenecks (50, 101)."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from ..arguments import Batch, Resolution
from ..catalog import network
from ..graph import Graph, Tensor

_RESNET = "He et al., CVPR 2016 (arXiv:1512.03385), table 1"
Stride = Annotated[
    Literal["3x3", "1x1"],
    Field(description="the convolution of a bottleneck that halves the image: 3x3 as torchvision does (also called "
                      "v1.5), 1x1 as the paper does"),
]


@network("resnet18", "ResNet-18", source=_RESNET)
def resnet18(*, batch: Batch = 1, resolution: Resolution = 224) -> Graph:
    """Return ResNet with 2, 2, 2, 2 two-layer blocks."""
    return _resnet((2, 2, 2, 2), batch, resolution, None)


@network("resnet34", "ResNet-34", source=_RESNET)
def resnet34(*, batch: Batch = 1, resolution: Resolution = 224) -> Graph:
    """Return ResNet with 3, 4, 6, 3 two-layer blocks."""
    return _resnet((3, 4, 6, 3), batch, resolution, None)


@network("resnet50", "ResNet-50", source=_RESNET)
def resnet50(*, batch: Batch = 1, resolution: Resolution = 224, stride: Stride = "3x3") -> Graph:
    """Return ResNet with 3, 4, 6, 3 bottlenecks."""
    return _resnet((3, 4, 6, 3), batch, resolution, stride)


@network("resnet101", "ResNet-101", source=_RESNET)
def resnet101(*, batch: Batch = 1, resolution: Resolution = 224, stride: Stride = "3x3") -> Graph:
    """Return ResNet with 3, 4, 23, 3 bottlenecks."""
    return _resnet((3, 4, 23, 3), batch, resolution, stride)


def _resnet(depths: tuple[int, ...], batch: int, resolution: int, bottleneck: str | None) -> Graph:
    g = Graph()
    x = g.input(batch, resolution, resolution, 3)
    x = g.conv("conv1", x, 64, 7, stride=2, batch_norm=True, activation="relu")
    x = g.pool("maxpool", x, "max", 3, 2, padding=1)
    for stage, (depth, width) in enumerate(zip(depths, (64, 128, 256, 512)), start=1):
        for block in range(depth):
            with g.scope(f"layer{stage}.{block}"):
                x = _block(g, x, width, 2 if block == 0 and stage > 1 else 1, bottleneck)
    g.linear("fc", g.global_pool("avgpool", x).flatten(), 1000)
    return g


def _block(g: Graph, x: Tensor, width: int, stride: int, bottleneck: str | None) -> Tensor:
    features = width if bottleneck is None else 4 * width
    if bottleneck is None:
        y = g.conv("conv1", x, width, 3, stride=stride, batch_norm=True, activation="relu")
        y = g.conv("conv2", y, width, 3, batch_norm=True)
    else:
        first, second = (stride, 1) if bottleneck == "1x1" else (1, stride)
        y = g.conv("conv1", x, width, 1, stride=first, batch_norm=True, activation="relu")
        y = g.conv("conv2", y, width, 3, stride=second, batch_norm=True, activation="relu")
        y = g.conv("conv3", y, features, 1, batch_norm=True)
    if stride > 1 or x.features != features:
        x = g.conv("downsample", x, features, 1, stride=stride, batch_norm=True)
    return g.activate("relu", g.add("add", y, x), "relu")
