"""ShuffleNet V1 and V2. A shuffle only renames channels, so it is no operator."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from ..arguments import Batch, Resolution
from ..catalog import network
from ..graph import Graph, Tensor

Groups = Annotated[Literal[1, 2, 3, 4, 8], Field(description="groups of the 1x1 convolutions")]
V1Width = Annotated[Literal["0.5", "1.0", "1.5", "2.0"], Field(description="multiplier of every stage's channels")]

# channels of stage 2 at width 1 for each number of groups: table 1 of the paper
_V1_CHANNELS = {1: 144, 2: 200, 3: 240, 4: 272, 8: 384}


@network("shufflenet-v1", "ShuffleNet V1", source="Zhang et al., CVPR 2018 (arXiv:1707.01083), table 1")
def shufflenet_v1(*, batch: Batch = 1, resolution: Resolution = 224, groups: Groups = 3,
                  width: V1Width = "1.0") -> Graph:
    """Return stages of 4, 8 and 4 units; first widths and a classifier without bias as in the authors' code."""
    g = Graph()
    x = g.input(batch, resolution, resolution, 3)
    first_width = {"0.5": 16 if groups == 8 else 12, "2.0": 48}.get(width, 24)
    x = g.conv("conv1", x, first_width, 3, stride=2, batch_norm=True, activation="relu")
    x = g.pool("maxpool", x, "max", 3, 2, padding=1)
    for stage, (units, scale) in enumerate(((4, 1), (8, 2), (4, 4)), start=2):
        features = int(_V1_CHANNELS[groups] * float(width)) * scale
        for unit in range(units):
            with g.scope(f"stage{stage}.{unit}"):
                # The first 1x1 has so few input channels that the authors do not group it.
                first = 1 if stage == 2 and unit == 0 else groups
                x = _unit_v1(g, x, features, 2 if unit == 0 else 1, first, groups)
    g.linear("fc", g.global_pool("avgpool", x).flatten(), 1000, bias=False)
    return g


def _unit_v1(g: Graph, x: Tensor, features: int, stride: int, first_groups: int, groups: int) -> Tensor:
    y = g.conv("conv1", x, features // 4, 1, groups=first_groups, batch_norm=True, activation="relu")
    y = g.depthwise("depthwise", y, 3, stride=stride, batch_norm=True)
    if stride == 1:
        y = g.conv("conv2", y, features, 1, groups=groups, batch_norm=True)
        return g.activate("relu", g.add("add", y, x), "relu")
    y = g.conv("conv2", y, features - x.features, 1, groups=groups, batch_norm=True)
    return g.activate("relu", g.concat(g.pool("shortcut", x, "average", 3, 2, padding=1), y), "relu")


V2Width = Annotated[Literal["0.5", "1.0", "1.5", "2.0"], Field(description="which of the paper's four networks")]

# channels of stages 2 to 4 and of the last convolution: table 5 of the paper (2.0: as in the authors' code)
_V2_CHANNELS = {
    "0.5": (48, 96, 192, 1024), "1.0": (116, 232, 464, 1024), "1.5": (176, 352, 704, 1024),
    "2.0": (244, 488, 976, 2048),
}


@network("shufflenet-v2", "ShuffleNet V2", source="Ma et al., ECCV 2018 (arXiv:1807.11164), table 5")
def shufflenet_v2(*, batch: Batch = 1, resolution: Resolution = 224, width: V2Width = "1.0") -> Graph:
    """Return stages of 4, 8 and 4 units that work on one half of the channels."""
    g = Graph()
    *stages, last = _V2_CHANNELS[width]
    x = g.input(batch, resolution, resolution, 3)
    x = g.conv("conv1", x, 24, 3, stride=2, batch_norm=True, activation="relu")
    x = g.pool("maxpool", x, "max", 3, 2, padding=1)
    for stage, (units, features) in enumerate(zip((4, 8, 4), stages), start=2):
        for unit in range(units):
            with g.scope(f"stage{stage}.{unit}"):
                x = _unit_v2(g, x, features // 2, 2 if unit == 0 else 1)
    x = g.conv("conv5", x, last, 1, batch_norm=True, activation="relu")
    g.linear("fc", g.global_pool("avgpool", x).flatten(), 1000)
    return g


def _unit_v2(g: Graph, x: Tensor, half: int, stride: int) -> Tensor:
    if stride == 1:
        kept, worked = x.part(half), x.part(half)
    else:
        kept = g.depthwise("shortcut.depthwise", x, 3, stride=2, batch_norm=True)
        kept = g.conv("shortcut.conv", kept, half, 1, batch_norm=True, activation="relu")
        worked = x
    y = g.conv("conv1", worked, half, 1, batch_norm=True, activation="relu")
    y = g.depthwise("depthwise", y, 3, stride=stride, batch_norm=True)
    y = g.conv("conv2", y, half, 1, batch_norm=True, activation="relu")
    return g.concat(kept, y)
