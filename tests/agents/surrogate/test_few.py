"""Few samples, and uneven ones: answered, or refused in a line that says why."""

from __future__ import annotations

import importlib.util
from dataclasses import replace

import numpy as np
import pytest

from cyclescape.agents.surrogate import Samples, Surrogate, draw
from cyclescape.agents.surrogate.accuracy import cross_validate
from cyclescape.agents.surrogate.model import MODELS
from cyclescape.errors import InputError
from cyclescape.simulator.accelerator import Accelerator
from cyclescape.traces.workload import Workload

NEEDS = {"gp": "sklearn", "trees": "lightgbm", "forest": "lightgbm", "ensemble": "torch"}
KINDS = [pytest.param(kind, marks=pytest.mark.skipif(importlib.util.find_spec(module) is None, reason=f"needs {module}"))
         for kind, module in NEEDS.items()]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("rows", range(1, 8))
def test_models_learn_from_any_number_of_rows(kind: str, rows: int) -> None:
    x = np.random.default_rng(0).uniform(-1, 1, (rows, 3)).astype(np.float32)
    mean, deviation = MODELS[kind].fit(x, x[:, :2].astype(float) + 1.0, seed=0, effort=0.05).predict(x)
    assert mean.shape == deviation.shape == (rows, 2)
    assert np.isfinite(mean).all()
    assert (deviation >= 0).all()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("counts", [(9, 1), (5, 5), (60, 5)])
def test_a_workload_may_have_hardly_any_samples(
    kind: str, counts: tuple[int, int], roofline: Accelerator, mlp: Workload, gemv: Workload
) -> None:
    parts = [draw(roofline, [work], count, seed=count) for work, count in zip((mlp, gemv), counts, strict=True)]
    samples = Samples.of(roofline, [
        (design, part.workloads[0], {name: float(values[i]) for name, values in part.metrics.items()})
        for part in parts for i, design in enumerate(part.designs)
    ])
    learned = Surrogate.fit(samples, ["time_s"], model=kind, effort=0.05)
    assert learned.predict(samples.designs[:2], gemv).refused == (None, None)


def test_of_one_workload_nothing_is_said_about_others(roofline: Accelerator, mlp: Workload) -> None:
    pytest.importorskip("sklearn")
    samples = draw(roofline, [mlp], 20)
    surrogate = Surrogate.fit(samples, ["time_s"], model="gp", effort=0.1)
    with pytest.raises(InputError, match="every sample is of one workload: nothing can be said about others"):
        cross_validate(surrogate, samples, grouped=True)


def test_of_one_family_nothing_is_said_about_others() -> None:
    pytest.importorskip("sklearn")
    samples = draw("dram-controller", ["cloud-1:n=1000,seed=1", "cloud-1:n=1000,seed=2"], 12)
    surrogate = Surrogate.fit(samples, model="gp", effort=0.1, prefix=0.1)
    with pytest.raises(InputError, match="every sample is of one family of workloads: nothing can be said about others"):
        cross_validate(surrogate, samples, grouped=True)


def test_a_metric_that_a_sample_lacks_is_said_to_be_absent(roofline: Accelerator, mlp: Workload) -> None:
    pytest.importorskip("sklearn")
    samples = draw(roofline, [mlp], 20)
    where = np.arange(len(samples)) == 3
    absent, zero, endless = (
        replace(samples, metrics={**samples.metrics, "time_s": np.where(where, odd, samples.metrics["time_s"])})
        for odd in (np.nan, 0.0, np.inf)
    )
    missing, wrong = "absent from 1 of 20 samples", "not above 0 in 1 of 20 samples"
    for uneven, why in ((absent, missing), (zero, wrong), (endless, wrong)):
        with pytest.raises(InputError, match=f"metric time_s: {why}, so it has no logarithm to learn"):
            Surrogate.fit(uneven, ["time_s"], model="gp")
        said: list[str] = []
        learned = Surrogate.fit(uneven, model="gp", effort=0.05, say=said.append)
        assert learned.answers == ("energy_j", "area_mm2")
        assert f"leaving out time_s, {why}" in said
