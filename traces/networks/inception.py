"""GoogLeNet and Inception V2: parallel branches of different windows, concatenated."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from ..arguments import Batch, Resolution
from ..catalog import network
from ..graph import Graph, Tensor

GoogLeNetVariant = Annotated[
    Literal["original", "torchvision"],
    Field(description="original: 5x5 branches and biases; torchvision: 3x3 in their place and batch normalisation"),
]

# 1x1, 3x3 reduce, 3x3, 5x5 reduce, 5x5, pool projection: table 1 of the paper. None is a pooling that halves.
_GOOGLENET: dict[str, tuple[int, ...] | None] = {
    "3a": (64, 96, 128, 16, 32, 32), "3b": (128, 128, 192, 32, 96, 64), "pool3": None,
    "4a": (192, 96, 208, 16, 48, 64), "4b": (160, 112, 224, 24, 64, 64), "4c": (128, 128, 256, 24, 64, 64),
    "4d": (112, 144, 288, 32, 64, 64), "4e": (256, 160, 320, 32, 128, 128), "pool4": None,
    "5a": (256, 160, 320, 32, 128, 128), "5b": (384, 192, 384, 48, 128, 128),
}


@network("googlenet", "GoogLeNet (Inception V1), without the auxiliary classifiers",
         source="Szegedy et al., CVPR 2015 (arXiv:1409.4842), table 1")
def googlenet(*, batch: Batch = 1, resolution: Annotated[Resolution, Field(ge=15)] = 224,
              variant: GoogLeNetVariant = "original") -> Graph:
    """Return the network of 22 layers."""
    g = Graph()
    modern = variant == "torchvision"
    options: dict[str, Any] = {"batch_norm": modern, "bias": not modern, "activation": "relu"}
    x = g.input(batch, resolution, resolution, 3)
    x = g.conv("conv1", x, 64, 7, stride=2, **options)
    x = g.pool("pool1", x, "max", 3, 2, ceil=True)
    x = x if modern else g.norm("norm1", x, "local")
    x = g.conv("conv2.reduce", x, 64, 1, **options)
    x = g.conv("conv2", x, 192, 3, **options)
    x = x if modern else g.norm("norm2", x, "local")
    x = g.pool("pool2", x, "max", 3, 2, ceil=True)
    for name, widths in _GOOGLENET.items():
        if widths is None:
            window = 2 if modern and name == "pool4" else 3
            x = g.pool(name, x, "max", window, 2, ceil=True)
            continue
        one, reduce_3, three, reduce_5, five, project = widths
        with g.scope(name):
            x = g.concat(
                g.conv("1x1", x, one, 1, **options),
                g.conv("3x3", g.conv("3x3.reduce", x, reduce_3, 1, **options), three, 3, **options),
                g.conv("5x5", g.conv("5x5.reduce", x, reduce_5, 1, **options), five, 3 if modern else 5, **options),
                g.conv("pool.project", g.pool("pool", x, "max", 3, 1, padding=1), project, 1, **options),
            )
    g.linear("fc", g.global_pool("avgpool", x).flatten(), 1000)
    return g


InceptionV2Variant = Annotated[
    Literal["paper", "caffe"],
    Field(description="paper: figure 5; caffe: the released model, with biases and 32 channels more from 4c and 4d"),
]

# 1x1 (0: none), 3x3 reduce, 3x3, double 3x3 reduce, double 3x3, pool projection (0: the pooling is passed
# on), and the pooling. The modules that pass it on halve the image.
_INCEPTION_V2: dict[str, tuple[int, int, int, int, int, int, Literal["max", "average"]]] = {
    "3a": (64, 64, 64, 64, 96, 32, "average"), "3b": (64, 64, 96, 64, 96, 64, "average"),
    "3c": (0, 128, 160, 64, 96, 0, "max"),
    "4a": (224, 64, 96, 96, 128, 128, "average"), "4b": (192, 96, 128, 96, 128, 128, "average"),
    "4c": (160, 128, 160, 128, 160, 96, "average"), "4d": (96, 128, 192, 160, 192, 96, "average"),
    "4e": (0, 128, 192, 192, 256, 0, "max"),
    "5a": (352, 192, 320, 160, 224, 128, "average"), "5b": (352, 192, 320, 192, 224, 128, "max"),
}


@network("inception-v2", "Inception V2 (BN-Inception), batch normalisation and two 3x3 for each 5x5",
         source="Ioffe and Szegedy, ICML 2015 (arXiv:1502.03167), figure 5")
def inception_v2(*, batch: Batch = 1, resolution: Annotated[Resolution, Field(ge=32, multiple_of=32)] = 224,
                 variant: InceptionV2Variant = "paper") -> Graph:
    """Return ten modules of up to four branches; convolution and pooling halve an odd image to different sizes."""
    g = Graph()
    options: dict[str, Any] = {"batch_norm": True, "bias": variant == "caffe", "activation": "relu"}
    x = g.input(batch, resolution, resolution, 3)
    x = g.pool("pool1", g.conv("conv1", x, 64, 7, stride=2, **options), "max", 3, 2, ceil=True)
    x = g.conv("conv2", g.conv("conv2.reduce", x, 64, 1, **options), 192, 3, **options)
    x = g.pool("pool2", x, "max", 3, 2, ceil=True)
    for name, (one, reduce_3, three, reduce_d, double, pool_width, mode) in _INCEPTION_V2.items():
        with g.scope(name):
            project = pool_width + 32 * (variant == "caffe" and name in ("4c", "4d"))
            stride = 1 if project else 2
            branches: list[Tensor] = [g.conv("1x1", x, one, 1, **options)] if one else []
            y = g.conv("3x3.reduce", x, reduce_3, 1, **options)
            branches.append(g.conv("3x3", y, three, 3, stride=stride, **options))
            y = g.conv("double.reduce", x, reduce_d, 1, **options)
            y = g.conv("double.1", y, double, 3, **options)
            branches.append(g.conv("double.2", y, double, 3, stride=stride, **options))
            if project:
                y = g.pool("pool", x, mode, 3, 1, padding=1)
                branches.append(g.conv("pool.project", y, project, 1, **options))
            else:
                branches.append(g.pool("pool", x, mode, 3, 2, ceil=True))
            x = g.concat(*branches)
    g.linear("fc", g.global_pool("avgpool", x).flatten(), 1000)
    return g
