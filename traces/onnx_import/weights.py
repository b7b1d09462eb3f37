"""Looking at the zeros of a model's weights, part by part, in its own file or in the files beside it."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import numpy_helper

from ...errors import InputError
from ...reading import natural
from ..sparsity import DENSE, Detector, Pattern
from .convert import Matrix
from .file import Model

__all__ = ["Weights"]

Array = np.ndarray[Any, Any]

_PART = 1 << 22
"""Weights that are looked at together."""

_LONGEST = 1 << 26
"""Weights of the largest window of a convolution."""

_DTYPES = {1: "<f4", 10: "<f2", 11: "<f8", 16: "<u2", 2: "u1", 3: "i1", 4: "<u2", 5: "<i2", 6: "<i4", 7: "<i8"}
"""How elements of each TensorProto.DataType lie in a file; bfloat16 as its bits."""
_BFLOAT16, _SIGN = 16, 0x8000


class Weights:
    """The constants of a model, read where they lie."""

    def __init__(self, path: Path, model: Model) -> None:
        self._path = path
        self._dropped = model.dropped
        self._tensors = {tensor.name: tensor for tensor in model.proto.graph.initializer}

    def patterns(self, matrices: Mapping[str, Matrix]) -> dict[str, tuple[int, int]]:
        """Return the pattern of each operator whose weights have one, by its name.

        Weights that another node makes of constants are taken as dense. Raises `InputError` for ones that are not there.
        """
        seen: dict[Matrix, Pattern] = {}
        for matrix in matrices.values():
            if matrix not in seen and matrix.tensor in self._tensors:
                seen[matrix] = self._pattern(matrix)
        found = ((name, seen.get(matrix, DENSE)) for name, matrix in matrices.items())
        return {name: (pattern.n, pattern.m) for name, pattern in found if pattern != DENSE}

    def _pattern(self, matrix: Matrix) -> Pattern:
        tensor = self._tensors[matrix.tensor]
        if tensor.data_type not in _DTYPES:
            return DENSE
        weights = self._array(tensor)
        axes = [weights.shape[axis] for axis in matrix.reduction]
        if prod(axes) > _LONGEST and prod(axes) > max(axes):
            raise InputError(f"{self._path}: the weights {matrix.tensor!r} have {prod(axes):,} for each output (accepted for "
                             f"sparsity=stored: at most {_LONGEST:,})")
        columns = [axis for axis in range(weights.ndim) if axis not in matrix.reduction]
        detector = Detector()
        for part in _parts(weights.transpose(*columns, *matrix.reduction), len(columns)):
            detector.see(part & ~np.uint16(_SIGN) if tensor.data_type == _BFLOAT16 else part)
            if detector.dense:
                break
        return detector.pattern

    def _array(self, tensor: onnx.TensorProto) -> Array:
        """Return the data of a tensor without reading them, if they are in a file as they are in memory."""
        dims, dtype = tuple(tensor.dims), np.dtype(_DTYPES[tensor.data_type])
        if tensor.data_location == onnx.TensorProto.EXTERNAL:
            return self._mapped(*self._external(tensor, prod(dims) * dtype.itemsize), dtype, dims)
        if tensor.name not in self._dropped:
            if tensor.data_type == _BFLOAT16 and tensor.raw_data:
                return np.frombuffer(tensor.raw_data, dtype).reshape(dims)
            return numpy_helper.to_array(tensor).astype(np.float64).reshape(dims)
        span = self._dropped[tensor.name]
        if span is None:
            raise InputError(f"{self._path}: the weights {tensor.name!r} are packed (accepted for sparsity=stored: raw data)")
        return self._mapped(self._path, span.start, dtype, dims)

    @staticmethod
    def _mapped(path: Path, offset: int, dtype: np.dtype[Any], dims: tuple[int, ...]) -> Array:
        size = prod(dims) * dtype.itemsize
        return np.memmap(path, np.uint8, "r", offset, (size,)).view(dtype).reshape(dims)

    def _external(self, tensor: onnx.TensorProto, size: int) -> tuple[Path, int]:
        """Return the file beside the model that holds a tensor, and where in it; raises `InputError` for any other."""
        entries = {entry.key: entry.value for entry in tensor.external_data}
        where = f"{self._path}: the weights {tensor.name!r} in {entries.get('location', '')!r}"
        folder = Path(os.path.realpath(self._path.parent))
        location = entries.get("location", "")
        path = folder if "\0" in location else Path(os.path.realpath(folder / location))
        if not location or Path(location).is_absolute() or not path.is_relative_to(folder):
            raise InputError(f"{where}: not a file of the model's folder (accepted: a relative path that stays inside)")
        if not os.path.isfile(path):
            raise InputError(f"{where}: no such file (accepted for sparsity=stored: a model with its weights)")
        numbers = entries.get("offset", "0"), entries.get("length", str(size))
        offset, length = map(natural, numbers)
        if offset is None or length is None:
            raise InputError(f"{where}: offset={numbers[0]!r:.40}, length={numbers[1]!r:.40} (accepted: integers)")
        held = min(length, path.stat().st_size - offset)
        if held < size:
            raise InputError(f"{where}: its dimensions {list(tensor.dims)} take {size:,} bytes, and there are {max(0, held):,}")
        return path, offset


def _parts(weights: Array, columns: int) -> Iterator[Array]:
    """Yield the vectors along the reduction, which are the last axes, some at a time, long ones in slices of whole groups."""
    length = prod(weights.shape[columns:])
    if columns > 1:
        for first in weights:
            yield from _parts(first, columns - 1)
    elif columns == 0:
        yield from _parts(weights[None], 1)
    elif length <= _PART:
        step = max(1, _PART // max(1, length))
        for start in range(0, len(weights), step):
            yield weights[start : start + step].reshape(-1, length)
    else:
        # Several axes of one vector are copied to be one; that of a single axis is not.
        for vector in weights:
            flat = vector.reshape(-1)
            for start in range(0, length, _PART):
                yield flat[None, start : start + _PART]
