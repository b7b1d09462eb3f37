"""Keyword arguments of a workload's builder: declared once in its signature, checked in one place."""

from __future__ import annotations

import difflib
import inspect
import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal, get_args, get_origin, get_type_hints

from pydantic import Field, TypeAdapter, ValidationError
from pydantic.fields import FieldInfo

from ..errors import InputError, explain

__all__ = ["Argument", "Batch", "Resolution", "SequenceLength", "Signature"]

Batch = Annotated[int, Field(ge=1, le=65536, description="samples that run together")]
Resolution = Annotated[int, Field(ge=1, le=16384, description="height and width of the input image in pixels")]
SequenceLength = Annotated[int, Field(ge=1, le=2**24, description="tokens of each sample")]


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
        fields = [mark for mark in get_args(annotation)[1:] if isinstance(mark, FieldInfo)]
        description = next((field.description for field in fields if field.description), "")
        return cls(name, annotation, default, description, _accepted(annotation, fields))

    def parse(self, value: Any) -> Any:
        """Return the value, or the text that stands for it, in the declared type; raises `InputError`."""
        adapter = TypeAdapter(self.annotation)
        try:
            if isinstance(value, str):
                members = {str(member): member for member in get_args(_kind(self.annotation))}
                return members[value] if value in members else adapter.validate_strings(value)
            if not isinstance(value, bool) and hasattr(value, "__index__"):
                value = operator.index(value)
            return adapter.validate_python(value, strict=True)
        except ValidationError as error:
            reason = error.errors(include_url=False)[0]["msg"] if len(error.errors()) == 1 else explain(error)
            raise InputError(
                f"{self.name}={value!r}: {reason[0].lower() + reason[1:]} (accepted: {self.accepted})"
            ) from None

    def row(self) -> dict[str, Any]:
        """One row of the table of arguments that docs and `cyclescape list` print."""
        default = None if self.default is inspect.Parameter.empty else self.default
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
    def of(cls, build: Callable[..., Any]) -> Signature:
        """Read the keyword-only arguments of a function, and its `**` if there is one."""
        hints = get_type_hints(build, include_extras=True)
        known: dict[str, Argument] = {}
        others = None
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
                close = difflib.get_close_matches(name, self.arguments, n=1)
                hint = f"; did you mean {close[0]!r}?" if close else ""
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
    if get_origin(kind) is Literal:
        return " | ".join(str(member) for member in get_args(kind))
    if kind is bool:
        return "true | false"
    words = {int: "integer", float: "number", str: "text"}.get(kind, str(kind))
    marks = [mark for field in fields for mark in field.metadata]

    def bounds(attribute: str) -> list[Any]:
        return [bound for mark in marks if (bound := getattr(mark, attribute, None)) is not None]

    limits = [f">= {max(bounds('ge'))}"] if bounds("ge") else []
    limits += [f"<= {min(bounds('le'))}"] if bounds("le") else []
    limits += [f"a multiple of {step}" for step in bounds("multiple_of")]
    return f"{words} {', '.join(limits)}".strip()
