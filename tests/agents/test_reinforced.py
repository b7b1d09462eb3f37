"""Agents that learn from rewards: the contract of all searchers, Stable-Baselines3 as witness, and no thread left behind."""

import random
import sys
import threading
from typing import Any

import numpy as np
import pytest

from cyclescape.accelerators.systolic import Systolic
from cyclescape.agents.episodes import Sequential as SequentialEpisode
from cyclescape.agents.search import search
from cyclescape.agents.searcher import make_searcher
from cyclescape.envs.sequential import Sequential
from cyclescape.errors import InputError, Interrupted, MissingExtraError
from cyclescape.simulator.accelerator import Accelerator
from cyclescape.simulator.objective import Objective, Outcome
from cyclescape.simulator.problem import Problem
from cyclescape.simulator.report import Report
from cyclescape.simulator.space import Space
from cyclescape.traces.workload import Workload

pytest.importorskip("stable_baselines3")
torch = pytest.importorskip("torch")
team_module = pytest.importorskip("cyclescape.agents.team")
Team = team_module.Team

SHORT = ["ppo:n_steps=8,batch_size=4", "a2c:n_steps=4", "sac:startup=8,batch_size=8", "dqn:startup=8", "ippo:n_steps=8",
         "ppo:form=sequential,n_steps=8,batch_size=8"]  # fmt: skip
TIME = Objective.parse("time_s")


def far(space: Space, point: dict[str, Any]) -> Outcome:
    """A cost without interactions: each parameter's distance from its second value, in shares."""
    shares = [abs(at - min(1, size - 1)) / max(1, size - 1) for at, size in zip(space.index(point), space.sizes)]
    return TIME.outcome(Report({"time_s": 10 ** sum(shares)}))


def course(searcher: Any, budget: int, batch: int = 1, between: Any = None) -> tuple[list[Any], list[float]]:
    """What it proposes, and the cost of each."""
    points: list[Any] = []
    costs: list[float] = []
    while len(points) < budget:
        asked = searcher.ask(batch)
        if not asked:
            break
        outcomes = [far(searcher.space, point) for point in asked]
        searcher.tell(asked, outcomes)
        points += asked
        costs += [float(outcome.costs[0]) for outcome in outcomes]
        if between is not None:
            between()
    return points, costs


def made(spec: str, space: Space | None = None, budget: int = 40, seed: int = 3) -> Any:
    return make_searcher(spec, space or Space(Systolic.design), TIME, budget=budget, seed=seed)


@pytest.mark.parametrize("spec", SHORT)
def test_equal_seeds_are_equal_whatever_else_draws_and_others_are_left_alone(spec: str) -> None:
    def shared() -> list[Any]:
        legacy = np.random.get_state()  # noqa: NPY002
        return [legacy[1].tolist(), random.getstate(), torch.get_rng_state().tolist(), torch.get_num_threads()]

    def disturb() -> None:
        np.random.random()  # noqa: NPY002
        random.random()
        torch.rand(1)
        course(other, 1)

    other = made("ppo:n_steps=4,batch_size=4", seed=9)
    before = shared()
    first, _ = course(made(spec), 20)
    assert shared() == before
    assert first == course(made(spec), 20, between=disturb)[0]
    assert first != course(made(spec, seed=4), 20)[0]
    assert len({str(point) for point in first}) == 20


@pytest.mark.parametrize("spec", SHORT)
def test_batches_hold_no_repeats_and_a_small_space_is_exhausted(spec: str, roofline: Accelerator) -> None:
    small = Space(roofline.design, {"bandwidth": 8, "frequency_mhz": 500}, {"lanes": [8, 16, 4]})
    points, _ = course(made(spec, small), 20, batch=4)
    assert len({str(point) for point in points}) == len(points) == 6


@pytest.mark.parametrize("spec", ["ppo", "a2c", "sac", "dqn", "ippo", "ippo:critic=central", "ppo:form=sequential"])
def test_what_is_drawn_late_costs_less(spec: str) -> None:
    _, costs = course(made(spec, budget=128), 128)
    assert np.mean(costs[-32:]) < np.mean(costs[:32]) - 0.5 * np.std(costs[:32])


def test_repeats_are_paid_from_memory_and_end(monkeypatch: pytest.MonkeyPatch) -> None:
    agent = made("ppo:n_steps=8,batch_size=8")
    agent.tell([agent.space.point(agent.space.default())], [far(agent.space, agent.space.point(agent.space.default()))])
    drawn: list[int] = []
    monkeypatch.setattr(agent, "draw", lambda: drawn.append(1) or (agent.space.default(), None))
    monkeypatch.setattr(agent, "reinforce", lambda *_: None)
    near = agent.index(agent.ask(1)[0])
    assert near in set(agent.space.neighbours(agent.space.default()))
    assert len(drawn) == agent.tries


@pytest.mark.parametrize("spec", SHORT)
def test_failures_and_foreign_points_are_digested(spec: str, faulty: Accelerator, mlp: Workload) -> None:
    with Problem(faulty, mlp, "edp", "cycles<=5000") as problem:
        searcher = make_searcher(spec, problem.space, problem.objective, budget=30, seed=0)
        foreign: list[Any] = [{"size": 3, "mode": "refuse"}, {"size": 3.5, "mode": "fine"}]
        searcher.tell(foreign, problem.evaluate(foreign))
        for _ in range(9):
            points = searcher.ask(2)
            modes = {"fine": "fine", "slow": "fine"}
            searcher.tell(points, problem.evaluate([{**p, "mode": modes.get(p["mode"], "refuse")} for p in points]))


def test_rewards_are_deviations_from_the_first_sixteen() -> None:
    agent = made("ppo")
    _, costs = course(agent, 20)
    first = np.array(costs[:16])
    outcome = far(agent.space, agent.space.point(agent.space.default()))
    assert agent.reward(outcome) == pytest.approx(max(-3.0, (first.mean() - outcome.costs[0]) / first.std()))
    assert agent.reward(TIME.outcome(Report.failed("no"))) == -3.0


def test_an_episode_in_turn_is_the_sequential_environments(roofline: Accelerator, mlp: Workload) -> None:
    env, episode = Sequential(roofline.name, mlp), SequentialEpisode(Space(roofline.design))
    assert env.action_space == episode.action_space
    rng = np.random.default_rng(0)
    for _ in range(20):
        env.reset(seed=0)
        seen, _ = episode.reset()
        for _ in range(episode.steps):
            assert seen in episode.observation_space
            action = int(rng.integers(env.action_space.n))
            *_, over, _, info = env.step(action)
            seen, _, done, _, about = episode.step(action)
            assert over == done
        assert env.problem.space.point(about["index"]) == info["design"]


def test_an_interrupted_search_goes_on_where_it_stopped(roofline: Accelerator, mlp: Workload, tmp_path: Any) -> None:
    threads = threading.active_count()

    def stop(study: Any) -> None:
        if len(study.trials) == 20:
            raise KeyboardInterrupt

    asked: dict[str, Any] = {"agent": "ppo:n_steps=8,batch_size=8", "budget": 40, "seed": 1}
    with pytest.raises(Interrupted):
        search(roofline.name, mlp, out=tmp_path, progress=stop, **asked)
    assert threading.active_count() == threads
    resumed = search(roofline.name, mlp, out=tmp_path, **asked)
    whole = search(roofline.name, mlp, **asked)
    assert [trial.point for trial in resumed.trials] == [trial.point for trial in whole.trials]
    assert not [trial.note for trial in whole.trials if trial.note]


def copied(team: Any, agent: int, policy: Any, heads: list[int]) -> None:
    """Give an agent of a team the weights of a policy of Stable-Baselines3."""
    most = team._heads[1]
    used = [head * most + at for head, size in enumerate(heads) for at in range(size)]
    nets = policy.mlp_extractor
    for stack, layers in (
        (team.actors, [nets.policy_net[0], nets.policy_net[2], policy.action_net]),
        (team.critics, [nets.value_net[0], nets.value_net[2], policy.value_net]),
    ):
        for i, layer in enumerate(layers):
            into = used if layer is policy.action_net else slice(None)
            stack.weights[i].data[agent][:, into] = layer.weight.detach().T
            stack.biases[i].data[agent, 0, into] = layer.bias.detach()


def test_a_team_of_one_is_the_library_s_ppo() -> None:
    agent = made("ppo:n_steps=16,batch_size=16")
    sizes = list(agent.space.sizes)
    team = Team([sizes], 1)
    copied(team, 0, agent.model.policy, sizes)
    begun = team.actors.weights[0].detach().clone()
    used = [head * max(sizes) + at for head, size in enumerate(sizes) for at in range(size)]
    rng = np.random.default_rng(0)
    for _ in range(3):
        drawn = [agent.draw()[1] for _ in range(16)]
        rewards = rng.normal(size=16).astype(np.float32)
        for one, reward in zip(drawn, rewards):
            agent.reinforce(one, float(reward))
        actions = torch.tensor(np.array([one[0][1] for one in drawn]))[None]
        team.learn(torch.ones(16, 1), actions, torch.cat([one[0][3] for one in drawn])[None], torch.tensor(rewards))
        theirs = agent.model.policy
        for ours, other in (
            (team.actors.weights[2].data[0][:, used], theirs.action_net),
            (team.actors.weights[0].data[0], theirs.mlp_extractor.policy_net[0]),
            (team.critics.weights[2].data[0], theirs.value_net),
        ):
            # Adam makes a step of any gradient, so that the last bits of a small one move a weight by a share of a step.
            assert (ours.T - other.weight.data).abs().max() < 1e-4
            assert (ours.T - other.weight.data).abs().mean() < 1e-6
    assert (team.actors.weights[0] - begun).abs().max() > 1e-2


def test_agents_of_a_team_learn_as_if_alone() -> None:
    torch.manual_seed(0)
    pair, alone = Team([[4], [3, 2]], 2), [Team([[4]], 2), Team([[3, 2]], 2)]
    for agent, one in enumerate(alone):
        for ours, theirs in ((pair.actors, one.actors), (pair.critics, one.critics)):
            for mine, single in zip(ours.parameters(), theirs.parameters()):
                with torch.no_grad():
                    if mine.shape[1:] == single.shape[1:]:
                        single[0] = mine[agent]
                    else:  # the pair has room for two heads of four
                        heads = mine[agent].reshape(-1, 2, 4)[:, : one._heads[0], : one._heads[1]]
                        single[0] = heads.reshape(single.shape[1:])
    seen, rewards = torch.rand(12, 2), torch.randn(12)
    actions, log_probs = pair.act(seen)
    pair.learn(seen, actions, log_probs, rewards)
    for agent, one in enumerate(alone):
        one.learn(seen, actions[agent : agent + 1, :, : one._heads[0]], log_probs[agent : agent + 1], rewards)
        own = pair.policies(seen).probs[agent, :, : one._heads[0], : one._heads[1]]
        assert torch.allclose(own, one.policies(seen).probs[0], atol=1e-5)


@pytest.mark.parametrize("central", [False, True])
def test_a_team_learns_in_the_multi_agent_environment(central: bool, roofline: Accelerator, mlp: Workload) -> None:
    pytest.importorskip("pettingzoo")
    from cyclescape.envs.parallel import DesignParallel

    env = DesignParallel(roofline.name, mlp, objective="edp", groups={"memory": ["bandwidth", "fused"]})
    sizes = [np.atleast_1d(getattr(env.action_space(name), "nvec", getattr(env.action_space(name), "n", 0))).tolist()
             for name in env.possible_agents]  # fmt: skip
    env.reset(seed=0)
    torch.manual_seed(0)
    team = Team(sizes, len(env.state()), central=central)
    paid = []
    for _ in range(10):
        rollout = []
        for _ in range(16):
            env.reset()
            seen = torch.from_numpy(env.state())[None]
            actions, log_probs = team.act(seen)
            chosen = {name: actions[i, 0, : len(own)].numpy() for i, (name, own) in enumerate(zip(env.possible_agents, sizes))}
            _, rewards, *_ = env.step({name: at if len(at) > 1 else int(at[0]) for name, at in chosen.items()})
            rollout.append((seen, actions, log_probs, next(iter(rewards.values()))))
        seens, actions, logs, got = zip(*rollout)
        team.learn(torch.cat(seens), torch.cat(actions, 1), torch.cat(logs, 1), torch.tensor(got))
        paid.append(np.mean(got))
    assert np.mean(paid[-3:]) > np.mean(paid[:3]) + np.std(paid[:3])


def test_groups_act_together() -> None:
    agent = made("ippo:groups=rows+cols/dataflow+vector_lanes")
    names = [[agent.space.names[axis] for axis in axes] for axes in agent._axes]
    assert names[:2] == [["rows", "cols"], ["dataflow", "vector_lanes"]]
    assert sorted(axis for axes in agent._axes for axis in axes) == list(range(len(agent.space.names)))
    assert len(course(agent, 40)[0]) == 40


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        ("ppo:form=refine", "agent 'ppo': form=refine: accepted: whole, sequential"),
        ("ppo:n_steps=1", "n_steps=1: accepted: a whole number from 2"),
        ("ppo:batch_size=5", "batch_size=5: accepted: a divisor of n_steps=32"),
        ("ppo:batch_size=64", "batch_size=64: accepted: a divisor of n_steps=32"),
        ("ppo:learning_rate=0", "learning_rate=0: accepted: a number above 0"),
        ("ppo:learning_rate=fast", "learning_rate=fast: accepted: a number above 0"),
        ("a2c:n_steps=2.5", "n_steps=2.5: accepted: a whole number from 2"),
        ("a2c:ent_coef=-1", "ent_coef=-1: accepted: a number from 0"),
        ("sac:ent_coef=auto_x", "ent_coef=auto_x: accepted: a number, auto, or auto_0.1"),
        ("sac:startup=0", "startup=0: accepted: a whole number from 1"),
        ("dqn:final=2", "final=2: accepted: 0 to 1"),
        ("dqn:exploration=nan", "exploration=nan: accepted: a number above 0"),
        ("ippo:critic=both", "critic=both: accepted: own, central"),
        ("ippo:groups=rows+row", "row: not explored"),
        ("ippo:groups=rows+cols/rows+dataflow", "rows is in group 'rows+cols' already"),
    ],
)
def test_wrong_options_are_one_line(spec: str, says: str) -> None:
    with pytest.raises(InputError) as error:
        made(spec)
    assert says in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("spec", ["ppo", "a2c", "sac", "dqn", "ippo"])
def test_without_the_extra_it_is_said_in_one_sentence(spec: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "stable_baselines3", None)
    with pytest.raises(MissingExtraError, match=rf"the agent '{spec}' needs .*pip install 'cyclescape\[rl\]'"):
        made(spec)
