"""Keyword arguments of a workload's builder: declared once in its signature, checked in one place."""

from __future__ import annotations

import inspect
import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from pydantic import Field, TypeAdapter, ValidationError
from pydantic.fields import FieldInfo

from ..errors import InputError, did_you_mean

__all__ = ["Argument", "Batch", "Resolution", "SequenceLength", "Signature", "Words"]

Batch = Annotated[int, Field(ge=1, le=65536, description="samples that run together")]
Resolution = Annotated[int, Field(ge=1, le=16384, description="height and width of the input image in pixels")]
SequenceLength = Annotated[int, Field(ge=1, le=2**24, description="tokens of each sample")]


@dataclass(frozen=True)
class Words:
    """A mark on an annotation that says in words what it accepts, where its type does not."""

    text: str


@dataclass(frozen=True)
class Argument:
    """One keyword argument of a builder."""

    name: str
    annotation: Any
    default: Any
    description: str
    accepted: str
    """What is accepted, in words."""

    @classmethod
    def of(cls, name: str, annotation: Any, default: Any) -> Argument:
        """Read an annotated keyword argument; `default` is `inspect.Parameter.empty` if it is required."""
        fields = _fields(annotation)
        description = next((field.description for field in fields if field.description), "")
        return cls(name, annotation, default, description, _accepted(annotation, fields))

    @cached_property
    def _adapter(self) -> TypeAdapter[Any]:
        return TypeAdapter(self.annotation)

    def parse(self, value: Any) -> Any:
        """Return the value, or the text that stands for it, in the declared type; raises `InputError`."""
        if not isinstance(value, str):
            return self.check(value)
        members = {str(member): member for member in get_args(_kind(self.annotation))}
        try:
            return members[value] if value in members else self._adapter.validate_strings(value)
        except ValidationError as error:
            raise self._refusal(value, error) from None

    def check(self, value: Any) -> Any:
        """Return a value that is of the declared type already; raises `InputError`."""
        if not isinstance(value, bool) and hasattr(value, "__index__"):
            value = operator.index(value)
        try:
            return self._adapter.validate_python(value, strict=True)
        except ValidationError as error:
            raise self._refusal(value, error) from None

    def _refusal(self, value: Any, error: ValidationError) -> InputError:
        errors = error.errors(include_url=False)
        reason = errors[0]["msg"].removeprefix("Value error, ") if len(errors) == 1 else ""
        said = f": {reason[0].lower()}{reason[1:]}" if reason else ""
        shown = repr(value)
        shown = shown if len(shown) <= 200 else f"{shown[:200]}..."
        return InputError(f"{self.name}={shown}{said} (accepted: {self.accepted})")

    def row(self) -> dict[str, Any]:
        """One row of the table of arguments that docs and `cyclescape list` print."""
        default = None if self.default is inspect.Parameter.empty else self.default
        default = default if default is None or type(default) in (bool, int, float) else str(default)
        return {
            "name": self.name, "default": default, "accepted": self.accepted, "description": self.description,
        }


@dataclass(frozen=True)
class Signature:
    """The keyword arguments of a builder."""

    arguments: Mapping[str, Argument]
    others: Argument | None = None
    """What any further name must be, where the builder takes `**names`."""

    @classmethod
    def of(cls, *builds: Callable[..., Any]) -> Signature:
        """Read the keyword-only arguments of functions, one after another, and their `**` if there is one."""
        known: dict[str, Argument] = {}
        others = None
        for build in builds:
            hints = get_type_hints(build, include_extras=True)
            for name, parameter in inspect.signature(build).parameters.items():
                if parameter.kind is inspect.Parameter.KEYWORD_ONLY:
                    known[name] = Argument.of(name, hints[name], parameter.default)
                elif parameter.kind is inspect.Parameter.VAR_KEYWORD:
                    others = Argument.of(name, hints[name], inspect.Parameter.empty)
        return cls(known, others)

    def bind(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """Return the given arguments in their types and in declaration order; raises `InputError`."""
        for name in given:
            if name not in self.arguments and self.others is None:
                hint = did_you_mean(name, self.arguments)
                accepted = ", ".join(self.arguments) or "no argument"
                raise InputError(f"{name}: unknown argument{hint} (accepted: {accepted})")
        bound = {}
        for name, argument in self.arguments.items():
            if name in given:
                bound[name] = argument.parse(given[name])
            elif argument.default is inspect.Parameter.empty:
                raise InputError(f"{name}: missing (accepted: {argument.accepted})")
        if self.others is not None:
            for name in sorted(given.keys() - self.arguments.keys()):
                like = self.others
                bound[name] = Argument(name, like.annotation, like.default, "", like.accepted).parse(given[name])
        return bound

    def changed(self, bound: Mapping[str, Any]) -> dict[str, Any]:
        """Return the bound arguments that differ from their defaults, in the order of `bind`."""
        return {
            name: value for name, value in sorted(bound.items(), key=lambda item: item[0] not in self.arguments)
            if name not in self.arguments or value != self.arguments[name].default
        }


def _kind(annotation: Any) -> Any:
    return get_args(annotation)[0] if get_origin(annotation) is Annotated else annotation


def _accepted(annotation: Any, fields: list[FieldInfo]) -> str:
    """Say in words what an annotation accepts."""
    kind = _kind(annotation)
    for mark in get_args(annotation)[1:] if get_origin(annotation) is Annotated else ():
        if isinstance(mark, Words):
            return mark.text
    if get_origin(kind) is Literal:
        return " | ".join(str(member) for member in get_args(kind))
    if get_origin(kind) in (Union, UnionType):
        return " or ".join(_accepted(part, _fields(part)) for part in get_args(kind))
    if get_origin(kind) is tuple:
        parts = [part for part in get_args(kind) if part is not Ellipsis]
        return f"({', '.join(_accepted(part, _fields(part)) for part in parts)}{', ...' if Ellipsis in get_args(kind) else ''})"
    if kind is bool:
        return "true | false"
    words = {int: "integer", float: "number", str: "text", NoneType: "None"}.get(kind) or getattr(kind, "__name__", str(kind))
    marks = [mark for field in fields for mark in field.metadata]

    def bounds(attribute: str) -> list[Any]:
        return [bound for mark in marks if (bound := getattr(mark, attribute, None)) is not None]

    limits = [f">= {max(bounds('ge'))}"] if bounds("ge") else []
    limits += [f"<= {min(bounds('le'))}"] if bounds("le") else []
    limits += [f"a multiple of {step}" for step in bounds("multiple_of")]
    limits += [f"of {step} letters or more" for step in bounds("min_length")]
    limits += [f"of {step} letters or fewer" for step in bounds("max_length")]
    return f"{words} {', '.join(limits)}".strip()


def _fields(annotation: Any) -> list[FieldInfo]:
    return [mark for mark in get_args(annotation)[1:] if isinstance(mark, FieldInfo)]
