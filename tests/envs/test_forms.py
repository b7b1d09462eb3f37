"""What the sequential, refining and multi-agent forms and the wrappers mean, on a small machine."""

import json
from typing import Any

import gymnasium
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cyclescape.envs.actions import moves, place, value_space
from cyclescape.envs.base import DesignEnv
from cyclescape.envs.one_shot import OneShot
from cyclescape.envs.refine import Refine
from cyclescape.envs.sequential import Sequential
from cyclescape.envs.wrappers import BoxAction, DiscreteAction
from cyclescape.errors import InputError
from cyclescape.simulator.accelerator import Accelerator
from cyclescape.simulator.objective import FAILED
from cyclescape.simulator.space import Space
from cyclescape.traces.workload import Workload


@pytest.fixture
def make(roofline: Accelerator, mlp: Workload) -> Any:
    def made(form: type[DesignEnv], **arguments: Any) -> Any:
        return form(roofline.name, mlp, **{"constraints": "area_mm2<=3", **arguments})

    return made


@pytest.fixture
def space(roofline: Accelerator) -> Space:
    return Space(roofline.design)


def test_moves_lead_to_the_neighbours_and_nowhere_else(space: Space) -> None:
    for rank in range(len(space)):
        index = space.unrank(rank)
        reached = {move.apply(index, space.sizes) for move in moves(space)}
        assert reached - {index} == set(space.neighbours(index))


def test_every_value_can_be_chosen_and_order_is_kept(space: Space) -> None:
    for axis, size in enumerate(space.sizes):
        places = [place(space, axis, action) for action in range(int(value_space(space).n))]
        assert places == sorted(places)
        assert set(places) == set(range(size))


def test_a_sequence_of_values_is_a_whole_design(make: Any) -> None:
    whole, parts = make(OneShot, horizon=3), make(Sequential, horizon=3)
    whole.reset(seed=0)
    begun, _ = parts.reset(seed=0)
    assert not begun["chosen"].any()
    rng = np.random.default_rng(0)
    for design in range(3):
        actions = rng.integers(0, parts.action_space.n, size=4)
        for axis, action in enumerate(actions):
            seen, reward, over, cut, info = parts.step(int(action))
            assert not cut
            assert seen in parts.observation_space
            if axis < 3:
                assert (reward, over) == (0.0, False)
                assert seen["chosen"].tolist() == [1.0] * (axis + 1) + [0.0] * (3 - axis)
                assert list(info["design"]) == list(parts.problem.space.names[: axis + 1])
        index = [place(whole.problem.space, axis, action) for axis, action in enumerate(actions)]
        one, same, end, _, about = whole.step(np.array(index))
        assert (reward, over, info) == (same, end, about)
        assert over == (design == 2)
        assert not seen.pop("chosen").any()
        assert all(np.array_equal(seen[name], one[name]) for name in one)


@given(st.lists(st.integers(0, 7), min_size=12, max_size=12), st.integers(0, 9))
def test_gains_add_up_to_what_the_last_design_is_better_than_the_first(actions: list[int], seed: int) -> None:
    from roofline import Roofline

    from cyclescape.traces.operators import Gemm

    work = Workload(name="one", operators=(Gemm(name="a", m=64, n=64, k=64),))
    env = Refine(Roofline(), work, horizon=12, start="random")  # type: ignore[arg-type]
    _, first = env.reset(seed=seed)
    gains = []
    for action in actions:
        seen, gain, over, cut, info = env.step(action)
        gains.append(gain)
        assert not over
        assert seen in env.observation_space
        assert env.problem.space.point(env._index) == info["design"]
    assert cut
    outcomes = env.problem.evaluate([first["design"], info["design"]])
    start, end = (env.problem.objective.reward(outcome, env.observer.reference) for outcome in outcomes)
    assert sum(gains) == pytest.approx(end - start)


def test_refining_starts_where_it_is_told(make: Any) -> None:
    env = make(Refine)
    default = {"lanes": 16, "bandwidth": 8, "frequency_mhz": 500, "fused": True}
    assert env.reset(seed=0)[1]["design"] == default
    assert env.horizon == 32
    begun = env.reset(options={"design": {"lanes": 64}})[1]
    assert begun["design"] == {**default, "lanes": 64}
    assert begun["feasible"] == (begun["slacks"]["area_mm2<=3"] >= 0)
    drawn = [make(Refine, start="random").reset(seed=seed)[1]["design"] for seed in range(5)]
    assert len({str(point) for point in drawn}) > 1
    assert drawn[3] == make(Refine, start="random").reset(seed=3)[1]["design"]
    for given_, says in [({"lane": 3}, "lane: not explored; accepted: lanes"), ({"lanes": 3}, "lanes=3: not explored")]:
        with pytest.raises(InputError, match=says):
            env.reset(options={"design": given_})
    with pytest.raises(InputError, match="start 'best': accepted: default, random"):
        make(Refine, start="best")


def test_an_invalid_design_on_the_way_costs_and_is_left_again(make: Any) -> None:
    env = make(Refine, constraints=(), horizon=3)
    env.reset(options={"design": {"lanes": 128, "frequency_mhz": 1000}})
    up = next(i for i, move in enumerate(env.moves) if move.axis == 0 and move.by == 1)
    before = env._value
    _, gain, *_, info = env.step(up)
    assert info["reason"] == "lanes=256 at 1000 MHz exceed the power grid"
    assert gain == FAILED - before
    assert env.step(up - 1)[1] == before - FAILED


@pytest.mark.parametrize("form", ["Sequential", "Refine"])
def test_the_specification_survives_json(form: str) -> None:
    import cyclescape  # noqa: F401

    made = gymnasium.make(f"cyclescape/Systolic{form}-v0", workload="attention", objective="time_s", horizon=2)
    for env in (made, BoxAction(made)):
        assert env.spec is not None
        assert json.loads(env.spec.to_json())["kwargs"]["horizon"] == 2
        again = gymnasium.make(gymnasium.envs.registration.EnvSpec.from_json(env.spec.to_json()))
        assert again.action_space == env.action_space
        assert again.observation_space == env.observation_space


def test_a_box_gives_every_value_the_same_share(make: Any) -> None:
    env = BoxAction(make(OneShot))
    sizes = env.unwrapped.problem.space.sizes
    many = np.linspace(-1.0, 1.0, 20_000)
    for axis, size in enumerate(sizes):
        actions = np.zeros((len(many), 4))
        actions[:, axis] = many
        places = [env.action(action)[axis] for action in actions]
        assert places == sorted(places)
        assert np.bincount(places).tolist() == pytest.approx([len(many) / size] * size, abs=2)
    assert env.action(np.ones(4)).tolist() == [size - 1 for size in sizes]
    env.reset(seed=0)
    assert env.step(-np.ones(4, np.float32))[4]["design"] == env.unwrapped.problem.space.point((0, 0, 0, 0))
    moving = BoxAction(make(Refine))
    assert {moving.action(np.array([x])) for x in many} == set(range(len(moving.unwrapped.moves)))


def test_one_number_for_a_design_is_its_rank(make: Any) -> None:
    env = DiscreteAction(make(OneShot))
    space = env.unwrapped.problem.space
    assert env.action_space.n == len(space) == 294
    assert all(tuple(env.action(rank)) == space.unrank(rank) for rank in range(len(space)))
    with pytest.raises(InputError, match=r"294 designs are too many .* at most 100 .*sequential and refine"):
        DiscreteAction(make(OneShot), most=100)
    with pytest.raises(InputError, match="accepted: MultiDiscrete"):
        DiscreteAction(BoxAction(make(OneShot)))


def test_a_team_makes_one_design_and_is_paid_alike(make: Any) -> None:
    pytest.importorskip("pettingzoo")
    from cyclescape.envs import parallel

    team = make(parallel.DesignParallel, groups={"memory": ["bandwidth", "fused"]}, horizon=2)
    alone = make(OneShot, horizon=2)
    assert team.possible_agents == ["memory", "lanes", "frequency_mhz"]
    assert team.action_space("memory").nvec.tolist() == [7, 2]
    assert team.action_space("lanes").n == 7
    seen, _ = team.reset(seed=0)
    alone.reset(seed=0)
    for step in range(2):
        seen, rewards, over, _, infos = team.step({"memory": np.array([2, step]), "lanes": 3, "frequency_mhz": 1})
        one, reward, end, _, info = alone.step(np.array([3, 2, 1, step]))
        assert set(rewards.values()) == {reward}
        assert set(over.values()) == {end}
        assert all(about == info for about in infos.values())
        assert all(np.array_equal(seen["lanes"][name], one[name]) for name in one)
        assert np.array_equal(team.state(), gymnasium.spaces.flatten(alone.observation_space, one))
    assert team.agents == []
    assert set(team.reset()[0]) == {"memory", "lanes", "frequency_mhz"}


@pytest.mark.parametrize(
    ("groups", "says"),
    [
        ({"a": ["lane"]}, "group 'a': lane: not explored"),
        ({"a": []}, "group 'a': no parameters"),
        ({"a": ["lanes"], "b": ["lanes"]}, "group 'b': lanes is in group 'a' already"),
        ({"lanes": ["fused"]}, "group 'lanes': is the name of a parameter"),
    ],
)
def test_wrong_groups_are_one_line(groups: Any, says: str, space: Space) -> None:
    pytest.importorskip("pettingzoo")
    from cyclescape.envs import parallel

    with pytest.raises(InputError, match=says):
        parallel.grouped(space, groups)


@pytest.mark.parametrize("action", [-1, 99])
def test_an_action_that_is_not_there_is_one_line(make: Any, action: int) -> None:
    for form, wrong in [(OneShot, [0, action, 0, 0]), (Sequential, action), (Refine, action)]:
        env = make(form)
        env.reset(seed=0)
        with pytest.raises(InputError, match="accepted: 0 to"):
            env.step(wrong)
