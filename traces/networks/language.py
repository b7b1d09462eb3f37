"""Decoder-only language models: GPT-2, GPT-3, Llama 2 and 3, and Mixtral."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

from ..arguments import Batch, SequenceLength
from ..catalog import network
from ..graph import Graph, Tensor
from ..operators import Gemm
from .experts import mixture_of_experts

Phase = Annotated[
    Literal["prefill", "decode"],
    Field(description="prefill: all of the prompt at once; decode: one new token, with keys and values of the tokens "
                      "before it cached"),
]
Length = Annotated[
    SequenceLength, Field(description="prefill: tokens of the prompt; decode: tokens attended to, the new one included")
]
Logits = Annotated[
    Literal["last", "all"], Field(description="positions for which the vocabulary's scores are computed")
]


@dataclass(frozen=True)
class Request:
    """What is asked of a language model: new tokens of each sequence, and how many are cached before them."""

    batch: int
    new: int
    cached: int
    logits: str

    @classmethod
    def of(cls, batch: int, phase: str, seq_len: int, logits: str) -> Request:
        """Read the arguments that every language model has."""
        return cls(batch, seq_len, 0, logits) if phase == "prefill" else cls(batch, 1, seq_len - 1, logits)

    def scored(self, x: Tensor) -> Tensor:
        """Return the positions whose next token is wanted."""
        return x if self.logits == "all" else x.rows(1)


@network("gpt2", "GPT-2, 124 million parameters",
         source="Radford et al., 2019, 'Language Models are Unsupervised Multitask Learners'; sizes as in the release")
def gpt2(*, batch: Batch = 1, phase: Phase = "prefill",
         seq_len: Annotated[Length, Field(le=1024)] = 1024, logits: Logits = "last") -> Graph:
    """Return 12 layers of width 768."""
    return _gpt(12, 768, 12, 1024, Request.of(batch, phase, seq_len, logits))


@network("gpt3-175b", "GPT-3 175B, all attention dense",
         source="Brown et al., NeurIPS 2020 (arXiv:2005.14165), table 2.1")
def gpt3_175b(*, batch: Batch = 1, phase: Phase = "prefill",
              seq_len: Annotated[Length, Field(le=2048)] = 2048, logits: Logits = "last") -> Graph:
    """Return 96 layers of width 12288. The paper's alternate layers attend to bands; here all are dense."""
    return _gpt(96, 12288, 96, 2048, Request.of(batch, phase, seq_len, logits))


def _gpt(layers: int, width: int, heads: int, positions: int, ask: Request) -> Graph:
    g = Graph()
    words = g.embedding("words", g.input(ask.batch, ask.new), 50257, width)
    x = g.add("embed", words, g.embedding("positions", g.input(1, ask.new), positions, width))
    for layer in range(layers):
        with g.scope(f"layer{layer}"):
            qkv = g.linear("qkv", g.norm("norm1", x), 3 * width)
            q, k, v = (qkv.part(width) for _ in range(3))
            y = g.attention("attention", q, k, v, heads=heads, cached=ask.cached, causal=True)
            x = g.add("add1", g.linear("proj", y, width), x)
            y = g.linear("fc1", g.norm("norm2", x), 4 * width, activation="gelu")
            x = g.add("add2", g.linear("fc2", y, width), x)
    x = ask.scored(g.norm("norm", x))
    # The scores use the table of the words again.
    rows = x.elements // width
    g.add_operator(Gemm, "head", (x,), (*x.shape[:-1], 50257), m=rows, n=50257, k=width, trained=False)
    return g


@dataclass(frozen=True)
class Llama:
    """The sizes in which the models of the Llama family differ."""

    layers: int
    width: int
    heads: int
    kv_heads: int
    hidden: int
    vocabulary: int
    experts: int = 0
    top_k: int = 0


_LLAMA2 = "Touvron et al., arXiv:2307.09288; sizes as in the release"


@network("llama2-7b", "Llama 2 7B", source=_LLAMA2)
def llama2_7b(*, batch: Batch = 1, phase: Phase = "prefill", seq_len: Length = 2048, logits: Logits = "last") -> Graph:
    """Return 32 layers of width 4096."""
    return _llama(Llama(32, 4096, 32, 32, 11008, 32000), Request.of(batch, phase, seq_len, logits))


@network("llama2-70b", "Llama 2 70B, 8 key and value heads", source=_LLAMA2)
def llama2_70b(*, batch: Batch = 1, phase: Phase = "prefill", seq_len: Length = 2048, logits: Logits = "last") -> Graph:
    """Return 80 layers of width 8192."""
    return _llama(Llama(80, 8192, 64, 8, 28672, 32000), Request.of(batch, phase, seq_len, logits))


@network("llama3-8b", "Llama 3 8B, 8 key and value heads",
         source="Grattafiori et al., arXiv:2407.21783, table 3; vocabulary of 128,256 as in the release")
def llama3_8b(*, batch: Batch = 1, phase: Phase = "prefill", seq_len: Length = 2048, logits: Logits = "last") -> Graph:
    """Return 32 layers of width 4096."""
    return _llama(Llama(32, 4096, 32, 8, 14336, 128256), Request.of(batch, phase, seq_len, logits))


@network("mixtral-8x7b", "Mixtral 8x7B, 2 of 8 experts for each token, spread evenly",
         source="Jiang et al., arXiv:2401.04088, table 1")
def mixtral_8x7b(*, batch: Batch = 1, phase: Phase = "prefill", seq_len: Length = 2048,
                 logits: Logits = "last") -> Graph:
    """Return 32 layers of width 4096. Routing: see `mixture_of_experts`."""
    sizes = Llama(32, 4096, 32, 8, 14336, 32000, experts=8, top_k=2)
    return _llama(sizes, Request.of(batch, phase, seq_len, logits))


def _llama(size: Llama, ask: Request) -> Graph:
    g = Graph()
    head_dim = size.width // size.heads
    x = g.embedding("words", g.input(ask.batch, ask.new), size.vocabulary, size.width)
    for layer in range(size.layers):
        with g.scope(f"layer{layer}"):
            y = g.norm("norm1", x, "rms")
            q = g.linear("q", y, size.width, bias=False)
            k = g.linear("k", y, size.kv_heads * head_dim, bias=False)
            v = g.linear("v", y, size.kv_heads * head_dim, bias=False)
            q, k = g.activate("rotary_q", q, "rotary"), g.activate("rotary_k", k, "rotary")
            heads = {"heads": size.heads, "kv_heads": size.kv_heads}
            y = g.attention("attention", q, k, v, **heads, cached=ask.cached, causal=True)
            x = g.add("add1", g.linear("o", y, size.width, bias=False), x)
            y = g.norm("norm2", x, "rms")
            if size.experts:
                y = mixture_of_experts(g, y, size.experts, size.top_k, size.hidden, scores="softmax")
            else:
                y = gated_mlp(g, y, size.hidden)
            x = g.add("add2", y, x)
    g.linear("head", ask.scored(g.norm("norm", x, "rms")), size.vocabulary, bias=False)
    return g


def gated_mlp(g: Graph, x: Tensor, hidden: int) -> Tensor:
    """Feed forward through a layer gated by SiLU of another (arXiv:2002.05202)."""
    gate = g.linear("gate", x, hidden, bias=False, activation="silu")
    return g.linear("down", g.multiply("gated", gate, g.linear("up", x, hidden, bias=False)), x.features, bias=False)
