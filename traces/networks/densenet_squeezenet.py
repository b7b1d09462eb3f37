"""DenseNet and SqueezeNet: networks that live on concatenation."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from ..arguments import Batch, Resolution
from ..catalog import network
from ..graph import Graph, Tensor


@network("densenet121", "DenseNet-121, growth rate 32",
         source="Huang et al., CVPR 2017 (arXiv:1608.06993), table 1")
def densenet121(*, batch: Batch = 1, resolution: Annotated[Resolution, Field(ge=29)] = 224) -> Graph:
    """Return dense blocks of 6, 12, 24 and 16 layers; a layer reads everything that its block made before.

    Normalisation comes before a convolution and cannot be folded into the one before it where that one's
    output has several readers, so it stays an operator there.
    """
    g = Graph()
    x = g.input(batch, resolution, resolution, 3)
    x = g.conv("conv0", x, 64, 7, stride=2, batch_norm=True, activation="relu")
    x = g.pool("pool0", x, "max", 3, 2, padding=1)
    for block, depth in enumerate((6, 12, 24, 16), start=1):
        for layer in range(1, depth + 1):
            with g.scope(f"block{block}.{layer}"):
                y = _norm_relu(g, "norm1", x)
                y = g.conv("conv1", y, 128, 1, batch_norm=True, activation="relu")
                x = g.concat(x, g.conv("conv2", y, 32, 3))
        if block < 4:
            with g.scope(f"transition{block}"):
                y = g.conv("conv", _norm_relu(g, "norm", x), x.features // 2, 1)
                x = g.pool("pool", y, "average", 2)
    x = _norm_relu(g, "norm5", x)
    g.linear("classifier", g.global_pool("avgpool", x).flatten(), 1000)
    return g


def _norm_relu(g: Graph, name: str, x: Tensor) -> Tensor:
    return g.activate(f"{name}.relu", g.norm(name, x, "batch"), "relu")


SqueezeNetVersion = Annotated[
    Literal["1.0", "1.1"], Field(description="1.1 has a smaller first convolution and pools earlier")
]

# squeeze and expand widths of fire2 to fire9: table 1 of the paper
_FIRE = ((16, 64), (16, 64), (32, 128), (32, 128), (48, 192), (48, 192), (64, 256), (64, 256))


@network("squeezenet", "SqueezeNet", source="Iandola et al., arXiv:1602.07360, table 1; 1.1: the authors' release")
def squeezenet(*, batch: Batch = 1, resolution: Annotated[Resolution, Field(ge=17)] = 224,
               version: SqueezeNetVersion = "1.0") -> Graph:
    """Return eight fire modules between two convolutions."""
    g = Graph()
    x = g.input(batch, resolution, resolution, 3)
    window, channels, pool_before = (7, 96, (4, 8)) if version == "1.0" else (3, 64, (3, 5))
    x = g.conv("conv1", x, channels, window, stride=2, padding=0, bias=True, activation="relu")
    x = g.pool("pool1", x, "max", 3, 2, ceil=True)
    for index, (squeeze, expand) in enumerate(_FIRE, start=2):
        with g.scope(f"fire{index}"):
            s = g.conv("squeeze", x, squeeze, 1, bias=True, activation="relu")
            x = g.concat(
                g.conv("expand1x1", s, expand, 1, bias=True, activation="relu"),
                g.conv("expand3x3", s, expand, 3, bias=True, activation="relu"),
            )
        if index in pool_before:
            x = g.pool(f"pool{index}", x, "max", 3, 2, ceil=True)
    x = g.conv("conv10", x, 1000, 1, bias=True, activation="relu")
    g.global_pool("avgpool", x)
    return g
