"""DeepSeek-V3: multi-head latent attention, and 8 of 256 experts beside a shared one."""

from __future__ import annotations

from ..arguments import Batch
from ..catalog import network
from ..graph import Graph, Tensor
from ..operators import Attention, Gemm
from .experts import mixture_of_experts
from .language import Length, Logits, Phase, Request, gated_mlp

_LAYERS, _DENSE_LAYERS, _WIDTH, _HEADS, _VOCABULARY = 61, 3, 7168, 128, 129280
_Q_RANK, _KV_RANK, _NOPE, _ROPE, _VALUE = 1536, 512, 128, 64, 128


@network("deepseek-v3", "DeepSeek-V3 (671B), without the multi-token prediction module; experts spread evenly",
         source="DeepSeek-AI, arXiv:2412.19437, section 4.2; sizes as in config_671B.json of the release")
def deepseek_v3(*, batch: Batch = 1, phase: Phase = "prefill", seq_len: Length = 2048,
                logits: Logits = "last") -> Graph:
    """Return 61 layers of width 7168, the first three without experts. Routing: see `mixture_of_experts`.

    Prefill expands the latent to keys and values of all heads; decode attends to the cached latents with
    the expansions absorbed into queries and outputs, as the release does.
    """
    ask = Request.of(batch, phase, seq_len, logits)
    g = Graph()
    x = g.embedding("words", g.input(ask.batch, ask.new), _VOCABULARY, _WIDTH)
    for layer in range(_LAYERS):
        with g.scope(f"layer{layer}"):
            y = _attention(g, g.norm("norm1", x, "rms"), ask, absorbed=phase == "decode")
            x = g.add("add1", y, x)
            y = g.norm("norm2", x, "rms")
            if layer < _DENSE_LAYERS:
                y = gated_mlp(g, y, 18432)
            else:
                with g.scope("shared"):
                    shared = gated_mlp(g, y, 2048)
                y = mixture_of_experts(g, y, 256, 8, 2048, scores="sigmoid", also=(shared,))
            x = g.add("add2", y, x)
    g.linear("head", ask.scored(g.norm("norm", x, "rms")), _VOCABULARY, bias=False)
    return g


def _attention(g: Graph, x: Tensor, ask: Request, *, absorbed: bool) -> Tensor:
    """Attend through low-rank queries and one latent of keys and values for all heads."""
    q = g.norm("q_norm", g.linear("q_down", x, _Q_RANK, bias=False), "rms")
    q = g.linear("q_up", q, _HEADS * (_NOPE + _ROPE), bias=False)
    q_rope = g.activate("rotary_q", q.part(_HEADS * _ROPE), "rotary")
    q_nope = q.part(_HEADS * _NOPE)
    down = g.linear("kv_down", x, _KV_RANK + _ROPE, bias=False)
    latent = g.norm("kv_norm", down.part(_KV_RANK), "rms")
    k_rope = g.activate("rotary_k", down.part(_ROPE), "rotary")
    sizes = {"batch": ask.batch, "heads": _HEADS, "q_len": ask.new, "kv_len": ask.new + ask.cached,
             "cached": ask.cached, "causal": True}
    cache = (g.input(ask.cached),) if ask.cached else ()
    shape = (ask.batch, ask.new)
    if absorbed:
        rows = ask.batch * ask.new
        q_latent = g.add_operator(
            Gemm, "k_up_absorbed", (q_nope,), (*shape, _HEADS * _KV_RANK), batch=_HEADS, m=rows, n=_KV_RANK, k=_NOPE
        )
        y = g.add_operator(
            Attention, "attention", (q_latent, q_rope, latent, k_rope, *cache), (*shape, _HEADS * _KV_RANK),
            kv_heads=1, head_dim=_KV_RANK + _ROPE, v_dim=_KV_RANK, shared_values=True, **sizes,
        )
        y = g.add_operator(
            Gemm, "v_up_absorbed", (y,), (*shape, _HEADS * _VALUE), batch=_HEADS, m=rows, n=_VALUE, k=_KV_RANK
        )
    else:
        kv = g.linear("kv_up", latent, _HEADS * (_NOPE + _VALUE), bias=False)
        y = g.add_operator(
            Attention, "attention", (q_nope, q_rope, kv, k_rope, *cache), (*shape, _HEADS * _VALUE),
            head_dim=_NOPE + _ROPE, v_dim=_VALUE, **sizes,
        )
    return g.linear("o", y, _WIDTH, bias=False)
