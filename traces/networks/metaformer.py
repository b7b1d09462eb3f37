"""InceptionNeXt-T, PoolFormer-S12 and LowFormer-B0: what mixes tokens instead of, or around, attention."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from ..arguments import Batch, Resolution
from ..catalog import network
from ..graph import Graph, Tensor


@network("inceptionnext-t", "InceptionNeXt-T, depthwise bands in place of large windows",
         source="Yu et al., CVPR 2024 (arXiv:2303.16900), table 1")
def inceptionnext_t(*, batch: Batch = 1, resolution: Annotated[Resolution, Field(ge=32)] = 224) -> Graph:
    """Return stages of 3, 3, 9 and 3 blocks."""
    g = Graph()
    x = g.input(batch, resolution, resolution, 3)
    for stage, (depth, width) in enumerate(zip((3, 3, 9, 3), (96, 192, 384, 768))):
        with g.scope(f"stage{stage}"):
            if stage == 0:
                x = g.conv("stem", x, width, 4, stride=4, padding=0, bias=True, batch_norm=True)
            else:
                x = g.conv("downsample", g.norm("norm", x, "batch"), width, 2, stride=2, padding=0, bias=True)
            for block in range(depth):
                with g.scope(f"{block}"):
                    y = _inception_mixer(g, x)
                    y = g.norm("norm", y, "batch")
                    y = g.conv("fc1", y, (3 if stage == 3 else 4) * width, 1, bias=True, activation="gelu")
                    y = g.conv("fc2", y, width, 1, bias=True)
                    y = g.elementwise("layer_scale", "multiply", y, parameters=width)
                    x = g.add("add", y, x)
    x = g.linear("head.fc1", g.global_pool("avgpool", x).flatten(), 3 * 768, activation="gelu")
    g.linear("head.fc2", g.norm("head.norm", x), 1000)
    return g


def _inception_mixer(g: Graph, x: Tensor) -> Tensor:
    """Filter an eighth of the channels with 3x3, 1x11 and 11x1 each and pass the others on."""
    branch = x.part(x.features // 8)
    return g.concat(
        x.part(x.features - 3 * branch.features),
        g.depthwise("dw3x3", branch, 3, bias=True),
        g.depthwise("dw1x11", branch, (1, 11), bias=True),
        g.depthwise("dw11x1", branch, (11, 1), bias=True),
    )


@network("poolformer-s12", "PoolFormer-S12, average pooling mixes the tokens",
         source="Yu et al., CVPR 2022 (arXiv:2111.11418), table 1")
def poolformer_s12(*, batch: Batch = 1, resolution: Annotated[Resolution, Field(ge=3)] = 224) -> Graph:
    """Return stages of 2, 2, 6 and 2 blocks."""
    g = Graph()
    x = g.input(batch, resolution, resolution, 3)
    for stage, (depth, width) in enumerate(zip((2, 2, 6, 2), (64, 128, 320, 512))):
        with g.scope(f"stage{stage}"):
            window, stride, padding = (7, 4, 2) if stage == 0 else (3, 2, 1)
            x = g.conv("embed", x, width, window, stride=stride, padding=padding, bias=True)
            for block in range(depth):
                with g.scope(f"{block}"):
                    y = g.norm("norm1", x, "group")
                    y = g.elementwise("subtract", "subtract", g.pool("pool", y, "average", 3, 1, padding=1), y)
                    x = _scaled_residual(g, "1", x, y)
                    y = g.conv("fc1", g.norm("norm2", x, "group"), 4 * width, 1, bias=True, activation="gelu")
                    x = _scaled_residual(g, "2", x, g.conv("fc2", y, width, 1, bias=True))
    x = g.global_pool("avgpool", x).flatten()
    g.linear("head", g.norm("norm", x), 1000)
    return g


def _scaled_residual(g: Graph, suffix: str, x: Tensor, y: Tensor) -> Tensor:
    y = g.elementwise(f"layer_scale{suffix}", "multiply", y, parameters=x.features)
    return g.add(f"add{suffix}", x, y)
