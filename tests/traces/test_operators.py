"""Laws of operators, against counting one by one."""

from itertools import product

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from pydantic import ValidationError

from cyclescape.traces.operators import Attention, Conv, Elementwise, Gemm, Normalization, Pool

small = st.integers(1, 7)


@st.composite
def convs(draw: st.DrawFn) -> Conv:
    groups = draw(st.integers(1, 3))
    fields = {
        "batch": draw(st.integers(1, 2)), "in_h": draw(st.integers(1, 9)), "in_w": draw(st.integers(1, 9)),
        "in_channels": groups * draw(st.integers(1, 3)), "out_channels": groups * draw(st.integers(1, 3)),
        "kernel_h": draw(st.integers(1, 4)), "kernel_w": draw(st.integers(1, 4)), "stride_h": draw(st.integers(1, 3)),
        "stride_w": draw(st.integers(1, 3)), "padding": draw(st.tuples(*[st.integers(0, 2)] * 4)),
        "dilation": draw(st.integers(1, 2)), "groups": groups, "window": draw(st.sampled_from(["floor", "ceil"])),
        "bias": draw(st.booleans()), "batch_norm": draw(st.booleans()),
    }
    reach_h = fields["dilation"] * (fields["kernel_h"] - 1) + 1
    reach_w = fields["dilation"] * (fields["kernel_w"] - 1) + 1
    top, bottom, left, right = fields["padding"]
    assume(reach_h <= fields["in_h"] + top + bottom and reach_w <= fields["in_w"] + left + right)
    return Conv(name="conv", **fields)


def _starts(size: int, before: int, after: int, reach: int, stride: int, ceil: bool) -> int:
    """Slide a window over a padded axis, one step at a time, and count where it may start."""
    count, start, end = 0, -before, size + after
    while start + reach <= end or (ceil and count and start - stride + reach < end):
        count += 1
        start += stride
    return count


@given(convs())
def test_conv_counts_every_window(conv: Conv) -> None:
    ceil = conv.window == "ceil"
    top, bottom, left, right = conv.padding
    out_h = _starts(conv.in_h, top, bottom, conv.dilation * (conv.kernel_h - 1) + 1, conv.stride_h, ceil)
    out_w = _starts(conv.in_w, left, right, conv.dilation * (conv.kernel_w - 1) + 1, conv.stride_w, ceil)
    assert (conv.out_h, conv.out_w) == (out_h, out_w)
    macs = 0
    for _ in product(range(conv.batch), range(out_h), range(out_w), range(conv.out_channels)):
        macs += conv.kernel_h * conv.kernel_w * (conv.in_channels // conv.groups)
    assert conv.macs == macs
    assert conv.output_elements == conv.batch * out_h * out_w * conv.out_channels


@given(convs())
def test_conv_parameters_are_those_of_its_tensors(conv: Conv) -> None:
    filters = [(conv.kernel_h, conv.kernel_w, conv.in_channels // conv.groups)] * conv.out_channels
    assert conv.weight_elements == sum(h * w * c for h, w, c in filters)
    assert conv.params == conv.weight_elements + conv.out_channels * (conv.bias + 2 * conv.batch_norm)


@given(ih=st.integers(1, 40), fh=st.integers(1, 7), stride=st.integers(1, 4))
def test_ceil_window_is_scale_sims_rule(ih: int, fh: int, stride: int) -> None:
    assume(fh <= ih)
    conv = Conv(name="c", in_h=ih, in_w=fh, in_channels=1, out_channels=1, kernel_h=fh, kernel_w=fh, stride_h=stride,
                stride_w=stride, window="ceil")
    assert conv.out_h == -(-(ih - fh + stride) // stride)


@given(small, small, small, small, st.booleans())
def test_gemm_counts_its_products(batch: int, m: int, n: int, k: int, weights: bool) -> None:
    gemm = Gemm(name="g", batch=batch, m=m, n=n, k=k, weights=weights)
    assert gemm.macs == sum(1 for _ in product(range(batch), range(m), range(n), range(k)))
    second = batch * n * k
    assert gemm.input_elements + gemm.weight_elements == batch * m * k + second
    assert gemm.params == (second if weights else 0)


@given(st.integers(1, 2), st.integers(1, 4), st.integers(1, 3), small, small, small, small)
def test_attention_counts_every_query_and_key(
    batch: int, kv_heads: int, shared: int, q_len: int, kv_len: int, width: int, v_dim: int
) -> None:
    heads = kv_heads * shared
    op = Attention(name="a", batch=batch, heads=heads, kv_heads=kv_heads, q_len=q_len, kv_len=kv_len, head_dim=width,
                   v_dim=v_dim)
    pairs = batch * heads * q_len * kv_len
    assert op.macs == pairs * (width + v_dim)
    assert op.score_elements == pairs
    assert op.input_elements == batch * (heads * q_len * width + kv_heads * kv_len * (width + v_dim))


def test_shared_values_are_read_once() -> None:
    sizes = {"heads": 16, "kv_heads": 1, "q_len": 1, "kv_len": 100, "head_dim": 576, "v_dim": 512}
    apart = Attention(name="a", **sizes)
    shared = Attention(name="a", shared_values=True, **sizes)
    assert apart.input_elements - shared.input_elements == 100 * 512
    assert apart.macs == shared.macs


@given(elements=st.integers(1, 100), operands=st.integers(1, 4))
def test_elementwise_reads_each_operand(elements: int, operands: int) -> None:
    plain = Elementwise(name="e", elements=elements, operands=operands)
    assert plain.input_elements == elements * operands
    scaled = Elementwise(name="e", elements=elements, operands=operands + 1, parameters=elements)
    assert scaled.input_elements == plain.input_elements
    assert scaled.params == scaled.weight_elements == elements


@pytest.mark.parametrize(("mode", "params"), [("layer", 20), ("rms", 10), ("batch", 20), ("local", 0)])
def test_normalization_parameters(mode: str, params: int) -> None:
    assert Normalization(name="n", mode=mode, rows=3, cols=10).params == params
    assert Normalization(name="n", mode=mode, rows=3, cols=10, affine=False).params == 0


def test_pooling_looks_at_every_element_of_every_window() -> None:
    pool = Pool(name="p", in_h=4, in_w=4, channels=2, kernel_h=2, kernel_w=2, out_h=2, out_w=2)
    assert pool.vector_ops == pool.input_elements == 32


@pytest.mark.parametrize(
    ("kind", "fields", "words"),
    [
        (Conv, {"in_h": 2, "in_w": 5, "in_channels": 1, "out_channels": 1, "kernel_h": 3, "kernel_w": 3}, "larger"),
        (Conv, {"in_h": 2, "in_w": 5, "in_channels": 1, "out_channels": 1, "kernel_h": 3, "kernel_w": 3,
                "window": "ceil"}, "larger"),
        (Conv, {"in_h": 5, "in_w": 5, "in_channels": 3, "out_channels": 4, "kernel_h": 1, "kernel_w": 1, "groups": 2},
         "divide"),
        (Gemm, {"m": 1, "n": 1, "k": 0}, "greater than or equal to 1"),
        (Gemm, {"m": 1, "n": 1, "k": 4, "weight_sparsity": (4, 2)}, "at most 2"),
        (Gemm, {"m": 1, "n": 1, "k": 4, "weights": False, "bias": True}, "weights=True"),
        (Attention, {"heads": 1, "q_len": 1, "kv_len": 3, "head_dim": 1, "cached": 4}, "must not exceed kv_len"),
        (Attention, {"heads": 3, "kv_heads": 2, "q_len": 1, "kv_len": 1, "head_dim": 1}, "divide"),
    ],
)
def test_impossible_operators_are_refused(kind: type, fields: dict, words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        kind(name="x", **fields)
