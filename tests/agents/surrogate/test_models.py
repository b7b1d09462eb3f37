"""Each kind of model learns, says how sure it is, and comes back from its data with the same bits."""

import importlib.util
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from cyclescape.agents.surrogate import bench
from cyclescape.agents.surrogate.calibration import Scores, scores_of
from cyclescape.agents.surrogate.gaussian import Gaussian
from cyclescape.agents.surrogate.model import MODELS, folds, left_out
from cyclescape.agents.surrogate.trees import Forest, RandomForest, Trees

NEEDS = {"gp": "sklearn", "trees": "lightgbm", "forest": "lightgbm", "ensemble": "torch"}
KINDS = [pytest.param(kind, marks=pytest.mark.skipif(importlib.util.find_spec(module) is None, reason=f"needs {module}"))
         for kind, module in NEEDS.items()]
EFFORT = {"gp": 0.3, "trees": 0.2, "forest": 0.2, "ensemble": 0.15}


def problem(n: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    x = rng.uniform(-1, 1, (n, 4)).astype(np.float32)
    smooth = np.stack([np.sin(2 * x[:, 0]) + x[:, 1], 0.01 * x[:, 2] + 3.0], axis=1)
    return x, smooth + np.array([0.05, 0.0005]) * rng.standard_normal((n, 2))


@pytest.mark.parametrize("kind", KINDS)
def test_learns_and_comes_back(kind: str) -> None:
    x, y = problem(160)
    model = MODELS[kind].fit(x, y, seed=3, effort=EFFORT[kind])
    there, truth = problem(200, seed=1)
    mean, deviation = model.predict(there)
    assert mean.shape == deviation.shape == truth.shape
    part = 0.6 if kind == "forest" else 0.4
    assert (np.abs(mean - truth).mean(axis=0) < part * np.abs(truth - truth.mean(axis=0)).mean(axis=0)).all()
    assert (deviation > 0).all()
    again = MODELS[kind].fit(x, y, seed=3, effort=EFFORT[kind]).predict(there)
    back = MODELS[kind].from_data(*model.to_data()).predict(there)
    for other in (again, back):
        assert np.array_equal(other[0], mean)
        assert np.array_equal(other[1], deviation)


EMPTY = "decision_type=\nthreshold=\nleft_child=\nright_child=\n"
_SPLIT = "leaf_value=1 2\nsplit_feature=0\ndecision_type=2\nthreshold=0\nleft_child={}\nright_child=-2\n"
BETWEEN = "tree\nmax_feature_idx=0\n\nTree=0\n" + _SPLIT.format(1) + "\nTree=1\n" + _SPLIT.format(-1)
"""A tree that goes on in the next one: a file of many would be walked for ever."""


@pytest.mark.parametrize("kind", [Trees, RandomForest])
@pytest.mark.parametrize("rows", [1, 8, 300])
def test_trees_are_those_of_lightgbm(kind: type[Trees], rows: int) -> None:
    """To the bit, for both targets and their deviations at once, and where a column equals a threshold to its last bit."""
    lightgbm = pytest.importorskip("lightgbm")
    x, y = problem(300)
    x[:, 3] = np.round(4 * x[:, 3]) / 4 + np.float32(1e-7)
    model = kind.fit(x, y, seed=0, effort=0.1)
    means, spreads = (np.stack([lightgbm.Booster(model_str=text).predict(x[:rows]) for text in part], axis=1)
                      for part in model.texts)
    mean, deviation = model.predict(x[:rows])
    assert np.array_equal(mean, means)
    assert np.array_equal(deviation, np.exp(spreads + 0.635))


@pytest.mark.parametrize("change", [
    lambda text: text.replace("split_feature=", "split_feature=9"),
    lambda text: text.replace("left_child=", "left_child=0 "),
    lambda text: text.replace("threshold=", "threshold=nan "), lambda text: "pickle",
    lambda text: text.replace("leaf_value=", "gone="), lambda text: text + "\nTree=9\nleaf_value=\nsplit_feature=\n" + EMPTY,
    lambda text: text.replace("left_child=", "left_child=31 ").replace("right_child=", "right_child=-32 "),
    lambda text: BETWEEN,
])
def test_trees_that_do_not_hang_together_are_refused(change: Any) -> None:
    pytest.importorskip("lightgbm")
    x, y = problem(100)
    text = Trees.fit(x, y[:, :1], seed=0, effort=0.02).texts[0][0]
    assert Forest([text, text])(x).shape == (100, 2)
    for texts in ([change(text)], [text, change(text)]):
        with pytest.raises(ValueError, match="."):
            Forest(texts)


def test_boosters_of_other_columns_are_refused() -> None:
    pytest.importorskip("lightgbm")
    x, y = problem(100)
    texts = [Trees.fit(x[:, :n], y[:, :1], seed=0, effort=0.02).texts[0][0] for n in (4, 3)]
    with pytest.raises(ValueError, match="do not belong together"):
        Forest(texts)


def test_trees_by_hand() -> None:
    """The trees that are refused above, but for what is wrong with them."""
    forest = Forest([BETWEEN.replace("left_child=1", "left_child=-1")])
    assert forest(np.array([[-1.0], [1.0]], np.float32)).tolist() == [[2.0], [4.0]]


@pytest.mark.parametrize(("kind", "name", "change"), [
    ("gp", "y_mean0", lambda array: array.reshape(1)), ("gp", "alpha0", lambda array: array[..., None]),
    ("gp", "x_scale", lambda array: array[:1]), ("gp", "x0", lambda array: array.ravel()),
    ("gp", "x0", lambda array: array * 1e300), ("gp", "length0", lambda array: 0 * array),
    ("ensemble", "w3", lambda array: array[..., None]), ("ensemble", "y_mean", lambda array: array[None]),
    ("ensemble", "b2", lambda array: np.repeat(array, 2, axis=1)),
    ("ensemble", "w1", lambda array: np.zeros((1 << 20, 1, 1), np.float32)),
])
def test_arrays_that_do_not_belong_together_are_refused(kind: str, name: str, change: Any) -> None:
    pytest.importorskip({"gp": "sklearn", "ensemble": "torch"}[kind])
    x, y = problem(40)
    values, arrays, texts = MODELS[kind].fit(x, y, seed=0, effort=0.02).to_data()
    with pytest.raises(ValueError, match="."):
        MODELS[kind].from_data(values, {**arrays, name: change(arrays[name])}, texts)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("scale", [0.0, 1e-160, 1e-300])
def test_altered_scales_give_what_is_no_number_in_silence(scale: float) -> None:
    pytest.importorskip("sklearn")
    x, y = problem(40)
    values, arrays, texts = Gaussian.fit(x, y, seed=0, effort=0.02).to_data()
    altered = Gaussian.from_data(values, {**arrays, "x_scale": np.full(4, scale)}, texts)
    assert not np.isfinite(altered.predict(x + 1)[0]).any()  # and so the surrogate refuses it


def test_intervals_hold_what_they_promise() -> None:
    """Errors far from normal, with deviations that are wrong by a factor: 90 % lie inside all the same."""
    rng = np.random.default_rng(5)
    spread = rng.uniform(0.1, 2.0, (40_000, 1))
    error = spread * rng.standard_t(3, (40_000, 1))
    named = 3.0 * spread
    scores = scores_of(error[:20_000], named[:20_000])
    assert Scores.from_json(scores.to_json()).quantile(0.9) == scores.quantile(0.9)
    for level in (0.5, 0.9, 0.95):
        inside = np.abs(error[20_000:]) <= scores.quantile(level) * named[20_000:]
        assert abs(inside.mean() - level) < 0.02


def test_every_group_counts_the_same() -> None:
    """A hundred rows of a group that is easy do not outvote two rows each of those that are not."""
    error = np.concatenate([np.full(100, 0.1), np.full(18, 1.0)])[:, None]
    group = np.concatenate([np.zeros(100), np.repeat(np.arange(1, 10), 2)])
    assert scores_of(error, np.ones_like(error)).quantile(0.8) < 0.2
    assert scores_of(error, np.ones_like(error), group).quantile(0.8) > 0.9


@pytest.mark.parametrize("groups", [9, 12, 15, 31])
def test_workloads_whose_scores_are_alike_count_as_one_score_each(groups: int) -> None:
    """By rows 12 such workloads gave 85 %, 15 and 31 gave 88 %; of rows that differ as much as any, rows count."""
    rng = np.random.default_rng(groups)

    def inside(alike: bool) -> float:
        found = []
        for _ in range(300):
            scores = np.abs(rng.standard_normal((groups + 20, 1 if alike else 20)) * np.ones(20))
            known, group = scores[:groups].reshape(-1, 1), np.repeat(np.arange(groups), 20)
            limit = scores_of(known, np.ones_like(known), group).quantile(0.9)[0]
            found.append((scores[groups:] <= limit).mean())
        return float(np.mean(found))

    assert 0.89 < inside(alike=True) < 0.96
    assert 0.89 < inside(alike=False) < 0.92


def test_what_groups_are_worth_comes_back_and_is_never_more_than_rows() -> None:
    error = np.random.default_rng(0).standard_normal((120, 2))
    scores = scores_of(error, np.ones_like(error), np.repeat(np.arange(12), 10))
    assert all(12 <= worth <= 120 for worth in scores.alone)
    assert np.array_equal(Scores.from_json(scores.to_json()).quantile(0.9), scores.quantile(0.9))
    for wrong in ([50.0], [0.5, 50.0], [50.0, 121.0]):
        with pytest.raises(ValueError, match="worth"):
            Scores.from_json({**scores.to_json(), "alone": wrong})


class _Remembers:
    """Says 1 of a row whose workload (column 0) or design (column 1) it learned from, else 0."""

    def __init__(self, x: np.ndarray) -> None:
        self.x = x

    @classmethod
    def fit(cls, x: np.ndarray, y: np.ndarray, *, seed: int, effort: float = 1.0) -> Any:
        return cls(x)

    def predict(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        known = np.stack([np.isin(x[:, i], self.x[:, i]) for i in (0, 1)], axis=1)
        return known.astype(float), np.full(known.shape, float(len(self.x)))


@pytest.mark.parametrize("shared", [True, False])
def test_workloads_are_left_out_with_their_designs_where_these_ran_others_too(
    shared: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On designs that it knows a model is better than on those that it will be asked for."""
    monkeypatch.setitem(MODELS, "remembers", _Remembers)
    group = np.repeat(np.arange(10), 12)
    design = np.tile(np.arange(12), 10) if shared else np.arange(120)
    x, parts = np.stack([group, design], axis=1).astype(np.float32), folds(group, seed=0)
    seen = []
    for part, (rows, known, learned) in zip(parts, left_out("remembers", x, np.zeros((120, 2)), parts, seed=0, design=design)):
        assert np.array_equal(rows, part)
        assert not known.any()
        assert (learned == (8 * 8 if shared else 96)).all()
        seen.append(rows)
    assert sorted(np.concatenate(seen)) == list(range(120))


def test_designs_stay_where_hardly_anything_would_be_left_to_learn_from(monkeypatch: pytest.MonkeyPatch) -> None:
    """One design ran everything, the others hardly anything."""
    monkeypatch.setitem(MODELS, "remembers", _Remembers)
    group, design = np.repeat(np.arange(10), 2), np.zeros(20, np.int64)
    design[1] = 1
    x = np.stack([group, design], axis=1).astype(np.float32)
    for _, _, learned in left_out("remembers", x, np.zeros((20, 2)), folds(group, seed=0), seed=0, design=design):
        assert (learned > 0).all()


def test_folds_leave_out_every_row_once_and_whole_owners() -> None:
    group = np.repeat(np.arange(7), 10)
    parts = folds(group, seed=0)
    assert sorted(np.concatenate(parts)) == list(range(70))
    assert all(len(set(group[part]) & set(group[np.setdiff1d(np.arange(70), part)])) == 0 for part in parts)


def test_the_benchmark_multiplies_by_one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    def threads() -> Iterator[set[int]]:
        yield {library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"}

    monkeypatch.setattr(bench, "_models", threads)
    monkeypatch.setattr(bench, "_against_the_simulator", threads)
    with threadpool_limits(2, user_api="blas"):
        assert list(bench.bench()) == [{1}, {1}]
        assert next(threads()) == {2}


@pytest.mark.parametrize("noise", [1e-4, 0.0])
def test_the_process_answers_what_the_library_answers(noise: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a smooth function the variance that is left is a millionth of the amplitude."""
    library = pytest.importorskip("sklearn.gaussian_process")
    fitted: list[Any] = []

    class Kept(library.GaussianProcessRegressor):
        def fit(self, x: np.ndarray, y: np.ndarray) -> Any:
            fitted.append(self)
            return super().fit(x, y)

    monkeypatch.setattr(library, "GaussianProcessRegressor", Kept)
    rng = np.random.default_rng(0)
    x = rng.random((150, 3)).astype(np.float32)
    y = (3.0 * x[:, :1] + np.sin(4.0 * x[:, 1:2]) + noise * rng.normal(size=(150, 1))).astype(float)
    model, new = Gaussian.fit(x, y, seed=0), rng.random((60, 3)).astype(np.float32)
    mean, deviation = model.predict(new)
    inputs = (new - x.astype(float).mean(axis=0)) / x.astype(float).std(axis=0)
    said, doubt = fitted[0].predict(inputs, return_std=True)
    assert mean[:, 0] == pytest.approx(said * y.std() + y.mean(), rel=1e-6, abs=3e-7)
    assert deviation[:, 0] == pytest.approx(doubt * y.std(), rel=0.02)


@pytest.mark.parametrize("kind", MODELS)
def test_an_answer_does_not_depend_on_how_many_are_asked_for(kind: str) -> None:
    pytest.importorskip({"gp": "sklearn", "ensemble": "torch"}.get(kind, "lightgbm"))
    x, y = problem(90)
    model = MODELS[kind].fit(x, y, seed=0, effort=0.05)
    many = np.random.default_rng(1).random((1300, x.shape[1])).astype(np.float32)
    together = model.predict(many)
    for start, count in ((0, 1), (511, 3), (700, 37), (1299, 1)):
        alone = model.predict(many[start : start + count])
        for one, all_of_them in zip(alone, together):
            assert np.array_equal(one, all_of_them[start : start + count])
