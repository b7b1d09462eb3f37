"""Arguments of a builder's methods, checked against their annotations before anything is made of them."""

from __future__ import annotations

import functools
import inspect
import operator
from collections.abc import Callable
from typing import Annotated, Any, TypeVar, get_type_hints

from pydantic import BeforeValidator, Field

from ..errors import InputError
from .arguments import Argument

__all__ = ["Count", "Extent", "Name", "checked"]

Method = TypeVar("Method", bound=Callable[..., Any])


def _index(value: Any) -> Any:
    """Return what counts as an integer (numpy's, too) as one; a bool and a float do not."""
    return operator.index(value) if hasattr(value, "__index__") and not isinstance(value, bool) else value


Count = Annotated[int, BeforeValidator(_index), Field(ge=1, le=2**40)]
"""A size: at least one."""
Extent = Annotated[int, BeforeValidator(_index), Field(ge=0, le=2**40)]
"""A size that may be nothing."""
Name = Annotated[str, Field(min_length=1, max_length=200)]


def checked(where: Callable[..., str]) -> Callable[[Method], Method]:
    """Check the arguments of a method against its annotations; `where`, given the first two of them, says whose they are.

    The method then raises `InputError` that names argument, value and what is accepted, and never fails inside for a value of a
    wrong type. Arguments annotated `Any`, or not at all, are passed on as they are.
    """

    def decorate(method: Method) -> Method:
        @functools.cache
        def arguments() -> tuple[inspect.Signature, dict[str, Argument]]:
            hints = get_type_hints(method, include_extras=True)
            signature = inspect.signature(method)
            return signature, {
                name: Argument.of(name, hints[name], parameter.default)
                for name, parameter in signature.parameters.items()
                if hints.get(name, Any) is not Any and parameter.kind is not inspect.Parameter.VAR_KEYWORD
            }

        @functools.wraps(method)
        def call(*given: Any, **named: Any) -> Any:
            signature, declared = arguments()
            try:
                bound = signature.bind(*given, **named)
            except TypeError as error:
                raise InputError(f"{where(*given[:2])}: {method.__name__}: {error}") from None
            for name, value in bound.arguments.items():
                argument = declared.get(name)
                if argument is None:
                    continue
                try:
                    if signature.parameters[name].kind is inspect.Parameter.VAR_POSITIONAL:
                        bound.arguments[name] = tuple(argument.check(item) for item in value)
                    else:
                        bound.arguments[name] = argument.check(value)
                except InputError as error:
                    raise InputError(f"{where(*given[:2])}: {error}") from None
            return method(*bound.args, **bound.kwargs)

        return call  # type: ignore[return-value]

    return decorate
