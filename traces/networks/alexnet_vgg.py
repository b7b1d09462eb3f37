"""AlexNet and VGG: convolutions, pooling, and three large fully connected layers."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from ..arguments import Batch, Resolution
from ..catalog import network
from ..graph import Graph, Tensor

AlexNetResolution = Annotated[Resolution, Field(ge=63)]
AlexNetVariant = Annotated[
    Literal["original", "ungrouped", "torchvision"],
    Field(description="original: halves of conv2, conv4 and conv5 on two GPUs; ungrouped: the same filters over all "
                      "channels; torchvision: the one-GPU network of arXiv:1404.5997 (published at resolution 224)"),
]


@network("alexnet", "AlexNet, 5 convolutions and 3 fully connected layers",
         source="Krizhevsky et al., NIPS 2012; layer sizes as in Caffe's bvlc_alexnet")
def alexnet(*, batch: Batch = 1, resolution: AlexNetResolution = 227, variant: AlexNetVariant = "original") -> Graph:
    """Return AlexNet; 227 is the image that makes the paper's 55 x 55 outputs without padding."""
    g = Graph()
    x = g.input(batch, resolution, resolution, 3)
    if variant == "torchvision":
        x = g.conv("conv1", x, 64, 11, stride=4, padding=2, bias=True, activation="relu")
        x = g.pool("pool1", x, "max", 3, 2)
        x = g.conv("conv2", x, 192, 5, bias=True, activation="relu")
        x = g.pool("pool2", x, "max", 3, 2)
        x = g.conv("conv3", x, 384, 3, bias=True, activation="relu")
        x = g.conv("conv4", x, 256, 3, bias=True, activation="relu")
        x = g.conv("conv5", x, 256, 3, bias=True, activation="relu")
        x = g.adaptive_pool("avgpool", g.pool("pool5", x, "max", 3, 2), 6)
    else:
        halves = 2 if variant == "original" else 1
        x = g.conv("conv1", x, 96, 11, stride=4, padding=0, bias=True, activation="relu")
        x = g.pool("pool1", g.norm("norm1", x, "local"), "max", 3, 2)
        x = g.conv("conv2", x, 256, 5, groups=halves, bias=True, activation="relu")
        x = g.pool("pool2", g.norm("norm2", x, "local"), "max", 3, 2)
        x = g.conv("conv3", x, 384, 3, bias=True, activation="relu")
        x = g.conv("conv4", x, 384, 3, groups=halves, bias=True, activation="relu")
        x = g.conv("conv5", x, 256, 3, groups=halves, bias=True, activation="relu")
        x = g.pool("pool5", x, "max", 3, 2)
    _classifier(g, x)
    return g


VggResolution = Annotated[Resolution, Field(ge=32)]
_VGG = "Simonyan and Zisserman, ICLR 2015 (arXiv:1409.1556), table 1"


@network("vgg16", "VGG-16 (configuration D)", source=_VGG)
def vgg16(*, batch: Batch = 1, resolution: VggResolution = 224) -> Graph:
    """Return VGG with 13 convolutions."""
    return _vgg((2, 2, 3, 3, 3), batch, resolution)


@network("vgg19", "VGG-19 (configuration E)", source=_VGG)
def vgg19(*, batch: Batch = 1, resolution: VggResolution = 224) -> Graph:
    """Return VGG with 16 convolutions."""
    return _vgg((2, 2, 4, 4, 4), batch, resolution)


def _vgg(depths: tuple[int, ...], batch: int, resolution: int) -> Graph:
    g = Graph()
    x = g.input(batch, resolution, resolution, 3)
    for stage, (depth, channels) in enumerate(zip(depths, (64, 128, 256, 512, 512)), start=1):
        for layer in range(1, depth + 1):
            x = g.conv(f"conv{stage}_{layer}", x, channels, 3, bias=True, activation="relu")
        x = g.pool(f"pool{stage}", x, "max", 2)
    _classifier(g, g.adaptive_pool("avgpool", x, 7))
    return g


def _classifier(g: Graph, x: Tensor) -> None:
    x = g.linear("fc6", x.flatten(), 4096, activation="relu")
    x = g.linear("fc7", x, 4096, activation="relu")
    g.linear("fc8", x, 1000)
