"""The published figures of the SN40L: those that follow from configuration hold, the others are shown with a reason."""

import pytest

from cyclescape.accelerators.dataflow.published import (
    expert_bytes,
    fusion,
    gpu_node,
    overall,
    sn40l_node,
    switching_ns,
    tokens_per_s,
)


def test_switching_ratios_come_from_simulated_swaps():
    size = expert_bytes()
    assert size == pytest.approx(13.5e9, rel=0.01)
    own = switching_ns(sn40l_node(), size)
    # The swap is bound by the slowest memory of the path, and only that.
    assert own == pytest.approx(size / 1000, rel=0.01)
    assert switching_ns(gpu_node("DGX A100"), size) / own == pytest.approx(31, rel=0.05)
    assert switching_ns(gpu_node("DGX H100"), size) / own == pytest.approx(15, rel=0.05)


def test_tokens_stay_below_what_bandwidth_allows():
    rates = [tokens_per_s(operators) for operators in (1, 16, 64)]
    assert [rate for rate, _ in rates] == sorted(rate for rate, _ in rates)
    assert all(rate < bound for rate, bound in rates)
    assert rates[0][0] < 1042 < rates[1][0], "the published rate lies between kernel by kernel and a call a block"


def test_longer_answers_bring_the_machines_closer():
    gaps = []
    for tokens in (20, 60):
        times = overall(tokens, requests=400)
        gaps.append([times[name]["request_ms"] / times["sn40l-node"]["request_ms"] for name in ("DGX A100", "DGX H100")])
        assert times["DGX A100"]["hit_rate"] > times["sn40l-node"]["hit_rate"], "a DGX has more HBM"
    assert gaps[0][0] > gaps[1][0] > 6.6
    assert gaps[0][1] > gaps[1][1] > 3.7


def test_fusion_gains_more_the_dearer_a_launch_is():
    gains = list(fusion("sn40l", "resnet50:batch=8").values())
    assert gains == sorted(gains)
    assert 2 < gains[2] < 13
