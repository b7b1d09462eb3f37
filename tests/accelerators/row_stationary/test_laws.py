"""What holds for every layer and design."""

from __future__ import annotations

import time

from hypothesis import given, settings
from hypothesis import strategies as st
from row_stationary_cases import cases, compiled, placed

from cyclescape.accelerators.row_stationary.lines import touched_by_all
from cyclescape.accelerators.row_stationary.mapping import _groups_met
from cyclescape.traces.operators import Conv, Gemm

ONE, STRADDLING, MANY = range(3)
FACTORS, ANY = range(2)


AMPLE = {"buffer_words": 10**6}


@settings(max_examples=300)
@given(cases())
def test_work_is_conserved_and_no_pe_works_twice(case):
    op, values = case
    result = compiled(op, values, **AMPLE)
    pes = values["rows"] * values["cols"]
    assert op.macs <= result["cycles"] * result["peak_pes"]
    assert result["peak_pes"] <= pes
    assert result["array_filter"] * getattr(op, "out_w", 1) == op.macs


@settings(max_examples=300)
@given(cases())
def test_more_freedom_of_mapping_is_never_slower(case):
    op, values = case
    cycles = {
        (mapping, split): compiled(op, values, group_mapping=mapping, split=split, **AMPLE)["cycles"]
        for mapping in (ONE, STRADDLING, MANY) for split in (FACTORS, ANY)
    }
    for split in (FACTORS, ANY):
        assert cycles[MANY, split] <= cycles[STRADDLING, split] <= cycles[ONE, split]
    for mapping in (ONE, STRADDLING, MANY):
        assert cycles[mapping, ANY] <= cycles[mapping, FACTORS]
    if getattr(op, "groups", getattr(op, "batch", 1)) == 1:
        assert len({cycles[mapping, ANY] for mapping in (ONE, STRADDLING, MANY)}) == 1


@settings(max_examples=300)
@given(cases(), st.integers(1, 5), st.integers(1, 5))
def test_more_pes_are_never_slower_where_height_is_split_freely(case, rows, cols):
    op, values = case
    small = compiled(op, values, split=ANY, **AMPLE)["cycles"]
    assert compiled(op, values, split=ANY, rows=values["rows"] + rows, **AMPLE)["cycles"] <= small
    assert compiled(op, values, split=ANY, cols=values["cols"] + cols, **AMPLE)["cycles"] <= small


def test_with_exact_factors_one_more_row_can_be_slower():
    """12 rows are 4 channels by 3 filters; 13 are 1 by 13 or 13 by 1, of which 4 channels and 3 filters use 3 or 4."""
    op = Conv(name="c", in_h=1, in_w=1, in_channels=4, out_channels=3, kernel_h=1, kernel_w=1)
    values = {"rows": 12, "cols": 1, "group_mapping": ONE, "split": FACTORS, "buffer_words": 1000, "filter_rf_words": 224,
              "ifmap_rf_words": 12, "psum_rf_words": 24, "vector_lanes": 1}
    assert [compiled(op, values, rows=rows)["cycles"] for rows in (12, 13)] == [1, 3]
    assert [compiled(op, values, rows=rows, split=ANY)["cycles"] for rows in (12, 13)] == [1, 1]


@settings(max_examples=200)
@given(cases())
def test_a_larger_buffer_never_moves_more_and_never_less_than_everything_once(case):
    op, values = case
    moved = []
    for words in (values["buffer_words"], 2 * values["buffer_words"], 10**6):
        result = compiled(op, values, buffer_words=words)
        moved.append(sum(result[name] for name in result if name.startswith("dram_")) if result["cycles"] >= 0 else 2**62)
    assert moved[0] >= moved[1] >= moved[2]
    final = compiled(op, values, **AMPLE)
    if values["group_mapping"] == ONE:
        assert final["dram_filter"] == op.weight_elements
        assert final["dram_psum"] == 0
    assert final["dram_ofmap"] == op.output_elements
    assert final["dram_ifmap"] <= op.input_elements


@settings(max_examples=200)
@given(cases())
def test_each_level_sees_at_least_what_the_next_one_must_bring(case):
    op, values = case
    result = compiled(op, values, **AMPLE)
    assert result["array_ifmap"] >= result["buffer_ifmap"] >= result["dram_ifmap"]
    assert result["array_filter"] >= result["buffer_filter"] >= result["dram_filter"]
    assert result["buffer_psum"] >= result["dram_ofmap"]


def test_depthwise_fills_the_array_only_when_channels_share_it():
    """3x3 over 14 rows on 64x64: one set at a time is 1 % of the PEs; 21 x 4 of them are 86 %."""
    op = Conv(name="d", in_h=14, in_w=14, in_channels=512, out_channels=512, groups=512, kernel_h=3, kernel_w=3,
              padding=(1, 1, 1, 1))
    values = {"rows": 64, "cols": 64, "group_mapping": ONE, "split": ANY, "buffer_words": 10**6, "filter_rf_words": 224,
              "ifmap_rf_words": 12, "psum_rf_words": 24, "vector_lanes": 1}
    one, many = compiled(op, values), compiled(op, values, group_mapping=MANY)
    assert (one["peak_pes"], many["peak_pes"]) == (3 * 14, 3 * 14 * 21 * 4)
    assert one["cycles"] == 512 * 3 * 14
    assert many["cycles"] == -(-512 // 84) * 3 * 14
    assert placed(op.model_copy(update={"in_channels": 8, "out_channels": 8, "groups": 8}), values)["peak_pes"] == 42


@settings(max_examples=300)
@given(
    st.integers(1, 60), st.integers(1, 9), st.integers(1, 7), st.integers(1, 4), st.integers(0, 12), st.integers(1, 70),
    st.integers(1, 9), st.integers(1, 9),
)
def test_input_rows_are_counted_as_if_they_were_listed(out, taps, stride, dilation, pad, size, chunk, tall):
    inputs = pairs = most = 0
    for first in range(0, out, chunk):
        for fold in range(0, taps, tall):
            met = [
                at for y in range(first, min(first + chunk, out)) for r in range(fold, min(fold + tall, taps))
                if 0 <= (at := y * stride + r * dilation - pad) < size
            ]
            inputs, pairs, most = inputs + len(set(met)), pairs + len(met), max(most, len(set(met)))
    assert touched_by_all(out, taps, stride, dilation, pad, size, chunk, tall) == (inputs, pairs, most)


@settings(max_examples=200)
@given(st.integers(1, 40), st.integers(1, 12), st.integers(1, 50))
def test_groups_of_a_pass_are_counted_as_if_they_were_listed(groups, filters, b):
    every = groups * filters
    met = [len({n // filters for n in range(at, min(at + b, every))}) for at in range(0, every, b)]
    assert _groups_met(groups, filters, b) == (sum(met), max(met))


def test_huge_layers_take_no_time_or_memory():
    values = {"rows": 12, "cols": 14, "group_mapping": ONE, "split": ANY, "buffer_words": 55296, "filter_rf_words": 224,
              "ifmap_rf_words": 12, "psum_rf_words": 24, "vector_lanes": 1}
    compiled(Gemm(name="g", m=2, n=2, k=2), values)
    start = time.process_time()
    assert compiled(Gemm(name="g", m=2**40, n=8, k=8), values)["array_filter"] == 2**46
    image = Conv(name="c", in_h=2**30, in_w=3, in_channels=1, out_channels=1, kernel_h=3, kernel_w=3, padding=(1, 1, 1, 1))
    assert compiled(image, values)["array_filter"] * 3 == image.macs
    assert time.process_time() - start < 0.5
