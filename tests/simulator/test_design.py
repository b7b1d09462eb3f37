"""One declaration: validation, parsing, features, the explored space."""

from __future__ import annotations

import math
import pickle
from typing import Annotated, Literal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field, model_validator

from cyclescape.errors import DesignError, InputError
from cyclescape.simulator.design import Design
from cyclescape.simulator.parameters import Choices, Range, Unit, Values
from cyclescape.simulator.space import Space


class Toy(Design):
    """A machine's parameters."""

    size: Annotated[int, Range(4, 64, scale="log2"), Unit("PEs")] = Field(8, ge=1, le=4096, description="Size.")
    share: Annotated[float, Range(0.0, 1.0, step=0.25)] = Field(0.5, ge=0, le=1, description="Share.")
    depth: Annotated[int, Values(0, 1, 2, 8)] = Field(1, ge=0, description="Depth.")
    flow: Annotated[Literal["os", "ws"], Choices()] = Field("ws", description="Flow.")
    fast: Annotated[bool, Choices()] = Field(False, description="Fast.")
    fixed: int = Field(3, ge=0, description="Not explored.")
    presets = {"big": {"size": 64}}

    @model_validator(mode="after")
    def _rule(self):
        if self.depth > self.size:
            raise ValueError(f"depth={self.depth} is deeper than size={self.size}")
        return self


SPACE = Space(Toy)


def test_explored_values_come_from_the_declaration():
    assert SPACE.values == {
        "size": (4, 8, 16, 32, 64), "share": (0.0, 0.25, 0.5, 0.75, 1.0), "depth": (0, 1, 2, 8),
        "flow": ("os", "ws"), "fast": (False, True),
    }
    assert len(SPACE) == 5 * 5 * 4 * 2 * 2 == len(list(SPACE.grid()))
    assert Toy.parameters()["size"].unit == "PEs"
    assert Toy.parameters()["size"].valid == "integer >= 1, <= 4096"
    assert Toy.parameters()["flow"].valid == "os | ws"


def test_explored_and_valid_are_apart():
    assert Toy.make({"size": 14}).size == 14
    with pytest.raises(InputError, match=r"size=14: not explored; accepted: \[4, 8, 16, 32, 64\]"):
        SPACE.index({**SPACE.point((0, 0, 0, 0, 0)), "size": 14})


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"sise": 3}, "sise: unknown parameter; did you mean 'size'?"),
        ({"size": 0}, "size=0: input should be greater than or equal to 1"),
        ({"size": "x"}, "size='x': input should be a valid integer"),
        ({"share": math.nan}, "share=nan: input should be a finite number"),
        ({"flow": "xs"}, "flow='xs': input should be 'os' or 'ws'"),
        ({"size": 4, "depth": 8}, "depth=8 is deeper than size=4"),
    ],
)
def test_bad_values_are_one_line(values, message):
    with pytest.raises(DesignError) as caught:
        Toy.make(values)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_presets():
    assert Toy.make(preset="big").size == 64
    assert Toy.make({"size": 4}, preset="big").size == 4
    with pytest.raises(DesignError, match="preset 'small' is not known; accepted: big"):
        Toy.make(preset="small")


def test_json_round_trip_and_digest():
    design = Toy.make({"size": 16, "fast": True})
    again = Toy.model_validate_json(design.model_dump_json())
    assert again == design
    assert again.digest == design.digest
    assert again.digest != Toy().digest
    assert len({design, again, Toy()}) == 2
    assert str(design) == "size=16, fast=True"


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [("size", "14", 14), ("share", "0.3", 0.3), ("flow", "os", "os"), ("fast", "true", True), ("fast", "0", False)],
)
def test_text_of_the_command_line(name, text, value):
    assert Toy.parameters()[name].parse(text) == value


@pytest.mark.parametrize(("name", "text"), [("size", "1.5"), ("size", ""), ("fast", "maybe"), ("flow", "OS")])
def test_unreadable_text_names_value_and_what_is_accepted(name, text):
    parameter = Toy.parameters()[name]
    with pytest.raises(DesignError, match="accepted") as caught:
        parameter.parse(text)
    assert repr(text) in str(caught.value)
    assert parameter.valid in str(caught.value)


def test_features_are_on_the_parameters_scale():
    known = Toy.parameters()
    assert [known["size"].feature(v) for v in (4, 8, 64)] == [2, 3, 6]
    assert known["share"].feature(0.25) == 0.25
    assert [known["flow"].feature(v) for v in ("os", "ws")] == [0, 1]
    assert [known["fast"].feature(v) for v in (False, True)] == [0, 1]


@given(st.integers(0, len(SPACE) - 1))
def test_rank_index_and_point_are_the_same_thing(rank):
    index = SPACE.unrank(rank)
    assert SPACE.index(SPACE.point(index)) == index
    assert int(np.ravel_multi_index(index, SPACE.sizes)) == rank


@given(st.integers(0, len(SPACE) - 1))
def test_neighbours_differ_in_one_parameter_and_are_mutual(rank):
    index = SPACE.unrank(rank)
    for other in SPACE.neighbours(index):
        assert sum(a != b for a, b in zip(index, other)) == 1
        assert index in set(SPACE.neighbours(other))


def test_samples_are_reproducible_and_on_the_grid():
    draws = [SPACE.sample(np.random.default_rng(7), 50) for _ in range(2)]
    assert draws[0] == draws[1]
    assert all(SPACE.point(SPACE.index(point)) == point for point in draws[0])


def test_fixing_and_replacing_what_is_explored():
    space = Space(Toy, fixed={"flow": "os", "fixed": 5}, values={"size": [8, 12]})
    assert "flow" not in space.values
    assert space.values["size"] == (8, 12)
    assert space.design({"size": 12}).model_dump() == {**Toy().model_dump(), "flow": "os", "fixed": 5, "size": 12}


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"fixed": {"sise": 1}}, "sise: unknown parameter; accepted: size"),
        ({"fixed": {"size": 4}, "values": {"size": [4]}}, "size: both fixed and explored"),
        ({"values": {"size": []}}, "size: no values to explore"),
        ({"fixed": {"size": 8, "share": 0, "depth": 0, "flow": "os", "fast": True}}, "nothing is left to explore"),
    ],
)
def test_impossible_spaces_are_refused(kwargs, message):
    with pytest.raises(InputError, match=message):
        Space(Toy, **kwargs)


@pytest.mark.parametrize("bad", [(8, 4), (0, 8, "log2"), (1, 8, "linear", 0)])
def test_impossible_ranges_are_refused(bad):
    with pytest.raises(ValueError, match="low <= high"):
        Range(*bad)


@pytest.mark.parametrize(("text", "value"), [("16", 16), ("none", None), ("None", None)])
def test_listed_values_are_read_from_the_command_line(text, value):
    class Widths(Design):
        bits: Literal[8, 16] | None = Field(8, description="Width.")

    (parameter,) = Widths.parameters().values()
    assert parameter.parse(text) == value
    assert parameter.valid == "8 | 16 | None"
    with pytest.raises(DesignError, match=r"bits='7'.*accepted: 8 \| 16 \| None"):
        parameter.parse("7")


def test_a_copy_has_a_text_of_its_own(roofline):
    design = roofline.design.make({"lanes": 8})
    text, digest = design.canonical, design.digest
    copied = design.model_copy(update={"lanes": 16})
    assert copied.canonical == roofline.design.make({"lanes": 16}).canonical != text
    assert copied.digest != digest == design.digest
    assert copied == roofline.design.make({"lanes": 16})
    assert pickle.loads(pickle.dumps(design)) == design == roofline.design.make({"lanes": 8})
