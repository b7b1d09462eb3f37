"""Data-dependent nodes to use as they are: select, switch, filter, and a repetition of variable count."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ..network import Rule

__all__ = ["Filter", "RepeatBy", "Select", "Switch"]


class Select(Rule):
    """Reads input 0, a number i, and passes on the token of input 1 + i (a multiplexer)."""

    def then(self, k: int, values: Mapping[int, Any]) -> Sequence[int]:
        """The input that the number names."""
        return (1 + int(values[0]),)

    def fire(self, k: int, values: Mapping[int, Any]) -> Mapping[int, Any]:
        """Its token."""
        return {0: values[1 + int(values[0])]}


class Switch(Rule):
    """Reads input 0, a number i, and input 1, and sends what it read from input 1 to output i."""

    def first(self, k: int) -> Sequence[int]:
        """Both inputs."""
        return (0, 1)

    def fire(self, k: int, values: Mapping[int, Any]) -> Mapping[int, Any]:
        """The token, to one output."""
        return {int(values[0]): values[1]}


class Filter(Rule):
    """Passes on the tokens for which a predicate holds, and drops the others."""

    def __init__(self, keep: Callable[[Any], bool]) -> None:
        self.keep = keep

    def fire(self, k: int, values: Mapping[int, Any]) -> Mapping[int, Any]:
        """The token, or nothing."""
        return {0: values[0]} if self.keep(values[0]) else {}


class RepeatBy(Rule):
    """Reads a count from input 0 and a token from input 1, and sends the token that often, one a firing.

    A count of zero takes a firing that sends nothing.
    """

    def __init__(self) -> None:
        self.left, self.token = 0, None

    def first(self, k: int) -> Sequence[int]:
        """Both inputs when the last token is used up, else none."""
        return (0, 1) if self.left == 0 else ()

    def fire(self, k: int, values: Mapping[int, Any]) -> Mapping[int, Any]:
        """The token, or nothing for a count of zero."""
        if values:
            self.left, self.token = int(values[0]), values[1]
            if self.left == 0:
                return {}
        self.left -= 1
        return {0: self.token}
