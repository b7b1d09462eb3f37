"""What hyper-parameters are drawn from."""

from typing import Annotated

import pytest

from cyclescape.agents import searcher
from cyclescape.agents.contest.draws import _RANGES, draws_of, ranges_of
from cyclescape.agents.model_free import Random
from cyclescape.agents.searcher import make_searcher, searcher_names, searcher_options
from cyclescape.errors import MissingExtraError
from cyclescape.simulator.objective import Objective
from cyclescape.simulator.parameters import Choices, Range, Values
from cyclescape.simulator.registry import accelerator
from cyclescape.simulator.space import Space


def test_the_first_draw_is_the_defaults_and_all_differ() -> None:
    drawn = draws_of("genetic", 12)
    assert drawn[0] == "genetic"
    assert len(set(drawn)) == 12
    assert drawn == draws_of("genetic", 12)
    assert drawn[:5] == draws_of("genetic", 5)


def test_given_options_stay() -> None:
    for spec in draws_of("genetic:population=9", 6):
        assert "population=9" in spec
        assert spec.count("population") == 1


def test_an_agent_without_hyper_parameters_has_one_setting() -> None:
    assert draws_of("random", 10) == ["random"]


def test_no_more_settings_than_there_are() -> None:
    assert len(draws_of("gp", 10)) <= 5


def test_every_range_of_the_table_belongs_to_an_option_that_exists() -> None:
    for agent, ranges in _RANGES.items():
        assert set(ranges) <= set(searcher_options(agent)), agent


def test_the_assisted_agent_plays_the_lottery_of_the_default_agent() -> None:
    assert ranges_of("assisted") == ranges_of("auto")
    assert len(draws_of("assisted", 10)) == 10


def test_defaults_are_among_what_is_drawn_from() -> None:
    import inspect

    for agent in _RANGES:
        given = inspect.signature(searcher._find(agent)).parameters
        for option, listed in ranges_of(agent).items():
            assert given[option].default in listed, (agent, option)


def test_agents_declare_on_their_arguments(monkeypatch: pytest.MonkeyPatch) -> None:
    class Declared(Random):
        def __init__(
            self, space, objective, *, budget, seed,
            rate: Annotated[float, Values(0.1, 0.5)] = 0.1, size: Annotated[int, Range(4, 16, "log2")] = 4,
            kind: Annotated[str, Choices("x", "y")] = "x", other: int = 1,
        ):  # fmt: skip
            super().__init__(space, objective, budget=budget, seed=seed)

    monkeypatch.setitem(searcher._registered, "declared", Declared)
    assert ranges_of("declared") == {"rate": (0.1, 0.5), "size": (4, 8, 16), "kind": ("x", "y")}
    assert len(draws_of("declared", 100)) == 13  # the defaults by name, and all twelve


def test_options_of_every_agent_can_be_read() -> None:
    for name in searcher_names():
        assert "budget" not in searcher_options(name)


@pytest.mark.parametrize("agent", sorted(set(_RANGES) | {"random", "sobol", "grid"}))
def test_every_setting_that_is_drawn_can_be_built(agent: str) -> None:
    space, objective = Space(accelerator("systolic").design), Objective.parse("edp")
    for spec in draws_of(agent, 20):
        try:
            assert make_searcher(spec, space, objective, budget=300, seed=0).name == agent
        except MissingExtraError as error:
            pytest.skip(str(error))
