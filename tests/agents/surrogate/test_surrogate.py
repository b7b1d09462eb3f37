"""What a surrogate answers, refuses and flags."""

from dataclasses import replace

import numpy as np
import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from cyclescape.agents.surrogate import Samples, Surrogate, draw
from cyclescape.agents.surrogate.accuracy import FIGURES, cross_validate, figures
from cyclescape.agents.surrogate.calibration import Scores
from cyclescape.agents.surrogate.features import _span
from cyclescape.agents.surrogate.model import folds
from cyclescape.agents.surrogate.surrogate import columns_of
from cyclescape.agents.surrogate.trees import Trees
from cyclescape.errors import InputError
from cyclescape.simulator.accelerator import Accelerator
from cyclescape.traces.operators import Gemm
from cyclescape.traces.workload import Workload


def test_says_what_the_simulator_says(surrogate: Surrogate, samples: Samples, roofline: Accelerator) -> None:
    space = {"fixed": {"frequency_mhz": 500}, "values": {"lanes": (4, 8, 16, 32, 64)}}
    fresh = draw(roofline, list(samples.workloads), 60, seed=9, **space)
    rows = surrogate.score(fresh)
    assert [row["metric"] for row in rows] == ["time_s", "energy_j"]
    assert all(row["mape_percent"] < 40 and row["spearman"] > 0.9 and row["refused"] == 0 for row in rows)
    said = surrogate.predict(fresh.designs[:5], fresh.workloads[0])
    low, high = said.interval("time_s")
    assert ((low < said.mean["time_s"]) & (said.mean["time_s"] < high)).all()


def test_what_was_never_seen_is_refused_and_what_is_beyond_is_flagged(
    surrogate: Surrogate, roofline: Accelerator, mlp: Workload
) -> None:
    design = roofline.design.make
    said = surrogate.predict([design({}), design({"frequency_mhz": 250}), design({"lanes": 128})], mlp)
    assert said.refused == (None, "frequency_mhz=250: the surrogate only ever saw 500", None)
    assert said.notes[0] is None
    assert said.notes[2] == "lanes=128 is beyond 4..64"
    assert np.isnan(said.mean["time_s"]).tolist() == [False, True, False]


def test_any_regime_beyond_training_is_flagged(roofline: Accelerator, mlp: Workload, monkeypatch: pytest.MonkeyPatch) -> None:
    """The column stays within what was learned: by how little it leaves that does not matter."""
    pytest.importorskip("lightgbm")
    most = [0.99]

    def bounds(self: Accelerator, designs: list, workload: Workload) -> dict[str, np.ndarray]:
        return {"share": np.minimum([d.lanes / 64 for d in designs], most[0])}

    monkeypatch.setattr(type(roofline), "bounds", bounds)
    samples = draw(roofline, [mlp], 60, values={"lanes": (4, 8, 16, 32, 64)})
    learned = Surrogate.fit(samples, ["time_s"], model="trees", effort=0.05)
    designs = [roofline.design.make({"lanes": lanes}) for lanes in (4, 64)]
    assert learned.predict(designs, mlp).notes == (None, None)
    most[0] = 1.0
    assert learned.predict(designs, mlp).notes == (None, "share=1 is beyond 0.0625..0.99")


def test_it_learns_with_one_thread_so_that_bits_are_equal(roofline: Accelerator, mlp: Workload) -> None:
    pytest.importorskip("sklearn")

    def threads() -> set[int]:
        return {library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"}

    during: dict[str, set[int]] = {}
    with threadpool_limits(2, user_api="blas"):
        samples = draw(roofline, [mlp], 40)
        Surrogate.fit(samples, ["time_s"], model="gp", effort=0.1, say=lambda what: during.update({what: threads()}))
        assert during["calibrating gp"] == during["learning gp"] == {1}
        assert threads() == {2}


def test_a_choice_and_a_workload_never_seen(roofline: Accelerator, mlp: Workload, gemv: Workload) -> None:
    pytest.importorskip("lightgbm")
    space = {"fused": (True,)}
    one = Surrogate.fit(draw(roofline, [mlp], 60, values=space), ["time_s"], model="trees", effort=0.05)
    with pytest.raises(InputError, match="workload 'gemv': the surrogate only ever saw mlp"):
        one.predict([roofline.design.make({})], gemv)
    assert "fused=False" in str(one.predict([roofline.design.make({"fused": False})], mlp).refused[0])


def test_a_workload_beyond_training_is_flagged(surrogate: Surrogate, roofline: Accelerator) -> None:
    huge = Workload(name="huge", operators=(Gemm(name="a", m=4096, n=4096, k=4096),))
    note = surrogate.predict([roofline.design.make({})], huge).notes[0]
    assert note is not None
    assert note.startswith("workload huge: log_macs=")


def test_a_closed_form_that_is_right_is_the_answer(
    roofline: Accelerator, mlp: Workload, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("lightgbm")

    def bounds(self: Accelerator, designs: list, workload: Workload) -> dict[str, np.ndarray]:
        exact = [0.02 * d.lanes + 0.1 * d.bandwidth + 1.5 * d.fused for d in designs]
        return {"area_mm2": np.array(exact), "lanes_share": np.array([d.lanes / 256 for d in designs])}

    monkeypatch.setattr(type(roofline), "bounds", bounds)
    learned = Surrogate.fit(draw(roofline, [mlp], 120), model="trees", effort=0.05)
    assert set(learned.exact) == {"area_mm2"}
    assert "lanes_share" in learned.encoder.names
    design = roofline.design.make({"lanes": 32, "bandwidth": 4})
    said = learned.predict([design], mlp)
    assert said.mean["area_mm2"][0] == pytest.approx(roofline.run([design], mlp)[0].metrics["area_mm2"], rel=1e-12)
    assert said.std["area_mm2"][0] == 0


def test_splits(surrogate: Surrogate, samples: Samples) -> None:
    for grouped in (False, True):
        table = cross_validate(surrogate, samples, grouped=grouped, effort=0.1).table()
        assert [row["rows"] for row in table] == [len(samples)] * 2
        assert all(set(FIGURES) <= row.keys() for row in table)


def test_what_is_calibrated_and_judged_for_new_workloads_knows_neither_workload_nor_design(
    roofline: Accelerator, mlp: Workload, gemv: Workload, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A sweep runs every design on every workload; of random designs each runs one, and nothing more is left out."""
    pytest.importorskip("lightgbm")
    more = [Workload(name=f"w{i}", operators=(Gemm(name="a", m=32, n=100 * i, k=200),)) for i in range(1, 5)]
    workloads = [mlp, gemv, *more]
    values = [{"lanes": 2**i, "bandwidth": 2**j, "frequency_mhz": 500} for i in range(2, 6) for j in range(4)]
    grid = [roofline.design.make(some) for some in values]
    sweep = Samples.of(roofline, [(d, w, r.metrics) for w in workloads for d, r in zip(grid, roofline.run(grid, w))])
    apart = sweep.take(np.flatnonzero(np.arange(len(sweep)) % 16 % len(workloads) == sweep.group))
    assert len(np.unique(apart.design)) == len(apart)
    learned: list[int] = []
    fit = Trees.fit.__func__  # type: ignore[attr-defined]

    def watched(cls: type[Trees], x: np.ndarray, y: np.ndarray, **more: object) -> Trees:
        learned.append(len(x))
        return fit(cls, x, y, **more)

    monkeypatch.setattr(Trees, "fit", classmethod(watched))
    for samples, models in ((sweep, 15), (apart, 5)):
        surrogate = Surrogate.fit(samples, ["time_s"], model="trees", effort=0.02)
        learned.clear()
        cross_validate(surrogate, samples, grouped=True, effort=0.02)
        assert len(learned) == models
        assert (max(learned) <= 0.85 * 0.7 * len(samples)) == (samples is sweep)


def test_coverage_counts_what_lies_within_intervals_of_small_numbers_too(surrogate: Surrogate, samples: Samples) -> None:
    """Times and energies are small numbers: 1e-8 of a unit is no tolerance."""
    sure = Scores(np.full((len(surrogate.metrics), 2), 1e-6), 100)
    surrogate = replace(surrogate, seen=sure, learned=frozenset())
    metrics = {name: samples.metrics[name].copy() for name in surrogate.metrics}
    for workload, rows in samples.by_workload():
        said = surrogate.predict([samples.designs[i] for i in rows], workload)
        for name, true in metrics.items():
            true[rows] = np.where(rows % 4 == 0, 1.0001 * said.interval(name)[1], said.mean[name])
    rows = surrogate.score(replace(samples, metrics=metrics))
    assert [row["coverage_percent"] for row in rows] == [75.0] * len(metrics)


def test_figures_are_what_they_are_called() -> None:
    truth, mean = np.array([1.0, 2.0, 5.0]), np.array([1.1, 2.0, 4.0])
    found = figures(truth, mean, np.array([True, True, False]))
    assert found["nrmse_percent"] == pytest.approx(100 * np.sqrt((0.01 + 0 + 1) / 3) / 4)
    assert found["mape_percent"] == pytest.approx(10.0)
    assert found["median_ape_percent"] == pytest.approx(10.0)
    assert found["spearman"] == pytest.approx(1.0)
    assert found["coverage_percent"] == pytest.approx(200 / 3)


@pytest.mark.parametrize(("arguments", "says"), [
    ({"metrics": ["speed"]}, "metric 'speed' is not in the samples"), ({"model": "jungle"}, "accepted: auto, gp, trees"),
])
def test_wrong_arguments(samples: Samples, arguments: dict, says: str) -> None:
    with pytest.raises(InputError, match=says):
        Surrogate.fit(samples, **arguments)
    with pytest.raises(InputError, match="3 samples"):
        Surrogate.fit(samples.take(np.arange(3)))


def test_what_was_learned_from_is_not_judged(surrogate: Surrogate, samples: Samples, roofline: Accelerator) -> None:
    assert surrogate.score(samples) == []
    space = {"fixed": {"frequency_mhz": 500}, "values": {"lanes": (4, 8, 16, 32, 64)}}
    fresh = draw(roofline, list(samples.workloads), 90, seed=9, **space)
    new = [key not in surrogate.learned for key in fresh.keys]
    assert 0 < sum(new) < len(fresh)
    for row in surrogate.score(fresh):
        assert (row["rows"], row["learned"]) == (sum(new), len(fresh) - sum(new))


def test_samples_have_each_design_and_workload_once(roofline: Accelerator, mlp: Workload) -> None:
    small = {"fixed": {"frequency_mhz": 500, "fused": True}, "values": {"lanes": (4, 8, 16), "bandwidth": (1, 2, 4, 8)}}
    drawn = draw(roofline, [mlp], 30, **small)
    assert len(drawn) == len(set(drawn.keys)) == 12
    rows = [(design, mlp, {"cycles": float(i)}) for i, design in enumerate((*drawn.designs, *drawn.designs))]
    assert Samples.of(roofline, rows).metrics["cycles"].tolist() == [float(i) for i in range(12)]


def test_a_design_is_left_out_of_training_on_every_workload(samples: Samples) -> None:
    for part in folds(samples.design, seed=0):
        left = {samples.designs[i].canonical for i in part}
        assert not left & {samples.designs[i].canonical for i in set(range(len(samples))) - set(part.tolist())}


def test_a_column_counts_whatever_its_unit() -> None:
    for unit in (1e-12, 1.0, 1e12):
        assert _span(unit * np.array([1.0, 2.0])) == (unit, 2 * unit)
        assert _span(unit * np.array([1.0, 1.0 + 1e-12])) is None


def test_a_closed_form_that_is_right_ten_times_is_not_yet_taken_to_be_exact(
    roofline: Accelerator, mlp: Workload, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("lightgbm")

    def bounds(self: Accelerator, designs: list, workload: Workload) -> dict[str, np.ndarray]:
        return {"area_mm2": np.array([0.02 * d.lanes + 0.1 * d.bandwidth + 1.5 * d.fused for d in designs])}

    monkeypatch.setattr(type(roofline), "bounds", bounds)
    learned = Surrogate.fit(draw(roofline, [mlp], 20), ["area_mm2"], model="trees", effort=0.05)
    assert not learned.exact
    said = learned.predict([roofline.design()], mlp)
    assert said.mean["area_mm2"][0] == pytest.approx(roofline.run([roofline.design()], mlp)[0].metrics["area_mm2"], rel=1e-4)


def test_an_interval_for_new_workloads_that_rests_on_few_is_flagged(surrogate: Surrogate, roofline: Accelerator) -> None:
    other = Workload(name="other", operators=(Gemm(name="a", m=32, n=300, k=400),))
    design = roofline.design.make({"lanes": 8, "frequency_mhz": 500})
    assert "a new workload, whose interval rests on 2 workloads" in str(surrogate.predict([design], other).notes[0])


def test_numbers_that_have_no_percentage_are_refused(surrogate: Surrogate, roofline: Accelerator, samples: Samples) -> None:
    space = {"fixed": {"frequency_mhz": 500}, "values": {"lanes": (4, 8, 16, 32, 64)}}
    fresh = draw(roofline, list(samples.workloads), 60, seed=9, **space)
    for bad, why in ((0.0, "not above 0"), (np.nan, "absent from")):
        metrics = dict(fresh.metrics) | {"time_s": np.full(len(fresh), bad)}
        for judge in (surrogate.score, lambda s: cross_validate(surrogate, s, grouped=False)):
            with pytest.raises(InputError, match=f"time_s: {why}"):
                judge(replace(fresh, metrics=metrics))
    with pytest.raises(InputError, match="4 samples: accepted: at least 10 for splits"):
        cross_validate(surrogate, fresh.take(np.arange(4)), grouped=False)


def test_of_many_designs_some_are_kept_to_calibrate_the_model_itself(samples: Samples, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("lightgbm")
    few = Surrogate.fit(samples, ["time_s"], model="trees", effort=0.1)
    assert few.seen.rows == len(samples)
    monkeypatch.setattr("cyclescape.agents.surrogate.surrogate._MANY", 20)
    many = Surrogate.fit(samples, ["time_s"], model="trees", effort=0.1)
    held = folds(samples.design, seed=0, count=10)[0]
    assert many.seen.rows == len(held) < len(samples) / 5
    rest = samples.take(np.setdiff1d(np.arange(len(samples)), held))
    x = columns_of(many.encoder, samples, {})
    again = Trees.fit(x[np.setdiff1d(np.arange(len(x)), held)], np.log(rest.metrics["time_s"])[:, None], seed=0, effort=0.1)
    assert np.array_equal(again.predict(x)[0], many.model.predict(x)[0])


def test_an_answer_without_end_is_refused(surrogate: Surrogate, samples: Samples, monkeypatch: pytest.MonkeyPatch) -> None:
    def predict(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return np.where(np.arange(len(x)) == 1, 1e4, 0.0)[:, None] * np.ones(2), np.ones((len(x), 2))

    monkeypatch.setattr(surrogate.model, "predict", predict)
    said = surrogate.predict(samples.designs[:3], samples.workloads[0])
    assert said.refused == (None, "what the surrogate says is no finite number above 0", None)
    assert np.isnan([values[1] for values in said.mean.values()]).all()
