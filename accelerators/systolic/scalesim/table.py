"""A table of SCALE-Sim runs: one row for each layer on each array, with what the tool reported.

Columns are found by name, in any order; others are ignored, and so are lines that start with `#`. Each
row is a convolution or a GEMM (`kind`); the cells of the other kind may be empty, and so may the bandwidths
in CALC mode.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NoReturn, get_args

from ....errors import InputError
from ....reading import natural
from ....reading import read_table as read_cells
from ..mapping import DATAFLOWS, Dataflow

__all__ = ["CHECKED", "SHIPPED", "Layer", "Row", "read_table"]

SHIPPED = Path(__file__).parents[1] / "reference" / "scalesim.csv"
"""270 runs of scalesim 3.0.0 from PyPI with numpy 1.26.4."""

Mode = Literal["CALC", "USER"]

CHECKED: Mapping[str, type] = {
    "total_cycles": int, "stall_cycles": int, "total_cycles_incl_prefetch": int,
    "overall_util_pct": float, "mapping_eff_pct": float, "compute_util_pct": float,
    "sram_ifmap_reads": int, "sram_filter_reads": int, "sram_ofmap_writes": int,
    "dram_ifmap_reads": int, "dram_filter_reads": int, "dram_ofmap_writes": int,
    "dram_ifmap_start": int, "dram_filter_start": int, "dram_ofmap_start": int, "dram_ofmap_stop": int,
}
"""Reported columns, all of which a table must have. Times are cycles, SRAM and DRAM counts are words."""

CONV = ("ifmap_h", "ifmap_w", "filt_h", "filt_w", "channels", "num_filters", "stride")
GEMM = ("gemm_M", "gemm_N", "gemm_K")
ARRAY = ("array_rows", "array_cols")
SRAM = ("ifmap_sram_kB", "filter_sram_kB", "ofmap_sram_kB")
BANDWIDTH = ("ifmap_bw", "filter_bw", "ofmap_bw")
LIMITS = {**dict.fromkeys(ARRAY, 2**16), **dict.fromkeys(SRAM, 2**20)}
LARGEST = 2**20
MOST_WORDS = 2**27
"""Largest matrix that is walked word by word."""


@dataclass(frozen=True)
class Layer:
    """A convolution as SCALE-Sim sees it: no padding, one image, the same stride both ways.

    A GEMM is an M x K ifmap, N filters of 1 x K and one channel.
    """

    ifmap_h: int
    ifmap_w: int
    filt_h: int
    filt_w: int
    channels: int
    filters: int
    stride: int

    @classmethod
    def gemm(cls, m: int, n: int, k: int) -> Layer:
        """Return a GEMM as the tool reads it."""
        return cls(m, k, 1, k, 1, n, 1)

    @property
    def m(self) -> int:
        """Output pixels; a last partial window makes one too."""
        out_h = -(-(self.ifmap_h - self.filt_h + self.stride) // self.stride)
        return out_h * -(-(self.ifmap_w - self.filt_w + self.stride) // self.stride)

    @property
    def n(self) -> int:
        """Filters."""
        return self.filters

    @property
    def k(self) -> int:
        """Words of one window."""
        return self.filt_h * self.filt_w * self.channels


@dataclass(frozen=True)
class Row:
    """One run: the layer, the array and what SCALE-Sim reported."""

    name: str
    layer: Layer
    rows: int
    cols: int
    dataflow: Dataflow
    sram: tuple[int, int, int]
    """Scratchpads for ifmap, filter and ofmap in words of one byte, each at least 100."""
    mode: Mode
    bandwidth: tuple[int, int, int] | None
    """Words a cycle for ifmap, filter and ofmap; None in CALC mode."""
    reported: Mapping[str, str]
    """The cells of the checked columns as they stand in the file."""


def read_table(path: Path | None = None) -> list[Row]:
    """Read a table of runs (the shipped one if none is given).

    Raises `InputError` in one line with the file, the line, the column, the value and what is accepted.
    """
    path = path or SHIPPED
    needed = ("kind", *CONV, *GEMM, *ARRAY, "dataflow", *SRAM, "mode", *BANDWIDTH, *CHECKED)
    lines = read_cells(path, needed, "a CSV file of SCALE-Sim runs", "utf-8-sig")
    return [_row(_Line(path, number, cells)) for number, cells in lines]


class _Line:
    """One line of the file, which knows how to complain about itself."""

    def __init__(self, path: Path, number: int, cells: Mapping[str, str]) -> None:
        self.where, self.number, self.cells = f"{path}, line {number}", number, cells

    def refuse(self, column: str, accepted: str) -> NoReturn:
        raise InputError(f"{self.where}: {column}={self.cells[column]!r}; accepted: {accepted}")

    def choice(self, column: str, accepted: tuple[str, ...]) -> str:
        if self.cells[column] not in accepted:
            self.refuse(column, ", ".join(accepted))
        return self.cells[column]

    def size(self, column: str) -> int:
        largest = LIMITS.get(column, LARGEST)
        number = natural(self.cells[column], 1, largest)
        if number is None:
            self.refuse(column, f"an integer from 1 to {largest}")
        return number

    def reported(self) -> dict[str, str]:
        for column, kind in CHECKED.items():
            try:
                kind(self.cells[column])
            except ValueError:
                self.refuse(column, "an integer" if kind is int else "a number")
        return {column: self.cells[column] for column in CHECKED}


def _row(line: _Line) -> Row:
    if line.choice("kind", ("conv", "gemm")) == "gemm":
        layer = Layer.gemm(*(line.size(column) for column in GEMM))
        biggest = "gemm_K"
    else:
        layer = Layer(*(line.size(column) for column in CONV))
        biggest = "channels"
        for filt, size in (("filt_h", layer.ifmap_h), ("filt_w", layer.ifmap_w)):
            if getattr(layer, filt) > size:
                line.refuse(filt, f"at most {size}, the size of the ifmap")
    m, n, k = layer.m, layer.n, layer.k
    words = max(layer.ifmap_h * layer.ifmap_w * layer.channels, m * k, n * k, m * n)
    if words > MOST_WORDS:
        line.refuse(biggest, f"matrices of at most {MOST_WORDS} words (here {words})")
    mode: Mode = "USER" if line.choice("mode", get_args(Mode)) == "USER" else "CALC"
    dataflow = DATAFLOWS[DATAFLOWS.index(line.choice("dataflow", DATAFLOWS))]
    ifmap_sram, filter_sram, ofmap_sram = (1024 * line.size(column) for column in SRAM)
    bandwidth = None
    if mode == "USER":
        ifmap_bw, filter_bw, ofmap_bw = (line.size(column) for column in BANDWIDTH)
        bandwidth = (ifmap_bw, filter_bw, ofmap_bw)
    name = line.cells.get("row_id") or f"line {line.number}"
    rows, cols = (line.size(column) for column in ARRAY)
    sram = (ifmap_sram, filter_sram, ofmap_sram)
    return Row(name, layer, rows, cols, dataflow, sram, mode, bandwidth, line.reported())
