"""One attention operator by itself, for machines that run nothing else."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from ..arguments import Batch
from ..catalog import network
from ..graph import Graph

Tokens = Annotated[int, Field(ge=1, le=2**17, description="tokens of each sequence")]
Heads = Annotated[int, Field(ge=1, le=1024, description="attention heads")]
HeadDim = Annotated[int, Field(ge=1, le=1024, description="elements of a head vector")]


@network("attention", "scaled dot-product attention alone", source="Vaswani et al., NeurIPS 2017 (arXiv:1706.03762)")
def attention(*, batch: Batch = 1, seq_len: Tokens = 128, heads: Heads = 1, head_dim: HeadDim = 64) -> Graph:
    """Return one operator; queries, keys and values are inputs of the network."""
    g = Graph()
    q, k, v = (g.input(batch, seq_len, heads * head_dim) for _ in range(3))
    g.attention("attention", q, k, v, heads=heads)
    return g
