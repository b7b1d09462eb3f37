"""Randomised trees: what they must remember, where they must agree, and scikit-learn's beside them."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cyclescape.agents.forest import ExtraTrees


@given(seed=st.integers(0, 2**62), count=st.integers(1, 40), columns=st.integers(1, 5), values=st.integers(1, 4))
@settings(max_examples=40, deadline=None)
def test_every_tree_answers_known_rows_with_the_mean_of_their_equals(seed: int, count: int, columns: int, values: int) -> None:
    rng = np.random.default_rng(seed)
    features = rng.integers(0, values, size=(count, columns)).astype(float)
    targets = rng.normal(size=(count, 2))
    told = ExtraTrees(features, targets, trees=3, seed=seed).predict(features)
    equal = (features[:, None, :] == features[None, :, :]).all(axis=-1)
    means = equal @ targets / equal.sum(axis=1)[:, None]
    assert told == pytest.approx(np.broadcast_to(means, told.shape), abs=1e-12)


def test_trees_agree_where_a_function_is_flat_and_not_where_it_jumps() -> None:
    rng = np.random.default_rng(0)
    features = rng.random((200, 3))
    targets = np.where((features[:, 0] > 0.5) & (features[:, 1] > 0.5), rng.normal(size=200), -1.0)[:, None]
    spread = ExtraTrees(features, targets, trees=30, seed=1).predict(rng.random((500, 3)) * 0.3).std(axis=0)
    assert (spread == 0).mean() > 0.9  # 200 rows leave gaps here and there
    assert ExtraTrees(features, targets, trees=30, seed=1).predict(np.array([[0.7, 0.7, 0.3]])).std(axis=0) > 0.1


def test_the_same_seed_grows_the_same_forest() -> None:
    rng = np.random.default_rng(0)
    features, targets, there = rng.random((50, 4)), rng.random((50, 1)), rng.random((20, 4))
    one, other, third = (ExtraTrees(features, targets, trees=5, seed=seed).predict(there) for seed in (7, 7, 8))
    assert (one == other).all()
    assert (one != third).any()
    assert (one >= targets.min()).all()
    assert (one <= targets.max()).all()
    assert len({tree.tobytes() for tree in one}) == 5  # no two trees alike


def test_a_column_profits_nothing_from_where_it_was_declared() -> None:
    """Of two columns that are equal on every known row each tree follows one, about half of them the first."""
    known, there = np.repeat([[0.0], [1.0]], 2, axis=1), np.array([[0.0, 1.0]])
    told = ExtraTrees(known, (known[:, :1] > 0.5).astype(float), trees=200, seed=0).predict(there)[:, 0, 0]
    assert 0.35 < told.mean() < 0.65


def test_as_accurate_as_scikit_learn() -> None:
    ensemble = pytest.importorskip("sklearn.ensemble")
    rng = np.random.default_rng(3)

    def truth(rows: np.ndarray) -> np.ndarray:
        return np.stack([np.sin(6 * rows[:, 0]) + (rows[:, 1] > 0.6) * rows[:, 2], np.abs(rows[:, 3] - rows[:, 0])], axis=1)

    features, there = rng.random((300, 5)), rng.random((1000, 5))
    theirs = ensemble.ExtraTreesRegressor(60, random_state=0).fit(features, truth(features))
    each = np.stack([tree.predict(there.astype(np.float32)) for tree in theirs.estimators_])
    ours = ExtraTrees(features, truth(features), trees=60, seed=0).predict(there)
    errors = [np.sqrt(np.mean((told.mean(axis=0) - truth(there)) ** 2)) for told in (ours, each)]
    assert errors[0] == pytest.approx(errors[1], rel=0.1)
    assert ours.std(axis=0).mean() == pytest.approx(each.std(axis=0).mean(), rel=0.1)
