"""Published figures of the SN40L beside what the model gives. Where they differ, the difference is listed with the reason.

From arXiv 2405.07518: 638 TFLOPS, 520 MB of SRAM, switching 31x (DGX A100) and 15x (DGX H100) faster, a footprint up to
19x smaller, 2x to 13x by fusion, 3.7x (H100) and 6.6x (A100) overall, on a node of 8 sockets with 12 TB of DDR and 150
experts of Llama 2 7B. Hot Chips 2024: 16 sockets switch to Llama 3.1 8B in 0.01 s. Vendor's table of September 2024: 1,042
tokens/s of Llama 3.1 8B on 16 sockets.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from typing import Any

from ...simulator.validation import Check, Difference
from ...traces.catalog import load
from ...traces.workload import Workload
from .design import DataflowDesign
from .experts import Node, Policy, Stream, nodes_for, serve
from .machine import Dataflow

__all__ = ["FUSED", "NOT_FUSED", "checks", "differences", "fusion", "gpu_node", "overall", "sn40l_node", "tokens_per_s"]

EXPERT = "llama2-7b"
EXPERTS, PROMPT, TOKENS = 150, 256, 20
"""Experts are published; the lengths of prompt and answer are assumptions (20 tokens from memory of the paper)."""
GPU_DECODE, GPU_PREFILL = 0.20, 0.50
"""Share of peak bandwidth that generation reaches on a GPU (the vendor's figure), and of peak arithmetic a prompt (assumed)."""
_GB = 10**9
_GPUS = {  # memory bandwidth and bfloat16 FLOPS of one of eight GPUs (datasheets, SXM 80 GB); host link of PCIe x16
    "DGX A100": (2039 * _GB, 312e12, 32 * _GB),
    "DGX H100": (3350 * _GB, 989e12, 64 * _GB),
}

LAUNCHES_NS = (0, 1000, 5000, 20_000)
FUSED = {
    "Llama 2 7B decode, 8 sockets": ("sn40l-node", "llama2-7b:phase=decode,seq_len=2048"),
    "Llama 3 8B decode, 8 sockets": ("sn40l-node", "llama3-8b:phase=decode,seq_len=2048"),
    "Mixtral decode, 8 sockets": ("sn40l-node", "mixtral-8x7b:phase=decode,seq_len=2048"),
    "BERT large, 8 sockets": ("sn40l-node", "bert-large"),
    "BERT large": ("sn40l", "bert-large"),
    "M2-BERT, 2048 tokens": ("sn40l", "m2-bert-base:seq_len=2048"),
    "M2-BERT, 8192 tokens": ("sn40l", "m2-bert-base:seq_len=8192"),
    "ResNet-50, batch 8": ("sn40l", "resnet50:batch=8"),
}
"""Graphs on which the model gains what is published: much traffic between operators, or operators short beside a launch."""
NOT_FUSED = {
    "Llama 2 7B prompt, 8 sockets": ("sn40l-node", "llama2-7b:seq_len=2048"),
    "Llama 2 70B decode, 8 sockets": ("sn40l-node", "llama2-70b:phase=decode,seq_len=2048"),
    "Llama 2 7B prompt": ("sn40l", "llama2-7b:seq_len=2048"),
    "Llama 2 7B decode": ("sn40l", "llama2-7b:phase=decode,seq_len=2048"),
    "GPT-2 decode, 8 sockets": ("sn40l-node", "gpt2:phase=decode,seq_len=1024"),
}
"""Graphs on which it does not: bound by arithmetic, links or weights, and one that is nearly all launches. Which graph is in
which list was found by running them, and depends on the launch cost, for which no figure is published."""
_TILES = (8, 32, 128)


def _seconds(workload: str, preset: str, **parameters: Any) -> float:
    return _report(load(workload), DataflowDesign.make(parameters, preset=preset)).metrics["time_s"]


@cache
def _report(workload: Workload, design: DataflowDesign) -> Any:
    return Dataflow().run([design], workload)[0]


@cache
def fusion(preset: str, workload: str) -> dict[int, float]:
    """Speed-up of fused regions over kernel by kernel, by launch cost (ns), each with the tiles that suit it best."""
    def best(launch: int, operators: int) -> float:
        return min(
            _seconds(workload, preset, launch_ns=launch, region_operators=operators, tiles=tiles) for tiles in _TILES
        )

    return {launch: best(launch, 1) / best(launch, 64) for launch in LAUNCHES_NS}


def tokens_per_s(operators: int, seq_len: int = 1024) -> tuple[float, float]:
    """Tokens a second of Llama 3.1 8B (batch 1) on 16 sockets, and what the bytes read from HBM allow at most."""
    design = DataflowDesign.make({"region_operators": operators}, preset="sn40l-rack")
    metrics = _report(load(f"llama3-8b:phase=decode,seq_len={seq_len}"), design).metrics
    return metrics["runs_per_s"], 16 * design.hbm_gbytes_per_s * 1e9 / metrics["hbm_bytes"]


def expert_bytes(workload: str = EXPERT) -> int:
    """Weights in 16 bits."""
    model: Workload = load(workload)
    return 2 * model.params


def sn40l_node(preset: str = "sn40l-node", tokens: int = 0) -> Node:
    """Eight sockets (or another preset); a request is a prompt and `tokens`, timed by the machine's own simulation."""
    design = DataflowDesign.make(preset=preset)
    chips = design.sockets
    path = (
        ("DDR", chips * design.ddr_gbytes_per_s * 1e9, design.ddr_latency_ns),
        ("HBM", chips * design.hbm_gbytes_per_s * 1e9, design.hbm_latency_ns),
    )
    answer = 1e-9
    if tokens:
        token = _seconds(f"{EXPERT}:phase=decode,seq_len={PROMPT + tokens}", preset)
        answer = _seconds(f"{EXPERT}:seq_len={PROMPT}", preset) + tokens * token
    near, far = (round(chips * gib * 2**30) for gib in (design.hbm_gib, design.ddr_gib))
    return Node(preset, near, far, path, (round(answer * 1e9),))


def gpu_node(name: str, tokens: int = TOKENS) -> Node:
    """Eight GPUs: a bound by bandwidth or arithmetic, at the shares of peak above; experts come over one host link."""
    bandwidth, flops, host = _GPUS[name]
    token = expert_bytes() / (8 * bandwidth * GPU_DECODE)
    prompt = max(2 * (expert_bytes() / 2) * PROMPT / (8 * flops * GPU_PREFILL), token)
    path = (("host link", float(host), 1000), ("HBM", 8.0 * bandwidth, 500))
    return Node(name, 640 * _GB, 2000 * _GB, path, (round((prompt + tokens * token) * 1e9),))


def switching_ns(node: Node, size: int) -> float:
    """Mean swap when no expert is ever there: two take turns in room for one."""
    one = replace(node, near_bytes=size)
    served = serve(one, Stream((0,) * 20, (0, 1) * 10), Policy(overlap=False), size, engine="simpy")
    assert served.swaps == 20
    return served.swap_ns


def overall(tokens: int = TOKENS, requests: int = 2000) -> dict[str, dict[str, float]]:
    """Of each node: mean time of a request, hit rate, time to answer and to swap (ms), 150 experts chosen uniformly."""
    stream, size, out = Stream.random(requests, EXPERTS, seed=0), expert_bytes(), {}
    for node in (sn40l_node(tokens=tokens), *(gpu_node(name, tokens) for name in _GPUS)):
        served = serve(node, stream, Policy(overlap=False), size)
        out[node.name] = {
            "request_ms": served.end_ns / requests / 1e6, "hit_rate": 1 - served.swaps / requests,
            "run_ms": node.run_ns[0] / 1e6, "swap_ms": served.swap_ns / 1e6,
        }  # fmt: skip
    return out


def checks() -> Iterator[Check]:
    """What must hold: from published configuration alone, and the laws of fusion."""
    design, size = DataflowDesign.make(preset="sn40l"), expert_bytes()
    ceiling = Dataflow().ceiling(design, load("alexnet"))
    yield Check.close("SN40L socket", "peak TFLOPS", 638, 2 * ceiling.macs_per_s / 1e12, relative=0.005)
    yield Check.close("SN40L socket", "SRAM MB", 520, design.sram_bytes / 2**20, relative=0.005)
    node = sn40l_node()
    own = switching_ns(node, size)
    for name, ratio in (("DGX A100", 31), ("DGX H100", 15)):
        found = switching_ns(gpu_node(name), size) / own
        yield Check.close(f"switching, {name}", "ratio", ratio, found, relative=0.05, note=f"{own / 1e6:.2f} ms here")
    hosted = node.far_bytes // size
    footprint = nodes_for(gpu_node("DGX A100"), hosted, size, near=True) / nodes_for(node, hosted, size, near=False)
    yield Check.close(f"footprint of {hosted} experts", "ratio", 19, footprint, relative=0.05)
    rack = switching_ns(sn40l_node("sn40l-rack"), expert_bytes("llama3-8b"))
    yield Check.close("switching to Llama 3.1 8B, 16 sockets", "seconds", 0.01, rack / 1e9, relative=0.05)
    for name, graph in FUSED.items():
        gain = fusion(*graph)[5000]
        yield Check(f"fusion, {name}", "speed-up 2 to 13", min(max(gain, 2), 13), gain, 2 <= gain <= 13, "launch 5 us")
    for name, graph in {**FUSED, **NOT_FUSED}.items():
        gains = list(fusion(*graph).values())
        yield Check.equal(f"fusion, {name}", "rises with launch cost", 1, int(gains == sorted(gains)))


def differences() -> Iterator[Difference]:
    """Published figures that follow from more than configuration, and what the model gives."""
    for operators, what in ((16, "a call each decoder block"), (64, "a call every four blocks")):
        rate, bound = tokens_per_s(operators)
        reason = f"{what}; HBM allows {bound:,.0f}; sampling, host, network not modelled"
        yield Difference("Llama 3.1 8B, 16 sockets", "tokens/s", 1042, round(rate), reason)
    times = overall()
    own = times["sn40l-node"]["request_ms"]
    for name, theirs in (("DGX A100", 6.6), ("DGX H100", 3.7)):
        t = times[name]
        reason = (
            f"{own:.0f} against {t['request_ms']:.0f} ms a request, {t['swap_ms']:.0f} a swap, hit rate {t['hit_rate']:.2f}; "
            f"{PROMPT} + {TOKENS} tokens and GPU utilisation are assumed"
        )
        yield Difference(f"overall, {name}", "speed-up", theirs, round(t["request_ms"] / own, 2), reason)
    for name, graph in NOT_FUSED.items():
        gain = fusion(*graph)[5000]
        reason = "nearly all launches" if gain > 13 else "bound by what fusion does not save"
        yield Difference(f"fusion, {name}", "speed-up", 2 if gain < 2 else 13, round(gain, 2), reason)
