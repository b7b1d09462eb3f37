"""Import of SCALE-Sim topology files, the convolution and the GEMM form.

Convolution: Layer name, IFMAP Height, IFMAP Width, Filter Height, Filter Width, Channels, Num Filter, Strides. GEMM: Layer, M,
N, K. Both may have Batch Size and Sparsity ("N:M"), a convolution Dilation, which SCALE-Sim itself does not know; other columns
are left alone, and a comma may end a line. By SCALE-Sim's rules nothing is padded, a last partial window still makes an output,
a convolution whose name contains "DP" filters every channel on its own, and a GEMM is an (M x K) by (K x N) product.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from ..errors import InputError, explain
from ..reading import natural, read_text
from .arguments import Batch
from .catalog import file_format
from .operators import Conv, Gemm
from .sparsity import DENSE, Sparsity
from .workload import UniqueNames, Workload

__all__ = ["read"]

MAX_BYTES = 2 * 2**20
"""Larger files are refused; a layer takes about 40 bytes, so this is some 50,000 layers."""

_CONV = ("IFMAP Height", "IFMAP Width", "Filter Height", "Filter Width", "Channels", "Num Filter", "Strides")
_GEMM = ("M", "N", "K")
_BATCH, _SPARSITY, _DILATION = "Batch Size", "Sparsity", "Dilation"
_OPTIONAL = (_BATCH, _SPARSITY, _DILATION)
_FORMS = f"Layer name, {', '.join(_CONV)} or Layer, {', '.join(_GEMM)}"
_LARGEST = 2**32


@file_format(".csv", "SCALE-Sim topology, convolutions or GEMMs", kind="network",
             source="github.com/scalesim-project/SCALE-Sim, topologies/")
def read(name: str, path: Path, *, batch: Batch = 1, sparsity: Sparsity = DENSE) -> Workload:
    """Read a topology as a chain of operators; `batch` images of each convolution, or `batch` times a GEMM's M rows.

    `sparsity` is for the layers without one in the file.

    Raises `InputError` with file, line, column, value and what is accepted.
    """
    rows = _rows(path)
    line, header = next(rows, (0, []))
    if not header:
        raise InputError(f"{path}: the file is empty (accepted: a header line {_FORMS})")
    columns = _columns(path, line, header)
    unique = UniqueNames()
    operators: list[Conv | Gemm] = []
    for line, cells in rows:
        if len(cells) > len(header) and not cells[len(header)].startswith("#"):
            raise InputError(f"{path}:{line}: {len(cells)} values for {len(header)} columns")
        values = _layer(path, line, cells, columns)
        layer = unique(cells[0] or f"layer{len(operators)}")
        inputs = (operators[-1].name,) if operators else ("",)
        try:
            operators.append(_operator(layer, inputs, batch, values))
        except ValidationError as error:
            raise InputError(f"{path}:{line}: layer {layer!r}: {explain(error)}") from None
    if not operators:
        raise InputError(f"{path}: no layer after the header")
    return Workload(name=name, operators=tuple(operators), source=str(path)).pruned(sparsity)


def _rows(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Yield line numbers and stripped cells of the lines that are not blank, without empty cells at their ends."""
    text = read_text(path, MAX_BYTES, f"a topology of at most {MAX_BYTES} bytes", "utf-8-sig")
    reader = csv.reader(io.StringIO(text, newline=""))
    while True:
        try:
            cells = [cell.strip() for cell in next(reader)]
        except StopIteration:
            return
        except csv.Error as error:
            raise InputError(f"{path}:{reader.line_num}: not a line of a CSV file: {error}") from None
        while cells and not cells[-1]:
            cells.pop()
        if cells:
            yield reader.line_num, cells


def _columns(path: Path, line: int, header: list[str]) -> dict[str, int]:
    """Return where each column is. Columns are found by name, in any case and order; others are left alone."""
    titles = [_plain(title) for title in header]
    if titles[1:3] == ["ifmapwidth", "ifmapwidth"]:
        titles[1] = "ifmapheight"  # as in some of SCALE-Sim's own files, which it reads by position
    wanted = _GEMM if {"m", "n", "k"} & set(titles) else _CONV
    missing = [column for column in wanted if _plain(column) not in titles]
    if missing:
        raise InputError(f"{path}:{line}: column {missing[0]!r} is missing (accepted: {_FORMS})")
    columns = {column: titles.index(_plain(column)) for column in wanted}
    if 0 in columns.values():
        raise InputError(f"{path}:{line}: the first column must be the layer's name (accepted: {_FORMS})")
    for column in _OPTIONAL:
        if _plain(column) in titles:
            columns[column] = titles.index(_plain(column))
    return columns


def _plain(title: str) -> str:
    plain = "".join(char for char in title.lower() if char.isalnum())
    synonyms = {
        "stride": "strides", "numfilters": "numfilter", "channel": "channels", "batch": "batchsize",
        "sparsitysupport": "sparsity", "sparsityratio": "sparsity", "dilations": "dilation", "dilationrate": "dilation",
    }
    return synonyms.get(plain, plain)


def _layer(path: Path, line: int, cells: list[str], columns: dict[str, int]) -> dict[str, Any]:
    """Return the values of one line by column; raises `InputError` for the first that is wrong."""
    values: dict[str, Any] = {}
    for column, at in columns.items():
        text = cells[at] if at < len(cells) else ""
        if not text and column in _OPTIONAL:
            continue
        values[column] = (_sparsity if column == _SPARSITY else _size)(f"{path}:{line}: {column}", text)
    return values


def _size(where: str, text: str) -> int:
    number = natural(text, 1, _LARGEST)
    if number is not None:
        return number
    raise InputError(f"{where}={_shown(text)} (accepted: an integer from 1 to {_LARGEST})")


def _sparsity(where: str, text: str) -> tuple[int, int] | None:
    n, m = (natural(part.strip(), 1, 64) for part in text.partition(":")[::2])
    if n is not None and m is not None and n <= m:
        return None if n == m else (n, m)
    raise InputError(f"{where}={_shown(text)} (accepted: N:M with 1 <= N <= M <= 64)")


def _shown(text: str) -> str:
    return repr(text if len(text) <= 40 else f"{text[:40]}...")


def _operator(name: str, inputs: tuple[str, ...], batch: int, values: dict[str, Any]) -> Conv | Gemm:
    batch *= values.get(_BATCH, 1)
    sparsity = values.get(_SPARSITY)
    if "M" in values:
        m = batch * values["M"]
        return Gemm(name=name, inputs=inputs, m=m, n=values["N"], k=values["K"], weight_sparsity=sparsity)
    in_h, in_w, kernel_h, kernel_w, channels, filters, stride = (values[column] for column in _CONV)
    groups = channels if "DP" in name else 1
    return Conv(
        name=name, inputs=inputs, batch=batch, in_h=in_h, in_w=in_w, in_channels=channels,
        out_channels=groups * filters, kernel_h=kernel_h, kernel_w=kernel_w, stride_h=stride, stride_w=stride,
        groups=groups, window="ceil", weight_sparsity=sparsity, dilation=values.get(_DILATION, 1),
    )
