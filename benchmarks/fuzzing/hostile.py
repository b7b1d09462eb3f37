"""Values that readers meet seldom, and those who attack them often."""

from __future__ import annotations

from random import Random
from typing import Any

NUMBERS = (
    "0",
    "-0",
    "-1",
    "1",
    "2",
    "3",
    "7",
    "1.5",
    "1e3",
    "1_000",
    "+1",
    "--1",
    "0x7fffffffffffffff",
    "0b1",
    "0o17",
    "1e309",
    "-1e309",
    "1e-320",
    "nan",
    "-nan",
    "inf",
    "-inf",
    "NaN",
    "Infinity",
    "2147483648",
    "4294967296",
    "9223372036854775807",
    "9223372036854775808",
    "-9223372036854775808",
    "18446744073709551616",
    "99999999999999999999999999",
    "0x" + "f" * 5000,
    "9" * 5000,
    "0" * 400 + "1",
    "٣",
    "²",
    "1 2",
    "1,5",
    "1:30",
    "1/0",
    "",
)
TEXTS = (
    "",
    " ",
    "\t",
    "-",
    "=",
    ":",
    ",",
    ";",
    "|",
    "~",
    "null",
    "None",
    "true",
    "[]",
    "{}",
    "{0.__class__}",
    "%s%n%n",
    "$(id)",
    "`id`",
    "../../../../../../tmp/outside",
    "..",
    ".",
    "/",
    "/etc/passwd",
    "/dev/null",
    "~/x",
    "a/../../b",
    "C:\\x",
    "con",
    "\x00",
    "a\x00b",
    "\n",
    "a\nb",
    "\r",
    "\x1b[31m",
    "\x7f",
    "é",
    "𝔘𝔫",
    "\u202e",
    "\u2028",
    "\ufeff",
    "\ud800",
    "ß" * 300,
    "A" * 100_000,
    "<script>alert(1)</script>",
    "\"'><img src=x onerror=alert(1)>",
    "</script><script>alert(1)</script>",
    "'; DROP TABLE trials;--",
    "=cmd()",
    "__import__('os')",
    "!!python/object/apply:os.system [id]",
    "*",
    "&a",
    "@file",
    "#",
    "\\",
    "'",
    '"',
)
_LIMITS = (0, -1, 1, 2, 3, 2**31, 2**32, 2**53 + 1, 2**63 - 1, 2**63, -(2**63), 2**64, 10**30, 10**400)
_REALS = (0.5, -0.0, 1e308, 1e-320, float("nan"), float("inf"), float("-inf"))


def number(rng: Random) -> str:
    """The text of a number, or what may be taken for one."""
    return rng.choice(NUMBERS) if rng.random() < 0.7 else str(rng.choice([-1, 1]) * rng.getrandbits(rng.randint(1, 70)))


def text(rng: Random) -> str:
    """Any text."""
    return rng.choice(TEXTS)


def value(rng: Random) -> Any:
    """Any value that JSON or YAML can carry, of a type that is seldom the one expected."""
    kind = rng.randrange(9)
    if kind == 0:
        return rng.choice(_LIMITS)
    if kind == 1:
        return rng.choice(_REALS)
    if kind == 2:
        return rng.choice((None, True, False))
    if kind == 3:
        return rng.choice(([], {}, [[]], {"": {}}, [None], [{}], {"a": [1]}))
    if kind == 4:
        return number(rng)
    if kind == 5:
        return [value(rng) for _ in range(rng.randint(1, 3))]
    if kind == 6:
        return deep(rng.choice((10, 100, 400)), rng.random() < 0.5)
    return text(rng)


def deep(levels: int, mapping: bool) -> Any:
    """Something inside something, many times."""
    found: Any = 1
    for _ in range(levels):
        found = {"a": found} if mapping else [found]
    return found
