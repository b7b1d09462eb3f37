"""Monarch Mixer BERT: long convolutions by Monarch products in place of attention, block-diagonal layers."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from ..arguments import Batch
from ..catalog import network
from ..graph import Graph, Tensor
from ..operators import Gemm
from .encoders import bert_embeddings

MixerLength = Annotated[
    Literal[128, 256, 512, 1024, 2048, 4096, 8192, 16384, 32768], Field(description="tokens of each sample")
]
_LAYERS, _BLOCKS, _FILTER_ORDER, _FILTER_INPUTS = 12, 4, 128, 5
MixerWidth = Annotated[Literal[768, 960], Field(description="768 is the 80M model, 960 the 110M model")]


@network("m2-bert-base", "Monarch Mixer BERT (80M), the encoder without its language-model head",
         source="Fu et al., NeurIPS 2023 (arXiv:2310.12109); sizes as in the authors' configurations")
def m2_bert_base(*, batch: Batch = 1, seq_len: MixerLength = 128, width: MixerWidth = 768) -> Graph:
    """Return 12 layers that mix along the sequence and then along the features.

    The filters of the long convolutions are made by small networks of the position; at inference their
    spectra are constants, so that those networks count as parameters and do no work.
    """
    g = Graph()
    x = bert_embeddings(g, batch, seq_len, width, vocabulary=30522, positions=seq_len)
    for layer in range(_LAYERS):
        with g.scope(f"layer{layer}"):
            x = _mix_features(g, _mix_sequence(g, x))
    return g


def _mix_sequence(g: Graph, x: Tensor) -> Tensor:
    batch, seq_len, width = x.shape
    y = g.linear("in", x, 3 * width)
    y = g.depthwise("short", y.reshape(batch, 1, seq_len, 3 * width), (1, 3), bias=True)
    y = y.reshape(batch, seq_len, 3 * width)
    gate1, gate2, value = (y.part(width) for _ in range(3))
    y = g.multiply("gate1", value, gate1)
    y = g.multiply("gate2", _long_convolution(g, "long", y), gate2)
    y = g.add("residual", y, _long_convolution(g, "residual_long", x))
    return g.linear("out", y, width)


def _long_convolution(g: Graph, name: str, x: Tensor) -> Tensor:
    """Convolve every feature with a filter as long as the sequence, in both directions.

    A DFT of twice the length is two products with constant matrices (order-2 Monarch) and a multiplication
    by twiddle factors between them. Complex numbers are pairs of reals, so that the product of two is four.
    """
    batch, seq_len, width = x.shape
    rows = batch * width
    log2 = (2 * seq_len).bit_length() - 1
    first, second = 2 ** (log2 - log2 // 2), 2 ** (log2 // 2)
    points = first * second
    with g.scope(name):
        y = _dft(g, "dft1", x, rows * second, first, 2 * first)
        y = g.elementwise("twiddle1", "complex_multiply", y, parameters=2 * points)
        y = _dft(g, "dft2", y, rows * first, 2 * second, 2 * second)
        y = g.elementwise("spectrum", "complex_multiply", y, parameters=2 * points * width)
        y = _dft(g, "inverse2", y, rows * first, 2 * second, 2 * second)
        y = g.elementwise("twiddle2", "complex_multiply", y, parameters=2 * points)
        y = _dft(g, "inverse1", y, rows * second, 2 * first, first)
        # The latter half is the padding's; what is kept gets the input, scaled for each feature, added.
        y = g.elementwise("skip", "multiply_add", Tensor(x.shape, y.sources), x, parameters=width)
    # The tables above are made from the trained networks of the filter: one for each direction with three
    # hidden layers, one trained frequency for each of their units, and the trained code of the positions.
    network = (_FILTER_INPUTS + 1) * _FILTER_ORDER + 2 * (_FILTER_ORDER + 1) * _FILTER_ORDER + _FILTER_ORDER * width
    g.extra_params += 2 * network + _FILTER_ORDER + _FILTER_INPUTS * seq_len
    g.extra_params -= 2 * points * width + 2 * 2 * points
    return y


def _dft(g: Graph, name: str, x: Tensor, rows: int, k: int, n: int) -> Tensor:
    """Multiply every row with a constant matrix, which is no parameter."""
    return g.add_operator(Gemm, name, (x,), (rows, n), m=rows, n=n, k=k, trained=False)


def _mix_features(g: Graph, x: Tensor) -> Tensor:
    """Feed forward through block-diagonal layers, gated by GELU; add the input and normalise."""
    width = x.features
    y = _block_diagonal(g, "gate", x, 8 * width)
    y = g.multiply("gated", g.activate("gelu", y.part(4 * width), "gelu"), y.part(4 * width))
    # The bias comes after the blocks.
    y = g.elementwise("down.bias", "add", _block_diagonal(g, "down", y, width), parameters=width)
    return g.norm("norm", g.add("add", y, x))


def _block_diagonal(g: Graph, name: str, x: Tensor, features: int) -> Tensor:
    """Multiply each of four parts of the features with a matrix of its own."""
    shape = (*x.shape[:-1], features)
    rows = x.elements // x.features
    return g.add_operator(
        Gemm, name, (x,), shape, batch=_BLOCKS, m=rows, n=features // _BLOCKS, k=x.features // _BLOCKS
    )
