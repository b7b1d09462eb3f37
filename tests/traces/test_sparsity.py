"""N:M sparsity against counting one by one, on every network, and in what is asked."""

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cyclescape.errors import InputError
from cyclescape.traces import catalog
from cyclescape.traces.graph import Graph
from cyclescape.traces.operators import Conv, Gemm
from cyclescape.traces.sparsity import (
    DENSE,
    Pattern,
    detect,
    filters_as_matrices,
    kept,
    magnitude_mask,
    metadata_bits,
    operator_mask,
)

np = pytest.importorskip("numpy")

NETWORKS = [entry.name for entry in catalog.entries("network") if not entry.name.startswith(".") and entry.name != "attention"]
patterns = st.integers(2, 16).flatmap(lambda m: st.builds(Pattern, st.integers(1, m - 1), st.just(m)))
lengths = st.integers(1, 70)


def _groups(length: int, m: int) -> list[range]:
    return [range(start, min(start + m, length)) for start in range(0, length, m)]


@given(lengths, patterns)
def test_counts_are_those_of_the_groups(length: int, pattern: Pattern) -> None:
    each = [min(pattern.n, len(group)) for group in _groups(length, pattern.m)]
    places = next(bits for bits in range(8) if 2**bits >= pattern.m)
    assert kept(length, pattern) == sum(each)
    assert metadata_bits(length, pattern) == sum(each) * places
    assert (kept(length, None), metadata_bits(length, None)) == (length, 0)
    assert (kept(length, DENSE), metadata_bits(length, DENSE)) == (length, 0)


@given(st.integers(1, 2), lengths, st.integers(1, 4), patterns, st.integers(0, 2**32 - 1), st.booleans())
def test_a_mask_keeps_the_largest_of_each_group(
    groups: int, k: int, columns: int, pattern: Pattern, seed: int, ties: bool
) -> None:
    rng = np.random.default_rng(seed)
    weights = rng.integers(-3, 4, (groups, k, columns)) if ties else rng.standard_normal((groups, k, columns))
    mask = magnitude_mask(weights, pattern)
    assert mask.shape == weights.shape
    for g, column in product(range(groups), range(columns)):
        for group in _groups(k, pattern.m):
            magnitudes = [(abs(weights[g, at, column]), -at) for at in group]
            wanted = sorted(magnitudes, reverse=True)[: pattern.n]
            assert [pair for pair, at in zip(magnitudes, group) if mask[g, at, column]] == sorted(wanted, key=lambda w: -w[1])


@st.composite
def operators(draw: st.DrawFn) -> Conv | Gemm:
    sparsity = tuple(draw(patterns))
    if draw(st.booleans()):
        return Gemm(name="g", batch=draw(st.integers(1, 3)), m=draw(st.integers(1, 5)), n=draw(st.integers(1, 5)),
                    k=draw(lengths), weight_sparsity=sparsity)
    groups = draw(st.integers(1, 3))
    return Conv(name="c", in_h=7, in_w=6, in_channels=groups * draw(st.integers(1, 5)), out_channels=groups * 2,
                kernel_h=draw(st.integers(1, 3)), kernel_w=draw(st.integers(1, 3)), groups=groups, stride_h=2,
                weight_sparsity=sparsity)


@given(operators(), st.integers(0, 3))
def test_counts_of_an_operator_are_those_of_its_mask(op: Conv | Gemm, seed: int) -> None:
    mask = operator_mask(op, seed=seed)
    (shape,) = op.gemms
    assert mask.shape == (shape.groups, shape.k, shape.n)
    assert op.kept_weight_elements == mask.sum()
    assert op.effective_macs == shape.m * mask.sum()
    per_output = mask.sum(axis=1)
    assert per_output.min() == per_output.max() == kept(shape.k, op.weight_sparsity)
    assert np.array_equal(mask, operator_mask(op, seed=seed))


@given(operators(), st.integers(1, 64))
def test_sparsity_never_increases_bits_beyond_its_metadata(op: Conv | Gemm, width: int) -> None:
    dense = op.model_copy(update={"weight_sparsity": None})
    assert dense.weight_bits(width) == dense.weight_elements * width
    assert op.weight_bits(width) <= dense.weight_bits(width) + op.weight_metadata_bits
    assert op.weight_bits(width) - op.weight_metadata_bits == op.kept_weight_elements * width
    assert op.effective_macs <= op.macs == dense.macs == dense.effective_macs
    assert (op.params, op.weight_elements) == (dense.params, dense.weight_elements)


@given(lengths, st.sampled_from([(1, 2), (1, 4), (2, 4), (3, 4), (3, 8), (5, 16)]), st.integers(0, 99))
def test_what_was_pruned_is_found_again(k: int, pair: tuple[int, int], seed: int) -> None:
    """The found pattern holds and keeps no more of each full group than the one that made it."""
    weights = np.random.default_rng(seed).uniform(1, 2, (k, 50))
    found = detect(weights * magnitude_mask(weights, pair))
    assert found.n * pair[1] <= pair[0] * found.m or k < pair[1]
    if k >= 16 and k % 16 == 0:
        assert found == Pattern(*pair)


def test_no_zero_is_no_pattern_and_nothing_but_zeros_keeps_one() -> None:
    assert detect(np.ones((32, 4))) == DENSE
    assert detect(np.zeros((32, 4))) == Pattern(1, 16)
    one_full_group = np.zeros((32, 4))
    one_full_group[16:, 2] = 1
    assert detect(one_full_group) == DENSE


@given(st.integers(1, 2), st.integers(1, 3), st.integers(1, 3), st.integers(1, 3), st.integers(1, 3))
def test_filters_become_the_matrix_that_im2col_multiplies(
    groups: int, out: int, channels: int, height: int, width: int
) -> None:
    filters = np.arange(groups * out * channels * height * width).reshape(groups * out, channels, height, width)
    matrices = filters_as_matrices(filters, groups)
    for g, f, row, column, c in product(range(groups), range(out), range(height), range(width), range(channels)):
        assert matrices[g, (row * width + column) * channels + c, f] == filters[g * out + f, c, row, column]


def test_given_weights_decide() -> None:
    op = Gemm(name="g", m=1, n=1, k=5, weight_sparsity=(1, 2))
    mask = operator_mask(op, weights=np.array([[[1.0], [-2.0], [3.0], [0.5], [0.0]]]))
    assert mask[0, :, 0].tolist() == [False, True, True, False, True]


@pytest.mark.parametrize("name", NETWORKS)
def test_every_network_takes_it(name: str) -> None:
    dense, sparse = catalog.load(name), catalog.load(f"{name}:sparsity=2:4")
    assert sparse.name == f"{name}:sparsity=2:4"
    assert (sparse.macs, sparse.params, dense.effective_macs) == (dense.macs, dense.params, dense.macs)
    assert dense.kept_params == dense.params
    assert sparse.digest != dense.digest
    saved = 0
    for before, after in zip(dense.operators, sparse.operators, strict=True):
        pruned = before.kind == "gemm" and before.weights and before.trained
        pruned |= before.kind == "conv" and not before.depthwise
        assert getattr(after, "weight_sparsity", None) == ((2, 4) if pruned else None), before.name
        if not pruned:
            assert after == before
            continue
        assert before.macs <= 2 * after.effective_macs
        assert before.gemms[0].k % 4 or before.macs == 2 * after.effective_macs
        saved += before.macs - after.effective_macs
    assert sparse.effective_macs == dense.macs - saved < dense.macs


def test_what_is_left_dense() -> None:
    """Attention has no weights, a window of one channel nothing to choose from, a table is read by rows."""
    workload = catalog.load("mobilenet-v2:sparsity=2:4")
    assert {op.name for op in workload.operators if op.kind == "conv" and op.weight_sparsity is None} == {
        op.name for op in workload.operators if op.kind == "conv" and op.depthwise
    }
    gpt = catalog.load("gpt2:sparsity=2:4")
    dense = {op.kind for op in gpt.operators if getattr(op, "weight_sparsity", None) is None}
    assert {"attention", "embedding", "normalization"} <= dense
    head = gpt.operators[-1]
    assert (head.name, head.weight_sparsity) == ("head", None)  # it reads the table of the words
    fourier = [op for op in catalog.load("m2-bert-base:sparsity=2:4").operators if "dft" in op.name or "inverse" in op.name]
    assert all(op.weight_sparsity is None for op in fourier)
    experts = [op for op in catalog.load("mixtral-8x7b:sparsity=2:4").operators if op.name.endswith("experts.up")]
    assert all(op.weight_sparsity == (2, 4) for op in experts)


def test_tables_of_others_are_no_parameters() -> None:
    op = Gemm(name="g", m=2, n=3, k=4, trained=False, bias=True)
    assert (op.weight_elements, op.params, op.macs) == (12, 3, 24)


@pytest.mark.parametrize("spec", ["resnet18:sparsity=1:1", "resnet18:sparsity=4:4", "resnet18:sparsity=dense"])
def test_a_pattern_that_keeps_all_is_dense(spec: str) -> None:
    assert catalog.load(spec) == catalog.load("resnet18")


def test_a_pattern_is_a_text_or_a_pair() -> None:
    workload = catalog.load("resnet18:batch=2,sparsity=1:4,resolution=64")
    assert workload.name == "resnet18:batch=2,resolution=64,sparsity=1:4"
    assert catalog.load(workload.name) == workload
    for given_ in ("1:4", (1, 4), Pattern(1, 4)):
        assert catalog.load("resnet18", batch=2, resolution=64, sparsity=given_) == workload


@pytest.mark.parametrize(
    "value", ["5:4", "0:4", "2:128", "2:", ":4", "2", "2:4:8", "a:b", "-1:4", "1.0:4", (4, 2), 2, None, [2, 4]]
)
def test_what_is_no_pattern_is_refused(value: object) -> None:
    with pytest.raises(InputError, match="accepted: N:M with 1 <= N <= M <= 64, or dense"):
        catalog.load("resnet18", sparsity=value)


def test_nothing_to_prune_is_said() -> None:
    with pytest.raises(InputError, match="no operator has weights to prune"):
        catalog.load("attention:sparsity=2:4")


def test_layers_of_a_topology_keep_their_own(tmp_path) -> None:
    path = tmp_path / "layers.csv"
    path.write_text("Layer,M,N,K,Sparsity\na,2,3,8,1:4\nb,2,3,8,\n")
    own, other = catalog.load(f"{path}:sparsity=2:4").operators
    assert (own.weight_sparsity, other.weight_sparsity) == ((1, 4), (2, 4))
    assert (own.effective_macs, other.effective_macs) == (12, 24)


def test_masks_of_what_cannot_have_one_are_refused() -> None:
    g = Graph()
    g.attention("a", *(g.input(1, 4, 8) for _ in range(3)), heads=2)
    with pytest.raises(InputError, match="operator 'g': no weights"):
        operator_mask(Gemm(name="g", m=1, n=1, k=1, weights=False))
    with pytest.raises(InputError, match=r"weights of shape \(2, 2\) .accepted: \(1, 4, 2\)"):
        operator_mask(Gemm(name="g", m=1, n=2, k=4), weights=np.zeros((2, 2)))
    with pytest.raises(InputError, match="604,000,000 weights .accepted: at most"):
        operator_mask(Gemm(name="g", m=1, n=604_000, k=1000))
    with pytest.raises(InputError, match="not a number"):
        magnitude_mask(np.full((4, 1), np.nan), (2, 4))
