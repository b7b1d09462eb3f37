"""The additive fit finds what is there, and says when it cannot."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cyclescape.pages.importance import LEAST_DESIGNS, additive

SIZES = {"a": 5, "b": 4, "c": 3}


def designs(n: int, seed: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    return {name: rng.integers(0, size, n) for name, size in SIZES.items()}


@given(st.integers(0, 1000))
def test_effects_of_a_sum_are_recovered(seed: int) -> None:
    levels = designs(400, seed)
    effect = {"a": np.array([1.0, 0.4, 0.0, -0.2, -0.8]), "b": np.array([0.3, 0.1, -0.1, -0.4]), "c": np.zeros(3)}
    found = additive(levels, SIZES, sum(effect[name][column] for name, column in levels.items()) - 7.0)
    assert found is not None
    assert found.explained > 0.999
    for name, column in levels.items():
        assert found.parameters[name].effects == pytest.approx(effect[name] - effect[name][column].mean(), abs=0.01)
        assert found.parameters[name].importance == pytest.approx(effect[name][column].std(), abs=0.01)


def test_a_parameter_is_not_credited_for_what_came_with_it() -> None:
    levels = designs(600, 0)
    together = np.random.default_rng(1).random(600) < 0.9  # b follows a, as an optimiser would have it
    levels["b"] = np.where(together, np.minimum(levels["a"], 3), levels["b"])
    found = additive(levels, SIZES, 0.5 * levels["a"].astype(float))
    assert found is not None
    assert found.parameters["a"].importance > 20 * found.parameters["b"].importance
    averages = [np.mean(0.5 * levels["a"][levels["b"] == level]) for level in range(4)]
    assert np.std(averages) > 0.3  # which averages over b alone would have credited to b


def test_noise_and_interaction_are_not_explained() -> None:
    levels = designs(400, 2)
    noise = additive(levels, SIZES, np.random.default_rng(3).normal(size=400))
    assert noise is not None
    assert noise.explained < 0.05
    interaction = additive(levels, SIZES, np.where((levels["a"] % 2) == (levels["b"] % 2), 1.0, -1.0))
    assert interaction is not None
    assert interaction.explained < 0.2


def test_values_never_tried_have_no_effect() -> None:
    levels = designs(100, 4)
    levels["c"] = np.minimum(levels["c"], 1)
    found = additive(levels, SIZES, levels["a"].astype(float))
    assert found is not None
    assert np.isnan(found.parameters["c"].effects).tolist() == [False, False, True]


def test_with_too_few_or_equal_designs_nothing_is_said() -> None:
    few = designs(LEAST_DESIGNS - 1, 0)
    assert additive(few, SIZES, np.arange(LEAST_DESIGNS - 1.0)) is None
    assert additive(designs(100, 0), SIZES, np.full(100, 3.0)) is None
    assert additive({}, {}, np.empty(0)) is None
