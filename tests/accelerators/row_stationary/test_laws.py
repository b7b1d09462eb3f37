"""What holds for every layer and design."""

from __future__ import annotations

from hypothesis import given, settings
from row_stationary_cases import cases, compiled, placed

from cyclescape.traces.operators import Conv

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
