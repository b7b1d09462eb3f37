"""What one action costs in a process technology: energies, areas and leakage, each number with its source.

A `Technology` holds published figures and nothing else; every number that no paper prints is computed
from ones that do, and its `source` says how. All methods take numbers or numpy arrays.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike

from ..errors import InputError

__all__ = ["Constant", "Curve", "Numbers", "Technology"]

Numbers = Any
"""A float for a number, an array of float64 for an array."""

_MOST = 4096
ACCUMULATOR_BITS = 32
"""Width in which products are added up, for integers of up to 32 bits and for floats alike."""


@dataclass(frozen=True)
class Constant:
    """One published figure."""

    value: float
    unit: str
    source: str

    def scaled(self, factor: float, source: str) -> Constant:
        """Return the figure times a factor, under a new source."""
        return Constant(self.value * factor, self.unit, source)


@dataclass(frozen=True)
class Curve:
    """Published figures at some sizes, and straight lines between them on log-log axes.

    Beyond its ends a curve goes on with the slope of its last piece, unless `bounded`: then a size outside
    is an `InputError`.
    """

    points: tuple[tuple[float, float], ...]
    """(size, value) in rising order of size, at least two, all positive."""
    size: str
    """What a size is, with its unit."""
    unit: str
    source: str
    bounded: bool = False

    def __post_init__(self) -> None:
        sizes, values = zip(*self.points, strict=True)
        if len(sizes) < 2 or min(sizes) <= 0 or min(values) <= 0 or list(sizes) != sorted(set(sizes)):
            raise ValueError(f"{self.source}: a curve needs two or more positive points in rising order")

    @cached_property
    def _pieces(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Where each piece starts, its value there and its slope; the last piece starts at the last point."""
        sizes, values = np.array(self.points, dtype=np.float64).T
        slopes = np.diff(np.log(values)) / np.diff(np.log(sizes))
        return sizes, values, np.append(slopes, slopes[-1])

    @cached_property
    def _known(self) -> dict[float, float]:
        """Values at single sizes that were asked for: widths and cells, of which a space has few."""
        return {}

    def __call__(self, size: ArrayLike) -> Numbers:
        """Return the value at each size."""
        if not isinstance(size, int | float):
            return self._at(size)
        if size not in self._known:
            if len(self._known) >= _MOST:
                self._known.clear()
            self._known[size] = float(self._at(size))
        return self._known[size]

    def _at(self, size: ArrayLike) -> Numbers:
        given = np.asarray(size, dtype=np.float64)
        low, high = (self.points[0][0], self.points[-1][0]) if self.bounded else (0.0, np.inf)
        if not np.all((given > 0) & (given >= low) & (given <= high)):
            accepted = f"{low:g} to {high:g}" if self.bounded else "more than 0"
            raise InputError(f"{self.size}: {given} is outside of what is known; accepted: {accepted}")
        sizes, values, slopes = self._pieces
        piece = np.maximum(np.searchsorted(sizes, given, side="right") - 1, 0)
        # One by one: numpy's vectorised power may differ from the scalar one in the last bit, and a design alone from itself
        # in a batch.
        bases, exponents = (given / sizes[piece]).ravel().tolist(), slopes[piece].ravel().tolist()
        powers = [base**exponent for base, exponent in zip(bases, exponents, strict=True)]
        value = values[piece] * np.array(powers).reshape(given.shape)
        return float(value) if value.ndim == 0 else value

    def scaled(self, factor: float, source: str) -> Curve:
        """Return the curve with every value times a factor, under a new source."""
        points = tuple((size, value * factor) for size, value in self.points)
        return Curve(points, self.size, self.unit, source, self.bounded)


@dataclass(frozen=True)
class Technology:
    """The figures of one process. Energies are for random data; clock tree and control are not in them."""

    name: str
    node_nm: int
    voltage_v: float
    int_multiply_pj: Curve
    int_add_pj: Curve
    float_multiply_pj: Curve
    float_add_pj: Curve
    int_multiply_um2: Curve
    int_add_um2: Curve
    float_multiply_um2: Curve
    float_add_um2: Curve
    register_pj: Constant
    """One bit, written or read."""
    register_um2: Constant
    """One bit."""
    wire_pj: Constant
    """One bit over 1 mm."""
    sram_pj: Curve
    """One bit read or written, by capacity in bytes."""
    sram_mm2: Curve
    """A macro with one 64-bit port, by capacity in bytes."""
    sram_leak_mw: Curve
    """The same macro when idle."""
    logic_leak_mw: Constant
    """1 mm2 of logic or registers when idle."""
    dram_pj: Constant
    """One bit read or written off chip, interface included."""
    hop_pj: Constant | None = None
    """One bit to a neighbouring PE, where it was published; otherwise see `hop_pj_per_bit`."""

    def mac_pj(self, bits: ArrayLike, kind: Literal["int", "float"] = "int") -> Numbers:
        """Energy of one multiply-accumulate of `bits`-wide operands, added up in 32 bits."""
        multiply, add = self._arithmetic(kind, "pj")
        return multiply(bits) + add(ACCUMULATOR_BITS)

    def mac_area_um2(self, bits: ArrayLike, kind: Literal["int", "float"] = "int") -> Numbers:
        """Area of a multiplier for `bits`-wide operands and a 32-bit adder, without registers."""
        multiply, add = self._arithmetic(kind, "um2")
        return multiply(bits) + add(ACCUMULATOR_BITS)

    @property
    def vector_op_pj(self) -> float:
        """Energy of one operation of a vector lane: an fp32 multiply-add, whatever the operation is."""
        return self.mac_pj(32, "float")

    @property
    def vector_lane_um2(self) -> float:
        """Area of a vector lane: an fp32 multiplier and adder, without registers."""
        return self.mac_area_um2(32, "float")

    @property
    def register_pj_per_bit(self) -> float:
        """Energy of writing or reading one bit of a register in or beside a PE."""
        return self.register_pj.value

    @property
    def register_area_um2_per_bit(self) -> float:
        """Area of one bit of a register."""
        return self.register_um2.value

    def wire_pj_per_bit(self, distance_mm: ArrayLike) -> Numbers:
        """Energy of one bit over an on-chip wire."""
        value = self.wire_pj.value * np.asarray(distance_mm, dtype=np.float64)
        return float(value) if value.ndim == 0 else value

    def hop_pj_per_bit(self, pitch_um: ArrayLike) -> Numbers:
        """Energy of one bit passed on to the neighbouring PE, `pitch_um` away: the wire and one register.

        A technology with a published figure for the hop ignores the pitch.
        """
        if self.hop_pj is None:
            return self.register_pj_per_bit + self.wire_pj_per_bit(np.asarray(pitch_um) / 1000)
        shape = np.shape(pitch_um)
        return np.full(shape, self.hop_pj.value) if shape else self.hop_pj.value

    def sram_read_pj_per_bit(self, capacity_bytes: ArrayLike) -> Numbers:
        """Energy of reading one bit of an SRAM of this capacity; never below a register's."""
        value = np.maximum(self.sram_pj(capacity_bytes), self.register_pj_per_bit)
        return float(value) if np.ndim(value) == 0 else value

    def sram_write_pj_per_bit(self, capacity_bytes: ArrayLike) -> Numbers:
        """Energy of writing one bit: the sources print one figure for both."""
        return self.sram_read_pj_per_bit(capacity_bytes)

    def sram_area_mm2(self, capacity_bytes: ArrayLike) -> Numbers:
        """Area of an SRAM of this capacity, periphery included."""
        return self.sram_mm2(capacity_bytes)

    def sram_leakage_mw(self, capacity_bytes: ArrayLike) -> Numbers:
        """Static power of an SRAM of this capacity."""
        return self.sram_leak_mw(capacity_bytes)

    @property
    def logic_leakage_mw_per_mm2(self) -> float:
        """Static power of logic and registers."""
        return self.logic_leak_mw.value

    @property
    def dram_pj_per_bit(self) -> float:
        """Energy of one bit to or from off-chip memory."""
        return self.dram_pj.value

    def rows(self) -> Iterator[tuple[str, str, str, str]]:
        """Every figure as (name, at, value with unit, source), as the docs print them."""
        for item in fields(self):
            entry = getattr(self, item.name)
            if isinstance(entry, Constant):
                yield item.name, "", f"{_short(entry.value)} {entry.unit}", entry.source
            elif isinstance(entry, Curve):
                for size, value in entry.points:
                    yield item.name, f"{size:,} {entry.size}", f"{_short(value)} {entry.unit}", entry.source

    def _arithmetic(self, kind: str, unit: str) -> tuple[Curve, Curve]:
        if kind not in ("int", "float"):
            raise InputError(f"arithmetic {kind!r} is not known; accepted: int, float")
        return getattr(self, f"{kind}_multiply_{unit}"), getattr(self, f"{kind}_add_{unit}")


def _short(value: float) -> str:
    return f"{value:,.0f}" if value >= 1000 else f"{value:.4g}"
