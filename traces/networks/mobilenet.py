"""MobileNet V1, V2, V3 and EfficientNet-B0: depthwise convolutions between 1x1 convolutions."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from ...errors import InputError
from ..arguments import Batch, Resolution
from ..catalog import network
from ..graph import Graph
from .blocks import divisible, inverted_residual

Width = Annotated[Literal["1.0", "0.75", "0.5", "0.25"], Field(description="multiplier of every layer's channels")]
GroupChannels = Annotated[
    Literal[1, 2, 4, 8, 16, 32],
    Field(description="channels of each group of the 3x3 convolutions; 1 is depthwise, more are DRACO's groups"),
]


@network("mobilenet-v1", "MobileNet V1", source="Howard et al., arXiv:1704.04861, table 1; group_channels: Jha et al., "
                                               "ISVLSI 2020 (arXiv:2006.15103)")
def mobilenet_v1(*, batch: Batch = 1, resolution: Resolution = 224, width: Width = "1.0",
                 group_channels: GroupChannels = 1) -> Graph:
    """Return 13 pairs of a depthwise and a 1x1 convolution."""
    g = Graph()

    def wide(channels: int) -> int:
        return int(channels * float(width))

    x = g.input(batch, resolution, resolution, 3)
    x = g.conv("conv1", x, wide(32), 3, stride=2, batch_norm=True, activation="relu")
    pairs = [(64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), *[(512, 1)] * 5, (1024, 2), (1024, 1)]
    for index, (channels, stride) in enumerate(pairs, start=2):
        with g.scope(f"conv{index}"):
            groups, rest = divmod(x.features, group_channels)
            if rest:
                accepted = ", ".join(str(each) for each in (1, 2, 4, 8, 16, 32) if wide(32) % each == 0)
                raise InputError(f"group_channels={group_channels} and width={width}: the narrowest 3x3 convolution has "
                                 f"{wide(32)} channels (accepted: {accepted})")
            x = g.conv("depthwise", x, x.features, 3, stride=stride, groups=groups, batch_norm=True, activation="relu")
            x = g.conv("pointwise", x, wide(channels), 1, batch_norm=True, activation="relu")
    g.linear("fc", g.global_pool("avgpool", x).flatten(), 1000)
    return g


# expansion, channels, repeats, stride of the first: table 2 of the paper
_V2 = ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1))


@network("mobilenet-v2", "MobileNet V2", source="Sandler et al., CVPR 2018 (arXiv:1801.04381), table 2")
def mobilenet_v2(*, batch: Batch = 1, resolution: Resolution = 224) -> Graph:
    """Return 17 inverted residuals."""
    g = Graph()
    x = g.input(batch, resolution, resolution, 3)
    x = g.conv("conv1", x, 32, 3, stride=2, batch_norm=True, activation="relu6")
    index = 0
    for expansion, channels, repeats, first_stride in _V2:
        for repeat in range(repeats):
            index += 1
            with g.scope(f"block{index}"):
                stride = first_stride if repeat == 0 else 1
                x = inverted_residual(g, x, channels, 3, stride, expansion * x.features, "relu6")
    x = g.conv("conv_last", x, 1280, 1, batch_norm=True, activation="relu6")
    g.linear("fc", g.global_pool("avgpool", x).flatten(), 1000)
    return g


# kernel, expanded channels, channels, squeeze and excite, activation, stride: tables 1 and 2 of the paper
_V3_LARGE = (
    (3, 16, 16, False, "relu", 1), (3, 64, 24, False, "relu", 2), (3, 72, 24, False, "relu", 1),
    (5, 72, 40, True, "relu", 2), (5, 120, 40, True, "relu", 1), (5, 120, 40, True, "relu", 1),
    (3, 240, 80, False, "hswish", 2), (3, 200, 80, False, "hswish", 1), (3, 184, 80, False, "hswish", 1),
    (3, 184, 80, False, "hswish", 1), (3, 480, 112, True, "hswish", 1), (3, 672, 112, True, "hswish", 1),
    (5, 672, 160, True, "hswish", 2), (5, 960, 160, True, "hswish", 1), (5, 960, 160, True, "hswish", 1),
)
_V3_SMALL = (
    (3, 16, 16, True, "relu", 2), (3, 72, 24, False, "relu", 2), (3, 88, 24, False, "relu", 1),
    (5, 96, 40, True, "hswish", 2), (5, 240, 40, True, "hswish", 1), (5, 240, 40, True, "hswish", 1),
    (5, 120, 48, True, "hswish", 1), (5, 144, 48, True, "hswish", 1), (5, 288, 96, True, "hswish", 2),
    (5, 576, 96, True, "hswish", 1), (5, 576, 96, True, "hswish", 1),
)
Size = Annotated[Literal["large", "small"], Field(description="which of the paper's two networks")]


@network("mobilenet-v3", "MobileNet V3", source="Howard et al., ICCV 2019 (arXiv:1905.02244), tables 1 and 2")
def mobilenet_v3(*, batch: Batch = 1, resolution: Resolution = 224, size: Size = "large") -> Graph:
    """Return inverted residuals, some with squeeze and excite, and the short last stage."""
    g = Graph()
    x = g.input(batch, resolution, resolution, 3)
    x = g.conv("conv1", x, 16, 3, stride=2, batch_norm=True, activation="hswish")
    table = _V3_LARGE if size == "large" else _V3_SMALL
    for index, (kernel, expanded, channels, excite, activation, stride) in enumerate(table, start=1):
        with g.scope(f"block{index}"):
            squeeze = divisible(expanded / 4) if excite else 0
            x = inverted_residual(g, x, channels, kernel, stride, expanded, activation, squeeze=squeeze,
                                  gate="hsigmoid")
    x = g.conv("conv_last", x, 6 * x.features, 1, batch_norm=True, activation="hswish")
    x = g.global_pool("avgpool", x).flatten()
    x = g.linear("fc1", x, 1280 if size == "large" else 1024, activation="hswish")
    g.linear("fc2", x, 1000)
    return g


# expansion, kernel, stride of the first, channels, repeats: table 1 of the paper
_B0 = ((1, 3, 1, 16, 1), (6, 3, 2, 24, 2), (6, 5, 2, 40, 2), (6, 3, 2, 80, 3), (6, 5, 1, 112, 3), (6, 5, 2, 192, 4),
       (6, 3, 1, 320, 1))


@network("efficientnet-b0", "EfficientNet-B0", source="Tan and Le, ICML 2019 (arXiv:1905.11946), table 1")
def efficientnet_b0(*, batch: Batch = 1, resolution: Resolution = 224) -> Graph:
    """Return 16 inverted residuals, all with squeeze and excite at a quarter of the block's input channels."""
    g = Graph()
    x = g.input(batch, resolution, resolution, 3)
    x = g.conv("conv1", x, 32, 3, stride=2, batch_norm=True, activation="silu")
    for stage, (expansion, kernel, first_stride, channels, repeats) in enumerate(_B0, start=1):
        for repeat in range(repeats):
            with g.scope(f"stage{stage}.{repeat}"):
                stride = first_stride if repeat == 0 else 1
                x = inverted_residual(g, x, channels, kernel, stride, expansion * x.features, "silu",
                                      squeeze=max(1, x.features // 4), squeeze_activation="silu")
    x = g.conv("conv_last", x, 1280, 1, batch_norm=True, activation="silu")
    g.linear("fc", g.global_pool("avgpool", x).flatten(), 1000)
    return g
