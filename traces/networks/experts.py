"""A mixture of experts under a stated, deterministic routing."""

from __future__ import annotations

from typing import Literal

from ..graph import Graph, Tensor
from ..operators import Elementwise, Gemm

__all__ = ["balanced_load", "mixture_of_experts"]


def balanced_load(tokens: int, experts: int, top_k: int) -> list[tuple[int, int]]:
    """Return (experts, tokens of each) when tokens * top_k assignments are spread as evenly as can be.

    Loads differ by one at most; experts without a token are left out. This is what the auxiliary losses
    and biases of the models aim at; a skewed load is slower on any machine.
    """
    each, rest = divmod(tokens * top_k, experts)
    return [(count, load) for count, load in ((rest, each + 1), (experts - rest, each)) if count and load]


def mixture_of_experts(g: Graph, x: Tensor, experts: int, top_k: int, hidden: int, *,
                       scores: Literal["softmax", "sigmoid"], also: tuple[Tensor, ...] = ()) -> Tensor:
    """Route every token to `top_k` of the experts, gated layers each, and add what they make, and `also`.

    Experts with equally many tokens run as one batched product. Those without any read no weights; their
    parameters still count. Gathering and scattering tokens is no operator.
    """
    width = x.features
    tokens = x.elements // width
    logits = g.linear("router", x, experts, bias=False)
    if scores == "softmax":
        weights = g.softmax("router.softmax", logits)
    else:
        weights = g.activate("router.sigmoid", logits, "sigmoid")
    groups = balanced_load(tokens, experts, top_k)
    outputs = []
    for index, (count, load) in enumerate(groups):
        with g.scope("experts" if index == 0 else "experts.fewer"):
            up = {"batch": count, "m": load, "n": hidden, "k": width}
            shape = (count, load, hidden)
            gate = g.activate("silu", g.add_operator(Gemm, "gate", (x,), shape, **up), "silu")
            y = g.multiply("gated", gate, g.add_operator(Gemm, "up", (x,), shape, **up))
            down = {"batch": count, "m": load, "n": width, "k": hidden}
            outputs.append(g.add_operator(Gemm, "down", (y,), (count, load, width), **down))
    idle = experts - sum(count for count, _ in groups)
    g.extra_params += idle * 3 * width * hidden
    made = sum(output.elements for output in outputs) + sum(tensor.elements for tensor in also)
    return g.add_operator(
        Elementwise, "combine", (*outputs, weights, *also), x.shape, function="weighted_sum", elements=x.elements,
        operands=top_k + len(also) + 1, reads=made + tokens * top_k,
    )
