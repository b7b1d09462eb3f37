"""Scores and intervals against numbers worked out by hand."""

import numpy as np
import pandas as pd
import pytest
from contest_cases import by_hand

from cyclescape.agents.contest.scores import differences, interval, lottery, luck, scores, summary
from cyclescape.agents.contest.studies import Kept, checkpoints


def kept(costs: list[tuple[float, ...] | None], places: list[int] | None = None, **other: object) -> Kept:
    given = {
        "key": "", "code": "", "agent": "a", "spec": "a", "draw": 0, "seed": 0, "budget": 4, "failed": 0, "repeats": 0,
        "stopped": "", "strays": 0, "note": None, "agent_cpu_s": {4: 0.4}, "evaluation_cpu_s": 1.0,
    } | other  # fmt: skip
    return Kept(places=tuple(places or range(len(costs))), costs=tuple(costs), **given)


def test_checkpoints_go_as_far_as_the_budget() -> None:
    assert checkpoints(300) == (50, 100, 300)
    assert checkpoints(120) == (50, 100, 120)
    assert checkpoints(7) == (7,)


def test_the_scores_of_one_study() -> None:
    truth = by_hand((0.0,), reference=(1.0,), hypervolume=1.0)
    study = kept([None, (np.log10(2.0),), (np.log10(1.05),), (np.log10(1.2),)], [5, 6, 7, 6], repeats=4)
    (row,) = scores("p", truth, study)
    assert row["best_ratio"] == pytest.approx(1.05)
    assert row["hv_share"] == pytest.approx(1 - np.log10(1.05))
    assert row["adrs"] == pytest.approx(0.05)
    assert row["to_10pct"] == 3
    assert np.isnan(row["to_1pct"])
    assert row["feasible_share"] == 0.75
    assert row["unique_share"] == 3 / 8  # eight proposals, three designs that differ
    assert row["cpu_s_per_suggestion"] == pytest.approx(0.1)


def test_within_ten_percent_counts_the_edge() -> None:
    truth = by_hand((0.0,), reference=(1.0,), hypervolume=1.0)
    (row,) = scores("p", truth, kept([(np.log10(1.1),), (0.0,)]))
    assert (row["to_10pct"], row["to_1pct"]) == (1, 2)


def test_several_objectives_are_held_against_the_best_mean() -> None:
    # Front (0, 1), (1, 0): both have a geometric mean of 10**0.5; (1, 1) has 10.
    truth = by_hand((0.0, 1.0), (1.0, 0.0), reference=(2.0, 2.0), hypervolume=3.0)
    (row,) = scores("p", truth, kept([(1.0, 1.0)]))
    assert row["best_ratio"] == pytest.approx(10**0.5)
    assert row["hv_share"] == pytest.approx(1 / 3)
    assert row["adrs"] == pytest.approx(9.0)


def test_a_study_without_anything_feasible() -> None:
    truth = by_hand((0.0, 1.0), (1.0, 0.0), reference=(2.0, 2.0), hypervolume=3.0)
    for costs in ([None, None], []):
        (row,) = scores("p", truth, kept(costs))
        assert row["hv_share"] == 0
        assert row["best_ratio"] == row["adrs"] == np.inf
        assert row["feasible_share"] == 0


def test_the_interval_of_a_constant_difference_is_a_point() -> None:
    one = {("p", seed): 0.5 + 0.1 * seed for seed in range(5)}
    other = {pair: value - 0.25 for pair, value in one.items()}
    assert interval(one, other) == pytest.approx((0.25, 0.25, 0.25))


def test_the_interval_of_two_pairs_is_known_in_full() -> None:
    """Of two differences 0 and 1 a resample has the mean 0, 0.5 or 1 with probability 1/4, 1/2, 1/4."""
    mean, low, high = interval({("p", 0): 0.0, ("p", 1): 1.0}, {("p", 0): 0.0, ("p", 1): 0.0})
    assert (mean, low, high) == (0.5, 0.0, 1.0)


def test_the_interval_is_that_of_the_mean_of_many_pairs() -> None:
    rng = np.random.default_rng(3)
    noise = rng.normal(size=400)
    one = {("p", seed): float(value) for seed, value in enumerate(noise)}
    mean, low, high = interval(one, dict.fromkeys(one, 0.0))
    half = 1.96 * noise.std() / 20
    assert mean == pytest.approx(noise.mean())
    assert low == pytest.approx(noise.mean() - half, abs=0.1 * half)
    assert high == pytest.approx(noise.mean() + half, abs=0.1 * half)


def test_pairing_takes_out_what_both_share() -> None:
    rng = np.random.default_rng(0)
    hard = {("p", seed): float(v) for seed, v in enumerate(rng.normal(scale=10, size=30))}
    one = {pair: v + 0.1 + 0.01 * rng.normal() for pair, v in hard.items()}
    _, low, high = interval(one, hard)
    assert 0.08 < low < 0.1 < high < 0.12
    assert interval(one, hard) == interval(one, hard)


def test_problems_weigh_alike_and_only_shared_pairs_count() -> None:
    one = {("p", 0): 1.0, ("q", 0): 0.0, ("q", 1): 0.0, ("q", 2): 0.0, ("only", 0): 9.0}
    other = {("p", 0): 0.0, ("q", 0): 0.0, ("q", 1): 0.0, ("q", 2): 0.0, ("else", 0): 9.0}
    assert interval(one, other) == (0.5, 0.5, 0.5)
    assert np.isnan(interval(one, {})).all()


def frame(rows: list[tuple[str, int, int, float]]) -> pd.DataFrame:
    """Rows of (agent, draw, seed, share) on one problem."""
    base = {"problem": "p", "designs": 50, "best_ratio": 1.0, "adrs": 0.0, "feasible_share": 1.0, "unique_share": 1.0,
            "cpu_s_per_suggestion": 0.0, "to_1pct": np.nan}  # fmt: skip
    return pd.DataFrame([
        {**base, "agent": a, "draw": d, "seed": s, "hv_share": v, "to_10pct": 10.0 if v > 0.5 else np.nan}
        for a, d, s, v in rows
    ])  # fmt: skip


def test_luck_is_split_between_settings_and_seeds() -> None:
    seeds_only = frame([("a", d, s, [0.2, 0.4][s]) for d in range(3) for s in range(2)])
    assert luck(seeds_only) == pytest.approx({"luck_settings": 0.0, "luck_seeds": 0.2 / 2**0.5})
    settings_only = frame([("a", d, s, [0.2, 0.4][d]) for d in range(2) for s in range(3)])
    assert luck(settings_only) == pytest.approx({"luck_settings": 0.2 / 2**0.5, "luck_seeds": 0.0})


def test_tickets_and_summary() -> None:
    data = frame([("a", 0, 0, 0.2), ("a", 0, 1, 0.4), ("a", 1, 0, 0.8), ("a", 1, 1, 1.0), ("b", 0, 0, 0.6), ("b", 0, 1, 0.6)])
    tickets = lottery(data, 50)
    np.testing.assert_allclose(tickets["a"], [0.3, 0.9])
    np.testing.assert_allclose(tickets["b"], [0.6])
    a, b = summary(data).to_dict("records")
    assert (a["draws"], a["seeds"], a["studies"]) == (2, 2, 4)
    assert (a["hv_share"], a["hv_share_defaults"]) == pytest.approx((0.6, 0.3))
    assert a["to_10pct_share"] == 0.5
    assert np.isnan(a["to_10pct"])  # not in more than half of the studies
    assert b["to_10pct"] == 10.0


def test_differences_by_defaults_and_over_all_draws() -> None:
    data = frame([("a", 0, 0, 0.2), ("a", 0, 1, 0.4), ("a", 1, 0, 0.8), ("a", 1, 1, 1.0), ("b", 0, 0, 0.6), ("b", 0, 1, 0.6)])
    by = {defaults: differences(data, 50, defaults=defaults).set_index(["agent", "than"]) for defaults in (False, True)}
    assert by[False].loc[("a", "b"), "difference"] == pytest.approx(0.0)
    assert by[True].loc[("a", "b"), "difference"] == pytest.approx(-0.3)
    assert by[True].loc[("b", "a"), "difference"] == pytest.approx(0.3)
    assert by[True].loc[("a", "b"), "pairs"] == 2


def test_the_example_of_the_docs() -> None:
    truth = by_hand((0.0, 1.0), (1.0, 0.0), reference=(1.1, 1.1), hypervolume=0.21)
    assert truth.shares(truth.costs, [2]) == pytest.approx(1.0)
    (row,) = scores("p", truth, kept([(np.log10(2.0), 1.0)]))
    assert row["hv_share"] == pytest.approx(0.380, abs=5e-4)
    assert row["adrs"] == pytest.approx(5.0)
    assert row["best_ratio"] == pytest.approx(2**0.5)
    one, other = {("p", 0): 0.4, ("p", 1): 0.8}, {("p", 0): 0.4, ("p", 1): 0.6}
    assert interval(one, other) == pytest.approx((0.1, 0.0, 0.2))
