"""Blocks that several mobile networks share."""

from __future__ import annotations

from ..graph import Graph, Tensor

__all__ = ["divisible", "inverted_residual", "squeeze_excite"]


def divisible(value: float, divisor: int = 8) -> int:
    """Round to a multiple of `divisor` that is not more than 10 % below, as the MobileNet authors do."""
    rounded = max(divisor, int(value + divisor / 2) // divisor * divisor)
    return rounded + divisor if rounded < 0.9 * value else rounded


def squeeze_excite(g: Graph, x: Tensor, width: int, *, activation: str = "relu", gate: str = "sigmoid") -> Tensor:
    """Scale every channel by what two layers make of the channels' averages (arXiv:1709.01507)."""
    with g.scope("se"):
        s = g.global_pool("squeeze", x)
        s = g.conv("reduce", s, width, 1, bias=True, activation=activation)
        s = g.conv("expand", s, x.features, 1, bias=True, activation=gate)
        return g.multiply("scale", x, s)


def inverted_residual(g: Graph, x: Tensor, features: int, kernel: int, stride: int, expanded: int, activation: str, *,
                      squeeze: int = 0, squeeze_activation: str = "relu", gate: str = "sigmoid") -> Tensor:
    """Expand with 1x1, filter each channel, maybe squeeze and excite, project with 1x1; add the input if it fits."""
    y = x
    if expanded != x.features:
        y = g.conv("expand", y, expanded, 1, batch_norm=True, activation=activation)
    y = g.depthwise("depthwise", y, kernel, stride=stride, batch_norm=True, activation=activation)
    if squeeze:
        y = squeeze_excite(g, y, squeeze, activation=squeeze_activation, gate=gate)
    y = g.conv("project", y, features, 1, batch_norm=True)
    return g.add("add", y, x) if stride == 1 and features == x.features else y
