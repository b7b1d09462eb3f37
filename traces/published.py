"""Published counts of the built-in networks: what the table says, and whether what is built meets it.

Each row of `published.csv` is one figure of one network with its source. A value without a unit ("61100840") must be
met exactly, one with a unit ("15.47G") to its last digit. `difference` is what a known and explained difference
adds to the published value, and `why` is its explanation.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

from ..errors import InputError
from ..reading import read_table
from . import catalog

__all__ = ["QUANTITIES", "Figure", "figures"]

_TABLE = Path(__file__).parent / "published.csv"
_COLUMNS = ("workload", "quantity", "value", "source", "difference", "why")
_UNITS = {"K": 10**3, "M": 10**6, "G": 10**9, "B": 10**9, "T": 10**12}

QUANTITIES = {
    "macs": "multiply-accumulates of one run", "params": "trainable parameters",
    "conv_macs": "multiply-accumulates of the convolutions", "conv_weights": "weights of the convolutions",
}
"""What is counted, in words."""


@dataclass(frozen=True)
class Figure:
    """One published count."""

    workload: str
    quantity: str
    published: str
    """As its source prints it, with a unit if it is rounded."""
    source: str
    value: int
    last_digit: int
    """What one step of the last printed digit is worth; 1 for a count."""
    difference: int
    """Ours less theirs, where it is known and explained."""
    why: str

    @cached_property
    def ours(self) -> int:
        """The count of what is built; raises `InputError` if that cannot be."""
        workload = _load(self.workload)
        convs = [op for op in getattr(workload, "operators", ()) if op.kind == "conv"]
        if self.quantity == "conv_macs":
            return sum(op.macs for op in convs)
        if self.quantity == "conv_weights":
            return sum(op.weight_elements for op in convs)
        return int(getattr(workload, self.quantity))

    @property
    def expected(self) -> int:
        """The published value with the known difference."""
        return self.value + self.difference

    @property
    def met(self) -> bool:
        """Whether ours is the expected count, or rounds to the published digits."""
        off = abs(self.ours - self.expected)
        return off == 0 if self.last_digit == 1 else 2 * off <= self.last_digit


@lru_cache(maxsize=4)
def _load(spec: str) -> Any:
    """Figures of one workload follow each other."""
    return catalog.load(spec)


def figures(table: Path | None = None) -> tuple[Figure, ...]:
    """Read the shipped table, or one of its form; raises `InputError` with file, line, column and value."""
    path = table or _TABLE
    return tuple(_figure(f"{path}:{line}", cells) for line, cells in read_table(path, _COLUMNS))


def _figure(where: str, row: dict[str, Any]) -> Figure:
    if row["quantity"] not in QUANTITIES:
        raise InputError(f"{where}: quantity={row['quantity']!r} (accepted: {', '.join(QUANTITIES)})")
    value, last_digit = _number(f"{where}: value", row["value"])
    difference, _ = _number(f"{where}: difference", row["difference"] or "0")
    if bool(difference) != bool(row["why"]):
        raise InputError(f"{where}: difference={row['difference']!r}, why={row['why']!r} (accepted: both or neither)")
    return Figure(row["workload"], row["quantity"], row["value"], row["source"], value, last_digit, difference, row["why"])


def _number(where: str, text: str) -> tuple[int, int]:
    """Return the value and the size of its last digit."""
    unit = _UNITS.get(text[-1:], 1)
    try:
        digits = Decimal(text.rstrip("".join(_UNITS)))
        exponent = digits.as_tuple().exponent
        if not isinstance(exponent, int) or abs(digits) > 10**18 or exponent < -12:
            raise InvalidOperation
    except InvalidOperation:
        raise InputError(f"{where}={text!r} (accepted: a number, rounded ones with a unit {', '.join(_UNITS)})") from None
    return int(digits * unit), int(Decimal(1).scaleb(exponent) * unit) or 1
