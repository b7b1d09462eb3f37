"""RegNetX-400MF and RegNetY-4GF: stages of group-convolution bottlenecks without narrowing."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from ..arguments import Batch, Resolution
from ..catalog import network
from ..graph import Graph, Tensor
from .blocks import squeeze_excite

_REGNET = "Radosavovic et al., CVPR 2020 (arXiv:2003.13678)"
Variant = Annotated[
    Literal["paper", "torchvision"],
    Field(description="paper: last stage 384 channels wide; torchvision: 400, because it rounds to the group first"),
]


@network("regnetx-400mf", "RegNetX-400MF", source=f"{_REGNET}, figure 16")
def regnetx_400mf(*, batch: Batch = 1, resolution: Resolution = 224, variant: Variant = "paper") -> Graph:
    """Return 22 blocks with groups of 16 channels."""
    widths = (32, 64, 160, 384 if variant == "paper" else 400)
    return _regnet((1, 2, 7, 12), widths, 16, False, batch, resolution)


@network("regnety-4gf", "RegNetY-4GF, with squeeze and excite", source=f"{_REGNET}, figure 17")
def regnety_4gf(*, batch: Batch = 1, resolution: Resolution = 224) -> Graph:
    """Return 22 blocks with groups of 64 channels."""
    return _regnet((2, 6, 12, 2), (128, 192, 512, 1088), 64, True, batch, resolution)


def _regnet(depths: tuple[int, ...], widths: tuple[int, ...], group_width: int, excite: bool, batch: int,
            resolution: int) -> Graph:
    g = Graph()
    x = g.input(batch, resolution, resolution, 3)
    x = g.conv("stem", x, 32, 3, stride=2, batch_norm=True, activation="relu")
    for stage, (depth, width) in enumerate(zip(depths, widths), start=1):
        for block in range(depth):
            with g.scope(f"stage{stage}.{block}"):
                x = _block(g, x, width, 2 if block == 0 else 1, width // group_width, excite)
    g.linear("fc", g.global_pool("avgpool", x).flatten(), 1000)
    return g


def _block(g: Graph, x: Tensor, width: int, stride: int, groups: int, excite: bool) -> Tensor:
    y = g.conv("conv1", x, width, 1, batch_norm=True, activation="relu")
    y = g.conv("conv2", y, width, 3, stride=stride, groups=groups, batch_norm=True, activation="relu")
    if excite:
        # A quarter of the block's input, not of its own width.
        y = squeeze_excite(g, y, x.features // 4)
    y = g.conv("conv3", y, width, 1, batch_norm=True)
    if stride > 1 or x.features != width:
        x = g.conv("shortcut", x, width, 1, stride=stride, batch_norm=True)
    return g.activate("relu", g.add("add", y, x), "relu")
