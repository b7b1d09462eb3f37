import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cyclescape.simulator.permutation import Permutation


@given(size=st.integers(1, 3000), seed=st.integers(0, 2**80))
def test_everything_comes_once(size: int, seed: int) -> None:
    order = Permutation(size, seed)
    assert sorted(order(place) for place in range(size)) == list(range(size))


@given(size=st.integers(1, 10**40), seed=st.integers(0, 100), data=st.data())
def test_any_size_and_any_place(size: int, seed: int, data: st.DataObject) -> None:
    place = data.draw(st.integers(0, size - 1))
    assert 0 <= Permutation(size, seed)(place) < size
    for outside in (-1, size):
        with pytest.raises(IndexError):
            Permutation(size, seed)(outside)


def test_seeds_give_other_orders_and_the_same_seed_the_same() -> None:
    orders = [[Permutation(10**9, seed)(place) for place in range(50)] for seed in range(20)]
    assert orders[3] == [Permutation(10**9, 3)(place) for place in range(50)]
    assert len({place for order in orders for place in order}) == 1000


def test_a_sample_is_uniform() -> None:
    """Chi-squared over 100 bins, for samples of several seeds: 99 degrees of freedom, standard deviation 14."""
    for seed in range(5):
        order = Permutation(38_578_680, seed)
        drawn = np.array([order(place) for place in range(5000)])
        counts = np.bincount(drawn * 100 // order.size, minlength=100)
        assert ((counts - 50) ** 2 / 50).sum() < 99 + 5 * 14
        digits = np.bincount(drawn % 5, minlength=5)
        assert ((digits - 1000) ** 2 / 1000).sum() < 4 + 5 * 2.9
