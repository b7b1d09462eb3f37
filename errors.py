"""Errors that a user can act on: one line that says what was wrong and what would be accepted."""

from __future__ import annotations

import difflib
import re
import unicodedata
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pydantic import ValidationError

__all__ = [
    "CyclescapeError", "DesignError", "InputError", "Interrupted", "MissingExtraError", "did_you_mean", "explain", "one_line",
    "said",
]  # fmt: skip


class CyclescapeError(Exception):
    """Base of every error that is the user's to mend; the command line prints it and exits with 2.

    Its text is one line of bounded length, whatever of a file it quotes.
    """

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*(one_line(given) if isinstance(given, str) else given for given in arguments))


class InputError(CyclescapeError, ValueError):
    """A file, an argument or a name that cannot be used as it is."""


class DesignError(InputError):
    """A design whose parameters are out of range or contradict each other."""


class Interrupted(KeyboardInterrupt):
    """Ctrl-C in the middle of a study or sweep; the message says what is kept and how to go on."""


class MissingExtraError(CyclescapeError, ImportError):
    """An optional library is needed; the message says which extra installs it."""

    def __init__(self, what: str, extra: str) -> None:
        super().__init__(f"{what} needs an optional library: pip install 'cyclescape[{extra}]'")


_BREAK = re.compile(r"\s*[\n\r\v\f\x1c-\x1e\x85\u2028\u2029]\s*")
_LONGEST = 2000


def one_line(text: str) -> str:
    """Return text as one line that a terminal shows as it is: control characters escaped, the middle of a long one left out."""
    text = _cut(text)
    if text.isprintable():
        return text
    return _cut("".join(_shown(character) for character in _BREAK.sub(" ", text)))


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return "; did you mean 'x'?" for the known name that is most like another, or "" if none is."""
    close = difflib.get_close_matches(name[:100], list(known), n=1)  # a long text would take a gigabyte
    return f"; did you mean {close[0]!r}?" if close else ""


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 700]} [...] {text[-600:]}"


def _shown(character: str) -> str:
    if unicodedata.category(character) not in ("Cc", "Cs"):
        return character
    return " " if character == "\t" else ascii(character)[1:-1]


def explain(error: ValidationError) -> str:
    """Return a pydantic error as one line: every field with its value and what is accepted."""
    parts = []
    for item in error.errors(include_url=False):
        field = ".".join(str(step) for step in item["loc"])
        message = item["msg"].removeprefix("Value error, ").removeprefix("Assertion failed, ")
        if item["type"] == "extra_forbidden":
            parts.append(f"{field}: unknown parameter")
        elif item["type"] == "missing":
            parts.append(f"{field}: missing")
        elif field:
            parts.append(f"{field}={item['input']!r}: {message[0].lower() + message[1:]}")
        else:
            parts.append(message)
    return "; ".join(parts)


def said(error: BaseException) -> str:
    """Return type and text of any error as one line that can be stored: bytes that are no text are escaped."""
    try:
        text = one_line(" ".join(str(error).split()))
    except Exception:
        text = ""
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
