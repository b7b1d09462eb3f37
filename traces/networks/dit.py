"""DiT-XL/2: a transformer that denoises the latent of an image."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from ..arguments import Batch
from ..catalog import network
from ..graph import Graph, Tensor

ImageSize = Annotated[
    int, Field(ge=16, le=4096, multiple_of=16, description="height and width of the image in pixels; the latent is an "
                                                          "eighth of it")
]
_WIDTH, _LAYERS, _HEADS = 1152, 28, 16


@network("dit-xl2", "DiT-XL/2, one denoising step without guidance",
         source="Peebles and Xie, ICCV 2023 (arXiv:2212.09748), table 1; layers as in the authors' code")
def dit_xl2(*, batch: Batch = 1, resolution: ImageSize = 256) -> Graph:
    """Return 28 layers of width 1152 on patches of 2 x 2 of a 4-channel latent; positions are fixed sinusoids."""
    g = Graph()
    latent = resolution // 8
    x = g.conv("patches", g.input(batch, latent, latent, 4), _WIDTH, 2, stride=2, padding=0, bias=True).tokens()
    x = g.add("positions", x, g.input(1, x.shape[1], _WIDTH))
    time = g.linear("time.fc2", g.linear("time.fc1", g.input(batch, 256), _WIDTH, activation="silu"), _WIDTH)
    # The table has one more class: "none", for guidance.
    label = g.embedding("label", g.input(batch), 1001, _WIDTH)
    condition = g.add("condition", time, label)
    for layer in range(_LAYERS):
        with g.scope(f"layer{layer}"):
            x = _layer(g, x, condition)
    with g.scope("final"):
        shift, scale = _modulation(g, condition, 2)
        x = g.elementwise("modulate", "modulate", g.norm("norm", x, affine=False), shift, scale)
        g.linear("linear", x, 2 * 2 * 8)
    return g


def _modulation(g: Graph, condition: Tensor, count: int) -> tuple[Tensor, ...]:
    """Return vectors of each sample that shift, scale and gate."""
    y = g.linear("modulation", g.activate("modulation.silu", condition, "silu"), count * _WIDTH)
    return tuple(y.part(_WIDTH) for _ in range(count))


def _layer(g: Graph, x: Tensor, condition: Tensor) -> Tensor:
    """Attend and feed forward, each normalised, modulated before and gated after (adaLN-Zero)."""
    shift1, scale1, gate1, shift2, scale2, gate2 = _modulation(g, condition, 6)
    y = g.elementwise("modulate1", "modulate", g.norm("norm1", x, affine=False), shift1, scale1)
    qkv = g.linear("qkv", y, 3 * _WIDTH)
    y = g.attention("attention", qkv.part(_WIDTH), qkv.part(_WIDTH), qkv.part(_WIDTH), heads=_HEADS)
    x = g.add("add1", g.multiply("gate1", g.linear("proj", y, _WIDTH), gate1), x)
    y = g.elementwise("modulate2", "modulate", g.norm("norm2", x, affine=False), shift2, scale2)
    y = g.linear("fc2", g.linear("fc1", y, 4 * _WIDTH, activation="gelu"), _WIDTH)
    return g.add("add2", g.multiply("gate2", y, gate2), x)
