"""Policies that carry over: what they learn, that they are what was saved, and that they say what they are for."""

import json
import warnings
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from commands import cyclescape

from cyclescape.agents.search import search
from cyclescape.agents.transfer.file import Policy
from cyclescape.agents.transfer.network import PolicyNetwork, reinforce
from cyclescape.agents.transfer.ranking import Ranking, Standard
from cyclescape.agents.transfer.train import train
from cyclescape.errors import InputError
from cyclescape.simulator.accelerator import Accelerator
from cyclescape.simulator.objective import Objective
from cyclescape.simulator.problem import Problem
from cyclescape.traces.features import FEATURES, features
from cyclescape.traces.operators import Conv, Gemm
from cyclescape.traces.workload import Workload


def gemms(name: str, *shapes: tuple[int, int, int]) -> Workload:
    return Workload(name=name, operators=tuple(Gemm(name=f"g{i}", m=m, n=n, k=k) for i, (m, n, k) in enumerate(shapes)))


WORKLOADS = [
    gemms("dense", (256, 512, 512), (256, 512, 512)), gemms("wide", (512, 2048, 256)), gemms("vector", (1, 4096, 1024)),
    gemms("vectors", (1, 2048, 512), (1, 512, 2048)), gemms("deep", (128, 128, 4096)),
]  # fmt: skip
PROBLEM: dict[str, Any] = {"objective": "edp", "constraints": ["area_mm2<=4"]}


@pytest.fixture
def trained(roofline: Accelerator) -> Policy:
    return train("roofline", WORKLOADS, budget=60, seeds=1, keep=6, **PROBLEM)


@pytest.fixture
def file(trained: Policy, tmp_path: Path) -> Path:
    return trained.write(tmp_path / "policy.npz")


def test_features_are_counted_as_they_are_described() -> None:
    conv = Conv(name="c", in_h=8, in_w=8, in_channels=4, out_channels=4, kernel_h=1, kernel_w=1, groups=4)
    found = dict(zip(FEATURES, features(Workload(name="w", operators=(conv, Gemm(name="g", m=1, n=16, k=64))))))
    assert found["macs"] == pytest.approx(np.log10(1 + 256 + 1024))
    assert found["grouped_share"] == pytest.approx(256 / 1280)
    assert found["gemv_share"] == pytest.approx(1024 / 1280)
    assert found["attention_share"] == 0
    assert found["rows_mean"] == pytest.approx(6 * 0.2)  # log2 of 64 rows, and of 1
    assert found["rows_low"] == 0
    assert found["columns_high"] == 4
    assert found["reduction_mean"] == pytest.approx(6 * 0.8)
    assert found["weight_share"] == pytest.approx((4 + 1024) / (4 + 1024 + 256 + 64 + 256 + 16))
    assert np.isfinite(features(object())).all()


def test_features_do_not_depend_on_names_or_order() -> None:
    one = gemms("a", (4, 8, 16), (32, 2, 8))
    other = gemms("b", (32, 2, 8), (4, 8, 16))
    assert np.allclose(features(one), features(other))


def test_a_ranking_takes_after_the_network_that_the_new_one_behaves_like() -> None:
    rng = np.random.default_rng(0)
    places = rng.integers(0, 4, size=(40, 5))
    excess = rng.random((40, 6)) + 0.2
    for column, design in enumerate(rng.permutation(40)[:6]):
        excess[design, column] = 0.0
    known = np.zeros((6, 3))  # features say nothing
    for column in range(6):
        ranking = Ranking(places, excess, known, np.zeros(3))
        cost = 7.0 + excess[:, column]
        seen: list[int] = []
        for _ in range(8):  # an offset and five directions are to be found out
            taken = np.isin(np.arange(40), seen)
            seen.append(ranking.best(np.array(seen, dtype=int), cost[seen], taken))
        assert len(set(seen)) == 8
        assert cost[seen].min() == 7.0
        mean, deviation = ranking.believed(np.array(seen), cost[seen])
        assert np.abs(mean[seen] - cost[seen]).max() < 0.05
        assert (deviation[seen] < 0.05).all()


def test_features_that_say_who_is_near_say_what_to_try_first() -> None:
    excess = np.where(np.eye(4), 0.0, 1.0)
    for column in range(4):
        ranking = Ranking(np.arange(4)[:, None], excess, 3.0 * np.eye(4), 3.0 * np.eye(4)[column])
        assert ranking.best(np.empty(0, dtype=int), np.empty(0), np.zeros(4, dtype=bool)) == column


def test_a_policy_finds_in_few_designs_what_a_search_needs_many_for(roofline: Accelerator, file: Path) -> None:
    held_out = gemms("held out", (200, 700, 600), (300, 400, 500))
    wanted = Objective.parse(**PROBLEM)
    with Problem("roofline", held_out, wanted) as problem:
        best = max(wanted.reward(outcome) for outcome in problem.evaluate(list(problem.space.grid())))
    study = search("roofline", held_out, agent=f"transfer:file={file}", budget=6, **PROBLEM)
    assert not any(trial.note for trial in study.trials)
    assert {trial.agent for trial in study.trials} == {"transfer"}
    assert max(wanted.reward(trial.outcome) for trial in study.trials) >= best - np.log10(1.1)
    again = search("roofline", held_out, agent=f"transfer:file={file}", budget=6, **PROBLEM)
    assert [trial.point for trial in study.trials] == [trial.point for trial in again.trials]


def test_the_agent_that_goes_on_knows_what_was_seen(roofline: Accelerator, file: Path) -> None:
    study = search("roofline", WORKLOADS[0], agent=f"transfer:file={file},first=5,then=genetic", budget=40, batch=4, **PROBLEM)
    assert len(study.trials) == 40
    assert len({json.dumps(dict(trial.point)) for trial in study.trials}) == 40
    assert not any(trial.note for trial in study.trials)


def test_training_again_gives_the_same_policy_and_a_store_changes_nothing(
    roofline: Accelerator, trained: Policy, tmp_path: Path
) -> None:
    for _ in range(2):
        again = train("roofline", WORKLOADS, budget=60, seeds=1, keep=6, data=tmp_path / "data", **PROBLEM)
        assert again.header == trained.header
        assert all(np.array_equal(again.arrays[name], trained.arrays[name]) for name in trained.arrays)


def test_a_policy_comes_back_as_it_was_saved(trained: Policy, file: Path, tmp_path: Path) -> None:
    again = Policy.read(file)
    assert again.header == trained.header
    assert np.array_equal(again.features, trained.features)
    assert all(np.array_equal(again.arrays[name], trained.arrays[name]) for name in trained.arrays)
    assert again.header.workloads == tuple(workload.name for workload in WORKLOADS)
    assert zipfile.ZipFile(file).testzip() is None


def test_what_is_no_policy_is_one_line(trained: Policy, file: Path, tmp_path: Path) -> None:
    good = file.read_bytes()
    bad = tmp_path / "bad.npz"
    names = {"gone": None, "empty": b"", "text": b"hello\n", "cut": good[: len(good) // 2], "noise": bytes(range(256)) * 20}
    for name, content in names.items():
        bad.unlink(missing_ok=True)
        if content is not None:
            bad.write_bytes(content)
        with pytest.raises(InputError) as error:
            Policy.read(bad)
        assert str(bad) in str(error.value), name
        assert "\n" not in str(error.value)
    wrong = trained.arrays["designs"].copy()
    wrong[0, 0] = 99
    broken = [
        Policy(trained.header, trained.features, trained.arrays | {"designs": wrong}),
        Policy(trained.header, trained.features, {"designs": trained.arrays["designs"]}),
        Policy(trained.header, trained.features * np.nan, trained.arrays),
        Policy(trained.header, trained.features + 1e300, trained.arrays),
        Policy(trained.header.model_copy(update={"version": 2}), trained.features, trained.arrays),
    ]
    said = ("a place beyond", "excess: shape None", "features: not all", "features: not all", "version 2")
    for policy, says in zip(broken, said, strict=True):
        with pytest.raises(InputError, match=says):
            Policy.read(policy.write(bad))
    np.savez(bad, header=np.array([object()], dtype=object), allow_pickle=True)
    with pytest.raises(InputError, match="ValueError"):  # numpy refuses to unpickle
        Policy.read(bad)
    done = cyclescape("policy", "show", str(bad))
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1


def test_a_policy_for_another_problem_is_refused_or_said(roofline: Accelerator, faulty: Accelerator, file: Path) -> None:
    agent = f"transfer:file={file}"
    with pytest.raises(InputError, match=r"trained for constraints area_mm2<=4, asked for area_mm2<=2"):
        search("roofline", WORKLOADS[0], agent=agent, objective="edp", constraints="area_mm2<=2", budget=3)
    with pytest.raises(InputError, match=r"trained for objective edp, asked for time_s"):
        search("roofline", WORKLOADS[0], agent=agent, objective="time_s", constraints="area_mm2<=4", budget=3)
    with pytest.raises(InputError, match="a policy for 'roofline', not for 'faulty'"):
        search("faulty", WORKLOADS[0], agent=agent, objective="cycles", budget=3)
    with pytest.raises(InputError, match="which policy"):
        search("roofline", WORKLOADS[0], agent="transfer", budget=3, **PROBLEM)
    with pytest.warns(UserWarning, match="trained for constraints"):
        study = search(
            "roofline", WORKLOADS[0], agent=f"{agent},strict=false", objective="edp", constraints="area_mm2<=2", budget=3
        )
    assert len(study.trials) == 3


def test_a_smaller_space_takes_the_designs_that_are_in_it(roofline: Accelerator, file: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        study = search("roofline", WORKLOADS[0], agent=f"transfer:file={file}", budget=4, fixed={"fused": True}, **PROBLEM)
    assert len(study.trials) == 4
    assert not any(trial.note for trial in study.trials)


def test_training_says_what_it_cannot_do(roofline: Accelerator) -> None:
    for given, says in (
        ({"workloads": WORKLOADS[:1]}, "at least two"), ({"objective": "edp,area_mm2"}, "one objective"),
        ({"keep": 0}, "at least 1"),
    ):  # fmt: skip
        with pytest.raises(InputError, match=says):
            train(**{"accelerator": "roofline", "workloads": WORKLOADS, "budget": 5, "seeds": 1, **given})


def test_reinforce_learns_a_rule_that_depends_on_the_workload() -> None:
    pytest.importorskip("torch")
    workloads = np.array([[-1.0], [-0.5], [0.5], [1.0]])

    def rewards(number: int, designs: Any) -> np.ndarray:
        target = (3, 0, 2) if workloads[number, 0] > 0 else (0, 2, 0)
        return -np.abs(np.array(designs) - target).sum(axis=1).astype(float)

    def trained(updates: int) -> PolicyNetwork:
        how = {"batch": 4, "designs": 16, "hidden": 16, "rate": 2e-2, "entropy": 0.02}
        return reinforce((4, 3, 3), workloads, rewards, seed=1, updates=updates, **how)

    network = trained(60)
    rng = np.random.default_rng(0)
    assert network.propose(np.array([0.75]), rng, greedy=True) == (3, 0, 2)  # between workloads that it knows
    assert network.propose(np.array([-0.75]), rng, greedy=True) == (0, 2, 0)
    one, same = trained(3), trained(3)
    assert all(np.array_equal(one.weights[name], same.weights[name]) for name in one.weights)


def test_a_network_is_a_policy_like_any(roofline: Accelerator, tmp_path: Path) -> None:
    pytest.importorskip("torch")
    policy = train("roofline", WORKLOADS, kind="network", updates=3, **PROBLEM)
    path = policy.write(tmp_path / "net.npz")
    assert all(np.array_equal(Policy.read(path).arrays[name], array) for name, array in policy.arrays.items())
    study = search("roofline", WORKLOADS[0], agent=f"transfer:file={path}", budget=12, **PROBLEM)
    assert len(study.trials) == 12
    assert not any(trial.note for trial in study.trials)


def test_standardised_features_are_bounded_and_leave_out_what_never_varied() -> None:
    standard = Standard.of(np.array([[1.0, 5.0], [3.0, 5.0]]))
    assert standard(np.array([2.0, 99.0])).tolist() == [0.0, 0.0]
    assert standard(np.array([1e9, 5.0])).tolist() == [3.0, 0.0]


def test_policies_from_the_command_line(roofline: Accelerator, tmp_path: Path) -> None:
    common = ["--constraint", "area_mm2<=4"]
    done = cyclescape(
        "policy", "train", "roofline", "-w", "alexnet;mobilenet-v1", *common, "--budget", "20", "--seeds", "1", "--keep", "3",
        "--out", "p.npz", "--json", cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["workloads"] == ["alexnet", "mobilenet-v1"]
    shown = cyclescape("policy", "show", "p.npz", cwd=tmp_path)
    assert "ranking in p.npz: roofline, edp with area_mm2<=4" in shown.stdout
    found = cyclescape(
        "search", "roofline", "-w", "squeezenet", *common, "--agent", "transfer:file=p.npz", "--budget", "4", "--json",
        cwd=tmp_path,
    )  # fmt: skip
    assert json.loads(found.stdout)["trials"] == 4
