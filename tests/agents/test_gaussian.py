"""Regression against scikit-learn's, which shares no code with it, and the laws of any Gaussian process."""

import numpy as np
import pytest

from cyclescape.agents.gaussian import Gaussian


def wave(count: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Columns in 0..1, of which the first matters much, the second a little and the third not at all."""
    features = np.random.default_rng(seed).random((count, 3))
    return features, np.sin(6 * features[:, 0]) + 0.3 * features[:, 1]


def test_forecasts_are_those_of_scikit_learn() -> None:
    gaussian_process = pytest.importorskip("sklearn.gaussian_process")
    kernels = gaussian_process.kernels
    features, targets = wave(40)
    there = wave(100, seed=1)[0]
    mine = Gaussian(3)
    mine.logs = np.log([0.3, 1.5, 4.0])
    mine.condition(features, targets)
    mean, deviation = mine.predict(there)

    def theirs(amplitude: float, middle: float) -> tuple[np.ndarray, np.ndarray, float]:
        kernel = kernels.ConstantKernel(amplitude, "fixed") * kernels.Matern([0.3, 1.5, 4.0], "fixed", nu=2.5)
        model = gaussian_process.GaussianProcessRegressor(kernel, alpha=1e-6 * amplitude, optimizer=None)
        model.fit(features, targets - middle)
        told, spread = model.predict(there, return_std=True)
        return told + middle, spread, model.log_marginal_likelihood_value_

    amplitude, middle = mine._amplitude, mine._mean
    told, spread, likelihood = theirs(amplitude, middle)
    assert mean == pytest.approx(told, abs=1e-6)
    assert deviation == pytest.approx(spread, rel=1e-2, abs=1e-4)
    for other in ((1.1 * amplitude, middle), (0.9 * amplitude, middle), (amplitude, middle + 0.05), (amplitude, middle - 0.05)):
        assert theirs(*other)[2] < likelihood  # mean and amplitude are the most likely ones


def test_what_is_observed_is_certain() -> None:
    features, targets = wave(30)
    model = Gaussian(3)
    model.fit(features, targets)
    model.condition(features, targets)
    mean, deviation = model.predict(features)
    assert mean == pytest.approx(targets, abs=1e-3)
    assert deviation.max() < 1e-2 * model.predict(np.full((1, 3), 5.0))[1][0]


def test_doubt_is_what_leaving_each_out_says() -> None:
    features, targets = wave(25)
    model = Gaussian(3)
    model.logs = np.log([0.3, 1.5, 4.0])
    model.condition(features, targets)
    densities = []
    for i in range(25):
        rest = np.arange(25) != i
        alone = Gaussian(3)
        alone.logs = model.logs
        alone.condition(features[rest], targets[rest])
        # The same amplitude and mean as with all; where only one is left out, its own differ a little.
        alone._pull += alone._inverse.sum(axis=1) * (alone._mean - model._mean)
        alone._mean, alone._amplitude = model._mean, model._amplitude
        mean, deviation = alone.predict(features[i : i + 1])
        densities.append(np.log(deviation[0]) + 0.5 * ((targets[i] - mean[0]) / deviation[0]) ** 2)
    assert model.doubt() == pytest.approx(np.mean(densities), rel=1e-2)


def test_a_column_that_matters_less_gets_a_longer_scale() -> None:
    features, targets = wave(40)
    model = Gaussian(3)
    model.fit(features, targets)
    assert model.logs[0] < model.logs[1] < model.logs[2]


def test_fitting_forecasts_better() -> None:
    features, targets = wave(40)
    there, truth = wave(200, seed=1)
    errors = []
    for steps in (0, 30):
        model = Gaussian(3)
        model.fit(features, targets, steps)
        model.condition(features, targets)
        errors.append(float(np.abs(model.predict(there)[0] - truth).mean()))
    assert errors[1] < 0.5 * errors[0]


@pytest.mark.parametrize("targets", [np.zeros(4), np.array([1e9, 1e9, 1e9, -1e9])])
def test_flat_and_far_targets_are_no_trouble(targets: np.ndarray) -> None:
    model = Gaussian(1)
    features = np.array([[0.0], [0.5], [0.5], [1.0]])  # two rows alike
    model.fit(features, targets)
    model.condition(features, targets)
    assert np.isfinite(model.predict(np.linspace(-1, 2, 7)[:, None])).all()
