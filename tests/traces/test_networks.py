"""Laws that hold for every built-in network."""

import contextlib
import math
import re
import subprocess
import sys
import time
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cyclescape.errors import InputError
from cyclescape.traces import catalog
from cyclescape.traces.networks.experts import balanced_load
from cyclescape.traces.workload import Workload

ENTRIES = [entry for entry in catalog.entries("network") if not entry.name.startswith(".")]
NAMES = [entry.name for entry in ENTRIES]
LANGUAGE = [entry.name for entry in ENTRIES if "phase" in entry.signature.arguments]


IMAGES = {
    "alexnet", "vgg16", "vgg19", "googlenet", "inception-v2", "resnet18", "resnet34", "resnet50", "resnet101", "densenet121",
    "squeezenet", "mobilenet-v1", "mobilenet-v2", "mobilenet-v3", "shufflenet-v1", "shufflenet-v2", "regnetx-400mf",
    "regnety-4gf", "efficientnet-b0", "inceptionnext-t", "poolformer-s12", "lowformer-b0", "vit-s16", "vit-b16", "vit-l16",
    "dit-xl2",
}
ENCODERS = {"bert-base", "bert-large", "m2-bert-base", "attention"}
DECODERS = {"gpt2", "gpt3-175b", "llama2-7b", "llama2-70b", "llama3-8b", "mixtral-8x7b", "deepseek-v3"}


def test_every_kind_of_network_has_the_arguments_of_its_kind() -> None:
    assert set(NAMES) == IMAGES | ENCODERS | DECODERS
    for entry in ENTRIES:
        arguments = set(entry.signature.arguments)
        assert {"batch", "sparsity"} <= arguments, entry.name
        assert ("resolution" in arguments) == (entry.name in IMAGES), entry.name
        assert ("seq_len" in arguments) == (entry.name in ENCODERS | DECODERS), entry.name
        assert ("phase" in arguments) == (entry.name in DECODERS), entry.name


@pytest.mark.parametrize("name", NAMES)
def test_loads_in_less_than_two_seconds(name: str) -> None:
    start = time.process_time()
    workload = catalog.load(name)
    assert workload.digest
    assert time.process_time() - start < 2


@pytest.mark.parametrize("entry", [e for e in ENTRIES if "resolution" in e.signature.arguments], ids=lambda entry: entry.name)
def test_the_smallest_image_is_the_declared_one(entry: catalog.Entry) -> None:
    """The declared bound is that of the network's windows: some variant runs there, and none a step below."""
    arguments = entry.signature.arguments
    accepted = arguments["resolution"].accepted
    bounds = (re.search(f"{word} ([0-9]+)", accepted) for word in (">=", "a multiple of"))
    least, step = (int(bound[1]) if bound else 1 for bound in bounds)
    variants = [{name: value} for name in ("variant", "version") if name in arguments
                for value in arguments[name].accepted.split(" | ")] or [{}]

    def runs(resolution: int) -> bool:
        built = 0
        for variant in variants:
            with contextlib.suppress(InputError):
                built += bool(entry.build("x", resolution=resolution, **variant).macs)
        return built > 0

    assert runs(least)
    assert least == step or not runs(least - step)
    with pytest.raises(InputError, match=rf"resolution={least - 1}: .* .accepted: integer >= {least}"):
        catalog.load(entry.name, resolution=least - 1)


def test_groups_that_do_not_divide_name_what_would() -> None:
    with pytest.raises(InputError, match=r"group_channels=32 and width=0.5: .* has 16 channels .accepted: 1, 2, 4, 8, 16."):
        catalog.load("mobilenet-v1:group_channels=32,width=0.5")
    with pytest.raises(InputError, match=r"groups=2 must divide"):
        catalog.load("shufflenet-v1:groups=2,width=0.5")


@pytest.mark.parametrize("name", [n for n in NAMES if n not in ("mixtral-8x7b", "deepseek-v3")])
def test_work_grows_with_the_batch_and_parameters_do_not(name: str) -> None:
    one, three = catalog.load(name, batch=1), catalog.load(name, batch=3)
    assert three.macs == 3 * one.macs
    assert three.params == one.params
    assert [op.name for op in one.operators] == [op.name for op in three.operators]


@pytest.mark.parametrize("name", ["mixtral-8x7b", "deepseek-v3"])
@pytest.mark.parametrize("phase", ["prefill", "decode"])
def test_experts_share_the_tokens_of_any_batch(name: str, phase: str) -> None:
    loads = [catalog.load(name, batch=batch, phase=phase, seq_len=64) for batch in (1, 5, 64)]
    assert len({workload.params for workload in loads}) == 1
    assert [workload.macs for workload in loads] == [batch * loads[0].macs for batch in (1, 5, 64)]


@given(st.integers(1, 500), st.integers(1, 64), st.integers(1, 8))
def test_balanced_routing_keeps_every_assignment(tokens: int, experts: int, top_k: int) -> None:
    groups = balanced_load(tokens, experts, top_k)
    assert sum(count * load for count, load in groups) == tokens * top_k
    assert sum(count for count, _ in groups) == min(experts, tokens * top_k)
    assert max(load for _, load in groups) - min(load for _, load in groups) <= 1


@pytest.mark.parametrize("name", NAMES)
def test_operators_read_what_others_made(name: str) -> None:
    """Nobody reads more than its sources made, but for the copies that routing and zero padding make."""
    workload = catalog.load(name)
    made = {op.name: op.output_elements for op in workload.operators}
    copies = {"gate", "up", "dft1"}
    for op in workload.operators:
        available = sum(made[source] for source in dict.fromkeys(op.inputs) if source)
        if "" not in op.inputs and op.name.rpartition(".")[2] not in copies:
            assert op.input_elements <= available, op.name


@pytest.mark.parametrize("name", NAMES)
def test_one_result_and_no_work_in_vain(name: str) -> None:
    """Every operator but the last is read by another."""
    workload = catalog.load(name)
    unread = [op for op, readers in workload.consumers.items() if not readers]
    assert unread == [workload.operators[-1].name]


@pytest.mark.parametrize("name", NAMES)
def test_what_follows_a_convolution_reads_all_of_it(name: str) -> None:
    """Chains of one producer and one reader hand over exactly what was made."""
    workload = catalog.load(name)
    by_name = {op.name: op for op in workload.operators}
    for op in workload.operators:
        if op.kind in ("conv", "pool") and workload.consumers[op.name]:
            reader = by_name[workload.consumers[op.name][0]]
            if len(workload.consumers[op.name]) == 1 and reader.inputs == (op.name,) and reader.kind == "elementwise":
                assert reader.input_elements == op.output_elements, reader.name


@pytest.mark.parametrize("name", LANGUAGE)
def test_decoding_token_by_token_is_the_work_of_the_causal_half(name: str) -> None:
    """Prefill multiplies the masked half too; all else is the sum of its decoding steps."""
    tokens = 8

    def dense(workload: Workload) -> int:
        return sum(op.macs for op in workload.operators if op.kind != "attention" and "absorbed" not in op.name
                   and not op.name.endswith("kv_up"))

    prefill = catalog.load(name, seq_len=tokens, logits="all")
    steps = [catalog.load(name, phase="decode", seq_len=length, logits="all") for length in range(1, tokens + 1)]
    assert dense(prefill) == sum(dense(step) for step in steps)
    if name != "deepseek-v3":  # decoding attends to the latents, which is other work by design
        attention = [sum(op.macs for op in w.operators if op.kind == "attention") for w in (prefill, *steps)]
        assert attention[0] * (tokens + 1) == 2 * tokens * sum(attention[1:])


@pytest.mark.parametrize("name", LANGUAGE)
def test_decoding_reads_the_cache_from_memory(name: str) -> None:
    prefill, decode = (catalog.load(name, phase=phase, seq_len=100) for phase in ("prefill", "decode"))
    for op in (op for op in prefill.operators if op.kind == "attention"):
        assert (op.q_len, op.kv_len, op.cached) == (100, 100, 0)
        assert "" not in op.inputs
    for op in (op for op in decode.operators if op.kind == "attention"):
        assert (op.q_len, op.kv_len, op.cached) == (1, 100, 99)
        assert "" in op.inputs


@pytest.mark.parametrize("name", LANGUAGE)
def test_only_the_last_position_is_scored_unless_asked(name: str) -> None:
    last, every = (catalog.load(name, seq_len=16, logits=logits) for logits in ("last", "all"))
    head = next(op for op in last.operators if op.name == "head")
    assert every.macs - last.macs == 15 * head.macs
    assert every.params == last.params


@pytest.mark.parametrize("phase", ["prefill", "decode"])
def test_latent_attention_is_the_same_network_in_both_forms(phase: str) -> None:
    assert catalog.load("deepseek-v3", phase=phase).params == catalog.load("deepseek-v3").params


@pytest.mark.parametrize(
    ("group_channels", "million_macs"), [(1, 569), (2, 586), (4, 621), (8, 690), (16, 830), (32, 1108)]
)
def test_mobilenet_groups_have_the_work_of_draco(group_channels: int, million_macs: int) -> None:
    """Totals of nn_dataflow's MobileNet with groups of G channels (Jha et al., arXiv:2006.15103)."""
    workload = catalog.load("mobilenet-v1", group_channels=group_channels)
    assert round(workload.macs / 1e6) == million_macs


def test_original_alexnet_halves_three_convolutions() -> None:
    grouped, whole = catalog.load("alexnet"), catalog.load("alexnet:variant=ungrouped")
    ratio = {a.name: b.macs / a.macs for a, b in zip(grouped.operators, whole.operators) if a.kind == "conv"}
    assert ratio == {"conv1": 1, "conv2": 2, "conv3": 1, "conv4": 2, "conv5": 2}


def test_placement_of_the_stride_moves_work_and_no_parameter() -> None:
    late, early = catalog.load("resnet50"), catalog.load("resnet50:stride=1x1")
    assert late.params == early.params
    assert early.macs < late.macs
    assert late.digest != early.digest


def test_long_convolution_costs_what_two_transforms_cost() -> None:
    """Each of 24 long convolutions: N = N1 N2 = 2L points, forward and back, complex numbers as pairs."""
    seq_len, width = 128, 768
    workload = catalog.load("m2-bert-base", seq_len=seq_len)
    n1 = n2 = math.isqrt(2 * seq_len)
    per_feature = 2 * (2 * n1 * n1 * n2 + 4 * n2 * n2 * n1)
    ours = sum(op.macs for op in workload.operators if "dft" in op.name or "inverse" in op.name)
    assert ours == 24 * width * per_feature


@pytest.mark.parametrize("name", NAMES)
def test_names_of_operators_are_plain(name: str) -> None:
    for op in catalog.load(name).operators:
        assert op.name == op.name.strip()
        assert "," not in op.name
        assert ".." not in op.name


def test_too_small_an_image_names_network_and_operator() -> None:
    with pytest.raises(InputError, match=r"^alexnet:resolution=64: operator 'pool5': .*larger"):
        catalog.load("alexnet:resolution=64")


def test_repeated_names_are_told_apart_by_their_scope() -> None:
    counts = Counter(op.kind for op in catalog.load("gpt3-175b").operators)
    assert counts["attention"] == 96


def test_listing_builds_nothing_and_imports_nothing_heavy() -> None:
    code = (
        "import sys, time; t = time.process_time(); from cyclescape.traces import catalog, graph; "
        "graph.Graph.workload = None; rows = [e.row() for e in catalog.entries()]; assert len(rows) > 30; "
        "heavy = {'onnx', 'pandas', 'torch', 'matplotlib'} & set(sys.modules); assert not heavy, heavy; "
        "print(time.process_time() - t)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert float(done.stdout) < 2
