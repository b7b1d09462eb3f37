"""Transformer encoders: BERT on text, ViT on patches of an image."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from ..arguments import Batch, Resolution
from ..catalog import network
from ..graph import Graph, Tensor
from ..operators import Elementwise

BertLength = Annotated[int, Field(ge=1, le=512, description="tokens of each sample; the table has 512 positions")]
PatchedResolution = Annotated[Resolution, Field(ge=16)]
_BERT = "Devlin et al., NAACL 2019 (arXiv:1810.04805); vocabulary of 30,522 as in the uncased release"
_VIT = "Dosovitskiy et al., ICLR 2021 (arXiv:2010.11929), table 1"


@network("bert-base", "BERT-base (uncased), with the pooler", source=_BERT)
def bert_base(*, batch: Batch = 1, seq_len: BertLength = 128) -> Graph:
    """Return 12 layers of width 768."""
    return _bert(12, 768, 12, batch, seq_len)


@network("bert-large", "BERT-large (uncased), with the pooler", source=_BERT)
def bert_large(*, batch: Batch = 1, seq_len: BertLength = 128) -> Graph:
    """Return 24 layers of width 1024."""
    return _bert(24, 1024, 16, batch, seq_len)


def bert_embeddings(g: Graph, batch: int, seq_len: int, width: int, *, vocabulary: int = 30522,
                    positions: int = 512) -> Tensor:
    """Add what the tables say of each word, its position and its segment, and normalise."""
    with g.scope("embeddings"):
        words = g.embedding("word", g.input(batch, seq_len), vocabulary, width)
        position = g.embedding("position", g.input(1, seq_len), positions, width)
        segment = g.embedding("segment", g.input(batch, seq_len), 2, width)
        return g.norm("norm", g.add("add", words, position, segment))


def _bert(layers: int, width: int, heads: int, batch: int, seq_len: int) -> Graph:
    g = Graph()
    x = bert_embeddings(g, batch, seq_len, width)
    for layer in range(layers):
        with g.scope(f"layer{layer}"):
            q, k, v = (g.linear(name, x, width) for name in ("query", "key", "value"))
            y = g.linear("output", g.attention("attention", q, k, v, heads=heads), width)
            x = g.norm("norm1", g.add("add1", y, x))
            y = g.linear("fc2", g.linear("fc1", x, 4 * width, activation="gelu"), width)
            x = g.norm("norm2", g.add("add2", y, x))
    g.linear("pooler", x.rows(1), width, activation="tanh")
    return g


@network("vit-s16", "Vision Transformer, small, patches of 16",
         source="Touvron et al., ICML 2021 (arXiv:2012.12877), table 1 (DeiT-S); layers as in arXiv:2010.11929")
def vit_s16(*, batch: Batch = 1, resolution: PatchedResolution = 224) -> Graph:
    """Return 12 layers of width 384."""
    return _vit(12, 384, 6, batch, resolution)


@network("vit-b16", "Vision Transformer, base, patches of 16", source=_VIT)
def vit_b16(*, batch: Batch = 1, resolution: PatchedResolution = 224) -> Graph:
    """Return 12 layers of width 768."""
    return _vit(12, 768, 12, batch, resolution)


@network("vit-l16", "Vision Transformer, large, patches of 16", source=_VIT)
def vit_l16(*, batch: Batch = 1, resolution: PatchedResolution = 224) -> Graph:
    """Return 24 layers of width 1024."""
    return _vit(24, 1024, 16, batch, resolution)


def _vit(layers: int, width: int, heads: int, batch: int, resolution: int) -> Graph:
    g = Graph()
    patches = g.conv("patches", g.input(batch, resolution, resolution, 3), width, 16, stride=16, padding=0, bias=True)
    patches = patches.tokens()
    tokens = patches.shape[1] + 1
    # The class token comes before the patches, and every position has a trainable vector.
    x = g.add_operator(
        Elementwise, "positions", (patches,), (batch, tokens, width), function="add", operands=2,
        elements=batch * tokens * width, reads=patches.elements, parameters=(tokens + 1) * width,
    )
    for layer in range(layers):
        with g.scope(f"layer{layer}"):
            x = encoder_layer(g, x, heads)
    g.linear("head", g.norm("norm", x).rows(1), 1000)
    return g


def encoder_layer(g: Graph, x: Tensor, heads: int) -> Tensor:
    """Attend and feed forward, each normalised before and added to its input."""
    width = x.features
    qkv = g.linear("qkv", g.norm("norm1", x), 3 * width)
    y = g.attention("attention", qkv.part(width), qkv.part(width), qkv.part(width), heads=heads)
    x = g.add("add1", g.linear("proj", y, width), x)
    y = g.linear("fc1", g.norm("norm2", x), 4 * width, activation="gelu")
    return g.add("add2", g.linear("fc2", y, width), x)
