"""Formulas over metrics: products of powers, read from text without evaluating anything.

Formula.parse("energy_j*time_s**2").of({"energy_j": 2.0, "time_s": 3.0})  ->  18.0
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ..errors import InputError

__all__ = ["FORMULAS", "Formula", "Term", "constraint_of", "split"]

FORMULAS: dict[str, str] = {
    "latency": "time_s",
    "energy": "energy_j",
    "area": "area_mm2",
    "power": "energy_j/time_s",
    "edp": "energy_j*time_s",
    "ed2p": "energy_j*time_s**2",
    "edap": "energy_j*time_s*area_mm2",
    "adp": "area_mm2*time_s",
}
"""Named formulas; a machine's own metric of the same name is taken first where a report has it."""

_MOST_POWER = 8
_FACTOR = re.compile(r"\s*([A-Za-z_]\w*)\s*(?:(?:\*\*|\^)\s*([0-9]{1,4}))?\s*")
_CONSTRAINT = re.compile(r"\s*([^<>=]+?)\s*(<=|>=)\s*([-+]?[\w.+-]+)\s*")
_MAXIMISED = re.compile(
    r"utili[sz]ation|throughput|efficiency|bandwidth|hit_rate|speedup|accuracy|(^|_)ipc($|_)|_per_(s|j|w|mm2|cycle)($|_)"
)


@dataclass(frozen=True)
class Formula:
    """A product of powers of metrics."""

    text: str
    powers: Mapping[str, int]

    @classmethod
    def parse(cls, text: str) -> Formula:
        """Read `a*b/c**2`; raises `InputError`."""
        text = text.strip()
        powers: dict[str, int] = {}
        position, sign = 0, 1
        source = FORMULAS.get(text, text)
        while True:
            factor = _FACTOR.match(source, position)
            if factor is None:
                raise InputError(
                    f"objective {text!r}: not understood (accepted: a metric, one of {', '.join(FORMULAS)}, "
                    "or a product such as energy_j*time_s**2)"
                )
            name, power = factor.group(1), int(factor.group(2) or 1)
            if power > _MOST_POWER:
                raise InputError(f"objective {text!r}: power {power} of {name} (accepted: at most {_MOST_POWER})")
            powers[name] = powers.get(name, 0) + sign * power
            position = factor.end()
            if position == len(source):
                return cls(text, {name: power for name, power in powers.items() if power})
            sign = {"*": 1, "/": -1}.get(source[position], 0)
            if not sign:
                raise InputError(f"objective {text!r}: not understood at {source[position:]!r} (accepted: * / **)")
            position += 1

    def of(self, metrics: Mapping[str, float]) -> float:
        """The value for one report; raises `KeyError` for a missing metric, `ArithmeticError` for 1/0."""
        if self.text in metrics:
            return float(metrics[self.text])
        value = 1.0
        for name, power in self.powers.items():
            value *= float(metrics[name]) ** power
        return value

    @property
    def meaning(self) -> str | frozenset[tuple[str, int]]:
        """Equal for formulas that differ in spaces and order alone; a name stands for itself, for it may be a metric."""
        return self.text if self.text in FORMULAS else frozenset(self.powers.items())

    @property
    def maximised(self) -> bool | None:
        """Whether more is better by the names; None if the names disagree."""
        better = {(_MAXIMISED.search(name) is not None) == (power > 0) for name, power in self.powers.items()}
        return better.pop() if len(better) == 1 else None


@dataclass(frozen=True)
class Term:
    """A formula with its direction: `sign` is 1 if less is better, -1 if more is."""

    name: str
    formula: Formula
    sign: int

    @classmethod
    def parse(cls, text: str) -> Term:
        """Read `edp`, `max:utilization`, `min:cycles` or `-utilization` (maximise); raises `InputError`."""
        text = text.strip()
        if text.startswith("-"):
            return cls(text[1:].strip(), Formula.parse(text[1:]), -1)
        direction, colon, rest = text.partition(":")
        if colon:
            if direction.strip() not in ("min", "max"):
                raise InputError(f"objective {text!r}: direction {direction!r} (accepted: min, max)")
            return cls(rest.strip(), Formula.parse(rest), 1 if direction.strip() == "min" else -1)
        formula = Formula.parse(text)
        maximised = False if text in FORMULAS else formula.maximised
        if maximised is None:
            raise InputError(f"objective {text!r}: which way is better? (accepted: min:{text} or max:{text})")
        return cls(text, formula, -1 if maximised else 1)


def constraint_of(text: str) -> tuple[Formula, bool, float]:
    """Read `area_mm2<=20` as (formula, whether the limit is an upper one, limit); raises `InputError`."""
    match = _CONSTRAINT.fullmatch(text)
    try:
        limit = float(match.group(3)) if match else math.nan
    except ValueError:
        limit = math.nan
    if match is None or not math.isfinite(limit):
        raise InputError(f"constraint {text!r}: not understood (accepted: METRIC<=NUMBER or METRIC>=NUMBER)")
    return Formula.parse(match.group(1)), match.group(2) == "<=", limit


def split(texts: str | Sequence[str], separator: str) -> tuple[str, ...]:
    """Return the parts of one text, or a list as it is, stripped and without empty ones."""
    parts = texts.split(separator) if isinstance(texts, str) else texts
    return tuple(part.strip() for part in parts if part.strip())
