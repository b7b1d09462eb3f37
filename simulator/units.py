"""What the name of a metric says: its words, its unit, and how a person writes such a value.

    quantity("energy_dram_j").show(0.0126)      "12.6 mJ"
    quantity("pe_utilization").show(0.501)      "50.1 %"

Names end in their unit (`time_s`, `area_mm2`); formulas of objectives (`edp`) have theirs in a table.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from functools import cache
from typing import Literal

__all__ = ["Quantity", "quantity"]

_UNITS = {
    "s": "s", "ns": "ns", "ps": "ps", "j": "J", "pj": "pJ", "w": "W", "mw": "mW", "hz": "Hz", "mhz": "MHz", "mm2": "mm²",
    "um2": "µm²", "bytes": "B", "bits": "bit", "kib": "KiB", "mib": "MiB", "js": "J·s", "v": "V", "c": "°C",
}  # fmt: skip
"""Last words of names that are units."""
_FORMULAS = {
    "latency": ("latency", "s"), "energy": ("energy", "J"), "area": ("area", "mm²"), "power": ("power", "W"),
    "edp": ("EDP", "J·s"), "ed2p": ("ED²P", "J·s²"), "edap": ("EDAP", "J·s·mm²"), "adp": ("ADP", "mm²·s"),
}  # fmt: skip
_PREFIXED = {"s", "J", "W", "Hz", "B", "bit", "V", "J·s", "J·s²", ""}
"""Units that take prefixes (1.42 ms); the others are written as plain numbers."""
_COUNTS = ("", "B", "bit")
"""Units of what is counted: small values take no prefix."""
_SHARE = re.compile(r"(^|_)(utili[sz]ation|efficiency|share|fraction|hit_rate|miss_rate|occupancy|accuracy)$")
_ACRONYMS = {
    "pe": "PE", "dram": "DRAM", "sram": "SRAM", "edp": "EDP", "macs": "MACs", "ipc": "IPC", "simd": "SIMD", "kv": "KV",
    "l1": "L1", "l2": "L2", "noc": "NoC", "hbm": "HBM", "ddr": "DDR", "gpu": "GPU", "cpu": "CPU", "fifo": "FIFO", "mac": "MAC",
    "rf": "RF",
}  # fmt: skip
_PREFIXES = ((1e18, "E"), (1e15, "P"), (1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"), (1.0, ""),
             (1e-3, "m"), (1e-6, "µ"), (1e-9, "n"), (1e-12, "p"), (1e-15, "f"), (1e-18, "a"))  # fmt: skip

Style = Literal["prefixed", "plain", "percent"]


@dataclass(frozen=True)
class Quantity:
    """How a value is named and written."""

    label: str
    """Words, without the unit."""
    unit: str
    """The unit's symbol; empty for counts and unknown ones."""
    style: Style
    """With SI prefixes, as a plain number, or as percent of 1."""

    def show(self, value: float, digits: int = 3) -> str:
        """Write a value to so many significant digits, with its unit."""
        if value is None or not math.isfinite(value):
            return "–"
        if self.style == "percent":
            return f"{_significant(100 * value, digits)} %"
        size = abs(float(f"{value:.{digits - 1}e}"))  # rounded first: 999.9 m is 1.00, not 1000 m
        if value == int(value) and abs(value) < (100_000 if self.style == "plain" else 1000):
            text, prefix = str(int(value)), ""
        elif self.style == "plain" or (self.unit in _COUNTS and size < 1000):
            text, prefix = _significant(value, digits), ""
        else:
            scale, prefix = next((p for p in _PREFIXES if size >= p[0]), (1.0, ""))
            text = _significant(value / scale, digits)
        return f"{text} {prefix}{self.unit}".rstrip()


def _significant(value: float, digits: int) -> str:
    """Write a number to so many significant digits, without an exponent where a person would not use one."""
    if value == 0:
        return "0"
    rounded = float(f"{value:.{digits - 1}e}")
    exponent = math.floor(math.log10(abs(rounded)))
    if exponent < -4 or exponent >= 15:
        return f"{value:.{digits - 1}e}"
    return f"{rounded:,.{max(0, digits - 1 - exponent)}f}".replace(",", "\u202f" if exponent >= 4 else "")


@cache
def quantity(name: str) -> Quantity:
    """Read the name of a metric, a formula or a product of metrics."""
    if name in _FORMULAS:
        label, unit = _FORMULAS[name]
        return Quantity(label, unit, "prefixed" if unit in _PREFIXED else "plain")
    if not name.isidentifier():
        return Quantity(name.replace("**2", "²").replace("**3", "³").replace("*", " · "), "", "prefixed")
    if _SHARE.search(name):
        return Quantity(_words(name), "", "percent")
    above, per, below = name.rpartition("_per_")
    if per and "_" not in below:
        what, _, over = above.rpartition("_")
        unit = _UNITS.get(over) or _words(over)
        style: Style = "prefixed" if unit in _PREFIXED or over not in _UNITS else "plain"
        return Quantity(_words(what or over), f"{unit}/{_UNITS.get(below, below)}", style)
    stem, _, last = name.rpartition("_")
    unit = _UNITS.get(last, "")
    if stem and unit:
        words = _words(name if unit in _COUNTS else stem)
        return Quantity(words, unit, "prefixed" if unit in _PREFIXED else "plain")
    if name in ("bytes", "bits"):
        return Quantity(name, unit, "prefixed")
    return Quantity(_words(name), "", "prefixed")


def _words(name: str) -> str:
    return " ".join(_ACRONYMS.get(word, word) for word in name.split("_") if word) or name
