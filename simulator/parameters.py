"""How one parameter of a design is declared, and everything that follows from the declaration.

    rows: Annotated[int, Range(4, 256, scale="log2"), Unit("PEs")] = Field(32, ge=1, le=4096, description="...")

`Range`, `Values` and `Choices` say what is *explored*; pydantic's own constraints say what is *valid*.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args, get_origin

from pydantic import TypeAdapter, ValidationError
from pydantic.fields import FieldInfo

from ..errors import DesignError, explain

__all__ = ["Choices", "Parameter", "Range", "Unit", "Values"]

Value = bool | int | float | str | None


@dataclass(frozen=True)
class Unit:
    """The unit of a parameter, as docs and help print it."""

    name: str


@dataclass(frozen=True)
class Range:
    """Explore low..high inclusive, in steps of `step` (linear) or doubling (log2)."""

    low: int | float
    high: int | float
    scale: Literal["linear", "log2"] = "linear"
    step: int | float = 1

    def __post_init__(self) -> None:
        if not self.low <= self.high or self.step <= 0 or (self.scale == "log2" and self.low <= 0):
            raise ValueError(f"{self}: needs low <= high, step > 0 and, for log2, low > 0")

    def values(self) -> tuple[int | float, ...]:
        """The explored values in rising order."""
        if self.scale == "log2":
            count = math.floor(math.log2(self.high / self.low) + 1e-9) + 1
            return tuple(self.low * 2**i for i in range(count))
        count = math.floor((self.high - self.low) / self.step + 1e-9) + 1
        return tuple(self.low + i * self.step for i in range(count))


@dataclass(frozen=True)
class Values:
    """Explore exactly these values, which have an order."""

    listed: tuple[int | float, ...]

    def __init__(self, *listed: int | float) -> None:
        object.__setattr__(self, "listed", listed)

    def values(self) -> tuple[int | float, ...]:
        """The explored values as declared."""
        return self.listed


@dataclass(frozen=True)
class Choices:
    """Explore members of a Literal or a bool, which have no order: the listed ones, or all of them."""

    listed: tuple[Value, ...]

    def __init__(self, *listed: Value) -> None:
        object.__setattr__(self, "listed", listed)


@dataclass(frozen=True)
class Parameter:
    """One parameter of a machine, as declared on its `Design`."""

    name: str
    annotation: Any
    default: Any
    description: str
    unit: str
    explored: tuple[Value, ...]
    """Explored values; empty if the parameter is fixed unless set."""
    ordered: bool
    """Whether neighbours in `explored` are close to each other (a size) or not (a choice)."""
    scale: Literal["linear", "log2", "none"]
    valid: str
    """What is accepted, in words."""

    @classmethod
    def of(cls, name: str, field: FieldInfo) -> Parameter:
        """Read the declaration of one pydantic field."""
        explored: tuple[Value, ...] = ()
        ordered, scale, unit = True, "none", ""
        for mark in field.metadata:
            if isinstance(mark, Unit):
                unit = mark.name
            elif isinstance(mark, Range):
                explored, scale = mark.values(), mark.scale
            elif isinstance(mark, Values):
                explored, scale = mark.values(), "linear"
                if len(explored) > 2 and min(mark.listed) > 0 and mark.listed[-1] / mark.listed[0] >= 8:
                    scale = "log2"
            elif isinstance(mark, Choices):
                explored, ordered = mark.listed or _members(name, field.annotation), False
        return cls(
            name, field.annotation, field.get_default(call_default_factory=True), field.description or "",
            unit, explored, ordered, scale, _accepted(field),  # type: ignore[arg-type]
        )

    def parse(self, text: str) -> Any:
        """Turn command-line text into a value of the parameter's type; raises `DesignError`."""
        for member in _listed(self.annotation):  # text that stands for 16 or None, which pydantic takes for itself only
            if text == str(member) or (member is None and text == "none"):
                return member
        try:
            return TypeAdapter(self.annotation).validate_strings(text)
        except ValidationError as error:
            reason = explain(error)
            raise DesignError(f"{self.name}={text!r}: {reason}; accepted: {self.valid}") from None

    def feature(self, value: Any) -> float:
        """Return the value as a number on its natural scale: log2, linear, or the index of a choice."""
        if not self.ordered or not isinstance(value, int | float):
            return float(self.explored.index(value)) if value in self.explored else -1.0
        if self.scale == "log2":
            return math.log2(value) if value > 0 else -1.0
        return float(value)

    def row(self) -> Mapping[str, Any]:
        """One row of the parameter table in the docs and in `cyclescape list`."""
        return {
            "name": self.name, "default": self.default, "unit": self.unit, "explored": list(self.explored),
            "accepted": self.valid, "description": self.description,
        }


def _members(name: str, annotation: Any) -> tuple[Value, ...]:
    if annotation is bool:
        return (False, True)
    if get_origin(annotation) is Literal:
        return get_args(annotation)
    raise TypeError(f"{name}: Choices() needs a Literal or a bool, not {annotation!r}")


def _listed(annotation: Any) -> tuple[Value, ...]:
    """Return the members of a Literal, or of a Literal that may be None; nothing for other annotations."""
    if get_origin(annotation) is Literal:
        return get_args(annotation)
    options = get_args(annotation)
    if type(None) in options and len(options) == 2:
        return (*_listed(next(option for option in options if option is not type(None))), None)
    return ()


def _accepted(field: FieldInfo) -> str:
    """Say in words what a field accepts, from its annotation and constraints."""
    annotation = field.annotation
    if listed := _listed(annotation):
        return " | ".join(str(member) for member in listed)
    kind = {int: "integer", float: "number", bool: "true | false", str: "text"}.get(annotation, "")  # type: ignore[arg-type]
    bounds = []
    for mark in field.metadata:
        for attribute, sign in (("gt", ">"), ("ge", ">="), ("lt", "<"), ("le", "<=")):
            if (bound := getattr(mark, attribute, None)) is not None:
                bounds.append(f"{sign} {bound}")
    return " ".join([kind or str(annotation), ", ".join(bounds)]).strip()
