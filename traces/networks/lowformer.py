"""LowFormer-B0: fused convolutions, and attention at half the resolution."""

from __future__ import annotations

from ..arguments import Batch, Resolution
from ..catalog import network
from ..graph import Graph, Tensor
from ..operators import Attention


@network("lowformer-b0", "LowFormer-B0",
         source="Nottebaum et al., WACV 2025 (arXiv:2409.03460); layers as in the authors' configuration b0")
def lowformer_b0(*, batch: Batch = 1, resolution: Resolution = 224) -> Graph:
    """Return a stem, four fused blocks that halve the image, and attention blocks (3 and 4) after the last two."""
    g = Graph()
    x = g.input(batch, resolution, resolution, 3)
    x = g.conv("stem", x, 16, 3, stride=2, batch_norm=True, activation="hswish")
    for stage, (width, blocks) in enumerate(((32, 0), (64, 0), (128, 3), (256, 4)), start=1):
        with g.scope(f"stage{stage}"):
            x = _fused(g, "downsample", x, width, stride=2)
            for block in range(blocks):
                with g.scope(f"{block}"):
                    x = _block(g, x, strided=stage == 3)
    x = g.conv("head.conv", x, 1536, 1, batch_norm=True, activation="hswish")
    x = g.linear("head.fc1", g.global_pool("avgpool", x).flatten(), 1600, bias=False)
    x = g.activate("head.hswish", g.norm("head.norm", x), "hswish")
    g.linear("head.fc2", x, 1000)
    return g


def _fused(g: Graph, name: str, x: Tensor, width: int, *, stride: int = 1, bias: bool = False) -> Tensor:
    """Expand four times with a full 3x3, project with 1x1."""
    y = g.conv(f"{name}.spatial", x, 4 * x.features, 3, stride=stride, bias=bias, batch_norm=True, activation="hswish")
    return g.conv(f"{name}.point", y, width, 1, batch_norm=True)


def _block(g: Graph, x: Tensor, *, strided: bool) -> Tensor:
    width = x.features
    x = g.add("add1", _attention(g, g.norm("norm1", x, "group"), strided), x)
    y = g.conv("fc1", g.norm("norm2", x, "group"), 4 * width, 1, bias=True, activation="gelu")
    x = g.add("add2", g.conv("fc2", y, width, 1, bias=True), x)
    if strided:
        y = _fused(g, "fused", x, width, bias=True)
    else:
        y = g.conv("expand", x, 4 * width, 1, bias=True, activation="hswish")
        y = g.depthwise("depthwise", y, 3, bias=True, activation="hswish")
        y = g.conv("project", y, width, 1, batch_norm=True)
    return g.add("add3", y, x)


def _attention(g: Graph, x: Tensor, strided: bool) -> Tensor:
    """Attend at half the channels (and, if strided, half the image); a transposed convolution brings both back."""
    width = x.features
    kernel, stride = (5, 2) if strided else (3, 1)
    heads = width // 2 // 30
    head_dim = width // heads // 2
    y = g.depthwise("attention.downsample", x, kernel, stride=stride, batch_norm=True)
    batch, height, columns, _ = y.shape
    qkv = g.conv("attention.qkv", y, 3 * heads * head_dim, 1)
    y = g.add_operator(
        Attention, "attention", (qkv,), (batch, height, columns, heads * head_dim), batch=batch, heads=heads,
        q_len=height * columns, kv_len=height * columns, head_dim=head_dim,
    )
    window, padding = (4, 1) if strided else (3, 1)
    y = g.conv_transpose("attention.upsample", y, width, window, stride=stride, padding=padding)
    # An odd image comes back one pixel too large and is cut.
    return Tensor(x.shape, y.sources)
